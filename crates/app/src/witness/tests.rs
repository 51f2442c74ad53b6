//! Tests of what a witness keeps and of the time that it states (LED-33).

use std::fs;

use ledger::cosignature::Cosigner;
use ledger::note::Signer;
use ledger::tree::empty_root;
use ledger::witness::{AddCheckpoint, KnownLog, Latest, Refusal, RequestError};
use ledger::{TreeHead, hex};

use super::folder::{Folder, Memory, file_name};
use super::watch::{Denied, Witness, cosigning_time};

const ORIGIN: &str = "log.example/1";

fn log() -> Signer {
    Signer::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn known() -> Vec<KnownLog> {
    vec![KnownLog { origin: ORIGIN.to_owned(), keys: vec![log().verifier().clone()] }]
}

fn witness(folder: &std::path::Path) -> Witness {
    let folder = Folder::take(folder).unwrap();
    let cosigner = folder.cosigner(Some("witness.example")).unwrap();
    Witness::new(folder, cosigner, known()).unwrap()
}

/// Returns a request for a head that nothing is behind: from the empty tree, any root is consistent.
fn first(size: u64) -> AddCheckpoint {
    let head = TreeHead { origin: ORIGIN.to_owned(), size, root: [9; 32] };
    AddCheckpoint::new(0, Vec::new(), head.sign(&log()).unwrap()).unwrap()
}

#[test]
fn a_cosignature_is_never_earlier_than_the_one_before_it() {
    assert_eq!(cosigning_time(1_000, 0), Some(1_000));
    assert_eq!(cosigning_time(1_000, 1_000), Some(1_000));
    // A small step back is passed over, one beyond five minutes is not.
    assert_eq!(cosigning_time(701, 1_000), Some(1_000));
    assert_eq!(cosigning_time(700, 1_000), Some(1_000));
    assert_eq!(cosigning_time(699, 1_000), None);
    assert_eq!(cosigning_time(0, 0), None);
}

#[test]
fn led_33_a_clock_set_back_gives_no_cosignature_and_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let witness = witness(folder.path());
    let body = first(3).to_body();
    assert!(witness.add_checkpoint(body.as_bytes(), 10_000).is_ok());
    let same = body.replacen("old 0\n", "old 3\n", 1);
    assert!(matches!(witness.add_checkpoint(same.as_bytes(), 5_000), Err(Denied::Clock)));
    assert!(witness.add_checkpoint(same.as_bytes(), 9_800).is_ok());
}

#[test]
fn led_33_what_was_cosigned_is_read_back_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let first_line = {
        let witness = witness(folder.path());
        witness.add_checkpoint(first(3).to_body().as_bytes(), 10_000).unwrap()
    };
    let again = witness(folder.path());
    let stored = again.checkpoint(&file_name(ORIGIN)).unwrap().unwrap();
    assert!(String::from_utf8(stored).unwrap().ends_with(&first_line));
    let conflict = again.add_checkpoint(first(4).to_body().as_bytes(), 10_000);
    assert!(matches!(conflict, Err(Denied::Refused(Refusal::Conflict { size: 3 }))), "{conflict:?}");
    assert_eq!(again.checkpoint(&"0".repeat(64)).unwrap(), None);
    assert_eq!(again.checkpoint("../witness.key").unwrap(), None);
}

#[test]
fn a_log_that_was_never_cosigned_is_at_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let taken = Folder::take(folder.path()).unwrap();
    let cosigner = taken.cosigner(None).unwrap();
    assert!(cosigner.public().name().starts_with("witness.local/"));
    let memory = taken.load(ORIGIN, &cosigner).unwrap();
    assert_eq!(memory, Memory { latest: Latest { size: 0, root: empty_root() }, time: 0 });
    assert_eq!(file_name(ORIGIN), hex::encode(&ledger::sha256(ORIGIN.as_bytes())));
}

#[test]
fn a_checkpoint_that_could_not_be_read_back_is_not_cosigned() {
    let folder = tempfile::tempdir().unwrap();
    let witness = witness(folder.path());
    // Extension lines up to the limit of a note leave no room for a cosignature.
    let head = TreeHead { origin: ORIGIN.to_owned(), size: 3, root: [9; 32] };
    let note = |extension: usize| {
        let text = format!("{}{}\n", head.to_text(), "x".repeat(extension));
        AddCheckpoint::new(0, Vec::new(), log().sign_note(&text).unwrap()).unwrap().to_body()
    };
    let refused = witness.add_checkpoint(note(65_300).as_bytes(), 10_000);
    assert!(matches!(refused, Err(Denied::Refused(Refusal::Request(RequestError::TooLong)))), "{refused:?}");
    assert!(witness.add_checkpoint(note(65_000).as_bytes(), 10_000).is_ok());
    // A hundred lines of one key are as good as one, and one is kept.
    drop(witness);
    let witness = self::witness(folder.path());
    let stored = witness.checkpoint(&file_name(ORIGIN)).unwrap().unwrap();
    assert_eq!(String::from_utf8(stored).unwrap().matches('\u{2014}').count(), 2);
}

#[test]
fn a_key_file_that_was_made_by_hand_signs_with_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    let taken = Folder::take(folder.path()).unwrap();
    let made = taken.cosigner(Some("witness.example/w1")).unwrap();
    let text = fs::read_to_string(folder.path().join("witness.key")).unwrap();
    let digits = text.trim_end().rsplit(' ').next().unwrap();
    let again = Cosigner::from_seed("witness.example/w1", &hex::decode(digits).unwrap()).unwrap();
    assert_eq!(again.public(), made.public());
    assert_eq!(taken.cosigner(None).unwrap().public(), made.public());
    assert!(taken.cosigner(Some("another")).is_err());
}
