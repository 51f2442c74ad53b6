//! What the database itself refuses on facts, edges and entries: a version is put once, at the end, and closed once
//! (FCT-42 to FCT-44, FCT-51 to FCT-56). The forms of UPDATE, DELETE and REPLACE that no row accepts are with `forms`.

use model::ClaimKind;

use crate::attack::{
    APPEND_ONLY, Attack, COLLIDES, Form, PROVENANCE, SEQUENCE, TIME, Tally, VALUE, attackers,
};
use crate::bench::{Bench, On, at};
use crate::claims::{KINDS, key, put, table};
use crate::forms::{changed, list};
use crate::raw::Raw;

/// Each character that leaves nothing to be read: blank, tab, line feed, vertical tab, form feed, carriage return.
const WHITE: &str = "' \t\n\x0b\x0c\r'";

/// One version that is closed, one active of the same key, one active of another.
async fn filled(on: On, kind: ClaimKind) -> (Bench, Raw) {
    let bench = Bench::on(on).await;
    let one = key(kind, "one");
    bench.fresh(&put(&one, "1"), at(100)).await;
    bench.fresh(&put(&one, "2"), at(200)).await;
    bench.fresh(&put(&key(kind, "other"), "3"), at(300)).await;
    bench.retire(&key(kind, "other"), at(400)).await.unwrap();
    let raw = bench.raw().await;
    (bench, raw)
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

/// FCT-41 to FCT-44, FCT-46: every close but a whole one.
async fn closes(raw: &mut Raw, kind: ClaimKind) -> Vec<Attack> {
    const CLOSED: &str = "FCT-42 UPDATE of a row that ended";
    const OPEN: &str = "FCT-42 UPDATE that leaves it open";
    const NOBODY: &str = "FCT-43 close by nobody or for no reason";
    const TIMES: &str = "FCT-44 close before it begins";
    const SUCCESSOR: &str = "FCT-44 close for what is not next";
    let table = table(kind);
    let again = close(table, &[]).replace("t_superseded IS NULL", "t_superseded IS NOT NULL");
    let reopen = format!(
        "UPDATE {table} SET t_superseded = NULL, t_invalid = NULL, superseded_by = NULL,
           superseded_actor = NULL, superseded_reason = NULL, superseded_index = NULL
         WHERE t_superseded IS NOT NULL"
    );
    let bare = format!("UPDATE {table} SET t_superseded = t_recorded WHERE t_superseded IS NULL");
    let open = format!("UPDATE {table} SET t_superseded = NULL WHERE t_superseded IS NULL");
    let mut attacks = vec![
        Attack::new(CLOSED, again, APPEND_ONLY),
        Attack::new("FCT-42 UPDATE that opens again", reopen, APPEND_ONLY),
        Attack::new(NOBODY, bare, PROVENANCE),
        Attack::new(OPEN, open, APPEND_ONLY),
    ];
    for blank in ["NULL", "''", "'  '", "'\t'", "'\n'", WHITE] {
        for column in ["superseded_actor", "superseded_reason"] {
            attacks.push(Attack::new(NOBODY, close(table, &[(column, blank)]), PROVENANCE));
        }
    }
    let times = [
        ("t_superseded", "t_recorded - 1"),
        ("t_invalid", "t_valid - 1"),
        ("t_invalid", "NULL"),
        ("t_superseded", "NULL"),
    ];
    attacks.extend(times.map(|change| Attack::new(TIMES, close(table, &[change]), TIME)));
    for (column, value) in
        [("superseded_by", "0"), ("superseded_by", "1"), ("superseded_by", "2"), ("superseded_index", "NULL")]
    {
        attacks.push(Attack::new(SUCCESSOR, close(table, &[(column, value)]), VALUE));
    }
    // Every other column, beside an otherwise legal close.
    for (column, other) in raw.others(table).await {
        if !column.starts_with("superseded_") && column != "t_superseded" && column != "t_invalid" {
            // Where there was no reason, there is one now.
            let other = if column == "reason" { "'x'" } else { &other };
            let sql = close(table, &[(&column, other)]);
            if matches!(raw, Raw::Sqlite(_)) {
                let replace = sql.replace("UPDATE", "UPDATE OR REPLACE");
                attacks.push(Attack::new("FCT-46 UPDATE OR REPLACE", replace, APPEND_ONLY));
            }
            attacks.push(Attack::new("FCT-41 UPDATE beside a close", sql, APPEND_ONLY));
        }
    }
    attacks
}

/// The values of a fresh version of a fresh key behind the last one, with some parts replaced.
fn fresh(table: &str, columns: &[String], next: i64, changes: &[(&str, &str)]) -> String {
    let (id, name, next) = (columns[1].as_str(), columns[4].as_str(), next.to_string());
    let fresh = [
        ("seq", next.as_str()),
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
    format!("SELECT {} FROM {table} WHERE seq = 0", changed(columns, &all))
}

fn insert(table: &str, columns: &[String], values: &str) -> String {
    format!("INSERT INTO {table} ({}) {values}", list(columns))
}

/// Columns by what they may not be when a version is put, and the name of the refusal. NEXT and LAST are the number that
/// comes next and the last one that is there.
const BAD: &[(&str, &str, &[&str], &[&str])] = &[
    ("FCT-51 number", "seq", &["NULL", "-1", "0", "LAST", "NEXT + 1"], SEQUENCE),
    // The column is of integers before any guard looks at it: a server may round a number, and does not say which column
    // took no text.
    ("FCT-51 number that is none", "seq", &["'x'", "0.5", "BYTES"], &["SequenceViolation", "InvalidValue"]),
    ("FCT-52 time", "t_recorded", &["t_recorded", "t_recorded + 100000000000000"], TIME),
    ("FCT-53 closed already", "t_superseded", &["t_recorded + 2000000000"], VALUE),
    ("FCT-53 closed already", "t_invalid", &["t_recorded + 2000000000"], VALUE),
    ("FCT-53 closed already", "superseded_by", &["NEXT + 1"], VALUE),
    ("FCT-53 closed already", "superseded_index", &["log_index + 1"], VALUE),
    ("FCT-53 closed already", "superseded_actor", &["'x'"], VALUE),
    ("FCT-53 closed already", "superseded_reason", &["'x'"], VALUE),
    ("FCT-54 by nobody", "actor", &["NULL", "''", "'   '", "'\t'", WHITE, "repeat('x', 257)"], PROVENANCE),
    ("FCT-54 by nobody", "reason", &["''", "'  '", "'\n'", WHITE, "repeat('x', 1001)"], PROVENANCE),
    ("FCT-54 value", "value", &["NULL", "'null'", "'{'", "''", "'\"' || repeat('x', 262143) || '\"'"], VALUE),
    ("FCT-54 value", "name", &["NULL", "''", "'  '", "repeat('x', 257)"], VALUE),
    ("FCT-54 value", "last", &["NULL", "'known'", "''"], VALUE),
    ("FCT-54 value", "subject", &["NULL", "'web'", "''", "'fleet:' || repeat('x', 507)"], VALUE),
    ("FCT-54 value", "classification", &["NULL", "'secret'"], VALUE),
    ("FCT-54 value", "t_valid", &["NULL"], VALUE),
    ("FCT-54 value", "t_recorded", &["NULL"], VALUE),
    ("FCT-54 value", "log_index", &["NULL"], VALUE),
    ("FCT-45 INSERT of a row that is there", "id", &["SAME"], APPEND_ONLY),
    ("FCT-45 INSERT of a row that is there", "name", &["SAME"], APPEND_ONLY),
];

/// FCT-45, FCT-47, FCT-51 to FCT-54, FCT-56: what a version may not be when it is put, by every verb of the database.
async fn puts(raw: &mut Raw, kind: ClaimKind) -> Vec<Attack> {
    let table = table(kind);
    let columns = raw.columns(table).await;
    let next = raw.number(&format!("SELECT count(*) FROM {table}")).await;
    let is_file = matches!(raw, Raw::Sqlite(_));
    let mut attacks = Vec::new();
    for (row, column, values, wanted) in BAD {
        let column = match *column {
            "id" => columns[1].as_str(),
            "name" => columns[4].as_str(),
            "last" => columns[5].as_str(),
            other => other,
        };
        for value in *values {
            let value = value
                .replace("NEXT", &next.to_string())
                .replace("LAST", &(next - 1).to_string())
                .replace("SAME", column)
                .replace("BYTES", if is_file { "x'03'" } else { "'\\x03'::bytea" });
            let value = if is_file { value.replace("repeat('x', ", "printf('%.*c', ") } else { value };
            let value =
                if is_file && value.contains("printf") { value.replace(")", ", 'x')") } else { value };
            let rows = fresh(table, &columns, next, &[(column, &value)]);
            let sql = insert(table, &columns, &rows);
            if is_file && *wanted != VALUE && *wanted != TIME && *wanted != PROVENANCE {
                for verb in ["INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE"] {
                    let row = if verb.ends_with("IGNORE") { "FCT-47 OR IGNORE, DO NOTHING" } else { row };
                    attacks.push(Attack::new(row, sql.replacen("INSERT", verb, 1), wanted));
                }
            }
            if !is_file {
                let form = Form::Copy { table, rows };
                attacks.push(Attack { row: "FCT-56 COPY", form, wanted: by_copy(wanted) });
            }
            attacks.push(Attack::new(row, sql, wanted));
        }
    }
    attacks
}

/// Row security keeps COPY from all but those whom it does not bind.
fn by_copy(wanted: &'static [&'static str]) -> &'static [&'static str] {
    const BY_COPY: [&[&str]; 6] = [
        &["AppendOnly", "Denied"],
        &["SequenceViolation", "Denied"],
        &["InvalidValue", "Denied"],
        &["MissingProvenance", "Denied"],
        &["TimeViolation", "Denied"],
        &["SequenceViolation", "InvalidValue", "Denied"],
    ];
    BY_COPY.into_iter().find(|all| all.split_last().is_some_and(|(_, names)| names == wanted)).unwrap()
}

/// Everything that has to be refused about the versions of a kind.
pub(crate) async fn attacks(raw: &mut Raw, kind: ClaimKind) -> Vec<Attack> {
    let mut all = closes(raw, kind).await;
    all.extend(puts(raw, kind).await);
    all
}

/// FCT-51: an entry's index is the next one, one by one and in bulk.
pub(crate) async fn entries(raw: &mut Raw) -> Vec<Attack> {
    const ROW: &str = "FCT-51 number of an entry";
    let own = "log_id = (SELECT min(log_id) FROM log_heads WHERE size > 2)";
    let next = raw.number(&format!("SELECT max(log_index) + 1 FROM log_entries WHERE {own}")).await;
    let from = format!("FROM log_entries WHERE log_index = 0 AND {own}");
    let insert = |index: &str| {
        format!(
            "INSERT INTO log_entries (tenant_id, log_id, log_index, entry, body)
             SELECT tenant_id, log_id, {index}, entry, body {from}"
        )
    };
    let mut all = Vec::new();
    for index in
        ["NULL".to_owned(), "-1".to_owned(), "0".to_owned(), (next - 1).to_string(), (next + 1).to_string()]
    {
        all.push(Attack::new(ROW, insert(&index), SEQUENCE));
        if matches!(raw, Raw::Sqlite(_)) {
            for verb in ["INSERT OR REPLACE", "REPLACE"] {
                all.push(Attack::new(ROW, insert(&index).replacen("INSERT", verb, 1), SEQUENCE));
            }
            let ignore = insert(&index).replacen("INSERT", "INSERT OR IGNORE", 1);
            all.push(Attack::new("FCT-47 OR IGNORE, DO NOTHING", ignore, SEQUENCE));
        }
    }
    for none in ["'x'", "0.5", raw.each("x'03'", "'\\x03'::bytea").as_str()] {
        all.push(Attack::new(
            "FCT-51 number that is none",
            insert(none),
            &["SequenceViolation", "InvalidValue"],
        ));
    }
    for (first, second) in [(next, next + 2), (next + 1, next + 2), (next - 1, next), (next, next)] {
        let bulk = format!(
            "INSERT INTO log_entries (tenant_id, log_id, log_index, entry, body)
             SELECT tenant_id, log_id, n, entry, body FROM log_entries, (SELECT {first} AS n UNION ALL SELECT {second}) AS s
             WHERE log_index = 0 AND {own}"
        );
        all.push(Attack::new(ROW, bulk, COLLIDES));
    }
    let later = format!("UPDATE log_heads SET last_at_us = last_at_us + 100000000000000 WHERE {own}");
    all.push(Attack::new("FCT-52 time of a log", later, TIME));
    all
}

/// Lets everybody try; nothing may come of it.
async fn check(bench: &Bench, raw: &mut Raw, attacks: &[Attack]) {
    let mut tally = Tally::default();
    for attacker in &mut attackers(bench).await {
        tally.check(attacker, raw, attacks).await;
    }
    assert!(
        tally.wrong.is_empty(),
        "{} of {}:\n{}",
        tally.wrong.len(),
        tally.tried(),
        tally.wrong.join("\n")
    );
}

/// FCT-42 to FCT-44: the only write that a version accepts is one whole close.
async fn fct_42_fct_43_fct_44_a_version_is_closed_whole_and_once(on: On) {
    for kind in KINDS {
        let (bench, mut raw) = filled(on, kind).await;
        let attacks = closes(&mut raw, kind).await;
        check(&bench, &mut raw, &attacks).await;
        assert_eq!(raw.run(&close(table(kind), &[])).await, Ok(1), "a legal close");
    }
}
on_each!(fct_42_fct_43_fct_44_a_version_is_closed_whole_and_once);

/// FCT-51 to FCT-56: what a version may not be when it is put, with checks on and off.
async fn fct_51_fct_52_fct_53_fct_54_fct_55_a_bad_version_is_refused_by_name(on: On) {
    for kind in KINDS {
        let (bench, mut raw) = filled(on, kind).await;
        let attacks = puts(&mut raw, kind).await;
        check(&bench, &mut raw, &attacks).await;
        let columns = raw.columns(table(kind)).await;
        let legal = insert(table(kind), &columns, &fresh(table(kind), &columns, 3, &[]));
        assert_eq!(raw.run(&legal).await, Ok(1), "a legal version");
    }
}
on_each!(fct_51_fct_52_fct_53_fct_54_fct_55_a_bad_version_is_refused_by_name);

/// FCT-44: a version that is closed in favor of one that never comes, or of one with another key, is not closed.
async fn fct_44_a_version_is_closed_in_favor_of_its_successor_only(on: On) {
    for kind in KINDS {
        let (bench, mut raw) = filled(on, kind).await;
        let table = table(kind);
        let before = raw.dump().await;
        let why = raw.run(&close(table, &[("superseded_by", "3")])).await.unwrap_err();
        assert!(why.to_lowercase().contains("foreign key"), "{why}");
        assert_eq!(raw.dump().await, before);
        // Somebody closes it in favor of the next version and makes that another's.
        let closed = close(table, &[("superseded_by", "3"), ("t_superseded", "t_recorded + 5")]);
        raw.run(&format!("BEGIN; {closed}")).await.unwrap();
        let columns = raw.columns(table).await;
        let another = fresh(table, &columns, 3, &[(&columns[4], "'another'")]);
        let why = raw.run(&insert(table, &columns, &another)).await.unwrap_err();
        assert!(why.contains("invalid-value: "), "{why}");
        raw.run("ROLLBACK").await.unwrap();
        assert_eq!(raw.dump().await, before);
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_44_a_version_is_closed_in_favor_of_its_successor_only);
