//! What whoever holds a proof reads: receipts, bare proofs and consistency proofs.

use ledger::VerifierKey;
use ledger::proof::{ProofFile, Receipt, verify_proof};

/// The key that signed the corpus.
const VKEY: &str = include_str!("proof.vkey");
/// The proofs that verify.
const SOUND: [&[u8]; 4] = [
    include_bytes!("../corpus/proof/consistency"),
    include_bytes!("../corpus/proof/one"),
    include_bytes!("../corpus/proof/receipt"),
    include_bytes!("../corpus/proof/same-size"),
];

/// A proof has one written form; only those verify whose checkpoints were signed, and every other one is refused
/// with a place.
pub(crate) fn proof(bytes: &[u8]) {
    let keys: Vec<VerifierKey> = VKEY.trim().parse().into_iter().collect();
    let report = verify_proof("proof", bytes, &keys, None);
    assert!(report.ok || !SOUND.contains(&bytes), "a sound proof is refused: {:?}", report.findings);
    let Ok(file) = ProofFile::parse(bytes) else {
        assert!(!report.ok, "no proof, and it verifies");
        assert!(report.findings.iter().all(|finding| finding.offset.is_some()), "{:?}", report.findings);
        return;
    };
    let (text, heads) = match file {
        ProofFile::Inclusion(proof) => {
            if let Some(extra) = &proof.extra
                && let Ok(receipt) = Receipt::parse(extra)
            {
                assert_eq!(&receipt.to_extra(), extra, "a receipt has two written forms");
            }
            (proof.to_text(), vec![proof.checkpoint])
        }
        ProofFile::Consistency(proof) => (proof.to_text(), proof.checkpoints.to_vec()),
    };
    assert_eq!(text.as_bytes(), bytes, "a proof has two written forms");
    if report.ok {
        for head in heads {
            let signed = |sound: &[u8]| sound.windows(head.len()).any(|window| window == head.as_bytes());
            assert!(SOUND.into_iter().any(signed), "a head that nobody signed verifies");
        }
    }
}
