//! Reading rows back as the records that the ledger committed to, for `plumb ledger verify` and
//! `plumb state verify`.

use std::collections::BTreeMap;

use ledger::EntryKind;
use model::record::{AuditPhase, AuditRecord, HostRecord, QuarantineRecord};
use model::{ClaimKind, Digest, HostId, ReasonCode, Severity, Status, Timestamp};

use crate::codec::Reader;
use crate::db::{Row, Sql, query};
use crate::error::{StoreError, doing};
use crate::events::read_event;
use crate::facts::{self, Stored};
use crate::history::read_change;
use crate::hosts::read_record;
use crate::keys::read_key;
use crate::scans::read_scan;
use crate::{Db, Tenant};

/// Most rows that one read of a table returns at a time.
const PAGE: i64 = 2_000;

/// A table whose rows the ledger commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    Transactions,
    ScanRuns,
    AuditEvents,
    Hosts,
    HostKeys,
    LogEvents,
    Facts,
    Edges,
    Quarantine,
}

impl Registry {
    /// All of them but `log_heads`, whose row every checkpoint's signature covers.
    pub const ALL: [Self; 9] = [
        Self::Transactions,
        Self::ScanRuns,
        Self::AuditEvents,
        Self::Hosts,
        Self::HostKeys,
        Self::LogEvents,
        Self::Facts,
        Self::Edges,
        Self::Quarantine,
    ];

    /// Returns the table's name.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::ScanRuns => "scan_runs",
            Self::AuditEvents => "audit_events",
            Self::Hosts => "hosts",
            Self::HostKeys => "host_keys",
            Self::LogEvents => "log_events",
            Self::Facts => "facts",
            Self::Edges => "edges",
            Self::Quarantine => "quarantine",
        }
    }

    /// Returns the expression for the position of a row's newest entry: its index, counted on through the logs
    /// of the tenant.
    pub(crate) const fn position(self) -> &'static str {
        match self {
            Self::LogEvents => {
                "(SELECT l.first_position FROM log_heads AS l
                  WHERE l.tenant_id = log_events.tenant_id AND l.log_id = log_events.log_id) + log_index"
            }
            // A version that another took the place of has no entry of its own for that.
            Self::Facts | Self::Edges => {
                "CASE WHEN superseded_by IS NULL THEN coalesce(superseded_index, log_index) ELSE log_index END"
            }
            Self::Transactions
            | Self::ScanRuns
            | Self::AuditEvents
            | Self::Hosts
            | Self::HostKeys
            | Self::Quarantine => "log_index",
        }
    }

    /// Returns the expression that names a row in ledger entries.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Transactions | Self::ScanRuns => "id",
            Self::AuditEvents => "audit_id",
            Self::Hosts => "host_id",
            Self::LogEvents => "event_id",
            Self::Facts => "fact_id",
            Self::Edges => "edge_id",
            Self::Quarantine => "quarantine_id",
            Self::HostKeys => "address || '|' || CAST(port AS TEXT) || '|' || fingerprint",
        }
    }
}

/// A row that was read back.
#[derive(Debug)]
pub struct RenderedRow {
    /// Names the row in ledger entries.
    pub key: String,
    /// [`StoreError::Row`] when a column holds what it never may: then the other rows still count.
    pub content: Result<Rendered, StoreError>,
}

/// A row rendered again from its columns.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Of its newest entry; its index, counted on through the logs of the tenant.
    pub position: u64,
    pub record: serde_json::Value,
}

/// One row of the current state, as the change log gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    pub status: Status,
    pub severity: Severity,
    pub value_digest: Digest,
    pub evidence_sha256: Digest,
    pub skip_reason: Option<ReasonCode>,
    pub first_seen_at: Timestamp,
    pub last_changed_at: Timestamp,
    pub last_value_changed_at: Timestamp,
}

/// The columns of a row of the current state by name, as texts: what stands there may be no value of its kind, and is named
/// then beside what else differs (TLW-21).
pub type StateTexts = [(&'static str, String); 8];

impl StateRow {
    /// Returns the columns as they are stored.
    #[must_use]
    pub fn texts(&self) -> StateTexts {
        [
            ("current_status", self.status.to_string()),
            ("severity", self.severity.to_string()),
            ("value_digest", self.value_digest.to_string()),
            ("evidence_sha256", self.evidence_sha256.to_string()),
            ("skip_reason", self.skip_reason.map(|reason| reason.to_string()).unwrap_or_default()),
            ("first_seen_at", self.first_seen_at.to_string()),
            ("last_changed_at", self.last_changed_at.to_string()),
            ("last_value_changed_at", self.last_value_changed_at.to_string()),
        ]
    }
}

/// What is kept beside a host for lists, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostureTexts {
    pub state: String,
    /// Pass, fail, skipped, error, not applicable.
    pub counts: [i64; 5],
    pub current_rule_set: Option<String>,
    pub last_scan_id: Option<String>,
    pub last_checked_at: Option<Timestamp>,
}

impl Db {
    /// Lists the tenant's hosts by name, those that were removed among them, with what is kept beside each for lists.
    ///
    /// # Errors
    /// When the database cannot be read or a host is not understood.
    pub async fn list_postures(
        &self,
        tenant: &Tenant,
    ) -> Result<Vec<(HostRecord, Option<PostureTexts>)>, StoreError> {
        let rows = self.host_rows(tenant, None).await?;
        rows.iter().map(|row| Ok((read_record(row)?, read_posture(row)?))).collect()
    }

    /// Reads the rows of a registry table after a key, rendered again as records.
    ///
    /// A version of a fact or an edge is rendered as it was put, and once more as it was retired.
    ///
    /// Rows that are not ledgered yet (a running scan) are left out.
    ///
    /// # Errors
    /// When the database cannot be read. A value that is not understood is an error of its row only.
    pub async fn render_rows(
        &self,
        tenant: &Tenant,
        registry: Registry,
        after: &str,
    ) -> Result<Vec<RenderedRow>, StoreError> {
        // All parts are constants of this file.
        let (table, key, position) = (registry.table(), registry.key(), registry.position());
        let sql = format!(
            "SELECT *, {key} AS row_key, {position} AS log_position
             FROM {table}
             WHERE tenant_id = $1 AND {key} > $2 AND log_index IS NOT NULL
             ORDER BY row_key
             LIMIT $3"
        );
        query(Sql::Assembled(sql))
            .bind(tenant.id.to_string())
            .bind(after)
            .bind(PAGE)
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read the recorded rows"))?
            .iter()
            .try_fold(Vec::new(), |mut rendered, row| {
                let reader = Reader::new(table, "row_key", row)?;
                rendered.push(RenderedRow { key: reader.key.clone(), content: render(registry, &reader) });
                rendered.extend(retirement(registry, &reader));
                Ok(rendered)
            })
    }

    /// Compares how often, when and by which scan a host was last checked, as counted, with its completed scan
    /// runs.
    ///
    /// Shape: one pair of texts, stored and rebuilt, for each rule set in which they differ.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn compare_coverage(
        &self,
        tenant: &Tenant,
        host: HostId,
    ) -> Result<Vec<(String, String)>, StoreError> {
        query(
            "SELECT coalesce(h.sha256, s.rule_set_sha256) AS sha256, coalesce(h.scan_count, 0) AS stored_count,
               coalesce(s.scan_count, 0) AS run_count, coalesce(h.last_checked_at_us, 0) AS stored_at_us,
               coalesce(s.measured_at, 0) AS run_at_us, coalesce(h.last_scan_id, '') AS stored_scan,
               coalesce(s.id, '') AS run_scan
             FROM (SELECT sha256, scan_count, last_checked_at_us, last_scan_id
               FROM host_rule_sets WHERE tenant_id = $1 AND host_id = $2) AS h
             FULL OUTER JOIN (SELECT rule_set_sha256, id, measured_at,
                 count(*) OVER (PARTITION BY rule_set_sha256) AS scan_count,
                 row_number() OVER (PARTITION BY rule_set_sha256 ORDER BY log_index DESC) AS n
               FROM scan_runs WHERE tenant_id = $1 AND host_id = $2 AND status = 'completed'
               ) AS s ON s.rule_set_sha256 = h.sha256
             WHERE coalesce(s.n, 1) = 1 AND (h.scan_count IS DISTINCT FROM s.scan_count
               OR h.last_checked_at_us IS DISTINCT FROM s.measured_at
               OR h.last_scan_id IS DISTINCT FROM s.id)
             ORDER BY 1
             LIMIT 10000",
        )
        .bind(tenant.id.to_string())
        .bind(host.to_string())
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("compare the counted checks"))?
        .iter()
        .map(|row| {
            let row = Reader::new("host_rule_sets", "sha256", row)?;
            let said = |count: i64, at: Timestamp, scan: String| {
                format!("{count} scans, the last at {at}, {scan}")
            };
            Ok((
                said(row.int("stored_count")?, row.instant("stored_at_us")?, row.text("stored_scan")?),
                said(row.int("run_count")?, row.instant("run_at_us")?, row.text("run_scan")?),
            ))
        })
        .collect()
    }

    /// Reads the stored current state of a host, by rule.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_state(
        &self,
        tenant: &Tenant,
        host: HostId,
    ) -> Result<BTreeMap<String, StateTexts>, StoreError> {
        query(
            "SELECT rule_id, current_status, severity, value_digest, evidence_sha256, skip_reason,
               first_seen_at, last_changed_at, last_value_changed_at
             FROM host_rule_state
             WHERE tenant_id = $1 AND host_id = $2
             ORDER BY rule_id
             LIMIT 100000",
        )
        .bind(tenant.id.to_string())
        .bind(host.to_string())
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read the current state"))?
        .iter()
        .map(|row| {
            let row = Reader::new("host_rule_state", "rule_id", row)?;
            let text = |column| Ok::<_, StoreError>((column, written(row.maybe_text(column)?)));
            let instant = |column| Ok::<_, StoreError>((column, row.instant(column)?.to_string()));
            let texts = [
                text("current_status")?,
                text("severity")?,
                text("value_digest")?,
                text("evidence_sha256")?,
                text("skip_reason")?,
                instant("first_seen_at")?,
                instant("last_changed_at")?,
                instant("last_value_changed_at")?,
            ];
            Ok((row.key, texts))
        })
        .collect()
    }
}

/// Shows a text as it stands in a column: an empty one is not one that is missing.
#[must_use]
pub fn written(text: Option<String>) -> String {
    match text {
        Some(text) if text.is_empty() => "''".to_owned(),
        text => text.unwrap_or_default(),
    }
}

fn read_posture(row: &Row) -> Result<Option<PostureTexts>, StoreError> {
    let row = Reader::new("host_posture", "host_id", row)?;
    let Some(state) = row.maybe_text("compliance_state")? else { return Ok(None) };
    Ok(Some(PostureTexts {
        state,
        counts: [
            row.int("pass_count")?,
            row.int("fail_count")?,
            row.int("skipped_count")?,
            row.int("error_count")?,
            row.int("not_applicable_count")?,
        ],
        current_rule_set: row.maybe_text("current_rule_set")?,
        last_scan_id: row.maybe_text("last_scan_id")?,
        last_checked_at: row.maybe_instant("last_checked_at_us")?,
    }))
}

fn render(registry: Registry, reader: &Reader<'_>) -> Result<Rendered, StoreError> {
    let row = reader.row;
    let record = match registry {
        Registry::Transactions => {
            // No record carries these two, because no other origin is written yet; an edit must still be seen.
            reader.one_of("origin", &[("scan", ())])?;
            reader.null("remediation_id")?;
            serde_json::to_value(read_change(row)?)
        }
        Registry::ScanRuns => serde_json::to_value(read_scan(row)?),
        Registry::AuditEvents => serde_json::to_value(read_audit(row)?),
        Registry::Hosts => serde_json::to_value(read_record(row)?),
        Registry::HostKeys => serde_json::to_value(read_key(row)?.record),
        Registry::LogEvents => serde_json::to_value(read_event(row)?),
        Registry::Quarantine => serde_json::to_value(read_quarantine(row)?),
        Registry::Facts | Registry::Edges => {
            let put = read_claim(registry, reader)?;
            let record = serde_json::to_value(put.version.opened());
            let record = record.map_err(|err| crate::append::broken(registry.table(), &err))?;
            return Ok(Rendered { position: put.log_index, record });
        }
    };
    let record = record.map_err(|err| crate::append::broken(registry.table(), &err))?;
    Ok(Rendered { position: reader.number("log_position")?, record })
}

/// Reads a version whose columns have their own names.
fn read_claim(registry: Registry, reader: &Reader<'_>) -> Result<Stored, StoreError> {
    let kind = if registry == Registry::Edges { ClaimKind::Edge } else { ClaimKind::Fact };
    let names = facts::statements(kind);
    facts::read_columns(kind, reader, [names.id, names.name, names.last])
}

/// Renders a version once more as it was retired: that has an entry of its own.
fn retirement(registry: Registry, reader: &Reader<'_>) -> Option<RenderedRow> {
    if !matches!(registry, Registry::Facts | Registry::Edges) {
        return None;
    }
    // What does not read was rendered as an error already.
    let Stored { version, superseded_index, .. } = read_claim(registry, reader).ok()?;
    let closed = superseded_index.is_some() || version != version.opened();
    if version.superseded_by.is_some() || !closed {
        return None;
    }
    // A version that is closed by no entry has a place that no entry has.
    let position = superseded_index.unwrap_or(u64::MAX);
    let record = serde_json::to_value(version).map_err(|err| crate::append::broken(registry.table(), &err));
    let key = key_in_entries(EntryKind::FactRetired, reader.key.clone());
    Some(RenderedRow { key, content: record.map(|record| Rendered { position, record }) })
}

/// Returns the name under which what an entry commits to is compared with rendered rows: the row's key, and one of its
/// own for a retirement, since the version's first entry still speaks of what was put.
#[must_use]
pub fn key_in_entries(kind: EntryKind, row: String) -> String {
    if matches!(kind, EntryKind::FactRetired | EntryKind::EdgeRetired) {
        format!("{row} retired")
    } else {
        row
    }
}

fn read_quarantine(row: &Row) -> Result<QuarantineRecord, StoreError> {
    let row = Reader::new("quarantine", "quarantine_id", row)?;
    let refused = |problem: String| StoreError::Row {
        table: "quarantine",
        column: "cells",
        row: row.key.clone(),
        problem,
    };
    let cells = row.text("cells")?;
    let cells =
        ledger::canonical::parse_canonical(cells.as_bytes()).map_err(|err| refused(err.to_string()))?;
    Ok(QuarantineRecord {
        quarantine_id: row.parsed("quarantine_id")?,
        table: row.text("table_name")?,
        cells: serde_json::from_value(cells).map_err(|err| refused(err.to_string()))?,
        recorded_at: row.instant("recorded_at_us")?,
    })
}

fn read_audit(row: &Row) -> Result<AuditRecord, StoreError> {
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
