//! Scans that do not end by themselves: interrupted, killed, and two at once on one host.

use std::process::Command;

use testkit::host::TestHost;
use testkit::process::Running;
use testkit::wait;

use crate::support::{
    World, assert_code, at, host, json, key, logins, not_measured, one_host, shell_rule, world,
};

/// A world and a host whose answer does not come as long as `/run/hold` is there.
struct Held {
    world: World,
    host: TestHost,
    content: String,
}

fn held() -> Held {
    let (world, host) = (world(), host());
    host.must("touch /run/hold").unwrap();
    let content = world.content(&[
        shell_rule("a_quick", "echo yes"),
        shell_rule("b_held", "touch /run/asked; while [ -e /run/hold ]; do sleep 0.05; done; echo yes"),
    ]);
    Held { world, host, content }
}

impl Held {
    /// Starts a scan and waits until the host works on the held rule.
    fn start(&self) -> Running {
        let (target, key) = (at("root", &self.host), key(&self.host));
        let running = self.world.start(&["scan", &target, "-i", &key, "--content", &self.content]).unwrap();
        self.wait_until_asked();
        running
    }

    fn wait_until_asked(&self) {
        let asked = || self.host.sh("test -e /run/asked").unwrap().success();
        assert!(wait::until(wait::LONG, asked), "the host was never asked");
    }

    /// Scans to the end, with nothing held any more.
    fn scan_unheld(&self) {
        self.host.must("rm -f /run/hold").unwrap();
        assert_code(&self.world.scan(&self.host, &["--content", &self.content]), 0);
    }

    /// Returns how many entries no checkpoint covers.
    fn uncovered(&self) -> u64 {
        json(&self.world.plumb(&["ledger", "status", "--format", "json"]))["uncovered"].as_u64().unwrap()
    }

    /// Returns status and reason of every recorded scan, newest first.
    fn recorded(&self) -> Vec<String> {
        let runs = self.world.scans(&at("root", &self.host));
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        runs.iter().map(|run| format!("{} {}", text(&run["status"]), text(&run["failure_reason"]))).collect()
    }
}

#[test]
fn led_20_an_asked_end_records_the_scan_as_cancelled_under_a_checkpoint_and_the_next_one_runs_at_once() {
    for signal in ["INT", "TERM", "HUP"] {
        let held = held();
        let running = held.start();
        running.signal(signal).unwrap();
        let done = running.finish(wait::LONG).unwrap();
        assert_code(&done, 3);
        assert!(done.stderr.contains("stopping"), "{}", done.stderr);
        assert!(done.stdout.contains("NOT MEASURED  cancelled"), "{}", done.stdout);
        assert_eq!(held.recorded(), ["cancelled cancelled"]);
        assert_eq!(held.uncovered(), 0, "{signal}");
        held.scan_unheld();
        assert_eq!(held.recorded(), ["completed -", "cancelled cancelled"]);
        assert_code(&held.world.plumb(&["ledger", "verify"]), 0);
    }
}

/// nohup(1): who starts a program with SIGHUP ignored wants it to outlive the terminal.
#[test]
fn a_scan_under_nohup_outlives_its_terminal() {
    let held = held();
    let (target, key) = (at("root", &held.host), key(&held.host));
    let scan = held.world.command(&["scan", &target, "-i", &key, "--content", &held.content]);
    let mut nohup = Command::new("nohup");
    nohup.arg(scan.get_program()).args(scan.get_args()).env_clear();
    nohup.envs(scan.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let running = Running::start(nohup, b"").unwrap();
    held.wait_until_asked();
    running.signal("HUP").unwrap();
    held.host.must("rm -f /run/hold").unwrap();
    let done = running.finish(wait::LONG).unwrap();
    assert_code(&done, 0);
    assert_eq!(held.recorded(), ["completed -"]);
}

/// LED-20: what a killed program recorded is covered as soon as the next one starts, not when it ends.
#[test]
fn led_20_what_a_killed_scan_left_uncovered_is_covered_at_the_next_start() {
    let held = held();
    held.start().signal("KILL").unwrap();
    assert!(held.uncovered() > 0, "nothing was left");
    held.host.must("rm -f /run/asked").unwrap();
    let left = json(&held.world.plumb(&["ledger", "status", "--format", "json"]))["size"].as_u64().unwrap();
    let running = held.start();
    let covered = || {
        let status = json(&held.world.plumb(&["ledger", "status", "--format", "json"]));
        status["size"].as_u64().unwrap() - status["uncovered"].as_u64().unwrap()
    };
    assert!(covered() >= left, "{} of {left}", covered());
    held.host.must("rm -f /run/hold").unwrap();
    assert_code(&running.finish(wait::LONG).unwrap(), 0);
    assert_eq!(held.uncovered(), 0);
}

/// JOB-19, EXE-05, EXE-23: what a killed program leaves behind.
#[test]
fn a_killed_scan_is_recorded_as_abandoned_and_the_next_one_runs_at_once() {
    let held = held();
    let running = held.start();
    running.signal("KILL").unwrap();
    let done = running.finish(wait::LONG).unwrap();
    assert_eq!(done.signal, Some(9));
    held.scan_unheld();
    assert_eq!(held.recorded(), ["completed -", "failed abandoned"]);
    assert_code(&held.world.plumb(&["ledger", "verify"]), 0);
    assert_code(&held.world.plumb(&["state", "verify"]), 0);
}

/// JOB-17, across two processes.
#[test]
fn two_programs_never_scan_one_host_at_once() {
    let held = held();
    let first = held.start();
    let before = logins(&held.host.sshd_log().unwrap());
    let second = held.world.scan(&held.host, &["--content", &held.content, "--format", "json"]);
    assert_code(&second, 3);
    assert_eq!(not_measured(&one_host(&second)), "host_busy");
    assert_eq!(logins(&held.host.sshd_log().unwrap()), before, "the host sees no second session");
    held.host.must("rm -f /run/hold").unwrap();
    assert_code(&first.finish(wait::LONG).unwrap(), 0);
    assert_eq!(held.recorded(), ["completed -"]);
}

#[test]
fn a_scan_that_is_cut_in_the_middle_is_applied_not_at_all() {
    let held = held();
    held.scan_unheld();
    held.host.must("rm -f /run/asked; touch /run/hold").unwrap();
    let running = held.start();
    held.host.kill_sessions().unwrap();
    let done = running.finish(wait::LONG).unwrap();
    assert_code(&done, 3);
    assert!(done.stdout.contains("NOT MEASURED  connection_lost"), "{}", done.stdout);
    assert_eq!(held.recorded(), ["failed connection_lost", "completed -"]);
    let posture = held.world.plumb(&["posture", &at("root", &held.host), "--format", "json"]);
    assert!(!posture.stdout.contains("\"fail\""), "{}", posture.stdout);
    held.scan_unheld();
}
