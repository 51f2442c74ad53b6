//! What can go wrong between us and the database, told apart as far as a caller acts on it.

use std::path::PathBuf;

use model::{Digest, RuleId};

/// An error of the store; `doing` says what was being done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("could not open the database {path}: {problem}")]
    Open {
        path: PathBuf,
        problem: Problem,
        #[source]
        source: Option<sqlx::Error>,
    },
    #[error("could not {doing}: {problem}")]
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
    #[error("one scan may record {limit} {what}, this one has {size}")]
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
    #[error("no version of {key} is active")]
    ClaimMissing { key: String },
    #[error("{what} {name:?} exists already")]
    Exists { what: &'static str, name: String },
}

/// Why the database did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Another process held the write lock longer than we wait.
    Busy,
    ReadOnly,
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
    /// The database itself refused: an append-only table, a constraint.
    Refused(String),
    Missing,
    Permission(String),
    Other(String),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => f.write_str("another process holds the write lock"),
            Self::ReadOnly => f.write_str("it is read-only"),
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
            Self::Refused(text) | Self::Other(text) => f.write_str(text),
            Self::Missing => f.write_str("there is none"),
            Self::Permission(text) => write!(f, "no permission: {text}"),
        }
    }
}

impl Problem {
    /// Reads the cause out of a driver error. Codes: sqlite.org/rescode.html.
    pub(crate) fn of(err: &sqlx::Error) -> Self {
        // Our own writers wait for one connection; that is a wait for the write lock as well.
        if matches!(err, sqlx::Error::PoolTimedOut) {
            return Self::Busy;
        }
        let Some(db) = err.as_database_error() else {
            return Self::Other(err.to_string());
        };
        let code = db.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
        // SQLITE_IOERR_SHMSIZE: the index of the write-ahead log has no room beside the database.
        if code == 10 | 19 << 8 {
            return Self::DiskFull;
        }
        match code & 0xff {
            5 | 6 => Self::Busy,
            8 => Self::ReadOnly,
            11 => Self::Corrupt,
            13 => Self::DiskFull,
            14 => Self::Permission("the file cannot be opened".to_owned()),
            19 => Self::Refused(db.message().to_owned()),
            26 => Self::NotADatabase,
            _ => Self::Other(db.message().to_owned()),
        }
    }
}

/// Names what was being done when the driver failed: `query.await.map_err(doing("read the hosts"))?`.
pub(crate) fn doing(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { doing, problem: Problem::of(&source), source }
}
