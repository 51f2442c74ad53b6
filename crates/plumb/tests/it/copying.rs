//! A record carried from a file to a server and back (`plumb db copy`): the same answers, the same proofs, the same bytes; and
//! what is said where it cannot be.

use std::fs;
use std::path::Path;

use testkit::postgres::{Database, SUPERUSER};

use crate::database::{dump, sql};
use crate::ours::{at_least_14, closed, folder};
use crate::server::{address, cluster, database, user};
use crate::support::{World, assert_code, assert_refused, at, host, json, tool, world};

/// Records two scans with a change between them, facts and edges of all ages, and what can happen to a ledger. Returns the
/// host's name, an instant between the scans, and how many entries were signed then.
fn filled(world: &World) -> (String, String, String) {
    let host = host();
    let content = folder(world, "ours", &[closed("good", "low"), at_least_14("short", "high")]);
    host.must("install -m 0600 /dev/null /etc/plumb_good; echo length=8 >/etc/plumb_short").unwrap();
    assert_code(&world.scan(&host, &["--content", &content]), 2);
    let between = world.last_scan(&at("root", &host))["recorded_at"].as_str().unwrap().to_owned();
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let signed = status["checkpoint"]["size"].to_string();
    host.must("echo length=15 >/etc/plumb_short; echo one >/etc/plumb_good").unwrap();
    assert_code(&world.scan(&host, &["--content", &content]), 0);
    for words in [
        "fact put fleet:web owner \"a\" --type desired",
        "fact put fleet:web owner \"b\" --type desired --reason handed",
        "fact put fleet:web patching {\"day\":\"tuesday\"} --type desired --valid-from 2026-03-01 --restricted",
        "fact retire fleet:web patching --type desired --reason gone --restricted",
        "fact put fleet:web patching {\"day\":\"friday\"} --type desired",
        "fact put fleet:web patching {\"day\":\"friday\"} --type desired",
        "edge put fleet:web reaches network:10.0.0.0/8",
        "edge retire fleet:web reaches network:10.0.0.0/8 --reason closed",
        "edge put fleet:web reaches network:10.1.0.0/16",
        "host add 192.0.2.10 --name later",
        "host remove later",
        "ledger rotate-key --reason yearly",
        "ledger hold add case-7 --host later",
        "ledger erase 4 --reason asked --approved-by ann",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let words: Vec<&str> =
            if words[1] == "hold" { [words, vec!["--reason", "court"]].concat() } else { words };
        assert_code(&world.plumb(&words), 0);
    }
    (at("root", &host), between, signed)
}

/// Everything that commands answer about the record through one database, as they print it.
fn answers(world: &World, database: &str, [name, between, signed]: [&str; 3]) -> Vec<String> {
    let posture = ["posture", name, "--at", between, "--recorded-at", between, "--format", "json"];
    let newest = ["posture", name, "--at", "2099-01-01", "--recorded-at", "2099-01-01", "--format", "json"];
    let commands: [&[&str]; 12] = [
        &posture,
        &newest,
        &["posture", name, "--at", between, "--recorded-at", between, "--prove"],
        &["history", name, "--format", "json"],
        &["diff", name, "--from", between, "--to", "2099-01-01", "--format", "json"],
        &[
            "fact",
            "history",
            "fleet:web",
            "patching",
            "--type",
            "desired",
            "--restricted",
            "--format",
            "json",
        ],
        &["fact", "as-of", "fleet:web", "--recorded-at", "9", "--restricted", "--format", "json"],
        &["graph", "traverse", "fleet:web", "--recorded-at", "2099-01-01", "--format", "json"],
        &["ledger", "prove", "--index", "3"],
        &["ledger", "prove", "--consistency", signed],
        &["ledger", "events", "--format", "json"],
        &["known-hosts", "list", "--format", "json"],
    ];
    let mut answers = Vec::new();
    for words in commands {
        let done = world.plumb(&[words, &["--database", database]].concat());
        assert_code(&done, 0);
        answers.push(done.stdout);
    }
    answers
}

/// Exports the ledger from a database, has both verifiers look at it, and returns every file of the bundle.
fn bundle(world: &World, database: &str, name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = world.path(name);
    let text = folder.to_str().unwrap();
    let exported = world.plumb(&["ledger", "export", "-o", text, "--restricted", "--database", database]);
    assert_code(&exported, 0);
    // The line that it prints for whoever verifies has the keys, in quotes.
    let keys: Vec<&str> = exported.stdout.split('\'').skip(1).step_by(2).collect();
    assert!(!keys.is_empty(), "{exported:?}");
    let mut words = vec!["verify", text];
    words.extend(keys.iter().flat_map(|key| ["--vkey", *key]));
    assert_code(&world.plumb(&words), 0);
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/verify.py");
    let words = [&[other.to_str().unwrap(), text], keys.as_slice()].concat();
    assert_eq!(tool("/usr/bin/python3", &words).trim(), "ok");
    let mut files = Vec::new();
    let mut open = vec![folder.clone()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// Dumps a database of a server and restores it into a new one, both by its own tools.
fn restored(world: &World, database: &Database<'_>) -> Database<'static> {
    let (restored, owner) = (cluster().database().unwrap(), database.name());
    // Its owner owns the schema, too, which nobody else may use unless it says so.
    restored.sql(&format!("ALTER DATABASE {} OWNER TO {owner}", restored.name())).unwrap();
    let (folder, port, file) =
        (cluster().socket_folder(), cluster().port().to_string(), world.path("dump.sql"));
    let (folder, file) = (folder.to_str().unwrap(), file.to_str().unwrap());
    let from = ["--username", SUPERUSER, "--host", folder, "--port", &port, "--dbname", database.name()];
    tool("pg_dump", &[&from[..], &["--file", file]].concat());
    restored.sql(&fs::read_to_string(file).unwrap()).unwrap();
    restored
}

/// DBS-24, FCT-12: a record that goes to a server and back answers the same questions with the same bytes, proves the same,
/// exports the same, and verifies at each place; the file that comes back is the one that went.
#[test]
fn fct_12_a_record_that_is_copied_to_a_server_and_back_answers_byte_for_byte_the_same() {
    let (world, database) = (world(), database());
    let (name, between, signed) = filled(&world);
    let of = [name.as_str(), between.as_str(), signed.as_str()];
    let file = format!("sqlite://{}", world.database().display());
    let [owner, server] = [database.name(), &user(&database, "app")].map(|role| address(&database, role));
    let (before, exported, stored) =
        (answers(&world, &file, of), bundle(&world, &file, "one"), dump(&world.database()));
    let grant = format!("app={}", user(&database, "app"));
    assert_code(&world.plumb(&["migrate", "--database", &owner, "--grant", &grant]), 0);
    let copied = world.run_in_terminal(&["db", "copy", "--to", &owner], 100).unwrap();
    assert_code(&copied, 0);
    assert!(copied.stdout.contains(" %  "), "no progress: {}", copied.stdout);
    assert!(copied.stdout.contains("verified") && copied.stdout.contains("signing key"), "{copied:?}");
    let back = world.path("back.db");
    let back_url = format!("sqlite:{}", back.display());
    let done = world.plumb(&["db", "copy", "--from", &owner, "--to", &back_url]);
    assert_code(&done, 0);
    assert!(!done.stderr.contains('%'), "progress without a terminal: {done:?}");
    for (place, url) in [("two", &server), ("three", &back_url)] {
        assert_eq!(answers(&world, url, of), before, "{place}");
        assert_eq!(bundle(&world, url, place), exported, "{place}");
        for words in [&["ledger", "verify"][..], &["state", "verify"]] {
            assert_code(&world.plumb(&[words, &["--database", url]].concat()), 0);
        }
    }
    assert_eq!(dump(&back), stored);
    // A file that is written anew, and a copy of it as its own tools make one.
    sql(&back, "VACUUM;");
    let kept = world.path("kept.db");
    sql(&back, &format!(".backup {}", kept.display()));
    let kept_url = format!("sqlite:{}", kept.display());
    assert_eq!(answers(&world, &back_url, of), before, "after VACUUM");
    assert_eq!(answers(&world, &kept_url, of), before, "from a backup");
    database.sql("VACUUM FULL").unwrap();
    assert_eq!(answers(&world, &server, of), before, "after VACUUM FULL");
    let restored = restored(&world, &database);
    let url = address(&restored, &user(&database, "app"));
    assert_eq!(answers(&world, &url, of), before, "dumped and restored");
    assert_code(&world.plumb(&["ledger", "verify", "--database", &url]), 0);
    assert_eq!(dump(&world.database()), stored, "the source was only read");
    // Each can be gone on with, by the key that stayed where it was.
    let words = ["fact", "put", "fleet:web", "owner", "\"c\"", "--type", "desired", "--database", &server];
    assert_code(&world.plumb(&words), 0);
    assert_code(&world.plumb(&["ledger", "verify", "--database", &server]), 0);
}

/// What cannot be copied, or not there, is said in a line, and nothing is half done.
#[test]
fn a_copy_that_cannot_be_made_is_refused_and_leaves_nothing() {
    let (world, database) = (world(), database());
    let server = address(&database, database.name());
    let refused = |words: &[&str], code: i32, said: &str| {
        assert_refused(&world.plumb(&[&["db", "copy"], words].concat()), code, said);
    };
    refused(&[], 64, "where the copy goes");
    refused(&["--to", &server], 69, "there is no database");
    assert!(!world.database().exists());
    assert_code(&world.plumb(&["host", "add", "192.0.2.10", "--name", "web-1"]), 0);
    refused(&["--to", &server], 69, "no schema of ours");
    refused(&["--to", "mysql://x"], 78, "--to has the unknown scheme");
    refused(&["--to", "postgres://ann:hush@h/n"], 78, "command line");
    refused(&["--from", "postgres://h/n", "--to", &server], 78, "names no user");
    let app = user(&database, "app");
    assert_code(&world.plumb(&["migrate", "--database", &server, "--grant", &format!("app={app}")]), 0);
    refused(&["--to", &address(&database, &app)], 78, "does not own the tables");
    // A scan of another machine is under way.
    let lease = "INSERT INTO host_locks (tenant_id, host_id, holder, purpose, fencing_token, acquired_at, lease_expires_at)
                 SELECT tenant_id, host_id, 'elsewhere/boot/1/1', 'scan', 1, 0, 4000000000000000 FROM hosts;";
    sql(&world.database(), lease);
    refused(&["--to", &server], 69, "under way");
    assert_eq!(database.sql("SELECT count(*) FROM tenants").unwrap(), "0\n");
    sql(&world.database(), "UPDATE host_locks SET lease_expires_at = 0;");
    assert_code(&world.plumb(&["db", "copy", "--to", &server]), 0);
    refused(&["--to", &server], 64, "holds a store already");
    let own = format!("sqlite:{}", world.database().display());
    refused(&["--to", &own], 64, "both ends of the copy are the same database");
    let linked = world.path("linked.db");
    std::os::unix::fs::symlink(world.database(), &linked).unwrap();
    refused(&["--to", &format!("sqlite:{}", linked.display())], 64, "are the same database");
    refused(&["--from", &server, "--to", &server], 64, "are the same database");
}

/// Nothing is nothing to copy: whoever mistypes the source is told, and nothing is made.
#[test]
fn a_copy_of_a_database_without_a_ledger_is_refused() {
    let (world, database) = (world(), database());
    let server = address(&database, database.name());
    assert_code(&world.plumb(&["migrate"]), 0);
    assert_code(&world.plumb(&["migrate", "--database", &server]), 0);
    let other = world.path("other.db");
    let to = format!("sqlite:{}", other.display());
    assert_refused(&world.plumb(&["db", "copy", "--to", &to]), 69, "plumb.db holds no ledger");
    assert_refused(&world.plumb(&["db", "copy", "--from", &server, "--to", &to]), 69, "holds no ledger");
    assert_refused(&world.plumb(&["db", "copy", "--to", &server]), 69, "plumb.db holds no ledger");
    let own = format!("sqlite:{}", world.database().display());
    assert_refused(&world.plumb(&["db", "copy", "--to", &own]), 64, "are the same database");
    assert!(!other.exists());
}

/// A copy that is not what its ledger says is told so: whatever was wrong in the source came along.
#[test]
fn what_does_not_verify_is_said_of_the_copy() {
    let world = world();
    assert_code(&world.plumb(&["host", "add", "192.0.2.10", "--name", "web-1"]), 0);
    sql(&world.database(), "UPDATE hosts SET username = 'mallory';");
    let done = world.plumb(&["db", "copy", "--to", &format!("sqlite:{}", world.path("copy.db").display())]);
    assert_code(&done, 2);
    assert!(done.stdout.contains("NOT VERIFIED") && done.stdout.contains("hosts"), "{done:?}");
    assert!(done.stderr.contains("was so there"), "{done:?}");
}

/// What only the owner may do is done where the command line says, whatever the owner's variables say: an erasure in another
/// database could not be undone.
#[test]
fn an_address_on_the_command_line_wins_over_the_owners_variables() {
    let world = world();
    assert_code(&world.plumb(&["host", "add", "192.0.2.7", "--name", "one"]), 0);
    let [one, other] = ["one.db", "other.db"].map(|name| format!("sqlite:{}", world.path(name).display()));
    for to in [&one, &other] {
        assert_code(&world.plumb(&["db", "copy", "--to", to]), 0);
    }
    let world = world.env("PLUMB_OWNER_DATABASE_URL", &one);
    let erase = ["--database", &other, "ledger", "erase", "1", "--reason", "asked", "--approved-by", "ann"];
    assert_code(&world.plumb(&erase), 0);
    let erased = |database: &str| {
        let done = world.plumb(&["--database", database, "ledger", "verify", "--format", "json"]);
        json(&done)["erased"].as_u64().unwrap()
    };
    assert_eq!((erased(&one), erased(&other)), (0, 1));
    let migrated = world.plumb(&["--database", &other, "migrate"]);
    assert!(migrated.stdout.contains("other.db") || migrated.stderr.contains("other.db"), "{migrated:?}");
}
