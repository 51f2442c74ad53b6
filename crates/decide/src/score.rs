//! Score and compliance band of a host, and the status of a framework's control.

use model::{ComplianceState, Severity, Status};

/// Id of the score definition below; a changed definition gets a new id (POS-07).
pub const SCORE_DEFINITION: &str = "score-v1";

/// Whether a rule of severity `critical` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CriticalFailure {
    Present,
    Absent,
}

impl CriticalFailure {
    /// Looks for a failing critical rule.
    pub fn among(results: impl IntoIterator<Item = (Status, Severity)>) -> Self {
        let mut results = results.into_iter();
        if results.any(|(status, severity)| status == Status::Fail && severity == Severity::Critical) {
            Self::Present
        } else {
            Self::Absent
        }
    }
}

/// How many results have each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub pass: u32,
    pub fail: u32,
    pub skipped: u32,
    pub error: u32,
    pub not_applicable: u32,
}

impl Counts {
    /// Counts statuses.
    pub fn of(statuses: impl IntoIterator<Item = Status>) -> Self {
        let mut counts = Self::default();
        for status in statuses {
            match status {
                Status::Pass => counts.pass += 1,
                Status::Fail => counts.fail += 1,
                Status::Skipped => counts.skipped += 1,
                Status::Error => counts.error += 1,
                Status::NotApplicable => counts.not_applicable += 1,
            }
        }
        counts
    }

    /// Results that say something about compliance.
    #[must_use]
    pub const fn assessed(self) -> u32 {
        self.pass + self.fail
    }

    /// All results.
    #[must_use]
    pub const fn selected(self) -> u32 {
        self.pass + self.fail + self.skipped + self.error + self.not_applicable
    }

    /// Returns the score, or none when nothing was assessed (POS-01).
    #[must_use]
    pub const fn score(self) -> Option<Score> {
        if self.assessed() == 0 {
            return None;
        }
        // Cut, not rounded: 8,999 of 10,000 is 89.9 and stays below the band at 90 (POS-04).
        Some(Score { tenths: cut_tenths(self.pass, self.assessed()) })
    }

    /// Returns the band (SCH-09): decided on integers, lower bound inclusive.
    ///
    /// A failing rule of severity `critical` forces the band `critical` at any score (SCH-10).
    #[must_use]
    pub const fn state(self, critical: CriticalFailure) -> ComplianceState {
        const fn reaches(counts: Counts, bound: u64) -> bool {
            100 * counts.pass as u64 >= bound * counts.assessed() as u64
        }
        if self.assessed() == 0 {
            ComplianceState::Unknown
        } else if matches!(critical, CriticalFailure::Present) {
            ComplianceState::Critical
        } else if reaches(self, 90) {
            ComplianceState::Compliant
        } else if reaches(self, 70) {
            ComplianceState::MostlyCompliant
        } else if reaches(self, 50) {
            ComplianceState::Partial
        } else if reaches(self, 20) {
            ComplianceState::NonCompliant
        } else {
            ComplianceState::Critical
        }
    }
}

/// A score, cut to one decimal. 0.0 to 100.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    /// Tenths of a percent. 0 to 1000.
    pub tenths: u16,
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.tenths / 10, self.tenths % 10)
    }
}

/// Returns the status of a control from the results of the rules mapped to it (POS-09).
///
/// Fail if any fails, else error if any errs, else pass if any passes, else skipped if any is, else not
/// applicable.
pub fn control_status(results: impl IntoIterator<Item = Status>) -> Status {
    let counts = Counts::of(results);
    if counts.fail > 0 {
        Status::Fail
    } else if counts.error > 0 {
        Status::Error
    } else if counts.pass > 0 {
        Status::Pass
    } else if counts.skipped > 0 {
        Status::Skipped
    } else {
        Status::NotApplicable
    }
}

/// Returns `pass / assessed` in tenths of a percent, cut.
#[expect(clippy::cast_possible_truncation, reason = "pass never exceeds assessed, so at most 1000")]
const fn cut_tenths(pass: u32, assessed: u32) -> u16 {
    (pass as u64 * 1000 / assessed as u64) as u16
}
