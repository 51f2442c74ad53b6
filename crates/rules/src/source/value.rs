//! Scalars, lists and tunables as they are written in rule files. Does not resolve `$names`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::located::Text;

/// A list of texts, or `$name` of a tunable that is a list.
#[derive(Debug, Clone)]
pub(crate) enum ListSource {
    Items(Vec<Text>),
    /// The name with its `$`.
    Name(String),
}

/// The value of a tunable: a text (numbers keep their spelling) or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tunable {
    Text(String),
    List(Vec<String>),
}

impl fmt::Display for Tunable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::List(items) => f.write_str(&items.join(", ")),
        }
    }
}

impl<'de> Deserialize<'de> for ListSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = ListSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts, or $name of a value that is a list")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ListSource, E> {
                if text.starts_with('$') {
                    return Ok(ListSource::Name(text.to_owned()));
                }
                Err(E::invalid_type(serde::de::Unexpected::Str(text), &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ListSource, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(ListSource::Items(items))
            }
        }
        deserializer.deserialize_any(ListVisitor)
    }
}

impl JsonSchema for ListSource {
    fn schema_name() -> Cow<'static, str> {
        "ListOrValueName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A list of texts, or $name of a value that is a list.",
            "anyOf": [
                {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
                {"type": "string", "pattern": "^\\$"}
            ]
        })
    }
}

impl<'de> Deserialize<'de> for Tunable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TunableVisitor;
        impl<'de> Visitor<'de> for TunableVisitor {
            type Value = Tunable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer, a text or a list of texts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Tunable, E> {
                Ok(Tunable::Text(text.to_owned()))
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Tunable, E> {
                Ok(Tunable::Text(value.to_string()))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Tunable, E> {
                Ok(Tunable::Text(value.to_string()))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Tunable, E> {
                Ok(Tunable::Text(value.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tunable, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<String>()? {
                    items.push(item);
                }
                Ok(Tunable::List(items))
            }
        }
        deserializer.deserialize_any(TunableVisitor)
    }
}

impl JsonSchema for Tunable {
    fn schema_name() -> Cow<'static, str> {
        "TunableValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An integer, a text or a list of texts.",
            "type": ["string", "integer", "boolean", "array"],
            "items": {"type": ["string", "integer", "boolean"]}
        })
    }
}
