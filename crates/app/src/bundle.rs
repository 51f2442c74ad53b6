//! Verifying a bundle that lies in a folder: no database, no network, no configuration, no private key (LED-26).

mod spanning;

use std::fs;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use ledger::Report;
use ledger::bundle::{CONTINUES, Options, Verified, verify_one_of};
use ledger::verify::Erased;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Kind};

/// Deepest folder of a bundle.
const DEPTH_MAX: usize = 16;
/// Threads that read entries and bodies. They wait for the disk far longer than they compute: a million bodies are a
/// million small files, and a bundle that was just copied or unpacked elsewhere is in nobody's cache.
const READERS: usize = 16;

/// Verifies the bundle in a folder, and bundles of the logs that its log goes on with: the one in it, and those
/// of `earlier`.
///
/// # Errors
/// When a folder cannot be read to its end, or one of `earlier` is not a bundle of such a log; whatever else the bytes
/// are is a finding.
pub fn verify_folder(folder: &Path, options: &Options<'_>, earlier: &[PathBuf]) -> Result<Report, Error> {
    spanning::verify(folder, options, earlier)
}

/// Verifies one bundle, without those of other logs; `erased` is what entries of these erased.
fn verify_one(folder: &Path, options: &Options<'_>, erased: &Erased) -> Result<Verified, Error> {
    let unreadable = |err: &io::Error| {
        Error::new(Kind::Unavailable, format!("could not read the bundle {}: {err}", folder.display()))
    };
    if !folder.is_dir() {
        return Err(Error::new(Kind::Unavailable, format!("{} is not a folder", folder.display()))
            .hint("name the folder that `plumb ledger export` wrote"));
    }
    let paths = Walk::begin(folder).map_err(|err| unreadable(&err))?;
    let read = |path: &str, max: usize| read_file(&folder.join(path), max);
    let threads = NonZero::new(READERS).unwrap_or(NonZero::<usize>::MIN);
    let options = Options { threads, ..*options };
    verify_one_of(paths, read, &options, erased).map_err(|err| unreadable(&err))
}

/// The files below a folder, by path from there, folder by folder in the order of names. One folder of each depth
/// is held: a bundle of a million entries has a million files.
struct Walk {
    root: PathBuf,
    open: Vec<std::vec::IntoIter<Found>>,
}

/// What is in a folder, by its path from the root.
struct Found {
    path: PathBuf,
    is_dir: bool,
}

impl Walk {
    fn begin(root: &Path) -> io::Result<Self> {
        let mut walk = Self { root: root.to_owned(), open: Vec::new() };
        walk.enter(Path::new(""))?;
        Ok(walk)
    }

    fn enter(&mut self, below: &Path) -> io::Result<()> {
        if self.open.len() == DEPTH_MAX {
            return Err(io::Error::other("folders are nested too deep"));
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(self.root.join(below))? {
            let entry = entry?;
            let is_dir = entry.file_type()?.is_dir();
            // A bundle of another log lies there, which is verified as such.
            if is_dir && below == Path::new("") && entry.file_name() == CONTINUES {
                continue;
            }
            found.push(Found { path: below.join(entry.file_name()), is_dir });
        }
        // They differ in their names alone, and a path is compared part by part.
        found.sort_unstable_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
        self.open.push(found.into_iter());
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(found) = self.open.last_mut()?.next() else {
                self.open.pop();
                continue;
            };
            if !found.is_dir {
                let path = found.path.into_os_string().into_string();
                return Some(Ok(path.unwrap_or_else(|path| path.to_string_lossy().into_owned())));
            }
            if let Err(err) = self.enter(&found.path) {
                return Some(Err(err));
            }
        }
    }
}

/// Reads at most one byte more than `max`; nothing where there is no plain file.
pub(crate) fn read_file(path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    // A link is never followed, and a pipe does not block.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => fs::File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return Ok(None),
        Err(err) => return Err(err.into()),
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(None);
    }
    let len = usize::try_from(meta.len()).unwrap_or(usize::MAX).min(max) + 1;
    let mut bytes = Vec::with_capacity(len);
    Read::by_ref(&mut file).take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
