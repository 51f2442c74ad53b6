//! The canonical writer (RFC 8785, section 3.2). It refuses what the reader would refuse to read back.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::{DEPTH_MAX, INTEGER_MAX, InvalidValue, Problem};

/// Writes a value in canonical form.
///
/// # Errors
/// [`InvalidValue`] with the offset in the text being written, when a number is not finite, an integer lies
/// beyond 2^53-1, or the nesting is deeper than [`DEPTH_MAX`].
pub fn render(value: &Value) -> Result<Vec<u8>, InvalidValue> {
    let mut out = Vec::with_capacity(256);
    write_value(&mut out, value, 0)?;
    Ok(out)
}

fn write_value(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), InvalidValue> {
    if depth >= DEPTH_MAX && (value.is_array() || value.is_object()) {
        return Err(InvalidValue { offset: out.len(), problem: Problem::TooDeep });
    }
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let text = number_text(number).map_err(|problem| InvalidValue { offset: out.len(), problem })?;
            out.extend_from_slice(text.as_bytes());
        }
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_value(out, item, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Object(members) => write_object(out, members, depth)?,
    }
    Ok(())
}

fn write_object(out: &mut Vec<u8>, members: &Map<String, Value>, depth: usize) -> Result<(), InvalidValue> {
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_by(|(left, _), (right, _)| key_order(left, right));
    out.push(b'{');
    for (position, (key, value)) in sorted.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        write_value(out, value, depth + 1)?;
    }
    out.push(b'}');
    Ok(())
}

/// Compares keys by UTF-16 code units (RFC 8785, section 3.2.3).
fn key_order(left: &str, right: &str) -> Ordering {
    if key_order_is_that_of_bytes(left) && key_order_is_that_of_bytes(right) {
        return left.cmp(right);
    }
    left.encode_utf16().cmp(right.encode_utf16())
}

/// Tells whether a key may be compared by its bytes. They give the order of code units, except between
/// characters above U+FFFF, which begin with the byte F0 or a greater one, and those from U+E000 to there.
pub(super) fn key_order_is_that_of_bytes(key: &str) -> bool {
    key.bytes().all(|byte| byte < 0xf0)
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    out.push(b'"');
    while let Some(plain) = rest.bytes().position(|byte| escape_of(byte).is_some()) {
        let (before, special) = rest.split_at(plain);
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(escape_of(special.as_bytes()[0]).unwrap_or_default().as_bytes());
        rest = &special[1..];
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
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

pub(super) fn number_text(number: &Number) -> Result<String, Problem> {
    if let Some(integer) = number.as_i64() {
        return integer_text(integer);
    }
    if number.is_u64() {
        return Err(Problem::IntegerTooLarge);
    }
    let number = number.as_f64().ok_or(Problem::NotFinite)?;
    match plain_integer(number)? {
        Some(integer) => integer_text(integer),
        None => Ok(es6_number(number)),
    }
}

fn integer_text(integer: i64) -> Result<String, Problem> {
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
