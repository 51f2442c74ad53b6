//! The Merkle tree of RFC 6962 over SHA-256: hashes, the growing right edge, proofs and their verification.
//!
//! It does not know where hashes are kept: proofs read them through a closure, see [`crate::tile`].

mod proof;
#[cfg(test)]
pub(crate) mod tests;

use sha2::{Digest as _, Sha256};

use crate::Hash;

pub use proof::{
    ProofError, consistency_proof, inclusion_proof, subtree_root, verify_consistency, verify_inclusion,
};

/// Most entries a log can hold. Keeps all arithmetic inside 63 bits.
pub const SIZE_MAX: u64 = 1 << 62;

/// Returns the root of the tree with no leaves: the SHA-256 of nothing (RFC 6962, section 2.1).
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Returns the hash of a leaf: SHA-256 of `00` and the entry (RFC 6962, section 2.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    #[cfg(test)]
    tests::count_hash();
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// Returns the hash of a node: SHA-256 of `01`, the left and the right child (RFC 6962, section 2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    #[cfg(test)]
    tests::count_hash();
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The right edge of a tree: the roots of its complete subtrees, largest first. At most 62 hashes.
///
/// It is all that is needed to append leaves and to know the root. One append costs one hash on average and
/// never more than log2 of the size; the root costs at most as much again (LED-15).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// Numbers and hashes that do not make a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error("a tree of {size} leaves has {expected} peaks, not {found}")]
    Peaks { size: u64, expected: usize, found: usize },
    #[error("the log cannot hold more than 2^62 entries")]
    Full,
}

impl Frontier {
    /// Makes the frontier of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a frontier from the roots of the complete subtrees of a tree of `size` leaves, largest first.
    ///
    /// # Errors
    /// When the number of roots is not the number of one bits of `size`, or the size is beyond [`SIZE_MAX`].
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, TreeError> {
        let expected = size.count_ones() as usize;
        if size > SIZE_MAX {
            return Err(TreeError::Full);
        }
        if peaks.len() != expected {
            return Err(TreeError::Peaks { size, expected, found: peaks.len() });
        }
        Ok(Self { size, peaks })
    }

    /// Returns the number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the roots of the complete subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf.
    ///
    /// # Errors
    /// [`TreeError::Full`] at [`SIZE_MAX`] leaves.
    pub fn push(&mut self, leaf: Hash) -> Result<(), TreeError> {
        self.push_with(leaf, |_height, _hash| {})
    }

    /// Appends a leaf and reports each subtree that it completes, as (height, root), lowest first; the leaf
    /// itself is the subtree of height 0.
    ///
    /// # Errors
    /// [`TreeError::Full`] at [`SIZE_MAX`] leaves.
    pub fn push_with(&mut self, leaf: Hash, mut completed: impl FnMut(u32, Hash)) -> Result<(), TreeError> {
        if self.size >= SIZE_MAX {
            return Err(TreeError::Full);
        }
        let mut hash = leaf;
        completed(0, hash);
        // Each trailing one bit of the size is a complete subtree that waits for its right sibling.
        for height in 1..=self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
                completed(height, hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(())
    }

    /// Returns the root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(lowest) => peaks.fold(*lowest, |right, left| node_hash(left, &right)),
        }
    }
}
