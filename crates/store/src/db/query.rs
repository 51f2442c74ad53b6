//! One statement with its values, run on whichever database is there, and the rows that come back.
//!
//! Texts are shared where they can be; values have three kinds, and each kind has one encoding on both databases.

use model::TenantId;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query as Driven;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{
    AssertSqlSafe, Database, Decode, Encode, Postgres, Row as _, SqlSafeStr as _, SqlStr, Sqlite,
    Transaction, Type,
};

use super::{Backend, Readers, echo, postgres};

/// The text of a statement.
#[derive(Debug, Clone)]
pub(crate) enum Sql {
    /// One text that both databases understand.
    Shared(&'static str),
    /// As [`Sql::Shared`], put together from constants of this crate.
    Assembled(String),
    /// One text each, where they differ on purpose: see [`crate::dialect`].
    Each(Each),
    /// As [`Sql::Each`], put together: for SQLite, for PostgreSQL.
    AssembledEach(String, String),
}

/// A statement that differs between the databases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Each {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::Shared(text)
    }
}

impl From<Each> for Sql {
    fn from(texts: Each) -> Self {
        Self::Each(texts)
    }
}

impl Sql {
    fn for_sqlite(self) -> SqlStr {
        match self {
            Self::Shared(text) => text.into_sql_str(),
            Self::Assembled(text) => AssertSqlSafe(text).into_sql_str(),
            Self::Each(texts) => texts.sqlite.into_sql_str(),
            Self::AssembledEach(text, _postgres) => AssertSqlSafe(text).into_sql_str(),
        }
    }

    fn for_postgres(self) -> SqlStr {
        match self {
            Self::Shared(text) => text.into_sql_str(),
            Self::Assembled(text) => AssertSqlSafe(text).into_sql_str(),
            Self::Each(texts) => texts.postgres.into_sql_str(),
            Self::AssembledEach(_sqlite, text) => AssertSqlSafe(text).into_sql_str(),
        }
    }
}

/// A value that is stored: BIGINT or INTEGER, TEXT, BYTEA or BLOB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! values {
    ($($from:ty => |$value:ident| $made:expr;)+) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $made
            }
        })+
    };
}

values! {
    i64 => |value| Self::Int(Some(value));
    Option<i64> => |value| Self::Int(value);
    String => |value| Self::Text(Some(value));
    &str => |value| Self::Text(Some(value.to_owned()));
    &String => |value| Self::Text(Some(value.clone()));
    Option<String> => |value| Self::Text(value);
    &Option<String> => |value| Self::Text(value.clone());
    Option<&str> => |value| Self::Text(value.map(str::to_owned));
    Vec<u8> => |value| Self::Bytes(Some(value));
    &Vec<u8> => |value| Self::Bytes(Some(value.clone()));
    &[u8] => |value| Self::Bytes(Some(value.to_vec()));
}

/// The rows of a bulk statement. SQLite gets them as one parameter, a JSON array of arrays; PostgreSQL as one
/// array parameter for each column.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    width: usize,
    cells: Vec<Value>,
    texts: &'static [usize],
}

impl Rows {
    /// Begins rows of so many columns; there will be about `count`.
    pub(crate) fn new(width: usize, count: usize) -> Self {
        Self { width, cells: Vec::with_capacity(width * count), texts: &[] }
    }

    /// Says in which columns bytes are UTF-8, which needs no digits in JSON.
    pub(crate) const fn with_texts(mut self, columns: &'static [usize]) -> Self {
        self.texts = columns;
        self
    }

    /// Adds a row.
    pub(crate) fn push<const N: usize>(&mut self, row: [Value; N]) {
        self.add(row);
    }

    /// Adds a row of as many values as there are columns.
    pub(crate) fn add(&mut self, row: impl IntoIterator<Item = Value>) {
        self.cells.extend(row);
        debug_assert_eq!(self.cells.len() % self.width, 0, "every row has all columns");
    }

    /// Writes the rows as JSON; a single column is an array of its values. Bytes are their hexadecimal digits, or text.
    fn to_json(&self) -> Result<String, sqlx::Error> {
        let mut json = Vec::with_capacity(self.cells.len() * 32);
        json.push(b'[');
        for (at, cell) in self.cells.iter().enumerate() {
            let begins = at % self.width == 0;
            if at > 0 {
                json.push(b',');
            }
            if begins && self.width > 1 {
                json.push(b'[');
            }
            let written = match cell {
                Value::Int(number) => serde_json::to_writer(&mut json, number),
                Value::Text(text) => serde_json::to_writer(&mut json, text),
                Value::Bytes(bytes) if self.texts.contains(&(at % self.width)) => {
                    let text = bytes.as_deref().map(std::str::from_utf8).transpose();
                    serde_json::to_writer(&mut json, &text.map_err(|err| sqlx::Error::Encode(err.into()))?)
                }
                Value::Bytes(bytes) => serde_json::to_writer(&mut json, &bytes.as_deref().map(digits)),
            };
            written.map_err(|err| sqlx::Error::Encode(err.into()))?;
            if (at + 1) % self.width == 0 && self.width > 1 {
                json.push(b']');
            }
        }
        json.push(b']');
        String::from_utf8(json).map_err(|err| sqlx::Error::Encode(err.into()))
    }

    /// Binds an array for each column. A column without any row has no type of its own: its statement casts it.
    fn bind_columns<'q>(
        self,
        mut query: Driven<'q, Postgres, PgArguments>,
    ) -> Result<Driven<'q, Postgres, PgArguments>, sqlx::Error> {
        let mut columns: Vec<Vec<Value>> = (0..self.width).map(|_column| Vec::new()).collect();
        for (at, cell) in self.cells.into_iter().enumerate() {
            columns[at % self.width].push(cell);
        }
        for column in columns {
            query = match column.first() {
                Some(Value::Int(_)) => query.bind(column.iter().map(int).collect::<Result<Vec<_>, _>>()?),
                Some(Value::Bytes(_)) => {
                    query.bind(column.into_iter().map(bytes).collect::<Result<Vec<_>, _>>()?)
                }
                Some(Value::Text(_)) | None => {
                    query.bind(column.into_iter().map(text).collect::<Result<Vec<_>, _>>()?)
                }
            };
        }
        Ok(query)
    }
}

/// Writes bytes as hexadecimal digits.
fn digits(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn int(cell: &Value) -> Result<Option<i64>, sqlx::Error> {
    let Value::Int(number) = *cell else { return Err(sqlx::Error::Encode("a column of two types".into())) };
    Ok(number)
}

fn text(cell: Value) -> Result<Option<String>, sqlx::Error> {
    let Value::Text(text) = cell else { return Err(sqlx::Error::Encode("a column of two types".into())) };
    Ok(text)
}

fn bytes(cell: Value) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let Value::Bytes(bytes) = cell else { return Err(sqlx::Error::Encode("a column of two types".into())) };
    Ok(bytes)
}

#[derive(Debug, Clone)]
enum Argument {
    One(Value),
    Many(Rows),
}

/// A statement with its values.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    sql: Sql,
    arguments: Vec<Argument>,
}

/// Begins a statement.
pub(crate) fn query(sql: impl Into<Sql>) -> Query {
    Query { sql: sql.into(), arguments: Vec::new() }
}

/// A write transaction. Whatever is not committed is rolled back when this is dropped.
#[derive(Debug)]
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Returns the text for this database.
    pub(crate) const fn text(&self, texts: Each) -> &'static str {
        match self {
            Self::Sqlite(_) => texts.sqlite,
            Self::Postgres(_) => texts.postgres,
        }
    }

    /// Says which tenant the rest of the transaction works for. On SQLite every statement says it itself.
    pub(crate) async fn work_for(&mut self, tenant: TenantId) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(tx) => {
                let text = "SELECT set_config('app.current_tenant', $1, true)";
                sqlx::query(text).bind(tenant.to_string()).execute(&mut **tx).await.map(drop)
            }
        }
    }

    /// Runs a script of several statements, which has no values.
    pub(crate) async fn run_script(&mut self, script: Each) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(tx) => sqlx::raw_sql(script.sqlite).execute(&mut **tx).await.map(drop),
            Self::Postgres(tx) => sqlx::raw_sql(script.postgres).execute(&mut **tx).await.map(drop),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(tx) => echo::told("COMMIT", tx.commit()).await,
            Self::Postgres(tx) => tx.commit().await,
        }
    }
}

impl Readers<'_> {
    /// Returns the text for this database.
    pub(crate) const fn text(&self, texts: Each) -> &'static str {
        match &self.db.0 {
            Backend::Sqlite { .. } => texts.sqlite,
            Backend::Postgres { .. } => texts.postgres,
        }
    }
}

/// Where a statement runs.
pub(crate) enum On<'c> {
    Readers(Readers<'c>),
    Tx(&'c mut Tx),
}

impl<'c> From<Readers<'c>> for On<'c> {
    fn from(readers: Readers<'c>) -> Self {
        Self::Readers(readers)
    }
}

impl<'c> From<&'c mut Tx> for On<'c> {
    fn from(tx: &'c mut Tx) -> Self {
        Self::Tx(tx)
    }
}

impl Query {
    /// Binds the next value.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.arguments.push(Argument::One(value.into()));
        self
    }

    /// Binds the rows of a bulk statement: one parameter on SQLite, one a column on PostgreSQL, so they come last.
    #[must_use]
    pub(crate) fn bind_rows(mut self, rows: Rows) -> Self {
        self.arguments.push(Argument::Many(rows));
        self
    }

    /// Runs it and returns how many rows it wrote.
    pub(crate) async fn execute(self, tx: &mut Tx) -> Result<u64, sqlx::Error> {
        match tx {
            Tx::Sqlite(tx) => Ok(self.for_sqlite()?.execute(&mut **tx).await?.rows_affected()),
            Tx::Postgres(tx) => Ok(self.for_postgres()?.execute(&mut **tx).await?.rows_affected()),
        }
    }

    /// Runs it and returns all rows.
    pub(crate) async fn fetch_all(self, on: impl Into<On<'_>>) -> Result<Vec<Row>, sqlx::Error> {
        let sqlite = |rows: Vec<SqliteRow>| rows.into_iter().map(Row::Sqlite).collect();
        let postgres = |rows: Vec<PgRow>| rows.into_iter().map(Row::Postgres).collect();
        match on.into() {
            On::Tx(Tx::Sqlite(tx)) => self.for_sqlite()?.fetch_all(&mut **tx).await.map(sqlite),
            On::Tx(Tx::Postgres(tx)) => self.for_postgres()?.fetch_all(&mut **tx).await.map(postgres),
            On::Readers(Readers { db, tenant }) => match &db.0 {
                Backend::Sqlite { readers, .. } => readers.fetch_all(self.for_sqlite()?).await.map(sqlite),
                Backend::Postgres { pool, is_frozen: true, .. } => {
                    let mut connection = pool.acquire().await?;
                    let scope = AssertSqlSafe(postgres::scope(tenant));
                    sqlx::raw_sql(scope).execute(&mut *connection).await?;
                    self.for_postgres()?.fetch_all(&mut *connection).await.map(postgres)
                }
                Backend::Postgres { pool, is_frozen: false, .. } => {
                    let mut tx = postgres::begin_read(pool, tenant).await?;
                    let rows = self.for_postgres()?.fetch_all(&mut *tx).await?;
                    tx.commit().await?;
                    Ok(postgres(rows))
                }
            },
        }
    }

    /// Runs it and returns the first row; nothing when there is none.
    pub(crate) async fn fetch_optional(self, on: impl Into<On<'_>>) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.fetch_all(on).await?.into_iter().next())
    }

    /// Runs it and returns the first row, which has to be there.
    pub(crate) async fn fetch_one(self, on: impl Into<On<'_>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    fn for_sqlite<'q>(self) -> Result<Driven<'q, Sqlite, SqliteArguments>, sqlx::Error> {
        let mut query = sqlx::query(self.sql.for_sqlite());
        for argument in self.arguments {
            query = match argument {
                Argument::One(value) => bind(query, value),
                Argument::Many(rows) => query.bind(rows.to_json()?),
            };
        }
        Ok(query)
    }

    fn for_postgres<'q>(self) -> Result<Driven<'q, Postgres, PgArguments>, sqlx::Error> {
        let mut query = sqlx::query(self.sql.for_postgres());
        for argument in self.arguments {
            query = match argument {
                Argument::One(value) => bind(query, value),
                Argument::Many(rows) => rows.bind_columns(query)?,
            };
        }
        Ok(query)
    }
}

/// Binds one value: the one place that says how each kind is encoded.
fn bind<'q, D>(query: Driven<'q, D, D::Arguments>, value: Value) -> Driven<'q, D, D::Arguments>
where
    D: Database,
    Option<i64>: Encode<'q, D> + Type<D>,
    Option<String>: Encode<'q, D> + Type<D>,
    Option<Vec<u8>>: Encode<'q, D> + Type<D>,
{
    match value {
        Value::Int(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    }
}

/// A row of either database.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Reads a column: `i64`, `String`, `Vec<u8>` or an `Option` of one.
    pub(crate) fn get<'r, T>(&'r self, column: &str) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}
