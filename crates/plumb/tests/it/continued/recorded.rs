//! What was known before a log was continued: told at its instants and numbers as it was, or refused.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{On, World, assert_code, assert_refused, json as read, world, world_on};

fn asked(world: &World, words: &[&str]) -> Value {
    let done = world.plumb(&[words, &["--format", "json"]].concat());
    assert_code(&done, 0);
    read(&done)
}

fn put(world: &World, value: &str) {
    asked(world, &["fact", "put", "fleet:web", "owner", value, "--type", "desired"]);
}

/// A world with an anchor, and the words that continue its log.
fn anchored(world: World) -> (World, String) {
    let anchor = world.path("anchor.log").to_str().unwrap().to_owned();
    (world.env("PLUMB_LEDGER_ANCHOR", &anchor), anchor)
}

fn key(world: &World) -> String {
    asked(world, &["ledger", "status"])["vkey"].as_str().unwrap().to_owned()
}

/// Puts a copy of the database in its place.
fn restore(world: &World, backup: &Path) {
    let database = world.database();
    for name in ["plumb.db-wal", "plumb.db-shm"] {
        let _none = fs::remove_file(database.with_file_name(name));
    }
    fs::copy(backup, database).unwrap();
}

fn differences(answer: &Value) -> Vec<(&Value, &Value)> {
    let list = answer["differences"].as_array().unwrap();
    list.iter().map(|one| (&one["before"]["value"], &one["after"]["value"])).collect()
}

/// FCT-12, FCT-13, LED-39: what was recorded before a restore is told at its instant and at its number as it was; a
/// number that was told of lost entries is refused, and those of the new log go on behind them.
#[test]
fn fct_12_fct_13_led_39_what_was_known_before_a_restore_is_told_as_it_was() {
    let (world, anchor) = anchored(world());
    put(&world, "\"a\"");
    asked(&world, &["edge", "put", "fleet:web", "reaches", "network:x"]);
    let before = asked(&world, &["fact", "as-of", "fleet:web"]);
    let (then, number) = (before["recorded_at"].as_str().unwrap(), before["tree_size"].to_string());
    let backup = world.path("backup.db");
    fs::copy(world.database(), &backup).unwrap();
    put(&world, "\"b\"");
    let lost = asked(&world, &["fact", "as-of", "fleet:web"])["tree_size"].as_u64().unwrap();
    let vkey = key(&world);
    restore(&world, &backup);
    // It is recorded, at the number of what was lost, and cannot be signed.
    let forked = ["fact", "put", "fleet:web", "owner", "\"c\"", "--type", "desired"];
    assert_refused(&world.plumb(&forked), 70, "rollback_detected");
    let fork = asked(&world, &["fact", "as-of", "fleet:web"]);
    let on_fork = fork["recorded_at"].as_str().unwrap();
    assert_code(&world.plumb(&["ledger", "continue", &anchor, "--vkey", &vkey, "--reason", "restored"]), 0);

    let known = |point: &str, more: &[&str]| {
        asked(&world, &[&["fact", "as-of", "fleet:web", "--recorded-at", point], more].concat())
    };
    for point in [then, &number] {
        assert_eq!(known(point, &["--at", then])["facts"], known(&number, &["--at", then])["facts"]);
        assert_eq!(known(point, &[])["facts"][0]["value"], "a");
        assert_eq!(known(point, &[])["tree_size"], before["tree_size"]);
        let words = ["edge", "list", "fleet:web", "--recorded-at", point];
        assert_eq!(asked(&world, &words)["edges"][0]["target"], "network:x");
        let words = ["graph", "path", "fleet:web", "network:x", "--recorded-at", point];
        assert_eq!(asked(&world, &words)["path"].as_array().unwrap().len(), 1);
        let diff = asked(&world, &["fact", "diff", "fleet:web", "--from", point]);
        assert_eq!(differences(&diff), [(&json!("a"), &json!("c"))]);
        assert_eq!(diff["from_tree_size"], before["tree_size"]);
    }
    assert_eq!(known("0", &[])["facts"], json!([]));
    assert_eq!(known("2000-01-01", &[])["tree_size"], 0);
    // The instant is answered by what is here; the number was told of the value that was lost.
    assert_eq!(known(on_fork, &[])["facts"][0]["value"], "c");
    for asked in [before["tree_size"].as_u64().unwrap() + 1, lost] {
        let words = ["fact", "as-of", "fleet:web", "--recorded-at", &asked.to_string()];
        assert_refused(&world.plumb(&words), 64, &format!("those from {number} on are lost"));
    }

    put(&world, "\"d\"");
    let now = asked(&world, &["fact", "as-of", "fleet:web"]);
    assert!(now["tree_size"].as_u64().unwrap() > lost, "{now:#}");
    put(&world, "\"e\"");
    let again = known(&now["tree_size"].to_string(), &[]);
    assert_eq!((&again["facts"][0]["value"], &again["tree_size"]), (&json!("d"), &now["tree_size"]));
    let beyond = ["fact", "as-of", "fleet:web", "--recorded-at", "1000"];
    assert_refused(&world.plumb(&beyond), 64, "entries, not 1000");
}

/// FCT-12, LED-39: where nothing is lost, no number is refused and each answer stays as it is, to the byte.
fn fct_12_led_39_a_number_means_the_same_before_and_after_a_log_is_continued(on: On) {
    let (world, anchor) = anchored(world_on(on));
    put(&world, "\"a\"");
    put(&world, "\"b\"");
    let newest = |world: &World| asked(world, &["fact", "as-of", "fleet:web"])["tree_size"].as_u64().unwrap();
    let all = |world: &World, last: u64| -> Vec<Value> {
        let one =
            |size: u64| asked(world, &["fact", "as-of", "fleet:web", "--recorded-at", &size.to_string()]);
        (0..=last).map(one).collect()
    };
    for value in ["1", "2"] {
        let (last, vkey) = (newest(&world), key(&world));
        let told = all(&world, last);
        let words = ["ledger", "continue", &anchor, "--vkey", &vkey, "--reason", "moved", "--without-loss"];
        assert_code(&world.plumb(&words), 0);
        put(&world, value);
        assert_eq!(all(&world, last), told);
        assert!(newest(&world) > last);
    }
}
on_each!(fct_12_led_39_a_number_means_the_same_before_and_after_a_log_is_continued);

/// FCT-12, LED-39: of a database that was lost nothing is known, and its numbers say so.
#[test]
fn fct_12_led_39_the_numbers_of_a_lost_database_are_refused() {
    let (world, anchor) = anchored(world());
    put(&world, "\"a\"");
    let vkey = key(&world);
    fs::remove_dir_all(world.data()).unwrap();
    assert_code(&world.plumb(&["ledger", "continue", &anchor, "--vkey", &vkey, "--reason", "lost"]), 0);
    put(&world, "\"b\"");
    let words = |point: &'static str| ["fact", "as-of", "fleet:web", "--recorded-at", point];
    assert_refused(&world.plumb(&words("2")), 64, "those from 0 on are lost");
    assert_eq!(asked(&world, &words("2000-01-01"))["facts"], json!([]));
    assert_eq!(asked(&world, &["fact", "as-of", "fleet:web"])["facts"][0]["value"], "b");
}
