//! What a scan adds to the change log: only results that differ from the last recorded one.

use std::collections::BTreeMap;

use model::{ChangeKind, Digest, RuleId, Severity, Status};

/// The newest recorded result of one rule on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriorState {
    pub status: Status,
    pub severity: Severity,
    pub value_digest: Digest,
}

/// A result of this scan, with the digest of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentResult {
    pub rule_id: RuleId,
    pub status: Status,
    pub severity: Severity,
    pub value_digest: Digest,
}

/// One row to add to the change log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Position of the result in the scan's results.
    pub result: usize,
    pub kind: ChangeKind,
    pub prior: Option<PriorState>,
}

/// Returns the changes of a scan against what was known, in the order of the results.
///
/// A rule that the scan did not cover does not change. When several things differ, the kind is the first
/// of state, severity, value (TLW-02).
#[must_use]
pub fn changes(known: &BTreeMap<RuleId, PriorState>, results: &[CurrentResult]) -> Vec<Change> {
    results
        .iter()
        .enumerate()
        .filter_map(|(result, current)| {
            let prior = known.get(&current.rule_id).copied();
            kind_of(prior, current).map(|kind| Change { result, kind, prior })
        })
        .collect()
}

fn kind_of(prior: Option<PriorState>, current: &CurrentResult) -> Option<ChangeKind> {
    let Some(prior) = prior else {
        return Some(ChangeKind::FirstSeen);
    };
    if prior.status != current.status {
        Some(ChangeKind::StateChanged)
    } else if prior.severity != current.severity {
        Some(ChangeKind::SeverityChanged)
    } else if prior.value_digest != current.value_digest {
        Some(ChangeKind::ValueChanged)
    } else {
        None
    }
}
