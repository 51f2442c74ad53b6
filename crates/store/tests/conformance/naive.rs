//! A model of the record that is too simple to be wrong: it updates every covered row at every scan.

use std::collections::BTreeMap;

use model::{Digest, RuleId, ScanId, Severity, Status, Timestamp};
use store::posture::RuleState;

use crate::story::{Done, Finding};

/// What is known of one rule on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) status: Status,
    pub(crate) severity: Severity,
    pub(crate) value: Digest,
    pub(crate) evidence: Digest,
    pub(crate) scan_id: ScanId,
    pub(crate) first_seen_at: Timestamp,
    pub(crate) last_changed_at: Timestamp,
    pub(crate) last_value_changed_at: Timestamp,
    pub(crate) last_checked_at: Timestamp,
    pub(crate) check_count: u64,
}

pub(crate) type Snapshot = BTreeMap<RuleId, Known>;

/// One host's history: a whole snapshot after each completed scan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Naive {
    /// When it was so, when it was recorded, and everything known then.
    history: Vec<(Timestamp, Timestamp, Snapshot)>,
}

impl Naive {
    /// Takes in a completed scan with what it found.
    pub(crate) fn take(&mut self, done: &Done, found: &[Finding]) {
        let mut known = self.newest();
        let measured_at = done.scan.measured_at.unwrap();
        for finding in found {
            let seen = |first_seen_at| Known {
                status: finding.status,
                severity: finding.severity,
                value: finding.value_digest(),
                evidence: finding.evidence().sha256,
                scan_id: done.scan.scan_id,
                first_seen_at,
                last_changed_at: measured_at,
                last_value_changed_at: measured_at,
                last_checked_at: measured_at,
                check_count: 1,
            };
            let now = match known.get(&finding.rule) {
                None => seen(measured_at),
                Some(old) => {
                    let judged_same = old.status == finding.status && old.severity == finding.severity;
                    let value_same = old.value == finding.value_digest();
                    let mut now =
                        if judged_same && value_same { old.clone() } else { seen(old.first_seen_at) };
                    if judged_same {
                        now.last_changed_at = old.last_changed_at;
                    }
                    if value_same {
                        now.last_value_changed_at = old.last_value_changed_at;
                    }
                    now.last_checked_at = measured_at;
                    now.check_count = old.check_count + 1;
                    now
                }
            };
            known.insert(finding.rule.clone(), now);
        }
        self.history.push((measured_at, done.scan.recorded_at.unwrap(), known));
    }

    /// Returns what is known now.
    pub(crate) fn newest(&self) -> Snapshot {
        self.history.last().map(|(_, _, known)| known.clone()).unwrap_or_default()
    }

    /// Returns what was so at one instant, as far as it was recorded at another: at or before counts.
    pub(crate) fn as_of(&self, valid_at: Timestamp, recorded_at: Timestamp) -> Snapshot {
        let until = |(measured, recorded, _): &&(Timestamp, Timestamp, Snapshot)| {
            *measured <= valid_at && *recorded <= recorded_at
        };
        self.history.iter().rev().find(until).map(|(_, _, known)| known.clone()).unwrap_or_default()
    }

    /// Returns the instants at which an answer may change.
    pub(crate) fn boundaries(&self) -> Vec<Timestamp> {
        self.history.iter().flat_map(|(measured, recorded, _)| [*measured, *recorded]).collect()
    }
}

/// Brings the store's answer into the model's shape.
pub(crate) fn snapshot(answer: &[RuleState]) -> Snapshot {
    answer
        .iter()
        .map(|state| {
            let known = Known {
                status: state.status,
                severity: state.severity,
                value: state.value_digest,
                evidence: state.evidence_sha256,
                scan_id: state.scan_id,
                first_seen_at: state.first_seen_at,
                last_changed_at: state.last_changed_at,
                last_value_changed_at: state.last_value_changed_at,
                last_checked_at: state.last_checked_at,
                check_count: state.check_count,
            };
            (state.rule_id.clone(), known)
        })
        .collect()
}
