//! Why a benchmark could not be run. A promise that is missed is no error: see [`crate::report`].

use std::io;

/// Why a figure could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The system refused something.
    #[error("could not {what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// There is no test host.
    #[error("could not prepare the test host")]
    Host(#[from] testkit::host::HostError),
    /// There is no PostgreSQL server, or it refused.
    #[error("could not use PostgreSQL")]
    Postgres(#[from] testkit::postgres::PostgresError),
    /// A program ended in another way than it should, or took too long.
    #[error("{what}: {said}")]
    Said {
        /// Which program.
        what: String,
        /// What it said, or what became of it.
        said: String,
    },
    /// The rules could not be loaded or chosen.
    #[error("could not choose the rules: {said}")]
    Rules {
        /// The complaint.
        said: String,
    },
    /// A conversation with the test host failed.
    #[error("could not talk to the test host: {said}")]
    Talk {
        /// The complaint.
        said: String,
    },
    /// The product's own database refused.
    #[error("could not use the store")]
    Store(#[from] store::StoreError),
    /// The database of the peer refused.
    #[error("could not use the peer's database")]
    Sql(#[from] sqlx::Error),
}

impl BenchError {
    /// Returns a function that says what was being done when the system refused.
    pub fn io(what: &'static str) -> impl FnOnce(io::Error) -> BenchError {
        move |err| BenchError::Io { what, err }
    }
}
