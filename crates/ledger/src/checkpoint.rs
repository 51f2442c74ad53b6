//! Checkpoints (C2SP tlog-checkpoint): a tree head as the text of a signed note.
//!
//! Ours have three lines and no extension lines; others are refused, because nobody could audit them.

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Hash;
use crate::note::{KeyId, Note, NoteError, Signer, VerifierKey};
use crate::tree::SIZE_MAX;

/// What a log looked like at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeHead {
    /// Names the log: `<origin prefix>/<log id>`.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

/// A tree head with the keys whose signatures on it were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    pub head: TreeHead,
    pub key_ids: Vec<KeyId>,
}

/// A text that is not one of our checkpoints, or one that is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the checkpoint is malformed at byte {offset}: {problem}")]
    Malformed { offset: usize, problem: &'static str },
    #[error("a log signs with a key of its own name: {key} is not {origin}")]
    OtherName { key: String, origin: String },
}

impl TreeHead {
    /// Returns the log id: what follows the last slash of the origin.
    #[must_use]
    pub fn log_id(&self) -> &str {
        self.origin.rsplit('/').next().unwrap_or(&self.origin)
    }

    /// Returns the text that is signed: origin, decimal size, base64 root, a line each.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads the text of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] with the offset of the line that is wrong.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut offset = 0;
        let mut lines = text.split_inclusive('\n').map(|line| {
            let start = offset;
            offset += line.len();
            (start, line.strip_suffix('\n').unwrap_or(line))
        });
        let wrong = |offset, problem| CheckpointError::Malformed { offset, problem };
        let mut next = |problem| lines.next().ok_or_else(|| wrong(text.len(), problem));
        let (at, origin) = next("it has no origin")?;
        if origin.is_empty() || origin.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(wrong(at, "the origin is empty or holds white space or a plus sign"));
        }
        let (at, size) = next("it has no tree size")?;
        let size = size
            .parse::<u64>()
            .ok()
            .filter(|number| *number <= SIZE_MAX && number.to_string() == size)
            .ok_or_else(|| wrong(at, "the tree size is not a plain decimal number"))?;
        let (at, root) = next("it has no root")?;
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| wrong(at, "the root is not 32 bytes in base64"))?;
        let head = Self { origin: origin.to_owned(), size, root };
        let written = head.to_text();
        if written != text {
            return Err(wrong(text.len().min(written.len()), "extension lines are not accepted"));
        }
        Ok(head)
    }

    /// Signs the head. The caller must have made sure that it extends every head signed before (LED-19).
    ///
    /// # Errors
    /// [`CheckpointError::OtherName`] when the key's name is not the origin.
    pub fn sign(&self, signer: &Signer) -> Result<Note, CheckpointError> {
        if signer.verifier().name() != self.origin {
            let key = signer.verifier().name().to_owned();
            return Err(CheckpointError::OtherName { key, origin: self.origin.clone() });
        }
        Ok(signer.sign_note(&self.to_text())?)
    }
}

/// Reads a signed checkpoint and checks it against known keys.
///
/// # Errors
/// [`CheckpointError`] when it is malformed, a known key's signature is bad, or no known key named like the
/// origin signed it.
pub fn open(bytes: &[u8], known: &[VerifierKey]) -> Result<SignedHead, CheckpointError> {
    let note = Note::parse(bytes)?;
    let head = TreeHead::parse(&note.text)?;
    let signers = note.verify(known)?;
    if !signers.iter().any(|key| key.name() == head.origin) {
        let key = signers.first().map(|key| key.name().to_owned()).unwrap_or_default();
        return Err(CheckpointError::OtherName { key, origin: head.origin });
    }
    Ok(SignedHead { head, key_ids: signers.iter().map(|key| key.id()).collect() })
}
