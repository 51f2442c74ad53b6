//! Why there is no PostgreSQL. Every variant is a failure of the test that asked: nothing is skipped.

use std::io;
use std::path::PathBuf;

use crate::process::ProcessError;

/// Why a server or a database could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No server programs on this machine.
    #[error(
        "there is no PostgreSQL server under {folder}: install the package postgresql (`cargo xtask packages`)"
    )]
    NotInstalled {
        /// Where Debian's packages put them.
        folder: PathBuf,
    },
    /// The server refuses to run as root, and there is nobody else to run it.
    #[error("there is no user postgres to run the server: install the package postgresql")]
    NoUser,
    /// A folder or file of ours could not be used.
    #[error("could not use {path}")]
    File {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// Somebody else made the folder first: a server of theirs is not ours to use.
    #[error("{path} belongs to another user: remove it")]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// A program is missing, hangs or cannot be run.
    #[error("could not {what}")]
    Tool {
        /// What was being done.
        what: &'static str,
        /// The cause.
        #[source]
        err: ProcessError,
    },
    /// A program that has to work did not.
    #[error("could not {what}: {said}")]
    Failed {
        /// What was being done.
        what: &'static str,
        /// What it said.
        said: String,
    },
}
