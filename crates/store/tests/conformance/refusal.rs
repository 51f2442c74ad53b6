//! What the database itself refuses, table by table of the registry: every statement form that would change,
//! replace or remove what is recorded (TLW-18, DBS-07, FCT-40 to FCT-50). What a new version may not be is with `closing`.
//!
//! Statements run on connections of their own, as another program would have them: on a file with foreign keys and checks
//! on and off, on a server as superuser, owner and app. Where checks are off, a trigger alone is left to refuse.

use model::ClaimKind;
use model::Status::{Fail, Pass};
use store::registry::{Guard, TABLES};

use crate::attack::{APPEND_ONLY, Attack, Tally, attackers};
use crate::bench::{Bench, On, at};
use crate::forms::{Target, changed, list};
use crate::raw::Raw;
use crate::story::{Begun, findings};

/// Rows of every kind: scans that completed, failed and run, a remediation, keys, a head with a tile, a host
/// that was removed.
pub(crate) async fn filled(on: On) -> (Bench, Raw, Begun) {
    let bench = Bench::on(on).await;
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
        "INSERT INTO transactions ({}) SELECT {remediated} FROM transactions WHERE rule_id = 'r1' AND scan_id IS NOT NULL LIMIT 1",
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

/// Rows that only rare commands write: a cosignature, an event, a row in quarantine, erasures and a pruning of what is not
/// there.
const BY_HAND: &str = "
INSERT INTO log_cosignatures (tenant_id, log_id, size, key_name, key_id, line, received_at_us)
SELECT tenant_id, log_id, size, 'witness', '0011aabb', 'a line', 1 FROM log_checkpoints;
INSERT INTO log_events (tenant_id, event_id, log_id, kind, detail, recorded_at_us, log_index)
SELECT tenant_id, 'event', log_id, 'hold.changed', '{}', 1, 1 FROM log_heads;
INSERT INTO log_erasures (tenant_id, blob, sha256, log_id, erased_index, log_index)
SELECT tenant_id, 'body', '0000000000000000000000000000000000000000000000000000000000000000', log_id, 1000000, 1 FROM log_heads;
INSERT INTO log_prunings (tenant_id, log_id, from_index, to_index, log_index)
SELECT tenant_id, log_id, 1000000, 1000256, 1 FROM log_heads;
INSERT INTO quarantine (tenant_id, quarantine_id, table_name, cells, recorded_at_us, log_index)
SELECT tenant_id, 'row', 'facts', '{}', 1, 3 FROM log_heads;
INSERT INTO log_erasures (tenant_id, blob, sha256, log_id, erased_index, log_index)
SELECT tenant_id, 'evidence', '0000000000000000000000000000000000000000000000000000000000000000', log_id, NULL, 2 FROM log_heads";

/// TLW-18, DBS-07, FCT-40 to FCT-57: UPDATE, DELETE, MERGE, TRUNCATE, REPLACE, upsert and COPY in all their forms, on every
/// guarded table of the registry, by everybody who may try. Prints what was refused under which name.
async fn fct_40_to_fct_57_the_refusal_matrix(on: On) {
    let (bench, mut raw, _running) = filled(on).await;
    let mut all = Vec::new();
    for table in TABLES.iter().filter(|table| table.guard != Guard::Open) {
        let rows = match table.guard {
            Guard::AppendOnlyWhere(rows) => rows,
            Guard::AppendOnly | Guard::ClosedOnce | Guard::OnlyGrows | Guard::NoDelete | Guard::Open => {
                "true"
            }
        };
        let name = table.name;
        assert!(raw.number(&format!("SELECT count(*) FROM {name} WHERE {rows}")).await > 0, "{name}");
        raw.plant_view(name).await;
        all.extend(Target::of(&mut raw, table).await.attacks());
    }
    for kind in [ClaimKind::Fact, ClaimKind::Edge] {
        all.extend(crate::closing::attacks(&mut raw, kind).await);
    }
    all.extend(crate::closing::entries(&mut raw).await);
    if on == On::Postgres {
        let guarded: Vec<&str> =
            TABLES.iter().filter(|table| table.guard != Guard::Open).map(|table| table.name).collect();
        for tail in ["", " CASCADE", " RESTART IDENTITY CASCADE"] {
            let sql =
                format!("TRUNCATE {}{tail}", TABLES.iter().map(|t| t.name).collect::<Vec<_>>().join(", "));
            all.push(Attack::new("FCT-50 TRUNCATE of all", sql, APPEND_ONLY));
        }
        assert!(guarded.len() > 15, "{guarded:?}");
    }
    let mut tally = Tally::default();
    for attacker in &mut attackers(&bench).await {
        tally.check(attacker, &mut raw, &all).await;
    }
    tally.print(&format!("{on:?}"));
    assert!(
        tally.wrong.is_empty(),
        "{} of {}:\n{}",
        tally.wrong.len(),
        tally.tried(),
        tally.wrong.join("\n")
    );
    assert!(tally.tried() > 1_500, "{}", tally.tried());
}
on_each!(fct_40_to_fct_57_the_refusal_matrix);

/// FCT-45, FCT-46: there is no hidden row id to collide on.
#[tokio::test]
async fn no_table_has_a_row_id_fct_45() {
    let (_bench, mut raw, _running) = filled(On::Sqlite).await;
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
    let (bench, mut raw, _running) = filled(On::Sqlite).await;
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

/// TLW-18: a running row may be ended once; that is the only write that a run accepts.
#[tokio::test]
async fn a_run_is_ended_once() {
    let (bench, mut raw, running) = filled(On::Sqlite).await;
    bench.fail(&running, at(500)).await.unwrap();
    let before = raw.dump().await;
    bench.fail(&running, at(600)).await.unwrap_err();
    let sql = format!("UPDATE scan_runs SET status = 'running' WHERE id = '{}'", running.scan.scan_id);
    raw.run(&sql).await.unwrap_err();
    assert_eq!(raw.dump().await, before);
}
