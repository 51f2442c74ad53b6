//! Entry bundles: up to 256 entries, each behind its length in two big-endian bytes (C2SP tlog-tiles).

/// Longest entry that an entry bundle can hold. Bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// A byte sequence that is not an entry bundle, or an entry that cannot be in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("the entry bundle ends inside the entry at byte {offset}")]
    Cut { offset: usize },
    #[error("an entry of {len} bytes is longer than 65,535")]
    EntryTooLong { len: usize },
}

impl BundleError {
    /// Returns where in the entry bundle it is. Bytes.
    #[must_use]
    pub const fn offset(self) -> usize {
        match self {
            Self::Cut { offset } => offset,
            Self::EntryTooLong { .. } => 0,
        }
    }
}

/// Writes an entry bundle.
///
/// # Errors
/// [`BundleError::EntryTooLong`] when an entry is longer than [`ENTRY_BYTES_MAX`].
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut out = Vec::new();
    for entry in entries {
        append(&mut out, entry)?;
    }
    Ok(out)
}

/// Appends one entry to an entry bundle.
fn append(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let len = u16::try_from(entry.len()).map_err(|_err| BundleError::EntryTooLong { len: entry.len() })?;
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads an entry bundle: its entries in order, each with the offset of its first byte after the length.
///
/// The iterator ends after the first error.
#[must_use]
pub fn decode_bundle(bytes: &[u8]) -> Entries<'_> {
    Entries { bytes, at: 0 }
}

/// The entries of an entry bundle; see [`decode_bundle`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(usize, &'a [u8]), BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        if start >= self.bytes.len() {
            return None;
        }
        let entry = self.bytes.get(start..start + 2).and_then(|prefix| {
            let len = usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
            self.bytes.get(start + 2..start + 2 + len)
        });
        if let Some(entry) = entry {
            self.at = start + 2 + entry.len();
            Some(Ok((start + 2, entry)))
        } else {
            self.at = self.bytes.len();
            Some(Err(BundleError::Cut { offset: start }))
        }
    }
}
