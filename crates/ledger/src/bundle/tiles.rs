//! Checks the tiles of a bundle against each other and against the root of the checkpoint.
//!
//! When every tile leads to the signed root, the tiles are authentic and each entry can be judged by its leaf
//! hash alone. When not, the entries decide, see [`super::log`].

use super::files::{Files, Got};
use crate::Hash;
use crate::checkpoint::TreeHead;
use crate::tile::{
    LEVEL_MAX, TILE_WIDTH, TileId, complete_root, hashes, hashes_at, partial_tiles, tiles_at_level,
};
use crate::tree::Frontier;
use crate::verify::{FINDINGS_MAX, Finding, FindingCode, Place, Verifier};

/// Most absent tiles or entry bundles after which the rest is not looked for.
pub(super) const ABSENT_FILES_MAX: usize = 16;

/// What the tiles of a bundle are worth.
#[derive(Debug, Default)]
pub(super) struct TileCheck {
    /// True when every tile is there and leads to the root of the checkpoint.
    pub(super) authentic: bool,
    /// Tiles that do not fit their parent or are damaged; which side is wrong is not known yet.
    pub(super) suspects: Vec<Finding>,
}

impl TileCheck {
    fn suspect(&mut self, id: TileId, offset: usize, detail: impl Into<String>) {
        self.authentic = false;
        if self.suspects.len() < FINDINGS_MAX {
            self.suspects.push(tile_finding(id, offset, detail));
        }
    }
}

/// Makes the finding for a byte of a tile, with the first entry below the hash there.
pub(super) fn tile_finding(id: TileId, offset: usize, detail: impl Into<String>) -> Finding {
    let slot = id.index.saturating_mul(TILE_WIDTH).saturating_add((offset / 32) as u64);
    let index = slot.saturating_mul(1 << (u32::from(id.level) * crate::tile::TILE_HEIGHT));
    Finding::new(FindingCode::TileMismatch, detail).index(index).at(&Place::file(&id.path(), offset as u64))
}

/// Reads every tile once, lowest level first. Holds one row of roots for the level that is read.
pub(super) fn check_tiles<E, R>(
    files: &Files<R>,
    head: &TreeHead,
    verifier: &mut Verifier,
) -> Result<TileCheck, E>
where
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
{
    let mut check = TileCheck { authentic: true, suspects: Vec::new() };
    let mut absent = 0;
    for level in 0..=LEVEL_MAX {
        if hashes_at(head.size, level) == 0 {
            break;
        }
        let mut parent = Parent::default();
        for id in tiles_at_level(head.size, level) {
            if let Some(bytes) = read_whole(files, id, &mut check, verifier)? {
                if id.is_full() {
                    let root = complete_root(hashes(&bytes).collect());
                    parent.compare(files, head.size, (id, root), &mut check)?;
                }
            } else {
                absent += 1;
            }
            if absent > ABSENT_FILES_MAX {
                let detail = "too many tiles are not there; the rest was not looked for";
                verifier.add(Finding::new(FindingCode::Truncated, detail).at(&Place::file(&id.path(), 0)));
                return Ok(check);
            }
        }
    }
    if check.authentic && edge_root(files, head.size)? != Some(head.root) {
        check.authentic = false;
        for id in partial_tiles(head.size) {
            check.suspect(id, 0, "the right edge of the tree does not have the root of the checkpoint");
        }
    }
    Ok(check)
}

/// Reads a tile and reports when it is not there or not as long as it must be.
fn read_whole<E, R>(
    files: &Files<R>,
    id: TileId,
    check: &mut TileCheck,
    verifier: &mut Verifier,
) -> Result<Option<Vec<u8>>, E>
where
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
{
    let (offset, detail) = match files.get(&id.path(), id.bytes_len())? {
        Got::Bytes(bytes) if bytes.len() == id.bytes_len() => return Ok(Some(bytes)),
        Got::Bytes(bytes) => (bytes.len(), format!("the tile holds {} bytes", bytes.len())),
        Got::TooLong => (id.bytes_len(), "the tile is too long".to_owned()),
        Got::Missing => (0, "the tile is not there".to_owned()),
    };
    check.authentic = false;
    verifier.add(tile_finding(id, offset.min(id.bytes_len() - 1), detail));
    Ok(None)
}

/// The tile of the level above that is compared with; one is held at a time.
#[derive(Default)]
struct Parent {
    id: Option<TileId>,
    bytes: Option<Vec<u8>>,
}

impl Parent {
    /// Compares the root of a full tile with the hash that stands for it in the level above.
    fn compare<E, R>(
        &mut self,
        files: &Files<R>,
        size: u64,
        (child, root): (TileId, Option<Hash>),
        check: &mut TileCheck,
    ) -> Result<(), E>
    where
        R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
    {
        let Some(id) = TileId::holding(size, child.level + 1, child.index) else {
            return Ok(());
        };
        if self.id != Some(id) {
            self.bytes = files.get(&id.path(), id.bytes_len())?.bytes();
            self.id = Some(id);
        }
        let slot = usize::try_from(child.index % TILE_WIDTH).unwrap_or(usize::MAX);
        let stored = self.bytes.as_ref().and_then(|bytes| hashes(bytes).nth(slot));
        if stored.is_some() && stored != root {
            check.suspect(child, 0, format!("the tile does not fit {}", id.path()));
            check.suspect(id, slot * 32, format!("the hash does not fit {}", child.path()));
        }
        Ok(())
    }
}

/// Computes the root from the partial tiles; nothing when one cannot be used.
fn edge_root<E, R>(files: &Files<R>, size: u64) -> Result<Option<Hash>, E>
where
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
{
    let mut levels = Vec::new();
    for id in partial_tiles(size) {
        match files.get(&id.path(), id.bytes_len())?.bytes() {
            Some(bytes) => levels.push(bytes),
            None => return Ok(None),
        }
    }
    let peaks = levels.iter().rev().flat_map(|bytes| crate::tile::tile_peaks(bytes)).collect();
    Ok(Frontier::from_peaks(size, peaks).ok().map(|frontier| frontier.root()))
}
