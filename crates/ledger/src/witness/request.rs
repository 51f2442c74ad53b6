//! The body of an `add-checkpoint` request: old size, consistency proof, checkpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Hash;
use crate::checkpoint::{CheckpointError, TreeHead, decimal, hash};
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};

/// Most lines of a consistency proof.
pub const PROOF_LINES_MAX: usize = 63;
/// Largest body of a request: the old size, the proof, a blank line and a checkpoint. Bytes.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + (PROOF_LINES_MAX + 1) * 45 + 32;

/// A request to cosign a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the head that the witness cosigned last, as far as the client knows.
    pub old_size: u64,
    /// Consistency proof from there. At most [`PROOF_LINES_MAX`] hashes.
    pub proof: Vec<Hash>,
    /// The signed checkpoint. Its signatures are not checked yet.
    pub checkpoint: Note,
    /// What its text says.
    pub head: TreeHead,
}

/// A body that is not an `add-checkpoint` request (status 400).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the request is too long")]
    TooLong,
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        problem: &'static str,
    },
    #[error("the checkpoint does not read")]
    Checkpoint(#[from] CheckpointError),
    #[error("the old size is larger than the checkpoint's")]
    OldSizeLarger,
}

impl AddCheckpoint {
    /// Makes a request.
    ///
    /// # Errors
    /// [`RequestError`] when the checkpoint is none, is smaller than `old_size`, or the proof is too long.
    pub fn new(old_size: u64, proof: Vec<Hash>, checkpoint: Note) -> Result<Self, RequestError> {
        let (head, _extensions) = TreeHead::parse_foreign(&checkpoint.text)?;
        if proof.len() > PROOF_LINES_MAX {
            return Err(RequestError::Line {
                line: PROOF_LINES_MAX + 2,
                problem: "more than 63 proof lines",
            });
        }
        if old_size > head.size {
            return Err(RequestError::OldSizeLarger);
        }
        Ok(Self { old_size, proof, checkpoint, head })
    }

    /// Reads the body of a request. It judges neither signatures nor the proof nor the old size.
    ///
    /// # Errors
    /// [`RequestError`] with the line that is wrong.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLong);
        }
        let mut rest = body;
        let mut line = 0;
        let mut next = |line: &mut usize| {
            *line += 1;
            let wrong = |problem| RequestError::Line { line: *line, problem };
            let end = rest.iter().position(|byte| *byte == b'\n');
            let end = end.ok_or_else(|| wrong("it does not end with a line feed"))?;
            let text = std::str::from_utf8(&rest[..end]).map_err(|_err| wrong("it is not UTF-8"))?;
            rest = &rest[end + 1..];
            Ok::<&str, RequestError>(text)
        };
        let old = next(&mut line)?;
        let old_size = old
            .strip_prefix("old ")
            .and_then(decimal)
            .ok_or(RequestError::Line { line, problem: "it is not `old` and a size" })?;
        let mut proof = Vec::new();
        loop {
            let text = next(&mut line)?;
            if text.is_empty() {
                break;
            }
            if proof.len() == PROOF_LINES_MAX {
                return Err(RequestError::Line { line, problem: "more than 63 proof lines" });
            }
            let problem = "it is neither empty nor a hash of 32 bytes in base64";
            proof.push(hash(text).ok_or(RequestError::Line { line, problem })?);
        }
        let checkpoint = Note::parse(rest).map_err(|err| match err {
            NoteError::TooLong => RequestError::TooLong,
            err @ (NoteError::Malformed { .. } | NoteError::BadSignature { .. } | NoteError::UnknownKey) => {
                RequestError::Checkpoint(err.into())
            }
        })?;
        let (head, _extensions) = TreeHead::parse_foreign(&checkpoint.text)?;
        Ok(Self { old_size, proof, checkpoint, head })
    }

    /// Returns the body of the request.
    #[must_use]
    pub fn to_body(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
        format!("old {}\n{proof}\n{}", self.old_size, self.checkpoint.to_text())
    }
}
