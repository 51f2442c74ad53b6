//! Anchor files: checkpoints as lines of a file on another trust domain, each line chained to the one before
//! (LED-07, LED-31; docs/formats/anchor.md). It reads and renders lines and does no I/O.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::canonical::{self, InvalidValue};
use crate::{Hash, hex, sha256};

/// Longest line. Bytes.
pub const LINE_BYTES_MAX: usize = 131_072;
/// Most lines of a file that are read.
pub const LINES_MAX: usize = 10_000_000;
/// The line version that this program writes and reads.
pub const VERSION: u64 = 1;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A signed checkpoint, as text.
    Head { note: String },
    /// The line before could not be read and lies in another file now.
    Seam {
        /// SHA-256 of the bytes that were moved away.
        quarantined: Hash,
    },
}

/// One line of an anchor file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the line, from 1.
    pub number: u64,
    /// SHA-256 of the line before with its line feed; nothing for the first.
    pub previous: Option<Hash>,
    /// When it was appended, `YYYY-MM-DDThh:mm:ss.ffffffZ`.
    pub at: String,
    pub what: What,
}

/// The end of a file that the next line follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail {
    /// Number of the last line; 0 for an empty file.
    pub number: u64,
    /// Its SHA-256.
    pub sha256: Option<Hash>,
}

/// Why bytes are not the next line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("the line does not end, or is longer than 131,072 bytes")]
    Torn,
    #[error("the line is not canonical JSON of an anchor line: {0}")]
    Malformed(String),
    #[error("the line is number {found}, number {expected} belongs here")]
    Number { expected: u64, found: u64 },
    #[error("the line does not follow from the one before")]
    Chain,
}

impl Line {
    /// Returns the line that follows `tail`, with its line feed.
    ///
    /// # Errors
    /// When a number lies beyond 2^53-1.
    pub fn after(tail: Tail, at: &str, what: What) -> Result<Vec<u8>, InvalidValue> {
        let mut line = json!({
            "v": VERSION,
            "n": tail.number + 1,
            "prev": tail.sha256.as_ref().map(hex::encode),
            "at": at,
        });
        match what {
            What::Head { note } => line["checkpoint"] = Value::String(note),
            What::Seam { quarantined } => line["seam"] = Value::String(hex::encode(&quarantined)),
        }
        let mut bytes = canonical::to_bytes(&line)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the line that must follow `tail`; `bytes` has its line feed.
    ///
    /// # Errors
    /// [`LineError`] for whatever [`Line::after`] does not write there.
    pub fn parse(tail: Tail, bytes: &[u8]) -> Result<Self, LineError> {
        let line = Self::parse_any(bytes)?;
        if line.number != tail.number + 1 {
            return Err(LineError::Number { expected: tail.number + 1, found: line.number });
        }
        if line.previous != tail.sha256 {
            return Err(LineError::Chain);
        }
        Ok(line)
    }

    /// Reads a line wherever it stands: the last one of a file, which the next is to follow.
    ///
    /// # Errors
    /// As [`Line::parse`], but for what concerns the line before.
    pub fn parse_any(bytes: &[u8]) -> Result<Self, LineError> {
        let text =
            bytes.strip_suffix(b"\n").filter(|text| text.len() < LINE_BYTES_MAX).ok_or(LineError::Torn)?;
        let value = canonical::parse_canonical(text).map_err(|err| LineError::Malformed(err.to_string()))?;
        let Value::Object(members) = value else {
            return Err(LineError::Malformed("it is not an object".to_owned()));
        };
        read_members(&members)
            .ok_or_else(|| LineError::Malformed("a member is not what it must be".to_owned()))
    }
}

impl Tail {
    /// Returns the tail behind a line.
    #[must_use]
    pub fn behind(line: &Line, bytes: &[u8]) -> Self {
        Self { number: line.number, sha256: Some(sha256(bytes)) }
    }
}

fn read_members(members: &Map<String, Value>) -> Option<Line> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if members.len() != 5 || members.get("v").and_then(Value::as_u64) != Some(VERSION) {
        return None;
    }
    let at = text("at").filter(|at| crate::entry::is_instant(at))?.to_owned();
    let previous = members.get("prev").filter(|previous| !previous.is_null());
    let previous = previous.map(|previous| previous.as_str().and_then(hex::decode));
    if !members.contains_key("prev") || previous == Some(None) {
        return None;
    }
    let previous = previous.flatten();
    let what = match (text("checkpoint"), text("seam")) {
        (Some(note), None) => What::Head { note: note.to_owned() },
        (None, Some(seam)) => What::Seam { quarantined: hex::decode(seam)? },
        (Some(_), Some(_)) | (None, None) => return None,
    };
    Some(Line { number: members.get("n").and_then(Value::as_u64)?, previous, at, what })
}
