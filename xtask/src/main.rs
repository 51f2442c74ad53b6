//! What developers and CI run beside cargo itself: `cargo xtask test`, `tidy`, `ci`, `crash`, `pg`, `packages`.
//!
//! Holds no product code, and nothing of the product depends on it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod crash;
mod machine;
mod pg;
mod steps;
mod tidy;

/// Exit code for findings and failed steps.
const FAILED: u8 = 1;

/// Exit code for arguments that make no sense.
const USAGE: u8 = 64;

const HELP: &str = "\
usage: cargo xtask <command>

  test [-- ARGS]   install what the tests need (as root), build `plumb`, run all tests and doc tests
  tidy             check the house rules that a command can see
  ci               what CI runs: format, lints, 200 rounds of `crash` on a file and 40 on PostgreSQL, then `test`
  crash [--postgres] [--rounds N] [--seed S] [--binary PATH]
                   kill the built binary, or the one at PATH, at random moments while it scans, then check what it left;
                   on a PostgreSQL server of its own, that is killed now and then, too
  pg start | stop  keep the PostgreSQL server of the tests running, or no longer
  pg run -- COMMAND
                   run COMMAND with PLUMB_DATABASE_URL set to a new PostgreSQL database, which goes with it
  pg psql [ARGS]   look into that server
  packages         install the Debian packages the tests need, or print the line that does
";

/// Says a line to whoever runs this. A closed stream is their choice, not a failure.
fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// Returns the root of the repository: the folder this crate lies in was built from.
fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(|word| word.to_str().unwrap_or("?")).collect();
    let root = repository();
    let done = match words.as_slice() {
        ["test"] => steps::test(&root, &[]),
        ["test", "--", ..] => steps::test(&root, &arguments[2..]),
        ["ci"] => steps::ci(&root),
        ["packages"] => steps::packages(),
        ["crash", options @ ..] => match crash::Options::read(options) {
            Some(options) => steps::crash(&root, &options),
            None => {
                say(HELP);
                return ExitCode::from(USAGE);
            }
        },
        ["tidy"] => return tidy(&root),
        ["pg", "start"] => return ended(pg::start()),
        ["pg", "stop"] => return ended(pg::stop()),
        ["pg", "run", "--", _program, ..] => return ended(pg::run(&arguments[3..])),
        ["pg", "psql", ..] => return ended(pg::psql(&arguments[2..])),
        ["help" | "--help" | "-h"] => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        _unknown => {
            say(HELP);
            return ExitCode::from(USAGE);
        }
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

/// Says why something failed.
fn ended<E: std::error::Error>(done: Result<ExitCode, E>) -> ExitCode {
    done.unwrap_or_else(|why| {
        say(&format!("error: {}", with_causes(&why)));
        ExitCode::from(FAILED)
    })
}

fn tidy(root: &Path) -> ExitCode {
    match tidy::check(root) {
        Ok(findings) if findings.is_empty() => {
            say("tidy: nothing found");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            let mut stdout = io::stdout().lock();
            for finding in &findings {
                drop(writeln!(stdout, "{finding}"));
            }
            say(&format!("tidy: {} findings", findings.len()));
            ExitCode::from(FAILED)
        }
        Err(why) => ended(Err(why)),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
