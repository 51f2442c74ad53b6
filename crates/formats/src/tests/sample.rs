//! Hand-built reports.

use std::collections::BTreeMap;

use crate::report::{
    Cause, ControlRef, HostScan, Measured, NotMeasured, Outcome, ResultView, RuleText, ScanReport, Seen,
};
use model::record::ScanRecord;
use model::{
    ChangeKind, ComplianceState, Digest, FailureReason, Platform, Reason, ReasonCode, RuleId, RunStatus,
    ScanTrigger, Severity, Status, Timestamp,
};

use crate::{Format, Options, write};

/// Escape code, C1 control, DEL, override, zero-width, separator, markup end, quotes: one text for every door.
pub(super) const HOSTILE: &str = "=1+1\x1b[2J\u{9b}31m\x7f\u{202e}gpj\u{200b}\u{2028}]]><b>&\"',\r\n\tü漢";

/// When everything here took place.
pub(super) fn instant() -> Timestamp {
    "2026-03-01T10:02:11.5Z".parse().unwrap()
}

pub(super) fn rule(id: &str, severity: Severity, status: Status) -> ResultView {
    ResultView {
        rule_id: RuleId::parse(id).unwrap(),
        title: format!("Title of {id}"),
        severity,
        imported: None,
        status,
        reason: None,
        expected: "no".to_owned(),
        actual: "yes".to_owned(),
        decided_by: "/etc/ssh/sshd_config:32".to_owned(),
        fix: Some(format!("Fix {id}.")),
        controls: vec![control("cis", "1.1.0", "5.1.20"), control("nist", "r5", "AC-6")],
        change: None,
        value_digest: Digest([1; 32]),
        evidence_sha256: Digest([2; 32]),
        checked_at: instant(),
        seen: Vec::new(),
    }
}

fn control(framework: &str, edition: &str, number: &str) -> ControlRef {
    let own = str::to_owned;
    ControlRef { framework: own(framework), edition: own(edition), controls: vec![own(number)] }
}

pub(super) fn with_reason(mut result: ResultView, code: ReasonCode, text: &str) -> ResultView {
    result.reason = Some(Reason::new(code, text));
    result
}

/// One result of each status, two failing rules, in rule order.
pub(super) fn mixed() -> Vec<ResultView> {
    let mut changed = rule("sshd_root", Severity::High, Status::Fail);
    changed.change = Some(ChangeKind::StateChanged);
    vec![
        rule("aide", Severity::Low, Status::Pass),
        rule("sshd_banner", Severity::Low, Status::Fail),
        changed,
        with_reason(
            rule("shadow_perms", Severity::Medium, Status::Error),
            ReasonCode::PermissionDenied,
            "/etc/shadow",
        ),
        with_reason(rule("gdm", Severity::Low, Status::NotApplicable), ReasonCode::SubjectAbsent, "no gdm"),
        with_reason(rule("walk", Severity::Low, Status::Skipped), ReasonCode::Deselected, "turned off"),
    ]
}

pub(super) fn measured(results: Vec<ResultView>) -> Measured {
    Measured {
        scan: scan_record(instant()),
        platform: Platform {
            id: "debian".to_owned(),
            id_like: Vec::new(),
            version: "12".to_owned(),
            name: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            arch: "x86_64".to_owned(),
            kernel: "6.1.0".to_owned(),
        },
        results,
        state: ComplianceState::NonCompliant,
        score: Some("33.3".to_owned()),
        duration_ms: 1_250,
    }
}

fn scan_record(instant: Timestamp) -> ScanRecord {
    ScanRecord {
        scan_id: "0190b2e5-0000-7000-8000-0000000000aa".parse().unwrap(),
        host_id: "0190b2e5-0000-7000-8000-000000000001".parse().unwrap(),
        trigger: ScanTrigger::OnDemand,
        requested_by: "local:ann".to_owned(),
        is_full: true,
        selection: String::new(),
        profile_id: String::new(),
        status: RunStatus::Completed,
        failure_reason: None,
        failure_text: None,
        pass_count: 1,
        fail_count: 2,
        skipped_count: 1,
        error_count: 1,
        not_applicable_count: 1,
        change_count: 3,
        policy_version: "1".to_owned(),
        corpus_digest: Digest([3; 32]),
        engine_digest: Digest([4; 32]),
        policy_digest: Digest([5; 32]),
        manifest_sha256: None,
        rule_set_sha256: None,
        content_signed: true,
        channel_count: 1,
        round_trip_count: 1,
        sent_bytes: 10,
        received_bytes: 20,
        queued_at: instant,
        started_at: Some(instant),
        measured_at: Some(instant),
        finished_at: Some(instant),
        recorded_at: Some(instant),
    }
}

pub(super) fn host(name: &str, outcome: Outcome) -> HostScan {
    HostScan {
        target: format!("ann@{name}"),
        host: name.to_owned(),
        host_id: "0190b2e5-0000-7000-8000-000000000001".parse().unwrap(),
        outcome,
    }
}

pub(super) fn web_1() -> HostScan {
    host("web-1", Outcome::Measured(Box::new(measured(mixed()))))
}

pub(super) fn web_2() -> HostScan {
    let failure = NotMeasured {
        reason: Cause::Failed(FailureReason::AuthFailed),
        message: "could not log in as ann".to_owned(),
        hint: Some("name a key with --identity".to_owned()),
    };
    host("web-2", Outcome::NotMeasured(failure))
}

pub(super) fn report(hosts: Vec<HostScan>) -> ScanReport {
    let text = |name: &str| RuleText {
        description: format!("What {name} is."),
        rationale: format!("Why {name} matters."),
    };
    let rules = ["sshd_banner", "sshd_root"].map(|id| (RuleId::parse(id).unwrap(), text(id)));
    ScanReport {
        hosts,
        framework: None,
        content_signed: true,
        made_at: instant(),
        as_of: None,
        rules: BTreeMap::from(rules),
    }
}

/// A report in which every text from elsewhere is hostile.
pub(super) fn hostile() -> ScanReport {
    let text = || HOSTILE.to_owned();
    let statuses = [Status::Fail, Status::Error, Status::Skipped, Status::NotApplicable, Status::Pass];
    let results = statuses.iter().enumerate().map(|(index, status)| ResultView {
        title: text(),
        reason: (*status != Status::Pass).then(|| Reason::new(ReasonCode::UnexpectedOutput, HOSTILE)),
        expected: text(),
        actual: text(),
        decided_by: text(),
        fix: Some(text()),
        controls: vec![control("cis", HOSTILE, HOSTILE)],
        seen: vec![Seen {
            command: text(),
            output: text(),
            cut: true,
            exit_status: Some(1),
            expected: text(),
            actual: text(),
            place: text(),
        }],
        ..rule(&format!("=rule\u{202e}\"<{index}"), Severity::High, *status)
    });
    let mut scan = measured(results.collect());
    scan.platform.name = text();
    let texts = scan
        .results
        .iter()
        .map(|result| (result.rule_id.clone(), RuleText { description: text(), rationale: text() }));
    let rules: BTreeMap<RuleId, RuleText> = texts.collect();
    let failure = NotMeasured {
        reason: Cause::Failed(FailureReason::ConnectionLost),
        message: text(),
        hint: Some(text()),
    };
    let hosts =
        vec![host(HOSTILE, Outcome::Measured(Box::new(scan))), host(HOSTILE, Outcome::NotMeasured(failure))];
    ScanReport { framework: Some("cis".to_owned()), content_signed: false, rules, ..report(hosts) }
}

pub(super) fn options(format: Format) -> Options<'static> {
    Options { format, color: false, verbose: false, version: "0.1.0" }
}

pub(super) fn written(report: &ScanReport, options: &Options<'_>) -> String {
    let mut out = Vec::new();
    write(&mut out, report, options).unwrap();
    String::from_utf8(out).unwrap()
}
