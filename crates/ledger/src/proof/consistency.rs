//! Consistency proofs between two checkpoints, as text of our own: C2SP has no file for them.

use super::ProofTextError;
use super::lines::{Lines, hash_lines, head};
use crate::Hash;
use crate::checkpoint::{self, CheckpointError, SignedHead, TreeHead};
use crate::note::VerifierKey;
use crate::tree::{self, ProofError};

/// The first line of a consistency proof.
pub const CONSISTENCY_HEADER: &str = "plumbline.consistency/v1";

/// That a log only grew between two signed heads: read, but not yet trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// As in RFC 6962, section 2.1.2.
    pub hashes: Vec<Hash>,
    /// The heads that the checkpoints claim, older and newer.
    pub heads: [TreeHead; 2],
    /// The signed checkpoints, verbatim, older and newer.
    pub checkpoints: [String; 2],
}

/// Why a consistency proof does not show what it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsistencyError {
    #[error("the older checkpoint: {0}")]
    Older(#[source] CheckpointError),
    #[error("the newer checkpoint: {0}")]
    Newer(#[source] CheckpointError),
    #[error("the checkpoints are of two logs")]
    TwoLogs,
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl ConsistencyProof {
    /// Puts a proof together.
    ///
    /// # Errors
    /// When a checkpoint does not read as one.
    pub fn new(hashes: Vec<Hash>, older: &str, newer: &str) -> Result<Self, ProofTextError> {
        let heads = [head(0, older)?, head(0, newer)?];
        Ok(Self { hashes, heads, checkpoints: [older.to_owned(), newer.to_owned()] })
    }

    /// Reads a proof without judging it.
    ///
    /// # Errors
    /// [`ProofTextError`] for every byte sequence that [`ConsistencyProof::to_text`] does not write.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofTextError> {
        let mut lines = Lines::open(bytes, CONSISTENCY_HEADER)?;
        let hashes = lines.hashes()?;
        let (at, rest) = lines.rest();
        // A checkpoint has one empty line, between its text and its signatures; the next one ends it.
        let split = rest.find("\n\n").and_then(|text| {
            let signatures = text + 2;
            rest[signatures..].find("\n\n").map(|end| signatures + end + 1)
        });
        let Some(split) = split else {
            return Err(ProofTextError::at(bytes.len(), "it does not hold two checkpoints"));
        };
        let (older, newer) = (&rest[..split], &rest[split + 1..]);
        let heads = [head(at, older)?, head(at + split + 1, newer)?];
        Ok(Self { hashes, heads, checkpoints: [older.to_owned(), newer.to_owned()] })
    }

    /// Returns the text of the proof.
    #[must_use]
    pub fn to_text(&self) -> String {
        let [older, newer] = &self.checkpoints;
        format!("{CONSISTENCY_HEADER}\n{}{older}\n{newer}", hash_lines(&self.hashes))
    }

    /// Returns the offset of the newer checkpoint in the text. Bytes.
    pub(super) fn newer_offset(&self) -> usize {
        self.older_offset() + self.checkpoints[0].len() + 1
    }

    /// Returns the offset of the older checkpoint in the text. Bytes.
    pub(super) fn older_offset(&self) -> usize {
        CONSISTENCY_HEADER.len() + 1 + hash_lines(&self.hashes).len()
    }

    /// Checks that trusted keys signed both heads and that the newer extends the older; returns both.
    ///
    /// # Errors
    /// [`ConsistencyError`] when it is not proven.
    pub fn verify(&self, trusted: &[VerifierKey]) -> Result<[SignedHead; 2], ConsistencyError> {
        let [older, newer] = &self.checkpoints;
        let older = checkpoint::open(older.as_bytes(), trusted).map_err(ConsistencyError::Older)?;
        let newer = checkpoint::open(newer.as_bytes(), trusted).map_err(ConsistencyError::Newer)?;
        if older.head.origin != newer.head.origin {
            return Err(ConsistencyError::TwoLogs);
        }
        let (old, new) = (&older.head, &newer.head);
        tree::verify_consistency(old.size, new.size, &self.hashes, &old.root, &new.root)?;
        Ok([older, newer])
    }
}
