//! What a witness keeps on disk: its key, a lock against a second process, and the newest cosigned checkpoint
//! of each log. A folder that is damaged is refused, never begun anew: a witness that forgets can be led astray.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ledger::cosignature::Cosigner;
use ledger::note::{NOTE_BYTES_MAX, Note};
use ledger::witness::Latest;
use ledger::{TreeHead, hex, sha256};
use zeroize::Zeroizing;

use crate::context::random;
use crate::error::{Error, Kind};
use crate::file_lock;
use crate::folder::Own;

const LOCK_FILE: &str = "witness.lock";
const KEY_FILE: &str = "witness.key";
/// First word of the key file: its format and version.
const KEY_FORMAT: &str = "plumbline-witness-key/1";
const WITNESS_DIR: Own<'_> = Own { what: "folder", files: &[KEY_FILE, CHECKPOINTS], another: "--dir" };
/// Folder of the checkpoints, one file a log, named by the SHA-256 of the origin.
const CHECKPOINTS: &str = "checkpoints";
/// Largest file that is read here. Bytes.
const FILE_BYTES_MAX: u64 = NOTE_BYTES_MAX as u64;

/// A folder that this process holds alone until it ends.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked; the lock goes with the process.
    _lock: File,
}

/// What a witness remembers of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) latest: Latest,
    /// Time of its last cosignature. Seconds since 1970 UTC; 0 when there is none.
    pub(super) time: u64,
}

impl Folder {
    /// Takes a folder, making it when it is missing.
    pub(super) fn take(path: &Path) -> Result<Self, Error> {
        WITNESS_DIR.make(path)?;
        let lock = take_lock(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Returns the key of the witness. The first use makes it, and the place of the checkpoints with it.
    ///
    /// `name` names a new key; a key that is there keeps its name.
    pub(super) fn cosigner(&self, name: Option<&str>) -> Result<Cosigner, Error> {
        let key_path = self.path.join(KEY_FILE);
        let checkpoints = self.path.join(CHECKPOINTS);
        if key_path.exists() {
            if !checkpoints.is_dir() {
                let message = format!("refusing to start: {} is missing", checkpoints.display());
                return Err(Error::new(Kind::Config, message)
                    .hint("restore it; a witness that forgot what it cosigned must take a new key"));
            }
            return self.read_key(&key_path, name);
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&checkpoints)
            .map_err(|err| unusable(&checkpoints, &err))?;
        let name = name.map_or_else(|| format!("witness.local/{}", short(&random::<4>())), str::to_owned);
        let seed = Zeroizing::new(random::<32>());
        let cosigner = Cosigner::from_seed(&name, &seed).map_err(|_err| {
            Error::new(Kind::Usage, format!("{name:?} cannot name a witness"))
                .hint("use something like a URL without its scheme: no white space, no plus sign")
        })?;
        let text = Zeroizing::new(format!("{KEY_FORMAT} {name} {}\n", hex::encode(&seed)));
        self.place(&self.path, KEY_FILE, text.as_bytes()).map_err(|err| unusable(&key_path, &err))?;
        Ok(cosigner)
    }

    fn read_key(&self, path: &Path, name: Option<&str>) -> Result<Cosigner, Error> {
        let refused = |problem: &str| {
            let message = format!("refusing to start: the witness key {} {problem}", path.display());
            Error::new(Kind::Config, message)
        };
        let meta = fs::symlink_metadata(path).map_err(|err| unusable(path, &err))?;
        if !meta.is_file() || meta.permissions().mode() & 0o077 != 0 {
            return Err(refused("can be read by others").hint("chmod 600 it"));
        }
        if fs::metadata("/proc/self").is_ok_and(|me| me.uid() != meta.uid()) {
            return Err(refused("belongs to another user").hint("run plumb as its owner"));
        }
        let bytes = Zeroizing::new(read(path).map_err(|err| unusable(path, &err))?.unwrap_or_default());
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let fields =
            text.strip_suffix('\n').and_then(|line| line.strip_prefix(KEY_FORMAT)?.strip_prefix(' '));
        let seed = fields.and_then(|fields| {
            let (name, digits) = fields.split_once(' ')?;
            Some((name, Zeroizing::new(hex::decode(digits)?)))
        });
        let (own, seed) = seed.ok_or_else(|| refused("is not a key file of this version"))?;
        if name.is_some_and(|name| name != own) {
            return Err(refused(&format!("is named {own}")).hint("leave --name out, or name another --dir"));
        }
        Cosigner::from_seed(own, &seed).map_err(|_err| refused("is not a key file of this version"))
    }

    /// Returns what was stored of a log last, and the stored checkpoint.
    pub(super) fn load(&self, origin: &str, cosigner: &Cosigner) -> Result<Memory, Error> {
        let path = self.path.join(CHECKPOINTS).join(file_name(origin));
        let bytes = read(&path).map_err(|err| unusable(&path, &err))?;
        let Some(bytes) = bytes else { return Ok(Memory { latest: Latest::none(), time: 0 }) };
        let memory = Note::parse(&bytes).ok().and_then(|note| {
            let (head, _extensions) = TreeHead::parse_foreign(&note.text).ok()?;
            let time = cosigner.public().times_on(&note).ok()?.into_iter().max()?;
            let latest = Latest { size: head.size, root: head.root };
            (head.origin == origin).then_some(Memory { latest, time })
        });
        memory.ok_or_else(|| {
            let message = format!(
                "refusing to start: {} is not a checkpoint of {origin} cosigned here",
                path.display()
            );
            Error::new(Kind::Config, message)
                .hint("restore it; a witness that forgot what it cosigned must take a new key")
        })
    }

    /// Returns the stored checkpoint whose file has this name; nothing when there is none.
    pub(super) fn find(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        // Only what can be a name of ours is looked up: no other path can be asked for.
        if hex::decode(name).is_none() {
            return Ok(None);
        }
        read(&self.path.join(CHECKPOINTS).join(name))
    }

    /// Stores a checkpoint of a log, durably: it is there after a crash, whole, or the one before it is.
    pub(super) fn store(&self, origin: &str, checkpoint: &str) -> io::Result<()> {
        self.place(&self.path.join(CHECKPOINTS), &file_name(origin), checkpoint.as_bytes())
    }

    /// Writes a file beside its place, then into it, with everything on the disk before this returns.
    fn place(&self, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        let part = folder.join(format!("{name}.part"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, folder.join(name))?;
        File::open(folder)?.sync_all()?;
        // The folder itself may be new.
        File::open(&self.path)?.sync_all()
    }
}

/// Returns the name of a log's file, which is also its name in the monitoring interface of the protocol.
pub(super) fn file_name(origin: &str) -> String {
    hex::encode(&sha256(origin.as_bytes()))
}

fn short(bytes: &[u8; 4]) -> String {
    ledger::note::KeyId(*bytes).to_string()
}

fn unusable(path: &Path, err: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("could not use {}: {err}", path.display()))
}

/// Reads a small file; nothing when there is none.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Locks the folder against another process.
fn take_lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(|err| unusable(&path, &err))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!("{} is held by {}", folder.display(), file_lock::holder(&file));
            Err(Error::new(Kind::Conflict, message).hint("end that process, or name another --dir"))
        }
        Err(TryLockError::Error(err)) => Err(unusable(&path, &err)),
    }
}
