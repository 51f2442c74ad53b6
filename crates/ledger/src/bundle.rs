//! Bundles: a log exported as files that anybody can verify offline with a public key (LED-25, LED-26).
//!
//! This module names the files, writes them and verifies them. It does no I/O: files come and go as bytes.
//! Trust comes from the key that the caller passes in, never from one in the bundle.

mod ahead;
mod files;
mod handover;
mod log;
mod manifest;
mod named;
#[cfg(test)]
mod tests;
mod tiles;
mod verify;
mod writer;

use crate::{Hash, hex};

pub use manifest::{Counts, Extent, FileLine, MANIFEST_FORMAT, Manifest, Range};
pub(crate) use verify::checkpoint_code;
pub use verify::{Options, Verified, verify_bundle, verify_one_of};
pub use writer::{BundleFile, BundleWriter, WriteError};

/// The signed checkpoint, with the cosignatures that it has.
pub const CHECKPOINT: &str = "checkpoint";
/// Folder of the older checkpoints that hand over from one key to the next, named by their size.
pub const CHECKPOINTS: &str = "checkpoints";
/// Folder with a bundle of the log that this one goes on with (LED-39), which is verified as a bundle of its own.
pub const CONTINUES: &str = "continues";
/// The log's public keys, one vkey a line. For convenience: no trust comes from it.
pub const VKEYS: &str = "vkeys";
/// What the bundle holds; see [`Manifest`].
pub const MANIFEST: &str = "manifest.json";

/// Largest `checkpoint`, `vkeys` and `manifest.json`. Bytes each.
pub const SMALL_FILE_BYTES_MAX: usize = 65_536;
/// Largest evidence blob. Bytes.
pub const EVIDENCE_BYTES_MAX: usize = 262_144;
/// Largest manifest of a scan. Bytes.
pub const SCAN_MANIFEST_BYTES_MAX: usize = 16_777_216;
/// Largest entry bundle: 256 entries of 65,535 bytes, each behind a length of 2. Bytes.
pub const ENTRY_BUNDLE_BYTES_MAX: usize = 256 * (2 + 65_535);

/// The folders whose files are named by their own digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Folder {
    Bodies,
    Evidence,
    Manifests,
}

impl Folder {
    /// Every folder.
    pub const ALL: [Self; 3] = [Self::Bodies, Self::Evidence, Self::Manifests];

    /// Returns the folder's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Evidence => "evidence",
            Self::Manifests => "manifests",
        }
    }

    /// Returns the largest file that the folder may hold. Bytes.
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        match self {
            Self::Bodies => crate::verify::BODY_BYTES_MAX,
            Self::Evidence => EVIDENCE_BYTES_MAX,
            Self::Manifests => SCAN_MANIFEST_BYTES_MAX,
        }
    }

    /// Returns the path of a file, `<folder>/<first 2 digits>/<64 digits>`.
    #[must_use]
    pub fn path(self, sha256: &Hash) -> String {
        let digits = hex::encode(sha256);
        format!("{}/{}/{digits}", self.name(), &digits[..2])
    }

    /// Reads such a path; nothing when it is not one in its written form.
    #[must_use]
    pub fn parse(path: &str) -> Option<(Self, Hash)> {
        let sha256 = hex::decode(path.rsplit('/').next()?)?;
        let folder = Self::ALL.into_iter().find(|folder| path.starts_with(folder.name()))?;
        (folder.path(&sha256) == path).then_some((folder, sha256))
    }
}
