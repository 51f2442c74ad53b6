//! Inclusion proofs as C2SP tlog-proof text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ProofTextError;
use super::lines::{Lines, hash_lines, head};
use crate::Hash;
use crate::checkpoint::{self, CheckpointError, SignedHead, TreeHead};
use crate::note::VerifierKey;
use crate::tree::{self, ProofError, SIZE_MAX};

/// The first line of an inclusion proof (C2SP tlog-proof).
pub const INCLUSION_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// That an entry is in a log, for whoever knows the entry and trusts a key: read, but not yet trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Opaque and not authenticated; ours hold a [`super::Receipt`]. Never empty.
    pub extra: Option<Vec<u8>>,
    /// Position of the entry in the log.
    pub index: u64,
    /// From the leaf's sibling up to the root's child.
    pub hashes: Vec<Hash>,
    /// The head that the checkpoint claims.
    pub head: TreeHead,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// Why an inclusion proof does not show what it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InclusionError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl InclusionProof {
    /// Puts a proof together.
    ///
    /// # Errors
    /// When the checkpoint does not read as one, or the extra data is empty.
    pub fn new(
        index: u64,
        hashes: Vec<Hash>,
        checkpoint: &str,
        extra: Option<Vec<u8>>,
    ) -> Result<Self, ProofTextError> {
        let head = head(0, checkpoint)?;
        if extra.as_ref().is_some_and(Vec::is_empty) {
            return Err(ProofTextError::at(0, "extra data is left out or not empty"));
        }
        Ok(Self { extra, index, hashes, head, checkpoint: checkpoint.to_owned() })
    }

    /// Reads a proof without judging it.
    ///
    /// # Errors
    /// [`ProofTextError`] for every byte sequence that [`InclusionProof::to_text`] does not write.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofTextError> {
        let mut lines = Lines::open(bytes, INCLUSION_HEADER)?;
        let (mut at, mut line) = lines.next()?;
        let mut extra = None;
        if let Some(encoded) = line.strip_prefix("extra ") {
            let decoded = STANDARD.decode(encoded).ok().filter(|bytes| !bytes.is_empty());
            extra = Some(decoded.ok_or_else(|| ProofTextError::at(at, "the extra data is not base64"))?);
            (at, line) = lines.next()?;
        }
        let index = line
            .strip_prefix("index ")
            .and_then(|text| text.parse::<u64>().ok().filter(|number| number.to_string() == text))
            .filter(|index| *index < SIZE_MAX)
            .ok_or_else(|| ProofTextError::at(at, "this line is not the index"))?;
        let hashes = lines.hashes()?;
        let (at, note) = lines.rest();
        Ok(Self { extra, index, hashes, head: head(at, note)?, checkpoint: note.to_owned() })
    }

    /// Returns the text of the proof.
    #[must_use]
    pub fn to_text(&self) -> String {
        let extra = self.extra.as_ref().map(|extra| format!("extra {}\n", STANDARD.encode(extra)));
        format!(
            "{INCLUSION_HEADER}\n{}index {}\n{}{}",
            extra.unwrap_or_default(),
            self.index,
            hash_lines(&self.hashes),
            self.checkpoint
        )
    }

    /// Checks that the leaf is in the log under a head that a trusted key signed, and returns that head.
    ///
    /// # Errors
    /// [`InclusionError`] when it is not proven.
    pub fn verify(&self, leaf: &Hash, trusted: &[VerifierKey]) -> Result<SignedHead, InclusionError> {
        let signed = checkpoint::open(self.checkpoint.as_bytes(), trusted)?;
        tree::verify_inclusion(self.index, signed.head.size, leaf, &self.hashes, &signed.head.root)?;
        Ok(signed)
    }
}
