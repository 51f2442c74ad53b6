//! Checks the entries of a bundle with their bodies and blobs, entry bundle by entry bundle.
//!
//! When the tiles are authentic, an entry whose leaf hash is not in its tile was altered. When they are not,
//! the tiles are built again from the entries: if these lead to the signed root, the entries are right and
//! the tiles that differ are not; else both are reported.

use super::files::{Files, Got};
use super::tiles::{ABSENT_FILES_MAX, TileCheck, tile_finding};
use super::{ENTRY_BUNDLE_BYTES_MAX, Folder, Range};
use crate::Hash;
use crate::canonical::first_difference;
use crate::checkpoint::TreeHead;
use crate::tile::{
    TILE_WIDTH, Tile, TileBuilder, TileId, bundle_path, bundles_of_range, decode_bundle, hashes,
};
use crate::verify::{FINDINGS_MAX, Finding, FindingCode, Place, Pushed, Verifier};

/// Checks the entries of one bundle.
pub(super) struct LogCheck<'a, R> {
    pub(super) files: &'a mut Files<R>,
    pub(super) verifier: &'a mut Verifier,
    pub(super) head: &'a TreeHead,
    pub(super) range: Range,
    pub(super) tiles: TileCheck,
}

impl<E, R: FnMut(&str, usize) -> Result<Option<Vec<u8>>, E>> LogCheck<'_, R> {
    /// Reads every entry of the range.
    pub(super) fn run(mut self) -> Result<(), E> {
        let whole = self.range == Range::whole(self.head.size);
        let mut rebuilt = (whole && !self.tiles.authentic).then(Rebuilt::default);
        let mut absent = 0;
        for (index, width) in bundles_of_range(self.head.size, self.range.from, self.range.to) {
            let path = bundle_path(index, width);
            let first = index * TILE_WIDTH;
            if self.verifier.position() != first {
                self.verifier.skip_to(first);
            }
            let found = self.files.get(&path, ENTRY_BUNDLE_BYTES_MAX)?;
            let missing = matches!(found, Got::Missing);
            if let Some(bytes) = found.bytes() {
                self.entry_bundle(&path, width, &bytes, rebuilt.as_mut())?;
                continue;
            }
            let (code, detail) = if missing {
                (
                    FindingCode::Truncated,
                    format!("{} entries are claimed, this file is not there", self.head.size),
                )
            } else {
                (FindingCode::Malformed, "the file is longer than an entry bundle can be".to_owned())
            };
            self.verifier.add(Finding::new(code, detail).index(first).at(&Place::file(&path, 0)));
            absent += 1;
            if absent > ABSENT_FILES_MAX {
                break;
            }
        }
        self.conclude(whole, rebuilt)
    }

    /// Checks one entry bundle.
    fn entry_bundle(
        &mut self,
        path: &str,
        width: u16,
        bytes: &[u8],
        mut rebuilt: Option<&mut Rebuilt>,
    ) -> Result<(), E> {
        let first = self.verifier.position();
        let leaves = if self.tiles.authentic { self.leaf_tile(first)? } else { None };
        if self.tiles.authentic && leaves.is_none() {
            let detail = "the leaf hashes could not be read a second time";
            self.verifier.add(Finding::new(FindingCode::TileMismatch, detail).index(first));
        }
        let mut in_place = true;
        for (position, entry) in (0_u16..).zip(decode_bundle(bytes)) {
            let index = first + u64::from(position);
            let (offset, entry) = match entry {
                Ok(entry) => entry,
                Err(err) => {
                    let place = Place::file(path, err.offset() as u64);
                    self.verifier
                        .add(Finding::new(FindingCode::Malformed, err.to_string()).index(index).at(&place));
                    in_place = false;
                    break;
                }
            };
            let place = Place::file(path, offset as u64);
            if position >= width {
                let detail = format!("the file holds more than {width} entries");
                self.verifier.add(Finding::new(FindingCode::Malformed, detail).index(index).at(&place));
                break;
            }
            let pushed = self.verifier.push(entry, &place);
            in_place &= pushed.in_place || pushed.entry.is_none();
            if let Some(rebuilt) = rebuilt.as_deref_mut() {
                self.compare_tiles(rebuilt, pushed.leaf)?;
            }
            if let Some(leaves) = &leaves {
                self.compare_leaf(&pushed, leaves, &place);
            }
            self.body(&pushed)?;
        }
        let end = self.verifier.position();
        if end < first + u64::from(width) && in_place {
            let last = first + u64::from(width) == self.range.to;
            let code = if last { FindingCode::Truncated } else { FindingCode::IndexGap };
            let detail = format!("{} entries are claimed, the file ends before entry {end}", self.head.size);
            let place = Place::file(path, bytes.len() as u64);
            self.verifier.add(Finding::new(code, detail).index(end).at(&place));
        }
        Ok(())
    }

    /// Returns the leaf hashes that belong to the entry bundle that begins at entry `first`.
    fn leaf_tile(&mut self, first: u64) -> Result<Option<Vec<Hash>>, E> {
        let Some(id) = TileId::holding(self.head.size, 0, first) else { return Ok(None) };
        Ok(self.files.get(&id.path(), id.bytes_len())?.bytes().map(|bytes| hashes(&bytes).collect()))
    }

    /// Compares an entry's leaf hash with the authentic one.
    fn compare_leaf(&mut self, pushed: &Pushed, leaves: &[Hash], place: &Place) {
        let claimed = pushed.entry.as_ref().map_or(pushed.index, |entry| entry.index);
        // Behind a removed or inserted entry the others are right, only moved; that was reported once.
        let moved_far = claimed.abs_diff(pushed.index) > TILE_WIDTH;
        if !moved_far && claimed / TILE_WIDTH != pushed.index / TILE_WIDTH {
            return;
        }
        let slot = usize::try_from(claimed % TILE_WIDTH).unwrap_or(usize::MAX);
        if moved_far || leaves.get(slot) != Some(&pushed.leaf) {
            let detail = "the entry is not the one that the tree commits to";
            self.verifier.add(Finding::new(FindingCode::LeafMismatch, detail).index(pushed.index).at(place));
        }
    }

    /// Reads and checks the body of an entry and the blobs that the body names.
    fn body(&mut self, pushed: &Pushed) -> Result<(), E> {
        let Some(entry) = &pushed.entry else { return Ok(()) };
        let path = Folder::Bodies.path(&entry.body_sha256);
        let body = match self.files.get(&path, Folder::Bodies.bytes_max())? {
            Got::Missing => None,
            // It cannot be the body: what is left is to say so.
            Got::TooLong => Some(Vec::new()),
            Got::Bytes(bytes) => Some(bytes),
        };
        let place = Place::file(&path, 0);
        for reference in self.verifier.body(pushed.index, entry, body.as_deref(), &place) {
            let folder = reference.blob.folder();
            let path = folder.path(&reference.sha256);
            let blob = match self.files.get(&path, folder.bytes_max())? {
                Got::Missing => None,
                Got::TooLong => Some(Vec::new()),
                Got::Bytes(bytes) => Some(bytes),
            };
            self.verifier.blob(pushed.index, reference, blob.as_deref(), &Place::file(&path, 0));
        }
        Ok(())
    }

    /// Adds a leaf to the rebuilt tiles and compares those that it fills with the stored ones.
    fn compare_tiles(&mut self, rebuilt: &mut Rebuilt, leaf: Hash) -> Result<(), E> {
        let mut full = Vec::new();
        // The verifier has reported a full log already.
        if rebuilt.builder.push(leaf, |tile| full.push(tile)).is_ok() {
            for tile in full {
                self.compare_tile(rebuilt, &tile)?;
            }
        }
        Ok(())
    }

    fn compare_tile(&mut self, rebuilt: &mut Rebuilt, tile: &Tile) -> Result<(), E> {
        let stored = self.files.get(&tile.id.path(), tile.id.bytes_len())?.bytes();
        let differs = stored.and_then(|stored| first_difference(&stored, &tile.bytes));
        if rebuilt.differing.len() < FINDINGS_MAX {
            rebuilt.differing.extend(differs.map(|offset| (tile.id, offset)));
        }
        Ok(())
    }

    /// Draws the conclusions that need all entries.
    fn conclude(mut self, whole: bool, rebuilt: Option<Rebuilt>) -> Result<(), E> {
        let root = self.verifier.frontier().map(crate::tree::Frontier::root);
        let entries_right = whole && root == Some(self.head.root);
        let mut agree = false;
        if let Some(mut rebuilt) = rebuilt {
            let partials: Vec<Tile> = rebuilt.builder.partials().collect();
            for tile in partials {
                self.compare_tile(&mut rebuilt, &tile)?;
            }
            // Tiles that agree with all entries are not to blame for a root that they do not have.
            agree = rebuilt.differing.is_empty();
            for (id, offset) in rebuilt.differing {
                if entries_right || id.level > 0 {
                    self.verifier.add(tile_finding(
                        id,
                        offset,
                        "the hash is not that of the entries below it",
                    ));
                } else {
                    let index = id.index * TILE_WIDTH + (offset / 32) as u64;
                    let detail = "the entry and its tile differ, and neither leads to the signed root";
                    let place = Place::file(&id.path(), offset as u64);
                    self.verifier
                        .add(Finding::new(FindingCode::LeafMismatch, detail).index(index).at(&place));
                }
            }
        }
        // With authentic tiles each entry was compared; the root says once more that none was left out.
        let said = self.tiles.authentic && (!whole || !self.verifier.report_mut().findings.is_empty());
        if !entries_right && !said {
            for suspect in std::mem::take(&mut self.tiles.suspects).into_iter().filter(|_suspect| !agree) {
                self.verifier.add(suspect);
            }
            let detail = "neither the entries nor the tiles lead to the root of the checkpoint";
            let place = Place::file(super::CHECKPOINT, 0);
            self.verifier.add(Finding::new(FindingCode::RootMismatch, detail).at(&place));
        }
        Ok(())
    }
}

/// Tiles built again from the entries, and where the stored ones differ.
#[derive(Default)]
struct Rebuilt {
    builder: TileBuilder,
    differing: Vec<(TileId, usize)>,
}
