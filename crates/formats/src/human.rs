//! The scan report for people: what fails, what could not be judged, and one headline per host. Lines are as
//! long as they are; only lists of rule ids are wrapped. Readable without color.

mod headline;
mod ink;

use std::io::{self, Write};

use crate::report::{ControlRef, HostScan, Measured, NotMeasured, Outcome, ResultView, ScanReport};
use model::{ChangeKind, Severity, Status};

use super::summary::{Counts, marked_name, platform_name};
use super::text::{clean, clean_cut};
use crate::Options;
use ink::{Ink, Pen};

/// Longest expected or found text that is shown; `plumb why` has the rest. Characters.
const VALUE_CHARS_MAX: usize = 300;
/// Widest line of a list of rule ids. Characters.
const LIST_CHARS_MAX: usize = 100;
/// Where details of a rule begin: under its severity.
const INDENT: &str = "         ";

/// How rules are shown.
struct View<'a> {
    pen: Pen,
    verbose: bool,
    framework: Option<&'a str>,
}

/// Writes the report.
pub(crate) fn write(out: &mut dyn Write, report: &ScanReport, options: &Options<'_>) -> io::Result<()> {
    let view = View {
        pen: Pen { color: options.color },
        verbose: options.verbose,
        framework: report.framework.as_deref(),
    };
    if !report.content_signed {
        let mark = view.pen.paint(Ink::Yellow, "unsigned content");
        writeln!(out, "{mark}: the rules came from a directory, not from the shipped corpus\n")?;
    }
    for (index, host) in report.hosts.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        match &host.outcome {
            Outcome::Measured(measured) => write_measured(out, &view, host, measured)?,
            Outcome::NotMeasured(failure) => write_not_measured(out, &view, host, failure)?,
        }
    }
    headline::write(out, view.pen, report)
}

fn write_not_measured(
    out: &mut dyn Write,
    view: &View<'_>,
    host: &HostScan,
    failure: &NotMeasured,
) -> io::Result<()> {
    let name = view.pen.paint(Ink::Bold, &clean(&host.host));
    let mark = view.pen.paint(Ink::Red, "NOT MEASURED");
    writeln!(out, "{name}  {mark}  {}: {}", failure.reason, clean(&failure.message))?;
    match &failure.hint {
        Some(hint) => writeln!(out, "\n{}: {}", view.pen.paint(Ink::Cyan, "hint"), clean(hint)),
        None => Ok(()),
    }
}

fn write_measured(
    out: &mut dyn Write,
    view: &View<'_>,
    host: &HostScan,
    measured: &Measured,
) -> io::Result<()> {
    let name = view.pen.paint(Ink::Bold, &clean(&host.host));
    writeln!(out, "{name}  {}", clean(&platform_name(&measured.platform)))?;
    let with = |status: Status| measured.results.iter().filter(move |result| result.status == status);
    for severity in Severity::ALL {
        let failing: Vec<&ResultView> =
            with(Status::Fail).filter(|result| result.severity == *severity).collect();
        write_group(out, view, &failing)?;
    }
    if let Some(sentence) = nothing_fails(Counts::of(measured)) {
        writeln!(out, "\n  {sentence}")?;
    }
    let listed: &[Status] = if view.verbose {
        &[Status::Error, Status::Skipped, Status::NotApplicable, Status::Pass]
    } else {
        &[Status::Error]
    };
    for status in listed {
        let results: Vec<&ResultView> = with(*status).collect();
        match status {
            Status::Error => write_errors(out, view, &results)?,
            Status::Pass | Status::Fail | Status::Skipped | Status::NotApplicable => {
                write_group(out, view, &results)?;
            }
        }
    }
    Ok(())
}

/// Writes the rules that could not be judged, one block per reason: what went wrong on a host once is said once,
/// however many rules it concerns. Reasons stand in the order of their first rule.
fn write_errors(out: &mut dyn Write, view: &View<'_>, results: &[&ResultView]) -> io::Result<()> {
    if !results.is_empty() {
        writeln!(out)?;
    }
    let mut blocks: Vec<(&ResultView, Vec<String>)> = Vec::new();
    for result in results {
        let id = clean(&marked_name(result));
        match blocks.iter_mut().find(|(first, _)| first.reason == result.reason) {
            Some((_, ids)) => ids.push(id),
            None => blocks.push((result, vec![id])),
        }
    }
    blocks.iter().try_for_each(|(first, ids)| {
        if ids.len() == 1 {
            return write_brief(out, view, first);
        }
        let mark = view.pen.paint(Ink::Yellow, "ERROR");
        writeln!(out, "  {mark}  {:<8}  {}", format!("{} rules", ids.len()), brief(first))?;
        let lines = wrapped(ids, LIST_CHARS_MAX - INDENT.len());
        lines.iter().try_for_each(|line| writeln!(out, "{INDENT}{line}"))
    })
}

/// Joins ids with commas in lines of at most so many characters; a longer id has a line of its own.
fn wrapped(ids: &[String], chars_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (i, id) in ids.iter().enumerate() {
        let comma = if i + 1 < ids.len() { "," } else { "" };
        let word = format!("{id}{comma}");
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= chars_max => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(_) | None => lines.push(word),
        }
    }
    lines
}

/// Writes results after an empty line, or nothing when there are none.
fn write_group(out: &mut dyn Write, view: &View<'_>, results: &[&ResultView]) -> io::Result<()> {
    if !results.is_empty() {
        writeln!(out)?;
    }
    results.iter().try_for_each(|result| match result.status {
        Status::Fail => write_failing(out, view, result),
        Status::Pass | Status::Error | Status::Skipped | Status::NotApplicable => {
            write_brief(out, view, result)
        }
    })
}

/// Returns the one line that stands where failing rules would. Silence of the rules is not called good.
fn nothing_fails(counts: Counts) -> Option<&'static str> {
    match (counts.fail, counts.assessed, counts.error) {
        (1.., _, _) => None,
        (0, 0, _) => Some("nothing was assessed"),
        (0, _, 0) => Some("nothing fails"),
        (0, _, _) => Some("nothing that was assessed fails"),
    }
}

/// Writes a failing rule. Mark, severity and labels stand in columns of their own.
fn write_failing(out: &mut dyn Write, view: &View<'_>, result: &ResultView) -> io::Result<()> {
    write_first_line(out, view, result, &clean(&result.title))?;
    let value = |text: &str| clean_cut(text, VALUE_CHARS_MAX);
    let mut detail = |label: &str, text: &str| {
        let label = view.pen.paint(Ink::Dim, &format!("{label:<8}"));
        writeln!(out, "{INDENT}{label}  {text}")
    };
    let place = if result.decided_by.is_empty() {
        String::new()
    } else {
        format!("  ({})", clean_cut(&result.decided_by, VALUE_CHARS_MAX))
    };
    detail("expected", &value(&result.expected))?;
    detail("found", &format!("{}{place}", value(&result.actual)))?;
    for controls in shown_controls(view, result) {
        let numbers = controls.controls.join(", ");
        detail("controls", &clean(&format!("{} {}: {numbers}", controls.framework, controls.edition)))?;
    }
    if let Some(change) = result.change.filter(|change| *change != ChangeKind::FirstSeen) {
        detail("changed", change.as_str())?;
    }
    match result.fix.as_ref().filter(|_| view.verbose) {
        Some(fix) => detail("fix", &value(fix)),
        None => Ok(()),
    }
}

/// Returns the controls of the framework that is looked through, and none when nobody asked for any.
fn shown_controls<'a>(view: &View<'a>, result: &'a ResultView) -> impl Iterator<Item = &'a ControlRef> {
    let framework = view.framework;
    result.controls.iter().filter(move |controls| framework == Some(controls.framework.as_str()))
}

/// Writes a rule that does not fail: one line, with the reason where there is one.
fn write_brief(out: &mut dyn Write, view: &View<'_>, result: &ResultView) -> io::Result<()> {
    write_first_line(out, view, result, &brief(result))
}

/// Returns the reason of a result, or its title when it has none.
fn brief(result: &ResultView) -> String {
    match &result.reason {
        Some(reason) => format!("{}: {}", reason.code, clean_cut(&reason.text, VALUE_CHARS_MAX)),
        None => clean(&result.title),
    }
}

fn write_first_line(
    out: &mut dyn Write,
    view: &View<'_>,
    result: &ResultView,
    words: &str,
) -> io::Result<()> {
    let (mark, ink) = match result.status {
        Status::Fail => ("FAIL", Ink::Red),
        Status::Error => ("ERROR", Ink::Yellow),
        Status::Pass => ("PASS", Ink::Green),
        Status::Skipped => ("SKIP", Ink::Dim),
        Status::NotApplicable => ("N/A", Ink::Dim),
    };
    let mark = view.pen.paint(ink, &format!("{mark:<5}"));
    let rule = view.pen.paint(Ink::Bold, &clean(&marked_name(result)));
    writeln!(out, "  {mark}  {:<8}  {rule}  {words}", result.severity)
}
