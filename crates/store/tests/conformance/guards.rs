//! What a PostgreSQL database itself refuses its own owner, table by table of the registry: every statement form that would
//! change or remove what is recorded (TLW-18, DBS-07, FCT-40 to FCT-48). The forms of SQLite are with `refusal`.

use model::ClaimKind;
use model::Status::{Fail, Pass};
use store::registry::{Guard, TABLES, Table};

use crate::bench::{Bench, On, at};
use crate::claims::{key, put};
use crate::raw::Raw;
use crate::story::findings;

/// Sessions of an attacker: one as any, and one that says that it only replicates, which fires no usual trigger and
/// checks no foreign key.
const SESSIONS: [&str; 2] =
    ["SET session_replication_role = origin", "SET session_replication_role = replica"];

/// Words of the guards' own refusals; a table that others point to is not emptied without them in any session.
const GUARDS: [&str; 8] = [
    "cannot truncate a table referenced",
    "append-only: ",
    "only grows",
    "the index is not the next one",
    "sequence-violation: ",
    "time-violation: ",
    "missing-provenance: ",
    "invalid-value: ",
];

/// Rows of every kind in every guarded table.
async fn filled() -> (Bench, Raw) {
    let bench = Bench::on(On::Postgres).await;
    let host = bench.host("web-1").await;
    bench.host("web-2").await;
    bench.scan(host, &findings(&[("r1", Pass, "v1"), ("r2", Fail, "v2")]), at(100)).await;
    let begun = bench.begin(host, true, at(300)).await.unwrap();
    bench.fail(&begun, at(310)).await.unwrap();
    bench.trust("web-1", "key-a", at(410)).await.unwrap();
    for kind in [ClaimKind::Fact, ClaimKind::Edge] {
        bench.fresh(&put(&key(kind, "owner"), "1"), at(420)).await;
    }
    let tile =
        ledger::tile::Tile { id: ledger::tile::TileId { level: 0, index: 0, width: 2 }, bytes: vec![7; 64] };
    let head = store::log::StoredCheckpoint {
        size: 2,
        root: crate::story::digest(b"root"),
        note: b"note".to_vec(),
        created_at: at(430),
    };
    assert!(bench.db.store_head(&bench.tenant, std::slice::from_ref(&tile), &head, None).await.unwrap());
    let mut raw = bench.raw().await;
    raw.run(BY_HAND).await.unwrap();
    (bench, raw)
}

/// Rows that only rare commands write: a cosignature, an event, an erasure and a pruning of what is not there.
const BY_HAND: &str = "
INSERT INTO log_cosignatures (tenant_id, log_id, size, key_name, key_id, line, received_at_us)
SELECT tenant_id, log_id, size, 'witness', '0011aabb', 'a line', 1 FROM log_checkpoints;
INSERT INTO log_events (tenant_id, event_id, log_id, kind, detail, recorded_at_us, log_index)
SELECT tenant_id, 'event', log_id, 'hold.changed', '{}', 1, 1 FROM log_heads;
INSERT INTO log_erasures (tenant_id, blob, sha256, log_id, erased_index, log_index)
SELECT tenant_id, 'body', repeat('0', 64), log_id, 1000000, 1 FROM log_heads;
INSERT INTO log_prunings (tenant_id, log_id, from_index, to_index, log_index)
SELECT tenant_id, log_id, 1000000, 1000256, 1 FROM log_heads";

/// Every column with an expression for another value of its type; nothing stays nothing.
async fn others(raw: &mut Raw, table: &str) -> Vec<(String, String)> {
    let sql = format!(
        "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
         WHERE attrelid = 'public.{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    );
    let columns = raw.column(&sql).await;
    columns
        .iter()
        .map(|column| {
            let (name, kind) = column.split_once(' ').unwrap();
            let other = match kind {
                "bigint" => format!("\"{name}\" + 1000000"),
                "text" => format!("\"{name}\" || 'x'"),
                "bytea" => "'\\x00'".to_owned(),
                kind => panic!("{table}.{name} is a {kind}"),
            };
            (name.to_owned(), other)
        })
        .collect()
}

fn deletes(table: &str) -> Vec<String> {
    vec![
        format!("DELETE FROM {table}"),
        format!("DELETE FROM ONLY {table} WHERE true"),
        format!("WITH gone AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM gone"),
        format!("MERGE INTO {table} AS t USING (SELECT 1) AS s (one) ON true WHEN MATCHED THEN DELETE"),
        format!("TRUNCATE {table}"),
        format!("TRUNCATE {table} RESTART IDENTITY CASCADE"),
    ]
}

fn updates(table: &str, columns: &[(String, String)], rows: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for (column, other) in columns {
        forms.push(format!(
            "UPDATE {table} SET \"{column}\" = {other} WHERE {rows} AND \"{column}\" IS NOT NULL"
        ));
        forms.push(format!(
            "MERGE INTO {table} AS t USING (SELECT 1) AS s (one) ON {rows} AND \"{column}\" IS NOT NULL
             WHEN MATCHED THEN UPDATE SET \"{column}\" = {other}"
        ));
    }
    forms
}

/// Everything that a table's guard has to refuse.
async fn attacks(raw: &mut Raw, table: &Table) -> Vec<String> {
    let name = table.name;
    let columns = others(raw, name).await;
    // A column that is empty in every row has nothing to change.
    let mut held = Vec::new();
    for (column, other) in columns {
        if raw.number(&format!("SELECT count(*) FROM {name} WHERE \"{column}\" IS NOT NULL")).await > 0 {
            held.push((column, other));
        }
    }
    let key = raw.key(name).await;
    let keys: Vec<(String, String)> =
        held.iter().filter(|(column, _)| key.contains(column)).cloned().collect();
    let all: Vec<String> = held.iter().map(|(column, _)| format!("\"{column}\"")).collect();
    let upsert = format!(
        "INSERT INTO {name} SELECT * FROM {name} WHERE true ON CONFLICT ({}) DO UPDATE SET {} = excluded.{}",
        key.join(", "),
        all[0],
        all[0]
    );
    let mut forms = deletes(name);
    match table.guard {
        Guard::AppendOnly => {
            forms.extend(updates(name, &held, "true"));
            forms.push(upsert);
        }
        Guard::AppendOnlyWhere(rows) => {
            forms.extend(updates(name, &held, rows));
            forms.extend(updates(name, &keys, "true"));
        }
        Guard::OnlyGrows => {
            forms.extend(updates(name, &keys, "true"));
            match name {
                "log_heads" => {
                    forms.push("UPDATE log_heads SET size = size - 1".to_owned());
                    forms.push("UPDATE log_heads SET last_at_us = last_at_us - 1".to_owned());
                }
                "log_tiles" => {
                    forms.push("UPDATE log_tiles SET width = 1, hashes = substr(hashes, 1, 32)".to_owned());
                    forms.push("UPDATE log_tiles SET hashes = decode(repeat('00', 64), 'hex')".to_owned());
                }
                other => panic!("{other} only grows: say here what would not be growing"),
            }
        }
        // A version may be closed; nothing that it has already may change.
        Guard::ClosedOnce => forms.extend(updates(name, &held, "true")),
        Guard::NoDelete => forms.extend(updates(name, &keys, "true")),
        Guard::Open => forms.clear(),
    }
    forms
}

/// TLW-18, DBS-07, FCT-40 to FCT-42: UPDATE, DELETE, MERGE, upsert and TRUNCATE on every guarded table, by the owner, in a
/// session of each kind.
#[tokio::test]
async fn dbs_07_every_statement_form_is_refused_to_the_owner_on_postgresql() {
    let (_bench, mut raw) = filled().await;
    let mut tried = 0;
    for table in TABLES.iter().filter(|table| table.guard != Guard::Open) {
        let name = table.name;
        let count = raw.number(&format!("SELECT count(*) FROM {name}")).await;
        assert!(count > 0, "{name} is empty");
        let before = raw.rows(name).await;
        for sql in attacks(&mut raw, table).await {
            for session in SESSIONS {
                raw.run(session).await.unwrap();
                let why = raw.run(&sql).await.map(|rows| format!("{rows} rows")).expect_err(&sql);
                let by_guard = GUARDS.iter().any(|word| why.contains(word));
                assert!(by_guard || session == SESSIONS[0], "{session}: {sql}: {why}");
                tried += 1;
            }
        }
        assert_eq!(raw.rows(name).await, before, "{name}");
    }
    assert!(tried > 500, "{tried}");
}

/// LED-12, FCT-51: an entry or a version that is not the next one is refused by the database itself, one by one and in
/// bulk.
#[tokio::test]
async fn fct_51_a_number_that_is_not_the_next_one_is_refused_on_postgresql() {
    let (bench, mut raw) = filled().await;
    let before = bench.dump().await;
    let next = raw.number("SELECT max(log_index) + 1 FROM log_entries").await;
    for from in [-1, 0, next - 1, next + 1, next + 1000] {
        for count in [1, 3] {
            let sql = format!(
                "INSERT INTO log_entries SELECT tenant_id, log_id, n, entry, body FROM log_entries,
                 generate_series({from}, {from} + {count} - 1) AS n WHERE log_index = 0"
            );
            raw.run(&sql).await.expect_err(&sql);
        }
    }
    let gap = format!(
        "INSERT INTO log_entries SELECT tenant_id, log_id, n, entry, body FROM log_entries,
         unnest(ARRAY[{next}, {next} + 2]) AS n WHERE log_index = 0"
    );
    let why = raw.run(&gap).await.unwrap_err();
    assert!(why.contains("the index is not the next one"), "{why}");
    assert_eq!(bench.dump().await, before);
    let good = gap.replace(&format!("{next} + 2"), &format!("{next} + 1"));
    assert_eq!(raw.run(&good).await, Ok(2));
}
