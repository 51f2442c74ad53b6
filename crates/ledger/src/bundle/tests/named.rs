//! Blobs that belong to no entry (LED-66).

use super::sample::{Sample, export, reseal, verify};
use crate::bundle::named::Named;
use crate::bundle::{Folder, Range};
use crate::verify::FindingCode;
use crate::{Hash, sha256};

#[test]
fn led_66_a_blob_that_no_entry_names_is_found_whatever_the_manifest_counts() {
    let log = Sample::of(600).log;
    let part = Range { from: 256, to: 512 };
    for (range, folder, bytes) in [
        (None, Folder::Evidence, &b"hello"[..]),
        (None, Folder::Manifests, b"hello"),
        // What entries name, in the other folder.
        (None, Folder::Manifests, b"evidence of 3"),
        (None, Folder::Evidence, b"manifest"),
        // Named by an entry, which is not one of the part.
        (Some(part), Folder::Manifests, b"manifest"),
    ] {
        let mut files = export(&log, range).unwrap();
        let path = folder.path(&sha256(bytes));
        assert_eq!(files.insert(path.clone(), bytes.to_vec()), None);
        reseal(&mut files);
        let report = verify(&files);
        assert_eq!(super::codes(&report), [FindingCode::RowExtra], "{path}: {:?}", report.findings);
        assert_eq!(report.findings[0].file.as_ref(), Some(&path));
        assert!(!report.ok);
    }
}

#[test]
fn half_a_million_named_blobs_are_told_from_others() {
    let digest = |number: u32| -> Hash { sha256(&number.to_be_bytes()) };
    let mut named = Named::default();
    for number in (0..500_000).chain(100_000..200_000) {
        named.take(Folder::Evidence, &digest(number));
    }
    assert!((0..500_000).step_by(997).all(|number| named.has(Folder::Evidence, &digest(number))));
    assert!(!(500_000..600_000).step_by(97).any(|number| named.has(Folder::Evidence, &digest(number))));
    assert!(!named.has(Folder::Manifests, &digest(7)));
    assert!(!named.is_full);
}
