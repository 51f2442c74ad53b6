//! A serde serializer into JSON values that refuses what the usual one would change silently: numbers that
//! are not finite (it writes null) and repeated keys (it keeps the last).

use std::fmt;

use serde::ser::{self, Serialize};
use serde_json::{Map, Number, Value};

use super::{Problem, b64};

pub(super) struct ToValue;

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

type Result<T = Value> = std::result::Result<T, Refusal>;

/// An array being filled, and the variant name to wrap it in.
pub(super) struct Items {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

/// An object being filled, the key that waits for its value, and the variant name to wrap it in.
pub(super) struct Members {
    variant: Option<&'static str>,
    members: Map<String, Value>,
    key: Option<String>,
}

impl Members {
    fn new(variant: Option<&'static str>) -> Self {
        Self { variant, members: Map::new(), key: None }
    }

    fn put(&mut self, key: String, value: Value) -> Result<()> {
        match self.members.insert(key, value) {
            Some(_) => Err(Refusal(Problem::DuplicateKey)),
            None => Ok(()),
        }
    }
}

fn wrapped(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(name) => Value::Object(Map::from_iter([(name.to_owned(), value)])),
        None => value,
    }
}

impl ser::Serializer for ToValue {
    type Ok = Value;
    type Error = Refusal;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    fn serialize_bool(self, value: bool) -> Result {
        Ok(Value::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Result {
        Ok(Value::from(value))
    }

    fn serialize_i16(self, value: i16) -> Result {
        Ok(Value::from(value))
    }

    fn serialize_i32(self, value: i32) -> Result {
        Ok(Value::from(value))
    }

    fn serialize_i64(self, value: i64) -> Result {
        Ok(Value::from(value))
    }

    fn serialize_u8(self, value: u8) -> Result {
        Ok(Value::from(value))
    }

    fn serialize_u16(self, value: u16) -> Result {
        Ok(Value::from(value))
    }

    fn serialize_u32(self, value: u32) -> Result {
        Ok(Value::from(value))
    }

    fn serialize_u64(self, value: u64) -> Result {
        Ok(Value::from(value))
    }

    fn serialize_f32(self, value: f32) -> Result {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result {
        Number::from_f64(value).map(Value::Number).ok_or(Refusal(Problem::NotFinite))
    }

    fn serialize_char(self, value: char) -> Result {
        Ok(Value::String(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result {
        Ok(Value::String(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        Ok(b64(value))
    }

    fn serialize_none(self) -> Result {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result {
        Ok(Value::String(variant.to_owned()))
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
        Ok(wrapped(Some(variant), value.serialize(Self)?))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Items> {
        Ok(Items { variant: None, items: Vec::new() })
    }

    fn serialize_tuple(self, len: usize) -> Result<Items> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Items> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Items> {
        Ok(Items { variant: Some(variant), items: Vec::new() })
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Members> {
        Ok(Members::new(None))
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Members> {
        Ok(Members::new(None))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Members> {
        Ok(Members::new(Some(variant)))
    }
}

impl ser::SerializeSeq for Items {
    type Ok = Value;
    type Error = Refusal;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.items.push(value.serialize(ToValue)?);
        Ok(())
    }

    fn end(self) -> Result {
        Ok(wrapped(self.variant, Value::Array(self.items)))
    }
}

impl ser::SerializeTuple for Items {
    type Ok = Value;
    type Error = Refusal;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for Items {
    type Ok = Value;
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleVariant for Items {
    type Ok = Value;
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeMap for Members {
    type Ok = Value;
    type Error = Refusal;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        match key.serialize(ToValue)? {
            Value::String(text) => {
                self.key = Some(text);
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(Refusal(Problem::KeyNotString))
            }
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = self.key.take().ok_or(Refusal(Problem::KeyNotString))?;
        self.put(key, value.serialize(ToValue)?)
    }

    fn end(self) -> Result {
        Ok(wrapped(self.variant, Value::Object(self.members)))
    }
}

impl ser::SerializeStruct for Members {
    type Ok = Value;
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        self.put(key.to_owned(), value.serialize(ToValue)?)
    }

    fn end(self) -> Result {
        ser::SerializeMap::end(self)
    }
}

impl ser::SerializeStructVariant for Members {
    type Ok = Value;
    type Error = Refusal;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        self.put(key.to_owned(), value.serialize(ToValue)?)
    }

    fn end(self) -> Result {
        ser::SerializeMap::end(self)
    }
}
