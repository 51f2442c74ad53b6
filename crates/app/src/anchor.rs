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

use ledger::anchor::{LINE_BYTES_MAX, LINES_MAX, Line, Tail, What};
use ledger::note::Note;
use ledger::verify::{EvidenceState, Place, Verifier};
use ledger::{Finding, FindingCode, TreeHead, VerifierKey};
use model::Digest;

use crate::context::App;
use crate::error::{Error, Kind};

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
        let Some(path) = &self.anchor else { return Ok(None) };
        last_head(path).map_err(|err| {
            Error::new(Kind::Unavailable, format!("could not read the anchor {}: {err}", path.display()))
                .hint("make it readable; nothing is signed that was not compared with it")
        })
    }

    /// Refuses to sign when the anchor knows a head that the log does not have (LED-19): the database was
    /// restored from an older copy, or rewritten.
    pub(crate) async fn check_anchor(&self) -> Result<(), Error> {
        let Some(path) = &self.anchor else { return Ok(()) };
        let Some(head) = self.anchored()? else { return Ok(()) };
        if head.origin != self.tenant.origin {
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
        Err(Error::new(Kind::Internal, message)
            .hint("run `plumb ledger verify`, then restore the newest backup"))
    }
}

/// Opens the file and waits for whoever appends to it now.
#[expect(clippy::disallowed_methods, reason = "no wait for a file lock has a limit: it is asked again")]
async fn open_locked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    for _wait in 0..LOCK_WAITS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_WAIT).await,
            Err(TryLockError::Error(err)) => return Err(err),
        }
    }
    Err(io::Error::other("another process holds it"))
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

/// Demands that the log has every head of the anchor, in a verification that has not read entries yet.
///
/// # Errors
/// When the file cannot be read to its end; whatever is in it is a finding.
pub(crate) fn expect(
    path: &Path,
    keys: &[VerifierKey],
    has_checkpoints: bool,
    verifier: &mut Verifier,
) -> Result<(), Error> {
    let unreadable = |err: &io::Error| {
        Error::new(Kind::Unavailable, format!("could not read the anchor {}: {err}", path.display()))
    };
    let name = path.display().to_string();
    let empty = fs::metadata(path).map_or(true, |meta| meta.len() == 0);
    if empty {
        if has_checkpoints {
            let detail = format!("the anchor {name} is missing or empty, and the log has checkpoints");
            verifier.add(Finding::new(FindingCode::AnchorMissing, detail));
            verifier.report_mut().anchor = EvidenceState::Failed;
        }
        return Ok(());
    }
    let mut reader = BufReader::new(File::open(path).map_err(|err| unreadable(&err))?);
    let (mut tail, mut offset, mut good) = (Tail::default(), 0, true);
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
        let place = Place::file(&name, offset);
        offset += bytes.len() as u64;
        let line = match Line::parse(tail, &bytes) {
            Ok(line) => line,
            Err(err) => {
                verifier.add(Finding::new(FindingCode::Malformed, err.to_string()).at(&place));
                good = false;
                break;
            }
        };
        tail = Tail::behind(&line, &bytes);
        if let What::Head { note } = &line.what {
            good &= expect_note(note, keys, &place, verifier);
        }
    }
    // A head that the log turns out not to have makes it `Failed` when the verification ends.
    verifier.report_mut().anchor = if good { EvidenceState::Verified } else { EvidenceState::Failed };
    Ok(())
}

fn expect_note(note: &str, keys: &[VerifierKey], place: &Place, verifier: &mut Verifier) -> bool {
    match ledger::checkpoint::open(note.as_bytes(), keys) {
        Ok(signed) => {
            verifier.expect_anchored(&signed.head, place);
            true
        }
        Err(err) => {
            verifier.add(Finding::new(FindingCode::CheckpointSignature, err.to_string()).at(place));
            false
        }
    }
}
