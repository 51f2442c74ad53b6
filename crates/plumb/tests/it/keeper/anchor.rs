//! The anchor in trouble: gone, begun anew, spoilt by a stranger, out of reach, or no file at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{Kept, anchored, codes, copy_folder, kept};
use crate::support::{assert_code, assert_refused, mode, tool, world};

/// The checkpoints in an anchor, by the number of entries that each covers.
fn sizes(anchor: &Path) -> Vec<u64> {
    let size = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["checkpoint"].as_str()?.lines().nth(1)?.parse().ok()
    };
    fs::read_to_string(anchor).unwrap().lines().filter_map(size).collect()
}

/// A file of one line that has a checkpoint, in canonical form: members by name, and no escapes but for line feeds.
fn one_line(checkpoint: &str) -> String {
    let at = "2026-03-09T10:00:00.000000Z";
    format!("{}\n", json!({"at": at, "checkpoint": checkpoint, "n": 1, "prev": null, "v": 1}))
}

impl Kept {
    fn hold(&self, name: &str) -> testkit::process::Output {
        self.plumb(&["ledger", "hold", "add", name, "--reason", "r"])
    }

    fn checkpoint(&self) -> testkit::process::Output {
        self.plumb(&["ledger", "checkpoint"])
    }

    /// The same record for somebody who names no anchor.
    fn blind(&self) -> Kept {
        Kept { world: world(), data: self.data.clone() }
    }
}

#[test]
fn led_71_an_anchor_that_is_gone_is_not_begun_anew_in_silence() {
    let (kept, anchor) = anchored();
    assert_code(&kept.hold("one"), 0);
    let signed = kept.status()["checkpoint"]["size"].clone();
    let whole = fs::read(&anchor).unwrap();
    fs::remove_file(&anchor).unwrap();
    for done in [kept.hold("two"), kept.checkpoint()] {
        assert_refused(&done, 69, "is not there, and every checkpoint from that over");
    }
    assert!(!anchor.exists());
    fs::write(&anchor, b"").unwrap();
    assert_refused(&kept.hold("three"), 69, "has no checkpoint of this log");
    assert_eq!(kept.status()["checkpoint"]["size"], signed);
    assert_eq!(codes(&kept.verify()), ["anchor_missing"]);
    // What was recorded meanwhile is signed as soon as the file is back.
    fs::write(&anchor, &whole).unwrap();
    assert_code(&kept.checkpoint(), 0);
    assert_eq!(codes(&kept.verify()), [""; 0]);
    let status = kept.status();
    assert_eq!((&status["uncovered"], &status["left"]), (&0.into(), &status["size"]), "{status:#}");
}

#[test]
fn led_71_an_anchor_that_begins_behind_its_promise_is_found_and_another_begins_on_record() {
    let (kept, anchor) = anchored();
    assert_code(&kept.hold("one"), 0);
    let note = kept.status()["checkpoint"]["note"].as_str().unwrap().to_owned();
    fs::write(&anchor, one_line(&note)).unwrap();
    let report = kept.verify();
    assert_eq!(codes(&report), ["anchor_missing"], "{report:#}");
    let started = kept.events().into_iter().find(|event| event["event"]["kind"] == "log.started").unwrap();
    assert_eq!(report["findings"][0]["index"], started["index"]);
    assert_eq!(report["anchor"], "failed");
    // On purpose: once without an anchor, which is on record, and from then on with the other one.
    fs::remove_file(&anchor).unwrap();
    let blind = kept.blind();
    assert_code(&blind.checkpoint(), 0);
    assert_eq!(codes(&blind.verify()), [""; 0]);
    assert_code(&kept.checkpoint(), 0);
    assert_code(&kept.hold("two"), 0);
    let report = kept.verify();
    assert_eq!((codes(&report), report["anchor"].as_str()), (vec![], Some("verified")), "{report:#}");
    let promises = kept.events().into_iter().filter(|event| event["event"]["kind"] == "log.started");
    let promises: Vec<_> = promises.map(|event| event["event"]["detail"]["expects_anchor"].clone()).collect();
    assert_eq!(promises, [true, false, true]);
    assert_eq!(sizes(&anchor).len(), 2);
}

#[test]
fn led_07_a_seam_is_in_the_report() {
    let (kept, anchor) = anchored();
    assert_eq!(kept.verify()["anchor_seams"], 0);
    let whole = fs::read(&anchor).unwrap();
    fs::write(&anchor, [&whole[..], b"{\"torn"].concat()).unwrap();
    assert_code(&kept.hold("one"), 0);
    let report = kept.verify();
    assert_eq!((codes(&report), &report["anchor_seams"]), (vec![], &1.into()), "{report:#}");
    let said = kept.plumb(&["ledger", "verify"]).stdout;
    assert!(said.contains("anchor has 1 seam"), "{said}");
}

#[test]
fn led_43_a_head_that_nobody_signed_neither_closes_the_window_nor_stops_the_log() {
    let (kept, anchor) = anchored();
    let whole = fs::read_to_string(&anchor).unwrap();
    let before = kept.status();
    let note = before["checkpoint"]["note"].as_str().unwrap();
    let size = before["checkpoint"]["size"].to_string();
    let forged = note.replacen(&format!("\n{size}\n"), "\n100000\n", 1);
    assert_ne!(forged, note);
    // It stands alone: what was anchored is gone, and the log has nothing outside.
    fs::write(&anchor, one_line(&forged)).unwrap();
    let status = kept.status();
    assert_eq!(status["left"], 0, "{status:#}");
    assert!(status["window_seconds"].as_i64().unwrap() > 0, "{status:#}");
    assert_refused(&kept.hold("one"), 69, "has no checkpoint of this log");
    assert!(codes(&kept.verify()).contains(&"checkpoint_signature"));
    // It stands behind what was anchored: it is found, and nothing else comes of it.
    fs::write(&anchor, whole + &one_line(&forged)).unwrap();
    let status = kept.status();
    assert_eq!(status["left"], before["left"], "{status:#}");
    assert_code(&kept.hold("two"), 0);
    let status = kept.status();
    assert_eq!((&status["uncovered"], &status["left"]), (&0.into(), &status["size"]), "{status:#}");
    assert_eq!(kept.verify()["anchor"], "failed");
}

#[test]
fn led_43_of_a_database_that_was_set_back_only_what_it_shares_with_the_anchor_has_left() {
    let (kept, _anchor) = anchored();
    let copy = kept.world.path("copy");
    copy_folder(Path::new(&kept.data), &copy);
    let shared = kept.status()["size"].clone();
    for name in ["one", "two"] {
        assert_code(&kept.hold(name), 0);
    }
    fs::remove_dir_all(&kept.data).unwrap();
    copy_folder(&copy, Path::new(&kept.data));
    assert_eq!(kept.status()["left"], shared);
    assert_refused(&kept.hold("three"), 70, "rollback_detected");
    let status = kept.status();
    assert_eq!(status["left"], shared, "{status:#}");
    assert!(status["size"].as_u64() > shared.as_u64(), "{status:#}");
}

#[test]
fn led_31_what_is_no_anchor_is_left_alone_and_nothing_is_signed() {
    let world = world();
    let anchor = world.path("notes");
    fs::write(&anchor, "my notes\nof the week\n").unwrap();
    let kept = kept(world);
    let size = kept.status()["checkpoint"]["size"].clone();
    let named = kept.blind();
    let named = Kept { world: named.world.env("PLUMB_LEDGER_ANCHOR", anchor.to_str().unwrap()), ..named };
    assert_refused(&named.hold("one"), 69, "no line in it reads as one of an anchor");
    assert_eq!(fs::read_to_string(&anchor).unwrap(), "my notes\nof the week\n");
    assert_eq!(kept.status()["checkpoint"]["size"], size);
}

#[test]
fn led_31_a_checkpoint_that_was_not_anchored_is_anchored_by_the_next_command_that_cuts_one() {
    let world = world();
    let mount = world.path("mount");
    let anchor = mount.join("anchor.log");
    fs::create_dir(&mount).unwrap();
    let kept = kept(world.env("PLUMB_LEDGER_ANCHOR", anchor.to_str().unwrap()));
    assert_code(&kept.hold("one"), 0);
    let whole = fs::read_to_string(&anchor).unwrap();
    let all = sizes(&anchor);
    let without_last = whole.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n";
    let bundle = kept.world.path("bundle").to_str().unwrap().to_owned();
    for words in [&["ledger", "checkpoint"][..], &["ledger", "export", "--output", &bundle]] {
        fs::write(&anchor, &without_last).unwrap();
        assert_ne!(sizes(&anchor), all);
        assert_code(&kept.plumb(words), 0);
        assert_eq!(sizes(&anchor), all);
    }
    // Nothing is uncovered, and still nobody is told that all is well.
    fs::rename(&mount, kept.world.path("away")).unwrap();
    assert_refused(&kept.checkpoint(), 69, "is not there");
}

#[test]
fn led_31_nothing_is_signed_before_there_is_an_anchor() {
    let kept = kept(world());
    let mount = kept.world.path("mount");
    let anchor = mount.join("anchor.log");
    let size = kept.status()["checkpoint"]["size"].clone();
    let named = kept.blind();
    let named = Kept { world: named.world.env("PLUMB_LEDGER_ANCHOR", anchor.to_str().unwrap()), ..named };
    for done in [named.hold("one"), named.checkpoint()] {
        assert_refused(&done, 69, "could not open the anchor");
    }
    assert_eq!(kept.status()["checkpoint"]["size"], size);
    fs::create_dir(&mount).unwrap();
    assert_code(&named.checkpoint(), 0);
    assert_eq!(sizes(&anchor), [named.status()["size"].as_u64().unwrap()]);
    assert_eq!(codes(&named.verify()), [""; 0]);
}

#[test]
fn led_28_an_anchor_that_is_a_pipe_is_refused_and_nobody_waits_for_it() {
    let (kept, anchor) = anchored();
    fs::remove_file(&anchor).unwrap();
    tool("mkfifo", &[anchor.to_str().unwrap()]);
    for words in ["verify", "checkpoint", "status"] {
        assert_refused(&kept.plumb(&["ledger", words]), 69, "it is no plain file");
    }
    assert_refused(&kept.hold("one"), 69, "it is no plain file");
}

#[test]
fn led_42_an_anchor_that_others_can_write_is_not_appended_to() {
    let (kept, anchor) = anchored();
    let (told, size) = (fs::read(&anchor).unwrap(), kept.status()["checkpoint"]["size"].clone());
    for (at, loose) in [0o666, 0o620, 0o602].into_iter().enumerate() {
        fs::set_permissions(&anchor, fs::Permissions::from_mode(loose)).unwrap();
        let refused = format!("{} can be written by others (mode {loose:04o})", anchor.display());
        assert_refused(&kept.hold(&format!("loose-{at}")), 78, &refused);
        assert_eq!((fs::read(&anchor).unwrap(), &kept.status()["checkpoint"]["size"]), (told.clone(), &size));
    }
    // Who may read it does no harm.
    fs::set_permissions(&anchor, fs::Permissions::from_mode(0o644)).unwrap();
    assert_code(&kept.hold("closed"), 0);
    assert!(fs::read(&anchor).unwrap().len() > told.len());
    assert_eq!(mode(&anchor), 0o644);
}
