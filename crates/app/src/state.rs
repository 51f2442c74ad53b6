//! Rebuilding the current state from the change log and comparing it with what is stored (TLW-21).

use std::collections::BTreeMap;

use decide::{Counts, CriticalFailure};
use model::record::{ChangeRecord, HostRecord};
use model::{ChangeKind, HostId, RuleId, Timestamp};
use serde::Serialize;
use store::StoreError;
use store::history::{PAGE_MAX, Page};
use store::rebuild::{PostureTexts, StateRow, StateTexts, written};

use crate::context::App;
use crate::error::Error;

/// What differs where the counted checks of a host are not those of its runs.
pub(crate) const COVERAGE: &str = "count and time of checks";

/// Stored state that is not what the change log and the scan runs say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub host: String,
    /// None when the whole host is meant.
    pub rule_id: Option<RuleId>,
    /// What differs: a column, `row is missing` or `row is extra`.
    pub what: String,
    pub stored: String,
    pub rebuilt: String,
}

impl App {
    /// Rebuilds every host's state and returns each difference.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn verify_state(&self) -> Result<Vec<Difference>, Error> {
        // A scan that is recorded between two reads would look like a difference.
        let now = self.snapshot().await?;
        let differences = now.differences().await;
        now.db.end_snapshot().await;
        Ok(differences?)
    }

    pub(crate) async fn differences(&self) -> Result<Vec<Difference>, StoreError> {
        let mut differences = Vec::new();
        for (host, kept) in self.db.list_postures(&self.tenant).await? {
            let stored = self.db.load_state(&self.tenant, host.host_id).await?;
            let rebuilt = self.rebuild(host.host_id).await?;
            differences.extend(compare(&host.name, &stored, &rebuilt));
            differences.extend(self.derived((&host, kept), &rebuilt).await?);
        }
        Ok(differences)
    }

    /// Compares what is kept beside a host for lists with what its runs and its rebuilt state give.
    async fn derived(
        &self,
        (host, kept): (&HostRecord, Option<PostureTexts>),
        rebuilt: &BTreeMap<RuleId, StateRow>,
    ) -> Result<Vec<Difference>, StoreError> {
        let id = host.host_id;
        let always = (Timestamp::MAX, Timestamp::MAX);
        let full = self.db.find_full_scan(&self.tenant, id, always).await?;
        let rule_set = full.and_then(|scan| scan.rule_set_sha256);
        let rules = match rule_set {
            Some(set) => self.db.load_rule_set(&self.tenant, set).await?,
            None => Vec::new(),
        };
        let current: Vec<_> =
            rules.iter().filter_map(|rule| rebuilt.get(rule)).map(|row| (row.status, row.severity)).collect();
        let counts = Counts::of(current.iter().map(|(status, _)| *status));
        let coverage = self.db.compare_coverage(&self.tenant, id).await?;
        let mut columns = Vec::new();
        if let Some(kept) = kept {
            let right = [counts.pass, counts.fail, counts.skipped, counts.error, counts.not_applicable];
            let state = counts.state(CriticalFailure::among(current));
            columns.push(("compliance_state", kept.state, state.to_string()));
            columns.push(("counts of results", format!("{:?}", kept.counts), format!("{right:?}")));
            columns.push((
                "current_rule_set",
                written(kept.current_rule_set),
                rule_set.map(|set| set.to_string()).unwrap_or_default(),
            ));
            let last = self.db.find_last_applied(&self.tenant, id).await?;
            let last =
                last.map(|scan| (Some(scan.scan_id.to_string()), scan.measured_at)).unwrap_or_default();
            columns.push(("last scan", said((kept.last_scan_id, kept.last_checked_at)), said(last)));
        } else if !rebuilt.is_empty() {
            columns.push(("host_posture", "no row".to_owned(), "a row".to_owned()));
        }
        columns.extend(coverage.into_iter().map(|(stored, runs)| (COVERAGE, stored, runs)));
        let differing = columns.into_iter().filter(|(_, stored, rebuilt)| stored != rebuilt);
        Ok(differing
            .map(|(what, stored, rebuilt)| Difference {
                host: host.name.clone(),
                rule_id: None,
                what: what.to_owned(),
                stored,
                rebuilt,
            })
            .collect())
    }

    /// Replays a host's change log, oldest first.
    async fn rebuild(&self, host_id: HostId) -> Result<BTreeMap<RuleId, StateRow>, StoreError> {
        let mut changes: Vec<ChangeRecord> = Vec::new();
        let mut before = None;
        loop {
            let page = Page {
                host_id,
                rule_id: None,
                after: Timestamp::MIN,
                until: Timestamp::MAX,
                before,
                limit: PAGE_MAX,
            };
            let rows = self.db.list_changes(&self.tenant, page).await?;
            before = rows.last().map(|row| row.log_index);
            let is_last = rows.len() < PAGE_MAX as usize;
            changes.extend(rows.into_iter().map(|row| row.change));
            if is_last {
                break;
            }
        }
        let mut state = BTreeMap::new();
        for change in changes.into_iter().rev() {
            replay(&mut state, change);
        }
        Ok(state)
    }
}

fn replay(state: &mut BTreeMap<RuleId, StateRow>, change: ChangeRecord) {
    let at = change.occurred_at;
    let row = state.entry(change.rule_id).or_insert(StateRow {
        status: change.status,
        severity: change.severity,
        value_digest: change.value_digest,
        evidence_sha256: change.evidence_sha256,
        skip_reason: change.skip_reason,
        first_seen_at: at,
        last_changed_at: at,
        last_value_changed_at: at,
    });
    if change.change_kind != ChangeKind::ValueChanged {
        row.last_changed_at = at;
    }
    if row.value_digest != change.value_digest {
        row.last_value_changed_at = at;
    }
    row.status = change.status;
    row.severity = change.severity;
    row.value_digest = change.value_digest;
    row.evidence_sha256 = change.evidence_sha256;
    row.skip_reason = change.skip_reason;
}

fn compare(
    host: &str,
    stored: &BTreeMap<String, StateTexts>,
    rebuilt: &BTreeMap<RuleId, StateRow>,
) -> Vec<Difference> {
    let difference = |rule: Option<RuleId>, what: &str, stored: &str, rebuilt: &str| Difference {
        host: host.to_owned(),
        rule_id: rule,
        what: what.to_owned(),
        stored: stored.to_owned(),
        rebuilt: rebuilt.to_owned(),
    };
    let mut found = Vec::new();
    for (rule, texts) in stored {
        let id = RuleId::parse(rule).ok();
        let Some(right) = id.as_ref().and_then(|id| rebuilt.get(id)) else {
            // Where the rule has no name that one can have, that is what stands there.
            let [(_, status), ..] = texts;
            found.push(difference(id.clone(), "row is extra", if id.is_some() { status } else { rule }, ""));
            continue;
        };
        for ((column, stored), (_, rebuilt)) in texts.iter().zip(right.texts()) {
            if *stored != rebuilt {
                found.push(difference(id.clone(), column, stored, &rebuilt));
            }
        }
    }
    let missing = rebuilt.iter().filter(|(rule, _)| !stored.contains_key(rule.as_str()));
    found.extend(
        missing.map(|(rule, row)| difference(Some(rule.clone()), "row is missing", "", row.status.as_str())),
    );
    found
}

/// Names the last scan of a host, as far as one is known.
fn said((scan, at): (Option<String>, Option<Timestamp>)) -> String {
    match at {
        Some(at) => format!("{} at {at}", written(scan)),
        None => written(scan),
    }
}
