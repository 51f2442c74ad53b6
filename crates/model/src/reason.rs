//! Why a rule has no verdict and why a scan failed: closed codes with a sentence for people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::status::{UnknownName, closed_names};

closed_names!(
    /// Why one rule is `error`, `skipped` or `not_applicable`.
    ReasonCode, "reason", {
        /// The probe ran longer than it may.
        CommandTimeout = "command_timeout",
        /// A program that the probe needs is not on the host.
        ToolMissing = "tool_missing",
        /// A program was there and failed in a way that says nothing about the setting.
        ToolFailed = "tool_failed",
        /// The login may not read what the rule needs.
        PermissionDenied = "permission_denied",
        /// The answer could not be understood.
        UnexpectedOutput = "unexpected_output",
        /// The answer was cut at a limit, so nothing can be concluded from it.
        OutputCut = "output_cut",
        /// A file-system walk used up its budget.
        Budget = "budget",
        /// The probe gave no answer before the conversation ended.
        NoAnswer = "no_answer",
        /// The rule's own precondition is not met on this host.
        PreconditionUnmet = "precondition_unmet",
        /// What the rule speaks about is not on this host.
        SubjectAbsent = "subject_absent",
        /// The rule was turned off for this scan.
        Deselected = "deselected",
    }
);

closed_names!(
    /// Why a whole scan failed. Nothing of a failed scan is applied.
    FailureReason, "failure reason", {
        AuthFailed = "auth_failed",
        HostKeyUnknown = "host_key_unknown",
        HostKeyMismatch = "host_key_mismatch",
        HostKeyRevoked = "host_key_revoked",
        Timeout = "timeout",
        ConnectFailed = "connect_failed",
        ConnectionLost = "connection_lost",
        InvalidKey = "invalid_key",
        PrivilegeFailed = "privilege_failed",
        /// The login works and no POSIX shell answers, or the conversation broke its own rules.
        EngineError = "engine_error",
        EvidenceOversize = "evidence_oversize",
        NoApplicableRules = "no_applicable_rules",
        UnsupportedPlatform = "unsupported_platform",
        HostBusy = "host_busy",
        StaleFence = "stale_fence",
        Cancelled = "cancelled",
        /// The process that ran the scan is gone.
        Abandoned = "abandoned",
        /// The result could not be stored.
        StoreError = "store_error",
    }
);

closed_names!(
    /// Why the results of a scan could not be stored; nothing of them was (TLW-27).
    ApplyFailure, "reason of a failed apply", {
        /// A row names one that is not there.
        FkViolation = "fk_violation",
        /// The server gave this one up, of two that waited for each other.
        Deadlock = "deadlock",
        EvidenceOversize = "evidence_oversize",
        EvidenceInvalid = "evidence_invalid",
        BatchTooLarge = "batch_too_large",
        DuplicateRule = "duplicate_rule",
        StaleFence = "stale_fence",
        /// The database did not do it for another reason.
        SqlError = "sql_error",
        Unknown = "unknown",
    }
);

/// A reason code with one sentence about this case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    pub code: ReasonCode,
    pub text: String,
}

impl Reason {
    /// Makes a reason.
    #[must_use]
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}
