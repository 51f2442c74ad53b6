//! The database seen from outside the store: plain SQL, a dump of every table, planted triggers.

use std::collections::BTreeMap;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use crate::bench::Bench;

/// Every row of every table, each value in SQL notation; tables without rows are left out.
pub(crate) type Dump = BTreeMap<String, Vec<String>>;

/// A connection of its own, as another program would have.
pub(crate) struct Raw(SqliteConnection);

impl Bench {
    pub(crate) async fn raw(&self) -> Raw {
        let options = SqliteConnectOptions::new().filename(self.path()).foreign_keys(true);
        Raw(options.connect().await.unwrap())
    }

    pub(crate) async fn dump(&self) -> Dump {
        self.raw().await.dump().await
    }
}

impl Raw {
    /// Runs statements; an error is what the database said.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<u64, String> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await;
        done.map(|done| done.rows_affected()).map_err(|err| err.to_string())
    }

    /// Returns the first column of every row as text.
    pub(crate) async fn column(&mut self, sql: &str) -> Vec<String> {
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.0).await.unwrap();
        rows.iter().map(|row| row.try_get::<String, _>(0).unwrap()).collect()
    }

    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        let row = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.0).await.unwrap();
        row.try_get(0).unwrap()
    }

    pub(crate) async fn tables(&mut self) -> Vec<String> {
        self.column(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
        )
        .await
    }

    pub(crate) async fn columns(&mut self, table: &str) -> Vec<String> {
        self.column(&format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid")).await
    }

    /// Returns the columns of the primary key, in order.
    pub(crate) async fn key(&mut self, table: &str) -> Vec<String> {
        self.column(&format!("SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk")).await
    }

    /// Returns every unique key, the primary key among them: its columns and which rows it holds for.
    pub(crate) async fn unique_keys(&mut self, table: &str) -> Vec<(Vec<String>, String)> {
        let sql = format!("SELECT name FROM pragma_index_list('{table}') WHERE \"unique\" = 1 ORDER BY name");
        let mut keys = Vec::new();
        for index in self.column(&sql).await {
            let columns = format!("SELECT name FROM pragma_index_info('{index}') ORDER BY seqno");
            let columns = self.column(&columns).await;
            let text = format!("SELECT coalesce(max(sql), '') FROM sqlite_schema WHERE name = '{index}'");
            let text = self.column(&text).await.remove(0);
            let rows = text.split_once(" WHERE ").map_or("true", |(_, rows)| rows);
            keys.push((columns, rows.to_owned()));
        }
        keys
    }

    pub(crate) async fn dump(&mut self) -> Dump {
        let mut dump = Dump::new();
        for table in self.tables().await {
            let rows = self.rows(&table).await;
            if !rows.is_empty() {
                dump.insert(table, rows);
            }
        }
        dump
    }

    /// Returns the rows of a table, each as `column=value` in SQL notation.
    pub(crate) async fn rows(&mut self, table: &str) -> Vec<String> {
        let columns = self.columns(table).await;
        let quoted: Vec<String> =
            columns.iter().map(|column| format!("'{column}=' || quote(\"{column}\")")).collect();
        let mut rows = self.column(&format!("SELECT {} FROM {table}", quoted.join(" || ' ' || "))).await;
        rows.sort();
        rows
    }

    /// Makes the database refuse a kind of write to a table, when the condition holds.
    pub(crate) async fn plant(&mut self, (event, table): (&str, &str), condition: &str) {
        let sql = format!(
            "CREATE TRIGGER planted BEFORE {event} ON {table} WHEN {condition}
             BEGIN SELECT RAISE(ABORT, 'planted'); END"
        );
        self.run(&sql).await.unwrap();
    }

    pub(crate) async fn pull_out(&mut self) {
        self.run("DROP TRIGGER planted").await.unwrap();
    }

    /// Removes every guard of the database, as somebody with the file could.
    pub(crate) async fn drop_guards(&mut self) {
        for name in self.column("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name").await {
            self.run(&format!("DROP TRIGGER {name}")).await.unwrap();
        }
    }

    /// Counts every row that is written from now on, by any connection.
    pub(crate) async fn count_writes(&mut self) {
        let tables = self.tables().await;
        self.run("CREATE TABLE row_writes (name TEXT NOT NULL)").await.unwrap();
        for table in tables {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                let sql = format!(
                    "CREATE TRIGGER count_{table}_{event} AFTER {event} ON {table}
                     BEGIN INSERT INTO row_writes (name) VALUES ('{event} {table}'); END"
                );
                self.run(&sql).await.unwrap();
            }
        }
    }

    /// Returns the counted writes and begins again.
    pub(crate) async fn take_writes(&mut self) -> Vec<String> {
        let writes = self.column("SELECT name FROM row_writes ORDER BY rowid").await;
        self.run("DELETE FROM row_writes").await.unwrap();
        writes
    }
}
