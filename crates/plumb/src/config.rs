//! The only reader of the environment: where things are and which secrets the user gave.

use std::env::VarError;
use std::path::PathBuf;

use app::credentials::Secrets;
use app::ssh_config::SshConfig;
use app::{Clock, Config, Database, Error, Kind, Login, Retention};
use nix::unistd::{Uid, User};
use secrecy::SecretString;

use crate::cli::Global;

/// Longest secret from the environment. Bytes.
const SECRET_BYTES_MAX: usize = 4_096;
/// Most of an unknown word that is shown. Characters.
const SHOWN_MAX: usize = 20;

#[expect(clippy::disallowed_methods, reason = "the one module that reads the environment")]
fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the user's home folder.
fn home() -> Option<PathBuf> {
    read("HOME").map(PathBuf::from)
}

/// Returns the default data directory: `$XDG_DATA_HOME/plumbline`, else `~/.local/share/plumbline`.
fn default_data_dir() -> PathBuf {
    let base = read("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    base.or_else(|| home().map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from("/var/lib/plumbline"), |base| base.join("plumbline"))
}

/// Returns the name of whom this process runs as; the number where the system has no name for it, as in a container. Not
/// what a variable says: it is recorded as who did something (TEN-15).
fn login_name() -> String {
    let uid = Uid::effective();
    let user = User::from_uid(uid).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

/// Builds the configuration from the command line and the environment.
pub(crate) fn load(global: &Global) -> Config {
    Config {
        data_dir: global.data_dir.clone().unwrap_or_else(default_data_dir),
        database: database(global),
        login: Login::Everyday,
        anchor: global.ledger_anchor.clone(),
        retention: Retention {
            bodies_days: global.retention_bodies_days,
            evidence_days: global.retention_evidence_days,
            access_log_days: global.retention_access_log_days,
        },
        stamp_max_lag_seconds: global.stamp_max_lag_seconds,
        policy: global.ledger_policy.clone(),
        content_dir: global.content.clone(),
        variables: global.variables.clone(),
        tailoring: global.tailoring.clone(),
        origin_prefix: None,
        actor: format!("local:{}", login_name()),
        clock: Clock::System,
    }
}

/// Builds the configuration of what only the owner of the tables may do: variables with `PLUMB_OWNER_DATABASE_` take the
/// place of all that begin with `PLUMB_DATABASE_`. An address on the command line wins over those of either.
pub(crate) fn load_of_owner(global: &Global) -> Config {
    let prefix = "PLUMB_OWNER_DATABASE";
    let config = Config { login: Login::Owner, ..load(global) };
    if database_of(prefix).is_default() {
        return config;
    }
    Config { database: said(global.database.as_deref(), prefix), ..config }
}

/// Builds the configuration of a copy, with where it goes. Each end has variables of its own; without a word it comes from
/// where the owner of the tables works.
pub(crate) fn load_for_copy(global: &Global, from: Option<&str>, to: Option<&str>) -> (Config, Database) {
    let own = said(from, "PLUMB_FROM_DATABASE");
    let config = load_of_owner(global);
    let config = if own.is_default() { config } else { Config { database: own, ..config } };
    (config, said(to, "PLUMB_TO_DATABASE"))
}

fn database(global: &Global) -> Database {
    said(global.database.as_deref(), "PLUMB_DATABASE")
}

/// Reads where a database is from the variables with this prefix and an address on the command line, which wins over
/// theirs.
fn said(url: Option<&str>, prefix: &'static str) -> Database {
    let of_environment = database_of(prefix);
    match url {
        Some(url) => Database { url: Some(SecretString::from(url)), is_url_public: true, ..of_environment },
        None => of_environment,
    }
}

/// Reads where the database is from the variables with this prefix.
fn database_of(prefix: &'static str) -> Database {
    let variable = |name: &str| read(&format!("{prefix}_{name}"));
    Database {
        variables: Some(prefix),
        url: variable("URL").map(SecretString::from),
        is_url_public: false,
        host: variable("HOST"),
        port: variable("PORT"),
        name: variable("NAME"),
        user: variable("USER"),
        password: variable("PASSWORD").map(SecretString::from),
        password_file: variable("PASSWORD_FILE").map(PathBuf::from),
        connections: variable("CONNECTIONS"),
        overflow: variable("OVERFLOW"),
        replicas: variable("REPLICAS"),
        acquire_seconds: variable("ACQUIRE_SECONDS"),
        answer_seconds: variable("ANSWER_SECONDS"),
        recycle_seconds: variable("RECYCLE_SECONDS"),
        sslmode: variable("SSLMODE"),
        sslrootcert: variable("SSLROOTCERT").map(PathBuf::from),
    }
}

/// Tells whether each statement that goes to a database is to be told.
pub(crate) fn echo() -> Result<bool, Error> {
    let name = "PLUMB_DATABASE_ECHO";
    match read(name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => {
            let shown: String = other.chars().take(SHOWN_MAX).collect();
            Err(Error::new(Kind::Config, format!("{name} is {shown:?}")).hint("write true or false"))
        }
    }
}

/// Returns the user's `.ssh` folder.
fn ssh_dir() -> Option<PathBuf> {
    home().map(|home| home.join(".ssh"))
}

/// Names the user's ssh_config(5), which needs no secret.
pub(crate) fn ssh() -> SshConfig {
    SshConfig::of(ssh_dir().as_deref(), (&login_name(), Uid::effective().as_raw()))
}

/// Collects secrets from the environment and where else a login may look.
///
/// # Errors
/// When a secret cannot be used; the message names its variable and nothing of its value.
pub(crate) fn secrets() -> Result<Secrets, Error> {
    Ok(Secrets {
        password: secret("PLUMB_SSH_PASSWORD")?,
        key_passphrase: secret("PLUMB_SSH_KEY_PASSPHRASE")?,
        sudo_password: secret("PLUMB_SUDO_PASSWORD")?,
        ask_password: false,
        ask_sudo_password: false,
        agent: read("SSH_AUTH_SOCK").map(PathBuf::from),
        ssh_dir: ssh_dir(),
        login_name: login_name(),
    })
}

#[expect(clippy::disallowed_methods, reason = "the one module that reads the environment")]
fn secret(name: &str) -> Result<Option<SecretString>, Error> {
    let problem = match std::env::var(name) {
        Ok(value) if value.is_empty() => return Ok(None),
        Ok(value) if value.len() <= SECRET_BYTES_MAX => return Ok(Some(SecretString::from(value))),
        Ok(_) => "longer than 4,096 bytes",
        Err(VarError::NotUnicode(_)) => "not UTF-8",
        Err(VarError::NotPresent) => return Ok(None),
    };
    Err(Error::new(Kind::Config, format!("the value of {name} is {problem}")))
}

/// Tells whether the user asked for output without color (no-color.org).
pub(crate) fn no_color() -> bool {
    read("NO_COLOR").is_some() || read("TERM").as_deref() == Some("dumb")
}
