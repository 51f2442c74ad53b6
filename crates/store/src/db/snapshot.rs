//! Reading everything as of one moment, while others go on writing.
//!
//! Several connections hold a read transaction each over the same state, so that one can read ahead of the other.
//! With the write-ahead log a read transaction sees what was committed before it began and nothing later
//! (sqlite.org/isolation.html). On PostgreSQL the same is a REPEATABLE READ, READ ONLY transaction and others that
//! take over its exported snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};
use sqlx::{Row as _, Sqlite};

use super::{BUSY_TIMEOUT, Db};
use crate::error::{StoreError, doing};

/// Connections of a snapshot: one reads ahead of the other.
const CONNECTIONS: u32 = 2;
/// Most attempts to begin between two commits of others, before their commits are held up for a moment.
const ATTEMPTS_MAX: u32 = 20;
const SAID: &str = "read the database as of one moment";

impl Db {
    /// Returns this database as it is now: reading it does not see what is written from now on. Reading only: what
    /// is written through it is written to the database and not seen by it.
    ///
    /// End it by [`Db::end_snapshot`]: as long as it lasts, the write-ahead log keeps growing.
    ///
    /// # Errors
    /// When the database cannot be read, or another process holds the write lock for too long.
    pub async fn snapshot(&self) -> Result<Self, StoreError> {
        let (readers, is_begun) = self.connect().await?;
        let mut held = Vec::new();
        for _connection in 0..CONNECTIONS {
            held.push(readers.acquire().await.map_err(doing(SAID))?);
        }
        // What comes later would see another moment.
        is_begun.store(true, Ordering::Release);
        let mut watch = self.readers.acquire().await.map_err(doing(SAID))?;
        for _attempt in 0..ATTEMPTS_MAX {
            let before = commits(&mut watch).await?;
            begin(&mut held).await?;
            if commits(&mut watch).await? == before {
                return Ok(Self { readers, ..self.clone() });
            }
            for connection in &mut held {
                sqlx::query("ROLLBACK").execute(&mut **connection).await.map_err(doing(SAID))?;
            }
        }
        drop(watch);
        let lock = self.begin(SAID).await?;
        begin(&mut held).await?;
        lock.rollback().await.map_err(doing(SAID))?;
        Ok(Self { readers, ..self.clone() })
    }

    /// Ends a snapshot. The database that it was taken of stays open.
    pub async fn end_snapshot(self) {
        self.readers.close().await;
    }

    /// Opens the connections of a snapshot. Once the flag is set, no other takes the place of one that is lost.
    async fn connect(&self) -> Result<(SqlitePool, Arc<AtomicBool>), StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .read_only(true);
        let is_begun = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_begun);
        let readers = SqlitePoolOptions::new()
            .min_connections(CONNECTIONS)
            .max_connections(CONNECTIONS)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .after_connect(move |_connection, _meta| {
                let is_late = seen.load(Ordering::Acquire);
                Box::pin(async move { if is_late { Err(sqlx::Error::PoolClosed) } else { Ok(()) } })
            })
            .connect_with(options)
            .await
            .map_err(doing(SAID))?;
        Ok((readers, is_begun))
    }
}

/// Begins a read transaction on each and reads, for only that fixes what it sees.
async fn begin(held: &mut [PoolConnection<Sqlite>]) -> Result<(), StoreError> {
    for connection in held {
        sqlx::query("BEGIN").execute(&mut **connection).await.map_err(doing(SAID))?;
        sqlx::query("SELECT count(*) FROM sqlite_schema")
            .fetch_one(&mut **connection)
            .await
            .map_err(doing(SAID))?;
    }
    Ok(())
}

/// Returns a number that differs whenever another connection has committed in between
/// (sqlite.org/pragma.html#pragma_data_version).
async fn commits(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("PRAGMA data_version").fetch_one(connection).await.map_err(doing(SAID))?;
    row.try_get(0).map_err(doing(SAID))
}
