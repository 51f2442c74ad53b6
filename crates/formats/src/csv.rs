//! CSV of a scan (RFC 4180), one record a result and one for each host that was not measured. Cells that a
//! spreadsheet would take for a formula are neutralized (RPT-10), so this format is not exact; JSON is.

use std::io::{self, Write};

use crate::report::{HostScan, Measured, NotMeasured, Outcome, ResultView, ScanReport};

use super::summary::control_words;
use super::text::clean;

/// The columns, in order.
const HEADER: [&str; 19] = [
    "kind",
    "host",
    "host_id",
    "scan_id",
    "rule_id",
    "title",
    "severity",
    "status",
    "reason_code",
    "reason",
    "expected",
    "actual",
    "decided_by",
    "fix",
    "controls",
    "change",
    "evidence_sha256",
    "imported",
    "content_signed",
];

/// Writes the header and the records.
pub(crate) fn write(out: &mut dyn Write, report: &ScanReport) -> io::Result<()> {
    record(out, &HEADER.map(str::to_owned))?;
    for host in &report.hosts {
        match &host.outcome {
            Outcome::Measured(measured) => {
                for result in &measured.results {
                    record(out, &result_cells((report, host), measured, result))?;
                }
            }
            Outcome::NotMeasured(failure) => record(out, &failure_cells(host, failure))?,
        }
    }
    Ok(())
}

fn result_cells(
    (report, host): (&ScanReport, &HostScan),
    measured: &Measured,
    result: &ResultView,
) -> [String; 19] {
    let reason = result.reason.as_ref();
    [
        "result".to_owned(),
        host.host.clone(),
        host.host_id.to_string(),
        measured.scan.scan_id.to_string(),
        result.rule_id.to_string(),
        result.title.clone(),
        result.severity.to_string(),
        result.status.to_string(),
        reason.map(|reason| reason.code.to_string()).unwrap_or_default(),
        reason.map(|reason| reason.text.clone()).unwrap_or_default(),
        result.expected.clone(),
        result.actual.clone(),
        result.decided_by.clone(),
        result.fix.clone().unwrap_or_default(),
        control_words(&result.controls).join("; "),
        result.change.map(|change| change.to_string()).unwrap_or_default(),
        result.evidence_sha256.to_string(),
        result.imported.clone().unwrap_or_default(),
        report.content_signed.to_string(),
    ]
}

fn failure_cells(host: &HostScan, failure: &NotMeasured) -> [String; 19] {
    let mut cells = [const { String::new() }; 19];
    cells[0] = "not_measured".to_owned();
    cells[1].clone_from(&host.host);
    cells[2] = host.host_id.to_string();
    cells[8] = failure.reason.to_string();
    cells[9].clone_from(&failure.message);
    cells
}

fn record(out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// Renders one cell.
///
/// The leading character is judged before control characters become escapes, so that a reader sees what was
/// neutralized. A record is always one line: line feeds are escaped as well.
fn cell(text: &str) -> String {
    let mut shown = clean(text);
    if text.starts_with(starts_formula) {
        shown.insert(0, '\'');
    }
    if shown.contains([',', '"', ';']) { format!("\"{}\"", shown.replace('"', "\"\"")) } else { shown }
}

/// Tells whether a spreadsheet may take a cell that begins so for a formula; the full-width forms included.
fn starts_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
}
