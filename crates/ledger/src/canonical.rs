//! Canonical JSON (RFC 8785) under a validating profile: one reader, one writer, one set of refusals.
//!
//! The profile refuses whatever two programs could read differently: integers beyond 2^53-1, numbers that
//! are not finite, duplicate keys, lone surrogates, bytes that are not UTF-8, deep nesting. It does not
//! repair anything and it does not know what a value means.

mod parse;
mod serialize;
#[cfg(test)]
mod tests;
mod text;

use base64::Engine as _;
use serde::Serialize;
use serde_json::Value;

pub use parse::parse;

/// Deepest nesting of arrays and objects that is accepted.
pub const DEPTH_MAX: usize = 64;
/// Largest magnitude of an integer: 2^53 - 1. Larger ones travel as strings.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// A value or a text that has no canonical form here (`InvalidValue`, LED-02).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid value at byte {offset}: {problem}")]
pub struct InvalidValue {
    /// Where the problem begins. Bytes into the text that was read, or that was being written.
    pub offset: usize,
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("it begins with a byte order mark")]
    ByteOrderMark,
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("the text ends too early")]
    UnexpectedEnd,
    #[error("this byte cannot stand here")]
    UnexpectedByte,
    #[error("there are bytes after the value")]
    TrailingBytes,
    #[error("arrays and objects are nested deeper than 64")]
    TooDeep,
    #[error("the key stands twice in one object")]
    DuplicateKey,
    #[error("a surrogate stands alone")]
    LoneSurrogate,
    #[error("this is not an escape of JSON")]
    BadEscape,
    #[error("a control character must be escaped")]
    ControlCharacter,
    #[error("this is not a number of JSON")]
    BadNumber,
    #[error("the number is not finite")]
    NotFinite,
    #[error("an integer beyond 2^53-1 must be passed as a string")]
    IntegerTooLarge,
    #[error("an object key must be a string")]
    KeyNotString,
    #[error("the value could not be serialized: {0}")]
    Serialize(String),
}

/// Writes a value once, in canonical form (LED-03). What this returns is hashed, stored and sent as it is.
///
/// Byte strings become `{"b64": ...}`, other values what serde makes of them.
///
/// # Errors
/// When the value holds a number that is not finite, an integer beyond 2^53-1, a key that is not a string,
/// the same key twice, or nesting deeper than [`DEPTH_MAX`]; and when its own serializer fails.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, InvalidValue> {
    let mut out = Vec::with_capacity(512);
    match value.serialize(serialize::Writer::new(&mut out)) {
        Ok(()) => Ok(out),
        Err(problem) => Err(InvalidValue { offset: out.len(), problem: problem.0 }),
    }
}

/// Reads a text that must already be canonical, and returns its value.
///
/// # Errors
/// [`NotCanonical::Invalid`] as [`parse`]; [`NotCanonical::Differs`] with the offset of the first byte that
/// differs from the canonical form.
pub fn parse_canonical(text: &[u8]) -> Result<Value, NotCanonical> {
    let (value, canonical) = parse::read(text)?;
    if canonical {
        return Ok(value);
    }
    let rendered = to_bytes(&value)?;
    match first_difference(text, &rendered) {
        Some(offset) => Err(NotCanonical::Differs { offset }),
        None => Ok(value),
    }
}

/// Why a text is not canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error("it is not the canonical form from byte {offset} on")]
    Differs { offset: usize },
}

/// Tells whether a text is canonical JSON under the profile.
#[must_use]
pub fn is_canonical(text: &[u8]) -> bool {
    parse_canonical(text).is_ok()
}

/// Returns bytes in their one written form (LED-05): the text itself when they are UTF-8, else `{"b64": ...}`.
///
/// The alphabet is the standard one with padding (RFC 4648, section 4).
#[must_use]
pub fn text_or_b64(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_not_text) => b64(bytes),
    }
}

fn b64(bytes: &[u8]) -> Value {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    Value::Object(serde_json::Map::from_iter([("b64".to_owned(), Value::String(text))]))
}

/// Returns the offset of the first byte in which two texts differ; nothing when they are equal.
pub(crate) fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    (common < left.len() || common < right.len()).then_some(common)
}
