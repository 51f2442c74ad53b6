//! A transaction on a server, which is there from before its first word.
//!
//! One of the driver's that is dropped while it begins stays open on a connection of the pool, and the driver does not know.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use super::last::Held;
use super::pool::{answered, has_ended};

/// How long a server may take to roll back before the connection is closed, upon which it does so by itself.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(5);

/// A transaction. When it is dropped before it is committed it is rolled back, by a task of its own.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Gone when it ended.
    connection: Option<Held>,
    answer_limit: Duration,
}

/// Nobody knows whether a commit was done: the connection ended before the server said so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Undecided(#[source] pub(crate) sqlx::Error);

impl Transaction {
    /// Begins one by these statements, in one message.
    pub(super) async fn begin(
        connection: Held,
        (statements, answer_limit): (&str, Duration),
    ) -> Result<Self, sqlx::Error> {
        let mut begun = Self { connection: Some(connection), answer_limit };
        let begin = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        answered(begun.answer_limit, begin.execute(begun.on()?)).await?;
        Ok(begun)
    }

    /// Returns the connection that it is on.
    pub(super) fn on(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Returns how long the server may take to answer one statement.
    pub(super) const fn answer_limit(&self) -> Duration {
        self.answer_limit
    }

    /// Commits. An error that is [`Undecided`] leaves open whether it was done.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let limit = self.answer_limit;
        match answered(limit, sqlx::raw_sql("COMMIT").execute(self.on()?)).await {
            Ok(_done) => {
                if let Some(held) = self.connection.take() {
                    held.give_back();
                }
                Ok(())
            }
            // A server that is told to end while it commits says that instead of what became of it.
            Err(err) if !matches!(err, sqlx::Error::Database(_)) || has_ended(&err) => {
                Err(sqlx::Error::Configuration(Undecided(err).into()))
            }
            Err(refused) => Err(refused),
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            tokio::spawn(roll_back(connection.into_inner()));
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
