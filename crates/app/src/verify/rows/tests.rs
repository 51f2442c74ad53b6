//! What rows are compared with: the newest commitment, and the digest of a record inside a body.

use std::borrow::Cow;

use serde_json::json;

use super::{Commitments, record_bytes, record_of};

/// LED-27: of each row the newest entry counts, and rows that nobody found are named by it.
#[test]
fn the_newest_commitment_of_a_row_counts_and_unseen_ones_are_listed() {
    let mut commitments = Commitments::default();
    for (row, position, record) in [("b", 0, "[1]"), ("a", 1, "[2]"), ("b", 2, "[3]")] {
        commitments.push(("hosts", row), position, Some(record.as_bytes()));
    }
    commitments.push(("hosts", "erased"), 3, None);
    commitments.push(("host", "sb"), 4, Some(b"[5]"));
    commitments.close();
    let newest = commitments.find("hosts", "b").unwrap();
    assert_eq!(newest.position, 2);
    assert!(commitments.holds(&newest, &json!([3])) && !commitments.holds(&newest, &json!([1])));
    let erased = commitments.find("hosts", "erased").unwrap();
    assert!(erased.position == 3 && commitments.holds(&erased, &json!([1])));
    assert_eq!(commitments.find("hosts", "c"), None);
    assert_eq!(commitments.unseen(), [1, 4]);
}

/// LED-09: what counts are the record's canonical bytes, whichever way they are found.
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
    assert_eq!(record_of(&body), Some(Cow::Borrowed(record.as_slice())));
    // Other members than the usual ones: read as JSON.
    let other = br#"{"row":{"a":1},"z":0}"#;
    assert_eq!(record_bytes(other), None);
    assert_eq!(record_of(other), Some(Cow::Borrowed(br#"{"a":1}"#.as_slice())));
    assert_eq!(record_of(b"{}"), None);
    assert_eq!(record_of(b""), None);
}
