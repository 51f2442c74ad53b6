//! Verifies a proof file and reports like every other verification: located findings, never a panic.

use super::{
    CONSISTENCY_HEADER, ConsistencyError, ConsistencyProof, INCLUSION_HEADER, InclusionProof, ProofTextError,
    Receipt,
};
use crate::bundle::checkpoint_code;
use crate::checkpoint::{self, CheckpointError, SignedHead};
use crate::hex;
use crate::note::VerifierKey;
use crate::tree::{self, ProofError};
use crate::verify::{Finding, FindingCode, LoneBody, LoneEntry, Place, Report, Verifier};

/// A proof of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofFile {
    Inclusion(InclusionProof),
    Consistency(ConsistencyProof),
}

impl ProofFile {
    /// Reads a proof of either kind; the first line says which.
    ///
    /// # Errors
    /// [`ProofTextError`] when it is neither.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofTextError> {
        if bytes.starts_with(CONSISTENCY_HEADER.as_bytes()) {
            return ConsistencyProof::parse(bytes).map(Self::Consistency);
        }
        if bytes.starts_with(INCLUSION_HEADER.as_bytes()) {
            return InclusionProof::parse(bytes).map(Self::Inclusion);
        }
        let problem = format!("the first line is neither {INCLUSION_HEADER} nor {CONSISTENCY_HEADER}");
        Err(ProofTextError::at(0, problem))
    }
}

/// Tells whether a file begins like a proof of either kind.
#[must_use]
pub fn is_proof(bytes: &[u8]) -> bool {
    [CONSISTENCY_HEADER, INCLUSION_HEADER].iter().any(|header| bytes.starts_with(header.as_bytes()))
}

/// Verifies a proof file against trusted keys; `name` is how findings call the file.
///
/// Of an inclusion proof, the entry and body that stand in its extra data are verified with it; `entry` is
/// taken instead when the proof carries none. A consistency proof has no entry and needs none.
#[must_use]
pub fn verify_proof(name: &str, bytes: &[u8], trusted: &[VerifierKey], entry: Option<&[u8]>) -> Report {
    match ProofFile::parse(bytes) {
        Ok(ProofFile::Inclusion(proof)) => verify_inclusion(name, &proof, trusted, entry),
        Ok(ProofFile::Consistency(proof)) => verify_consistency(name, &proof, trusted),
        Err(err) => {
            let place = Place::file(name, err.offset() as u64);
            failed(Report::new(), Finding::new(FindingCode::Malformed, err.to_string()).at(&place))
        }
    }
}

/// Ends a report with its last finding.
fn failed(mut report: Report, finding: Finding) -> Report {
    report.add(finding);
    report.settle();
    report
}

fn verify_inclusion(
    name: &str,
    proof: &InclusionProof,
    trusted: &[VerifierKey],
    entry: Option<&[u8]>,
) -> Report {
    let places = Places::of(name, proof);
    let mut verifier = Verifier::new(Some(proof.head.log_id()), proof.index);
    match checkpoint::open(proof.checkpoint.as_bytes(), trusted) {
        Ok(signed) => note_keys(verifier.report_mut(), &[signed]),
        Err(err) => verifier.add(checkpoint_finding(&err, &places.checkpoint)),
    }
    let receipt = match (&proof.extra, entry) {
        (Some(extra), _) => Receipt::parse(extra).map_err(|problem| (FindingCode::Malformed, problem)),
        (None, Some(entry)) => Ok(Receipt { entry: entry.to_vec(), body: None }),
        (None, None) => {
            Err((FindingCode::LeafMismatch, "the proof does not carry the entry, and none was given"))
        }
    };
    match receipt {
        Ok(receipt) => check_entry(&mut verifier, proof, &receipt, &places),
        Err((code, problem)) => {
            verifier.add(Finding::new(code, problem).index(proof.index).at(&places.extra));
        }
    }
    let mut report = verifier.finish();
    report.origin = Some(proof.head.origin.clone());
    report.tree_size = proof.head.size;
    report.root = Some(hex::encode(&proof.head.root));
    report
}

/// Checks that the entry is the one that the tree commits to, and the body the one that the entry commits to.
fn check_entry(verifier: &mut Verifier, proof: &InclusionProof, receipt: &Receipt, places: &Places) {
    let pushed = verifier.push(LoneEntry::read(&receipt.entry), &places.extra);
    let head = &proof.head;
    if let Err(err) = tree::verify_inclusion(proof.index, head.size, &pushed.leaf, &proof.hashes, &head.root)
    {
        let (code, detail) = match err {
            ProofError::WrongRoot => (
                FindingCode::LeafMismatch,
                "the proof does not lead from this entry to the root of the checkpoint".to_owned(),
            ),
            ProofError::OutOfRange | ProofError::WrongLength => (FindingCode::Malformed, err.to_string()),
        };
        verifier.add(Finding::new(code, detail).index(proof.index).at(&places.hashes));
    }
    if let (Some(entry), Some(body)) = (&pushed.entry, &receipt.body) {
        // Evidence that the body names is not in a receipt: a bundle has it.
        verifier.body(proof.index, entry, LoneBody::read(entry, Some(body)), &places.extra);
    }
}

fn verify_consistency(name: &str, proof: &ConsistencyProof, trusted: &[VerifierKey]) -> Report {
    let mut report = Report::new();
    let [_older, newer] = &proof.heads;
    report.origin = Some(newer.origin.clone());
    report.tree_size = newer.size;
    report.root = Some(hex::encode(&newer.root));
    let hashes = Place::file(name, CONSISTENCY_HEADER.len() as u64 + 1);
    match proof.verify(trusted) {
        Ok(signed) => note_keys(&mut report, &signed),
        Err(ConsistencyError::Older(err)) => {
            let place = Place::file(name, proof.older_offset() as u64);
            report.add(checkpoint_finding(&err, &place));
        }
        Err(ConsistencyError::Newer(err)) => {
            let place = Place::file(name, proof.newer_offset() as u64);
            report.add(checkpoint_finding(&err, &place));
        }
        Err(err @ ConsistencyError::TwoLogs) => {
            let place = Place::file(name, proof.newer_offset() as u64);
            report.add(Finding::new(FindingCode::CheckpointInconsistent, err.to_string()).at(&place));
        }
        Err(ConsistencyError::Proof(err)) => {
            let code = FindingCode::CheckpointInconsistent;
            let detail = format!("it is not proven that the newer head extends the older: {err}");
            report.add(Finding::new(code, detail).at(&hashes));
        }
    }
    report.settle();
    report
}

fn note_keys(report: &mut Report, heads: &[SignedHead]) {
    report.checkpoints = heads.len() as u64;
    let mut ids: Vec<String> = heads.iter().flat_map(|head| &head.key_ids).map(ToString::to_string).collect();
    ids.dedup();
    report.key_ids = ids;
}

fn checkpoint_finding(err: &CheckpointError, start: &Place) -> Finding {
    let (code, offset) = checkpoint_code(err);
    Finding::new(code, err.to_string()).at(&start.plus(offset))
}

/// Where the parts of an inclusion proof begin in its file.
struct Places {
    /// The base64 of the extra data; the index line when there is none.
    extra: Place,
    hashes: Place,
    checkpoint: Place,
}

impl Places {
    fn of(name: &str, proof: &InclusionProof) -> Self {
        let text = proof.to_text();
        let header = INCLUSION_HEADER.len() + 1;
        let line = |from: usize| text[from..].find('\n').map_or(text.len(), |end| from + end + 1);
        let (extra, index) =
            if proof.extra.is_some() { (header + "extra ".len(), line(header)) } else { (header, header) };
        let place = |offset: usize| Place::file(name, offset as u64);
        Self {
            extra: place(extra),
            hashes: place(line(index)),
            checkpoint: place(text.len() - proof.checkpoint.len()),
        }
    }
}
