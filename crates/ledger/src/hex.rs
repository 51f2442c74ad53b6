//! Digests as 64 lower-case hexadecimal digits, the one written form they have in our JSON and paths.

use crate::Hash;

/// Returns the 64 lower-case hexadecimal digits of a digest.
#[must_use]
pub fn encode(hash: &Hash) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    let mut digits = String::with_capacity(64);
    for byte in hash {
        digits.push(digit(byte >> 4));
        digits.push(digit(*byte));
    }
    digits
}

/// Reads 64 lower-case hexadecimal digits; nothing for any other text.
#[must_use]
pub fn decode(text: &str) -> Option<Hash> {
    let nibble = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(hash)
}
