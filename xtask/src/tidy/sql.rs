//! SQL stands in `store` only. Tests may use it to tamper with a database from outside.

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

pub(crate) fn check(source: &RustSource<'_>) -> Vec<Finding> {
    if source.file.is_test() || source.file.path.starts_with(STORE) {
        return Vec::new();
    }
    let statements = source.text.strings.iter().filter(|(_at, literal)| is_statement(literal));
    statements
        .map(|(at, literal)| {
            let subject = literal.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
            source.file.finding(source.text.line(*at), Rule::Sql, subject)
        })
        .collect()
}

fn is_statement(literal: &str) -> bool {
    let text = literal.to_lowercase().replace("\\n", " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    STATEMENTS.iter().any(|(begin, follow)| {
        text.strip_prefix(begin).is_some_and(|rest| format!(" {rest}").contains(follow))
    })
}
