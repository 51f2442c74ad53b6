//! Signed notes (C2SP signed-note) with Ed25519 keys: reading, checking, signing, and keys as text.
//!
//! It checks signature type `01` only (see `cosignature` for type `04`) and trusts no key that the caller did not name.

mod key;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use key::{KeyId, Signer, VerifierKey, VkeyError};
pub(crate) use key::{KeyType, NamedKey};

/// Largest signed note that is read. Bytes.
pub const NOTE_BYTES_MAX: usize = 65_536;
/// Most signatures in a signed note.
pub const SIGNATURES_MAX: usize = 100;

const SIGNATURE_START: &str = "\u{2014} ";

/// A text with signatures, read but not yet trusted: only [`Note::verify`] makes it worth anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What was signed, with its final line feed.
    pub text: String,
    pub signatures: Vec<NoteSignature>,
}

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    pub name: String,
    pub key_id: KeyId,
    /// What follows the key id; 64 bytes for Ed25519.
    pub bytes: Vec<u8>,
}

/// A byte sequence that is not a signed note, or one that is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("a note is at most 65,536 bytes")]
    TooLong,
    #[error("the note is malformed at byte {offset}: {problem}")]
    Malformed { offset: usize, problem: &'static str },
    #[error("the signature of {name} at byte {offset} does not verify")]
    BadSignature { name: String, offset: usize },
    #[error("no signature is by a known key")]
    UnknownKey,
}

impl Note {
    /// Reads a note without judging its signatures.
    ///
    /// # Errors
    /// [`NoteError::TooLong`] or [`NoteError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let malformed = |offset, problem| NoteError::Malformed { offset, problem };
        let whole =
            std::str::from_utf8(bytes).map_err(|err| malformed(err.valid_up_to(), "it is not UTF-8"))?;
        if let Some(offset) = bytes.iter().position(|byte| *byte < 0x20 && *byte != b'\n') {
            return Err(malformed(offset, "it holds a control character"));
        }
        if !whole.ends_with('\n') {
            return Err(malformed(bytes.len(), "it does not end with a line feed"));
        }
        let Some(blank) = whole.rfind("\n\n") else {
            return Err(malformed(bytes.len(), "no blank line parts text and signatures"));
        };
        let (text, lines) = (&whole[..=blank], &whole[blank + 2..]);
        let mut signatures = Vec::new();
        let mut offset = blank + 2;
        for line in lines.split_inclusive('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(malformed(offset, "it has more than 100 signatures"));
            }
            let signature = NoteSignature::parse(line.strip_suffix('\n').unwrap_or(line))
                .ok_or_else(|| malformed(offset, "this is not a signature line"))?;
            signatures.push(signature);
            offset += line.len();
        }
        if signatures.is_empty() {
            return Err(malformed(offset, "it has no signature"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Checks the signatures of known keys and returns the keys that signed, in the order of the lines.
    ///
    /// Signatures by other keys are passed over, as the format demands.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] when a signature of a known key does not verify;
    /// [`NoteError::UnknownKey`] when no known key signed.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signers = Vec::new();
        let mut offset = self.text.len() + 1;
        for signature in &self.signatures {
            if let Some(key) = known.iter().find(|key| key.is_named_by(signature)) {
                if !key.verifies(self.text.as_bytes(), &signature.bytes) {
                    return Err(NoteError::BadSignature { name: signature.name.clone(), offset });
                }
                signers.push(key);
            }
            offset += signature.to_line().len();
        }
        if signers.is_empty() {
            return Err(NoteError::UnknownKey);
        }
        Ok(signers)
    }

    /// Returns the note as it is stored and sent.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines: String = self.signatures.iter().map(NoteSignature::to_line).collect();
        format!("{}\n{lines}", self.text)
    }
}

impl NoteSignature {
    /// Reads a signature line without its line feed; nothing when it is not one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(SIGNATURE_START)?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let (key_id, bytes) = decoded.split_first_chunk::<4>()?;
        let sound = is_key_name(name) && !bytes.is_empty();
        sound.then(|| Self { name: name.to_owned(), key_id: KeyId(*key_id), bytes: bytes.to_vec() })
    }

    /// Returns the signature line with its line feed.
    #[must_use]
    pub fn to_line(&self) -> String {
        let encoded = STANDARD.encode([&self.key_id.0[..], &self.bytes].concat());
        format!("{SIGNATURE_START}{} {encoded}\n", self.name)
    }
}

/// Tells whether a text can name a key: not empty, no white space, no plus sign, no control character.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}
