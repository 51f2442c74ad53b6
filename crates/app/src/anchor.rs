//! The anchor: every checkpoint, appended to a file on another trust domain (LED-31, docs/formats/anchor.md).
//!
//! A last line that cannot be read is moved to a file beside it, bytes kept, and a seam line says so (LED-07).

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use ledger::anchor::{LINE_BYTES_MAX, LINES_MAX, Line, LineError, Tail, What};
use ledger::note::Note;
use ledger::verify::{Continuation, EvidenceState, Place, Verifier};
use ledger::{Finding, FindingCode, TreeHead, VerifierKey};
use model::Digest;

use crate::context::App;
use crate::error::{Error, Kind};
use crate::file_lock;

/// How far from the end of an anchor its newest head is looked for. Bytes.
const HEAD_WINDOW_BYTES: u64 = 4 * LINE_BYTES_MAX as u64;
/// How long another process may hold the file.
const LOCK_WAITS: u32 = 500;
const LOCK_WAIT: Duration = Duration::from_millis(10);

impl App {
    /// Appends a signed checkpoint to the anchor, where one is configured.
    ///
    /// # Errors
    /// When the anchor cannot be written: the checkpoint is signed and stored, and not anchored.
    pub(crate) async fn anchor(&self, note: &[u8]) -> Result<(), Error> {
        let Some(path) = &self.anchor else { return Ok(()) };
        let failed = |err: &io::Error| {
            let message = format!("the checkpoint is signed and not anchored in {}: {err}", path.display());
            Error::new(Kind::Unavailable, message)
                .hint("make the file writable; the next checkpoint is anchored again")
        };
        let mut file = open_locked(path).await.map_err(|err| failed(&err))?;
        let note = String::from_utf8_lossy(note).into_owned();
        append(&mut file, path, &self.now().to_string(), note).map_err(|err| failed(&err))
    }

    /// Returns the newest head in the anchor, where there is one.
    ///
    /// # Errors
    /// When there is a file that cannot be read: what it knows is not known then.
    pub(crate) fn anchored(&self) -> Result<Option<TreeHead>, Error> {
        self.anchor.as_deref().map_or(Ok(None), newest_head)
    }

    /// Returns how long the anchor is while nobody appends to it; 0 where there is none.
    ///
    /// # Errors
    /// When there is a file that cannot be opened, or another process keeps it.
    pub(crate) async fn anchor_bytes(&self) -> Result<u64, Error> {
        let Some(path) = &self.anchor else { return Ok(0) };
        match measured(path).await {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(0),
            measured => measured.map_err(|err| {
                Error::new(Kind::Unavailable, format!("could not read the anchor {}: {err}", path.display()))
            }),
        }
    }

    /// Refuses to sign when the anchor knows a head that the log does not have (LED-19): the database was
    /// restored from an older copy, or rewritten.
    pub(crate) async fn check_anchor(&self) -> Result<(), Error> {
        let Some(path) = &self.anchor else { return Ok(()) };
        let Some(head) = self.anchored()? else { return Ok(()) };
        if head.origin != self.tenant.origin {
            let older = self.chapters().await?.into_iter().filter_map(|chapter| chapter.continues);
            if let Some(continuation) = older.into_iter().find(|older| older.head.origin == head.origin) {
                let Some(finding) = continuation.judge(&head, FindingCode::AnchorMismatch) else {
                    return Ok(());
                };
                let message = format!("rollback_detected: {}; nothing is signed", finding.detail);
                return Err(Error::new(Kind::Internal, message).hint(format!("keep {}", path.display())));
            }
            let message = format!("the anchor {} belongs to another log, {}", path.display(), head.origin);
            return Err(Error::new(Kind::Config, message).hint("name another file in PLUMB_LEDGER_ANCHOR"));
        }
        let stored = self.db.find_checkpoint(&self.tenant, head.size).await?;
        if stored.is_some_and(|stored| stored.root == Digest(head.root)) {
            return Ok(());
        }
        let message = format!(
            "rollback_detected: {} has a checkpoint over {} entries that this log never had; nothing is signed",
            path.display(),
            head.size
        );
        Err(Error::new(Kind::Internal, message).hint(
            "run `plumb ledger verify`, then restore the newest backup, or go on by `plumb ledger continue`",
        ))
    }
}

/// Opens the file and waits for whoever appends to it now.
async fn open_locked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    locked(file, File::try_lock).await
}

/// Returns the length of the file between two lines.
async fn measured(path: &Path) -> io::Result<u64> {
    locked(File::open(path)?, File::try_lock_shared).await?.metadata().map(|meta| meta.len())
}

#[expect(clippy::disallowed_methods, reason = "no wait for a file lock has a limit: it is asked again")]
async fn locked(file: File, lock: impl Fn(&File) -> Result<(), TryLockError>) -> io::Result<File> {
    for _wait in 0..LOCK_WAITS {
        match lock(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_WAIT).await,
            Err(TryLockError::Error(err)) => return Err(err),
        }
    }
    Err(io::Error::other(format!("{} holds it", file_lock::holder(&file))))
}

/// Appends a checkpoint behind the last line, durably. A last line that does not read is moved away first.
fn append(file: &mut File, path: &Path, at: &str, note: String) -> io::Result<()> {
    let invalid = |err: ledger::InvalidValue| io::Error::other(err);
    let (start, last) = last_line(file)?;
    let mut tail = Tail::default();
    if !last.is_empty() {
        match Line::parse_any(&last) {
            Ok(line) => tail = Tail::behind(&line, &last),
            Err(_torn) => {
                let quarantined = quarantine(path, &last)?;
                file.set_len(start)?;
                let (_start, before) = last_line(file)?;
                if let Ok(line) = Line::parse_any(&before) {
                    tail = Tail::behind(&line, &before);
                }
                let seam = Line::after(tail, at, What::Seam { quarantined }).map_err(invalid)?;
                file.write_all(&seam)?;
                tail = Tail { number: tail.number + 1, sha256: Some(ledger::sha256(&seam)) };
            }
        }
    }
    let line = Line::after(tail, at, What::Head { note }).map_err(invalid)?;
    file.write_all(&line)?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
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

/// Returns the last bytes of a file, at most `max`, and where they begin.
fn end_of(file: &mut File, max: u64) -> io::Result<(u64, Vec<u8>)> {
    let len = file.metadata()?.len();
    let window = len.min(max);
    file.seek(SeekFrom::Start(len - window))?;
    let mut bytes = Vec::new();
    Read::by_ref(file).take(window).read_to_end(&mut bytes)?;
    Ok((len - window, bytes))
}

/// Returns where the last line begins, and the line with its line feed where it has one.
///
/// Of a line longer than any line can be, its last bytes: they do not read as a line.
fn last_line(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let (start, mut bytes) = end_of(file, LINE_BYTES_MAX as u64 + 1)?;
    let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let begin = body.iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    Ok((start + begin as u64, bytes.split_off(begin)))
}

/// Returns the newest head of an anchor that reads; nothing when there is none. Its signature is not checked.
fn last_head(path: &Path) -> io::Result<Option<TreeHead>> {
    let mut file = match File::open(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let (_start, bytes) = end_of(&mut file, HEAD_WINDOW_BYTES)?;
    Ok(bytes.split_inclusive(|byte| *byte == b'\n').rev().find_map(|line| {
        let What::Head { note } = Line::parse_any(line).ok()?.what else { return None };
        TreeHead::parse(&Note::parse(note.as_bytes()).ok()?.text).ok()
    }))
}

/// Returns the newest head in an anchor, where there is one. Its signature is not checked.
///
/// # Errors
/// When there is a file that cannot be read: what it knows is not known then.
pub(crate) fn newest_head(path: &Path) -> Result<Option<TreeHead>, Error> {
    last_head(path).map_err(|err| {
        Error::new(Kind::Unavailable, format!("could not read the anchor {}: {err}", path.display()))
            .hint("make it readable; nothing is signed that was not compared with it")
    })
}

/// Hands over the notes in an anchor, in order.
///
/// # Errors
/// When the file cannot be read to its end, a line is not the one that belongs there, or the taker fails.
pub(crate) fn each_note(path: &Path, mut take: impl FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
    each_line((path, u64::MAX), |_offset, line| match line {
        Ok(What::Head { note }) => take(&note),
        Ok(What::Seam { .. }) => Ok(()),
        Err(err) => {
            Err(Error::new(Kind::Usage, format!("the anchor {} does not read: {err}", path.display())))
        }
    })
}

/// Hands over the lines in the first `bytes` of an anchor with their offsets, in order, up to the first that does
/// not read.
fn each_line(
    (path, bytes): (&Path, u64),
    mut take: impl FnMut(u64, Result<What, LineError>) -> Result<(), Error>,
) -> Result<(), Error> {
    let unreadable = |err: &io::Error| {
        Error::new(Kind::Unavailable, format!("could not read the anchor {}: {err}", path.display()))
    };
    let mut reader = BufReader::new(File::open(path).map_err(|err| unreadable(&err))?.take(bytes));
    let (mut tail, mut offset) = (Tail::default(), 0);
    for _line in 0..LINES_MAX {
        let mut bytes = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        Read::by_ref(&mut reader)
            .take(limit)
            .read_until(b'\n', &mut bytes)
            .map_err(|err| unreadable(&err))?;
        if bytes.is_empty() {
            break;
        }
        let at = offset;
        offset += bytes.len() as u64;
        match Line::parse(tail, &bytes) {
            Ok(line) => {
                tail = Tail::behind(&line, &bytes);
                take(at, Ok(line.what))?;
            }
            Err(err) => return take(at, Err(err)),
        }
    }
    Ok(())
}

/// Demands that the log has every head of the anchor, in a verification that has not read entries yet. Returns
/// the heads of the logs that it goes on with. Of the file, only so many bytes are read: what was appended since
/// they were measured may be newer than what is verified.
///
/// # Errors
/// When the file cannot be read to its end; whatever is in it is a finding.
pub(crate) fn expect(
    (path, bytes): (&Path, u64),
    keys: &[VerifierKey],
    (has_checkpoints, older): (bool, &[(Continuation, Vec<VerifierKey>)]),
    verifier: &mut Verifier,
) -> Result<Vec<(TreeHead, Place)>, Error> {
    let name = path.display().to_string();
    let mut of_older = Vec::new();
    if bytes == 0 {
        // Another process may be writing the first line just now.
        let is_empty = fs::metadata(path).map_or(true, |meta| meta.len() == 0);
        if has_checkpoints && is_empty {
            let detail = format!("the anchor {name} is missing or empty, and the log has checkpoints");
            verifier.add(Finding::new(FindingCode::AnchorMissing, detail));
            verifier.report_mut().anchor = EvidenceState::Failed;
        }
        return Ok(of_older);
    }
    let (mut good, mut has_ours) = (true, false);
    each_line((path, bytes), |offset, what| {
        let place = Place::file(&name, offset);
        match what {
            Ok(What::Head { note }) => match expect_note(&note, (keys, older), &place, verifier) {
                Some(Whose::Ours) => has_ours = true,
                Some(Whose::Older(head)) => of_older.push((head, place)),
                None => good = false,
            },
            Ok(What::Seam { .. }) => {}
            Err(err) => {
                verifier.add(Finding::new(FindingCode::Malformed, err.to_string()).at(&place));
                good = false;
            }
        }
        Ok(())
    })?;
    if has_checkpoints && !has_ours && !of_older.is_empty() {
        let detail = format!("the anchor {name} has heads of the log before and none of this one");
        verifier.add(Finding::new(FindingCode::AnchorMissing, detail));
        good = false;
    }
    // A head that the log turns out not to have makes it `Failed` when the verification ends.
    verifier.report_mut().anchor = if good { EvidenceState::Verified } else { EvidenceState::Failed };
    Ok(of_older)
}

/// Whose head a note has.
enum Whose {
    Ours,
    /// That of a log that ours goes on with.
    Older(TreeHead),
}

/// Demands the head of a note, or returns that of an older log; nothing when no key of theirs signed it.
fn expect_note(
    note: &str,
    (keys, older): (&[VerifierKey], &[(Continuation, Vec<VerifierKey>)]),
    place: &Place,
    verifier: &mut Verifier,
) -> Option<Whose> {
    let origin = note.lines().next().unwrap_or_default();
    let of = older.iter().find(|(continuation, _keys)| continuation.head.origin == origin);
    match ledger::checkpoint::open(note.as_bytes(), of.map_or(keys, |(_continuation, keys)| keys)) {
        Ok(signed) if of.is_some() => Some(Whose::Older(signed.head)),
        Ok(signed) => {
            verifier.expect_anchored(&signed.head, place);
            Some(Whose::Ours)
        }
        Err(err) => {
            verifier.add(Finding::new(FindingCode::CheckpointSignature, err.to_string()).at(place));
            None
        }
    }
}
