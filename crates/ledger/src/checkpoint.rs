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

    /// Reads the text of a checkpoint of ours.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] with the offset of the line that is wrong.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let (head, extensions) = Self::parse_foreign(text)?;
        let wrong = |offset, problem| CheckpointError::Malformed { offset, problem };
        if head.origin.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(wrong(0, "the origin is empty or holds white space or a plus sign"));
        }
        if !extensions.is_empty() {
            return Err(wrong(text.len() - extensions.len(), "extension lines are not accepted"));
        }
        Ok(head)
    }

    /// Reads the text of any log's checkpoint: its origin may hold white space, and extension lines, which are
    /// returned as they are, may follow.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] with the offset of the line that is wrong.
    pub fn parse_foreign(text: &str) -> Result<(Self, &str), CheckpointError> {
        let wrong = |offset, problem| CheckpointError::Malformed { offset, problem };
        let mut rest = text;
        let mut next = |problem| {
            let at = text.len() - rest.len();
            let (line, after) = rest.split_once('\n').ok_or_else(|| wrong(text.len(), problem))?;
            rest = after;
            Ok::<(usize, &str), CheckpointError>((at, line))
        };
        let (at, origin) = next("it has no origin")?;
        if origin.is_empty() {
            return Err(wrong(at, "the origin is empty or holds white space or a plus sign"));
        }
        let (at, size) = next("it has no tree size")?;
        let size = decimal(size).ok_or_else(|| wrong(at, "the tree size is not a plain decimal number"))?;
        let (at, root) = next("it has no root")?;
        let root = hash(root).ok_or_else(|| wrong(at, "the root is not 32 bytes in base64"))?;
        if rest.split_inclusive('\n').any(|line| line == "\n" || !line.ends_with('\n')) {
            return Err(wrong(text.len() - rest.len(), "an extension line is empty or not ended"));
        }
        Ok((Self { origin: origin.to_owned(), size, root }, rest))
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

/// Reads a tree size: a plain decimal number up to [`SIZE_MAX`].
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| *number <= SIZE_MAX && number.to_string() == text)
}

/// Reads a hash as base64 (RFC 4648, section 4).
pub(crate) fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
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
