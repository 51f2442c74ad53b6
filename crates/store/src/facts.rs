//! Facts and edges: put on change, closed once, compared and set; each change with its ledger entry, in one
//! transaction (FCT-01 to FCT-11, FCT-16).

pub mod graph;
pub mod observed;
pub mod read;
pub(crate) mod sql;

use ledger::EntryKind;
use model::fact::{self, SUBJECT_BYTES_MAX, VALUE_BYTES_MAX};
use model::{ClaimKey, ClaimKind, Classification, Digest, FactId, Subject, Timestamp, Version};

use crate::append::{Appender, Draft, Nonces, audit_id, broken, to_i64};
use crate::codec::Reader;
use crate::db::{Row, Tx, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

pub(crate) use sql::of as statements;

/// How far ahead of the clock a fact may begin to be valid. Microseconds (FCT-06).
pub const AHEAD_US_MAX: i64 = 300_000_000;
/// Times that a write is tried whose turn does not come: among the writers of its tenant, or at the log's head, where others
/// may stand who take no turns. 5 s each (FCT-10).
const LOCK_TRIES: u32 = 3;
/// Why a version ended when nobody said why its successor was put (FCT-03).
pub const REPLACED: &str = "replaced";

/// A version as it is stored, with its place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub version: Version,
    /// The entry that put it.
    pub log_index: u64,
    /// The entry that closed it.
    pub superseded_index: Option<u64>,
}

impl Stored {
    /// Returns the token that names this version for compare-and-set (FCT-11): the SHA-256 over the canonical form of
    /// `{actor, fact_type, predicate, reason, subject, t_valid, value}`, of an edge with `relation` and `target`.
    ///
    /// # Errors
    /// When a text of it has no canonical form.
    pub fn token(&self) -> Result<Digest, StoreError> {
        let version = &self.version;
        // Written member by member, because the value is canonical already and may be nested as deep as any.
        let text = |text: &str| {
            let bytes = ledger::canonical::to_bytes(text).map_err(|err| broken("a token", &err))?;
            String::from_utf8(bytes).map_err(|err| broken("a token", &err))
        };
        let reason = version.reason.as_deref().map_or_else(|| Ok("null".to_owned()), text)?;
        let (actor, subject) = (text(&version.actor)?, text(version.key.subject().as_str())?);
        let (name, last) = (text(version.key.name())?, text(version.key.last())?);
        let (t_valid, value) = (version.t_valid, &version.value);
        let token = match version.key.kind() {
            ClaimKind::Fact => format!(
                "{{\"actor\":{actor},\"fact_type\":{last},\"predicate\":{name},\"reason\":{reason},\
                 \"subject\":{subject},\"t_valid\":\"{t_valid}\",\"value\":{value}}}"
            ),
            ClaimKind::Edge => format!(
                "{{\"actor\":{actor},\"reason\":{reason},\"relation\":{name},\"subject\":{subject},\
                 \"t_valid\":\"{t_valid}\",\"target\":{last},\"value\":{value}}}"
            ),
        };
        Ok(Digest(ledger::sha256(token.as_bytes())))
    }
}

/// Which version has to be the active one for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// None is active.
    Absent,
    /// The one with this token.
    Token(Digest),
}

/// A value to be put.
#[derive(Debug, Clone)]
pub struct Put<'p> {
    pub key: &'p ClaimKey,
    /// JSON; it is stored in canonical form.
    pub value: &'p [u8],
    /// From when on it is so; none for now.
    pub t_valid: Option<Timestamp>,
    pub reason: Option<&'p str>,
    pub classification: Classification,
    pub expected: Option<Expected>,
}

/// What a put came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    New(Stored),
    /// The active version has this value already; only its heartbeat moved.
    Unchanged(Stored),
}

impl Db {
    /// Puts a value: closes the active version and puts the new one, unless the value is the same (FCT-03, FCT-04).
    ///
    /// # Errors
    /// [`StoreError::Invalid`] before anything is written when a part of it cannot be stored;
    /// [`StoreError::VersionConflict`] when another version is active than expected; [`StoreError::Withheld`] when one is
    /// that the writer may not see.
    pub async fn put_claim(
        &self,
        (tenant, actor): (&Tenant, &str),
        put: &Put<'_>,
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<Written, StoreError> {
        let value = check(actor, put, now)?;
        let mut tries = 1;
        loop {
            match self.put_once((tenant, actor), (put, &value), now, &mut *nonces).await {
                Err(err) if err.is_busy() && tries < LOCK_TRIES => tries += 1,
                done => return done,
            }
        }
    }

    async fn put_once(
        &self,
        (tenant, actor): (&Tenant, &str),
        (put, value): (&Put<'_>, &str),
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<Written, StoreError> {
        let said = "store the fact";
        let mut tx = self.begin(tenant.id, said).await?;
        refuse_unknown_hosts(&mut tx, tenant, put.key).await?;
        let active = find_active(&mut tx, tenant, put.key).await?;
        refuse_across(put, active.as_ref())?;
        compare(put.key, active.as_ref(), put.expected)?;
        if let Some(active) = active.as_ref().filter(|active| active.version.value == value) {
            beat(&mut tx, tenant, (put.key.subject(), &active.version.id.to_string()), now).await?;
            tx.commit().await.map_err(doing(said))?;
            return Ok(Written::Unchanged(active.clone()));
        }
        let mut appender = Appender::reserve(&mut tx, (tenant, actor), (1, now), &mut *nonces).await?;
        let at = appender.at();
        let fresh = Version {
            id: FactId::new(audit_id(at, nonces()).uuid()),
            seq: 0,
            key: put.key.clone(),
            value: value.to_owned(),
            t_valid: put.t_valid.unwrap_or(at),
            t_invalid: None,
            t_recorded: at,
            t_superseded: None,
            superseded_by: None,
            actor: actor.to_owned(),
            reason: put.reason.map(str::to_owned),
            superseded_actor: None,
            superseded_reason: None,
            classification: put.classification,
        };
        if let Some(active) = &active {
            let closing = Closing {
                at,
                t_invalid: fresh.t_valid,
                replaced: true,
                actor,
                reason: put.reason.unwrap_or(REPLACED),
                index: appender.next_position(),
            };
            close(&mut tx, (tenant, active), &closing).await?;
        }
        let stored = insert(&mut tx, (tenant, &mut appender), fresh, nonces).await?;
        appender.insert(&mut tx).await?;
        tx.commit().await.map_err(doing(said))?;
        Ok(Written::New(stored))
    }

    /// Closes the active version without a successor (FCT-05).
    ///
    /// # Errors
    /// [`StoreError::ClaimMissing`] when none is active, or none that the writer may see; [`StoreError::VersionConflict`] when it is not the expected one;
    /// [`StoreError::Invalid`] without a reason.
    #[expect(clippy::too_many_arguments, reason = "tenant, key, reason, clock and nonces are one each")]
    pub async fn retire_claim(
        &self,
        (tenant, actor): (&Tenant, &str),
        key: &ClaimKey,
        (reason, expected, up_to): (&str, Option<Expected>, Classification),
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<Stored, StoreError> {
        fact::check_name("actor", actor).map_err(invalid)?;
        fact::check_reason(reason).map_err(invalid)?;
        key.check().map_err(invalid)?;
        let mut tries = 1;
        loop {
            let which = (key, reason, expected, up_to);
            match self.retire_once((tenant, actor), which, now, &mut *nonces).await {
                Err(err) if err.is_busy() && tries < LOCK_TRIES => tries += 1,
                done => return done,
            }
        }
    }

    async fn retire_once(
        &self,
        (tenant, actor): (&Tenant, &str),
        (key, reason, expected, up_to): (&ClaimKey, &str, Option<Expected>, Classification),
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<Stored, StoreError> {
        let said = "retire the fact";
        let mut tx = self.begin(tenant.id, said).await?;
        let active = find_active(&mut tx, tenant, key).await?;
        let Some(active) = active.filter(|active| active.version.classification <= up_to) else {
            return Err(StoreError::ClaimMissing { key: key.to_string() });
        };
        compare(key, Some(&active), expected)?;
        let mut appender = Appender::reserve(&mut tx, (tenant, actor), (1, now), &mut *nonces).await?;
        let at = appender.at();
        let closing =
            Closing { at, t_invalid: at, replaced: false, actor, reason, index: appender.next_position() };
        close(&mut tx, (tenant, &active), &closing).await?;
        let version = Version {
            t_invalid: Some(active.version.t_valid.max(at)),
            t_superseded: Some(at),
            superseded_actor: Some(actor.to_owned()),
            superseded_reason: Some(reason.to_owned()),
            ..active.version
        };
        let index = appender.push(draft(&version, Step::Retired), nonces)?;
        appender.insert(&mut tx).await?;
        tx.commit().await.map_err(doing(said))?;
        Ok(Stored { version, log_index: active.log_index, superseded_index: Some(index) })
    }
}

/// What an entry says of a version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Put,
    Retired,
}

/// Makes the entry of a version.
pub(crate) fn draft(version: &Version, step: Step) -> Draft<'_, Version> {
    let (schema, put, retired) = match version.key.kind() {
        ClaimKind::Fact => (fact::SCHEMA_FACT, EntryKind::FactPut, EntryKind::FactRetired),
        ClaimKind::Edge => (fact::SCHEMA_EDGE, EntryKind::EdgePut, EntryKind::EdgeRetired),
    };
    Draft {
        kind: match step {
            Step::Put => put,
            Step::Retired => retired,
        },
        table: statements(version.key.kind()).table,
        row: version.id.to_string(),
        schema,
        record: version,
    }
}

fn invalid(problem: impl std::fmt::Display) -> StoreError {
    StoreError::Invalid { problem: problem.to_string() }
}

/// Checks everything that can be checked without the database; returns the value in canonical form (FCT-06).
fn check(actor: &str, put: &Put<'_>, now: Timestamp) -> Result<String, StoreError> {
    put.key.check().map_err(invalid)?;
    fact::check_name("actor", actor).map_err(invalid)?;
    put.reason.map_or(Ok(()), fact::check_reason).map_err(invalid)?;
    if put.t_valid.is_some_and(|t_valid| t_valid.micros_since(now) > AHEAD_US_MAX) {
        return Err(invalid("it would be valid from more than 5 minutes ahead of the clock on"));
    }
    canonical(put.value)
}

/// Renders a value once; what this returns is hashed, stored and shown.
pub(crate) fn canonical(value: &[u8]) -> Result<String, StoreError> {
    let parsed = ledger::canonical::parse(value).map_err(invalid)?;
    if parsed.is_null() {
        return Err(invalid("a value is not null; retire what is no longer so"));
    }
    let value = ledger::canonical::to_bytes(&parsed).map_err(invalid)?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(invalid(format_args!(
            "a value has at most {VALUE_BYTES_MAX} bytes, this one has {}",
            value.len()
        )));
    }
    String::from_utf8(value).map_err(invalid)
}

/// Refuses subjects and targets that name a host which is not in the inventory; a removed one is.
async fn refuse_unknown_hosts(tx: &mut Tx, tenant: &Tenant, key: &ClaimKey) -> Result<(), StoreError> {
    let target = match key {
        ClaimKey::Edge { target, .. } => Some(target),
        ClaimKey::Fact { .. } => None,
    };
    debug_assert!(key.subject().as_str().len() <= SUBJECT_BYTES_MAX, "the type has checked it");
    for host in [Some(key.subject()), target].into_iter().flatten().filter_map(Subject::host_part) {
        let known = query("SELECT host_id FROM hosts WHERE tenant_id = $1 AND host_id = $2")
            .bind(tenant.id.to_string())
            .bind(host)
            .fetch_optional(&mut *tx)
            .await
            .map_err(doing("look the host up"))?;
        if known.is_none() {
            let name: String = host.chars().take(80).collect();
            return Err(invalid(format_args!("there is no host {name:?}")));
        }
    }
    Ok(())
}

async fn find_active(tx: &mut Tx, tenant: &Tenant, key: &ClaimKey) -> Result<Option<Stored>, StoreError> {
    let row = query(statements(key.kind()).active)
        .bind(tenant.id.to_string())
        .bind(key.subject().as_str())
        .bind(key.name())
        .bind(key.last())
        .fetch_optional(&mut *tx)
        .await
        .map_err(doing("read the active version"))?;
    row.map(|row| read_version(key.kind(), &row)).transpose()
}

/// Refuses a version that would follow one of another classification: who may not see what is in force learns from what is
/// written in its place neither its value nor its token, and who restricts a value learns that it was not before (FCT-28).
fn refuse_across(put: &Put<'_>, active: Option<&Stored>) -> Result<(), StoreError> {
    let key = put.key.to_string();
    match active.map(|active| active.version.classification) {
        Some(Classification::Restricted) if put.classification == Classification::Normal => {
            Err(match put.expected {
                // As if it were not there: then no token fits, either.
                Some(Expected::Token(_)) => StoreError::VersionConflict { key, current: None },
                Some(Expected::Absent) | None => StoreError::Withheld { key },
            })
        }
        Some(Classification::Normal) if put.classification == Classification::Restricted => {
            Err(invalid(format_args!("{key} is in force and not restricted: retire it first")))
        }
        Some(Classification::Normal | Classification::Restricted) | None => Ok(()),
    }
}

fn compare(key: &ClaimKey, active: Option<&Stored>, expected: Option<Expected>) -> Result<(), StoreError> {
    let current = active.map(Stored::token).transpose()?;
    let same = match expected {
        None => true,
        Some(Expected::Absent) => current.is_none(),
        Some(Expected::Token(token)) => current == Some(token),
    };
    if same {
        return Ok(());
    }
    Err(StoreError::VersionConflict { key: key.to_string(), current })
}

/// Notes that a value was seen again.
pub(crate) async fn beat(
    tx: &mut Tx,
    tenant: &Tenant,
    (subject, claim): (&Subject, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO fact_heartbeats (tenant_id, subject, claim, last_seen_at_us)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, subject, claim) DO UPDATE SET last_seen_at_us = excluded.last_seen_at_us",
    )
    .bind(tenant.id.to_string())
    .bind(subject.as_str())
    .bind(claim)
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await
    .map_err(doing("note when the value was seen"))?;
    Ok(())
}

/// How a version ends.
struct Closing<'c> {
    at: Timestamp,
    /// It is over from here on, or from where it began, whichever is later.
    t_invalid: Timestamp,
    replaced: bool,
    actor: &'c str,
    reason: &'c str,
    index: u64,
}

async fn close(
    tx: &mut Tx,
    (tenant, active): (&Tenant, &Stored),
    closing: &Closing<'_>,
) -> Result<(), StoreError> {
    let key = &active.version.key;
    let closed = query(statements(key.kind()).close)
        .bind(tenant.id.to_string())
        .bind(key.subject().as_str())
        .bind(key.name())
        .bind(key.last())
        .bind(closing.at.as_micros())
        .bind(closing.t_invalid.as_micros())
        .bind(i64::from(closing.replaced))
        .bind(closing.actor)
        .bind(closing.reason)
        .bind(to_i64(closing.index)?)
        .bind(to_i64(active.version.seq)?)
        .execute(&mut *tx)
        .await
        .map_err(doing("close the active version"))?;
    if closed != 1 {
        return Err(StoreError::ClaimMissing { key: key.to_string() });
    }
    Ok(())
}

async fn insert(
    tx: &mut Tx,
    (tenant, appender): (&Tenant, &mut Appender<'_>),
    fresh: Version,
    nonces: Nonces<'_>,
) -> Result<Stored, StoreError> {
    let row = query(statements(fresh.key.kind()).put)
        .bind(tenant.id.to_string())
        .bind(fresh.key.subject().as_str())
        .bind(fresh.key.name())
        .bind(fresh.key.last())
        .bind(fresh.id.to_string())
        .bind(&fresh.value)
        .bind(fresh.t_valid.as_micros())
        .bind(fresh.t_recorded.as_micros())
        .bind(&fresh.actor)
        .bind(&fresh.reason)
        .bind(fresh.classification.as_str())
        .bind(to_i64(appender.next_position())?)
        .fetch_one(&mut *tx)
        .await
        .map_err(doing("store the version"))?;
    let seq: i64 = row.get("seq").map_err(doing("store the version"))?;
    let version = Version { seq: u64::try_from(seq).map_err(|err| broken("a version", &err))?, ..fresh };
    let index = appender.push(draft(&version, Step::Put), nonces)?;
    Ok(Stored { version, log_index: index, superseded_index: None })
}

/// Reads a version with its place in the ledger.
pub(crate) fn read_version(kind: ClaimKind, row: &Row) -> Result<Stored, StoreError> {
    let row = Reader::new(statements(kind).table, "id", row)?;
    read_columns(kind, &row, ["id", "name", "last"])
}

/// Reads a version whose three columns have these names.
pub(crate) fn read_columns(
    kind: ClaimKind,
    row: &Reader<'_>,
    [id, name, last]: [&'static str; 3],
) -> Result<Stored, StoreError> {
    let subject = row.parsed("subject")?;
    let key = match kind {
        ClaimKind::Fact => {
            ClaimKey::Fact { subject, predicate: row.text(name)?, fact_type: row.parsed(last)? }
        }
        ClaimKind::Edge => ClaimKey::Edge { subject, relation: row.text(name)?, target: row.parsed(last)? },
    };
    Ok(Stored {
        version: Version {
            id: row.parsed(id)?,
            seq: row.number("seq")?,
            key,
            value: row.text("value")?,
            t_valid: row.instant("t_valid")?,
            t_invalid: row.maybe_instant("t_invalid")?,
            t_recorded: row.instant("t_recorded")?,
            t_superseded: row.maybe_instant("t_superseded")?,
            superseded_by: row.maybe_number("superseded_by")?,
            actor: row.text("actor")?,
            reason: row.maybe_text("reason")?,
            superseded_actor: row.maybe_text("superseded_actor")?,
            superseded_reason: row.maybe_text("superseded_reason")?,
            classification: row.parsed("classification")?,
        },
        log_index: row.number("log_index")?,
        superseded_index: row.maybe_number("superseded_index")?,
    })
}
