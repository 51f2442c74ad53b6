//! Reading facts and edges: what is active, what was, what was known when (FCT-12 to FCT-14).

use std::collections::BTreeMap;

use model::{ClaimKey, ClaimKind, Classification, Subject, Timestamp};

use super::{Stored, read_version, statements};
use crate::append::to_i64;
use crate::codec::Reader;
use crate::db::{Row, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

/// Most versions in one answer.
pub const VERSIONS_MAX: i64 = 100_000;
/// Most versions of one page of history.
pub const PAGE_MAX: u32 = 500;

/// Which facts or edges of a subject.
#[derive(Debug, Clone)]
pub struct Wanted<'w> {
    pub kind: ClaimKind,
    pub subject: &'w Subject,
    /// Predicate or relation; none for all.
    pub name: Option<&'w str>,
    /// Fact type or target; none for all.
    pub last: Option<&'w str>,
    /// The highest classification that is seen: what is above it is as if it were not there (FCT-28).
    pub up_to: Classification,
}

impl<'w> Wanted<'w> {
    /// Names what has this key, whatever its classification.
    #[must_use]
    pub fn key(key: &'w ClaimKey) -> Self {
        let (name, last) = (Some(key.name()), Some(key.last()));
        Self { kind: key.kind(), subject: key.subject(), name, last, up_to: Classification::Restricted }
    }
}

/// What was so, as far as it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instants {
    pub valid_at: Timestamp,
    pub recorded_at: Timestamp,
    /// Of what was recorded at that very instant, only what stands before this position counts.
    pub position: u64,
}

impl Instants {
    /// Tells whether the end of a version was known.
    fn knows_end(&self, stored: &Stored) -> bool {
        stored.version.t_superseded.is_some_and(|at| at <= self.recorded_at)
            && stored.superseded_index.is_some_and(|index| index < self.position)
    }
}

/// A version at one recorded point and at another.
pub type Pair = (Option<Stored>, Option<Stored>);

impl Db {
    /// Lists the active versions, by name and then by type or target.
    ///
    /// # Errors
    /// When the database cannot be read, or the answer is longer than [`VERSIONS_MAX`].
    pub async fn list_active(&self, tenant: &Tenant, wanted: &Wanted<'_>) -> Result<Vec<Stored>, StoreError> {
        let rows = query(statements(wanted.kind).current)
            .bind(tenant.id.to_string())
            .bind(wanted.subject.as_str())
            .bind(wanted.name)
            .bind(wanted.last)
            .bind(VERSIONS_MAX + 1)
            .bind(wanted.up_to.as_str())
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read the active versions"))?;
        read_all(wanted.kind, &rows)
    }

    /// Finds the active version of a key. It costs the same however many versions there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_active(&self, tenant: &Tenant, key: &ClaimKey) -> Result<Option<Stored>, StoreError> {
        let row = query(statements(key.kind()).active)
            .bind(tenant.id.to_string())
            .bind(key.subject().as_str())
            .bind(key.name())
            .bind(key.last())
            .fetch_optional(self.readers(tenant.id))
            .await
            .map_err(doing("read the active version"))?;
        row.map(|row| read_version(key.kind(), &row)).transpose()
    }

    /// Lists the versions of a key before a `seq`, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_versions(
        &self,
        tenant: &Tenant,
        key: &ClaimKey,
        (before, limit, up_to): (Option<u64>, u32, Classification),
    ) -> Result<Vec<Stored>, StoreError> {
        let rows = query(statements(key.kind()).history)
            .bind(tenant.id.to_string())
            .bind(key.subject().as_str())
            .bind(key.name())
            .bind(key.last())
            .bind(before.map_or(Ok(i64::MAX), to_i64)?)
            .bind(i64::from(limit.min(PAGE_MAX)))
            .bind(up_to.as_str())
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read the versions"))?;
        read_all(key.kind(), &rows)
    }

    /// Lists, for each key, the newest version that was recorded at one instant and so at the other (FCT-12).
    ///
    /// An end that was recorded later is left out, so that the answer never changes.
    ///
    /// # Errors
    /// When the database cannot be read, or the answer is longer than [`VERSIONS_MAX`].
    pub async fn list_as_of(
        &self,
        tenant: &Tenant,
        wanted: &Wanted<'_>,
        at: Instants,
    ) -> Result<Vec<Stored>, StoreError> {
        let mut all = self.list_seen(tenant, wanted, at).await?;
        for stored in &mut all {
            if !at.knows_end(stored) {
                stored.version = stored.version.opened();
                stored.superseded_index = None;
            }
        }
        Ok(all)
    }

    /// Lists the keys whose active version is another one at a later recorded point than at an earlier one, in order
    /// (FCT-13). The first of each pair is shown with its end, which the later point knows.
    ///
    /// # Errors
    /// As [`Db::list_as_of`].
    pub async fn list_differing(
        &self,
        tenant: &Tenant,
        wanted: &Wanted<'_>,
        (from, to): (Instants, Instants),
    ) -> Result<Vec<(ClaimKey, Pair)>, StoreError> {
        // At the end of time what was recorded as over is over: what is left was active.
        let all = |at: Instants| Instants { valid_at: Timestamp::MAX, ..at };
        let mut keys: BTreeMap<ClaimKey, Pair> = BTreeMap::new();
        for stored in self.list_seen(tenant, wanted, all(from)).await? {
            let key = stored.version.key.clone();
            keys.entry(key).or_default().0 = Some(stored);
        }
        for stored in self.list_as_of(tenant, wanted, all(to)).await? {
            let key = stored.version.key.clone();
            keys.entry(key).or_default().1 = Some(stored);
        }
        let id = |stored: &Option<Stored>| stored.as_ref().map(|stored| stored.version.id);
        Ok(keys.into_iter().filter(|(_key, (before, after))| id(before) != id(after)).collect())
    }

    /// As [`Db::list_as_of`], with the ends that are recorded now.
    async fn list_seen(
        &self,
        tenant: &Tenant,
        wanted: &Wanted<'_>,
        at: Instants,
    ) -> Result<Vec<Stored>, StoreError> {
        let sql = statements(wanted.kind);
        let one = wanted.name.is_some() && wanted.last.is_some();
        let rows = query(if one { sql.as_of_key } else { sql.as_of })
            .bind(tenant.id.to_string())
            .bind(wanted.subject.as_str())
            .bind(wanted.name)
            .bind(wanted.last)
            .bind(at.valid_at.as_micros())
            .bind(at.recorded_at.as_micros())
            .bind(to_i64(at.position)?)
            .bind(if one { 1 } else { VERSIONS_MAX + 1 })
            .bind(wanted.up_to.as_str())
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read the versions as of an instant"))?;
        read_all(wanted.kind, &rows)
    }

    /// Returns when each value of a subject was last seen, by [`model::Version::id`] or by the families that a
    /// scan told whole, with blanks between them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_heartbeats(
        &self,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        query(
            "SELECT claim, last_seen_at_us
             FROM fact_heartbeats
             WHERE tenant_id = $1 AND subject = $2
             ORDER BY claim
             LIMIT $3",
        )
        .bind(tenant.id.to_string())
        .bind(subject.as_str())
        .bind(VERSIONS_MAX)
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read when values were seen"))?
        .iter()
        .map(|row| {
            let row = Reader::new("fact_heartbeats", "claim", row)?;
            Ok((row.text("claim")?, row.instant("last_seen_at_us")?))
        })
        .collect()
    }

    /// Tells whether there is a fact or an edge that is restricted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_restricted(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let found = query(
            "SELECT 1 AS found WHERE EXISTS (SELECT 1 FROM facts WHERE tenant_id = $1 AND classification = 'restricted')
               OR EXISTS (SELECT 1 FROM edges WHERE tenant_id = $1 AND classification = 'restricted')",
        )
        .bind(tenant.id.to_string())
        .fetch_optional(self.readers(tenant.id))
        .await
        .map_err(doing("look for restricted versions"))?;
        Ok(found.is_some())
    }

    /// Finds versions whose end is not what their successor says: closed by another, reopened, or edited.
    ///
    /// Shape: at most `limit` ids, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_wrong_closings(
        &self,
        tenant: &Tenant,
        kind: ClaimKind,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        query(statements(kind).closings)
            .bind(tenant.id.to_string())
            .bind(i64::from(limit))
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("compare how versions ended"))?
            .iter()
            .map(|row| Reader::new(statements(kind).table, "id", row)?.text("id"))
            .collect()
    }
}

/// Refuses to answer with a part.
pub(super) fn read_all(kind: ClaimKind, rows: &[Row]) -> Result<Vec<Stored>, StoreError> {
    if i64::try_from(rows.len()).is_ok_and(|count| count > VERSIONS_MAX) {
        let problem =
            format!("the answer has more than {VERSIONS_MAX} versions: ask for one predicate or relation");
        return Err(StoreError::Invalid { problem });
    }
    rows.iter().map(|row| read_version(kind, row)).collect()
}
