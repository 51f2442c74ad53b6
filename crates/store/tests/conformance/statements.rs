//! Every statement that stands in the store as one text has a plan on the schema of its database, so that a misspelt
//! column cannot wait for run time.
//!
//! Statements that are put together from pieces are run by the stories instead; their files are named below.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::{Bench, On};
use crate::raw::Raw;

/// Files whose statements are put together from pieces, or are of one database and its connections alone.
const ELSEWHERE: &[&str] =
    &["facts/sql.rs", "facts/graph.rs", "retention.rs", "copy.rs", "check.rs", "check/", "db/"];

/// How a statement begins.
const BEGINNINGS: &[&str] = &["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH "];

/// Shorter ones are pieces. Bytes.
const LENGTH_MIN: usize = 30;

/// Which database a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Both,
    One(On),
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the string literals of a source, each with what stands before it.
fn literals(text: &str) -> Vec<(String, String)> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(begin) = rest.find('"') {
        let (before, inside) = (&rest[..begin], &rest[begin + 1..]);
        let mut literal = String::new();
        let mut chars = inside.char_indices();
        let mut end = inside.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => literal.extend(chars.next().map(|(_at, c)| c).filter(|c| *c != '\n')),
                c => literal.push(c),
            }
        }
        found.push((before.trim_end().to_owned(), literal));
        rest = &inside[end..];
    }
    found
}

/// Returns every statement with its place.
fn statements() -> Vec<(String, For, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if ELSEWHERE.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        for (before, literal) in literals(&fs::read_to_string(&file).unwrap()) {
            let sql = literal.trim();
            let is_whole = sql.len() >= LENGTH_MIN && !sql.contains(['{', '}']);
            if !is_whole || !BEGINNINGS.iter().any(|begin| sql.starts_with(begin)) {
                continue;
            }
            let database = match before.rsplit([' ', '\n', '{']).next() {
                Some("sqlite:") => For::One(On::Sqlite),
                Some("postgres:") => For::One(On::Postgres),
                _ => For::Both,
            };
            found.push((name.clone(), database, sql.to_owned()));
        }
    }
    found
}

/// Returns the types of the parameters, where the statement itself does not lead to them.
fn types(sql: &str) -> String {
    let count = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
    let types: Vec<&str> = (1..=count)
        .map(|n| if sql.contains(&format!("${n} IS NULL")) { "text" } else { "unknown" })
        .collect();
    if types.is_empty() { String::new() } else { format!(" ({})", types.join(", ")) }
}

/// A misspelt table or column, and a text of the other database, have no plan on either.
async fn every_statement_has_a_plan_on_the_real_schema(on: On) {
    let bench = Bench::on(on).await;
    let mut raw = bench.raw().await;
    let mut planned = 0;
    for (place, database, sql) in statements() {
        if database != For::Both && database != For::One(on) {
            continue;
        }
        let plan = match raw {
            Raw::Sqlite(_) => format!("EXPLAIN {sql}"),
            Raw::Postgres(_) => format!("PREPARE p{planned}{} AS {sql}", types(&sql)),
        };
        raw.run(&plan).await.unwrap_or_else(|why| panic!("{place}: {why}:\n{sql}"));
        planned += 1;
    }
    assert!(planned > 60, "{planned} statements are too few to be all");
    let misspelt = match raw {
        Raw::Sqlite(_) => "EXPLAIN SELECT host_idd FROM hosts WHERE tenant_id = $1",
        Raw::Postgres(_) => "PREPARE misspelt AS SELECT host_idd FROM hosts WHERE tenant_id = $1",
    };
    raw.run(misspelt).await.unwrap_err();
}
on_each!(every_statement_has_a_plan_on_the_real_schema);
