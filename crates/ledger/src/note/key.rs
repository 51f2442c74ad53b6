//! Keys of signed notes: public ones as vkey text, private ones that sign and are wiped when dropped.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::{Note, NoteError, NoteSignature, is_key_name};

/// What a key signs: the byte that stands before it in a vkey and in its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum KeyType {
    /// Ed25519 over the text of a note (C2SP signed-note).
    Note = 1,
    /// Ed25519 over a checkpoint and a time (C2SP tlog-cosignature).
    Cosignature = 4,
}

impl KeyType {
    const fn refusal(self) -> &'static str {
        match self {
            Self::Note => "its key is not of type 01, Ed25519",
            Self::Cosignature => "its key is not of type 04, an Ed25519 cosignature",
        }
    }
}

/// The short identifier of a key with its name and type. 4 bytes; written as 8 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A public Ed25519 key with a name, for one type of signature: what every vkey here holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedKey {
    name: String,
    id: KeyId,
    kind: KeyType,
    key: VerifyingKey,
}

impl NamedKey {
    fn new(name: &str, kind: KeyType, key: VerifyingKey) -> Result<Self, VkeyError> {
        if !is_key_name(name) {
            return Err(VkeyError { problem: "its name is empty or holds white space" });
        }
        let [a, b, c, d, ..] =
            crate::sha256(&[name.as_bytes(), b"\n", &[kind as u8], key.as_bytes()].concat());
        Ok(Self { name: name.to_owned(), id: KeyId([a, b, c, d]), kind, key })
    }

    /// Returns the public key that belongs to 32 secret bytes.
    pub(crate) fn of_secret(name: &str, kind: KeyType, key: &SigningKey) -> Result<Self, VkeyError> {
        Self::new(name, kind, key.verifying_key())
    }

    /// Reads a vkey of one type.
    pub(crate) fn parse(text: &str, kind: KeyType) -> Result<Self, VkeyError> {
        let refused = |problem| VkeyError { problem };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused("it is name+id+key"));
        };
        if !is_key_name(name) {
            return Err(refused("its name is empty or holds white space"));
        }
        let material = STANDARD.decode(key).map_err(|_err| refused("its key is not base64"))?;
        let (first, key) = material.split_first().ok_or_else(|| refused("its key is empty"))?;
        if *first != kind as u8 {
            return Err(refused(kind.refusal()));
        }
        let key = key.try_into().map_err(|_err| refused("an Ed25519 key has 32 bytes"))?;
        let key = VerifyingKey::from_bytes(key).map_err(|_err| refused("it is not a point of the curve"))?;
        if key.is_weak() {
            return Err(refused("the key is weak: anybody could sign for it"));
        }
        let named = Self::new(name, kind, key)?;
        if id != named.id.to_string() {
            return Err(refused("its id does not belong to its name and key"));
        }
        Ok(named)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }

    /// Tells whether a signature line says that it is by this key.
    pub(crate) fn is_named_by(&self, signature: &NoteSignature) -> bool {
        self.name == signature.name && self.id == signature.key_id
    }
}

impl fmt::Display for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[self.kind as u8][..], self.key.as_bytes()].concat());
        write!(f, "{}+{}+{key}", self.name, self.id)
    }
}

/// A public key that checks notes: `<name>+<key id>+<base64 of 01 and 32 bytes>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey(NamedKey);

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

    pub(super) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        self.0.verifies(text, signature)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VerifierKey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Self, VkeyError> {
        NamedKey::parse(text, KeyType::Note).map(Self)
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
        let key = SigningKey::from_bytes(seed);
        let verifier = VerifierKey(NamedKey::of_secret(name, KeyType::Note, &key)?);
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
        Ok(NoteSignature { name: self.verifier.name().to_owned(), key_id: self.verifier.id(), bytes })
    }

    /// Returns a text as a note with this one signature.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_note(&self, text: &str) -> Result<Note, NoteError> {
        Ok(Note { text: text.to_owned(), signatures: vec![self.sign(text)?] })
    }
}
