//! Reading the files of a bundle through the caller, and the pass over all of them: is each one a file of the
//! format, is it where it belongs, and does an entry name it.

use std::collections::BTreeSet;

use super::named::Named;
use super::{CHECKPOINT, Counts, Folder, MANIFEST, Range, VKEYS, handover};
use crate::tile::{TILE_WIDTH, TileId, parse_bundle_path};
use crate::verify::{FINDINGS_MAX, Finding, FindingCode, Place, Verifier};

/// Longest piece of a foreign path that a finding quotes. Characters.
const QUOTE_MAX: usize = 200;

/// The files of a bundle, read through the caller's closure.
pub(super) struct Files<R> {
    read: R,
}

/// What came of the pass over all files.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) counts: Counts,
    /// Paths of blobs that are none of the named ones; no more than a report lists.
    pub(super) unnamed: Vec<String>,
    /// Paths of older checkpoints; no more than a bundle has, and one.
    pub(super) handovers: BTreeSet<String>,
}

/// What was found where a file belongs.
pub(super) enum Got {
    Missing,
    /// It is longer than a file of its kind can be.
    TooLong,
    Bytes(Vec<u8>),
}

impl Got {
    /// Returns the bytes, when there are any to look at.
    pub(super) fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Missing | Self::TooLong => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

impl<E, R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>> Files<R> {
    pub(super) fn new(read: R) -> Self {
        Self { read }
    }

    /// Reads a file that is at most `max` bytes long.
    pub(super) fn get(&self, path: &str, max: usize) -> Result<Got, E> {
        Ok(match (self.read)(path, max)? {
            None => Got::Missing,
            Some(bytes) if bytes.len() > max => Got::TooLong,
            Some(bytes) => Got::Bytes(bytes),
        })
    }

    /// Reads a file that must be there; says so in the findings when it is not.
    pub(super) fn demand(
        &self,
        path: &str,
        max: usize,
        absent: FindingCode,
        verifier: &mut Verifier,
    ) -> Result<Option<Vec<u8>>, E> {
        let (code, detail) = match self.get(path, max)? {
            Got::Bytes(bytes) => return Ok(Some(bytes)),
            Got::Missing => (absent, "the file is not there".to_owned()),
            Got::TooLong => (FindingCode::Malformed, format!("the file is longer than {max} bytes")),
        };
        verifier.add(Finding::new(code, detail).at(&Place::file(path, 0)));
        Ok(None)
    }

    /// Looks at the path of every file of the bundle and counts them. Those that are named by their digest are read
    /// with the entries that name them.
    pub(super) fn survey(
        &self,
        paths: impl IntoIterator<Item = Result<String, E>>,
        (size, range): (u64, Range),
        named: &mut Named,
        verifier: &mut Verifier,
    ) -> Result<Survey, E> {
        let Survey { mut counts, mut unnamed, mut handovers } = Survey::default();
        let mut fixed = BTreeSet::new();
        for path in paths {
            let path = path?;
            let place = |path: &str| Place::file(&path.chars().take(QUOTE_MAX).collect::<String>(), 0);
            if let Some((folder, sha256)) = Folder::parse(&path) {
                let count = match folder {
                    Folder::Bodies => &mut counts.bodies,
                    Folder::Evidence => &mut counts.evidence,
                    Folder::Manifests => &mut counts.manifests,
                };
                *count += 1;
                // A body that no entry names shows in the count.
                if folder != Folder::Bodies && unnamed.len() < FINDINGS_MAX && !named.has(folder, &sha256) {
                    unnamed.push(path);
                }
            } else if let Some(tile) = TileId::parse(&path) {
                counts.tiles += 1;
                if TileId::holding(size, tile.level, tile.index.saturating_mul(TILE_WIDTH)) != Some(tile) {
                    let detail = format!("a log of {size} entries has no such tile");
                    verifier.add(Finding::new(FindingCode::TileMismatch, detail).at(&place(&path)));
                }
            } else if let Some((index, width)) = parse_bundle_path(&path) {
                counts.entry_bundles += 1;
                let first = index.saturating_mul(TILE_WIDTH);
                let belongs = (range.from..range.to).contains(&first)
                    && TileId::holding(size, 0, first).is_some_and(|tile| tile.width == width);
                if !belongs {
                    let detail = "no entries of the bundle's range belong in this file";
                    verifier.add(Finding::new(FindingCode::Malformed, detail).at(&place(&path)));
                }
            } else if !is_fixed(&path) || !fixed.insert(path.clone()) {
                let detail = "this is not a file of a bundle, or it is listed twice";
                verifier.add(Finding::new(FindingCode::Malformed, detail).at(&place(&path)));
            } else if handover::parse(&path).is_some() && handovers.len() <= handover::HANDOVERS_MAX {
                handovers.insert(path);
            }
        }
        Ok(Survey { counts, unnamed, handovers })
    }
}

/// Tells whether this can be a file that `manifest.json` lists, or is `manifest.json`.
fn is_fixed(path: &str) -> bool {
    [CHECKPOINT, VKEYS, MANIFEST].contains(&path) || handover::parse(path).is_some()
}
