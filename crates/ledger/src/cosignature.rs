//! Cosignatures of checkpoints (C2SP tlog-cosignature, Ed25519, type `04`): a witness says at which time it saw
//! which head.
//!
//! It supports `cosignature/v1` only. It does not decide what may be cosigned (see `witness`) nor how many
//! cosignatures are enough (see `policy`), and reads no clock.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey};

use crate::note::{KeyId, KeyType, NamedKey, Note, NoteError, NoteSignature, VkeyError};

/// Latest time that a cosignature can carry. Seconds since 1970 UTC.
pub const TIME_MAX: u64 = i64::MAX as u64;

/// A public key that checks cosignatures: `<name>+<key id>+<base64 of 04 and 32 bytes>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignerKey(NamedKey);

impl CosignerKey {
    /// Returns the name of the witness.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Returns the key id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id()
    }

    /// Returns the key without its name (RFC 8032, section 5.1.5). 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// Tells whether a signature line says that it is by this key.
    #[must_use]
    pub fn is_named_by(&self, signature: &NoteSignature) -> bool {
        self.0.is_named_by(signature)
    }

    /// Checks a cosignature of a checkpoint's text and returns its time, in seconds since 1970 UTC.
    ///
    /// Nothing when it is not a valid cosignature by this key with a time from 1 to [`TIME_MAX`].
    #[must_use]
    pub fn verify(&self, text: &str, signature: &NoteSignature) -> Option<u64> {
        let (time, bytes) = signature.bytes.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        let sound = self.is_named_by(signature)
            && (1..=TIME_MAX).contains(&time)
            && self.0.verifies(message(time, text).as_bytes(), bytes);
        sound.then_some(time)
    }

    /// Returns the times of this key's cosignatures on a note, in the order of the lines.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] when a line by this key does not verify.
    pub fn times_on(&self, note: &Note) -> Result<Vec<u64>, NoteError> {
        let mut times = Vec::new();
        let mut offset = note.text.len() + 1;
        for signature in &note.signatures {
            if self.is_named_by(signature) {
                let bad = || NoteError::BadSignature { name: signature.name.clone(), offset };
                times.push(self.verify(&note.text, signature).ok_or_else(bad)?);
            }
            offset += signature.to_line().len();
        }
        Ok(times)
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CosignerKey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Self, VkeyError> {
        NamedKey::parse(text, KeyType::Cosignature).map(Self)
    }
}

/// A private key that cosigns checkpoints. It is wiped when dropped and never shown.
pub struct Cosigner {
    key: SigningKey,
    public: CosignerKey,
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigner").field("public", &self.public.to_string()).finish_non_exhaustive()
    }
}

impl Cosigner {
    /// Makes a cosigner from its name and the 32 secret bytes of its key (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`VkeyError`] when the name is empty or holds white space, control characters or a plus sign.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, VkeyError> {
        let key = SigningKey::from_bytes(seed);
        let public = CosignerKey(NamedKey::of_secret(name, KeyType::Cosignature, &key)?);
        Ok(Self { key, public })
    }

    /// Returns the public key that checks what this signs.
    #[must_use]
    pub fn public(&self) -> &CosignerKey {
        &self.public
    }

    /// Cosigns the text of a checkpoint as seen at a time, in seconds since 1970 UTC.
    ///
    /// The caller must have checked that it extends every head cosigned before.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when the text is not that of a note, or the time is not from 1 to [`TIME_MAX`].
    pub fn cosign(&self, text: &str, time: u64) -> Result<NoteSignature, NoteError> {
        let malformed = |problem| NoteError::Malformed { offset: 0, problem };
        if !text.ends_with('\n') || text.chars().any(|c| c < ' ' && c != '\n') {
            return Err(malformed("the text of a note is lines"));
        }
        if !(1..=TIME_MAX).contains(&time) {
            return Err(malformed("a cosignature needs the time"));
        }
        let signature = self.key.sign(message(time, text).as_bytes()).to_bytes();
        let bytes = [&time.to_be_bytes()[..], &signature].concat();
        Ok(NoteSignature { name: self.public.name().to_owned(), key_id: self.public.id(), bytes })
    }
}

/// Returns what an Ed25519 cosignature signs.
fn message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}
