//! The ledger as a stranger can check it: canonical bytes, hashes, tree heads, proofs, signed notes, tiles,
//! bundles and their verification.
//!
//! Everything here is pure: bytes in, bytes or findings out. It does no I/O, reads no clock, makes no
//! randomness and knows nothing of hosts, rules or databases. What it writes follows published formats
//! (RFC 8785, RFC 6962, RFC 9162, C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-cosignature, tlog-policy,
//! tlog-witness), so that others can check it with their own programs; the pages in `docs/formats` say the rest.

pub mod anchor;
pub mod bundle;
pub mod canonical;
pub mod checkpoint;
pub mod cosignature;
pub mod entry;
pub mod hex;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tile;
pub mod tree;
pub mod verify;
pub mod witness;

pub use canonical::InvalidValue;
pub use checkpoint::TreeHead;
pub use entry::{Entry, EntryKind};
pub use note::{Signer, VerifierKey};
pub use policy::Policy;
pub use verify::{Finding, FindingCode, Report};

/// A SHA-256 digest (FIPS 180-4). 32 bytes.
pub type Hash = [u8; 32];

/// Returns the SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}
