//! The connections of this process to a server: so many are kept, more are made for a peak and closed as they are given back,
//! and none is used beyond its age (DBS-14, DBS-15).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

/// How many connections there are, how long one waits for one and how long one is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Connections that are kept once they were needed.
    pub(super) base: u32,
    /// Connections that are made beyond them for a peak.
    pub(super) overflow: u32,
    pub(super) acquire_limit: Duration,
    pub(super) age_max: Duration,
}

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

    /// Returns a pool that makes its connections when they are needed.
    pub(super) fn pool(self, options: PgConnectOptions) -> PgPool {
        // As none is made while another is idle, those that are idle and those in use are not more than are kept, or are in
        // use all of them. One that is made while others are on their way back, which the driver still tests, may stay beside
        // them until it is too old: never more than those of a peak.
        let in_use = Arc::new(AtomicU32::new(0));
        let (made, taken, returned) = (Arc::clone(&in_use), Arc::clone(&in_use), in_use);
        PgPoolOptions::new()
            .max_connections(self.peak())
            .acquire_timeout(self.acquire_limit)
            // The driver would close a connection that is too old without saying that it was given back.
            .max_lifetime(None)
            // What begins a transaction tests its connection: see `postgres::begin_whole`.
            .test_before_acquire(false)
            .after_connect(move |_connection, _meta| {
                made.fetch_add(1, Ordering::AcqRel);
                Box::pin(async { Ok(()) })
            })
            .before_acquire(move |_connection, meta| {
                let is_young = meta.age < self.age_max;
                taken.fetch_add(u32::from(is_young), Ordering::AcqRel);
                Box::pin(async move { Ok(is_young) })
            })
            .after_release(move |_connection, meta| {
                let were_in_use = returned.fetch_sub(1, Ordering::AcqRel);
                let is_kept = were_in_use <= self.base && meta.age < self.age_max;
                Box::pin(async move { Ok(is_kept) })
            })
            .connect_lazy_with(options)
    }
}

/// Says who waited in vain: for a connection of ours, or for the server to make one.
pub(super) fn waited(pool: &PgPool, err: sqlx::Error) -> sqlx::Error {
    let sqlx::Error::PoolTimedOut = err else { return err };
    let (peak, limit) = (pool.options().get_max_connections(), pool.options().get_acquire_timeout());
    if pool.size() >= peak {
        return sqlx::Error::Configuration(Exhausted { peak, limit }.into());
    }
    let text = format!("it made no connection within {} s", limit.as_secs());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
}
