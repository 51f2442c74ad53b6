//! Collecting what a login may use, before any host is contacted. Keys live in memory only.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use model::record::{HostRecord, Reach};
use secrecy::{ExposeSecret as _, SecretString};
use transport::{
    Credentials, KeyError, PrivateKey, Privilege, agent_keys, load_private_key, public_fingerprint,
};

use crate::error::{Error, Kind};

/// Longest private key file. Bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Keys that are tried when none is named, in the order of ssh(1), in the user's `.ssh`.
const DEFAULT_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// What to do about a key that could not be opened.
pub(crate) const OPEN_HINT: &str =
    "set PLUMB_SSH_KEY_PASSPHRASE, add the key to an agent, or run this on a terminal to be asked";

/// Secrets as the surface has them, and where else to look.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    pub password: Option<SecretString>,
    pub key_passphrase: Option<SecretString>,
    pub sudo_password: Option<SecretString>,
    /// The login's password is asked for, once some host's key may be accepted.
    pub ask_password: bool,
    /// Likewise that of sudo.
    pub ask_sudo_password: bool,
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

/// Asks for the passwords that somebody wants to type.
///
/// # Errors
/// When none is given.
pub(crate) fn ask_for_passwords(secrets: &mut Secrets, ask: Ask<'_>) -> Result<(), Error> {
    let mut asked = |text: &str| {
        ask(text).ok_or_else(|| {
            Error::new(Kind::Usage, "no password was given")
                .hint("set PLUMB_SSH_PASSWORD or PLUMB_SUDO_PASSWORD instead")
        })
    };
    if std::mem::take(&mut secrets.ask_password) {
        secrets.password = Some(asked("SSH password: ")?);
    }
    if std::mem::take(&mut secrets.ask_sudo_password) {
        secrets.sudo_password = Some(asked("sudo password: ")?);
    }
    Ok(())
}

/// Collects the credentials of one host.
///
/// # Errors
/// When a named key cannot be used, or is encrypted and there is neither a passphrase nor an agent that holds it; for keys in
/// their usual place, when that leaves nothing to log in with.
pub(crate) async fn login(host: &HostRecord, secrets: &Secrets, ask: Ask<'_>) -> Result<Login, Error> {
    let mut login = without_credentials(host, secrets);
    if host.transport == Reach::Ssh {
        let keys = keys(host, secrets, ask).await?;
        login.secrets.extend(keys.passphrase);
        login.credentials.keys = keys.opened;
        login.credentials.agent_first = keys.agent_first;
        login.credentials.unopened = keys.unopened;
        login.credentials.agent.clone_from(&secrets.agent);
        login.credentials.password.clone_from(&secrets.password);
    }
    Ok(login)
}

/// Returns the login of a host with nothing to log in with: for one whose key will be refused, nothing is opened (SSH-04).
pub(crate) fn without_credentials(host: &HostRecord, secrets: &Secrets) -> Login {
    let mut known = Vec::new();
    known.extend(
        [&secrets.password, &secrets.key_passphrase, &secrets.sudo_password].into_iter().flatten().cloned(),
    );
    let privilege =
        if host.sudo { Privilege::Sudo { password: secrets.sudo_password.clone() } } else { Privilege::None };
    let user = if host.username.is_empty() { secrets.login_name.clone() } else { host.username.clone() };
    Login { user, credentials: Credentials::default(), privilege, secrets: known }
}

/// The keys of one login.
#[derive(Debug, Default)]
struct Keys {
    opened: Vec<PrivateKey>,
    /// Fingerprint of the key that was named and that the agent holds.
    agent_first: Option<String>,
    /// Keys that were passed over, each with why.
    unopened: Vec<String>,
    /// What a person typed.
    passphrase: Option<SecretString>,
}

/// A key in its usual place that cannot be used as it is.
struct Unopened {
    path: PathBuf,
    /// The file, where it could be read and is encrypted.
    encrypted: Option<SecretString>,
    err: Error,
}

async fn keys(host: &HostRecord, secrets: &Secrets, ask: Ask<'_>) -> Result<Keys, Error> {
    if !host.identity_file.is_empty() {
        let path = expand(&host.identity_file, secrets.ssh_dir.as_deref());
        return named_key(&path, secrets, ask).await;
    }
    let mut keys = Keys::default();
    let Some(dir) = &secrets.ssh_dir else { return Ok(keys) };
    let mut unopened = Vec::new();
    for path in DEFAULT_KEYS.map(|name| dir.join(name)).into_iter().filter(|path| path.exists()) {
        match usual_key(path, secrets) {
            Ok(key) => keys.opened.push(key),
            Err(key) => unopened.push(key),
        }
    }
    if unopened.is_empty() {
        return Ok(keys);
    }
    // A key that cannot be opened is passed over, as ssh does, while another key or method may do.
    let held = held(secrets).await;
    unopened.retain(|key| !key.fingerprint().is_some_and(|name| held.contains(&name)));
    if keys.opened.is_empty() && held.is_empty() && secrets.password.is_none() {
        let first = ask_for_one(&mut unopened, ask)?;
        keys.opened.push(first.0);
        keys.passphrase = Some(first.1);
    }
    keys.unopened = unopened.into_iter().map(|key| key.err.message).collect();
    Ok(keys)
}

/// Asks for the passphrases of keys that nothing else can stand in for, until one opens; that one is taken out.
fn ask_for_one(keys: &mut Vec<Unopened>, ask: Ask<'_>) -> Result<(PrivateKey, SecretString), Error> {
    for (i, key) in keys.iter().enumerate() {
        let Some(bytes) = &key.encrypted else { continue };
        let Some(passphrase) = ask(&prompt(&key.path)) else { break };
        let opened = load_private_key(bytes.expose_secret().as_bytes(), Some(&passphrase));
        let opened = opened.map_err(|err| refused(&key.path, &err))?;
        keys.remove(i);
        return Ok((opened, passphrase));
    }
    keys.sort_by_key(|key| key.encrypted.is_none());
    let first = keys.drain(..).next().map(|key| key.err);
    Err(first.unwrap_or_else(|| Error::internal("no key is left to ask for")))
}

/// Opens a key in its usual place with what the environment gives.
fn usual_key(path: PathBuf, secrets: &Secrets) -> Result<PrivateKey, Unopened> {
    let bytes = match read(&path) {
        Ok(bytes) => bytes,
        Err(err) => return Err(Unopened { path, encrypted: None, err }),
    };
    load_private_key(bytes.expose_secret().as_bytes(), secrets.key_passphrase.as_ref()).map_err(|err| {
        let encrypted = matches!(err, KeyError::Encrypted | KeyError::WrongPassphrase).then_some(bytes);
        Unopened { encrypted, err: refused(&path, &err), path }
    })
}

impl Unopened {
    fn fingerprint(&self) -> Option<String> {
        self.encrypted.as_ref().and_then(|bytes| public_fingerprint(bytes.expose_secret().as_bytes()))
    }
}

/// Returns the fingerprints of the keys that the agent holds.
async fn held(secrets: &Secrets) -> Vec<String> {
    match &secrets.agent {
        Some(socket) => agent_keys(socket).await,
        None => Vec::new(),
    }
}

fn prompt(path: &Path) -> String {
    format!("Passphrase of {}: ", path.display())
}

async fn named_key(path: &Path, secrets: &Secrets, ask: Ask<'_>) -> Result<Keys, Error> {
    let bytes = read(path)?;
    let bytes = bytes.expose_secret().as_bytes();
    let err = match load_private_key(bytes, secrets.key_passphrase.as_ref()) {
        Ok(key) => return Ok(Keys { opened: vec![key], ..Keys::default() }),
        Err(err) => err,
    };
    let is_encrypted = matches!(err, KeyError::Encrypted | KeyError::WrongPassphrase);
    if is_encrypted
        && let Some(name) = public_fingerprint(bytes)
        && held(secrets).await.contains(&name)
    {
        return Ok(Keys { agent_first: Some(name), ..Keys::default() });
    }
    if err != KeyError::Encrypted {
        return Err(refused(path, &err));
    }
    let passphrase = ask(&prompt(path)).ok_or_else(|| refused(path, &err))?;
    let key = load_private_key(bytes, Some(&passphrase)).map_err(|err| refused(path, &err))?;
    Ok(Keys { opened: vec![key], passphrase: Some(passphrase), ..Keys::default() })
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
        KeyError::Encrypted => error.hint(OPEN_HINT),
        KeyError::WrongPassphrase => {
            error.hint("check the passphrase, as PLUMB_SSH_KEY_PASSPHRASE or as typed")
        }
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
