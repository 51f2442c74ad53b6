//! Reading an anchor: its lines from the beginning, or its checkpoints from the end.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use ledger::anchor::{LINE_BYTES_MAX, LINES_MAX, Line, LineError, Tail, What};
use rustix::fs::{Mode, OFlags};

use crate::error::{Error, Kind};

/// How much of an anchor is read at a time from its end. Bytes.
pub(super) const WINDOW_BYTES: u64 = 4 * LINE_BYTES_MAX as u64;

/// Opens a file for reading, and for more where flags say so. A pipe or a device has no end, and is refused (LED-28).
pub(super) fn open_plain(path: &Path, flags: OFlags) -> io::Result<File> {
    // Without that, opening a pipe waits for whoever holds its other end.
    let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
}

pub(super) fn unreadable(path: &Path, err: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("could not read the anchor {}: {err}", path.display()))
        .hint("make it readable; nothing is signed that was not compared with it")
}

/// The checkpoints in an anchor from its end on, as texts whose signatures nobody checked. Lines that do not read are
/// passed over.
#[derive(Debug)]
pub(crate) struct NotesBack {
    file: File,
    /// What lies behind it was read.
    end: u64,
    /// Lines that were read and not handed over.
    lines: Vec<u8>,
}

impl NotesBack {
    /// Begins at the end of a file; nothing where there is none.
    ///
    /// # Errors
    /// When there is a file that cannot be read: what it knows is not known then.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, Error> {
        match open_plain(path, OFlags::RDONLY).and_then(Self::of) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some).map_err(|err| unreadable(path, &err)),
        }
    }

    pub(super) fn of(file: File) -> io::Result<Self> {
        let end = file.metadata()?.len();
        Ok(Self { file, end, lines: Vec::new() })
    }

    /// Returns what `take` makes of the newest checkpoint of which it makes something. The next call goes on before that.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn find<T>(&mut self, mut take: impl FnMut(&str) -> Option<T>) -> io::Result<Option<T>> {
        loop {
            while !self.lines.is_empty() {
                let begin = begin_of_last(&self.lines);
                let line = Line::parse_any(self.lines.get(begin..).unwrap_or_default());
                self.lines.truncate(begin);
                if let Ok(What::Head { note }) = line.map(|line| line.what)
                    && let Some(taken) = take(&note)
                {
                    return Ok(Some(taken));
                }
            }
            if self.end == 0 {
                return Ok(None);
            }
            self.read_window()?;
        }
    }

    /// Reads the lines that end in the window before `end`, which moves to where the first of them begins.
    fn read_window(&mut self) -> io::Result<()> {
        let start = self.end.saturating_sub(WINDOW_BYTES);
        self.lines = read_at(&mut self.file, (start, self.end))?;
        // The first line begins before the window, and is left to the next one. One as long as the window is no line.
        let first = if start == 0 { 0 } else { first_end(&self.lines).unwrap_or(0) };
        self.lines.drain(..first);
        self.end = start + first as u64;
        Ok(())
    }
}

/// Returns where the last line begins.
fn begin_of_last(lines: &[u8]) -> usize {
    let before = lines.split_last().map_or(&[][..], |(_last, before)| before);
    before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// Returns where the line behind the first one begins; nothing when that is all.
fn first_end(bytes: &[u8]) -> Option<usize> {
    let (_last, before) = bytes.split_last()?;
    before.iter().position(|byte| *byte == b'\n').map(|at| at + 1)
}

/// Returns the last bytes of a file, at most [`WINDOW_BYTES`], and where they begin.
pub(super) fn end_of(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let len = file.metadata()?.len();
    let start = len.saturating_sub(WINDOW_BYTES);
    Ok((start, read_at(file, (start, len))?))
}

fn read_at(file: &mut File, (start, end): (u64, u64)) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    Read::by_ref(file).take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
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
pub(super) fn each_line(
    (path, bytes): (&Path, u64),
    mut take: impl FnMut(u64, Result<What, LineError>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader =
        BufReader::new(open_plain(path, OFlags::RDONLY).map_err(|err| unreadable(path, &err))?.take(bytes));
    let (mut tail, mut offset) = (Tail::default(), 0);
    for _line in 0..LINES_MAX {
        let mut bytes = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        Read::by_ref(&mut reader)
            .take(limit)
            .read_until(b'\n', &mut bytes)
            .map_err(|err| unreadable(path, &err))?;
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
