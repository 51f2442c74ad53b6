//! A head of this log that a witness showed and that this log does not have: proof, by the log's own signature,
//! that the log was set back or forked. It is kept, and nothing more is signed (LED-19).

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ledger::TreeHead;
use ledger::checkpoint;
use ledger::note::{NOTE_BYTES_MAX, Note};
use model::Digest;

use crate::context::App;
use crate::error::{Error, Kind};

/// Name of the file in the data directory.
const SEEN_FILE: &str = "witnessed.checkpoint";

/// Returns the head that a witness showed last and that this data directory's log did not have, and its file.
/// Its signature is not checked.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn seen_head(data_dir: &Path) -> Result<Option<(TreeHead, PathBuf)>, Error> {
    let path = data_dir.join(SEEN_FILE);
    let note = read_seen(&path)?.and_then(|note| Note::parse(&note).ok());
    Ok(note.and_then(|note| TreeHead::parse(&note.text).ok()).map(|head| (head, path)))
}

/// Reads a file of at most one note; nothing where there is none.
fn read_seen(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let file = match fs::File::open(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened,
    };
    let mut note = Vec::new();
    let read = file.and_then(|file| file.take(NOTE_BYTES_MAX as u64 + 1).read_to_end(&mut note));
    read.map_err(|err| Error::new(Kind::Unavailable, format!("could not read {}: {err}", path.display())))?;
    Ok(Some(note))
}

impl App {
    fn seen_path(&self) -> PathBuf {
        self.key_path.with_file_name(SEEN_FILE)
    }

    /// Keeps a checkpoint that a witness showed, when the log's own key signed it and the log does not have it.
    /// Returns whether that is so.
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
        let part = path.with_extension("part");
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(note).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, &path))
            .and_then(|()| path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all()));
        written.map_err(|err| {
            Error::new(Kind::Unavailable, format!("could not keep {}: {err}", path.display()))
        })?;
        Ok(true)
    }

    /// Refuses to sign while the log does not have the head that a witness showed. With a database that has it,
    /// all goes on.
    ///
    /// # Errors
    /// When that is so, or the file or the database cannot be read.
    pub(crate) async fn check_seen(&self) -> Result<(), Error> {
        let path = self.seen_path();
        let Some(note) = read_seen(&path)? else { return Ok(()) };
        // Whoever can write here can also remove the file, so that a signature would guard nothing more; one of
        // another log, or a text that is none, says nothing about this one.
        let Ok(signed) = checkpoint::open(&note, &self.keys().await?) else { return Ok(()) };
        if signed.head.origin != self.tenant.origin || self.has_head(&signed.head).await? {
            return Ok(());
        }
        let message = format!(
            "rollback_detected: a witness has a checkpoint over {} entries that this log never had; nothing is signed",
            signed.head.size
        );
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
