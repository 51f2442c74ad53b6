//! Checks the entries of a bundle with their bodies and blobs, entry bundle by entry bundle.
//!
//! When the tiles are authentic, an entry whose leaf hash is not in its tile was altered. When they are not,
//! the tiles are built again from the entries: if these lead to the signed root, the entries are right and
//! the tiles that differ are not; else both are reported.

use std::num::NonZero;

use super::ahead::{End, Item, Part, Parts, Wanted, read_ahead};
use super::files::Files;
use super::named::Named;
use super::tiles::{ABSENT_FILES_MAX, TileCheck, tile_finding};
use super::{Folder, Range};
use crate::Hash;
use crate::canonical::first_difference;
use crate::checkpoint::TreeHead;
use crate::tile::{TILE_WIDTH, Tile, TileBuilder, TileId, bundle_path, bundles_of_range, hashes};
use crate::verify::{FINDINGS_MAX, Finding, FindingCode, Place, Pushed, Verifier};

/// Checks the entries of one bundle.
pub(super) struct LogCheck<'a, R> {
    pub(super) files: &'a Files<R>,
    pub(super) verifier: &'a mut Verifier,
    pub(super) head: &'a TreeHead,
    pub(super) range: Range,
    pub(super) tiles: TileCheck,
    pub(super) named: &'a mut Named,
}

impl<E: Send, R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E> + Sync> LogCheck<'_, R> {
    /// Takes every entry of the range.
    pub(super) fn run(mut self, threads: NonZero<usize>) -> Result<(), E> {
        let whole = self.range == Range::whole(self.head.size);
        let mut rebuilt = (whole && !self.tiles.authentic).then(Rebuilt::default);
        let wanted = bundles_of_range(self.head.size, self.range.from, self.range.to);
        read_ahead(self.files, threads, &wanted, |parts| {
            let mut absent = 0_usize;
            for ((index, width), parts) in wanted.clone().zip(parts.iter().cycle()) {
                let first = index * TILE_WIDTH;
                if self.verifier.position() != first {
                    self.verifier.skip_to(first);
                }
                absent += usize::from(!self.entry_bundle((index, width), parts, rebuilt.as_mut())?);
                if absent > ABSENT_FILES_MAX {
                    break;
                }
            }
            Ok(())
        })?;
        self.conclude(whole, rebuilt)
    }

    /// Takes one entry bundle; returns whether there is one.
    fn entry_bundle(
        &mut self,
        (index, width): Wanted,
        parts: &Parts<E>,
        mut rebuilt: Option<&mut Rebuilt>,
    ) -> Result<bool, E> {
        let path = bundle_path(index, width);
        let first = self.verifier.position();
        let (mut leaves, mut is_begun) = (None, false);
        let mut in_place = true;
        // A thread that ended without a word has panicked, which is passed on when it is joined.
        while let Ok(part) = parts.recv() {
            let Part { items, end } = part?;
            if self.tiles.authentic && !is_begun && !items.is_empty() {
                leaves = self.leaf_tile(first)?;
                is_begun = true;
            }
            for item in items {
                in_place &= self.item(&path, item, leaves.as_deref(), rebuilt.as_deref_mut())?;
            }
            let bytes = match end {
                None => continue,
                Some(End::Whole(bytes)) => bytes,
                Some(end) => return Ok(self.cut_short((&path, width), first, &end)),
            };
            let position = self.verifier.position();
            if position < first + u64::from(width) && in_place {
                let last = first + u64::from(width) == self.range.to;
                let code = if last { FindingCode::Truncated } else { FindingCode::IndexGap };
                let size = self.head.size;
                let detail = format!("{size} entries are claimed, the file ends before entry {position}");
                let place = Place::file(&path, bytes as u64);
                self.verifier.add(Finding::new(code, detail).index(position).at(&place));
            }
            break;
        }
        Ok(true)
    }

    /// Takes one entry with its body and blobs; returns whether its index is the one that belongs there.
    fn item(
        &mut self,
        path: &str,
        item: Item,
        leaves: Option<&[Hash]>,
        rebuilt: Option<&mut Rebuilt>,
    ) -> Result<bool, E> {
        let place = Place::file(path, item.offset as u64);
        let pushed = self.verifier.push(item.entry, &place);
        if let Some(rebuilt) = rebuilt {
            self.compare_tiles(rebuilt, pushed.leaf)?;
        }
        if let Some(leaves) = leaves {
            self.compare_leaf(&pushed, leaves, &place);
        }
        if let (Some(entry), Some(body)) = (&pushed.entry, item.body) {
            let references = body.references().to_vec();
            let path = Folder::Bodies.path(&entry.body_sha256);
            self.verifier.body(pushed.index, entry, body, &Place::file(&path, 0));
            for (reference, found) in references.into_iter().zip(item.blobs) {
                let folder = reference.blob.folder();
                if found == Some(reference.sha256) {
                    self.named.take(folder, &reference.sha256);
                }
                let path = folder.path(&reference.sha256);
                self.verifier.blob(pushed.index, reference, found, &Place::file(&path, 0));
            }
        }
        Ok(pushed.in_place || pushed.entry.is_none())
    }

    /// Reports that an entry bundle is not there or does not end as it must; returns whether it is there.
    fn cut_short(&mut self, (path, width): (&str, u16), first: u64, end: &End) -> bool {
        let size = self.head.size;
        let next = self.verifier.position();
        let (code, detail, index, offset) = match end {
            End::Missing => {
                let detail = format!("{size} entries are claimed, this file is not there");
                (FindingCode::Truncated, detail, first, 0)
            }
            End::TooLong => {
                let detail = "the file is longer than an entry bundle can be".to_owned();
                (FindingCode::Malformed, detail, first, 0)
            }
            End::Broken(err) => (FindingCode::Malformed, err.to_string(), next, err.offset()),
            End::Surplus(offset) => {
                let detail = format!("the file holds more than {width} entries");
                (FindingCode::Malformed, detail, next, *offset)
            }
            End::Whole(_) => return true,
        };
        self.verifier.add(Finding::new(code, detail).index(index).at(&Place::file(path, offset as u64)));
        !matches!(end, End::Missing | End::TooLong)
    }

    /// Returns the leaf hashes that belong to the entry bundle that begins at entry `first`; that they are gone is
    /// reported.
    fn leaf_tile(&mut self, first: u64) -> Result<Option<Vec<Hash>>, E> {
        if let Some(id) = TileId::holding(self.head.size, 0, first)
            && let Some(bytes) = self.files.get(&id.path(), id.bytes_len())?.bytes()
        {
            return Ok(Some(hashes(&bytes).collect()));
        }
        let detail = "the leaf hashes could not be read a second time";
        self.verifier.add(Finding::new(FindingCode::TileMismatch, detail).index(first));
        Ok(None)
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
