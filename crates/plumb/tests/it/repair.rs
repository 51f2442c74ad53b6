//! A database that lost the key of its versions' numbers, with rows that share one: refused, looked at, mended, verified.
//! Built by hand as whoever owns the file, or runs the server, can.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use app::registry::TABLES;
use serde_json::Value;

use crate::database::{sql, tamper};
use crate::support::{On, World, assert_code, assert_refused, json, world, world_on};
use crate::tampering::{edited, last_row, types};

/// A version that nobody put.
const FORGED: &str = "01900000-0000-7000-8000-00000000f0f0";

/// The tables of versions: with the names of id, name and last.
const KINDS: [(&str, [&str; 3]); 2] =
    [("facts", ["fact_id", "predicate", "fact_type"]), ("edges", ["edge_id", "relation", "target"])];

/// Puts two facts and two edges: one replaced twice, one retired.
fn put_all(world: &World) {
    for value in ["\"ada\"", "\"eve\"", "\"zoe\""] {
        assert_code(&world.plumb(&["fact", "put", "fleet:web", "owner", value, "--type", "desired"]), 0);
        assert_code(&world.plumb(&["edge", "put", "fleet:web", "reaches", "network:a", value]), 0);
    }
    assert_code(&world.plumb(&["fact", "put", "fleet:web", "site", "1", "--type", "desired"]), 0);
    assert_code(&world.plumb(&["edge", "put", "fleet:web", "reaches", "network:b", "1"]), 0);
    let gone = ["--reason", "gone"];
    assert_code(
        &world.plumb(&[&["fact", "retire", "fleet:web", "site", "--type", "desired"], &gone[..]].concat()),
        0,
    );
    assert_code(
        &world.plumb(&[&["edge", "retire", "fleet:web", "reaches", "network:b"], &gone[..]].concat()),
        0,
    );
}

fn columns(table: &str) -> Vec<&'static str> {
    let table = TABLES.iter().find(|known| known.name == table).unwrap();
    table.columns.iter().map(|(column, _vouch)| *column).collect()
}

/// Returns a statement that puts a row there a second time, with some columns changed.
fn again(table: &str, seq: u32, changes: &[(&str, &str)]) -> String {
    let columns = columns(table);
    let changed = |column: &&str| {
        changes
            .iter()
            .find(|(name, _value)| name == column)
            .map_or(*column, |(_name, value)| *value)
            .to_owned()
    };
    let values: Vec<String> = columns.iter().map(changed).collect();
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {table} WHERE seq = {seq} AND value <> '\"mallory\"' LIMIT 1;",
        columns.join(", "),
        values.join(", ")
    )
}

/// Takes key, guards and indexes of a table away.
fn lose_key(world: &World, on: On, (table, id): (&str, &str)) {
    world.by_hand(&match on {
        On::Sqlite => format!(
            "PRAGMA foreign_keys = OFF; CREATE TABLE bare AS SELECT * FROM {table}; DROP TABLE {table};
             ALTER TABLE bare RENAME TO {table};"
        ),
        On::Postgres => format!(
            "ALTER TABLE {table} DROP CONSTRAINT {table}_pkey CASCADE;
             ALTER TABLE {table} DROP CONSTRAINT {table}_tenant_id_{id}_key;
             DROP INDEX {table}_active; DROP INDEX {table}_successor; ALTER TABLE {table} DISABLE TRIGGER ALL;"
        ),
    });
}

/// Loses the keys, and puts a forged version, a closed version that stands open again, and an exact copy there.
fn damage(world: &World, on: On) {
    for (table, [id, _name, _last]) in KINDS {
        lose_key(world, on, (table, id));
        let open = [
            "t_invalid",
            "t_superseded",
            "superseded_by",
            "superseded_actor",
            "superseded_reason",
            "superseded_index",
        ]
        .map(|column| (column, "NULL"));
        world.by_hand(&again(table, 1, &open));
        world.by_hand(&again(table, 3, &[]));
        let forged = format!("'{FORGED}'");
        let reason = r#"'a "reason" \ with ü'"#;
        world.by_hand(&again(table, 1, &[(id, &forged), ("value", "'\"mallory\"'"), ("reason", reason)]));
    }
}

/// Returns everything in the tables of versions and of the log, and how they are built.
fn everything(world: &World, on: On) -> Vec<String> {
    if on == On::Sqlite {
        return crate::database::dump(&world.database());
    }
    let mut all = Vec::new();
    for table in ["facts", "edges", "log_entries", "log_heads", "audit_events", "quarantine"] {
        all.extend(world.by_hand(&format!("SELECT CAST(t AS TEXT) FROM {table} AS t ORDER BY 1;")));
    }
    all.extend(world.by_hand("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;"));
    all.extend(
        world.by_hand("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2;"),
    );
    all
}

/// What every row says of both kinds, as the product tells it.
fn told(world: &World) -> Vec<Value> {
    let words: [&[&str]; 4] = [
        &["fact", "history", "fleet:web", "owner", "--type", "desired"],
        &["fact", "history", "fleet:web", "site", "--type", "desired"],
        &["edge", "list", "fleet:web"],
        &["fact", "get", "fleet:web"],
    ];
    let ask = |words: &&[&str]| {
        let done = world.plumb(&[words, &["--format", "json"][..]].concat());
        assert_code(&done, 0);
        json(&done)
    };
    words.iter().map(ask).collect()
}

/// The plan: what becomes of each row of both tables, by table, number, fate and reason.
fn plan(document: &Value) -> Vec<String> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let line = |row: &Value| {
        format!("{} {} {}: {}", text(row, "table"), row["seq"], text(row, "fate"), text(row, "why"))
    };
    let mut lines: Vec<String> = document["rows"].as_array().unwrap().iter().map(line).collect();
    lines.sort();
    lines
}

/// Checks that everything verifies, that facts are put as before, and that a stranger verifies a bundle.
#[track_caller]
fn assert_sound(world: &World) {
    for words in [&["ledger", "verify"][..], &["state", "verify"], &["store", "repair"]] {
        assert_code(&world.plumb(words), 0);
    }
    assert_eq!(crate::checking::wrong(world, &[]), []);
    assert_code(&world.plumb(&["fact", "put", "fleet:web", "owner", "\"kim\"", "--type", "desired"]), 0);
    let bundle = world.path("bundle").to_str().unwrap().to_owned();
    assert_code(&world.plumb(&["ledger", "export", "--output", &bundle]), 0);
    let vkey = json(&world.plumb(&["ledger", "status", "--format", "json"]))["vkey"].clone();
    let stranger = crate::support::world();
    assert_code(&stranger.plumb(&["verify", &bundle, "--vkey", vkey.as_str().unwrap()]), 0);
}

/// FCT-28: a row in quarantine keeps its classification, and its entry cannot be erased while the row has the value.
fn fct_28_a_restricted_row_in_quarantine_is_shown_to_nobody_without_the_word(on: On) {
    let world = world_on(on);
    put_all(&world);
    let put = ["fact", "put", "fleet:web", "code", "\"s3same\"", "--type", "desired", "--restricted"];
    assert_code(&world.plumb(&put), 0);
    for (table, [id, _name, _last]) in KINDS {
        lose_key(&world, on, (table, id));
    }
    // The number of the restricted one: behind three of the owner and one of the site.
    world.by_hand(&again("facts", 4, &[("fact_id", &format!("'{FORGED}'"))]));
    assert_code(&world.plumb(&["store", "repair", "--apply"]), 0);
    let index = world.by_hand("SELECT log_index FROM quarantine;").concat();
    let vkey = json(&world.plumb(&["ledger", "status", "--format", "json"]))["vkey"].clone();
    let file = world.path("proof").to_str().unwrap().to_owned();
    let bodies = |more: &[&str]| {
        let words = ["ledger", "prove", "--index", &index, "--output", &file];
        assert_code(&world.plumb(&[&words, more].concat()), 0);
        let done = world.plumb(&["verify", &file, "--vkey", vkey.as_str().unwrap(), "--format", "json"]);
        json(&done)["bodies_checked"].as_u64().unwrap()
    };
    assert_eq!((bodies(&[]), bodies(&["--restricted"])), (0, 1));
    let erase = world.plumb(&["ledger", "erase", &index, "--reason", "r", "--approved-by", "ada"]);
    assert_refused(&erase, 64, "a row in quarantine");
}
on_each!(fct_28_a_restricted_row_in_quarantine_is_shown_to_nobody_without_the_word);

/// FCT-23: the plan names each row and changes nothing; applied, the row that the ledger confirms stays, the others are in
/// quarantine byte for byte with an entry each, and everything opens, answers as before and verifies.
fn fct_23_a_database_in_which_a_number_stands_twice_is_mended(on: On) {
    let world = world_on(on);
    put_all(&world);
    let before = told(&world);
    damage(&world, on);
    let damaged = everything(&world, on);
    let refused = world.plumb(&["fact", "get", "fleet:web"]);
    assert_refused(&refused, 69, "its key edges (tenant_id, seq) is gone");
    assert!(refused.stderr.contains("`plumb store repair`"), "{}", refused.stderr);

    let checked = world.plumb(&["db", "check"]);
    assert_code(&checked, 2);
    assert!(checked.stdout.contains("`plumb store repair`"), "{}", checked.stdout);

    let planned = world.plumb(&["store", "repair", "--format", "json"]);
    assert_code(&planned, 2);
    let document = json(&planned);
    assert_eq!(document["keys_missing"], serde_json::json!(["edges", "facts"]), "{document:#}");
    let mut wanted = Vec::new();
    for table in ["edges", "facts"] {
        wanted.extend([
            format!("{table} 1 moves: its entry speaks of another row"),
            format!("{table} 1 moves: the ledger says that it was closed"),
            format!("{table} 1 stays: the ledger confirms it"),
            format!("{table} 3 moves: it is the same row once more"),
            format!("{table} 3 stays: the ledger confirms it"),
        ]);
    }
    assert_eq!(plan(&document), wanted);
    let shown = world.plumb(&["store", "repair"]);
    assert_code(&shown, 2);
    assert!(shown.stdout.contains(FORGED) && shown.stderr.contains("nothing was changed"), "{shown:?}");
    assert_eq!(everything(&world, on), damaged, "a plan changed something");

    let mut cells = BTreeMap::new();
    for (table, [id, ..]) in KINDS {
        for column in columns(table) {
            let cell =
                world.by_hand(&format!("SELECT {column} FROM {table} WHERE {id} = '{FORGED}';")).join("\n");
            cells.insert((table, column), cell);
        }
    }
    let done = world.plumb(&["store", "repair", "--apply"]);
    assert_code(&done, 0);
    assert!(done.stderr.contains("moved 6 rows to quarantine"), "{}", done.stderr);
    assert!(done.stderr.contains("verified  "), "{}", done.stderr);
    assert_eq!(told(&world), before, "the record is not what it was");
    for (table, [id, ..]) in KINDS {
        let query =
            format!("SELECT cells FROM quarantine WHERE table_name = '{table}' AND cells LIKE '%{FORGED}%';");
        let moved: Value = serde_json::from_str(&world.by_hand(&query).concat()).unwrap();
        assert_eq!(moved[id], FORGED);
        for column in columns(table) {
            assert_eq!(
                moved[column].as_str().unwrap_or_default(),
                cells[&(table, column)],
                "{table}.{column}"
            );
        }
    }
    let entries = "SELECT count(*) FROM log_entries WHERE ".to_owned()
        + match on {
            On::Sqlite => "CAST(entry AS TEXT) LIKE '%\"kind\":\"seam\"%';",
            On::Postgres => "convert_from(entry, 'UTF8') LIKE '%\"kind\":\"seam\"%';",
        };
    assert_eq!(world.by_hand(&entries), ["6"]);
    assert_eq!(world.count("quarantine"), 6);

    assert_sound(&world);
}
on_each!(fct_23_a_database_in_which_a_number_stands_twice_is_mended);

/// FCT-23: where the ledger confirms no row, nothing is changed, whatever is asked.
fn fct_23_rows_that_the_ledger_does_not_tell_apart_are_left_alone(on: On) {
    let world = world_on(on);
    put_all(&world);
    lose_key(&world, on, ("facts", "fact_id"));
    world.by_hand("UPDATE facts SET value = '\"mallory\"' WHERE seq = 1;");
    let same =
        again("facts", 1, &[("fact_id", &format!("'{FORGED}'"))]).replace("AND value <> '\"mallory\"' ", "");
    world.by_hand(&same);
    let damaged = everything(&world, on);
    let planned = world.plumb(&["store", "repair", "--format", "json"]);
    assert_code(&planned, 2);
    let wanted = [
        "facts 1 unknown: it is not what its entry commits to",
        "facts 1 unknown: its entry speaks of another row",
    ];
    assert_eq!(plan(&json(&planned)), wanted);
    let done = world.plumb(&["store", "repair", "--apply"]);
    assert_code(&done, 64);
    assert!(done.stderr.contains("facts 1 stands twice"), "{}", done.stderr);
    assert_eq!(everything(&world, on), damaged, "something was changed");
}
on_each!(fct_23_rows_that_the_ledger_does_not_tell_apart_are_left_alone);

/// FCT-23: a key that is gone while no number stands twice is made again; another damage is not mended and named.
fn fct_23_a_key_alone_is_made_again_and_other_damage_is_not_touched(on: On) {
    let world = world_on(on);
    put_all(&world);
    lose_key(&world, on, ("edges", "edge_id"));
    assert_code(&world.plumb(&["store", "repair"]), 2);
    assert_code(&world.plumb(&["store", "repair", "--apply"]), 0);
    assert_eq!(world.count("quarantine"), 0);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
    world.by_hand(match on {
        On::Sqlite => "DROP TRIGGER hosts_no_delete;",
        On::Postgres => "DROP TRIGGER hosts_no_delete ON hosts;",
    });
    let damaged = everything(&world, on);
    let done = world.plumb(&["store", "repair", "--apply"]);
    assert_refused(&done, 78, "hosts_no_delete is missing, which is no missing key");
    lose_key(&world, on, ("facts", "fact_id"));
    let twice = everything(&world, on);
    assert_ne!(twice, damaged);
    // The key could be made, and the database still would not open: all or nothing.
    let done = world.plumb(&["store", "repair", "--apply"]);
    assert_code(&done, 78);
    assert!(done.stderr.contains("hosts_no_delete is missing"), "{}", done.stderr);
    assert_eq!(everything(&world, on), twice, "something was changed");
}
on_each!(fct_23_a_key_alone_is_made_again_and_other_damage_is_not_touched);

/// FCT-23, LED-67: an edit of a row in quarantine is found, in every column, and so is one that is taken away.
#[test]
fn fct_23_led_67_an_edit_of_a_row_in_quarantine_is_found() {
    let world = world();
    put_all(&world);
    damage(&world, On::Sqlite);
    assert_code(&world.plumb(&["store", "repair", "--apply", "--quiet"]), 0);
    sql(&world.database(), "PRAGMA wal_checkpoint(TRUNCATE);");
    let kept = world.path("kept.db");
    fs::copy(world.database(), &kept).unwrap();
    let table = TABLES.iter().find(|table| table.name == "quarantine").unwrap();
    let (types, row) = (types(&kept, "quarantine"), last_row(&kept, table));
    let mut edits = vec![format!("DELETE FROM quarantine WHERE {row};")];
    edits.extend(table.columns.iter().map(|(column, _vouch)| {
        format!("UPDATE quarantine SET \"{column}\" = {} WHERE {row};", edited(column, &types[*column]))
    }));
    for edit in edits {
        put_back(&kept, &world.database());
        tamper(&world.database(), &format!("PRAGMA ignore_check_constraints = ON; {edit}"));
        let report = world.plumb(&["ledger", "verify", "--format", "json"]);
        assert_code(&report, 2);
        let findings = json(&report)["findings"].clone();
        let names = |finding: &Value| finding["table"] == "quarantine";
        assert!(findings.as_array().unwrap().iter().any(names), "{edit}: {findings:#}");
    }
}

fn put_back(kept: &Path, database: &Path) {
    for suffix in ["-wal", "-shm"] {
        let beside = database.with_file_name(format!("plumb.db{suffix}"));
        if beside.exists() {
            fs::remove_file(beside).unwrap();
        }
    }
    fs::copy(kept, database).unwrap();
}
