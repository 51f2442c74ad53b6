//! The tamper matrix as far as a bundle goes: each manipulation with its code, and every byte of every file.

use super::codes;
use super::sample::{Files, Sample, other_signer, reseal, signer, verify};
use crate::bundle::{CHECKPOINT, Folder, MANIFEST, VKEYS};
use crate::tile::{decode_bundle, encode_bundle};
use crate::tree::{Frontier, leaf_hash};
use crate::verify::{FindingCode, Report};
use crate::{TreeHead, sha256};

const ENTRIES: &str = "tile/entries/000.p/20";

/// Changes the entries of the sample's one entry bundle, and nothing else.
fn with_entries(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> (Report, Files) {
    let mut files = Sample::of(20).files;
    let mut entries: Vec<Vec<u8>> =
        decode_bundle(&files[ENTRIES]).map(|entry| entry.unwrap().1.to_vec()).collect();
    change(&mut entries);
    files.insert(ENTRIES.to_owned(), encode_bundle(entries.iter().map(Vec::as_slice)).unwrap());
    (verify(&files), files)
}

fn replace(entry: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(entry.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    *entry = text.replacen(from, to, 1).into_bytes();
}

fn first(report: &Report) -> (FindingCode, Option<u64>) {
    assert!(!report.ok);
    (report.findings[0].code, report.findings[0].index)
}

#[test]
fn led_28_every_changed_byte_of_every_file_is_found_and_located() {
    let sample = Sample::of(5);
    let mut changes = 0;
    for (path, bytes) in &sample.files {
        for at in 0..bytes.len() {
            // A low bit, the case bit and the high bit in turn: digits, letters and base64 turn into others of
            // their kind, or into no text.
            let mask = [0x01, 0x20, 0x80][at % 3];
            let mut files = sample.files.clone();
            files.get_mut(path).unwrap()[at] ^= mask;
            let report = verify(&files);
            assert!(!report.ok, "{path} byte {at} mask {mask:02x}");
            // A digest in manifest.json and the file that it is of accuse each other.
            let located = report.findings.iter().any(|finding| {
                finding.file.as_ref() == Some(path)
                    || (path == MANIFEST && matches!(finding.file.as_deref(), Some(CHECKPOINT | VKEYS)))
            });
            assert!(located, "{path} byte {at} mask {mask:02x}: {:?}", report.findings);
            changes += 1;
        }
    }
    assert_eq!(changes, sample.files.values().map(Vec::len).sum::<usize>());
}

#[test]
fn led_28_every_removed_byte_and_every_appended_byte_is_found() {
    let sample = Sample::of(2);
    for (path, bytes) in &sample.files {
        for kept in 0..bytes.len() {
            let mut files = sample.files.clone();
            files.get_mut(path).unwrap().truncate(kept);
            assert!(!verify(&files).ok, "{path} cut to {kept}");
        }
        let mut files = sample.files.clone();
        files.get_mut(path).unwrap().push(b'\n');
        assert!(!verify(&files).ok, "{path} with a byte more");
        files.remove(path);
        assert!(!verify(&files).ok, "without {path}");
        let mut files = sample.files.clone();
        files.insert(format!("{path}x"), bytes.clone());
        assert!(!verify(&files).ok, "{path} twice");
    }
}

#[test]
fn led_28_a_changed_byte_in_a_log_of_several_tiles_names_the_entry_or_the_file() {
    let sample = Sample::of(600);
    let mut step = 7;
    for (path, bytes) in sample.files.iter().filter(|(path, _bytes)| path.starts_with("tile/")) {
        for at in (0..bytes.len()).step_by(6_131) {
            step = (step * 5 + 1) % 8;
            let mut files = sample.files.clone();
            files.get_mut(path).unwrap()[at] ^= 1 << step;
            let report = verify(&files);
            let located = report.findings.iter().any(|f| f.file.as_ref() == Some(path) && f.index.is_some());
            assert!(located, "{path} byte {at}: {:?}", report.findings);
        }
    }
}

#[test]
fn led_60_an_edited_entry_does_not_have_its_leaf() {
    let cases = [
        ("local:ada", "local:bob"),
        ("row-7", "row-8"),
        ("finding.changed", "fact.put"),
        ("transactions", "facts"),
        ("log-1", "log-2"),
        ("\"index\":7", "\"index\":9"),
        ("\"index\":7", "\"index\":700"),
    ];
    for (from, to) in cases {
        let (report, _files) = with_entries(|entries| replace(&mut entries[7], from, to));
        let found = report.findings.iter().any(|f| f.code == FindingCode::LeafMismatch && f.index == Some(7));
        assert!(found, "{from}: {:?}", report.findings);
        assert_eq!(report.first_bad_index, Some(7), "{from}");
    }
}

#[test]
fn led_60_another_spelling_of_an_entry_is_not_canonical() {
    let cases = [("{", "{ "), ("\"v\":1", "\"v\":1,\"v\":1"), ("local:ada", "local:\\u0061da")];
    for (from, to) in cases {
        let (report, _files) = with_entries(|entries| replace(&mut entries[7], from, to));
        assert_eq!(codes(&report), [FindingCode::NotCanonical, FindingCode::LeafMismatch], "{from}");
        assert_eq!(report.first_bad_index, Some(7));
        assert_eq!(report.findings[0].file.as_deref(), Some(ENTRIES));
    }
}

#[test]
fn led_61_an_entry_removed_inserted_or_swapped_is_a_break_in_the_order() {
    let (report, _files) = with_entries(|entries| drop(entries.remove(7)));
    assert_eq!(first(&report), (FindingCode::IndexGap, Some(7)));
    let (report, _files) = with_entries(|entries| drop(entries.remove(0)));
    assert_eq!(first(&report), (FindingCode::IndexGap, Some(0)));
    let (report, _files) = with_entries(|entries| entries.insert(7, entries[3].clone()));
    assert_eq!(first(&report), (FindingCode::EntryReordered, Some(7)));
    let (report, _files) = with_entries(|entries| entries.swap(7, 12));
    assert_eq!(first(&report), (FindingCode::IndexGap, Some(7)));
    assert!(report.findings.iter().any(|f| f.code == FindingCode::EntryReordered && f.index == Some(8)));
}

#[test]
fn led_61_the_last_entry_of_a_full_entry_bundle_is_missed_where_it_stood() {
    let mut files = Sample::of(600).files;
    let path = "tile/entries/000";
    let mut entries: Vec<Vec<u8>> =
        decode_bundle(&files[path]).map(|entry| entry.unwrap().1.to_vec()).collect();
    entries.pop();
    files.insert(path.to_owned(), encode_bundle(entries.iter().map(Vec::as_slice)).unwrap());
    let report = verify(&files);
    assert_eq!(first(&report), (FindingCode::IndexGap, Some(255)));
}

#[test]
fn led_62_a_tail_removed_behind_a_checkpoint_is_truncated_with_both_sizes() {
    let (report, _files) = with_entries(|entries| entries.truncate(15));
    assert_eq!(first(&report), (FindingCode::Truncated, Some(15)));
    assert!(report.findings[0].detail.contains("20 entries are claimed"), "{:?}", report.findings[0]);
    let mut files = Sample::of(600).files;
    files.remove("tile/entries/002.p/88").unwrap();
    reseal(&mut files);
    assert_eq!(first(&verify(&files)), (FindingCode::Truncated, Some(512)));
}

#[test]
fn led_65_an_owner_who_restamps_an_entry_and_signs_again_is_found_by_the_order_of_times() {
    let mut log = Sample::of(20).log;
    let mut entry = log.entries[9].0.clone();
    replace(&mut entry, "2026-03-01T10", "2026-03-01T11");
    let mut frontier = Frontier::new();
    log.entries[9].0 = entry;
    for (entry, _body) in &log.entries {
        frontier.push(leaf_hash(entry)).unwrap();
    }
    let head = TreeHead { root: frontier.root(), ..log.head() };
    let files = signed_again(&log.entries, &head);
    let report = verify(&files);
    assert_eq!(codes(&report), [FindingCode::TimeRegression]);
    assert_eq!(report.first_bad_index, Some(10));
}

/// Exports entries under a head that the owner of the key signed anew.
fn signed_again(entries: &[(Vec<u8>, Vec<u8>)], head: &TreeHead) -> Files {
    let checkpoint = head.sign(&signer()).unwrap().to_text();
    let keys = [signer().verifier().clone()];
    let mut writer = crate::bundle::BundleWriter::new(checkpoint.as_bytes(), &keys, None).unwrap();
    let mut files = Sample::of(20).files;
    let mut put = |file: crate::bundle::BundleFile| drop(files.insert(file.path, file.bytes));
    for (entry, _body) in entries {
        writer.entry(entry).unwrap().into_iter().for_each(&mut put);
    }
    writer.finish().unwrap().into_iter().for_each(&mut put);
    let mut manifest = crate::bundle::Manifest::parse(&files[MANIFEST]).unwrap();
    manifest.counts.manifests = 1;
    files.insert(MANIFEST.to_owned(), manifest.to_bytes().unwrap());
    reseal(&mut files);
    files
}

#[test]
fn led_66_a_body_edited_emptied_swapped_or_removed_is_found_with_its_entry() {
    let sample = Sample::of(20);
    let path = |index: usize| Folder::Bodies.path(&sha256(&sample.log.entries[index].1));
    let tampered = |change: &dyn Fn(&mut Files)| {
        let mut files = sample.files.clone();
        change(&mut files);
        reseal(&mut files);
        verify(&files)
    };
    let edited = tampered(&|files| files.get_mut(&path(7)).unwrap()[20] ^= 1);
    assert_eq!((codes(&edited), edited.first_bad_index), (vec![FindingCode::BodyAltered], Some(7)));
    let emptied = tampered(&|files| files.get_mut(&path(7)).unwrap().clear());
    assert_eq!(emptied.first_bad_index, Some(7));
    assert!(codes(&emptied).contains(&FindingCode::BodyMissing));
    let swapped = tampered(&|files| drop(files.insert(path(7), files[&path(8)].clone())));
    assert_eq!((codes(&swapped), swapped.first_bad_index), (vec![FindingCode::BodyAltered], Some(7)));
    let removed = tampered(&|files| drop(files.remove(&path(7)).unwrap()));
    assert_eq!((codes(&removed), removed.first_bad_index), (vec![FindingCode::BodyMissing], Some(7)));
    let added = tampered(&|files| drop(files.insert(Folder::Bodies.path(&sha256(b"{}")), b"{}".to_vec())));
    assert_eq!(codes(&added), [FindingCode::RowExtra]);
}

#[test]
fn led_66_evidence_and_scan_manifests_are_found_with_the_entry_that_names_them() {
    let sample = Sample::of(20);
    for path in
        [Folder::Evidence.path(&sha256(b"evidence of 3")), Folder::Manifests.path(&sha256(b"manifest"))]
    {
        let index = if path.starts_with("evidence") { 3 } else { 0 };
        let mut files = sample.files.clone();
        files.get_mut(&path).unwrap()[0] ^= 1;
        let report = verify(&files);
        assert_eq!(
            (report.findings[0].code, report.first_bad_index),
            (FindingCode::BodyAltered, Some(index))
        );
        files.remove(&path);
        let report = verify(&files);
        assert_eq!(report.first_bad_index, Some(index));
        assert!(codes(&report).contains(&FindingCode::BodyMissing));
    }
}

#[test]
fn led_69_a_tile_altered_removed_or_replaced_by_another_size_is_a_tile_mismatch() {
    let sample = Sample::of(600);
    for path in ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"] {
        let mut altered = sample.files.clone();
        altered.get_mut(path).unwrap()[33] ^= 1;
        let report = verify(&altered);
        assert_eq!(codes(&report), [FindingCode::TileMismatch], "{path}: {:?}", report.findings);
        assert_eq!((report.findings[0].file.as_deref(), report.findings[0].offset), (Some(path), Some(33)));
        let mut removed = sample.files.clone();
        removed.remove(path);
        reseal(&mut removed);
        assert_eq!(codes(&verify(&removed)), [FindingCode::TileMismatch], "{path} removed");
    }
    let mut resized = sample.files;
    let bytes = resized.remove("tile/0/002.p/88").unwrap();
    resized.insert("tile/0/002.p/87".to_owned(), bytes[..87 * 32].to_vec());
    let report = verify(&resized);
    assert_eq!(codes(&report), [FindingCode::TileMismatch, FindingCode::TileMismatch]);
}

#[test]
fn led_70_an_altered_checkpoint_or_an_unknown_key_is_never_accepted() {
    let sample = Sample::of(20);
    let swap = |checkpoint: String, vkeys: Option<String>| {
        let mut files = sample.files.clone();
        files.insert(CHECKPOINT.to_owned(), checkpoint.into_bytes());
        if let Some(vkeys) = vkeys {
            files.insert(VKEYS.to_owned(), vkeys.into_bytes());
        }
        reseal(&mut files);
        verify(&files)
    };
    let honest = String::from_utf8(sample.files[CHECKPOINT].clone()).unwrap();
    let resized = swap(honest.replacen("\n20\n", "\n19\n", 1), None);
    assert!(codes(&resized).contains(&FindingCode::CheckpointSignature));
    let head = sample.log.head();
    let forged = head.sign(&other_signer()).unwrap().to_text();
    assert_eq!(codes(&swap(forged.clone(), None)), [FindingCode::KeyUnknown]);
    let key = format!("{}\n", other_signer().verifier());
    let report = swap(forged, Some(key));
    assert_eq!(codes(&report), [FindingCode::KeyUnknown, FindingCode::KeyUnknown]);
    assert!(report.key_ids.is_empty());
}

#[test]
fn led_70_public_keys_out_of_order_or_twice_are_not_taken() {
    let sample = Sample::of(20);
    let told = |lines: &[String]| {
        let mut files = sample.files.clone();
        files.insert(VKEYS.to_owned(), lines.concat().into_bytes());
        reseal(&mut files);
        codes(&verify(&files))
    };
    let mut keys = [signer(), other_signer()].map(|key| format!("{}\n", key.verifier()));
    keys.sort();
    let [first, second] = keys;
    assert_eq!(told(&[first.clone(), second.clone()]), []);
    assert_eq!(told(&[second.clone(), first.clone()]), [FindingCode::Malformed]);
    assert_eq!(told(&[first.clone(), first, second]), [FindingCode::Malformed]);
}

#[test]
fn led_72_a_signed_checkpoint_that_covers_other_entries_than_it_claims_has_the_wrong_root() {
    let sample = Sample::of(20);
    let root = Sample::of(19).log.head().root;
    let head = TreeHead { root, ..sample.log.head() };
    let mut files = sample.files;
    files.insert(CHECKPOINT.to_owned(), head.sign(&signer()).unwrap().to_text().into_bytes());
    let mut manifest = crate::bundle::Manifest::parse(&files[MANIFEST]).unwrap();
    manifest.root = crate::hex::encode(&root);
    files.insert(MANIFEST.to_owned(), manifest.to_bytes().unwrap());
    reseal(&mut files);
    let report = verify(&files);
    assert_eq!(codes(&report), [FindingCode::RootMismatch], "{:?}", report.findings);
}

#[test]
fn led_76_bytes_that_are_no_entries_are_malformed_with_file_and_offset() {
    let (report, _files) = with_entries(|entries| entries[7] = b"[]".to_vec());
    assert!(report.findings.iter().any(|f| f.code == FindingCode::Malformed && f.index == Some(7)));
    let (report, _files) = with_entries(|entries| entries[7][5] = 0xff);
    let malformed = report.findings.iter().find(|f| f.code == FindingCode::Malformed).unwrap();
    assert_eq!((malformed.index, malformed.file.as_deref()), (Some(7), Some(ENTRIES)));
    let sample = Sample::of(20);
    let end = sample.files[ENTRIES].len();
    let mut trailing = sample.files.clone();
    trailing.get_mut(ENTRIES).unwrap().extend_from_slice(b"\xff\xffx");
    let report = verify(&trailing);
    assert_eq!(codes(&report), [FindingCode::Malformed]);
    assert_eq!(report.findings[0].offset, Some(end as u64));
    let mut over_long = sample.files;
    over_long.get_mut(ENTRIES).unwrap()[0] = 0xff;
    let report = verify(&over_long);
    assert_eq!((first(&report), report.findings[0].offset), ((FindingCode::Malformed, Some(0)), Some(0)));
}

#[test]
fn led_29_an_entry_of_a_later_version_is_unsupported_and_never_ok() {
    let mut log = Sample::of(3).log;
    let mut entry = log.entries[2].0.clone();
    replace(&mut entry, "\"v\":1", "\"v\":2");
    let mut frontier = Frontier::new();
    log.entries[2].0 = entry;
    for (entry, _body) in &log.entries {
        frontier.push(leaf_hash(entry)).unwrap();
    }
    let head = TreeHead { root: frontier.root(), ..log.head() };
    let report = verify(&signed_again(&log.entries, &head));
    assert!(codes(&report).contains(&FindingCode::UnsupportedEntry), "{:?}", report.findings);
}
