//! Facts and edges: putting, retiring and reading them, now and as of any two instants.

use std::collections::BTreeMap;

use model::{ClaimKey, ClaimKind, Classification, FactType, Subject, Timestamp};
pub use store::facts::read::PAGE_MAX;
use store::facts::read::Wanted;
pub use store::facts::{Expected, Stored};
use store::facts::{Put, Written};

use crate::context::{App, nonces};
use crate::error::{Error, Kind};

pub(crate) mod points;
mod results;

use points::Point;
use results::Asked;

/// A value that somebody wants to be recorded.
#[derive(Debug, Clone)]
pub struct Wish {
    pub key: ClaimKey,
    /// JSON.
    pub value: Vec<u8>,
    /// From when on it is so; none for now.
    pub valid_from: Option<Timestamp>,
    pub reason: Option<String>,
    pub classification: Classification,
    pub expected: Option<Expected>,
}

/// A version with what is derived from it.
#[derive(Debug, Clone)]
pub struct Claim {
    pub stored: Stored,
    /// Names the version for compare-and-set. 64 hexadecimal digits.
    pub token: String,
    /// When the same value was last put, or last found by a scan; absent when never since.
    pub last_seen_at: Option<Timestamp>,
}

/// As far as what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    Now,
    At(Timestamp),
    /// The first so many entries of the ledger, counted on through all its logs.
    TreeSize(u64),
}

/// Which facts or edges, by subject and, where given, by the other parts of the key.
#[derive(Debug, Clone)]
pub struct Filter {
    pub kind: ClaimKind,
    pub subject: Subject,
    /// Predicate or relation.
    pub name: Option<String>,
    /// Fact type or target.
    pub last: Option<String>,
    /// The highest classification that is told of: what is above it is as if it were not there (FCT-28).
    pub up_to: Classification,
}

impl Filter {
    fn of(key: &ClaimKey, up_to: Classification) -> Self {
        Self {
            kind: key.kind(),
            subject: key.subject().clone(),
            name: Some(key.name().to_owned()),
            last: Some(key.last().to_owned()),
            up_to,
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            kind: self.kind,
            subject: &self.subject,
            name: self.name.as_deref(),
            last: self.last.as_deref(),
            up_to: self.up_to,
        }
    }
}

/// An answer as of two instants.
#[derive(Debug, Clone)]
pub struct AsOf {
    pub valid_at: Timestamp,
    pub recorded_at: Timestamp,
    /// Entries of the ledger that the answer rests on, counted on through all its logs: asked for at this size it is the same for ever.
    pub tree_size: u64,
    pub claims: Vec<Claim>,
}

/// One key in which two recorded points differ.
#[derive(Debug, Clone)]
pub struct Difference {
    pub key: ClaimKey,
    pub before: Option<Claim>,
    pub after: Option<Claim>,
}

impl Difference {
    /// Says what happened: `added`, `changed` or `closed`.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "added",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "closed",
        }
    }
}

/// What differs between two recorded points, each named by its tree size.
#[derive(Debug, Clone)]
pub struct Differences {
    pub from_tree_size: u64,
    pub to_tree_size: u64,
    pub differences: Vec<Difference>,
}

impl App {
    /// Reads a subject; a host may be named as for other commands and is stored by its id.
    ///
    /// # Errors
    /// When it is no subject, or there is no such host.
    pub async fn subject(&self, text: &str) -> Result<Subject, Error> {
        let subject = Subject::parse(text).map_err(|err| Error::new(Kind::Usage, err.to_string()))?;
        match subject.host_part() {
            Some(host) => Ok(Subject::host(self.load_host(host).await?.record.host_id)),
            None => Ok(subject),
        }
    }

    /// Puts a value, unless the active version has it already; the second part is false then.
    ///
    /// # Errors
    /// When a part of it cannot be recorded, or another version is active than expected.
    pub async fn put_claim(&self, wish: &Wish) -> Result<(Claim, bool), Error> {
        let put = Put {
            key: &wish.key,
            value: &wish.value,
            t_valid: wish.valid_from,
            reason: wish.reason.as_deref(),
            classification: wish.classification,
            expected: wish.expected,
        };
        let now = self.now();
        match self.db.put_claim((&self.tenant, &self.actor), &put, now, &mut nonces()).await? {
            Written::New(stored) => Ok((claim(stored, None)?, true)),
            Written::Unchanged(stored) => Ok((claim(stored, Some(now))?, false)),
        }
    }

    /// Closes the active version without a successor.
    ///
    /// # Errors
    /// When none is active, or not the expected one, or there is no reason.
    pub async fn retire_claim(
        &self,
        key: &ClaimKey,
        (reason, expected, up_to): (&str, Option<Expected>, Classification),
    ) -> Result<Claim, Error> {
        let by = (&self.tenant, self.actor.as_str());
        claim(
            self.db.retire_claim(by, key, (reason, expected, up_to), self.now(), &mut nonces()).await?,
            None,
        )
    }

    /// Lists the active versions.
    ///
    /// # Errors
    /// When the database cannot be read, or there are too many for one answer.
    pub async fn active_claims(&self, filter: &Filter) -> Result<Vec<Claim>, Error> {
        let stored = self.db.list_active(&self.tenant, &filter.wanted()).await?;
        let seen: BTreeMap<String, Timestamp> =
            self.db.list_heartbeats(&self.tenant, &filter.subject).await?.into_iter().collect();
        let mut claims = Vec::with_capacity(stored.len());
        if let Some(asked) = Asked::of(filter) {
            claims.extend(self.result_history(&asked, (None, 1)).await?);
        }
        for stored in stored {
            let last = last_seen(&seen, &stored);
            claims.push(claim(stored, last)?);
        }
        Ok(claims)
    }

    /// Finds the one type that has versions of a predicate; none where no type has.
    ///
    /// # Errors
    /// When several have, so that it has to be said which is meant.
    pub async fn only_fact_type(
        &self,
        subject: &Subject,
        (predicate, up_to): (&str, Classification),
    ) -> Result<Option<FactType>, Error> {
        let mut found = Vec::new();
        for &fact_type in FactType::ALL {
            let (subject, predicate) = (subject.clone(), predicate.to_owned());
            let key = ClaimKey::Fact { subject, predicate, fact_type };
            if !self.claim_history(&key, (None, 1, up_to)).await?.is_empty() {
                found.push(fact_type);
            }
        }
        match *found {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => {
                let types: Vec<&str> = found.iter().map(|fact_type| fact_type.as_str()).collect();
                let message = format!("{subject} has {predicate} in several senses: {}", types.join(", "));
                Err(Error::new(Kind::Usage, message).hint("say which by --type"))
            }
        }
    }

    /// Lists the versions of a key, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn claim_history(
        &self,
        key: &ClaimKey,
        page: (Option<u64>, u32, Classification),
    ) -> Result<Vec<Claim>, Error> {
        let (before, limit, up_to) = page;
        if let Some(asked) = Asked::of(&Filter::of(key, up_to)) {
            return self.result_history(&asked, (before, limit)).await;
        }
        let stored = self.db.list_versions(&self.tenant, key, page).await?;
        stored.into_iter().map(|stored| claim(stored, None)).collect()
    }

    /// Returns what was so at one instant, as far as it was recorded at another (FCT-12).
    ///
    /// Without `valid_at` it is asked for the recorded instant, now where that is now.
    ///
    /// # Errors
    /// When the ledger has fewer entries or lost some of these, or there are too many versions for one answer.
    pub async fn claims_as_of(
        &self,
        filter: &Filter,
        (valid_at, recorded): (Option<Timestamp>, Recorded),
    ) -> Result<AsOf, Error> {
        let point = self.recorded_point(recorded).await?;
        let valid_at = self.valid_at((valid_at, recorded), &point);
        let claims = self.claims_at(filter, valid_at, &point).await?;
        Ok(AsOf { valid_at, recorded_at: point.recorded_at, tree_size: point.position, claims })
    }

    /// Compares the facts of a subject that were active at two recorded points, with the results of rules (FCT-13).
    ///
    /// # Errors
    /// As [`App::claims_as_of`]; also when the second point is before the first.
    pub async fn diff_facts(
        &self,
        (subject, up_to): (&Subject, Classification),
        (from, to): (Recorded, Recorded),
    ) -> Result<Differences, Error> {
        let (from, to) = (self.recorded_point(from).await?, self.recorded_point(to).await?);
        if from.position > to.position {
            let message = format!("tree size {} is before {}", to.position, from.position);
            return Err(Error::new(Kind::Usage, message).hint("name the earlier point by --from"));
        }
        let wanted = Wanted { kind: ClaimKind::Fact, subject, name: None, last: None, up_to };
        let points = (from.at(Timestamp::MAX), to.at(Timestamp::MAX));
        let mut differences = Vec::new();
        for (key, (before, after)) in self.db.list_differing(&self.tenant, &wanted, points).await? {
            let one = |stored: Option<Stored>| stored.map(|stored| claim(stored, None)).transpose();
            differences.push(Difference { key, before: one(before)?, after: one(after)? });
        }
        differences.extend(self.result_differences(subject, (&from, &to)).await?);
        differences.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(Differences { from_tree_size: from.position, to_tree_size: to.position, differences })
    }

    async fn claims_at(
        &self,
        filter: &Filter,
        valid_at: Timestamp,
        point: &Point,
    ) -> Result<Vec<Claim>, Error> {
        let stored = self.db.list_as_of(&self.tenant, &filter.wanted(), point.at(valid_at)).await?;
        let mut claims = Vec::with_capacity(stored.len());
        if let Some(asked) = Asked::of(filter) {
            claims.extend(self.result_at(&asked, valid_at, point).await?);
        }
        for stored in stored {
            claims.push(claim(stored, None)?);
        }
        Ok(claims)
    }

    /// Returns the valid time that a question is asked for.
    pub(crate) fn valid_at(
        &self,
        (asked, recorded): (Option<Timestamp>, Recorded),
        point: &Point,
    ) -> Timestamp {
        asked.unwrap_or_else(|| match recorded {
            Recorded::Now => self.now(),
            Recorded::At(at) => at,
            Recorded::TreeSize(_) => point.recorded_at,
        })
    }
}

fn claim(stored: Stored, last_seen_at: Option<Timestamp>) -> Result<Claim, Error> {
    Ok(Claim { token: stored.token()?.to_string(), stored, last_seen_at })
}

/// Returns when a value was last seen again: by a put of its own, or by a scan that collected its predicate, which is
/// named by what stands before the first slash. Below that name a scan speaks of what scans put.
fn last_seen(seen: &BTreeMap<String, Timestamp>, stored: &Stored) -> Option<Timestamp> {
    let name = stored.version.key.name();
    let family = name.split_once('/').map_or(name, |(family, _item)| family);
    let own = seen.get(&stored.version.id.to_string());
    // A scan's word counts for what was observed only, and not for what was put after it.
    let scans = seen.iter().filter(|(claim, at)| {
        claim.split(' ').any(|told| told == family) && **at >= stored.version.t_recorded
    });
    let is_told = stored.version.key.last() == FactType::Observed.as_str()
        && (name == family || stored.version.is_of_scan());
    let scanned = scans.map(|(_claim, at)| at).max().filter(|_at| is_told);
    own.max(scanned).copied()
}
