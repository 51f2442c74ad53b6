//! Tables that only grow refuse every other form of statement, by the database itself (TLW-18).

use model::Status::{Fail, Pass};

use crate::bench::{Bench, at};
use crate::raw::Raw;
use crate::story::{Begun, findings};

/// A table and the rows of it that must never change again.
const TABLES: &[(&str, &str)] = &[
    ("transactions", "true"),
    ("scan_runs", "status IN ('completed', 'failed')"),
    ("manifests", "true"),
    ("evidence", "true"),
    ("corpora", "true"),
    ("audit_events", "true"),
    ("log_entries", "true"),
    ("log_checkpoints", "true"),
    ("rule_sets", "true"),
];

/// A completed scan with changes, one without, one that failed, one that runs, and a checkpoint.
async fn filled() -> (Bench, Raw, Begun) {
    let bench = Bench::sqlite().await;
    let host = bench.host("web-1").await;
    let found = findings(&[("r1", Pass, "v1"), ("r2", Fail, "v2")]);
    bench.scan(host, &found, at(100)).await;
    bench.scan(host, &found, at(200)).await;
    let begun = bench.begin(host, true, at(300)).await.unwrap();
    bench.fail(&begun, at(310)).await.unwrap();
    let running = bench.begin(host, true, at(400)).await.unwrap();
    let head = store::log::StoredCheckpoint {
        size: 1,
        root: crate::story::digest(b"root"),
        note: b"note".to_vec(),
        created_at: at(400),
    };
    assert!(bench.db.store_head(&bench.tenant, &[], &head).await.unwrap());
    let raw = bench.raw().await;
    (bench, raw, running)
}

/// Every statement form that would change, replace or remove rows of a table.
async fn attacks(raw: &mut Raw, table: &str, rows: &str) -> Vec<String> {
    let columns = raw.columns(table).await;
    let key = raw.key(table).await;
    let last = columns.iter().rev().find(|column| !key.contains(column)).unwrap_or(&columns[0]);
    let quoted: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    let list = quoted.join(", ");
    let some = format!("SELECT {list} FROM {table} WHERE {rows}");
    let key = key.join(", ");
    let mut attacks = vec![
        format!("DELETE FROM {table}"),
        format!("DELETE FROM {table} WHERE {rows}"),
        format!(
            "INSERT INTO {table} ({list}) {some} ON CONFLICT ({key}) DO UPDATE SET \"{last}\" = \"{last}\""
        ),
        format!("INSERT INTO {table} ({list}) {some} ON CONFLICT DO UPDATE SET \"{last}\" = \"{last}\""),
    ];
    for or in ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"] {
        attacks.push(format!("INSERT {or} INTO {table} ({list}) {some}"));
        for column in &columns {
            attacks.push(format!("UPDATE {or} {table} SET \"{column}\" = \"{column}\" WHERE {rows}"));
        }
    }
    attacks.push(format!("REPLACE INTO {table} ({list}) {some}"));
    attacks
}

async fn check_attacks(raw: &mut Raw, attacks: &[String]) {
    let before = raw.dump().await;
    let mut through = Vec::new();
    for recursive in ["OFF", "ON"] {
        raw.run(&format!("PRAGMA recursive_triggers = {recursive}")).await.unwrap();
        for sql in attacks {
            if raw.run(sql).await.is_ok() {
                through.push(format!("{recursive}: {sql}"));
            }
            assert_eq!(raw.dump().await, before, "{recursive}: {sql}");
        }
    }
    assert_eq!(through, Vec::<String>::new());
}

/// TLW-18: UPDATE, DELETE, REPLACE and upsert in all their forms, with and without recursive triggers.
#[tokio::test]
async fn every_statement_form_is_refused_on_every_append_only_table() {
    let (_bench, mut raw, _running) = filled().await;
    for (table, rows) in TABLES {
        assert!(raw.number(&format!("SELECT count(*) FROM {table} WHERE {rows}")).await > 0, "{table}");
        let attacks = attacks(&mut raw, table, rows).await;
        check_attacks(&mut raw, &attacks).await;
    }
}

/// TLW-18: a row cannot be pushed out by another row that takes its place in a unique index.
#[tokio::test]
async fn no_row_is_pushed_out_through_another_unique_key() {
    let (_bench, mut raw, running) = filled().await;
    let columns = raw.columns("transactions").await.join(", ");
    let with = |changes: &[(&str, &str)]| {
        let values = changes.iter().fold(format!(", {columns},"), |values, (column, value)| {
            values.replacen(&format!(" {column},"), &format!(" {value},"), 1)
        });
        values.trim_matches([',', ' ']).to_owned()
    };
    let remediated = with(&[
        ("id", "'by-hand'"),
        ("scan_id", "NULL"),
        ("remediation_id", "'remediation-1'"),
        ("origin", "'remediation'"),
    ]);
    let one = "FROM transactions WHERE rule_id = 'r1' AND origin = 'scan' LIMIT 1";
    raw.run(&format!("INSERT INTO transactions ({columns}) SELECT {remediated} {one}")).await.unwrap();
    let run = running.scan.scan_id;
    let attacks = [
        // Same scan and rule, another id.
        format!("INSERT OR REPLACE INTO transactions ({columns}) SELECT {} {one}", with(&[("id", "'x'")])),
        // Same remediation and rule, another id.
        format!(
            "INSERT OR REPLACE INTO transactions ({columns}) SELECT {} FROM transactions
             WHERE origin = 'remediation'",
            with(&[("id", "'x'")])
        ),
        // The running run takes the key of a finished one that nothing refers to.
        format!(
            "UPDATE OR REPLACE scan_runs SET id = (SELECT id FROM scan_runs WHERE status = 'failed')
             WHERE id = '{run}'"
        ),
        format!(
            "UPDATE OR REPLACE scan_runs SET id = (SELECT id FROM scan_runs WHERE status = 'completed'
               AND change_count = 0) WHERE id = '{run}'"
        ),
        format!("UPDATE scan_runs SET id = 'renamed' WHERE id = '{run}'"),
        format!("UPDATE scan_runs SET host_id = 'elsewhere' WHERE id = '{run}'"),
        "INSERT OR REPLACE INTO log_heads SELECT tenant_id, log_id, origin, vkey, 0, 0 FROM log_heads"
            .to_owned(),
        "UPDATE log_heads SET origin = 'another', vkey = 'another'".to_owned(),
        "INSERT OR REPLACE INTO tenants SELECT 'new', slug, 0 FROM tenants".to_owned(),
    ];
    check_attacks(&mut raw, &attacks).await;
}

/// TLW-18: a running row may be ended once; that is the only write that a run accepts.
#[tokio::test]
async fn a_run_is_ended_once() {
    let (bench, mut raw, running) = filled().await;
    bench.fail(&running, at(500)).await.unwrap();
    let before = raw.dump().await;
    bench.fail(&running, at(600)).await.unwrap_err();
    let sql = format!("UPDATE scan_runs SET status = 'running' WHERE id = '{}'", running.scan.scan_id);
    raw.run(&sql).await.unwrap_err();
    assert_eq!(raw.dump().await, before);
}
