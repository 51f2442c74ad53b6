//! Tests of the anchor's file: whatever a crash leaves of it, the next line stands behind what is whole.

use std::fs::{self, OpenOptions};
use std::path::Path;

use ledger::anchor::{Line, Tail, What};
use ledger::verify::Verifier;
use ledger::{Signer, TreeHead, VerifierKey};

use super::lines::WINDOW_BYTES;
use super::{NotesBack, Signers, append, expect, mend};

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
    let tail = mend(&mut file, path, AT).unwrap();
    append((&mut file, path), tail, AT, What::Head { note: note() }).unwrap();
}

/// Verifies the file; returns how many heads and how many findings there are.
fn verified(path: &Path, key: &VerifierKey) -> (u64, usize) {
    let mut verifier = Verifier::new(Some("log-1"), 0);
    let signers = Signers { keys: vec![key.clone()], older: Vec::new() };
    expect((path, u64::MAX), &signers, true, &mut verifier).unwrap();
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

/// The newest checkpoint that a key of the log signed.
fn newest(path: &Path) -> Option<TreeHead> {
    let keys = [signer().verifier().clone()];
    let mut notes = NotesBack::open(path).unwrap()?;
    notes
        .find(|note| ledger::checkpoint::open(note.as_bytes(), &keys).ok())
        .unwrap()
        .map(|signed| signed.head)
}

#[test]
fn led_07_the_newest_head_is_read_from_the_end_and_never_from_a_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchor.log");
    assert_eq!(newest(&path), None);
    add(&path);
    assert_eq!(newest(&path).map(|head| head.size), Some(0));
    let whole = fs::read(&path).unwrap();
    let torn = &whole[..whole.len() - 1];
    fs::write(&path, torn).unwrap();
    assert_eq!(newest(&path), None);
    assert!(Line::parse(Tail::default(), torn).is_err());
    // The one before a torn line is still known: what it shows cannot be taken back by a crash.
    fs::write(&path, [&whole[..], torn].concat()).unwrap();
    assert_eq!(newest(&path).map(|head| head.size), Some(0));
}

#[test]
fn led_19_the_newest_signed_head_is_found_behind_any_amount_of_what_nobody_signed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchor.log");
    add(&path);
    let whole = fs::read(&path).unwrap();
    let forged = TreeHead { origin: ORIGIN.to_owned(), size: 9, root: [9; 32] };
    let forged = forged.sign(&signer()).unwrap().to_text().replacen("\n9\n", "\n100\n", 1);
    let forged = Line::after(Tail::default(), AT, What::Head { note: forged }).unwrap();
    assert!(Line::parse_any(&forged).is_ok());
    let bytes = usize::try_from(WINDOW_BYTES).unwrap();
    let long = vec![b'x'; 3 * bytes];
    let many = forged.repeat(2 * bytes / forged.len());
    let window = vec![b'\n'; bytes];
    for junk in
        [&forged[..], &many, &long, &[&long[..], b"\n"].concat(), &window, &[&many[..], &long].concat()]
    {
        fs::write(&path, [&whole[..], junk].concat()).unwrap();
        assert_eq!(newest(&path).map(|head| head.size), Some(0), "{} bytes", junk.len());
    }
    fs::write(&path, [&long[..], b"\n", &whole[..]].concat()).unwrap();
    assert_eq!(newest(&path).map(|head| head.size), Some(0));
}

#[test]
fn led_07_lines_that_do_not_read_are_moved_together_and_a_file_of_none_that_does_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anchor.log");
    add(&path);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], b"a\nb\n"].concat()).unwrap();
    add(&path);
    assert_eq!(verified(&path, signer().verifier()), (2, 0));
    let now = fs::read(&path).unwrap();
    assert_eq!(now[..whole.len()], whole);
    let beside = format!("anchor.log.torn-{}", &ledger::hex::encode(&ledger::sha256(b"a\nb\n"))[..16]);
    assert_eq!(fs::read(folder.path().join(beside)).unwrap(), b"a\nb\n");
    fs::write(&path, b"a\nb\n").unwrap();
    let mut file = OpenOptions::new().read(true).append(true).open(&path).unwrap();
    assert!(mend(&mut file, &path, AT).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"a\nb\n");
}
