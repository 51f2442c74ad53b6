//! The heads of a log that ended, from the files that are left of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ledger::bundle::{CHECKPOINT, SMALL_FILE_BYTES_MAX};
use ledger::checkpoint::{self, CheckpointError};
use ledger::note::NoteError;
use ledger::{Hash, TreeHead, VerifierKey};

use crate::anchor::{NotesBack, each_note};
use crate::context::Config;
use crate::error::{Error, Kind};
use crate::witness::seen_head;

/// A head that the old log signed.
#[derive(Debug, Clone)]
pub(super) struct SignedHead {
    pub(super) head: TreeHead,
    /// The key that signed it, of those that were given.
    pub(super) key: VerifierKey,
    pub(super) note: String,
}

/// Every head that is known of one log.
#[derive(Debug)]
pub(super) struct Known {
    roots: BTreeMap<u64, Hash>,
    newest: SignedHead,
}

impl Known {
    /// Reads checkpoints, anchors and the checkpoints of bundles. At least one head is known then, all of one
    /// log.
    pub(super) fn read(paths: &[PathBuf], keys: &[VerifierKey]) -> Result<Self, Error> {
        let mut known: Option<Self> = None;
        for path in paths {
            let mut found = false;
            read_one(path, |note| match open(note, keys) {
                Ok(signed) => {
                    found = true;
                    add(&mut known, signed)
                }
                // An anchor also has heads by keys before the one that is given, and of other logs.
                Err(CheckpointError::Note(NoteError::UnknownKey)) => Ok(()),
                Err(err) => Err(unusable(path, &err.to_string())),
            })?;
            if !found {
                return Err(unusable(path, "it has no checkpoint that a key given by --vkey signed"));
            }
        }
        known.ok_or_else(|| Error::new(Kind::Usage, "no checkpoint of the old log is named"))
    }

    pub(super) fn newest(&self) -> &SignedHead {
        &self.newest
    }

    pub(super) fn root_at(&self, size: u64) -> Option<Hash> {
        self.roots.get(&size).copied()
    }

    /// Refuses when a copy at hand knows more of the old log: the anchor, or what a witness showed.
    pub(super) fn compare_with_copies(&self, config: &Config, keys: &[VerifierKey]) -> Result<(), Error> {
        let mut anchored = None;
        if let Some(path) = &config.anchor
            && let Some(mut notes) = NotesBack::open(path)?
        {
            // What the old log did not sign says nothing of it.
            let newest = notes.find(|note| open(note.as_bytes(), keys).ok());
            let newest = newest.map_err(|err| unusable(path, &err.to_string()))?;
            anchored = newest.map(|signed| (signed.head, path.clone()));
        }
        for (head, path) in anchored.into_iter().chain(seen_head(&config.data_dir)?) {
            if head.origin == self.newest.head.origin && head.size > self.newest.head.size {
                let message = format!(
                    "{} has a checkpoint over {} entries, and the newest one named is over {}",
                    path.display(),
                    head.size,
                    self.newest.head.size
                );
                return Err(Error::new(Kind::Usage, message).hint("name that file as well"));
            }
        }
        Ok(())
    }
}

fn add(known: &mut Option<Known>, signed: SignedHead) -> Result<(), Error> {
    let TreeHead { origin, size, root } = signed.head.clone();
    let Some(known) = known else {
        *known = Some(Known { roots: BTreeMap::from([(size, root)]), newest: signed });
        return Ok(());
    };
    if origin != known.newest.head.origin {
        let message = format!("checkpoints of two logs are named, {origin} and {}", known.newest.head.origin);
        return Err(
            Error::new(Kind::Usage, message).hint("give the key of the log to go on with, and no other")
        );
    }
    if *known.roots.entry(size).or_insert(root) != root {
        let message = format!("{origin} signed two heads over {size} entries: it is not one log");
        return Err(Error::new(Kind::Conflict, message).hint("keep both: they prove it"));
    }
    if size > known.newest.head.size {
        known.newest = signed;
    }
    Ok(())
}

/// Hands over the notes in a file or folder.
fn read_one(path: &Path, mut take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let file = if path.is_dir() { path.join(CHECKPOINT) } else { path.to_owned() };
    let unreadable = |err: &io::Error| {
        Error::new(Kind::Unavailable, format!("could not read the checkpoint {}: {err}", file.display()))
    };
    let mut bytes = Vec::new();
    File::open(&file)
        .and_then(|file| file.take(SMALL_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|err| unreadable(&err))?;
    if bytes.first() == Some(&b'{') {
        return each_note(&file, |note| take(note.as_bytes()));
    }
    take(&bytes)
}

fn open(note: &[u8], keys: &[VerifierKey]) -> Result<SignedHead, CheckpointError> {
    let signed = checkpoint::open(note, keys)?;
    let key = keys.iter().find(|key| key.name() == signed.head.origin && signed.key_ids.contains(&key.id()));
    let key = key.ok_or(NoteError::UnknownKey)?.clone();
    Ok(SignedHead { head: signed.head, key, note: String::from_utf8_lossy(note).into_owned() })
}

fn unusable(path: &Path, problem: &str) -> Error {
    Error::new(Kind::Usage, format!("{}: {problem}", path.display())).hint(
        "name a checkpoint, anchor or bundle of the old log, and its key as its bundles and keepers have it",
    )
}
