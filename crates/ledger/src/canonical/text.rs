//! How keys are ordered and how strings and numbers are written (RFC 8785, section 3.2).

use std::cmp::Ordering;

use serde_json::Number;

use super::{INTEGER_MAX, Problem};

/// Compares keys by UTF-16 code units (RFC 8785, section 3.2.3).
pub(super) fn key_order(left: &str, right: &str) -> Ordering {
    if key_order_is_that_of_bytes(left) && key_order_is_that_of_bytes(right) {
        return left.cmp(right);
    }
    left.encode_utf16().cmp(right.encode_utf16())
}

/// Tells whether a key may be compared by its bytes. They give the order of code units, except between
/// characters above U+FFFF, which begin with the byte F0 or a greater one, and those from U+E000 to there.
pub(super) fn key_order_is_that_of_bytes(key: &str) -> bool {
    !key.bytes().fold(false, |found, byte| found | (byte >= 0xf0))
}

pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    out.push(b'"');
    // Most texts have nothing to escape, which is seen fastest without an early end.
    if !text.bytes().fold(false, |found, byte| found | must_be_escaped(byte)) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    while let Some(plain) = rest.bytes().position(must_be_escaped) {
        let (before, special) = rest.split_at(plain);
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(escape_of(special.as_bytes()[0]).unwrap_or_default().as_bytes());
        rest = &special[1..];
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

const fn must_be_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Returns how a character below U+0080 is escaped; nothing when it stands as it is (RFC 8785, section 3.2.2.2).
pub(super) fn escape_of(byte: u8) -> Option<&'static str> {
    /// The control characters in order.
    const CONTROLS: [&str; 0x20] = [
        "\\u0000", "\\u0001", "\\u0002", "\\u0003", "\\u0004", "\\u0005", "\\u0006", "\\u0007", "\\b", "\\t",
        "\\n", "\\u000b", "\\f", "\\r", "\\u000e", "\\u000f", "\\u0010", "\\u0011", "\\u0012", "\\u0013",
        "\\u0014", "\\u0015", "\\u0016", "\\u0017", "\\u0018", "\\u0019", "\\u001a", "\\u001b", "\\u001c",
        "\\u001d", "\\u001e", "\\u001f",
    ];
    match byte {
        b'"' => Some("\\\""),
        b'\\' => Some("\\\\"),
        byte => CONTROLS.get(usize::from(byte)).copied(),
    }
}

/// Writes the number that a text of JSON denotes.
pub(super) fn number_text(number: &Number) -> Result<String, Problem> {
    if let Some(integer) = number.as_i64() {
        return integer_text(integer);
    }
    if number.is_u64() {
        return Err(Problem::IntegerTooLarge);
    }
    float_text(number.as_f64().ok_or(Problem::NotFinite)?)
}

pub(super) fn float_text(number: f64) -> Result<String, Problem> {
    match plain_integer(number)? {
        Some(integer) => integer_text(integer),
        None => Ok(es6_number(number)),
    }
}

pub(super) fn integer_text(integer: i64) -> Result<String, Problem> {
    if integer.unsigned_abs() > INTEGER_MAX {
        return Err(Problem::IntegerTooLarge);
    }
    Ok(integer.to_string())
}

/// Returns the integer that a number denotes; nothing when its written form has a fraction or an exponent.
///
/// ES6 writes numbers below 1e21 without an exponent, so an integral number from 2^53 to there would look
/// like an integer literal that the reader refuses. It is refused here already.
pub(super) fn plain_integer(number: f64) -> Result<Option<i64>, Problem> {
    if !number.is_finite() {
        return Err(Problem::NotFinite);
    }
    if number.fract() != 0.0 || number.abs() >= 1e21 {
        return Ok(None);
    }
    #[expect(clippy::cast_precision_loss, reason = "2^53-1 is exact in a double")]
    if number.abs() > INTEGER_MAX as f64 {
        return Err(Problem::IntegerTooLarge);
    }
    #[expect(clippy::cast_possible_truncation, reason = "integral and at most 2^53-1")]
    let integer = number as i64;
    Ok(Some(integer))
}

/// Writes a finite number as ECMAScript does (ECMA-262, Number::toString).
pub(super) fn es6_number(number: f64) -> String {
    ryu_js::Buffer::new().format_finite(number).to_owned()
}
