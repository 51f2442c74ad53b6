//! Proofs as files that a stranger can check offline: inclusion as C2SP tlog-proof, consistency in a text of
//! our own (docs/formats/proof.md).
//!
//! It reads, writes and judges such texts. It reads no log: who makes a proof fetches the tiles that
//! [`inclusion_tiles`] and [`consistency_tiles`] name, a handful whatever the size of the log.

mod consistency;
mod inclusion;
mod lines;
mod read;
mod receipt;
mod verify;

pub use consistency::{CONSISTENCY_HEADER, ConsistencyError, ConsistencyProof};
pub use inclusion::{INCLUSION_HEADER, InclusionError, InclusionProof};
pub use read::{
    Absent, Tiles, consistency_from_tiles, consistency_tiles, inclusion_from_tiles, inclusion_tiles,
};
pub use receipt::Receipt;
pub use verify::{ProofFile, is_proof, verify_proof};

/// Largest proof that is read: an entry and a body in base64, 64 hashes, a checkpoint. Bytes.
pub const PROOF_BYTES_MAX: usize = 2_097_152;
/// Most hashes in a proof, those of the largest log.
pub const HASHES_MAX: usize = 63;

/// A byte sequence that is not a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofTextError {
    #[error("a proof is at most 2,097,152 bytes")]
    TooLong,
    #[error("the proof is malformed at byte {offset}: {problem}")]
    Malformed { offset: usize, problem: String },
}

impl ProofTextError {
    fn at(offset: usize, problem: impl Into<String>) -> Self {
        Self::Malformed { offset, problem: problem.into() }
    }

    /// Returns where in the file it is. Bytes.
    #[must_use]
    pub const fn offset(&self) -> usize {
        match self {
            Self::TooLong => PROOF_BYTES_MAX,
            Self::Malformed { offset, .. } => *offset,
        }
    }
}
