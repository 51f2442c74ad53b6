//! Where things are kept that take minutes to make and that every run of the tests needs: outside the repository,
//! under the hash of their recipe. Never refreshes anything: another recipe is another folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Names the folder of the cache, when set.
pub const CACHE_VARIABLE: &str = "PLUMB_TEST_HOSTS_DIR";

/// Finds the cache folder: [`CACHE_VARIABLE`], else the user's cache folder by the XDG base
/// directory specification.
pub(crate) fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set(CACHE_VARIABLE).or_else(|| {
        let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
        Some(base.join("plumbline-testhosts"))
    })
}

/// Names a recipe: its kind and 64-bit FNV-1a over everything that decides what it makes, in hexadecimal.
pub(crate) fn recipe_name(kind: &str, recipe: &str) -> String {
    let hash = recipe.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{kind}-{hash:016x}")
}

/// Returns the folder `root` in `home`, made by `make` when it is not there yet. Processes that ask at once wait for
/// one of them to make it.
pub(crate) fn made_once<E>(
    home: &Path,
    failed: impl Fn(io::Error) -> E,
    make: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    fs::create_dir_all(home).map_err(&failed)?;
    let root = home.join("root");
    let lock = File::create(home.join("lock")).map_err(&failed)?;
    // Waits as long as another process is at it, which has its own limit.
    lock.lock().map_err(&failed)?;
    if !root.exists() {
        let partial = home.join("partial");
        // What one that was killed left behind; the lock says that nobody is at it.
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(&failed)?;
        }
        make(&partial)?;
        fs::rename(&partial, &root).map_err(&failed)?;
    }
    Ok(root)
}
