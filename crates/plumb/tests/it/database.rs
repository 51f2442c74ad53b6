//! The database under the product's feet, through the `sqlite3` command: what an operator with the file in
//! hand sees and what an attacker with the file in hand does. Knows no statement of the product's own.

use std::collections::BTreeMap;
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

/// Makes the database count the rows that are written to each table from now on, by triggers.
pub(crate) fn count_writes(database: &Path) {
    let mut script = String::from("CREATE TABLE write_count (written TEXT NOT NULL);\n");
    for table in tables(database) {
        for kind in ["INSERT", "UPDATE", "DELETE"] {
            script += &format!(
                "CREATE TRIGGER count_{table}_{kind} AFTER {kind} ON {table} \
                 BEGIN INSERT INTO write_count VALUES ('{kind} {table}'); END;\n"
            );
        }
    }
    sql(database, &script);
}

/// Returns the writes counted since the last call, by kind and table.
pub(crate) fn writes(database: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in sql(database, "SELECT written FROM write_count;") {
        *counts.entry(row).or_default() += 1;
    }
    sql(database, "DELETE FROM write_count;");
    counts
}

/// Takes the database's own guards away, as whoever owns the file can.
pub(crate) fn drop_guards(database: &Path) {
    let names = sql(database, "SELECT name FROM sqlite_schema WHERE type = 'trigger';");
    assert!(names.len() > 20, "{names:?}");
    let script: Vec<String> = names.iter().map(|name| format!("DROP TRIGGER {name};")).collect();
    sql(database, &script.join("\n"));
}

/// Returns the SHA-256 of a file, as the `sha256sum` command computes it.
pub(crate) fn sha256sum(path: &Path) -> String {
    let mut command = Command::new("sha256sum");
    command.arg("--").arg(path);
    let done = process::run(command, b"", wait::LONG).unwrap();
    assert!(done.success(), "{done:?}");
    done.stdout.split_whitespace().next().unwrap().to_owned()
}
