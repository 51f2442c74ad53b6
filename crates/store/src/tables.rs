//! What tables there are and in which order they can be filled, as the database itself says: a table that nobody thought
//! of is found here all the same.

use std::collections::BTreeSet;

use crate::db::{Readers, query};
use crate::dialect;
use crate::error::{Problem, StoreError, doing};

/// The one table that a database has of its own and that no other database's is copied into.
const VERSIONS: &str = "schema_migrations";
/// The column that says whose a row is.
const TENANT: &str = "tenant_id";
const SAID: &str = "read which tables there are";

/// A table whose rows belong to tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// By name, so that two databases have them in one order.
    pub(crate) columns: Vec<Column>,
    /// What tells rows of one tenant apart, in order.
    pub(crate) key: Vec<String>,
    /// Tables that a row of this one may name.
    references: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Bytes,
}

impl Kind {
    fn of(type_name: &str) -> Option<Self> {
        match type_name {
            "INTEGER" | "bigint" => Some(Self::Int),
            "TEXT" | "text" => Some(Self::Text),
            "BLOB" | "bytea" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// Reads all tables, each behind those that its rows name.
pub(crate) async fn read(on: Readers<'_>) -> Result<Vec<Table>, StoreError> {
    let mut found: Vec<Table> = Vec::new();
    for row in query(dialect::COLUMNS).fetch_all(on).await.map_err(doing(SAID))? {
        let text = |column| row.get::<String>(column).map_err(doing(SAID));
        let (table, column, type_name) = (text("table_name")?, text("column_name")?, text("type_name")?);
        if table == VERSIONS {
            continue;
        }
        let kind = Kind::of(&type_name)
            .ok_or_else(|| unknown(&table, format!("{column} has the unknown type {type_name}")))?;
        if found.last().is_none_or(|last| last.name != table) {
            let references = BTreeSet::new();
            found.push(Table { name: table, columns: Vec::new(), key: Vec::new(), references });
        }
        if let Some(last) = found.last_mut() {
            last.columns.push(Column { name: column, kind });
        }
    }
    for row in query(dialect::KEYS).fetch_all(on).await.map_err(doing(SAID))? {
        let (table, column): (String, String) =
            (row.get("table_name").map_err(doing(SAID))?, row.get("column_name").map_err(doing(SAID))?);
        if let Some(known) = found.iter_mut().find(|known| known.name == table && column != TENANT) {
            known.key.push(column);
        }
    }
    for row in query(dialect::REFERENCES).fetch_all(on).await.map_err(doing(SAID))? {
        let (table, target): (String, String) =
            (row.get("table_name").map_err(doing(SAID))?, row.get("target").map_err(doing(SAID))?);
        if let Some(known) = found.iter_mut().find(|known| known.name == table && target != table) {
            known.references.insert(target);
        }
    }
    in_order(found)
}

/// Puts each table behind those that it names.
fn in_order(mut left: Vec<Table>) -> Result<Vec<Table>, StoreError> {
    let mut ordered: Vec<Table> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_there = |name: &String| ordered.iter().any(|table| table.name == *name);
        let next = left.iter().position(|table| table.references.iter().all(is_there));
        let Some(next) = next else {
            let table = left.swap_remove(0).name;
            return Err(unknown(&table, "tables name each other in a circle".to_owned()));
        };
        ordered.push(left.remove(next));
    }
    match ordered.iter().find(|table| table.columns.iter().all(|column| column.name != TENANT)) {
        Some(table) => Err(unknown(&table.name, "it does not say whose its rows are".to_owned())),
        None => Ok(ordered),
    }
}

fn unknown(table: &str, problem: String) -> StoreError {
    StoreError::Uncopied { table: table.to_owned(), problem: Problem::Other(problem) }
}
