//! Why a rule stands as it does on a host: everything an operator needs on one screen.

use formats::report::ControlRef;
use model::record::HostRecord;
use model::{Evidence, RuleId, Timestamp};
use serde::Serialize;
use store::blobs::Store;
use store::history::{HistoryRow, Page};

use crate::context::App;
use crate::error::{Error, Kind};
use crate::posture::RuleView;

/// How many changes are shown.
const CHANGES_SHOWN: u32 = 5;

/// One rule on one host.
#[derive(Debug, Clone, Serialize)]
pub struct Why {
    pub host: String,
    pub rule: RuleView,
    /// False where the newest full scan did not have this rule, or there was none: the posture does not count it.
    pub in_posture: bool,
    /// False where the rule that was measured last came from a directory and is not the shipped one.
    pub content_signed: bool,
    pub description: Option<String>,
    pub rationale: Option<String>,
    pub fix: Option<String>,
    /// None where it is gone: somebody erased it, or retention removed it.
    pub evidence: Option<Evidence>,
    pub controls: Vec<ControlRef>,
    /// Newest first.
    #[serde(skip)]
    pub changes: Vec<HistoryRow>,
}

impl App {
    /// Explains a rule on a host.
    ///
    /// # Errors
    /// When the host is unknown, the rule does not exist, or it was never checked there.
    pub async fn why(&self, rule: &str, host: &str) -> Result<Why, Error> {
        let host: HostRecord = self.load_host(host).await?.record;
        let rule_id = RuleId::parse(rule).map_err(|err| Error::new(Kind::Usage, err.to_string()))?;
        let now = self.now();
        let states = self.db.results_as_of((&self.tenant, host.host_id), (Timestamp::MAX, now), None).await?;
        let Some(state) = states.into_iter().find(|state| state.rule_id == rule_id) else {
            return Err(self.never_checked(&rule_id, &host));
        };
        let counted = match self.db.find_full_scan(&self.tenant, host.host_id, (now, now)).await? {
            Some(full) => {
                let of_host = (&self.tenant, host.host_id);
                self.db.results_as_of(of_host, (now, now), full.rule_set_sha256).await?
            }
            None => Vec::new(),
        };
        let bytes = self.db.find_blob(&self.tenant, Store::Evidence, state.evidence_sha256).await?;
        let evidence =
            bytes.as_deref().filter(|bytes| *bytes != b"{}").map(serde_json::from_slice).transpose();
        let evidence =
            evidence.map_err(|err| Error::internal(format!("stored evidence does not read: {err}")))?;
        let (of_host, last) = ((&self.tenant, host.host_id), state.last_checked_at);
        let is_unsigned = self.db.has_unsigned_since(of_host, last, (last, now)).await?;
        let page = Page {
            host_id: host.host_id,
            rule_id: Some(&rule_id),
            after: Timestamp::MIN,
            until: Timestamp::MAX,
            before: None,
            limit: CHANGES_SHOWN,
        };
        let known = self.content.corpus().find(rule);
        Ok(Why {
            content_signed: !is_unsigned,
            in_posture: counted.iter().any(|state| state.rule_id == rule_id),
            changes: self.db.list_changes(&self.tenant, page).await?,
            description: known.map(|rule| rule.description.clone()),
            rationale: known.map(|rule| rule.rationale.clone()),
            fix: known.and_then(rules::Rule::fix_line),
            controls: self.content.controls(&rule_id, Some(&crate::posture::recorded::platform(&host))),
            rule: RuleView {
                title: self.content.title(&rule_id).to_owned(),
                imported: evidence.as_ref().and_then(|evidence: &Evidence| evidence.imported.clone()),
                rule_id,
                status: state.status,
                severity: state.severity,
                skip_reason: state.skip_reason,
                controls: Vec::new(),
                since: state.last_changed_at,
                last_value_changed_at: state.last_value_changed_at,
                last_checked_at: state.last_checked_at,
                check_count: state.check_count,
                value_digest: state.value_digest,
                evidence_sha256: state.evidence_sha256,
                log_index: state.log_index,
            },
            host: host.name,
            evidence,
        })
    }

    fn never_checked(&self, rule: &RuleId, host: &HostRecord) -> Error {
        match self.refuse_unknown_rule(rule) {
            Err(unknown) => unknown,
            Ok(()) => Error::new(Kind::NotFound, format!("rule {rule} was never checked on {}", host.name))
                .hint(format!("run `plumb scan {}`; it may not apply to this platform", host.name)),
        }
    }

    /// Refuses a rule that the content does not have, and names one that it has.
    pub(crate) fn refuse_unknown_rule(&self, rule: &RuleId) -> Result<(), Error> {
        let corpus = self.content.corpus();
        if corpus.find(rule.as_str()).is_some() {
            return Ok(());
        }
        let error = Error::new(Kind::NotFound, format!("there is no rule {rule}"));
        Err(match corpus.nearest_rule(rule.as_str()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint("`plumb rules list` shows the rules"),
        })
    }
}
