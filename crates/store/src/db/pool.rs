//! The connections of this process to a server: so many are kept, more are made for a peak and closed as they are given back,
//! and none is used beyond its age (DBS-14, DBS-15).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use super::last::{Held, Last};

/// How many connections there are, how long one waits for one and how long one is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Connections that are kept once they were needed.
    pub(super) base: u32,
    /// Connections that are made beyond them for a peak.
    pub(super) overflow: u32,
    pub(super) acquire_limit: Duration,
    pub(super) age_max: Duration,
    /// How long the server may take to answer one statement.
    pub(super) answer_limit: Duration,
}

/// How long a server may take to answer a new connection.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long connections that are in use or do not answer are waited for at the end. What is open on them the server rolls back.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// What an acknowledged commit rests on: with `off` the server answers before the commit is on its disk, and after a fall of it
/// checkpoints would speak of entries that are gone. Stronger settings stay (postgresql.org/docs/current/wal-async-commit.html).
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'local', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Why nobody got a connection in time.
#[derive(Debug, thiserror::Error)]
#[error("none of the {peak} connections of this process was free within {} s", limit.as_secs())]
pub(crate) struct Exhausted {
    peak: u32,
    limit: Duration,
}

impl Size {
    /// Returns the most connections that there are at once.
    pub(super) const fn peak(self) -> u32 {
        self.base + self.overflow
    }

    /// Returns connections that are made when they are needed.
    pub(super) fn connections(self, options: PgConnectOptions) -> Connections {
        Connections {
            pool: self.pool(options),
            last: Last::new(self.age_max),
            acquire_limit: self.acquire_limit,
            answer_limit: self.answer_limit,
        }
    }

    fn pool(self, options: PgConnectOptions) -> PgPool {
        // How many there are: each that is closed is taken off, but one that fell silent, which is closed behind its back.
        let live = Arc::new(AtomicU32::new(0));
        let (made, taken, returned) = (Arc::clone(&live), Arc::clone(&live), live);
        PgPoolOptions::new()
            .max_connections(self.peak())
            .acquire_timeout(self.acquire_limit)
            // The driver would close one that is too old, or idle for long, without saying so.
            .max_lifetime(None)
            .idle_timeout(None)
            // What begins a transaction tests its connection: see `postgres::begin_whole`.
            .test_before_acquire(false)
            .after_connect(move |connection, _meta| {
                made.fetch_add(1, Ordering::AcqRel);
                Box::pin(async { sqlx::raw_sql(DURABLE).execute(connection).await.map(drop) })
            })
            .before_acquire(move |_connection, meta| {
                let is_young = meta.age < self.age_max;
                taken.fetch_sub(u32::from(!is_young), Ordering::AcqRel);
                Box::pin(async move { Ok(is_young) })
            })
            .after_release(move |connection, meta| {
                let live = Arc::clone(&returned);
                Box::pin(async move {
                    // Without a peak nobody counts, and the driver alone sees whether it has ended.
                    let is_usable =
                        meta.age < self.age_max && (self.overflow == 0 || connection.ping().await.is_ok());
                    let one_less = |count: u32| {
                        (!is_usable || self.overflow > 0 && count > self.base)
                            .then(|| count.saturating_sub(1))
                    };
                    let is_closed = live.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok();
                    Ok(!is_closed)
                })
            })
            .connect_lazy_with(options)
    }
}

/// Connections to a server, and how long one waits for one and for its answers.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(super) pool: PgPool,
    last: Arc<Last>,
    pub(super) acquire_limit: Duration,
    pub(super) answer_limit: Duration,
}

impl Connections {
    /// Takes a connection. Where there was none in time, says why.
    pub(super) async fn acquire(&self) -> Result<Held, sqlx::Error> {
        if let Some(held) = self.last.take() {
            return Ok(held);
        }
        let _waiting = self.last.wait();
        // It may have been left between the look and the wait.
        if let Some(held) = self.last.take() {
            return Ok(held);
        }
        match self.pool.acquire().await {
            Err(sqlx::Error::PoolTimedOut) => Err(self.waited().await),
            acquired => acquired.map(|connection| self.last.hold(connection)),
        }
    }

    /// Returns the same waits for other connections.
    pub(super) fn over(&self, pool: PgPool) -> Self {
        Self { pool, last: Last::new(Duration::ZERO), ..self.clone() }
    }

    /// Says who waited in vain: for a connection of ours, or for the server to make one.
    async fn waited(&self) -> sqlx::Error {
        let (peak, limit) = (self.pool.options().get_max_connections(), self.acquire_limit);
        if self.pool.size() >= peak {
            return sqlx::Error::Configuration(Exhausted { peak, limit }.into());
        }
        refused(&self.pool.connect_options(), limit).await
    }

    /// Waits for the answer to a statement, with a limit.
    pub(super) async fn answered<T>(
        &self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        answered(self.answer_limit, answer).await
    }

    /// Closes all, those that are in use when they are given back.
    pub(super) async fn close(&self) {
        self.last.close();
        // Those that are left by then end with the process, or by themselves.
        drop(tokio::time::timeout(CLOSE_LIMIT, self.pool.close()).await);
    }
}

/// Waits so long for the answer to a statement.
pub(super) async fn answered<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_elapsed| {
        let text = format!("it did not answer within {} s", limit.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text)))
    })
}

/// Tells whether the connection was ended, by the server or on its way (postgresql.org/docs/current/errcodes-appendix.html).
pub(super) fn has_ended(err: &sqlx::Error) -> bool {
    let code = err.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(err, sqlx::Error::Io(cause) if cause.kind() != std::io::ErrorKind::TimedOut)
        || code.is_some_and(|code| ["57P01", "57P02", "57P05", "25P03"].contains(&code.as_ref()))
}

/// Says why the server made no connection in time, by one more attempt: a pool tries again and again without saying.
pub(super) async fn refused(options: &PgConnectOptions, limit: Duration) -> sqlx::Error {
    match tokio::time::timeout(CONNECT_LIMIT, options.connect()).await {
        Ok(Err(refused)) => refused,
        // It would now, or is silent.
        Ok(Ok(_)) | Err(_) => {
            let text = format!("it made no connection within {} s", limit.as_secs());
            sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
        }
    }
}
