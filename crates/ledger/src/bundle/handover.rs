//! Older checkpoints in a bundle: who trusts a key that was rotated out follows it to the one that signs now.
//!
//! An older checkpoint counts when a trusted key signed it and the log extends it. It makes the keys trusted that
//! [`LogEvents::handed_over`] tells (LED-22).

use super::files::{Files, Got};
use super::manifest::{FileLine, Manifest};
use super::{CHECKPOINTS, SMALL_FILE_BYTES_MAX};
use crate::checkpoint::{self, TreeHead};
use crate::note::VerifierKey;
use crate::tile::{TileError, TileId, read_root};
use crate::verify::{Finding, FindingCode, LogEvents, Place, Verifier};

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
        let mut sizes: Vec<u64> = listed.iter().filter_map(|line| parse(&line.path)).collect();
        sizes.sort_unstable();
        sizes.dedup();
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
                    let detail = "it is not the checkpoint that its name says".to_owned();
                    verifier.add(bad(FindingCode::CheckpointInconsistent, detail));
                    continue;
                }
                Err(err) => {
                    let (code, offset) = super::checkpoint_code(&err);
                    // By keys that came later than the trusted one, or before it: of no use, and no harm.
                    if code != FindingCode::KeyUnknown {
                        let place = Place::file(&path(*size), offset);
                        verifier.add(Finding::new(code, err.to_string()).at(&place));
                    }
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
}
