//! What two postures of one host differ in (POS-14).

use std::collections::BTreeMap;

use model::{Digest, RuleId, Severity, Status};

/// One rule in a posture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostureRow {
    pub status: Status,
    pub severity: Severity,
    pub value_digest: Digest,
}

/// How a rule differs between two postures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiffKind {
    BecameFailing,
    BecamePassing,
    /// Another status changed: to or from error, skipped, not applicable, without becoming pass or fail.
    StatusChanged,
    SeverityChanged,
    ValueChanged,
    Added,
    Retired,
}

impl DiffKind {
    /// Returns the written name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BecameFailing => "became_failing",
            Self::BecamePassing => "became_passing",
            Self::StatusChanged => "status_changed",
            Self::SeverityChanged => "severity_changed",
            Self::ValueChanged => "value_changed",
            Self::Added => "added",
            Self::Retired => "retired",
        }
    }
}

/// One rule that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDiff {
    pub rule_id: RuleId,
    pub kind: DiffKind,
    pub before: Option<PostureRow>,
    pub after: Option<PostureRow>,
}

/// Returns what leads from `before` to `after`, in rule order. Applying it to the first gives the second.
#[must_use]
pub fn diff(before: &BTreeMap<RuleId, PostureRow>, after: &BTreeMap<RuleId, PostureRow>) -> Vec<RuleDiff> {
    let mut rules: Vec<&RuleId> = before.keys().chain(after.keys()).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
        .into_iter()
        .filter_map(|rule_id| {
            let (old, new) = (before.get(rule_id), after.get(rule_id));
            kind_of(old, new).map(|kind| RuleDiff {
                rule_id: rule_id.clone(),
                kind,
                before: old.cloned(),
                after: new.cloned(),
            })
        })
        .collect()
}

fn kind_of(old: Option<&PostureRow>, new: Option<&PostureRow>) -> Option<DiffKind> {
    match (old, new) {
        (None, None) => None,
        (None, Some(_)) => Some(DiffKind::Added),
        (Some(_), None) => Some(DiffKind::Retired),
        (Some(old), Some(new)) if old.status != new.status => Some(match new.status {
            Status::Fail => DiffKind::BecameFailing,
            Status::Pass => DiffKind::BecamePassing,
            Status::Skipped | Status::Error | Status::NotApplicable => DiffKind::StatusChanged,
        }),
        (Some(old), Some(new)) if old.severity != new.severity => Some(DiffKind::SeverityChanged),
        (Some(old), Some(new)) if old.value_digest != new.value_digest => Some(DiffKind::ValueChanged),
        (Some(_), Some(_)) => None,
    }
}
