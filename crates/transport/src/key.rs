//! Private keys in memory: what we accept and why not. Reads no file; `app` hands in the bytes.

use std::fmt;
use std::sync::Arc;

use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{self, Algorithm, HashAlg};
use secrecy::{ExposeSecret, SecretString};

/// Longest private key file. Bytes.
const KEY_BYTES_MAX: usize = 64 << 10;
/// Shortest RSA key. Bits (NIST SP 800-131A revision 2, section 3).
const RSA_BITS_MIN: usize = 2048;

/// A private key that may be used to log in: Ed25519, ECDSA on a NIST curve, or RSA of 2048 bits or more.
#[derive(Clone)]
pub struct PrivateKey(pub(crate) Arc<keys::PrivateKey>);

impl PrivateKey {
    /// Returns the fingerprint of the public half, as OpenSSH prints it (`SHA256:...`).
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Returns the key type: `ssh-ed25519`.
    #[must_use]
    pub fn algorithm(&self) -> String {
        self.0.algorithm().as_str().to_owned()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.fingerprint())
    }
}

/// Why a private key cannot be used. Never holds any of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("it is encrypted and no passphrase was given")]
    Encrypted,
    #[error("the passphrase does not open it")]
    WrongPassphrase,
    #[error("it is an RSA key of {bits} bits; the least is 2048")]
    TooShort { bits: usize },
    #[error("its kind is not supported: {kind}; use Ed25519, ECDSA or RSA")]
    Unsupported { kind: String },
    #[error("it is not a private key in a form we read (OpenSSH, PKCS#8, PKCS#1)")]
    Malformed,
}

/// Parses a private key in OpenSSH, PKCS#8, PKCS#1 or PuTTY form.
///
/// # Errors
/// [`KeyError`] says why the key cannot be used; a passphrase for a key that has none is passed over.
pub fn load_private_key(bytes: &[u8], passphrase: Option<&SecretString>) -> Result<PrivateKey, KeyError> {
    if bytes.len() > KEY_BYTES_MAX {
        return Err(KeyError::Malformed);
    }
    let text = std::str::from_utf8(bytes).map_err(|_err| KeyError::Malformed)?;
    let encrypted = is_encrypted(text);
    if encrypted && passphrase.is_none() {
        return Err(KeyError::Encrypted);
    }
    let key = keys::decode_secret_key(text, passphrase.map(ExposeSecret::expose_secret))
        .map_err(|err| refusal(text, encrypted, &err))?;
    check_kind(&key)?;
    Ok(PrivateKey(Arc::new(key)))
}

/// Returns the fingerprint of a private key in OpenSSH form, whose public half can be read without the passphrase; none of
/// a key in another form.
#[must_use]
pub fn public_fingerprint(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= KEY_BYTES_MAX)?;
    let key = keys::PrivateKey::from_openssh(text.trim()).ok()?;
    Some(key.public_key().fingerprint(HashAlg::Sha256).to_string())
}

/// Tells from the outside of a key file whether its private half is encrypted.
fn is_encrypted(text: &str) -> bool {
    let armored_openssh = text.contains("-----BEGIN OPENSSH PRIVATE KEY-----");
    if armored_openssh {
        return keys::PrivateKey::from_openssh(text.trim()).is_ok_and(|key| key.is_encrypted());
    }
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
        || (text.starts_with("PuTTY-User-Key-File-") && !text.contains("\nEncryption: none"))
}

fn refusal(text: &str, encrypted: bool, err: &keys::Error) -> KeyError {
    if text.contains("BEGIN DSA PRIVATE KEY") {
        return KeyError::Unsupported { kind: "ssh-dss".to_owned() };
    }
    if let keys::Error::UnsupportedKeyType { key_type_string, .. } = err {
        return KeyError::Unsupported { kind: key_type_string.chars().take(40).collect() };
    }
    if let keys::Error::SshKey(keys::ssh_key::Error::AlgorithmUnsupported { algorithm }) = err {
        return KeyError::Unsupported { kind: algorithm.as_str().chars().take(40).collect() };
    }
    if encrypted { KeyError::WrongPassphrase } else { KeyError::Malformed }
}

fn check_kind(key: &keys::PrivateKey) -> Result<(), KeyError> {
    let unsupported = || KeyError::Unsupported { kind: key.algorithm().as_str().to_owned() };
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(()),
        Algorithm::Rsa { .. } => {
            let KeypairData::Rsa(pair) = key.key_data() else { return Err(unsupported()) };
            let bits = bit_length(pair.public().n().as_positive_bytes().unwrap_or_default());
            if bits < RSA_BITS_MIN { Err(KeyError::TooShort { bits }) } else { Ok(()) }
        }
        Algorithm::Dsa | Algorithm::SkEcdsaSha2NistP256 | Algorithm::SkEd25519 | Algorithm::Other(_) => {
            Err(unsupported())
        }
        // The library may learn new kinds; what we have not looked at is not used.
        _ => Err(unsupported()),
    }
}

fn bit_length(big_endian: &[u8]) -> usize {
    match big_endian.iter().position(|byte| *byte != 0) {
        Some(first) => (big_endian.len() - first) * 8 - big_endian[first].leading_zeros() as usize,
        None => 0,
    }
}

#[cfg(test)]
mod tests;
