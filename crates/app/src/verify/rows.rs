//! What the newest entry of each row commits to, held small: a log of a million entries has a million rows.

use ledger::Hash;

/// Bytes of the digest that stands for a table and a row. 128 bits: whoever finds two rows with one digest has
/// broken more than this.
const KEY_BYTES: usize = 16;

/// Hexadecimal digits of a body's nonce.
const NONCE_DIGITS: usize = 32;

/// Names a row.
type Key = [u8; KEY_BYTES];

/// What an entry commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Committed {
    /// The entry's index, counted on through the logs of the tenant.
    pub(super) position: u64,
    /// Digest of the record; nothing when the body was erased.
    pub(super) record: Option<Hash>,
}

/// As [`Committed`], packed: no digest is all zeros.
#[derive(Debug, Clone, Copy)]
struct Packed {
    key: Key,
    position: u64,
    record: Hash,
}

/// Newest commitment of each row. Filled in log order, then closed, then asked.
#[derive(Debug, Default)]
pub(super) struct Commitments {
    all: Vec<Packed>,
    /// One bit for each of `all`: set once the row was found.
    seen: Vec<u64>,
}

const BITS: usize = 64;

fn key_of(table: &str, row: &str) -> Key {
    let digest = ledger::sha256(&[table.as_bytes(), b"\0", row.as_bytes()].concat());
    let mut key = [0; KEY_BYTES];
    key.copy_from_slice(&digest[..KEY_BYTES]);
    key
}

impl Commitments {
    pub(super) fn push(&mut self, (table, row): (&str, &str), committed: Committed) {
        let record = committed.record.unwrap_or_default();
        self.all.push(Packed { key: key_of(table, row), position: committed.position, record });
    }

    /// Ends the filling: of each row, only its newest commitment stays.
    pub(super) fn close(&mut self) {
        self.all.sort_unstable_by_key(|packed| (packed.key, std::cmp::Reverse(packed.position)));
        self.all.dedup_by_key(|packed| packed.key);
        self.seen = vec![0; self.all.len().div_ceil(BITS)];
    }

    /// Returns what is committed to for a row that was found, and notes that it was.
    pub(super) fn find(&mut self, table: &str, row: &str) -> Option<Committed> {
        let key = key_of(table, row);
        let at = self.all.binary_search_by_key(&key, |packed| packed.key).ok()?;
        self.seen[at / BITS] |= 1 << (at % BITS);
        let packed = &self.all[at];
        let record = (packed.record != Hash::default()).then_some(packed.record);
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

/// Returns the digest of the record in a body.
pub(super) fn record_of(body: &[u8]) -> Option<Hash> {
    if let Some(record) = record_bytes(body) {
        return Some(ledger::sha256(record));
    }
    let body = ledger::canonical::parse(body).ok()?;
    super::digest(body.get("row")?)
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
