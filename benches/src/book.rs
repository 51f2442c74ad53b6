//! A database with one host, and scans of any number of rules to apply to it: the product's store without
//! a host, a conversation or an evaluation. Evidence has the size that the shipped rules produce.

use model::record::{
    AuditPhase, AuditRecord, ChangeRecord, HostRecord, Manifest, ManifestItem, Reach, ScanRecord,
};
use model::{
    AuditId, ChangeKind, ClaimKey, ComplianceState, Digest, Evidence, FactType, HostId, LogId, RuleId,
    RunStatus, ScanId, ScanTrigger, Severity, Status, Subject, TenantId, Timestamp, TransactionId,
};
use store::apply::{Batch, Blob, PostureUpdate};
use store::facts::observed::{Change, Observed};
use store::locks::{Claim, Fence};
use store::{Db, Tenant};
use uuid::Uuid;

use crate::error::BenchError;

const ACTOR: &str = "local:bench";
/// How long a lease runs. Microseconds.
const LEASE_US: i64 = 600_000_000;

/// A database in use.
#[derive(Clone)]
pub struct Book {
    pub db: Db,
    pub tenant: Tenant,
    host: HostId,
    /// Instants are counted, one second a call, so that nothing depends on the clock.
    seconds: i64,
}

/// A scan that is ready to be applied.
pub struct Ready {
    pub fence: Fence,
    pub batch: Batch,
}

impl Book {
    /// Begins a tenant with one host in a new database.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn begin_in(db: Db) -> Result<Book, BenchError> {
        Book::begin_tenant(db, "default").await
    }

    /// As [`Book::begin_in`], for a tenant beside others.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn begin_tenant(db: Db, slug: &str) -> Result<Book, BenchError> {
        let log = LogId::new(uuid());
        let wanted = Tenant {
            id: TenantId::new(uuid()),
            log,
            origin: format!("plumbline.local/{log}"),
            vkey: "not used here".to_owned(),
        };
        let start = instant(0);
        let tenant = db.create_tenant(slug, (&wanted, ACTOR), start, &mut nonces()).await?;
        let host = HostId::new(uuid());
        let record = HostRecord {
            host_id: host,
            name: "bench".to_owned(),
            transport: Reach::Ssh,
            address: "192.0.2.1".to_owned(),
            port: 22,
            username: "root".to_owned(),
            identity_file: String::new(),
            sudo: false,
            profile_id: String::new(),
            os_id: "debian".to_owned(),
            os_version: "12".to_owned(),
            os_name: "Debian GNU/Linux 12".to_owned(),
            arch: "x86_64".to_owned(),
            added_at: start,
            removed_at: None,
            changed_at: start,
        };
        let saved = audit("host.saved", format!("host:{host}"));
        db.put_host((&tenant, &saved), &record, start, &mut nonces()).await?;
        Ok(Book { db, tenant, host, seconds: 1 })
    }

    /// Begins a scan of `count` rules, compares with what is known, and makes what it writes.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn begin(&mut self, found: &[Finding]) -> Result<Ready, BenchError> {
        self.seconds += 1;
        let now = instant(self.seconds);
        let scan = scan_record(self.host, now);
        let claim = Claim {
            host_id: self.host,
            holder: "bench",
            purpose: "scan",
            now,
            until: now.plus_micros(LEASE_US),
        };
        let requested = audit("scan.requested", format!("scan:{}", scan.scan_id));
        let by = (&self.tenant, &requested);
        let fence = self.db.begin_scan(by, &claim, &scan, &|_holder| false, &mut nonces()).await?;
        let prior = self.db.load_prior(&self.tenant, self.host).await?;
        let changed = found.iter().filter(|finding| {
            prior.get(&finding.rule).is_none_or(|(_status, _severity, value)| *value != finding.value_digest)
        });
        Ok(Ready { fence, batch: batch(scan, found, &changed.collect::<Vec<_>>(), now) })
    }

    /// Records these in one transaction.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn append(&self, records: &[AuditRecord]) -> Result<(), BenchError> {
        let by = (&self.tenant, ACTOR);
        Ok(self.db.append_audits(by, records, instant(self.seconds), &mut nonces()).await?)
    }

    /// Applies a scan.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn apply(&self, ready: &Ready) -> Result<(), BenchError> {
        let by = (&self.tenant, ACTOR);
        self.db.apply(by, ready.fence, &ready.batch, instant(self.seconds), &mut nonces()).await?;
        Ok(())
    }
}

/// One rule's result.
#[derive(Clone, Debug)]
pub struct Finding {
    rule: RuleId,
    value_digest: Digest,
    evidence: Blob,
}

/// Returns results of `count` rules, a new one of each for every `value`.
///
/// # Errors
/// When a rule has no proper name, which is a defect here.
pub fn findings(count: usize, value: &str) -> Result<Vec<Finding>, BenchError> {
    (0..count).map(|n| finding(n, value)).collect()
}

/// Returns what a first scan of a host puts of so many packages.
#[must_use]
pub fn observed(host: HostId, count: usize) -> Observed {
    let change = |n: usize| Change {
        key: ClaimKey::Fact {
            subject: Subject::host(host),
            predicate: format!("package/libbench-{n:04}"),
            fact_type: FactType::Observed,
        },
        value: Some(format!("{{\"versions\":[\"2.36-9+deb12u{n}\"]}}")),
        replaces: None,
    };
    Observed { changes: (0..count).map(change).collect(), seen: vec!["package".to_owned()] }
}

fn finding(n: usize, value: &str) -> Result<Finding, BenchError> {
    let broken = |err: &dyn std::fmt::Display| BenchError::Rules { said: err.to_string() };
    let rule = RuleId::parse(&format!("file_mode_of_{n:04}")).map_err(|err| broken(&err))?;
    let answer = format!("0644 root root regular file /etc/bench/{n:04}.conf {value}");
    let evidence = Evidence {
        schema: Evidence::SCHEMA.to_owned(),
        detail: format!("the mode of /etc/bench/{n:04}.conf is 0644, at most 0644 is wanted"),
        error: None,
        imported: None,
        checks: vec![model::EvidenceCheck {
            command: format!("stat /etc/bench/{n:04}.conf"),
            output_sha256: digest(answer.as_bytes()),
            output_len: answer.len() as u64,
            output: model::Output::Text(answer),
            cut: false,
            exit_status: Some(0),
            expected: "at most 0644, owner root, group root".to_owned(),
            actual: "0644, owner root, group root".to_owned(),
            source: None,
        }],
        masked: false,
    };
    let evidence = blob(ledger::canonical::to_bytes(&evidence).map_err(|err| broken(&err))?);
    Ok(Finding { rule, value_digest: digest(value.as_bytes()), evidence })
}

fn batch(scan: ScanRecord, found: &[Finding], changed: &[&Finding], now: Timestamp) -> Batch {
    let rules: Vec<RuleId> = found.iter().map(|finding| finding.rule.clone()).collect();
    let rule_set = digest(rules.iter().map(RuleId::as_str).collect::<Vec<_>>().join(" ").as_bytes());
    let results = found.iter().map(|finding| ManifestItem {
        rule_id: finding.rule.clone(),
        status: Status::Pass,
        severity: Severity::Medium,
        value_digest: finding.value_digest,
        rule_digest: digest(finding.rule.as_str().as_bytes()),
    });
    let manifest = Manifest { schema: Manifest::SCHEMA.to_owned(), results: results.collect() };
    // What cannot be written is not empty by accident: the store would refuse the digest of another body.
    let manifest = blob(ledger::canonical::to_bytes(&manifest).unwrap_or_default());
    let pass_count = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let scan = ScanRecord {
        status: RunStatus::Completed,
        pass_count,
        change_count: u32::try_from(changed.len()).unwrap_or(u32::MAX),
        manifest_sha256: Some(manifest.sha256),
        rule_set_sha256: Some(rule_set),
        measured_at: Some(now),
        finished_at: Some(now),
        ..scan
    };
    Batch {
        measured_at: now,
        rules,
        rule_set,
        corpus: blob(b"{\"schema\":\"plumbline.corpus/1\"}".to_vec()),
        manifest,
        evidence: changed.iter().map(|finding| finding.evidence.clone()).collect(),
        changes: changed.iter().map(|finding| change(&scan, finding, now)).collect(),
        host: None,
        posture: PostureUpdate {
            state: ComplianceState::Compliant,
            pass_count,
            fail_count: 0,
            skipped_count: 0,
            error_count: 0,
            not_applicable_count: 0,
            current_rule_set: Some(rule_set),
        },
        facts: Observed::default(),
        audit: vec![audit("scan.completed", format!("scan:{}", scan.scan_id))],
        scan,
    }
}

fn change(scan: &ScanRecord, finding: &Finding, now: Timestamp) -> ChangeRecord {
    ChangeRecord {
        transaction_id: TransactionId::new(uuid()),
        host_id: scan.host_id,
        rule_id: finding.rule.clone(),
        scan_id: scan.scan_id,
        prior_status: None,
        status: Status::Pass,
        prior_severity: None,
        severity: Severity::Medium,
        change_kind: ChangeKind::FirstSeen,
        prior_value_digest: None,
        value_digest: finding.value_digest,
        evidence_sha256: finding.evidence.sha256,
        skip_reason: None,
        rule_digest: digest(finding.rule.as_str().as_bytes()),
        engine_digest: scan.engine_digest,
        policy_digest: scan.policy_digest,
        policy_version: scan.policy_version.clone(),
        correlation_id: scan.scan_id.to_string(),
        occurred_at: now,
        recorded_at: now,
    }
}

fn scan_record(host_id: HostId, now: Timestamp) -> ScanRecord {
    ScanRecord {
        scan_id: ScanId::new(uuid()),
        host_id,
        trigger: ScanTrigger::OnDemand,
        requested_by: ACTOR.to_owned(),
        is_full: true,
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
        corpus_digest: digest(b"{\"schema\":\"plumbline.corpus/1\"}"),
        engine_digest: digest(b"engine"),
        policy_digest: digest(b"policy"),
        manifest_sha256: None,
        rule_set_sha256: None,
        content_signed: true,
        channel_count: 1,
        round_trip_count: 3,
        sent_bytes: 30_000,
        received_bytes: 60_000,
        queued_at: now,
        started_at: Some(now),
        measured_at: None,
        finished_at: None,
        recorded_at: None,
    }
}

fn audit(action: &str, subject: String) -> AuditRecord {
    AuditRecord {
        audit_id: AuditId::new(uuid()),
        actor: ACTOR.to_owned(),
        action: action.to_owned(),
        phase: AuditPhase::Event,
        decision: AuditPhase::Event.decision().to_owned(),
        subject,
        detail: "{}".to_owned(),
        correlation_id: String::new(),
        recorded_at: instant(0),
    }
}

fn instant(seconds: i64) -> Timestamp {
    // The first of March 2026.
    Timestamp::from_micros((1_772_323_200 + seconds) * 1_000_000)
}

fn digest(bytes: &[u8]) -> Digest {
    Digest(ledger::sha256(bytes))
}

fn blob(bytes: Vec<u8>) -> Blob {
    Blob { sha256: digest(&bytes), bytes }
}

fn uuid() -> Uuid {
    Uuid::now_v7()
}

/// Returns a source of nonces, as the product has one.
#[expect(clippy::expect_used, reason = "as in the product")]
fn nonces() -> impl FnMut() -> [u8; 16] + Send {
    store::append::nonces(|bytes| getrandom::fill(bytes).expect("the operating system gives random bytes"))
}
