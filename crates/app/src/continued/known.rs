//! The heads of a log that ended, from the files that are left of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ledger::bundle::{CHECKPOINT, SMALL_FILE_BYTES_MAX};
use ledger::checkpoint::{self, CheckpointError};
use ledger::note::{Note, NoteError};
use ledger::{Hash, TreeHead, VerifierKey};

use crate::anchor::{NotesBack, each_note};
use crate::context::Config;
use crate::error::{Error, Kind};
use crate::witness::seen_note;

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
    /// Whose lines are on the newest head, and on what a witness showed.
    cosigners: BTreeSet<Cosigner>,
    /// The head that a witness showed.
    seen: Option<TreeHead>,
}

/// Name and key id of a witness, as its lines have them.
pub(super) type Cosigner = (String, String);

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
        let mut known =
            known.ok_or_else(|| Error::new(Kind::Usage, "no checkpoint of the old log is named"))?;
        known.cosigners.extend(cosigners(&known.newest));
        Ok(known)
    }

    pub(super) fn newest(&self) -> &SignedHead {
        &self.newest
    }

    pub(super) fn root_at(&self, size: u64) -> Option<Hash> {
        self.roots.get(&size).copied()
    }

    /// Takes in what copies at hand know of the old log: the anchor, and what a witness showed. What the old log did
    /// not sign says nothing of it.
    ///
    /// # Errors
    /// When one of them knows a larger head than those that are named.
    pub(super) fn compare_with_copies(&mut self, config: &Config, keys: &[VerifierKey]) -> Result<(), Error> {
        let mut heads = Vec::new();
        if let Some(path) = &config.anchor
            && let Some(mut notes) = NotesBack::open(path)?
        {
            let all = notes.find(|note| {
                heads.extend(open(note.as_bytes(), keys).ok().map(|signed| (signed.head, path.clone())));
                None::<()>
            });
            all.map_err(|err| unusable(path, &err.to_string()))?;
        }
        if let Some((note, path)) = seen_note(&config.data_dir)?
            && let Ok(signed) = open(&note, keys)
            && signed.head.origin == self.newest.head.origin
        {
            self.seen = Some(signed.head.clone());
            self.cosigners.extend(cosigners(&signed));
            heads.push((signed.head, path));
        }
        for (head, path) in heads.into_iter().filter(|(head, _path)| head.origin == self.newest.head.origin) {
            if head.size > self.newest.head.size {
                let message = format!(
                    "{} has a checkpoint over {} entries, and the newest one named is over {}",
                    path.display(),
                    head.size,
                    self.newest.head.size
                );
                return Err(Error::new(Kind::Usage, message).hint("name that file as well"));
            }
            if *self.roots.entry(head.size).or_insert(head.root) != head.root {
                let message = format!(
                    "{} and what is named have two heads over {} entries, both signed: it is not one log",
                    path.display(),
                    head.size
                );
                return Err(Error::new(Kind::Conflict, message).hint("keep both: they prove it"));
            }
        }
        Ok(())
    }

    /// Returns the stored heads that count as a beginning of the old log, by size: whoever restores an older copy and
    /// works on with it signs heads that are none. `stored` are all heads, newest first, with who cosigned them.
    ///
    /// A witness cosigns nothing that does not extend what it cosigned, so those count that a witness of the newest
    /// head cosigned; where that one names none, those that any witness did. Without any witness the newest counts,
    /// unless what a witness showed disputes it.
    pub(super) fn vouched(&self, stored: &[(TreeHead, Vec<Cosigner>)]) -> BTreeMap<u64, Hash> {
        let by = |is_one: &dyn Fn(&Cosigner) -> bool| -> BTreeMap<u64, Hash> {
            let heads = stored.iter().filter(|(_head, cosigners)| cosigners.iter().any(is_one));
            heads.map(|(head, _cosigners)| (head.size, head.root)).collect()
        };
        let (by_theirs, by_any) = (by(&|cosigner| self.cosigners.contains(cosigner)), by(&|_any| true));
        let is_disputed = self.seen.as_ref().is_some_and(|seen| stored.iter().all(|(head, _)| head != seen));
        if is_disputed || !by_theirs.is_empty() {
            by_theirs
        } else if !by_any.is_empty() {
            by_any
        } else {
            stored.first().map(|(head, _cosigners)| (head.size, head.root)).into_iter().collect()
        }
    }
}

/// Returns whose lines a checkpoint has besides that of its log. They are not checked: whose are stored was.
fn cosigners(signed: &SignedHead) -> Vec<Cosigner> {
    let note = Note::parse(signed.note.as_bytes()).map(|note| note.signatures).unwrap_or_default();
    let others = note.into_iter().filter(|line| line.name != signed.head.origin);
    others.map(|line| (line.name, line.key_id.to_string())).collect()
}

fn add(known: &mut Option<Known>, signed: SignedHead) -> Result<(), Error> {
    let TreeHead { origin, size, root } = signed.head.clone();
    let Some(known) = known else {
        let roots = BTreeMap::from([(size, root)]);
        *known = Some(Known { roots, newest: signed, cosigners: BTreeSet::new(), seen: None });
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
