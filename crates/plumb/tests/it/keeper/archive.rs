//! The archive of sealed segments: it is read whole when it is named, and nothing that is not there is taken on trust.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Kept, codes, copy_folder, kept};
use crate::database::{sql, tamper};
use crate::support::{assert_code, assert_refused, json, tool, world};

/// A kept world whose first segment, 0..256, is sealed; returns the archive.
fn sealed() -> (Kept, PathBuf) {
    let kept = kept(world());
    let archive = kept.world.path("archive");
    let words = ["ledger", "seal", "--before", "2026-03-05", "--output", archive.to_str().unwrap()];
    assert_code(&kept.plumb(&words), 0);
    (kept, archive)
}

fn check(kept: &Kept, archive: &Path) -> Value {
    let words = ["ledger", "verify", "--archive", archive.to_str().unwrap(), "--format", "json"];
    let done = kept.plumb(&words);
    let report = json(&done);
    assert_code(&done, if report["ok"] == true { 0 } else { 2 });
    report
}

/// A file of the bundle by the digest of its bytes.
fn file(archive: &Path, folder: &str, digest: &str) -> PathBuf {
    archive.join("0-256").join(folder).join(&digest[..2]).join(digest)
}

/// The digest of the body of an entry.
fn body_of(kept: &Kept, index: u64) -> String {
    let query = format!("SELECT entry FROM log_entries WHERE log_index = {index};");
    let entry: Value = serde_json::from_str(&sql(&kept.database(), &query)[0]).unwrap();
    entry["body_sha256"].as_str().unwrap().to_owned()
}

#[test]
fn led_37_a_file_of_a_sealed_segment_that_is_altered_or_gone_is_found_and_named() {
    let (kept, archive) = sealed();
    assert_eq!(codes(&check(&kept, &archive)), [""; 0]);
    let mistyped = format!("{}x", archive.display());
    let done = kept.plumb(&["ledger", "verify", "--archive", &mistyped]);
    assert!(!done.success() && done.stderr.contains("there is no folder"), "{done:?}");
    let body = file(&archive, "bodies", &body_of(&kept, 100));
    let bytes = fs::read(&body).unwrap();
    for (now, code) in [(Some(&b"{}"[..]), "body_altered"), (None, "body_missing")] {
        match now {
            Some(other) => fs::write(&body, other).unwrap(),
            None => fs::remove_file(&body).unwrap(),
        }
        let report = check(&kept, &archive);
        let found = &report["findings"][0];
        assert_eq!((&found["code"], &found["index"]), (&code.into(), &100.into()), "{report:#}");
        assert_eq!(found["file"].as_str(), body.to_str());
        assert!(found["detail"].as_str().unwrap().starts_with("in the segment 0-256: "), "{report:#}");
        fs::write(&body, &bytes).unwrap();
    }
    fs::remove_dir_all(archive.join("0-256/tile")).unwrap();
    assert_eq!(check(&kept, &archive)["ok"], false);
}

#[test]
fn led_40_a_hollow_archive_hides_no_edit_of_what_was_pruned() {
    let (kept, archive) = sealed();
    let words = ["ledger", "prune", "--retention-bodies-days", "30", "--reason", "r", "--approved-by", "ada"];
    assert_code(&kept.plumb(&[&words[..], &["--archive", archive.to_str().unwrap()]].concat()), 0);
    let host = &sql(&kept.database(), "SELECT host_id FROM hosts WHERE name = 'demo-db';")[0];
    let rule = format!("host_id = '{host}' AND rule_id = 'file_cron_allow'");
    let query = format!("SELECT log_index FROM transactions WHERE {rule};");
    let index: u64 = sql(&kept.database(), &query)[0].parse().unwrap();
    assert!((1..256).contains(&index), "{index}");
    let whole = kept.world.path("whole");
    copy_folder(&archive, &whole);
    let body = file(&archive, "bodies", &body_of(&kept, index));
    fs::remove_file(&body).unwrap();
    let report = check(&kept, &archive);
    let lost = report["findings"].as_array().unwrap().iter();
    let lost = lost.filter(|found| found["code"] == "body_missing" && found["index"] == index);
    // In the log and in the bundle.
    assert_eq!(lost.count(), 2, "{report:#}");
    assert_eq!(report["pruned"], 0);
    tool(
        "find",
        &[archive.join("0-256").to_str().unwrap(), "-type", "f", "!", "-name", "manifest.json", "-delete"],
    );
    tamper(
        &kept.database(),
        &format!(
            "UPDATE transactions SET status = 'pass' WHERE {rule};
             UPDATE host_rule_state SET current_status = 'pass' WHERE {rule};
             UPDATE host_posture SET pass_count = pass_count + 1, fail_count = fail_count - 1
             WHERE host_id = '{host}';"
        ),
    );
    let report = check(&kept, &archive);
    assert!(codes(&report).contains(&"body_missing"), "{report:#}");
    let report = check(&kept, &whole);
    assert_eq!(codes(&report), ["row_altered"], "{report:#}");
    assert_eq!(report["findings"][0]["index"], index);
    // Without the archive, what is not there is counted and not vouched for.
    let blind = kept.verify();
    assert_eq!((codes(&blind), &blind["pruned"]), (vec![], &255.into()), "{blind:#}");
}

#[test]
fn led_41_what_was_erased_after_its_segment_was_sealed_may_go_from_the_archive_too() {
    let (kept, archive) = sealed();
    let body = file(&archive, "bodies", &body_of(&kept, 100));
    assert_code(&kept.plumb(&["ledger", "erase", "100", "--reason", "r", "--approved-by", "ada"]), 0);
    assert_eq!(codes(&check(&kept, &archive)), [""; 0]);
    fs::remove_file(body).unwrap();
    assert_eq!(codes(&check(&kept, &archive)), [""; 0]);
    fs::remove_file(file(&archive, "bodies", &body_of(&kept, 101))).unwrap();
    assert_eq!(codes(&check(&kept, &archive)), ["body_missing"]);
}

#[test]
fn led_41_the_evidence_of_a_pruned_entry_can_still_be_erased() {
    let (kept, archive) = sealed();
    let history = json(&kept.plumb(&["history", "demo-web", "--format", "json", "--limit", "500"]));
    let changes = history["changes"].as_array().unwrap();
    let oldest = changes.last().unwrap();
    assert!(oldest["log_index"].as_u64().unwrap() < 256, "it is in the sealed segment");
    let (index, evidence) =
        (oldest["log_index"].to_string(), oldest["change"]["evidence_sha256"].as_str().unwrap().to_owned());
    let by = ["--reason", "r", "--approved-by", "ada"];
    let prune = ["ledger", "prune", "--retention-bodies-days", "30", "--archive", archive.to_str().unwrap()];
    assert_code(&kept.plumb(&[&prune[..], &by].concat()), 0);
    assert_code(&kept.plumb(&["evidence", &evidence]), 0);
    let erase = |more: &[&str]| kept.plumb(&[&["ledger", "erase", &index], &by[..], more].concat());
    assert_refused(&erase(&["--body-only"]), 64, "was removed by retention already");
    assert_code(&erase(&[]), 0);
    assert_refused(&kept.plumb(&["evidence", &evidence]), 64, "erased on purpose");
    assert_refused(&erase(&[]), 64, "was removed by retention already");
    assert_eq!(codes(&kept.verify()), [""; 0]);
    assert_code(&kept.plumb(&["state", "verify"]), 0);

    // Whoever asks why is told that there was more to see.
    let (newest, _evidence) = kept.newest_change("demo-web");
    let rule = changes[0]["change"]["rule_id"].as_str().unwrap();
    let why = |more: &[&str]| kept.plumb(&[&["why", rule, "--host", "demo-web"], more].concat());
    assert_eq!(json(&why(&["--format", "json"]))["evidence_erased"], false);
    assert_code(&kept.plumb(&[&["ledger", "erase", &newest.to_string()], &by[..]].concat()), 0);
    assert_eq!(json(&why(&["--format", "json"]))["evidence_erased"], true);
    assert!(why(&[]).stdout.contains("the evidence is gone: it was erased"));
}
