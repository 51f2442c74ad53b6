//! The floor of a write on PostgreSQL: the same rows, by one bulk statement a table in one transaction, into the same
//! tables without triggers and row security.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, Postgres, Row as _};

use crate::error::BenchError;
use crate::server::Served;

/// Where the rows are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The same columns, indexes, checks and foreign keys.
    Same,
    /// The same columns and indexes: nothing is checked.
    Bare,
}

impl Peer {
    /// Returns the schema that it lies in.
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Bare => "bare",
        }
    }
}

/// The values of one column.
enum Column {
    Numbers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    fn part(&self, begin: usize, end: usize) -> Column {
        match self {
            Self::Numbers(numbers) => Self::Numbers(numbers[begin..end].to_vec()),
            Self::Texts(texts) => Self::Texts(texts[begin..end].to_vec()),
            Self::Bytes(bytes) => Self::Bytes(bytes[begin..end].to_vec()),
        }
    }
}

/// The rows of one table.
struct Table {
    name: String,
    columns: Vec<Column>,
}

/// Rows, held in memory by column.
pub struct Rows {
    tables: Vec<Table>,
    count: usize,
}

impl Rows {
    /// Reads every row of some tables, from this ledger index on where one is given; of all tables where none is named.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(db: &mut PgConnection, names: &[&str], from: Option<u64>) -> Result<Rows, BenchError> {
        let all = Served::tables(db).await?;
        let mut rows = Rows { tables: Vec::new(), count: 0 };
        for name in all.into_iter().filter(|name| names.is_empty() || names.contains(&name.as_str())) {
            let types = sqlx::query(
                "SELECT data_type::text FROM information_schema.columns
                 WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position",
            );
            let types = types.bind(&name).fetch_all(&mut *db).await?;
            let since = from.map(|index| format!(" WHERE log_index >= {index}")).unwrap_or_default();
            let found = sqlx::query(AssertSqlSafe(format!("SELECT * FROM public.{name}{since}")));
            let found = found.fetch_all(&mut *db).await?;
            if found.is_empty() {
                continue;
            }
            rows.count += found.len();
            let columns = types.iter().enumerate().map(|(at, row)| column(&found, at, row.try_get(0)?));
            let columns = columns.collect::<Result<_, sqlx::Error>>()?;
            rows.tables.push(Table { name, columns });
        }
        Ok(rows)
    }

    /// Splits them into parts of at most so many rows of each table, in the order in which they were read.
    #[must_use]
    pub fn split(self, most: usize) -> Vec<Rows> {
        let mut parts: Vec<Rows> = Vec::new();
        for table in self.tables {
            let count = table.columns.first().map_or(0, Column::len);
            for (nth, begin) in (0..count).step_by(most.max(1)).enumerate() {
                let end = (begin + most).min(count);
                let columns = table.columns.iter().map(|column| column.part(begin, end)).collect();
                if parts.len() <= nth {
                    parts.push(Rows { tables: Vec::new(), count: 0 });
                }
                parts[nth].tables.push(Table { name: table.name.clone(), columns });
                parts[nth].count += end - begin;
            }
        }
        parts
    }

    /// Returns how many rows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Inserts them and returns how long that took, the commit included.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn insert(&self, peer: Peer, db: &mut PgConnection) -> Result<Duration, BenchError> {
        let began = Instant::now();
        let mut tx = db.begin().await?;
        for table in &self.tables {
            let arrays = table.columns.iter().enumerate().map(|(at, column)| {
                let kind = match column {
                    Column::Numbers(_) => "bigint",
                    Column::Texts(_) => "text",
                    Column::Bytes(_) => "bytea",
                };
                format!("${}::{kind}[]", at + 1)
            });
            let arrays: Vec<String> = arrays.collect();
            let sql = format!(
                "INSERT INTO {}.{} SELECT * FROM unnest({})",
                peer.schema(),
                table.name,
                arrays.join(", ")
            );
            let insert = sqlx::query(AssertSqlSafe(sql));
            table.columns.iter().fold(insert, bind).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(began.elapsed())
    }
}

/// Makes the tables that rows are written to. Foreign keys are checked at the commit, for any order of the tables.
///
/// # Errors
/// When the server refuses.
pub async fn make(peer: Peer, db: &mut PgConnection) -> Result<(), BenchError> {
    let schema = peer.schema();
    let like = match peer {
        Peer::Same => "ALL",
        Peer::Bare => "INDEXES",
    };
    let tables = Served::tables(db).await?;
    let tables = tables
        .iter()
        .map(|name| format!("CREATE TABLE {schema}.{name} (LIKE public.{name} INCLUDING {like});"));
    let mut script = format!("CREATE SCHEMA {schema}; {}", tables.collect::<String>());
    if peer == Peer::Same {
        let keys = sqlx::query(
            "SELECT 'ALTER TABLE ' || conrelid::regclass || ' ADD ' || pg_get_constraintdef(oid)
               || CASE WHEN condeferrable THEN '' ELSE ' DEFERRABLE INITIALLY DEFERRED' END
             FROM pg_constraint WHERE contype = 'f' ORDER BY conname",
        );
        let keys = keys.fetch_all(&mut *db).await?;
        let keys: Vec<String> = keys.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        // They name their tables without a schema.
        script
            .push_str(&format!("SET search_path = {schema}, public; {}; RESET search_path", keys.join("; ")));
    }
    sqlx::raw_sql(AssertSqlSafe(script)).execute(db).await?;
    Ok(())
}

fn column(rows: &[PgRow], at: usize, kind: &str) -> Result<Column, sqlx::Error> {
    Ok(match kind {
        "bigint" => Column::Numbers(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
        "text" => Column::Texts(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
        "bytea" => Column::Bytes(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
        other => return Err(sqlx::Error::Protocol(format!("a column of type {other}"))),
    })
}

fn bind<'q>(
    insert: Query<'q, Postgres, PgArguments>,
    column: &'q Column,
) -> Query<'q, Postgres, PgArguments> {
    match column {
        Column::Numbers(numbers) => insert.bind(numbers),
        Column::Texts(texts) => insert.bind(texts),
        Column::Bytes(bytes) => insert.bind(bytes),
    }
}
