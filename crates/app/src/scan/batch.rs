//! Turning results into what one transaction stores: digests, changes, manifest, posture.

use std::collections::BTreeMap;

use decide::{Change, Counts, CriticalFailure, CurrentResult, PriorState};
use model::record::{ChangeRecord, Manifest, ManifestItem};
use model::{Digest, RuleId, RuleResult, Severity, Status, Timestamp, TransactionId};
use store::apply::{Blob, PostureUpdate};

use crate::content::{Content, blob, rule_digest};
use crate::context::new_uuid;
use crate::error::Error;

/// One result with its digests and the bytes of its evidence.
#[derive(Debug, Clone)]
pub(crate) struct Digested {
    pub(crate) result: RuleResult,
    pub(crate) value_digest: Digest,
    pub(crate) rule_digest: Digest,
    pub(crate) evidence: Blob,
}

/// Computes the digests of every result.
pub(crate) fn digest(content: &Content, results: Vec<RuleResult>) -> Result<Vec<Digested>, Error> {
    results
        .into_iter()
        .map(|result| {
            let rule = content.corpus().find(result.rule_id.as_str());
            let rule = rule.ok_or_else(|| Error::internal(format!("rule {} vanished", result.rule_id)))?;
            Ok(Digested {
                value_digest: blob(&result.value)?.sha256,
                rule_digest: rule_digest(rule),
                evidence: blob(&result.evidence)?,
                result,
            })
        })
        .collect()
}

/// Renders the manifest of all results.
pub(crate) fn manifest(results: &[Digested]) -> Result<Blob, Error> {
    let results = results
        .iter()
        .map(|digested| ManifestItem {
            rule_id: digested.result.rule_id.clone(),
            status: digested.result.status,
            severity: digested.result.severity,
            value_digest: digested.value_digest,
            rule_digest: digested.rule_digest,
        })
        .collect();
    blob(&Manifest { schema: Manifest::SCHEMA.to_owned(), results })
}

/// The newest recorded results of a host.
pub(crate) type Prior = BTreeMap<RuleId, (Status, Severity, Digest)>;

/// Returns what changed.
pub(crate) fn changes(prior: &Prior, results: &[Digested]) -> Vec<Change> {
    let known = prior
        .iter()
        .map(|(rule, (status, severity, value_digest))| {
            (rule.clone(), PriorState { status: *status, severity: *severity, value_digest: *value_digest })
        })
        .collect();
    let current: Vec<CurrentResult> = results
        .iter()
        .map(|digested| CurrentResult {
            rule_id: digested.result.rule_id.clone(),
            status: digested.result.status,
            severity: digested.result.severity,
            value_digest: digested.value_digest,
        })
        .collect();
    decide::changes(&known, &current)
}

/// What all change rows of a scan share.
#[derive(Debug, Clone)]
pub(crate) struct Shared<'s> {
    pub(crate) scan: &'s model::record::ScanRecord,
    pub(crate) measured_at: Timestamp,
    pub(crate) now: Timestamp,
}

/// Makes the rows of the change log.
pub(crate) fn rows(shared: &Shared<'_>, changes: &[Change], results: &[Digested]) -> Vec<ChangeRecord> {
    changes
        .iter()
        .map(|change| {
            let digested = &results[change.result];
            let result = &digested.result;
            ChangeRecord {
                transaction_id: TransactionId::new(new_uuid(shared.now)),
                host_id: shared.scan.host_id,
                rule_id: result.rule_id.clone(),
                scan_id: shared.scan.scan_id,
                prior_status: change.prior.map(|prior| prior.status),
                status: result.status,
                prior_severity: change.prior.map(|prior| prior.severity),
                severity: result.severity,
                change_kind: change.kind,
                prior_value_digest: change.prior.map(|prior| prior.value_digest),
                value_digest: digested.value_digest,
                evidence_sha256: digested.evidence.sha256,
                skip_reason: result.reason.as_ref().map(|reason| reason.code),
                rule_digest: digested.rule_digest,
                engine_digest: shared.scan.engine_digest,
                policy_digest: shared.scan.policy_digest,
                policy_version: shared.scan.policy_version.clone(),
                correlation_id: shared.scan.scan_id.to_string(),
                occurred_at: shared.measured_at,
                recorded_at: shared.now,
            }
        })
        .collect()
}

/// Scores the host over its current corpus: the results of this scan over what was known (SCH-23).
pub(crate) fn posture(
    corpus: &[RuleId],
    rule_set: Option<Digest>,
    prior: &Prior,
    results: &[Digested],
) -> PostureUpdate {
    let fresh: BTreeMap<&RuleId, (Status, Severity)> = results
        .iter()
        .map(|digested| (&digested.result.rule_id, (digested.result.status, digested.result.severity)))
        .collect();
    let current: Vec<(Status, Severity)> = corpus
        .iter()
        .filter_map(|rule| {
            let known = || prior.get(rule).map(|(status, severity, _)| (*status, *severity));
            fresh.get(rule).copied().or_else(known)
        })
        .collect();
    let counts = Counts::of(current.iter().map(|(status, _)| *status));
    PostureUpdate {
        state: counts.state(CriticalFailure::among(current)),
        pass_count: counts.pass,
        fail_count: counts.fail,
        skipped_count: counts.skipped,
        error_count: counts.error,
        not_applicable_count: counts.not_applicable,
        current_rule_set: rule_set,
    }
}
