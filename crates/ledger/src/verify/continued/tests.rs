use serde_json::{Value, json};

use super::Continuation;
use crate::bundle::Range;
use crate::checkpoint::TreeHead;
use crate::note::Signer;
use crate::verify::FindingCode;
use crate::{Hash, hex};

const ORIGIN: &str = "log.example/old";

fn head(size: u64, root: Hash) -> TreeHead {
    TreeHead { origin: ORIGIN.to_owned(), size, root }
}

/// The body of a first entry that goes on with a log of 40 entries, of which 12 were kept and 15 held.
fn body() -> Value {
    let signer = Signer::from_seed(ORIGIN, &[7; 32]).unwrap();
    let note = head(40, [4; 32]).sign(&signer).unwrap().to_text();
    json!({"row": {"continues": {
        "origin": ORIGIN, "vkey": signer.verifier().to_string(), "size": 40, "root": hex::encode(&[4; 32]),
        "checkpoint": note, "kept": 12, "held": 15, "held_root": hex::encode(&[5; 32]), "reason": "r",
    }}})
}

#[test]
fn led_39_a_first_entry_names_the_last_known_head_and_exactly_what_is_missing() {
    let named = Continuation::read(&body()).unwrap().unwrap();
    assert_eq!((named.head.clone(), named.kept, named.held), (head(40, [4; 32]), 12, 15));
    let account = named.account(12, true);
    assert_eq!((account.present, account.missing), (12, Some(Range { from: 12, to: 40 })));
    assert_eq!(account.unsigned, Some(Range { from: 12, to: 15 }));
    let closed = named.account(40, false);
    assert_eq!((closed.present, closed.missing, closed.unsigned), (40, None, None));
    assert_eq!(Continuation::read(&json!({"row": {"origin": "log.example/new"}})), Ok(None));
}

#[test]
fn led_39_a_first_entry_that_does_not_hold_together_is_refused() {
    let other = Signer::from_seed(ORIGIN, &[8; 32]).unwrap().verifier().to_string();
    for (member, value) in [
        ("size", json!(41)),
        ("root", json!(hex::encode(&[6; 32]))),
        ("origin", json!("log.example/other")),
        ("vkey", json!(other)),
        ("vkey", json!("no key")),
        ("checkpoint", json!("no note")),
        ("kept", json!(16)),
        ("kept", json!(41)),
        ("held", json!(11)),
        ("held_root", json!("00")),
        ("size", Value::Null),
    ] {
        let mut body = body();
        body["row"]["continues"][member] = value;
        Continuation::read(&body).unwrap_err();
    }
}

#[test]
fn led_39_a_head_beyond_the_last_known_one_or_another_of_its_size_is_found() {
    let named = Continuation::read(&body()).unwrap().unwrap();
    let judge =
        |size, root| named.judge(&head(size, root), FindingCode::AnchorMismatch).map(|found| found.code);
    assert_eq!(judge(41, [4; 32]), Some(FindingCode::AnchorMismatch));
    assert_eq!(judge(40, [3; 32]), Some(FindingCode::AnchorMismatch));
    assert_eq!(judge(40, [4; 32]), None);
    assert_eq!(judge(39, [3; 32]), None);
}
