//! Tests of bundles: what is written verifies, and whatever is changed afterwards is found and located.

mod named;
mod part;
mod rotation;
mod sample;
mod tamper;

use std::convert::Infallible;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::{Counts, Folder, MANIFEST, Manifest, Options, Range, WriteError};
use crate::note::VerifierKey;
use crate::verify::{FindingCode, Report};
use sample::{Sample, export, other_signer, signer, verify, verify_with};

#[test]
fn led_25_an_exported_log_verifies_at_every_kind_of_size() {
    for size in [0, 1, 2, 255, 256, 257, 600] {
        let report = verify(&Sample::of(size).files);
        assert_eq!(report.findings, [], "{size}");
        assert!(report.ok);
        assert_eq!((report.tree_size, report.entries, report.bodies_checked), (size, size, size));
        assert_eq!(report.origin.as_deref(), Some("log.example/log-1"));
        assert_eq!((report.checkpoints, report.key_ids.len(), report.first_bad_index), (1, 1, None));
    }
}

#[test]
fn led_25_the_same_log_gives_the_same_bytes_and_the_documented_paths() {
    let (first, second) = (Sample::of(300), Sample::of(300));
    assert_eq!(first.files, second.files);
    let mut paths: Vec<&str> = first.files.keys().map(String::as_str).collect();
    paths.retain(|path| !path.starts_with("bodies/") && !path.starts_with("evidence/"));
    let expected = [
        "checkpoint",
        "manifest.json",
        "manifests",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
        "vkeys",
    ];
    let short: Vec<&str> =
        paths.iter().map(|p| if p.starts_with("manifests/") { "manifests" } else { p }).collect();
    assert_eq!(short, expected);
}

#[test]
fn led_25_a_range_holds_only_its_own_entries_and_verifies() {
    let sample = Sample::of(1_000);
    for range in [Range { from: 256, to: 768 }, Range { from: 512, to: 1_000 }] {
        let files = export(&sample.log, Some(range)).unwrap();
        let report = verify(&files);
        assert_eq!(report.findings, [], "{range:?}");
        assert_eq!((report.entries, report.tree_size), (range.to - range.from, 1_000));
    }
    for (from, to) in [(1, 256), (0, 999), (512, 256), (256, 256)] {
        let range = Range { from, to };
        assert!(matches!(export(&sample.log, Some(range)), Err(WriteError::Range)), "{range:?}");
    }
    assert!(matches!(export(&sample.log, Some(Range { from: 0, to: 1_024 })), Err(WriteError::Range)));
}

#[test]
fn a_log_that_does_not_have_the_root_of_its_checkpoint_is_not_exported() {
    let mut log = Sample::of(10).log;
    log.entries[4].0.push(b' ');
    assert_eq!(export(&log, None).unwrap_err(), WriteError::Root);
    log.entries.pop();
    assert_eq!(export(&log, None).unwrap_err(), WriteError::EntryCount { expected: 10, found: 9 });
}

#[test]
fn the_manifest_has_its_documented_form() {
    let files = Sample::of(2).files;
    let manifest = Manifest::parse(&files[MANIFEST]).unwrap();
    assert_eq!((manifest.format.as_str(), manifest.size), ("plumbline.bundle/1", 2));
    assert_eq!(manifest.range, Range { from: 0, to: 2 });
    let counts = Counts { bodies: 2, entry_bundles: 1, evidence: 2, manifests: 1, tiles: 1 };
    assert_eq!(manifest.counts, counts);
    let listed: Vec<&str> = manifest.files.iter().map(|line| line.path.as_str()).collect();
    assert_eq!(listed, ["checkpoint", "vkeys"]);
}

#[test]
fn content_addressed_paths_have_one_spelling() {
    let path = Folder::Evidence.path(&[0xab; 32]);
    assert_eq!(path, format!("evidence/ab/{}", "ab".repeat(32)));
    assert_eq!(Folder::parse(&path), Some((Folder::Evidence, [0xab; 32])));
    for wrong in
        [path.to_uppercase(), path.replace("/ab/", "/aa/"), path.replace("/ab/", "/"), format!("x{path}")]
    {
        assert_eq!(Folder::parse(&wrong), None, "{wrong}");
    }
}

#[test]
fn led_26_trust_comes_only_from_the_key_that_is_passed_in() {
    let files = Sample::of(3).files;
    let stranger = [other_signer().verifier().clone()];
    let report = verify_with(&files, &stranger, &[]);
    assert!(!report.ok && report.key_ids.is_empty());
    assert_eq!(codes(&report), [FindingCode::KeyUnknown, FindingCode::KeyUnknown]);
    let none: [VerifierKey; 0] = [];
    assert!(!verify_with(&files, &none, &[]).ok);
    let both = [other_signer().verifier().clone(), signer().verifier().clone()];
    assert!(verify_with(&files, &both, &[]).ok);
}

#[test]
fn led_63_a_known_older_head_must_be_a_prefix() {
    let sample = Sample::of(300);
    let keys = [signer().verifier().clone()];
    let older = Sample::of(260).log.head();
    assert!(
        verify_with(&sample.files, &keys, std::slice::from_ref(&older)).ok,
        "the samples are prefixes of each other"
    );
    let mut forked = older.clone();
    forked.root[0] ^= 1;
    assert_eq!(codes(&verify_with(&sample.files, &keys, &[forked])), [FindingCode::CheckpointInconsistent]);
    let newer = Sample::of(301).log.head();
    assert_eq!(codes(&verify_with(&sample.files, &keys, &[newer])), [FindingCode::Truncated]);
    let elsewhere = crate::TreeHead { origin: "log.example/log-2".to_owned(), ..older };
    assert_eq!(
        codes(&verify_with(&sample.files, &keys, &[elsewhere])),
        [FindingCode::CheckpointInconsistent]
    );
}

#[test]
fn led_41_an_erased_body_is_counted_and_one_without_its_entry_is_missing() {
    let mut sample = Sample::of(5);
    let (_entry, body) = sample.log.entries[2].clone();
    let digest = crate::sha256(&body);
    sample.log.erase(digest);
    let mut files = export(&sample.log, None).unwrap();
    files.remove(&Folder::Bodies.path(&digest)).unwrap();
    // No other entry names it.
    files.remove(&Folder::Evidence.path(&crate::sha256(b"evidence of 2"))).unwrap();
    sample::reseal(&mut files);
    let report = verify(&files);
    assert_eq!((report.findings.as_slice(), report.ok, report.erased), ([].as_slice(), true, 1));
    assert_eq!((report.entries, report.bodies_checked), (6, 5));

    let (_entry, another) = &sample.log.entries[3];
    files.remove(&Folder::Bodies.path(&crate::sha256(another))).unwrap();
    files.remove(&Folder::Evidence.path(&crate::sha256(b"evidence of 3"))).unwrap();
    sample::reseal(&mut files);
    let report = verify(&files);
    assert_eq!((codes(&report), report.first_bad_index), (vec![FindingCode::BodyMissing], Some(3)));
}

#[test]
fn led_71_without_its_checkpoint_a_bundle_says_that_one_was_expected() {
    let mut files = Sample::of(3).files;
    files.remove("checkpoint");
    let report = verify(&files);
    assert_eq!(codes(&report), [FindingCode::CheckpointMissing, FindingCode::EvidenceExpected]);
    files.clear();
    assert!(!verify(&files).ok);
}

#[test]
fn an_input_that_cannot_be_read_is_an_error_and_not_a_verdict() {
    let keys = [signer().verifier().clone()];
    let options = Options::new(&keys);
    let unreadable = super::verify_bundle(Vec::new(), |_path, _max| Err("disk"), &options);
    assert_eq!(unreadable, Err("disk"));
    let files = Sample::of(1).files;
    let listing = [Ok("checkpoint".to_owned()), Err("listing")];
    let read = |path: &str, _max: usize| Ok(files.get(path).cloned());
    assert_eq!(super::verify_bundle(listing, read, &options), Err("listing"));
    for folder in ["tile/entries/", "bodies/"] {
        let read = |path: &str, _max: usize| {
            if path.starts_with(folder) { Err("disk") } else { Ok(files.get(path).cloned()) }
        };
        assert_eq!(super::verify_bundle(Vec::new(), read, &options), Err("disk"), "{folder}");
    }
}

#[test]
fn led_28_a_log_that_claims_to_be_endless_ends_soon() {
    let mut sample = Sample::of(3);
    let head = crate::TreeHead { size: 1 << 61, ..sample.log.head() };
    sample.files.insert("checkpoint".to_owned(), head.sign(&signer()).unwrap().to_text().into_bytes());
    let reads = AtomicUsize::new(0);
    let keys = [signer().verifier().clone()];
    let paths = sample.files.keys().cloned().map(Ok::<_, Infallible>);
    let read = |path: &str, _max: usize| {
        reads.fetch_add(1, Ordering::Relaxed);
        Ok(sample.files.get(path).cloned())
    };
    let threads = NonZero::new(2).unwrap();
    let options = Options { threads, ..Options::new(&keys) };
    let report = super::verify_bundle(paths, read, &options).unwrap();
    let reads = reads.into_inner();
    assert!(!report.ok && reads < 200, "{reads} reads");
}

fn codes(report: &Report) -> Vec<FindingCode> {
    report.findings.iter().map(|finding| finding.code).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn led_28_no_bytes_make_the_verifier_panic(
        which in any::<prop::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut files = Sample::of(3).files;
        let path = which.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        files.insert(path, bytes);
        prop_assert!(!verify(&files).ok);
    }

    #[test]
    fn led_28_an_untouched_log_gives_no_false_alarm(size in 0_u64..300) {
        prop_assert!(verify(&Sample::of(size).files).ok);
    }
}
