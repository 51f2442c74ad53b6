//! The names of what the database itself refuses, which are the same on both databases (FCT-40 to FCT-59).

use super::Problem;
use crate::registry::{Guard, TABLES};

/// What a row, a version or a change was that the database refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It would change, replace or remove what is recorded.
    AppendOnly,
    /// Its number is not the next one.
    SequenceViolation,
    /// A value is none that its column takes.
    InvalidValue,
    /// Nobody, or for no reason.
    MissingProvenance,
    /// It lies before what was there, ends before it begins, or comes from the future.
    TimeViolation,
}

/// How the refusals of our own guards begin.
const WORDS: [(&str, Refusal); 5] = [
    ("append-only: ", Refusal::AppendOnly),
    ("sequence-violation: ", Refusal::SequenceViolation),
    ("invalid-value: ", Refusal::InvalidValue),
    ("missing-provenance: ", Refusal::MissingProvenance),
    ("time-violation: ", Refusal::TimeViolation),
];

impl Refusal {
    /// Reads the name from what the database said. What no guard of ours said is a constraint or a type, which take
    /// values or do not.
    pub(super) fn of(message: &str) -> Self {
        WORDS
            .iter()
            .find(|(word, _)| message.starts_with(word))
            .map_or(Self::InvalidValue, |(_, refusal)| *refusal)
    }
}

/// Where a constraint stands, as far as its database says so; what it does not say is empty.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place<'e> {
    pub(super) table: &'e str,
    pub(super) column: &'e str,
    pub(super) constraint: &'e str,
}

impl Place<'_> {
    /// Names a refusal by where it happened, where the database's own constraints came before our guards: a key of a
    /// table that only takes new rows, or a number that is missing or none.
    pub(super) fn name(self, problem: Problem) -> Problem {
        let is_number = self.column == "seq"
            || matches!(self.constraint, "facts_pkey" | "edges_pkey")
            || self.table == "log_entries"
                && (self.column == "log_index" || self.constraint.starts_with("log_entries_log_index"));
        let is_taken = matches!(problem, Problem::Taken(_));
        if let Problem::Refused(_, text) | Problem::Taken(text) = &problem {
            if is_number || is_taken && self.table == "log_entries" {
                return Problem::Refused(Refusal::SequenceViolation, text.clone());
            }
            if is_taken && takes_new_rows_only(self.table) {
                return Problem::Refused(Refusal::AppendOnly, text.clone());
            }
        }
        problem
    }
}

fn takes_new_rows_only(table: &str) -> bool {
    TABLES.iter().find(|entry| entry.name == table).is_some_and(|entry| match entry.guard {
        Guard::AppendOnly | Guard::AppendOnlyWhere(_) | Guard::ClosedOnce => true,
        Guard::OnlyGrows | Guard::NoDelete | Guard::Open => false,
    })
}
