//! The database file itself: made with mode 0600 in a folder of mode 0700, whatever the umask (LED-42).

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use crate::error::{Problem, StoreError};

/// One file is made at a time in this process, so that nobody uses it before its maker has closed it.
static MAKING: Mutex<()> = Mutex::new(());

fn refused(path: &Path, problem: Problem) -> StoreError {
    StoreError::Open { place: path.display().to_string(), problem, source: None }
}

fn of_io(path: &Path, err: &std::io::Error) -> StoreError {
    let kind = err.kind();
    let problem = if kind == ErrorKind::NotFound {
        Problem::Missing
    } else if is_out_of_files(err) {
        Problem::OpenFiles
    } else if kind == ErrorKind::PermissionDenied {
        Problem::Permission(err.to_string())
    } else if kind == ErrorKind::ReadOnlyFilesystem {
        Problem::ReadOnly
    } else if kind == ErrorKind::StorageFull {
        Problem::DiskFull
    } else {
        Problem::Other(err.to_string())
    };
    refused(path, problem)
}

/// Tells whether this machine allowed no more open files (open(2)).
pub(crate) fn is_out_of_files(err: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(err), Some(Errno::MFILE | Errno::NFILE))
}

/// Tells whether this process could not open as many files now as a connection needs, whichever they are: what was refused to
/// SQLite is given back by then.
pub(crate) fn are_none_left() -> bool {
    let opened = [(); FILES_OF_ONE].map(|()| fs::File::open("/"));
    opened.iter().any(|opened| opened.as_ref().is_err_and(is_out_of_files))
}

/// Files that a connection has open at once: the database, its two side files, and for a moment its folder.
const FILES_OF_ONE: usize = 4;
/// Side files of the write-ahead log, named after the database file (sqlite.org/wal.html).
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the modes of the file and of the side files that are there, by what their names end in.
///
/// # Errors
/// When the file is not there or cannot be looked at.
pub(crate) fn modes(path: &Path) -> std::io::Result<Vec<(&'static str, u32)>> {
    let mode = |path: &Path| fs::metadata(path).map(|meta| meta.permissions().mode() & 0o7777);
    let mut modes = vec![("mode", mode(path)?)];
    for suffix in SIDE_FILES {
        match mode(&beside(path, suffix)) {
            Ok(found) => modes.push((suffix, found)),
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
    }
    Ok(modes)
}

/// Makes the file and its folder where they are missing.
///
/// # Errors
/// When the file cannot be made, or something else than a file is there.
pub(crate) fn prepare(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|err| of_io(folder, &err))?;
    }
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(file) => {
            // The umask can only take bits away, so the mode is exact after this.
            file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(|err| of_io(path, &err))
        }
        Err(err) if err.kind() == ErrorKind::AlreadyExists => check_existing(path),
        Err(err) => Err(of_io(path, &err)),
    }
}

/// Takes the rights of group and others from the file and its side files. Call it once the file is known to
/// be ours: another program's database keeps its mode.
///
/// # Errors
/// When a mode cannot be changed.
pub(crate) fn tighten(path: &Path) -> Result<(), StoreError> {
    tighten_one(path)?;
    for suffix in SIDE_FILES {
        tighten_one(&beside(path, suffix))?;
    }
    Ok(())
}

fn tighten_one(path: &Path) -> Result<(), StoreError> {
    let mode = match fs::metadata(path) {
        Ok(meta) => meta.permissions().mode(),
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(of_io(path, &err)),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    // No right is added: a file that its owner made read-only stays so.
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o600)) {
        Ok(()) => Ok(()),
        // A read-only file system keeps its modes; opening it for writing will say so. A side file goes
        // when the last other process closes the database.
        Err(err) if matches!(err.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound) => Ok(()),
        Err(err) => Err(of_io(path, &err)),
    }
}

/// Checks a file that is there, without opening it: closing it would drop the locks that the database engine
/// holds on it in this process (sqlite.org/howtocorrupt.html, section 2.2). The engine knows its own files.
pub(crate) fn check_existing(path: &Path) -> Result<(), StoreError> {
    let meta = fs::metadata(path).map_err(|err| of_io(path, &err))?;
    if meta.is_file() { Ok(()) } else { Err(refused(path, Problem::NotADatabase)) }
}
