//! How a scan command ends: compliant, not compliant, or not known (LIF-08).

use model::{Severity, Status};

use crate::Counts;

/// From which severity on a failing rule makes the command say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// Failing rules of this severity or a worse one count.
    Severity(Severity),
    /// Failing rules never count; the assessment must still be complete.
    Never,
}

/// What the scan of one host came to.
#[derive(Debug, Clone)]
pub enum HostOutcome {
    /// Status and severity of every selected rule.
    Assessed(Vec<(Status, Severity)>),
    /// The host was not measured.
    NotMeasured,
}

/// The answer of a scan command over all its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing fails and everything selected was assessed.
    Compliant,
    /// Something fails.
    Failing,
    /// Nothing fails, and not everything selected was assessed.
    Incomplete,
}

/// Returns the verdict over all hosts. No hosts at all is incomplete.
///
/// A rule that does not apply or was turned off is no gap; a rule in error is, and so is a host on which
/// no rule gave a verdict.
#[must_use]
pub fn verdict(hosts: &[HostOutcome], fail_on: FailOn) -> Verdict {
    let counts_as_failing = |status: Status, severity: Severity| {
        status == Status::Fail
            && match fail_on {
                FailOn::Severity(least) => severity <= least,
                FailOn::Never => false,
            }
    };
    let mut complete = !hosts.is_empty();
    for host in hosts {
        match host {
            HostOutcome::NotMeasured => complete = false,
            HostOutcome::Assessed(results) => {
                if results.iter().any(|(status, severity)| counts_as_failing(*status, *severity)) {
                    return Verdict::Failing;
                }
                let counts = Counts::of(results.iter().map(|(status, _)| *status));
                complete &= counts.error == 0 && counts.assessed() > 0;
            }
        }
    }
    if complete { Verdict::Compliant } else { Verdict::Incomplete }
}
