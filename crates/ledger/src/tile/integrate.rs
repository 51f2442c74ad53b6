//! Growing a log: new leaf hashes in, changed tiles and the new root out, reading only the right edge (LED-15).

use super::{
    TILE_HEIGHT, TILE_WIDTH, Tile, TileError, TileId, complete_root, hashes, partial_tiles, read_tile,
};
use crate::Hash;
use crate::tree::{Frontier, TreeError};

/// The result of [`integrate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrated {
    pub size: u64,
    pub root: Hash,
    /// The new and changed tiles, full ones first as they were completed, then the new partial right edge.
    pub tiles: Vec<Tile>,
    /// The new right edge; keep it to integrate again without reading the peaks from tiles.
    pub frontier: Frontier,
}

/// Appends leaf hashes to the log whose right edge is `old` and returns what must be stored.
///
/// Reads the partial tiles of the old size through `read`, at most one for each level, and nothing else.
///
/// # Errors
/// [`TileError`] when a partial tile cannot be read or has the wrong length, or the log is full.
pub fn integrate<E>(
    old: &Frontier,
    leaves: &[Hash],
    mut read: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Integrated, TileError<E>> {
    let mut builder = TileBuilder::new();
    builder.frontier = old.clone();
    if !leaves.is_empty() {
        for id in partial_tiles(old.size()) {
            let bytes = read_tile(id, &mut read)?;
            *builder.row(usize::from(id.level)) = hashes(&bytes).collect();
        }
    }
    let mut tiles = Vec::new();
    for leaf in leaves {
        builder.push(*leaf, |tile| tiles.push(tile))?;
    }
    let changed =
        |tile: &Tile| TileId::holding(old.size(), tile.id.level, tile.id.index * TILE_WIDTH) != Some(tile.id);
    tiles.extend(builder.partials().filter(changed));
    let frontier = builder.frontier;
    Ok(Integrated { size: frontier.size(), root: frontier.root(), tiles, frontier })
}

/// Reads the right edge of a log of `size` entries from its partial tiles.
///
/// Reads at most one tile for each level, 24 KiB for a million entries; see [`Frontier`].
///
/// # Errors
/// [`TileError`] when a tile cannot be read or has the wrong length.
pub fn load_frontier<E>(
    size: u64,
    mut read: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Frontier, TileError<E>> {
    let mut levels = Vec::new();
    for id in partial_tiles(size) {
        levels.push(read_tile(id, &mut read)?);
    }
    let peaks = levels.iter().rev().flat_map(|bytes| tile_peaks(bytes)).collect();
    Ok(Frontier::from_peaks(size, peaks)?)
}

/// Returns the roots of the complete subtrees of a partial tile's bytes, largest first.
pub(crate) fn tile_peaks(bytes: &[u8]) -> Vec<Hash> {
    let mut row: Vec<Hash> = hashes(bytes).collect();
    let mut peaks = Vec::new();
    while !row.is_empty() {
        let rest = row.split_off(1 << row.len().ilog2());
        peaks.extend(complete_root(row));
        row = rest;
    }
    peaks
}

/// Builds the tiles of a log leaf by leaf. Holds one row of at most 255 hashes for each level.
#[derive(Debug, Clone, Default)]
pub struct TileBuilder {
    frontier: Frontier,
    rows: Vec<Vec<Hash>>,
}

impl TileBuilder {
    /// Starts with the empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the right edge of the tree so far.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    fn row(&mut self, level: usize) -> &mut Vec<Hash> {
        if self.rows.len() <= level {
            self.rows.resize_with(level + 1, Vec::new);
        }
        &mut self.rows[level]
    }

    /// Appends a leaf hash and hands out each tile that it fills, lowest first.
    ///
    /// # Errors
    /// [`TreeError::Full`] when the log is full.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(Tile)) -> Result<(), TreeError> {
        let size = self.frontier.size() + 1;
        let mut completed = Vec::new();
        self.frontier.push_with(leaf, |height, hash| {
            // The root of a full tile is the subtree that the tree completes anyway: no hash is computed twice.
            if height.is_multiple_of(TILE_HEIGHT) {
                completed.push(hash);
            }
        })?;
        for (level, hash) in (0_u8..).zip(completed) {
            let row = self.row(usize::from(level));
            row.push(hash);
            if row.len() as u64 == TILE_WIDTH {
                let slot = super::hashes_at(size, level) - 1;
                if let Some(id) = TileId::holding(size, level, slot) {
                    full(Tile { id, bytes: row.concat() });
                }
                row.clear();
            }
        }
        Ok(())
    }

    /// Returns the partial tiles at the current size, lowest level first.
    pub fn partials(&self) -> impl Iterator<Item = Tile> + '_ {
        partial_tiles(self.frontier.size()).filter_map(|id| {
            let row = self.rows.get(usize::from(id.level))?;
            Some(Tile { id, bytes: row.concat() })
        })
    }
}
