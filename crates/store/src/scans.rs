//! Scan runs: begun under the host's lease, ended once. At most one is active per host (JOB-14).

use ledger::EntryKind;
use model::record::{AuditRecord, ScanRecord, schema};
use model::{FailureReason, HostId, RunStatus, ScanId, Timestamp};

use crate::append::{Appender, Draft, Nonces, audit_id, to_i64};
use crate::codec::Reader;
use crate::db::{Row, Sql, Tx, query};
use crate::error::{StoreError, doing};
use crate::locks::{self, Claim, Fence};
use crate::{Db, Tenant};

/// Most scan runs that one list returns.
pub const LIST_MAX: i64 = 500;

pub(crate) const SCAN_COLUMNS: &str = "
SELECT id, host_id, \"trigger\", requested_by, is_full, selection, profile_id, status, failure_reason,
  failure_text, pass_count, fail_count, skipped_count, error_count, not_applicable_count, change_count,
  policy_version, corpus_digest, engine_digest, policy_digest, manifest_sha256, rule_set_sha256,
  content_signed, channel_count, round_trip_count, sent_bytes, received_bytes, queued_at, started_at,
  measured_at, finished_at, recorded_at, fencing_token
FROM scan_runs";

impl Db {
    /// Takes the host's lease and records that the scan began, with its audit intent.
    ///
    /// A run that a dead process left behind is ended as `abandoned` in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::HostBusy`] while another holder is alive and its lease runs.
    #[expect(clippy::too_many_arguments, reason = "tenant, lease, record, clock and nonces are one each")]
    pub async fn begin_scan(
        &self,
        (tenant, audit): (&Tenant, &AuditRecord),
        claim: &Claim<'_>,
        scan: &ScanRecord,
        holder_is_gone: &(dyn Fn(&str) -> bool + Sync),
        nonces: Nonces<'_>,
    ) -> Result<Fence, StoreError> {
        let said = "begin the scan";
        let mut tx = self.begin(tenant.id, said).await?;
        let fence = locks::acquire(&mut tx, tenant, claim, holder_is_gone).await?;
        let left = active_runs(&mut tx, tenant, scan.host_id).await?;
        let count = 1 + 2 * left.len();
        let mut appender =
            Appender::reserve(&mut tx, (tenant, &audit.actor), (count, claim.now), &mut *nonces).await?;
        for run in &left {
            let ended = ScanRecord {
                status: RunStatus::Failed,
                failure_reason: Some(FailureReason::Abandoned),
                failure_text: Some("the process that ran this scan is gone".to_owned()),
                finished_at: Some(claim.now),
                ..run.clone()
            };
            let ended = end(&mut tx, &mut appender, (tenant, &ended), &mut *nonces).await?;
            let audit = AuditRecord {
                audit_id: audit_id(claim.now, nonces()),
                action: "scan.abandoned".to_owned(),
                subject: format!("scan:{}", ended.scan_id),
                detail: "{}".to_owned(),
                ..audit.clone()
            };
            appender.audit(&mut tx, &audit, &mut *nonces).await?;
        }
        insert_running(&mut tx, tenant, scan, fence).await?;
        appender.audit(&mut tx, audit, nonces).await?;
        appender.insert(&mut tx).await?;
        tx.commit().await.map_err(doing(said))?;
        Ok(fence)
    }

    /// Ends a scan that did not complete: nothing of it is applied but its own record.
    ///
    /// # Errors
    /// [`StoreError::StaleFence`] when the lease went to somebody else; then nothing is written.
    #[expect(clippy::too_many_arguments, reason = "tenant, lease, record, clock and nonces are one each")]
    pub async fn fail_scan(
        &self,
        (tenant, actor): (&Tenant, &str),
        (fence, scan): (Fence, &ScanRecord),
        audits: &[AuditRecord],
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<ScanRecord, StoreError> {
        if fence.host_id != scan.host_id {
            return Err(StoreError::StaleFence);
        }
        let said = "record the failed scan";
        let mut tx = self.begin(tenant.id, said).await?;
        locks::release(&mut tx, tenant, fence).await?;
        let mut appender =
            Appender::reserve(&mut tx, (tenant, actor), (1 + audits.len(), now), &mut *nonces).await?;
        let ended = end(&mut tx, &mut appender, (tenant, scan), &mut *nonces).await?;
        appender.audits(&mut tx, audits, nonces).await?;
        appender.insert(&mut tx).await?;
        tx.commit().await.map_err(doing(said))?;
        Ok(ended)
    }

    /// Finds a scan run.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_scan(&self, tenant: &Tenant, id: ScanId) -> Result<Option<ScanRecord>, StoreError> {
        let sql = Sql::Assembled(format!("{SCAN_COLUMNS} WHERE tenant_id = $1 AND id = $2"));
        let row = query(sql)
            .bind(tenant.id.to_string())
            .bind(id.to_string())
            .fetch_optional(self.readers(tenant.id))
            .await
            .map_err(doing("read the scan"))?;
        row.as_ref().map(read_scan).transpose()
    }

    /// Lists the scan runs of a host, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_scans(&self, tenant: &Tenant, host: HostId) -> Result<Vec<ScanRecord>, StoreError> {
        let sql = Sql::Assembled(format!(
            "{SCAN_COLUMNS} WHERE tenant_id = $1 AND host_id = $2 ORDER BY queued_at DESC, id DESC LIMIT $3"
        ));
        let rows = query(sql)
            .bind(tenant.id.to_string())
            .bind(host.to_string())
            .bind(LIST_MAX)
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("list the scans"))?;
        rows.iter().map(read_scan).collect()
    }

    /// Finds the scan of a host that was applied last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_last_applied(
        &self,
        tenant: &Tenant,
        host: HostId,
    ) -> Result<Option<ScanRecord>, StoreError> {
        let sql = Sql::Assembled(format!(
            "{SCAN_COLUMNS}
             WHERE tenant_id = $1 AND host_id = $2 AND status = 'completed'
             ORDER BY log_index DESC
             LIMIT 1"
        ));
        let row = query(sql)
            .bind(tenant.id.to_string())
            .bind(host.to_string())
            .fetch_optional(self.readers(tenant.id))
            .await
            .map_err(doing("read the scan"))?;
        row.as_ref().map(read_scan).transpose()
    }

    /// Finds the newest completed full scan of a host at both instants.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_full_scan(
        &self,
        tenant: &Tenant,
        host: HostId,
        (valid_at, recorded_at): (Timestamp, Timestamp),
    ) -> Result<Option<ScanRecord>, StoreError> {
        let sql = Sql::Assembled(format!(
            "{SCAN_COLUMNS}
             WHERE tenant_id = $1 AND host_id = $2 AND is_full = 1 AND status = 'completed'
               AND measured_at <= $3 AND recorded_at <= $4
             ORDER BY measured_at DESC, recorded_at DESC, id DESC
             LIMIT 1"
        ));
        let row = query(sql)
            .bind(tenant.id.to_string())
            .bind(host.to_string())
            .bind(valid_at.as_micros())
            .bind(recorded_at.as_micros())
            .fetch_optional(self.readers(tenant.id))
            .await
            .map_err(doing("read the scan"))?;
        row.as_ref().map(read_scan).transpose()
    }

    /// Tells whether a completed scan of a host at both instants, measured at `since` or later, ran rules that are not the
    /// shipped ones.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_unsigned_since(
        &self,
        (tenant, host): (&Tenant, HostId),
        since: Timestamp,
        (valid_at, recorded_at): (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        let row = query(
            "SELECT id
             FROM scan_runs
             WHERE tenant_id = $1 AND host_id = $2 AND status = 'completed' AND content_signed = 0
               AND measured_at >= $3 AND measured_at <= $4 AND recorded_at <= $5
             LIMIT 1",
        )
        .bind(tenant.id.to_string())
        .bind(host.to_string())
        .bind(since.as_micros())
        .bind(valid_at.as_micros())
        .bind(recorded_at.as_micros())
        .fetch_optional(self.readers(tenant.id))
        .await
        .map_err(doing("read the scans"))?;
        Ok(row.is_some())
    }
}

async fn active_runs(tx: &mut Tx, tenant: &Tenant, host: HostId) -> Result<Vec<ScanRecord>, StoreError> {
    let sql = Sql::Assembled(format!(
        "{SCAN_COLUMNS}
         WHERE tenant_id = $1 AND host_id = $2 AND status IN ('queued', 'running')
         ORDER BY queued_at, id
         LIMIT 10"
    ));
    let rows = query(sql)
        .bind(tenant.id.to_string())
        .bind(host.to_string())
        .fetch_all(&mut *tx)
        .await
        .map_err(doing("read the active scans"))?;
    rows.iter().map(read_scan).collect()
}

async fn insert_running(
    tx: &mut Tx,
    tenant: &Tenant,
    scan: &ScanRecord,
    fence: Fence,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO scan_runs (tenant_id, id, host_id, \"trigger\", requested_by, is_full, selection,
           profile_id, status, fencing_token, policy_version, corpus_digest, engine_digest, policy_digest,
           content_signed, queued_at, started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    )
    .bind(tenant.id.to_string())
    .bind(scan.scan_id.to_string())
    .bind(scan.host_id.to_string())
    .bind(scan.trigger.as_str())
    .bind(&scan.requested_by)
    .bind(i64::from(scan.is_full))
    .bind(&scan.selection)
    .bind(&scan.profile_id)
    .bind(scan.status.as_str())
    .bind(fence.token)
    .bind(&scan.policy_version)
    .bind(scan.corpus_digest.to_string())
    .bind(scan.engine_digest.to_string())
    .bind(scan.policy_digest.to_string())
    .bind(i64::from(scan.content_signed))
    .bind(scan.queued_at.as_micros())
    .bind(scan.started_at.map(Timestamp::as_micros))
    .execute(&mut *tx)
    .await
    .map_err(doing("record the begun scan"))?;
    Ok(())
}

/// Writes the terminal row of a scan with its entry. A terminal row is never written again (TLW-18).
pub(crate) async fn end(
    tx: &mut Tx,
    appender: &mut Appender<'_>,
    (tenant, scan): (&Tenant, &ScanRecord),
    nonces: Nonces<'_>,
) -> Result<ScanRecord, StoreError> {
    let scan = ScanRecord { recorded_at: Some(appender.at()), ..scan.clone() };
    let draft = Draft {
        kind: EntryKind::ScanManifest,
        table: "scan_runs",
        row: scan.scan_id.to_string(),
        schema: schema::SCAN,
        record: &scan,
    };
    let index = appender.push(draft, nonces)?;
    let written = query(
        "UPDATE scan_runs SET status = $3, failure_reason = $4, failure_text = $5, pass_count = $6,
           fail_count = $7, skipped_count = $8, error_count = $9, not_applicable_count = $10,
           change_count = $11, manifest_sha256 = $12, rule_set_sha256 = $13, channel_count = $14,
           round_trip_count = $15, sent_bytes = $16, received_bytes = $17, measured_at = $18,
           finished_at = $19, recorded_at = $20, log_index = $21
         WHERE tenant_id = $1 AND id = $2 AND status IN ('queued', 'running')",
    )
    .bind(tenant.id.to_string())
    .bind(scan.scan_id.to_string())
    .bind(scan.status.as_str())
    .bind(scan.failure_reason.map(FailureReason::as_str))
    .bind(&scan.failure_text)
    .bind(i64::from(scan.pass_count))
    .bind(i64::from(scan.fail_count))
    .bind(i64::from(scan.skipped_count))
    .bind(i64::from(scan.error_count))
    .bind(i64::from(scan.not_applicable_count))
    .bind(i64::from(scan.change_count))
    .bind(scan.manifest_sha256.map(|digest| digest.to_string()))
    .bind(scan.rule_set_sha256.map(|digest| digest.to_string()))
    .bind(i64::from(scan.channel_count))
    .bind(i64::from(scan.round_trip_count))
    .bind(to_i64(scan.sent_bytes)?)
    .bind(to_i64(scan.received_bytes)?)
    .bind(scan.measured_at.map(Timestamp::as_micros))
    .bind(scan.finished_at.map(Timestamp::as_micros))
    .bind(scan.recorded_at.map(Timestamp::as_micros))
    .bind(to_i64(index)?)
    .execute(&mut *tx)
    .await
    .map_err(doing("record the end of the scan"))?;
    if written == 1 { Ok(scan) } else { Err(StoreError::StaleFence) }
}

pub(crate) fn read_scan(row: &Row) -> Result<ScanRecord, StoreError> {
    let row = Reader::new("scan_runs", "id", row)?;
    Ok(ScanRecord {
        scan_id: row.parsed("id")?,
        host_id: row.parsed("host_id")?,
        trigger: row.parsed("trigger")?,
        requested_by: row.text("requested_by")?,
        is_full: row.flag("is_full")?,
        selection: row.text("selection")?,
        profile_id: row.text("profile_id")?,
        status: row.parsed("status")?,
        failure_reason: row.maybe_parsed("failure_reason")?,
        failure_text: row.maybe_text("failure_text")?,
        pass_count: row.number("pass_count")?,
        fail_count: row.number("fail_count")?,
        skipped_count: row.number("skipped_count")?,
        error_count: row.number("error_count")?,
        not_applicable_count: row.number("not_applicable_count")?,
        change_count: row.number("change_count")?,
        policy_version: row.text("policy_version")?,
        corpus_digest: row.parsed("corpus_digest")?,
        engine_digest: row.parsed("engine_digest")?,
        policy_digest: row.parsed("policy_digest")?,
        manifest_sha256: row.maybe_parsed("manifest_sha256")?,
        rule_set_sha256: row.maybe_parsed("rule_set_sha256")?,
        content_signed: row.flag("content_signed")?,
        channel_count: row.number("channel_count")?,
        round_trip_count: row.number("round_trip_count")?,
        sent_bytes: row.number("sent_bytes")?,
        received_bytes: row.number("received_bytes")?,
        queued_at: row.instant("queued_at")?,
        started_at: row.maybe_instant("started_at")?,
        measured_at: row.maybe_instant("measured_at")?,
        finished_at: row.maybe_instant("finished_at")?,
        recorded_at: row.maybe_instant("recorded_at")?,
    })
}
