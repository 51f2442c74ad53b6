//! The facts and edges that a scan found, written within its Apply in a number of statements that does not grow with
//! them (FCT-29).

use std::collections::BTreeMap;

use model::{ClaimKey, ClaimKind, Classification, FactId, HostId, Subject, SubjectKind, Timestamp, Version};

use super::read::{VERSIONS_MAX, read_all};
use super::{REPLACED, Step, Stored, beat, draft, read_version, statements};
use crate::append::{Appender, Nonces, audit_id, broken, to_i64};
use crate::codec::Reader;
use crate::db::{Rows, Tx, query};
use crate::error::{Problem, StoreError, doing};
use crate::{Db, Tenant};

/// Most facts and edges that one scan may change.
pub const CHANGES_MAX: usize = 50_000;

/// What the databases say of a key that has an active version already: a guard, and a unique index.
const TAKEN: [&str; 3] = ["has an active version", "\"facts_active\"", "\"edges_active\""];

/// What a scan changes in the observed facts of its host and in the edges from it and from what is on it.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    pub changes: Vec<Change>,
    /// The families that were told whole, without blanks: what was seen of the host now.
    pub seen: Vec<String>,
}

/// One fact or edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: ClaimKey,
    /// Canonical JSON; none where it is over.
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

impl Db {
    /// Lists the edges in force that begin at a host, or at what is on it: `service:<host>/<name>` and its like.
    ///
    /// # Errors
    /// When the database cannot be read, or there are more than [`VERSIONS_MAX`].
    pub async fn list_edges_of_host(&self, tenant: &Tenant, host: HostId) -> Result<Vec<Stored>, StoreError> {
        // `0` follows `/`: what lies between begins with the host and a slash.
        let on = |kind: SubjectKind, end: char| format!("{kind}:{host}{end}");
        let rows = query(super::sql::EDGES_OF_HOST)
            .bind(tenant.id.to_string())
            .bind(Subject::host(host).as_str())
            .bind(on(SubjectKind::Service, '/'))
            .bind(on(SubjectKind::Service, '0'))
            .bind(on(SubjectKind::Account, '/'))
            .bind(on(SubjectKind::Account, '0'))
            .bind(VERSIONS_MAX + 1)
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read the edges of the host"))?;
        read_all(ClaimKind::Edge, &rows)
    }
}

/// Writes what a scan found. The appender has room for an entry for each change.
pub(crate) async fn write(
    tx: &mut Tx,
    (tenant, appender): (&Tenant, &mut Appender<'_>),
    (by, observed): (&By<'_>, &Observed),
    nonces: Nonces<'_>,
) -> Result<(), StoreError> {
    for kind in [ClaimKind::Fact, ClaimKind::Edge] {
        write_kind(tx, (tenant, &mut *appender), (by, kind, observed), &mut *nonces).await?;
    }
    if observed.seen.is_empty() {
        return Ok(());
    }
    // One row for all of them, so that a scan writes as much whatever it looked at.
    beat(tx, tenant, (&by.subject, &observed.seen.join(" ")), appender.at()).await
}

async fn write_kind(
    tx: &mut Tx,
    (tenant, appender): (&Tenant, &mut Appender<'_>),
    (by, kind, observed): (&By<'_>, ClaimKind, &Observed),
    nonces: Nonces<'_>,
) -> Result<(), StoreError> {
    let first = appender.next_position();
    let index_of = |at: usize| Ok::<i64, StoreError>(to_i64(first)? + i64::try_from(at).unwrap_or(i64::MAX));
    // Retirements come behind the puts: they have entries of their own, and no number.
    let (puts, retires): (Vec<&Change>, Vec<&Change>) = observed
        .changes
        .iter()
        .filter(|change| change.key.kind() == kind)
        .partition(|change| change.value.is_some());
    let mut closed = Rows::new(4, puts.len() + retires.len());
    let mut count = 0;
    for (at, change) in puts.iter().chain(&retires).enumerate() {
        let Some(seq) = change.replaces else { continue };
        count += 1;
        let ordinal = (at < puts.len()).then(|| i64::try_from(at).unwrap_or(i64::MAX));
        let until = if ordinal.is_some() { by.measured_at } else { appender.at() };
        closed.push([to_i64(seq)?.into(), ordinal.into(), until.as_micros().into(), index_of(at)?.into()]);
    }
    let ended = close(tx, (tenant, appender.at()), (by, kind), (closed, count)).await?;
    let ended: BTreeMap<u64, Version> = ended.into_iter().map(|ended| (ended.seq, ended)).collect();
    let fresh = insert(tx, (tenant, appender), (by, kind, &puts), &ended, &mut *nonces).await?;
    for version in &fresh {
        appender.push(draft(version, Step::Put), &mut *nonces)?;
    }
    for change in &retires {
        let version = change.replaces.and_then(|seq| ended.get(&seq));
        let version = version.ok_or_else(|| broken("a retired fact", &"it was not closed"))?;
        appender.push(draft(version, Step::Retired), &mut *nonces)?;
    }
    Ok(())
}

/// Closes versions; returns them as they are now. One that is not in force any more was changed by
/// somebody else since this was decided.
async fn close(
    tx: &mut Tx,
    (tenant, at): (&Tenant, Timestamp),
    (by, kind): (&By<'_>, ClaimKind),
    (closed, count): (Rows<'_>, usize),
) -> Result<Vec<Version>, StoreError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let rows = query(statements(kind).close_many)
        .bind(tenant.id.to_string())
        .bind(at.as_micros())
        .bind(by.actor)
        .bind(by.reason.clone())
        .bind_rows(closed)
        .fetch_all(&mut *tx)
        .await
        .map_err(doing("close what the scan found changed"))?;
    if rows.len() != count {
        return Err(conflict(by));
    }
    rows.iter().map(|row| Ok(read_version(kind, row)?.version)).collect()
}

fn conflict(by: &By<'_>) -> StoreError {
    StoreError::VersionConflict { key: format!("a fact or an edge of {}", by.subject), current: None }
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
fn fresh(
    by: &By<'_>,
    (at, id): (Timestamp, FactId),
    change: &Change,
    classification: Classification,
) -> Version {
    Version {
        id,
        seq: 0,
        key: change.key.clone(),
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
        classification,
    }
}

/// Inserts versions; returns them in order.
async fn insert(
    tx: &mut Tx,
    (tenant, appender): (&Tenant, &Appender<'_>),
    (by, kind, puts): (&By<'_>, ClaimKind, &[&Change]),
    ended: &BTreeMap<u64, Version>,
    nonces: Nonces<'_>,
) -> Result<Vec<Version>, StoreError> {
    let first = appender.next_position();
    let mut rows = Rows::new(8, puts.len());
    let mut versions = Vec::with_capacity(puts.len());
    for (at, change) in puts.iter().enumerate() {
        let id = FactId::new(audit_id(appender.at(), nonces()).uuid());
        // What follows a restricted version is restricted as well.
        let before = change.replaces.and_then(|seq| ended.get(&seq));
        let classification = before.map_or(Classification::Normal, |before| before.classification);
        let version = fresh(by, (appender.at(), id), change, classification);
        let ordinal = i64::try_from(at).unwrap_or(i64::MAX);
        rows.push([
            ordinal.into(),
            change.key.subject().as_str().into(),
            change.key.name().into(),
            change.key.last().into(),
            id.to_string().into(),
            version.value.clone().into(),
            classification.as_str().into(),
            (to_i64(first)? + ordinal).into(),
        ]);
        versions.push(version);
    }
    if versions.is_empty() {
        return Ok(versions);
    }
    debug_assert!(by.reason != REPLACED, "a scan names itself");
    let said = "store what the scan found";
    let inserted = query(statements(kind).put_many)
        .bind(tenant.id.to_string())
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
        seqs.push(Reader::new(statements(kind).table, "id", row)?.number::<u64>("seq")?);
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
