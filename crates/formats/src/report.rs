//! What was found on hosts: plain data, filled by the use cases, written by the writers beside this.

use std::collections::BTreeMap;
use std::fmt;

use decide::{Counts, FailOn, HostOutcome, Verdict, verdict};
use model::record::ScanRecord;
use model::{
    ChangeKind, ComplianceState, Digest, Evidence, EvidenceCheck, FailureReason, HostId, Output, Platform,
    Reason, RuleId, Severity, Status, Timestamp,
};
use serde::{Serialize, Serializer};

use crate::text;

/// Most of a command's output that is shown for one check; the evidence has the rest. Bytes.
const OUTPUT_SHOWN_BYTES_MAX: usize = 4_096;
/// Most checks of a result that are shown.
const CHECKS_SHOWN_MAX: usize = 10;

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
    /// The format of others that the rule was imported from; none for rules in our own.
    pub imported: Option<String>,
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
    /// When the rule was last looked at.
    pub checked_at: Timestamp,
    /// What was asked and answered, for a rule that fails or could not be judged. The documents for programs name the
    /// evidence instead.
    #[serde(skip)]
    pub seen: Vec<Seen>,
}

/// One check behind a result, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub command: String,
    /// As text; what is none in it stands as `\x1b`.
    pub output: String,
    /// True when `output` is not the whole answer.
    pub cut: bool,
    /// None when a limit ended the command.
    pub exit_status: Option<i32>,
    pub expected: String,
    pub actual: String,
    /// File and line, empty when no file decided.
    pub place: String,
}

/// What a rule says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleText {
    pub description: String,
    pub rationale: String,
}

/// Why there is no result of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A scan was tried.
    Failed(FailureReason),
    /// There is no whole scan on record.
    NeverScanned,
}

impl Cause {
    /// Returns the written name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed(reason) => reason.as_str(),
            Self::NeverScanned => "never_scanned",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
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
    pub reason: Cause,
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

/// Results of hosts: of a scan just made, in the order they were named, or as they are on record.
#[derive(Debug, Clone, Serialize)]
pub struct ScanReport {
    pub hosts: Vec<HostScan>,
    /// The framework the results are shown through.
    pub framework: Option<String>,
    /// False when rules came from a directory instead of the shipped corpus.
    pub content_signed: bool,
    /// When this was put together.
    #[serde(skip)]
    pub made_at: Timestamp,
    /// What was so at the first instant as far as it was recorded at the second; none of a scan just made.
    #[serde(skip)]
    pub as_of: Option<(Timestamp, Timestamp)>,
    /// Texts of the rules that have results and are still in use.
    #[serde(skip)]
    pub rules: BTreeMap<RuleId, RuleText>,
}

impl ScanReport {
    /// Tells whether the result of some host could not be stored.
    #[must_use]
    pub fn is_unstored(&self) -> bool {
        self.hosts.iter().any(|host| match &host.outcome {
            Outcome::NotMeasured(not) => not.reason == Cause::Failed(FailureReason::StoreError),
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

impl HostScan {
    /// Returns the results; none when the host was not measured.
    pub fn results(&self) -> impl Iterator<Item = &ResultView> {
        match &self.outcome {
            Outcome::Measured(measured) => measured.results.iter(),
            Outcome::NotMeasured(_) => [].iter(),
        }
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
#[must_use]
pub fn essence(evidence: &Evidence) -> (String, String, String) {
    // What did not hold stands first.
    let Some(check) = evidence.checks.first() else {
        return (String::new(), evidence.detail.clone(), String::new());
    };
    let place = place(check);
    let decided_by = if place.is_empty() { check.command.clone() } else { place };
    (check.expected.clone(), check.actual.clone(), decided_by)
}

/// Returns what a report shows of an evidence document: nothing for a rule that needs no explanation.
#[must_use]
pub fn seen(status: Status, evidence: &Evidence) -> Vec<Seen> {
    match status {
        Status::Fail | Status::Error => evidence.checks.iter().take(CHECKS_SHOWN_MAX).map(Seen::of).collect(),
        Status::Pass | Status::Skipped | Status::NotApplicable => Vec::new(),
    }
}

impl Seen {
    fn of(check: &EvidenceCheck) -> Self {
        let (output, cut) = match &check.output {
            Output::Text(output) => text::cut_bytes(output, OUTPUT_SHOWN_BYTES_MAX),
            Output::Base64(output) => text::of_base64(output, OUTPUT_SHOWN_BYTES_MAX),
        };
        Self {
            command: check.command.clone(),
            output,
            cut: cut || check.cut,
            exit_status: check.exit_status,
            expected: check.expected.clone(),
            actual: check.actual.clone(),
            place: place(check),
        }
    }
}

/// Returns the file and line where the deciding text stands; nothing when it stands in no file.
fn place(check: &EvidenceCheck) -> String {
    match &check.source {
        Some(source) => match source.line {
            Some(line) => format!("{}:{line}", source.file),
            None => source.file.clone(),
        },
        None => String::new(),
    }
}
