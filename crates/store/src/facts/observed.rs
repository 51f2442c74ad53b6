//! The facts that a scan found, written within its Apply in a number of statements that does not grow with them (FCT-29).

use std::collections::BTreeMap;

use model::{ClaimKey, ClaimKind, Classification, FactId, FactType, Subject, Timestamp, Version};

use super::{REPLACED, Step, beat, draft, read_version, statements};
use crate::append::{Appender, Nonces, audit_id, broken, to_i64};
use crate::db::{Rows, Tx, query};
use crate::error::{Problem, StoreError, doing};
use crate::{Tenant, dialect};

/// Most facts that one scan may change.
pub const CHANGES_MAX: usize = 50_000;

/// What the databases say of a key that has an active version already: a guard, and a unique index.
const TAKEN: [&str; 2] = ["has an active version", "\"facts_active\""];

/// What a scan changes in the observed facts of its host.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    pub changes: Vec<Change>,
    /// The families that were told whole, without blanks: what was seen of the host now.
    pub seen: Vec<String>,
}

/// One fact of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub predicate: String,
    /// Canonical JSON; none where the fact is over.
    pub value: Option<String>,
    /// `seq` of the version that was in force when this was decided; none where there was none.
    pub replaces: Option<u64>,
}

/// Whose facts they are, who says so, since when and why.
pub(crate) struct By<'b> {
    pub(crate) subject: Subject,
    pub(crate) actor: &'b str,
    pub(crate) measured_at: Timestamp,
    pub(crate) reason: String,
}

/// Writes what a scan found. The appender has room for an entry for each change.
pub(crate) async fn write(
    tx: &mut Tx,
    (tenant, appender): (&Tenant, &mut Appender<'_>),
    (by, observed): (&By<'_>, &Observed),
    nonces: Nonces<'_>,
) -> Result<(), StoreError> {
    let first = appender.next_position();
    let index_of = |at: usize| Ok::<i64, StoreError>(to_i64(first)? + i64::try_from(at).unwrap_or(i64::MAX));
    // Retirements come behind the puts: they have entries of their own, and no number.
    let (puts, retires): (Vec<&Change>, Vec<&Change>) =
        observed.changes.iter().partition(|change| change.value.is_some());
    let mut closed = Rows::new(5, observed.changes.len());
    let count = observed.changes.iter().filter(|change| change.replaces.is_some()).count();
    for (at, change) in puts.iter().chain(&retires).enumerate() {
        let Some(seq) = change.replaces else { continue };
        let ordinal = (at < puts.len()).then(|| i64::try_from(at).unwrap_or(i64::MAX));
        let until = if ordinal.is_some() { by.measured_at } else { appender.at() };
        closed.push([
            to_i64(seq)?.into(),
            ordinal.into(),
            until.as_micros().into(),
            by.reason.clone().into(),
            index_of(at)?.into(),
        ]);
    }
    let ended = close(tx, (tenant, appender.at()), (by, closed, count)).await?;
    let fresh = insert(tx, (tenant, appender), (by, &puts), &mut *nonces).await?;
    for version in &fresh {
        appender.push(draft(version, Step::Put), &mut *nonces)?;
    }
    let ended: BTreeMap<u64, &Version> = ended.iter().map(|ended| (ended.seq, ended)).collect();
    for change in &retires {
        let version = change.replaces.and_then(|seq| ended.get(&seq).copied());
        let version = version.ok_or_else(|| broken("a retired fact", &"it was not closed"))?;
        appender.push(draft(version, Step::Retired), &mut *nonces)?;
    }
    if observed.seen.is_empty() {
        return Ok(());
    }
    // One row for all of them, so that a scan writes as much whatever it looked at.
    beat(tx, tenant, (&by.subject, &observed.seen.join(" ")), appender.at()).await
}

/// Closes versions; returns those without a successor as they are now. One that is not in force any more was changed by
/// somebody else since this was decided.
async fn close(
    tx: &mut Tx,
    (tenant, at): (&Tenant, Timestamp),
    (by, closed, count): (&By<'_>, Rows, usize),
) -> Result<Vec<Version>, StoreError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let rows = query(dialect::CLOSE_FACTS)
        .bind(tenant.id.to_string())
        .bind(by.subject.as_str())
        .bind(at.as_micros())
        .bind(by.actor)
        .bind_rows(closed)
        .fetch_all(&mut *tx)
        .await
        .map_err(doing("close the facts that changed"))?;
    if rows.len() != count {
        return Err(conflict(by));
    }
    let mut retired = Vec::new();
    for row in &rows {
        let stored = read_version(ClaimKind::Fact, row)?;
        retired.extend(Some(stored.version).filter(|version| version.superseded_by.is_none()));
    }
    Ok(retired)
}

fn conflict(by: &By<'_>) -> StoreError {
    StoreError::VersionConflict { key: format!("a fact of {}", by.subject), current: None }
}

/// Tells a key that somebody else has put meanwhile from any other refusal.
fn refused(by: &By<'_>, err: StoreError) -> StoreError {
    let taken = matches!(
        &err,
        StoreError::Database { problem: Problem::Refused(_, text), .. }
            if TAKEN.iter().any(|said| text.contains(said))
    );
    if taken { conflict(by) } else { err }
}

/// Makes the version that a change puts, without its number.
fn fresh(by: &By<'_>, at: Timestamp, change: &Change, id: FactId) -> Version {
    Version {
        id,
        seq: 0,
        key: ClaimKey::Fact {
            subject: by.subject.clone(),
            predicate: change.predicate.clone(),
            fact_type: FactType::Observed,
        },
        value: change.value.clone().unwrap_or_default(),
        t_valid: by.measured_at,
        t_invalid: None,
        t_recorded: at,
        t_superseded: None,
        superseded_by: None,
        actor: by.actor.to_owned(),
        reason: Some(by.reason.clone()),
        superseded_actor: None,
        superseded_reason: None,
        classification: Classification::Normal,
    }
}

/// Inserts versions; returns them in order.
async fn insert(
    tx: &mut Tx,
    (tenant, appender): (&Tenant, &Appender<'_>),
    (by, puts): (&By<'_>, &[&Change]),
    nonces: Nonces<'_>,
) -> Result<Vec<Version>, StoreError> {
    let first = appender.next_position();
    let mut rows = Rows::new(5, puts.len());
    let mut versions = Vec::with_capacity(puts.len());
    for (at, change) in puts.iter().enumerate() {
        let id = FactId::new(audit_id(appender.at(), nonces()).uuid());
        let version = fresh(by, appender.at(), change, id);
        let ordinal = i64::try_from(at).unwrap_or(i64::MAX);
        rows.push([
            ordinal.into(),
            change.predicate.clone().into(),
            id.to_string().into(),
            version.value.clone().into(),
            (to_i64(first)? + ordinal).into(),
        ]);
        versions.push(version);
    }
    if versions.is_empty() {
        return Ok(versions);
    }
    debug_assert!(by.reason != REPLACED, "a scan names itself");
    let said = "store the facts that the scan found";
    let inserted = query(dialect::INSERT_FACTS)
        .bind(tenant.id.to_string())
        .bind(by.subject.as_str())
        .bind(by.measured_at.as_micros())
        .bind(appender.at().as_micros())
        .bind(by.actor)
        .bind(by.reason.clone())
        .bind_rows(rows)
        .fetch_all(&mut *tx)
        .await
        .map_err(|err| refused(by, doing(said)(err)))?;
    let mut seqs = Vec::with_capacity(inserted.len());
    for row in &inserted {
        seqs.push(
            crate::codec::Reader::new(statements(ClaimKind::Fact).table, "fact_id", row)?
                .number::<u64>("seq")?,
        );
    }
    seqs.sort_unstable();
    if seqs.len() != versions.len() {
        return Err(broken("a scan's facts", &"not every one was stored"));
    }
    // They were numbered in the order of their rows.
    for (version, seq) in versions.iter_mut().zip(seqs) {
        version.seq = seq;
    }
    Ok(versions)
}
