//! The headline of each host and, over several hosts, the total. What was assessed of what was selected always
//! stands in it; where nothing was, no score does.

use std::io::{self, Write};

use crate::report::{HostScan, Measured, NotMeasured, Outcome, ScanReport};
use model::{ComplianceState, Severity};

use super::ink::{Ink, Pen};
use crate::summary::{Counts, fails_by_severity};
use crate::text::clean;

/// The parts of one host's line, before they are aligned.
struct Line {
    host: String,
    verdict: String,
    ink: Ink,
    rest: String,
}

/// Writes the headlines after an empty line, and a total when there is more than one host.
pub(super) fn write(out: &mut dyn Write, pen: Pen, report: &ScanReport) -> io::Result<()> {
    let line = |host: &HostScan| match &host.outcome {
        Outcome::Measured(measured) => Some(measured_line(&host.host, measured, report.framework.as_deref())),
        // A lone host that was not measured has said so already.
        Outcome::NotMeasured(failure) => {
            (report.hosts.len() > 1).then(|| not_measured_line(&host.host, failure))
        }
    };
    let lines: Vec<Line> = report.hosts.iter().filter_map(line).collect();
    let width =
        |part: fn(&Line) -> &str| lines.iter().map(|line| part(line).chars().count()).max().unwrap_or(0);
    let (host_width, verdict_width) = (width(|line| &line.host), width(|line| &line.verdict));
    if !lines.is_empty() {
        writeln!(out)?;
    }
    for line in &lines {
        let host = pen.paint(Ink::Bold, &format!("{:<host_width$}", line.host));
        let verdict = pen.paint(line.ink, &format!("{:<verdict_width$}", line.verdict));
        writeln!(out, "{host}  {verdict}   {}", line.rest)?;
    }
    match report.hosts.len() {
        0 => writeln!(out, "no host was scanned"),
        1 => Ok(()),
        _ => writeln!(out, "\n{}", total(report)),
    }
}

fn not_measured_line(host: &str, failure: &NotMeasured) -> Line {
    Line {
        host: clean(host),
        verdict: "NOT MEASURED".to_owned(),
        ink: Ink::Red,
        rest: failure.reason.to_string(),
    }
}

fn measured_line(host: &str, measured: &Measured, framework: Option<&str>) -> Line {
    let counts = Counts::of(measured);
    let whole = measured.scan.is_full && framework.is_none();
    let (verdict, ink) = if counts.assessed == 0 {
        ("not assessed".to_owned(), Ink::Yellow)
    } else if whole {
        (standing(measured), state_ink(measured.state))
    } else {
        selection_verdict(measured, framework)
    };
    let took = duration(measured.duration_ms);
    let changed = measured.scan.change_count;
    let mut rest = format!("{}   {changed} changed   {took}", count_words(counts, measured));
    if !whole {
        // The score of a few rules is not the host's, so both are named for what they are.
        rest.push_str(&format!("   whole host {}", standing(measured)));
    }
    Line { host: clean(host), verdict, ink, rest }
}

/// Returns the host's own score and band.
fn standing(measured: &Measured) -> String {
    match &measured.score {
        Some(score) => format!("{} % {}", clean(score), measured.state),
        None => "not assessed".to_owned(),
    }
}

/// Returns the score of the shown results alone. It has no band: bands are of hosts.
fn selection_verdict(measured: &Measured, framework: Option<&str>) -> (String, Ink) {
    let score = measured.counts().score().map(|score| score.to_string()).unwrap_or_default();
    let of = framework.map_or_else(|| "of the selection".to_owned(), |name| format!("under {}", clean(name)));
    (format!("{score} % {of}"), if measured.counts().fail == 0 { Ink::Green } else { Ink::Yellow })
}

const fn state_ink(state: ComplianceState) -> Ink {
    match state {
        ComplianceState::Compliant => Ink::Green,
        ComplianceState::MostlyCompliant | ComplianceState::Partial | ComplianceState::Unknown => Ink::Yellow,
        ComplianceState::NonCompliant | ComplianceState::Critical => Ink::Red,
    }
}

fn count_words(counts: Counts, measured: &Measured) -> String {
    let mut words =
        vec![format!("{}/{} assessed", counts.assessed, counts.selected), format!("{} pass", counts.pass)];
    words.push(fail_words(&fails_by_severity(&[measured])));
    let rest =
        [(counts.error, "error"), (counts.skipped, "skipped"), (counts.not_applicable, "not applicable")];
    words.extend(rest.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    words.join("  ")
}

/// Returns `5 fail (1 high 4 medium)`.
fn fail_words(by_severity: &[(Severity, usize)]) -> String {
    let total: usize = by_severity.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return "0 fail".to_owned();
    }
    let parts: Vec<String> =
        by_severity.iter().map(|(severity, count)| format!("{count} {severity}")).collect();
    format!("{total} fail ({})", parts.join(" "))
}

fn total<'a>(report: &'a ScanReport) -> String {
    let of_host = |host: &'a HostScan| match &host.outcome {
        Outcome::Measured(measured) => Some(measured.as_ref()),
        Outcome::NotMeasured(_) => None,
    };
    let measured: Vec<&Measured> = report.hosts.iter().filter_map(of_host).collect();
    let counts: Vec<Counts> = measured.iter().map(|measured| Counts::of(measured)).collect();
    let mut words = vec![format!("{} hosts", report.hosts.len()), format!("{} measured", counts.len())];
    if counts.len() < report.hosts.len() {
        words.push(format!("{} not measured", report.hosts.len() - counts.len()));
    }
    words.push(fail_words(&fails_by_severity(&measured)));
    let errors: u32 = counts.iter().map(|counts| counts.error).sum();
    if errors > 0 {
        words.push(format!("{errors} error"));
    }
    words.join("  ")
}

/// Returns a duration for people: `840 ms`, `1.2 s`, `2 min 5 s`.
fn duration(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=59_999 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000.. => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}
