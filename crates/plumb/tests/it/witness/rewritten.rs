//! What the owner of key and database can do, and what witnesses and a policy find of it (LED-73 to LED-75).

use std::sync::atomic::{AtomicU64, Ordering};

use ledger::entry::instant_seconds;
use ledger::note::Note;
use serde_json::Value;
use testkit::process::Output;

use super::Served;
use super::client::{begun, copied, cosigned_at, cosigner, grown, scripted, written};
use crate::support::{self, World, assert_code, assert_refused, json, world};

fn codes(done: &Output) -> Vec<String> {
    let report: Value = json(done);
    let text = |finding: &Value| finding["code"].as_str().unwrap().to_owned();
    report["findings"].as_array().unwrap().iter().map(text).collect()
}

fn exported(world: &World, policy: &[&str]) -> String {
    let folder = world.path("bundle").to_str().unwrap().to_owned();
    assert_code(&world.plumb(&[policy, &["ledger", "export", "-o", &folder]].concat()), 0);
    folder
}

fn sql(world: &World, text: &str) {
    support::tool("sqlite3", &[world.database().to_str().unwrap(), text]);
}

/// A log with its policy and its only witness, cosigned.
fn cosigned() -> (World, String, Served, String) {
    let world = world();
    let log = begun(&world);
    let served = Served::start(&world, "w", &[&log]);
    let policy = written(&world, &format!("log {log}\n{}quorum w\n", served.as_line("w")));
    (world, log, served, policy)
}

/// Verifies the live ledger and returns what is found.
fn live(world: &World, policy: Option<&str>) -> Output {
    let mut words = vec!["ledger", "verify", "--format", "json"];
    words.extend(policy.iter().flat_map(|policy| ["--ledger-policy", policy]));
    world.plumb(&words)
}

#[test]
fn led_74_who_regenerates_everything_has_no_quorum_and_an_older_checkpoint_finds_it_too() {
    let (world, log, served, policy) = cosigned();
    let rewritten = support::world();
    copied(&world, &rewritten);
    assert_code(&grown(&world, &policy, 1), 0);
    let honest = exported(&world, &["--ledger-policy", &policy]);
    let older = format!("{honest}/checkpoint");
    // With key and database of before, another history, as long as one likes.
    for port in 2..7 {
        assert_code(&rewritten.plumb(&["host", "add", &support::at_port("root", port)]), 0);
    }
    let forged = exported(&rewritten, &[]);
    let verify = |words: &[&str]| world.plumb(&[&["verify", "--format", "json"], words].concat());
    let done = verify(&[&forged, "--policy", &policy]);
    assert_code(&done, 2);
    assert_eq!(codes(&done), ["witness_quorum"]);
    let done = verify(&[&forged, "--vkey", &log, "--against", &older]);
    assert_code(&done, 2);
    assert_eq!(codes(&done), ["checkpoint_inconsistent"]);
    // With the key alone there is nothing to see, which the guide says.
    assert_code(&verify(&[&forged, "--vkey", &log]), 0);
    assert_code(&verify(&[&honest, "--policy", &policy]), 0);
    // Nor does the witness help: it knows the other history.
    assert_refused(&grown(&rewritten, &policy, 9), 70, "rollback_detected");
    drop(served);
}

#[test]
fn led_75_an_anchor_that_was_rewritten_too_does_not_make_a_quorum() {
    let (world, _log, served, policy) = cosigned();
    let rewritten = support::world();
    copied(&world, &rewritten);
    assert_code(&grown(&world, &policy, 1), 0);
    let anchor = rewritten.path("anchor").to_str().unwrap().to_owned();
    let rewritten = rewritten.env("PLUMB_LEDGER_ANCHOR", &anchor);
    for port in 2..5 {
        assert_code(&rewritten.plumb(&["host", "add", &support::at_port("root", port)]), 0);
    }
    assert_code(&live(&rewritten, None), 0);
    served.end("TERM");
    let done = live(&rewritten, Some(&policy));
    assert_code(&done, 2);
    assert_eq!(codes(&done), ["witness_quorum"]);
    let forged = exported(&rewritten, &[]);
    let done = world.plumb(&["verify", &forged, "--policy", &policy, "--format", "json"]);
    assert_eq!((done.code, codes(&done)), (Some(2), vec!["witness_quorum".to_owned()]));
}

#[test]
fn led_30_witnesses_that_were_promised_and_are_not_named_are_expected() {
    let (world, _log, _served, policy) = cosigned();
    assert_code(&grown(&world, &policy, 1), 0);
    let done = live(&world, Some(&policy));
    assert_code(&done, 0);
    assert_eq!(json(&done)["witness"], "verified");
    let done = live(&world, None);
    assert_code(&done, 2);
    assert_eq!(codes(&done), ["evidence_expected"]);
    // The entry that promised them: it came with the first checkpoint that was cut under the policy.
    assert_eq!(json(&done)["findings"][0]["index"], 6);
}

#[test]
fn led_27_every_stored_cosignature_is_checked_by_the_policy() {
    let (world, _log, _served, policy) = cosigned();
    assert_code(&grown(&world, &policy, 1), 0);
    let open = "DROP TRIGGER log_cosignatures_no_update; DROP TRIGGER log_cosignatures_no_delete;";
    for (change, found) in [
        // One letter of the signature.
        (
            "UPDATE log_cosignatures SET line = substr(line, 1, length(line) - 12)
               || CASE substr(line, length(line) - 11, 1) WHEN 'A' THEN 'B' ELSE 'A' END
               || substr(line, length(line) - 10);",
            &["checkpoint_signature", "witness_quorum"][..],
        ),
        ("UPDATE log_cosignatures SET line = 'nonsense';", &["row_altered", "witness_quorum"]),
        ("UPDATE log_cosignatures SET key_id = '00000000';", &["row_altered", "witness_quorum"]),
        ("DELETE FROM log_cosignatures;", &["witness_quorum"]),
    ] {
        let copy = support::world();
        copied(&world, &copy);
        sql(&copy, &format!("{open}{change}"));
        let done = live(&copy, Some(&policy));
        assert_code(&done, 2);
        let mut codes = codes(&done);
        // The triggers that had to go are a finding of their own.
        codes.retain(|code| code != "schema_tampered");
        assert_eq!(codes, found, "{change}");
        assert_eq!(json(&done)["witness"], "failed", "{change}");
    }
}

#[test]
fn led_35_cosignatures_of_one_witness_do_not_go_back_in_time() {
    let world = world();
    let log = begun(&world);
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let begun_at = instant_seconds(status["checkpoint"]["newest_entry_at"].as_str().unwrap()).unwrap();
    // Both times are in order with the entries, and the second is before the first.
    let times = AtomicU64::new(begun_at + 300);
    let url = scripted(2, move |request| cosigned_at(1, request, times.fetch_sub(100, Ordering::SeqCst)));
    let policy = written(&world, &format!("log {log}\nwitness w {} {url}\nquorum w\n", cosigner(1).public()));
    assert_code(&grown(&world, &policy, 1), 0);
    let done = grown(&world, &policy, 2);
    let warning = "warning: the cosignature of witness w does not count: its time is before that of a smaller checkpoint";
    assert!(done.success() && done.stderr.lines().any(|line| line == warning), "{done:#?}");
    assert_code(&live(&world, Some(&policy)), 0);
    // What the log does not keep can be put there by hand.
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let note = Note::parse(status["checkpoint"]["note"].as_str().unwrap().as_bytes()).unwrap();
    let line = cosigner(1).cosign(&note.text, begun_at + 200).unwrap();
    sql(
        &world,
        &format!(
            "INSERT INTO log_cosignatures SELECT tenant_id, log_id, {}, key_name, key_id, '{}', 1 FROM log_cosignatures;",
            status["checkpoint"]["size"],
            line.to_line(),
        ),
    );
    let done = live(&world, Some(&policy));
    assert_code(&done, 2);
    assert_eq!(codes(&done), ["stamp_window"]);
    assert!(done.stdout.contains("w cosigned a smaller checkpoint at a later time"), "{done:#?}");
}

/// A log of this lag whose only witness cosigns that much behind the beginning of the log, once.
fn stamped(lag: &str, behind: u64) -> (World, String, u64, Output) {
    let world = world().env("PLUMB_STAMP_MAX_LAG_SECONDS", lag);
    let log = begun(&world);
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let begun_at = instant_seconds(status["checkpoint"]["newest_entry_at"].as_str().unwrap()).unwrap();
    let url = scripted(1, move |request| cosigned_at(1, request, begun_at + behind));
    let policy = written(&world, &format!("log {log}\nwitness w {} {url}\nquorum w\n", cosigner(1).public()));
    let done = grown(&world, &policy, 1);
    (world, policy, begun_at, done)
}

#[test]
fn led_35_how_late_a_cosignature_may_be_is_what_the_log_declared_before_the_checkpoint() {
    let late = "the cosignature of witness w does not count";
    let (world, policy, _begun_at, done) = stamped("86400", 40_000);
    assert!(done.success() && !done.stderr.contains("warning"), "{done:#?}");
    assert_code(&live(&world, Some(&policy)), 0);
    let (world, policy, begun_at, done) = stamped("3600", 40_000);
    assert!(done.success() && done.stderr.contains(late), "{done:#?}");
    // The same log, stamped again by hand at the time that did not count: here, and in a bundle.
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let note = status["checkpoint"]["note"].as_str().unwrap();
    let line = cosigner(1).cosign(&Note::parse(note.as_bytes()).unwrap().text, begun_at + 40_000).unwrap();
    sql(
        &world,
        &format!(
            "INSERT INTO log_cosignatures SELECT tenant_id, log_id, size, '{}', '{}', '{}', 1 FROM log_checkpoints \
             WHERE size = {};",
            cosigner(1).public().name(),
            cosigner(1).public().id(),
            line.to_line(),
            status["checkpoint"]["size"],
        ),
    );
    let found = |done: &Output| {
        assert_code(done, 2);
        assert_eq!(codes(done), ["stamp_window", "witness_quorum"], "{done:#?}");
    };
    found(&live(&world, Some(&policy)));
    let bundle = exported(&world, &["--ledger-policy", &policy]);
    let verify = |bundle: &str| world.plumb(&["verify", bundle, "--policy", &policy, "--format", "json"]);
    found(&verify(&bundle));
    // Neither a setting of whoever verifies nor a later one of the log widens it for that checkpoint.
    let world = world.env("PLUMB_STAMP_MAX_LAG_SECONDS", "604800");
    found(&live(&world, Some(&policy)));
    let done = grown(&world, &policy, 2);
    assert!(done.success() && done.stderr.contains("warning: witness w did not cosign"), "{done:#?}");
    found(&live(&world, Some(&policy)));
}

#[test]
fn led_35_a_lag_that_is_no_number_of_seconds_within_its_limits_refuses_to_start() {
    let world = world();
    for bad in ["", "0", "59", "604801", "-60", "+60", "060", "60.5", "1h", "ten"] {
        let world = support::world().env("PLUMB_STAMP_MAX_LAG_SECONDS", bad);
        let done = world.plumb(&["ledger", "init"]);
        assert_code(&done, 64);
        let first = done.stderr.lines().next().unwrap();
        assert!(first.contains("--stamp-max-lag-seconds"), "{bad:?}: {done:#?}");
        assert!(!world.data().exists(), "{bad:?} began a log");
    }
    assert_code(&world.plumb(&["--stamp-max-lag-seconds", "60", "ledger", "init"]), 0);
}
