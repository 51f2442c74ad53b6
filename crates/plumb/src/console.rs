//! Standard output and standard error: data on one, everything else on the other. A closed pipe is no error.

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use app::{Error, Kind};

/// No notes are wanted.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves notes out from here on.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Writes one line about a problem, and one about what to do.
pub(crate) fn error(message: &str, hint: Option<&str>) {
    let mut err = io::stderr().lock();
    let message = crate::output::clean(message);
    let written = writeln!(err, "plumb: {message}").and_then(|()| match hint {
        Some(hint) => writeln!(err, "\nhint: {}", crate::output::clean(hint)),
        None => Ok(()),
    });
    // Nobody reads standard error any more: there is no one left to tell.
    drop(written);
}

/// Writes a line for people, on standard error, unless notes are not wanted.
pub(crate) fn note(line: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        warn(line);
    }
}

/// Writes a line for people, on standard error, wanted or not: something is wrong, or an answer is less than it seems.
pub(crate) fn warn(line: &str) {
    let written = writeln!(io::stderr().lock(), "{}", crate::output::clean(line));
    // As above: a closed standard error has no reader.
    drop(written);
}

/// Tells whether standard output is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Tells whether standard error is a terminal.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Writes data to standard output. A reader that went away is fine.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(err) => Err(Error::new(Kind::Unavailable, format!("could not write to standard output: {err}"))),
    }
}

/// Writes data to a file, whole or not at all: beside it first, then in its place. Into a device, a pipe or what a link
/// points to it is written as a shell would: putting a file in their place would destroy them.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |err: io::Error, hint: &str| {
        Error::new(Kind::Unavailable, format!("could not write {}: {err}", path.display())).hint(hint)
    };
    let is_plain = fs::symlink_metadata(path).map_or(true, |meta| meta.is_file());
    if !is_plain {
        let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let written = opened.and_then(|mut file| {
            file.write_all(bytes)?;
            // A pipe or a device has nothing to make durable.
            if file.metadata()?.is_file() { file.sync_all() } else { Ok(()) }
        });
        return match written {
            // As on standard output: a reader that went away is fine.
            Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
                Err(failed(err, "name a file in a folder that can be written"))
            }
            _ => Ok(()),
        };
    }
    write_beside(path, bytes).map_err(|err| {
        failed(err, "nothing was left half-written; check the folder and the space on the disk")
    })
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A name that nobody can have guessed, and that goes when this fails.
    let mut part = tempfile::Builder::new().suffix(".part").tempfile_in(folder)?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist(path).map_err(|err| err.error)?;
    Ok(())
}
