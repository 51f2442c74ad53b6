//! Schema versions: each migration runs once, in the transaction that notes it, and is never edited.

use crate::Db;
use crate::copy::tenants;
use crate::db::{Each, Readers, Row, Sql, Tx, query};
use crate::dialect;
use crate::error::{Problem, StoreError, doing};

struct Migration {
    version: i64,
    name: &'static str,
    /// The same tables, columns, keys and refusals in the words of each database.
    sql: Each,
}

/// Number of the newest migration.
pub const SCHEMA_VERSION: u32 = 13;

macro_rules! migration {
    ($version:literal, $name:literal, $file:literal) => {
        Migration {
            version: $version,
            name: $name,
            sql: Each {
                sqlite: include_str!(concat!("../migrations/sqlite/", $file)),
                postgres: include_str!(concat!("../migrations/postgres/", $file)),
            },
        }
    };
}

const MIGRATIONS: &[Migration] = &[
    migration!(1, "first_scan", "0001_first_scan.sql"),
    migration!(2, "the_proof", "0002_the_proof.sql"),
    migration!(3, "continued_logs", "0003_continued_logs.sql"),
    migration!(4, "facts", "0004_facts.sql"),
    migration!(5, "isolation", "0005_isolation.sql"),
    migration!(6, "named_refusals", "0006_named_refusals.sql"),
    migration!(7, "roles", "0007_roles.sql"),
    migration!(8, "next_index", "0008_next_index.sql"),
    migration!(9, "facts_in_order", "0009_facts_in_order.sql"),
    migration!(10, "quarantine", "0010_quarantine.sql"),
    migration!(11, "clock_behind_log", "0011_clock_behind_log.sql"),
    migration!(12, "one_guard_of_heads", "0012_one_guard_of_heads.sql"),
    migration!(13, "blank_provenance", "0013_blank_provenance.sql"),
];

const APPLIED: &str = "SELECT version, sha256 FROM schema_migrations ORDER BY version LIMIT 10000";

/// Brings the schema to the newest version. Two processes at once: one applies, the other waits and sees it.
///
/// Returns the version before; nothing for an empty database.
///
/// # Errors
/// When the database is newer than this program, or a migration was edited after it was applied.
pub(crate) async fn migrate(tx: &mut Tx) -> Result<Option<i64>, StoreError> {
    let said = "bring the schema up to date";
    query(dialect::CREATE_VERSIONS).execute(&mut *tx).await.map_err(doing(said))?;
    let applied = query(APPLIED).fetch_all(&mut *tx).await.map_err(doing(said))?;
    let applied: Vec<(i64, String)> =
        applied.iter().map(read).collect::<Result<_, _>>().map_err(doing(said))?;
    match compare(&applied, |sql| tx.text(sql)) {
        Ok(()) => return Ok(applied.last().map(|last| last.0)),
        Err(Problem::SchemaBehind { .. }) => {}
        Err(problem) => return Err(refused(problem)),
    }
    for migration in missing(&applied) {
        tx.run_script(migration.sql).await.map_err(doing(said))?;
        query("INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)")
            .bind(migration.version)
            .bind(migration.name)
            .bind(digest(tx.text(migration.sql)))
            .execute(&mut *tx)
            .await
            .map_err(doing(said))?;
    }
    Ok(applied.last().map(|last| last.0))
}

/// Tells without writing whether exactly the known migrations are applied, with the text they have now.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn standing(on: Readers<'_>) -> Result<Result<(), Problem>, sqlx::Error> {
    let rows = match query(APPLIED).fetch_all(on).await {
        Ok(rows) => rows,
        Err(err) if dialect::is_missing_table(&err) => Vec::new(),
        Err(err) => return Err(err),
    };
    let applied: Vec<(i64, String)> = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(compare(&applied, |sql| on.text(sql)))
}

/// Refuses a database in which no key keeps the numbers of versions apart, and says which one stands twice as far as this
/// user sees. It is neither used nor brought up to date (FCT-23).
///
/// # Errors
/// When it is such a database, or cannot be read.
pub(crate) async fn refuse_missing_keys(db: &Db) -> Result<(), StoreError> {
    let said = "look whether every key is there";
    for row in query(dialect::COUNT_KEYS).fetch_all(db.readers_of_none()).await.map_err(doing(said))? {
        let (table, keys): (String, i64) =
            (row.get("table_name").map_err(doing(said))?, row.get("keys").map_err(doing(said))?);
        if keys > 0 {
            continue;
        }
        let sql = format!(
            "SELECT seq FROM {table} WHERE tenant_id = $1 GROUP BY seq HAVING count(*) > 1 ORDER BY seq LIMIT 1"
        );
        let mut twice = None;
        for tenant in tenants(db).await? {
            let found = query(Sql::Assembled(sql.clone())).bind(tenant.id.to_string());
            let found = found.fetch_optional(db.readers(tenant.id)).await.map_err(doing(said))?;
            if let Some(row) = found {
                twice = Some(row.get("seq").map_err(doing(said))?);
                break;
            }
        }
        let problem = Problem::KeyMissing { key: format!("{table} (tenant_id, seq)"), twice };
        return Err(StoreError::Open { place: db.place(), problem, source: None });
    }
    Ok(())
}

fn read(row: &Row) -> Result<(i64, String), sqlx::Error> {
    Ok((row.get("version")?, row.get("sha256")?))
}

fn compare(applied: &[(i64, String)], text: impl Fn(Each) -> &'static str) -> Result<(), Problem> {
    let known = i64::from(SCHEMA_VERSION);
    for (version, sha256) in applied {
        let Some(migration) = MIGRATIONS.iter().find(|migration| migration.version == *version) else {
            return Err(Problem::SchemaAhead { found: *version, known });
        };
        if *sha256 != digest(text(migration.sql)) {
            return Err(Problem::MigrationEdited { version: *version });
        }
    }
    match missing(applied).next() {
        Some(first) => Err(Problem::SchemaBehind { found: first.version - 1, known }),
        None => Ok(()),
    }
}

/// Returns the migrations that are not applied, in order.
fn missing(applied: &[(i64, String)]) -> impl Iterator<Item = &'static Migration> {
    MIGRATIONS
        .iter()
        .filter(|migration| applied.iter().all(|(version, _sha256)| *version != migration.version))
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

#[cfg(test)]
mod tests;
