//! The canonical writer (RFC 8785, section 3.2): a serde serializer into bytes. It refuses what the usual one would change
//! silently, numbers that are not finite (it writes null) and repeated keys (it keeps the last), and whatever the reader
//! would refuse to read back.
//!
//! Members of an object are written as they come, and put in order behind the last one where they were not.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use base64::Engine as _;
use serde::ser::{self, Serialize};

use super::text::{float_text, integer_text, key_order, write_string};
use super::{DEPTH_MAX, INTEGER_MAX, Problem};

/// Writes one value behind what is there.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
}

/// A [`Problem`] in the shape that serde wants.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Problem);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Refusal {}

impl ser::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Problem::Serialize(message.to_string()))
    }
}

type Result<T = ()> = std::result::Result<T, Refusal>;

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, depth: 0 }
    }

    fn write(self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Begins an array or an object, which stands alone or as the one member of an object with a variant's name.
    fn begin(mut self, variant: Option<&'static str>, brackets: [u8; 2]) -> Result<Nested<'o>> {
        if let Some(name) = variant {
            self.open(b'{')?;
            write_string(self.out, name);
            self.out.push(b':');
        }
        self.open(brackets[0])?;
        let begin = self.out.len();
        Ok(Nested {
            out: self.out,
            depth: self.depth,
            close: brackets[1],
            is_variant: variant.is_some(),
            begin,
        })
    }

    fn open(&mut self, bracket: u8) -> Result {
        if self.depth >= DEPTH_MAX {
            return Err(Refusal(Problem::TooDeep));
        }
        self.out.push(bracket);
        self.depth += 1;
        Ok(())
    }
}

/// An array or an object that is being written.
struct Nested<'o> {
    out: &'o mut Vec<u8>,
    /// Of what stands in it.
    depth: usize,
    close: u8,
    is_variant: bool,
    /// Where its first item or member begins.
    begin: usize,
}

impl Nested<'_> {
    fn separate(&mut self) {
        if self.out.len() > self.begin {
            self.out.push(b',');
        }
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(Writer { out: self.out, depth: self.depth })
    }

    fn end(self) {
        self.out.push(self.close);
        if self.is_variant {
            self.out.push(b'}');
        }
    }
}

/// An array that is being filled.
pub(super) struct Items<'o>(Nested<'o>);

/// An object that is being filled.
pub(super) struct Members<'o> {
    nested: Nested<'o>,
    /// Each key with where its member begins.
    keys: Vec<(Cow<'static, str>, usize)>,
    is_ordered: bool,
}

impl<'o> Members<'o> {
    fn new(nested: Nested<'o>, count: usize) -> Self {
        Self { nested, keys: Vec::with_capacity(count), is_ordered: true }
    }

    fn key(&mut self, key: Cow<'static, str>) -> Result {
        match self.keys.last().map_or(Ordering::Less, |(last, _)| key_order(last, &key)) {
            Ordering::Less => {}
            Ordering::Equal => return Err(Refusal(Problem::DuplicateKey)),
            Ordering::Greater => self.is_ordered = false,
        }
        self.nested.separate();
        let begin = self.nested.out.len();
        write_string(self.nested.out, &key);
        self.nested.out.push(b':');
        self.keys.push((key, begin));
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
        self.key(Cow::Borrowed(key))?;
        self.nested.value(value)
    }

    fn end(mut self) -> Result {
        if !self.is_ordered {
            self.put_in_order()?;
        }
        self.nested.end();
        Ok(())
    }

    fn put_in_order(&mut self) -> Result {
        let written = self.nested.out.split_off(self.nested.begin);
        let begin_of = |at: usize| self.keys.get(at).map(|(_, begin)| begin - self.nested.begin);
        // The comma before the next member is not part of one.
        let end_of = |at: usize| begin_of(at + 1).map_or(written.len(), |next| next - 1);
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_by(|left, right| key_order(&self.keys[*left].0, &self.keys[*right].0));
        if order.windows(2).any(|pair| self.keys[pair[0]].0 == self.keys[pair[1]].0) {
            return Err(Refusal(Problem::DuplicateKey));
        }
        for at in order {
            if self.nested.out.len() > self.nested.begin {
                self.nested.out.push(b',');
            }
            self.nested.out.extend_from_slice(&written[begin_of(at).unwrap_or_default()..end_of(at)]);
        }
        Ok(())
    }
}

/// Returns the text of a key, which has to be written as a string.
fn key_text<T: Serialize + ?Sized>(key: &T) -> Result<String> {
    let mut written = Vec::new();
    key.serialize(Writer { out: &mut written, depth: 0 })?;
    if written.first() != Some(&b'"') {
        return Err(Refusal(Problem::KeyNotString));
    }
    serde_json::from_slice(&written).map_err(|err| Refusal(Problem::Serialize(err.to_string())))
}

const ARRAY: [u8; 2] = *b"[]";
const OBJECT: [u8; 2] = *b"{}";

impl<'o> ser::Serializer for Writer<'o> {
    type Ok = ();
    type Error = Refusal;
    type SerializeSeq = Items<'o>;
    type SerializeTuple = Items<'o>;
    type SerializeTupleStruct = Items<'o>;
    type SerializeTupleVariant = Items<'o>;
    type SerializeMap = Members<'o>;
    type SerializeStruct = Members<'o>;
    type SerializeStructVariant = Members<'o>;

    fn serialize_bool(self, value: bool) -> Result {
        self.write(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result {
        self.write(&integer_text(value).map_err(Refusal)?);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result {
        if value > INTEGER_MAX {
            return Err(Refusal(Problem::IntegerTooLarge));
        }
        self.serialize_i64(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn serialize_f32(self, value: f32) -> Result {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result {
        self.write(&float_text(value).map_err(Refusal)?);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        write_string(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        let text = base64::engine::general_purpose::STANDARD.encode(value);
        self.serialize_newtype_variant("", 0, "b64", &text)
    }

    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.write("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        let mut members = Members::new(self.begin(None, OBJECT)?, 1);
        members.field(variant, value)?;
        members.end()
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Items<'o>> {
        Ok(Items(self.begin(None, ARRAY)?))
    }

    fn serialize_tuple(self, len: usize) -> Result<Items<'o>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Items<'o>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Items<'o>> {
        Ok(Items(self.begin(Some(variant), ARRAY)?))
    }

    // A map may say any number.
    fn serialize_map(self, _len: Option<usize>) -> Result<Members<'o>> {
        Ok(Members::new(self.begin(None, OBJECT)?, 0))
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Members<'o>> {
        Ok(Members::new(self.begin(None, OBJECT)?, len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Members<'o>> {
        Ok(Members::new(self.begin(Some(variant), OBJECT)?, len))
    }
}

impl ser::SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.0.separate();
        self.0.value(value)
    }

    fn end(self) -> Result {
        self.0.end();
        Ok(())
    }
}

impl ser::SerializeTuple for Items<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for Items<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleVariant for Items<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.key(Cow::Owned(key_text(key)?))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.nested.value(value)
    }

    fn end(self) -> Result {
        self.end()
    }
}

impl ser::SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
        self.field(key, value)
    }

    fn end(self) -> Result {
        self.end()
    }
}

impl ser::SerializeStructVariant for Members<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
        self.field(key, value)
    }

    fn end(self) -> Result {
        self.end()
    }
}
