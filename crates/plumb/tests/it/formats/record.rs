//! What is written of the record is what the scan wrote, whichever database keeps it.

use serde_json::{Value, json};

use crate::ours::{closed, folder, rule};
use crate::support::{On, World, assert_code, at, host, world_on};

/// Runs a command that writes JSON lines; returns those of results and the last one, of the host.
fn lines(world: &World, words: &[&str], code: i32) -> (Vec<Value>, Value) {
    let done = world.plumb(words);
    assert_code(&done, code);
    let mut lines: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_host = lines.pop().unwrap();
    (lines, of_host)
}

/// Returns a line without what a record cannot know: how a result differs from the one before, and how a host was typed.
fn lasting(mut line: Value) -> Value {
    for member in ["change", "target", "platform", "duration_ms"] {
        line.as_object_mut().unwrap().remove(member);
    }
    line
}

fn what_is_written_of_the_record_is_what_the_scan_wrote(on: On) {
    let (world, host) = (world_on(on), host());
    let name = at("root", &host);
    let unseen = rule("unseen", "low", "{command: {run: no-such-tool-here, equal: \"yes\"}}");
    let apart = rule(
        "apart",
        "low",
        "{setting: {file: /etc/plumb_none, format: equals, key: a, missing: not_applicable, equal: b}}",
    );
    let content = folder(&world, "ours", &[apart, closed("one", "high"), closed("two", "low"), unseen]);
    let scan = |more: &[&str], code| {
        let key = crate::support::key(&host);
        let words = ["--content", &content, "scan", &name, "-i", &key, "--format", "jsonl"];
        lines(&world, &[&words, more].concat(), code)
    };
    let posture = |more: &[&str]| {
        lines(&world, &[&["--content", &content, "posture", &name, "--format", "jsonl"], more].concat(), 0)
    };
    host.must("install -m 0600 /dev/null /etc/plumb_one").unwrap();
    let (scanned, scanned_host) = scan(&[], 2);
    let statuses: Vec<&Value> = scanned.iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, ["not_applicable", "pass", "fail", "error"]);
    // Where there is no verdict there is a reason, also in what is read back.
    assert!(!scanned[0]["reason"]["text"].as_str().unwrap().is_empty(), "{}", scanned[0]);
    let (recorded, recorded_host) = posture(&[]);
    assert_eq!(
        recorded.into_iter().map(lasting).collect::<Vec<_>>(),
        scanned.iter().cloned().map(lasting).collect::<Vec<_>>()
    );
    assert_eq!(lasting(recorded_host), lasting(scanned_host));

    // A partial scan brings one rule up to date and leaves the others, with when each was looked at.
    host.must("rm /etc/plumb_one").unwrap();
    let (part, _host) = scan(&["--rule", "one"], 2);
    let (recorded, _host) = posture(&[]);
    assert_eq!((part.len(), recorded.len()), (1, 4));
    assert_eq!((&recorded[1]["status"], &recorded[2]["status"]), (&json!("fail"), &json!("fail")));
    assert_eq!(recorded[1]["checked_at"], part[0]["checked_at"]);
    assert_eq!(recorded[2]["checked_at"], scanned[2]["checked_at"]);
    // Before it, the answer is the one of then.
    let then = scanned[0]["checked_at"].as_str().unwrap();
    let (of_then, _host) = posture(&["--at", then]);
    assert_eq!(
        of_then.into_iter().map(lasting).collect::<Vec<_>>(),
        scanned.into_iter().map(lasting).collect::<Vec<_>>()
    );
    let first = "2020-01-01";
    let (none, of_host) = posture(&["--at", first]);
    assert_eq!((none.len(), &of_host["failure"]["reason"]), (0, &json!("never_scanned")));
}
on_each!(what_is_written_of_the_record_is_what_the_scan_wrote);

fn a_host_without_results_is_named_with_the_reason_of_its_last_scan(on: On) {
    let world = world_on(on);
    assert_code(&world.plumb(&["host", "add", "root@127.0.0.1:1", "--name", "silent"]), 0);
    let failure = || lines(&world, &["posture", "silent", "--format", "jsonl"], 0).1["failure"].clone();
    let before = failure();
    assert_eq!(before["reason"], "never_scanned");
    assert_eq!(before["hint"], "run `plumb scan silent`");
    assert_code(&world.plumb(&["scan", "silent"]), 3);
    let after = failure();
    assert_eq!(after["reason"], "connect_failed");
    assert!(after["message"].as_str().unwrap().contains("127.0.0.1"), "{after}");
}
on_each!(a_host_without_results_is_named_with_the_reason_of_its_last_scan);
