//! Making proofs from tiles: which tiles a proof needs, and the proof once they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use crate::Hash;
use crate::tile::{TILE_HEIGHT, TileError, TileId, read_node};
use crate::tree::{consistency_proof, inclusion_proof};

/// Tiles with their bytes.
pub type Tiles = BTreeMap<TileId, Vec<u8>>;

/// A tile that was not read although the proof needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tile is not there")]
pub struct Absent;

/// Returns the tiles that the proof of leaf `index` in the tree of `size` leaves needs, at most 2 a level; none
/// when there is no such leaf.
#[must_use]
pub fn inclusion_tiles(index: u64, size: u64) -> BTreeSet<TileId> {
    let mut tiles = BTreeSet::new();
    // Nothing fails and nothing is computed here: only the questions matter.
    let Ok(_answers) = inclusion_proof(index, size, |height, node| {
        tiles.extend(tile_of(size, height, node));
        Ok::<_, Infallible>([0; 32])
    });
    tiles
}

/// Returns the tiles that the proof between the trees of `old` and `new` leaves needs; none when there is no
/// such proof.
#[must_use]
pub fn consistency_tiles(old: u64, new: u64) -> BTreeSet<TileId> {
    let mut tiles = BTreeSet::new();
    let Ok(_answers) = consistency_proof(old, new, |height, node| {
        tiles.extend(tile_of(new, height, node));
        Ok::<_, Infallible>([0; 32])
    });
    tiles
}

/// Returns the inclusion proof of leaf `index` in the tree of `size` leaves from the tiles of
/// [`inclusion_tiles`]; nothing when there is no such leaf.
///
/// # Errors
/// [`TileError`] when a tile is not among them or has the wrong length.
pub fn inclusion_from_tiles(
    index: u64,
    size: u64,
    tiles: &Tiles,
) -> Result<Option<Vec<Hash>>, TileError<Absent>> {
    inclusion_proof(index, size, |height, node| read_node(size, height, node, |id| find(tiles, id)))
}

/// Returns the proof between the trees of `old` and `new` leaves from the tiles of [`consistency_tiles`];
/// nothing when there is no such proof.
///
/// # Errors
/// [`TileError`] when a tile is not among them or has the wrong length.
pub fn consistency_from_tiles(
    old: u64,
    new: u64,
    tiles: &Tiles,
) -> Result<Option<Vec<Hash>>, TileError<Absent>> {
    consistency_proof(old, new, |height, node| read_node(new, height, node, |id| find(tiles, id)))
}

/// Returns the tile that holds the leaves, in its level, of node `index` of a height.
fn tile_of(size: u64, height: u32, index: u64) -> Option<TileId> {
    let level = u8::try_from(height / TILE_HEIGHT).ok()?;
    let inner = height % TILE_HEIGHT;
    TileId::holding(size, level, (index << inner) + (1 << inner) - 1)
}

fn find(tiles: &Tiles, id: TileId) -> Result<Vec<u8>, Absent> {
    tiles.get(&id).cloned().ok_or(Absent)
}
