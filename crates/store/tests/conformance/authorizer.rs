//! What a connection of the product to a file may do: its part's rights of the matrix, as on a server, and nothing else
//! (FCT-26). What the guards in the file refuse to everybody is with `refusal`.

use std::collections::BTreeSet;
use std::fs;

use store::registry::TABLES;

use crate::attack::{Attack, DENIED, Tally, parts};
use crate::bench::{Bench, EVERYDAY, On, PARTS};
use crate::raw::Raw;
use crate::refusal::filled;

/// The lines of the committed matrix about the tables of a part, as the catalog of a server says them.
fn committed(part: &str) -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/privileges.txt");
    let text = fs::read_to_string(path).unwrap();
    let mut all = BTreeSet::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let [role, "table", name, rights @ ..] = &*words
            && *role == part
        {
            all.extend(rights.iter().map(|right| format!("{name} {right}")));
        }
    }
    all
}

/// Asks SQLite to prepare a statement, which does not run; tells whether it is allowed.
async fn may(raw: &mut Raw, sql: &str) -> bool {
    match raw.run(&format!("EXPLAIN {sql}")).await {
        Ok(_) => true,
        Err(why) if why.contains("not authorized") || why.contains("is prohibited") => false,
        Err(why) => panic!("{sql}: {why}"),
    }
}

/// What a part may do with a table, tried column by column. All columns together are the table.
async fn found(raw: &mut Raw, (table, columns): (&str, &[String])) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (right, sql) in [
        ("SELECT", format!("SELECT 1 FROM {table}")),
        ("INSERT", format!("INSERT INTO {table} DEFAULT VALUES")),
        ("DELETE", format!("DELETE FROM {table} WHERE false")),
    ] {
        if may(raw, &sql).await {
            all.insert(format!("{table} {right}"));
        }
    }
    let mut updates = BTreeSet::new();
    for column in columns {
        let reads = may(raw, &format!("SELECT {column} FROM {table}")).await;
        assert_eq!(reads, all.contains(&format!("{table} SELECT")), "{table}.{column}");
        if may(raw, &format!("UPDATE {table} SET {column} = NULL")).await {
            updates.insert(format!("{table} UPDATE({column})"));
        }
    }
    if updates.len() == columns.len() {
        updates = BTreeSet::from([format!("{table} UPDATE")]);
    }
    all.extend(updates);
    all
}

/// FCT-26: on a connection of a part every table and column can be read and written as its lines of the matrix say, and no
/// further.
#[tokio::test]
async fn fct_26_a_part_may_do_with_a_file_what_the_matrix_says() {
    let bench = Bench::sqlite().await;
    let mut eyes = bench.raw().await;
    let views = eyes.column("SELECT name FROM sqlite_schema WHERE type = 'view'").await;
    let mut tables = Vec::new();
    for name in eyes.tables().await.into_iter().chain(views.iter().cloned()) {
        let columns = eyes.columns(&name).await;
        tables.push((name, columns));
    }
    for (part, role, _) in PARTS {
        let mut raw = bench.raw_as(role).await;
        let mut found_all = BTreeSet::new();
        for (name, columns) in &tables {
            if views.contains(name) {
                if may(&mut raw, &format!("SELECT * FROM {name}")).await {
                    found_all.insert(format!("{name} SELECT"));
                }
                continue;
            }
            found_all.extend(found(&mut raw, (name, columns)).await);
        }
        let committed = committed(part);
        println!("{part}: {} rights", found_all.len());
        let missing: Vec<_> = committed.difference(&found_all).collect();
        let extra: Vec<_> = found_all.difference(&committed).collect();
        assert!(missing.is_empty() && extra.is_empty(), "{part}: missing {missing:?}, extra {extra:?}");
    }
    assert!(committed("app").len() > 80, "{:?}", committed("app"));
}

/// Statements on the file as a whole.
const ON_THE_FILE: &[(&str, &str)] = &[
    ("CREATE", "CREATE TABLE mine (a TEXT)"),
    ("CREATE", "CREATE TABLE mine AS SELECT * FROM facts"),
    ("CREATE", "CREATE TEMP TABLE mine (a TEXT)"),
    ("CREATE", "CREATE TEMP TABLE facts (a TEXT)"),
    ("CREATE", "CREATE VIEW mine AS SELECT 1"),
    ("CREATE", "CREATE TEMP VIEW facts AS SELECT 1"),
    ("CREATE", "CREATE VIRTUAL TABLE mine USING fts5 (a)"),
    ("ATTACH", "ATTACH DATABASE ':memory:' AS mine"),
    ("ATTACH", "DETACH DATABASE main"),
    ("ATTACH", "VACUUM"),
    ("ATTACH", "VACUUM INTO '/dev/shm/mine.db'"),
    ("ANALYZE", "ANALYZE"),
    ("REINDEX", "REINDEX"),
    ("load_extension", "SELECT load_extension('mine.so')"),
    ("PRAGMA", "PRAGMA writable_schema = ON"),
    ("PRAGMA", "PRAGMA writable_schema = RESET"),
    ("PRAGMA", "PRAGMA ignore_check_constraints = ON"),
    ("PRAGMA", "PRAGMA foreign_keys = OFF"),
    ("PRAGMA", "PRAGMA recursive_triggers = OFF"),
    ("PRAGMA", "PRAGMA query_only = OFF"),
    ("PRAGMA", "PRAGMA synchronous = OFF"),
    ("PRAGMA", "PRAGMA journal_mode = DELETE"),
    ("PRAGMA", "PRAGMA application_id = 0"),
    ("PRAGMA", "PRAGMA application_id = ''"),
    ("PRAGMA", "PRAGMA user_version = 1"),
    ("PRAGMA", "PRAGMA wal_checkpoint(TRUNCATE)"),
    ("PRAGMA", "PRAGMA trusted_schema = OFF"),
    ("PRAGMA", "PRAGMA schema_version = 1"),
    ("PRAGMA", "PRAGMA temp_store_directory = '/'"),
];

/// FCT-26, FCT-58: nobody makes, changes or removes a table, opens another file, loads code or changes a setting through a
/// connection of the product.
#[tokio::test]
async fn fct_26_fct_58_no_part_changes_the_schema_of_a_file_or_leaves_it() {
    let (bench, mut raw, _running) = filled(On::Sqlite).await;
    let mut all: Vec<Attack> = ON_THE_FILE.iter().map(|(row, sql)| Attack::new(row, *sql, DENIED)).collect();
    for table in TABLES {
        let table = table.name;
        for (row, sql) in [
            ("DROP", format!("DROP TABLE {table}")),
            ("ALTER", format!("ALTER TABLE {table} ADD COLUMN mine TEXT")),
            ("ALTER", format!("ALTER TABLE {table} RENAME TO mine")),
            ("CREATE", format!("CREATE INDEX mine ON {table} (tenant_id)")),
            ("CREATE", format!("CREATE TRIGGER mine BEFORE INSERT ON {table} BEGIN SELECT 1; END")),
            ("CREATE", format!("CREATE TEMP TRIGGER mine BEFORE INSERT ON {table} BEGIN SELECT 1; END")),
            ("DELETE", format!("DELETE FROM {table}")),
        ] {
            all.push(Attack::new(row, sql, DENIED));
        }
    }
    for (kind, row) in [("trigger", "DROP"), ("view", "DROP")] {
        let names = format!("SELECT name FROM sqlite_schema WHERE type = '{kind}' ORDER BY name");
        let names = raw.column(&names).await;
        assert!(!names.is_empty(), "{kind}");
        all.extend(names.iter().map(|name| Attack::new(row, format!("DROP {kind} {name}"), DENIED)));
    }
    let schema = "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY type, name";
    let before = raw.column(schema).await;
    let mut tally = Tally::default();
    for attacker in &mut parts(&bench).await {
        tally.check(attacker, &mut raw, &all).await;
    }
    tally.print("Sqlite, as the product connects");
    for write in ["UPDATE sqlite_schema SET sql = ''", "DELETE FROM sqlite_schema"] {
        // SQLite's own word, as long as nobody sets the pragma above.
        let why = bench.raw_as(EVERYDAY).await.run(write).await.unwrap_err();
        assert!(why.contains("table sqlite_master may not be modified"), "{why}");
    }
    assert_eq!(tally.wrong, Vec::<String>::new());
    assert_eq!(raw.column(schema).await, before);
}
