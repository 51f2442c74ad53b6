//! The peer of an apply: the same rows in the same tables of another database as durable as ours, without
//! anything of ours: no entries rendered or hashed, no triggers, no foreign keys, no checks.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _};

use crate::error::BenchError;

/// One value of a row.
enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// The rows of one table.
struct Table {
    name: String,
    schema: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// What one apply wrote, held in memory.
pub struct Rows {
    tables: Vec<Table>,
}

/// Which rows the peer inserts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them: the same bytes.
    Everything,
    /// All but the ledger's own entries.
    WithoutLedger,
}

impl Rows {
    /// Reads every row of a database in which one scan was applied.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(path: &Path) -> Result<Rows, BenchError> {
        let mut source = connect(path).await?;
        let names = sqlx::query(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
        );
        let mut tables = Vec::new();
        for row in names.fetch_all(&mut source).await? {
            let name: String = row.try_get("name")?;
            let schema = sqlx::query(
                "SELECT sql FROM sqlite_schema WHERE tbl_name = $1 AND type <> 'trigger' AND sql IS NOT NULL",
            )
            .bind(&name)
            .fetch_all(&mut source)
            .await?;
            let schema = schema.iter().map(|row| row.try_get("sql")).collect::<Result<_, _>>()?;
            let rows =
                sqlx::query(AssertSqlSafe(format!("SELECT * FROM {name}"))).fetch_all(&mut source).await?;
            let rows = rows.iter().map(cells).collect::<Result<_, _>>()?;
            tables.push(Table { name, schema, rows });
        }
        source.close().await?;
        Ok(Rows { tables })
    }

    /// Reads the rows of some tables from this ledger index on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read_from(path: &Path, names: &[&str], index: u64) -> Result<Rows, BenchError> {
        let mut source = connect(path).await?;
        let mut tables = Vec::new();
        for name in names {
            let sql = format!("SELECT * FROM {name} WHERE log_index >= {index}");
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut source).await?;
            let rows = rows.iter().map(cells).collect::<Result<_, _>>()?;
            tables.push(Table { name: (*name).to_owned(), schema: Vec::new(), rows });
        }
        source.close().await?;
        Ok(Rows { tables })
    }

    /// Inserts the rows into a new database at `path` in one transaction, by one prepared statement a row,
    /// and returns how long that took, the commit included and the making of the tables not.
    ///
    /// # Errors
    /// When that database refuses.
    pub async fn insert(&self, path: &Path, part: Part) -> Result<Duration, BenchError> {
        let mut peer = Peer::create(self, path).await?;
        let taken = peer.insert(self, part).await?;
        peer.db.close().await?;
        Ok(taken)
    }

    /// Copies the rows inside SQLite, from the database at `from` into a new one at `path`: nothing that
    /// makes rows outside the database can be faster.
    ///
    /// # Errors
    /// When that database refuses.
    pub async fn copy(&self, from: &Path, path: &Path) -> Result<Duration, BenchError> {
        let mut target = connect(path).await?;
        for statement in self.tables.iter().flat_map(|table| &table.schema) {
            sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut target).await?;
        }
        sqlx::query("ATTACH DATABASE $1 AS source").bind(from.to_string_lossy()).execute(&mut target).await?;
        let began = Instant::now();
        let mut tx = target.begin_with("BEGIN IMMEDIATE").await?;
        for Table { name, .. } in &self.tables {
            let sql = format!("INSERT INTO main.{name} SELECT * FROM source.{name}");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        let taken = began.elapsed();
        target.close().await?;
        Ok(taken)
    }

    /// Returns how many rows there are, and how many bytes of text and blobs they hold.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let rows = self.tables.iter().map(|table| table.rows.len()).sum();
        let cells = self.tables.iter().flat_map(|table| &table.rows).flatten();
        let bytes = cells.map(|cell| match cell {
            Cell::Null | Cell::Integer(_) => 0,
            Cell::Text(text) => text.len(),
            Cell::Blob(bytes) => bytes.len(),
        });
        (rows, bytes.sum())
    }
}

/// A database with the same tables that stays open, as ours does.
#[derive(Debug)]
pub struct Peer {
    db: SqliteConnection,
}

impl Peer {
    /// Makes the tables of these rows in a new database at `path`.
    ///
    /// # Errors
    /// When that database refuses.
    pub async fn create(like: &Rows, path: &Path) -> Result<Peer, BenchError> {
        let mut db = connect(path).await?;
        for statement in like.tables.iter().flat_map(|table| &table.schema) {
            sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut db).await?;
        }
        Ok(Peer { db })
    }

    /// Inserts the rows in one transaction, by one prepared statement a row, and returns how long that took, the
    /// commit included.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert(&mut self, rows: &Rows, part: Part) -> Result<Duration, BenchError> {
        let chosen =
            rows.tables.iter().filter(|table| part == Part::Everything || table.name != "log_entries");
        let chosen: Vec<&Table> = chosen.collect();
        let began = Instant::now();
        let mut tx = self.db.begin_with("BEGIN IMMEDIATE").await?;
        for table in chosen {
            let Some(width) = table.rows.first().map(Vec::len) else { continue };
            let holes: Vec<String> = (1..=width).map(|n| format!("${n}")).collect();
            let sql = format!("INSERT INTO {} VALUES ({})", table.name, holes.join(", "));
            for row in &table.rows {
                let mut insert = sqlx::query(AssertSqlSafe(sql.clone()));
                for cell in row {
                    insert = match cell {
                        Cell::Null => insert.bind(None::<i64>),
                        Cell::Integer(number) => insert.bind(*number),
                        Cell::Text(text) => insert.bind(text.as_str()),
                        Cell::Blob(bytes) => insert.bind(bytes.as_slice()),
                    };
                }
                insert.execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(began.elapsed())
    }
}

/// Counts every row that any connection inserts, updates or deletes from now on, by triggers of its own.
///
/// # Errors
/// When the database refuses.
pub async fn count_writes(path: &Path) -> Result<(), BenchError> {
    let mut db = connect(path).await?;
    sqlx::query("CREATE TABLE bench_writes (count INTEGER NOT NULL)").execute(&mut db).await?;
    sqlx::query("INSERT INTO bench_writes VALUES (0)").execute(&mut db).await?;
    let tables = sqlx::query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'bench_writes' AND name NOT LIKE 'sqlite%' ORDER BY name",
    );
    for row in tables.fetch_all(&mut db).await? {
        let table: String = row.try_get("name")?;
        for what in ["INSERT", "UPDATE", "DELETE"] {
            let sql = format!(
                "CREATE TRIGGER bench_{table}_{what} AFTER {what} ON {table}
                 BEGIN UPDATE bench_writes SET count = count + 1; END"
            );
            sqlx::query(AssertSqlSafe(sql)).execute(&mut db).await?;
        }
    }
    db.close().await?;
    Ok(())
}

/// Returns how many row writes were counted since [`count_writes`].
///
/// # Errors
/// When the database cannot be read.
pub async fn writes(path: &Path) -> Result<i64, BenchError> {
    let mut db = connect(path).await?;
    let count = sqlx::query("SELECT count FROM bench_writes").fetch_one(&mut db).await?.try_get("count")?;
    db.close().await?;
    Ok(count)
}

async fn connect(path: &Path) -> Result<SqliteConnection, BenchError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .page_size(8192)
        .pragma("cache_size", "-16384")
        .foreign_keys(false);
    Ok(SqliteConnection::connect_with(&options).await?)
}

fn cells(row: &SqliteRow) -> Result<Vec<Cell>, sqlx::Error> {
    (0..row.len())
        .map(|n| {
            let value = row.try_get_raw(n)?;
            if value.is_null() {
                return Ok(Cell::Null);
            }
            match value.type_info().name() {
                "TEXT" => row.try_get(n).map(Cell::Text),
                "INTEGER" => row.try_get(n).map(Cell::Integer),
                "BLOB" => row.try_get(n).map(Cell::Blob),
                other => Err(sqlx::Error::Protocol(format!("a value of type {other}"))),
            }
        })
        .collect()
}
