//! Proof texts: what is made verifies, at every size and from few tiles; what is changed is located.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::proof::{
    ConsistencyProof, InclusionProof, PROOF_BYTES_MAX, ProofFile, ProofTextError, Receipt, consistency_tiles,
    inclusion_tiles, verify_proof,
};
use ledger::tree::{leaf_hash, node_hash};
use ledger::{FindingCode, Hash, Report, Signer, TreeHead};
use proptest::prelude::*;

use crate::log::{Log, ORIGIN, keys};

const FILE: &str = "proof.txt";

fn verify(text: &[u8]) -> Report {
    verify_proof(FILE, text, &keys(), None)
}

fn codes(report: &Report) -> Vec<FindingCode> {
    report.findings.iter().map(|finding| finding.code).collect()
}

/// Demands that each byte changed, taken away or doubled is found, and that the finding says where.
fn every_change_is_located(text: &str) {
    let bytes = text.as_bytes();
    let located = |changed: &[u8], what: &str, at: usize| {
        let report = verify(changed);
        assert!(!report.ok, "{what} at {at}");
        let finding = &report.findings[0];
        assert_eq!(finding.file.as_deref(), Some(FILE), "{what} at {at}: {finding:?}");
        assert!(finding.offset.is_some(), "{what} at {at}: {finding:?}");
    };
    for at in 0..bytes.len() {
        for mask in [0x01, 0x20] {
            let mut changed = bytes.to_vec();
            changed[at] ^= mask;
            located(&changed, "a changed byte", at);
        }
        let mut shorter = bytes.to_vec();
        shorter.remove(at);
        located(&shorter, "a removed byte", at);
        let mut longer = bytes.to_vec();
        longer.insert(at, if bytes[at] == b'\n' { b'A' } else { b'\n' });
        located(&longer, "an added byte", at);
    }
}

#[test]
fn led_23_an_inclusion_proof_is_the_text_of_c2sp_tlog_proof() {
    let log = Log::of(3);
    let proof = InclusionProof { extra: Some(b"age".to_vec()), ..log.prove(2, 3) };
    let root_of_two = node_hash(&leaf_hash(&log.entries[0].0), &leaf_hash(&log.entries[1].0));
    let hash = STANDARD.encode(root_of_two);
    let expected = format!("c2sp.org/tlog-proof@v1\nextra YWdl\nindex 2\n{hash}\n\n{}", log.checkpoint(3));
    assert_eq!(proof.to_text(), expected);
    let bare = InclusionProof { extra: None, ..proof.clone() };
    assert_eq!(bare.to_text(), expected.replace("extra YWdl\n", ""));
    for proof in [proof, bare] {
        assert_eq!(InclusionProof::parse(proof.to_text().as_bytes()), Ok(proof));
    }
}

#[test]
fn a_log_of_one_entry_has_a_proof_of_no_hashes_led_23() {
    let proof = Log::of(1).prove(0, 1);
    assert_eq!(proof.hashes, Vec::<Hash>::new());
    let report = verify(proof.to_text().as_bytes());
    assert_eq!((report.ok, report.entries, report.bodies_checked), (true, 1, 1), "{report:?}");
}

#[test]
fn led_23_every_proof_of_1_000_random_pairs_verifies_is_short_and_read_from_few_tiles() {
    let log = Log::of(1_500);
    let config = ProptestConfig::with_cases(1_000);
    proptest!(config, |(size in 1_u64..=1_500, seed in any::<u64>())| {
        let index = seed % size;
        let proof = log.prove(index, size);
        prop_assert!(proof.hashes.len() as u64 <= u64::from(size.next_power_of_two().ilog2()));
        // The tile of the leaf, that above it, and the right edge.
        prop_assert!(inclusion_tiles(index, size).len() <= 4);
        let report = verify(proof.to_text().as_bytes());
        prop_assert_eq!(report.findings, []);
        prop_assert!(report.ok);
        prop_assert_eq!((report.tree_size, report.entries, report.bodies_checked), (size, 1, 1));
        let old = 1 + seed % size;
        let report = verify(log.extend(old, size).to_text().as_bytes());
        prop_assert_eq!(report.findings, []);
        prop_assert_eq!((report.ok, report.checkpoints, report.tree_size), (true, 2, size));
    });
}

#[test]
fn the_proofs_of_a_log_of_a_million_entries_need_a_handful_of_tiles_led_16() {
    for index in [0, 255, 256, 65_535, 65_536, 524_287, 524_288, 999_999] {
        assert!(inclusion_tiles(index, 1_000_000).len() <= 6, "{index}");
        assert!(consistency_tiles(index + 1, 1_000_000).len() <= 6, "{index}");
    }
    assert!(inclusion_tiles(7, 7).is_empty());
    assert!(consistency_tiles(8, 7).is_empty());
}

#[test]
fn every_changed_byte_of_a_receipt_is_found_and_located_led_28() {
    every_change_is_located(&Log::of(20).prove(7, 20).to_text());
}

#[test]
fn every_changed_byte_of_a_consistency_proof_is_found_and_located_led_28() {
    every_change_is_located(&Log::of(20).extend(7, 20).to_text());
}

#[test]
fn led_72_a_proof_of_another_entry_or_with_another_hash_is_refused() {
    let log = Log::of(300);
    let swapped = InclusionProof { extra: Some(log.receipt(8).to_extra()), ..log.prove(7, 300) };
    let report = verify(swapped.to_text().as_bytes());
    assert_eq!(report.first_bad_index, Some(7));
    assert!(codes(&report).contains(&FindingCode::LeafMismatch), "{report:?}");
    let mut middle = log.prove(7, 300);
    middle.hashes[4] = [7; 32];
    let report = verify(middle.to_text().as_bytes());
    assert_eq!(codes(&report), [FindingCode::LeafMismatch], "{report:?}");
    let mut short = log.prove(7, 300);
    short.hashes.pop();
    assert_eq!(codes(&verify(short.to_text().as_bytes())), [FindingCode::Malformed]);
    let beyond = InclusionProof { index: 300, ..log.prove(299, 300) };
    assert!(codes(&verify(beyond.to_text().as_bytes())).contains(&FindingCode::Malformed));
    let mut middle = log.extend(100, 300);
    middle.hashes[4] = [7; 32];
    assert_eq!(codes(&verify(middle.to_text().as_bytes())), [FindingCode::CheckpointInconsistent]);
}

#[test]
fn led_66_a_receipt_with_another_body_or_none_says_so() {
    let log = Log::of(20);
    let with = |receipt: Receipt| {
        let proof = InclusionProof { extra: Some(receipt.to_extra()), ..log.prove(7, 20) };
        verify(proof.to_text().as_bytes())
    };
    let altered = with(Receipt { body: log.receipt(8).body, ..log.receipt(7) });
    assert_eq!((codes(&altered), altered.first_bad_index), (vec![FindingCode::BodyAltered], Some(7)));
    let without = with(Receipt { body: None, ..log.receipt(7) });
    assert_eq!((without.ok, without.entries, without.bodies_checked), (true, 1, 0));
}

#[test]
fn led_26_trust_comes_only_from_the_key_that_is_passed_in_for_proofs_too() {
    let log = Log::of(20);
    let other = vec![Signer::from_seed(ORIGIN, &[2; 32]).unwrap().verifier().clone()];
    for text in [log.prove(7, 20).to_text(), log.extend(7, 20).to_text()] {
        let report = verify_proof(FILE, text.as_bytes(), &other, None);
        assert_eq!(codes(&report), [FindingCode::KeyUnknown]);
        assert_eq!(report.key_ids, Vec::<String>::new());
    }
}

#[test]
fn a_bare_proof_needs_the_entry_from_elsewhere_led_23() {
    let log = Log::of(20);
    let bare = InclusionProof { extra: None, ..log.prove(7, 20) }.to_text();
    let given = |index: usize| verify_proof(FILE, bare.as_bytes(), &keys(), Some(&log.entries[index].0));
    assert!(given(7).ok);
    assert!(codes(&given(8)).contains(&FindingCode::LeafMismatch));
    assert_eq!(codes(&verify(bare.as_bytes())), [FindingCode::LeafMismatch]);
}

#[test]
fn led_73_checkpoints_of_two_logs_or_of_a_fork_are_inconsistent() {
    let (log, mut fork) = (Log::of(20), Log::of(20));
    fork.roots[20] = [3; 32];
    let honest = log.extend(7, 20);
    let forked =
        ConsistencyProof::new(honest.hashes.clone(), &log.checkpoint(7), &fork.checkpoint(20)).unwrap();
    assert_eq!(codes(&verify(forked.to_text().as_bytes())), [FindingCode::CheckpointInconsistent]);
    let name = "log.example/log-2";
    let stranger = Signer::from_seed(name, &[1; 32]).unwrap();
    let head = TreeHead { origin: name.to_owned(), size: 20, root: log.roots[20] };
    let foreign = head.sign(&stranger).unwrap().to_text();
    let two = ConsistencyProof::new(honest.hashes, &log.checkpoint(7), &foreign).unwrap();
    let trusted = [keys(), vec![stranger.verifier().clone()]].concat();
    let report = verify_proof(FILE, two.to_text().as_bytes(), &trusted, None);
    assert_eq!(codes(&report), [FindingCode::CheckpointInconsistent]);
}

#[test]
fn what_is_no_proof_is_refused_with_the_offset_of_the_line() {
    let note = Log::of(2).checkpoint(2);
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let refused = |text: String, offset: usize| match ProofFile::parse(text.as_bytes()) {
        Err(ProofTextError::Malformed { offset: found, .. }) => assert_eq!(found, offset, "{text:?}"),
        other => panic!("{text:?}: {other:?}"),
    };
    refused(String::new(), 0);
    refused(format!("c2sp.org/tlog-proof@v2\nindex 0\n{hash}\n\n{note}"), 0);
    refused("c2sp.org/tlog-proof@v1\n".to_owned(), 23);
    refused(format!("c2sp.org/tlog-proof@v1\nextra \nindex 0\n{hash}\n\n{note}"), 23);
    refused(format!("c2sp.org/tlog-proof@v1\nextra YWdl\nextra YWdl\nindex 0\n{hash}\n\n{note}"), 34);
    for index in ["00", "+1", "-1", "1 ", "", "18446744073709551615", "x"] {
        refused(format!("c2sp.org/tlog-proof@v1\nindex {index}\n{hash}\n\n{note}"), 23);
    }
    refused(format!("c2sp.org/tlog-proof@v1\nindex 0\n{}\n\n{note}", &hash[..40]), 31);
    let many = format!("{hash}\n").repeat(64);
    refused(format!("c2sp.org/tlog-proof@v1\nindex 0\n{many}\n{note}"), 31 + 63 * 45);
    refused(format!("c2sp.org/tlog-proof@v1\nindex 0\n{hash}\n\nno checkpoint"), 31 + 46 + 13);
    refused(format!("plumbline.consistency/v1\n{hash}\n\n{note}"), 25 + 46 + note.len());
    let text = format!("plumbline.consistency/v1\n{hash}\n\n{note}\n{note}\n");
    assert!(ProofFile::parse(text.as_bytes()).is_err(), "an empty line behind the newer checkpoint");
    assert_eq!(ProofFile::parse(&vec![b'c'; PROOF_BYTES_MAX + 1]).unwrap_err().offset(), 0);
    let long = [b"c2sp.org/tlog-proof@v1\n".as_slice(), &vec![b'A'; PROOF_BYTES_MAX]].concat();
    assert_eq!(ProofFile::parse(&long), Err(ProofTextError::TooLong));
}
