//! A changed byte in any ledgered column is found, even with every guard switched off (TLW-20, LED-09).

use model::Status::{Fail, Pass};

use crate::bench::{Bench, at};
use crate::raw::Raw;
use crate::story::findings;

/// Tables with the condition of the rows that the ledger speaks of, and the columns it does not.
const TABLES: &[(&str, &str, &[&str])] = &[
    ("transactions", "true", &[]),
    ("scan_runs", "log_index IS NOT NULL", &["fencing_token"]),
    ("audit_events", "true", &[]),
    ("hosts", "true", &[]),
    // A heartbeat moves without an entry.
    ("host_keys", "true", &["last_seen_at_us"]),
    // One version that another took the place of, one that was retired, one in force.
    ("facts", "superseded_by IS NOT NULL", &[]),
    ("facts", "superseded_by IS NULL", &[]),
    ("facts", "t_superseded IS NULL", &[]),
    ("edges", "superseded_by IS NOT NULL", &[]),
    ("edges", "superseded_by IS NULL", &[]),
    ("edges", "t_superseded IS NULL", &[]),
];

/// By how much a number is changed. The next one may be taken: versions follow each other without gaps.
const STEP: i64 = 1_001;

async fn filled() -> (Bench, Raw) {
    let bench = Bench::sqlite().await;
    let host = bench.host("web-1").await;
    bench.scan(host, &findings(&[("r1", Pass, "v1")]), at(100)).await;
    bench.scan(host, &findings(&[("r1", Fail, "v2"), ("r2", Pass, "v1")]), at(200)).await;
    bench.trust("web-1", "key-a", at(300)).await.unwrap();
    for kind in crate::claims::KINDS {
        let key = crate::claims::key(kind, "owner");
        bench.fresh(&crate::claims::put(&key, "1"), at(400)).await;
        bench.fresh(&crate::claims::put(&key, "2"), at(410)).await;
        bench.retire(&key, at(420)).await.unwrap();
        bench.fresh(&crate::claims::put(&key, "3"), at(430)).await;
    }
    let mut raw = bench.raw().await;
    raw.drop_guards().await;
    raw.run("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON").await.unwrap();
    (bench, raw)
}

/// TLW-20: one edit in every column of every ledgered table.
#[tokio::test]
async fn an_edit_of_any_ledgered_column_is_found() {
    let (bench, mut raw) = filled().await;
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    let before = raw.dump().await;
    let mut unseen = Vec::new();
    let mut edits = 0;
    for (table, rows, exempt) in TABLES {
        let columns = raw.columns(table).await;
        for column in columns.iter().filter(|column| !exempt.contains(&column.as_str())) {
            // One row, named by its key before and after.
            let first = format!("(SELECT min(log_index) FROM {table} WHERE {rows})");
            let whole = format!("CREATE TABLE kept AS SELECT * FROM {table} WHERE log_index = {first}");
            raw.run(&whole).await.unwrap();
            let edit = format!(
                "UPDATE {table} SET \"{column}\" = CASE typeof(\"{column}\")
                   WHEN 'integer' THEN \"{column}\" + {STEP} WHEN 'text' THEN \"{column}\" || 'x'
                   ELSE (SELECT CASE type WHEN 'TEXT' THEN 'x' ELSE {STEP} END
                         FROM pragma_table_info('{table}') WHERE name = '{column}') END
                 WHERE log_index = {first}"
            );
            raw.run(&edit).await.unwrap();
            assert_ne!(raw.rows(table).await, before[*table], "{table}.{column} was not edited");
            if bench.ledger_problems().await.is_empty() {
                unseen.push(format!("{table}.{column}"));
            }
            edits += 1;
            // Put the row back as it was; the edit may have moved its key or its index.
            let back = format!(
                "DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM kept) OR ({key});
                 INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept",
                key = edited_key(&mut raw, table, column).await
            );
            raw.run(&back).await.unwrap();
            assert_eq!(raw.rows(table).await, before[*table], "{table}.{column} was not put back");
        }
    }
    assert_eq!(unseen, Vec::<String>::new());
    assert!(edits > 80, "{edits}");
}

/// Names the edited row: all of its key as kept, but for the column that was edited.
async fn edited_key(raw: &mut Raw, table: &str, column: &str) -> String {
    let key = raw.key(table).await;
    let same: Vec<String> = key
        .iter()
        .filter(|name| *name != column)
        .map(|name| format!("\"{name}\" = (SELECT \"{name}\" FROM kept)"))
        .chain(
            key.contains(&column.to_owned())
                .then(|| {
                    format!(
                        "\"{column}\" IN (SELECT \"{column}\" || 'x' FROM kept)
                   OR \"{column}\" IN (SELECT \"{column}\" + {STEP} FROM kept)"
                    )
                })
                .map(|or| format!("({or})")),
        )
        .collect();
    same.join(" AND ")
}

/// TLW-20: a row that was deleted, one that was slipped in, two that changed places, a blob that was edited.
#[tokio::test]
async fn a_deletion_an_insertion_a_swap_and_an_edited_blob_are_found() {
    let edits = [
        "DELETE FROM transactions WHERE rule_id = 'r2'",
        "DELETE FROM audit_events WHERE log_index = (SELECT min(log_index) FROM audit_events)",
        "DELETE FROM host_keys",
        "INSERT INTO audit_events SELECT tenant_id, '00000000-0000-0000-0000-00000000ffff', recorded_at_us,
           actor, action, phase, decision, subject, detail, correlation_id, log_index FROM audit_events LIMIT 1",
        "UPDATE transactions SET log_index = CASE log_index
           WHEN (SELECT min(log_index) FROM transactions) THEN (SELECT max(log_index) FROM transactions)
           WHEN (SELECT max(log_index) FROM transactions) THEN (SELECT min(log_index) FROM transactions)
           ELSE log_index END",
        "UPDATE evidence SET body = CAST('{}' AS BLOB)",
        "UPDATE manifests SET body = CAST('{}' AS BLOB)",
        "DELETE FROM evidence",
        "UPDATE log_entries SET body = CAST(replace(CAST(body AS TEXT), 'fail', 'pass') AS BLOB)",
        "UPDATE log_entries SET entry = CAST(replace(CAST(entry AS TEXT), 'tester', 'nobody') AS BLOB)",
        "DELETE FROM log_entries WHERE log_index = (SELECT max(log_index) FROM log_entries)",
        "DELETE FROM log_entries WHERE log_index = 3",
        "UPDATE log_entries SET log_index = 1000 WHERE log_index = 3",
        "UPDATE log_heads SET size = size - 1",
        "UPDATE log_heads SET vkey = 'another'",
    ];
    for sql in edits {
        let (bench, mut raw) = filled().await;
        let head = bench.head().await;
        assert_eq!(bench.problems_under(Some(&head)).await, Vec::<String>::new());
        assert!(raw.run(sql).await.unwrap() > 0, "{sql}");
        let again = bench.for_tenant(&bench.db.find_tenant("default").await.unwrap().unwrap());
        assert!(!again.problems_under(Some(&head)).await.is_empty(), "{sql}");
    }
}
