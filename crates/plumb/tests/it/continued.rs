//! The restore drill (LED-39): a database is set back behind a head that left the machine, or lost, and a new log
//! goes on with the old one. What is missing is named to the entry, live and from bundles.

mod recorded;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::host::TestHost;
use testkit::process::{self, Output};
use testkit::wait;

use crate::database::tamper;
use crate::ours::{closed, folder};
use crate::support::{World, assert_code, assert_refused, at, host, json as read, world};

/// A key that signed nothing here.
const STRANGE: &str = "log.example/log-1+aa9c5cbd+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";

/// A log with an anchor, of which more was recorded than its backup has.
struct Drill {
    world: World,
    host: TestHost,
    content: String,
    anchor: String,
    backup: PathBuf,
    /// Bundle of the whole log, made when all was well.
    full: String,
    key: String,
    origin: String,
    /// Entries in the backup, and in the whole log.
    kept: u64,
    size: u64,
}

impl Drill {
    /// Scans, backs the database up, and scans twice more, with another result.
    fn begin() -> Drill {
        let (world, host) = (world(), host());
        let anchor = world.path("anchor.log").to_str().unwrap().to_owned();
        let world = world.env("PLUMB_LEDGER_ANCHOR", &anchor);
        let content = folder(&world, "ours", &[closed("aaa", "low"), closed("bbb", "low")]);
        let backup = world.path("backup.db");
        let full = world.path("full").to_str().unwrap().to_owned();
        let (key, origin) = (String::new(), String::new());
        let mut drill = Drill { world, host, content, anchor, backup, full, key, origin, kept: 0, size: 0 };
        drill.set_modes("0600", "0600");
        assert_code(&drill.scan(), 0);
        let status = drill.status();
        drill.key = text(&status["vkey"]);
        drill.origin = text(&status["origin"]);
        drill.kept = status["size"].as_u64().unwrap();
        fs::copy(drill.world.database(), &drill.backup).unwrap();
        drill.set_modes("0644", "0600");
        assert_code(&drill.scan(), 2);
        assert_code(&drill.scan(), 2);
        drill.size = drill.status()["checkpoint"]["size"].as_u64().unwrap();
        assert_code(&drill.plumb(&["ledger", "export", "--output", &drill.full]), 0);
        drill
    }

    /// Puts the backup in the place of the database.
    fn restore(&self) {
        let database = self.world.database();
        for name in ["plumb.db-wal", "plumb.db-shm"] {
            let _none = fs::remove_file(database.with_file_name(name));
        }
        fs::copy(&self.backup, database).unwrap();
    }

    fn set_modes(&self, aaa: &str, bbb: &str) {
        let script =
            format!("install -m {aaa} /dev/null /etc/plumb_aaa; install -m {bbb} /dev/null /etc/plumb_bbb");
        self.host.must(&script).unwrap();
    }

    fn plumb(&self, words: &[&str]) -> Output {
        self.world.plumb(&[&["--content", self.content.as_str()], words].concat())
    }

    fn scan(&self) -> Output {
        self.world.scan(&self.host, &["--content", &self.content])
    }

    fn go_on(&self, old: &str, more: &[&str]) -> Output {
        let words = ["ledger", "continue", old, "--vkey", &self.key, "--reason", "the disk died"];
        self.plumb(&[&words[..], more].concat())
    }

    fn status(&self) -> Value {
        read(&self.plumb(&["ledger", "status", "--format", "json"]))
    }

    fn verify(&self) -> Value {
        read(&self.plumb(&["ledger", "verify", "--format", "json"]))
    }

    fn verify_bundle(&self, bundle: &str, more: &[&str]) -> Value {
        let words = ["verify", bundle, "--format", "json", "--vkey", &self.key];
        read(&self.plumb(&[&words[..], more].concat()))
    }

    fn path(&self, name: &str) -> String {
        self.world.path(name).to_str().unwrap().to_owned()
    }

    /// What a report says where the entries of the backup are here and those behind them are not.
    fn gap(&self, unsigned: &Value) -> Value {
        json!([{
            "origin": self.origin, "size": self.size, "root": self.root(), "present": self.kept,
            "missing": {"from": self.kept, "to": self.size}, "unsigned": unsigned,
        }])
    }

    /// The root of the whole old log, by its bundle.
    fn root(&self) -> Value {
        read_file(&Path::new(&self.full).join("manifest.json"))["root"].clone()
    }
}

/// Runs the stranger's program with the keys, newest log first.
fn strangers_verdict(bundle: &str, keys: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/verify.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(program).arg(bundle).args(keys);
    process::run(command, b"", wait::LONG).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn read_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn led_39_after_a_restore_a_new_log_goes_on_and_the_report_names_exactly_what_is_missing() {
    let drill = Drill::begin();
    drill.restore();
    // LED-19: the scan is recorded and not signed.
    drill.set_modes("0644", "0644");
    let refused = drill.scan();
    assert!(refused.stderr.contains("rollback_detected"), "{refused:?}");
    assert_refused(&drill.plumb(&["ledger", "checkpoint"]), 70, "rollback_detected");
    assert_eq!(codes(&drill.verify()), ["anchor_mismatch"; 2]);
    let held = drill.status()["size"].as_u64().unwrap();
    assert!(held > drill.kept);

    let anchor = drill.anchor.clone();
    let done = drill.go_on(&anchor, &[]);
    assert_code(&done, 0);
    let said = format!("{} are here, entries {}..{} are MISSING", drill.kept, drill.kept, drill.size);
    assert!(done.stderr.contains(&said), "{done:?}");
    let status = drill.status();
    assert_ne!(text(&status["origin"]), drill.origin);
    assert_eq!(status["uncovered"], 0, "{status:#}");
    let expected = drill.gap(&json!({"from": drill.kept, "to": held}));
    let report = drill.verify();
    assert_eq!((&report["ok"], &report["continues"]), (&true.into(), &expected), "{report:#}");

    // Scans work, signing works, and what was recorded before still counts.
    drill.set_modes("0600", "0644");
    assert_code(&drill.scan(), 2);
    let report = drill.verify();
    assert_eq!((&report["ok"], &report["continues"]), (&true.into(), &expected), "{report:#}");
    assert_eq!((&report["uncovered_tail"], &report["anchor"]), (&0.into(), &"verified".into()), "{report:#}");
    assert_code(&drill.plumb(&["state", "verify"]), 0);
    let name = at("root", &drill.host);
    let posture = drill.plumb(&["posture", &name, "--format", "json"]);
    assert_code(&posture, 0);
    let history = read(&drill.plumb(&["history", &name, "--format", "json"]));
    let changes: Vec<(&str, &str, u64)> = history["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let change = &row["change"];
            let rule = change["rule_id"].as_str().unwrap();
            (rule, change["status"].as_str().unwrap(), row["log_index"].as_u64().unwrap())
        })
        .collect();
    let said: Vec<(&str, &str)> = changes.iter().map(|(rule, status, _)| (*rule, *status)).collect();
    // Newest first: by the new log, by the old one after the restore, and before it.
    assert_eq!(said[0], ("aaa", "pass"));
    assert_eq!(said.len(), 5, "{history:#}");
    assert!(changes.is_sorted_by(|one, next| one.2 > next.2), "{changes:?}");
    assert!(changes[0].2 >= drill.size);
    // An entry of each log is proven by the number that is shown, under its own log's key.
    let new = text(&status["vkey"]);
    for (index, key) in [(changes[0].2, &new), (changes[4].2, &drill.key)] {
        let (proof, index) = (drill.path(&format!("{index}.proof")), index.to_string());
        let proven = drill.plumb(&["ledger", "prove", "--index", &index, "--output", &proof]);
        assert_code(&proven, 0);
        assert_eq!(proven.stdout, format!("plumb verify {proof} --vkey '{key}'\n"));
        assert_code(&drill.plumb(&["verify", &proof, "--vkey", key]), 0);
    }
}

#[test]
fn led_39_the_bundle_of_a_new_log_spans_the_old_one_and_an_old_bundle_closes_the_gap() {
    let drill = Drill::begin();
    drill.restore();
    assert_code(&drill.go_on(&drill.full.clone(), &[]), 0);
    drill.set_modes("0600", "0644");
    assert_code(&drill.scan(), 2);
    let bundle = drill.path("bundle");
    let exported = drill.plumb(&["ledger", "export", "--output", &bundle]);
    assert_code(&exported, 0);
    // The command that it prints names both keys.
    assert!(exported.stdout.contains(&drill.key), "{exported:?}");
    let new = text(&drill.status()["vkey"]);
    let report = drill.verify_bundle(&bundle, &["--vkey", &new]);
    assert_eq!((&report["ok"], &report["continues"]), (&true.into(), &drill.gap(&Value::Null)), "{report:#}");
    let theirs = strangers_verdict(&bundle, &[&new, &drill.key]);
    assert_code(&theirs, 0);
    let lost = drill.size - drill.kept;
    let said = format!("of {} entries: {lost} from {} on are missing\nok\n", drill.size, drill.kept);
    assert!(theirs.stdout.ends_with(&said), "{theirs:?}");
    assert_code(&strangers_verdict(&bundle, &[&new]), 1);
    assert_code(&strangers_verdict(&bundle, &[&new, STRANGE]), 1);
    // Without the old key nobody says what the old log was.
    let alone = drill.plumb(&["verify", &bundle, "--vkey", &new, "--format", "json"]);
    assert_code(&alone, 2);
    assert!(codes(&read(&alone)).contains(&"key_unknown"));
    // What was exported when all was well has the rest.
    let closed = drill.verify_bundle(&bundle, &["--vkey", &new, "--earlier", &drill.full]);
    assert_eq!(closed["ok"], true, "{closed:#}");
    assert_eq!(closed["continues"][0]["present"], drill.size);
    assert_eq!(closed["continues"][0]["missing"], Value::Null);
    // A byte of the old part is found, and so is a bundle that belongs to nothing here.
    let inner = Path::new(&bundle).join("continues/tile/0/000.p").join(drill.kept.to_string());
    let honest = fs::read(&inner).unwrap();
    let mut changed = honest.clone();
    changed[7] ^= 1;
    fs::write(&inner, &changed).unwrap();
    let report = drill.verify_bundle(&bundle, &["--vkey", &new]);
    assert_eq!(report["ok"], false, "{report:#}");
    let file = report["findings"][0]["file"].as_str().unwrap();
    assert!(file.contains("continues/tile/0/"), "{report:#}");
    assert_code(&strangers_verdict(&bundle, &[&new, &drill.key]), 1);
    fs::write(&inner, &honest).unwrap();
    let words = ["verify", &drill.full, "--vkey", &drill.key, "--earlier", &bundle];
    assert_refused(&drill.plumb(&words), 64, "no bundle of a log that this one goes on with");
    fs::rename(Path::new(&bundle).join("continues"), Path::new(&drill.full).join("continues")).unwrap();
    assert_eq!(codes(&drill.verify_bundle(&drill.full, &[])), ["malformed"]);
    // Without it, the bundle says that it has nothing of the old log.
    let report = drill.verify_bundle(&bundle, &["--vkey", &new]);
    assert_eq!((&report["ok"], &report["continues"][0]["present"]), (&true.into(), &0.into()), "{report:#}");
}

#[test]
fn led_39_a_lost_database_and_key_begin_anew_and_name_the_log_that_was() {
    let drill = Drill::begin();
    fs::remove_dir_all(drill.world.data()).unwrap();
    let checkpoint = Path::new(&drill.full).join("checkpoint").to_str().unwrap().to_owned();
    assert_code(&drill.go_on(&checkpoint, &[]), 0);
    assert_code(&drill.scan(), 2);
    let report = drill.verify();
    let expected = json!([{
        "origin": drill.origin, "size": drill.size, "root": drill.root(), "present": 0,
        "missing": {"from": 0, "to": drill.size}, "unsigned": null,
    }]);
    assert_eq!((&report["ok"], &report["continues"]), (&true.into(), &expected), "{report:#}");
    let bundle = drill.path("bundle");
    assert_code(&drill.plumb(&["ledger", "export", "--output", &bundle]), 0);
    let new = text(&drill.status()["vkey"]);
    let report = drill.verify_bundle(&bundle, &["--vkey", &new, "--earlier", &drill.full]);
    assert_eq!((&report["ok"], &report["continues"][0]["present"]), (&true.into(), &drill.size.into()));
}

#[test]
fn led_39_a_new_log_is_refused_where_it_is_not_needed_or_the_old_head_is_not_the_right_one() {
    let drill = Drill::begin();
    let early = drill.path("early.checkpoint");
    let anchored = fs::read_to_string(&drill.anchor).unwrap();
    let notes = anchored.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let notes: Vec<String> = notes.map(|line| text(&line["checkpoint"])).collect();
    fs::write(&early, &notes[0]).unwrap();
    let (full, anchor) = (drill.full.clone(), drill.anchor.clone());
    // Nothing is lost; a head that is not the newest; no head at all.
    assert_refused(&drill.go_on(&full, &[]), 64, "nothing is missing");
    assert_refused(&drill.go_on(&early, &[]), 64, "the newest one named");
    let strange = ["ledger", "continue", &full, "--vkey", STRANGE, "--reason", "r"];
    assert_refused(&drill.plumb(&strange), 64, "no checkpoint that a key given by --vkey signed");
    assert_refused(&drill.go_on(&drill.path("nothing"), &[]), 69, "could not read the checkpoint");
    drill.restore();
    let blank = ["ledger", "continue", &full, "--vkey", &drill.key, "--reason", " "];
    assert_refused(&drill.plumb(&blank), 64, "needs a reason");
    // The anchor knows more than the head that is named.
    assert_refused(&drill.go_on(&early, &[]), 64, "anchor.log has a checkpoint over");
    // A head of another log.
    let other = world();
    assert_code(&other.plumb(&["ledger", "init"]), 0);
    let status = read(&other.plumb(&["ledger", "status", "--format", "json"]));
    let note = drill.path("other.checkpoint");
    fs::write(&note, text(&status["checkpoint"]["note"])).unwrap();
    let key = text(&status["vkey"]);
    let words = ["ledger", "continue", &note, "--vkey", &key, "--reason", "r"];
    assert_refused(&drill.plumb(&words), 64, "and this database goes on with");
    // A database that is no older copy: an entry differs below a signed head.
    let database = drill.world.database();
    tamper(
        &database,
        "UPDATE log_entries SET entry = CAST(replace(entry, 'local:', 'local;') AS BLOB) WHERE log_index = 1;",
    );
    assert_refused(&drill.go_on(&anchor, &[]), 64, "is not an older copy of that log");
    // None of this began a log, and the right head still does.
    drill.restore();
    assert_eq!(drill.status()["origin"], drill.origin.as_str());
    assert_code(&drill.go_on(&anchor, &[]), 0);
    // With everything there it has to be asked for.
    let done = Drill::begin();
    let full = done.full.clone();
    assert_code(&done.go_on(&full, &["--without-loss"]), 0);
    let report = done.verify();
    assert_eq!(
        (&report["ok"], &report["continues"][0]["missing"]),
        (&true.into(), &Value::Null),
        "{report:#}"
    );
}

#[test]
fn led_39_whoever_edits_an_ended_log_or_shortens_what_was_lost_is_found() {
    let drill = Drill::begin();
    drill.restore();
    let anchor = drill.anchor.clone();
    assert_code(&drill.go_on(&anchor, &[]), 0);
    let database = drill.world.database();
    let sound = drill.path("sound.db");
    fs::copy(&database, &sound).unwrap();
    let first = "(SELECT min(first_position) FROM log_heads)";
    let old = format!("(SELECT log_id FROM log_heads WHERE first_position = {first})");
    for (statement, code) in [
        (
            format!("UPDATE log_entries SET entry = x'7b7d' WHERE log_index = 3 AND log_id = {old};"),
            "leaf_mismatch",
        ),
        (
            format!("DELETE FROM log_entries WHERE log_index = {} AND log_id = {old};", drill.kept - 1),
            "truncated",
        ),
        (
            format!("UPDATE log_heads SET first_position = first_position + 1 WHERE log_id <> {old};"),
            "row_altered",
        ),
        (format!("UPDATE log_checkpoints SET note = x'00' WHERE log_id = {old};"), "checkpoint_signature"),
        ("UPDATE transactions SET status = 'error' WHERE rule_id = 'aaa';".to_owned(), "row_altered"),
    ] {
        fs::copy(&sound, &database).unwrap();
        tamper(&database, &statement);
        let report = drill.verify();
        assert!(codes(&report).contains(&code), "{statement}: {report:#}");
    }
    fs::copy(&sound, &database).unwrap();
    assert_eq!(codes(&drill.verify()), [""; 0]);
    // The database itself lets nothing be added to a log that has ended.
    let guarded = crate::database::try_sql(
        &database,
        &format!("UPDATE log_heads SET size = size + 1 WHERE log_id = {old};"),
    );
    assert!(guarded.stderr.contains("takes no entries"), "{guarded:?}");
    // A longer head of the old log than its successor names, in the anchor: the owner hides what was lost.
    let lines = fs::read_to_string(&anchor).unwrap();
    fs::remove_file(&anchor).unwrap();
    drill.restore();
    let notes = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let notes: Vec<String> = notes.map(|line| text(&line["checkpoint"])).collect();
    let shorter = notes.iter().rfind(|note| {
        let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
        note.starts_with(&drill.origin) && drill.kept < size && size < drill.size
    });
    let note = drill.path("shorter.checkpoint");
    fs::write(&note, shorter.unwrap()).unwrap();
    assert_code(&drill.go_on(&note, &[]), 0);
    let told = lines.lines().filter(|line| line.contains(&drill.origin)).map(|line| format!("{line}\n"));
    fs::write(&anchor, told.collect::<String>()).unwrap();
    let report = drill.verify();
    assert!(codes(&report).contains(&"anchor_mismatch"), "{report:#}");
    assert_refused(&drill.plumb(&["ledger", "hold", "add", "a", "--reason", "r"]), 70, "rollback_detected");
}

#[test]
fn led_39_a_backup_from_before_a_rotation_is_continued_under_the_key_that_is_left() {
    let mut drill = Drill::begin();
    let first = drill.key.clone();
    assert_code(&drill.plumb(&["ledger", "rotate-key", "--reason", "yearly"]), 0);
    drill.key = text(&drill.status()["vkey"]);
    drill.size = drill.status()["checkpoint"]["size"].as_u64().unwrap();
    drill.restore();
    assert_refused(&drill.plumb(&["ledger", "status"]), 78, "is not the key of this log");
    let anchor = drill.anchor.clone();
    assert_code(&drill.go_on(&anchor, &[]), 0);
    assert_code(&drill.scan(), 2);
    let report = drill.verify();
    assert_eq!(codes(&report), [""; 0], "{report:#}");
    let missing = json!({"from": drill.kept, "to": drill.size});
    assert_eq!(report["continues"][0]["missing"], missing);
    let bundle = drill.path("bundle");
    let exported = drill.plumb(&["ledger", "export", "--output", &bundle]);
    let words: Vec<&str> = exported.stdout.trim().split(' ').map(|word| word.trim_matches('\'')).collect();
    assert_eq!(
        words.iter().filter(|word| [drill.key.as_str(), &first].contains(*word)).count(),
        2,
        "{words:?}"
    );
    assert_code(&drill.world.plumb(&words[1..]), 0);
}

#[test]
fn led_39_a_hold_outlives_its_log_and_a_log_that_ended_takes_no_erasures() {
    let drill = Drill::begin();
    assert_code(&drill.plumb(&["ledger", "hold", "add", "case-9", "--reason", "court order"]), 0);
    let anchor = drill.anchor.clone();
    assert_code(&drill.go_on(&anchor, &["--without-loss"]), 0);
    assert!(drill.plumb(&["ledger", "hold", "list"]).stdout.contains("case-9"));
    let first =
        read(&drill.plumb(&["ledger", "verify", "--format", "json"]))["continues"][0]["size"].as_u64();
    // The audit record of the act, behind the first entry of the new log.
    let act = (first.unwrap() + 1).to_string();
    let erase = |index: &str| {
        drill.plumb(&["ledger", "erase", index, "--reason", "asked to", "--approved-by", "ada"])
    };
    assert_refused(&erase(&act), 64, "the hold \"case-9\" protects entry");
    assert_code(&drill.plumb(&["ledger", "hold", "release", "case-9", "--reason", "settled"]), 0);
    assert_refused(&erase("1"), 64, "has ended and takes no erasures");
    assert_code(&erase(&act), 0);
    let report = drill.verify();
    assert_eq!((codes(&report), &report["erased"]), (vec![], &1.into()), "{report:#}");
}
