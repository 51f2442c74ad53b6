//! `cargo xtask crash`: the built binary is killed at random moments while it scans and appends, opened again,
//! and checked: the log verifies, the state is what the log says, and no scan that was answered is lost
//! (LED-10, LED-20). With `--postgres` it works on a server of its own, which is killed in its place now and then.
//!
//! The same seed gives the same delays; what they hit is up to the machine. Drives the binary from outside
//! and knows nothing of its files.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use testkit::fuzz::SplitMix64;
use testkit::plumb::{Plumb, PlumbError};
use testkit::postgres::{Fall, PostgresError};
use testkit::process::{Output, ProcessError};
use testkit::wait;

use crate::say;

mod ground;

use ground::Ground;

/// Rounds where no other number is asked for: what CI runs.
const ROUNDS: u64 = 200;
/// The same on a server, where a round takes longer.
const ROUNDS_ON_SERVER: u64 = 40;

/// After this many rounds the next begins with an empty data directory: making one is killed too.
const ROUNDS_PER_DIRECTORY: u64 = 20;

/// What the binary exits with when there is no ledger yet (docs/exit-status.md).
const UNAVAILABLE: i32 = 69;

/// The words of a scan.
const SCAN: [&str; 4] = ["scan", "localhost", "--format", "json"];

/// The time in which kills are spread at first: on a file, on a server. A run takes about this long.
const SPREAD: Duration = Duration::from_millis(100);
const SPREAD_ON_SERVER: Duration = Duration::from_millis(400);
/// A kill that came too late shortens it, one that hit lengthens it a little: about four of five hit.
const TOO_LATE: f64 = 0.8;
const HIT: f64 = 1.05;

/// A rule with another answer each time, so that every scan records a change.
const RULE: &str = "\
id: always_new
title: An answer that is never the same
description: The kernel makes a new UUID at each read.
rationale: Every scan shall record a change.
severity: low
tags: [crash]
platforms: [{id: debian}]
check: {command: {run: \"cat /proc/sys/kernel/random/uuid\", equal: \"yes\"}}
";

/// Why the loop ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrashError {
    #[error("could not prepare {path}")]
    Prepare {
        path: PathBuf,
        #[source]
        err: io::Error,
    },
    #[error("could not run the binary")]
    Run {
        #[source]
        err: PlumbError,
    },
    #[error("could not kill the binary")]
    Kill {
        #[source]
        err: ProcessError,
    },
    #[error("could not provide a server")]
    Server {
        #[source]
        err: PostgresError,
    },
    #[error("could not make the tables: {said}")]
    Migrate { said: String },
    #[error("round {round} of seed {seed}: {what}; the data directory is kept: {data}")]
    Failed { round: u64, seed: u64, what: String, data: PathBuf },
    #[error("every one of {rounds} runs had ended before it was killed; nothing was shown")]
    NeverHit { rounds: u64 },
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Options {
    rounds: u64,
    seed: u64,
    on_server: bool,
    /// Another binary than the one that is built here.
    pub(crate) binary: Option<PathBuf>,
}

impl Default for Options {
    /// As many rounds as CI runs, with a seed from the clock.
    #[expect(clippy::disallowed_methods, reason = "only to differ from run to run; the seed is printed")]
    fn default() -> Self {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { rounds: ROUNDS, seed, on_server: false, binary: None }
    }
}

impl Options {
    /// As many rounds on a server as CI runs.
    pub(crate) fn on_server() -> Self {
        Self { rounds: ROUNDS_ON_SERVER, on_server: true, ..Self::default() }
    }

    /// Reads `--postgres`, which comes first, and `--rounds N`, `--seed S` and `--binary PATH`, in any order; nothing when they
    /// make no sense.
    pub(crate) fn read(words: &[&str]) -> Option<Self> {
        let (mut options, mut words) = match words {
            ["--postgres", rest @ ..] => (Self::on_server(), rest),
            all => (Self::default(), all),
        };
        while let [name, value, rest @ ..] = words {
            match *name {
                "--rounds" => options.rounds = value.parse().ok()?,
                "--seed" => options.seed = value.parse().ok()?,
                "--binary" => options.binary = Some(PathBuf::from(value)),
                _unknown => return None,
            }
            words = rest;
        }
        words.is_empty().then_some(options)
    }
}

/// What the rounds came to.
#[derive(Debug, Default)]
struct Count {
    /// Kills that hit a running scan.
    mid_run: u64,
    /// Those among them that hit the server.
    servers: u64,
    /// Scans whose answer was read before the kill.
    answered: u64,
    directories: u64,
    entries: u64,
}

/// Kills and checks as often as asked for. Prints the seed first and the counts last.
///
/// # Errors
/// [`CrashError::Failed`] at the first thing that is not as it must be; the data directory stays for a look.
pub(crate) fn run(binary: &Path, options: &Options) -> Result<(), CrashError> {
    let (rounds, seed) = (options.rounds, options.seed);
    let folder = std::env::temp_dir().join(format!("plumbline-crash-{}", std::process::id()));
    let content = folder.join("content");
    let rules = content.join("rules/crash");
    let prepare = |path: &Path| {
        let path = path.to_owned();
        move |err| CrashError::Prepare { path, err }
    };
    fs::create_dir_all(&rules).map_err(prepare(&rules))?;
    fs::write(rules.join("always_new.yaml"), RULE).map_err(prepare(&rules))?;
    let ground = Ground::new(options.on_server)?;
    say(&format!("crash: seed {seed}, {rounds} rounds {}, in {}", ground.name(), folder.display()));
    let began = Instant::now();
    let mut random = SplitMix64::new(seed);
    let mut count = Count::default();
    let (mut round, mut spread) = (0, if options.on_server { SPREAD_ON_SERVER } else { SPREAD });
    while round < rounds {
        count.directories += 1;
        let data = folder.join(format!("data-{}", count.directories));
        let plumb = ground.plumb((binary, &data), count.directories)?;
        let last = rounds.min(round + ROUNDS_PER_DIRECTORY);
        let content = content.to_string_lossy().into_owned();
        let mut story = Story { ground: &ground, plumb, content, answered: BTreeSet::new() };
        while round < last {
            let delay = spread.mul_f64(fraction(&mut random));
            let victim = ground.victim(random.next_u64());
            let checked = match story.kill_after((delay, victim), &mut count)? {
                Ok(hit) => {
                    spread = spread.mul_f64(if hit { HIT } else { TOO_LATE });
                    story.check(&mut count)?
                }
                Err(what) => Err(what),
            };
            if let Err(what) = checked {
                let what = ground.keep(&story.plumb, &data, what);
                return Err(CrashError::Failed { round, seed, what, data });
            }
            round += 1;
        }
    }
    if count.mid_run == 0 && rounds > 0 {
        return Err(CrashError::NeverHit { rounds });
    }
    fs::remove_dir_all(&folder).map_err(prepare(&folder))?;
    say(&format!(
        "crash: seed {seed}: {} of {rounds} kills {} hit a running scan, {} of them the server; {} scans were answered \
         before, {} data directories, {} entries verified at last, {:.0} s; nothing was lost or torn",
        count.mid_run,
        ground.name(),
        count.servers,
        count.answered,
        count.directories,
        count.entries,
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Returns a number from 0 up to, not including, 1.
fn fraction(random: &mut SplitMix64) -> f64 {
    let bits = u32::try_from(random.next_u64() >> 32).unwrap_or(0);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

/// One data directory with what was answered from it.
struct Story<'g> {
    ground: &'g Ground,
    plumb: Plumb,
    content: String,
    answered: BTreeSet<String>,
}

/// What is wrong, in words, where a check did not hold.
type Checked<T> = Result<T, String>;

impl Story<'_> {
    fn plumb(&self, words: &[&str]) -> Result<Output, CrashError> {
        let words: Vec<&str> = ["--content", &self.content].iter().chain(words).copied().collect();
        self.plumb.run(&words).map_err(|err| CrashError::Run { err })
    }

    /// Starts a scan and kills it after a while, or the server under it; tells whether it was still running.
    fn kill_after(
        &mut self,
        (delay, victim): (Duration, Option<Fall>),
        count: &mut Count,
    ) -> Result<Checked<bool>, CrashError> {
        let words = ["--content", &self.content].iter().chain(&SCAN).copied().collect::<Vec<_>>();
        let mut running = self.plumb.start(&words).map_err(|err| CrashError::Run { err })?;
        // An end before the delay is no failure: then the kill comes too late.
        let _ended: bool = wait::until(delay, || !running.is_running());
        match victim {
            None => running.signal("KILL").map_err(|err| CrashError::Kill { err })?,
            Some(fall) => self.ground.fall(fall)?,
        }
        let output = running.finish(wait::LONG).map_err(|err| CrashError::Kill { err })?;
        let hit = match victim {
            None => output.signal.is_some(),
            // It says that the server is not there.
            Some(_fall) => output.code == Some(UNAVAILABLE),
        };
        count.mid_run += u64::from(hit);
        count.servers += u64::from(hit && victim.is_some());
        match scan_id(&output) {
            Some(scan) => {
                count.answered += u64::from(hit);
                self.answered.insert(scan);
            }
            None if hit => {}
            None => return Ok(Err(said("a scan that nobody killed", &output))),
        }
        Ok(Ok(hit))
    }

    /// Checks what was left.
    fn check(&mut self, count: &mut Count) -> Result<Checked<()>, CrashError> {
        let verify = ["ledger", "verify", "--format", "json"];
        let mut verified = self.plumb(&verify)?;
        if verified.code == Some(UNAVAILABLE) && self.answered.is_empty() {
            // Killed before there was a ledger: the next scan begins one.
            let scan = self.plumb(&SCAN)?;
            let Some(id) = scan_id(&scan) else { return Ok(Err(said("the scan after the kill", &scan))) };
            self.answered.insert(id);
            verified = self.plumb(&verify)?;
        }
        let report: Value = serde_json::from_str(&verified.stdout).unwrap_or_default();
        if verified.code != Some(0) || report["ok"] != true {
            return Ok(Err(said("`plumb ledger verify`", &verified)));
        }
        count.entries = report["entries"].as_u64().unwrap_or(0);
        let state = self.plumb(&["state", "verify"])?;
        if state.code != Some(0) {
            return Ok(Err(said("`plumb state verify`", &state)));
        }
        self.look_for_answered()
    }

    /// Looks for every scan that was answered.
    fn look_for_answered(&self) -> Result<Checked<()>, CrashError> {
        if self.answered.is_empty() {
            return Ok(Ok(()));
        }
        let shown = self.plumb(&["host", "show", "localhost", "--format", "json"])?;
        let host: Value = serde_json::from_str(&shown.stdout).unwrap_or_default();
        let Some(scans) = host["scans"].as_array() else {
            return Ok(Err(said("`plumb host show`", &shown)));
        };
        let completed: BTreeSet<&str> = scans
            .iter()
            .filter(|scan| scan["status"] == "completed")
            .filter_map(|scan| scan["scan_id"].as_str())
            .collect();
        let lost: Vec<&String> =
            self.answered.iter().filter(|scan| !completed.contains(scan.as_str())).collect();
        Ok(if lost.is_empty() { Ok(()) } else { Err(format!("answered and then lost: {lost:?}")) })
    }
}

/// Returns the id of the scan that a whole answer names.
fn scan_id(output: &Output) -> Option<String> {
    let document: Value = serde_json::from_str(&output.stdout).ok()?;
    let scan = &document["hosts"][0]["outcome"]["measured"]["scan"]["scan_id"];
    scan.as_str().map(str::to_owned)
}

fn said(what: &str, output: &Output) -> String {
    format!("{what} ended with {:?}: {}{}", output.code, output.stdout, output.stderr)
}

#[cfg(test)]
mod tests;
