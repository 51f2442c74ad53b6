//! Reading rows back as the records that the ledger committed to, for `plumb ledger verify` and
//! `plumb state verify`.

use std::collections::BTreeMap;

use model::record::{AuditPhase, AuditRecord};
use model::{Digest, HostId, RuleId, Severity, Status, Timestamp};
use sqlx::sqlite::SqliteRow;

use crate::codec::Reader;
use crate::error::{StoreError, doing};
use crate::history::read_change;
use crate::scans::{SCAN_COLUMNS, read_scan};
use crate::{Db, Tenant};

/// Most rows that one read of a table returns at a time.
const PAGE: i64 = 2_000;

/// A table whose rows the ledger commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    Transactions,
    ScanRuns,
    AuditEvents,
}

impl Registry {
    /// Tables that are read in pages by key.
    pub const PAGED: [Self; 3] = [Self::Transactions, Self::ScanRuns, Self::AuditEvents];

    /// Returns the table's name.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::ScanRuns => "scan_runs",
            Self::AuditEvents => "audit_events",
        }
    }
}

/// A row rendered again from its columns.
#[derive(Debug, Clone)]
pub struct RenderedRow {
    pub key: String,
    pub log_index: u64,
    pub record: serde_json::Value,
}

/// One row of the stored current state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    pub status: Status,
    pub severity: Severity,
    pub value_digest: Digest,
    pub evidence_sha256: Digest,
    pub first_seen_at: Timestamp,
    pub last_changed_at: Timestamp,
    pub last_value_changed_at: Timestamp,
}

impl Db {
    /// Reads the rows of a registry table after a key, rendered again as records.
    ///
    /// Rows that are not ledgered yet (a running scan) are left out.
    ///
    /// # Errors
    /// When the database cannot be read or a value is not understood.
    pub async fn render_rows(
        &self,
        tenant: &Tenant,
        registry: Registry,
        after: &str,
    ) -> Result<Vec<RenderedRow>, StoreError> {
        let scans = format!(
            "{}, log_index FROM scan_runs WHERE tenant_id = $1 AND id > $2 AND log_index IS NOT NULL
             ORDER BY id LIMIT $3",
            SCAN_COLUMNS.trim_end().trim_end_matches("FROM scan_runs").trim_end()
        );
        let sql: sqlx::AssertSqlSafe<String> = sqlx::AssertSqlSafe(match registry {
            Registry::ScanRuns => scans,
            Registry::Transactions => {
                "SELECT * FROM transactions WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3".to_owned()
            }
            Registry::AuditEvents => {
                "SELECT * FROM audit_events WHERE tenant_id = $1 AND audit_id > $2 ORDER BY audit_id LIMIT $3"
                    .to_owned()
            }
        });
        sqlx::query(sql)
            .bind(tenant.id.to_string())
            .bind(after)
            .bind(PAGE)
            .fetch_all(self.readers())
            .await
            .map_err(doing("read the recorded rows"))?
            .iter()
            .map(|row| render(registry, row))
            .collect()
    }

    /// Reads the stored current state of a host.
    ///
    /// # Errors
    /// When the database cannot be read or a value is not understood.
    pub async fn load_state(
        &self,
        tenant: &Tenant,
        host: HostId,
    ) -> Result<BTreeMap<RuleId, StateRow>, StoreError> {
        sqlx::query(
            "SELECT rule_id, current_status, severity, value_digest, evidence_sha256, first_seen_at,
               last_changed_at, last_value_changed_at
             FROM host_rule_state
             WHERE tenant_id = $1 AND host_id = $2
             ORDER BY rule_id
             LIMIT 100000",
        )
        .bind(tenant.id.to_string())
        .bind(host.to_string())
        .fetch_all(self.readers())
        .await
        .map_err(doing("read the current state"))?
        .iter()
        .map(|row| {
            let row = Reader::new("host_rule_state", "rule_id", row)?;
            let state = StateRow {
                status: row.parsed("current_status")?,
                severity: row.parsed("severity")?,
                value_digest: row.parsed("value_digest")?,
                evidence_sha256: row.parsed("evidence_sha256")?,
                first_seen_at: row.instant("first_seen_at")?,
                last_changed_at: row.instant("last_changed_at")?,
                last_value_changed_at: row.instant("last_value_changed_at")?,
            };
            Ok((row.parsed("rule_id")?, state))
        })
        .collect()
    }
}

fn render(registry: Registry, row: &SqliteRow) -> Result<RenderedRow, StoreError> {
    let table = registry.table();
    let to_value = |record: Result<serde_json::Value, serde_json::Error>| {
        record.map_err(|err| crate::append::broken(table, &err))
    };
    let key = if registry == Registry::AuditEvents { "audit_id" } else { "id" };
    let reader = Reader::new(table, key, row)?;
    if registry == Registry::Transactions {
        // No record carries these two, because no other origin is written yet; an edit must still be seen.
        reader.one_of("origin", &[("scan", ())])?;
        reader.null("remediation_id")?;
    }
    let record = match registry {
        Registry::Transactions => to_value(serde_json::to_value(read_change(row)?))?,
        Registry::ScanRuns => to_value(serde_json::to_value(read_scan(row)?))?,
        Registry::AuditEvents => to_value(serde_json::to_value(read_audit(row)?))?,
    };
    Ok(RenderedRow { key: reader.key.clone(), log_index: reader.number("log_index")?, record })
}

fn read_audit(row: &SqliteRow) -> Result<AuditRecord, StoreError> {
    let row = Reader::new("audit_events", "audit_id", row)?;
    let phases = [
        ("intent", AuditPhase::Intent),
        ("outcome", AuditPhase::Outcome),
        ("refusal", AuditPhase::Refusal),
        ("event", AuditPhase::Event),
    ];
    Ok(AuditRecord {
        audit_id: row.parsed("audit_id")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        phase: row.one_of("phase", &phases)?,
        decision: row.text("decision")?,
        subject: row.text("subject")?,
        detail: row.text("detail")?,
        correlation_id: row.text("correlation_id")?,
        recorded_at: row.instant("recorded_at_us")?,
    })
}
