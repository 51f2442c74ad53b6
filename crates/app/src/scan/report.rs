//! What a scan command shows: plain data, filled by the use case, written by the surfaces.

use decide::{Counts, FailOn, HostOutcome, Verdict, verdict};
use model::record::ScanRecord;
use model::{
    ChangeKind, ComplianceState, Digest, Evidence, FailureReason, HostId, Platform, Reason, RuleId, Severity,
    Status,
};
use serde::Serialize;

/// Controls of one framework that a rule speaks to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlRef {
    pub framework: String,
    pub edition: String,
    pub controls: Vec<String>,
}

/// One rule's result, ready to show.
#[derive(Debug, Clone, Serialize)]
pub struct ResultView {
    pub rule_id: RuleId,
    pub title: String,
    pub severity: Severity,
    pub status: Status,
    pub reason: Option<Reason>,
    /// What the rule expects and what was found, in words; of the check that decided.
    pub expected: String,
    pub actual: String,
    /// The file and line, or else the command, that decided.
    pub decided_by: String,
    pub fix: Option<String>,
    pub controls: Vec<ControlRef>,
    /// How the result differs from the one before; none when it does not.
    pub change: Option<ChangeKind>,
    pub value_digest: Digest,
    pub evidence_sha256: Digest,
}

/// A host that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub scan: ScanRecord,
    pub platform: Platform,
    /// Results under the lens, in rule order.
    pub results: Vec<ResultView>,
    /// Of the host's current corpus after this scan, whatever the lens.
    pub state: ComplianceState,
    /// Cut to one decimal; none when nothing was assessed.
    pub score: Option<String>,
    /// From the first contact to the stored result. Milliseconds.
    pub duration_ms: u64,
}

/// A host that was not.
#[derive(Debug, Clone, Serialize)]
pub struct NotMeasured {
    pub reason: FailureReason,
    pub message: String,
    pub hint: Option<String>,
}

/// One host of a scan command.
#[derive(Debug, Clone, Serialize)]
pub struct HostScan {
    /// The target as it was typed.
    pub target: String,
    /// The host's saved name.
    pub host: String,
    pub host_id: HostId,
    pub outcome: Outcome,
}

/// What came of a host.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Measured(Box<Measured>),
    NotMeasured(NotMeasured),
}

/// Everything a scan command found, hosts in the order they were named.
#[derive(Debug, Clone, Serialize)]
pub struct ScanReport {
    pub hosts: Vec<HostScan>,
    /// The framework the results are shown through.
    pub framework: Option<String>,
    /// False when rules came from a directory instead of the shipped corpus.
    pub content_signed: bool,
}

impl ScanReport {
    /// Tells whether the result of some host could not be stored.
    #[must_use]
    pub fn is_unstored(&self) -> bool {
        self.hosts.iter().any(|host| match &host.outcome {
            Outcome::NotMeasured(not) => not.reason == FailureReason::StoreError,
            Outcome::Measured(_) => false,
        })
    }

    /// Returns how the command ends.
    #[must_use]
    pub fn verdict(&self, fail_on: FailOn) -> Verdict {
        let hosts: Vec<HostOutcome> = self
            .hosts
            .iter()
            .map(|host| match &host.outcome {
                Outcome::NotMeasured(_) => HostOutcome::NotMeasured,
                Outcome::Measured(measured) => HostOutcome::Assessed(
                    measured.results.iter().map(|result| (result.status, result.severity)).collect(),
                ),
            })
            .collect();
        verdict(&hosts, fail_on)
    }
}

impl Measured {
    /// Counts the results that are shown.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::of(self.results.iter().map(|result| result.status))
    }
}

/// Returns expected, actual and the deciding place of an evidence document.
pub(crate) fn essence(evidence: &Evidence) -> (String, String, String) {
    // What did not hold stands first.
    let Some(check) = evidence.checks.first() else {
        return (String::new(), evidence.detail.clone(), String::new());
    };
    let place = match &check.source {
        Some(source) => match source.line {
            Some(line) => format!("{}:{line}", source.file),
            None => source.file.clone(),
        },
        None => check.command.clone(),
    };
    (check.expected.clone(), check.actual.clone(), place)
}
