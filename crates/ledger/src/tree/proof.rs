//! Inclusion and consistency proofs: making them (RFC 6962, sections 2.1.1 and 2.1.2) and checking them
//! (RFC 9162, sections 2.1.3.2 and 2.1.4.2).

use super::{SIZE_MAX, empty_root, node_hash};
use crate::Hash;

/// A proof that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("there is no such leaf or tree: the index or the older size is out of range")]
    OutOfRange,
    #[error("the proof has the wrong number of hashes")]
    WrongLength,
    #[error("the proof does not lead to the root")]
    WrongRoot,
}

/// Returns the root of the leaves `from..to`, reading complete subtrees through `node(height, index)`.
///
/// Reads at most 2 x 62 nodes.
///
/// # Errors
/// Those of `node`.
pub fn subtree_root<E>(
    from: u64,
    to: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let width = to.saturating_sub(from);
    if width == 0 {
        return Ok(empty_root());
    }
    if width.is_power_of_two() && from.is_multiple_of(width) {
        return node(width.trailing_zeros(), from / width);
    }
    let split = from + left_width(width);
    let left = subtree_root(from, split, node)?;
    let right = subtree_root(split, to, node)?;
    Ok(node_hash(&left, &right))
}

/// Returns the largest power of two below `width`, which is at least 2.
fn left_width(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// Returns the inclusion proof of leaf `index` in the tree of `size` leaves, or nothing when there is no
/// such leaf.
///
/// Shape: at most 62 hashes, lowest first. `node(height, index)` returns the root of the complete subtree of
/// 2^height leaves number `index`. Source: RFC 6962, section 2.1.1.
///
/// # Errors
/// Those of `node`.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if index >= size || size > SIZE_MAX {
        return Ok(None);
    }
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    // From the root down; each turn halves the range at least, so at most 62 turns.
    while to - from > 1 {
        let split = from + left_width(to - from);
        if index < split {
            proof.push(subtree_root(split, to, &mut node)?);
            to = split;
        } else {
            proof.push(subtree_root(from, split, &mut node)?);
            from = split;
        }
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Returns the proof that the tree of `new` leaves extends the tree of `old` leaves, or nothing when
/// `old` is larger than `new`.
///
/// Shape: at most 63 hashes; none when `old` is 0 or equals `new`. `node` as for [`inclusion_proof`].
/// Source: RFC 6962, section 2.1.2.
///
/// # Errors
/// Those of `node`.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if old > new || new > SIZE_MAX {
        return Ok(None);
    }
    let mut proof = Vec::new();
    if old == 0 || old == new {
        return Ok(Some(proof));
    }
    let (mut from, mut to) = (0, new);
    // From the root down to the smallest subtree that ends where the old tree ends.
    while to != old {
        let split = from + left_width(to - from);
        if old <= split {
            proof.push(subtree_root(split, to, &mut node)?);
            to = split;
        } else {
            proof.push(subtree_root(from, split, &mut node)?);
            from = split;
        }
    }
    // The verifier knows that subtree already when it is the whole old tree.
    if from > 0 {
        proof.push(subtree_root(from, to, &mut node)?);
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Checks that `leaf` is leaf `index` of the tree of `size` leaves with this root.
///
/// Source: RFC 9162, section 2.1.3.2.
///
/// # Errors
/// [`ProofError`] when it is not proven.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size || size > SIZE_MAX {
        return Err(ProofError::OutOfRange);
    }
    let (mut position, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if position & 1 == 1 || position == last {
            hash = node_hash(sibling, &hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::WrongRoot) }
}

/// Checks that the tree of `new` leaves with root `new_root` extends the one of `old` leaves with `old_root`.
///
/// The empty tree proves nothing and is refused as the older one. Source: RFC 9162, section 2.1.4.2.
///
/// # Errors
/// [`ProofError`] when it is not proven.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old == 0 || old > new || new > SIZE_MAX {
        return Err(ProofError::OutOfRange);
    }
    if old == new {
        return match proof {
            [] if old_root == new_root => Ok(()),
            [] => Err(ProofError::WrongRoot),
            [_, ..] => Err(ProofError::WrongLength),
        };
    }
    let (mut position, mut last) = (old - 1, new - 1);
    let complete = position.trailing_ones();
    position >>= complete;
    last >>= complete;
    // A complete old tree is its own first subtree; its root is not repeated in the proof.
    let (first, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (old_root, proof),
        Some(split) => split,
        None => return Err(ProofError::WrongLength),
    };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if position & 1 == 1 || position == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::WrongRoot) }
}
