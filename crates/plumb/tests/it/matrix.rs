//! The tamper matrix (LED-60 to LED-72, LED-76): what somebody who owns the files can do to a live database or
//! to an exported bundle, and what the built binary says of it. `docs/guide/tampering.md` is this table, and a
//! test keeps it true; `PLUMB_MATRIX_WRITE=1` writes it anew.
//!
//! Every single column is the business of `tampering`; anchors and witnesses are that of their own modules.

mod bundle;
mod rows;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::process::Output;

use crate::database::{number, sql};
use crate::support::{assert_code, json, tool};
use crate::tampering::Victim;

use To::{Bundle as InBundle, Live, LiveWithKey};
use bundle::Bundle;
use rows::MATRIX;

/// One thing that somebody does.
struct Row {
    id: &'static str,
    what: &'static str,
    to: To,
    /// The code that has to be among the findings.
    code: &'static str,
    /// Where it has to be: `entry N`, a table, or the beginning of a file's path; empty for anywhere. `{last}` is
    /// the newest entry, `{size}` the number of entries.
    at: &'static str,
}

enum To {
    /// Statements on the live database, all guards dropped.
    Live(&'static str),
    /// As [`To::Live`], by somebody who has the signing key: tiles and checkpoints are removed and made anew.
    LiveWithKey(&'static str),
    /// A change to the folder of the bundle; returns what it did not find there.
    Bundle(fn(&Bundle)),
}

/// What the binary said of one row.
struct Answer {
    command: &'static str,
    exit: Option<i32>,
    findings: Vec<Value>,
}

impl Answer {
    fn of(command: &'static str, done: &Output) -> Answer {
        let report = if done.stdout.is_empty() { Value::Null } else { json(done) };
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        Answer { command, exit: done.code, findings }
    }
}

/// Says where a finding is, in words.
fn place(finding: &Value) -> Vec<String> {
    let mut places = Vec::new();
    if let Some(index) = finding["index"].as_u64() {
        places.push(format!("entry {index}"));
    }
    places.extend(finding["table"].as_str().map(str::to_owned));
    places.extend(finding["file"].as_str().map(str::to_owned));
    places
}

/// The record, its bundle and what they are checked with.
struct Bench {
    victim: Victim,
    bundle: PathBuf,
    vkey: String,
    size: u64,
}

impl Bench {
    fn new() -> Bench {
        let victim = Victim::new();
        let bundle = victim.world().path("bundle");
        let exported = victim.plumb(&["ledger", "export", "-o", bundle.to_str().unwrap()]);
        assert_code(&exported, 0);
        sql(&victim.database(), "PRAGMA wal_checkpoint(TRUNCATE);");
        let status = json(&victim.plumb(&["ledger", "status", "--format", "json"]));
        let size = number(&victim.database(), "SELECT count(*) FROM log_entries;");
        let vkey = status["vkey"].as_str().unwrap().to_owned();
        Bench { victim, bundle, vkey, size: u64::try_from(size).unwrap() }
    }

    fn answer(&self, row: &Row) -> Answer {
        match row.to {
            Live(statements) => Answer::of("plumb ledger verify", &self.victim.tampered(statements, false)),
            LiveWithKey(statements) => {
                let statements = format!("{statements} DELETE FROM log_checkpoints; DELETE FROM log_tiles;");
                Answer::of("plumb ledger verify", &self.victim.tampered(&statements, true))
            }
            InBundle(change) => {
                let place = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
                let folder = place.path().join("bundle");
                tool("cp", &["-r", self.bundle.to_str().unwrap(), folder.to_str().unwrap()]);
                change(&Bundle {
                    folder: folder.clone(),
                    size: self.size,
                    content: self.victim.content().to_owned(),
                });
                let words = ["verify", folder.to_str().unwrap(), "--vkey", &self.vkey, "--format", "json"];
                Answer::of("plumb verify", &self.victim.plumb(&words))
            }
        }
    }

    fn filled(&self, at: &str) -> String {
        at.replace("{last}", &(self.size - 1).to_string()).replace("{size}", &self.size.to_string())
    }
}

const HEAD: &str = "\
# What tampering looks like

What somebody who owns the files can do, and what the built program then says. *Live* is a database whose triggers were switched off, as its
owner can; *with the key* means that tiles and checkpoints were made anew with the signing key. This table is made by a test, which also
keeps it true (`PLUMB_MATRIX_WRITE=1` writes it). Every column of every table is edited by another test of its own; what only an anchor or
a witness can find is not here, see [verify](verify.md).

| row | done to | what was done | command | exit | code | where |
|---|---|---|---|---|---|---|
";

/// LED-60 to LED-62, LED-64 to LED-72, LED-76: each manipulation is found, with its code, where it is.
#[test]
fn every_row_of_the_tamper_matrix_is_found_where_it_is_led_28_led_60_led_61_led_62_led_66_led_68_led_76() {
    let bench = Bench::new();
    let (mut wrong, mut table) = (Vec::new(), HEAD.to_owned());
    for row in MATRIX {
        let answer = bench.answer(row);
        let at = bench.filled(row.at);
        let fits = |finding: &&Value| {
            let places = place(finding);
            let there =
                |place: &String| if at.ends_with('/') { place.starts_with(&at) } else { *place == at };
            finding["code"] == row.code && (at.is_empty() || places.iter().any(there))
        };
        let found = answer.findings.iter().find(fits);
        let to = match row.to {
            Live(_) => "live",
            LiveWithKey(_) => "live, with the key",
            InBundle(_) => "bundle",
        };
        if answer.exit != Some(2) || found.is_none() {
            wrong.push(format!("{} {to}: {}: {:?} {:#?}", row.id, row.what, answer.exit, answer.findings));
        }
        // How many entries there are depends on what the machine has to tell of itself.
        let at = row
            .at
            .replace("entry {last}", "the newest entry")
            .replace("entry {size}", "behind the newest entry");
        let at = if at.is_empty() { "the log" } else { at.as_str() };
        writeln!(
            table,
            "| {} | {to} | {} | `{}` | 2 | `{}` | {at} |",
            row.id, row.what, answer.command, row.code
        )
        .unwrap();
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), MATRIX.len(), wrong.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/tampering.md");
    if std::env::var_os("PLUMB_MATRIX_WRITE").is_some() {
        fs::write(&path, &table).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), table, "PLUMB_MATRIX_WRITE=1 writes it anew");
}
