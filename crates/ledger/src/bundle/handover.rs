//! Older checkpoints in a bundle: who trusts a key that was rotated out follows it to the one that signs now.
//!
//! An older checkpoint counts when a trusted key signed it and the log extends it. It makes the keys trusted that
//! [`LogEvents::handed_over`] tells (LED-22).

use std::collections::BTreeSet;

use super::files::{Files, Got};
use super::manifest::{FileLine, Manifest};
use super::{CHECKPOINTS, SMALL_FILE_BYTES_MAX};
use crate::checkpoint::{self, TreeHead};
use crate::note::{Note, VerifierKey};
use crate::tile::{TileError, TileId, read_root};
use crate::verify::{Finding, FindingCode, LogEvents, Place, Verifier};

/// What is wrong with a file that another checkpoint stands in.
const MISNAMED: &str = "it is not the checkpoint that its name says";
/// Most older checkpoints of a bundle.
pub(super) const HANDOVERS_MAX: usize = 1_000;

/// Returns the path of an older checkpoint.
pub(super) fn path(size: u64) -> String {
    format!("{CHECKPOINTS}/{size}")
}

/// Reads such a path; nothing when it is not one in its written form.
pub(super) fn parse(text: &str) -> Option<u64> {
    let size = text.strip_prefix(CHECKPOINTS)?.strip_prefix('/')?.parse().ok()?;
    (path(size) == text).then_some(size)
}

/// The older checkpoints that a bundle lists, in order of size, as bytes that nobody has judged yet.
#[derive(Debug, Default)]
pub(super) struct Handovers {
    notes: Vec<(u64, Vec<u8>)>,
    /// What `manifest.json` must say of them.
    pub(super) lines: Vec<FileLine>,
}

impl Handovers {
    /// Reads those that the manifest lists; one that is not there is found when the manifest is compared.
    pub(super) fn read<E, R>(files: &Files<R>, manifest: Option<&Manifest>) -> Result<Self, E>
    where
        R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
    {
        let listed = manifest.map(|manifest| manifest.files.as_slice()).unwrap_or_default();
        Self::read_sizes(files, listed.iter().filter_map(|line| parse(&line.path)).collect())
    }

    /// Reads those over so many entries, as far as they are there.
    fn read_sizes<E, R>(files: &Files<R>, sizes: BTreeSet<u64>) -> Result<Self, E>
    where
        R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
    {
        let mut handovers = Self::default();
        for size in sizes.into_iter().take(HANDOVERS_MAX) {
            if let Got::Bytes(bytes) = files.get(&path(size), SMALL_FILE_BYTES_MAX)? {
                handovers.lines.push(FileLine::of(&path(size), &bytes));
                handovers.notes.push((size, bytes));
            }
        }
        Ok(handovers)
    }

    /// Returns the keys that are trusted in the end; what an older checkpoint says that is wrong is a finding.
    pub(super) fn follow<E, R>(
        &self,
        files: &Files<R>,
        (head, keys): (&TreeHead, &[VerifierKey]),
        events: &LogEvents,
        verifier: &mut Verifier,
    ) -> Result<Vec<VerifierKey>, E>
    where
        R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
    {
        let mut trusted = keys.to_vec();
        for (size, note) in &self.notes {
            let bad = |code, detail: String| Finding::new(code, detail).at(&Place::file(&path(*size), 0));
            let signed = match checkpoint::open(note, &trusted) {
                Ok(signed) if signed.head.size == *size && signed.head.origin == head.origin => signed,
                Ok(_) => {
                    verifier.add(bad(FindingCode::CheckpointInconsistent, MISNAMED.to_owned()));
                    continue;
                }
                Err(err) => {
                    let (code, offset) = super::checkpoint_code(&err);
                    if code != FindingCode::KeyUnknown {
                        let place = Place::file(&path(*size), offset);
                        verifier.add(Finding::new(code, err.to_string()).at(&place));
                    } else if !is_over(note, *size) {
                        verifier.add(bad(FindingCode::CheckpointInconsistent, MISNAMED.to_owned()));
                    }
                    // By keys that came later than the trusted one, or before it: of no use, and no harm.
                    continue;
                }
            };
            let read = |id: TileId| Ok(files.get(&id.path(), id.bytes_len())?.bytes().unwrap_or_default());
            match read_root(head.size, *size, read) {
                Ok(root) if root == signed.head.root => {
                    verifier.report_mut().checkpoints += 1;
                    trusted = events.handed_over(&trusted, &signed);
                }
                Err(TileError::Read { source, .. }) => return Err(source),
                Ok(_) | Err(_) => {
                    let detail = format!("the log does not extend its checkpoint of size {size}");
                    verifier.add(bad(FindingCode::CheckpointInconsistent, detail));
                }
            }
        }
        Ok(trusted)
    }

    /// Finds the older checkpoints that are there and that the manifest does not list. One that the log signed and does
    /// not extend is said to be that: it proves a fork.
    pub(super) fn refuse_unlisted<E, R>(
        files: &Files<R>,
        (manifest, paths): (&Manifest, &BTreeSet<String>),
        (head, keys): (&TreeHead, &[VerifierKey]),
        verifier: &mut Verifier,
    ) -> Result<(), E>
    where
        R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
    {
        let is_listed = |path: &String| manifest.files.iter().any(|line| line.path == *path);
        let unlisted: Vec<&String> = paths.iter().filter(|path| !is_listed(path)).collect();
        for path in &unlisted {
            let finding = Finding::new(FindingCode::Malformed, "manifest.json does not list this file");
            verifier.add(finding.at(&Place::file(path, 0)));
        }
        let sizes = unlisted.iter().filter_map(|path| parse(path)).collect();
        let unlisted = Self::read_sizes(files, sizes)?;
        // No key becomes trusted by what the bundle does not say that it has.
        unlisted.follow(files, (head, keys), &LogEvents::default(), verifier)?;
        Ok(())
    }
}

/// Tells whether a checkpoint is over so many entries, whoever signed it.
fn is_over(note: &[u8], size: u64) -> bool {
    let head = Note::parse(note).ok().and_then(|note| TreeHead::parse(&note.text).ok());
    head.is_some_and(|head| head.size == size)
}
