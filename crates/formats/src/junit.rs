//! JUnit XML of a scan: a suite per host, a case per rule. The shape is the one that test report views share;
//! there is no standard. Says less than JSON.

use std::io::{self, Write};

use crate::report::{HostScan, Measured, NotMeasured, Outcome, ResultView, ScanReport};
use model::{Status, Timestamp};

use super::summary::{Counts, control_words};
use super::text::clean;

/// Writes the document.
pub(super) fn write(out: &mut dyn Write, report: &ScanReport, version: &str) -> io::Result<()> {
    let totals = Totals::of(report);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"plumb {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
        xml(version),
        totals.tests,
        totals.failures,
        totals.errors,
        totals.skipped,
    )?;
    for host in &report.hosts {
        match &host.outcome {
            Outcome::Measured(measured) => write_measured(out, report, host, measured)?,
            Outcome::NotMeasured(failure) => write_not_measured(out, host, failure)?,
        }
    }
    writeln!(out, "</testsuites>")
}

#[derive(Default)]
struct Totals {
    tests: u32,
    failures: u32,
    errors: u32,
    skipped: u32,
}

impl Totals {
    fn of(report: &ScanReport) -> Self {
        report.hosts.iter().fold(Self::default(), |totals, host| match &host.outcome {
            Outcome::Measured(measured) => {
                let counts = Counts::of(measured);
                Self {
                    tests: totals.tests + counts.selected,
                    failures: totals.failures + counts.fail,
                    errors: totals.errors + counts.error,
                    skipped: totals.skipped + counts.skipped + counts.not_applicable,
                }
            }
            Outcome::NotMeasured(_) => Self { tests: totals.tests + 1, errors: totals.errors + 1, ..totals },
        })
    }
}

fn write_measured(
    out: &mut dyn Write,
    report: &ScanReport,
    host: &HostScan,
    measured: &Measured,
) -> io::Result<()> {
    let counts = Counts::of(measured);
    writeln!(
        out,
        "  <testsuite name=\"{}\" hostname=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" \
         time=\"{}.{:03}\"{}>",
        xml(&host.host),
        xml(&host.host),
        counts.selected,
        counts.fail,
        counts.error,
        counts.skipped + counts.not_applicable,
        measured.duration_ms / 1000,
        measured.duration_ms % 1000,
        measured.scan.started_at.map(timestamp).unwrap_or_default(),
    )?;
    writeln!(out, "    <properties>")?;
    let score = measured.score.as_deref().unwrap_or("not assessed");
    property(out, "scan_id", &measured.scan.scan_id.to_string())?;
    property(out, "score", score)?;
    property(out, "state", measured.state.as_str())?;
    property(out, "assessed", &format!("{}/{}", counts.assessed, counts.selected))?;
    property(out, "content_signed", if report.content_signed { "true" } else { "false" })?;
    writeln!(out, "    </properties>")?;
    for result in &measured.results {
        write_case(out, &host.host, result)?;
    }
    writeln!(out, "  </testsuite>")
}

fn property(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", xml(value))
}

/// JUnit instants have seconds and no zone; ours are UTC.
fn timestamp(instant: Timestamp) -> String {
    let text: String = instant.to_string().chars().take("2026-01-01T00:00:00".len()).collect();
    format!(" timestamp=\"{text}\"")
}

fn write_case(out: &mut dyn Write, host: &str, result: &ResultView) -> io::Result<()> {
    let open = format!("    <testcase classname=\"{}\" name=\"{}\"", xml(host), xml(result.rule_id.as_str()));
    let (code, text) = match &result.reason {
        Some(reason) => (reason.code.as_str(), reason.text.as_str()),
        None => (result.status.as_str(), ""),
    };
    match result.status {
        Status::Pass => writeln!(out, "{open}/>"),
        Status::Fail => {
            let message = format!("{}: expected {}, found {}", result.title, result.expected, result.actual);
            writeln!(out, "{open}>")?;
            let severity = result.severity;
            write!(out, "      <failure type=\"{severity}\" message=\"{}\">", xml(&message))?;
            writeln!(out, "{}</failure>\n    </testcase>", failure_body(result))
        }
        Status::Error => {
            writeln!(
                out,
                "{open}>\n      <error type=\"{code}\" message=\"{}\"/>\n    </testcase>",
                xml(text)
            )
        }
        Status::Skipped | Status::NotApplicable => {
            let message = if text.is_empty() { code.to_owned() } else { format!("{code}: {text}") };
            writeln!(out, "{open}>\n      <skipped message=\"{}\"/>\n    </testcase>", xml(&message))
        }
    }
}

fn failure_body(result: &ResultView) -> String {
    let mut lines = vec![
        result.title.clone(),
        format!("severity: {}", result.severity),
        format!("expected: {}", result.expected),
        format!("found: {}", result.actual),
    ];
    if !result.decided_by.is_empty() {
        lines.push(format!("decided by: {}", result.decided_by));
    }
    lines.extend(control_words(&result.controls).iter().map(|words| format!("controls: {words}")));
    lines.extend(result.fix.iter().map(|fix| format!("fix: {fix}")));
    let lines: Vec<String> = lines.iter().map(|line| xml(line)).collect();
    lines.join("\n")
}

fn write_not_measured(out: &mut dyn Write, host: &HostScan, failure: &NotMeasured) -> io::Result<()> {
    let name = xml(&host.host);
    writeln!(
        out,
        "  <testsuite name=\"{name}\" hostname=\"{name}\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\">"
    )?;
    writeln!(out, "    <testcase classname=\"{name}\" name=\"measure the host\">")?;
    let hint = failure.hint.as_ref().map(|hint| format!("hint: {}", xml(hint))).unwrap_or_default();
    let (reason, message) = (failure.reason, xml(&failure.message));
    writeln!(out, "      <error type=\"{reason}\" message=\"{message}\">{hint}</error>")?;
    writeln!(out, "    </testcase>\n  </testsuite>")
}

/// Renders text for an attribute or an element.
///
/// XML 1.0 has no way to write most control characters, not even as references (section 2.2), so what `clean`
/// escapes stays escaped.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
