//! A head of this log that a witness showed and that this log does not have: proof, by the log's own signature,
//! that the log was set back or forked. It is kept, and nothing more is signed (LED-19).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ledger::checkpoint;
use ledger::note::NOTE_BYTES_MAX;
use ledger::{Finding, FindingCode, TreeHead};
use model::Digest;

use crate::anchor::Whose;
use crate::context::App;
use crate::error::{Error, Kind};
use crate::file_lock;

/// Name of the file in the data directory.
const SEEN_FILE: &str = "witnessed.checkpoint";

/// Returns what a witness showed last that this data directory's log did not have, and its file. Its signature is not
/// checked.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn seen_note(data_dir: &Path) -> Result<Option<(Vec<u8>, PathBuf)>, Error> {
    let path = data_dir.join(SEEN_FILE);
    Ok(read_seen(&path)?.map(|note| (note, path)))
}

/// Reads a file of at most one note; nothing where there is none.
fn read_seen(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let file = match File::open(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened,
    };
    let mut note = Vec::new();
    let read = file.and_then(|file| file.take(NOTE_BYTES_MAX as u64 + 1).read_to_end(&mut note));
    read.map_err(|err| Error::new(Kind::Unavailable, format!("could not read {}: {err}", path.display())))?;
    Ok(Some(note))
}

/// What the data directory says against the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A head that the log signed and does not have.
    Missing(TreeHead),
    /// A head of a log that this one goes on with, which contradicts what the first entry says of that log; how.
    Older(Finding),
    /// What no key of the log signed: it proves nothing, since whoever can write here can put it here. Says why.
    Unsigned(String),
}

impl Seen {
    /// Returns the finding of a verification; nothing for what proves nothing.
    pub(crate) fn finding(self, entries: u64) -> Option<Finding> {
        match self {
            Self::Missing(head) => {
                let code = if head.size > entries {
                    FindingCode::Truncated
                } else {
                    FindingCode::CheckpointInconsistent
                };
                let detail = format!(
                    "a witness showed a checkpoint over {} entries that the log signed and does not have",
                    head.size
                );
                Some(Finding::new(code, detail))
            }
            Self::Older(finding) => Some(finding),
            Self::Unsigned(_) => None,
        }
    }
}

impl App {
    fn seen_path(&self) -> PathBuf {
        self.key_path.with_file_name(SEEN_FILE)
    }

    /// Returns what the file that a witness's head is kept in says against the log, with the file; nothing where
    /// there is none, or the log has that head.
    ///
    /// # Errors
    /// When the file or the database cannot be read.
    pub async fn seen(&self) -> Result<Option<(Seen, PathBuf)>, Error> {
        let path = self.seen_path();
        let Some(note) = read_seen(&path)? else { return Ok(None) };
        let signers = self.signers().await?;
        let text = std::str::from_utf8(&note).map_err(|err| err.to_string());
        let seen = match text.and_then(|text| signers.open(text).map_err(|err| err.to_string())) {
            Err(why) => Some(Seen::Unsigned(why)),
            Ok(Whose::Ours(head)) => (!self.has_head(&head).await?).then_some(Seen::Missing(head)),
            Ok(Whose::Older(head)) => {
                let of = signers.older.iter().find(|(of, _keys)| of.head.origin == head.origin);
                let judged = of.and_then(|(of, _keys)| of.judge(&head, FindingCode::CheckpointInconsistent));
                judged.map(Seen::Older)
            }
        };
        Ok(seen.map(|seen| (seen, path)))
    }

    /// Keeps a checkpoint that a witness showed, when the log's own key signed it and the log does not have it.
    /// Returns whether that is so. Of several such the largest is kept, and of one size the first.
    ///
    /// # Errors
    /// When the database cannot be read or the file not be written.
    pub(super) async fn keep_seen(&self, note: &[u8]) -> Result<bool, Error> {
        // What the log did not sign proves nothing against it.
        let Ok(signed) = checkpoint::open(note, &self.keys().await?) else { return Ok(false) };
        if signed.head.origin != self.tenant.origin || self.has_head(&signed.head).await? {
            return Ok(false);
        }
        let path = self.seen_path();
        let unkept = |err: io::Error| {
            Error::new(Kind::Unavailable, format!("could not keep {}: {err}", path.display()))
        };
        // All who keep one take turns, here and in other processes, so that none puts an older head over a newer one.
        let _turn = turn(&path).await.map_err(unkept)?;
        if let Some((Seen::Missing(kept), _path)) = self.seen().await?
            && kept.size >= signed.head.size
        {
            return Ok(true);
        }
        write_seen(&path, note).map_err(unkept)?;
        Ok(true)
    }

    /// Refuses to sign while the log does not have the head that a witness showed. With a database that has it,
    /// all goes on.
    ///
    /// # Errors
    /// When that is so, or the file or the database cannot be read.
    pub(crate) async fn check_seen(&self) -> Result<(), Error> {
        let (message, path) = match self.seen().await? {
            Some((Seen::Missing(head), path)) => {
                let message = format!(
                    "rollback_detected: a witness has a checkpoint over {} entries that this log never had; nothing is signed",
                    head.size
                );
                (message, path)
            }
            Some((Seen::Older(finding), path)) => {
                let message = format!("rollback_detected: {}; nothing is signed", finding.detail);
                return Err(Error::new(Kind::Internal, message).hint(format!("keep {}", path.display())));
            }
            // Whoever can write here can also remove the file, so that a signature would guard nothing more.
            Some((Seen::Unsigned(_), _)) | None => return Ok(()),
        };
        Err(Error::new(Kind::Internal, message).hint(format!(
            "run `plumb ledger verify`, then restore the newest backup, or go on by `plumb ledger continue` with {}",
            path.display()
        )))
    }

    /// Tells whether a head is one that the log signed.
    pub(crate) async fn has_head(&self, head: &TreeHead) -> Result<bool, Error> {
        let stored = self.db.find_checkpoint(&self.tenant, head.size).await?;
        Ok(stored.is_some_and(|stored| stored.root == Digest(head.root)))
    }
}

/// Waits until nobody else keeps a head in this data directory; it is so until the file is dropped.
async fn turn(path: &Path) -> io::Result<File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    file_lock::exclusive(File::open(folder)?).await
}

/// Writes the file durably and in one step.
fn write_seen(path: &Path, note: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(note)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
