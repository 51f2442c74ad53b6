//! The database seen from outside the store: plain SQL, a dump of every table, planted triggers.

use std::collections::BTreeMap;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

use store::privileges::{Role, bind};
use testkit::postgres::SUPERUSER;

use crate::bench::{Bench, Home, PARTS};

/// Every row of every table, each value in SQL notation; tables without rows are left out.
pub(crate) type Dump = BTreeMap<String, Vec<String>>;

/// A connection of its own, as another program would have: the owner's on a server.
pub(crate) enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Bench {
    pub(crate) async fn raw(&self) -> Raw {
        match &*self.home {
            Home::Folder(_) => Raw::Sqlite(self.file().await),
            Home::Server(_) => self.raw_as(SUPERUSER).await,
        }
    }

    /// Connects as one of the roles: to a server for this tenant, unless the role passes by row security; to a file as
    /// the product does for the part of this role.
    pub(crate) async fn raw_as(&self, role: &str) -> Raw {
        let Home::Server(database) = &*self.home else {
            let mut connection = self.file().await;
            let (part, ..) = PARTS.iter().find(|(_, name, _)| *name == role).unwrap();
            let (_, part) = Role::ALL.iter().find(|(name, _)| name == part).unwrap();
            bind(&mut connection, *part).await.unwrap();
            return Raw::Sqlite(connection);
        };
        let url = database.url().replacen(&format!("{SUPERUSER}@"), &format!("{role}@"), 1);
        let mut raw = Raw::Postgres(PgConnection::connect(&url).await.unwrap());
        let scope = format!("SET app.current_tenant = '{}'", self.tenant.id);
        raw.run(&scope).await.unwrap();
        raw
    }

    async fn file(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path()).foreign_keys(true);
        options.connect().await.unwrap()
    }

    pub(crate) async fn dump(&self) -> Dump {
        self.raw().await.dump().await
    }
}

impl Raw {
    /// Runs statements; an error is what the database said.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<u64, String> {
        self.attempt(sql).await.map_err(|err| err.to_string())
    }

    pub(crate) async fn attempt(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let text = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => text.execute(connection).await.map(|done| done.rows_affected()),
            Self::Postgres(connection) => text.execute(connection).await.map(|done| done.rows_affected()),
        }
    }

    /// Returns the first column of every row as text.
    pub(crate) async fn column(&mut self, sql: &str) -> Vec<String> {
        let text = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(connection) => sqlx::query_scalar(text).fetch_all(connection).await.unwrap(),
            Self::Postgres(connection) => sqlx::query_scalar(text).fetch_all(connection).await.unwrap(),
        }
    }

    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        // A sum has a type of its own on a server.
        let sql = self.each(sql, &format!("SELECT CAST(number AS BIGINT) FROM ({sql}) AS one (number)"));
        let text = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(connection) => sqlx::query_scalar(text).fetch_one(connection).await.unwrap(),
            Self::Postgres(connection) => sqlx::query_scalar(text).fetch_one(connection).await.unwrap(),
        }
    }

    /// Returns the text for this database.
    pub(crate) fn each(&self, sqlite: &str, postgres: &str) -> String {
        match self {
            Self::Sqlite(_) => sqlite.to_owned(),
            Self::Postgres(_) => postgres.to_owned(),
        }
    }

    pub(crate) async fn tables(&mut self) -> Vec<String> {
        let sql = self.each(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
            "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'
             ORDER BY tablename COLLATE \"C\"",
        );
        self.column(&sql).await
    }

    /// Returns the columns of a table or a view, in order.
    pub(crate) async fn columns(&mut self, table: &str) -> Vec<String> {
        let sql = self.each(
            &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"),
            &format!(
                "SELECT CAST(attname AS TEXT) FROM pg_attribute
                 WHERE attrelid = 'public.{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
            ),
        );
        self.column(&sql).await
    }

    /// Returns the columns of the primary key, in order.
    pub(crate) async fn key(&mut self, table: &str) -> Vec<String> {
        let sql = self.each(
            &format!("SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk"),
            &format!(
                "SELECT CAST(a.attname AS TEXT) FROM pg_index AS i
                 CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, n)
                 JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                 WHERE i.indrelid = 'public.{table}'::regclass AND i.indisprimary ORDER BY k.n"
            ),
        );
        self.column(&sql).await
    }

    /// Returns every unique key, the primary key among them: its columns and which rows it holds for.
    pub(crate) async fn unique_keys(&mut self, table: &str) -> Vec<(Vec<String>, String)> {
        if matches!(self, Self::Postgres(_)) {
            return self.unique_keys_of_server(table).await;
        }
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

    async fn unique_keys_of_server(&mut self, table: &str) -> Vec<(Vec<String>, String)> {
        let sql = format!(
            "SELECT (SELECT string_agg(a.attname, ',' ORDER BY k.n)
                 FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, n)
                 JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
               || '|' || coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
             FROM pg_index AS i WHERE i.indrelid = 'public.{table}'::regclass AND i.indisunique"
        );
        let keys = self.column(&sql).await;
        keys.iter()
            .map(|key| {
                let (columns, rows) = key.split_once('|').unwrap();
                let rows = rows.strip_prefix('(').and_then(|rows| rows.strip_suffix(')')).unwrap_or(rows);
                (columns.split(',').map(str::to_owned).collect(), rows.to_owned())
            })
            .collect()
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
            columns.iter().map(|column| format!("'{column}=' || {}", self.quoted(column))).collect();
        let mut rows = self.column(&format!("SELECT {} FROM {table}", quoted.join(" || ' ' || "))).await;
        rows.sort();
        rows
    }

    /// Returns the expression for a column's value in SQL notation.
    fn quoted(&self, column: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("quote(\"{column}\")"),
            Self::Postgres(_) => format!("quote_nullable(\"{column}\")"),
        }
    }

    /// Makes the database refuse a kind of write to a table, when the condition holds.
    pub(crate) async fn plant(&mut self, (event, table): (&str, &str), condition: &str) {
        let sql = self.each(
            &format!(
                "CREATE TRIGGER planted BEFORE {event} ON {table} WHEN {condition}
                 BEGIN SELECT RAISE(ABORT, 'planted'); END"
            ),
            &format!(
                "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN RAISE EXCEPTION ''planted''; END';
                 CREATE TRIGGER planted BEFORE {event} ON {table}
                 FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION planted()"
            ),
        );
        self.run(&sql).await.unwrap();
    }

    pub(crate) async fn pull_out(&mut self) {
        let sql = self.each("DROP TRIGGER planted", "DROP FUNCTION planted CASCADE");
        self.run(&sql).await.unwrap();
    }

    /// Removes every guard of the database, as somebody with the file, or its owner, could.
    pub(crate) async fn drop_guards(&mut self) {
        let sql = self.each(
            "SELECT 'DROP TRIGGER ' || name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name",
            "SELECT format('DROP TRIGGER %I ON %s', tgname, CAST(tgrelid AS regclass))
             FROM pg_trigger WHERE NOT tgisinternal",
        );
        for sql in self.column(&sql).await {
            self.run(&sql).await.unwrap();
        }
    }

    /// Counts every row that is written from now on, by any connection; returns the bench through which to write. On a
    /// file it is the owner's, since what a trigger writes is the writer's to answer for.
    pub(crate) async fn count_writes(&mut self, bench: &Bench) -> Bench {
        let counted = match self {
            Self::Sqlite(_) => bench.through(bench.owner().await),
            Self::Postgres(_) => bench.clone(),
        };
        self.count_all().await;
        counted
    }

    async fn count_all(&mut self) {
        let tables = self.tables().await;
        let table = self.each(
            "CREATE TABLE row_writes (name TEXT NOT NULL)",
            "CREATE TABLE row_writes (name TEXT NOT NULL, n BIGINT GENERATED ALWAYS AS IDENTITY);
             CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
             'BEGIN INSERT INTO row_writes (name) VALUES (TG_OP || '' '' || TG_TABLE_NAME); RETURN NULL; END'",
        );
        self.run(&table).await.unwrap();
        for table in tables {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                let sql = self.each(
                    &format!(
                        "CREATE TRIGGER count_{table}_{event} AFTER {event} ON {table}
                         BEGIN INSERT INTO row_writes (name) VALUES ('{event} {table}'); END"
                    ),
                    &format!(
                        "CREATE TRIGGER count_{table}_{event} AFTER {event} ON {table}
                         FOR EACH ROW EXECUTE FUNCTION count_write()"
                    ),
                );
                self.run(&sql).await.unwrap();
            }
        }
    }

    /// Returns the counted writes and begins again.
    pub(crate) async fn take_writes(&mut self) -> Vec<String> {
        let sql =
            self.each("SELECT name FROM row_writes ORDER BY rowid", "SELECT name FROM row_writes ORDER BY n");
        let writes = self.column(&sql).await;
        self.run("DELETE FROM row_writes").await.unwrap();
        writes
    }
}
