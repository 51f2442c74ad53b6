//! Reading everything as of one moment, while others go on writing.
//!
//! Several connections hold a read transaction each over the same state, so that one can read ahead of the other.
//! With the write-ahead log a read transaction sees what was committed before it began and nothing later
//! (sqlite.org/isolation.html). On PostgreSQL the same is a REPEATABLE READ, READ ONLY transaction and others that
//! take over its exported snapshot (postgresql.org/docs/current/functions-admin.html, snapshot synchronization).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Database, Executor, Pool, Row as _, Sqlite};

use super::pool::{Connections, refused};
use super::postgres::begin_whole;
use super::reading::Reading;
use super::sqlite::{self, BUSY_TIMEOUT};
use super::{Backend, Db, Login};
use crate::error::{StoreError, doing};

/// Connections of a snapshot: one reads ahead of the other.
pub(super) const CONNECTIONS: u32 = 2;
/// Most attempts to begin while nobody commits. Beginning takes less than a millisecond.
const ATTEMPTS_MAX: u32 = 1_000;
/// How coarse the times of files may be; those of a tick are of 10 ms at most.
const FILE_TIME: Duration = Duration::from_millis(50);
const SAID: &str = "read the database as of one moment";

impl Db {
    /// Returns this database as it is now: reading it does not see what is written from now on. Reading only: what
    /// is written through it is refused, or written to the database and not seen by it.
    ///
    /// End it by [`Db::end_snapshot`]: as long as it lasts, the database keeps what it would else let go of.
    ///
    /// # Errors
    /// When the database cannot be read, or others commit so often that no moment is found.
    pub async fn snapshot(&self) -> Result<Self, StoreError> {
        match &self.0 {
            Backend::Sqlite { writer, readers, path, login } => {
                let frozen = freeze_file(readers.pool(), path, *login).await?;
                Ok(Self(Backend::Sqlite {
                    writer: writer.clone(),
                    readers: Reading::new(frozen),
                    path: path.clone(),
                    login: *login,
                }))
            }
            Backend::Postgres { pool, place, is_frozen: _ } => {
                let frozen = freeze_server(pool).await.map_err(doing(SAID))?;
                Ok(Self(Backend::Postgres { pool: frozen, place: place.clone(), is_frozen: true }))
            }
        }
    }

    /// Ends a snapshot. The database that it was taken of stays open.
    pub async fn end_snapshot(self) {
        match self.0 {
            Backend::Sqlite { readers, .. } => readers.close().await,
            Backend::Postgres { pool, .. } => pool.close().await,
        }
    }
}

async fn freeze_file(readers: &SqlitePool, path: &Path, login: Login) -> Result<SqlitePool, StoreError> {
    let mut watch = readers.acquire().await.map_err(doing(SAID))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .read_only(true);
    let (frozen, mut held) = connect::<Sqlite>(options, (BUSY_TIMEOUT, &async || sqlx::Error::PoolTimedOut))
        .await
        .map_err(doing(SAID))?;
    for connection in &mut held {
        sqlite::bind(connection, login).await.map_err(doing(SAID))?;
    }
    // Only reading fixes what a transaction sees.
    let begin = "BEGIN; SELECT count(*) FROM sqlite_schema";
    let (files, first) = (files_of(path), Instant::now());
    for _attempt in 0..ATTEMPTS_MAX {
        let (before, is_late) = (commits(&mut watch).await?, first.elapsed() > FILE_TIME);
        run_on_each(&mut held, begin).await.map_err(doing(SAID))?;
        // Whoever may not write beside the file counts every look of its own as a commit (sqlite.org/wal.html#readonly): then
        // files that were as they are for longer than their times are coarse say that nobody commits.
        let is_still = || is_late && files.is_some() && files_of(path) == files;
        if commits(&mut watch).await? == before || is_still() {
            drop(held);
            return Ok(frozen);
        }
        run_on_each(&mut held, "ROLLBACK").await.map_err(doing(SAID))?;
    }
    drop(held);
    frozen.close().await;
    Err(doing(SAID)(sqlx::Error::PoolTimedOut))
}

async fn freeze_server(of: &Connections) -> Result<Connections, sqlx::Error> {
    // One that waits for the others to connect is not idle.
    let begin =
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";
    let mut exporter = begin_whole(of, begin.to_owned()).await?;
    let row = of.answered(sqlx::query("SELECT pg_export_snapshot()").fetch_one(exporter.on()?)).await?;
    // Hexadecimal digits and dashes, as the server wrote them.
    let snapshot: String = row.try_get(0)?;
    let import = format!("{begin}; SET TRANSACTION SNAPSHOT '{snapshot}'");
    let options = (*of.pool.connect_options()).clone();
    let why = || refused(&options, of.acquire_limit);
    let (pool, mut held) = connect::<sqlx::Postgres>(options.clone(), (of.acquire_limit, &why)).await?;
    of.answered(run_on_each(&mut held, &import)).await?;
    exporter.commit().await?;
    Ok(of.over(pool))
}

/// Opens all connections of a snapshot, and holds them for now. Where one is not made in time, somebody else says why.
async fn connect<D: Database>(
    options: <D::Connection as sqlx::Connection>::Options,
    (acquire_limit, why): (Duration, &impl AsyncFn() -> sqlx::Error),
) -> Result<(Pool<D>, Vec<PoolConnection<D>>), sqlx::Error> {
    // A connection that came later would see another moment.
    let is_complete = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_complete);
    let pool = PoolOptions::<D>::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(acquire_limit)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |_connection, _meta| {
            let is_late = seen.load(Ordering::Acquire);
            Box::pin(async move { if is_late { Err(sqlx::Error::PoolClosed) } else { Ok(()) } })
        })
        .connect_lazy_with(options);
    let mut held = Vec::new();
    for _connection in 0..CONNECTIONS {
        match pool.acquire().await {
            // The driver tries again and again without saying why.
            Err(sqlx::Error::PoolTimedOut) => return Err(why().await),
            connection => held.push(connection?),
        }
    }
    is_complete.store(true, Ordering::Release);
    Ok((pool, held))
}

async fn run_on_each<D: Database>(
    connections: &mut [PoolConnection<D>],
    statement: &str,
) -> Result<(), sqlx::Error>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    for connection in connections {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await?;
    }
    Ok(())
}

/// Returns lengths and times of a file and of its write-ahead log, which every commit changes; nothing where they cannot be
/// looked at.
fn files_of(path: &Path) -> Option<[Option<(u64, SystemTime)>; 2]> {
    let look = |path: &Path| match fs::metadata(path) {
        Ok(found) => Some(Some((found.len(), found.modified().ok()?))),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Some(None),
        Err(_unreadable) => None,
    };
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Some([look(path)?, look(Path::new(&log))?])
}

/// Returns a number that differs whenever another connection has committed in between
/// (sqlite.org/pragma.html#pragma_data_version).
async fn commits(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("PRAGMA data_version").fetch_one(connection).await.map_err(doing(SAID))?;
    row.try_get(0).map_err(doing(SAID))
}
