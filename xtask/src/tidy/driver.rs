//! What the store keeps to itself of the database's driver: no pool or connection comes out of it (DBS-03), none is shared by
//! the whole process (DBS-12), nothing shows the driver's options, which hold a password (DBS-25), and the text of a statement
//! is put together only where that is looked at (DBS-01).

use super::rust_text::{Function, words};
use super::{Finding, Rule, RustSource};

const STORE: &str = "crates/store/src/";

/// What stands for a connection that is open.
const CONNECTIONS: &[&str] = &[
    "Pool",
    "SqlitePool",
    "PgPool",
    "PoolConnection",
    "SqliteConnection",
    "PgConnection",
    "Transaction",
    "Tx",
    "Readers",
];

/// What must not outlive whoever made it.
const HANDLES: &[&str] =
    &["Pool", "SqlitePool", "PgPool", "SqliteConnection", "PgConnection", "Db", "App", "Server"];

/// The driver's types whose Debug shows a password.
const OPTIONS: &[&str] = &["PgConnectOptions", "SqliteConnectOptions"];

/// Where statements are put together from texts of this program and names of the catalog, never from a value.
const ASSEMBLED: &[&str] = &[
    "apply.rs",
    "check.rs",
    "copy.rs",
    "db/",
    "dialect.rs",
    "migrate.rs",
    "proof.rs",
    "rebuild.rs",
    "repair.rs",
    "retention.rs",
    "scans.rs",
];

pub(crate) fn check(source: &RustSource<'_>) -> Vec<Finding> {
    if source.file.is_test() || !source.file.path.starts_with("crates/") {
        return Vec::new();
    }
    let mut findings = statics(source);
    if let Some(inside) = source.file.path.strip_prefix(STORE) {
        findings.extend(ways_out(source));
        findings.extend(shown(source));
        if !ASSEMBLED.iter().any(|place| inside.starts_with(place)) {
            findings.extend(assembled(source));
        }
    }
    findings
}

/// Returns the first of some words that stands in code.
fn named<'w>(code: &str, wanted: &[&'w str]) -> Option<&'w str> {
    wanted.iter().find(|word| words(code, word).next().is_some()).copied()
}

/// Finds public functions that return, and public fields that hold, what is open.
fn ways_out(source: &RustSource<'_>) -> Vec<Finding> {
    let code = &source.text.code;
    let is_public = |function: &Function| {
        words(&code[function.before.clone()], "pub")
            .any(|at| !code[function.before.start + at + 3..].starts_with('('))
    };
    let returned = |function: &Function| {
        let signature = &code[function.start..function.body.start];
        let returned = signature.rsplit_once("->")?.1;
        Some((function.start, named(returned, CONNECTIONS)?))
    };
    let functions = source.text.functions();
    let mut found: Vec<(usize, &str)> =
        functions.iter().filter(|f| is_public(f)).filter_map(returned).collect();
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        let field = line.trim_start().strip_prefix("pub ").filter(|rest| !rest.starts_with("use "));
        let held = field.and_then(|rest| rest.split_once(": ")).and_then(|(name, held)| {
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            named(held, CONNECTIONS).filter(|_held| is_name)
        });
        found.extend(held.map(|held| (at, held)));
        at += line.len();
    }
    found
        .into_iter()
        .map(|(at, what)| source.file.finding(source.text.line(at), Rule::DriverOut, what))
        .collect()
}

/// Finds statics that hold a handle or a pool.
fn statics(source: &RustSource<'_>) -> Vec<Finding> {
    let code = &source.text.code;
    let items = words(code, "static").filter(|at| !code[..*at].ends_with('\''));
    items
        .filter_map(|at| {
            let item = code[at..].split(['=', ';', '{']).next()?;
            let held = named(item, HANDLES)?;
            Some(source.file.finding(source.text.line(at), Rule::StaticPool, held))
        })
        .collect()
}

/// Finds what could show the driver's options, in the files that have them.
fn shown(source: &RustSource<'_>) -> Vec<Finding> {
    let code = &source.text.code;
    if named(code, OPTIONS).is_none() {
        return Vec::new();
    }
    let formats =
        source.text.strings.iter().filter(|(_at, text)| text.contains(":?}") || text.contains(":#?}"));
    let mut found: Vec<usize> = formats.map(|(at, _text)| *at).collect();
    for at in words(code, "derive") {
        let item = code[at..].split(['}', ';']).next().unwrap_or_default();
        let (derived, body) = item.split_once(']').unwrap_or_default();
        if words(derived, "Debug").next().is_some() && named(body, OPTIONS).is_some() {
            found.push(at);
        }
    }
    found
        .into_iter()
        .map(|at| source.file.finding(source.text.line(at), Rule::DriverShown, "Debug"))
        .collect()
}

/// Finds statements that are put together elsewhere.
fn assembled(source: &RustSource<'_>) -> Vec<Finding> {
    let makes = ["Assembled", "AssembledEach"];
    let uses = makes.iter().flat_map(|word| words(&source.text.code, word).map(|at| (at, *word)));
    uses.map(|(at, word)| source.file.finding(source.text.line(at), Rule::AssembledSql, word)).collect()
}
