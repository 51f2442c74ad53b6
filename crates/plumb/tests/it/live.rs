//! Random changes of single bytes over everything that a live record holds are found and located, and records of
//! random workloads raise no alarm (LED-28). The product runs in this process, so that ten thousand changes take
//! minutes: `PLUMB_TEST_CHANGES` and `PLUMB_TEST_WORKLOADS` say how many of each. Bundles have the same tests
//! in `ledger`.

mod bytes;
mod moment;
mod returned;
mod workload;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};

use app::registry::Vouch;
use app::{App, Clock, Config, Mode, Retention};
use ledger::Report;
use testkit::fuzz::SplitMix64;

use crate::database::sql;
use crate::ours::{folder, rule};
use crate::support::{World, assert_code, json, tool, world};
use crate::witness::Served;
use bytes::{Cell, Shell};

/// The same seed gives the same changes and workloads.
const SEED: u64 = 28;
/// Changes of the small record in every run, unless the environment says otherwise.
const CHANGES: u64 = 800;
/// One in so many changes is made to the large record, where each takes that much longer.
const LARGE_SHARE: u64 = 25;

/// Returns how often something is done: what the environment says, or what every run does.
#[expect(clippy::disallowed_methods, reason = "only to do more than every run does")]
fn wanted(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// Runs a use case to its end.
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn config(data: &Path) -> Config {
    Config {
        data_dir: data.to_owned(),
        database: app::Database::default(),
        // One of the workloads prunes and erases, which only the owner may.
        login: app::Login::Owner,
        retention: Retention::default(),
        stamp_max_lag_seconds: 86_400,
        origin_prefix: None,
        anchor: None,
        policy: None,
        content_dir: None,
        variables: Vec::new(),
        tailoring: None,
        actor: "local:tester".to_owned(),
        clock: Clock::System,
    }
}

/// A record to change, and what it takes to open it.
struct Record {
    /// Kept: its folder goes with it.
    _world: World,
    data: PathBuf,
    config: Config,
    /// Has the bodies that were pruned.
    archive: Option<PathBuf>,
    /// Kept running: it belongs to the record.
    _witness: Option<Served>,
}

impl Record {
    /// A few entries, with rows in every table but those of segments: scans, hosts and keys of hosts, a hold, an
    /// erasure, an anchor and a witness.
    fn small() -> Record {
        let world = world();
        let (anchor, policy) = (world.path("anchor.log"), world.path("policy"));
        let world = world.env("PLUMB_LEDGER_ANCHOR", anchor.to_str().unwrap());
        assert_code(&world.plumb(&["ledger", "init"]), 0);
        let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
        let vkey = status["vkey"].as_str().unwrap();
        let witness = Served::start(&world, "witness", &[vkey]);
        fs::write(&policy, format!("log {vkey}\n{}quorum w\n", witness.as_line("w"))).unwrap();
        let world = world.env("PLUMB_LEDGER_POLICY", policy.to_str().unwrap());
        let closed = |id: &str| {
            let path = world.path(id);
            let path = path.to_str().unwrap();
            rule(id, "low", &format!("{{file: {{path: {path}, mode_at_most: \"0600\", missing: fail}}}}"))
        };
        let content = folder(&world, "ours", &[closed("aaa"), closed("bbb")]);
        let scan = || world.plumb(&["scan", "localhost", "--content", &content]);
        assert_code(&scan(), 2);
        fs::write(world.path("aaa"), "").unwrap();
        tool("chmod", &["0600", world.path("aaa").to_str().unwrap()]);
        assert_code(&scan(), 2);
        let key = world.path("hostkey");
        tool("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let known = world.path("known_hosts");
        fs::write(&known, format!("[10.0.0.1]:22 {public}")).unwrap();
        let erased =
            sql(&world.data().join("plumb.db"), "SELECT min(log_index) FROM transactions;").remove(0);
        for words in [
            &["host", "add", "10.0.0.1", "--name", "gone"][..],
            &["known-hosts", "import", known.to_str().unwrap(), "--reason", "r"],
            &["host", "remove", "gone"],
            &["ledger", "hold", "add", "case", "--reason", "r"],
            &["ledger", "hold", "release", "case", "--reason", "r"],
            &["ledger", "erase", &erased, "--reason", "r", "--approved-by", "ada"],
            &["ledger", "checkpoint"],
            &["ledger", "verify"],
        ] {
            assert_code(&world.plumb(words), 0);
        }
        let data = world.data().to_owned();
        let config = Config { anchor: Some(anchor), policy: Some(policy), ..config(&data) };
        Record { _world: world, data, config, archive: None, _witness: Some(witness) }
    }

    /// Some 400 entries, of which the first segment is sealed and pruned, and two keys.
    fn large() -> Record {
        let world = world();
        assert_code(&world.plumb(&["demo"]), 0);
        let data = world.data().join("demo");
        let archive = world.path("archive").to_str().unwrap().to_owned();
        let approved = ["--reason", "r", "--approved-by", "ada"];
        let run = |words: &[&str]| {
            assert_code(&world.plumb(&[&["--data-dir", data.to_str().unwrap()], words].concat()), 0);
        };
        run(&["ledger", "seal", "--before", "2026-03-05", "--output", &archive]);
        run(&[&["ledger", "prune", "--retention-bodies-days", "30", "--archive", &archive], &approved[..]]
            .concat());
        run(&["ledger", "rotate-key", "--reason", "yearly"]);
        run(&["ledger", "verify"]);
        let config = config(&data);
        Record { data, config, archive: Some(world.path("archive")), _world: world, _witness: None }
    }

    fn database(&self) -> PathBuf {
        self.data.join("plumb.db")
    }
}

/// What is said of a record.
enum Said {
    /// Refused before anything is read, in one line.
    Refused(String),
    Report(Box<Report>),
}

/// Asks a record that is open already.
async fn ask(app: &App, archive: Option<&Path>) -> Said {
    match app.verify_ledger(archive).await {
        Ok(report) => Said::Report(Box::new(report)),
        Err(err) => Said::Refused(err.message),
    }
}

/// Asks a record as a new process would.
async fn ask_anew(config: &Config, archive: Option<&Path>) -> Said {
    match app::open(config, Mode::Ledger).await {
        Err(err) => Said::Refused(err.message),
        Ok(app) => {
            let said = ask(&app, archive).await;
            app.close().await;
            said
        }
    }
}

/// Says what is wrong with an answer about a changed cell; nothing when it is the right one.
fn problem(said: &Said, cell: &Cell) -> Option<String> {
    let report = match said {
        // Only what opening vouches for may end like that: whoever verifies is owed the place.
        Said::Refused(_) if cell.vouch == Vouch::Opening => return None,
        Said::Refused(message) => return Some(format!("refused: {message}")),
        Said::Report(report) => report,
    };
    let named = |finding: &ledger::Finding| match cell.vouch {
        // The row itself is named where its own entry vouches for it.
        Vouch::Entry => finding.table.as_deref() == Some(cell.table),
        Vouch::Digest | Vouch::Log | Vouch::Rebuilt | Vouch::Opening | Vouch::Nobody(_) => {
            finding.index.is_some() || finding.table.is_some()
        }
    };
    if report.ok || !report.findings.iter().any(named) {
        Some(format!("{:?}", report.findings))
    } else {
        None
    }
}

/// Makes `changes` random changes to a record, each undone after it was looked for.
#[track_caller]
fn assert_changes_are_found(record: &Record, changes: u64, seed: u64) {
    let clean = record.data.join("clean.db");
    sql(&record.database(), &format!("VACUUM INTO '{}';", clean.display()));
    let mut shell = Shell::start(&record.database(), &clean);
    let columns = shell.columns();
    let mut random = SplitMix64::new(seed);
    let mut missed = Vec::new();
    wait(async {
        let app = app::open(&record.config, Mode::Ledger).await.unwrap();
        for number in 0..changes {
            let cell = shell.change(&columns, &mut random);
            let archive = record.archive.as_deref();
            let said = match cell.vouch {
                Vouch::Opening => ask_anew(&record.config, archive).await,
                Vouch::Entry | Vouch::Digest | Vouch::Log | Vouch::Rebuilt | Vouch::Nobody(_) => {
                    ask(&app, archive).await
                }
            };
            if let Some(problem) = problem(&said, &cell) {
                missed.push(format!("seed {seed}, change {number}: {cell:?}: {problem}"));
            }
            shell.undo(&cell);
        }
        let Said::Report(report) = ask(&app, None).await else { panic!("it is not readable any more") };
        assert_eq!(report.findings, [], "the changes were undone");
        app.close().await;
    });
    assert!(missed.is_empty(), "{} of {changes}:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn led_28_changed_bytes_of_every_kind_of_row_of_a_live_record_are_found_and_located() {
    let changes = wanted("PLUMB_TEST_CHANGES", CHANGES);
    assert_changes_are_found(&Record::small(), changes, SEED);
}

#[test]
fn led_28_changed_bytes_of_a_live_record_with_a_pruned_segment_are_found_and_located() {
    let changes = wanted("PLUMB_TEST_CHANGES", CHANGES).div_ceil(LARGE_SHARE);
    assert_changes_are_found(&Record::large(), changes, SEED + 1);
}

/// The files beside the database: what is in them is found like what is in it.
#[test]
fn led_28_changed_bytes_of_the_files_beside_a_live_record_are_found_and_located() {
    let record = Record::small();
    let anchor = record.config.anchor.clone().unwrap();
    let key = record.data.join("ledger.key");
    let mut random = SplitMix64::new(SEED + 2);
    let changes = wanted("PLUMB_TEST_CHANGES", CHANGES).div_ceil(5);
    let mut missed = Vec::new();
    for number in 0..changes {
        let path = if number % 8 == 0 { &key } else { &anchor };
        let bytes = fs::read(path).unwrap();
        let (at, mask) = bytes::flip(bytes.len(), &mut random);
        let mut changed = bytes.clone();
        changed[at] ^= mask;
        fs::write(path, &changed).unwrap();
        let right = match wait(ask_anew(&record.config, None)) {
            Said::Refused(message) => path == &key && message.contains("ledger.key"),
            Said::Report(report) => {
                let here = |finding: &ledger::Finding| {
                    finding.file.as_deref() == anchor.to_str() && finding.offset.is_some()
                };
                path == &anchor && !report.ok && report.findings.iter().any(here)
            }
        };
        if !right {
            missed.push(format!("change {number}: {} byte {at} mask {mask:02x}", path.display()));
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(missed.is_empty(), "{} of {changes}:\n{}", missed.len(), missed.join("\n"));
}
