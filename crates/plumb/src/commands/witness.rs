//! `plumb witness serve`, and the submission of our own checkpoints behind the commands that sign them.

use std::io::Read as _;
use std::path::Path;

use app::witness::{Options, Server};
use app::{App, Clock, Error, Kind};
use ledger::Policy;
use ledger::policy::POLICY_BYTES_MAX;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::{Global, WitnessCommand, WitnessServeArgs};
use crate::console;
use crate::exit::Exit;

pub(super) async fn run(command: WitnessCommand) -> Result<Exit, Error> {
    match command {
        WitnessCommand::Serve(args) => serve(args).await,
    }
}

/// Serves until SIGTERM or SIGINT; then requests under way are ended.
async fn serve(args: WitnessServeArgs) -> Result<Exit, Error> {
    let server = Server::open(&Options {
        folder: args.dir,
        listen: args.listen,
        name: args.name,
        logs: args.logs,
        clock: Clock::System,
    })?;
    let failed = |err| Error::new(Kind::Unavailable, format!("could not wait for signals: {err}"));
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    let (stop, stopped) = watch::channel(false);
    console::print(format!("{}\n", server.policy_line()?).as_bytes())?;
    let waiting = tokio::spawn(async move {
        tokio::select! {
            _signal = terminated.recv() => {}
            _signal = interrupted.recv() => {}
        }
        stop.send_replace(true);
    });
    let served = server.run(stopped, console::note).await;
    waiting.abort();
    served.map(|()| Exit::Success)
}

/// Reads the policy that names the witnesses of this log; nothing when none is set. A policy that is of no use
/// refuses before anything is done.
fn configured(app: &App, global: &Global) -> Result<Option<Policy>, Error> {
    let Some(path) = &global.ledger_policy else { return Ok(None) };
    let policy = read_policy(path, Kind::Config)?;
    app.check_policy(&policy)?;
    Ok(Some(policy))
}

/// Reads a policy file; a mistake in it is an error of this kind.
pub(super) fn read_policy(path: &Path, kind: Kind) -> Result<Policy, Error> {
    let read = std::fs::File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(POLICY_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map(|_read| bytes)
    });
    let bytes = read.map_err(|err| {
        Error::new(Kind::Unavailable, format!("could not read the policy {}: {err}", path.display()))
    })?;
    Policy::parse(&bytes).map_err(|err| {
        Error::new(kind, format!("the policy {} does not read: {err}", path.display()))
            .hint("docs/formats/policy.md says how it is written")
    })
}

/// Does the work of a command that may sign a checkpoint, then has the checkpoint cosigned.
///
/// A witness that does not answer changes nothing but a line on standard error. One that has seen another
/// history turns success into "no".
pub(super) async fn after(
    app: &App,
    global: &Global,
    work: impl AsyncFnOnce(&App) -> Result<Exit, Error>,
) -> Result<Exit, Error> {
    let Some(policy) = configured(app, global)? else { return work(app).await };
    let exit = work(app).await?;
    let sound = submit(app, &policy).await?;
    Ok(if sound || exit != Exit::Success { exit } else { Exit::AnswerIsNo })
}

/// Covers everything by a checkpoint, has it cosigned, then does the work of a command that shows it.
pub(super) async fn first(
    app: &App,
    global: &Global,
    work: impl AsyncFnOnce(&App) -> Result<Exit, Error>,
) -> Result<Exit, Error> {
    let Some(policy) = configured(app, global)? else { return work(app).await };
    app::checkpoint::cut(app).await?;
    let sound = submit(app, &policy).await?;
    let exit = work(app).await?;
    Ok(if sound || exit != Exit::Success { exit } else { Exit::AnswerIsNo })
}

/// Submits the newest checkpoint and says what did not go well. False when a witness has seen what this log
/// does not hold.
async fn submit(app: &App, policy: &Policy) -> Result<bool, Error> {
    let submitted = app.witness(policy).await?;
    submitted.iter().filter_map(app::witness::Submitted::warning).for_each(|line| console::note(&line));
    Ok(!submitted.iter().any(|one| one.outcome.is_alarming()))
}
