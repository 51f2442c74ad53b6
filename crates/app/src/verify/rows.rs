//! What the newest entry of each row commits to, held small: a log of a million entries has a million rows.

use std::borrow::Cow;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Hexadecimal digits of a body's nonce.
const NONCE_DIGITS: usize = 32;

/// Stands for bytes. Made under keys that this process drew and keeps, so nobody can look for two texts with one
/// print; by chance, two of a million do with a probability of 2^-89.
pub(super) type Print = [u64; 2];

/// What an entry commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Committed {
    /// The entry's index, counted on through the logs of the tenant.
    pub(super) position: u64,
    /// Print of the record's canonical bytes; nothing when the body was erased.
    record: Option<Print>,
}

impl Committed {
    /// Tells whether the print of a record is that of what was committed to; yes where nothing more than the row was.
    pub(super) fn holds(&self, record: Option<Print>) -> bool {
        self.record.is_none_or(|committed| record == Some(committed))
    }
}

/// As [`Committed`], packed: no print of a record is all zeros.
#[derive(Debug, Clone, Copy)]
struct Packed {
    key: Print,
    position: u64,
    record: Print,
}

/// Makes prints. Clones have the same keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Printer([RandomState; 2]);

impl Printer {
    fn print(&self, parts: [&[u8]; 2]) -> Print {
        self.0.each_ref().map(|keys| {
            let mut hasher = keys.build_hasher();
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            hasher.finish()
        })
    }

    pub(super) fn key(&self, table: &str, row: &str) -> Print {
        self.print([table.as_bytes(), row.as_bytes()])
    }

    pub(super) fn record(&self, bytes: &[u8]) -> Print {
        let [one, other] = self.print([b"", bytes]);
        [one, other.max(1)]
    }
}

/// Newest commitment of each row. Filled in log order, then closed, then asked.
#[derive(Debug, Default)]
pub(super) struct Commitments {
    all: Vec<Packed>,
    /// One bit for each of `all`: set once the row was found.
    seen: Vec<u64>,
    printer: Printer,
}

const BITS: usize = 64;

impl Commitments {
    /// Returns what makes the prints that this is asked by.
    pub(super) fn printer(&self) -> &Printer {
        &self.printer
    }

    /// Adds what the entry at `position` commits to: the record of a row, or nothing more than the row.
    pub(super) fn push(&mut self, row: Print, position: u64, record: Option<Print>) {
        self.all.push(Packed { key: row, position, record: record.unwrap_or_default() });
    }

    /// Ends the filling: of each row, only its newest commitment stays.
    pub(super) fn close(&mut self) {
        self.all.sort_unstable_by_key(|packed| (packed.key, std::cmp::Reverse(packed.position)));
        self.all.dedup_by_key(|packed| packed.key);
        self.seen = vec![0; self.all.len().div_ceil(BITS)];
    }

    /// Returns what is committed to for a row that was found, and notes that it was.
    pub(super) fn find(&mut self, key: Print) -> Option<Committed> {
        let at = self.all.binary_search_by_key(&key, |packed| packed.key).ok()?;
        self.seen[at / BITS] |= 1 << (at % BITS);
        let packed = &self.all[at];
        let record = (packed.record != Print::default()).then_some(packed.record);
        Some(Committed { position: packed.position, record })
    }

    /// Returns the positions of the newest entries of rows that were not found, in log order.
    pub(super) fn unseen(&self) -> Vec<u64> {
        let unseen = |at: &usize| self.seen[at / BITS] & (1 << (at % BITS)) == 0;
        let mut positions: Vec<u64> =
            (0..self.all.len()).filter(unseen).map(|at| self.all[at].position).collect();
        positions.sort_unstable();
        positions
    }
}

/// Returns the canonical bytes of the record in a body.
pub(super) fn record_of(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    if let Some(record) = record_bytes(body) {
        return Some(Cow::Borrowed(record));
    }
    let body = ledger::canonical::parse(body).ok()?;
    ledger::canonical::to_bytes(body.get("row")?).ok().map(Cow::Owned)
}

/// Cuts the record out of a body of the usual members. In canonical form they stand in order, so that the record's
/// own bytes lie between the two others and need not be rendered again. Whether the body is in that form is
/// checked where it is read.
fn record_bytes(body: &[u8]) -> Option<&[u8]> {
    let (nonce, rest) = body.strip_prefix(b"{\"nonce\":\"")?.split_at_checked(NONCE_DIGITS)?;
    let rest = rest.strip_prefix(b"\",\"row\":")?;
    let name = b",\"schema\":\"";
    let at = rest.windows(name.len()).rposition(|part| part == name)?;
    let schema = rest[at + name.len()..].strip_suffix(b"\"}")?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._/".contains(byte);
    (nonce.iter().all(u8::is_ascii_hexdigit) && schema.iter().all(plain)).then_some(&rest[..at])
}

#[cfg(test)]
mod tests;
