//! Results as of two instants: what was so (`valid_at`), as far as we knew it (`recorded_at`).

use std::collections::BTreeMap;

use model::{Digest, HostId, ReasonCode, RuleId, ScanId, Severity, Status, Timestamp};

use crate::codec::Reader;
use crate::db::{Row, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

/// Most rules in one answer.
const RULES_MAX: i64 = 100_000;

/// One rule's newest result at the instants asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleState {
    pub rule_id: RuleId,
    pub status: Status,
    pub severity: Severity,
    pub value_digest: Digest,
    pub evidence_sha256: Digest,
    pub skip_reason: Option<ReasonCode>,
    pub rule_digest: Digest,
    /// The scan that recorded this result first.
    pub scan_id: ScanId,
    pub first_seen_at: Timestamp,
    /// When status or severity last changed.
    pub last_changed_at: Timestamp,
    pub last_value_changed_at: Timestamp,
    /// Newest check at or before the instant, and how many there were.
    pub last_checked_at: Timestamp,
    pub check_count: u64,
    /// Ledger position of the newest change.
    pub log_index: u64,
}

/// Rules whose newest change lies at or before both instants, with when they were last looked at.
/// `$5` names the rule set that counts, or nothing for every rule ever seen.
const SELECT_AS_OF: &str = "
WITH seen AS (
  SELECT t.rule_id, t.status, t.severity, t.value_digest, t.evidence_sha256, t.skip_reason, t.rule_digest,
    t.scan_id, t.log_index,
    row_number() OVER (PARTITION BY t.rule_id ORDER BY t.occurred_at DESC, t.log_index DESC) AS n,
    min(t.occurred_at) OVER (PARTITION BY t.rule_id) AS first_seen_at,
    max(CASE WHEN t.change_kind <> 'value_changed' THEN t.occurred_at END)
      OVER (PARTITION BY t.rule_id) AS last_changed_at,
    max(CASE WHEN t.prior_value_digest IS NULL OR t.prior_value_digest <> t.value_digest
      THEN t.occurred_at END) OVER (PARTITION BY t.rule_id) AS last_value_changed_at
  FROM transactions AS t
  WHERE t.tenant_id = $1 AND t.host_id = $2 AND t.occurred_at <= $3 AND t.recorded_at <= $4
), looked AS (
  SELECT s.rule_set_sha256, max(s.measured_at) AS measured_at, count(*) AS scans
  FROM scan_runs AS s
  WHERE s.tenant_id = $1 AND s.host_id = $2 AND s.status = 'completed'
    AND s.measured_at <= $3 AND s.recorded_at <= $4
  GROUP BY s.rule_set_sha256
), checked AS (
  SELECT r.rule_id, max(l.measured_at) AS last_checked_at, CAST(sum(l.scans) AS BIGINT) AS check_count
  FROM looked AS l
  JOIN rule_sets AS r ON r.tenant_id = $1 AND r.sha256 = l.rule_set_sha256
  GROUP BY r.rule_id
)
SELECT seen.rule_id, seen.status, seen.severity, seen.value_digest, seen.evidence_sha256, seen.skip_reason,
  seen.rule_digest, seen.scan_id, seen.log_index, seen.first_seen_at, seen.last_changed_at,
  seen.last_value_changed_at, checked.last_checked_at, checked.check_count
FROM seen
JOIN checked ON checked.rule_id = seen.rule_id
WHERE seen.n = 1 AND ($5 IS NULL OR EXISTS (
  SELECT 1 FROM rule_sets AS r WHERE r.tenant_id = $1 AND r.sha256 = $5 AND r.rule_id = seen.rule_id))
ORDER BY seen.rule_id
LIMIT $6";

impl Db {
    /// Returns the newest results of a host at both instants, of one rule set or of every rule ever seen.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn results_as_of(
        &self,
        (tenant, host): (&Tenant, HostId),
        (valid_at, recorded_at): (Timestamp, Timestamp),
        rule_set: Option<Digest>,
    ) -> Result<Vec<RuleState>, StoreError> {
        query(SELECT_AS_OF)
            .bind(tenant.id.to_string())
            .bind(host.to_string())
            .bind(valid_at.as_micros())
            .bind(recorded_at.as_micros())
            .bind(rule_set.map(|digest| digest.to_string()))
            .bind(RULES_MAX)
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read the posture"))?
            .iter()
            .map(read_state)
            .collect()
    }

    /// Returns status, severity and value digest of every rule ever seen on a host.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_prior(
        &self,
        tenant: &Tenant,
        host: HostId,
    ) -> Result<BTreeMap<RuleId, (Status, Severity, Digest)>, StoreError> {
        query(
            "SELECT rule_id, current_status, severity, value_digest
             FROM host_rule_state
             WHERE tenant_id = $1 AND host_id = $2
             ORDER BY rule_id
             LIMIT $3",
        )
        .bind(tenant.id.to_string())
        .bind(host.to_string())
        .bind(RULES_MAX)
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read the current state"))?
        .iter()
        .map(|row| {
            let row = Reader::new("host_rule_state", "rule_id", row)?;
            let state = (row.parsed("current_status")?, row.parsed("severity")?, row.parsed("value_digest")?);
            Ok((row.parsed("rule_id")?, state))
        })
        .collect()
    }

    /// Returns the rules of a stored rule set.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_rule_set(&self, tenant: &Tenant, sha256: Digest) -> Result<Vec<RuleId>, StoreError> {
        query("SELECT rule_id FROM rule_sets WHERE tenant_id = $1 AND sha256 = $2 ORDER BY rule_id LIMIT $3")
            .bind(tenant.id.to_string())
            .bind(sha256.to_string())
            .bind(RULES_MAX)
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read the rule set"))?
            .iter()
            .map(|row| Reader::new("rule_sets", "rule_id", row)?.parsed("rule_id"))
            .collect()
    }
}

fn read_state(row: &Row) -> Result<RuleState, StoreError> {
    let row = Reader::new("transactions", "rule_id", row)?;
    Ok(RuleState {
        rule_id: row.parsed("rule_id")?,
        status: row.parsed("status")?,
        severity: row.parsed("severity")?,
        value_digest: row.parsed("value_digest")?,
        evidence_sha256: row.parsed("evidence_sha256")?,
        skip_reason: row.maybe_parsed("skip_reason")?,
        rule_digest: row.parsed("rule_digest")?,
        scan_id: row.parsed("scan_id")?,
        first_seen_at: row.instant("first_seen_at")?,
        last_changed_at: row.instant("last_changed_at")?,
        last_value_changed_at: row.instant("last_value_changed_at")?,
        last_checked_at: row.instant("last_checked_at")?,
        check_count: row.number("check_count")?,
        log_index: row.number("log_index")?,
    })
}
