//! Writes bundles: entries, bodies and blobs in, files out. The same input gives the same bytes.

use std::collections::BTreeSet;

use super::{CHECKPOINT, Counts, FileLine, Folder, MANIFEST, Manifest, Range, VKEYS, handover};
use crate::canonical::InvalidValue;
use crate::checkpoint::{CheckpointError, TreeHead};
use crate::note::{Note, NoteError, VerifierKey};
use crate::tile::{BundleError, TILE_WIDTH, Tile, TileBuilder, bundle_path, encode_bundle};
use crate::tree::{TreeError, leaf_hash};
use crate::{Hash, sha256};

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Why a bundle was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("could not read the checkpoint to export")]
    Note(#[from] NoteError),
    #[error("could not read the checkpoint to export")]
    Checkpoint(#[from] CheckpointError),
    #[error("an export range has entries, and begins and ends at multiples of 256 or at the tree size")]
    Range,
    #[error("could not write an entry")]
    Entry(#[from] BundleError),
    #[error("could not extend the tree")]
    Tree(#[from] TreeError),
    #[error("could not write manifest.json")]
    Manifest(#[from] InvalidValue),
    #[error("a file for {folder} has {len} bytes, more than it may hold")]
    TooLong { folder: &'static str, len: usize },
    #[error("the checkpoint is over {expected} entries, {found} were given")]
    EntryCount { expected: u64, found: u64 },
    #[error("the entries do not have the root of the checkpoint: verify the log before exporting it")]
    Root,
}

/// Turns a log into the files of a bundle. Holds one entry bundle and the digests of the files written.
///
/// Give every entry of the log from the first on with [`BundleWriter::entry`], also those before the range:
/// the tiles are built from them. Give bodies and blobs of the range at any time. Write each returned file.
#[derive(Debug)]
pub struct BundleWriter {
    head: TreeHead,
    range: Range,
    builder: TileBuilder,
    /// The entries of the entry bundle that is being filled.
    pending: Vec<Vec<u8>>,
    written: BTreeSet<(Folder, Hash)>,
    counts: Counts,
    lines: Vec<FileLine>,
    fixed: Vec<BundleFile>,
}

impl BundleWriter {
    /// Starts a bundle of a range under a signed checkpoint; without a range, of the whole log.
    ///
    /// The signatures are not checked here: the caller exports its own checkpoint.
    ///
    /// # Errors
    /// When the checkpoint is malformed or the range does not fit.
    pub fn new(checkpoint: &[u8], keys: &[VerifierKey], range: Option<Range>) -> Result<Self, WriteError> {
        let head = TreeHead::parse(&Note::parse(checkpoint)?.text)?;
        let range = range.unwrap_or(Range::whole(head.size));
        if !range.fits(head.size) {
            return Err(WriteError::Range);
        }
        let mut vkeys: Vec<String> = keys.iter().map(|key| format!("{key}\n")).collect();
        vkeys.sort();
        vkeys.dedup();
        let fixed = vec![
            BundleFile { path: CHECKPOINT.to_owned(), bytes: checkpoint.to_vec() },
            BundleFile { path: VKEYS.to_owned(), bytes: vkeys.concat().into_bytes() },
        ];
        Ok(Self {
            head,
            range,
            builder: TileBuilder::new(),
            pending: Vec::new(),
            written: BTreeSet::new(),
            counts: Counts::default(),
            lines: fixed.iter().map(|file| FileLine::of(&file.path, &file.bytes)).collect(),
            fixed,
        })
    }

    /// Takes an older checkpoint that two keys of the log signed, for those who trust the first of them.
    pub fn handover(&mut self, size: u64, note: &[u8]) {
        let path = handover::path(size);
        self.lines.push(FileLine::of(&path, note));
        self.fixed.push(BundleFile { path, bytes: note.to_vec() });
    }

    /// Takes the next entry of the log and returns the files that it completes.
    ///
    /// # Errors
    /// When the entry is too long or lies beyond the checkpoint.
    pub fn entry(&mut self, bytes: &[u8]) -> Result<Vec<BundleFile>, WriteError> {
        let index = self.builder.frontier().size();
        if index >= self.head.size {
            return Err(WriteError::EntryCount { expected: self.head.size, found: index + 1 });
        }
        let mut files = Vec::new();
        self.builder.push(leaf_hash(bytes), |tile| files.push(tile_file(tile)))?;
        self.counts.tiles += files.len() as u64;
        if (self.range.from..self.range.to).contains(&index) {
            self.pending.push(bytes.to_vec());
            if (index + 1).is_multiple_of(TILE_WIDTH) || index + 1 == self.range.to {
                files.push(self.entry_bundle(index / TILE_WIDTH)?);
            }
        }
        Ok(files)
    }

    fn entry_bundle(&mut self, index: u64) -> Result<BundleFile, WriteError> {
        let entries = std::mem::take(&mut self.pending);
        let width = u16::try_from(entries.len()).map_err(|_err| WriteError::Range)?;
        self.counts.entry_bundles += 1;
        let bytes = encode_bundle(entries.iter().map(Vec::as_slice))?;
        Ok(BundleFile { path: bundle_path(index, width), bytes })
    }

    /// Takes a body or blob and returns its file; nothing when that file was written before.
    ///
    /// # Errors
    /// When it is longer than its folder may hold.
    pub fn blob(&mut self, folder: Folder, bytes: &[u8]) -> Result<Option<BundleFile>, WriteError> {
        if bytes.len() > folder.bytes_max() {
            return Err(WriteError::TooLong { folder: folder.name(), len: bytes.len() });
        }
        let digest = sha256(bytes);
        if !self.written.insert((folder, digest)) {
            return Ok(None);
        }
        match folder {
            Folder::Bodies => self.counts.bodies += 1,
            Folder::Evidence => self.counts.evidence += 1,
            Folder::Manifests => self.counts.manifests += 1,
        }
        Ok(Some(BundleFile { path: folder.path(&digest), bytes: bytes.to_vec() }))
    }

    /// Ends the bundle and returns the last files: partial tiles, checkpoint, vkeys and `manifest.json`.
    ///
    /// # Errors
    /// When entries are missing, or what was given does not have the checkpoint's root.
    pub fn finish(mut self) -> Result<Vec<BundleFile>, WriteError> {
        let found = self.builder.frontier().size();
        if found != self.head.size {
            return Err(WriteError::EntryCount { expected: self.head.size, found });
        }
        if self.builder.frontier().root() != self.head.root {
            return Err(WriteError::Root);
        }
        let mut files: Vec<BundleFile> = self.builder.partials().map(tile_file).collect();
        self.counts.tiles += files.len() as u64;
        self.lines.sort_by(|one, other| one.path.cmp(&other.path));
        let manifest = Manifest::new(&self.head, self.range, self.counts, self.lines).to_bytes()?;
        files.append(&mut self.fixed);
        files.push(BundleFile { path: MANIFEST.to_owned(), bytes: manifest });
        Ok(files)
    }
}

fn tile_file(tile: Tile) -> BundleFile {
    BundleFile { path: tile.id.path(), bytes: tile.bytes }
}
