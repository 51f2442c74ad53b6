//! Scanning hosts: several at a time, each in one conversation and one transaction.

mod batch;
mod characteristics;
mod host;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use decide::{FailOn, Verdict};
use formats::report::{Cause, HostScan, NotMeasured, Outcome, ScanReport};
use model::record::Reach;
use model::{FailureReason, Platform, RuleId, Severity};
use rules::Selection;
use secrecy::SecretString;
use store::apply::PostureUpdate;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
pub use transport::{Capture, Limits};

use crate::context::App;
use crate::credentials::{Ask, Login, Secrets, ask_for_passwords, login, without_credentials};
use crate::error::{Error, Kind};
use crate::host_keys::{HostKeyPolicy, Notices};
use crate::known_hosts::Line;
use crate::targets::Resolved;

/// Most hosts that are scanned at the same time, whatever is asked.
pub const CONCURRENCY_MAX: usize = 256;

/// A platform that no rule is for.
const NO_PLATFORM: Platform = Platform {
    id: String::new(),
    id_like: Vec::new(),
    version: String::new(),
    name: String::new(),
    arch: String::new(),
    kernel: String::new(),
};

/// Which rules to run, as the user narrowed them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// Another profile than the host's assigned one.
    pub profile: Option<String>,
    pub rules: Vec<String>,
    pub tags: Vec<String>,
    pub severities: Vec<Severity>,
}

impl Narrowing {
    /// Says in words what was selected; empty for everything that applies.
    fn describe(&self) -> String {
        let mut parts = Vec::new();
        if let Some(profile) = &self.profile {
            parts.push(format!("profile {profile}"));
        }
        let severities: Vec<&str> = self.severities.iter().map(|severity| severity.as_str()).collect();
        let lists = [
            ("rules", self.rules.join(" ")),
            ("tags", self.tags.join(" ")),
            ("severities", severities.join(" ")),
        ];
        parts.extend(
            lists.iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| format!("{name} {list}")),
        );
        parts.join(", ")
    }

    fn selection(&self, assigned: &str) -> Selection {
        let assigned = (!assigned.is_empty()).then(|| assigned.to_owned());
        Selection {
            profile: self.profile.clone().or(assigned),
            rules: self.rules.clone(),
            tags: self.tags.clone(),
            severities: self.severities.clone(),
        }
    }

    /// A full scan runs the host's assigned profile, whole; everything else leaves the current corpus alone.
    fn is_full(&self, assigned: &str) -> bool {
        self.rules.is_empty()
            && self.tags.is_empty()
            && self.severities.is_empty()
            && self.profile.as_deref().is_none_or(|profile| profile == assigned)
    }
}

/// What to scan and how.
#[derive(Debug)]
pub struct ScanRequest {
    pub targets: Vec<ScanTarget>,
    pub narrowing: Narrowing,
    /// Show results through this framework only; never an input of the scan itself.
    pub framework: Option<String>,
    pub policy: HostKeyPolicy,
    pub concurrency: usize,
    pub secrets: Secrets,
    /// The user's known_hosts, read as an import.
    pub known_hosts: Vec<Line>,
    pub limits: Limits,
    /// Turns true when the user wants to stop.
    pub stop: watch::Receiver<bool>,
}

/// One target of a request.
#[derive(Debug)]
pub struct ScanTarget {
    /// As it was typed.
    pub text: String,
    pub host: Resolved,
    /// A recorded capture instead of a host.
    pub capture: Option<Capture>,
}

/// How far one host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanProgress {
    Started,
    Connected,
    LoggedIn,
    Answered { done: usize, total: usize },
    Storing,
    Done,
}

/// Hears of progress: position of the target in the request, and how far it is.
pub type Listener = Arc<dyn Fn(usize, ScanProgress) + Send + Sync>;

/// Why there is nothing to log in to a host with.
struct NoLogin {
    reason: FailureReason,
    err: Error,
}

/// What every host of one request shares.
#[derive(Debug)]
struct Shared {
    narrowing: Narrowing,
    framework: Option<String>,
    policy: HostKeyPolicy,
    known_hosts: Arc<Vec<Line>>,
    limits: Limits,
    stop: watch::Receiver<bool>,
    notices: Notices,
}

impl App {
    /// Scans hosts and returns what was found, in the order of the targets. One host that cannot be reached
    /// or recorded does not hide the results of the others.
    ///
    /// The caller shows the answer, then cuts a checkpoint over the new entries.
    ///
    /// # Errors
    /// When nothing could be started: unknown names of rules, profiles, tags or frameworks, or no name for a host.
    pub async fn scan(
        &self,
        mut request: ScanRequest,
        ask: Ask<'_>,
        notices: Notices,
        listener: Listener,
    ) -> Result<ScanReport, Error> {
        self.check_names(&request)?;
        for target in request.targets.iter().filter(|target| target.host.saved.is_none()) {
            self.check_host(&target.host.record).await?;
        }
        let logins = self.logins(&mut request, ask).await?;
        let shared = Arc::new(Shared {
            narrowing: request.narrowing,
            framework: request.framework.clone(),
            policy: request.policy,
            known_hosts: Arc::new(request.known_hosts),
            limits: request.limits,
            stop: request.stop,
            notices,
        });
        let slots = Arc::new(Semaphore::new(request.concurrency.clamp(1, CONCURRENCY_MAX)));
        let mut running = JoinSet::new();
        for (i, (target, login)) in request.targets.into_iter().zip(logins).enumerate() {
            let (app, shared, slots, listener) =
                (self.clone(), Arc::clone(&shared), Arc::clone(&slots), Arc::clone(&listener));
            running.spawn(async move {
                let scan = app.scan_in_slot((i, target), login, &shared, (&slots, &listener)).await;
                listener(i, ScanProgress::Done);
                (i, scan)
            });
        }
        let mut hosts = Vec::with_capacity(running.len());
        while let Some(joined) = running.join_next().await {
            let (i, scan) =
                joined.map_err(|err| Error::internal(format!("a scan ended by itself: {err}")))?;
            hosts.push((i, scan));
        }
        hosts.sort_by_key(|(i, _)| *i);
        let hosts: Vec<HostScan> = hosts.into_iter().map(|(_, host)| host).collect();
        Ok(ScanReport {
            rules: self.content.texts(&hosts),
            hosts,
            framework: request.framework,
            content_signed: self.content.shipped,
            made_at: self.now(),
            as_of: None,
        })
    }

    /// Collects the login of each target, in their order. For a host whose key will be refused nothing secret is got ready.
    async fn logins(
        &self,
        request: &mut ScanRequest,
        ask: Ask<'_>,
    ) -> Result<Vec<Result<Login, NoLogin>>, Error> {
        let mut refused = Vec::with_capacity(request.targets.len());
        for target in &request.targets {
            let host = &target.host.record;
            let place = (host.address.as_str(), host.port);
            refused.push(match host.transport {
                Reach::Ssh => self.refuses_every_key(place, request.policy, &request.known_hosts).await,
                Reach::Local | Reach::Replay => Ok(false),
            });
        }
        if refused.iter().any(|refused| matches!(refused, Ok(false))) {
            let asked = ask_for_passwords(&mut request.secrets, ask);
            // Who stopped at the question gets no host started, and is told no more than that.
            if !*request.stop.borrow() {
                asked?;
            }
        }
        // Who scans several hosts with one key is asked for its passphrase once.
        let mut answers = BTreeMap::new();
        let mut ask_once = |text: &str| -> Option<SecretString> {
            answers.entry(text.to_owned()).or_insert_with(|| ask(text)).clone()
        };
        let mut logins = Vec::with_capacity(refused.len());
        for (target, refused) in request.targets.iter().zip(refused) {
            let (host, secrets) = (&target.host.record, &request.secrets);
            logins.push(match refused {
                Ok(true) => Ok(without_credentials(host, secrets)),
                Ok(false) => login(host, secrets, &mut ask_once)
                    .await
                    .map_err(|err| NoLogin { reason: FailureReason::InvalidKey, err }),
                Err(err) => Err(NoLogin { reason: FailureReason::StoreError, err }),
            });
        }
        Ok(logins)
    }

    /// Refuses names of rules, profiles, tags and frameworks that do not exist, before any host is contacted.
    fn check_names(&self, request: &ScanRequest) -> Result<(), Error> {
        let corpus = self.content.corpus();
        for target in &request.targets {
            let selection = request.narrowing.selection(&target.host.record.profile_id);
            // Names are checked before the platform matters, so any platform will do.
            corpus.select(&selection, &NO_PLATFORM).map_err(|err| {
                Error::new(Kind::Usage, err.to_string()).hint("`plumb rules list` shows what there is")
            })?;
        }
        let Some(framework) = &request.framework else { return Ok(()) };
        if corpus.mappings().iter().any(|mapping| mapping.framework == *framework) {
            return Ok(());
        }
        let mut known: Vec<&str> = corpus.mappings().iter().map(|m| m.framework.as_str()).collect();
        known.dedup();
        Err(Error::new(Kind::Usage, format!("no rule is mapped to the framework {framework:?}"))
            .hint(format!("there are: {}", known.join(", "))))
    }

    async fn scan_in_slot(
        &self,
        (i, target): (usize, ScanTarget),
        login: Result<Login, NoLogin>,
        shared: &Shared,
        (slots, listener): (&Semaphore, &Listener),
    ) -> HostScan {
        // The semaphore is never closed, so a slot always comes.
        let _slot = slots.acquire().await;
        let text = target.text.clone();
        let record = target.host.record.clone();
        let not_measured = |reason, message: String, hint| HostScan {
            target: text.clone(),
            host: record.name.clone(),
            host_id: record.host_id,
            outcome: Outcome::NotMeasured(NotMeasured { reason: Cause::Failed(reason), message, hint }),
        };
        // As above: that there is no login then is not why the host was not measured.
        if *shared.stop.borrow() {
            let message = "it was not started".to_owned();
            return not_measured(FailureReason::Cancelled, message, None);
        }
        let login = match login {
            Ok(login) => login,
            Err(NoLogin { reason, err }) => return not_measured(reason, err.message, err.hint),
        };
        listener(i, ScanProgress::Started);
        let progress = |progress| listener(i, progress);
        match host::scan(self, target, login, (shared, &progress)).await {
            Ok(scan) => scan,
            Err(err) => {
                let busy = err.kind == Kind::Conflict;
                let reason = if busy { FailureReason::HostBusy } else { FailureReason::StoreError };
                not_measured(reason, err.message, err.hint)
            }
        }
    }
}

/// Lists ids with what they say, for the current corpus of a posture.
fn ids(results: &[batch::Digested]) -> Vec<RuleId> {
    results.iter().map(|digested| digested.result.rule_id.clone()).collect()
}

/// Returns the band and the score of a stored posture.
fn score_of(posture: &PostureUpdate) -> Option<String> {
    let counts = decide::Counts { pass: posture.pass_count, fail: posture.fail_count, ..Default::default() };
    counts.score().map(|score| score.to_string())
}
