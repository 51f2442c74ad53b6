//! Folders that are ours alone: where keys, a database or what a witness remembers lie (LED-42).

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use crate::error::{Error, Kind};

/// What others may do in a folder that keys can stand in: nothing.
const OTHERS: u32 = 0o077;
/// What group and others need to put other files in the place of ours.
const OTHERS_WRITE: u32 = 0o022;

/// A folder, as people call it, by what stands in it once it is ours, and by what else to do where it cannot be used.
pub(crate) struct Own<'o> {
    pub(crate) what: &'static str,
    pub(crate) files: &'o [&'o str],
    pub(crate) another: &'static str,
}

impl Own<'_> {
    /// Makes the folder where it is missing, and takes from one that others may look into what they may do there.
    ///
    /// # Errors
    /// When others can write it: they could have put another key or database there. When they can look into it and its mode
    /// cannot be changed, or it holds files and none of ours: it may have to be open for those.
    pub(crate) fn make(&self, path: &Path) -> Result<(), Error> {
        let unusable = |err: io::Error| {
            let message = format!("could not make the {} {}: {err}", self.what, path.display());
            Error::new(Kind::Unavailable, message).hint(format!("name another by {}", self.another))
        };
        let is_new = !path.exists();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        if is_new && let Some(parent) = path.canonicalize().map_err(unusable)?.parent() {
            // Or a key that was made durable could lie in a folder that was not.
            fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(unusable)?;
        }
        let mode = fs::metadata(path).map_err(unusable)?.permissions().mode();
        if mode & OTHERS_WRITE != 0 {
            return Err(self.refused(path, "can be written by others"));
        }
        if mode & OTHERS == 0 {
            return Ok(());
        }
        if !self.is_ours(path).map_err(unusable)? {
            return Err(self.refused(path, "holds files of others, who can look into it"));
        }
        // No right is added: a folder that its owner made read-only stays so.
        match fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7700)) {
            Ok(()) => Ok(()),
            // It keeps its modes, and nothing is put there.
            Err(err) if err.kind() == ErrorKind::ReadOnlyFilesystem => Ok(()),
            Err(err) => {
                Err(self.refused(path, &format!("can be looked into by others, and stays so: {err}")))
            }
        }
    }

    /// Tells whether a folder holds something of ours, or nothing.
    fn is_ours(&self, path: &Path) -> io::Result<bool> {
        if self.files.iter().any(|file| path.join(file).symlink_metadata().is_ok()) {
            return Ok(true);
        }
        match fs::read_dir(path)?.next() {
            Some(entry) => entry.map(|_other| false),
            None => Ok(true),
        }
    }

    fn refused(&self, path: &Path, why: &str) -> Error {
        let message = format!("refusing to start: the {} {} {why}", self.what, path.display());
        Error::new(Kind::Config, message).hint(format!("chmod 700 it, or name another by {}", self.another))
    }
}
