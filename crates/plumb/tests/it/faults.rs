//! A disk that refuses: every write, sync and rename in turn fails with ENOSPC or EIO, by `strace` (LED-42). Each
//! run ends in one clear line, and the next one works on what was left. Also the order in which files are made
//! durable. Kills are the business of `crash`.

use std::path::Path;
use std::process::Command;

use testkit::process::{self, Output};
use testkit::wait;

use crate::ours::{closed, folder};
use crate::support::{World, assert_code, tool, world};

/// Calls after which no run has made another one. A run of these commands makes fewer.
const CALLS_MAX: u32 = 60;

/// Runs the binary under `strace`; returns what it said and the trace.
fn traced(world: &World, data: &Path, options: &[&str], words: &[&str]) -> (Output, String) {
    let trace = world.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-o"]).arg(&trace).args(options).arg(env!("CARGO_BIN_EXE_plumb"));
    command.args(words).env_clear().env("HOME", world.home()).env("PLUMB_DATA_DIR", data);
    let done = process::run(command, b"", wait::LONG).unwrap();
    (done, std::fs::read_to_string(trace).unwrap())
}

/// What is run, and from what it starts.
struct Story<'a> {
    world: &'a World,
    /// A data directory to start from; a new one each time without.
    base: Option<&'a Path>,
    words: &'a [&'a str],
}

impl Story<'_> {
    /// Lets the first call of a kind fail, then another one `step` later, until there is none left to fail; returns
    /// how many there were.
    fn fail_each(&self, (call, step): (&str, usize), error: &str) -> u32 {
        for nth in (1..CALLS_MAX).step_by(step) {
            let place = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
            let data = place.path().join("data");
            if let Some(base) = self.base {
                tool("cp", &["-r", base.to_str().unwrap(), data.to_str().unwrap()]);
            }
            let output = place.path().join("out");
            let words: Vec<String> =
                self.words.iter().map(|w| w.replace("{out}", output.to_str().unwrap())).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let (trace, inject) =
                (format!("trace={call}"), format!("inject={call}:error={error}:when={nth}"));
            let (done, traced) = traced(self.world, &data, &["-e", &trace, "-e", &inject], &words);
            if !traced.contains("(INJECTED)") {
                assert_code(&done, 0);
                return nth - 1;
            }
            let what = format!("{call} {error} {nth} {words:?}: {done:#?}\n{traced}");
            // A refusal that costs nothing may go unnoticed; what was asked for is there then, see below.
            assert!(matches!(done.code, Some(0 | 69 | 70 | 78)), "{what}");
            let line = done.stderr.lines().find(|line| line.starts_with("plumb: "));
            assert!(done.code == Some(0) || line.is_some_and(|line| line.len() > 20), "{what}");
            assert!(!done.stderr.contains("panicked"), "{what}");
            if done.code != Some(0) {
                let _gone_or_not_made = std::fs::remove_dir_all(&output);
                // The host may be there: what was refused was the checkpoint over it.
                assert!(matches!(self.again(&data, &words).code, Some(0 | 64)), "{what}");
            }
            let verified = self.again(&data, &["ledger", "verify"]);
            assert_eq!(verified.code, Some(0), "{what}\n{verified:#?}");
        }
        panic!("{call} was called more than {CALLS_MAX} times");
    }

    fn again(&self, data: &Path, words: &[&str]) -> Output {
        let mut all = vec!["--data-dir", data.to_str().unwrap()];
        all.extend(words);
        self.world.plumb(&all)
    }
}

#[test]
fn a_write_that_is_refused_while_appending_loses_nothing_led_42_led_10() {
    let world = world();
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let words = ["host", "add", "10.0.0.1"];
    let story = Story { world: &world, base: Some(world.data()), words: &words };
    let failed = story.fail_each(("pwrite64", 5), "ENOSPC");
    assert!(failed > 10, "{failed}");
    assert!(story.fail_each(("fsync", 1), "EIO") > 0);
    assert!(story.fail_each(("ftruncate", 1), "ENOSPC") < CALLS_MAX);
}

#[test]
fn a_first_use_that_is_refused_can_be_repeated_led_42() {
    let world = world();
    let words = ["ledger", "init"];
    let story = Story { world: &world, base: None, words: &words };
    for (call, step, error) in
        [("mkdir", 1, "ENOSPC"), ("fchmod", 1, "EIO"), ("linkat", 1, "ENOSPC"), ("fsync", 3, "EIO")]
    {
        assert!(story.fail_each((call, step), error) > 0, "{call}");
    }
}

#[test]
fn an_export_that_is_refused_can_be_repeated_led_42() {
    let world = world();
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let words = ["ledger", "export", "--output", "{out}"];
    let story = Story { world: &world, base: Some(world.data()), words: &words };
    for (call, error) in [("syncfs", "EIO"), ("syncfs", "ENOSPC")] {
        assert!(story.fail_each((call, 1), error) > 0, "{call}");
    }
}

/// Returns the line of the trace in which these words stand in order.
#[track_caller]
fn position(trace: &str, words: &[&str]) -> usize {
    let in_order = |line: &str| {
        words.iter().try_fold(line, |rest, word| rest.split_once(word).map(|(_, rest)| rest)).is_some()
    };
    trace.lines().position(in_order).unwrap_or_else(|| panic!("{words:?} is not in\n{trace}"))
}

#[test]
fn a_file_is_durable_before_its_name_and_the_name_before_it_is_used_led_42() {
    let world = world();
    let data = world.path("fresh");
    let calls = "trace=openat,write,fsync,linkat,mkdir,syncfs,pwrite64";
    let (done, trace) = traced(&world, &data, &["-e", calls], &["ledger", "init"]);
    assert_code(&done, 0);
    let (folder, parent) = (data.to_str().unwrap(), data.parent().unwrap().to_str().unwrap());
    let written = position(&trace, &["write(", "ledger.key.", "plumbline-ledger-key"]);
    let synced = position(&trace, &["fsync(", "ledger.key."]);
    let linked = position(&trace, &["linkat(", "ledger.key"]);
    let named = trace.lines().enumerate().position(|(nth, line)| {
        nth > linked && line.contains("fsync(") && line.contains(&format!("<{folder}>"))
    });
    assert!(written < synced && synced < linked && named.is_some(), "{trace}");
    // The data directory's own name, before anything in it.
    let made = position(&trace, &["mkdir(", folder]);
    let durable = position(&trace, &["fsync(", &format!("<{parent}>")]);
    assert!(made < durable && durable < written, "{trace}");
    // The log's first entry is written under a key that is durable.
    let entry = trace.lines().position(|line| line.contains("pwrite64(") && line.contains("log.genesis"));
    assert!(entry.is_none_or(|entry| named.is_some_and(|named| named < entry)), "{trace}");

    let bundle = world.path("bundle");
    let words = ["ledger", "export", "--output", bundle.to_str().unwrap()];
    let (done, trace) = traced(&world, &data, &["-e", calls], &words);
    assert_code(&done, 0);
    let synced = position(&trace, &["syncfs(", bundle.to_str().unwrap()]);
    let last =
        trace.lines().enumerate().filter(|(_, line)| line.contains("write(") && line.contains("/bundle/"));
    assert!(last.map(|(nth, _)| nth).max().is_some_and(|last| last < synced), "{trace}");
}

#[test]
fn a_scan_on_a_disk_that_refuses_says_so_and_the_next_one_works_led_42() {
    let world = world();
    let content = folder(&world, "ours", &[closed("aaa", "low")]);
    let words = ["--content", content.as_str(), "scan", "localhost"];
    assert!(matches!(world.plumb(&words).code, Some(0 | 2)));
    for (call, error) in [("pwrite64", "ENOSPC"), ("fsync", "EIO")] {
        for nth in [1, 4, 9, 16] {
            let (trace, inject) =
                (format!("trace={call}"), format!("inject={call}:error={error}:when={nth}"));
            let (done, traced) = traced(&world, world.data(), &["-e", &trace, "-e", &inject], &words);
            let refused = traced.contains("(INJECTED)");
            assert!(matches!(done.code, Some(0 | 2 | 3 | 69)), "{call} {nth}: {done:#?}");
            assert!(refused || matches!(done.code, Some(0 | 2)), "{call} {nth}: {done:#?}");
            assert!(matches!(world.plumb(&words).code, Some(0 | 2)), "{call} {nth}");
            assert_code(&world.plumb(&["--content", &content, "ledger", "verify"]), 0);
            assert_code(&world.plumb(&["--content", &content, "state", "verify"]), 0);
        }
    }
}
