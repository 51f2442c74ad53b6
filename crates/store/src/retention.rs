//! Evidence that is not current any more: finding it, removing it, putting it back (TLW-33). How long it is kept, and
//! whose is held, is decided above.

use std::collections::BTreeSet;

use model::record::{AuditRecord, BodyErased};
use model::{Digest, HostId, Timestamp};

use crate::append::{Nonces, to_i64};
use crate::apply::Blob;
use crate::codec::Reader;
use crate::db::{Row, Rows, Sql, Tx, query};
use crate::error::{StoreError, doing};
use crate::events::erase_within;
use crate::{Db, Tenant, dialect};

/// Evidence that stays: current results rest on it, or did at `$2` or later. `$1` tenant.
const NEEDED: &str = "
SELECT s.evidence_sha256
FROM host_rule_state AS s
WHERE s.tenant_id = $1
UNION
SELECT t.evidence_sha256
FROM transactions AS t
WHERE t.tenant_id = $1 AND NOT EXISTS (
  SELECT 1
  FROM transactions AS n
  WHERE n.tenant_id = $1 AND n.host_id = t.host_id AND n.rule_id = t.rule_id
    AND n.log_index > t.log_index AND n.recorded_at < $2)";

/// `$3` digest to begin behind, `$4` first position of the current log, `$5` how many.
const LIST_EXPIRED: &str = "
SELECT t.evidence_sha256 AS sha256, e.byte_size AS byte_size, max(t.log_index) AS named_at
FROM transactions AS t
JOIN evidence AS e ON e.tenant_id = t.tenant_id AND e.sha256 = t.evidence_sha256
WHERE t.tenant_id = $1 AND t.evidence_sha256 > $3 AND length(e.body) > 0
  AND t.evidence_sha256 NOT IN (SELECT evidence_sha256 FROM needed)
GROUP BY t.evidence_sha256, e.byte_size
HAVING max(t.log_index) >= $4
ORDER BY t.evidence_sha256
LIMIT $5";

/// `$3` log, `$4` first entry of the removal.
const REMOVED_AND_NEEDED: &str = "
SELECT e.sha256
FROM log_erasures AS e
WHERE e.tenant_id = $1 AND e.log_id = $3 AND e.log_index >= $4
  AND e.sha256 IN (SELECT evidence_sha256 FROM needed)
ORDER BY e.log_index
LIMIT 1";

/// Which evidence is asked for.
#[derive(Debug, Clone)]
pub struct Expiry {
    /// It stopped being current before this instant.
    pub before: Timestamp,
    /// Where the current log begins, counted on through all logs of the tenant.
    pub first_position: u64,
    /// Digest text behind which to begin.
    pub after: String,
    pub limit: u32,
}

/// Evidence that may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    pub sha256: Digest,
    /// Bytes.
    pub byte_size: u64,
    /// Place of the newest record that names it, counted on through all logs of the tenant.
    pub named_at: u64,
}

impl Db {
    /// Lists evidence that is not current any more, by digest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_expired(&self, tenant: &Tenant, expiry: &Expiry) -> Result<Vec<Expired>, StoreError> {
        query(with_needed(LIST_EXPIRED))
            .bind(tenant.id.to_string())
            .bind(expiry.before.as_micros())
            .bind(&expiry.after)
            .bind(to_i64(expiry.first_position)?)
            .bind(i64::from(expiry.limit))
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("find old evidence"))?
            .iter()
            .map(read_expired)
            .collect()
    }

    /// Removes evidence that stopped being current before an instant, as [`Db::erase`] does; nothing of it when any
    /// became current again since [`Db::list_expired`] gave it. Returns whether it was removed.
    ///
    /// # Errors
    /// When the write fails; then nothing is removed.
    pub async fn remove_expired(
        &self,
        (tenant, audit): (&Tenant, &AuditRecord),
        (before, erasures): (Timestamp, &[BodyErased]),
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<bool, StoreError> {
        let said = "remove old evidence";
        self.overwrite_deleted().await?;
        let mut tx = self.begin(tenant.id, said).await?;
        let indexes = erase_within(&mut tx, (tenant, audit), erasures, now, nonces).await?;
        let Some(first) = indexes.first() else { return Ok(false) };
        // Nobody records anything from here on until this is over, and what was measured before is to be seen.
        let needed = query(with_needed(REMOVED_AND_NEEDED))
            .bind(tenant.id.to_string())
            .bind(before.as_micros())
            .bind(tenant.log.to_string())
            .bind(to_i64(*first)?)
            .fetch_optional(&mut tx)
            .await
            .map_err(doing(said))?;
        if needed.is_some() {
            return Ok(false);
        }
        tx.commit().await.map_err(doing(said))?;
        self.fold_wal().await?;
        Ok(true)
    }

    /// Lists the evidence that results of a host rest on or ever did.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn evidence_of(&self, tenant: &Tenant, host: HostId) -> Result<BTreeSet<Digest>, StoreError> {
        query("SELECT DISTINCT evidence_sha256 FROM transactions WHERE tenant_id = $1 AND host_id = $2")
            .bind(tenant.id.to_string())
            .bind(host.to_string())
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("list the evidence of a host"))?
            .iter()
            .map(|row| Reader::new("transactions", "evidence_sha256", row)?.parsed("evidence_sha256"))
            .collect()
    }

    /// Finds the first entry of a range of the log that names evidence which is gone, and which an entry behind the
    /// range accounts for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn first_naming_gone(
        &self,
        (tenant, first_position): (&Tenant, u64),
        (from, to): (u64, u64),
    ) -> Result<Option<u64>, StoreError> {
        let row = query(
            "SELECT min(t.log_index) AS named_at
             FROM transactions AS t
             JOIN evidence AS e ON e.tenant_id = t.tenant_id AND e.sha256 = t.evidence_sha256
             JOIN log_erasures AS g ON g.tenant_id = t.tenant_id AND g.blob = 'evidence' AND g.sha256 = e.sha256
             WHERE t.tenant_id = $1 AND t.log_index >= $2 AND t.log_index < $3 AND length(e.body) = 0
               AND g.log_id = $4 AND g.log_index >= $5",
        )
        .bind(tenant.id.to_string())
        .bind(to_i64(first_position.saturating_add(from))?)
        .bind(to_i64(first_position.saturating_add(to))?)
        .bind(tenant.log.to_string())
        .bind(to_i64(to)?)
        .fetch_one(self.readers(tenant.id))
        .await
        .map_err(doing("find what names evidence that is gone"))?;
        // The least of no rows is null.
        let named_at: Option<u64> =
            Reader { table: "transactions", key: String::new(), row: &row }.maybe_number("named_at")?;
        Ok(named_at.map(|position| position.saturating_sub(first_position)))
    }
}

fn with_needed(sql: &str) -> Sql {
    Sql::Assembled(format!("WITH needed AS ({NEEDED}){sql}"))
}

fn read_expired(row: &Row) -> Result<Expired, StoreError> {
    let row = Reader::new("evidence", "sha256", row)?;
    Ok(Expired {
        sha256: row.parsed("sha256")?,
        byte_size: row.number("byte_size")?,
        named_at: row.number("named_at")?,
    })
}

/// Puts back what retention removed and a scan measured again. What was destroyed on request stays away.
pub(crate) async fn put_back(tx: &mut Tx, tenant: &Tenant, evidence: &[Blob]) -> Result<(), StoreError> {
    let said = "put back evidence";
    let mut digests = Rows::new(1, evidence.len());
    for blob in evidence {
        digests.push([blob.sha256.to_string().into()]);
    }
    // One question for all of them: where retention removed none, a scan pays for no more.
    let gone = query(dialect::REMOVED_BY_RETENTION)
        .bind(tenant.id.to_string())
        .bind_rows(digests)
        .fetch_all(&mut *tx)
        .await
        .map_err(doing(said))?;
    let mut removed = BTreeSet::new();
    for row in &gone {
        removed.insert(Reader::new("evidence", "sha256", row)?.parsed::<Digest>("sha256")?);
    }
    for blob in evidence.iter().filter(|blob| removed.contains(&blob.sha256)) {
        query("UPDATE evidence SET body = $3 WHERE tenant_id = $1 AND sha256 = $2 AND length(body) = 0")
            .bind(tenant.id.to_string())
            .bind(blob.sha256.to_string())
            .bind(&blob.bytes)
            .execute(&mut *tx)
            .await
            .map_err(doing(said))?;
    }
    Ok(())
}
