//! What is said while checkpoints wait for their witnesses (LED-32).

use serde_json::Value;

use super::Served;
use super::client::written;
use crate::support::{assert_code, at_port, json, world};

#[test]
fn led_32_status_and_verify_say_since_when_witnesses_are_behind_and_alarm_after_ten_minutes() {
    let world = world();
    // A log whose checkpoints were signed in March.
    assert_code(&world.plumb(&["demo"]), 0);
    let data = world.data().join("demo").to_str().unwrap().to_owned();
    let run = |words: &[&str]| world.plumb(&[&["--data-dir", &data], words].concat());
    let status = json(&run(&["ledger", "status", "--format", "json"]));
    assert_eq!(status["witness_lag"], Value::Null);
    let log = status["vkey"].as_str().unwrap();
    let served = Served::start(&world, "w", &[log]);
    let policy = written(&world, &format!("log {log}\n{}quorum w\n", served.as_line("w")));
    let with = |words: &[&str]| run(&[&["--ledger-policy", &policy], words].concat());
    let lag = |words: &[&str]| json(&with(&[words, &["--format", "json"]].concat()))["witness_lag"].clone();

    let done = with(&["ledger", "status"]);
    assert_code(&done, 0);
    let line = done.stdout.lines().find(|line| line.starts_with("witnessed ")).unwrap();
    assert!(line.contains("since 2026-03-01T10:00:00.000000Z") && line.ends_with(": ALARM"), "{line:?}");
    let warning = "warning: no quorum of witnesses cosigned a checkpoint beyond 0 entries for ";
    assert!(done.stderr.starts_with(warning), "{:?}", done.stderr);
    assert!(with(&["ledger", "status", "--quiet"]).stderr.starts_with(warning), "an alarm is no note");
    let said = lag(&["ledger", "status"]);
    assert_eq!((&said["size"], &said["alarm"]), (&0.into(), &true.into()), "{said}");
    assert!(said["seconds"].as_u64().unwrap() > 600, "{said}");
    let verified = lag(&["ledger", "verify"]);
    assert_eq!((&verified["since"], &verified["alarm"]), (&said["since"], &true.into()), "{verified}");

    // The witness gets the newest checkpoint, and goes.
    assert_code(&with(&["ledger", "checkpoint"]), 0);
    let said = lag(&["ledger", "status"]);
    assert_eq!((&said["since"], &said["alarm"]), (&Value::Null, &false.into()), "{said}");
    let size = said["size"].as_u64().unwrap();
    served.end("TERM");
    let done = with(&["host", "add", &at_port("root", 7)]);
    assert_code(&done, 0);
    // What waits for less than ten minutes is said and no alarm; nothing of it is a finding.
    let done = with(&["ledger", "verify"]);
    assert_code(&done, 0);
    assert!(done.stdout.contains(&format!("witnessed {size} entries")), "{}", done.stdout);
    assert_eq!(done.stderr, "");
    let said = lag(&["ledger", "verify"]);
    assert_eq!((said["size"].as_u64(), &said["alarm"]), (Some(size), &false.into()), "{said}");
    assert!(said["since"].is_string(), "{said}");
}
