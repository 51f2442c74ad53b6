//! The numbers of a measured host that several formats show. Shapes only; the counting is done below.

use crate::report::{ControlRef, Measured};
use model::{Platform, Severity, Status};
use serde::Serialize;

/// How many of the shown results have each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    /// All shown results.
    pub(super) selected: u32,
    /// Those that pass or fail.
    pub(super) assessed: u32,
    pub(super) pass: u32,
    pub(super) fail: u32,
    pub(super) error: u32,
    pub(super) skipped: u32,
    pub(super) not_applicable: u32,
}

impl Counts {
    pub(super) fn of(measured: &Measured) -> Self {
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
pub(super) fn fails_by_severity(hosts: &[&Measured]) -> Vec<(Severity, usize)> {
    let failing = |severity: Severity| {
        let results = hosts.iter().flat_map(|measured| &measured.results);
        results.filter(|result| result.status == Status::Fail && result.severity == severity).count()
    };
    let all = Severity::ALL.iter().map(|severity| (*severity, failing(*severity)));
    all.filter(|(_, count)| *count > 0).collect()
}

/// Returns a platform's name for people.
pub(super) fn platform_name(platform: &Platform) -> String {
    if platform.name.is_empty() {
        format!("{} {}", platform.id, platform.version).trim_end().to_owned()
    } else {
        platform.name.clone()
    }
}

/// Returns control references as `framework edition: control, control`.
pub(super) fn control_words(controls: &[ControlRef]) -> Vec<String> {
    let words = |one: &ControlRef| format!("{} {}: {}", one.framework, one.edition, one.controls.join(", "));
    controls.iter().map(words).collect()
}
