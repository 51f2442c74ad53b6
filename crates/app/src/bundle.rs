//! Verifying a bundle that lies in a folder: no database, no network, no configuration, no private key (LED-26).

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ledger::Report;
use ledger::bundle::{Options, verify_bundle};

use crate::error::{Error, Kind};

/// Deepest folder of a bundle.
const DEPTH_MAX: usize = 16;

/// Verifies the bundle in a folder.
///
/// # Errors
/// When the folder cannot be read to its end; whatever the bytes are is a finding.
pub fn verify_folder(folder: &Path, options: &Options<'_>) -> Result<Report, Error> {
    let unreadable = |err: &io::Error| {
        Error::new(Kind::Unavailable, format!("could not read the bundle {}: {err}", folder.display()))
    };
    if !folder.is_dir() {
        return Err(Error::new(Kind::Unavailable, format!("{} is not a folder", folder.display()))
            .hint("name the folder that `plumb ledger export` wrote"));
    }
    let mut paths = Vec::new();
    list_files(folder, Path::new(""), DEPTH_MAX, &mut paths).map_err(|err| unreadable(&err))?;
    let read = |path: &str, max: usize| read_file(&folder.join(path), max);
    verify_bundle(paths.into_iter().map(Ok), read, options).map_err(|err| unreadable(&err))
}

fn list_files(root: &Path, below: &Path, depth: usize, paths: &mut Vec<String>) -> io::Result<()> {
    if depth == 0 {
        return Err(io::Error::other("folders are nested too deep"));
    }
    let mut names: Vec<PathBuf> = fs::read_dir(root.join(below))?
        .map(|entry| entry.map(|entry| below.join(entry.file_name())))
        .collect::<Result<_, _>>()?;
    names.sort();
    for name in names {
        if fs::symlink_metadata(root.join(&name))?.is_dir() {
            list_files(root, &name, depth - 1, paths)?;
        } else {
            paths.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// Reads at most one byte more than `max`; nothing where there is no plain file.
pub(crate) fn read_file(path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Ok(None),
        Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(err) => return Err(err),
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
