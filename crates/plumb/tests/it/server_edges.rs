//! The edges of the product on a PostgreSQL database: an auditor without the signing key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::server::{database, migrate, on, single, user};
use crate::support::{World, assert_code, assert_refused, json, world};

/// What an auditor does: each of these only reads.
const READING: [&[&str]; 8] = [
    &["ledger", "verify"],
    &["ledger", "status"],
    &["ledger", "events"],
    &["ledger", "prove", "--index", "1"],
    &["state", "verify"],
    &["host", "list"],
    &["history", "one"],
    &["fact", "as-of", "fleet:web"],
];
const WRITING: [&[&str]; 6] = [
    &["host", "remove", "one"],
    &["host", "add", "192.0.2.2", "--name", "two"],
    &["fact", "retire", "fleet:web", "owner", "--type", "desired", "--reason", "gone"],
    &["ledger", "checkpoint"],
    &["ledger", "rotate-key", "--reason", "yearly"],
    &["ledger", "hold", "add", "case", "--reason", "court"],
];

fn filled(world: &World) {
    assert_code(&world.plumb(&["host", "add", "192.0.2.1", "--name", "one"]), 0);
    assert_code(&world.plumb(&["fact", "put", "fleet:web", "owner", "\"a\"", "--type", "desired"]), 0);
}

/// LED-21: who reads needs no key, and who writes is refused without it before anything is recorded.
fn only_reads(auditor: &World, vkey: &str) {
    for words in READING {
        assert_code(&auditor.plumb(words), 0);
    }
    let proof = auditor.path("proof");
    assert_code(&auditor.plumb(&["ledger", "export", "--output", proof.to_str().unwrap()]), 0);
    assert_code(&world().plumb(&["verify", proof.to_str().unwrap(), "--vkey", vkey]), 0);
    let size = || json(&auditor.plumb(&["ledger", "status", "--format", "json"]))["size"].clone();
    let before = size();
    for words in WRITING {
        assert_refused(&auditor.plumb(words), 78, "ledger.key cannot be read");
    }
    assert_eq!(size(), before);
}

fn vkey(world: &World) -> String {
    json(&world.plumb(&["ledger", "status", "--format", "json"]))["vkey"].as_str().unwrap().to_owned()
}

#[test]
fn led_21_the_role_that_verifies_reads_everything_without_the_signing_key() {
    let database = database();
    let world = on(&database);
    migrate(&world, &database);
    filled(&world);
    let auditor = single(&database, &user(&database, "verify"));
    only_reads(&auditor, &vkey(&world));
    assert!(!auditor.data().join("ledger.key").exists());
}

#[test]
fn led_21_without_its_key_a_record_is_read_and_a_key_that_is_there_has_to_be_right() {
    let (world, other) = (world(), crate::support::world());
    filled(&world);
    filled(&other);
    let (key, vkey) = (world.data().join("ledger.key"), vkey(&world));
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    only_reads(&world, &vkey);
    let put = |bytes: &[u8], mode: u32| {
        fs::write(&key, bytes).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    };
    put(&kept, 0o644);
    assert_refused(&world.plumb(&["host", "list"]), 78, "can be read by others");
    put(&fs::read(other.data().join("ledger.key")).unwrap(), 0o600);
    assert_refused(&world.plumb(&["host", "list"]), 78, "is not the key of this log");
    put(&kept, 0o600);
    assert_code(&world.plumb(&["host", "remove", "one"]), 0);
}
