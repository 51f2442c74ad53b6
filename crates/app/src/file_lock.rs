//! Locks on files: waiting for one, and who holds it, for whoever is told to wait (LED-42).

use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

/// Where the kernel lists the locks of all files (proc_locks(5)).
const LOCKS: &str = "/proc/locks";
/// Most of that list that is read. Bytes.
const LOCKS_BYTES_MAX: u64 = 4 << 20;

/// How long somebody else may hold a file that is waited for.
const WAITS_MAX: u32 = 500;
const WAIT: Duration = Duration::from_millis(10);

/// Waits until nobody else holds a file; it is held until it is dropped.
///
/// # Errors
/// When somebody holds it all the time, or the file system knows no locks.
pub(crate) async fn exclusive(file: File) -> io::Result<File> {
    locked(file, File::try_lock).await
}

/// As [`exclusive`], where others may hold it likewise.
///
/// # Errors
/// As [`exclusive`].
pub(crate) async fn shared(file: File) -> io::Result<File> {
    locked(file, File::try_lock_shared).await
}

#[expect(clippy::disallowed_methods, reason = "no wait for a file lock has a limit: it is asked again")]
async fn locked(file: File, lock: impl Fn(&File) -> Result<(), TryLockError>) -> io::Result<File> {
    for _wait in 0..WAITS_MAX {
        match lock(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(WAIT).await,
            Err(TryLockError::Error(err)) => return Err(err),
        }
    }
    Err(io::Error::other(format!("{} holds it", holder(&file))))
}

/// Names, for people, the process that holds the lock on a file. One of another machine or container has no number here.
pub(crate) fn holder(file: &File) -> String {
    let unknown = || "another process".to_owned();
    let Ok(meta) = file.metadata() else { return unknown() };
    let mut locks = String::new();
    let read = File::open(LOCKS).and_then(|list| list.take(LOCKS_BYTES_MAX).read_to_string(&mut locks));
    let place = place(meta.dev(), meta.ino());
    match read.ok().and_then(|_len| locks.lines().find_map(|line| holds(line, &place))) {
        Some(pid) => format!("process {pid}"),
        None => unknown(),
    }
}

/// Writes a file's place as the list does: device in hexadecimal digits, inode in decimal ones.
fn place(device: u64, inode: u64) -> String {
    // As the C library takes a device number apart (makedev(3)).
    let major = (device >> 32) & 0xffff_f000 | (device >> 8) & 0xfff;
    let minor = (device >> 12) & 0xffff_ff00 | device & 0xff;
    format!("{major:02x}:{minor:02x}:{inode}")
}

/// Returns whose lock a line tells of, where it is one on the whole file at this place. One who waits has an arrow.
fn holds(line: &str, place: &str) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_number, "FLOCK", _mode, _access, pid, at, ..] = words[..] else { return None };
    if at == place { pid.parse().ok().filter(|pid| *pid > 0) } else { None }
}

#[cfg(test)]
mod tests;
