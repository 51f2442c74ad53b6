//! The report as one page: for a browser and for paper, with nothing loaded from elsewhere and nothing that runs.
//! Everything that is not ours is made visible and escaped; what carries meaning is said in words as well as colors.

mod controls;
mod details;

use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use model::{ComplianceState, Severity};

use crate::report::{HostScan, Measured, NotMeasured, Outcome, ScanReport};
use crate::summary::{Counts, fails_by_severity, platform_name};
use crate::text::clean;

const STYLE: &str = include_str!("html/style.css");
/// Allows the page's own style and nothing else, should escaping ever fail (Content Security Policy, level 3).
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Writes the page.
pub(crate) fn write(out: &mut dyn Write, report: &ScanReport, version: &str) -> io::Result<()> {
    let title = title(report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "plumb " (version) };
                title { (title) " - hardening report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kind { "Hardening report" }
                    h1 { (title) }
                    (about(report, version))
                }
                main {
                    @if report.hosts.len() > 1 { (overview(report)) }
                    @for (number, host) in report.hosts.iter().enumerate() { (host_section(report, number, host)) }
                }
                footer { (footer()) }
            }
        }
    };
    writeln!(out, "{}", page.into_string())
}

fn title(report: &ScanReport) -> String {
    match report.hosts.as_slice() {
        [host] => clean(&host.host),
        hosts => format!("{} hosts", hosts.len()),
    }
}

/// Says what this is of, and what limits it.
fn about(report: &ScanReport, version: &str) -> Markup {
    html! {
        dl.facts {
            @if let Some((valid, recorded)) = report.as_of {
                dt { "As of" } dd { (instant(valid)) }
                @if recorded != valid { dt { "As known at" } dd { (instant(recorded)) } }
            }
            @if report.as_of.is_none_or(|(valid, _recorded)| valid != report.made_at) {
                dt { "Written" } dd { (instant(report.made_at)) }
            }
            dt { "By" } dd { "plumb " (version) }
            @if let Some(framework) = &report.framework {
                dt { "Shown" } dd { "rules that are mapped to " (clean(framework)) }
            }
        }
        @if !report.content_signed {
            p.warning { strong { "Unsigned content." } " The rules came from a directory, not from the shipped corpus." }
        }
    }
}

/// Shows an instant to the second; the attribute has all of it.
pub(super) fn instant(at: model::Timestamp) -> Markup {
    let exact = at.to_string();
    let (day, time) = exact.split_once('T').unwrap_or((&exact, ""));
    let seconds: String = time.chars().take("00:00:00".len()).collect();
    html! { time datetime=(exact) { (day) " " (seconds) " UTC" } }
}

fn host_id(number: usize) -> String {
    format!("host-{number}")
}

fn overview(report: &ScanReport) -> Markup {
    html! {
        section {
            h2 { "Overview" }
            div.wide {
                table {
                    caption { "One line a host. Score: passed of passed and failed." }
                    thead { tr {
                        th scope="col" { "Host" } th scope="col" { "State" } th.number scope="col" { "Score" }
                        th.number scope="col" { "Assessed" } th.number scope="col" { "Pass" } th.number scope="col" { "Fail" }
                        th.number scope="col" { "Error" } th.number scope="col" { "Skipped" }
                        th.number scope="col" { "Not applicable" }
                    } }
                    tbody { @for (number, host) in report.hosts.iter().enumerate() { (overview_row(number, host)) } }
                }
            }
        }
    }
}

fn overview_row(number: usize, host: &HostScan) -> Markup {
    let name = html! { th scope="row" { a href={ "#" (host_id(number)) } { (clean(&host.host)) } } };
    match &host.outcome {
        Outcome::Measured(measured) => {
            let counts = Counts::of(measured);
            html! { tr {
                (name)
                td { (state_badge(measured.state)) }
                td.number { (score_words(measured)) }
                td.number { (counts.assessed) "/" (counts.selected) }
                td.number { (counts.pass) } td.number { (counts.fail) } td.number { (counts.error) }
                td.number { (counts.skipped) } td.number { (counts.not_applicable) }
            } }
        }
        Outcome::NotMeasured(failure) => html! { tr {
            (name)
            td colspan="8" { span.badge.bad { "not measured" } " " (failure.reason) }
        } },
    }
}

fn host_section(report: &ScanReport, number: usize, host: &HostScan) -> Markup {
    html! {
        section.host id=(host_id(number)) {
            @if report.hosts.len() > 1 { h2 { (clean(&host.host)) } } @else { h2 { "Result" } }
            @match &host.outcome {
                Outcome::Measured(measured) => {
                    (headline(report, measured))
                    @if let Some(framework) = &report.framework { (controls::table(framework, number, measured)) }
                    (details::results(report, number, measured))
                    (provenance(host, measured))
                }
                Outcome::NotMeasured(failure) => (not_measured(failure)),
            }
        }
    }
}

fn not_measured(failure: &NotMeasured) -> Markup {
    html! {
        p { span.badge.bad { "not measured" } " " strong { (failure.reason) } ": " (clean(&failure.message)) }
        @if let Some(hint) = &failure.hint { p { "What to do: " (clean(hint)) } }
        p { "Nothing is known of this host here; it counts neither as compliant nor as not." }
    }
}

/// The first thing to read: score and band, how much was looked at, how bad it is.
fn headline(report: &ScanReport, measured: &Measured) -> Markup {
    let counts = Counts::of(measured);
    let parts = [
        (counts.fail, "fail", "fail"),
        (counts.error, "error", "error"),
        (counts.pass, "pass", "pass"),
        (counts.skipped, "skipped", "skipped"),
        (counts.not_applicable, "na", "not applicable"),
    ];
    let words: Vec<String> = parts.iter().map(|(count, _class, word)| format!("{count} {word}")).collect();
    let whole = measured.scan.is_full && report.framework.is_none();
    html! {
        div.headline {
            p.score {
                strong { (score_words(measured)) }
                " " (state_badge(measured.state))
            }
            p {
                strong { (counts.assessed) " of " (counts.selected) } " rules assessed"
                @if counts.selected > counts.assessed { ": the others have no verdict, for the reasons below" }
                ". "
                (fail_words(measured))
            }
            @if !whole { p.warning {
                "Score and state are of the whole host; shown are part of its rules"
                @if !measured.scan.selection.is_empty() { " (" (clean(&measured.scan.selection)) ")" }
                @if let Some(score) = measured.counts().score() { ", of which " (score) " % pass" }
                "."
            } }
            div.bar role="img" aria-label=(words.join(", ")) {
                @for (count, class, _word) in parts {
                    @if count > 0 { span class=(class) style={ "flex-grow:" (count) } {} }
                }
            }
            ul.legend {
                @for (count, class, word) in parts { @if count > 0 {
                    li { span class={ "swatch " (class) } {} strong { (count) } " " (word) }
                } }
            }
        }
    }
}

fn score_words(measured: &Measured) -> String {
    measured.score.as_ref().map_or_else(|| "not assessed".to_owned(), |score| format!("{} %", clean(score)))
}

fn fail_words(measured: &Measured) -> Markup {
    let by_severity = fails_by_severity(&[measured]);
    let words: Vec<String> =
        by_severity.iter().map(|(severity, count)| format!("{count} {severity}")).collect();
    html! {
        @if words.is_empty() { "No rule that was assessed fails." }
        @else { "Failing: " strong { (words.join(", ")) } "." }
    }
}

fn state_badge(state: ComplianceState) -> Markup {
    let class = match state {
        ComplianceState::Compliant => "good",
        ComplianceState::MostlyCompliant | ComplianceState::Partial => "middling",
        ComplianceState::NonCompliant | ComplianceState::Critical => "bad",
        ComplianceState::Unknown => "unsure",
    };
    html! { span class={ "badge " (class) } { (state.as_str().replace('_', " ")) } }
}

pub(super) fn severity_badge(severity: Severity) -> Markup {
    html! { span class={ "badge severity-" (severity) } { (severity) } }
}

/// Where the results come from, and what they can be checked against.
fn provenance(host: &HostScan, measured: &Measured) -> Markup {
    let scan = &measured.scan;
    html! {
        h3 { "Where this comes from" }
        dl.facts {
            dt { "Host" } dd { (clean(&host.host)) " " code { (host.host_id) } }
            dt { "Platform" } dd { (clean(&platform_name(&measured.platform))) " " (clean(&measured.platform.arch)) " "
                (clean(&measured.platform.kernel)) }
            @if let Some(at) = scan.measured_at { dt { "Scanned" } dd { (instant(at)) } }
            dt { "Asked by" } dd { (clean(&scan.requested_by)) }
            dt { "Scan" } dd { code { (scan.scan_id) } }
            @if !scan.profile_id.is_empty() { dt { "Profile" } dd { (clean(&scan.profile_id)) } }
            dt { "Rules" } dd { code { (scan.corpus_digest) } }
            @if let Some(digest) = scan.manifest_sha256 { dt { "All results" } dd { code { (digest) } } }
        }
    }
}

fn footer() -> Markup {
    html! {
        p { "Each line of evidence is kept under its SHA-256: " code { "plumb evidence DIGEST" } " shows it whole, and "
            code { "plumb ledger export" } " writes what proves that it was recorded then and not changed since." }
        p { "What this does not show: that a host told the truth. One under foreign control can lie." }
    }
}
