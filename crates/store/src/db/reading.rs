//! Connections for reading a SQLite file.

use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqlitePool, SqliteRow};
use tokio::sync::Mutex;

/// Connections that read. What is read one after the other is read on the same one, which never goes back to the
/// pool: a connection reads the whole schema before its first statement, and a command that only asks something
/// would do that several times.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pool: SqlitePool,
    first: Arc<Mutex<Option<PoolConnection<Sqlite>>>>,
}

impl Reading {
    pub(super) fn new(pool: SqlitePool) -> Self {
        Self { pool, first: Arc::default() }
    }

    /// Returns the pool, for what has to hold a connection.
    pub(super) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    pub(super) async fn fetch_all(
        &self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let Ok(mut first) = self.first.try_lock() else { return query.fetch_all(&self.pool).await };
        let connection = match &mut *first {
            Some(connection) => connection,
            none @ None => none.insert(self.pool.acquire().await?),
        };
        query.fetch_all(&mut **connection).await
    }

    pub(super) async fn close(&self) {
        // The pool waits for it.
        drop(self.first.lock().await.take());
        self.pool.close().await;
    }
}
