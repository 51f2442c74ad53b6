//! Apply: one completed scan becomes one transaction, all of it or nothing (TLW-01).

use std::collections::{BTreeMap, BTreeSet};

use ledger::EntryKind;
use model::record::{AuditRecord, ChangeRecord, HostRecord, ScanRecord, schema};
use model::{
    ComplianceState, Digest, EVIDENCE_BYTES_MAX, Evidence, ReasonCode, RuleId, RunStatus, Severity, Status,
    Subject, Timestamp,
};

use crate::append::{Appender, Draft, Nonces, broken, to_i64, while_stored};
use crate::db::{Rows, Sql, Tx, query};
use crate::error::{StoreError, doing};
use crate::facts::observed::{self, By, CHANGES_MAX, Observed};
use crate::locks::{self, Fence};
use crate::{Db, Tenant, dialect, hosts, retention, scans};

/// Most results of one scan (TLW-12).
pub const RESULTS_MAX: usize = 10_000;
/// Most evidence of one scan. Bytes (TLW-12).
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Changes that one statement inserts.
const CHANGES_STEP: usize = 1_000;

/// Bytes stored by their SHA-256.
#[derive(Debug, Clone)]
pub struct Blob {
    pub sha256: Digest,
    pub bytes: Vec<u8>,
}

/// The host's posture after this scan, over its current corpus.
#[derive(Debug, Clone)]
pub struct PostureUpdate {
    pub state: ComplianceState,
    pub pass_count: u32,
    pub fail_count: u32,
    pub skipped_count: u32,
    pub error_count: u32,
    pub not_applicable_count: u32,
    pub current_rule_set: Option<Digest>,
}

/// Everything that one completed scan writes.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The terminal record; `recorded_at` is filled in here.
    pub scan: ScanRecord,
    pub measured_at: Timestamp,
    /// Every rule that was covered, in order.
    pub rules: Vec<RuleId>,
    pub rule_set: Digest,
    pub corpus: Blob,
    pub manifest: Blob,
    /// Evidence of the changes.
    pub evidence: Vec<Blob>,
    /// Rows for the change log; `recorded_at` is filled in here.
    pub changes: Vec<ChangeRecord>,
    /// The host as it is from now on, when the scan learned something about it.
    pub host: Option<HostRecord>,
    pub posture: PostureUpdate,
    /// What the scan changes in the observed facts and the edges of its host.
    pub facts: Observed,
    pub audit: Vec<AuditRecord>,
}

/// What an apply came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Written, with the recorded time.
    Now(ScanRecord),
    /// This scan was applied before; nothing was written (TLW-10).
    Before(ScanRecord),
}

impl Db {
    /// Applies a completed scan.
    ///
    /// # Errors
    /// A typed refusal before any insert when the batch breaks a limit; [`StoreError::StaleFence`] when the
    /// lease was lost; else when the write fails. In each case nothing is written.
    #[expect(clippy::too_many_arguments, reason = "tenant, lease, record, clock and nonces are one each")]
    pub async fn apply(
        &self,
        (tenant, actor): (&Tenant, &str),
        fence: Fence,
        batch: &Batch,
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<Applied, StoreError> {
        check(batch)?;
        if fence.host_id != batch.scan.host_id {
            return Err(StoreError::StaleFence);
        }
        let said = "apply the scan";
        let mut tx = self.begin(tenant.id, said).await?;
        if let Some(before) = applied_before(&mut tx, tenant, batch).await? {
            return Ok(Applied::Before(before));
        }
        locks::release(&mut tx, tenant, fence).await?;
        let facts = batch.facts.changes.len();
        let count = batch.changes.len() + 1 + usize::from(batch.host.is_some()) + facts + batch.audit.len();
        let mut appender = Appender::reserve(&mut tx, (tenant, actor), (count, now), &mut *nonces).await?;
        if let Some(host) = &batch.host {
            hosts::put(&mut tx, &mut appender, (tenant, host), &mut *nonces).await?;
        }
        write_blobs(&mut tx, tenant, batch, appender.at()).await?;
        write_changes(&mut tx, &mut appender, (tenant, batch), &mut *nonces).await?;
        write_coverage(&mut tx, tenant, batch).await?;
        let by = By {
            subject: Subject::host(batch.scan.host_id),
            actor,
            measured_at: batch.measured_at,
            reason: format!("scan {}", batch.scan.scan_id),
        };
        observed::write(&mut tx, (tenant, &mut appender), (&by, &batch.facts), &mut *nonces).await?;
        let ended = scans::end(&mut tx, &mut appender, (tenant, &batch.scan), &mut *nonces).await?;
        appender.audits(&mut tx, &batch.audit, nonces).await?;
        appender.insert(&mut tx).await?;
        tx.commit().await.map_err(doing(said))?;
        Ok(Applied::Now(ended))
    }
}

/// Refuses a batch that breaks a limit, before anything is written (TLW-11, TLW-12).
fn check(batch: &Batch) -> Result<(), StoreError> {
    let too_large = |what, size, limit| StoreError::BatchTooLarge { what, size, limit };
    if batch.rules.len() > RESULTS_MAX {
        return Err(too_large("results", batch.rules.len(), RESULTS_MAX));
    }
    let total: usize = batch.evidence.iter().map(|blob| blob.bytes.len()).sum();
    if total > BATCH_BYTES_MAX {
        return Err(too_large("bytes of evidence", total, BATCH_BYTES_MAX));
    }
    if batch.facts.changes.len() > CHANGES_MAX {
        return Err(too_large("changed facts and edges", batch.facts.changes.len(), CHANGES_MAX));
    }
    let mut seen = BTreeSet::new();
    if let Some(rule) = batch.rules.iter().find(|rule| !seen.insert(*rule)) {
        return Err(StoreError::DuplicateRule { rule: rule.clone() });
    }
    check_changes(batch, &seen)?;
    batch.evidence.iter().try_for_each(|blob| check_evidence(batch, blob))
}

/// Refuses changes that say something else than their scan: rows take what they share from the scan, entries
/// from the change, and both must be the same (LED-09).
fn check_changes(batch: &Batch, covered: &BTreeSet<&RuleId>) -> Result<(), StoreError> {
    let scan = &batch.scan;
    if scan.status != RunStatus::Completed || scan.measured_at != Some(batch.measured_at) {
        return Err(broken("the scan", &"it is not completed at the instant of its results"));
    }
    let scan_id = scan.scan_id.to_string();
    for change in &batch.changes {
        let same = change.host_id == scan.host_id
            && change.scan_id == scan.scan_id
            && change.correlation_id == scan_id
            && change.engine_digest == scan.engine_digest
            && change.policy_digest == scan.policy_digest
            && change.policy_version == scan.policy_version
            && change.occurred_at == batch.measured_at;
        if !same || !covered.contains(&change.rule_id) {
            return Err(broken("a change", &format_args!("{} contradicts its scan", change.rule_id)));
        }
    }
    Ok(())
}

fn check_evidence(batch: &Batch, blob: &Blob) -> Result<(), StoreError> {
    if blob.bytes.len() > EVIDENCE_BYTES_MAX {
        let (size, limit) = (blob.bytes.len(), EVIDENCE_BYTES_MAX);
        let owner = batch.changes.iter().find(|change| change.evidence_sha256 == blob.sha256);
        return Err(match owner.map(|change| change.rule_id.clone()) {
            Some(rule) => StoreError::EvidenceOversize { rule, size, limit },
            None => StoreError::BatchTooLarge { what: "bytes in one evidence document", size, limit },
        });
    }
    let follows = |document: Evidence| document.schema == Evidence::SCHEMA;
    if blob.bytes == b"{}" || serde_json::from_slice(&blob.bytes).is_ok_and(follows) {
        return Ok(());
    }
    Err(StoreError::EvidenceInvalid { sha256: blob.sha256 })
}

async fn applied_before(
    tx: &mut Tx,
    tenant: &Tenant,
    batch: &Batch,
) -> Result<Option<ScanRecord>, StoreError> {
    let sql = Sql::Assembled(format!("{} WHERE tenant_id = $1 AND id = $2", scans::SCAN_COLUMNS));
    let row = query(sql)
        .bind(tenant.id.to_string())
        .bind(batch.scan.scan_id.to_string())
        .fetch_optional(&mut *tx)
        .await
        .map_err(doing("read the scan"))?;
    let scan = row.as_ref().map(scans::read_scan).transpose()?;
    Ok(scan.filter(|scan| scan.status == RunStatus::Completed))
}

async fn write_blobs(tx: &mut Tx, tenant: &Tenant, batch: &Batch, at: Timestamp) -> Result<(), StoreError> {
    let single = [
        (
            &batch.corpus,
            "INSERT INTO corpora (tenant_id, sha256, body, byte_size, first_seen_at_us)
             SELECT $1, $2, $3, $4, $5
             WHERE NOT EXISTS (SELECT 1 FROM corpora WHERE tenant_id = $1 AND sha256 = $2)",
        ),
        (
            &batch.manifest,
            "INSERT INTO manifests (tenant_id, sha256, body, byte_size, first_seen_at_us)
             SELECT $1, $2, $3, $4, $5
             WHERE NOT EXISTS (SELECT 1 FROM manifests WHERE tenant_id = $1 AND sha256 = $2)",
        ),
    ];
    for (blob, sql) in single {
        query(sql)
            .bind(tenant.id.to_string())
            .bind(blob.sha256.to_string())
            .bind(&blob.bytes)
            .bind(to_i64(blob.bytes.len() as u64)?)
            .bind(at.as_micros())
            .execute(&mut *tx)
            .await
            .map_err(doing("store the manifest and the corpus"))?;
    }
    if batch.evidence.is_empty() {
        return Ok(());
    }
    // In the order of the key: neighbours share a page.
    let blobs: BTreeMap<Digest, &Blob> = batch.evidence.iter().map(|blob| (blob.sha256, blob)).collect();
    let mut rows = Rows::new(2, blobs.len()).with_texts(&[1]);
    for (sha256, blob) in blobs {
        if std::str::from_utf8(&blob.bytes).is_err() {
            return Err(StoreError::EvidenceInvalid { sha256 });
        }
        rows.push([sha256.to_string().into(), (&blob.bytes).into()]);
    }
    query(dialect::INSERT_EVIDENCE)
        .bind(tenant.id.to_string())
        .bind(at.as_micros())
        .bind_rows(rows)
        .execute(&mut *tx)
        .await
        .map_err(doing("store the evidence"))?;
    retention::put_back(tx, tenant, &batch.evidence).await
}

async fn write_changes(
    tx: &mut Tx,
    appender: &mut Appender<'_>,
    (tenant, batch): (&Tenant, &Batch),
    nonces: Nonces<'_>,
) -> Result<(), StoreError> {
    if batch.changes.is_empty() {
        return Ok(());
    }
    // Rendering takes its time, and a server ends a transaction that says nothing for long.
    for changes in batch.changes.chunks(CHANGES_STEP) {
        insert_changes(tx, appender, (tenant, batch, changes), &mut *nonces).await?;
    }
    query(UPSERT_STATE)
        .bind(tenant.id.to_string())
        .bind(batch.scan.scan_id.to_string())
        .execute(&mut *tx)
        .await
        .map_err(doing("store the current state"))?;
    Ok(())
}

async fn insert_changes(
    tx: &mut Tx,
    appender: &mut Appender<'_>,
    (tenant, batch, changes): (&Tenant, &Batch, &[ChangeRecord]),
    nonces: Nonces<'_>,
) -> Result<(), StoreError> {
    let (at, first) = (appender.at(), to_i64(appender.next_position())?);
    let mut rows = Rows::new(13, changes.len());
    for (index, change) in (first..).zip(changes) {
        rows.push([
            change.transaction_id.to_string().into(),
            change.rule_id.as_str().into(),
            change.prior_status.map(Status::as_str).into(),
            change.status.as_str().into(),
            change.prior_severity.map(Severity::as_str).into(),
            change.severity.as_str().into(),
            change.change_kind.as_str().into(),
            change.prior_value_digest.map(|digest| digest.to_string()).into(),
            change.value_digest.to_string().into(),
            change.evidence_sha256.to_string().into(),
            change.skip_reason.map(ReasonCode::as_str).into(),
            change.rule_digest.to_string().into(),
            index.into(),
        ]);
    }
    let scan = &batch.scan;
    let stored = query(dialect::INSERT_CHANGES)
        .bind(tenant.id.to_string())
        .bind(scan.host_id.to_string())
        .bind(scan.scan_id.to_string())
        .bind(scan.engine_digest.to_string())
        .bind(scan.policy_digest.to_string())
        .bind(&scan.policy_version)
        .bind(scan.scan_id.to_string())
        .bind(batch.measured_at.as_micros())
        .bind(at.as_micros())
        .bind_rows(rows)
        .execute(&mut *tx);
    let rendered = async {
        for change in changes {
            let change = ChangeRecord { recorded_at: at, ..change.clone() };
            let draft = Draft {
                kind: EntryKind::FindingChanged,
                table: "transactions",
                row: change.transaction_id.to_string(),
                schema: schema::CHANGE,
                record: &change,
            };
            appender.push(draft, &mut *nonces)?;
        }
        Ok(())
    };
    while_stored((stored, "store the changes"), rendered).await
}

/// `$1` tenant, `$2` the scan whose changes were stored.
const UPSERT_STATE: &str = "
INSERT INTO host_rule_state (tenant_id, host_id, rule_id, current_status, severity, value_digest,
  evidence_sha256, skip_reason, first_seen_at, last_changed_at, last_value_changed_at)
SELECT t.tenant_id, t.host_id, t.rule_id, t.status, t.severity, t.value_digest,
  t.evidence_sha256, t.skip_reason, t.occurred_at, t.occurred_at, t.occurred_at
FROM transactions AS t
WHERE t.tenant_id = $1 AND t.scan_id = $2
ON CONFLICT (tenant_id, host_id, rule_id) DO UPDATE SET
  last_changed_at = CASE
    WHEN host_rule_state.current_status <> excluded.current_status
      OR host_rule_state.severity <> excluded.severity
    THEN excluded.last_changed_at ELSE host_rule_state.last_changed_at END,
  last_value_changed_at = CASE
    WHEN host_rule_state.value_digest <> excluded.value_digest
    THEN excluded.last_value_changed_at ELSE host_rule_state.last_value_changed_at END,
  current_status = excluded.current_status,
  severity = excluded.severity,
  value_digest = excluded.value_digest,
  evidence_sha256 = excluded.evidence_sha256,
  skip_reason = excluded.skip_reason";

/// Notes what was looked at, in a number of rows that does not grow with the number of rules.
async fn write_coverage(tx: &mut Tx, tenant: &Tenant, batch: &Batch) -> Result<(), StoreError> {
    let mut rules = Rows::new(1, batch.rules.len());
    for rule in &batch.rules {
        rules.push([rule.as_str().into()]);
    }
    query(dialect::INSERT_RULE_SET)
        .bind(tenant.id.to_string())
        .bind(batch.rule_set.to_string())
        .bind_rows(rules)
        .execute(&mut *tx)
        .await
        .map_err(doing("store the rule set"))?;
    query(
        "INSERT INTO host_rule_sets (tenant_id, host_id, sha256, scan_count, last_checked_at_us, last_scan_id)
         VALUES ($1, $2, $3, 1, $4, $5)
         ON CONFLICT (tenant_id, host_id, sha256) DO UPDATE SET scan_count = host_rule_sets.scan_count + 1,
           last_checked_at_us = excluded.last_checked_at_us, last_scan_id = excluded.last_scan_id",
    )
    .bind(tenant.id.to_string())
    .bind(batch.scan.host_id.to_string())
    .bind(batch.rule_set.to_string())
    .bind(batch.measured_at.as_micros())
    .bind(batch.scan.scan_id.to_string())
    .execute(&mut *tx)
    .await
    .map_err(doing("count the check"))?;
    let posture = &batch.posture;
    query(
        "INSERT INTO host_posture (tenant_id, host_id, compliance_state, pass_count, fail_count,
           skipped_count, error_count, not_applicable_count, current_rule_set, last_scan_id,
           last_checked_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (tenant_id, host_id) DO UPDATE SET compliance_state = excluded.compliance_state,
           pass_count = excluded.pass_count, fail_count = excluded.fail_count,
           skipped_count = excluded.skipped_count, error_count = excluded.error_count,
           not_applicable_count = excluded.not_applicable_count,
           current_rule_set = excluded.current_rule_set, last_scan_id = excluded.last_scan_id,
           last_checked_at_us = excluded.last_checked_at_us",
    )
    .bind(tenant.id.to_string())
    .bind(batch.scan.host_id.to_string())
    .bind(posture.state.as_str())
    .bind(i64::from(posture.pass_count))
    .bind(i64::from(posture.fail_count))
    .bind(i64::from(posture.skipped_count))
    .bind(i64::from(posture.error_count))
    .bind(i64::from(posture.not_applicable_count))
    .bind(posture.current_rule_set.map(|digest| digest.to_string()))
    .bind(batch.scan.scan_id.to_string())
    .bind(batch.measured_at.as_micros())
    .execute(&mut *tx)
    .await
    .map_err(doing("store the posture"))?;
    Ok(())
}
