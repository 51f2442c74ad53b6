//! Taking a table of versions apart, and putting it together again as the migrations make it, for a repair (FCT-23).

use model::ClaimKind;
use sqlx::AssertSqlSafe;

use super::{Backend, Db, Tx, catalog, query, sqlite};
use crate::dialect;
use crate::error::{StoreError, doing};
use crate::facts::statements;

/// What a table is called while its rows are on their way into a new one.
const ASIDE: &str = "taken_apart";
const SAID: &str = "mend the schema";

impl Db {
    /// Begins the one write that mends a schema: of all tenants, and on a file without foreign keys, since a table is made
    /// again. [`Db::end_mending`] comes behind it, however it ends.
    pub(crate) async fn begin_mending(&self) -> Result<Tx, StoreError> {
        if let Backend::Sqlite { writer, .. } = &self.0 {
            sqlite::use_foreign_keys(writer, false).await?;
        }
        self.begin_filling(SAID).await
    }

    /// Ends what [`Db::begin_mending`] began.
    pub(crate) async fn end_mending(&self) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Sqlite { writer, .. } => sqlite::use_foreign_keys(writer, true).await,
            Backend::Postgres { .. } => Ok(()),
        }
    }
}

impl Tx {
    /// Takes from a table what keeps its rows apart and in place: indexes, keys, guards. Nobody else uses it meanwhile.
    pub(crate) async fn take_apart(&mut self, kind: ClaimKind) -> Result<(), StoreError> {
        let table = statements(kind).table;
        match self {
            Self::Sqlite(_) => {
                let parts = query(
                    "SELECT type, name FROM sqlite_schema
                     WHERE tbl_name = $1 AND type IN ('index', 'trigger') AND sql IS NOT NULL
                     ORDER BY name",
                );
                for part in parts.bind(table).fetch_all(&mut *self).await.map_err(doing(SAID))? {
                    let (what, name): (String, String) =
                        (part.get("type").map_err(doing(SAID))?, part.get("name").map_err(doing(SAID))?);
                    self.run(format!("DROP {what} {}", dialect::quoted(&name))).await?;
                }
                Ok(())
            }
            Self::Postgres(_) => self.run(dialect::take_apart(kind)).await,
        }
    }

    /// Makes what [`Tx::take_apart`] took, as the migrations make it.
    ///
    /// # Errors
    /// When a row is not as the table demands, or two are not as its keys do.
    pub(crate) async fn put_together(&mut self, kind: ClaimKind) -> Result<(), StoreError> {
        let table = statements(kind).table;
        if let Self::Sqlite(_) = self {
            return self.make_again(kind).await;
        }
        self.run(dialect::put_together(kind)).await?;
        let guards = query(
            "SELECT CAST(tgname AS TEXT) AS name FROM pg_trigger
             WHERE tgrelid = to_regclass($1) AND NOT tgisinternal
             ORDER BY tgname",
        );
        for guard in guards.bind(table).fetch_all(&mut *self).await.map_err(doing(SAID))? {
            let name: String = guard.get("name").map_err(doing(SAID))?;
            self.run(format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {}", dialect::quoted(&name))).await?;
        }
        Ok(())
    }

    /// Makes a table of a file again, with the same rows.
    async fn make_again(&mut self, kind: ClaimKind) -> Result<(), StoreError> {
        let table = statements(kind).table;
        self.run(format!("ALTER TABLE {table} RENAME TO {ASIDE}")).await?;
        let made = query(
            "SELECT type, sql FROM sqlite_schema WHERE tbl_name = $1 AND sql IS NOT NULL
             ORDER BY CASE type WHEN 'table' THEN 0 ELSE 1 END, rowid",
        );
        for object in catalog::of_a_new_file(made.bind(table)).await? {
            self.run(object.get("sql").map_err(doing(SAID))?).await?;
            if object.get::<String>("type").map_err(doing(SAID))? == "table" {
                self.run(dialect::move_rows(kind, ASIDE)).await?;
                self.run(format!("DROP TABLE {ASIDE}")).await?;
            }
        }
        // The planner's statistics went with the old table.
        let looks = query("SELECT idx, stat FROM sqlite_stat1 WHERE tbl = $1 ORDER BY idx");
        for look in catalog::of_a_new_file(looks.bind(table)).await? {
            query("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ($1, $2, $3)")
                .bind(table)
                .bind(look.get::<String>("idx").map_err(doing(SAID))?)
                .bind(look.get::<String>("stat").map_err(doing(SAID))?)
                .execute(&mut *self)
                .await
                .map_err(doing(SAID))?;
        }
        Ok(())
    }

    /// Runs statements that are put together from constants and from names that the catalog gave.
    async fn run(&mut self, statements: String) -> Result<(), StoreError> {
        let script = sqlx::raw_sql(AssertSqlSafe(statements));
        match self {
            Self::Sqlite(tx) => script.execute(&mut **tx).await.map(drop),
            Self::Postgres(tx) => match tx.on() {
                Ok(on) => script.execute(on).await.map(drop),
                Err(ended) => Err(ended),
            },
        }
        .map_err(doing(SAID))
    }
}
