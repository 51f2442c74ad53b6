//! `manifest.json`: what a bundle holds. It is not signed and needs not be: a verifier derives it again from
//! the other files and demands equal bytes.

use serde::{Deserialize, Serialize};

use crate::canonical::{self, InvalidValue};
use crate::checkpoint::TreeHead;
use crate::hex;

/// Name and version of the bundle format.
pub const MANIFEST_FORMAT: &str = "plumbline.bundle/1";

/// The content of `manifest.json`, in canonical JSON without a final line feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`MANIFEST_FORMAT`].
    pub format: String,
    pub origin: String,
    /// Tree size of the checkpoint.
    pub size: u64,
    /// Root of the checkpoint. 64 hexadecimal digits.
    pub root: String,
    pub range: Range,
    pub counts: Counts,
    /// The files that neither their name nor the tree commits to, by path.
    pub files: Vec<FileLine>,
}

/// The entries that a bundle holds: `from..to`, at least one of a log that has any. Both stand at ends of entry bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// A multiple of 256.
    pub from: u64,
    /// A multiple of 256, or the tree size.
    pub to: u64,
}

/// Which entries a bundle must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those that its manifest names. For who knows the manifest by its digest: anybody can write another one.
    Named,
    /// Every entry behind the checkpoint.
    Whole,
    /// These and no other.
    Part(Range),
}

/// How many files of each kind a bundle holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub bodies: u64,
    pub entry_bundles: u64,
    pub evidence: u64,
    pub manifests: u64,
    pub tiles: u64,
}

/// One file with its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLine {
    pub path: String,
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

impl FileLine {
    /// Describes a file.
    #[must_use]
    pub fn of(path: &str, bytes: &[u8]) -> Self {
        Self { path: path.to_owned(), sha256: hex::encode(&crate::sha256(bytes)), size: bytes.len() as u64 }
    }
}

impl Range {
    /// Returns the whole of a log.
    #[must_use]
    pub const fn whole(size: u64) -> Self {
        Self { from: 0, to: size }
    }

    /// Tells whether the range can be one of a bundle of a log of `size` entries.
    #[must_use]
    pub const fn fits(self, size: u64) -> bool {
        (self.from < self.to || size == 0)
            && self.from <= self.to
            && self.to <= size
            && self.from.is_multiple_of(256)
            && (self.to.is_multiple_of(256) || self.to == size)
    }
}

impl Manifest {
    /// Makes the manifest of a bundle.
    #[must_use]
    pub fn new(head: &TreeHead, range: Range, counts: Counts, files: Vec<FileLine>) -> Self {
        Self {
            format: MANIFEST_FORMAT.to_owned(),
            origin: head.origin.clone(),
            size: head.size,
            root: hex::encode(&head.root),
            range,
            counts,
            files,
        }
    }

    /// Returns the bytes of `manifest.json`.
    ///
    /// # Errors
    /// When a number lies beyond 2^53-1.
    pub fn to_bytes(&self) -> Result<Vec<u8>, InvalidValue> {
        canonical::to_bytes(self)
    }

    /// Reads `manifest.json`.
    ///
    /// # Errors
    /// The offset and what is wrong there, when it is not canonical JSON of this shape and format.
    pub fn parse(bytes: &[u8]) -> Result<Self, (usize, String)> {
        let value = canonical::parse_canonical(bytes).map_err(|err| {
            let offset = match &err {
                canonical::NotCanonical::Differs { offset } => *offset,
                canonical::NotCanonical::Invalid(invalid) => invalid.offset,
            };
            (offset, err.to_string())
        })?;
        let manifest: Self = serde_json::from_value(value).map_err(|err| (0, err.to_string()))?;
        if manifest.format != MANIFEST_FORMAT {
            return Err((0, format!("the format is not {MANIFEST_FORMAT}")));
        }
        if !manifest.range.fits(manifest.size) {
            return Err((0, "the range is empty or does not stand at ends of entry bundles".to_owned()));
        }
        Ok(manifest)
    }
}
