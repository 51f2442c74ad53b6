//! Scans told in a few words: `[("r1", Pass, "v1")]` becomes a run, its batch and its place in the record.

use std::collections::BTreeSet;

use model::record::{AuditRecord, ChangeRecord, Manifest, ManifestItem, ScanRecord};
use model::{
    ChangeKind, ComplianceState, Digest, Evidence, FailureReason, HostId, RuleId, RunStatus, ScanId,
    ScanTrigger, Severity, Status, Timestamp, TransactionId,
};
use store::StoreError;
use store::apply::{Applied, Batch, Blob, PostureUpdate};
use store::locks::{Claim, Fence};

use crate::bench::{ACTOR, Bench, SECOND, at};

/// How long a lease runs. Microseconds.
pub(crate) const LEASE_US: i64 = 600 * SECOND;
/// How much later than measured a scan is recorded here. Microseconds.
pub(crate) const RECORDING_US: i64 = 10 * SECOND;

/// One rule's result as a test says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) rule: RuleId,
    pub(crate) status: Status,
    pub(crate) severity: Severity,
    pub(crate) value: String,
}

impl Finding {
    pub(crate) fn new(rule: &str, status: Status, severity: Severity, value: &str) -> Self {
        Self { rule: RuleId::parse(rule).unwrap(), status, severity, value: value.to_owned() }
    }

    pub(crate) fn value_digest(&self) -> Digest {
        digest(format!("value {}", self.value).as_bytes())
    }

    pub(crate) fn evidence(&self) -> Blob {
        evidence(&format!("{} is {}", self.rule, self.value))
    }

    pub(crate) fn rule_digest(&self) -> Digest {
        digest(format!("rule {}", self.rule).as_bytes())
    }
}

/// Results of medium severity.
pub(crate) fn findings(results: &[(&str, Status, &str)]) -> Vec<Finding> {
    results.iter().map(|(rule, status, value)| Finding::new(rule, *status, Severity::Medium, value)).collect()
}

/// Results of `count` rules that all pass with the same value: `r0001`, `r0002`, ...
pub(crate) fn all_pass(count: usize) -> Vec<Finding> {
    (1..=count).map(|n| Finding::new(&format!("r{n:04}"), Status::Pass, Severity::Medium, "v1")).collect()
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest(ledger::sha256(bytes))
}

pub(crate) fn blob(bytes: &[u8]) -> Blob {
    Blob { sha256: digest(bytes), bytes: bytes.to_vec() }
}

/// An evidence document with this sentence.
pub(crate) fn evidence(detail: &str) -> Blob {
    let document = Evidence {
        schema: Evidence::SCHEMA.to_owned(),
        detail: detail.to_owned(),
        error: None,
        imported: None,
        checks: Vec::new(),
        masked: false,
    };
    blob(&ledger::canonical::to_bytes(&document).unwrap())
}

/// Returns the digest of a set of rules.
pub(crate) fn rule_set(rules: &[RuleId]) -> Digest {
    let sorted: BTreeSet<&RuleId> = rules.iter().collect();
    digest(&ledger::canonical::to_bytes(&sorted).unwrap())
}

/// A run that holds its host's lease.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) scan: ScanRecord,
    pub(crate) fence: Fence,
}

/// A finished scan with what was sent.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) scan: ScanRecord,
    pub(crate) batch: Batch,
    pub(crate) fence: Fence,
}

/// No holder is known to be gone.
pub(crate) fn nobody_is_gone(_holder: &str) -> bool {
    false
}

impl Bench {
    pub(crate) fn scan_record(&self, host: HostId, is_full: bool, now: Timestamp) -> ScanRecord {
        ScanRecord {
            scan_id: ScanId::new(self.uuid()),
            host_id: host,
            trigger: ScanTrigger::OnDemand,
            requested_by: ACTOR.to_owned(),
            is_full,
            selection: String::new(),
            profile_id: String::new(),
            status: RunStatus::Running,
            failure_reason: None,
            failure_text: None,
            pass_count: 0,
            fail_count: 0,
            skipped_count: 0,
            error_count: 0,
            not_applicable_count: 0,
            change_count: 0,
            policy_version: "builtin-1".to_owned(),
            corpus_digest: digest(b"corpus"),
            engine_digest: digest(b"engine"),
            policy_digest: digest(b"policy"),
            manifest_sha256: None,
            rule_set_sha256: None,
            content_signed: true,
            channel_count: 0,
            round_trip_count: 0,
            sent_bytes: 0,
            received_bytes: 0,
            queued_at: now,
            started_at: Some(now),
            measured_at: None,
            finished_at: None,
            recorded_at: None,
        }
    }

    pub(crate) fn claim(&self, host_id: HostId, now: Timestamp) -> Claim<'static> {
        Claim { host_id, holder: "process-1", purpose: "scan", now, until: now.plus_micros(LEASE_US) }
    }

    /// Begins a scan at an instant.
    pub(crate) async fn begin(
        &self,
        host: HostId,
        is_full: bool,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let scan = self.scan_record(host, is_full, now);
        let audit = self.audit("scan.requested", &format!("scan:{}", scan.scan_id));
        let by = (&self.tenant, &audit);
        let claim = self.claim(host, now);
        let fence = self.db.begin_scan(by, &claim, &scan, &nobody_is_gone, &mut self.nonces()).await?;
        Ok(Begun { scan, fence })
    }

    /// Makes what a begun scan writes, given what was found and when.
    pub(crate) async fn batch(&self, scan: &ScanRecord, found: &[Finding], measured_at: Timestamp) -> Batch {
        let prior = self.db.load_prior(&self.tenant, scan.host_id).await.unwrap();
        let changed: Vec<(&Finding, ChangeKind)> = found
            .iter()
            .filter_map(|finding| kind(prior.get(&finding.rule), finding).map(|kind| (finding, kind)))
            .collect();
        let rules: Vec<RuleId> = found.iter().map(|finding| finding.rule.clone()).collect();
        let results = found.iter().map(manifest_item).collect();
        let manifest = Manifest { schema: Manifest::SCHEMA.to_owned(), results };
        let manifest = blob(&ledger::canonical::to_bytes(&manifest).unwrap());
        let count = |status| u32::try_from(found.iter().filter(|f| f.status == status).count()).unwrap();
        let scan = ScanRecord {
            status: RunStatus::Completed,
            pass_count: count(Status::Pass),
            fail_count: count(Status::Fail),
            skipped_count: count(Status::Skipped),
            error_count: count(Status::Error),
            not_applicable_count: count(Status::NotApplicable),
            change_count: u32::try_from(changed.len()).unwrap(),
            manifest_sha256: Some(manifest.sha256),
            rule_set_sha256: Some(rule_set(&rules)),
            measured_at: Some(measured_at),
            finished_at: Some(measured_at),
            ..scan.clone()
        };
        let known = self.db.find_host(&self.tenant, scan.host_id).await.unwrap().unwrap().posture;
        let current = if scan.is_full {
            Some(rule_set(&rules))
        } else {
            known.and_then(|posture| posture.current_rule_set)
        };
        Batch {
            measured_at,
            rule_set: rule_set(&rules),
            rules,
            corpus: blob(b"corpus"),
            manifest,
            evidence: changed.iter().map(|(finding, _)| finding.evidence()).collect(),
            changes: changed
                .iter()
                .map(|(finding, kind)| self.change(&scan, finding, (*kind, prior.get(&finding.rule))))
                .collect(),
            host: None,
            posture: posture(&scan, current),
            facts: store::facts::observed::Observed::default(),
            audit: vec![self.completion(&scan)],
            scan,
        }
    }

    fn completion(&self, scan: &ScanRecord) -> AuditRecord {
        self.audit("scan.completed", &format!("scan:{}", scan.scan_id))
    }

    fn change(
        &self,
        scan: &ScanRecord,
        finding: &Finding,
        (kind, prior): (ChangeKind, Option<&(Status, Severity, Digest)>),
    ) -> ChangeRecord {
        ChangeRecord {
            transaction_id: TransactionId::new(self.uuid()),
            host_id: scan.host_id,
            rule_id: finding.rule.clone(),
            scan_id: scan.scan_id,
            prior_status: prior.map(|prior| prior.0),
            status: finding.status,
            prior_severity: prior.map(|prior| prior.1),
            severity: finding.severity,
            change_kind: kind,
            prior_value_digest: prior.map(|prior| prior.2),
            value_digest: finding.value_digest(),
            evidence_sha256: finding.evidence().sha256,
            skip_reason: None,
            rule_digest: finding.rule_digest(),
            engine_digest: scan.engine_digest,
            policy_digest: scan.policy_digest,
            policy_version: scan.policy_version.clone(),
            correlation_id: scan.scan_id.to_string(),
            occurred_at: scan.measured_at.unwrap(),
            recorded_at: at(0),
        }
    }

    pub(crate) async fn apply(
        &self,
        fence: Fence,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        self.db.apply((&self.tenant, ACTOR), fence, batch, now, &mut self.nonces()).await
    }

    /// Scans everything: measured at the instant, recorded [`RECORDING_US`] later.
    pub(crate) async fn scan(&self, host: HostId, found: &[Finding], measured_at: Timestamp) -> Done {
        self.scan_as(host, (true, found), measured_at).await
    }

    /// Scans a part.
    pub(crate) async fn partial(&self, host: HostId, found: &[Finding], measured_at: Timestamp) -> Done {
        self.scan_as(host, (false, found), measured_at).await
    }

    async fn scan_as(
        &self,
        host: HostId,
        (is_full, found): (bool, &[Finding]),
        measured_at: Timestamp,
    ) -> Done {
        let begun = self.begin(host, is_full, measured_at).await.unwrap();
        let batch = self.batch(&begun.scan, found, measured_at).await;
        let now = measured_at.plus_micros(RECORDING_US);
        match self.apply(begun.fence, &batch, now).await.unwrap() {
            Applied::Now(scan) => Done { scan, batch, fence: begun.fence },
            Applied::Before(scan) => panic!("{} was applied before", scan.scan_id),
        }
    }

    /// Ends a begun scan as failed.
    pub(crate) async fn fail(&self, begun: &Begun, now: Timestamp) -> Result<ScanRecord, StoreError> {
        let scan = ScanRecord {
            status: RunStatus::Failed,
            failure_reason: Some(FailureReason::ConnectFailed),
            failure_text: Some("no route to the host".to_owned()),
            finished_at: Some(now),
            ..begun.scan.clone()
        };
        let audit = self.audit("scan.failed", &format!("scan:{}", scan.scan_id));
        self.db
            .fail_scan(
                (&self.tenant, &audit.actor),
                (begun.fence, &scan),
                std::slice::from_ref(&audit),
                now,
                &mut self.nonces(),
            )
            .await
    }
}

/// What TLW-02 says, in its own words: first seen, else the first of state, severity, value that differs.
fn kind(prior: Option<&(Status, Severity, Digest)>, finding: &Finding) -> Option<ChangeKind> {
    let Some((status, severity, value)) = prior else { return Some(ChangeKind::FirstSeen) };
    let differs = [
        (*status != finding.status, ChangeKind::StateChanged),
        (*severity != finding.severity, ChangeKind::SeverityChanged),
        (*value != finding.value_digest(), ChangeKind::ValueChanged),
    ];
    differs.into_iter().find(|(differs, _)| *differs).map(|(_, kind)| kind)
}

fn manifest_item(finding: &Finding) -> ManifestItem {
    ManifestItem {
        rule_id: finding.rule.clone(),
        status: finding.status,
        severity: finding.severity,
        value_digest: finding.value_digest(),
        rule_digest: finding.rule_digest(),
    }
}

fn posture(scan: &ScanRecord, current_rule_set: Option<Digest>) -> PostureUpdate {
    PostureUpdate {
        state: ComplianceState::Partial,
        pass_count: scan.pass_count,
        fail_count: scan.fail_count,
        skipped_count: scan.skipped_count,
        error_count: scan.error_count,
        not_applicable_count: scan.not_applicable_count,
        current_rule_set,
    }
}
