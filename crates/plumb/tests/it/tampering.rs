//! Tampering with a live database whose guards were taken away: each edit is found by `plumb ledger verify`,
//! which names where it is (TLW-20, LED-27). Bundles are the business of `proof`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use app::registry::{Guard, TABLES, Table, Vouch};
use serde_json::Value;
use testkit::process::Output;

use crate::database::{number, sql, tamper};
use crate::ours::{at_least_14, closed, folder};
use crate::support::{World, assert_code, assert_refused, at, host, json, world};

/// A record of two scans with every kind of row, in one file, without guards; and copies of it to tamper with.
pub(crate) struct Victim {
    world: World,
    content: String,
}

impl Victim {
    pub(crate) fn new() -> Victim {
        let (world, host) = (world(), host());
        let content = folder(&world, "ours", &[closed("aaa", "low"), at_least_14("bbb", "high")]);
        let scan = ["--content", content.as_str()];
        world.scan(&host, &scan);
        host.must("umask 0177; : >/etc/plumb_aaa; echo 'length = 15' >/etc/plumb_bbb").unwrap();
        world.scan(&host, &scan);
        put_claims(&world);
        let removed = world.plumb(&["--content", &content, "host", "add", "10.0.0.1", "--name", "gone"]);
        assert_code(&removed, 0);
        assert_code(&world.plumb(&["--content", &content, "host", "remove", "gone"]), 0);
        assert_code(&world.plumb(&["--content", &content, "ledger", "verify"]), 0);
        assert_eq!(world.scans(&at("root", &host)).len(), 2);
        sql(&world.database(), "PRAGMA wal_checkpoint(TRUNCATE);");
        Victim { world, content }
    }

    /// Returns the database as it was recorded.
    pub(crate) fn database(&self) -> PathBuf {
        self.world.database()
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn content(&self) -> &str {
        &self.content
    }

    /// Runs the binary on the record.
    pub(crate) fn plumb(&self, words: &[&str]) -> Output {
        self.world.plumb(&[&["--content", &self.content], words].concat())
    }

    /// Runs `statements` on a copy of the record, then a command that signs a checkpoint if `signed`; returns what
    /// `plumb ledger verify` then says.
    pub(crate) fn tampered(&self, statements: &str, signed: bool) -> Output {
        let copy = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
        for file in ["plumb.db", "ledger.key"] {
            fs::copy(self.world.data().join(file), copy.path().join(file)).unwrap();
        }
        let db = copy.path().join("plumb.db");
        let script = format!(
            "PRAGMA ignore_check_constraints = ON;\n{statements}\nSELECT 'changes', total_changes();"
        );
        let rows = tamper(&db, &script);
        assert_ne!(rows.last().unwrap(), "changes|0", "{statements}");
        let data = copy.path().to_str().unwrap();
        if signed {
            assert_code(&self.plumb(&["--data-dir", data, "host", "add", "10.0.0.77"]), 0);
        }
        self.plumb(&["--data-dir", data, "ledger", "verify", "--format", "json"])
    }

    /// As [`Victim::tampered`]; returns exit status and report.
    pub(crate) fn verify_after(&self, statements: &str) -> (Option<i32>, Value) {
        let done = self.tampered(statements, false);
        let report = if done.stdout.is_empty() { Value::String(done.stderr) } else { json(&done) };
        (done.code, report)
    }
}

/// Puts facts and edges: one that is replaced, and as the newest a fact that is retired, an edge that is in force.
fn put_claims(world: &World) {
    let of_fact = ["--type", "desired"];
    for value in ["\"a\"", "\"b\"", "\"b\""] {
        assert_code(&world.plumb(&[&["fact", "put", "fleet:web", "owner", value], &of_fact[..]].concat()), 0);
        assert_code(&world.plumb(&["edge", "put", "fleet:web", "reaches", "network:10.0.0.0/8", value]), 0);
    }
    let retire = [&["fact", "retire", "fleet:web", "owner", "--reason", "gone"], &of_fact[..]].concat();
    assert_code(&world.plumb(&retire), 0);
}

/// Returns the declared types of a table's columns.
pub(crate) fn types(db: &Path, table: &str) -> BTreeMap<String, String> {
    let rows = sql(db, &format!("SELECT name, type FROM pragma_table_info('{table}');"));
    rows.iter().map(|row| row.split_once('|').unwrap()).map(|(n, t)| (n.to_owned(), t.to_owned())).collect()
}

/// Returns an expression for another value of the same type.
pub(crate) fn edited(column: &str, kind: &str) -> String {
    match (column, kind) {
        ("is_full" | "content_signed" | "sudo", _) => format!("1 - \"{column}\""),
        // The next one is taken.
        ("seq" | "superseded_by", _) => format!("coalesce(\"{column}\", 0) + 1000"),
        (_, "INTEGER") => format!("coalesce(\"{column}\", 0) + 1"),
        (_, "BLOB") => format!("zeroblob(length({column}))"),
        (_, "TEXT") => format!(
            "CASE WHEN coalesce(\"{column}\", '') = '' THEN 'x' ELSE substr(\"{column}\", 1, length(\"{column}\") - 1) \
             || CASE WHEN substr(\"{column}\", -1) = '0' THEN '1' ELSE '0' END END"
        ),
        (_, other) => panic!("{column} is of type {other}"),
    }
}

/// Returns a condition that holds for one row of a table: the last by key, of those that are recorded.
pub(crate) fn last_row(db: &Path, table: &Table) -> String {
    let key = sql(
        db,
        &format!(
            "SELECT group_concat('\"' || name || '\"', ', ') FROM (SELECT name FROM pragma_table_info('{}') \
                  WHERE pk > 0 ORDER BY pk);",
            table.name
        ),
    )
    .remove(0);
    let rows = match table.guard {
        Guard::AppendOnlyWhere(rows) => rows,
        Guard::AppendOnly | Guard::ClosedOnce | Guard::OnlyGrows | Guard::NoDelete | Guard::Open => "true",
    };
    let order = key.split(", ").map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
    format!("({key}) = (SELECT {key} FROM {} WHERE {rows} ORDER BY {order} LIMIT 1)", table.name)
}

/// Edits each column of a table in turn, in one row; returns what was not answered as the registry says.
fn undetected(victim: &Victim, table: &Table) -> Vec<String> {
    let mut missed = Vec::new();
    let (db, name) = (victim.database(), table.name);
    if EMPTY.contains(&name) {
        assert_eq!(number(&db, &format!("SELECT count(*) FROM {name};")), 0, "{name}");
        return missed;
    }
    let (types, row) = (types(&db, name), last_row(&db, table));
    for (column, vouch) in table.columns {
        let edit =
            format!("UPDATE {name} SET \"{column}\" = {} WHERE {row};", edited(column, &types[*column]));
        let (code, report) = victim.verify_after(&edit);
        let located = report["findings"].as_array().is_some_and(|findings| {
            findings.iter().any(|finding| finding["table"].is_string() || finding["index"].is_u64())
        });
        let answered = match vouch {
            Vouch::Entry | Vouch::Digest | Vouch::Log | Vouch::Rebuilt => code == Some(2) && located,
            // Refused in one line, before anything is read.
            Vouch::Opening => matches!(code, Some(2 | 69 | 70 | 78)),
            // So that the list of what nobody vouches for holds nothing that somebody does.
            Vouch::Nobody(_) => code == Some(0),
        };
        if !answered {
            missed.push(format!("{name}.{column} ({vouch:?}): {code:?} {report}"));
        }
    }
    missed
}

/// Tables that the record of these tests has no rows in; `keeper`, `repair` and `witness` tamper with them.
const EMPTY: &[&str] = &["log_cosignatures", "log_erasures", "log_events", "log_prunings", "quarantine"];

/// Edits every column of the tables of which `chosen` says so.
#[track_caller]
fn assert_every_edit_is_answered(chosen: impl Fn(&Table) -> bool) {
    let victim = Victim::new();
    let missed: Vec<String> =
        TABLES.iter().filter(|table| chosen(table)).flat_map(|table| undetected(&victim, table)).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// The tables that are long to edit, each in a test of its own so that they run side by side.
const LONG: &[&str] = &["scan_runs", "transactions"];

fn by_entry(table: &Table) -> bool {
    !table.entries.is_empty()
}

#[test]
fn an_edit_of_any_column_of_a_scan_run_is_found_tlw_20_led_67() {
    assert_every_edit_is_answered(|table| table.name == "scan_runs");
}

#[test]
fn an_edit_of_any_column_of_the_change_log_is_found_tlw_20_led_67() {
    assert_every_edit_is_answered(|table| table.name == "transactions");
}

#[test]
fn an_edit_of_any_column_of_another_recorded_row_is_found_tlw_20_led_67() {
    assert_every_edit_is_answered(|table| by_entry(table) && !LONG.contains(&table.name));
}

#[test]
fn an_edit_of_any_column_of_a_blob_the_log_or_the_state_is_found_tlw_20_tlw_21_led_27() {
    assert_every_edit_is_answered(|table| !by_entry(table));
}

/// Asserts that a tampering is found, by a finding with this code, table and index.
#[track_caller]
fn assert_found(victim: &Victim, statements: &str, (code, table, index): (&str, Option<&str>, Option<u64>)) {
    let (exit, report) = victim.verify_after(statements);
    assert_eq!(exit, Some(2), "{statements}: {report:#}");
    assert_eq!(report["ok"], false);
    let wanted = |finding: &Value| {
        finding["code"] == code
            && table.is_none_or(|table| finding["table"] == table)
            && index.is_none_or(|index| finding["index"] == index)
    };
    assert!(report["findings"].as_array().unwrap().iter().any(wanted), "{statements}: {report:#}");
}

#[test]
fn rows_that_are_deleted_inserted_or_swapped_are_found_tlw_20() {
    let victim = Victim::new();
    let newest = "(SELECT max(id) FROM transactions)";
    let one = number(&victim.database(), &format!("SELECT log_index FROM transactions WHERE id = {newest};"));
    let one = u64::try_from(one).unwrap();
    let deleted = format!("DELETE FROM transactions WHERE id = {newest};");
    assert_found(&victim, &deleted, ("row_missing", Some("transactions"), Some(one)));
    let table = TABLES.iter().find(|table| table.name == "audit_events").unwrap();
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let selected = columns.join(", ").replace("audit_id", "'01900000-0000-7000-8000-000000000000'");
    let inserted = format!("INSERT INTO audit_events SELECT {selected} FROM audit_events LIMIT 1;");
    assert_found(&victim, &inserted, ("row_extra", Some("audit_events"), None));
    assert_found(&victim, "DELETE FROM hosts WHERE name = 'gone';", ("row_missing", Some("hosts"), None));
    let blob = "DELETE FROM evidence WHERE sha256 = (SELECT min(sha256) FROM evidence);";
    assert_found(&victim, blob, ("body_missing", None, None));
    // Two rows that change places, each as right as before.
    let swapped = "UPDATE transactions SET rule_id = rule_id || 'x'; \
                   UPDATE transactions SET rule_id = CASE rule_id WHEN 'aaax' THEN 'bbb' ELSE 'aaa' END;";
    assert_found(&victim, swapped, ("row_altered", Some("transactions"), None));
}

#[test]
fn entries_that_are_deleted_inserted_swapped_or_cut_off_are_found_tlw_20() {
    let victim = Victim::new();
    let size =
        u64::try_from(number(&victim.database(), "SELECT max(log_index) + 1 FROM log_entries;")).unwrap();
    assert_found(&victim, "DELETE FROM log_entries WHERE log_index = 5;", ("index_gap", None, Some(5)));
    let cut = format!("DELETE FROM log_entries WHERE log_index = {};", size - 1);
    assert_found(&victim, &cut, ("truncated", None, None));
    let swap = "UPDATE log_entries SET log_index = CASE log_index WHEN 4 THEN 1005 ELSE 1004 END \
                WHERE log_index IN (4, 5); UPDATE log_entries SET log_index = log_index - 1000 WHERE log_index > 1000;";
    assert_found(&victim, swap, ("entry_reordered", None, Some(5)));
    let inserted = format!(
        "INSERT INTO log_entries SELECT tenant_id, log_id, {size}, entry, body FROM log_entries WHERE log_index = 2;"
    );
    assert_found(&victim, &inserted, ("entry_reordered", None, None));
    let forged = "UPDATE log_entries SET body = (SELECT body FROM log_entries WHERE log_index = 7) WHERE log_index = 6;";
    assert_found(&victim, forged, ("body_altered", None, Some(6)));
    let heads = "DELETE FROM log_checkpoints; DELETE FROM log_tiles;";
    assert_found(&victim, heads, ("checkpoint_missing", None, None));
    assert_found(&victim, "DELETE FROM log_tiles;", ("tile_mismatch", Some("log_tiles"), None));
}

/// FCT-24, FCT-59: whoever has the file takes a guard away and then a row. Every start but that of the verifier refuses it
/// by the guard's name, and the verifier names the row that is gone, and the guard.
#[test]
fn fct_59_fct_24_a_guard_that_is_gone_refuses_the_next_start_and_the_verifier_names_what_is_missing() {
    let victim = Victim::new();
    let gone = "(SELECT max(id) FROM transactions)";
    let index = number(&victim.database(), &format!("SELECT log_index FROM transactions WHERE id = {gone};"));
    sql(
        &victim.database(),
        &format!("DROP TRIGGER transactions_no_delete; DELETE FROM transactions WHERE id = {gone};"),
    );
    for words in [&["posture"][..], &["host", "list"], &["state", "verify"], &["scan", "localhost"]] {
        let done = victim.plumb(words);
        assert_refused(&done, 78, "trigger transactions_no_delete is missing");
        assert!(done.stderr.contains("refusing to start: "), "{}", done.stderr);
    }
    let done = victim.plumb(&["ledger", "verify", "--format", "json"]);
    assert_code(&done, 2);
    let report = json(&done);
    let findings = report["findings"].as_array().unwrap();
    let codes: Vec<&str> = findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"schema_tampered"), "{report:#}");
    let missing = findings.iter().find(|finding| finding["code"] == "row_missing").unwrap();
    assert_eq!((&missing["table"], &missing["index"]), (&"transactions".into(), &index.into()), "{report:#}");
}
