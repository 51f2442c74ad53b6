//! The connection that was used last, for whoever comes next.
//!
//! The pool asks the server once more whether a connection that it gets back is well, and then gives the one that lay idle for
//! longest. A writer on its own would go from session to session, each with caches of its own, and have the server answer one
//! message more for each transaction.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};

/// How long a connection may be away from the pool, which looks at its age and at how many there are.
const AWAY_MAX: Duration = Duration::from_secs(1);

/// Where it lies.
#[derive(Debug)]
pub(super) struct Last {
    connection: Mutex<Option<(PoolConnection<Postgres>, Instant)>>,
    /// How many wait at the pool, which does not know of the one that lies here.
    waiting: AtomicUsize,
    away_max: Duration,
    is_closed: AtomicBool,
}

/// Somebody who waits at the pool.
#[derive(Debug)]
pub(super) struct Waiting<'l>(&'l Last);

/// A connection in use. Dropped, it goes back to the pool.
#[derive(Debug)]
pub(super) struct Held {
    connection: PoolConnection<Postgres>,
    /// When the pool gave it.
    since: Instant,
    last: Arc<Last>,
}

impl Last {
    /// Returns where none lies yet.
    pub(super) fn new(age_max: Duration) -> Arc<Self> {
        let away_max = AWAY_MAX.min(age_max);
        let (connection, waiting) = (Mutex::new(None), AtomicUsize::new(0));
        Arc::new(Self { connection, waiting, away_max, is_closed: AtomicBool::new(false) })
    }

    /// Has every connection go back to the pool from now on.
    pub(super) fn close(self: &Arc<Self>) {
        self.is_closed.store(true, Ordering::SeqCst);
        drop(self.take());
    }

    /// Takes the one that lies here. One that was away for too long goes back to the pool instead.
    pub(super) fn take(self: &Arc<Self>) -> Option<Held> {
        let (connection, since) = self.connection.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        (since.elapsed() < self.away_max).then(|| Held { connection, since, last: Arc::clone(self) })
    }

    /// Says that somebody waits at the pool from now on. Whoever does looks here once more.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(self)
    }

    /// Takes on what the pool gave.
    pub(super) fn hold(self: &Arc<Self>, connection: PoolConnection<Postgres>) -> Held {
        Held { connection, since: Instant::now(), last: Arc::clone(self) }
    }

    fn is_wanted_elsewhere(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0 || self.is_closed.load(Ordering::SeqCst)
    }
}

impl Held {
    /// Leaves a connection on which nothing is open for whoever comes next, unless somebody waits at the pool.
    pub(super) fn give_back(self) {
        let Self { connection, since, last } = self;
        if since.elapsed() >= last.away_max || last.is_wanted_elsewhere() {
            return;
        }
        let before =
            last.connection.lock().unwrap_or_else(PoisonError::into_inner).replace((connection, since));
        drop(before);
        // Who came in between has looked here too early, or looks now.
        if last.is_wanted_elsewhere() {
            drop(last.take());
        }
    }

    /// Returns it to be closed or given back to the pool.
    pub(super) fn into_inner(self) -> PoolConnection<Postgres> {
        self.connection
    }
}

impl Deref for Held {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
