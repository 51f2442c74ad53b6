//! The connections of this process to a server: so many are kept, more are made for a peak and closed as they are given back,
//! and none is used beyond its age (DBS-14, DBS-15).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::Connection as _;
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
        // How many there are: each that is closed is taken off, for whichever reason.
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
            .after_connect(move |_connection, _meta| {
                made.fetch_add(1, Ordering::AcqRel);
                Box::pin(async { Ok(()) })
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
