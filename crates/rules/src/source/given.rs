//! What a host answers in a rule's tests: raw answers by probe, or short forms that are turned into them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::located::Located;

/// Answers of one host, by probe.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenSource {
    /// Raw answer of the effective sshd configuration.
    #[serde(default)]
    pub(crate) sshd: Option<Located<Answer>>,
    /// Path to `MODE OWNER GROUP KIND`, or `absent`, or `denied`.
    #[serde(default)]
    pub(crate) stat: Option<Located<Answer>>,
    /// Raw answer of the text probe.
    #[serde(default)]
    pub(crate) text_files: Option<Located<Answer>>,
    /// Path to text; paths that are not named are absent.
    #[serde(default)]
    pub(crate) files: Option<BTreeMap<String, String>>,
    /// Paths that the login may not read.
    #[serde(default)]
    pub(crate) unreadable: Option<Vec<String>>,
    /// Lines of /proc/self/mounts.
    #[serde(default)]
    pub(crate) mounts: Option<Vec<String>>,
    /// Loaded modules.
    #[serde(default)]
    pub(crate) modules: Option<Vec<String>>,
    /// Modules on disk for the running kernel, or `NAME builtin`.
    #[serde(default)]
    pub(crate) modules_available: Option<Located<Answer>>,
    /// Kernel command line.
    #[serde(default)]
    pub(crate) cmdline: Option<String>,
    /// Key to value, or `absent`.
    #[serde(default)]
    pub(crate) sysctl: Option<Located<Answer>>,
    /// Package to version.
    #[serde(default)]
    pub(crate) packages: Option<Located<Answer>>,
    /// Unit file to state.
    #[serde(default)]
    pub(crate) unit_files: Option<Located<Answer>>,
    /// Unit to active state.
    #[serde(default)]
    pub(crate) units: Option<Located<Answer>>,
    /// `NAME KIND LAST MIN MAX WARN INACTIVE EXPIRE`, `-` for an empty field.
    #[serde(default)]
    pub(crate) shadow: Option<Located<Answer>>,
    /// User to `present` or `absent`.
    #[serde(default)]
    pub(crate) homes: Option<Located<Answer>>,
    /// `home PATH MODE UID`, `absent PATH`, `denied PATH`; behind a home `file PATH MODE UID` or
    /// `link PATH UID TARGET`.
    #[serde(default)]
    pub(crate) home_files: Option<Located<Answer>>,
    /// Lines of `auditctl -l`; `locked` locks the configuration, `off` turns auditing off.
    #[serde(default)]
    pub(crate) audit: Option<Located<Answer>>,
    /// `KIND MODE OWNER GROUP PATH`.
    #[serde(default)]
    pub(crate) walk: Option<Located<Answer>>,
    /// Raw answer of a `command` check.
    #[serde(default)]
    pub(crate) command: Option<Located<Answer>>,
}

/// One probe's answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Raw(RawAnswer),
    Map(BTreeMap<String, String>),
    List(Vec<String>),
}

/// An answer to the byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawAnswer {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: i32,
    /// The probe was ended by its time limit.
    pub(crate) timed_out: bool,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnswerVisitor;
        impl<'de> Visitor<'de> for AnswerVisitor {
            type Value = Answer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("stdout, stderr and exit, or this probe's short form")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Answer, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<String>()? {
                    items.push(item);
                }
                Ok(Answer::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answer, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    entries.insert(key, value);
                }
                let raw = |key: &String| ["stdout", "stderr", "exit", "timed_out"].contains(&key.as_str());
                if entries.is_empty() || !entries.keys().any(raw) {
                    return Ok(Answer::Map(entries));
                }
                raw_answer(entries).map(Answer::Raw).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(AnswerVisitor)
    }
}

fn raw_answer(entries: BTreeMap<String, String>) -> Result<RawAnswer, String> {
    let mut answer = RawAnswer::default();
    for (key, value) in entries {
        match key.as_str() {
            "stdout" => answer.stdout = value,
            "stderr" => answer.stderr = value,
            "exit" => {
                answer.exit = value
                    .parse()
                    .ok()
                    .filter(|code| (0..=255).contains(code))
                    .ok_or_else(|| format!("exit is 0 to 255, not {value:?}"))?;
            }
            "timed_out" => {
                answer.timed_out =
                    value.parse().map_err(|_err| format!("timed_out is true or false, not {value:?}"))?;
            }
            other => return Err(format!("unknown field {other:?}; known: stdout, stderr, exit, timed_out")),
        }
    }
    Ok(answer)
}

impl JsonSchema for Answer {
    fn schema_name() -> Cow<'static, str> {
        "ProbeAnswer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "stdout, stderr and exit (default 0), or the probe's short form.",
            "type": ["object", "array"]
        })
    }
}
