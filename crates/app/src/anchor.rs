//! The anchor: every checkpoint, appended to a file on another trust domain (LED-31, docs/formats/anchor.md).
//!
//! What cannot be read at its end is moved to a file beside it, bytes kept, and a seam line says so (LED-07). Once
//! checkpoints were appended to it, it is never begun anew: nothing is signed while it is gone.

mod expect;
mod lines;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use ledger::anchor::{Line, Tail, What};
use ledger::verify::Continuation;
use ledger::{EntryKind, FindingCode, TreeHead};
use model::record::LogEvent;
use rustix::fs::OFlags;
use store::log::StoredCheckpoint;

use crate::context::App;
use crate::error::{Error, Kind};
use crate::file_lock;
use lines::{end_of, open_plain, unreadable};

pub(crate) use expect::{Anchored, Signers, Whose, expect};
pub(crate) use lines::{NotesBack, each_note};

/// Most checkpoints that are appended at once.
const APPENDED_MAX: usize = 1_000_000;

impl App {
    /// Appends every checkpoint that the anchor lacks, where one is configured.
    ///
    /// # Errors
    /// When the anchor cannot be written: a checkpoint may be signed and stored then, and not anchored. When some were
    /// appended to it, and it is gone or has none of them. When it is that of another log.
    pub(crate) async fn anchor(&self) -> Result<(), Error> {
        let Some(path) = &self.anchor else { return Ok(()) };
        let since = self.anchor_promised().await?;
        let due = self.db.first_checkpoint_over(&self.tenant, since + 1).await?;
        let mut file = open_locked(path, due.as_ref()).await?;
        let mut next = match self.newest_in((path, &file)).await? {
            Some(newest) => self.db.first_checkpoint_over(&self.tenant, newest + 1).await?,
            None => self.only(path, due).await?,
        };
        let what = match next {
            Some(_) => "the checkpoint is signed and not anchored in",
            None => "nothing is signed: it could not be appended to the anchor",
        };
        let failed = |err: &io::Error| unwritten(path, what, err);
        let at = self.now().to_string();
        let mut tail = mend(&mut file, path, &at).map_err(|err| failed(&err))?;
        for _checkpoint in 0..APPENDED_MAX {
            let Some(StoredCheckpoint { size, note, .. }) = next else { break };
            let note = String::from_utf8_lossy(&note).into_owned();
            tail = append((&mut file, path), tail, &at, What::Head { note }).map_err(|err| failed(&err))?;
            next = self.db.first_checkpoint_over(&self.tenant, size + 1).await?;
        }
        Ok(())
    }

    /// Returns the size of the log's newest head in the anchor.
    async fn newest_in(&self, (path, file): (&Path, &File)) -> Result<Option<u64>, Error> {
        let signers = self.signers().await?;
        let (mut is_known, mut stranger) = (false, None);
        let ours = |note: &str| match signers.open(note) {
            Ok(Whose::Ours(head)) => Some(head.size),
            Ok(Whose::Older(_)) => {
                is_known = true;
                None
            }
            Err(_) => {
                let origin = note.lines().next().unwrap_or_default();
                if stranger.is_none() && origin != self.tenant.origin {
                    stranger = Some(origin.to_owned());
                }
                None
            }
        };
        let newest = file.try_clone().and_then(NotesBack::of).and_then(|mut notes| notes.find(ours));
        let newest = newest.map_err(|err| unreadable(path, &err))?;
        match stranger {
            Some(origin) if newest.is_none() && !is_known => {
                let message = format!("the anchor {} belongs to another log, {origin}", path.display());
                Err(Error::new(Kind::Config, message).hint("name another file in PLUMB_LEDGER_ANCHOR"))
            }
            Some(_) | None => Ok(newest),
        }
    }

    /// Returns the first checkpoint of a log whose anchor has none, or refuses where there are others: each is appended
    /// before the next one is signed.
    async fn only(
        &self,
        path: &Path,
        due: Option<StoredCheckpoint>,
    ) -> Result<Option<StoredCheckpoint>, Error> {
        let Some(due) = due else { return Ok(None) };
        match self.db.first_checkpoint_over(&self.tenant, due.size + 1).await? {
            Some(_second) => Err(gone(path, "has no checkpoint of this log", &due)),
            None => Ok(Some(due)),
        }
    }

    /// Returns how long the anchor is while nobody appends to it; 0 where there is none.
    ///
    /// # Errors
    /// When there is a file that cannot be opened, or another process keeps it.
    pub(crate) async fn anchor_bytes(&self) -> Result<u64, Error> {
        let Some(path) = &self.anchor else { return Ok(0) };
        match measured(path).await {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(0),
            measured => measured.map_err(|err| unreadable(path, &err)),
        }
    }

    /// Returns how many entries lie under the newest checkpoint in the anchor that the log has; nothing where no anchor
    /// is configured.
    ///
    /// # Errors
    /// When there is a file that cannot be read, or the database cannot be.
    pub(crate) async fn anchored_size(&self) -> Result<Option<u64>, Error> {
        let Some((path, mut notes)) = self.notes_back()? else {
            return Ok(self.anchor.as_ref().map(|_missing| 0));
        };
        let signers = self.signers().await?;
        loop {
            let ours = notes.find(|note| match signers.open(note) {
                Ok(Whose::Ours(head)) => Some(head),
                Ok(Whose::Older(_)) | Err(_) => None,
            });
            match ours.map_err(|err| unreadable(path, &err))? {
                Some(head) if !self.has_head(&head).await? => {}
                head => return Ok(Some(head.map_or(0, |head| head.size))),
            }
        }
    }

    /// Refuses to sign when the anchor knows a head that the log does not have (LED-19): the database was
    /// restored from an older copy, or rewritten. What nobody signed says nothing. Then appends what it lacks, so that
    /// it has every checkpoint before the next one is signed.
    pub(crate) async fn check_anchor(&self) -> Result<(), Error> {
        if let Some((path, mut notes)) = self.notes_back()? {
            let signers = self.signers().await?;
            let newest = notes.find(|note| signers.open(note).ok());
            match newest.map_err(|err| unreadable(path, &err))? {
                Some(Whose::Ours(head)) if !self.has_head(&head).await? => return Err(rollback(path, &head)),
                Some(Whose::Older(head)) => judge_older(path, &head, &signers.older)?,
                Some(Whose::Ours(_)) | None => {}
            }
        }
        self.anchor().await
    }

    fn notes_back(&self) -> Result<Option<(&Path, NotesBack)>, Error> {
        let Some(path) = self.anchor.as_deref() else { return Ok(None) };
        Ok(NotesBack::open(path)?.map(|notes| (path, notes)))
    }

    /// Returns whose checkpoints the anchor may have.
    pub(crate) async fn signers(&self) -> Result<Signers, Error> {
        let older = self.older_keys(&self.chapters().await?).await?;
        Ok(Signers { keys: self.keys().await?, older })
    }

    /// Returns the entry since which the log promises an anchor without a break; 0 where it promises none.
    async fn anchor_promised(&self) -> Result<u64, Error> {
        let starts = self.db.list_events(&self.tenant, Some(EntryKind::LogStarted)).await?;
        let since = starts.iter().fold(None, |since, stored| match &stored.record.event {
            LogEvent::Started(started) if !started.expects_anchor => None,
            LogEvent::Started(_) => since.or(Some(stored.index)),
            LogEvent::KeyRotated(_)
            | LogEvent::SegmentSealed(_)
            | LogEvent::SegmentPruned(_)
            | LogEvent::BodyErased(_)
            | LogEvent::HoldChanged(_)
            | LogEvent::Configured(_) => since,
        });
        Ok(since.unwrap_or_default())
    }
}

/// Opens the file and waits for whoever appends to it now. It is made only before the first checkpoint, `due`, was
/// appended to it.
async fn open_locked(path: &Path, due: Option<&StoredCheckpoint>) -> Result<File, Error> {
    let flags = if due.is_none() { OFlags::CREATE } else { OFlags::empty() };
    let opened = match (open_plain(path, flags | OFlags::RDWR | OFlags::APPEND), due) {
        (Err(err), Some(due)) if err.kind() == io::ErrorKind::NotFound => {
            return Err(gone(path, "is not there", due));
        }
        (Ok(file), _due) => file_lock::exclusive(file).await,
        (Err(err), _due) => Err(err),
    };
    let file = opened.map_err(|err| unwritten(path, "could not open the anchor", &err))?;
    refuse_shared(path, &file)?;
    Ok(file)
}

/// Refuses a file that others than its owner may write: whoever rewrites the log could then rewrite what it is compared
/// with. Who may only read it does no harm (LED-42).
fn refuse_shared(path: &Path, file: &File) -> Result<(), Error> {
    let meta = file.metadata().map_err(|err| unreadable(path, &err))?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o022 == 0 {
        return Ok(());
    }
    let message = format!(
        "nothing is signed: the anchor {} can be written by others (mode {mode:04o})",
        path.display()
    );
    Err(Error::new(Kind::Config, message).hint("chmod go-w it, once nobody else has written to it"))
}

/// Says that checkpoints were appended to a file which has none of them now; `due` is the first of them.
fn gone(path: &Path, how: &str, due: &StoredCheckpoint) -> Error {
    let message = format!(
        "the anchor {} {how}, and every checkpoint from that over {} entries on was appended to it; nothing is signed \
         without it",
        path.display(),
        due.size
    );
    Error::new(Kind::Unavailable, message).hint(
        "mount or restore it; to begin another one on purpose, run `plumb ledger checkpoint` once without \
         PLUMB_LEDGER_ANCHOR, which the log records",
    )
}

fn unwritten(path: &Path, what: &str, err: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("{what} {}: {err}", path.display()))
        .hint("make the file writable; what it lacks is appended before the next checkpoint is signed")
}

fn rollback(path: &Path, head: &TreeHead) -> Error {
    let message = format!(
        "rollback_detected: {} has a checkpoint over {} entries that this log never had; nothing is signed",
        path.display(),
        head.size
    );
    Error::new(Kind::Internal, message).hint(
        "run `plumb ledger verify`, then restore the newest backup, or go on by `plumb ledger continue`",
    )
}

/// Refuses a head of an older log that its successor did not know.
fn judge_older<K>(path: &Path, head: &TreeHead, older: &[(Continuation, K)]) -> Result<(), Error> {
    let of = older.iter().find(|(continuation, _keys)| continuation.head.origin == head.origin);
    let Some(finding) = of.and_then(|(of, _keys)| of.judge(head, FindingCode::AnchorMismatch)) else {
        return Ok(());
    };
    let message = format!("rollback_detected: {}; nothing is signed", finding.detail);
    Err(Error::new(Kind::Internal, message).hint(format!("keep {}", path.display())))
}

/// Returns the length of the file between two lines.
async fn measured(path: &Path) -> io::Result<u64> {
    let file = open_plain(path, OFlags::RDONLY)?;
    file_lock::shared(file).await?.metadata().map(|meta| meta.len())
}

/// Returns what the next line follows. What stands behind the last line that reads is moved away first.
///
/// # Errors
/// When the file cannot be changed, or is more than one line of which none reads: it is no anchor then.
fn mend(file: &mut File, path: &Path, at: &str) -> io::Result<Tail> {
    let (start, bytes) = end_of(file)?;
    let (mut tail, mut kept, mut end) = (Tail::default(), 0, bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n').rev() {
        let begin = end - line.len();
        // The first of them may begin before what was read.
        let whole = begin > 0 || start == 0;
        if let Some(line) =
            Line::parse_any(bytes.get(begin..end).unwrap_or_default()).ok().filter(|_line| whole)
        {
            tail = Tail::behind(&line, bytes.get(begin..end).unwrap_or_default());
            kept = end;
            break;
        }
        end = begin;
    }
    let torn = bytes.get(kept..).unwrap_or_default();
    if torn.is_empty() {
        return Ok(tail);
    }
    if kept == 0 && (start > 0 || torn.split_inclusive(|byte| *byte == b'\n').count() > 1) {
        return Err(io::Error::other("no line in it reads as one of an anchor"));
    }
    let quarantined = quarantine(path, torn)?;
    file.set_len(start + kept as u64)?;
    append((file, path), tail, at, What::Seam { quarantined })
}

/// Appends a line, durably, and returns what the next one follows.
fn append((file, path): (&mut File, &Path), tail: Tail, at: &str, what: What) -> io::Result<Tail> {
    let line = Line::after(tail, at, what).map_err(io::Error::other)?;
    file.write_all(&line)?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(Tail { number: tail.number + 1, sha256: Some(ledger::sha256(&line)) })
}

/// Keeps bytes in a file beside the anchor and returns their digest.
fn quarantine(path: &Path, bytes: &[u8]) -> io::Result<ledger::Hash> {
    let sha256 = ledger::sha256(bytes);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".torn-{}", &ledger::hex::encode(&sha256)[..16]));
    let mut kept = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&name)?;
    kept.write_all(bytes)?;
    kept.sync_all()?;
    Ok(sha256)
}
