//! SQL stands in `store` only, and the database's driver in the few files of it that know which database it is. Tests
//! may use both to tamper with a database from outside.

use super::rust_text::words;
use super::{Finding, Rule, RustSource};

/// The folder that may hold statements.
const STORE: &str = "crates/store/";

/// How a statement begins, and a word that has to follow for it to be one and not a sentence.
const STATEMENTS: &[(&str, &str)] = &[
    ("select ", " from "),
    ("insert into ", " values"),
    ("insert into ", " select "),
    ("update ", " set "),
    ("delete from ", ""),
    ("create table ", ""),
    ("create index ", ""),
    ("create unique index ", ""),
    ("create trigger ", ""),
    ("alter table ", ""),
    ("drop table ", ""),
    ("begin ", " immediate"),
    ("pragma ", ""),
];

/// The files that may use the driver, and so match on which database it is.
const DRIVER: &[&str] = &["src/db.rs", "src/db/", "src/dialect.rs", "src/codec.rs", "src/error.rs"];

/// The C interface below the driver.
const RAW_DRIVER: &str = "libsqlite3_sys";

/// What every file of the store may say of the driver: what went wrong in it.
const DRIVER_ERROR: &str = "sqlx::Error";

pub(crate) fn check(source: &RustSource<'_>) -> Vec<Finding> {
    if source.file.is_test() {
        return Vec::new();
    }
    if let Some(inside) = source.file.path.strip_prefix(STORE) {
        return check_driver(source, inside);
    }
    let statements = source.text.strings.iter().filter(|(_at, literal)| is_statement(literal));
    statements
        .map(|(at, literal)| {
            let subject = literal.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
            source.file.finding(source.text.line(*at), Rule::Sql, subject)
        })
        .collect()
}

fn check_driver(source: &RustSource<'_>, inside: &str) -> Vec<Finding> {
    if DRIVER.iter().any(|place| inside.starts_with(place)) {
        return Vec::new();
    }
    let code = &source.text.code;
    let uses = words(code, "sqlx").filter(|at| !code[*at..].starts_with(DRIVER_ERROR)).map(|at| (at, "sqlx"));
    uses.chain(words(code, RAW_DRIVER).map(|at| (at, RAW_DRIVER)))
        .map(|(at, driver)| source.file.finding(source.text.line(at), Rule::Driver, driver))
        .collect()
}

fn is_statement(literal: &str) -> bool {
    let text = literal.to_lowercase().replace("\\n", " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    STATEMENTS.iter().any(|(begin, follow)| {
        text.strip_prefix(begin).is_some_and(|rest| format!(" {rest}").contains(follow))
    })
}
