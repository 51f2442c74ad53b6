//! Results as they are on record, in the shape of a scan's: the same reports of them need no host to be asked again.

use std::collections::BTreeMap;

use decide::{Counts, CriticalFailure};
use formats::report::{
    Cause, ControlRef, HostScan, Measured, NotMeasured, Outcome, ResultView, ScanReport, essence, seen,
};
use model::fact::{ClaimKind, Classification, FactType, Subject};
use model::record::{HostRecord, ScanRecord};
use model::{Digest, Evidence, Platform, Reason, RuleId, RunStatus, Timestamp};
use serde::Deserialize;
use store::blobs::Store;
use store::facts::read::{Instants, Wanted};
use store::posture::RuleState;

use super::{AsOf, Lenses, StoredMapping, StoredRule, read_corpus};
use crate::context::App;
use crate::error::{Error, Kind};

/// What stands for evidence that is not there any more.
const ERASED: &str = "the evidence was erased";

impl App {
    /// Returns the results of a host, or of all hosts that were in the inventory, as of two instants.
    ///
    /// Titles and controls are those of the time; descriptions and fixes those of the rules in use. What no rule in use
    /// says any more is empty.
    ///
    /// # Errors
    /// When there is no such host or framework, or no host at all.
    pub async fn results_on_record(&self, host: Option<&str>, as_of: &AsOf) -> Result<ScanReport, Error> {
        let now = self.now();
        let at = (as_of.valid_at.unwrap_or(now), as_of.recorded_at.unwrap_or(now));
        let records = match host {
            Some(name) => vec![self.load_host_of(name, at.0).await?.record],
            None => self.hosts_at(at.0).await?,
        };
        if records.is_empty() {
            // Most formats have no way to say nothing of nobody.
            return Err(Error::new(Kind::NotFound, "no host was in the inventory then")
                .hint("`plumb host list` shows the hosts"));
        }
        let mut hosts = Vec::with_capacity(records.len());
        let mut content_signed = true;
        let mut lenses = Lenses::default();
        for record in records {
            let full = self.db.find_full_scan(&self.tenant, record.host_id, at).await?;
            content_signed &= match &full {
                Some(full) => self.is_content_signed(full, at).await?,
                None => true,
            };
            let outcome = match full {
                Some(scan) => self.recorded_results(&record, scan, (at, as_of), &mut lenses).await?,
                None => Outcome::NotMeasured(self.why_not(&record, at).await?),
            };
            let HostRecord { name, host_id, .. } = record;
            hosts.push(HostScan { target: name.clone(), host: name, host_id, outcome });
        }
        lenses.refuse_unknown()?;
        Ok(ScanReport {
            rules: self.content.texts(&hosts),
            hosts,
            framework: as_of.framework.clone(),
            content_signed,
            made_at: now,
            as_of: Some(at),
        })
    }

    async fn recorded_results(
        &self,
        host: &HostRecord,
        scan: ScanRecord,
        (at, as_of): ((Timestamp, Timestamp), &AsOf),
        lenses: &mut Lenses,
    ) -> Result<Outcome, Error> {
        let states = match scan.rule_set_sha256 {
            Some(set) => self.db.results_as_of((&self.tenant, host.host_id), at, Some(set)).await?,
            None => Vec::new(),
        };
        let then = self.stored_corpus(scan.corpus_digest).await?;
        let today = if as_of.today_mapping { Some(read_corpus(&self.content.document.bytes)?) } else { None };
        let mappings = &today.as_ref().unwrap_or(&then).mappings;
        let of_host = self.platform_of(host, &scan).await?;
        if let Some(framework) = &as_of.framework {
            self.lens(framework, today.is_none().then_some(&then), &of_host, lenses)?;
        }
        let rules = then.rules();
        let mut results = Vec::with_capacity(states.len());
        for state in states {
            let controls = controls(mappings, &state.rule_id, &of_host);
            let shown = as_of
                .framework
                .as_ref()
                .is_none_or(|framework| controls.iter().any(|control| control.framework == *framework));
            if shown {
                results.push(self.recorded_result(state, &rules, controls).await?);
            }
        }
        // As `plumb posture` counts: what is in the lens.
        let counts = Counts::of(results.iter().map(|result| result.status));
        let critical = CriticalFailure::among(results.iter().map(|result| (result.status, result.severity)));
        let took = scan.finished_at.zip(scan.started_at).map(|(end, start)| end.micros_since(start) / 1_000);
        Ok(Outcome::Measured(Box::new(Measured {
            platform: of_host,
            results,
            state: counts.state(critical),
            score: counts.score().map(|score| score.to_string()),
            duration_ms: took.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
            scan,
        })))
    }

    async fn recorded_result(
        &self,
        state: RuleState,
        rules: &BTreeMap<&RuleId, &StoredRule>,
        controls: Vec<ControlRef>,
    ) -> Result<ResultView, Error> {
        let evidence = self.recorded_evidence(state.evidence_sha256).await?;
        let (expected, actual, decided_by) = match &evidence {
            Some(evidence) => essence(evidence),
            None => (String::new(), ERASED.to_owned(), String::new()),
        };
        let why_not = |text: &str| state.skip_reason.map(|code| Reason::new(code, text));
        let reason = match &evidence {
            // Of a rule that does not apply the detail says why.
            Some(evidence) => evidence.error.clone().or_else(|| why_not(&evidence.detail)),
            None => why_not(ERASED),
        };
        let rule = rules.get(&state.rule_id);
        let title = rule.map_or(state.rule_id.as_str(), |rule| rule.title.as_str());
        Ok(ResultView {
            title: title.to_owned(),
            severity: state.severity,
            // Of the stored rules and not of the evidence, which can be erased.
            imported: rule.and_then(|rule| rule.imported.clone()),
            status: state.status,
            reason,
            expected,
            actual,
            decided_by,
            fix: self.content.corpus().find(state.rule_id.as_str()).and_then(rules::Rule::fix_line),
            controls,
            change: None,
            value_digest: state.value_digest,
            evidence_sha256: state.evidence_sha256,
            checked_at: state.last_checked_at,
            seen: evidence.map(|evidence| seen(state.status, &evidence)).unwrap_or_default(),
            rule_id: state.rule_id,
        })
    }

    /// Reads evidence; none when it was erased.
    async fn recorded_evidence(&self, sha256: Digest) -> Result<Option<Evidence>, Error> {
        let bytes = self.db.find_blob(&self.tenant, Store::Evidence, sha256).await?;
        let evidence =
            bytes.as_deref().filter(|bytes| *bytes != b"{}").map(serde_json::from_slice).transpose();
        evidence.map_err(|err| Error::internal(format!("stored evidence does not read: {err}")))
    }

    /// Tells why a host has no results at two instants: how its newest scan until then ended.
    async fn why_not(&self, host: &HostRecord, at: (Timestamp, Timestamp)) -> Result<NotMeasured, Error> {
        let scans = self.db.list_scans(&self.tenant, host.host_id).await?;
        let ended = |scan: &&ScanRecord| {
            scan.status != RunStatus::Completed
                && scan.finished_at.is_some_and(|finished| finished <= at.0)
                && scan.recorded_at.is_some_and(|recorded| recorded <= at.1)
        };
        let failed = scans
            .iter()
            .filter(ended)
            .find_map(|scan| Some((scan.failure_reason?, scan.failure_text.clone().unwrap_or_default())));
        Ok(match failed {
            Some((reason, message)) => NotMeasured { reason: Cause::Failed(reason), message, hint: None },
            None => NotMeasured {
                reason: Cause::NeverScanned,
                message: "no whole scan of it is on record".to_owned(),
                hint: Some(format!("run `plumb scan {}`", host.name)),
            },
        })
    }
}

fn controls(mappings: &[StoredMapping], rule: &RuleId, platform: &Platform) -> Vec<ControlRef> {
    let of = |mapping: &StoredMapping| {
        Some(ControlRef {
            framework: mapping.framework.clone(),
            edition: mapping.edition.clone(),
            controls: mapping.rules.get(rule)?.clone(),
        })
    };
    mappings.iter().filter(|mapping| mapping.applies_to(platform)).filter_map(of).collect()
}

/// Returns what the inventory says of a host's platform today. It keeps no kernel.
pub(crate) fn platform(host: &HostRecord) -> Platform {
    Platform {
        id: host.os_id.clone(),
        id_like: Vec::new(),
        version: host.os_version.clone(),
        name: host.os_name.clone(),
        arch: host.arch.clone(),
        kernel: String::new(),
    }
}

/// The fact that every scan puts about the operating system (FCT-29).
const OS: &str = "os";
/// A position behind every entry.
const BEHIND_ALL: u64 = i64::MAX as u64;

/// What that fact says.
#[derive(Deserialize)]
struct Os {
    id: String,
    version: String,
    name: String,
    arch: String,
}

impl App {
    /// Tells whether the results of a host at two instants all come from shipped rules: those of the newest full scan, and
    /// those that partial ones measured since.
    pub(super) async fn is_content_signed(
        &self,
        full: &ScanRecord,
        at: (Timestamp, Timestamp),
    ) -> Result<bool, Error> {
        let since = full.measured_at.unwrap_or(Timestamp::MIN);
        Ok(!self.db.has_unsigned_since((&self.tenant, full.host_id), since, at).await?)
    }

    /// Returns the platform that a scan found, whatever later ones found (POS-13); what the inventory says where the scan
    /// put no fact about it.
    pub(super) async fn platform_of(&self, host: &HostRecord, scan: &ScanRecord) -> Result<Platform, Error> {
        let instants = scan.measured_at.zip(scan.recorded_at);
        let Some((valid_at, recorded_at)) = instants else { return Ok(platform(host)) };
        let subject = Subject::host(host.host_id);
        let wanted = Wanted {
            kind: ClaimKind::Fact,
            subject: &subject,
            name: Some(OS),
            last: Some(FactType::Observed.as_str()),
            up_to: Classification::Restricted,
        };
        let then = Instants { valid_at, recorded_at, position: BEHIND_ALL };
        let found = self.db.list_as_of(&self.tenant, &wanted, then).await?.pop();
        // Somebody may have put a value of another shape there.
        let os = found.and_then(|found| serde_json::from_str::<Os>(&found.version.value).ok());
        Ok(match os {
            Some(Os { id, version, name, arch }) => Platform { id, version, name, arch, ..platform(host) },
            None => platform(host),
        })
    }
}
