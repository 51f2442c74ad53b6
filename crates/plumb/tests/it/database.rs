//! The database under the product's feet, through the `sqlite3` command: what an operator with the file in
//! hand sees and what an attacker with the file in hand does. Knows no statement of the product's own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use testkit::process::{self, Output};
use testkit::wait;

/// Runs statements; stops at the first that fails, which is an exit status of 1.
pub(crate) fn try_sql(database: &Path, statements: &str) -> Output {
    let mut command = Command::new("sqlite3");
    command.args(["-batch", "-bail", "-init", "/dev/null"]).arg(database);
    process::run(command, format!(".timeout 10000\n{statements}\n").as_bytes(), wait::LONG).unwrap()
}

/// Runs statements that have to work; returns the rows as lines, columns split by `|`.
#[track_caller]
pub(crate) fn sql(database: &Path, statements: &str) -> Vec<String> {
    let done = try_sql(database, statements);
    assert!(done.success(), "{statements}: {done:?}");
    done.stdout.lines().map(str::to_owned).collect()
}

/// Returns the one number that a query gives.
#[track_caller]
pub(crate) fn number(database: &Path, query: &str) -> i64 {
    let rows = sql(database, query);
    assert_eq!(rows.len(), 1, "{query}: {rows:?}");
    rows[0].parse().unwrap()
}

/// Returns the names of all tables.
pub(crate) fn tables(database: &Path) -> Vec<String> {
    sql(
        database,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name;",
    )
}

/// Returns how many rows each table has.
pub(crate) fn row_counts(database: &Path) -> BTreeMap<String, i64> {
    let count = |table: String| {
        let rows = number(database, &format!("SELECT count(*) FROM {table};"));
        (table, rows)
    };
    tables(database).into_iter().map(count).collect()
}

/// Returns everything that is in the tables, as statements.
pub(crate) fn dump(database: &Path) -> Vec<String> {
    sql(database, ".dump")
}

/// Every row, as the statement that puts it there.
pub(crate) struct Rows(BTreeSet<String>);

/// Returns every row of every table.
pub(crate) fn rows(database: &Path) -> Rows {
    Rows(dump(database).into_iter().filter(|line| line.starts_with("INSERT INTO ")).collect())
}

impl Rows {
    /// Returns how many rows of each table are new or changed since an earlier moment.
    pub(crate) fn written_since(&self, before: &Rows) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for row in self.0.difference(&before.0) {
            let table = row.split_whitespace().nth(2).unwrap().split('(').next().unwrap();
            *counts.entry(table.to_owned()).or_default() += 1;
        }
        counts
    }
}

/// Runs statements as whoever owns the file can: without the database's own guards, which stay as they are.
#[track_caller]
pub(crate) fn tamper(database: &Path, statements: &str) -> Vec<String> {
    sql(database, &format!("{UNGUARDED}\n{statements}"))
}

/// Switches triggers off for a session of the `sqlite3` command, and says nothing.
pub(crate) const UNGUARDED: &str = ".output /dev/null\n.dbconfig enable_trigger off\n.output stdout";

/// Returns the SHA-256 of a file, as the `sha256sum` command computes it.
pub(crate) fn sha256sum(path: &Path) -> String {
    let mut command = Command::new("sha256sum");
    command.arg("--").arg(path);
    let done = process::run(command, b"", wait::LONG).unwrap();
    assert!(done.success(), "{done:?}");
    done.stdout.split_whitespace().next().unwrap().to_owned()
}
