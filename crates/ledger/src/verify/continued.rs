//! Logs that go on with another (LED-39): what the first entry says of the log that ended, and how much of that
//! one can be shown.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::events::member;
use super::{Finding, FindingCode};
use crate::bundle::Range;
use crate::checkpoint::{self, TreeHead};
use crate::note::VerifierKey;
use crate::{Hash, hex};

/// What the first entry of a log says of the one that it goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// The last known head of the old log, which its key signed.
    pub head: TreeHead,
    /// The signed checkpoint that says so.
    pub checkpoint: String,
    /// The key that signed it.
    pub key: VerifierKey,
    /// Entries that the database still had, under a head that the old log signed.
    pub kept: u64,
    /// Entries that it held, with those behind the kept ones that no head of the old log covers.
    pub held: u64,
    /// Root over the entries held.
    pub held_root: Hash,
}

/// What a report says of a log that the verified one goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continued {
    pub origin: String,
    /// Its last known size. Entries.
    pub size: u64,
    /// Root of its last known head. 64 hexadecimal digits.
    pub root: String,
    /// The entries before this one are here, under a head that the old log signed.
    pub present: u64,
    /// The entries that are not here; nothing when all are.
    pub missing: Option<Range>,
    /// Entries that were recorded behind those kept and before the new log began, under no head of the old log;
    /// only the new log vouches for them. They are not the missing ones, whatever their indexes.
    pub unsigned: Option<Range>,
}

impl Continuation {
    /// Reads it from the body of a log's first entry; nothing when the log goes on with none.
    ///
    /// # Errors
    /// What is wrong with it, when it does not hold together: its checkpoint has to be signed by the key it
    /// names and to say the size and root that it names.
    pub fn read(body: &Value) -> Result<Option<Self>, String> {
        let Some(named) = member(body, &["row", "continues"]) else { return Ok(None) };
        let text = |name: &str| {
            let text = named.get(name).and_then(Value::as_str);
            text.ok_or_else(|| format!("the log that it continues is named without {name}"))
        };
        let number = |name: &str| {
            let number = named.get(name).and_then(Value::as_u64);
            number.ok_or_else(|| format!("the log that it continues is named without {name}"))
        };
        let root = |name: &str| hex::decode(text(name)?).ok_or_else(|| format!("{name} is not a digest"));
        let key: VerifierKey = text("vkey")?.parse().map_err(|err| format!("vkey: {err}"))?;
        let note = text("checkpoint")?.to_owned();
        let signed = checkpoint::open(note.as_bytes(), std::slice::from_ref(&key))
            .map_err(|err| format!("the checkpoint of the log that it continues: {err}"))?;
        let head =
            TreeHead { origin: text("origin")?.to_owned(), size: number("size")?, root: root("root")? };
        let (kept, held) = (number("kept")?, number("held")?);
        if signed.head != head {
            return Err("origin, size and root of the log that it continues are not its checkpoint's".into());
        }
        if kept > held.min(head.size) {
            return Err(format!("it cannot have kept {kept} of {held} entries that were held"));
        }
        Ok(Some(Self { head, checkpoint: note, key, kept, held, held_root: root("held_root")? }))
    }

    /// Returns what to report where the first `present` entries of the old log are here. The unsigned ones are
    /// named where `with_unsigned` says that they are here, too.
    #[must_use]
    pub fn account(&self, present: u64, with_unsigned: bool) -> Continued {
        let range = |from, to| (from < to).then_some(Range { from, to });
        Continued {
            origin: self.head.origin.clone(),
            size: self.head.size,
            root: hex::encode(&self.head.root),
            present,
            missing: range(present, self.head.size),
            unsigned: range(self.kept, self.held).filter(|_range| with_unsigned),
        }
    }

    /// Judges a head of the old log, signed and known from elsewhere: one beyond the last known head, or another
    /// one of its size, means that the old log was longer or another one than its successor says.
    #[must_use]
    pub fn judge(&self, head: &TreeHead, code: FindingCode) -> Option<Finding> {
        let detail = if head.size > self.head.size {
            format!(
                "{} signed a head over {} entries, and its last known size is said to be {}",
                head.origin, head.size, self.head.size
            )
        } else if head.size == self.head.size && head.root != self.head.root {
            format!("{} signed two heads over {} entries", head.origin, head.size)
        } else {
            return None;
        };
        Some(Finding::new(code, detail))
    }
}
