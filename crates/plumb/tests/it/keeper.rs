//! What the keeper of a ledger does to it: anchors, another key, seals, erasures, holds; and what verifiers say
//! of each, done well and done badly.

use std::fs;
use std::path::{Path, PathBuf};

use app::registry::TABLES;
use ledger::note::Note;
use ledger::{Signer, TreeHead};
use serde_json::Value;
use testkit::process::Output;

use crate::database::{sql, tamper};
use crate::ours::{closed, folder};
use crate::support::{World, assert_code, assert_refused, json, tool, world};
use crate::tampering::{edited, last_row, types};

mod anchor;
mod archive;

/// A world whose data directory is that of the demo: two hosts, two dates, some 440 entries.
struct Kept {
    world: World,
    data: String,
}

fn kept(world: World) -> Kept {
    assert_code(&world.plumb(&["demo"]), 0);
    let data = world.data().join("demo").to_str().unwrap().to_owned();
    Kept { world, data }
}

impl Kept {
    fn plumb(&self, words: &[&str]) -> Output {
        self.world.plumb(&[&["--data-dir", &self.data], words].concat())
    }

    fn verify(&self) -> Value {
        json(&self.plumb(&["ledger", "verify", "--format", "json"]))
    }

    fn status(&self) -> Value {
        json(&self.plumb(&["ledger", "status", "--format", "json"]))
    }

    fn vkey(&self) -> String {
        self.status()["vkey"].as_str().unwrap().to_owned()
    }

    fn export(&self, name: &str) -> String {
        let folder = self.world.path(name).to_str().unwrap().to_owned();
        assert_code(&self.plumb(&["ledger", "export", "--output", &folder]), 0);
        folder
    }

    fn database(&self) -> PathBuf {
        Path::new(&self.data).join("plumb.db")
    }

    fn events(&self) -> Vec<Value> {
        json(&self.plumb(&["ledger", "events", "--format", "json"]))["events"].as_array().unwrap().clone()
    }

    /// The index of the newest change of a host, and the digest of its evidence.
    fn newest_change(&self, host: &str) -> (u64, String) {
        let history = json(&self.plumb(&["history", host, "--format", "json"]));
        let newest = &history["changes"][0];
        let evidence = newest["change"]["evidence_sha256"].as_str().unwrap().to_owned();
        (newest["log_index"].as_u64().unwrap(), evidence)
    }
}

fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// A kept world with an anchor from the start; returns the anchor's path.
fn anchored() -> (Kept, PathBuf) {
    let world = world();
    let anchor = world.path("anchor.log");
    let kept = kept(world.env("PLUMB_LEDGER_ANCHOR", anchor.to_str().unwrap()));
    (kept, anchor)
}

#[test]
fn led_31_every_checkpoint_is_anchored_and_a_history_rewritten_before_it_is_found() {
    let (kept, anchor) = anchored();
    let report = kept.verify();
    assert_eq!(
        (report["ok"].as_bool(), report["anchor"].as_str()),
        (Some(true), Some("verified")),
        "{report:#}"
    );
    let lines = fs::read_to_string(&anchor).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let status = kept.status();
    assert_eq!(last["checkpoint"], status["checkpoint"]["note"]);
    assert_eq!((&status["left"], &status["window_seconds"]), (&status["size"], &0.into()), "{status:#}");
    // A head of another log's history, properly chained, signed by our key: the owner rewrote what lies before.
    let copy = kept.world.path("copy");
    copy_folder(Path::new(&kept.data), &copy);
    assert_code(&kept.plumb(&["ledger", "hold", "add", "one", "--reason", "first story"]), 0);
    let told = fs::read(&anchor).unwrap();
    fs::remove_dir_all(&kept.data).unwrap();
    copy_folder(&copy, Path::new(&kept.data));
    // LED-19: behind the anchored head nothing is signed, and nothing is lost.
    let done = kept.plumb(&["ledger", "hold", "add", "two", "--reason", "second story"]);
    assert_refused(&done, 70, "rollback_detected");
    assert_eq!(fs::read(&anchor).unwrap(), told);
    let report = kept.verify();
    assert!(codes(&report).contains(&"anchor_mismatch"), "{report:#}");
    assert_eq!(report["anchor"], "failed");
}

#[test]
fn led_71_an_anchor_that_is_gone_emptied_or_spoilt_is_found_and_so_is_one_that_nobody_names() {
    let (kept, anchor) = anchored();
    let whole = fs::read(&anchor).unwrap();
    fs::remove_file(&anchor).unwrap();
    assert_eq!(codes(&kept.verify()), ["anchor_missing"]);
    fs::write(&anchor, b"").unwrap();
    assert_eq!(codes(&kept.verify()), ["anchor_missing"]);
    fs::write(&anchor, [&whole[..], b"garbage\n"].concat()).unwrap();
    let report = kept.verify();
    assert_eq!(codes(&report), ["malformed"]);
    assert_eq!(report["findings"][0]["offset"].as_u64(), Some(whole.len() as u64));
    // The next checkpoint moves the garbage away, keeps it, and says so (LED-07).
    assert_code(&kept.plumb(&["ledger", "hold", "add", "one", "--reason", "r"]), 0);
    assert_eq!(codes(&kept.verify()), [""; 0]);
    let torn: Vec<PathBuf> = fs::read_dir(anchor.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("anchor.log.torn-"))
        .collect();
    assert_eq!(torn.len(), 1);
    assert_eq!(fs::read(&torn[0]).unwrap(), b"garbage\n");
    fs::write(&anchor, &whole).unwrap();
    assert_eq!(codes(&kept.verify()), [""; 0]);
    let blind = Kept { world: world(), data: kept.data };
    let report = blind.verify();
    assert_eq!(codes(&report), ["evidence_expected"], "{report:#}");
    assert!(report["findings"][0]["index"].is_u64());
}

#[test]
fn led_22_bundles_of_before_and_after_a_rotation_verify_with_either_key() {
    let kept = kept(world());
    let (before, old) = (kept.export("before"), kept.vkey());
    let done = kept.plumb(&["ledger", "rotate-key", "--reason", "yearly"]);
    assert_code(&done, 0);
    let new = kept.vkey();
    assert_eq!(done.stdout, format!("{new}\n"));
    assert_ne!(old, new);
    let during = kept.export("during");
    assert_code(&kept.plumb(&["ledger", "hold", "add", "one", "--reason", "r"]), 0);
    let after = kept.export("after");
    for (bundle, keys) in [(&before, vec![&old]), (&during, vec![&old, &new]), (&after, vec![&old, &new])] {
        for key in keys {
            assert_code(
                &kept.plumb(&["verify", bundle, "--vkey", key, "--against", &before, "--vkey", &old]),
                0,
            );
            assert_code(&kept.plumb(&["verify", bundle, "--vkey", key]), 0);
        }
    }
    let report = json(&kept.plumb(&["verify", &before, "--vkey", &new, "--format", "json"]));
    assert!(codes(&report).contains(&"key_unknown"), "{report:#}");
    assert_eq!(codes(&kept.verify()), [""; 0]);
    // The old private key is nowhere any more, and the new one is as closed as the old one was.
    let names: Vec<String> = fs::read_dir(&kept.data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("key"))
        .collect();
    assert_eq!(names, ["ledger.key"]);
}

#[test]
fn led_22_a_rotation_that_was_stopped_between_database_and_key_file_is_finished() {
    let kept = kept(world());
    let key = Path::new(&kept.data).join("ledger.key");
    let old = fs::read(&key).unwrap();
    assert_code(&kept.plumb(&["ledger", "rotate-key", "--reason", "yearly"]), 0);
    // As if it had been killed before the file was put in its place.
    fs::rename(&key, key.with_extension("key.next")).unwrap();
    fs::write(&key, &old).unwrap();
    set_mode(&key, 0o600);
    assert_code(&kept.plumb(&["ledger", "hold", "add", "one", "--reason", "r"]), 0);
    assert_eq!(codes(&kept.verify()), [""; 0]);
    assert!(!key.with_extension("key.next").exists());
}

/// LED-22: a rotation was recorded and stopped before the handover. The next one goes on with it, and what it is asked for
/// beyond it is not lost: the stolen key is revoked, for the reason that was given.
#[test]
fn led_22_a_rotation_that_goes_on_with_another_one_revokes_as_it_was_asked() {
    let kept = kept(world());
    let old = kept.vkey();
    let [ahead, anchor] = ["ahead", "anchor"].map(|name| kept.world.path(name).to_str().unwrap().to_owned());
    tool("cp", &["-a", &kept.data, &ahead]);
    let hold = ["ledger", "hold", "add", "one", "--reason", "r", "--ledger-anchor", &anchor];
    assert_code(&kept.world.plumb(&[&["--data-dir", &ahead], &hold[..]].concat()), 0);
    // An anchor of a longer log stops the signing, behind the entry of the rotation.
    let stopped = ["ledger", "rotate-key", "--reason", "yearly", "--ledger-anchor", &anchor];
    assert_code(&kept.plumb(&stopped), 70);
    assert_eq!(kept.vkey(), old);
    assert_code(&kept.plumb(&["ledger", "rotate-key", "--reason", "laptop stolen", "--revoke-old"]), 0);
    let new = kept.vkey();
    assert_ne!(old, new);
    let events = kept.plumb(&["ledger", "events"]).stdout;
    assert!(events.contains("yearly") && events.contains("laptop stolen"), "{events}");
    assert_code(&kept.plumb(&["ledger", "hold", "add", "one", "--reason", "r"]), 0);
    let bundle = kept.export("after");
    assert_code(&kept.plumb(&["verify", &bundle, "--vkey", &new]), 0);
    // Who still has the old private key signs the same log once more.
    let forged = kept.world.path("forged").to_str().unwrap().to_owned();
    tool("cp", &["-a", &bundle, &forged]);
    sign_again(&forged, &fs::read_to_string(Path::new(&ahead).join("ledger.key")).unwrap());
    let report = json(&kept.plumb(&["verify", &forged, "--vkey", &old, "--format", "json"]));
    assert!(codes(&report).contains(&"key_revoked"), "{report:#}");
}

/// LED-22: where a rotation that revokes was stopped before the handover, nobody signs by the revoked key alone, which would
/// be found for ever; what is recorded meanwhile is covered by the next rotation.
#[test]
fn led_22_a_revoked_key_signs_nothing_alone_until_the_rotation_goes_on() {
    let kept = kept(world());
    let [ahead, anchor] = ["ahead", "anchor"].map(|name| kept.world.path(name).to_str().unwrap().to_owned());
    tool("cp", &["-a", &kept.data, &ahead]);
    let hold = ["ledger", "hold", "add", "one", "--reason", "r"];
    let anchored = [&["--data-dir", &ahead], &hold[..], &["--ledger-anchor", &anchor]].concat();
    assert_code(&kept.world.plumb(&anchored), 0);
    let rotate = ["ledger", "rotate-key", "--reason", "stolen", "--revoke-old"];
    assert_code(&kept.plumb(&[&rotate[..], &["--ledger-anchor", &anchor]].concat()), 70);
    let size = kept.status()["checkpoint"]["size"].clone();
    assert_refused(&kept.plumb(&hold), 64, "revoked the signing key");
    assert_eq!(kept.status()["checkpoint"]["size"], size);
    assert_code(&kept.plumb(&rotate), 0);
    assert_eq!(codes(&kept.verify()), [""; 0]);
    assert_eq!(kept.status()["uncovered"], 0);
    let held = kept.plumb(&["ledger", "hold", "list"]);
    assert!(held.stdout.contains("one"), "{held:?}");
}

/// Has the checkpoint of a bundle signed by the key of a key file alone.
fn sign_again(bundle: &str, key_file: &str) {
    let path = Path::new(bundle).join("checkpoint");
    let note = Note::parse(&fs::read(&path).unwrap()).unwrap();
    let (head, _extensions) = TreeHead::parse_foreign(&note.text).unwrap();
    let seed = ledger::hex::decode(key_file.split_whitespace().nth(1).unwrap()).unwrap();
    let signer = Signer::from_seed(&head.origin, &seed).unwrap();
    fs::write(&path, head.sign(&signer).unwrap().to_text()).unwrap();
}

#[test]
fn led_63_an_older_checkpoint_finds_a_log_that_was_cut_back() {
    let kept = kept(world());
    let early = kept.export("early");
    assert_code(&kept.plumb(&["ledger", "hold", "add", "one", "--reason", "r"]), 0);
    let late = kept.export("late");
    let key = kept.vkey();
    assert_code(&kept.plumb(&["verify", &late, "--vkey", &key, "--against", &early]), 0);
    let done = kept.plumb(&["verify", &early, "--vkey", &key, "--against", &late, "--format", "json"]);
    assert_code(&done, 2);
    assert_eq!(codes(&json(&done)), ["truncated"]);
    let checkpoint = Path::new(&late).join("checkpoint");
    let done = kept.plumb(&["verify", &early, "--vkey", &key, "--against", checkpoint.to_str().unwrap()]);
    assert_code(&done, 2);
    let proof = kept.world.path("proof").to_str().unwrap().to_owned();
    assert_code(&kept.plumb(&["ledger", "prove", "--index", "0", "--output", &proof]), 0);
    let done = kept.plumb(&["verify", &proof, "--vkey", &key, "--against", &early]);
    assert_refused(&done, 64, "--against belongs to bundles");
    // A receipt holds a signed head as well: of a longer log, and of this one.
    let receipt = |name: &str, words: &[&str]| {
        let path = kept.world.path(name).to_str().unwrap().to_owned();
        assert_code(&kept.plumb(&[&["ledger", "prove", "--output", &path], words].concat()), 0);
        path
    };
    let older = fs::read_to_string(Path::new(&early).join("checkpoint")).unwrap();
    let grown = receipt("grown", &["--consistency", older.lines().nth(1).unwrap()]);
    let bare = receipt("bare", &["--index", "0", "--bare"]);
    for against in [&proof, &grown, &bare] {
        let against = |bundle: &str| {
            kept.plumb(&["verify", bundle, "--vkey", &key, "--against", against, "--format", "json"])
        };
        assert_code(&against(&late), 0);
        let done = against(&early);
        assert_code(&done, 2);
        assert_eq!(codes(&json(&done)), ["truncated"]);
    }
    // One that was changed does not pass for a sound one.
    let text = fs::read_to_string(&proof).unwrap();
    fs::write(&proof, text.replace("index 0", "index 1")).unwrap();
    let done = kept.plumb(&["verify", &late, "--vkey", &key, "--against", &proof]);
    assert_refused(&done, 64, "--against");
    let other = kept_vkey_of_another();
    let done = kept.plumb(&["verify", &early, "--vkey", &other, "--against", checkpoint.to_str().unwrap()]);
    assert_refused(&done, 64, "--against");
}

fn kept_vkey_of_another() -> String {
    let other = world();
    assert_code(&other.plumb(&["ledger", "init"]), 0);
    json(&other.plumb(&["ledger", "status", "--format", "json"]))["vkey"].as_str().unwrap().to_owned()
}

#[test]
fn led_37_segments_are_sealed_one_after_the_other_and_a_missing_or_swapped_one_is_found() {
    let kept = kept(world());
    let archive = kept.world.path("archive");
    let seal = || kept.plumb(&["ledger", "seal", "--output", archive.to_str().unwrap()]);
    assert_code(&seal(), 0);
    assert!(archive.join("0-256/manifest.json").is_file());
    let again = seal();
    assert_code(&again, 0);
    assert!(again.stderr.contains("nothing was done"), "{again:#?}");
    let first = archive.join("0-256").to_str().unwrap().to_owned();
    assert_code(&kept.plumb(&["verify", &first, "--vkey", &kept.vkey(), "--range", "0..256"]), 0);
    // Enough for a second segment.
    let rules: Vec<_> = (0..140).map(|n| closed(&format!("missing_{n}"), "low")).collect();
    let content = folder(&kept.world, "ours", &rules);
    assert_code(&kept.plumb(&["scan", "localhost", "--content", &content]), 2);
    assert_code(&seal(), 0);
    let check = || {
        let words = ["ledger", "verify", "--archive", archive.to_str().unwrap(), "--format", "json"];
        json(&kept.plumb(&words))
    };
    assert_eq!(codes(&check()), [""; 0]);
    fs::rename(archive.join("0-256"), archive.join("away")).unwrap();
    let report = check();
    assert_eq!(codes(&report), ["segment_missing"]);
    assert_eq!(report["findings"][0]["index"], kept.events()[0]["index"]);
    fs::rename(archive.join("256-512"), archive.join("0-256")).unwrap();
    fs::rename(archive.join("away"), archive.join("256-512")).unwrap();
    assert_eq!(codes(&check()), ["segment_link", "segment_link"]);
}

/// LED-37: what a seal that was killed left behind stops no later one; what it does not know is not touched.
#[test]
fn led_37_a_seal_that_was_stopped_is_made_anew() {
    let kept = kept(world());
    let archive = kept.world.path("archive");
    let seal = || kept.plumb(&["ledger", "seal", "--output", archive.to_str().unwrap()]);
    fs::create_dir_all(archive.join("0-256.part/bodies")).unwrap();
    fs::write(archive.join("0-256.part/bodies/half"), "half").unwrap();
    fs::create_dir(archive.join("0-256")).unwrap();
    let refused = seal();
    assert_refused(&refused, 64, "entries 0..256 are not sealed");
    assert!(archive.join("0-256.part/bodies/half").exists());
    fs::remove_dir(archive.join("0-256")).unwrap();
    assert_code(&seal(), 0);
    let names: Vec<_> = fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["0-256"]);
    let bundle = archive.join("0-256").to_str().unwrap().to_owned();
    assert_code(&kept.plumb(&["verify", &bundle, "--vkey", &kept.vkey(), "--range", "0..256"]), 0);
}

#[test]
fn led_37_an_erased_body_waits_for_its_erasure_and_then_is_sealed_with_it() {
    let kept = kept(world());
    let archive = kept.world.path("archive").to_str().unwrap().to_owned();
    let seal = || kept.plumb(&["ledger", "seal", "--output", &archive]);
    let erase = ["ledger", "erase", "100", "--reason", "r", "--approved-by", "ada"];
    assert_code(&kept.plumb(&erase), 0);
    let done = seal();
    assert!(done.success() && done.stderr.contains("nothing was done"), "{done:?}");
    let rules: Vec<_> = (0..140).map(|n| closed(&format!("missing_{n}"), "low")).collect();
    let content = folder(&kept.world, "ours", &rules);
    assert_code(&kept.plumb(&["scan", "localhost", "--content", &content]), 2);
    assert_code(&seal(), 0);
    let bundle = Path::new(&archive).join("0-512");
    let words = ["verify", bundle.to_str().unwrap(), "--vkey", &kept.vkey(), "--range", "0..512"];
    assert_code(&kept.plumb(&words), 0);
    assert_eq!(codes(&kept.verify()), [""; 0]);
}

#[test]
fn led_41_an_erasure_destroys_the_bytes_and_no_proof_and_a_forged_one_is_found() {
    let kept = kept(world());
    let (index, evidence) = kept.newest_change("demo-web");
    let secret = kept.plumb(&["evidence", &evidence]).stdout;
    let probe = secret.trim_end();
    let file = || String::from_utf8_lossy(&fs::read(kept.database()).unwrap()).into_owned();
    assert!(file().contains(probe));
    let before = kept.export("before");
    let erase = |index: u64, by: &str| {
        let index = index.to_string();
        kept.plumb(&["ledger", "erase", &index, "--reason", "asked to", "--approved-by", by])
    };
    assert_refused(&erase(9_999, "ada"), 64, "no entry 9999");
    assert_refused(&erase(0, "ada"), 64, "log.genesis");
    assert_code(&erase(index, "ada"), 0);
    assert!(!file().contains(probe), "the bytes are still in the file");
    let report = kept.verify();
    assert_eq!((codes(&report), report["erased"].as_u64()), (vec![], Some(2)), "{report:#}");
    assert_refused(&kept.plumb(&["evidence", &evidence]), 64, "erased on purpose");
    assert_refused(&erase(index, "ada"), 64, "was erased already");
    let after = kept.export("after");
    let key = kept.vkey();
    for bundle in [&before, &after] {
        assert_code(&kept.plumb(&["verify", bundle, "--vkey", &key, "--against", &before]), 0);
    }
    assert_code(&kept.plumb(&["state", "verify"]), 0);
    // By hand, with the triggers out of the way, it is tampering.
    let empty = format!("UPDATE log_entries SET body = x'' WHERE log_index = {};", index - 1);
    tamper(&kept.database(), &empty);
    let report = kept.verify();
    assert_eq!(codes(&report), ["body_missing"], "{report:#}");
    assert_eq!(report["first_bad_index"], index - 1);
}

#[test]
fn led_40_a_hold_forbids_erasures_of_its_host_until_it_is_released() {
    let kept = kept(world());
    let (index, _evidence) = kept.newest_change("demo-web");
    let erase = || {
        let index = index.to_string();
        kept.plumb(&["ledger", "erase", &index, "--reason", "asked to", "--approved-by", "ada"])
    };
    let event = json(&kept.plumb(&["history", "demo-web", "--format", "json"]));
    let own = event["changes"][0]["requested_by"].as_str().unwrap();
    let alone = ["ledger", "erase", "5", "--reason", "asked to", "--approved-by", own];
    assert_refused(&kept.plumb(&alone), 64, "cannot approve it as well");
    // The same person by another spelling.
    let name = own.strip_prefix("local:").unwrap();
    for (by, why) in [
        (own.to_uppercase(), "cannot approve it as well"),
        (name.to_uppercase(), "cannot approve it as well"),
        (format!("Local: {name}"), "cannot approve it as well"),
        (format!("{own} "), "names nobody"),
        (format!("\t{name}"), "names nobody"),
        (format!("{name}\u{200b}"), "names nobody"),
        (format!("ro\not{name}"), "names nobody"),
    ] {
        let alone = ["ledger", "erase", "5", "--reason", "asked to", "--approved-by", &by];
        assert_refused(&kept.plumb(&alone), 64, why);
    }
    let add = |name: &str, host: &str| {
        kept.plumb(&["ledger", "hold", "add", name, "--host", host, "--reason", "court"])
    };
    assert_refused(&add("case", "nobody"), 64, "no host");
    assert_code(&add("case", "demo-web"), 0);
    assert_refused(&add("case", "demo-web"), 64, "already");
    assert_refused(&erase(), 64, "the hold \"case\" protects entry");
    let list = kept.plumb(&["ledger", "hold", "list"]);
    assert!(list.stdout.lines().nth(1).is_some_and(|line| line.starts_with("case\thost:")), "{list:#?}");
    assert_code(&kept.plumb(&["ledger", "hold", "release", "case", "--reason", "settled"]), 0);
    assert_refused(&kept.plumb(&["ledger", "hold", "release", "case", "--reason", "x"]), 64, "no hold");
    assert_code(&erase(), 0);
    assert_eq!(codes(&kept.verify()), [""; 0]);
}

#[test]
fn led_40_a_hold_protects_bytes_that_another_host_answered_too_and_records_about_its_scans() {
    let kept = kept(world());
    let number = |query: &str| sql(&kept.database(), query).remove(0);
    let host = |name: &str| number(&format!("SELECT host_id FROM hosts WHERE name = '{name}';"));
    let (web, db) = (host("demo-web"), host("demo-db"));
    let shared = number(&format!(
        "SELECT w.log_index FROM transactions AS w JOIN transactions AS d ON d.evidence_sha256 = w.evidence_sha256 \
         WHERE w.host_id = '{web}' AND d.host_id = '{db}' LIMIT 1;"
    ));
    let about = number(&format!(
        "SELECT a.log_index FROM audit_events AS a JOIN scan_runs AS s ON a.subject = 'scan:' || s.id \
         WHERE s.host_id = '{db}' LIMIT 1;"
    ));
    assert_code(&kept.plumb(&["ledger", "hold", "add", "case", "--host", "demo-db", "--reason", "court"]), 0);
    let erase = |index: &str, more: &[&str]| {
        let words = ["ledger", "erase", index, "--reason", "asked to", "--approved-by", "ada"];
        kept.plumb(&[&words, more].concat())
    };
    assert_refused(&erase(&shared, &[]), 64, "the hold \"case\" protects entry");
    assert_refused(&erase(&about, &[]), 64, "the hold \"case\" protects entry");
    assert_code(&erase(&shared, &["--body-only"]), 0);
    assert_eq!(codes(&kept.verify()), [""; 0]);
}

#[test]
fn led_19_nothing_is_signed_while_the_anchor_cannot_be_read() {
    let (kept, anchor) = anchored();
    let size = kept.status()["checkpoint"]["size"].clone();
    fs::remove_file(&anchor).unwrap();
    fs::create_dir(&anchor).unwrap();
    let done = kept.plumb(&["ledger", "hold", "add", "one", "--reason", "r"]);
    assert_refused(&done, 69, "could not read the anchor");
    fs::remove_dir(&anchor).unwrap();
    assert_eq!(kept.status()["checkpoint"]["size"], size);
}

#[test]
fn led_40_only_sealed_old_unheld_bodies_with_their_bundle_are_pruned_and_the_archive_makes_it_whole() {
    let kept = kept(world());
    let archive = kept.world.path("archive").to_str().unwrap().to_owned();
    let prune = |days: &str| {
        let words =
            ["ledger", "prune", "--archive", &archive, "--reason", "retention", "--approved-by", "ada"];
        kept.plumb(&[&["--retention-bodies-days", days], &words[..]].concat())
    };
    for bad in ["-1", "1.5", "30d", "ten", "36501"] {
        assert_code(&prune(bad), 64);
    }
    assert_refused(&prune("0"), 64, "bodies are kept for ever");
    let nothing =
        |done: &Output| assert!(done.success() && done.stderr.contains("nothing was removed"), "{done:?}");
    nothing(&prune("30"));
    assert_code(&kept.plumb(&["ledger", "seal", "--before", "2026-03-05", "--output", &archive]), 0);
    nothing(&prune("36500"));
    let bundle = Path::new(&archive).join("0-256");
    let away = Path::new(&archive).join("away");
    fs::rename(&bundle, &away).unwrap();
    assert_refused(&prune("30"), 64, "is not there; nothing of it is pruned");
    fs::rename(&away, &bundle).unwrap();
    let tile = bundle.join("tile/0/000");
    let bytes = fs::read(&tile).unwrap();
    fs::write(&tile, [&bytes[..8_191], &[!bytes[8_191]]].concat()).unwrap();
    assert_refused(&prune("30"), 64, "does not verify; nothing of it is pruned");
    fs::write(&tile, &bytes).unwrap();
    assert_code(&kept.plumb(&["ledger", "hold", "add", "case", "--host", "demo-db", "--reason", "court"]), 0);
    assert_refused(&prune("30"), 64, "a hold protects segment 0..256");
    assert_code(&kept.plumb(&["ledger", "hold", "release", "case", "--reason", "settled"]), 0);
    let before = kept.export("before");
    let done = prune("30");
    assert_code(&done, 0);
    assert_eq!(done.stdout, "0\t256\n");
    nothing(&prune("30"));
    // The genesis is needed by whoever verifies; all the others are gone, and accounted for.
    let report = kept.verify();
    assert_eq!((codes(&report), report["pruned"].as_u64()), (vec![], Some(255)), "{report:#}");
    let whole = json(&kept.plumb(&["ledger", "verify", "--archive", &archive, "--format", "json"]));
    assert_eq!((codes(&whole), whole["pruned"].as_u64()), (vec![], Some(0)), "{whole:#}");
    let (key, after) = (kept.vkey(), kept.export("after"));
    assert_code(&kept.plumb(&["verify", &after, "--vkey", &key, "--against", &before]), 0);
    assert_code(&kept.plumb(&["state", "verify"]), 0);
    let start = &kept.events().into_iter().find(|event| event["event"]["kind"] == "log.started").unwrap();
    assert_eq!(start["event"]["detail"]["retention_bodies_days"], 30);
    tamper(&kept.database(), "DELETE FROM log_prunings;");
    assert_eq!(codes(&kept.verify()), ["row_missing"]);
}

#[test]
fn led_67_an_edit_of_any_column_of_what_happened_to_the_log_is_found() {
    let kept = kept(world());
    let archive = kept.world.path("archive").to_str().unwrap().to_owned();
    let approved = ["--reason", "r", "--approved-by", "ada"];
    assert_code(&kept.plumb(&["ledger", "seal", "--before", "2026-03-05", "--output", &archive]), 0);
    let prune = ["ledger", "prune", "--retention-bodies-days", "30", "--archive", &archive];
    assert_code(&kept.plumb(&[&prune[..], &approved].concat()), 0);
    assert_code(&kept.plumb(&[&["ledger", "erase", "300"], &approved[..]].concat()), 0);
    assert_code(&kept.plumb(&["ledger", "rotate-key", "--reason", "yearly"]), 0);
    assert_eq!(codes(&kept.verify()), [""; 0]);
    sql(&kept.database(), "PRAGMA wal_checkpoint(TRUNCATE);");
    let copy = kept.world.path("copy");
    copy_folder(Path::new(&kept.data), &copy);
    let mut missed = Vec::new();
    for table in
        TABLES.iter().filter(|table| ["log_erasures", "log_events", "log_prunings"].contains(&table.name))
    {
        let (types, row) = (types(&kept.database(), table.name), last_row(&kept.database(), table));
        for (column, _vouch) in table.columns {
            let edit =
                format!("UPDATE {} SET \"{column}\" = {}", table.name, edited(column, &types[*column]));
            let script = format!("PRAGMA ignore_check_constraints = ON; {edit} WHERE {row};");
            tamper(&kept.database(), &script);
            let done = kept.plumb(&["ledger", "verify", "--format", "json"]);
            let found = done.code == Some(2) && json(&done)["findings"][0]["table"].is_string();
            if !found {
                missed.push(format!("{}.{column}: {done:?}", table.name));
            }
            fs::copy(copy.join("plumb.db"), kept.database()).unwrap();
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn led_30_a_start_says_what_to_expect_and_is_recorded_once() {
    let world = world();
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let events = json(&world.plumb(&["ledger", "events", "--format", "json"]))["events"].clone();
    let events = events.as_array().unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event["event"]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["log.started", "log.config"], "{events:#?}");
    let detail = &events[0]["event"]["detail"];
    assert_eq!(
        detail["binary_sha256"].as_str().unwrap(),
        crate::database::sha256sum(Path::new(env!("CARGO_BIN_EXE_plumb")))
    );
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/migrations/sqlite");
    let migrations = fs::read_dir(migrations).unwrap().count() as u64;
    assert_eq!(
        (detail["schema_version"].as_u64(), detail["expects_anchor"].as_bool()),
        (Some(migrations), Some(false))
    );
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}
