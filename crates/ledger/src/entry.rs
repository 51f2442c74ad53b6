//! Ledger entries: the small canonical JSON that is a leaf of the tree, and commits to a body by digest.
//!
//! Values never stand in an entry (LED-08). It does not assign indexes or times.

mod instant;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{self, InvalidValue, NotCanonical, Problem};
use crate::{Hash, hex};

pub use crate::tile::ENTRY_BYTES_MAX;
pub use instant::{instant_seconds, is_instant};

/// The entry version that this program writes and reads.
pub const VERSION: u64 = 1;
/// Longest `log`, `table`, `row` and `actor`. Bytes.
pub const NAME_BYTES_MAX: usize = 1_024;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// What an entry records. A closed set; a verifier that meets another kind never says verified.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EntryKind {
            $($(#[$doc])* #[serde(rename = $text)] $variant),+
        }

        impl EntryKind {
            /// Every kind, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the written name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl FromStr for EntryKind {
            type Err = EntryError;

            fn from_str(text: &str) -> Result<Self, EntryError> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(EntryError::Unsupported {
                        what: "kind",
                        found: other.chars().take(80).collect(),
                    }),
                }
            }
        }
    };
}

kinds! {
    FindingChanged = "finding.changed",
    ScanManifest = "scan.manifest",
    HostChanged = "host.changed",
    HostKeyChanged = "host_key.changed",
    FactPut = "fact.put",
    FactRetired = "fact.retired",
    EdgePut = "edge.put",
    EdgeRetired = "edge.retired",
    ChangeStep = "change.step",
    MemoryOp = "memory.op",
    AuditRecord = "audit.record",
    LogGenesis = "log.genesis",
    LogStarted = "log.started",
    LogConfig = "log.config",
    KeyRotated = "key.rotated",
    SegmentSealed = "segment.sealed",
    SegmentPruned = "segment.pruned",
    BodyErased = "body.erased",
    HoldChanged = "hold.changed",
    Seam = "seam",
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Opaque id of the log; never reused.
    pub log: String,
    /// Position in the log, from 0 without gaps.
    pub index: u64,
    /// Recorded time, `YYYY-MM-DDThh:mm:ss.ffffffZ`; never earlier than that of the entry before.
    pub at: String,
    pub kind: EntryKind,
    /// The state table that changed.
    pub table: String,
    /// The row's key in that table.
    pub row: String,
    /// Who asked for the change.
    pub actor: String,
    /// SHA-256 of the body.
    pub body_sha256: Hash,
    /// Length of the body. Bytes.
    pub body_len: u64,
}

/// Bytes that are not an entry, or an entry that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("an entry is at most 65,535 bytes, this one has {len}")]
    TooLong { len: usize },
    #[error("the entry is malformed at byte {offset}: {problem}")]
    Malformed { offset: usize, problem: String },
    #[error("the entry is not canonical from byte {offset} on")]
    NotCanonical { offset: usize },
    #[error("this program does not know the entry's {what} {found:?}")]
    Unsupported { what: &'static str, found: String },
    #[error("the entry's member {member:?} is missing or not what it must be")]
    Member { member: &'static str },
    #[error("the entry has a member that version 1 does not know")]
    ExtraMember,
}

/// The written members, in the order in which they are written.
#[derive(Serialize)]
struct Written<'a> {
    actor: &'a str,
    at: &'a str,
    body_len: u64,
    body_sha256: String,
    index: u64,
    kind: EntryKind,
    log: &'a str,
    row: &'a str,
    table: &'a str,
    v: u64,
}

impl Entry {
    /// Returns the canonical bytes: what is hashed, stored and sent.
    ///
    /// # Errors
    /// [`EntryError`] when a member is not what it must be or the whole is longer than [`ENTRY_BYTES_MAX`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        let written = Written {
            actor: &self.actor,
            at: &self.at,
            body_len: self.body_len,
            body_sha256: hex::encode(&self.body_sha256),
            index: self.index,
            kind: self.kind,
            log: &self.log,
            row: &self.row,
            table: &self.table,
            v: VERSION,
        };
        let bytes = canonical::to_bytes(&written).map_err(|err| invalid(&err))?;
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong { len: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`EntryError`] for every byte sequence that [`Entry::to_bytes`] does not write.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong { len: bytes.len() });
        }
        let value = canonical::parse_canonical(bytes).map_err(|err| match err {
            NotCanonical::Invalid(err) => invalid(&err),
            NotCanonical::Differs { offset } => EntryError::NotCanonical { offset },
        })?;
        let Value::Object(members) = value else {
            return Err(EntryError::Malformed { offset: 0, problem: "it is not an object".to_owned() });
        };
        let version = members.get("v").ok_or(EntryError::Member { member: "v" })?;
        if version.as_u64() != Some(VERSION) {
            let found = version.to_string().chars().take(80).collect();
            return Err(EntryError::Unsupported { what: "version", found });
        }
        if members.len() > 10 {
            return Err(EntryError::ExtraMember);
        }
        let text = |member: &'static str| {
            members.get(member).and_then(Value::as_str).ok_or(EntryError::Member { member })
        };
        let number = |member: &'static str| {
            members.get(member).and_then(Value::as_u64).ok_or(EntryError::Member { member })
        };
        let entry = Self {
            kind: text("kind")?.parse()?,
            log: text("log")?.to_owned(),
            index: number("index")?,
            at: text("at")?.to_owned(),
            table: text("table")?.to_owned(),
            row: text("row")?.to_owned(),
            actor: text("actor")?.to_owned(),
            body_sha256: hex::decode(text("body_sha256")?)
                .ok_or(EntryError::Member { member: "body_sha256" })?,
            body_len: number("body_len")?,
        };
        entry.check()?;
        Ok(entry)
    }

    /// Checks the members that a type does not hold already.
    fn check(&self) -> Result<(), EntryError> {
        let names = [("log", &self.log), ("table", &self.table), ("row", &self.row), ("actor", &self.actor)];
        for (member, text) in names {
            if text.trim().is_empty() || text.len() > NAME_BYTES_MAX {
                return Err(EntryError::Member { member });
            }
        }
        if is_instant(&self.at) { Ok(()) } else { Err(EntryError::Member { member: "at" }) }
    }
}

fn invalid(err: &InvalidValue) -> EntryError {
    if err.problem == Problem::DuplicateKey {
        return EntryError::NotCanonical { offset: err.offset };
    }
    EntryError::Malformed { offset: err.offset, problem: err.problem.to_string() }
}
