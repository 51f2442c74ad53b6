//! Results of rules, read as observed facts of their host under `rule/<id>` (FCT-29). They stand in the change log and
//! nowhere else: nothing here writes, and a put of such a fact is refused.

use model::fact::RULE_PREFIX;
use model::{
    ClaimKey, ClaimKind, Classification, FactId, FactType, HostId, RuleId, Subject, Timestamp, Version,
};
use serde_json::json;
use store::facts::Stored;
use store::history::{HistoryRow, PAGE_MAX, Page};

use super::{Claim, Difference, Filter, Point};
use crate::context::App;
use crate::error::Error;

/// Most pages of one rule's changes that are looked through for one answer.
const PAGES_MAX: u32 = 200;

/// A rule on a host.
#[derive(Debug)]
pub(super) struct Asked {
    subject: Subject,
    host: HostId,
    rule: RuleId,
}

impl Asked {
    /// Reads which rule's results are asked for; none where it is about something else.
    pub(super) fn of(filter: &Filter) -> Option<Self> {
        let is_observed = filter.last.as_deref().is_none_or(|last| last == FactType::Observed.as_str());
        let rule = filter.name.as_deref()?.strip_prefix(RULE_PREFIX)?;
        if filter.kind != ClaimKind::Fact || !is_observed {
            return None;
        }
        let subject = filter.subject.clone();
        Some(Self { host: subject.host_id()?, rule: RuleId::parse(rule).ok()?, subject })
    }

    /// Makes the version that a change is, and the one after it closed.
    fn claim(&self, row: &HistoryRow, next: Option<&HistoryRow>) -> Result<Claim, Error> {
        let change = &row.change;
        let value = json!({
            "status": change.status,
            "severity": change.severity,
            "reason": change.skip_reason,
            "value_digest": change.value_digest,
            "evidence_sha256": change.evidence_sha256,
        });
        let value = ledger::canonical::to_bytes(&value).map(String::from_utf8);
        let unwritable =
            |err: &dyn std::fmt::Display| Error::internal(format!("could not write a fact: {err}"));
        let value = value.map_err(|err| unwritable(&err))?.map_err(|err| unwritable(&err))?;
        let reason = |row: &HistoryRow| format!("scan {}", row.change.scan_id);
        let version = Version {
            id: FactId::new(change.transaction_id.uuid()),
            seq: row.log_index,
            key: ClaimKey::Fact {
                subject: self.subject.clone(),
                predicate: format!("{RULE_PREFIX}{}", self.rule),
                fact_type: FactType::Observed,
            },
            value,
            t_valid: change.occurred_at,
            t_invalid: next.map(|next| next.change.occurred_at.max(change.occurred_at)),
            t_recorded: change.recorded_at,
            t_superseded: next.map(|next| next.change.recorded_at),
            superseded_by: next.map(|next| next.log_index),
            actor: row.requested_by.clone(),
            reason: Some(reason(row)),
            superseded_actor: next.map(|next| next.requested_by.clone()),
            superseded_reason: next.map(reason),
            classification: Classification::Normal,
        };
        let superseded_index = next.map(|next| next.log_index);
        let stored = Stored { version, log_index: row.log_index, superseded_index };
        // What moves when the result does, and nothing else: a blessing names it.
        Ok(Claim { stored, token: change.value_digest.to_string(), last_seen_at: None })
    }
}

impl App {
    async fn changes(
        &self,
        asked: &Asked,
        (before, limit): (Option<u64>, u32),
    ) -> Result<Vec<HistoryRow>, Error> {
        let page = Page {
            host_id: asked.host,
            rule_id: Some(&asked.rule),
            after: Timestamp::MIN,
            until: Timestamp::MAX,
            before,
            limit,
        };
        Ok(self.db.list_changes(&self.tenant, page).await?)
    }

    /// Lists what a rule said of a host, newest first; `before` is the place of a change in the ledger.
    pub(super) async fn result_history(
        &self,
        asked: &Asked,
        (before, limit): (Option<u64>, u32),
    ) -> Result<Vec<Claim>, Error> {
        // The last of the page before this one closed the first of this one.
        let newer = match before {
            // Nothing can stand at the last place, so that nothing closed there.
            Some(before) if before < i64::MAX.cast_unsigned() => {
                self.changes(asked, (Some(before + 1), 1)).await?
            }
            Some(_) | None => Vec::new(),
        };
        let mut next = newer.first().filter(|row| Some(row.log_index) == before);
        let rows = self.changes(asked, (before, limit)).await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in &rows {
            claims.push(asked.claim(row, next)?);
            next = Some(row);
        }
        Ok(claims)
    }

    /// Returns which rules say something else of a host at a recorded point than at an earlier one; nothing where the
    /// subject is no host.
    pub(super) async fn result_differences(
        &self,
        subject: &Subject,
        (from, to): (&Point, &Point),
    ) -> Result<Vec<Difference>, Error> {
        let Some(host) = subject.host_id() else { return Ok(Vec::new()) };
        let positions = (from.position, to.position);
        let rows = self.db.list_changes_between(&self.tenant, host, positions).await?;
        let mut differences = Vec::new();
        for rows in rows.chunk_by(|left, right| left.change.rule_id == right.change.rule_id) {
            let (before, between) = rows.split_at(rows.partition_point(|row| row.log_index < from.position));
            let Some((first, last)) = between.first().zip(between.last()) else { continue };
            let asked = Asked { subject: subject.clone(), host, rule: first.change.rule_id.clone() };
            let before = before.last().map(|row| asked.claim(row, Some(first))).transpose()?;
            let after = asked.claim(last, None)?;
            differences.push(Difference {
                key: after.stored.version.key.clone(),
                before,
                after: Some(after),
            });
        }
        Ok(differences)
    }

    /// Returns what a rule said of a host at an instant, as far as it was recorded at another.
    pub(super) async fn result_at(
        &self,
        asked: &Asked,
        valid_at: Timestamp,
        point: &Point,
    ) -> Result<Option<Claim>, Error> {
        let mut before = Some(point.position);
        let mut next: Option<HistoryRow> = None;
        for _page in 0..PAGES_MAX {
            let rows = self.changes(asked, (before, PAGE_MAX)).await?;
            let is_last = rows.len() < PAGE_MAX as usize;
            for row in rows {
                if row.change.occurred_at <= valid_at {
                    return asked.claim(&row, next.as_ref()).map(Some);
                }
                before = Some(row.log_index);
                next = Some(row);
            }
            if is_last {
                break;
            }
        }
        Ok(None)
    }
}
