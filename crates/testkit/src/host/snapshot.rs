//! What a host has written, as a list that can be compared: the proof that a scan changes nothing.
//!
//! Does not decide which differences matter; [`Snapshot::without`] leaves out what the caller names.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Most entries of one snapshot; a host that writes more is not what these tests are for.
const ENTRY_LIMIT: usize = 200_000;

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// What logging in leaves behind on every host.
pub const LOGIN_RECORDS: &[&str] = &[
    "/run/motd.dynamic",
    "/run/utmp",
    "/run/sudo",
    "/var/log/btmp",
    "/var/log/lastlog",
    "/var/log/wtmp",
    "/var/lib/sudo",
];

/// One file, folder, link or node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Type and permission bits, as stat(2) gives them.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size. Bytes.
    pub size: u64,
    /// Time of the last change of content. Nanoseconds since 1970 UTC.
    pub mtime_ns: i128,
    /// Hash of the content, or of the target of a link; good within one process only.
    pub content: u64,
}

/// Everything written under the folders looked at, by path inside the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Snapshot {
    /// Reads each of `folders`, given as (where it is here, what it is called inside).
    pub(super) fn of(folders: &[(&Path, &str)]) -> io::Result<Snapshot> {
        let mut entries = BTreeMap::new();
        let mut open: Vec<(PathBuf, PathBuf)> =
            folders.iter().map(|(here, inside)| ((*here).to_owned(), PathBuf::from(inside))).collect();
        while let Some((here, inside)) = open.pop() {
            let metadata = fs::symlink_metadata(&here)?;
            if metadata.is_dir() {
                for child in fs::read_dir(&here)? {
                    let child = child?;
                    open.push((child.path(), inside.join(child.file_name())));
                }
            }
            entries.insert(inside, entry(&here, &metadata)?);
            if entries.len() > ENTRY_LIMIT {
                return Err(io::Error::other(format!("the host has written more than {ENTRY_LIMIT} files")));
            }
        }
        Ok(Snapshot { entries })
    }

    /// Returns the entry of a path inside the host, if the host has written it.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(Path::new(path))
    }

    /// Leaves out the named paths and all below them, such as [`LOGIN_RECORDS`].
    #[must_use]
    pub fn without(mut self, paths: &[&str]) -> Snapshot {
        self.entries.retain(|path, _entry| !paths.iter().any(|left_out| path.starts_with(left_out)));
        self
    }

    /// Describes every difference from `before`, one a line: `+ path`, `- path`, `~ path`; empty when there is none.
    ///
    /// The time of a folder counts only through its entries: it says no more than they do.
    pub fn changes_since(&self, before: &Snapshot) -> String {
        let mut text = String::new();
        let paths: std::collections::BTreeSet<&PathBuf> =
            before.entries.keys().chain(self.entries.keys()).collect();
        for path in paths {
            let sign = match (before.entries.get(path), self.entries.get(path)) {
                (Some(old), Some(new)) if same(old, new) => continue,
                (Some(_old), Some(_new)) => '~',
                (None, _new) => '+',
                (Some(_old), None) => '-',
            };
            // Writing to a string cannot fail.
            let _infallible = writeln!(text, "{sign} {}", path.display());
        }
        text
    }
}

/// Folders are compared without size and time: both change when an entry that was left out does.
fn same(old: &Entry, new: &Entry) -> bool {
    const TYPE: u32 = 0o170_000;
    const FOLDER: u32 = 0o040_000;
    if old.mode & TYPE == FOLDER {
        return (old.mode, old.uid, old.gid) == (new.mode, new.uid, new.gid);
    }
    old == new
}

fn entry(path: &Path, metadata: &Metadata) -> io::Result<Entry> {
    let mut hasher = DefaultHasher::new();
    let kind = metadata.file_type();
    if kind.is_symlink() {
        hasher.write(fs::read_link(path)?.as_os_str().as_bytes());
    } else if kind.is_file() {
        hash_content(path, &mut hasher)?;
    } else if kind.is_char_device() || kind.is_block_device() {
        hasher.write_u64(metadata.rdev());
    }
    Ok(Entry {
        mode: metadata.mode(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        size: metadata.size(),
        mtime_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        content: hasher.finish(),
    })
}

fn hash_content(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        hasher.write(&chunk[..n]);
    }
}
