//! The steps of `cargo xtask test` and `ci`, each a command that is said before it runs.
//!
//! The test runner comes last, so that its summary is the last thing on the screen.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use testkit::host::{HostError, Tree};
use testkit::outside::{Outside, OutsideError};
use testkit::postgres::{Cluster, PostgresError};

use crate::{crash, machine, pg, say};

/// Why a step ended the run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("could not start `{line}`")]
    Start {
        line: String,
        #[source]
        err: io::Error,
    },
    #[error("`{line}` failed ({status})")]
    Failed { line: String, status: ExitStatus },
    #[error("could not find out who runs this")]
    User {
        #[source]
        err: io::Error,
    },
    #[error("the crash loop did not pass")]
    Crash {
        #[source]
        err: crash::CrashError,
    },
    #[error("could not make the tree of the test hosts")]
    Tree {
        #[source]
        err: HostError,
    },
    #[error("could not provide the checkers of documents")]
    Outside {
        #[source]
        err: OutsideError,
    },
    #[error("could not say which server the tests use")]
    Report {
        #[source]
        err: pg::PgError,
    },
    #[error("could not provide PostgreSQL")]
    Postgres {
        #[source]
        err: PostgresError,
    },
}

/// Everything CI does: packages, format, lints, the crash loop, tests.
pub(crate) fn ci(root: &Path) -> Result<(), StepError> {
    packages()?;
    cargo(root, &["fmt", "--all", "--check"])?;
    cargo(root, &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    for options in [crash::Options::default(), crash::Options::on_server()] {
        crash(root, &options)?;
    }
    // One failure must not hide the others where nobody is there to run it again.
    run_tests(root, &["--no-fail-fast".into()])
}

/// Installs what is missing, then runs all tests; `arguments` go to the test runner.
pub(crate) fn test(root: &Path, arguments: &[OsString]) -> Result<(), StepError> {
    packages()?;
    run_tests(root, arguments)
}

/// Kills the binary at random moments; builds it first, unless another one is named.
pub(crate) fn crash(root: &Path, options: &crash::Options) -> Result<(), StepError> {
    let binary = if let Some(binary) = &options.binary {
        binary.clone()
    } else {
        cargo(root, &["build", "--locked", "--package", "plumb"])?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
        target.join("debug/plumb")
    };
    crash::run(&binary, options).map_err(|err| StepError::Crash { err })
}

/// Installs the packages that are missing, or says how, when this is not root.
pub(crate) fn packages() -> Result<(), StepError> {
    let missing = machine::missing();
    if missing.is_empty() {
        return Ok(());
    }
    let commands = machine::install_commands(&missing);
    if machine::is_root().map_err(|err| StepError::User { err })? {
        for words in commands {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
            run(command)?;
        }
        return Ok(());
    }
    let lines: Vec<String> = commands.iter().map(|words| format!("sudo {}", words.join(" "))).collect();
    say(&format!("packages are missing that tests need; run:\n    {}", lines.join(" && ")));
    Ok(())
}

fn run_tests(root: &Path, arguments: &[OsString]) -> Result<(), StepError> {
    cargo(root, &["build", "--locked", "--package", "plumb"])?;
    if machine::is_root().map_err(|err| StepError::User { err })? {
        // Minutes the first time; here it is seen to be that, in a test it would look like a hang.
        say("making sure of the tree of the test hosts (built once, takes minutes)");
        Tree::debian12().map_err(|err| StepError::Tree { err })?;
    } else {
        say("not root: the tests that start hosts will fail");
    }
    say("making sure of the checkers of documents (fetched once)");
    Outside::shared().map_err(|err| StepError::Outside { err })?;
    // Held for the whole run: all tests share this one server.
    let postgres = Cluster::shared().map_err(|err| StepError::Postgres { err })?;
    say(&pg::report(&postgres).map_err(|err| StepError::Report { err })?);
    cargo(root, &["test", "--locked", "--workspace", "--doc"])?;
    let runner: &[&str] = if has_nextest(root) { &["nextest", "run"] } else { &["test", "--tests"] };
    let mut command = cargo_command(root);
    command.args(runner).args(["--locked", "--workspace"]).args(arguments);
    run(command)
}

fn has_nextest(root: &Path) -> bool {
    let mut command = cargo_command(root);
    command.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<(), StepError> {
    let mut command = cargo_command(root);
    command.args(arguments);
    run(command)
}

fn cargo_command(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What `cargo run` sets for this program would make the crates below it rebuild.
    for name in std::env::vars_os().map(|(name, _value)| name) {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command.current_dir(root);
    command
}

fn run(mut command: Command) -> Result<(), StepError> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    say(&format!("+ {line}"));
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(StepError::Failed { line, status }),
        Err(err) => Err(StepError::Start { line, err }),
    }
}
