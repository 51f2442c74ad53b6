//! The rules of a host: what fails and why that matters, what could not be judged, what does not apply, what passes.

use maud::{Markup, html};
use model::{Reason, Severity, Status};

use super::{instant, severity_badge};
use crate::report::{Measured, ResultView, ScanReport, Seen};
use crate::summary::{control_words, marked_name};
use crate::text::{clean, clean_cut, clean_lines};
use crate::xml::name_part;

/// Longest expected or found text in the list of failing rules; below it stands whole. Characters.
const VALUE_CHARS_MAX: usize = 100;

/// A group of results that share a status.
struct Group<'a> {
    title: &'static str,
    said: &'static str,
    results: Vec<&'a ResultView>,
}

pub(super) fn results(report: &ScanReport, number: usize, measured: &Measured) -> Markup {
    let with = |status: Status| measured.results.iter().filter(move |result| result.status == status);
    let worst_first = |status: Status| {
        let of =
            |severity: &'static Severity| with(status).filter(move |result| result.severity == *severity);
        Severity::ALL.iter().flat_map(of).collect::<Vec<&ResultView>>()
    };
    let failing = worst_first(Status::Fail);
    let errors = worst_first(Status::Error);
    let others = [
        Group {
            title: "Not applicable",
            said: "What these rules speak of is not on this host. They count neither for nor against it.",
            results: with(Status::NotApplicable).collect(),
        },
        Group {
            title: "Skipped",
            said: "These rules were not run. They count neither for nor against the host.",
            results: with(Status::Skipped).collect(),
        },
    ];
    html! {
        @if !failing.is_empty() {
            h3 { "Failing rules (" (failing.len()) ")" }
            (index(number, &failing))
            @for result in &failing { (failure(report, number, result)) }
        }
        @if !errors.is_empty() {
            h3 { "Could not be judged (" (errors.len()) ")" }
            p { "There was no answer that can be trusted, so nothing is said of these rules. They are not passes." }
            @for (reason, results) in by_reason(&errors) { (unjudged(reason, &results)) }
        }
        @for group in &others { @if !group.results.is_empty() { (reasons(group)) } }
        (passing(&with(Status::Pass).collect::<Vec<_>>()))
    }
}

pub(super) fn anchor(number: usize, result: &ResultView) -> String {
    format!("host-{number}-{}", name_part(result.rule_id.as_str()))
}

/// All failing rules on one screen, to choose from.
fn index(number: usize, failing: &[&ResultView]) -> Markup {
    html! {
        div.wide {
            table.index {
                caption { "Worst first; each leads to what was found and how to fix it." }
                thead { tr { th scope="col" { "Severity" } th scope="col" { "Rule" } th scope="col" { "Expected" } th scope="col" { "Found" } } }
                tbody { @for result in failing { tr {
                    td { (severity_badge(result.severity)) }
                    th scope="row" { a href={ "#" (anchor(number, result)) } { (clean(&result.title)) } }
                    td.value { (clean_cut(&result.expected, VALUE_CHARS_MAX)) }
                    td.value { (clean_cut(&result.actual, VALUE_CHARS_MAX)) }
                } } }
            }
        }
    }
}

fn failure(report: &ScanReport, number: usize, result: &ResultView) -> Markup {
    let text = report.rules.get(&result.rule_id);
    html! {
        article id=(anchor(number, result)) {
            (heading(result))
            dl {
                dt { "Expected" } dd { (clean(&result.expected)) }
                dt { "Found" } dd { strong { (clean(&result.actual)) } }
                @if !result.decided_by.is_empty() { dt { "Where" } dd { code { (clean(&result.decided_by)) } } }
                @if let Some(text) = text {
                    dt { "Rule" } dd { (clean(&text.description)) }
                    dt { "Why it matters" } dd { (clean(&text.rationale)) }
                }
                @if let Some(fix) = &result.fix { dt { "Fix" } dd.fix { (clean(fix)) } }
                (controls(result))
            }
            (evidence(result))
        }
    }
}

/// Puts rules together that could not be judged for one reason: what went wrong on a host once is said once.
fn by_reason<'a>(errors: &[&'a ResultView]) -> Vec<(Option<&'a Reason>, Vec<&'a ResultView>)> {
    let mut groups: Vec<(Option<&Reason>, Vec<&ResultView>)> = Vec::new();
    for result in errors {
        let reason = result.reason.as_ref();
        match groups.iter_mut().find(|(known, _results)| *known == reason) {
            Some((_reason, results)) => results.push(result),
            None => groups.push((reason, vec![result])),
        }
    }
    groups
}

fn unjudged(reason: Option<&Reason>, results: &[&ResultView]) -> Markup {
    html! {
        article {
            h4 {
                @match reason {
                    Some(reason) => { code { (reason.code) } " " (clean(&reason.text)) }
                    None => "No reason was given",
                }
            }
            div.wide {
                table {
                    caption { (results.len()) @if results.len() == 1 { " rule" } @else { " rules" } }
                    thead { tr { th scope="col" { "Severity" } th scope="col" { "Rule" } th scope="col" { "Controls" } } }
                    tbody { @for result in results { tr {
                        td { (severity_badge(result.severity)) }
                        (rule_cell(result))
                        (controls_cell(result))
                    } } }
                }
            }
            @for result in results { @if !result.seen.is_empty() { (evidence(result)) } }
        }
    }
}

/// Names a rule in a table.
fn rule_cell(result: &ResultView) -> Markup {
    html! { th scope="row" { (clean(&result.title)) " " code { (clean(&marked_name(result))) } } }
}

fn controls_cell(result: &ResultView) -> Markup {
    html! { td { @for line in control_words(&result.controls) { span.control { (clean(&line)) } } } }
}

fn heading(result: &ResultView) -> Markup {
    html! {
        h4 { (severity_badge(result.severity)) " " (clean(&result.title)) }
        p.rule { code { (clean(&marked_name(result))) } }
    }
}

fn controls(result: &ResultView) -> Markup {
    let words = control_words(&result.controls);
    html! {
        @if !words.is_empty() { dt { "Controls" } dd { @for line in &words { span.control { (clean(line)) } } } }
    }
}

fn evidence(result: &ResultView) -> Markup {
    html! {
        details {
            summary { "Evidence of " code { (clean(&marked_name(result))) } }
            @for seen in &result.seen { (one_check(seen, result.seen.len() > 1)) }
            p.digest { "Checked " (instant(result.checked_at)) "; " code { (result.evidence_sha256) } }
        }
    }
}

/// Shows one check; what was expected of it only where it is one of several.
fn one_check(seen: &Seen, of_several: bool) -> Markup {
    html! {
        p {
            code { (clean(&seen.command)) }
            @match seen.exit_status {
                Some(status) => { " left with " (status) }
                None => " was ended by a limit",
            }
            @if !seen.place.is_empty() { ", " code { (clean(&seen.place)) } }
            @if of_several { ": expected " (clean(&seen.expected)) ", found " strong { (clean(&seen.actual)) } }
        }
        @if !seen.output.is_empty() { pre { code { (clean_lines(&seen.output)) } } }
        @if seen.cut { p { "This is not all of the answer." } }
    }
}

/// Rules without a verdict that need no act, with their reasons.
fn reasons(group: &Group<'_>) -> Markup {
    html! {
        h3 { (group.title) " (" (group.results.len()) ")" }
        div.wide {
            table {
                caption { (group.said) }
                thead { tr { th scope="col" { "Rule" } th scope="col" { "Reason" } th scope="col" { "In words" } } }
                tbody { @for result in &group.results { tr {
                    (rule_cell(result))
                    @match &result.reason {
                        Some(reason) => { td.code { code { (reason.code) } } td { (clean(&reason.text)) } }
                        None => { td { "-" } td { "-" } }
                    }
                } } }
            }
        }
    }
}

fn passing(results: &[&ResultView]) -> Markup {
    html! {
        @if !results.is_empty() {
            h3 { "Passing rules (" (results.len()) ")" }
            details {
                summary { "Every passing rule" }
                div.wide {
                    table {
                        caption { "What was found is kept as evidence of each." }
                        thead { tr { th scope="col" { "Rule" } th scope="col" { "Severity" } th scope="col" { "Controls" } } }
                        tbody { @for result in results { tr {
                            (rule_cell(result))
                            td { (result.severity) }
                            (controls_cell(result))
                        } } }
                    }
                }
            }
        }
    }
}
