//! The numbers of a measured host that several formats show. Shapes only; the counting is done below.

use crate::report::{ControlRef, Measured, ResultView};
use model::{Platform, Severity, Status};
use serde::Serialize;

/// How many of the shown results have each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// All shown results.
    pub(crate) selected: u32,
    /// Those that pass or fail.
    pub(crate) assessed: u32,
    pub(crate) pass: u32,
    pub(crate) fail: u32,
    pub(crate) error: u32,
    pub(crate) skipped: u32,
    pub(crate) not_applicable: u32,
}

impl Counts {
    pub(crate) fn of(measured: &Measured) -> Self {
        let counts = measured.counts();
        Self {
            selected: counts.selected(),
            assessed: counts.assessed(),
            pass: counts.pass,
            fail: counts.fail,
            error: counts.error,
            skipped: counts.skipped,
            not_applicable: counts.not_applicable,
        }
    }
}

/// Returns the severities that failing results of these hosts have, worst first, with their number.
pub(crate) fn fails_by_severity(hosts: &[&Measured]) -> Vec<(Severity, usize)> {
    let failing = |severity: Severity| {
        let results = hosts.iter().flat_map(|measured| &measured.results);
        results.filter(|result| result.status == Status::Fail && result.severity == severity).count()
    };
    let all = Severity::ALL.iter().map(|severity| (*severity, failing(*severity)));
    all.filter(|(_, count)| *count > 0).collect()
}

/// Returns a platform's name for people.
pub(crate) fn platform_name(platform: &Platform) -> String {
    if platform.name.is_empty() {
        format!("{} {}", platform.id, platform.version).trim_end().to_owned()
    } else {
        platform.name.clone()
    }
}

/// Returns control references as `framework edition: control, control`.
pub(crate) fn control_words(controls: &[ControlRef]) -> Vec<String> {
    let words = |one: &ControlRef| format!("{} {}: {}", one.framework, one.edition, one.controls.join(", "));
    controls.iter().map(words).collect()
}

/// Returns what a failing rule found, in one sentence.
pub(crate) fn found_words(result: &ResultView) -> String {
    format!("{}: expected {}, found {}", result.title, result.expected, result.actual)
}

/// Returns why a rule has no verdict, in one sentence.
pub(crate) fn reason_words(result: &ResultView) -> String {
    match &result.reason {
        Some(reason) => format!("{}: {}", reason.code, reason.text),
        None => "no reason was given".to_owned(),
    }
}

/// Names a rule, and marks one that was imported. Not cleaned.
pub(crate) fn marked_name(result: &ResultView) -> String {
    let mark = if result.imported.is_some() { " (imported)" } else { "" };
    format!("{}{mark}", result.rule_id)
}
