//! Whether the database is built as this program built it: every table, index, guard, function and right of the catalog
//! against what is compiled in (FCT-24). A guard that is weaker than ours, switched off or gone would let through what the
//! record must not lose.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqlitePoolOptions;

use super::query::Query;
use super::{Backend, Db, Each, On, Readers, Row, Tx, query};
use crate::error::{Problem, StoreError, doing};
use crate::migrate;
use crate::privileges::Role;

/// What a file is built of. A digest of [`CATALOG`], since every start compares it.
const FILE_SHA256: &str = "49d6a394b07f078db3d7079dd9c69af48e97601222b5c8102c8b967a702239ba";
/// What a server's database is built of, a line an object.
const SERVER: &str = include_str!("../../migrations/postgres/catalog.txt");
const SAID: &str = "compare the schema with that of this program";

/// Every object on a line, and on a server every right of whoever is not the owner.
const CATALOG: Each = Each {
    sqlite: "
SELECT group_concat(line, char(10)) AS objects, '' AS rights
FROM (SELECT type || ' ' || name || ' on ' || tbl_name || ' ' || replace(coalesce(sql, ''), char(10), ' ') AS line
  FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name)",
    postgres: include_str!("catalog.sql"),
};

impl Db {
    /// Returns how the schema differs from that of this program, naming the first object; nothing where it does not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn schema_difference(&self) -> Result<Option<String>, StoreError> {
        let is_file = matches!(&self.0, Backend::Sqlite { .. });
        difference(Readers { db: self, tenant: None }, is_file).await
    }

    /// Refuses a schema that differs from that of this program. That numbers stand twice says more than which key is gone.
    pub(crate) async fn refuse_other_schema(&self) -> Result<(), StoreError> {
        let Some(what) = self.schema_difference().await? else { return Ok(()) };
        migrate::refuse_missing_keys(self).await?;
        Err(StoreError::Open { place: self.place(), problem: Problem::SchemaMismatch(what), source: None })
    }
}

impl Tx {
    /// As [`Db::schema_difference`], with what this transaction changed.
    pub(crate) async fn schema_difference(&mut self) -> Result<Option<String>, StoreError> {
        let is_file = matches!(self, Self::Sqlite(_));
        difference(self, is_file).await
    }
}

async fn difference(on: impl Into<On<'_>>, is_file: bool) -> Result<Option<String>, StoreError> {
    let row = query(CATALOG).fetch_one(on).await.map_err(doing(SAID))?;
    let objects: Option<String> = row.get("objects").map_err(doing(SAID))?;
    let rights: Option<String> = row.get("rights").map_err(doing(SAID))?;
    let (objects, rights) = (objects.unwrap_or_default(), rights.unwrap_or_default());
    if !is_file {
        return Ok(first_difference(SERVER.trim_end(), &objects).or_else(|| wrong_right(&rights)));
    }
    if digest(&objects) == FILE_SHA256 {
        return Ok(None);
    }
    Ok(first_difference(&fresh_file().await?, &objects))
}

fn digest(objects: &str) -> String {
    ledger::hex::encode(&ledger::sha256(objects.as_bytes()))
}

/// Returns what a file is built of that is made now. Only asked for to say what is wrong with another.
async fn fresh_file() -> Result<String, StoreError> {
    let rows = of_a_new_file(query(CATALOG)).await?;
    let objects = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.get("objects"));
    objects.map_err(doing(SAID))
}

/// Returns what a file answers that is made now.
pub(super) async fn of_a_new_file(asked: Query<'_>) -> Result<Vec<Row>, StoreError> {
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await.map_err(doing(SAID))?;
    let mut tx = pool.begin_with("BEGIN").await.map(Tx::Sqlite).map_err(doing(SAID))?;
    migrate::migrate(&mut tx).await?;
    let rows = asked.fetch_all(&mut tx).await.map_err(doing(SAID))?;
    drop(tx);
    pool.close().await;
    Ok(rows)
}

/// Names the first object that is not there, not ours or not as ours.
fn first_difference(wanted: &str, found: &str) -> Option<String> {
    if wanted == found {
        return None;
    }
    let (wanted, found) = (by_name(wanted), by_name(found));
    let lost = wanted.iter().find(|(name, text)| found.get(*name) != Some(*text)).map(|(name, _)| {
        let how = if found.contains_key(name) { "is not as this program made it" } else { "is missing" };
        format!("{name} {how}")
    });
    let added = || found.keys().find(|name| !wanted.contains_key(*name));
    lost.or_else(|| added().map(|name| format!("{name} is not of this program")))
}

/// Splits lines into kind with name, and the rest.
fn by_name(lines: &str) -> BTreeMap<String, &str> {
    let split = |line| -> Option<(String, &str)> {
        let mut words = str::splitn(line, 3, ' ');
        let (kind, name) = (words.next()?, words.next()?);
        Some((format!("{kind} {name}"), words.next().unwrap_or_default()))
    };
    lines.lines().filter_map(split).collect()
}

/// Names the first right that no part of the matrix has. Each role has exactly the rights of one part, on the objects of
/// the schema; rights on the database itself are the matter of who runs the server.
fn wrong_right(rights: &str) -> Option<String> {
    let mut of_role: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (role, right) in rights.lines().filter_map(|line| line.split_once(' ')) {
        of_role.entry(role).or_default().insert(right.to_owned());
    }
    let parts = Role::ALL.map(|(_, part)| -> BTreeSet<String> {
        part.rights().into_iter().filter(|right| !right.starts_with("database ")).collect()
    });
    let wrong = of_role.iter().find(|(role, has)| **role == "PUBLIC" || !parts.contains(has));
    wrong.and_then(|(role, has)| {
        if *role == "PUBLIC" {
            return has.first().map(|right| format!("the role PUBLIC has the right {right:?}"));
        }
        let nearest = parts.iter().min_by_key(|part| part.symmetric_difference(has).count())?;
        let right = has.symmetric_difference(nearest).chain(has).next()?;
        let verb = if has.contains(right) { "has" } else { "lacks" };
        Some(format!("the role {role} {verb} the right {right:?}, which no part of it explains"))
    })
}

#[cfg(test)]
mod tests;
