//! What a verification demands of an anchor, and of the log because of it (LED-31).

use std::fs;
use std::path::Path;

use ledger::anchor::What;
use ledger::checkpoint::CheckpointError;
use ledger::verify::{Continuation, EvidenceState, Place, Verifier};
use ledger::{Finding, FindingCode, TreeHead, VerifierKey};

use super::lines::each_line;
use crate::error::Error;

/// Whose checkpoints an anchor may have: the log's, and those of the logs that it goes on with.
#[derive(Debug)]
pub(crate) struct Signers {
    pub(crate) keys: Vec<VerifierKey>,
    pub(crate) older: Vec<(Continuation, Vec<VerifierKey>)>,
}

/// A head that a key of its log signed.
#[derive(Debug)]
pub(crate) enum Whose {
    Ours(TreeHead),
    /// That of a log that ours goes on with.
    Older(TreeHead),
}

impl Signers {
    /// Opens a checkpoint.
    ///
    /// # Errors
    /// When it is none, or no key of the log that it names signed it.
    pub(crate) fn open(&self, note: &str) -> Result<Whose, CheckpointError> {
        let origin = note.lines().next().unwrap_or_default();
        let of = self.older.iter().find(|(continuation, _keys)| continuation.head.origin == origin);
        let keys = of.map_or(&self.keys, |(_continuation, keys)| keys);
        let signed = ledger::checkpoint::open(note.as_bytes(), keys)?;
        Ok(if of.is_some() { Whose::Older(signed.head) } else { Whose::Ours(signed.head) })
    }
}

/// What an anchor turned out to have.
#[derive(Debug, Default)]
pub(crate) struct Anchored {
    /// Size of the first head of the log in it.
    pub(crate) first: Option<u64>,
    /// The heads of the logs that it goes on with.
    pub(crate) older: Vec<(TreeHead, Place)>,
}

impl Anchored {
    /// Demands that the anchor has the first checkpoint that was signed since the log promised one: `sizes` are those
    /// of its checkpoints, and `since` is the entry that promised it. A file that begins later was begun anew.
    pub(crate) fn check_begin(
        &self,
        path: &Path,
        (since, sizes): (u64, impl Iterator<Item = u64>),
        verifier: &mut Verifier,
    ) {
        let promised = sizes.filter(|size| *size > since).min();
        let Some((first, promised)) = self.first.zip(promised).filter(|(first, due)| first > due) else {
            return;
        };
        let detail = format!(
            "the anchor {} begins with the checkpoint over {first} entries; entry {since} promised one, and the first \
             checkpoint from then on is over {promised}: what stood in it before is gone",
            path.display()
        );
        verifier.add(Finding::new(FindingCode::AnchorMissing, detail).index(since));
        verifier.report_mut().anchor = EvidenceState::Failed;
    }
}

/// Demands that the log has every head of the anchor, in a verification that has not read entries yet. Of the file, only
/// so many bytes are read: what was appended since they were measured may be newer than what is verified.
///
/// # Errors
/// When the file cannot be read to its end; whatever is in it is a finding.
pub(crate) fn expect(
    (path, bytes): (&Path, u64),
    signers: &Signers,
    has_checkpoints: bool,
    verifier: &mut Verifier,
) -> Result<Anchored, Error> {
    let name = path.display().to_string();
    let mut anchored = Anchored::default();
    if bytes == 0 {
        // Another process may be writing the first line just now.
        let is_empty = fs::metadata(path).map_or(true, |meta| meta.len() == 0);
        if has_checkpoints && is_empty {
            let detail = format!("the anchor {name} is missing or empty, and the log has checkpoints");
            verifier.add(Finding::new(FindingCode::AnchorMissing, detail));
            verifier.report_mut().anchor = EvidenceState::Failed;
        }
        return Ok(anchored);
    }
    let mut good = true;
    each_line((path, bytes), |offset, what| {
        let place = Place::file(&name, offset);
        let finding = match what {
            Ok(What::Head { note }) => match signers.open(&note) {
                Ok(Whose::Ours(head)) => {
                    verifier.expect_anchored(&head, &place);
                    anchored.first.get_or_insert(head.size);
                    return Ok(());
                }
                Ok(Whose::Older(head)) => {
                    anchored.older.push((head, place));
                    return Ok(());
                }
                Err(err) => Finding::new(FindingCode::CheckpointSignature, err.to_string()),
            },
            Ok(What::Seam { .. }) => {
                verifier.report_mut().anchor_seams += 1;
                return Ok(());
            }
            Err(err) => Finding::new(FindingCode::Malformed, err.to_string()),
        };
        verifier.add(finding.at(&place));
        good = false;
        Ok(())
    })?;
    if has_checkpoints && anchored.first.is_none() {
        let detail = format!("the anchor {name} has no checkpoint of this log");
        verifier.add(Finding::new(FindingCode::AnchorMissing, detail));
        good = false;
    }
    // A head that the log turns out not to have makes it `Failed` when the verification ends.
    verifier.report_mut().anchor = if good { EvidenceState::Verified } else { EvidenceState::Failed };
    Ok(anchored)
}
