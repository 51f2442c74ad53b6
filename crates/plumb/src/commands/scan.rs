//! `plumb scan`: targets, secrets and a stop wish in; results and exit status out.

use std::sync::{Arc, Mutex};

use app::content::ImportItem;
use app::credentials::Secrets;
use app::host_keys::{HostKeyPolicy, Notice, Notices};
use app::known_hosts;
use app::scan::{Narrowing, ScanRequest, ScanTarget};
use app::targets::{Overrides, Resolved};
use app::{App, Error, Kind};
use formats::Options;
use formats::report::ScanReport;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::cli::{FailLevel, Global, KeyPolicy, ScanArgs};
use crate::exit::Exit;
use crate::output;
use crate::progress::Display;
use crate::{config, console, prompt};

/// Longest known_hosts file of the user that is read. Bytes.
const KNOWN_HOSTS_BYTES_MAX: u64 = 16 << 20;

pub(super) async fn run(global: &Global, args: ScanArgs) -> Result<Exit, Error> {
    output::refuse_same(args.output.as_deref(), &args.reports)?;
    if args.profile.is_some() && global.tailoring.is_some() {
        return Err(Error::new(Kind::Usage, "--profile and --tailoring each name a profile, and one is run")
            .hint("leave one of them out"));
    }
    let secrets = secrets(&args)?;
    let app = super::created(global).await?;
    super::signing(app, async |app| run_with(app, (global, &args), secrets).await).await
}

async fn run_with(app: &App, (global, args): (&Global, &ScanArgs), secrets: Secrets) -> Result<Exit, Error> {
    let request = request(app, args, secrets).await?;
    tell_import(app);
    let report = scan(app, request, global.quiet).await?;
    show(args, &report)?;
    if !report.is_unstored() {
        app::checkpoint::cut(app).await?;
    }
    Ok(exit(&report, args.fail_on))
}

/// Most rules that were not imported and are named before a scan; the import report has the rest.
const NOT_IMPORTED_NAMED_MAX: usize = 10;

/// Says which rules of an imported directory this scan lacks.
fn tell_import(app: &App) {
    let Some(report) = app.content().import() else {
        return;
    };
    let refused: Vec<&ImportItem> = report.refused().collect();
    // A rule that is not there passes for one that does not fail.
    let tell = if refused.is_empty() { console::note } else { console::warn };
    tell(&super::rules::import_summary(report));
    for item in refused.iter().take(NOT_IMPORTED_NAMED_MAX) {
        let name = if item.rule.is_empty() { item.kind.as_str() } else { &item.rule };
        let place = format!("{}:{}:{}", item.file, item.line, item.column);
        tell(&output::clean(&format!("not imported: {name}: {} ({place})", item.message)));
    }
    if refused.len() > NOT_IMPORTED_NAMED_MAX {
        let more = refused.len() - NOT_IMPORTED_NAMED_MAX;
        tell(&format!("and {more} more: `plumb rules import-report DIR` names them"));
    }
}

/// Scans with progress; a first SIGINT, SIGTERM or SIGHUP asks the hosts to end, a second one ends the program.
pub(super) async fn scan(app: &App, mut request: ScanRequest, quiet: bool) -> Result<ScanReport, Error> {
    let (stop, stopped) = watch::channel(false);
    let asking = stopped.clone();
    request.stop = stopped;
    let names: Vec<String> = request.targets.iter().map(|target| target.text.clone()).collect();
    let (display, listener) = Display::start(&names, quiet);
    let notices: Notices = Arc::new(Mutex::new(Vec::new()));
    let failed = |err| Error::new(Kind::Unavailable, format!("could not wait for signals: {err}"));
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hung_up = hangups().map_err(failed)?;
    let interrupts = tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _signal = interrupted.recv() => {}
                _signal = terminated.recv() => {}
                () = hang_up(&mut hung_up) => {}
            }
            if !first {
                std::process::exit(i32::from(Exit::Incomplete.code()));
            }
            console::note("stopping; nothing half-written stays behind");
            stop.send_replace(true);
        }
    });
    let mut ask = |text: &str| prompt::secret(text, &asking);
    let report = app.scan(request, &mut ask, Arc::clone(&notices), listener).await;
    interrupts.abort();
    display.finish();
    let notices = notices.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for notice in notices.iter() {
        match notice {
            Notice::Note(line) => console::note(line),
            Notice::Warning(line) => console::warn(line),
        }
    }
    report
}

/// Listens for SIGHUP, unless the program was started to outlive its terminal, as by nohup(1), or that cannot be told.
fn hangups() -> std::io::Result<Option<Signal>> {
    // proc_pid_status(5): the signals that are ignored, the first one in the lowest bit.
    let status = std::fs::read_to_string("/proc/self/status").ok();
    let ignored =
        status.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("SigIgn:")));
    match ignored.map(|mask| u64::from_str_radix(mask.trim(), 16)) {
        Some(Ok(mask)) if mask & 1 == 0 => signal(SignalKind::hangup()).map(Some),
        Some(_) | None => Ok(None),
    }
}

async fn hang_up(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    }
}

async fn request(app: &App, args: &ScanArgs, secrets: Secrets) -> Result<ScanRequest, Error> {
    let identity_file = args.identity.as_deref().map(super::absolute).transpose()?;
    let (user, for_several) = (args.user.clone(), args.targets.len() > 1);
    let overrides = Overrides { user, identity_file, sudo: args.sudo, for_several };
    let ssh_dir = secrets.ssh_dir.clone();
    let config = config::ssh();
    let mut targets: Vec<ScanTarget> = Vec::with_capacity(args.targets.len());
    for text in &args.targets {
        let host = app.resolve(text, &config, &overrides).await?;
        if targets.iter().any(|target| same_place(target, &host.record)) {
            return Err(Error::new(Kind::Usage, format!("{text} names a host that was named before")));
        }
        tell_alias(text, &host);
        targets.push(ScanTarget { text: text.clone(), host, capture: None });
    }
    Ok(ScanRequest {
        targets,
        narrowing: Narrowing {
            profile: args.profile.clone().or_else(|| app.content().tailored().map(str::to_owned)),
            rules: args.rules.clone(),
            tags: args.tags.clone(),
            severities: args.severities.clone(),
        },
        framework: args.framework.clone(),
        policy: match args.host_key_policy {
            KeyPolicy::RequireKnown => HostKeyPolicy::RequireKnown,
            KeyPolicy::Tofu => HostKeyPolicy::Tofu,
        },
        concurrency: usize::from(args.concurrency),
        known_hosts: match &ssh_dir {
            Some(dir) => user_known_hosts(&dir.join("known_hosts"))?,
            None => Vec::new(),
        },
        secrets,
        limits: app::scan::Limits::default(),
        stop: watch::channel(false).1,
    })
}

/// Says that results stand under another name than the one that was asked for.
fn tell_alias(text: &str, host: &Resolved) {
    let Some(saved) = host.saved.as_ref().filter(|_| host.by_alias) else { return };
    let place = format!("{} port {}", saved.address, saved.port);
    console::warn(&format!(
        "{text} leads to {place}, where {} is saved: it is scanned as {}",
        saved.name, saved.name
    ));
}

fn same_place(target: &ScanTarget, record: &model::record::HostRecord) -> bool {
    let other = &target.host.record;
    (other.transport, &other.address, other.port) == (record.transport, &record.address, record.port)
}

/// Reads the user's known_hosts; a missing file is an empty one. One that cannot be read, or not to its end, is an error:
/// a host that it knows would pass for an unknown one.
fn user_known_hosts(path: &std::path::Path) -> Result<Vec<known_hosts::Line>, Error> {
    use std::io::Read as _;
    let unreadable = |err: &dyn std::fmt::Display| {
        Error::new(Kind::Config, format!("could not read {}: {err}", path.display()))
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(unreadable(&err)),
    };
    let mut bytes = Vec::new();
    let read = file.take(KNOWN_HOSTS_BYTES_MAX + 1).read_to_end(&mut bytes);
    let read = read.map_err(|err| unreadable(&err))?;
    if read as u64 > KNOWN_HOSTS_BYTES_MAX {
        return Err(unreadable(&"it is larger than 16 MiB"));
    }
    let (lines, _) = known_hosts::parse(&String::from_utf8_lossy(&bytes)).map_err(|err| unreadable(&err))?;
    Ok(lines)
}

fn secrets(args: &ScanArgs) -> Result<Secrets, Error> {
    let (ask_password, ask_sudo_password) = (args.ask_password, args.ask_sudo_password);
    if (ask_password || ask_sudo_password) && !prompt::has_terminal() {
        return Err(Error::new(Kind::Usage, "there is no terminal to ask for a password")
            .hint("set PLUMB_SSH_PASSWORD or PLUMB_SUDO_PASSWORD instead"));
    }
    Ok(Secrets { ask_password, ask_sudo_password, ..config::secrets()? })
}

fn show(args: &ScanArgs, report: &ScanReport) -> Result<(), Error> {
    let to_terminal = args.output.is_none() && console::stdout_is_terminal();
    let options = Options {
        format: args.format,
        color: to_terminal && !config::no_color(),
        verbose: args.verbose,
        version: env!("CARGO_PKG_VERSION"),
    };
    let bytes = output::render(report, &options)?;
    match &args.output {
        None => console::print(&bytes)?,
        Some(path) => console::write_file(path, &bytes)?,
    }
    output::write_files(report, &args.reports)
}

/// Maps the verdict to the exit status. A stopped scan is incomplete, never an answer.
fn exit(report: &ScanReport, fail_on: FailLevel) -> Exit {
    let fail_on = match fail_on {
        FailLevel::AtLeast(severity) => app::scan::FailOn::Severity(severity),
        FailLevel::Never => app::scan::FailOn::Never,
    };
    // What was not stored is no answer, whatever the other hosts say.
    if report.is_unstored() {
        return Exit::Unavailable;
    }
    match report.verdict(fail_on) {
        app::scan::Verdict::Compliant => Exit::Success,
        app::scan::Verdict::Failing => Exit::AnswerIsNo,
        app::scan::Verdict::Incomplete => Exit::Incomplete,
    }
}
