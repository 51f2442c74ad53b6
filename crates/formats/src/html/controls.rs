//! The controls of the framework that results are shown through, each with what its rules come to.

use std::collections::BTreeMap;

use decide::control_status;
use maud::{Markup, html};
use model::Status;

use super::details::anchor;
use crate::report::{Measured, ResultView};
use crate::text::{clean, natural};

/// A control's place in the order of its framework, and its number.
type Place<'a> = (&'a str, Vec<(u64, String)>, &'a str);

pub(super) fn table(framework: &str, number: usize, measured: &Measured) -> Markup {
    let controls = controls(framework, measured);
    let status = |results: &[&ResultView]| control_status(results.iter().map(|result| result.status));
    let count = |wanted: Status| controls.values().filter(|results| status(results) == wanted).count();
    html! {
        h3 { "Controls of " (clean(framework)) " (" (controls.len()) ")" }
        p {
            strong { (count(Status::Pass)) } " whose rules pass, "
            strong { (count(Status::Fail)) } " with a rule that fails, "
            strong { (count(Status::Error)) } " with one that could not be judged, "
            strong { (count(Status::NotApplicable) + count(Status::Skipped)) } " without any that was judged. "
            "Most controls ask for things that no scan sees: this says what the rules found, and no more."
        }
        details {
            summary { "Every control" }
            div.wide {
                table {
                    caption { "A control is as its worst rule is." }
                    thead { tr { th scope="col" { "Control" } th scope="col" { "Edition" } th scope="col" { "Status" } th scope="col" { "Rules" } } }
                    tbody { @for ((edition, _order, control), results) in &controls { tr {
                        th scope="row" { (clean(control)) }
                        td { (clean(edition)) }
                        td { (status_badge(status(results))) }
                        td { (rules(number, results)) }
                    } } }
                }
            }
        }
    }
}

fn controls<'a>(framework: &str, measured: &'a Measured) -> BTreeMap<Place<'a>, Vec<&'a ResultView>> {
    let mut controls: BTreeMap<Place<'a>, Vec<&'a ResultView>> = BTreeMap::new();
    for result in &measured.results {
        for of in result.controls.iter().filter(|of| of.framework == framework) {
            for control in &of.controls {
                let place = (of.edition.as_str(), natural(control), control.as_str());
                controls.entry(place).or_default().push(result);
            }
        }
    }
    controls
}

/// Says how many rules there are of each status, and names those that need an act.
fn rules(number: usize, results: &[&ResultView]) -> Markup {
    let count = |status: Status| results.iter().filter(|result| result.status == status).count();
    let counts =
        Status::ALL.iter().map(|status| (count(*status), *status)).filter(|(count, _status)| *count > 0);
    let words: Vec<String> =
        counts.map(|(count, status)| format!("{count} {}", status_words(status))).collect();
    html! {
        (words.join(", "))
        @for result in results {
            @match result.status {
                // What fails leads to what was found.
                Status::Fail => span.control { a href={ "#" (anchor(number, result)) } { code { (clean(result.rule_id.as_str())) } } },
                Status::Error => span.control { code { (clean(result.rule_id.as_str())) } " could not be judged" },
                Status::Pass | Status::Skipped | Status::NotApplicable => {},
            }
        }
    }
}

fn status_badge(status: Status) -> Markup {
    let class = match status {
        Status::Pass => "good",
        Status::Fail => "bad",
        Status::Error => "middling",
        Status::Skipped | Status::NotApplicable => "unsure",
    };
    html! { span class={ "badge " (class) } { (status_words(status)) } }
}

fn status_words(status: Status) -> String {
    status.as_str().replace('_', " ")
}
