//! Opening the product: data directory, signing key, database, tenant, rules. The first use makes them all.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use ledger::Signer;
use model::{LogId, TenantId};
use store::privileges::Grant;
use store::{Db, Login, Tenant};
use zeroize::Zeroizing;

use crate::content::Content;
use crate::context::{App, Config, new_uuid, nonces, random};
use crate::database::{DATABASE_FILE, Place};
use crate::error::{Error, Kind};
use crate::folder::Own;
use crate::rotate;
use crate::witness::ConfiguredPolicy;

/// The one tenant before there is a service (decision on identity).
pub(crate) const TENANT_SLUG: &str = "default";
/// Name of the signing key's file in the data directory.
pub(crate) const KEY_FILE: &str = "ledger.key";
/// First word of the key file: its format and version.
const KEY_FORMAT: &str = "plumbline-ledger-key/1";
const DATA_DIR: Own<'_> =
    Own { what: "data directory", files: &[KEY_FILE, DATABASE_FILE], another: "--data-dir" };
/// Origins of logs begin with this unless another prefix is set.
pub(crate) const ORIGIN_PREFIX: &str = "plumbline.local";
/// Longest prefix of an origin. Bytes.
const PREFIX_BYTES_MAX: usize = 128;

/// Whether a missing database is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Make what is missing.
    Create,
    /// Answer from what is there.
    Existing,
    /// Answer from what is there about the ledger alone, which needs no rules: they are not loaded.
    Ledger,
}

/// Opens the product.
///
/// # Errors
/// When a part cannot be used; each says which and what to do.
pub async fn open(config: &Config, mode: Mode) -> Result<App, Error> {
    let content = Arc::new(match mode {
        Mode::Create | Mode::Existing => Content::open_to_run(config.rules())?,
        Mode::Ledger => Content::none()?,
    });
    let place = config.database.place(&config.data_dir)?;
    match mode {
        Mode::Create => refuse_lost(&config.data_dir.join(KEY_FILE), &place)?,
        Mode::Existing | Mode::Ledger => require(&place)?,
    }
    let policy = config.policy.as_deref().map(ConfiguredPolicy::read).transpose()?;
    config.origin_prefix.as_deref().map_or(Ok(()), check_prefix)?;
    let db = open_database(config).await?;
    let (tenant, signer, created) = match db.find_tenant(TENANT_SLUG).await? {
        Some(tenant) => {
            (tenant.clone(), current_signer((&config.data_dir.join(KEY_FILE), mode), &tenant)?, false)
        }
        None if mode != Mode::Create => {
            return Err(Error::new(Kind::Unavailable, format!("{} holds no ledger", db.place()))
                .hint("restore it from your backup, or run `plumb scan` to begin one"));
        }
        None => {
            let (tenant, signer, created) = make_tenant(config, &db).await?;
            (tenant, Some(signer), created)
        }
    };
    refuse_other_prefix(config, &tenant)?;
    if let Some(policy) = &policy {
        policy.check(&tenant)?;
    }
    Ok(assemble(config, (db, tenant, signer), (policy, content), created))
}

/// Checks what the origin of a log shall begin with: an origin is the name of a key (docs/formats/checkpoint.md).
fn check_prefix(prefix: &str) -> Result<(), Error> {
    let problem = if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX {
        "it has 1 to 128 bytes"
    } else if prefix.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
        "it has no white space, no control character and no plus sign"
    } else if prefix.split('/').any(str::is_empty) {
        "no slash stands at an end of it or beside another"
    } else {
        return Ok(());
    };
    let shown: String = prefix.chars().take(PREFIX_BYTES_MAX).collect();
    Err(Error::new(Kind::Usage, format!("an origin cannot begin with {shown:?}: {problem}"))
        .hint("write a name of yours, like a URL without its scheme: log.example.org/prod"))
}

/// Returns what an origin begins with, before its log id.
pub(crate) fn prefix_of(origin: &str) -> Option<&str> {
    origin.rsplit_once('/').map(|(prefix, _log)| prefix)
}

/// Refuses a log that was begun under another name than the one that is asked for: a log keeps its own.
fn refuse_other_prefix(config: &Config, tenant: &Tenant) -> Result<(), Error> {
    let Some(wanted) = config.origin_prefix.as_deref() else { return Ok(()) };
    if prefix_of(&tenant.origin) == Some(wanted) {
        return Ok(());
    }
    let message = format!("there is a log already, and its origin is {}", tenant.origin);
    Err(Error::new(Kind::Conflict, message).hint("a log keeps its origin; leave --origin out"))
}

/// Opens a tenant of a database for reading, without its signing key and without rules.
pub(crate) async fn open_tenant(config: &Config, db: &Db, slug: &str) -> Result<App, Error> {
    let tenant = db.find_tenant(slug).await?;
    let tenant = tenant
        .ok_or_else(|| Error::new(Kind::Unavailable, format!("{} holds no ledger of {slug}", db.place())))?;
    let policy = config.policy.as_deref().map(ConfiguredPolicy::read).transpose()?;
    let content = Arc::new(Content::none()?);
    Ok(assemble(config, (db.clone(), tenant, None), (policy, content), false))
}

fn assemble(
    config: &Config,
    (db, tenant, signer): (Db, Tenant, Option<Signer>),
    (policy, content): (Option<ConfiguredPolicy>, Arc<Content>),
    created: bool,
) -> App {
    App {
        db,
        tenant,
        signer: signer.map(Arc::new),
        key_path: config.data_dir.join(KEY_FILE),
        anchor: config.anchor.clone(),
        retention: config.retention,
        stamp_max_lag_seconds: config.stamp_max_lag_seconds,
        policy: policy.map(Arc::new),
        content,
        actor: config.actor.clone(),
        clock: config.clock,
        created,
    }
}

/// Refuses a file that is not there, which opening it would make, or that is empty, which opening it would fill.
pub(crate) fn require(place: &Place) -> Result<(), Error> {
    let Place::File(path) = place else { return Ok(()) };
    match content_of(path)? {
        FileContent::Some => Ok(()),
        FileContent::Empty => Err(Error::new(
            Kind::Unavailable,
            format!("{} holds no ledger: the file is empty", path.display()),
        )
        .hint("restore it from your backup, or run `plumb scan` to begin one")),
        FileContent::NoFile => {
            Err(Error::new(Kind::Unavailable, format!("there is no database at {}", path.display()))
                .hint("run `plumb scan` first, or name the data directory by --data-dir"))
        }
    }
}

enum FileContent {
    Some,
    Empty,
    NoFile,
}

/// Tells what is at a path, without opening it. What may not be looked at is not taken for missing.
fn content_of(path: &Path) -> Result<FileContent, Error> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() == 0 => Ok(FileContent::Empty),
        Ok(_found) => Ok(FileContent::Some),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(FileContent::NoFile),
        Err(err) => {
            Err(Error::new(Kind::Unavailable, format!("could not look at {}: {err}", path.display()))
                .hint("run it as the user whom the data directory belongs to"))
        }
    }
}

/// Refuses to begin another ledger beside the key of one whose database is gone. A first start makes the file before the
/// key, so that one which was stopped in between is none.
fn refuse_lost(key_path: &Path, place: &Place) -> Result<(), Error> {
    let Place::File(path) = place else { return Ok(()) };
    if !key_path.exists() || matches!(content_of(path)?, FileContent::Some) {
        return Ok(());
    }
    let (key, database) = (key_path.display(), path.display());
    let message = format!("the ledger that {key} signs for is gone: {database} is missing or empty");
    Err(Error::new(Kind::Config, message).hint(
        "restore the database from your backup, go on with what is known of it by `plumb ledger continue`, or move the key away to \
         begin another ledger",
    ))
}

/// Opens the database. A file is made where it is missing, and so is the data directory; a server's database has to be
/// there, with the schema of this program.
pub(crate) async fn open_database(config: &Config) -> Result<Db, Error> {
    let place = config.database.place(&config.data_dir)?;
    DATA_DIR.make(&config.data_dir)?;
    open_place(place, config.login).await
}

pub(crate) async fn open_place(place: Place, login: Login) -> Result<Db, Error> {
    match place {
        Place::File(path) => Ok(Db::open_as(&path, login).await?),
        Place::Server(server) => Ok(Db::connect(&server, login).await?),
    }
}

/// Looks at the database without using it, and says what was found; with where it is.
///
/// # Errors
/// When there is none, or it cannot be reached: with the true cause.
pub async fn check(config: &Config) -> Result<(String, Vec<store::check::Check>), Error> {
    let place = config.database.place(&config.data_dir)?;
    require(&place)?;
    match place {
        Place::File(path) => Ok((path.display().to_string(), Db::check_file(&path).await?)),
        Place::Server(server) => Ok((server.place().to_owned(), Db::check_server(&server).await?)),
    }
}

/// What bringing a schema up to date came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// For people: the file, or server and name.
    pub place: String,
    /// The version that a server's schema was brought from, 0 for none; nothing when it is told of no change.
    pub from: Option<i64>,
    pub now: u32,
}

/// Brings the schema of a database up to date, as the user that the settings name. On a server each role that is named
/// gets the rights of its part: `app=ROLE`.
///
/// # Errors
/// When the database cannot be used, is newer than this program, a migration was edited after it was applied, or there is
/// no such part or role.
pub async fn migrate(config: &Config, grants: &[String]) -> Result<Migrated, Error> {
    let now = store::SCHEMA_VERSION;
    let grants: Vec<Grant> = grants.iter().map(|grant| grant.parse()).collect::<Result<_, _>>()?;
    match config.database.place(&config.data_dir)? {
        Place::File(_) if !grants.is_empty() => {
            Err(Error::new(Kind::Usage, "a SQLite file knows no roles").hint("leave --grant out"))
        }
        Place::File(path) => {
            // A file that was made here would pass for one of a first start.
            refuse_lost(&config.data_dir.join(KEY_FILE), &Place::File(path.clone()))?;
            DATA_DIR.make(&config.data_dir)?;
            // Opening a file does it.
            Db::open(&path).await?.close().await;
            Ok(Migrated { place: path.display().to_string(), from: None, now })
        }
        Place::Server(server) => {
            let before = Db::migrate(&server, &grants).await?.unwrap_or(0);
            let from = (before != i64::from(now)).then_some(before);
            Ok(Migrated { place: server.place().to_owned(), from, now })
        }
    }
}

/// Makes the key if there is none, then the tenant and its log. Two processes at once end with one of each:
/// the key is placed first and never replaced, and its one seed signs for whichever log was made.
async fn make_tenant(config: &Config, db: &Db) -> Result<(Tenant, Signer, bool), Error> {
    let now = config.clock.now();
    let log = LogId::new(new_uuid(now));
    let origin = format!("{}/{log}", config.origin_prefix.as_deref().unwrap_or(ORIGIN_PREFIX));
    let key_path = config.data_dir.join(KEY_FILE);
    if !key_path.exists() {
        place_key(&config.data_dir, &key_path)?;
    }
    let seed = read_seed(&key_path)?;
    let signer = Signer::from_seed(&origin, &seed)
        .map_err(|err| Error::internal(format!("could not make a signing key: {err}")))?;
    let wanted =
        Tenant { id: TenantId::new(new_uuid(now)), log, origin, vkey: signer.verifier().to_string() };
    let actual = db.create_tenant(TENANT_SLUG, (&wanted, &config.actor), now, &mut nonces()).await?;
    let created = actual == wanted;
    let signer = signer_of(&key_path, &seed, &actual)?;
    Ok((actual, signer, created))
}

/// Writes a new key beside its place and links it there, which fails where another process was first.
pub(crate) fn place_key(folder: &Path, key_path: &Path) -> Result<(), Error> {
    let seed = Zeroizing::new(random::<32>());
    let mine = key_path.with_extension(format!("key.{}", std::process::id()));
    write_key(&mine, &seed)?;
    let linked = fs::hard_link(&mine, key_path);
    fs::remove_file(&mine).map_err(|err| key_error(&mine, &err))?;
    match linked {
        Err(err) if err.kind() != std::io::ErrorKind::AlreadyExists => Err(key_error(key_path, &err)),
        Ok(()) | Err(_) => fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|err| key_error(key_path, &err)),
    }
}

pub(crate) fn key_error(path: &Path, err: &std::io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("could not write the signing key {}: {err}", path.display()))
}

pub(crate) fn write_key(path: &Path, seed: &[u8; 32]) -> Result<(), Error> {
    let text = Zeroizing::new(format!("{KEY_FORMAT} {}\n", ledger::hex::encode(seed)));
    let written =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.map_err(|err| key_error(path, &err))
}

fn key_refused(path: &Path, problem: &str) -> Error {
    Error::new(Kind::Config, format!("refusing to start: the signing key {} {problem}", path.display()))
}

/// Reads the signing key's seed; looser permissions or a foreign owner refuse to start (LED-21).
pub(crate) fn read_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
    let refused = |problem: &str| key_refused(path, problem);
    let unreadable = |err: std::io::Error| {
        let error = refused(&format!("cannot be read: {err}"));
        // Else it is there.
        let is_gone = err.kind() == std::io::ErrorKind::NotFound;
        if is_gone { error.hint("restore it from your backup") } else { error }
    };
    let meta = fs::symlink_metadata(path).map_err(unreadable)?;
    if !meta.is_file() || meta.permissions().mode() & 0o077 != 0 {
        return Err(refused("can be read by others").hint("chmod 600 it"));
    }
    let own = fs::metadata("/proc/self").map(|me| me.uid());
    if own.is_ok_and(|uid| uid != meta.uid()) {
        return Err(refused("belongs to another user").hint("run plumb as its owner"));
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
    let seed = text.trim_end().strip_prefix(KEY_FORMAT).and_then(|rest| ledger::hex::decode(rest.trim()));
    seed.map(Zeroizing::new).ok_or_else(|| refused("is not a key file of this version"))
}

/// Returns the signer of the key that the log names. A rotation that was stopped between the database and the
/// key's file is finished here. Who only reads needs no key: an auditor has none.
fn current_signer((key_path, mode): (&Path, Mode), tenant: &Tenant) -> Result<Option<Signer>, Error> {
    let next = rotate::next_path(key_path);
    if next.exists()
        && let Ok(signer) = signer_of(&next, &*read_seed(&next)?, tenant)
    {
        rotate::promote(key_path)?;
        return Ok(Some(signer));
    }
    if mode != Mode::Create && is_absent(key_path) {
        return Ok(None);
    }
    signer_of(key_path, &*read_seed(key_path)?, tenant).map(Some)
}

/// Tells whether there is no key at all; one that cannot be looked at is there.
fn is_absent(key_path: &Path) -> bool {
    fs::symlink_metadata(key_path).is_err_and(|err| err.kind() == std::io::ErrorKind::NotFound)
}

impl App {
    /// Refuses to begin what is recorded and signed, where opening found no key.
    ///
    /// # Errors
    /// When that is so.
    pub fn require_key(&self) -> Result<(), Error> {
        if self.signer.is_some() {
            return Ok(());
        }
        read_seed(&self.key_path)?;
        Err(key_refused(&self.key_path, "was put there after this began").hint("run this again"))
    }
}

fn signer_of(path: &Path, seed: &[u8; 32], tenant: &Tenant) -> Result<Signer, Error> {
    let signer = Signer::from_seed(&tenant.origin, seed)
        .map_err(|err| key_refused(path, &format!("cannot be used: {err}")))?;
    if signer.verifier().to_string() != tenant.vkey {
        return Err(
            key_refused(path, "is not the key of this log").hint("restore the right one from your backup")
        );
    }
    Ok(signer)
}
