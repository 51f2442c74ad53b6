//! What the database itself refuses on facts and edges: a version is put once, at the end, and closed once
//! (FCT-42 to FCT-44, FCT-51 to FCT-55). The forms of UPDATE, DELETE and REPLACE that no row accepts are with `refusal`.

use model::ClaimKind;

use crate::bench::{Bench, at};
use crate::claims::{KINDS, key, put, table};
use crate::raw::Raw;
use crate::refusal::{SETTINGS, changed, list};

/// One version that is closed, one active of the same key, one active of another.
async fn filled(kind: ClaimKind) -> (Bench, Raw) {
    let bench = Bench::sqlite().await;
    let one = key(kind, "owner");
    bench.fresh(&put(&one, "1"), at(100)).await;
    bench.fresh(&put(&one, "2"), at(200)).await;
    bench.fresh(&put(&key(kind, "other"), "3"), at(300)).await;
    bench.retire(&key(kind, "other"), at(400)).await.unwrap();
    let raw = bench.raw().await;
    (bench, raw)
}

/// Runs statements under all settings: each has to be refused with its word, and change nothing.
async fn check(raw: &mut Raw, attacks: &[(String, &str)]) {
    let before = raw.dump().await;
    for settings in SETTINGS {
        raw.run(settings).await.unwrap();
        for (sql, word) in attacks {
            let why = raw.run(sql).await.expect_err(sql);
            assert!(why.contains(word), "{settings}: {sql}: {why}");
            assert_eq!(raw.dump().await, before, "{settings}: {sql}");
        }
    }
    raw.run(SETTINGS[0]).await.unwrap();
}

/// A legal close of the active version, with some of its parts replaced.
fn close(table: &str, changes: &[(&str, &str)]) -> String {
    let legal = [
        ("t_superseded", "t_recorded + 1"),
        ("t_invalid", "t_valid + 1"),
        ("superseded_by", "NULL"),
        ("superseded_actor", "'a'"),
        ("superseded_reason", "'r'"),
        ("superseded_index", "log_index + 1"),
    ];
    let mut sets: Vec<String> = legal
        .iter()
        .map(|(column, value)| {
            let change = changes.iter().find(|(name, _)| name == column);
            format!("{column} = {}", change.map_or(*value, |(_, value)| value))
        })
        .collect();
    let others = changes.iter().filter(|(name, _)| legal.iter().all(|(column, _)| column != name));
    sets.extend(others.map(|(column, value)| format!("{column} = {value}")));
    format!("UPDATE {table} SET {} WHERE t_superseded IS NULL", sets.join(", "))
}

/// FCT-42 to FCT-44: the only write that a version accepts is one whole close.
#[tokio::test]
async fn fct_42_fct_43_fct_44_a_version_is_closed_whole_and_once() {
    for kind in KINDS {
        let (_bench, mut raw) = filled(kind).await;
        let table = table(kind);
        let mut attacks = vec![
            (close(table, &[]).replace("t_superseded IS NULL", "t_superseded IS NOT NULL"), "append-only: "),
            (
                format!(
                    "UPDATE {table} SET t_superseded = NULL, t_invalid = NULL, superseded_by = NULL,
                   superseded_actor = NULL, superseded_reason = NULL, superseded_index = NULL
                 WHERE t_superseded IS NOT NULL"
                ),
                "append-only: ",
            ),
            (
                format!("UPDATE {table} SET t_superseded = t_recorded WHERE t_superseded IS NULL"),
                "missing-provenance: ",
            ),
            (format!("UPDATE {table} SET t_superseded = NULL WHERE t_superseded IS NULL"), "append-only: "),
        ];
        for blank in ["NULL", "''", "'  '"] {
            for column in ["superseded_actor", "superseded_reason"] {
                attacks.push((close(table, &[(column, blank)]), "missing-provenance: "));
            }
        }
        let times = [
            ("t_superseded", "t_recorded - 1"),
            ("t_invalid", "t_valid - 1"),
            ("t_invalid", "NULL"),
            ("t_superseded", "NULL"),
        ];
        attacks.extend(times.map(|change| (close(table, &[change]), "time-violation: ")));
        for seq in ["0", "1", "2"] {
            attacks.push((close(table, &[("superseded_by", seq)]), "invalid-value: "));
        }
        attacks.push((close(table, &[("superseded_index", "NULL")]), "invalid-value: "));
        // Every other column, beside an otherwise legal close (FCT-41, FCT-46).
        for column in raw.columns(table).await {
            if !column.starts_with("superseded_") && column != "t_superseded" && column != "t_invalid" {
                let other = format!(
                    "CASE typeof(\"{column}\") WHEN 'integer' THEN \"{column}\" + 1 ELSE coalesce(\"{column}\", '') || 'x' END"
                );
                attacks.push((close(table, &[(&column, &other)]), "append-only: "));
                let replace = close(table, &[(&column, &other)]).replace("UPDATE", "UPDATE OR REPLACE");
                attacks.push((replace, "append-only: "));
            }
        }
        check(&mut raw, &attacks).await;
        assert_eq!(raw.run(&close(table, &[])).await, Ok(1), "a legal close");
    }
}

/// FCT-44: a version that is closed in favor of one that never comes, or of one with another key, is not closed.
#[tokio::test]
async fn fct_44_a_version_is_closed_in_favor_of_its_successor_only() {
    for kind in KINDS {
        let (bench, mut raw) = filled(kind).await;
        let table = table(kind);
        let before = raw.dump().await;
        let why = raw.run(&close(table, &[("superseded_by", "3")])).await.unwrap_err();
        assert!(why.contains("FOREIGN KEY"), "{why}");
        assert_eq!(raw.dump().await, before);
        // The store closes `owner` in favor of the next version, which somebody makes another's.
        raw.run(&format!(
            "CREATE TRIGGER planted AFTER INSERT ON log_entries WHEN false BEGIN SELECT 1; END;
             BEGIN; {}",
            close(table, &[("superseded_by", "3"), ("t_superseded", "t_recorded + 5")])
        ))
        .await
        .unwrap();
        let columns = raw.columns(table).await;
        let other = changed(
            &columns,
            &[
                ("seq", "3"),
                (&columns[1], "'fresh'"),
                (&columns[4], "'another'"),
                ("t_recorded", "t_recorded + 1000000000"),
                ("t_invalid", "NULL"),
                ("t_superseded", "NULL"),
                ("superseded_by", "NULL"),
                ("superseded_actor", "NULL"),
                ("superseded_reason", "NULL"),
                ("superseded_index", "NULL"),
            ],
        );
        let sql =
            format!("INSERT INTO {table} ({}) SELECT {other} FROM {table} WHERE seq = 0", list(&columns));
        let why = raw.run(&sql).await.unwrap_err();
        assert!(why.contains("invalid-value: "), "{why}");
        raw.run("ROLLBACK; DROP TRIGGER planted").await.unwrap();
        assert_eq!(raw.dump().await, before);
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}

/// An insert of a fresh version of a fresh key behind the last one, with some of its parts replaced.
fn insert(table: &str, columns: &[String], changes: &[(&str, &str)]) -> String {
    let (id, name) = (columns[1].as_str(), columns[4].as_str());
    let fresh = [
        ("seq", "3"),
        (id, "'fresh'"),
        (name, "'fresh'"),
        ("t_recorded", "t_recorded + 1000000000"),
        ("t_invalid", "NULL"),
        ("t_superseded", "NULL"),
        ("superseded_by", "NULL"),
        ("superseded_actor", "NULL"),
        ("superseded_reason", "NULL"),
        ("superseded_index", "NULL"),
    ];
    let mut all: Vec<(&str, &str)> = changes.to_vec();
    all.extend(fresh.iter().filter(|(column, _)| changes.iter().all(|(changed, _)| changed != column)));
    let values = changed(columns, &all);
    format!("INSERT INTO {table} ({}) SELECT {values} FROM {table} WHERE seq = 0", list(columns))
}

/// Columns by what they may not be when a version is put, and the word of the refusal.
const BAD: &[(&str, &[&str], &str)] = &[
    ("seq", &["NULL", "-1", "0", "2", "4"], "sequence-violation: "),
    // The column is of integers before any guard looks at it.
    ("seq", &["'x'", "0.5", "x'03'"], "cannot store "),
    ("t_recorded", &["t_recorded", "t_recorded + 100000000000000"], "time-violation: "),
    ("t_superseded", &["t_recorded + 2000000000"], "invalid-value: "),
    ("t_invalid", &["t_recorded + 2000000000"], "invalid-value: "),
    ("superseded_by", &["4"], "invalid-value: "),
    ("superseded_index", &["log_index + 1"], "invalid-value: "),
    ("superseded_actor", &["'x'"], "invalid-value: "),
    ("superseded_reason", &["'x'"], "invalid-value: "),
    ("actor", &["NULL", "''", "'   '", "printf('%.*c', 257, 'x')"], "missing-provenance: "),
    ("reason", &["''", "'  '", "printf('%.*c', 1001, 'x')"], "missing-provenance: "),
    (
        "value",
        &["NULL", "'null'", "'{'", "''", "'\"' || printf('%.*c', 262143, 'x') || '\"'"],
        "invalid-value: ",
    ),
    ("name", &["NULL", "''", "'  '", "printf('%.*c', 257, 'x')"], "invalid-value: "),
    ("last", &["NULL", "'known'", "''"], "invalid-value: "),
    ("subject", &["NULL", "'web'", "''", "'fleet:' || printf('%.*c', 507, 'x')"], "invalid-value: "),
    ("classification", &["NULL", "'secret'"], "invalid-value: "),
    ("t_valid", &["NULL"], "invalid-value: "),
    ("t_recorded", &["NULL"], "invalid-value: "),
    ("log_index", &["NULL"], "invalid-value: "),
    ("id", &["(id)"], "append-only: "),
    ("name", &["(name)"], "append-only: "),
];

/// FCT-51 to FCT-55: what a version may not be when it is put, with checks on and off.
#[tokio::test]
async fn fct_51_fct_52_fct_53_fct_54_fct_55_a_bad_version_is_refused_by_name() {
    for kind in KINDS {
        let (_bench, mut raw) = filled(kind).await;
        let table = table(kind);
        let columns = raw.columns(table).await;
        let named = |column: &'static str| match column {
            "id" => columns[1].as_str(),
            "name" => columns[4].as_str(),
            "last" => columns[5].as_str(),
            other => other,
        };
        let mut attacks = Vec::new();
        for (column, values, word) in BAD {
            for value in *values {
                // In brackets: what another version has.
                let value =
                    value.strip_prefix("(i").or(value.strip_prefix("(n")).map_or(*value, |_| named(column));
                let sql = insert(table, &columns, &[(named(column), value)]);
                for verb in ["INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE"] {
                    let collides = word.starts_with("append") || word.starts_with("sequence");
                    if collides {
                        attacks.push((sql.replacen("INSERT", verb, 1), *word));
                    }
                }
                attacks.push((sql, *word));
            }
        }
        check(&mut raw, &attacks).await;
        raw.run(&insert(table, &columns, &[])).await.unwrap();
    }
}
