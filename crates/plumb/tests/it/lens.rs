//! Frameworks as lenses on past scans, and what a hung host may not hold up.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use testkit::net::BlackHole;
use testkit::wait;

use crate::database::{sql, tamper};
use crate::ours::{closed, folder};
use crate::support::{World, assert_code, assert_refused, at_port, host, json, world};

fn map(world: &World, content: &str, edition: &str, control: &str) {
    let dir = std::path::Path::new(content).join("mappings");
    fs::create_dir_all(&dir).unwrap();
    let text = format!(
        "framework: house\nedition: \"{edition}\"\ntitle: House rules\nsource: this test\nrules:\n  one: [{control}]\n"
    );
    for old in fs::read_dir(&dir).unwrap() {
        fs::remove_file(old.unwrap().path()).unwrap();
    }
    fs::write(dir.join(format!("house-{edition}.yaml")), text).unwrap();
    assert_code(&world.plumb(&["--content", content, "rules", "lint", content]), 0);
}

fn controls(posture: &Value) -> Vec<String> {
    let controls = posture["controls"].as_array().unwrap();
    controls.iter().map(|control| control["control"].as_str().unwrap().to_owned()).collect()
}

/// POS-07, EXE-24: between two scans the mapping moves rule `one` from A-1 to B-2. The first instant answers
/// with its own mapping, or with today's on request, and the answer says which.
#[test]
fn an_answer_for_a_past_instant_keeps_the_mapping_of_its_time() {
    let (world, host) = (world(), host());
    host.must("install -m 600 /dev/null /etc/plumb_one").unwrap();
    let content = folder(&world, "content", &[closed("one", "high")]);
    map(&world, &content, "1", "A-1");
    let with = ["--content", content.as_str()];
    assert_code(&world.scan(&host, &with), 0);
    let name = crate::support::at("root", &host);
    let first = world.last_scan(&name)["finished_at"].as_str().unwrap().to_owned();
    map(&world, &content, "2", "B-2");
    assert_code(&world.scan(&host, &with), 0);

    let ask = |more: &[&str]| {
        let mut words = vec!["posture", name.as_str(), "--framework", "house", "--format", "json"];
        words.extend(with);
        words.extend(more);
        json(&world.plumb(&words))
    };
    let then = ask(&["--at", &first]);
    assert_eq!(controls(&then), ["A-1"]);
    assert_eq!(then["mapping"], "1 (as of that scan)");
    let todays = ask(&["--at", &first, "--todays-mapping"]);
    assert_eq!(controls(&todays), ["B-2"]);
    assert_eq!(todays["mapping"], "2 (today's)");
    assert_eq!(controls(&ask(&[])), ["B-2"]);
}

/// POS-07: a host that was scanned with rules which know no such framework takes the answer about the others from nobody.
#[test]
fn a_host_whose_rules_know_no_such_framework_does_not_hide_the_others() {
    let (world, host) = (world(), host());
    let content = folder(&world, "mapped", &[closed("one", "high")]);
    map(&world, &content, "1", "A-1");
    let name = crate::support::at("root", &host);
    assert_code(&world.scan(&host, &["--content", &content]), 2);
    let plain = crate::support::yes(&world);
    world.plumb(&["scan", "localhost", "--content", &plain, "--quiet"]);
    let ask = |more: &[&str]| {
        let words = ["posture", "--framework", "house", "--content", &content];
        world.plumb(&[&words, more].concat())
    };
    let both = json(&ask(&["--format", "json"]))["postures"].clone();
    let of =
        |wanted: &str| both.as_array().unwrap().iter().find(|posture| posture["host"] == wanted).unwrap();
    assert_eq!(controls(of(&name)), ["A-1"]);
    assert_eq!(
        (&of("localhost")["controls"], &of("localhost")["state"]),
        (&serde_json::json!([]), &"unknown".into())
    );
    assert_code(&ask(&["--format", "csv"]), 0);
    // Alone, that one has no answer.
    assert_refused(&ask(&["localhost"]), 64, "no rule is mapped to the framework");
    let typed = world.plumb(&["posture", "--framework", "hose", "--content", &content]);
    assert_refused(&typed, 64, "no rule is mapped to the framework \"hose\"");
}

/// POS-13: a host's system is upgraded after a scan. What was so at an instant is told by the edition for what it was then,
/// with the same words as before, and today's by the one for what it is now.
#[test]
fn pos_13_an_answer_for_a_past_instant_keeps_the_platform_of_its_time() {
    let (world, host) = (world(), host());
    let content = folder(&world, "content", &[closed("one", "high"), closed("two", "high")]);
    for rule in ["one", "two"] {
        let path = std::path::Path::new(&content).join(format!("rules/ours/{rule}.yaml"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("max: \"12\"", "max: \"13\"")).unwrap();
    }
    let dir = std::path::Path::new(&content).join("mappings");
    fs::create_dir_all(&dir).unwrap();
    for (edition, version, control) in [("of-12", "12", "D-12"), ("of-13", "13", "D-13")] {
        let text = format!(
            "framework: house\nedition: {edition}\ntitle: House rules\nsource: this test\n\
             platforms:\n  - {{id: debian, min: \"{version}\", max: \"{version}\"}}\nrules:\n  one: [{control}]\n"
        );
        fs::write(dir.join(format!("house-{edition}.yaml")), text).unwrap();
    }
    let with = ["--content", content.as_str()];
    assert_code(&world.scan(&host, &with), 2);
    let name = crate::support::at("root", &host);
    let then = world.last_scan(&name)["recorded_at"].as_str().unwrap().to_owned();
    let ask = |more: &[&str]| {
        let mut words = vec!["posture", name.as_str(), "--framework", "house", "--format", "json"];
        words.extend(with);
        words.extend(more);
        world.plumb(&words)
    };
    let past = ["--at", then.as_str(), "--recorded-at", then.as_str()];
    let csv = |words: &[&str]| {
        world.plumb(&[&["posture", name.as_str(), "--format", "csv"], &with[..], words].concat())
    };
    let (before, before_csv) = (ask(&past), csv(&past));
    assert_eq!(controls(&json(&before)), ["D-12"]);
    assert!(before_csv.stdout.contains("D-12"), "{}", before_csv.stdout);
    host.must(
        "rm /etc/os-release; printf 'ID=debian\\nVERSION_ID=13\\nPRETTY_NAME=Debian\\n' >/etc/os-release",
    )
    .unwrap();
    // Of one rule alone, so that the newest whole scan is the first.
    assert_code(&world.scan(&host, &[&with[..], &["--rule", "two"]].concat()), 2);
    assert_eq!(ask(&past).stdout, before.stdout);
    assert_eq!(csv(&past).stdout, before_csv.stdout);
    assert_code(&world.scan(&host, &with), 2);
    assert_eq!(ask(&past).stdout, before.stdout);
    assert_eq!(controls(&json(&ask(&[]))), ["D-13"]);
}

/// EXE-10: while a host accepts and says nothing, other commands read and write the database at once.
#[test]
fn a_host_that_says_nothing_holds_no_database_lock() {
    let world = world();
    let hole = BlackHole::start().unwrap();
    let target = at_port("root", hole.port());
    let hung = world.start(&["scan", target.as_str(), "--quiet"]).unwrap();
    assert!(wait::until(wait::LONG, || hole.connections() > 0));
    assert_code(&world.plumb(&["host", "add", "192.0.2.7", "--name", "other"]), 0);
    let shown = json(&world.plumb(&["host", "show", &target, "--format", "json"]));
    assert_eq!(shown["scans"][0]["status"], "running");
    let done = hung.finish(Duration::from_secs(60)).unwrap();
    assert_code(&done, 3);
    assert!(done.stdout.contains("timeout"), "{}", done.stdout);
}

/// LED-18, LED-43: each command that wrote leaves nothing uncovered behind, and the open window is told.
#[test]
fn a_command_that_wrote_ends_with_a_checkpoint_over_everything() {
    let world = world();
    assert_code(&world.plumb(&["host", "add", "192.0.2.7", "--name", "one"]), 0);
    let status = || json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let first = status();
    assert_eq!(first["uncovered"], 0);
    assert!(first["window_seconds"].as_i64().unwrap() >= 0);
    assert_code(&world.plumb(&["host", "remove", "one"]), 0);
    let second = status();
    assert_eq!(second["uncovered"], 0);
    assert_eq!(second["checkpoint"]["size"], second["size"]);
    assert!(second["size"].as_u64() > first["size"].as_u64());
    let text = world.plumb(&["ledger", "status"]).stdout;
    assert!(text.contains("that a scan told the truth"), "{text}");
}

/// LED-19: a log that does not extend its newest signed head, here because an older copy of its tiles came
/// back, is never signed over. The command says so, and no new head is there.
#[test]
fn a_log_that_does_not_extend_its_signed_head_is_not_signed_again() {
    let world = world();
    assert_code(&world.plumb(&["host", "add", "192.0.2.7", "--name", "one"]), 0);
    let heads = || sql(&world.database(), "SELECT size FROM log_checkpoints ORDER BY size;");
    let before = heads();
    let edit = "UPDATE log_checkpoints SET root = replace(hex(zeroblob(32)), '0', 'a')
        WHERE size = (SELECT max(size) FROM log_checkpoints);";
    tamper(&world.database(), edit);
    let done = world.plumb(&["host", "add", "192.0.2.8", "--name", "two"]);
    assert_code(&done, 70);
    assert!(done.stderr.contains("rollback_detected"), "{}", done.stderr);
    assert_eq!(heads(), before);
    assert_code(&world.plumb(&["ledger", "verify"]), 2);
}

/// TLW-21: what lists show of a host, its band and how often it was checked, follows from the record, and an
/// edit of either is found by both verifiers.
#[test]
fn an_edit_of_what_lists_show_is_found() {
    let (world, host) = (world(), host());
    let content = folder(&world, "content", &[closed("one", "high")]);
    assert_code(&world.scan(&host, &["--content", &content]), 2);
    assert_code(&world.plumb(&["state", "verify"]), 0);
    let edits = [
        "UPDATE host_posture SET compliance_state = 'compliant';",
        "UPDATE host_posture SET compliance_state = 'critical', pass_count = 500;",
        "UPDATE host_posture SET pass_count = 0; UPDATE host_rule_sets SET scan_count = 99;",
        "UPDATE host_rule_sets SET scan_count = 1, last_checked_at_us = 1;",
    ];
    for edit in edits {
        sql(&world.database(), edit);
        assert_code(&world.plumb(&["state", "verify"]), 2);
        assert_code(&world.plumb(&["ledger", "verify"]), 2);
    }
}

/// POS-13: a rule gets another title; the answer for an instant before keeps the one of its time.
#[test]
fn an_answer_for_a_past_instant_keeps_the_titles_of_its_time() {
    let (world, host) = (world(), host());
    let content = folder(&world, "content", &[closed("one", "high")]);
    let with = ["--content", content.as_str()];
    assert_code(&world.scan(&host, &with), 2);
    let name = crate::support::at("root", &host);
    let first = world.last_scan(&name)["finished_at"].as_str().unwrap().to_owned();
    let ask = |at: &[&str]| {
        let mut words = vec!["posture", name.as_str(), "--format", "json"];
        words.extend(with);
        words.extend(at);
        world.plumb(&words).stdout
    };
    let fixed = ["--at", first.as_str(), "--recorded-at", first.as_str()];
    let before = ask(&fixed);
    let (id, text) = closed("one", "high");
    folder(&world, "content", &[(id, text.replace("Title of one", "Another title"))]);
    assert_code(&world.scan(&host, &with), 2);
    assert_eq!(ask(&fixed), before);
    assert!(before.contains("Title of one"), "{before}");
    assert!(ask(&[]).contains("Another title"));
}

/// TLW-01, end to end: the database refuses one change of a scan. Nothing of it is there, its run is `failed`,
/// the exit status says that nothing was answered, and the host is free at once.
#[test]
fn a_scan_that_the_database_refuses_ends_as_failed_and_frees_its_host() {
    let (world, host) = (world(), host());
    let content = folder(&world, "content", &[closed("one", "high"), closed("two", "low")]);
    let with = ["--content", content.as_str()];
    assert_code(&world.plumb(&["host", "add", "192.0.2.7"]), 0);
    // A fact from the future, behind which no other may be put.
    let plant = "INSERT INTO facts (tenant_id, fact_id, seq, subject, predicate, fact_type, value, t_valid, t_recorded,
          actor, classification, log_index)
        SELECT tenant_id, 'planted', 0, 'fleet:web', 'p', 'desired', '1', 0, 9000000000000000, 'a', 'normal', 0 FROM tenants;";
    tamper(&world.database(), plant);
    let refused = world.scan(&host, &with);
    assert_code(&refused, 69);
    assert!(refused.stdout.contains("time-violation"), "{}", refused.stdout);
    let name = crate::support::at("root", &host);
    let run = world.last_scan(&name);
    assert_eq!((&run["status"], &run["failure_reason"]), (&"failed".into(), &"store_error".into()));
    let counts = "SELECT (SELECT count(*) FROM transactions) + (SELECT count(*) FROM host_rule_state)
        + (SELECT count(*) FROM evidence) + (SELECT count(*) FROM manifests);";
    assert_eq!(sql(&world.database(), counts), ["0"]);
    tamper(&world.database(), "DELETE FROM facts WHERE fact_id = 'planted';");
    assert_code(&world.scan(&host, &with), 2);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
