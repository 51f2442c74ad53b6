//! What rows are compared with: the newest commitment, and the digest of a record inside a body.

use std::borrow::Cow;

use super::{Commitments, record_bytes, record_of};

/// LED-27: of each row the newest entry counts, and rows that nobody found are named by it.
#[test]
fn the_newest_commitment_of_a_row_counts_and_unseen_ones_are_listed() {
    let mut commitments = Commitments::default();
    let printer = commitments.printer().clone();
    let record = |record: &str| Some(printer.record(record.as_bytes()));
    for (row, position, text) in [("b", 0, "[1]"), ("a", 1, "[2]"), ("b", 2, "[3]")] {
        commitments.push(printer.key("hosts", row), position, record(text));
    }
    commitments.push(printer.key("hosts", "erased"), 3, None);
    commitments.push(printer.key("host", "sb"), 4, record("[5]"));
    commitments.close();
    let newest = commitments.find(printer.key("hosts", "b")).unwrap();
    assert_eq!(newest.position, 2);
    assert!(newest.holds(record("[3]")) && !newest.holds(record("[1]")) && !newest.holds(None));
    let erased = commitments.find(printer.key("hosts", "erased")).unwrap();
    assert!(erased.position == 3 && erased.holds(record("[1]")));
    assert_eq!(commitments.find(printer.key("hosts", "c")), None);
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
