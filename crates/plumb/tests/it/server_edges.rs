//! The edges of the product on a PostgreSQL database: an auditor without the signing key, a server whose guards are gone,
//! root certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use testkit::postgres::{Cluster, Durability};

use crate::server::{database, database_of, migrate, on, single, user};
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

/// FCT-24, DBS-26: what no migration makes again is said, and running it again is not the advice.
#[test]
fn fct_24_a_migration_of_a_server_without_its_guards_names_the_first_one() {
    for (which, named) in [
        ("ALL", "table log_entries "),
        ("log_entries_no_update", "trigger log_entries.log_entries_no_update "),
    ] {
        let database = database();
        let world = on(&database);
        migrate(&world, &database);
        database.sql(&format!("ALTER TABLE log_entries DISABLE TRIGGER {which}")).unwrap();
        let done = world.plumb(&["migrate"]);
        assert_refused(&done, 78, named);
        assert!(!done.stderr.contains("plumb migrate"), "{done:?}");
    }
    let database = database();
    let world = on(&database);
    migrate(&world, &database);
    // A right that nobody gave: there the grants of one migration are the advice.
    database.sql(&format!("GRANT DELETE ON hosts TO {}", user(&database, "app"))).unwrap();
    let done = world.plumb(&["migrate"]);
    assert_refused(&done, 78, "has the right");
    assert!(done.stderr.contains("--grant"), "{done:?}");
    migrate(&world, &database);
}

/// DBS-24: a root certificate is used or refused, never passed over; with one, `require` is `verify-ca`, as for libpq.
#[test]
fn dbs_24_a_root_certificate_is_never_passed_over() {
    let cluster = Cluster::private(Durability::Forgetful).unwrap();
    let database = database_of(&cluster);
    let [known, foreign] =
        ["127.0.0.1", "other"].map(|name| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap());
    cluster.serve_tls(&known.cert.pem(), &known.signing_key.serialize_pem()).unwrap();
    let server = |mode: Option<&str>, root: &std::path::Path| {
        let world = single(&database, database.name())
            .env("PLUMB_DATABASE_PORT", &cluster.port().to_string())
            .env("PLUMB_DATABASE_SSLROOTCERT", root.to_str().unwrap());
        match mode {
            Some(mode) => world.env("PLUMB_DATABASE_SSLMODE", mode),
            None => world,
        }
    };
    let files = world();
    let file = |name: &str, text: &str| {
        fs::write(files.path(name), text).unwrap();
        files.path(name)
    };
    let (right, wrong) = (file("right.pem", &known.cert.pem()), file("wrong.pem", &foreign.cert.pem()));
    let reached = server(Some("require"), &right).plumb(&["db", "check"]);
    // The schema is not there yet.
    assert_code(&reached, 2);
    assert!(reached.stdout.contains("encrypted, TLSv1.3"), "{reached:?}");
    assert_refused(&server(Some("require"), &wrong).plumb(&["db", "check"]), 69, "certificate");
    for mode in [Some("disable"), Some("prefer"), None] {
        let done = server(mode, &right).plumb(&["migrate"]);
        assert_refused(&done, 78, "PLUMB_DATABASE_SSLROOTCERT");
        assert!(done.stderr.contains("PLUMB_DATABASE_SSLMODE"), "{done:?}");
    }
    let (junk, gone) = (file("junk.pem", "no certificate\n"), files.path("gone.pem"));
    for mode in ["require", "verify-ca", "verify-full"] {
        for bad in [&junk, &gone] {
            let done = server(Some(mode), bad).plumb(&["migrate"]);
            assert_refused(&done, 78, bad.to_str().unwrap());
            assert!(!done.stderr.contains("host and port"), "{done:?}");
        }
    }
}
