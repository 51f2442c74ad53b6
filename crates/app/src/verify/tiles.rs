//! The stored tiles against each other, against the signed root and against the entries; one page of tiles and
//! one row of hashes a level are held, whatever the size of the log.
//!
//! When the stored leaf hashes lead to the root of the newest checkpoint they are authentic, and an entry that
//! is not the one its hash speaks of was altered. When not, the tiles that differ from the entries are at fault.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ledger::tile::{TILE_WIDTH, Tile, TileBuilder, TileId, hashes, tiles_of_size};
use ledger::verify::{FINDINGS_MAX, Pushed, Verifier};
use ledger::{Finding, FindingCode, Hash};
use store::log::TILES_PAGE_MAX;

use crate::context::App;
use crate::error::Error;

/// Level and index of a tile.
type Key = (u8, u64);

/// What the stored tiles are worth, and the comparison with the entries as they are read.
pub(super) struct TileCheck {
    /// Entries that tiles belong to.
    covered: u64,
    authentic: bool,
    /// The tile of leaf hashes that was read last.
    held: Option<(TileId, Vec<u8>)>,
    /// The tiles built again from the entries, where the stored ones are not authentic.
    builder: TileBuilder,
    /// Tiles that a finding names already.
    reported: BTreeSet<Key>,
}

/// The stored tiles in order, a page at a time.
struct Stored<'a> {
    app: &'a App,
    page: VecDeque<Tile>,
    after: Option<Key>,
}

impl Stored<'_> {
    async fn fill(&mut self) -> Result<Option<&Tile>, Error> {
        if self.page.is_empty() {
            self.page = self.app.db.list_tiles(&self.app.tenant, self.after, TILES_PAGE_MAX).await?.into();
            self.after = self.page.back().map(key).or(self.after);
        }
        Ok(self.page.front())
    }
}

fn key(tile: &Tile) -> Key {
    (tile.id.level, tile.id.index)
}

fn mismatch((level, index): Key, what: &str) -> Finding {
    Finding::new(FindingCode::TileMismatch, format!("tile {index} of level {level} {what}"))
        .row("log_tiles", &format!("{level}/{index}"))
}

/// The tiles above the leaf hashes, computed from the stored leaf hashes.
#[derive(Default)]
struct Above {
    builder: TileBuilder,
    tiles: BTreeMap<Key, Vec<u8>>,
    /// False when a tile of leaf hashes is missing or has another width.
    whole: bool,
    closed: bool,
}

impl Above {
    fn push(&mut self, bytes: &[u8]) {
        for leaf in hashes(bytes) {
            let tiles = &mut self.tiles;
            let pushed = self.builder.push(leaf, |tile| {
                if tile.id.level > 0 {
                    tiles.insert(key(&tile), tile.bytes);
                }
            });
            self.whole &= pushed.is_ok();
        }
    }

    /// Ends the leaf hashes: the partial tiles above them are known now.
    fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            let partials = self.builder.partials().filter(|tile| tile.id.level > 0);
            self.tiles.extend(partials.map(|tile| (key(&tile), tile.bytes)));
        }
    }
}

impl TileCheck {
    /// Reads every stored tile once; `root` is that of the newest checkpoint, over `covered` entries.
    pub(super) async fn begin(
        app: &App,
        verifier: &mut Verifier,
        (covered, root): (u64, Option<Hash>),
    ) -> Result<Self, Error> {
        let mut check = Self {
            covered,
            authentic: false,
            held: None,
            builder: TileBuilder::new(),
            reported: BTreeSet::new(),
        };
        let mut stored = Stored { app, page: VecDeque::new(), after: None };
        let mut above = Above { whole: true, ..Above::default() };
        let mut misfits = Vec::new();
        let mut expected = tiles_of_size(covered);
        let mut wanted = expected.next();
        while check.reported.len() < FINDINGS_MAX {
            let found = stored.fill().await?.map(key);
            let missing = wanted.filter(|id| found.is_none_or(|found| (id.level, id.index) < found));
            if let Some(id) = missing {
                check.report(verifier, (id.level, id.index), "is missing");
                above.whole &= id.level > 0;
                wanted = expected.next();
                continue;
            }
            let Some(tile) = stored.page.pop_front() else { break };
            let Some(id) = wanted.filter(|id| (id.level, id.index) == key(&tile)) else {
                check.report(verifier, key(&tile), "belongs to no entry");
                continue;
            };
            wanted = expected.next();
            if tile.id != id || tile.bytes.len() != id.bytes_len() {
                check.report(verifier, key(&tile), "is not as wide as it must be");
                above.whole &= id.level > 0;
            } else if id.level == 0 {
                above.push(&tile.bytes);
            } else {
                above.close();
                if above.tiles.get(&key(&tile)) != Some(&tile.bytes) {
                    misfits.push(key(&tile));
                }
            }
        }
        check.authentic = above.whole && root == Some(above.builder.frontier().root());
        if check.authentic {
            for key in misfits {
                check.report(verifier, key, "does not fit the tiles below it");
            }
        }
        Ok(check)
    }

    fn report(&mut self, verifier: &mut Verifier, key: Key, what: &str) {
        if self.reported.insert(key) {
            verifier.add(mismatch(key, what));
        }
    }

    /// Compares the entry that was read last.
    pub(super) async fn entry(
        &mut self,
        app: &App,
        verifier: &mut Verifier,
        pushed: &Pushed,
    ) -> Result<(), Error> {
        if self.authentic {
            return self.compare_leaf(app, verifier, pushed).await;
        }
        if pushed.index < self.covered {
            let mut full = Vec::new();
            // The verifier has reported a full log already.
            if self.builder.push(pushed.leaf, |tile| full.push(tile)).is_ok() {
                for tile in full {
                    self.compare_tile(app, verifier, &tile).await?;
                }
            }
        }
        Ok(())
    }

    /// Compares an entry with its authentic leaf hash.
    async fn compare_leaf(
        &mut self,
        app: &App,
        verifier: &mut Verifier,
        pushed: &Pushed,
    ) -> Result<(), Error> {
        // Behind a removed or inserted entry the others are right, only moved; that was reported once.
        let claimed = pushed.entry.as_ref().map_or(pushed.index, |entry| entry.index);
        let moved_far = claimed.abs_diff(pushed.index) > TILE_WIDTH;
        if claimed >= self.covered && !moved_far {
            return Ok(());
        }
        let leaf = if moved_far { None } else { self.leaf(app, claimed).await? };
        if leaf != Some(pushed.leaf) {
            let detail = "the entry is not the one that the tree commits to";
            let finding = Finding::new(FindingCode::LeafMismatch, detail).index(pushed.index);
            verifier.add(match &pushed.entry {
                Some(entry) => finding.row(&entry.table, &entry.row),
                None => finding,
            });
        }
        Ok(())
    }

    async fn leaf(&mut self, app: &App, index: u64) -> Result<Option<Hash>, Error> {
        let Some(id) = TileId::holding(self.covered, 0, index) else { return Ok(None) };
        if self.held.as_ref().is_none_or(|(held, _bytes)| *held != id) {
            let bytes = app.db.read_tiles(&app.tenant, [id]).await?.remove(&id);
            self.held = bytes.map(|bytes| (id, bytes));
        }
        let slot = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        Ok(self.held.as_ref().and_then(|(_id, bytes)| hashes(bytes).nth(slot)))
    }

    async fn compare_tile(&mut self, app: &App, verifier: &mut Verifier, tile: &Tile) -> Result<(), Error> {
        let stored = app.db.read_tiles(&app.tenant, [tile.id]).await?.remove(&tile.id);
        if stored.as_deref() != Some(tile.bytes.as_slice()) && self.reported.len() < FINDINGS_MAX {
            self.report(verifier, key(tile), "is not what the entries give");
        }
        Ok(())
    }

    /// Compares what the last entries give.
    pub(super) async fn finish(mut self, app: &App, verifier: &mut Verifier) -> Result<(), Error> {
        let partials: Vec<Tile> = self.builder.partials().collect();
        for tile in partials {
            self.compare_tile(app, verifier, &tile).await?;
        }
        Ok(())
    }
}
