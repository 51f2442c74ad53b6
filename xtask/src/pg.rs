//! `cargo xtask pg`: the PostgreSQL server that the tests share, for developers.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus};

use testkit::postgres::{Cluster, PostgresError, SUPERUSER};
use testkit::wait;

use crate::say;

/// A command that a signal ended has no code of its own; shells add the signal to this.
const BY_SIGNAL: i32 = 128;

/// Why there is no server or the command could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PgError {
    #[error("could not provide PostgreSQL")]
    Server {
        #[source]
        err: PostgresError,
    },
    #[error("could not start `{line}`")]
    Start {
        line: String,
        #[source]
        err: io::Error,
    },
}

fn server(err: PostgresError) -> PgError {
    PgError::Server { err }
}

/// Starts the server and lets it run until [`stop`].
pub(crate) fn start() -> Result<ExitCode, PgError> {
    let cluster = Cluster::shared().map_err(server)?;
    cluster.keep().map_err(server)?;
    say(&format!("PostgreSQL runs until `cargo xtask pg stop`: {}", cluster.url(SUPERUSER)));
    Ok(ExitCode::SUCCESS)
}

/// Stops the server, once nobody uses it.
pub(crate) fn stop() -> Result<ExitCode, PgError> {
    let cluster = Cluster::shared().map_err(server)?;
    cluster.let_go().map_err(server)?;
    let socket = cluster.socket_folder();
    drop(cluster);
    if wait::until(wait::LONG, || !socket.exists()) {
        say("PostgreSQL is stopped");
    } else {
        say("PostgreSQL is still used by tests, and stops when they end");
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command with `PLUMB_DATABASE_URL` set to a database of its own, which goes with it.
pub(crate) fn run(command: &[OsString]) -> Result<ExitCode, PgError> {
    let Some((program, arguments)) = command.split_first() else { return Ok(ExitCode::from(crate::USAGE)) };
    let cluster = Cluster::shared().map_err(server)?;
    let database = cluster.database().map_err(server)?;
    let mut command = Command::new(program);
    command.args(arguments).env("PLUMB_DATABASE_URL", database.url());
    let status = command.status().map_err(|err| start_error(program, err))?;
    Ok(code(status))
}

/// Runs `psql` as the superuser; its own arguments may name another database.
pub(crate) fn psql(arguments: &[OsString]) -> Result<ExitCode, PgError> {
    let cluster = Cluster::shared().map_err(server)?;
    let mut command = cluster.psql(SUPERUSER);
    command.args(arguments);
    let status = command.status().map_err(|err| start_error(&"psql".into(), err))?;
    Ok(code(status))
}

/// Says which server the tests use and how it is set, for the report of a run: each setting that is not as it comes.
pub(crate) fn report(cluster: &Cluster) -> Result<String, PgError> {
    let ask = |sql: &str| cluster.sql("postgres", sql).map_err(server);
    let version = ask("SHOW server_version")?;
    // Of psql 15: parameters with another value than the one they come with.
    let settings = ask("\\dconfig")?;
    let settings: Vec<String> = settings.lines().map(|line| line.replacen('|', " = ", 1)).collect();
    Ok(format!("PostgreSQL {}: {}", version.trim(), settings.join(", ")))
}

fn start_error(program: &OsString, err: io::Error) -> PgError {
    PgError::Start { line: program.to_string_lossy().into_owned(), err }
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| BY_SIGNAL + status.signal().unwrap_or(0));
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests;
