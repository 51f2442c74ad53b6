//! A data directory that is missing, foreign, broken, full, or open to others.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::process::{self, Output};
use testkit::wait;

use crate::database::{sql, try_sql};
use crate::support::{World, assert_code, assert_refused, at, host, key, mode, recorded, world, yes};

/// A world with a recorded local scan, and what its posture says.
fn scanned() -> (World, String, Value) {
    let world = world();
    let content = yes(&world);
    assert_code(&world.plumb(&["scan", "localhost", "--content", &content, "--quiet"]), expected_here());
    let posture = recorded(&world);
    (world, content, posture)
}

/// Exit status of the one rule on this machine: the rule is for Debian.
fn expected_here() -> i32 {
    let release = fs::read_to_string("/etc/os-release").unwrap();
    if release.lines().any(|line| line == "ID=debian") { 0 } else { 3 }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn asking_where_nothing_was_recorded_says_what_to_do_and_makes_nothing() {
    let world = world();
    for words in [
        &["posture"][..],
        &["host", "list"],
        &["host", "show", "x"],
        &["ledger", "verify"],
        &["state", "verify"],
        &["known-hosts", "list"],
    ] {
        let done = world.plumb(words);
        assert_refused(&done, 69, "plumb.db");
        assert!(done.stderr.contains("hint: run `plumb scan` first"), "{}", done.stderr);
    }
    assert!(!world.data().exists());
}

/// A job that runs every night must not begin another history under the old key, as if nothing had been.
#[test]
fn a_database_that_is_gone_beside_its_key_is_not_begun_anew() {
    let (world, content, _posture) = scanned();
    let scan = || world.plumb(&["scan", "localhost", "--content", &content, "--quiet"]);
    fs::write(world.database(), b"").unwrap();
    for log in ["-wal", "-shm"] {
        drop(fs::remove_file(format!("{}{log}", world.database().display())));
    }
    assert_refused(&scan(), 78, "is missing or empty");
    assert_refused(&world.plumb(&["ledger", "verify"]), 69, "holds no ledger");
    assert_eq!(fs::metadata(world.database()).unwrap().len(), 0, "what is to be restored was written to");
    fs::remove_file(world.database()).unwrap();
    let refused = scan();
    assert_refused(&refused, 78, "is missing or empty");
    assert!(refused.stderr.contains("plumb ledger continue"), "{refused:?}");
    assert!(!world.database().exists());
    let key = world.database().with_file_name("ledger.key");
    fs::rename(&key, key.with_extension("old")).unwrap();
    assert_code(&scan(), expected_here());
}

/// A command that could not begin its work has begun a ledger, which is whole all the same.
#[test]
fn a_ledger_that_holds_nothing_but_its_beginning_verifies() {
    let world = world();
    assert_refused(&world.plumb(&["scan", "--quiet", "192.0.2.1/32"]), 64, "prefix length");
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
    assert_code(&world.plumb(&["state", "verify"]), 0);
}

#[test]
fn a_signing_key_that_others_can_read_refuses_to_start_and_works_again_once_mended() {
    let (world, _, posture) = scanned();
    let key = world.data().join("ledger.key");
    for loose in [0o644, 0o640, 0o602] {
        set_mode(&key, loose);
        assert_refused(&world.plumb(&["posture"]), 78, "can be read by others");
        assert_refused(&world.plumb(&["scan", "localhost"]), 78, "can be read by others");
    }
    set_mode(&key, 0o600);
    assert_eq!(recorded(&world), posture);
}

#[test]
fn a_signing_key_that_is_missing_or_another_is_never_replaced() {
    let (world, _, posture) = scanned();
    let (key, kept) = (world.data().join("ledger.key"), world.path("kept.key"));
    fs::rename(&key, &kept).unwrap();
    assert_refused(&world.plumb(&["scan", "localhost"]), 78, "cannot be read");
    assert!(!key.exists());
    let other = scanned().0;
    fs::copy(other.data().join("ledger.key"), &key).unwrap();
    assert_refused(&world.plumb(&["scan", "localhost"]), 78, "not the key of this log");
    fs::write(&key, "plumbline-ledger-key/1 00\n").unwrap();
    assert_refused(&world.plumb(&["scan", "localhost"]), 78, "not a key file");
    fs::rename(&kept, &key).unwrap();
    assert_eq!(recorded(&world), posture);
}

#[test]
fn a_data_directory_that_others_can_write_is_refused_until_it_is_mended() {
    let (world, _, posture) = scanned();
    for loose in [0o777, 0o1777, 0o770, 0o702] {
        set_mode(world.data(), loose);
        assert_refused(&world.plumb(&["posture"]), 78, world.data().to_str().unwrap());
        assert_refused(&world.plumb(&["scan", "localhost"]), 78, "can be written by others");
    }
    set_mode(world.data(), 0o700);
    assert_eq!(recorded(&world), posture);
}

#[test]
fn led_42_a_data_directory_that_others_can_look_into_is_closed_to_them_where_it_is_ours() {
    let (world, _, posture) = scanned();
    for loose in [0o755, 0o750, 0o701] {
        set_mode(world.data(), loose);
        assert_eq!(recorded(&world), posture);
        assert_eq!(mode(world.data()), 0o700);
    }
    let empty = self::world();
    fs::create_dir_all(empty.data()).unwrap();
    set_mode(empty.data(), 0o755);
    assert_code(&empty.plumb(&["ledger", "init"]), 0);
    assert_eq!(mode(empty.data()), 0o700);

    // Files of others may have to be seen by others.
    let other = self::world();
    fs::create_dir_all(other.data()).unwrap();
    fs::write(other.data().join("index.html"), "hello").unwrap();
    set_mode(other.data(), 0o755);
    assert_refused(&other.plumb(&["ledger", "init"]), 78, "holds files of others, who can look into it");
    assert_eq!(mode(other.data()), 0o755);
    assert_eq!(fs::read_dir(other.data()).unwrap().count(), 1);
}

/// Out of descriptors is told by its name, once, and never as a lack of permission: for the database and for a connection.
#[test]
fn too_few_open_files_are_told_as_the_limit_of_this_machine() {
    let (world, _, _) = scanned();
    let content = yes(&world);
    let scan = ["scan", "root@127.0.0.1:1", "--content", &content, "--quiet"];
    let mut said = String::new();
    for limit in 8..30 {
        for words in [&["posture"][..], &scan] {
            let run = world.command::<&str>(words);
            let mut limited = Command::new("sh");
            limited.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]).arg(run.get_program());
            limited
                .args(run.get_args())
                .env_clear()
                .envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let done = process::run(limited, b"", wait::LONG).unwrap();
            said += &format!("{}{}", done.stdout, done.stderr);
        }
    }
    assert!(!said.contains("no permission"), "{said}");
    assert!(said.lines().all(|line| line.matches("os error 24").count() < 2), "{said}");
    let database = format!(
        "could not open the database {}: this machine allows no more open files",
        world.database().display()
    );
    assert!(said.contains(&database), "{said}");
    assert!(
        said.contains("could not connect to 127.0.0.1:1: this machine allows no more open files"),
        "{said}"
    );
    assert!(said.contains("could not connect to 127.0.0.1:1: nothing listens on the port"), "{said}");
    assert!(said.contains("raise `ulimit -n`"), "{said}");
}

#[test]
fn a_data_directory_whose_name_is_no_text_is_refused_before_it_is_made() {
    let world = world();
    let name = OsStr::from_bytes(b"d\xff");
    let path = world.home().join(name);
    let words = [OsStr::new("--data-dir"), path.as_os_str(), OsStr::new("ledger"), OsStr::new("init")];
    let done = process::run(world.command(&words), b"", wait::LONG).unwrap();
    assert_refused(&done, 78, "has a name that is not UTF-8");
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_database_of_ours_is_refused_and_left_as_it_is() {
    let text = world();
    fs::create_dir_all(text.data()).unwrap();
    fs::write(text.database(), "a text that is long enough to be looked at\n".repeat(100)).unwrap();
    let other = world();
    fs::create_dir_all(other.data()).unwrap();
    sql(&other.database(), "CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine');");
    for world in [text, other] {
        let before = fs::read(world.database()).unwrap();
        let done = world.plumb(&["scan", "localhost", "--quiet"]);
        assert!(matches!(done.code, Some(69 | 78)), "{done:#?}");
        assert_refused(&done, done.code.unwrap(), "plumb.db");
        assert!(done.stderr.contains("\nhint: "), "{}", done.stderr);
        assert_eq!(fs::read(world.database()).unwrap(), before, "it was changed");
        assert!(!world.data().join("ledger.key").exists(), "a key was made for a foreign database");
    }
}

#[test]
fn a_broken_database_is_told_in_one_line_and_never_mended_in_silence() {
    let (world, content, _) = scanned();
    // Everything behind the first page.
    assert!(try_sql(&world.database(), "PRAGMA wal_checkpoint(TRUNCATE);").success());
    let mut bytes = fs::read(world.database()).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(world.database(), &bytes).unwrap();
    for words in
        [&["scan", "localhost", "--quiet", "--content", &content][..], &["posture"], &["ledger", "verify"]]
    {
        let done = world.plumb(words);
        assert!(matches!(done.code, Some(69 | 2)), "{words:?}: {done:#?}");
        assert_refused(&done, 69, "plumb.db");
    }
}

#[test]
fn a_database_that_is_cut_off_is_told_in_one_line() {
    let (world, _, _) = scanned();
    let bytes = fs::read(world.database()).unwrap();
    fs::write(world.database(), &bytes[..bytes.len() / 2]).unwrap();
    assert_refused(&world.plumb(&["posture"]), 69, "plumb.db");
    // An empty file is a database to SQLite, but none that has anything to answer.
    fs::write(world.database(), "").unwrap();
    assert_refused(&world.plumb(&["posture"]), 69, "holds no ledger");
}

#[test]
fn after_a_scan_everything_stands_in_the_one_database_file() {
    let (world, _, posture) = scanned();
    let mut names: Vec<String> = fs::read_dir(world.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["ledger.key", "plumb.db"]);
    let copy = crate::support::world();
    fs::create_dir(copy.data()).unwrap();
    set_mode(copy.data(), 0o700);
    for name in names {
        fs::copy(world.data().join(&name), copy.data().join(&name)).unwrap();
    }
    assert_eq!(recorded(&copy), posture);
}

/// Runs a script in mounts of its own; `$plumb` is the binary, and its environment is that of `world`.
fn in_own_mounts(world: &World, script: &str, words: &[&str]) -> Output {
    let run = world.command::<&str>(&[]);
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).args(words).env_clear();
    for (name, value) in run.get_envs() {
        if let Some(value) = value {
            unshare.env(name, value);
        }
    }
    unshare.env("plumb", run.get_program()).env("data", world.data());
    process::run(unshare, b"", wait::LONG).unwrap()
}

#[test]
fn a_data_directory_that_cannot_be_written_is_told_and_still_answers() {
    let (world, content, posture) = scanned();
    let script =
        "mount --bind \"$data\" \"$data\" && mount -o remount,bind,ro \"$data\" && exec \"$plumb\" \"$@\"";
    let scan = in_own_mounts(&world, script, &["scan", "localhost", "--quiet", "--content", &content]);
    assert_refused(&scan, 69, "plumb.db");
    assert!(scan.stderr.contains("\nhint: "), "{}", scan.stderr);
    assert_eq!(recorded(&world), posture);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}

#[test]
fn a_full_disk_stops_a_scan_and_nothing_recorded_before_is_lost() {
    let (world, host) = (world(), host());
    let content = yes(&world);
    // Scans again and again until the disk is full, then makes room.
    let script = "set -eu
        mkdir -p \"$data\"
        mount -t tmpfs -o size=4m,mode=0700 tmpfs \"$data\"
        status() { code=0; \"$@\" >\"$HOME/out\" 2>\"$HOME/err\" || code=$?; echo \"$code\"; }
        rules() { \"$plumb\" posture --format json | sed -n '/\"rules\"/,$p' | grep -v valid_at; }
        echo first $(status \"$plumb\" scan \"$@\")
        rules >\"$HOME/before\"
        dd if=/dev/zero of=\"$data/filler\" bs=4k 2>/dev/null || :
        echo full $(status \"$plumb\" scan \"$@\")
        cat \"$HOME/out\" \"$HOME/err\" >\"$HOME/full\"
        rm \"$data/filler\"
        rules >\"$HOME/after\"
        cmp \"$HOME/before\" \"$HOME/after\" && grep -q yes_rule \"$HOME/after\" && echo same
        echo verified $(status \"$plumb\" ledger verify)
        echo rebuilt $(status \"$plumb\" state verify)
        echo again $(status \"$plumb\" scan \"$@\")
        echo list $(\"$plumb\" host list | wc -l)";
    let (target, key) = (at("root", &host), key(&host));
    let done = in_own_mounts(&world, script, &[&target, "-i", &key, "--content", &content, "--quiet"]);
    assert_code(&done, 0);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(
        lines,
        ["first 0", "full 69", "same", "verified 0", "rebuilt 0", "again 0", "list 2"],
        "{done:#?}"
    );
    assert_eq!(done.stderr, "");
    let full = fs::read_to_string(world.home().join("full")).unwrap();
    // Depending on where the disk ended, it is the scan or already the opening of the database that says so.
    let lines: Vec<&str> =
        full.lines().filter(|line| line.contains("NOT MEASURED") || line.starts_with("plumb: ")).collect();
    assert!(lines.len() == 1 && lines[0].contains("disk is full"), "{full}");
    assert!(full.contains("\nhint: free some space"), "{full}");
}
