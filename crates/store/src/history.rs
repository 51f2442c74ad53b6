//! The change log as it was written, newest first, page by page (POS-15).

use model::record::ChangeRecord;
use model::{HostId, RuleId, Timestamp};

use crate::codec::Reader;
use crate::db::{Row, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

/// Most rows of one page.
pub const PAGE_MAX: u32 = 500;

/// A row of the change log with its place in the ledger and who asked for the scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    pub change: ChangeRecord,
    pub requested_by: String,
    pub log_index: u64,
}

/// Which part of the change log.
#[derive(Debug, Clone, Copy)]
pub struct Page<'p> {
    pub host_id: HostId,
    pub rule_id: Option<&'p RuleId>,
    /// Rows whose valid time lies after this instant.
    pub after: Timestamp,
    /// Rows whose valid time lies at or before this instant.
    pub until: Timestamp,
    /// Rows before this ledger position; none for the newest page.
    pub before: Option<u64>,
    pub limit: u32,
}

/// `$1` tenant, `$2` host, `$3` and `$4` positions. Of each rule with a change between the two: the last change before,
/// the first between and the last between.
const BETWEEN: &str = "
WITH places (rule_id, prior, first_in, last_in) AS (
  SELECT rule_id, max(CASE WHEN log_index < $3 THEN log_index END),
    min(CASE WHEN log_index >= $3 THEN log_index END), max(log_index)
  FROM transactions
  WHERE tenant_id = $1 AND host_id = $2 AND log_index < $4
  GROUP BY rule_id
  HAVING max(log_index) >= $3
)
SELECT t.id, t.host_id, t.rule_id, t.scan_id, t.prior_status, t.status, t.prior_severity,
  t.severity, t.change_kind, t.prior_value_digest, t.value_digest, t.evidence_sha256,
  t.skip_reason, t.rule_digest, t.engine_digest, t.policy_digest, t.policy_version,
  t.correlation_id, t.occurred_at, t.recorded_at, t.log_index, s.requested_by
FROM transactions AS t
JOIN scan_runs AS s ON s.tenant_id = t.tenant_id AND s.id = t.scan_id
JOIN places AS p ON p.rule_id = t.rule_id AND t.log_index IN (p.prior, p.first_in, p.last_in)
WHERE t.tenant_id = $1 AND t.host_id = $2
ORDER BY t.rule_id, t.log_index
LIMIT $5";

/// Most rows of the rules that changed between two positions: three for each of the most rules that one scan has.
const BETWEEN_MAX: i64 = 30_000;

impl Db {
    /// Lists, of each rule with a change of a host between two positions of the ledger, by rule: the last change before the
    /// first position, the first and the last one between them.
    ///
    /// # Errors
    /// When the database cannot be read, or there are more than [`BETWEEN_MAX`] rows.
    pub async fn list_changes_between(
        &self,
        tenant: &Tenant,
        host_id: HostId,
        (from, to): (u64, u64),
    ) -> Result<Vec<HistoryRow>, StoreError> {
        let rows = query(BETWEEN)
            .bind(tenant.id.to_string())
            .bind(host_id.to_string())
            .bind(crate::append::to_i64(from)?)
            .bind(crate::append::to_i64(to)?)
            .bind(BETWEEN_MAX + 1)
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read the change log"))?;
        if i64::try_from(rows.len()).is_ok_and(|count| count > BETWEEN_MAX) {
            let problem =
                format!("the answer has more than {BETWEEN_MAX} results of rules: ask for less time");
            return Err(StoreError::Invalid { problem });
        }
        rows.iter().map(read_row).collect()
    }

    /// Lists changes of a host, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_changes(&self, tenant: &Tenant, page: Page<'_>) -> Result<Vec<HistoryRow>, StoreError> {
        let before = page.before.map_or(Ok(i64::MAX), crate::append::to_i64)?;
        query(
            "SELECT t.id, t.host_id, t.rule_id, t.scan_id, t.prior_status, t.status, t.prior_severity,
               t.severity, t.change_kind, t.prior_value_digest, t.value_digest, t.evidence_sha256,
               t.skip_reason, t.rule_digest, t.engine_digest, t.policy_digest, t.policy_version,
               t.correlation_id, t.occurred_at, t.recorded_at, t.log_index, s.requested_by
             FROM transactions AS t
             JOIN scan_runs AS s ON s.tenant_id = t.tenant_id AND s.id = t.scan_id
             WHERE t.tenant_id = $1 AND t.host_id = $2 AND ($3 IS NULL OR t.rule_id = $3)
               AND t.occurred_at > $4 AND t.occurred_at <= $5 AND t.log_index < $6
             ORDER BY t.log_index DESC
             LIMIT $7",
        )
        .bind(tenant.id.to_string())
        .bind(page.host_id.to_string())
        .bind(page.rule_id.map(RuleId::as_str))
        .bind(page.after.as_micros())
        .bind(page.until.as_micros())
        .bind(before)
        .bind(i64::from(page.limit.min(PAGE_MAX)))
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read the change log"))?
        .iter()
        .map(read_row)
        .collect()
    }

    /// Finds a row of the change log by its id, which its entry names.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_change(&self, tenant: &Tenant, id: &str) -> Result<Option<ChangeRecord>, StoreError> {
        query(
            "SELECT id, host_id, rule_id, scan_id, prior_status, status, prior_severity, severity, change_kind,
               prior_value_digest, value_digest, evidence_sha256, skip_reason, rule_digest, engine_digest,
               policy_digest, policy_version, correlation_id, occurred_at, recorded_at
             FROM transactions
             WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant.id.to_string())
        .bind(id)
        .fetch_optional(self.readers(tenant.id))
        .await
        .map_err(doing("read the change log"))?
        .as_ref()
        .map(read_change)
        .transpose()
    }
}

fn read_row(row: &Row) -> Result<HistoryRow, StoreError> {
    let change = read_change(row)?;
    let row = Reader::new("transactions", "id", row)?;
    Ok(HistoryRow { change, requested_by: row.text("requested_by")?, log_index: row.number("log_index")? })
}

pub(crate) fn read_change(row: &Row) -> Result<ChangeRecord, StoreError> {
    let row = Reader::new("transactions", "id", row)?;
    Ok(ChangeRecord {
        transaction_id: row.parsed("id")?,
        host_id: row.parsed("host_id")?,
        rule_id: row.parsed("rule_id")?,
        scan_id: row.parsed("scan_id")?,
        prior_status: row.maybe_parsed("prior_status")?,
        status: row.parsed("status")?,
        prior_severity: row.maybe_parsed("prior_severity")?,
        severity: row.parsed("severity")?,
        change_kind: row.parsed("change_kind")?,
        prior_value_digest: row.maybe_parsed("prior_value_digest")?,
        value_digest: row.parsed("value_digest")?,
        evidence_sha256: row.parsed("evidence_sha256")?,
        skip_reason: row.maybe_parsed("skip_reason")?,
        rule_digest: row.parsed("rule_digest")?,
        engine_digest: row.parsed("engine_digest")?,
        policy_digest: row.parsed("policy_digest")?,
        policy_version: row.text("policy_version")?,
        correlation_id: row.text("correlation_id")?,
        occurred_at: row.instant("occurred_at")?,
        recorded_at: row.instant("recorded_at")?,
    })
}
