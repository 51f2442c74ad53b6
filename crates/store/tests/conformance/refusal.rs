//! What the database itself refuses, table by table of the registry: every statement form that would change,
//! replace or remove what is recorded (TLW-18, FCT-40 to FCT-48, FCT-51).
//!
//! Statements run on a connection of their own, as another program would have it, with foreign keys and checks
//! on and off: where they are off, a trigger alone is left to refuse.

use model::Status::{Fail, Pass};
use store::registry::{Guard, TABLES, Table};

use crate::bench::{Bench, at};
use crate::raw::Raw;
use crate::story::{Begun, findings};

/// Settings of an attacker's connection.
pub(crate) const SETTINGS: [&str; 3] = [
    "PRAGMA recursive_triggers = OFF; PRAGMA foreign_keys = ON; PRAGMA ignore_check_constraints = OFF",
    "PRAGMA recursive_triggers = ON; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON",
    "PRAGMA recursive_triggers = OFF; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON",
];

/// Ways to say what happens to a row that is in the way.
const CONFLICTS: [&str; 6] = ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"];

/// Rows of every kind: scans that completed, failed and run, a remediation, keys, a head with a tile, a host
/// that was removed.
async fn filled() -> (Bench, Raw, Begun) {
    let bench = Bench::sqlite().await;
    let host = bench.host("web-1").await;
    bench.host("web-2").await;
    bench.other_tenant("other").await;
    let found = findings(&[("r1", Pass, "v1"), ("r2", Fail, "v2")]);
    bench.scan(host, &found, at(100)).await;
    bench.scan(host, &found, at(200)).await;
    let begun = bench.begin(host, true, at(300)).await.unwrap();
    bench.fail(&begun, at(310)).await.unwrap();
    let running = bench.begin(host, true, at(400)).await.unwrap();
    bench.trust("web-1", "key-a", at(410)).await.unwrap();
    bench.trust("web-2", "key-b", at(420)).await.unwrap();
    let tile =
        ledger::tile::Tile { id: ledger::tile::TileId { level: 0, index: 0, width: 2 }, bytes: vec![7; 64] };
    for size in [2, 3] {
        let head = store::log::StoredCheckpoint {
            size,
            root: crate::story::digest(b"root"),
            note: b"note".to_vec(),
            created_at: at(430),
        };
        assert!(bench.db.store_head(&bench.tenant, std::slice::from_ref(&tile), &head, None).await.unwrap());
    }
    let mut raw = bench.raw().await;
    let columns = raw.columns("transactions").await;
    let remediated = changed(
        &columns,
        &[
            ("id", "'by-hand'"),
            ("rule_id", "'r9'"),
            ("scan_id", "NULL"),
            ("remediation_id", "'remediation-1'"),
            ("origin", "'remediation'"),
        ],
    );
    let sql = format!(
        "INSERT INTO transactions ({}) SELECT {remediated} FROM transactions WHERE rule_id = 'r1' LIMIT 1",
        list(&columns)
    );
    raw.run(&sql).await.unwrap();
    raw.run(BY_HAND).await.unwrap();
    for kind in crate::claims::KINDS {
        let (one, other) = (crate::claims::key(kind, "one"), crate::claims::key(kind, "other"));
        for (key, value) in [(&one, "1"), (&one, "2"), (&other, "3")] {
            bench.fresh(&crate::claims::put(key, value), at(500)).await;
        }
        bench.retire(&other, at(500)).await.unwrap();
        bench.fresh(&crate::claims::put(&other, "4"), at(500)).await;
    }
    (bench, raw, running)
}

/// Rows that only rare commands write: a cosignature, an event, erasures and a pruning of what is not there.
const BY_HAND: &str = "
INSERT INTO log_cosignatures (tenant_id, log_id, size, key_name, key_id, line, received_at_us)
SELECT tenant_id, log_id, size, 'witness', '0011aabb', 'a line', 1 FROM log_checkpoints;
INSERT INTO log_events (tenant_id, event_id, log_id, kind, detail, recorded_at_us, log_index)
SELECT tenant_id, 'event', log_id, 'hold.changed', '{}', 1, 1 FROM log_heads;
INSERT INTO log_erasures (tenant_id, blob, sha256, log_id, erased_index, log_index)
SELECT tenant_id, 'body', hex(zeroblob(32)), log_id, 1000000, 1 FROM log_heads;
INSERT INTO log_prunings (tenant_id, log_id, from_index, to_index, log_index)
SELECT tenant_id, log_id, 1000000, 1000256, 1 FROM log_heads;
INSERT INTO log_erasures (tenant_id, blob, sha256, log_id, erased_index, log_index)
SELECT tenant_id, 'evidence', hex(zeroblob(32)), log_id, NULL, 2 FROM log_heads";

pub(crate) fn list(columns: &[String]) -> String {
    columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

/// The columns as a select list, some of them replaced by expressions.
pub(crate) fn changed(columns: &[String], changes: &[(&str, &str)]) -> String {
    let one = |column: &String| {
        let change = changes.iter().find(|(name, _)| name == column);
        change.map_or_else(|| format!("\"{column}\""), |(_, value)| (*value).to_owned())
    };
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// FCT-40: every form of DELETE.
fn deletes(table: &str, rows: &str) -> Vec<String> {
    vec![
        format!("DELETE FROM {table}"),
        format!("DELETE FROM {table} WHERE {rows}"),
        format!("DELETE FROM v_{table}"),
        format!("WITH victims AS (SELECT 1) DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM victims)"),
    ]
}

/// FCT-41, FCT-42, FCT-46: an update of each of these columns, to another value and, where no write at all is
/// let through, to the same one.
fn updates(table: &str, columns: &[String], rows: &str, same_too: bool) -> Vec<String> {
    let mut forms = Vec::new();
    for or in CONFLICTS {
        for column in columns {
            forms.push(format!("UPDATE {or} {table} SET \"{column}\" = {} WHERE {rows}", other(column)));
            if same_too {
                forms.push(format!("UPDATE {or} {table} SET \"{column}\" = \"{column}\" WHERE {rows}"));
            }
        }
    }
    forms
}

/// An expression for another value of the same type; nothing stays nothing.
fn other(column: &str) -> String {
    format!(
        "CASE typeof(\"{column}\") WHEN 'integer' THEN \"{column}\" + 1000000 WHEN 'text' THEN \"{column}\" || 'x' \
         WHEN 'blob' THEN zeroblob(1) END"
    )
}

/// FCT-45, FCT-47, FCT-48: an insert of rows that are there already.
fn inserts(table: &str, columns: &[String], key: &[String], rows: &str) -> Vec<String> {
    let all = list(columns);
    let some = format!("SELECT {all} FROM {table} WHERE {rows}");
    let (key, last) = (list(key), columns.last().unwrap());
    let upsert = format!("DO UPDATE SET \"{last}\" = \"{last}\"");
    let mut forms: Vec<String> =
        CONFLICTS.iter().map(|or| format!("INSERT {or} INTO {table} ({all}) {some}")).collect();
    forms.push(format!("REPLACE INTO {table} ({all}) {some}"));
    for tail in
        ["DO NOTHING".to_owned(), upsert.clone(), format!("({key}) DO NOTHING"), format!("({key}) {upsert}")]
    {
        forms.push(format!("INSERT INTO {table} ({all}) {some} ON CONFLICT {tail}"));
    }
    forms
}

/// FCT-45, FCT-46: for each unique key, a new row that has it from a row that is there, all other keys new; and
/// every other row moved to it. Where rows may change, one with the primary key of another is that row, changed.
async fn thefts(raw: &mut Raw, table: &Table, columns: &[String]) -> Vec<String> {
    let (guard, table) = (table.guard, table.name);
    let (unique, primary) = (raw.unique_keys(table).await, raw.key(table).await);
    let mut forms = Vec::new();
    for (own, rows) in unique.iter().filter(|(own, _)| guard != Guard::NoDelete || *own != primary) {
        let fresh: Vec<(String, String)> = unique
            .iter()
            .flat_map(|(columns, _)| columns)
            .filter(|column| !own.contains(column) && *column != "tenant_id")
            .map(|column| (column.clone(), other(column)))
            .collect();
        let changes: Vec<(&str, &str)> =
            fresh.iter().map(|(column, value)| (column.as_str(), value.as_str())).collect();
        let held =
            own.iter().map(|column| format!("\"{column}\" IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
        forms.push(format!(
            "INSERT OR REPLACE INTO {table} ({}) SELECT {} FROM {table} WHERE {held} AND ({rows}) LIMIT 1",
            list(columns),
            changed(columns, &changes)
        ));
        let sets: Vec<String> = own
            .iter()
            .map(|column| {
                format!("\"{column}\" = (SELECT min(\"{column}\") FROM {table} WHERE {held} AND ({rows}))")
            })
            .collect();
        forms.push(format!("UPDATE OR REPLACE {table} SET {}", sets.join(", ")));
    }
    forms
}

/// Runs each statement under all settings; returns those that were let through or changed anything, and those
/// that were refused for another reason than a guard.
async fn check(raw: &mut Raw, table: &str, attacks: &[String]) -> Vec<String> {
    let (all, before) = (raw.dump().await, raw.rows(table).await);
    let mut wrong = Vec::new();
    for settings in SETTINGS {
        raw.run(settings).await.unwrap();
        for sql in attacks {
            match raw.run(sql).await {
                Ok(written) => wrong.push(format!("{settings}: {written} rows: {sql}")),
                Err(why) if settings == SETTINGS[0] || GUARDS.iter().any(|guard| why.contains(guard)) => {}
                Err(why) => wrong.push(format!("{settings}: {why}: {sql}")),
            }
            assert_eq!(raw.rows(table).await, before, "{settings}: {sql}");
        }
    }
    assert_eq!(raw.dump().await, all, "{table}");
    raw.run(SETTINGS[0]).await.unwrap();
    wrong
}

/// Words of the guards' own refusals.
const GUARDS: &[&str] = &[
    "append-only: ",
    "sequence-violation: ",
    "only grows",
    "the index is not the next one",
    "this host has an active run",
];

/// A view that deletes from its table, as an attacker may make.
async fn plant_view(raw: &mut Raw, table: &str) {
    let sql = format!(
        "CREATE VIEW v_{table} AS SELECT * FROM {table};
         CREATE TRIGGER v_{table}_delete INSTEAD OF DELETE ON v_{table} BEGIN DELETE FROM {table}; END"
    );
    raw.run(&sql).await.unwrap();
}

/// Everything that a table's guard has to refuse.
async fn attacks(raw: &mut Raw, table: &Table) -> Vec<String> {
    let name = table.name;
    let (columns, key) = (raw.columns(name).await, raw.key(name).await);
    match table.guard {
        Guard::AppendOnly => {
            let mut forms = deletes(name, "true");
            forms.extend(updates(name, &columns, "true", true));
            forms.extend(inserts(name, &columns, &key, "true"));
            forms.extend(thefts(raw, table, &columns).await);
            forms
        }
        Guard::AppendOnlyWhere(rows) => {
            let mut forms = deletes(name, "true");
            forms.extend(updates(name, &columns, rows, true));
            // Rows that may still change keep their keys.
            forms.extend(updates(name, &key, "true", false));
            forms.extend(inserts(name, &columns, &key, "true"));
            forms.extend(thefts(raw, table, &columns).await);
            forms
        }
        Guard::ClosedOnce => {
            let mut forms = deletes(name, "true");
            let closing =
                |column: &String| column.starts_with("superseded_") || column.ends_with("t_superseded");
            let kept: Vec<String> = columns.iter().filter(|column| !closing(column)).cloned().collect();
            forms.extend(updates(name, &kept, "true", false));
            forms.extend(updates(name, &columns, "t_superseded IS NOT NULL", true));
            forms.extend(inserts(name, &columns, &key, "true"));
            forms.extend(thefts(raw, table, &columns).await);
            forms
        }
        Guard::OnlyGrows => {
            let mut forms = deletes(name, "true");
            forms.extend(updates(name, &key, "true", false));
            forms.extend(shrinks(name, &columns));
            forms
        }
        Guard::NoDelete => {
            let mut forms = deletes(name, "true");
            forms.extend(updates(name, &key, "true", false));
            forms.extend(thefts(raw, table, &columns).await);
            forms
        }
        Guard::Open => Vec::new(),
    }
}

/// What moves a row of a table that only grows backwards, by hand for each: what forward is only it knows.
fn shrinks(table: &str, columns: &[String]) -> Vec<String> {
    let changes: &[&[(&str, &str)]] = match table {
        "log_heads" => &[&[("size", "size - 1")], &[("last_at_us", "last_at_us - 1")]],
        "log_tiles" => &[
            &[("width", "width - 1"), ("hashes", "substr(hashes, 1, 32 * (width - 1))")],
            &[("hashes", "zeroblob(32 * width)")],
            &[("width", "width + 1"), ("hashes", "zeroblob(32 * (width + 1))")],
        ],
        other => panic!("{other} only grows: say here what would not be growing"),
    };
    let all = list(columns);
    let one = |change: &&[(&str, &str)]| {
        let sets: Vec<String> = change.iter().map(|(column, value)| format!("{column} = {value}")).collect();
        let values = changed(columns, change);
        let mut forms: Vec<String> =
            CONFLICTS.iter().map(|or| format!("UPDATE {or} {table} SET {}", sets.join(", "))).collect();
        forms.push(format!("INSERT OR REPLACE INTO {table} ({all}) SELECT {values} FROM {table}"));
        forms.push(format!("REPLACE INTO {table} ({all}) SELECT {values} FROM {table}"));
        forms
    };
    changes.iter().flat_map(one).collect()
}

/// TLW-18, FCT-40 to FCT-42, FCT-45 to FCT-48: UPDATE, DELETE, REPLACE and upsert in all their forms, on every
/// guarded table of the registry.
#[tokio::test]
async fn every_statement_form_is_refused_on_every_append_only_table() {
    let (_bench, mut raw, _running) = filled().await;
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for table in TABLES {
        let name = table.name;
        if table.guard == Guard::Open {
            continue;
        }
        let rows = match table.guard {
            Guard::AppendOnlyWhere(rows) => rows,
            Guard::AppendOnly | Guard::ClosedOnce | Guard::OnlyGrows | Guard::NoDelete | Guard::Open => {
                "true"
            }
        };
        assert!(raw.number(&format!("SELECT count(*) FROM {name} WHERE {rows}")).await > 0, "{name}");
        plant_view(&mut raw, name).await;
        let attacks = attacks(&mut raw, table).await;
        tried += attacks.len();
        wrong.extend(check(&mut raw, name, &attacks).await);
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 1_000, "{tried}");
}

/// FCT-45, FCT-46: there is no hidden row id to collide on.
#[tokio::test]
async fn no_table_has_a_row_id_fct_45() {
    let (_bench, mut raw, _running) = filled().await;
    for table in TABLES {
        for name in ["rowid", "_rowid_", "oid"] {
            for sql in [
                format!("UPDATE OR REPLACE {} SET {name} = 1", table.name),
                format!("DELETE FROM {} WHERE {name} = 1", table.name),
                format!("INSERT OR REPLACE INTO {} ({name}) VALUES (1)", table.name),
            ] {
                let why = raw.run(&sql).await.expect_err(&sql);
                assert!(why.contains(name) && why.contains("no"), "{sql}: {why}");
            }
        }
    }
}

/// FCT-40: a delete that cascades from a parent table meets the guards of the child.
#[tokio::test]
async fn a_delete_does_not_cascade_into_a_guarded_table_fct_40() {
    let (bench, mut raw, _running) = filled().await;
    raw.run(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'ON DELETE RESTRICT', 'ON DELETE CASCADE');
         PRAGMA writable_schema = RESET;
         DROP TRIGGER tenants_no_delete; DROP TRIGGER hosts_no_delete; DROP TRIGGER log_heads_no_delete",
    )
    .await
    .unwrap();
    let mut raw = bench.raw().await;
    let actions = raw
        .column(
            "SELECT DISTINCT f.on_delete FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f
             WHERE s.type = 'table'",
        )
        .await;
    assert_eq!(actions, ["CASCADE"]);
    let before = raw.dump().await;
    for parent in ["tenants", "hosts", "log_heads"] {
        for recursive in ["ON", "OFF"] {
            raw.run(&format!("PRAGMA recursive_triggers = {recursive}")).await.unwrap();
            let why = raw.run(&format!("DELETE FROM {parent}")).await.expect_err(parent);
            assert!(why.contains("append-only: "), "{parent}: {why}");
            assert_eq!(raw.dump().await, before, "{parent}");
        }
    }
}

/// FCT-51, FCT-55: an entry's index is the next one, with checks off too.
#[tokio::test]
async fn an_index_that_is_not_the_next_one_is_refused_fct_51() {
    let (_bench, mut raw, _running) = filled().await;
    let before = raw.dump().await;
    for settings in SETTINGS {
        raw.run(settings).await.unwrap();
        let next = raw.number("SELECT max(log_index) + 1 FROM log_entries").await;
        let bad = ["NULL", "-1", "0", "'x'", "0.5", "x'00'"].map(str::to_owned);
        for index in bad.into_iter().chain([(next - 1).to_string(), (next + 1).to_string()]) {
            for verb in ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"] {
                let sql = format!(
                    "{verb} INTO log_entries (tenant_id, log_id, log_index, entry, body)
                     SELECT tenant_id, log_id, {index}, entry, body FROM log_entries WHERE log_index = 0"
                );
                let written = raw.run(&sql).await;
                assert!(written.is_err() || written == Ok(0), "{settings}: {sql}: {written:?}");
                assert_eq!(raw.dump().await, before, "{settings}: {sql}");
            }
        }
    }
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
