//! JUnit XML of results: a suite per host, a case per rule. The shape is the one that test report views share;
//! there is no standard. Says less than JSON.

use std::io::{self, Write};

use model::{Status, Timestamp};

use crate::report::{HostScan, Measured, NotMeasured, Outcome, ResultView, ScanReport};
use crate::summary::{Counts, control_words, found_words, marked_name};
use crate::xml::Xml;

/// Writes the document.
pub(crate) fn write(out: &mut dyn Write, report: &ScanReport, version: &str) -> io::Result<()> {
    let mut xml = Xml::begin(out)?;
    let [tests, failures, errors, skipped] = Totals::of(report).words();
    let attributes = [
        ("name", &*format!("plumb {version}")),
        ("tests", &*tests),
        ("failures", &*failures),
        ("errors", &*errors),
        ("skipped", &*skipped),
    ];
    xml.element("testsuites", &attributes, |xml| {
        report.hosts.iter().try_for_each(|host| match &host.outcome {
            Outcome::Measured(measured) => write_measured(xml, report, host, measured),
            Outcome::NotMeasured(failure) => write_not_measured(xml, host, failure),
        })
    })?;
    xml.end()
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
        report.hosts.iter().fold(Self::default(), |totals, host| {
            let host = match &host.outcome {
                Outcome::Measured(measured) => Self::of_host(Counts::of(measured)),
                Outcome::NotMeasured(_) => Self { tests: 1, errors: 1, ..Self::default() },
            };
            Self {
                tests: totals.tests + host.tests,
                failures: totals.failures + host.failures,
                errors: totals.errors + host.errors,
                skipped: totals.skipped + host.skipped,
            }
        })
    }

    const fn of_host(counts: Counts) -> Self {
        Self {
            tests: counts.selected,
            failures: counts.fail,
            errors: counts.error,
            skipped: counts.skipped + counts.not_applicable,
        }
    }

    fn words(&self) -> [String; 4] {
        [self.tests, self.failures, self.errors, self.skipped].map(|count| count.to_string())
    }
}

fn write_measured(
    xml: &mut Xml<'_>,
    report: &ScanReport,
    host: &HostScan,
    measured: &Measured,
) -> io::Result<()> {
    let counts = Counts::of(measured);
    let [tests, failures, errors, skipped] = Totals::of_host(counts).words();
    let time = format!("{}.{:03}", measured.duration_ms / 1000, measured.duration_ms % 1000);
    let began = measured.scan.started_at.map(timestamp);
    let mut attributes = vec![
        ("name", &*host.host),
        ("hostname", &host.host),
        ("tests", &tests),
        ("failures", &failures),
        ("errors", &errors),
        ("skipped", &skipped),
        ("time", &time),
    ];
    attributes.extend(began.as_deref().map(|began| ("timestamp", began)));
    let properties = [
        ("scan_id", measured.scan.scan_id.to_string()),
        ("score", measured.score.clone().unwrap_or_else(|| "not assessed".to_owned())),
        ("state", measured.state.to_string()),
        ("assessed", format!("{}/{}", counts.assessed, counts.selected)),
        ("content_signed", report.content_signed.to_string()),
    ];
    xml.element("testsuite", &attributes, |xml| {
        xml.element("properties", &[], |xml| {
            properties
                .iter()
                .try_for_each(|(name, value)| xml.empty("property", &[("name", name), ("value", value)]))
        })?;
        measured.results.iter().try_for_each(|result| write_case(xml, &host.host, result))
    })
}

/// JUnit instants have seconds and no zone; ours are UTC.
fn timestamp(instant: Timestamp) -> String {
    instant.to_string().chars().take("2026-01-01T00:00:00".len()).collect()
}

fn write_case(xml: &mut Xml<'_>, host: &str, result: &ResultView) -> io::Result<()> {
    // There is no place for a word on a test case that every view shows but its name.
    let name = marked_name(result);
    let case = [("classname", host), ("name", &*name)];
    let (code, text) = match &result.reason {
        Some(reason) => (reason.code.as_str(), reason.text.as_str()),
        None => (result.status.as_str(), ""),
    };
    match result.status {
        Status::Pass => xml.empty("testcase", &case),
        Status::Fail => xml.element("testcase", &case, |xml| {
            let message = found_words(result);
            let attributes = [("type", result.severity.as_str()), ("message", &*message)];
            xml.text("failure", &attributes, &failure_body(result))
        }),
        Status::Error => {
            xml.element("testcase", &case, |xml| xml.empty("error", &[("type", code), ("message", text)]))
        }
        Status::Skipped | Status::NotApplicable => xml.element("testcase", &case, |xml| {
            let message = if text.is_empty() { code.to_owned() } else { format!("{code}: {text}") };
            xml.empty("skipped", &[("message", &message)])
        }),
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
    // One line each, so that none can pretend to be another.
    let lines: Vec<String> = lines.iter().map(|line| crate::text::clean(line)).collect();
    lines.join("\n")
}

fn write_not_measured(xml: &mut Xml<'_>, host: &HostScan, failure: &NotMeasured) -> io::Result<()> {
    let name = host.host.as_str();
    let suite = [
        ("name", name),
        ("hostname", name),
        ("tests", "1"),
        ("failures", "0"),
        ("errors", "1"),
        ("skipped", "0"),
    ];
    xml.element("testsuite", &suite, |xml| {
        xml.element("testcase", &[("classname", name), ("name", "measure the host")], |xml| {
            let hint = failure.hint.as_ref().map(|hint| format!("hint: {hint}")).unwrap_or_default();
            let error = [("type", failure.reason.as_str()), ("message", failure.message.as_str())];
            xml.text("error", &error, &hint)
        })
    })
}
