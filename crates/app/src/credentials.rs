//! Collecting what a login may use, before any host is contacted. Keys live in memory only.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use model::record::{HostRecord, Reach};
use secrecy::{ExposeSecret as _, SecretString};
use transport::{Credentials, KeyError, PrivateKey, Privilege, load_private_key};

use crate::error::{Error, Kind};

/// Longest private key file. Bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Keys that are tried when none is named, in the order of ssh(1), in the user's `.ssh`.
const DEFAULT_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Secrets as the surface has them, and where else to look.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    pub password: Option<SecretString>,
    pub key_passphrase: Option<SecretString>,
    pub sudo_password: Option<SecretString>,
    /// Socket of an ssh-agent.
    pub agent: Option<PathBuf>,
    /// The user's `.ssh` folder.
    pub ssh_dir: Option<PathBuf>,
    /// Name of the invoking user.
    pub login_name: String,
}

/// Asks a person for a secret; nothing when nobody can be asked.
pub type Ask<'a> = &'a mut dyn FnMut(&str) -> Option<SecretString>;

/// What one login uses.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) credentials: Credentials,
    pub(crate) privilege: Privilege,
    /// Bytes that must not appear in anything we keep.
    pub(crate) secrets: Vec<SecretString>,
}

/// Collects the credentials of one host.
///
/// # Errors
/// When a named key cannot be used, or is encrypted and there is no passphrase.
pub(crate) fn login(host: &HostRecord, secrets: &Secrets, ask: Ask<'_>) -> Result<Login, Error> {
    let mut known = Vec::new();
    known.extend(
        [&secrets.password, &secrets.key_passphrase, &secrets.sudo_password].into_iter().flatten().cloned(),
    );
    let privilege = if host.sudo {
        let password = secrets.sudo_password.clone().or_else(|| secrets.password.clone());
        Privilege::Sudo { password }
    } else {
        Privilege::None
    };
    let user = if host.username.is_empty() { secrets.login_name.clone() } else { host.username.clone() };
    let mut credentials = Credentials::default();
    if host.transport == Reach::Ssh {
        credentials.keys = keys(host, secrets, ask)?;
        credentials.agent.clone_from(&secrets.agent);
        credentials.password.clone_from(&secrets.password);
    }
    Ok(Login { user, credentials, privilege, secrets: known })
}

fn keys(host: &HostRecord, secrets: &Secrets, ask: Ask<'_>) -> Result<Vec<PrivateKey>, Error> {
    if !host.identity_file.is_empty() {
        let path = expand(&host.identity_file, secrets.ssh_dir.as_deref());
        return named_key(&path, secrets, ask).map(|key| vec![key]);
    }
    let Some(dir) = &secrets.ssh_dir else { return Ok(Vec::new()) };
    let mut keys = Vec::new();
    for name in DEFAULT_KEYS {
        let path = dir.join(name);
        if !path.exists() {
            continue;
        }
        // A default key that cannot be opened is passed over, as ssh does: another method may do.
        if let Ok(key) = read(&path).and_then(|bytes| {
            load_private_key(bytes.expose_secret().as_bytes(), secrets.key_passphrase.as_ref())
                .map_err(|err| refused(&path, &err))
        }) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn named_key(path: &Path, secrets: &Secrets, ask: Ask<'_>) -> Result<PrivateKey, Error> {
    let bytes = read(path)?;
    let bytes = bytes.expose_secret().as_bytes();
    match load_private_key(bytes, secrets.key_passphrase.as_ref()) {
        Ok(key) => Ok(key),
        Err(KeyError::Encrypted) => {
            let passphrase = ask(&format!("Passphrase of {}: ", path.display()))
                .ok_or_else(|| refused(path, &KeyError::Encrypted))?;
            load_private_key(bytes, Some(&passphrase)).map_err(|err| refused(path, &err))
        }
        Err(err) => Err(refused(path, &err)),
    }
}

fn read(path: &Path) -> Result<SecretString, Error> {
    let unreadable = |problem: String| {
        Error::new(Kind::Config, format!("could not read the private key {}: {problem}", path.display()))
    };
    let file = fs::File::open(path).map_err(|err| unreadable(err.to_string()))?;
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(|err| unreadable(err.to_string()))?;
    Ok(SecretString::from(text.as_str()))
}

fn refused(path: &Path, err: &KeyError) -> Error {
    let error = Error::new(Kind::Config, format!("could not use the private key {}: {err}", path.display()));
    match err {
        KeyError::Encrypted => {
            error.hint("set PLUMB_SSH_KEY_PASSPHRASE, or run this on a terminal to be asked")
        }
        KeyError::WrongPassphrase => error.hint("check the passphrase"),
        KeyError::TooShort { .. } | KeyError::Unsupported { .. } => {
            error.hint("use an Ed25519 or ECDSA key, or RSA with 2048 bits or more")
        }
        KeyError::Malformed => error.hint("name the private key, not the .pub file"),
    }
}

/// Replaces a leading `~/` with the home that holds the `.ssh` folder.
fn expand(path: &str, ssh_dir: Option<&Path>) -> PathBuf {
    let home = ssh_dir.and_then(Path::parent);
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
