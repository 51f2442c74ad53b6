//! The JSON document and the JSON lines of a scan. Their fields are promised in `docs/formats/scan-report.md`:
//! a changed meaning needs a new version here and there.

use std::io::{self, Write};

use crate::report::{ControlRef, HostScan, Measured, NotMeasured, Outcome, ResultView, ScanReport};
use model::{
    ChangeKind, ComplianceState, Digest, HostId, Platform, Reason, RuleId, ScanId, Severity, Status,
    Timestamp,
};
use serde::Serialize;

use super::summary::Counts;
use super::text::{Layout, json};

/// Name and version of the document.
const REPORT_SCHEMA: &str = "plumbline.scan_report/1";
/// Name and version of a line.
const LINE_SCHEMA: &str = "plumbline.scan_line/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool_version: &'a str,
    content_signed: bool,
    framework: Option<&'a str>,
    hosts: Vec<HostDocument<'a>>,
}

#[derive(Serialize)]
struct HostDocument<'a> {
    target: &'a str,
    host: &'a str,
    host_id: HostId,
    /// None when the host was not measured.
    counts: Option<Counts>,
    outcome: &'a Outcome,
}

#[derive(Serialize)]
struct ResultLine<'a> {
    schema: &'static str,
    kind: &'static str,
    host: &'a str,
    host_id: HostId,
    scan_id: ScanId,
    rule_id: &'a RuleId,
    title: &'a str,
    severity: Severity,
    imported: Option<&'a str>,
    status: Status,
    reason: Option<&'a Reason>,
    expected: &'a str,
    actual: &'a str,
    decided_by: &'a str,
    fix: Option<&'a str>,
    controls: &'a [ControlRef],
    change: Option<ChangeKind>,
    value_digest: Digest,
    evidence_sha256: Digest,
    checked_at: Timestamp,
}

#[derive(Serialize)]
struct HostLine<'a> {
    schema: &'static str,
    kind: &'static str,
    tool_version: &'a str,
    content_signed: bool,
    framework: Option<&'a str>,
    target: &'a str,
    host: &'a str,
    host_id: HostId,
    measured: bool,
    scan_id: Option<ScanId>,
    is_full: Option<bool>,
    platform: Option<&'a Platform>,
    counts: Option<Counts>,
    score: Option<&'a str>,
    state: Option<ComplianceState>,
    change_count: Option<u32>,
    duration_ms: Option<u64>,
    failure: Option<&'a NotMeasured>,
}

/// Writes the whole report as one document.
pub(crate) fn write_json(out: &mut dyn Write, report: &ScanReport, version: &str) -> io::Result<()> {
    let document = Document {
        schema: REPORT_SCHEMA,
        tool_version: version,
        content_signed: report.content_signed,
        framework: report.framework.as_deref(),
        hosts: report.hosts.iter().map(host_document).collect(),
    };
    writeln!(out, "{}", json(&document, Layout::Pretty)?)
}

/// Writes a line per result, and after the results of a host a line for the host.
pub(crate) fn write_jsonl(out: &mut dyn Write, report: &ScanReport, version: &str) -> io::Result<()> {
    for host in &report.hosts {
        if let Outcome::Measured(measured) = &host.outcome {
            for result in &measured.results {
                writeln!(out, "{}", json(&result_line(host, measured, result), Layout::Line)?)?;
            }
        }
        writeln!(out, "{}", json(&host_line(report, host, version), Layout::Line)?)?;
    }
    Ok(())
}

fn host_document(host: &HostScan) -> HostDocument<'_> {
    let HostScan { target, host, host_id, outcome } = host;
    let counts = match outcome {
        Outcome::Measured(measured) => Some(Counts::of(measured)),
        Outcome::NotMeasured(_) => None,
    };
    HostDocument { target, host, host_id: *host_id, counts, outcome }
}

fn result_line<'a>(host: &'a HostScan, measured: &Measured, result: &'a ResultView) -> ResultLine<'a> {
    ResultLine {
        schema: LINE_SCHEMA,
        kind: "result",
        host: &host.host,
        host_id: host.host_id,
        scan_id: measured.scan.scan_id,
        rule_id: &result.rule_id,
        title: &result.title,
        severity: result.severity,
        imported: result.imported.as_deref(),
        status: result.status,
        reason: result.reason.as_ref(),
        expected: &result.expected,
        actual: &result.actual,
        decided_by: &result.decided_by,
        fix: result.fix.as_deref(),
        controls: &result.controls,
        change: result.change,
        value_digest: result.value_digest,
        evidence_sha256: result.evidence_sha256,
        checked_at: result.checked_at,
    }
}

fn host_line<'a>(report: &'a ScanReport, host: &'a HostScan, version: &'a str) -> HostLine<'a> {
    let (measured, failure) = match &host.outcome {
        Outcome::Measured(measured) => (Some(measured.as_ref()), None),
        Outcome::NotMeasured(failure) => (None, Some(failure)),
    };
    HostLine {
        schema: LINE_SCHEMA,
        kind: "host",
        tool_version: version,
        content_signed: report.content_signed,
        framework: report.framework.as_deref(),
        target: &host.target,
        host: &host.host,
        host_id: host.host_id,
        measured: measured.is_some(),
        scan_id: measured.map(|m| m.scan.scan_id),
        is_full: measured.map(|m| m.scan.is_full),
        platform: measured.map(|m| &m.platform),
        counts: measured.map(Counts::of),
        score: measured.and_then(|m| m.score.as_deref()),
        state: measured.map(|m| m.state),
        change_count: measured.map(|m| m.scan.change_count),
        duration_ms: measured.map(|m| m.duration_ms),
        failure,
    }
}
