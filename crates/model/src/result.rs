//! The result of one rule on one host.

use serde::{Deserialize, Serialize};

use crate::{Evidence, Reason, RuleId, Severity, Status};

/// One rule's outcome in one scan (EXE-01).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleResult {
    pub rule_id: RuleId,
    pub status: Status,
    pub severity: Severity,
    /// The normalised observed setting that the rule compares; volatile text is not part of it.
    /// Null when there is none.
    pub value: serde_json::Value,
    /// Set when the status is `error`, `skipped` or `not_applicable`.
    pub reason: Option<Reason>,
    pub evidence: Evidence,
}
