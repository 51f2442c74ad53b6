//! Keys of signed notes: public ones as vkey text, private ones that sign and are wiped when dropped.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::{Note, NoteError, NoteSignature, is_key_name};

/// The signature type identifier of Ed25519 (C2SP signed-note).
const ED25519: u8 = 1;

/// The short identifier of a key with its name and type. 4 bytes; written as 8 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    fn of(name: &str, key: &VerifyingKey) -> Self {
        let [a, b, c, d, ..] = crate::sha256(&[name.as_bytes(), b"\n", &[ED25519], key.as_bytes()].concat());
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A public key that checks notes: `<name>+<key id>+<base64 of 01 and 32 bytes>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: KeyId,
    key: VerifyingKey,
}

/// A text that is not a verifier key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a verifier key: {problem}")]
pub struct VkeyError {
    pub problem: &'static str,
}

impl VerifierKey {
    /// Returns the key's name; for a log it equals the origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the key id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text, &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ED25519][..], self.key.as_bytes()].concat());
        write!(f, "{}+{}+{key}", self.name, self.id)
    }
}

impl FromStr for VerifierKey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Self, VkeyError> {
        let refused = |problem| VkeyError { problem };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused("it is name+id+key"));
        };
        if !is_key_name(name) {
            return Err(refused("its name is empty or holds white space"));
        }
        let material = STANDARD.decode(key).map_err(|_err| refused("its key is not base64"))?;
        let (kind, key) = material.split_first().ok_or_else(|| refused("its key is empty"))?;
        if *kind != ED25519 {
            return Err(refused("its key is not of type 01, Ed25519"));
        }
        let key = key.try_into().map_err(|_err| refused("an Ed25519 key has 32 bytes"))?;
        let key = VerifyingKey::from_bytes(key).map_err(|_err| refused("it is not a point of the curve"))?;
        if key.is_weak() {
            return Err(refused("the key is weak: anybody could sign for it"));
        }
        let expected = KeyId::of(name, &key);
        if id != expected.to_string() {
            return Err(refused("its id does not belong to its name and key"));
        }
        Ok(Self { name: name.to_owned(), id: expected, key })
    }
}

/// A private key that signs notes. It is wiped when dropped and never shown.
pub struct Signer {
    key: SigningKey,
    verifier: VerifierKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("verifier", &self.verifier.to_string()).finish_non_exhaustive()
    }
}

impl Signer {
    /// Makes a signer from its name and the 32 secret bytes of its key (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`VkeyError`] when the name is empty or holds white space, control characters or a plus sign.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, VkeyError> {
        if !is_key_name(name) {
            return Err(VkeyError { problem: "its name is empty or holds white space" });
        }
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key();
        let verifier = VerifierKey { name: name.to_owned(), id: KeyId::of(name, &public), key: public };
        Ok(Self { key, verifier })
    }

    /// Returns the public key that checks what this signs.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when the text is not the text of a note: it must end with a line feed and hold
    /// no other control character.
    pub fn sign(&self, text: &str) -> Result<NoteSignature, NoteError> {
        if !text.ends_with('\n') || text.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed { offset: 0, problem: "the text of a note is lines" });
        }
        let bytes = self.key.sign(text.as_bytes()).to_bytes().to_vec();
        Ok(NoteSignature { name: self.verifier.name.clone(), key_id: self.verifier.id, bytes })
    }

    /// Returns a text as a note with this one signature.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_note(&self, text: &str) -> Result<Note, NoteError> {
        Ok(Note { text: text.to_owned(), signatures: vec![self.sign(text)?] })
    }
}
