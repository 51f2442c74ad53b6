//! A disk that refuses: every write, sync and rename in turn fails with ENOSPC or EIO, by `strace` (LED-42). Each
//! run ends in one clear line, and the next one works on what was left. Also the order in which files are made
//! durable. Kills are the business of `crash`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::process::{self, Output};
use testkit::wait;

use crate::ours::{closed, folder};
use crate::support::{World, assert_code, json, shell_rule, tool, world};

/// A small file system in memory; it goes when this is dropped.
pub(crate) struct Small(PathBuf);

impl Small {
    /// Makes it, with these options of its own beside size and mode (tmpfs(5)).
    pub(crate) fn at(path: PathBuf, options: &str) -> Self {
        fs::create_dir(&path).unwrap();
        let options = format!("size=32m,mode=700,{options}");
        tool("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", path.to_str().unwrap()]);
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Fills it but for so many blocks of 4,096 bytes; returns the file that does it.
    pub(crate) fn fill(&self, left: u64) -> PathBuf {
        let free: u64 = tool("stat", &["-f", "-c", "%a", self.0.to_str().unwrap()]).trim().parse().unwrap();
        let filler = self.0.join("filler");
        fs::write(&filler, vec![0; usize::try_from((free - left) * 4096).unwrap()]).unwrap();
        filler
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Nothing can be reported from here.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

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

/// A file may not grow beyond a limit (setrlimit(2), `RLIMIT_FSIZE`): what is written across it is written by half, and
/// the rest is refused.
fn limited(world: &World, data: &Path, bytes: u64, words: &[&str]) -> Output {
    let mut command = Command::new("env");
    command.args(["--ignore-signal=XFSZ", "prlimit", &format!("--fsize={bytes}")]);
    command.arg(env!("CARGO_BIN_EXE_plumb")).args(words).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("HOME", world.home()).env("PLUMB_DATA_DIR", data);
    process::run(command, b"", wait::LONG).unwrap()
}

/// LED-42: what is written by half, whatever file it is and wherever in it, is refused and loses nothing.
#[test]
fn led_42_a_write_by_half_is_refused_and_loses_nothing() {
    let world = world();
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let largest = fs::metadata(world.data().join("plumb.db")).unwrap().len();
    let mut refusals = [0; 3];
    for (story, (words, base)) in [
        (vec!["ledger", "init"], None),
        (vec!["host", "add", "10.0.0.1"], Some(world.data())),
        (vec!["ledger", "export", "--output", "{out}"], Some(world.data())),
    ]
    .into_iter()
    .enumerate()
    {
        // Uneven steps, small ones first: where keys, notes and the first pages lie.
        let mut bytes = 7;
        while bytes < largest {
            let place = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
            let (data, output) = (place.path().join("data"), place.path().join("out"));
            if let Some(base) = base {
                tool("cp", &["-r", base.to_str().unwrap(), data.to_str().unwrap()]);
            }
            let words: Vec<String> =
                words.iter().map(|word| word.replace("{out}", output.to_str().unwrap())).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let done = limited(&world, &data, bytes, &words);
            let what = format!("{bytes} {words:?}: {done:#?}");
            assert!(matches!(done.code, Some(0 | 69 | 70 | 78)), "{what}");
            assert!(!done.stderr.contains("panicked"), "{what}");
            let data = data.to_str().unwrap();
            if done.code != Some(0) {
                assert!(
                    done.stderr.lines().any(|line| line.starts_with("plumb: ") && line.len() > 20),
                    "{what}"
                );
                refusals[story] += 1;
                let _gone_or_not_made = fs::remove_dir_all(&output);
                let again = world.plumb(&[&["--data-dir", data], &words[..]].concat());
                assert!(matches!(again.code, Some(0 | 64)), "{what}\n{again:#?}");
            }
            let verified = world.plumb(&["--data-dir", data, "ledger", "verify"]);
            assert_eq!(verified.code, Some(0), "{what}\n{verified:#?}");
            bytes = 2 * bytes + 11;
        }
    }
    assert!(refusals.iter().all(|refused| *refused > 2), "{refusals:?}");
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

/// LED-42, LED-07: a checkpoint that the disk took by half is kept beside the anchor, and the next one is anchored.
#[test]
fn led_42_a_checkpoint_that_is_anchored_by_half_is_kept_aside_and_the_next_one_is_anchored() {
    let world = world();
    let small = Small::at(world.path("small"), "nr_inodes=100");
    let anchor = small.path().join("anchor.log");
    let world = world.env("PLUMB_LEDGER_ANCHOR", anchor.to_str().unwrap());
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let filler = small.fill(0);
    let refused = (0..20)
        .map(|n| world.plumb(&["host", "add", &format!("10.0.0.{n}")]))
        .find(|done| done.stderr.contains("No space left on device"));
    let refused = refused.expect("the disk is never full");
    assert!(refused.stderr.contains("the checkpoint is signed and not anchored"), "{refused:#?}");
    let torn = fs::read(&anchor).unwrap();
    assert_ne!(torn.last(), Some(&b'\n'), "the last line was written by half");
    fs::remove_file(filler).unwrap();
    assert_code(&world.plumb(&["host", "add", "10.0.1.1"]), 0);
    let lines = fs::read_to_string(&anchor).unwrap();
    assert!(lines.ends_with('\n') && lines.contains("\"seam\":"), "{lines}");
    let half = torn.rsplit(|byte| *byte == b'\n').next().unwrap();
    let kept = fs::read_dir(small.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept =
        kept.filter(|path| path.to_str().unwrap().contains(".torn-")).map(|path| fs::read(path).unwrap());
    assert_eq!(kept.collect::<Vec<_>>(), [half.to_vec()]);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}

/// LED-42: one writer at a time has the anchor; who waits too long is told which process it is.
#[test]
fn led_42_who_waits_for_the_anchor_is_told_who_holds_it() {
    let world = world();
    let anchor = world.path("anchor.log");
    let world = world.env("PLUMB_LEDGER_ANCHOR", anchor.to_str().unwrap());
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let held = fs::File::open(&anchor).unwrap();
    held.lock().unwrap();
    let waited = world.plumb(&["host", "add", "10.0.0.1"]);
    let holder = format!("process {} holds it", std::process::id());
    assert!(waited.stderr.contains(&holder), "{waited:#?}");
    held.unlock().unwrap();
    assert_code(&world.plumb(&["host", "add", "10.0.0.2"]), 0);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
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

/// TLW-27: a scan whose lease went to somebody else while it looked stores nothing, and says so once in the record.
#[test]
fn tlw_27_a_scan_that_lost_its_lease_leaves_one_record_of_it() {
    let world = world();
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let pipe = world.path("pipe");
    let pipe = pipe.to_str().unwrap();
    tool("mkfifo", &[pipe]);
    let content = world.content(&[shell_rule("waits", &format!("cat {pipe}"))]);
    let scan = world.start(&["--content", &content, "scan", "localhost", "--format", "json"]).unwrap();
    assert!(wait::until(wait::LONG, || world.count("host_locks") == 1));
    world.by_hand("UPDATE host_locks SET fencing_token = fencing_token + 1;");
    // Its rule is answered only now.
    fs::write(pipe, "x").unwrap();
    let done = scan.finish(wait::LONG).unwrap();
    assert_eq!(json(&done)["hosts"][0]["outcome"]["not_measured"]["reason"], "stale_fence", "{done:#?}");
    let events = "SELECT detail FROM audit_events WHERE action = 'writer.apply.failed';";
    let events = world.by_hand(events);
    assert!(events.len() == 1 && events[0].contains("\"reason\":\"stale_fence\""), "{events:?}");
    assert_eq!(world.count("transactions"), 0);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
