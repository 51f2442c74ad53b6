//! What rows are compared with: the newest commitment, and the digest of a record inside a body.

use super::{Commitments, Committed, record_bytes, record_of};

fn committed(index: u64, byte: u8) -> Committed {
    Committed { position: index, record: Some([byte; 32]) }
}

/// LED-27: of each row the newest entry counts, and rows that nobody found are named by it.
#[test]
fn the_newest_commitment_of_a_row_counts_and_unseen_ones_are_listed() {
    let mut commitments = Commitments::default();
    for (row, commitment) in [("b", committed(0, 1)), ("a", committed(1, 2)), ("b", committed(2, 3))] {
        commitments.push(("hosts", row), commitment);
    }
    commitments.push(("hosts", "erased"), Committed { position: 3, record: None });
    commitments.push(("host", "sb"), committed(4, 5));
    commitments.close();
    assert_eq!(commitments.find("hosts", "b"), Some(committed(2, 3)));
    assert_eq!(commitments.find("hosts", "erased"), Some(Committed { position: 3, record: None }));
    assert_eq!(commitments.find("hosts", "c"), None);
    assert_eq!(commitments.unseen(), [1, 4]);
}

/// LED-09: the digest is that of the record's canonical bytes, whichever way they are found.
#[test]
fn the_record_of_a_body_is_what_stands_under_row() {
    let nonce = "0".repeat(32);
    let record = br#"{"a":",\"schema\":\"x\"}","b":[1,2]}"#;
    let body = [
        format!("{{\"nonce\":\"{nonce}\",\"row\":").as_bytes(),
        record.as_slice(),
        br#","schema":"plumbline.audit/1"}"#,
    ]
    .concat();
    assert_eq!(record_bytes(&body), Some(record.as_slice()));
    assert_eq!(record_of(&body), Some(ledger::sha256(record)));
    // Other members than the usual ones: read as JSON.
    let other = br#"{"row":{"a":1},"z":0}"#;
    assert_eq!(record_bytes(other), None);
    assert_eq!(record_of(other), Some(ledger::sha256(br#"{"a":1}"#)));
    assert_eq!(record_of(b"{}"), None);
    assert_eq!(record_of(b""), None);
}
