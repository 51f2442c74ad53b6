//! The tables as the requirement sheet names them, and what the database itself refuses.

use model::Status::{Fail, Pass};

use crate::bench::{Bench, at};
use crate::raw::Raw;
use crate::story::findings;

/// Two hosts, a finished scan with findings, one finished without changes, one that runs.
async fn filled() -> (Bench, Raw) {
    let bench = Bench::sqlite().await;
    let host = bench.host("web-1").await;
    let found = findings(&[("r1", Pass, "v1"), ("r2", Fail, "v2")]);
    bench.scan(host, &found, at(100)).await;
    bench.scan(host, &found, at(200)).await;
    bench.begin(host, true, at(300)).await.unwrap();
    bench.host("web-2").await;
    let raw = bench.raw().await;
    (bench, raw)
}

async fn check_columns(raw: &mut Raw, table: &str, wanted: &[&str]) {
    let columns = raw.columns(table).await;
    for column in wanted {
        assert!(columns.contains(&(*column).to_owned()), "{table} has no {column}: {columns:?}");
    }
}

async fn check_refused(raw: &mut Raw, sql: &str, word: &str) {
    let before = raw.dump().await;
    let err = raw.run(sql).await.expect_err(sql);
    assert!(err.contains(word), "{sql}: {err}");
    assert_eq!(raw.dump().await, before, "{sql}");
}

/// TLW-15: the current state has its columns; the two counters are derived by a view.
#[tokio::test]
async fn host_rule_state_has_its_columns_and_the_counters_are_derived() {
    let (_bench, mut raw) = filled().await;
    let columns = [
        "host_id",
        "rule_id",
        "current_status",
        "severity",
        "value_digest",
        "evidence_sha256",
        "skip_reason",
        "first_seen_at",
        "last_changed_at",
        "last_value_changed_at",
    ];
    check_columns(&mut raw, "host_rule_state", &columns).await;
    assert_eq!(raw.key("host_rule_state").await, ["tenant_id", "host_id", "rule_id"]);
    check_columns(&mut raw, "host_rule_checked", &["last_checked_at", "check_count"]).await;
}

/// TLW-16: the change log has its columns, unique keys and indexes.
#[tokio::test]
async fn transactions_has_its_columns_keys_and_indexes() {
    let (_bench, mut raw) = filled().await;
    let columns = [
        "id",
        "host_id",
        "rule_id",
        "scan_id",
        "remediation_id",
        "origin",
        "prior_status",
        "status",
        "prior_severity",
        "severity",
        "change_kind",
        "prior_value_digest",
        "value_digest",
        "evidence_sha256",
        "skip_reason",
        "rule_digest",
        "engine_digest",
        "policy_digest",
        "policy_version",
        "correlation_id",
        "occurred_at",
        "recorded_at",
        "log_index",
    ];
    check_columns(&mut raw, "transactions", &columns).await;
    let indexes = raw
        .column(
            "SELECT i.\"unique\" || ' ' || (SELECT group_concat(x.name || iif(x.desc, ' desc', ''), ', ')
               FROM pragma_index_xinfo(i.name) AS x WHERE x.key = 1)
             FROM pragma_index_list('transactions') AS i ORDER BY 1",
        )
        .await;
    assert_eq!(
        indexes,
        [
            "0 tenant_id, host_id, rule_id, occurred_at desc",
            "1 tenant_id, id",
            "1 tenant_id, remediation_id, rule_id",
            "1 tenant_id, scan_id, rule_id",
        ]
    );
}

/// JOB-14: a scan run has its columns.
#[tokio::test]
async fn scan_runs_has_its_columns() {
    let (_bench, mut raw) = filled().await;
    let columns = [
        "id",
        "host_id",
        "trigger",
        "requested_by",
        "profile_id",
        "status",
        "pass_count",
        "fail_count",
        "skipped_count",
        "error_count",
        "not_applicable_count",
        "failure_reason",
        "policy_version",
        "corpus_digest",
        "engine_digest",
        "policy_digest",
        "manifest_sha256",
        "queued_at",
        "started_at",
        "measured_at",
        "finished_at",
    ];
    check_columns(&mut raw, "scan_runs", &columns).await;
}

/// TLW-15, TLW-16, TLW-25: a value outside a closed set, an origin that does not fit and a missing origin
/// are refused by the database.
#[tokio::test]
async fn values_outside_the_closed_sets_are_refused() {
    let (_bench, mut raw) = filled().await;
    let updates = [
        "UPDATE host_rule_state SET current_status = 'unknown'",
        "UPDATE host_rule_state SET severity = 'severe'",
        "UPDATE host_posture SET compliance_state = 'fine'",
        "UPDATE hosts SET transport = 'telnet'",
        "UPDATE hosts SET port = 65536",
        "UPDATE scan_runs SET status = 'paused' WHERE status = 'running'",
        "UPDATE scan_runs SET \"trigger\" = 'manual' WHERE status = 'running'",
    ];
    for sql in updates {
        check_refused(&mut raw, sql, "CHECK").await;
    }
    let columns = raw.columns("transactions").await.join(", ");
    let insert = |changed: &[(&str, &str)]| {
        let mut values =
            format!(", {columns},").replacen(" id,", " 'new',", 1).replacen(" rule_id,", " 'new',", 1);
        for (column, value) in changed {
            values = values.replacen(&format!(" {column},"), &format!(" {value},"), 1);
        }
        let values = values.trim_matches([',', ' ']).to_owned();
        format!("INSERT INTO transactions ({columns}) SELECT {values} FROM transactions LIMIT 1")
    };
    let bad: [(&[(&str, &str)], &str); 8] = [
        (&[("status", "'unknown'")], "CHECK"),
        (&[("prior_status", "'unknown'")], "CHECK"),
        (&[("severity", "'none'")], "CHECK"),
        (&[("change_kind", "'moved'")], "CHECK"),
        (&[("origin", "'human'")], "CHECK"),
        (&[("origin", "'remediation'")], "CHECK"),
        (&[("remediation_id", "'r'")], "CHECK"),
        (&[("origin", "NULL")], "NOT NULL"),
    ];
    for (changed, word) in bad {
        check_refused(&mut raw, &insert(changed), word).await;
    }
    let sql = insert(&[("status", "CAST('pass' AS BLOB)")]);
    check_refused(&mut raw, &sql, "").await;
    let number_for_instant = insert(&[("occurred_at", "'yesterday'")]);
    check_refused(&mut raw, &number_for_instant, "cannot store TEXT").await;
    raw.run(&insert(&[])).await.unwrap();
}

/// TLW-17: hosts, runs and evidence with findings cannot be deleted, even where the guards are switched off.
#[tokio::test]
async fn hosts_runs_and_evidence_with_findings_cannot_be_deleted() {
    let (_bench, mut raw) = filled().await;
    let deletes = [
        "DELETE FROM hosts WHERE name = 'web-1'",
        "DELETE FROM scan_runs WHERE id IN (SELECT scan_id FROM transactions)",
        "DELETE FROM evidence",
        "DELETE FROM tenants",
    ];
    for sql in deletes {
        raw.run(sql).await.expect_err(sql);
    }
    raw.drop_guards().await;
    for sql in deletes {
        check_refused(&mut raw, sql, "FOREIGN KEY").await;
    }
    let actions = raw
        .column(
            "SELECT DISTINCT f.on_delete FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f
             WHERE s.type = 'table'",
        )
        .await;
    assert_eq!(actions, ["RESTRICT"]);
}

/// JOB-14: a second active run of a host is refused by the database, in every way of writing it.
#[tokio::test]
async fn a_second_active_run_of_a_host_is_refused_by_the_database() {
    let (_bench, mut raw) = filled().await;
    let columns = raw.columns("scan_runs").await.join(", ").replace("trigger", "\"trigger\"");
    for status in ["queued", "running"] {
        for verb in ["INSERT", "INSERT OR REPLACE", "REPLACE", "INSERT OR FAIL"] {
            let values = format!(", {columns},").replacen(" id,", " 'new',", 1).replacen(
                " status,",
                &format!(" '{status}',"),
                1,
            );
            let values = values.trim_matches([',', ' ']);
            let sql = format!(
                "{verb} INTO scan_runs ({columns}) SELECT {values} FROM scan_runs WHERE status = 'running'"
            );
            check_refused(&mut raw, &sql, "").await;
        }
    }
}

/// Registry tables have no hidden key and no silent change of type.
#[tokio::test]
async fn every_table_is_strict_and_without_rowid() {
    let (_bench, mut raw) = filled().await;
    let loose = raw
        .column(
            "SELECT name FROM pragma_table_list
             WHERE type = 'table' AND schema = 'main' AND name NOT LIKE 'sqlite%' AND (NOT strict OR NOT wr)",
        )
        .await;
    assert_eq!(loose, Vec::<String>::new());
}
