//! What the proof costs: verifying a long log, live and as a bundle, in time and memory; appending at its end;
//! how soon a checkpoint covers a commit; a proof from a cold process.
//!
//! `ledger [ENTRIES]`: the length of the long log, 1,000,000 unless another is given.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use benches::BenchError;
use benches::audit::{Ledger, batch};
use benches::bare::{Part, Peer, Rows};
use benches::command::{self, Done, folder, plumb};
use benches::figures::Samples;
use benches::report::{Report, run};

/// Length of the long log, where no other is asked for.
const ENTRIES: u64 = 1_000_000;
/// Length of the short log that appends are compared with.
const SHORT: u64 = 10_000;
/// Entries of one batch (LED-16).
const BATCH: usize = 100;
/// Batches that are compared with bare inserts.
const ROUNDS: usize = 41;
/// Appends that are timed at each length.
const APPENDS: usize = 500;
/// Proofs that are asked for, each by a process of its own.
const PROOFS: u64 = 200;
/// How long commits at 1,000 entries a second are watched.
const WATCHED: Duration = Duration::from_secs(20);
/// Between two commits of a batch, and between two checkpoints.
const BEAT: Duration = Duration::from_millis(100);
const CUT: Duration = Duration::from_millis(250);
/// Between two looks at how much memory a process holds.
const LOOK: Duration = Duration::from_millis(20);
/// Limits of LED-16, for a million entries: seconds and MiB.
const VERIFY_S: f64 = 30.0;
const VERIFY_MIB: f64 = 128.0;

fn main() -> ExitCode {
    run(|| {
        let asked = std::env::args().nth(1).map(|text| text.parse::<u64>());
        let entries = match asked {
            None => ENTRIES,
            Some(Ok(entries)) => entries,
            Some(Err(err)) => {
                return Err(BenchError::Said { what: "number of entries".to_owned(), said: err.to_string() });
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(BenchError::io("start the runtime"))?.block_on(benchmark(entries))
    })
}

async fn benchmark(entries: u64) -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("ledger");
    let folder = folder()?;
    batches(&mut report, folder.path()).await?;
    let began = Instant::now();
    let mut long = Ledger::create(&folder.path().join("long")).await?;
    long.grow(entries).await?;
    report
        .note(format_args!("a log of {entries} entries took {:.0} s to make", began.elapsed().as_secs_f64()));
    let mut short = Ledger::create(&folder.path().join("short")).await?;
    short.grow(SHORT).await?;
    appends(&mut report, &mut short, &mut long).await?;
    covered(&mut report, &mut long).await?;
    let data = long.close().await;
    short.close().await;
    verifies(&mut report, &data, folder.path(), entries)?;
    Ok(report.end())
}

/// Batches beside bare inserts of the rows that each wrote, into two databases that stay open.
async fn batches(report: &mut Report, folder: &Path) -> Result<(), BenchError> {
    let (mut ours, mut same) = (Samples::default(), Samples::default());
    let mut ledger = Ledger::create(&folder.join("batches")).await?;
    let like = Rows::read(ledger.path()).await?;
    let mut peer = Peer::create(&like, &ledger.path().with_extension("same")).await?;
    for _round in 0..ROUNDS {
        let first = ledger.size().await?;
        let records = batch(BATCH);
        let began = Instant::now();
        ledger.append(&records).await?;
        ours.push(began.elapsed());
        let rows = Rows::read_from(ledger.path(), &["audit_events", "log_entries"], first).await?;
        same.push(peer.insert(&rows, Part::Everything).await?);
    }
    ledger.close().await;
    report.figures(&format!("an append of {BATCH} entries"), "ms", &ours);
    report.figures("bare inserts of the same rows", "ms", &same);
    report.at_least("speed of an append against bare inserts", (&same.ratios_to(&ours), 0.8), "x");
    Ok(())
}

/// Appends to a short and to a long log, in turn.
async fn appends(report: &mut Report, short: &mut Ledger, long: &mut Ledger) -> Result<(), BenchError> {
    let (mut at_short, mut at_long) = (Samples::default(), Samples::default());
    for _append in 0..APPENDS {
        for (ledger, samples) in [(&mut *short, &mut at_short), (&mut *long, &mut at_long)] {
            let records = batch(1);
            let began = Instant::now();
            ledger.append(&records).await?;
            samples.push(began.elapsed());
        }
    }
    report.figures(&format!("an append at {SHORT} entries"), "ms", &at_short);
    report.figures(&format!("an append at {} entries", long.size().await?), "ms", &at_long);
    let (short, long) = (at_short.quantile(0.99), at_long.quantile(0.99));
    report.note(format_args!("p99 {short:.2} ms and {long:.2} ms"));
    report.value_at_most("p99 at the long log against the short one", (long / short, 1.5), "x");
    Ok(())
}

/// Commits at 1,000 entries a second beside somebody who cuts checkpoints: how soon is each commit covered?
async fn covered(report: &mut Report, ledger: &mut Ledger) -> Result<(), BenchError> {
    let app = ledger.app().await?;
    // What came before is not what is measured.
    app::checkpoint::cut(&app).await.map_err(|err| said("a checkpoint", &err.message))?;
    let waiting: Mutex<Vec<Instant>> = Mutex::default();
    let mut samples = Samples::default();
    let began = Instant::now();
    let commits = async {
        let mut next = tokio::time::interval(BEAT);
        while began.elapsed() < WATCHED {
            next.tick().await;
            ledger.append(&batch(BATCH)).await?;
            waiting.lock().map_err(|_poisoned| poisoned())?.push(Instant::now());
        }
        Ok::<(), BenchError>(())
    };
    let cuts = async {
        let mut next = tokio::time::interval(CUT);
        while began.elapsed() < WATCHED + 2 * CUT {
            next.tick().await;
            let covers = std::mem::take(&mut *waiting.lock().map_err(|_poisoned| poisoned())?);
            app::checkpoint::cut(&app).await.map_err(|err| said("a checkpoint", &err.message))?;
            for commit in covers {
                samples.push(commit.elapsed());
            }
        }
        Ok::<(), BenchError>(())
    };
    let (commits, cuts) = tokio::join!(commits, cuts);
    commits.and(cuts)?;
    app.close().await;
    report.figures("from a commit to its checkpoint, cut four times a second", "ms", &samples);
    report.value_at_most("p99 of it at 1,000 entries a second", (samples.quantile(0.99), 1000.0), "ms");
    Ok(())
}

/// The whole log verified, live and as a bundle, and proofs of it.
fn verifies(report: &mut Report, data: &Path, folder: &Path, entries: u64) -> Result<(), BenchError> {
    let bundle = folder.join("bundle");
    let status = text(measured(data, &["ledger", "status", "--format", "json"])?.0)?;
    let status: serde_json::Value =
        serde_json::from_str(&status).map_err(|err| said("plumb ledger status", &err.to_string()))?;
    // The appends that were measured are in it, too.
    let entries = status["size"].as_u64().unwrap_or(entries);
    let share = (entries as f64 / ENTRIES as f64).min(1.0);
    let vkey = status["vkey"].as_str().unwrap_or_default().to_owned();
    let (exported, peak) = measured(data, &["ledger", "export", "-o", &bundle.to_string_lossy()])?;
    report.note(format_args!("export: {:.1} s, {peak:.0} MiB", exported.taken.as_secs_f64()));
    let bundle = bundle.to_string_lossy();
    for (what, words) in [
        ("plumb ledger verify", vec!["ledger", "verify"]),
        ("plumb verify of the bundle", vec!["verify", &bundle, "--vkey", &vkey]),
    ] {
        let (done, peak) = measured(data, &words)?;
        let taken = done.taken.as_secs_f64();
        report.note(text(done)?.lines().next().unwrap_or_default());
        report.value_at_most(&format!("{what}, {entries} entries"), (taken, VERIFY_S * share), "s");
        report.value_at_most(&format!("{what}, resident memory"), (peak, VERIFY_MIB), "MiB");
    }
    let mut proofs = Samples::default();
    for nth in 0..PROOFS {
        let index = (nth * 7_919 % entries).to_string();
        let words = ["ledger", "prove", "--index", &index];
        let done = command::run(ours(data, &words)?, &[])?.must("plumb ledger prove", &[0])?;
        proofs.push(done.taken);
    }
    report.figures("a proof from a cold process", "ms", &proofs);
    report.value_at_most("p99 of it", (proofs.quantile(0.99), 5.0), "ms");
    Ok(())
}

fn ours(data: &Path, words: &[impl AsRef<str>]) -> Result<Command, BenchError> {
    let mut command = Command::new(plumb()?);
    command.args(words.iter().map(AsRef::as_ref)).env("PLUMB_DATA_DIR", data);
    Ok(command)
}

/// Runs the product; returns how it ended and the most memory it held. MiB (proc(5), `VmHWM`).
fn measured(data: &Path, words: &[&str]) -> Result<(Done, f64), BenchError> {
    let peak = Mutex::new(0.0_f64);
    let done = command::run_beside(ours(data, words)?, Vec::new(), |id| {
        let status = PathBuf::from(format!("/proc/{id}/status"));
        // The last look before the end is at most a beat old; the mark only rises.
        while let Some(kib) = std::fs::read_to_string(&status).ok().as_deref().and_then(high_water) {
            if let Ok(mut peak) = peak.lock() {
                *peak = peak.max(kib / 1024.0);
            }
            thread::sleep(LOOK);
        }
    })?
    .must("plumb", &[0])?;
    let peak = peak.into_inner().map_err(|_poisoned| poisoned())?;
    Ok((done, peak))
}

fn high_water(status: &str) -> Option<f64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .strip_suffix(" kB")?
        .trim()
        .parse()
        .ok()
}

fn text(done: Done) -> Result<String, BenchError> {
    String::from_utf8(done.stdout).map_err(|err| said("plumb", &err.to_string()))
}

fn said(what: &str, said: &str) -> BenchError {
    BenchError::Said { what: what.to_owned(), said: said.to_owned() }
}

fn poisoned() -> BenchError {
    said("a measurement", "panicked")
}
