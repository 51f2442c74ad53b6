//! Keys that follow each other (LED-22), and segments that do (LED-37).

use serde_json::json;

use super::sample::{Files, Log, Sample, other_signer, signer, verify_with};
use crate::bundle::{BundleFile, BundleWriter, Folder};
use crate::note::{Signer, VerifierKey};
use crate::verify::{FindingCode, Report};
use crate::{EntryKind, hex};

fn key(signer: &Signer) -> VerifierKey {
    signer.verifier().clone()
}

/// The note of the log's head with a signature of each signer.
fn signed(log: &Log, signers: &[Signer]) -> String {
    let mut notes = signers.iter().map(|signer| log.head().sign(signer).unwrap());
    let mut note = notes.next().unwrap();
    note.signatures.extend(notes.flat_map(|note| note.signatures));
    note.to_text()
}

/// The body of a rotation.
fn rotation(old: &Signer, new: &Signer, old_revoked: bool) -> serde_json::Value {
    let detail = json!({
        "old_vkey": key(old).to_string(),
        "new_vkey": key(new).to_string(),
        "old_revoked": old_revoked,
        "reason": "yearly",
    });
    json!({"row": {"kind": "key.rotated", "detail": detail}})
}

/// A log that went from `signer()` to `other_signer()` at entry 300, and on to entry 305.
struct Rotated {
    log: Log,
    handover: (u64, String),
}

impl Rotated {
    fn new(old_revoked: bool) -> Self {
        let mut log = Sample::of(300).log;
        log.append(EntryKind::KeyRotated, &rotation(&signer(), &other_signer(), old_revoked));
        let handover = (301, signed(&log, &[signer(), other_signer()]));
        for n in 0..5 {
            log.append(EntryKind::FactPut, &json!({"n": n}));
        }
        Self { log, handover }
    }

    fn export(&self, last: &[Signer], with_handover: bool) -> Files {
        self.export_with(last, if with_handover { std::slice::from_ref(&self.handover) } else { &[] })
    }

    fn export_with(&self, last: &[Signer], handovers: &[(u64, String)]) -> Files {
        let checkpoint = signed(&self.log, last);
        let keys = [key(&signer()), key(&other_signer())];
        let mut writer = BundleWriter::new(checkpoint.as_bytes(), &keys, None).unwrap();
        for (size, note) in handovers {
            writer.handover(*size, note.as_bytes());
        }
        let mut files = Files::new();
        let mut put = |file: BundleFile| assert_eq!(files.insert(file.path, file.bytes), None);
        for (entry, body) in &self.log.entries {
            writer.entry(entry).unwrap().into_iter().for_each(&mut put);
            writer.blob(Folder::Bodies, body).unwrap().into_iter().for_each(&mut put);
        }
        for evidence in &self.log.evidence {
            writer.blob(Folder::Evidence, evidence).unwrap().into_iter().for_each(&mut put);
        }
        for manifest in &self.log.manifests {
            writer.blob(Folder::Manifests, manifest).unwrap().into_iter().for_each(&mut put);
        }
        writer.finish().unwrap().into_iter().for_each(&mut put);
        files
    }
}

fn codes(report: &Report) -> Vec<FindingCode> {
    report.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn led_22_a_bundle_verifies_with_the_old_key_and_with_the_new_one() {
    let files = Rotated::new(false).export(&[other_signer()], true);
    assert!(files.contains_key("checkpoints/301"));
    for trusted in [signer(), other_signer()] {
        let report = verify_with(&files, &[key(&trusted)], &[]);
        assert_eq!(report.findings, []);
        assert!(report.ok);
        assert_eq!(report.key_ids, [key(&other_signer()).id().to_string()]);
    }
    let stranger = Signer::from_seed("log.example/log-1", &[3; 32]).unwrap();
    let report = verify_with(&files, &[key(&stranger)], &[]);
    assert!(codes(&report).contains(&FindingCode::KeyUnknown), "{:?}", report.findings);
}

#[test]
fn led_22_without_its_handover_the_old_key_says_nothing_of_the_new_one() {
    let rotated = Rotated::new(false);
    let files = rotated.export(&[other_signer()], false);
    assert_eq!(codes(&verify_with(&files, &[key(&signer())], &[])), [FindingCode::KeyUnknown]);
    // Signed by the new key alone, it hands over from nobody.
    let mut files = rotated.export(&[other_signer()], true);
    let mut head = Sample::of(300).log;
    head.append(EntryKind::FactPut, &json!({}));
    files.insert("checkpoints/301".to_owned(), signed(&head, &[signer()]).into_bytes());
    let report = verify_with(&files, &[key(&signer())], &[]);
    assert!(codes(&report).contains(&FindingCode::CheckpointInconsistent), "{:?}", report.findings);
    assert!(codes(&report).contains(&FindingCode::KeyUnknown), "{:?}", report.findings);
}

#[test]
fn led_22_a_revoked_key_signs_nothing_behind_its_rotation() {
    let by_old = Rotated::new(true).export(&[signer()], true);
    let report = verify_with(&by_old, &[key(&signer())], &[]);
    assert_eq!(codes(&report), [FindingCode::KeyRevoked]);
    assert_eq!(report.first_bad_index, Some(300));
    let by_both = Rotated::new(true).export(&[signer(), other_signer()], true);
    assert!(verify_with(&by_both, &[key(&signer())], &[]).ok);
    let not_revoked = Rotated::new(false).export(&[signer()], true);
    assert!(verify_with(&not_revoked, &[key(&signer())], &[]).ok);
}

/// A key that only a thief has.
fn thiefs() -> Signer {
    Signer::from_seed("log.example/log-1", &[3; 32]).unwrap()
}

#[test]
fn led_22_the_checkpoint_that_hands_over_verifies_with_either_key() {
    let handover = |signers: &[Signer]| {
        let mut rotated = Rotated::new(true);
        // One entry more than the revoked key may sign alone: what the product records of the act.
        rotated.log = Sample::of(300).log;
        rotated.log.append(EntryKind::KeyRotated, &rotation(&signer(), &other_signer(), true));
        rotated.log.append(EntryKind::AuditRecord, &json!({"row": {}}));
        rotated.export(signers, false)
    };
    let files = handover(&[signer(), other_signer()]);
    for trusted in [signer(), other_signer()] {
        assert_eq!(verify_with(&files, &[key(&trusted)], &[]).findings, []);
    }
    let alone = handover(&[signer()]);
    assert_eq!(codes(&verify_with(&alone, &[key(&signer())], &[])), [FindingCode::KeyRevoked]);
}

#[test]
fn led_22_whoever_has_a_revoked_key_cannot_hand_over_to_another_one() {
    let trusted = [key(&signer())];
    for (old, by, expected) in [
        // From the revoked key, behind its revocation; and from the next one, whose owner did not sign.
        (signer(), vec![signer(), thiefs()], FindingCode::KeyRevoked),
        (other_signer(), vec![signer(), thiefs()], FindingCode::KeyRevoked),
        (other_signer(), vec![thiefs()], FindingCode::KeyUnknown),
    ] {
        let mut forged = Rotated::new(true);
        forged.log.append(EntryKind::KeyRotated, &rotation(&old, &thiefs(), false));
        // Once with the honest handover alone, once with one more that the thief signed.
        let mut files = forged.export(&by, true);
        assert_eq!(codes(&verify_with(&files, &trusted, &[])), [expected], "{}", key(&old));
        let size = forged.log.head().size;
        let stolen = signed(&forged.log, &[signer(), thiefs()]);
        forged.log.append(EntryKind::FactPut, &json!({"n": 9}));
        files = forged.export_with(&by, &[forged.handover.clone(), (size, stolen)]);
        assert_eq!(codes(&verify_with(&files, &trusted, &[])), [expected], "{}", key(&old));
    }
}

#[test]
fn led_37_segments_follow_each_other_and_name_the_root_of_their_end() {
    let root = |size| hex::encode(&Sample::of(size).log.head().root);
    let seal = |from: u64, to: u64, root: &str, previous: Option<(u64, &str)>| {
        json!({"row": {"detail": {"from": from, "to": to, "root": root, "bundle_sha256": hex::encode(&[9; 32]),
            "previous_to": previous.map(|(to, _)| to), "previous_root": previous.map(|(_, root)| root)}}})
    };
    let (first, second) = (root(256), root(512));
    let good = [seal(0, 256, &first, None), seal(256, 512, &second, Some((256, &first)))];
    let bad = [
        seal(256, 512, &second, None),
        seal(0, 256, &second, None),
        seal(0, 300, &root(300), None),
        seal(0, 0, &root(0), None),
        seal(0, 1_024, &first, None),
    ];
    let report = |seals: &[serde_json::Value]| {
        let mut log = Sample::of(600).log;
        for seal in seals {
            log.append(EntryKind::SegmentSealed, seal);
        }
        let files = super::sample::export(&log, None).unwrap();
        verify_with(&files, &[key(&signer())], &[])
    };
    assert_eq!(report(&good).findings, []);
    for seal in bad {
        assert_eq!(codes(&report(std::slice::from_ref(&seal))), [FindingCode::SegmentLink], "{seal}");
    }
    let swapped = [good[1].clone(), good[0].clone()];
    assert_eq!(codes(&report(&swapped)), [FindingCode::SegmentLink, FindingCode::SegmentLink]);
}
