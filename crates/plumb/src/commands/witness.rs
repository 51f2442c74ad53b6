//! `plumb witness serve`, and the submission of our own checkpoints behind the commands that sign them.

use app::witness::{Options, Server};
use app::{App, Clock, Error, Kind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::{WitnessCommand, WitnessServeArgs};
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
        tls: args.tls_cert.zip(args.tls_key),
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
    let served = server.run(stopped, console::warn).await;
    waiting.abort();
    served.map(|()| Exit::Success)
}

/// Does the work of a command that may sign a checkpoint, then has the checkpoint cosigned by the witnesses of
/// the configured policy.
///
/// A witness that does not answer changes nothing but a line on standard error. One that has seen another
/// history turns success into "no".
pub(super) async fn after(
    app: &App,
    work: impl AsyncFnOnce(&App) -> Result<Exit, Error>,
) -> Result<Exit, Error> {
    let exit = work(app).await?;
    let sound = submit(app).await?;
    Ok(if sound || exit != Exit::Success { exit } else { Exit::AnswerIsNo })
}

/// Covers everything by a checkpoint and has it cosigned, then does the work of a command that shows it.
pub(super) async fn first(
    app: &App,
    work: impl AsyncFnOnce(&App) -> Result<Exit, Error>,
) -> Result<Exit, Error> {
    if !app.has_policy() {
        return work(app).await;
    }
    app::checkpoint::cut(app).await?;
    let sound = submit(app).await?;
    let exit = work(app).await?;
    Ok(if sound || exit != Exit::Success { exit } else { Exit::AnswerIsNo })
}

/// Submits the newest checkpoint and says what did not go well. False when a witness has seen what this log
/// does not hold.
async fn submit(app: &App) -> Result<bool, Error> {
    let submitted = app.witness().await?;
    submitted.iter().filter_map(app::witness::Submitted::warning).for_each(|line| console::warn(&line));
    Ok(!submitted.iter().any(|one| one.outcome.is_alarming()))
}
