//! Tests of the anchor's file: whatever a crash leaves of it, the next line stands behind what is whole.

use std::fs::{self, OpenOptions};
use std::path::Path;

use ledger::anchor::{Line, Tail, What};
use ledger::verify::Verifier;
use ledger::{Signer, TreeHead, VerifierKey};

use super::{append, expect, last_head};

const ORIGIN: &str = "log.example/log-1";
const AT: &str = "2026-03-01T10:00:00.000001Z";

fn signer() -> Signer {
    Signer::from_seed(ORIGIN, &[1; 32]).unwrap()
}

/// A signed head over nothing: every log has it.
fn note() -> String {
    let root = ledger::tree::Frontier::new().root();
    TreeHead { origin: ORIGIN.to_owned(), size: 0, root }.sign(&signer()).unwrap().to_text()
}

fn add(path: &Path) {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).unwrap();
    append(&mut file, path, AT, note()).unwrap();
}

/// Verifies the file; returns how many heads and how many findings there are.
fn verified(path: &Path, key: &VerifierKey) -> (u64, usize) {
    let mut verifier = Verifier::new(Some("log-1"), 0);
    expect((path, u64::MAX), std::slice::from_ref(key), (true, &[]), &mut verifier).unwrap();
    let report = verifier.finish();
    (report.checkpoints, report.findings.len())
}

#[test]
fn led_07_an_anchor_cut_at_any_byte_goes_on_behind_a_seam() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchor.log");
    for _line in 0..3 {
        add(&path);
    }
    let whole = fs::read(&path).unwrap();
    let starts: Vec<usize> = (0..whole.len()).filter(|at| *at == 0 || whole[at - 1] == b'\n').collect();
    assert_eq!(starts.len(), 3);
    let key = signer().verifier().clone();
    assert_eq!(verified(&path, &key), (3, 0));
    for cut in starts[1]..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        add(&path);
        let lines_left = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(verified(&path, &key), (lines_left as u64 + 1, 0), "cut at {cut}");
        let now = fs::read(&path).unwrap();
        let kept = starts.iter().rfind(|start| **start <= cut).copied().unwrap();
        assert_eq!(now[..kept], whole[..kept], "cut at {cut}");
        let torn = &whole[kept..cut];
        if torn.is_empty() {
            continue;
        }
        let seam = now[kept..].split_inclusive(|byte| *byte == b'\n').next().unwrap();
        let quarantined = ledger::sha256(torn);
        assert_eq!(Line::parse_any(seam).unwrap().what, What::Seam { quarantined }, "cut at {cut}");
        let beside = format!("anchor.log.torn-{}", &ledger::hex::encode(&quarantined)[..16]);
        assert_eq!(fs::read(folder.path().join(beside)).unwrap(), torn);
    }
}

#[test]
fn led_07_the_newest_head_is_read_from_the_end_and_never_from_a_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchor.log");
    assert_eq!(last_head(&path).unwrap(), None);
    add(&path);
    assert_eq!(last_head(&path).unwrap().map(|head| head.size), Some(0));
    let whole = fs::read(&path).unwrap();
    let torn = &whole[..whole.len() - 1];
    fs::write(&path, torn).unwrap();
    assert_eq!(last_head(&path).unwrap(), None);
    assert!(Line::parse(Tail::default(), torn).is_err());
    // The one before a torn line is still known: what it shows cannot be taken back by a crash.
    fs::write(&path, [&whole[..], torn].concat()).unwrap();
    assert_eq!(last_head(&path).unwrap().map(|head| head.size), Some(0));
}
