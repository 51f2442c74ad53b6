//! Posture as of any two instants: what was so, as far as it was known; through a framework's lens on request.

pub(crate) mod recorded;

use std::collections::{BTreeMap, BTreeSet};

use decide::{Counts, CriticalFailure, SCORE_DEFINITION, control_status};
pub use decide::{PostureRow, RuleDiff};
use model::record::{ErasedBlob, HostRecord};
use model::{ComplianceState, Digest, Platform, RuleId, Status, Timestamp};
use serde::{Deserialize, Serialize};
use store::blobs::Store;
pub use store::history::HistoryRow;
use store::history::Page;
use store::posture::RuleState;

use crate::context::App;
use crate::error::{Error, Kind};
use crate::hosts::is_there;

/// Two instants and a framework.
#[derive(Debug, Clone, Default)]
pub struct AsOf {
    /// What was so then; none for now.
    pub valid_at: Option<Timestamp>,
    /// As far as it was recorded then; none for now.
    pub recorded_at: Option<Timestamp>,
    pub framework: Option<String>,
    /// Today's mapping instead of the one in force at the instant.
    pub today_mapping: bool,
}

/// One rule in a posture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleView {
    pub rule_id: RuleId,
    pub title: String,
    /// The format of others that the rule was imported from; none for rules in our own.
    pub imported: Option<String>,
    pub status: Status,
    pub severity: model::Severity,
    pub skip_reason: Option<model::ReasonCode>,
    pub controls: Vec<String>,
    pub since: Timestamp,
    pub last_value_changed_at: Timestamp,
    pub last_checked_at: Timestamp,
    pub check_count: u64,
    pub value_digest: Digest,
    pub evidence_sha256: Digest,
    pub log_index: u64,
}

/// One control of a framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlView {
    pub control: String,
    pub status: Status,
    pub rules: Vec<RuleId>,
}

/// The posture of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Posture {
    pub host: String,
    pub host_id: model::HostId,
    pub valid_at: Timestamp,
    pub recorded_at: Timestamp,
    /// False before the first completed full scan: then nothing is claimed.
    pub measured: bool,
    pub state: ComplianceState,
    /// Cut to one decimal; none when nothing was assessed.
    pub score: Option<String>,
    pub score_definition: &'static str,
    pub pass_count: u32,
    pub fail_count: u32,
    pub skipped_count: u32,
    pub error_count: u32,
    pub not_applicable_count: u32,
    /// Newest check at or before the instant; none when it was never checked.
    pub last_checked_at: Option<Timestamp>,
    /// False where rules came from a directory instead of the shipped ones, in the newest full scan or in one since.
    pub content_signed: bool,
    /// From that check to `valid_at`. Seconds.
    pub age_seconds: Option<i64>,
    pub framework: Option<String>,
    /// Where the mapping comes from: its edition, and whether it is today's or that of the instant.
    pub mapping: Option<String>,
    pub controls: Vec<ControlView>,
    pub rules: Vec<RuleView>,
}

/// What a stored corpus document says of titles and mappings (`plumbline.corpus/1`).
#[derive(Debug, Deserialize)]
struct CorpusDocument {
    rules: Vec<StoredRule>,
    mappings: Vec<StoredMapping>,
}

#[derive(Debug, Deserialize)]
struct StoredRule {
    id: RuleId,
    title: String,
    #[serde(default)]
    imported: Option<String>,
}

impl CorpusDocument {
    fn rules(&self) -> BTreeMap<&RuleId, &StoredRule> {
        self.rules.iter().map(|rule| (&rule.id, rule)).collect()
    }
}

fn read_corpus(bytes: &[u8]) -> Result<CorpusDocument, Error> {
    serde_json::from_slice(bytes)
        .map_err(|err| Error::internal(format!("a stored corpus does not read: {err}")))
}

#[derive(Debug, Clone, Deserialize)]
struct StoredMapping {
    framework: String,
    edition: String,
    /// Empty: for every platform.
    #[serde(default)]
    platforms: Vec<rules::PlatformPattern>,
    rules: BTreeMap<RuleId, Vec<String>>,
}

impl StoredMapping {
    fn applies_to(&self, platform: &Platform) -> bool {
        self.platforms.is_empty() || rules::PlatformPattern::any_matches(&self.platforms, platform)
    }
}

/// A lens: which controls each rule speaks to.
struct Lens {
    said: String,
    rules: BTreeMap<RuleId, Vec<String>>,
}

/// What the rules of several hosts know of one framework.
#[derive(Default)]
struct Lenses {
    are_some_known: bool,
    /// What to say where no host's rules know it.
    unknown: Option<Error>,
}

impl Lenses {
    /// Refuses a framework that the rules of no host know. Where those of one do, the others are told as outside of it: one
    /// host that was scanned with other rules takes the answer about the rest from nobody.
    fn refuse_unknown(self) -> Result<(), Error> {
        match self.unknown {
            Some(unknown) if !self.are_some_known => Err(unknown),
            Some(_) | None => Ok(()),
        }
    }
}

impl App {
    /// Returns the posture of a host at two instants.
    ///
    /// # Errors
    /// When there is no such host or framework.
    pub async fn posture(&self, host: &str, as_of: &AsOf) -> Result<Posture, Error> {
        let host = self.load_host_of(host, as_of.valid_at.unwrap_or_else(|| self.now())).await?.record;
        let mut lenses = Lenses::default();
        let posture = self.posture_of(&host, as_of, &mut lenses).await?;
        lenses.refuse_unknown()?;
        Ok(posture)
    }

    /// Returns the postures of all hosts that were in the inventory at the instant.
    ///
    /// # Errors
    /// When the database cannot be read, or no host was scanned with rules that are mapped to the framework.
    pub async fn fleet_posture(&self, as_of: &AsOf) -> Result<Vec<Posture>, Error> {
        let mut postures = Vec::new();
        let mut lenses = Lenses::default();
        for host in self.hosts_at(as_of.valid_at.unwrap_or_else(|| self.now())).await? {
            postures.push(self.posture_of(&host, as_of, &mut lenses).await?);
        }
        lenses.refuse_unknown()?;
        Ok(postures)
    }

    /// Returns the hosts that were in the inventory at an instant.
    async fn hosts_at(&self, at: Timestamp) -> Result<Vec<HostRecord>, Error> {
        let hosts = self.db.list_hosts(&self.tenant).await?;
        Ok(hosts.into_iter().map(|host| host.record).filter(|host| is_there(host, at)).collect())
    }

    async fn posture_of(
        &self,
        host: &HostRecord,
        as_of: &AsOf,
        lenses: &mut Lenses,
    ) -> Result<Posture, Error> {
        let now = self.now();
        let at = (as_of.valid_at.unwrap_or(now), as_of.recorded_at.unwrap_or(now));
        let full = self.db.find_full_scan(&self.tenant, host.host_id, at).await?;
        let (rule_set, corpus) = match &full {
            Some(scan) => (scan.rule_set_sha256, Some(scan.corpus_digest)),
            None => (None, None),
        };
        let states = match rule_set {
            Some(set) => self.db.results_as_of((&self.tenant, host.host_id), at, Some(set)).await?,
            None => Vec::new(),
        };
        let then = match corpus {
            Some(digest) => Some(self.stored_corpus(digest).await?),
            None => None,
        };
        let lens = match &as_of.framework {
            Some(framework) => {
                let mapping = then.as_ref().filter(|_| !as_of.today_mapping);
                let platform = match &full {
                    Some(scan) => self.platform_of(host, scan).await?,
                    None => recorded::platform(host),
                };
                Some(self.lens(framework, mapping, &platform, lenses)?)
            }
            None => None,
        };
        let stored = then.as_ref().map(CorpusDocument::rules).unwrap_or_default();
        // Also where no rule is in the lens, and where only some rules were ever run.
        let last_checked_at = match &full {
            Some(_) => last_check(&states),
            None => last_check(&self.db.results_as_of((&self.tenant, host.host_id), at, None).await?),
        };
        let content_signed = match &full {
            Some(full) => self.is_content_signed(full, at).await?,
            None => true,
        };
        let rules: Vec<RuleView> =
            states.into_iter().filter_map(|state| view(state, &stored, lens.as_ref())).collect();
        let counts = Counts::of(rules.iter().map(|rule| rule.status));
        let critical = CriticalFailure::among(rules.iter().map(|rule| (rule.status, rule.severity)));
        Ok(Posture {
            host: host.name.clone(),
            host_id: host.host_id,
            valid_at: at.0,
            recorded_at: at.1,
            measured: full.is_some(),
            state: counts.state(critical),
            score: counts.score().map(|score| score.to_string()),
            score_definition: SCORE_DEFINITION,
            pass_count: counts.pass,
            fail_count: counts.fail,
            skipped_count: counts.skipped,
            error_count: counts.error,
            not_applicable_count: counts.not_applicable,
            last_checked_at,
            content_signed,
            age_seconds: last_checked_at.map(|checked| at.0.micros_since(checked) / 1_000_000),
            framework: as_of.framework.clone(),
            controls: lens.as_ref().map(|lens| controls(lens, &rules)).unwrap_or_default(),
            mapping: lens.map(|lens| lens.said),
            rules,
        })
    }

    /// Reads what a corpus said. A scan that names one which is not there cannot be answered for.
    async fn stored_corpus(&self, digest: Digest) -> Result<CorpusDocument, Error> {
        let bytes = self.db.find_blob(&self.tenant, Store::Corpora, digest).await?;
        let bytes = bytes.ok_or_else(|| {
            Error::internal(format!("the corpus {digest} of a scan is missing"))
                .hint("run `plumb ledger verify`, then restore the newest backup")
        })?;
        read_corpus(&bytes)
    }

    /// Returns the mapping of a framework: that of the corpus in force at the instant, or today's (POS-07).
    /// Of its editions those for the host's platform count.
    fn lens(
        &self,
        framework: &str,
        then: Option<&CorpusDocument>,
        platform: &Platform,
        lenses: &mut Lenses,
    ) -> Result<Lens, Error> {
        let today = read_corpus(&self.content.document.bytes)?;
        let (document, when) = match then {
            Some(document) => (document, "as of that scan"),
            None => (&today, "today's"),
        };
        let found: Vec<StoredMapping> =
            document.mappings.iter().filter(|mapping| mapping.framework == framework).cloned().collect();
        if found.is_empty() {
            let known: BTreeSet<&str> = document.mappings.iter().map(|m| m.framework.as_str()).collect();
            let known: Vec<&str> = known.into_iter().collect();
            let error = Error::new(Kind::Usage, format!("no rule is mapped to the framework {framework:?}"));
            lenses.unknown.get_or_insert(match known.as_slice() {
                [] => error.hint("the rules that were used are mapped to none"),
                known => error.hint(format!("there are: {}", known.join(", "))),
            });
            return Ok(Lens {
                said: format!("no rule of these is mapped to it ({when})"),
                rules: BTreeMap::new(),
            });
        }
        lenses.are_some_known = true;
        let found: Vec<StoredMapping> =
            found.into_iter().filter(|mapping| mapping.applies_to(platform)).collect();
        if found.is_empty() {
            return Ok(Lens {
                said: format!("no edition for this platform ({when})"),
                rules: BTreeMap::new(),
            });
        }
        let editions: Vec<&str> = found.iter().map(|mapping| mapping.edition.as_str()).collect();
        let said = format!("{} ({when})", editions.join(", "));
        let mut rules: BTreeMap<RuleId, Vec<String>> = BTreeMap::new();
        for mapping in found {
            for (rule, controls) in mapping.rules {
                rules.entry(rule).or_default().extend(controls);
            }
        }
        Ok(Lens { said, rules })
    }

    /// Lists the changes of a host, newest first.
    ///
    /// # Errors
    /// When there is no such host, or a rule is asked for that neither the record nor the content knows.
    pub async fn history(
        &self,
        host: &str,
        rule: Option<&RuleId>,
        (before, limit): (Option<u64>, u32),
    ) -> Result<Vec<HistoryRow>, Error> {
        let host = self.load_host(host).await?.record;
        let page = Page {
            host_id: host.host_id,
            rule_id: rule,
            after: Timestamp::MIN,
            until: Timestamp::MAX,
            before,
            limit,
        };
        let rows = self.db.list_changes(&self.tenant, page).await?;
        match rule {
            // The changes of a rule that is gone are still there; one that never was is a slip of the pen.
            Some(rule) if rows.is_empty() && before.is_none() => self.refuse_unknown_rule(rule)?,
            Some(_) | None => {}
        }
        Ok(rows)
    }

    /// Returns what differs between two instants, and the change rows in between.
    ///
    /// # Errors
    /// When there is no such host.
    pub async fn diff(&self, host: &str, from: Timestamp, to: Timestamp) -> Result<DiffView, Error> {
        let host = self.load_host_of(host, to).await?.record;
        let at = |at: Timestamp| AsOf { valid_at: Some(at), ..AsOf::default() };
        let before = self.posture_of(&host, &at(from), &mut Lenses::default()).await?;
        let after = self.posture_of(&host, &at(to), &mut Lenses::default()).await?;
        let rows = decide::diff(&rows(&before), &rows(&after));
        let changes = self.changes_between(before.host_id, from, to).await?;
        let measured = (before.measured, after.measured);
        Ok(DiffView { host: after.host, from, to, measured, rules: rows, changes })
    }

    async fn changes_between(
        &self,
        host_id: model::HostId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<HistoryRow>, Error> {
        let mut changes: Vec<HistoryRow> = Vec::new();
        let mut before = None;
        loop {
            let limit = store::history::PAGE_MAX;
            let page = Page { host_id, rule_id: None, after: from, until: to, before, limit };
            let rows = self.db.list_changes(&self.tenant, page).await?;
            before = rows.last().map(|row| row.log_index);
            let is_last = rows.len() < limit as usize;
            changes.extend(rows);
            // Bounded by the change log, which a scan's batch limit bounds in turn.
            if is_last {
                return Ok(changes);
            }
        }
    }

    /// Returns stored evidence, exactly.
    ///
    /// # Errors
    /// When there is none with this digest.
    pub async fn evidence(&self, sha256: Digest) -> Result<Vec<u8>, Error> {
        let found = self.db.find_blob(&self.tenant, Store::Evidence, sha256).await?;
        let found = match found {
            Some(found) => Some(found),
            None => self.db.find_blob(&self.tenant, Store::Manifests, sha256).await?,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        for blob in [ErasedBlob::Evidence, ErasedBlob::Manifest] {
            if self.db.erased(&self.tenant, blob).await?.contains(&sha256.to_string()) {
                let message =
                    format!("the evidence with the digest {sha256} was erased on purpose or by retention");
                return Err(Error::new(Kind::NotFound, message)
                    .hint("`plumb ledger events` shows when, why and who approved it"));
            }
        }
        Err(Error::new(Kind::NotFound, format!("no evidence has the digest {sha256}")))
    }
}

/// What differs between two instants.
#[derive(Debug, Clone)]
pub struct DiffView {
    pub host: String,
    pub from: Timestamp,
    pub to: Timestamp,
    /// Whether there had been a full scan by `from`, and by `to`: before one nothing is claimed.
    pub measured: (bool, bool),
    pub rules: Vec<RuleDiff>,
    /// The change rows in between, newest first.
    pub changes: Vec<HistoryRow>,
}

/// Shows a result under the title that its rule had then (POS-13); none outside the lens.
fn view(state: RuleState, stored: &BTreeMap<&RuleId, &StoredRule>, lens: Option<&Lens>) -> Option<RuleView> {
    let controls = match lens {
        Some(lens) => lens.rules.get(&state.rule_id)?.clone(),
        None => Vec::new(),
    };
    let rule = stored.get(&state.rule_id);
    Some(RuleView {
        title: rule.map_or_else(|| state.rule_id.to_string(), |rule| rule.title.clone()),
        imported: rule.and_then(|rule| rule.imported.clone()),
        rule_id: state.rule_id,
        status: state.status,
        severity: state.severity,
        skip_reason: state.skip_reason,
        controls,
        since: state.last_changed_at,
        last_value_changed_at: state.last_value_changed_at,
        last_checked_at: state.last_checked_at,
        check_count: state.check_count,
        value_digest: state.value_digest,
        evidence_sha256: state.evidence_sha256,
        log_index: state.log_index,
    })
}

fn last_check(states: &[RuleState]) -> Option<Timestamp> {
    states.iter().map(|state| state.last_checked_at).max()
}

fn rows(posture: &Posture) -> BTreeMap<RuleId, PostureRow> {
    let row = |rule: &RuleView| PostureRow {
        status: rule.status,
        severity: rule.severity,
        value_digest: rule.value_digest,
    };
    posture.rules.iter().map(|rule| (rule.rule_id.clone(), row(rule))).collect()
}

fn controls(lens: &Lens, rules: &[RuleView]) -> Vec<ControlView> {
    let mut by_control: BTreeMap<&String, Vec<&RuleView>> = BTreeMap::new();
    for rule in rules {
        for control in lens.rules.get(&rule.rule_id).into_iter().flatten() {
            by_control.entry(control).or_default().push(rule);
        }
    }
    let mut controls: Vec<ControlView> = by_control
        .into_iter()
        .map(|(control, rules)| ControlView {
            control: control.clone(),
            status: control_status(rules.iter().map(|rule| rule.status)),
            rules: rules.iter().map(|rule| rule.rule_id.clone()).collect(),
        })
        .collect();
    controls.sort_by_key(|control| formats::text::natural(&control.control));
    controls
}
