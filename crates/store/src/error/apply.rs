//! What a refused Apply is called in the record (TLW-27), and which may be tried again (TLW-28).

use model::{ApplyFailure, RuleId};

use super::{Problem, StoreError, is_stray};

/// States of PostgreSQL: a deadlock, and a write that cannot be put in order with others
/// (postgresql.org/docs/current/errcodes-appendix.html).
const DEADLOCK: &str = "40P01";
const OUT_OF_ORDER: &str = "40001";

impl StoreError {
    /// Names why an Apply was refused.
    #[must_use]
    pub fn apply_failure(&self) -> ApplyFailure {
        match self {
            Self::StaleFence => ApplyFailure::StaleFence,
            Self::EvidenceOversize { .. } => ApplyFailure::EvidenceOversize,
            Self::EvidenceInvalid { .. } => ApplyFailure::EvidenceInvalid,
            Self::BatchTooLarge { .. } => ApplyFailure::BatchTooLarge,
            Self::DuplicateRule { .. } => ApplyFailure::DuplicateRule,
            Self::Database { .. } if self.state().as_deref() == Some(DEADLOCK) => ApplyFailure::Deadlock,
            Self::Database { source, .. } if is_stray(source) => ApplyFailure::FkViolation,
            Self::Database { .. } => ApplyFailure::SqlError,
            Self::Open { .. }
            | Self::Row { .. }
            | Self::HostBusy { .. }
            | Self::Ledger { .. }
            | Self::Invalid { .. }
            | Self::VersionConflict { .. }
            | Self::Withheld { .. }
            | Self::ClaimMissing { .. }
            | Self::Uncopied { .. }
            | Self::Filled { .. }
            | Self::Moving { .. }
            | Self::Exists { .. } => ApplyFailure::Unknown,
        }
    }

    /// Returns the rule that an Apply was refused for, where it is one.
    #[must_use]
    pub const fn offending_rule(&self) -> Option<&RuleId> {
        if let Self::EvidenceOversize { rule, .. } | Self::DuplicateRule { rule } = self {
            Some(rule)
        } else {
            None
        }
    }

    /// Tells whether the connection ended while this was committed, so that nobody knows whether it was.
    #[must_use]
    pub const fn is_undecided(&self) -> bool {
        matches!(self, Self::Database { problem: Problem::Undecided(_), .. })
    }

    /// Tells whether the server gave up a write because of another one, so that the same may work at once.
    #[must_use]
    pub fn is_out_of_order(&self) -> bool {
        self.state().is_some_and(|state| state == DEADLOCK || state == OUT_OF_ORDER)
    }
}
