//! One scan of one host: lease, conversation, evaluation, one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use formats::report::{Cause, HostScan, Measured, NotMeasured, Outcome, ResultView, essence, seen};
use model::record::{AuditPhase, AuditRecord, HostRecord, Reach, ScanRecord};
use model::{Digest, Endpoint, FailureReason, Platform, RunStatus, ScanId, ScanTrigger};
use rules::{Masker, Plan, SelectError};
use secrecy::ExposeSecret as _;
use serde_json::json;
use store::StoreError;
use store::apply::{Applied, Batch};
use store::facts::observed::Observed;
use store::hosts::Host;
use store::locks::{Claim, Fence};
use transport::{
    Conversation, ConverseError, PrivilegeUsed, Progress, Request, SshTarget, Target, TransportError,
    converse,
};

use super::batch::{self, Digested, Prior};
use super::characteristics;

use super::{ScanProgress, ScanTarget, Shared};
use crate::content::blob;
use crate::context::{App, new_uuid, nonces, random};
use crate::credentials::Login;
use crate::error::Error;
use crate::holder;
use crate::host_keys::KeyQuestion;

/// How much longer than the conversation a lease runs. Microseconds.
const LEASE_MARGIN_US: i64 = 60_000_000;
/// Attempts at storing a scan when somebody else was first.
const ATTEMPTS_MAX: u32 = 3;
/// Name of the policy in force while there are no signed policies.
const POLICY_VERSION: &str = "builtin-1";
/// What the engine digest is taken of: the program and its version.
const ENGINE: &str = concat!("plumbline/", env!("CARGO_PKG_VERSION"));

/// Why a plan was not made.
#[derive(Debug, thiserror::Error)]
enum PlanError {
    #[error("{0}")]
    Select(#[from] SelectError),
    #[error("no rule applies to {platform}")]
    NoRules { platform: String, narrowed: bool },
}

/// Why a host was not measured.
struct Failure {
    reason: FailureReason,
    message: String,
    hint: Option<String>,
}

/// A conversation with the plan it answered.
struct Answers {
    plan: Plan,
    conversation: Conversation,
}

type Report<'a> = &'a (dyn Fn(ScanProgress) + Send + Sync);

/// Scans one host.
///
/// # Errors
/// When the result cannot be stored; a host that cannot be measured is an outcome, not an error.
pub(super) async fn scan(
    app: &App,
    target: ScanTarget,
    login: Login,
    (shared, report): (&Shared, Report<'_>),
) -> Result<HostScan, Error> {
    let began = std::time::Instant::now();
    let secrets: Vec<Vec<u8>> =
        login.secrets.iter().map(|secret| secret.expose_secret().as_bytes().to_vec()).collect();
    let masker = Masker::new(&secrets, |bytes| Digest(ledger::sha256(bytes)))
        .map_err(|err| Error::internal(err.to_string()))?;
    let Kept { host, saved } = save(app, &target).await?;
    let scan = begin_record(app, &host, shared)?;
    let fence = begin(app, &scan, (shared, &login.user)).await?;
    let sent = AtomicBool::new(false);
    let hear = |progress: Progress| hear(&progress, report, &sent);
    let talked = talk(app, (&host, target.capture), (login, &masker), (shared, &hear)).await;
    let outcome = match talked {
        Err(failure) => {
            let used = sent.into_inner().then_some(PrivilegeUsed::SudoPassword);
            fail(app, (fence, &scan), failure, (used, None)).await?
        }
        Ok(mut answers) => {
            report(ScanProgress::Storing);
            let results = rules::evaluate(
                &answers.plan,
                &answers.conversation.hello,
                &answers.conversation.observations,
                &masker,
            );
            let results = batch::digest(&app.content, results)?;
            let told = characteristics::told(&answers.plan, (scan.host_id, &answers.conversation), &masker)?;
            // Rules were judged by what it is; from here on it is kept and shown.
            mask_platform(&mut answers.conversation.hello.platform, &masker);
            let (answers, results, told) = (&answers, &results, &told);
            let done = Done { saved: &saved, scan: &scan, fence, answers, results, told };
            apply(app, done, (shared, began)).await?
        }
    };
    Ok(HostScan { target: target.text, host: host.name, host_id: host.host_id, outcome })
}

/// A host in the inventory.
struct Kept {
    /// As this scan reaches it.
    host: HostRecord,
    /// As it is saved.
    saved: HostRecord,
}

/// Saves a host that is new. Of one that is saved, what this command says of its login is for this scan only.
async fn save(app: &App, target: &ScanTarget) -> Result<Kept, Error> {
    let host = target.host.record.clone();
    if let Some(saved) = target.host.saved.clone() {
        return Ok(Kept { host, saved });
    }
    let saved = app.save_host(&host, "host.saved").await?;
    Ok(Kept { host: saved.clone(), saved })
}

fn begin_record(app: &App, host: &HostRecord, shared: &Shared) -> Result<ScanRecord, Error> {
    let now = app.now();
    let policy = json!({
        "schema": "plumbline.policy/1",
        "host_key_policy": shared.policy.as_str(),
        "sudo": host.sudo,
    });
    Ok(ScanRecord {
        scan_id: ScanId::new(new_uuid(now)),
        host_id: host.host_id,
        trigger: ScanTrigger::OnDemand,
        requested_by: app.actor.clone(),
        is_full: shared.narrowing.is_full(&host.profile_id),
        selection: shared.narrowing.describe(),
        profile_id: shared.narrowing.profile.clone().unwrap_or_else(|| host.profile_id.clone()),
        status: RunStatus::Running,
        failure_reason: None,
        failure_text: None,
        pass_count: 0,
        fail_count: 0,
        skipped_count: 0,
        error_count: 0,
        not_applicable_count: 0,
        change_count: 0,
        policy_version: POLICY_VERSION.to_owned(),
        corpus_digest: app.content.digest(),
        engine_digest: Digest(ledger::sha256(ENGINE.as_bytes())),
        policy_digest: blob(&policy)?.sha256,
        manifest_sha256: None,
        rule_set_sha256: None,
        content_signed: app.content.shipped,
        channel_count: 0,
        round_trip_count: 0,
        sent_bytes: 0,
        received_bytes: 0,
        queued_at: now,
        started_at: Some(now),
        measured_at: None,
        finished_at: None,
        recorded_at: None,
    })
}

async fn begin(app: &App, scan: &ScanRecord, (shared, user): (&Shared, &str)) -> Result<Fence, Error> {
    let now = app.now();
    let lease_us = i64::try_from(shared.limits.conversation.as_micros()).unwrap_or(i64::MAX / 2);
    let holder = holder::of_this_process();
    let claim = Claim {
        host_id: scan.host_id,
        holder: &holder,
        purpose: "scan",
        now,
        until: now.plus_micros(lease_us.saturating_add(LEASE_MARGIN_US)),
    };
    let detail = json!({
        "host_id": scan.host_id,
        "selection": scan.selection,
        "is_full": scan.is_full,
        "user": user,
    });
    let audit = app.audit("scan.requested", AuditPhase::Intent, format!("scan:{}", scan.scan_id), &detail)?;
    let fence =
        app.db.begin_scan((&app.tenant, &audit), &claim, scan, &holder::is_gone, &mut nonces()).await?;
    Ok(fence)
}

/// Passes on how far a conversation is, and remembers that sudo was sent the password.
fn hear(progress: &Progress, report: Report<'_>, sent: &AtomicBool) {
    match progress {
        Progress::Connected => report(ScanProgress::Connected),
        Progress::LoggedIn | Progress::Hello => report(ScanProgress::LoggedIn),
        Progress::SudoPasswordSent => sent.store(true, Ordering::Relaxed),
        Progress::Answered { done, total } => report(ScanProgress::Answered { done: *done, total: *total }),
    }
}

/// Holds the conversation; a wish to stop ends it.
async fn talk(
    app: &App,
    (host, capture): (&HostRecord, Option<transport::Capture>),
    (login, masker): (Login, &Masker),
    (shared, hear): (&Shared, &(dyn Fn(Progress) + Send + Sync)),
) -> Result<Answers, Failure> {
    let target = match capture {
        Some(capture) => Target::Replay(Box::new(capture)),
        None => self::target(app, host, login, shared).await?,
    };
    let request = Request { target, limits: shared.limits.clone(), nonce_seed: random() };
    let selection = shared.narrowing.selection(&host.profile_id);
    let mut made = None;
    let plan = |hello: &model::Hello| -> Result<Vec<model::Command>, PlanError> {
        let selected = app.content.corpus().select(&selection, &hello.platform)?;
        if selected.is_empty() {
            let narrowed = !shared.narrowing.is_full(&host.profile_id);
            return Err(PlanError::NoRules { platform: hello.platform.name.clone(), narrowed });
        }
        let mut plan = rules::plan(selected, rules::TIMEOUT_MS);
        // Who asks for a few rules is not kept waiting for the rest.
        if shared.narrowing.is_full(&host.profile_id) {
            plan.ask_what_it_is(rules::TIMEOUT_MS);
        }
        let commands = plan.commands.clone();
        made = Some(plan);
        Ok(commands)
    };
    let mut stop = shared.stop.clone();
    let conversation = tokio::select! {
        conversation = converse(request, plan, hear) => conversation.map_err(|err| failure_of(err, masker))?,
        // When nobody can wish to stop any more, there is nothing to wait for.
        Ok(_) = stop.wait_for(|stop| *stop) => {
            return Err(Failure {
                reason: FailureReason::Cancelled,
                message: "the scan was stopped before the host had answered".to_owned(),
                hint: None,
            });
        }
    };
    let plan = made.ok_or_else(|| Failure {
        reason: FailureReason::EngineError,
        message: "the host answered without being asked".to_owned(),
        hint: None,
    })?;
    Ok(Answers { plan, conversation })
}

async fn target(app: &App, host: &HostRecord, login: Login, shared: &Shared) -> Result<Target, Failure> {
    let invalid = |message: String| Failure { reason: FailureReason::ConnectFailed, message, hint: None };
    match host.transport {
        Reach::Local => Ok(Target::Local { privilege: login.privilege }),
        Reach::Replay => Err(invalid(format!("{} is a recorded host and can only be replayed", host.name))),
        Reach::Ssh => {
            let address =
                host.address.parse().map_err(|err: model::AddressError| invalid(err.to_string()))?;
            let known = app.known_keys(&host.address, host.port).await;
            let known = known.map_err(|err| invalid(err.to_string()))?;
            let question = KeyQuestion {
                app: app.clone(),
                address: host.address.clone(),
                port: host.port,
                policy: shared.policy,
                user_file: Arc::clone(&shared.known_hosts),
                notices: Arc::clone(&shared.notices),
            };
            let lines = shared.known_hosts.iter().filter(|line| line.matches(&host.address, host.port));
            let keys: Vec<(String, bool)> = if known.is_empty() {
                lines.map(|line| (line.key_type.clone(), line.revoked)).collect()
            } else {
                known.into_iter().map(|known| (known.record.key_type, known.record.revoked)).collect()
            };
            // A host that has a trusted key is not asked for the one that was revoked.
            let any_trusted = keys.iter().any(|(_, revoked)| !revoked);
            let types = keys.into_iter().filter(|(_, revoked)| !(any_trusted && *revoked));
            Ok(Target::Ssh(Box::new(SshTarget {
                endpoint: Endpoint { address, port: host.port },
                user: login.user,
                credentials: login.credentials,
                privilege: login.privilege,
                known_key_types: types.map(|(key_type, _)| key_type).collect(),
                host_key: question.into_check(),
            })))
        }
    }
}

/// Says why there is no conversation, without the secrets that the host may have said (TLW-34).
fn failure_of(err: ConverseError<PlanError>, masker: &Masker) -> Failure {
    let failure = match err {
        ConverseError::Plan(PlanError::NoRules { platform, narrowed }) => {
            // Masked before it is cut and escaped.
            no_rules(&crate::targets::shown(&masker.mask_text(&platform).0), narrowed)
        }
        ConverseError::Plan(PlanError::Select(err)) => {
            Failure { reason: FailureReason::NoApplicableRules, message: err.to_string(), hint: None }
        }
        ConverseError::Transport(mut err) => {
            err.mask(&|said| masker.mask(said).0);
            failure_of_transport(&err)
        }
    };
    let mask = |text: String| masker.mask_text(&text).0;
    Failure { message: mask(failure.message), hint: failure.hint.map(mask), ..failure }
}

fn no_rules(platform: &str, narrowed: bool) -> Failure {
    let (message, hint) = if narrowed {
        (
            format!("no rule is left that was asked for and applies to {platform}"),
            "the options together may leave none; `plumb rules list` shows what there is",
        )
    } else {
        (
            format!("no rule applies to {platform}"),
            "`plumb rules list` shows the platforms that rules are for",
        )
    };
    Failure { reason: FailureReason::NoApplicableRules, message, hint: Some(hint.to_owned()) }
}

fn failure_of_transport(err: &TransportError) -> Failure {
    let mut message = err.to_string();
    if let Some(source) = std::error::Error::source(err) {
        message = format!("{message}: {source}");
    }
    let reason = err.reason();
    let hint = if reason == FailureReason::HostKeyUnknown {
        Some("import it by `plumb known-hosts import`, or use --host-key-policy tofu".to_owned())
    } else if reason == FailureReason::HostKeyMismatch {
        Some("find out why it changed; then `plumb known-hosts approve` the new key".to_owned())
    } else if reason == FailureReason::HostKeyRevoked {
        Some("give the host a new key and `plumb known-hosts approve` that".to_owned())
    } else if let TransportError::Auth { has_unopened: true, .. } = err {
        Some(crate::credentials::OPEN_HINT.to_owned())
    } else {
        err.hint()
    };
    Failure { reason, message, hint }
}

/// Records that the host was not measured: how root was reached as far as that is known (SSH-15), and a record of the cause
/// where there is one.
async fn fail(
    app: &App,
    (fence, scan): (Fence, &ScanRecord),
    failure: Failure,
    (used, cause): (Option<PrivilegeUsed>, Option<AuditRecord>),
) -> Result<Outcome, Error> {
    let now = app.now();
    let text: String = failure.message.chars().take(1000).collect();
    let stopped = failure.reason == FailureReason::Cancelled;
    let status = if stopped { RunStatus::Cancelled } else { RunStatus::Failed };
    let ended = ScanRecord {
        status,
        failure_reason: Some(failure.reason),
        failure_text: Some(text),
        finished_at: Some(now),
        ..scan.clone()
    };
    let action = if stopped { "scan.cancelled" } else { "scan.failed" };
    let mut detail = json!({"reason": failure.reason, "host_id": scan.host_id});
    if let Some(used) = used {
        detail["privilege"] = json!(privilege(used));
    }
    let audit = app.audit(action, AuditPhase::Outcome, format!("scan:{}", scan.scan_id), &detail)?;
    let audits: Vec<AuditRecord> = [audit].into_iter().chain(cause).collect();
    let by = (&app.tenant, app.actor.as_str());
    app.db.fail_scan(by, (fence, &ended), &audits, now, &mut nonces()).await?;
    let Failure { reason, message, hint } = failure;
    Ok(Outcome::NotMeasured(NotMeasured { reason: Cause::Failed(reason), message, hint }))
}

/// A measured host, about to be stored.
struct Done<'d> {
    /// As it was saved when the scan began.
    saved: &'d HostRecord,
    scan: &'d ScanRecord,
    fence: Fence,
    answers: &'d Answers,
    results: &'d [Digested],
    /// What the answers say of the host.
    told: &'d characteristics::Found,
}

async fn apply(
    app: &App,
    done: Done<'_>,
    (shared, began): (&Shared, std::time::Instant),
) -> Result<Outcome, Error> {
    let now = app.now();
    let prior: Prior = app.db.load_prior(&app.tenant, done.scan.host_id).await?;
    let saved = app.db.find_host(&app.tenant, done.scan.host_id).await?;
    let known = saved.as_ref().and_then(|host| host.posture.as_ref());
    // Valid time never runs back for a rule, even when the clock does (TLW-30).
    let measured_at = known.and_then(|posture| posture.last_checked_at).map_or(now, |last| last.max(now));
    let rules = super::ids(done.results);
    let rule_set = blob(&rules)?.sha256;
    let (corpus_rules, current) = if done.scan.is_full {
        (rules.clone(), Some(rule_set))
    } else {
        match known.and_then(|posture| posture.current_rule_set) {
            Some(current) => (app.db.load_rule_set(&app.tenant, current).await?, Some(current)),
            None => (Vec::new(), None),
        }
    };
    let posture = batch::posture(&corpus_rules, current, &prior, done.results);
    let changes = batch::changes(&prior, done.results);
    let scan = completed(&done, measured_at, now, changes.len())?;
    let shared_columns = batch::Shared { scan: &scan, measured_at, now };
    let evidence = changes.iter().map(|change| done.results[change.result].evidence.clone()).collect();
    let manifest = batch::manifest(done.results)?;
    let scan = ScanRecord {
        manifest_sha256: Some(manifest.sha256),
        rule_set_sha256: Some(rule_set),
        ..scan.clone()
    };
    let detail = json!({
        "host_id": scan.host_id,
        "manifest_sha256": manifest.sha256,
        "change_count": scan.change_count,
        "privilege": privilege(done.answers.conversation.privilege),
    });
    let audit =
        app.audit("scan.completed", AuditPhase::Outcome, format!("scan:{}", scan.scan_id), &detail)?;
    let batch = Batch {
        changes: batch::rows(&shared_columns, &changes, done.results),
        evidence,
        manifest,
        corpus: app.content.document.clone(),
        measured_at,
        rules,
        rule_set,
        host: learned(&done, saved.as_ref()),
        posture: posture.clone(),
        facts: Observed::default(),
        audit: vec![audit],
        scan,
    };
    let applied = store(app, &done, batch, now).await;
    let scan = match applied {
        Ok(Applied::Now(scan) | Applied::Before(scan)) => scan,
        Err(err) => return refused(app, &done, err).await,
    };
    let kinds = changes.iter().map(|change| (change.result, change.kind)).collect();
    Ok(Outcome::Measured(Box::new(Measured {
        platform: done.answers.conversation.hello.platform.clone(),
        results: views(app, &done, &kinds, (shared.framework.as_deref(), measured_at)),
        state: posture.state,
        score: super::score_of(&posture),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        scan,
    })))
}

/// Stores the scan with the facts and edges that it changes. Who puts one of this host by hand meanwhile has come first: then
/// it is compared again.
async fn store(
    app: &App,
    done: &Done<'_>,
    mut batch: Batch,
    now: model::Timestamp,
) -> Result<Applied, StoreError> {
    let (mut tries, mut undecided) = (1, None);
    loop {
        match store_once(app, done, &mut batch, now).await {
            Err(err) if is_overtaken(&err) && tries < ATTEMPTS_MAX => {
                tries += 1;
                if err.is_undecided() {
                    undecided = Some(err);
                }
            }
            // That this one failed says nothing of the one before it.
            Err(err) => return Err(undecided.unwrap_or(err)),
            applied => return applied,
        }
    }
}

async fn store_once(
    app: &App,
    done: &Done<'_>,
    batch: &mut Batch,
    now: model::Timestamp,
) -> Result<Applied, StoreError> {
    batch.facts = characteristics::changes(app, done.scan.host_id, done.told).await?;
    let by = (&app.tenant, app.actor.as_str());
    app.db.apply(by, done.fence, batch, now, &mut nonces()).await
}

/// Tells whether somebody else was first: a fact changed since it was compared, or the server gave this write up for
/// another one (TLW-28). A scan whose commit was not answered is found when it is stored once more, if it was done (TLW-10).
fn is_overtaken(err: &StoreError) -> bool {
    matches!(err, StoreError::VersionConflict { .. }) || err.is_out_of_order() || err.is_undecided()
}

/// Names in the record how root was reached (SSH-15).
const fn privilege(used: PrivilegeUsed) -> &'static str {
    match used {
        PrivilegeUsed::Login => "login",
        PrivilegeUsed::SudoNoPassword => "sudo",
        PrivilegeUsed::SudoPassword => "sudo_password",
    }
}

/// Records that the results could not be stored: the run ends as failed, and the host is given back.
///
/// After a lost lease nothing may be written. Where not even the failure can be written, as on a full disk,
/// the run stays behind for the next scan to end as abandoned.
async fn refused(app: &App, done: &Done<'_>, err: StoreError) -> Result<Outcome, Error> {
    let event = apply_failed(app, done, &err)?;
    let lost = matches!(err, StoreError::StaleFence);
    let reason = if lost {
        FailureReason::StaleFence
    } else if matches!(err, StoreError::EvidenceOversize { .. }) {
        FailureReason::EvidenceOversize
    } else {
        FailureReason::StoreError
    };
    let err = Error::from(err);
    let failure = Failure { reason, message: err.message.clone(), hint: err.hint.clone() };
    if lost {
        let by = (&app.tenant, app.actor.as_str());
        app.db.append_audits(by, &[event], app.now(), &mut nonces()).await?;
        let Failure { reason, message, hint } = failure;
        return Ok(Outcome::NotMeasured(NotMeasured { reason: Cause::Failed(reason), message, hint }));
    }
    // The first cause is the one to tell.
    let used = done.answers.conversation.privilege;
    fail(app, (done.fence, done.scan), failure, (Some(used), Some(event))).await.map_err(|_second| err)
}

/// Makes the record of an Apply that was refused (TLW-27).
fn apply_failed(app: &App, done: &Done<'_>, err: &StoreError) -> Result<AuditRecord, Error> {
    let scan = done.scan;
    let mut detail = json!({
        "scan_id": scan.scan_id,
        "host_id": scan.host_id,
        "reason": err.apply_failure(),
        "rule_count_attempted": done.results.len(),
    });
    if let Some(rule) = err.offending_rule() {
        detail["offending_rule_id"] = json!(rule);
    }
    app.audit("writer.apply.failed", AuditPhase::Outcome, format!("scan:{}", scan.scan_id), &detail)
}

fn completed(
    done: &Done<'_>,
    measured_at: model::Timestamp,
    now: model::Timestamp,
    n_changed: usize,
) -> Result<ScanRecord, Error> {
    let counts = decide::Counts::of(done.results.iter().map(|digested| digested.result.status));
    let wire = done.answers.conversation.wire;
    Ok(ScanRecord {
        status: RunStatus::Completed,
        pass_count: counts.pass,
        fail_count: counts.fail,
        skipped_count: counts.skipped,
        error_count: counts.error,
        not_applicable_count: counts.not_applicable,
        change_count: u32::try_from(n_changed)
            .map_err(|err| Error::internal(format!("too many changes: {err}")))?,
        channel_count: wire.channels,
        round_trip_count: wire.round_trips,
        sent_bytes: wire.bytes_sent,
        received_bytes: wire.bytes_received,
        measured_at: Some(measured_at),
        finished_at: Some(now),
        ..done.scan.clone()
    })
}

/// Masks what a host says that it runs: it is kept with the host and shown with each of its results (TLW-34).
fn mask_platform(platform: &mut Platform, masker: &Masker) {
    let Platform { id, id_like, version, name, arch, kernel } = platform;
    for text in [id, version, name, arch, kernel].into_iter().chain(id_like) {
        *text = masker.mask_text(text).0;
    }
}

/// Returns the host as it is saved by now, with its platform, when the scan learned something new about it.
fn learned(done: &Done<'_>, saved: Option<&Host>) -> Option<HostRecord> {
    let platform = &done.answers.conversation.hello.platform;
    let host = saved.map_or(done.saved, |host| &host.record);
    let now = HostRecord {
        os_id: platform.id.clone(),
        os_version: platform.version.clone(),
        os_name: platform.name.clone(),
        arch: platform.arch.clone(),
        ..host.clone()
    };
    (now != *host).then_some(now)
}

fn views(
    app: &App,
    done: &Done<'_>,
    changes: &std::collections::BTreeMap<usize, model::ChangeKind>,
    (framework, checked_at): (Option<&str>, model::Timestamp),
) -> Vec<ResultView> {
    let platform = &done.answers.conversation.hello.platform;
    let views = done.results.iter().enumerate().map(|(i, digested)| {
        let result = &digested.result;
        let rule = app.content.corpus().find(result.rule_id.as_str());
        let (expected, actual, decided_by) = essence(&result.evidence);
        ResultView {
            rule_id: result.rule_id.clone(),
            title: app.content.title(&result.rule_id).to_owned(),
            severity: result.severity,
            imported: result.evidence.imported.clone(),
            status: result.status,
            reason: result.reason.clone(),
            expected,
            actual,
            decided_by,
            fix: rule.and_then(rules::Rule::fix_line),
            controls: app.content.controls(&result.rule_id, Some(platform)),
            change: changes.get(&i).copied(),
            value_digest: digested.value_digest,
            evidence_sha256: digested.evidence.sha256,
            checked_at,
            seen: seen(result.status, &result.evidence),
        }
    });
    let in_lens = |view: &ResultView| {
        framework.is_none_or(|framework| view.controls.iter().any(|control| control.framework == framework))
    };
    views.filter(in_lens).collect()
}
