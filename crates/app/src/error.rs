//! The one error that surfaces see: a closed kind, a public message, an optional hint, a private cause.

use std::fmt;

use store::{Problem, StoreError};

/// What a surface does with an error: exit status, HTTP status, tool error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request makes no sense as given.
    Usage,
    NotFound,
    Denied,
    Conflict,
    /// A setting or a content file is wrong.
    Config,
    /// The database, a file or the disk is not there for us.
    Unavailable,
    /// A broken promise of our own.
    Internal,
}

/// An error for people and programs.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    /// One sentence without a full stop; safe to show.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error of a kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..self }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<StoreError> for Error {
    fn from(err: StoreError) -> Self {
        let kind = match &err {
            StoreError::Open { problem: Problem::MigrationEdited { .. }, .. }
            | StoreError::Database { problem: Problem::MigrationEdited { .. }, .. }
            | StoreError::Open { problem: Problem::WrongRole(_) | Problem::SchemaMismatch(_), .. }
            | StoreError::Database { problem: Problem::WrongRole(_), .. } => Kind::Config,
            StoreError::Open { .. }
            | StoreError::Database { .. }
            | StoreError::Uncopied { .. }
            | StoreError::Moving { .. } => Kind::Unavailable,
            StoreError::Filled { .. } => Kind::Usage,
            StoreError::HostBusy { .. }
            | StoreError::StaleFence
            | StoreError::Exists { .. }
            | StoreError::VersionConflict { .. }
            | StoreError::Withheld { .. } => Kind::Conflict,
            StoreError::Invalid { .. } => Kind::Usage,
            StoreError::ClaimMissing { .. } => Kind::NotFound,
            StoreError::Row { .. }
            | StoreError::EvidenceOversize { .. }
            | StoreError::BatchTooLarge { .. }
            | StoreError::DuplicateRule { .. }
            | StoreError::EvidenceInvalid { .. }
            | StoreError::Ledger { .. } => Kind::Internal,
        };
        let hint = hint_for(&err);
        let refuses = matches!(
            &err,
            StoreError::Open { problem: Problem::WrongRole(_) | Problem::SchemaMismatch(_), .. }
        );
        let message = if refuses { format!("refusing to start: {err}") } else { err.to_string() };
        let error = Self::new(kind, message).caused_by(err);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

fn hint_for(err: &StoreError) -> Option<&'static str> {
    if let StoreError::HostBusy { .. } = err {
        return Some("wait for it to end, or scan again later");
    }
    if let StoreError::VersionConflict { .. } = err {
        return Some("look at what is there now, then decide again");
    }
    if let StoreError::Withheld { .. } = err {
        return Some("write it with --restricted, or retire it so");
    }
    if let StoreError::Filled { .. } = err {
        return Some("name a database that is empty but for the tables that `plumb migrate` makes");
    }
    if let StoreError::Moving { .. } = err {
        return Some("stop what writes to it, then run this again");
    }
    let (StoreError::Open { problem, .. }
    | StoreError::Database { problem, .. }
    | StoreError::Uncopied { problem, .. }) = err
    else {
        return None;
    };
    match problem {
        Problem::Busy => Some("wait for the other command to end, then run this again"),
        Problem::Exhausted(_) => Some(
            "do less at once, or set PLUMB_DATABASE_CONNECTIONS, PLUMB_DATABASE_OVERFLOW or PLUMB_DATABASE_ACQUIRE_SECONDS higher",
        ),
        Problem::Undecided(_) => {
            Some("see whether it is on record before you do it again; it is there whole, or not at all")
        }
        Problem::ReadOnlyServer => Some("connect to the primary server, as a user who may write"),
        Problem::OpenFiles => Some("lower -j (--concurrency) where there is one, or raise `ulimit -n`"),
        Problem::ReadOnly => {
            Some("check that the data directory can be written, or name another by --data-dir")
        }
        Problem::DiskFull => Some("free some space; nothing was lost and nothing half-written"),
        Problem::KeyMissing { .. } => Some(
            "nothing was changed; see by `plumb store repair` which rows the ledger confirms, or restore a backup",
        ),
        Problem::Corrupt => {
            Some("keep the file as it is, restore a backup beside it and compare with `plumb ledger verify`")
        }
        Problem::NotADatabase | Problem::Foreign => Some("name another data directory by --data-dir"),
        Problem::SchemaAhead { .. } => Some("use the newer plumb that wrote it"),
        Problem::MigrationEdited { .. } => Some("use an unmodified build of plumb"),
        Problem::SchemaMismatch(what) if what.starts_with("the role ") => Some(
            "name each role that works on it in one `plumb migrate`, by --grant, and take the rights of any other",
        ),
        // No migration makes again what one made before.
        Problem::SchemaMismatch(_) => Some(
            "somebody changed it: see what was done to the record by `plumb ledger verify`, then put it back as it was or restore a backup",
        ),
        Problem::Missing => Some("run `plumb scan` first, or name the data directory by --data-dir"),
        Problem::Permission(_) => Some("check the owner and the mode of the data directory"),
        Problem::SchemaBehind { .. } => Some(
            "run `plumb migrate` as the owner of the database, with --grant for each role that works on it",
        ),
        Problem::Denied(_) => Some("check user, password and rights of the database"),
        Problem::WrongRole(_) => Some(
            "work as a role that `plumb migrate --grant app=ROLE` gave its rights, and as the owner by PLUMB_OWNER_DATABASE_* settings",
        ),
        Problem::Unreachable(_) => Some("check host and port, and that the server runs and lets you in"),
        Problem::Refused(..) | Problem::Taken(_) | Problem::Other(_) => None,
    }
}
