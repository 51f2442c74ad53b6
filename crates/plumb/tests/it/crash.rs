//! What is left behind: after SIGKILL at any moment, and in the modes of every file that is made.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::fuzz::SplitMix64;
use testkit::process;
use testkit::wait;

use crate::database::{number, sql};
use crate::ours::{closed, folder};
use crate::support::{assert_code, at, host, json, key, world};

/// How often a scan is killed.
const ROUNDS: u64 = 12;

/// Longest a scan is left alone before it is killed. Milliseconds; a whole one takes about this long.
const DELAY_LIMIT_MS: u64 = 500;

#[test]
fn a_scan_that_is_killed_at_any_moment_leaves_whole_transactions_only_led_10_fct_20_tlw_19() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("aaa", "low"), closed("bbb", "low")]);
    let (target, key) = (at("root", &host), key(&host));
    let words = ["--content", &content, "scan", &target, "-i", &key];
    host.must("install -m 0600 /dev/null /etc/plumb_aaa; install -m 0600 /dev/null /etc/plumb_bbb").unwrap();
    assert_code(&world.plumb(&words), 0);
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = SplitMix64::new(seed);
    let mut killed = 0;
    for round in 0..ROUNDS {
        let mode = if round % 2 == 0 { "0644" } else { "0600" };
        host.must(&format!("chmod {mode} /etc/plumb_aaa /etc/plumb_bbb")).unwrap();
        let mut running = world.start(&words).unwrap();
        let delay = Duration::from_millis(random.next_u64() % DELAY_LIMIT_MS);
        if !wait::until(delay, || !running.is_running()) {
            running.signal("KILL").unwrap();
            killed += 1;
        }
        running.finish(wait::LONG).unwrap();
        let verified = world.plumb(&["--content", &content, "ledger", "verify", "--format", "json"]);
        assert_code(&verified, 0);
        assert_eq!(json(&verified)["findings"], serde_json::json!([]));
        assert_code(&world.plumb(&["--content", &content, "state", "verify"]), 0);
    }
    assert!(killed > 0, "every scan was faster than its killer");
    host.must("chmod 0644 /etc/plumb_aaa /etc/plumb_bbb").unwrap();
    assert_code(&world.plumb(&words), 2);
    let db = world.database();
    // A finished scan has its rows, another one has none, and each row its entry.
    let torn = "SELECT r.id FROM scan_runs AS r LEFT JOIN transactions AS t ON t.scan_id = r.id
        GROUP BY r.id HAVING count(t.id) <> CASE r.status WHEN 'completed' THEN r.change_count ELSE 0 END;";
    assert_eq!(sql(&db, torn), Vec::<String>::new());
    assert_eq!(number(&db, "SELECT count(*) FROM scan_runs WHERE status IN ('queued', 'running');"), 0);
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    assert_eq!(status["uncovered"], 0);
    assert_code(&world.plumb(&["posture", &at("root", &host)]), 0);
}

/// Asserts that nobody but the owner may touch anything in a folder, the folder itself among it.
fn assert_private(folder: &Path) {
    let mut command = Command::new("find");
    command.arg(folder).args(["(", "-type", "d", "!", "-perm", "0700", ")", "-o", "(", "!", "-type", "d"]);
    command.args(["!", "-perm", "0600", ")"]);
    let found = process::run(command, b"", wait::LONG).unwrap();
    assert_eq!((found.code, found.stdout.as_str()), (Some(0), ""), "{found:?}");
}

#[test]
fn what_is_made_is_private_whatever_the_umask_led_42_fct_20() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("aaa", "low")]);
    let (target, key, report) = (at("root", &host), key(&host), world.path("report.json"));
    let bundle = world.path("bundle");
    let report_text = report.to_str().unwrap();
    for words in [
        vec!["--content", &content, "scan", &target, "-i", &key, "--format", "json", "--output", report_text],
        vec!["ledger", "export", "--output", bundle.to_str().unwrap()],
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", "umask 000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_plumb")]).args(words);
        command.env_clear().env("HOME", world.home()).env("PLUMB_DATA_DIR", world.data());
        let done = process::run(command, b"", wait::LONG).unwrap();
        assert!(matches!(done.code, Some(0 | 2)), "{done:?}");
    }
    assert!(world.database().exists() && bundle.join("checkpoint").exists());
    for made in [world.data(), &report, &bundle] {
        assert_private(made);
    }
}
