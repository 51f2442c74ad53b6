//! The strict JSON reader (RFC 8259 syntax, the profile's refusals). It builds values; it never repairs.

use serde_json::{Map, Number, Value};

use super::text::{escape_of, key_order_is_that_of_bytes, number_text, plain_integer};
use super::{DEPTH_MAX, INTEGER_MAX, InvalidValue, Problem};

/// Parses one JSON value that fills the whole text.
///
/// Numbers are normalized: a fraction or an exponent that denotes an integer within 2^53-1 gives that
/// integer, so equal numbers give equal values.
///
/// # Errors
/// [`InvalidValue`] with the byte offset, for every text outside RFC 8259 and for what the profile refuses.
pub fn parse(text: &[u8]) -> Result<Value, InvalidValue> {
    read(text).map(|(value, _as_written)| value)
}

/// As [`parse`]; also tells whether the text was seen to be the canonical form. "No" only means that somebody
/// has to look: some canonical texts with rare keys are not recognized here.
pub(super) fn read(text: &[u8]) -> Result<(Value, bool), InvalidValue> {
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(InvalidValue { offset: 0, problem: Problem::ByteOrderMark });
    }
    let text = std::str::from_utf8(text)
        .map_err(|err| InvalidValue { offset: err.valid_up_to(), problem: Problem::NotUtf8 })?;
    let mut reader = Reader { text, at: 0, canonical: true };
    reader.skip_space();
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.refuse(Problem::TrailingBytes));
    }
    Ok((value, reader.canonical))
}

struct Reader<'a> {
    text: &'a str,
    /// Offset of the next byte; always at a character boundary when a method returns.
    at: usize,
    /// False as soon as something was read that the canonical writer would write otherwise.
    canonical: bool,
}

impl Reader<'_> {
    fn refuse(&self, problem: Problem) -> InvalidValue {
        InvalidValue { offset: self.at, problem }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The refusal for a byte that cannot stand here, or for the end of the text.
    fn unexpected(&self) -> InvalidValue {
        self.refuse(if self.at < self.text.len() { Problem::UnexpectedByte } else { Problem::UnexpectedEnd })
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
            self.canonical = false;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), InvalidValue> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    /// Reads one value; `depth` arrays and objects are open around it.
    fn value(&mut self, depth: usize) -> Result<Value, InvalidValue> {
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) | None => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, InvalidValue> {
        for byte in word.bytes() {
            self.expect(byte)?;
        }
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, InvalidValue> {
        if depth > DEPTH_MAX {
            return Err(self.refuse(Problem::TooDeep));
        }
        self.at += 1;
        self.skip_space();
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth)?);
            self.skip_space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b']')?;
                return Ok(Value::Array(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, InvalidValue> {
        if depth > DEPTH_MAX {
            return Err(self.refuse(Problem::TooDeep));
        }
        self.at += 1;
        self.skip_space();
        let mut members = Map::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            let key = self.string()?;
            let greatest = members.keys().next_back();
            self.canonical &=
                key_order_is_that_of_bytes(&key) && greatest.is_none_or(|greatest| *greatest < key);
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let value = self.value(depth)?;
            if members.insert(key, value).is_some() {
                return Err(InvalidValue { offset: key_at, problem: Problem::DuplicateKey });
            }
            self.skip_space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.expect(b'}')?;
                return Ok(Value::Object(members));
            }
        }
    }

    /// Reads a string; the reader stands on its opening quote.
    fn string(&mut self) -> Result<String, InvalidValue> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            let rest = &self.text.as_bytes()[start..];
            let plain = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
            self.at += plain.unwrap_or(rest.len());
            // Both ends stand on ASCII bytes or at the end, so they are character boundaries.
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    let escape = self.at;
                    let character = self.escape()?;
                    let written = u8::try_from(character).ok().and_then(escape_of);
                    self.canonical &= written == Some(&self.text[escape..self.at]);
                    out.push(character);
                }
                Some(_) => return Err(self.refuse(Problem::ControlCharacter)),
                None => return Err(self.unexpected()),
            }
        }
    }

    /// Reads one escape; the reader stands on its backslash.
    fn escape(&mut self) -> Result<char, InvalidValue> {
        let start = self.at;
        let bad = |problem| InvalidValue { offset: start, problem };
        self.at += 1;
        let letter = self.peek().ok_or_else(|| self.unexpected())?;
        let plain = match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(start),
            _ => return Err(bad(Problem::BadEscape)),
        };
        self.at += 1;
        Ok(plain)
    }

    /// Reads `uXXXX`, and its second half where it is a surrogate pair.
    fn unicode_escape(&mut self, start: usize) -> Result<char, InvalidValue> {
        let lone = InvalidValue { offset: start, problem: Problem::LoneSurrogate };
        let high = self.four_digits(start)?;
        if !(0xd800..0xe000).contains(&high) {
            return char::from_u32(high).ok_or(lone);
        }
        if high >= 0xdc00 || !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            return Err(lone);
        }
        self.at += 1;
        let low = self.four_digits(start)?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(lone);
        }
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or(lone)
    }

    /// Reads four hexadecimal digits after the letter `u`, on which the reader stands.
    fn four_digits(&mut self, start: usize) -> Result<u32, InvalidValue> {
        let bad = InvalidValue { offset: start, problem: Problem::BadEscape };
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5).ok_or_else(|| bad.clone())?;
        let mut code = 0;
        for digit in digits {
            code = code << 4 | char::from(*digit).to_digit(16).ok_or_else(|| bad.clone())?;
        }
        self.at += 5;
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), InvalidValue> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.refuse(Problem::BadNumber));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, InvalidValue> {
        let start = self.at;
        let mut integer = true;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.refuse(Problem::BadNumber));
        }
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let literal = &self.text[start..self.at];
        let refused = |problem| InvalidValue { offset: start, problem };
        let number = number_of(literal, integer).map_err(refused)?;
        // The grammar allows one other way to write an integer.
        self.canonical &=
            if integer { literal != "-0" } else { number_text(&number).map_err(refused)? == literal };
        Ok(Value::Number(number))
    }
}

/// Converts a literal that has the syntax of a number.
fn number_of(literal: &str, integer: bool) -> Result<Number, Problem> {
    if integer {
        return match literal.parse::<i64>() {
            Ok(number) if number.unsigned_abs() <= INTEGER_MAX => Ok(number.into()),
            Ok(_) | Err(_) => Err(Problem::IntegerTooLarge),
        };
    }
    let number = literal.parse::<f64>().map_err(|_err| Problem::BadNumber)?;
    match plain_integer(number)? {
        Some(integer) => Ok(integer.into()),
        None => Number::from_f64(number).ok_or(Problem::NotFinite),
    }
}
