//! A transaction on a server, which is there from before its first word.
//!
//! One of the driver's that is dropped while it begins stays open on a connection of the pool, and the driver does not know.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use super::pool::waited;

/// How long a server may take to roll back before the connection is closed, upon which it does so by itself.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(5);

/// A transaction. When it is dropped before it is committed it is rolled back, by a task of its own.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Gone when it ended.
    connection: Option<PoolConnection<Postgres>>,
}

impl Transaction {
    /// Begins one by these statements, in one message.
    pub(super) async fn begin(pool: &PgPool, statements: &str) -> Result<Self, sqlx::Error> {
        let connection = pool.acquire().await.map_err(|err| waited(pool, err))?;
        let mut begun = Self { connection: Some(connection) };
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(begun.on()?).await?;
        Ok(begun)
    }

    /// Returns the connection that it is on.
    pub(crate) fn on(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("COMMIT").execute(self.on()?).await?;
        self.connection = None;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            tokio::spawn(roll_back(connection));
        }
    }
}

/// Rolls back what a connection has begun and gives it back.
async fn roll_back(mut connection: PoolConnection<Postgres>) {
    let rolled_back = sqlx::raw_sql("ROLLBACK").execute(&mut *connection);
    // Where it was refused the connection has ended, which the pool sees when it gets it back.
    if tokio::time::timeout(ROLLBACK_LIMIT, rolled_back).await.is_err() {
        connection.close_on_drop();
    }
}
