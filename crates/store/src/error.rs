//! What can go wrong between us and the database, told apart as far as a caller acts on it.

use model::{Digest, RuleId};
use sqlx::postgres::PgDatabaseError;

mod apply;
mod refusal;

use crate::db::{Exhausted, Undecided};
use crate::files;
use refusal::Place;
pub use refusal::Refusal;

/// An error of the store; `doing` says what was being done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("could not open the database {place}: {problem}")]
    Open {
        /// The file, or server and name.
        place: String,
        problem: Problem,
        #[source]
        source: Option<sqlx::Error>,
    },
    #[error("{}", undone(doing, problem))]
    Database {
        doing: &'static str,
        problem: Problem,
        #[source]
        source: sqlx::Error,
    },
    /// A stored value that this program does not understand.
    #[error("could not understand {table}.{column} of row {row}: {problem}")]
    Row { table: &'static str, column: &'static str, row: String, problem: String },
    #[error("another scan or change holds this host until {until}")]
    HostBusy { holder: String, until: model::Timestamp },
    #[error("the lease on this host was lost to another process, so nothing was written")]
    StaleFence,
    #[error("evidence of rule {rule} has {size} bytes, the limit is {limit}")]
    EvidenceOversize { rule: RuleId, size: usize, limit: usize },
    #[error("one transaction may record {limit} {what}, this one has {size}")]
    BatchTooLarge { what: &'static str, size: usize, limit: usize },
    #[error("rule {rule} stands twice in one scan")]
    DuplicateRule { rule: RuleId },
    #[error("evidence {sha256} is not an evidence document")]
    EvidenceInvalid { sha256: Digest },
    /// The record cannot be written in canonical form, or an invariant of the ledger would break.
    #[error("the ledger refused {what}: {problem}")]
    Ledger { what: &'static str, problem: String },
    /// What was asked for cannot be stored; nothing was written.
    #[error("{problem}")]
    Invalid { problem: String },
    /// Another version is active than the writer believed.
    #[error("{key} is not the expected version: {}", match current {
        Some(token) => format!("the version token is {token}"),
        None => "none is active".to_owned(),
    })]
    VersionConflict { key: String, current: Option<Digest> },
    /// A restricted version is active, and the writer did not write a restricted one.
    #[error("{key} is in force, but restricted")]
    Withheld { key: String },
    #[error("no version of {key} is active")]
    ClaimMissing { key: String },
    #[error("could not copy table {table}: {problem}")]
    Uncopied { table: String, problem: Problem },
    #[error("{place} holds a store already")]
    Filled { place: String },
    /// `what` is what was being done: "copied".
    #[error("{place} was written while it was {what}, so nothing was {what}")]
    Moving { place: String, what: &'static str },
    #[error("{what} {name:?} exists already")]
    Exists { what: &'static str, name: String },
}

/// Why the database did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Another process held the write lock longer than we wait.
    Busy,
    /// All connections of this process were in use for longer than we wait.
    Exhausted(String),
    /// The connection ended while the server committed: what was to be written is there whole, or not at all.
    Undecided(String),
    /// This machine allows no more open files: this process, or all of them together.
    OpenFiles,
    ReadOnly,
    /// The server takes no writes, or none of this user.
    ReadOnlyServer,
    DiskFull,
    Corrupt,
    NotADatabase,
    /// A database file that is not ours.
    Foreign,
    /// Written by a newer program.
    SchemaAhead {
        found: i64,
        known: i64,
    },
    /// A migration that was applied here has another text now.
    MigrationEdited {
        version: i64,
    },
    /// The schema is not as this program made it; names the object.
    SchemaMismatch(String),
    /// A key that keeps numbers unique is gone, and with it perhaps that they are: then the first that stands twice.
    KeyMissing {
        key: String,
        twice: Option<i64>,
    },
    /// The schema is older than this program's.
    SchemaBehind {
        found: i64,
        known: i64,
    },
    /// The database itself refused: an append-only table, a constraint.
    Refused(Refusal, String),
    /// Another row has this key already, in a table whose rows may change.
    Taken(String),
    /// The database does not let this user do this.
    Denied(String),
    /// Nothing keeps who is connected to the rows of a tenant and to rights of its own.
    WrongRole(String),
    /// The server does not answer, or the connection to it broke.
    Unreachable(String),
    Missing,
    Permission(String),
    Other(String),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => f.write_str("another process holds the write lock"),
            Self::OpenFiles => f.write_str("this machine allows no more open files"),
            Self::ReadOnly => f.write_str("it is read-only"),
            Self::ReadOnlyServer => f.write_str("the server is read-only, or for this user"),
            Self::DiskFull => f.write_str("the disk is full"),
            Self::Corrupt => f.write_str("the file is damaged"),
            Self::NotADatabase => f.write_str("the file is not a database"),
            Self::Foreign => f.write_str("the file is a database of another program"),
            Self::SchemaAhead { found, known } => {
                write!(f, "its schema is version {found}, this program knows {known}")
            }
            Self::MigrationEdited { version } => {
                write!(f, "migration {version} was applied with another text")
            }
            Self::KeyMissing { key, twice: Some(twice) } => {
                write!(f, "its key {key} is gone, and {twice} stands there twice")
            }
            Self::KeyMissing { key, twice: None } => write!(f, "its key {key} is gone"),
            Self::SchemaBehind { found: 0, known } => {
                write!(
                    f,
                    "it holds no schema of ours that this user may see, this program knows version {known}"
                )
            }
            Self::SchemaBehind { found, known } => {
                write!(f, "its schema is version {found}, this program needs {known}")
            }
            Self::SchemaMismatch(what) => write!(f, "its schema is not as it was made: {what}"),
            Self::Refused(_, text)
            | Self::Taken(text)
            | Self::Denied(text)
            | Self::WrongRole(text)
            | Self::Exhausted(text)
            | Self::Undecided(text)
            | Self::Unreachable(text)
            | Self::Other(text) => f.write_str(text),
            Self::Missing => f.write_str("there is none"),
            Self::Permission(text) => write!(f, "no permission: {text}"),
        }
    }
}

/// What a caller may do about an error (ERR-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same may work later.
    Transient,
    /// The same never works.
    Permanent,
    /// Somebody else was first.
    Conflict,
    /// It is not allowed.
    Security,
}

impl Problem {
    /// Says what a caller may do about it.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Busy | Self::Exhausted(_) | Self::OpenFiles | Self::Undecided(_) | Self::Unreachable(_) => {
                Class::Transient
            }
            Self::Taken(_) => Class::Conflict,
            Self::Denied(_) | Self::WrongRole(_) => Class::Security,
            Self::ReadOnly
            | Self::ReadOnlyServer
            | Self::DiskFull
            | Self::Corrupt
            | Self::NotADatabase
            | Self::Foreign
            | Self::SchemaAhead { .. }
            | Self::SchemaBehind { .. }
            | Self::SchemaMismatch(_)
            | Self::MigrationEdited { .. }
            | Self::KeyMissing { .. }
            | Self::Refused(..)
            | Self::Missing
            | Self::Permission(_)
            | Self::Other(_) => Class::Permanent,
        }
    }

    /// Reads the cause out of a driver error.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the driver may add kinds of errors")]
    #[must_use]
    pub fn of(err: &sqlx::Error) -> Self {
        match err {
            // Writers of a file wait for one connection; that is a wait for the write lock as well.
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::Configuration(cause) if cause.is::<Exhausted>() => {
                Self::Exhausted(cause.to_string())
            }
            sqlx::Error::Configuration(cause) if cause.is::<Undecided>() => {
                let cause =
                    cause.downcast_ref::<Undecided>().map(|undecided| Self::of(&undecided.0).to_string());
                Self::Undecided(cause.unwrap_or_default())
            }
            sqlx::Error::Io(cause) if files::is_out_of_files(cause) => Self::OpenFiles,
            sqlx::Error::Io(cause) if cause.kind() == std::io::ErrorKind::TimedOut => {
                Self::Unreachable(cause.to_string())
            }
            sqlx::Error::Io(cause) if is_broken(cause.kind()) => {
                Self::Unreachable(format!("the connection to the server broke: {cause}"))
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Self::Unreachable(err.to_string()),
            sqlx::Error::Database(db) => {
                let code = db.code().unwrap_or_default();
                match db.try_downcast_ref::<PgDatabaseError>() {
                    Some(postgres) => {
                        let place = Place {
                            table: postgres.table().unwrap_or_default(),
                            column: postgres.column().unwrap_or_default(),
                            constraint: postgres.constraint().unwrap_or_default(),
                        };
                        place.name(Self::of_state(&code, db.message()))
                    }
                    None => {
                        // "... failed: facts.tenant_id, facts.seq" or "... column facts.seq"
                        let last = db.message().rsplit(' ').next().and_then(|last| last.split_once('.'));
                        let (table, column) = last.unwrap_or_default();
                        let place = Place { table, column, constraint: "" };
                        place.name(Self::of_result(code.parse().unwrap_or(0), db.message()))
                    }
                }
            }
            _ => Self::Other(err.to_string()),
        }
    }

    /// Reads a result code of SQLite (sqlite.org/rescode.html).
    fn of_result(code: i32, message: &str) -> Self {
        // SQLITE_IOERR_SHMSIZE: the index of the write-ahead log has no room beside the database.
        if code == 10 | 19 << 8 {
            return Self::DiskFull;
        }
        match code & 0xff {
            5 | 6 => Self::Busy,
            8 => Self::ReadOnly,
            11 => Self::Corrupt,
            13 => Self::DiskFull,
            // SQLite keeps to itself why, and what this process may not open the next one may not, either.
            14 if files::are_none_left() => Self::OpenFiles,
            14 => Self::Permission("the file cannot be opened".to_owned()),
            // A guard that stands before a unique key uses its word.
            19 if message.contains("UNIQUE") => Self::Taken(message.to_owned()),
            19 => Self::Refused(Refusal::of(message), message.to_owned()),
            // SQLITE_AUTH: our own answer, see `db::authorizer`. For a function SQLite says it by another code.
            code if code == 23 || message.starts_with("not authorized to use function") => {
                Self::Denied(format!("this command has no right to do that in the file ({message})"))
            }
            26 => Self::NotADatabase,
            _ => Self::Other(message.to_owned()),
        }
    }

    /// Reads a state of PostgreSQL (postgresql.org/docs/current/errcodes-appendix.html; ERR-02).
    fn of_state(state: &str, message: &str) -> Self {
        match state {
            "23505" => Self::Taken(message.to_owned()),
            "25006" => Self::ReadOnlyServer,
            // What row security keeps from everybody but those whom it does not bind.
            "0A000" if message.contains("row-level security") => Self::Denied(message.to_owned()),
            "42804" => Self::Refused(Refusal::InvalidValue, message.to_owned()),
            "42501" => Self::Denied(message.to_owned()),
            "40001" | "40P01" | "55P03" => Self::Busy,
            "53100" => Self::DiskFull,
            "25P03" | "57P01" | "57P02" | "57P03" => Self::Unreachable(message.to_owned()),
            "XX001" | "XX002" => Self::Corrupt,
            _ => match state.get(..2) {
                Some("08" | "53") => Self::Unreachable(message.to_owned()),
                Some("22" | "23") => Self::Refused(Refusal::of(message), message.to_owned()),
                Some("28") => Self::Denied(message.to_owned()),
                _ => Self::Other(message.to_owned()),
            },
        }
    }
}

impl StoreError {
    /// Tells whether another process held a lock longer than we wait.
    pub(crate) const fn is_busy(&self) -> bool {
        matches!(self, Self::Database { problem: Problem::Busy, .. })
    }

    /// Returns the state or the result code that the database gave, where it was one that failed.
    fn state(&self) -> Option<String> {
        let Self::Database { source: sqlx::Error::Database(cause), .. } = self else { return None };
        cause.code().map(std::borrow::Cow::into_owned)
    }
}

/// Says what was not done, or may have been.
fn undone(doing: &str, problem: &Problem) -> String {
    if let Problem::Undecided(why) = problem {
        return format!("nobody knows whether this was done: {doing}: {why}");
    }
    format!("could not {doing}: {problem}")
}

/// Tells whether a row named, by a foreign key, what is not there.
fn is_stray(err: &sqlx::Error) -> bool {
    matches!(err, sqlx::Error::Database(cause) if cause.kind() == sqlx::error::ErrorKind::ForeignKeyViolation)
}

/// Tells whether a connection that was there is not any more.
const fn is_broken(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Names what was being done when the driver failed: `query.await.map_err(doing("read the hosts"))?`.
pub(crate) fn doing(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { doing, problem: Problem::of(&source), source }
}

#[cfg(test)]
mod tests;
