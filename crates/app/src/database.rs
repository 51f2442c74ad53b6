//! Which database: a SQLite file, or a database of a PostgreSQL server. Put together from an address and single
//! settings, of which the single ones win; no error and no debug text shows a password (DBS-24, DBS-25).

use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use store::{Server, SslMode};
use url::Url;
use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::tls;

/// Name of the database file in the data directory.
pub(crate) const DATABASE_FILE: &str = "plumb.db";
/// The port of a server that names none.
const PORT: u16 = 5432;
/// How many connections one process may be told to keep, and how many more to make for a peak.
const CONNECTIONS: RangeInclusive<u32> = 1..=100;
const OVERFLOW: RangeInclusive<u32> = 0..=100;
/// How many processes may be told to work at once.
const REPLICAS: RangeInclusive<u32> = 1..=100;
/// How long a statement may be told to wait for one of them. Seconds.
const ACQUIRE_SECONDS: RangeInclusive<u32> = 1..=300;
/// How long the server may be told to take for an answer: longer than it waits for a lock. Seconds.
const ANSWER_SECONDS: RangeInclusive<u32> = 10..=86_400;
/// How long a connection may be told to be used. Seconds.
const RECYCLE_SECONDS: RangeInclusive<u32> = 60..=86_400;
/// Longest password. Bytes.
const PASSWORD_BYTES_MAX: usize = 4_096;
/// Most of an unknown word that is shown. Characters.
const SHOWN_MAX: usize = 20;

/// Where the database is, as the user said it. Secrets are not shown.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// What the variables of these settings begin with, where it is not `PLUMB_DATABASE`.
    pub variables: Option<&'static str>,
    /// `sqlite:///path` or `postgres://user:password@host:port/name?sslmode=...`; may hold a password.
    pub url: Option<SecretString>,
    /// The address was said where everybody sees it: on the command line.
    pub is_url_public: bool,
    pub host: Option<String>,
    pub port: Option<String>,
    pub name: Option<String>,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub password_file: Option<PathBuf>,
    /// Connections that this process keeps, from 1 to 100.
    pub connections: Option<String>,
    /// Connections that it makes beyond them for a peak, from 0 to 100.
    pub overflow: Option<String>,
    /// Processes that work with these settings at once, from 1 to 100.
    pub replicas: Option<String>,
    /// How long a statement waits for one of them, from 1 to 300. Seconds.
    pub acquire_seconds: Option<String>,
    /// How long the server may take to answer one statement, from 10 to 86,400. Seconds.
    pub answer_seconds: Option<String>,
    /// How long each is used, from 60 to 86,400. Seconds.
    pub recycle_seconds: Option<String>,
    pub sslmode: Option<String>,
    pub sslrootcert: Option<PathBuf>,
}

/// Stands for the host in an address that names none (RFC 2606, section 2: nobody has it).
const NO_HOST: &str = "nowhere.invalid";

/// Where the database is.
#[derive(Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Server(Box<Server>),
}

impl Place {
    /// Tells whether two places are one, as far as their names say so: a file under another name is the same file, a
    /// server under another name is not known to be.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => {
                let number = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
                one == other || number(one).is_some_and(|one| Some(one) == number(other))
            }
            (Self::Server(one), Self::Server(other)) => one.is_same(other),
            (Self::File(_), Self::Server(_)) | (Self::Server(_), Self::File(_)) => false,
        }
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Kind::Config, message)
}

impl Database {
    /// Tells whether nothing was said, so that the file in the data directory is meant.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.url.is_none() && self.fields().iter().all(|(_variable, field)| !field)
    }

    /// Names a variable for people.
    fn variable(&self, name: &str) -> String {
        format!("{}_{name}", self.variables.unwrap_or("PLUMB_DATABASE"))
    }

    /// Names for people where the address was given.
    fn named_by(&self) -> String {
        match (self.is_url_public, self.variables) {
            (false, _) => self.variable("URL"),
            (true, Some("PLUMB_FROM_DATABASE")) => "--from".to_owned(),
            (true, Some("PLUMB_TO_DATABASE")) => "--to".to_owned(),
            (true, _) => "--database".to_owned(),
        }
    }

    /// Returns which of the single settings are given, by the ends of their variables.
    fn fields(&self) -> [(&'static str, bool); 14] {
        [
            ("HOST", self.host.is_some()),
            ("PORT", self.port.is_some()),
            ("NAME", self.name.is_some()),
            ("USER", self.user.is_some()),
            ("PASSWORD", self.password.is_some()),
            ("PASSWORD_FILE", self.password_file.is_some()),
            ("CONNECTIONS", self.connections.is_some()),
            ("OVERFLOW", self.overflow.is_some()),
            ("REPLICAS", self.replicas.is_some()),
            ("ACQUIRE_SECONDS", self.acquire_seconds.is_some()),
            ("ANSWER_SECONDS", self.answer_seconds.is_some()),
            ("RECYCLE_SECONDS", self.recycle_seconds.is_some()),
            ("SSLMODE", self.sslmode.is_some()),
            ("SSLROOTCERT", self.sslrootcert.is_some()),
        ]
    }

    /// Finds out where the database is.
    ///
    /// # Errors
    /// When a part is missing, unknown or out of its range; says which and what would be right.
    pub(crate) fn place(&self, data_dir: &Path) -> Result<Place, Error> {
        if self.is_default() && data_dir.to_str().is_none() {
            let message = format!("the data directory {} has a name that is not UTF-8", data_dir.display());
            return Err(refused(message).hint("name another by --data-dir"));
        }
        if self.is_default() {
            return Ok(Place::File(data_dir.join(DATABASE_FILE)));
        }
        let text = self.url.as_ref().map_or("postgres://", |url| url.expose_secret());
        match text.split(':').next().unwrap_or_default() {
            "sqlite" => self.file(text),
            "postgres" | "postgresql" => Ok(Place::Server(Box::new(self.server(text)?))),
            // The rest of the text may hold a password, so only the scheme is shown.
            other => {
                let shown: String = other.chars().take(SHOWN_MAX).collect();
                let message = format!("{} has the unknown scheme {shown:?}", self.named_by());
                Err(refused(message).hint("write sqlite:///path/to/plumb.db or postgres://user@host/name"))
            }
        }
    }

    /// Reads a number in its range.
    fn number(
        &self,
        name: &str,
        text: Option<&str>,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, Error> {
        let Some(text) = text else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let number = number.ok_or_else(|| {
            let shown: String = text.chars().take(SHOWN_MAX).collect();
            let (name, from, to) = (self.variable(name), range.start(), range.end());
            refused(format!("{name} is {shown:?}, which is no number from {from} to {to}"))
        })?;
        Ok(Some(number))
    }

    fn file(&self, text: &str) -> Result<Place, Error> {
        if let Some((variable, _given)) = self.fields().iter().find(|(_variable, given)| *given) {
            let message = format!(
                "{} is for PostgreSQL, and {} names a SQLite file",
                self.variable(variable),
                self.named_by()
            );
            return Err(refused(message).hint("unset one of them"));
        }
        let path = text.trim_start_matches("sqlite:");
        let path = path.strip_prefix("//").unwrap_or(path);
        // SQLite would read a name that begins like this as an address, with options of its own.
        let is_address = path.starts_with("file:") || path.contains('?');
        let why = if path.contains(":memory:") || is_address && path.contains("memory") {
            "names a database in memory, which ends with the command"
        } else if is_address {
            "has options, and a file takes none"
        } else if path.is_empty() {
            "names no file"
        } else {
            return existing_folder(PathBuf::from(path));
        };
        Err(refused(format!("{} {why}", self.named_by())).hint("write sqlite:///path/to/plumb.db"))
    }

    fn server(&self, text: &str) -> Result<Server, Error> {
        let url = parse(&in_place_of(text, self.port.is_some()))?;
        if self.is_url_public && url.password().is_some() {
            let message = "a password on the command line can be seen by every user of this machine";
            let [file, password, url] = ["PASSWORD_FILE", "PASSWORD", "URL"].map(|name| self.variable(name));
            return Err(refused(message).hint(format!("set {file}, {password} or {url}")));
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let of_url = |text: &str| Some(decoded(text)).filter(|text| !text.is_empty());
        let options = Options::read(&url)?;
        let host = self
            .host
            .clone()
            .or(options.host)
            .or_else(|| url.host_str().filter(|host| *host != NO_HOST).map(bare).and_then(of_url));
        let name = self.name.clone().or_else(|| of_url(url.path().trim_start_matches('/')));
        let user = self.user.clone().or_else(|| of_url(url.username()));
        let (Some(host), Some(name), Some(user)) = (&host, &name, &user) else {
            let parts =
                [("host", host.is_none()), ("database name", name.is_none()), ("user", user.is_none())];
            let missing: Vec<&str> =
                parts.iter().filter(|(_part, missing)| *missing).map(|(part, _)| *part).collect();
            let message = format!("the address of the database names no {}", missing.join(", no "));
            let [host, name, user] = ["HOST", "NAME", "USER"].map(|name| self.variable(name));
            return Err(refused(message)
                .hint(format!("write postgres://user@host/name, or set {host}, {name} and {user}")));
        };
        let port = self.port(&url)?;
        let mut server = self.sized(Server::new((host, port), name, user))?;
        if let Some(password) = self.password(url.password().map(decoded))? {
            server = server.password(password.expose_secret());
        }
        let variable = self.variable("SSLMODE");
        let word = self.sslmode.as_deref().map(|word| (variable.as_str(), word));
        let word = word.or_else(|| options.sslmode.as_deref().map(|word| ("sslmode", word)));
        let mode = word.map_or(Ok(SslMode::Prefer), |(what, word)| ssl_mode(what, word))?;
        let root = self.sslrootcert.clone().or(options.sslrootcert);
        let mode = root.as_deref().map_or(Ok(mode), |root| self.checked_by(root, mode))?;
        Ok(server.ssl(mode, root.as_deref()))
    }

    /// Returns the mode in which a root certificate is used: with one, `require` checks the server as `verify-ca` does
    /// (postgresql.org/docs/current/libpq-ssl.html).
    ///
    /// # Errors
    /// When the mode would pass over it, or there is no certificate in the file.
    fn checked_by(&self, root: &Path, mode: SslMode) -> Result<SslMode, Error> {
        let mode = match mode {
            SslMode::Disable | SslMode::Prefer => {
                let [root, mode] = ["SSLROOTCERT", "SSLMODE"].map(|name| self.variable(name));
                let message =
                    format!("{root} names a certificate, and {mode} lets nobody check the server by it");
                return Err(refused(message).hint(format!("set {mode} to verify-full, or unset {root}")));
            }
            SslMode::Require => SslMode::VerifyCa,
            SslMode::VerifyCa | SslMode::VerifyFull => mode,
        };
        tls::certificates(root).map(|_some| mode)
    }

    fn port(&self, url: &Url) -> Result<u16, Error> {
        let refused = |what: &str, text: &str| {
            let shown: String = text.chars().take(SHOWN_MAX).collect();
            refused(format!("{what} is {shown:?}, which is no port from 1 to 65535"))
        };
        match (&self.port, url.port()) {
            (Some(text), _) => {
                let port = text.parse().ok().filter(|port| *port > 0);
                port.ok_or_else(|| refused(&self.variable("PORT"), text))
            }
            (None, Some(0)) => Err(refused("the port of the database's address", "0")),
            (None, port) => Ok(port.unwrap_or(PORT)),
        }
    }

    /// Says how many connections there are, how long one waits for one and for its answers, and how long each is used.
    fn sized(&self, mut server: Server) -> Result<Server, Error> {
        if let Some(count) = self.number("CONNECTIONS", self.connections.as_deref(), CONNECTIONS)? {
            server = server.connections(count);
        }
        if let Some(count) = self.number("OVERFLOW", self.overflow.as_deref(), OVERFLOW)? {
            server = server.overflow(count);
        }
        if let Some(count) = self.number("REPLICAS", self.replicas.as_deref(), REPLICAS)? {
            server = server.processes(count);
        }
        let waits = self.number("ACQUIRE_SECONDS", self.acquire_seconds.as_deref(), ACQUIRE_SECONDS)?;
        if let Some(seconds) = waits {
            server = server.acquire_limit(Duration::from_secs(seconds.into()));
        }
        let answers = self.number("ANSWER_SECONDS", self.answer_seconds.as_deref(), ANSWER_SECONDS)?;
        if let Some(seconds) = answers {
            server = server.answer_limit(Duration::from_secs(seconds.into()));
        }
        let age = self.number("RECYCLE_SECONDS", self.recycle_seconds.as_deref(), RECYCLE_SECONDS)?;
        if let Some(seconds) = age {
            server = server.age_max(Duration::from_secs(seconds.into()));
        }
        Ok(server)
    }

    /// Returns the password: a single setting wins over the one in the address.
    fn password(&self, of_url: Option<String>) -> Result<Option<SecretString>, Error> {
        let path = match (&self.password, &self.password_file) {
            (Some(_), Some(_)) => {
                let [one, other] = ["PASSWORD", "PASSWORD_FILE"].map(|name| self.variable(name));
                let message = format!("{one} and {other} are both set");
                return Err(refused(message).hint("unset one of them"));
            }
            (Some(password), None) => return Ok(Some(password.clone())),
            (None, None) => return Ok(of_url.map(SecretString::from)),
            (None, Some(path)) => path,
        };
        let unusable = |problem: String| refused(format!("the password file {} {problem}", path.display()));
        let meta = fs::metadata(path).map_err(|err| unusable(format!("cannot be read: {err}")))?;
        if meta.permissions().mode() & 0o007 != 0 {
            return Err(unusable("can be used by everybody".to_owned()).hint("chmod 600 it"));
        }
        if meta.len() > PASSWORD_BYTES_MAX as u64 {
            return Err(unusable(format!("has more than {PASSWORD_BYTES_MAX} bytes")));
        }
        let text = fs::read_to_string(path).map_err(|err| unusable(format!("cannot be read: {err}")))?;
        Ok(Some(SecretString::from(text.trim_end_matches(['\r', '\n']))))
    }
}

/// Refuses a file whose folder is not there: a path that was mistyped would begin a new record elsewhere (DBS-24).
fn existing_folder(path: PathBuf) -> Result<Place, Error> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            let message =
                format!("there is no folder {} for the database {}", folder.display(), path.display());
            Err(refused(message).hint("make it, or name another file"))
        }
        _ => Ok(Place::File(path)),
    }
}

/// Reads an address; what is wrong with it is said without its text, which may hold a password.
fn parse(text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|err| {
        let message = format!("the address of the database cannot be read: {err}");
        refused(message)
            .hint("write special characters of a password as %XX, or set PLUMB_DATABASE_PASSWORD instead")
    })
}

/// Returns an address with what its reader would stumble over, and nobody asks it for: [`NO_HOST`] where it names a user and
/// no host, which stands elsewhere or is missing and named then; no port, where a setting of its own says which.
fn in_place_of(text: &str, has_port: bool) -> Zeroizing<String> {
    let Some((scheme, rest)) = text.split_once("://") else { return Zeroizing::new(text.to_owned()) };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, place) = authority.rsplit_once('@').map_or(("", authority), |(user, place)| (user, place));
    // Colons of an IPv6 address stand in its brackets.
    let end = place.rfind(':').filter(|colon| place.rfind(']').is_none_or(|bracket| bracket < *colon));
    let (host, port) = place.split_at(end.unwrap_or(place.len()));
    let is_bare = host.is_empty() && (!user.is_empty() || !port.is_empty());
    let (at, host) = (if authority.contains('@') { "@" } else { "" }, if is_bare { NO_HOST } else { host });
    // What is no number is no port: perhaps a password with a slash, of which a reader would make a path.
    let is_number = port.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    let port = if has_port && is_number { "" } else { port };
    Zeroizing::new(format!("{scheme}://{user}{at}{host}{port}{path}"))
}

/// Takes an IPv6 address out of the brackets that it has in a URL (RFC 3986, section 3.2.2).
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// What stands behind the question mark of an address.
#[derive(Default)]
struct Options {
    /// The folder of a socket, which cannot stand where a host does.
    host: Option<String>,
    sslmode: Option<String>,
    sslrootcert: Option<PathBuf>,
}

impl Options {
    fn read(url: &Url) -> Result<Self, Error> {
        let mut options = Self::default();
        for (name, value) in url.query_pairs() {
            match &*name {
                "host" => options.host = Some(value.into_owned()),
                "sslmode" => options.sslmode = Some(value.into_owned()),
                "sslrootcert" => options.sslrootcert = Some(PathBuf::from(value.into_owned())),
                other => {
                    let shown: String = other.chars().take(SHOWN_MAX).collect();
                    let message = format!("the address of the database has the unknown option {shown:?}");
                    return Err(refused(message).hint("host, sslmode and sslrootcert are known"));
                }
            }
        }
        Ok(options)
    }
}

fn ssl_mode(what: &str, word: &str) -> Result<SslMode, Error> {
    SslMode::ALL.iter().find(|(known, _mode)| *known == word).map(|(_word, mode)| *mode).ok_or_else(|| {
        let shown: String = word.chars().take(SHOWN_MAX).collect();
        let known: Vec<&str> = SslMode::ALL.iter().map(|(word, _mode)| *word).collect();
        refused(format!("{what} is {shown:?}")).hint(format!("write one of {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests;
