//! What the texts of migrations and statements have to hold, looked at without a database (SUP-13, FCT-08): made from the
//! registry of tables and columns, so that a new table or column is asked for at once.

use model::ClaimKind;

use super::MIGRATIONS;
use crate::facts::sql;
use crate::privileges::revokes;
use crate::registry::{Guard, TABLES};

/// All migrations of one database as one text, without comments and with single spaces.
fn text(of: impl Fn(&super::Migration) -> &'static str) -> String {
    let lines = MIGRATIONS.iter().flat_map(|migration| of(migration).lines());
    let code: Vec<&str> = lines.filter(|line| !line.trim_start().starts_with("--")).collect();
    code.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sqlite() -> String {
    text(|migration| migration.sql.sqlite)
}

fn postgres() -> String {
    text(|migration| migration.sql.postgres)
}

/// The newest definition of something: from its name on to the end of its block.
fn newest<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
    let at = text.rfind(begin).unwrap_or_else(|| panic!("{begin} is not there"));
    let rest = &text[at..];
    &rest[..rest.find(end).unwrap_or(rest.len())]
}

/// Columns that a close sets.
fn closes(column: &str) -> bool {
    column.starts_with("superseded_") || ["t_superseded", "t_invalid"].contains(&column)
}

/// SUP-13: every guarded table refuses DELETE and TRUNCATE, and UPDATE where no row changes; a trigger of a server fires in
/// every session.
#[test]
fn sup_13_every_guarded_table_has_its_guards_in_the_text() {
    let (sqlite, postgres) = (sqlite(), postgres());
    for table in TABLES.iter().filter(|table| table.guard != Guard::Open) {
        let name = table.name;
        let kinds = if table.guard == Guard::AppendOnly {
            "'UPDATE', 'DELETE', 'TRUNCATE'"
        } else {
            "'DELETE', 'TRUNCATE'"
        };
        assert!(postgres.contains(&format!("SELECT guard('{name}', {kinds});")), "{name}");
        for trigger in [format!("{name}_no_delete BEFORE DELETE"), "BEFORE UPDATE".to_owned()] {
            assert!(sqlite.contains(&format!("{trigger} ON {name} ")), "{name}: {trigger}");
        }
        // What REPLACE would push out is looked for before the insert. Hosts' keys have one unique key, their own.
        let replaces = name == "host_keys" || sqlite.contains(&format!("BEFORE INSERT ON {name} "));
        assert!(replaces, "{name} does not refuse REPLACE");
    }
    for migration in MIGRATIONS {
        let sql = migration.sql.postgres;
        if let Some(last) = sql.rfind("CREATE TRIGGER").max(sql.rfind("SELECT guard('")) {
            let always = sql.rfind("SELECT guard_always();");
            assert!(
                always.is_some_and(|at| at > last),
                "{}: triggers that fire in usual sessions only",
                migration.name
            );
        }
    }
    assert!(postgres.contains("ENABLE ALWAYS TRIGGER"));
    assert!(postgres.contains("CASE kind WHEN 'TRUNCATE' THEN 'STATEMENT' ELSE 'ROW' END"));
}

/// SUP-13: what lets a row change looks at every other column of it, on both databases.
#[test]
fn sup_13_a_change_that_is_let_through_names_every_column_that_stays() {
    let (sqlite, postgres) = (sqlite(), postgres());
    for table in TABLES {
        let name = table.name;
        let stays: Vec<&str> =
            table.columns.iter().map(|(column, _)| *column).filter(|c| !closes(c)).collect();
        let guards = match (table.guard, name) {
            (Guard::ClosedOnce, _) => [
                newest(&sqlite, &format!("CREATE TRIGGER {name}_close "), "refuses UPDATE"),
                newest(&postgres, &format!("FUNCTION {name}_close() RETURNS"), "refuses UPDATE"),
            ],
            (_, "log_entries" | "evidence" | "manifests" | "audit_events") => [
                newest(&sqlite, &format!("CREATE TRIGGER {name}_no_update "), "refuses UPDATE"),
                newest(&postgres, &format!("FUNCTION {name}_no_update() RETURNS"), "refuses UPDATE"),
            ],
            _ => continue,
        };
        for guard in guards {
            // What may be emptied.
            for column in stays.iter().filter(|column| !["body", "detail"].contains(column)) {
                let forms = ["<>", "=", "IS NOT", "IS DISTINCT FROM"];
                let is_named =
                    forms.iter().any(|is| guard.contains(&format!("NEW.{column} {is} OLD.{column}")));
                assert!(is_named, "{name}.{column} is not looked at by:\n{guard}");
            }
        }
    }
}

/// SUP-13, FCT-02, FCT-08: the unique keys, and the checks that numbers follow each other.
#[test]
fn sup_13_numbers_and_active_keys_are_unique_in_the_text() {
    for text in [sqlite(), postgres()] {
        for (table, id, key) in [
            ("facts", "fact_id", "subject, predicate, fact_type"),
            ("edges", "edge_id", "subject, relation, target"),
        ] {
            let made = newest(&text, &format!("CREATE TABLE {table} ("), "CREATE INDEX");
            assert!(made.contains("PRIMARY KEY (tenant_id, seq)"), "{made}");
            assert!(made.contains(&format!("UNIQUE (tenant_id, {id})")), "{made}");
            let active = format!(
                "CREATE UNIQUE INDEX {table}_active ON {table} (tenant_id, {key}) WHERE t_superseded IS NULL"
            );
            assert!(made.contains(&active), "{made}");
            assert!(text.contains(&format!("sequence-violation: {table}.seq is not the next one")));
        }
        let entries = newest(&text, "CREATE TABLE log_entries (", ";");
        assert!(entries.contains("PRIMARY KEY (tenant_id, log_id, log_index)"), "{entries}");
        assert!(text.contains("sequence-violation: log_entries.log_index is not the next one"));
        for word in ["SEQUENCE ", "nextval", "SERIAL", "AUTOINCREMENT", "GENERATED"] {
            assert!(!text.contains(word), "{word}: a number that nobody refuses to skip");
        }
    }
}

/// FCT-08: `seq` is computed inside the INSERT, and nothing asks for the next one before.
#[test]
fn fct_08_sup_13_the_next_number_is_computed_inside_the_insert() {
    for kind in [ClaimKind::Fact, ClaimKind::Edge] {
        let sql = sql::of(kind);
        let next = format!("(SELECT coalesce(max(seq) + 1, 0) FROM {} WHERE tenant_id = $1)", sql.table);
        assert!(sql.put.starts_with("INSERT INTO ") && sql.put.contains(&next), "{}", sql.put);
        for put in [sql.put_many.sqlite, sql.put_many.postgres] {
            assert!(put.starts_with("INSERT INTO ") && put.contains(&next), "{put}");
        }
        for read in [sql.active, sql.current, sql.history, sql.as_of, sql.as_of_key, sql.closings] {
            assert!(!read.contains("max("), "{read}");
        }
    }
}

/// SUP-13: PUBLIC keeps nothing.
#[test]
fn sup_13_everything_is_taken_from_public() {
    let text = revokes("PUBLIC", "\"plumb\"");
    for what in [
        "ALL TABLES IN SCHEMA public",
        "ALL FUNCTIONS IN SCHEMA public",
        "SCHEMA public",
        "DATABASE \"plumb\"",
    ] {
        assert!(text.contains(&format!("REVOKE ALL ON {what} FROM PUBLIC;")), "{what}");
    }
}
