//! Tiles and entry bundles as in C2SP tlog-tiles: where a log keeps its hashes and its entries.
//!
//! Height 8: a full tile is 256 hashes, 8,192 bytes; a partial tile holds what there is and is never hashed
//! upward. This module reads and writes bytes that others store.

mod bundle;
mod integrate;
mod path;
#[cfg(test)]
mod tests;

use crate::Hash;
use crate::tree::{SIZE_MAX, TreeError, node_hash, subtree_root};

pub use bundle::{BundleError, ENTRY_BYTES_MAX, Entries, decode_bundle, encode_bundle};
pub(crate) use integrate::tile_peaks;
pub use integrate::{Integrated, TileBuilder, integrate, load_frontier};
pub use path::{bundle_path, bundles_of_range, parse_bundle_path};

/// Number of tree levels that one tile level spans.
pub const TILE_HEIGHT: u32 = 8;
/// Number of hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Highest tile level that a tree of [`SIZE_MAX`] leaves can have.
pub const LEVEL_MAX: u8 = 7;

/// Names one tile: its level, its index in the level, and how many hashes it holds (1 to 256).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    pub level: u8,
    pub index: u64,
    pub width: u16,
}

/// A tile with its bytes: `width` hashes of 32 bytes, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    pub id: TileId,
    pub bytes: Vec<u8>,
}

/// Why hashes could not be had from tiles.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E> {
    #[error("could not read {}", .id.path())]
    Read {
        id: TileId,
        #[source]
        source: E,
    },
    #[error("{} holds {found} bytes, not {expected}", .id.path())]
    Length { id: TileId, expected: usize, found: usize },
    #[error("the tree of {size} leaves has no such node")]
    NoSuchNode { size: u64 },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl TileId {
    /// Returns the number of bytes that the tile holds.
    #[must_use]
    pub fn bytes_len(self) -> usize {
        usize::from(self.width) * 32
    }

    /// Tells whether the tile is full, and so never changes again.
    #[must_use]
    pub fn is_full(self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// Returns the tile of a tree of `size` leaves that holds hash number `slot` of a tile level; nothing when
    /// the tree has no such hash.
    #[must_use]
    pub fn holding(size: u64, level: u8, slot: u64) -> Option<Self> {
        let index = slot / TILE_WIDTH;
        let count = hashes_at(size, level);
        if slot >= count {
            return None;
        }
        let width = u16::try_from((count - index * TILE_WIDTH).min(TILE_WIDTH)).ok()?;
        Some(Self { level, index, width })
    }
}

/// Returns how many hashes a tile level of a tree of `size` leaves holds.
#[must_use]
pub fn hashes_at(size: u64, level: u8) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0)
}

/// Returns every tile of a tree of `size` leaves, by level and index: full ones and the partial right edge.
pub fn tiles_of_size(size: u64) -> impl Iterator<Item = TileId> {
    (0..=LEVEL_MAX).flat_map(move |level| tiles_at_level(size, level))
}

/// Returns the tiles of one level of a tree of `size` leaves, by index.
pub fn tiles_at_level(size: u64, level: u8) -> impl Iterator<Item = TileId> {
    (0..hashes_at(size, level).div_ceil(TILE_WIDTH))
        .filter_map(move |index| TileId::holding(size, level, index * TILE_WIDTH))
}

/// Returns the partial tiles of a tree of `size` leaves, lowest level first. At most one for each level.
pub fn partial_tiles(size: u64) -> impl Iterator<Item = TileId> {
    (0..=LEVEL_MAX).filter_map(move |level| {
        let count = hashes_at(size, level);
        (!count.is_multiple_of(TILE_WIDTH)).then(|| TileId::holding(size, level, count - 1)).flatten()
    })
}

/// Returns the root of the complete subtree of 2^height leaves number `index`, from the tiles of a tree of
/// `size` leaves.
///
/// This is the closure body that [`crate::tree::inclusion_proof`] and its siblings need. It reads one tile and
/// computes at most 127 hashes.
///
/// # Errors
/// [`TileError`] when the tile cannot be read, has the wrong length, or the tree has no such node.
pub fn read_node<E>(
    size: u64,
    height: u32,
    index: u64,
    mut read: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Hash, TileError<E>> {
    let missing = || TileError::NoSuchNode { size };
    let level = u8::try_from(height / TILE_HEIGHT).map_err(|_err| missing())?;
    let inner = height % TILE_HEIGHT;
    if size > SIZE_MAX || level > LEVEL_MAX || index > SIZE_MAX >> height {
        return Err(missing());
    }
    let first = index << inner;
    let last = first + (1 << inner) - 1;
    let id = TileId::holding(size, level, last).ok_or_else(missing)?;
    let bytes = read_tile(id, &mut read)?;
    let offset = usize::try_from(first % TILE_WIDTH).map_err(|_err| missing())?;
    let hashes: Vec<Hash> = hashes(&bytes).skip(offset).take(1 << inner).collect();
    complete_root(hashes).ok_or_else(missing)
}

/// Returns the root of the first `at` leaves, from the tiles of a tree of `size` leaves.
///
/// # Errors
/// As [`read_node`].
pub fn read_root<E>(
    size: u64,
    at: u64,
    mut read: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Hash, TileError<E>> {
    if at > size {
        return Err(TileError::NoSuchNode { size });
    }
    subtree_root(0, at, &mut |height, index| read_node(size, height, index, &mut read))
}

/// Reads a tile and checks its length.
fn read_tile<E>(
    id: TileId,
    read: &mut impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, TileError<E>> {
    let bytes = read(id).map_err(|source| TileError::Read { id, source })?;
    if bytes.len() == id.bytes_len() {
        Ok(bytes)
    } else {
        Err(TileError::Length { id, expected: id.bytes_len(), found: bytes.len() })
    }
}

/// Returns the hashes of a tile's bytes; a remainder shorter than a hash is left out.
pub fn hashes(bytes: &[u8]) -> impl Iterator<Item = Hash> + '_ {
    bytes.as_chunks::<32>().0.iter().copied()
}

/// Hashes a complete subtree up to its root; nothing when the number of hashes is not a power of two.
pub(crate) fn complete_root(mut row: Vec<Hash>) -> Option<Hash> {
    if !row.len().is_power_of_two() {
        return None;
    }
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row.pop()
}
