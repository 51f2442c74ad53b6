//! Schema versions: each migration runs once, in the transaction that notes it, and is never edited.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use crate::error::{Problem, StoreError, doing};

struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

/// Number of the newest migration.
pub const SCHEMA_VERSION: u32 = 4;

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "first_scan",
        sql: include_str!("../migrations/sqlite/0001_first_scan.sql"),
    },
    Migration { version: 2, name: "the_proof", sql: include_str!("../migrations/sqlite/0002_the_proof.sql") },
    Migration {
        version: 3,
        name: "continued_logs",
        sql: include_str!("../migrations/sqlite/0003_continued_logs.sql"),
    },
    Migration { version: 4, name: "facts", sql: include_str!("../migrations/sqlite/0004_facts.sql") },
];

const CREATE_VERSIONS: &str = "
CREATE TABLE IF NOT EXISTS schema_migrations (
  version INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID";

/// Brings the schema to the newest version. Two processes at once: one applies, the other waits and sees it.
///
/// # Errors
/// When the database is newer than this program, or a migration was edited after it was applied.
pub(crate) async fn migrate(tx: &mut Transaction<'_, Sqlite>) -> Result<(), StoreError> {
    let said = "bring the schema up to date";
    sqlx::query(CREATE_VERSIONS).execute(&mut **tx).await.map_err(doing(said))?;
    let applied = sqlx::query("SELECT version, sha256 FROM schema_migrations ORDER BY version LIMIT 10000")
        .fetch_all(&mut **tx)
        .await
        .map_err(doing(said))?;
    let known = i64::from(SCHEMA_VERSION);
    for row in &applied {
        let version: i64 = row.try_get("version").map_err(doing(said))?;
        let sha256: String = row.try_get("sha256").map_err(doing(said))?;
        let Some(migration) = MIGRATIONS.iter().find(|migration| migration.version == version) else {
            return Err(refused(Problem::SchemaAhead { found: version, known }));
        };
        if sha256 != digest(migration.sql) {
            return Err(refused(Problem::MigrationEdited { version }));
        }
    }
    for migration in &MIGRATIONS[applied.len()..] {
        sqlx::raw_sql(migration.sql).execute(&mut **tx).await.map_err(doing(said))?;
        sqlx::query("INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)")
            .bind(migration.version)
            .bind(migration.name)
            .bind(digest(migration.sql))
            .execute(&mut **tx)
            .await
            .map_err(doing(said))?;
    }
    Ok(())
}

/// Tells whether exactly the known migrations are applied, with the text they have now, without writing.
pub(crate) async fn is_current(pool: &sqlx::SqlitePool) -> bool {
    let found = sqlx::query("SELECT version, sha256 FROM schema_migrations ORDER BY version LIMIT 10000")
        .fetch_all(pool)
        .await;
    let Ok(found) = found else { return false };
    let same = |(row, migration): (&SqliteRow, &Migration)| {
        row.try_get::<i64, _>("version").is_ok_and(|version| version == migration.version)
            && row.try_get::<String, _>("sha256").is_ok_and(|sha256| sha256 == digest(migration.sql))
    };
    found.len() == MIGRATIONS.len() && found.iter().zip(MIGRATIONS).all(same)
}

fn digest(sql: &str) -> String {
    ledger::hex::encode(&ledger::sha256(sql.as_bytes()))
}

fn refused(problem: Problem) -> StoreError {
    StoreError::Database {
        doing: "bring the schema up to date",
        problem,
        source: sqlx::Error::Configuration("schema".into()),
    }
}
