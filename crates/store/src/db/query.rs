//! One statement with its values, run on whichever database is there, and the rows that come back.
//!
//! Texts are shared where they can be; values have three kinds, and each kind has one encoding on both databases.

use std::borrow::Cow;

use model::TenantId;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query as Driven;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{
    AssertSqlSafe, Database, Decode, Encode, Postgres, Row as _, SqlSafeStr as _, SqlStr, Sqlite,
    Transaction, Type,
};

use super::pool::answered;
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
pub(crate) enum Value<'v> {
    Int(Option<i64>),
    Text(Option<Cow<'v, str>>),
    Bytes(Option<Cow<'v, [u8]>>),
}

macro_rules! values {
    ($($from:ty => |$value:ident| $made:expr;)+) => {
        $(impl<'v> From<$from> for Value<'v> {
            fn from($value: $from) -> Self {
                $made
            }
        })+
    };
}

values! {
    i64 => |value| Self::Int(Some(value));
    Option<i64> => |value| Self::Int(value);
    String => |value| Self::Text(Some(value.into()));
    &'v str => |value| Self::Text(Some(value.into()));
    &'v String => |value| Self::Text(Some(value.into()));
    Option<String> => |value| Self::Text(value.map(Cow::Owned));
    &'v Option<String> => |value| Self::Text(value.as_deref().map(Cow::Borrowed));
    Option<&'v str> => |value| Self::Text(value.map(Cow::Borrowed));
    Vec<u8> => |value| Self::Bytes(Some(value.into()));
    &'v Vec<u8> => |value| Self::Bytes(Some(value.into()));
    &'v [u8] => |value| Self::Bytes(Some(value.into()));
}

/// The values of one column.
#[derive(Debug, Clone)]
enum Cells<'v> {
    /// Without any row it has no type of its own: its statement casts it.
    None,
    Int(Vec<Option<i64>>),
    Text(Vec<Option<Cow<'v, str>>>),
    Bytes(Vec<Option<Cow<'v, [u8]>>>),
    /// Values of two types, or not one for each row.
    Unfit,
}

impl<'v> Cells<'v> {
    /// Adds one; there will be about `count`.
    fn push(&mut self, value: Value<'v>, count: usize) {
        if let Self::None = self {
            *self = match value {
                Value::Int(_) => Self::Int(Vec::with_capacity(count)),
                Value::Text(_) => Self::Text(Vec::with_capacity(count)),
                Value::Bytes(_) => Self::Bytes(Vec::with_capacity(count)),
            };
        }
        match (&mut *self, value) {
            (Self::Int(cells), Value::Int(number)) => cells.push(number),
            (Self::Text(cells), Value::Text(text)) => cells.push(text),
            (Self::Bytes(cells), Value::Bytes(bytes)) => cells.push(bytes),
            (cells, _other) => *cells = Self::Unfit,
        }
    }

    /// Writes the value of a row as JSON.
    fn write(&self, row: usize, is_text: bool, json: &mut Vec<u8>) -> Result<(), sqlx::Error> {
        let encode = |err: serde_json::Error| sqlx::Error::Encode(err.into());
        match self {
            Self::Int(cells) => serde_json::to_writer(json, &cells[row]).map_err(encode),
            Self::Text(cells) => serde_json::to_writer(json, &cells[row]).map_err(encode),
            Self::Bytes(cells) if is_text => {
                let text = cells[row].as_deref().map(std::str::from_utf8).transpose();
                let text = text.map_err(|err| sqlx::Error::Encode(err.into()))?;
                serde_json::to_writer(json, &text).map_err(encode)
            }
            Self::Bytes(cells) => {
                serde_json::to_writer(json, &cells[row].as_deref().map(digits)).map_err(encode)
            }
            Self::None | Self::Unfit => Err(unfit()),
        }
    }
}

fn unfit() -> sqlx::Error {
    sqlx::Error::Encode("a column of two types, or with gaps".into())
}

/// The rows of a bulk statement, by column. SQLite gets them as one parameter, a JSON array of arrays; PostgreSQL as one
/// array parameter for each column.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'v> {
    columns: Vec<Cells<'v>>,
    texts: &'static [usize],
    expected: usize,
    count: usize,
}

impl<'v> Rows<'v> {
    /// Begins rows of so many columns; there will be about `count`.
    pub(crate) fn new(width: usize, count: usize) -> Self {
        Self { columns: vec![Cells::None; width], texts: &[], expected: count, count: 0 }
    }

    /// Says in which columns bytes are UTF-8, which needs no digits in JSON.
    pub(crate) const fn with_texts(mut self, columns: &'static [usize]) -> Self {
        self.texts = columns;
        self
    }

    /// Returns how many rows there are.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Adds a row.
    pub(crate) fn push<const N: usize>(&mut self, row: [Value<'v>; N]) {
        self.add(row);
    }

    /// Adds a row of as many values as there are columns: with rows of another width the statement does not run.
    pub(crate) fn add(&mut self, row: impl IntoIterator<Item = Value<'v>>) {
        let mut values = row.into_iter();
        for cells in &mut self.columns {
            match values.next() {
                Some(value) => cells.push(value, self.expected),
                None => *cells = Cells::Unfit,
            }
        }
        if values.next().is_some() {
            self.columns.fill(Cells::Unfit);
        }
        self.count += 1;
    }

    /// Writes the rows as JSON; a single column is an array of its values. Bytes are their hexadecimal digits, or text.
    fn to_json(&self) -> Result<String, sqlx::Error> {
        let width = self.columns.len();
        let mut json = Vec::with_capacity(width * self.count * 32);
        json.push(b'[');
        for row in 0..self.count {
            if row > 0 {
                json.push(b',');
            }
            if width > 1 {
                json.push(b'[');
            }
            for (at, cells) in self.columns.iter().enumerate() {
                if at > 0 {
                    json.push(b',');
                }
                cells.write(row, self.texts.contains(&at), &mut json)?;
            }
            if width > 1 {
                json.push(b']');
            }
        }
        json.push(b']');
        String::from_utf8(json).map_err(|err| sqlx::Error::Encode(err.into()))
    }

    /// Binds an array for each column.
    fn bind_columns<'q>(
        self,
        mut query: Driven<'q, Postgres, PgArguments>,
    ) -> Result<Driven<'q, Postgres, PgArguments>, sqlx::Error> {
        for column in self.columns {
            query = match column {
                Cells::Int(cells) => query.bind(cells),
                Cells::Text(cells) => query.bind(cells),
                Cells::Bytes(cells) => query.bind(cells.iter().map(Option::as_deref).collect::<Vec<_>>()),
                Cells::None => query.bind(Vec::<Option<String>>::new()),
                Cells::Unfit => return Err(unfit()),
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

#[derive(Debug, Clone)]
enum Argument<'v> {
    One(Value<'v>),
    Many(Rows<'v>),
}

/// A statement with its values.
#[derive(Debug, Clone)]
pub(crate) struct Query<'v> {
    sql: Sql,
    arguments: Vec<Argument<'v>>,
}

/// Begins a statement.
pub(crate) fn query<'v>(sql: impl Into<Sql>) -> Query<'v> {
    Query { sql: sql.into(), arguments: Vec::new() }
}

/// A write transaction. Whatever is not committed is rolled back when this is dropped.
#[derive(Debug)]
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(postgres::Transaction),
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
                let set = sqlx::query(text).bind(tenant.to_string());
                answered(tx.answer_limit(), set.execute(tx.on()?)).await.map(drop)
            }
        }
    }

    /// Runs a script of several statements, which has no values.
    pub(crate) async fn run_script(&mut self, script: Each) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(tx) => sqlx::raw_sql(script.sqlite).execute(&mut **tx).await.map(drop),
            Self::Postgres(tx) => sqlx::raw_sql(script.postgres).execute(tx.on()?).await.map(drop),
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

impl<'v> Query<'v> {
    /// Binds the next value.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Value<'v>>) -> Self {
        self.arguments.push(Argument::One(value.into()));
        self
    }

    /// Binds the rows of a bulk statement: one parameter on SQLite, one a column on PostgreSQL, so they come last.
    #[must_use]
    pub(crate) fn bind_rows(mut self, rows: Rows<'v>) -> Self {
        self.arguments.push(Argument::Many(rows));
        self
    }

    /// Runs it and returns how many rows it wrote.
    pub(crate) async fn execute(self, tx: &mut Tx) -> Result<u64, sqlx::Error> {
        match tx {
            Tx::Sqlite(tx) => Ok(self.for_sqlite()?.execute(&mut **tx).await?.rows_affected()),
            Tx::Postgres(tx) => {
                Ok(answered(tx.answer_limit(), self.for_postgres()?.execute(tx.on()?)).await?.rows_affected())
            }
        }
    }

    /// Runs it and returns all rows.
    pub(crate) async fn fetch_all(self, on: impl Into<On<'_>>) -> Result<Vec<Row>, sqlx::Error> {
        let sqlite = |rows: Vec<SqliteRow>| rows.into_iter().map(Row::Sqlite).collect();
        let postgres = |rows: Vec<PgRow>| rows.into_iter().map(Row::Postgres).collect();
        match on.into() {
            On::Tx(Tx::Sqlite(tx)) => self.for_sqlite()?.fetch_all(&mut **tx).await.map(sqlite),
            On::Tx(Tx::Postgres(tx)) => {
                answered(tx.answer_limit(), self.for_postgres()?.fetch_all(tx.on()?)).await.map(postgres)
            }
            On::Readers(Readers { db, tenant }) => match &db.0 {
                Backend::Sqlite { readers, .. } => readers.fetch_all(self.for_sqlite()?).await.map(sqlite),
                Backend::Postgres { pool, is_frozen: true, .. } => {
                    let mut connection = pool.acquire().await?;
                    let scope = AssertSqlSafe(postgres::scope(tenant));
                    pool.answered(sqlx::raw_sql(scope).execute(&mut *connection)).await?;
                    pool.answered(self.for_postgres()?.fetch_all(&mut *connection)).await.map(postgres)
                }
                Backend::Postgres { pool, is_frozen: false, .. } => {
                    let mut tx = postgres::begin_read(pool, tenant).await?;
                    let rows = pool.answered(self.for_postgres()?.fetch_all(tx.on()?)).await?;
                    // The rows are here, however it ends.
                    drop(tx.commit().await);
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

    fn for_sqlite(self) -> Result<Driven<'v, Sqlite, SqliteArguments>, sqlx::Error> {
        let mut query = sqlx::query(self.sql.for_sqlite());
        for argument in self.arguments {
            query = match argument {
                Argument::One(value) => bind(query, value),
                Argument::Many(rows) => query.bind(rows.to_json()?),
            };
        }
        Ok(query)
    }

    fn for_postgres(self) -> Result<Driven<'v, Postgres, PgArguments>, sqlx::Error> {
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
fn bind<'q, D>(query: Driven<'q, D, D::Arguments>, value: Value<'q>) -> Driven<'q, D, D::Arguments>
where
    D: Database,
    Option<i64>: Encode<'q, D> + Type<D>,
    Option<Cow<'q, str>>: Encode<'q, D> + Type<D>,
    Option<Cow<'q, [u8]>>: Encode<'q, D> + Type<D>,
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

#[cfg(test)]
mod tests;
