//! SARIF 2.1.0 of a scan: one run, a result for each rule that fails or could not be judged, an invocation per
//! host. Says nothing of rules that pass.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::report::{HostScan, Measured, NotMeasured, Outcome, ResultView, RuleText, ScanReport};
use model::{RuleId, Severity, Status};
use serde_json::{Value, json};

use super::summary::{control_words, found_words, reason_words};
use super::text::{self, Layout};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Writes the document.
pub(crate) fn write(out: &mut dyn Write, report: &ScanReport, version: &str) -> io::Result<()> {
    let rules = Rules::of(report);
    let results: Vec<Value> = report.hosts.iter().flat_map(|host| host_results(host, &rules)).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "plumb",
                "organization": "Plumbline",
                "version": version,
                "rules": rules.descriptors,
            }},
            "invocations": report.hosts.iter().map(invocation).collect::<Vec<Value>>(),
            "results": results,
            "properties": { "contentSigned": report.content_signed, "framework": report.framework },
        }],
    });
    writeln!(out, "{}", text::json(&document, Layout::Pretty)?)
}

/// The rules that results refer to, each once, in the order of their ids.
struct Rules {
    index: BTreeMap<RuleId, usize>,
    descriptors: Vec<Value>,
}

impl Rules {
    fn of(report: &ScanReport) -> Self {
        let mut views: BTreeMap<&RuleId, &ResultView> = BTreeMap::new();
        for host in &report.hosts {
            if let Outcome::Measured(measured) = &host.outcome {
                for result in measured.results.iter().filter(|result| kind(result.status).is_some()) {
                    views.entry(&result.rule_id).or_insert(result);
                }
            }
        }
        Self {
            descriptors: views
                .values()
                .map(|view| descriptor(view, report.rules.get(&view.rule_id)))
                .collect(),
            index: views.into_keys().enumerate().map(|(index, id)| (id.clone(), index)).collect(),
        }
    }
}

fn descriptor(view: &ResultView, text: Option<&RuleText>) -> Value {
    let mut tags = vec!["security".to_owned()];
    tags.extend(control_words(&view.controls));
    let mut descriptor = json!({
        "id": view.rule_id,
        "shortDescription": { "text": view.title },
        "defaultConfiguration": { "level": level(view.severity) },
        "properties": {
            "severity": view.severity,
            "security-severity": security_severity(view.severity),
            "tags": tags,
        },
    });
    if let Some(RuleText { description, rationale }) = text {
        descriptor["fullDescription"] = json!({ "text": format!("{description} {rationale}") });
    }
    if let Some(fix) = &view.fix {
        descriptor["help"] = json!({ "text": fix });
    }
    descriptor
}

fn host_results(host: &HostScan, rules: &Rules) -> Vec<Value> {
    match &host.outcome {
        Outcome::Measured(measured) => {
            let results = measured.results.iter();
            results.filter_map(|result| sarif_result(host, measured, result, rules)).collect()
        }
        Outcome::NotMeasured(_) => Vec::new(),
    }
}

fn sarif_result(host: &HostScan, measured: &Measured, result: &ResultView, rules: &Rules) -> Option<Value> {
    let (kind, level, message) = match kind(result.status)? {
        Kind::Fail => ("fail", level(result.severity), found_words(result)),
        // A result that is not a failure has the level "none" (SARIF 2.1.0, section 3.27.10).
        Kind::Open => ("open", "none", format!("{}: {}", result.title, reason_words(result))),
    };
    Some(json!({
        "ruleId": result.rule_id,
        "ruleIndex": rules.index.get(&result.rule_id),
        "kind": kind,
        "level": level,
        "message": { "text": message },
        "locations": [location(&host.host, &result.decided_by)],
        "partialFingerprints": { "hostRule/v1": format!("{}/{}", host.host_id, result.rule_id) },
        "properties": {
            "host": host.host,
            "hostId": host.host_id,
            "scanId": measured.scan.scan_id,
            "severity": result.severity,
            "imported": result.imported,
            "status": result.status,
            "reason": result.reason,
            "expected": result.expected,
            "actual": result.actual,
            "decidedBy": result.decided_by,
            "change": result.change,
            "evidenceSha256": result.evidence_sha256,
        },
    }))
}

enum Kind {
    Fail,
    /// There was not enough to decide on.
    Open,
}

fn kind(status: Status) -> Option<Kind> {
    match status {
        Status::Fail => Some(Kind::Fail),
        Status::Error => Some(Kind::Open),
        Status::Pass | Status::Skipped | Status::NotApplicable => None,
    }
}

/// A number in the band of the same name (CVSS 3.1, section 5), which code scanning views rank by. It is no CVSS score.
const fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// Returns the host as a logical place, and the deciding file on it as a `file` URI (RFC 8089) when it is one.
fn location(host: &str, decided_by: &str) -> Value {
    let mut location = json!({ "logicalLocations": [{ "name": host, "kind": "resource" }] });
    let (path, line) = match decided_by.rsplit_once(':') {
        Some((path, line)) => match line.parse::<u32>() {
            Ok(line) if line > 0 => (path, Some(line)),
            Ok(_) | Err(_) => (decided_by, None),
        },
        None => (decided_by, None),
    };
    // A command has arguments or no slash at its front; what is left is taken for a file.
    if path.starts_with('/') && !path.contains(char::is_whitespace) {
        let uri = format!("file://{}{}", percent(host), percent(path));
        location["physicalLocation"] = json!({ "artifactLocation": { "uri": uri } });
        if let Some(line) = line {
            location["physicalLocation"]["region"] = json!({ "startLine": line });
        }
    }
    location
}

/// Percent-encodes all but unreserved characters and slashes (RFC 3986, section 2).
fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

fn invocation(host: &HostScan) -> Value {
    match &host.outcome {
        Outcome::Measured(measured) => measured_invocation(host, measured),
        Outcome::NotMeasured(failure) => failed_invocation(host, failure),
    }
}

fn measured_invocation(host: &HostScan, measured: &Measured) -> Value {
    let mut invocation = json!({
        "executionSuccessful": true,
        "properties": {
            "host": host.host,
            "hostId": host.host_id,
            "scanId": measured.scan.scan_id,
            "score": measured.score,
            "state": measured.state,
            "assessed": measured.counts().assessed(),
            "selected": measured.counts().selected(),
        },
    });
    for (member, instant) in
        [("startTimeUtc", measured.scan.started_at), ("endTimeUtc", measured.scan.finished_at)]
    {
        if let Some(instant) = instant {
            invocation[member] = json!(instant);
        }
    }
    invocation
}

fn failed_invocation(host: &HostScan, failure: &NotMeasured) -> Value {
    json!({
        "executionSuccessful": false,
        "toolExecutionNotifications": [{
            "level": "error",
            "descriptor": { "id": failure.reason },
            "message": { "text": format!("{}: not measured: {}", host.host, failure.message) },
            "locations": [location(&host.host, "")],
        }],
        "properties": { "host": host.host, "hostId": host.host_id },
    })
}
