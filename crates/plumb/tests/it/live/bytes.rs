//! Changing one byte of one column of one row of a database, and undoing it, through one `sqlite3` process that
//! stays. Knows no statement of the product's own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use app::registry::{TABLES, Vouch};
use testkit::fuzz::SplitMix64;

use crate::database::UNGUARDED;

/// Printed by the shell behind the answer to each batch of statements.
const END: &str = "-- end of answer --";

/// A column that can be changed.
pub(super) struct Column {
    table: &'static str,
    name: &'static str,
    vouch: Vouch,
    /// The primary key, as a list of columns.
    key: String,
    is_integer: bool,
    is_blob: bool,
    rows: u64,
}

/// What was changed.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) table: &'static str,
    column: &'static str,
    pub(super) vouch: Vouch,
    key: String,
    row: u64,
    /// The value before, as it is read, and after, as SQL.
    values: (String, String),
}

impl Cell {
    /// The key of the row, in the copy that is never changed.
    fn row(&self) -> String {
        let (table, key, row) = (self.table, &self.key, self.row);
        format!("(SELECT {key} FROM clean.{table} ORDER BY {key} LIMIT 1 OFFSET {row})")
    }
}

/// Returns a random place in so many bytes, and a mask that changes the byte there.
pub(super) fn flip(bytes: usize, random: &mut SplitMix64) -> (usize, u8) {
    let at = usize::try_from(random.below(bytes as u64)).unwrap();
    (at, u8::try_from(random.below(255) + 1).unwrap())
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// A `sqlite3` process with the record as `main` and a copy of it as `clean`.
pub(super) struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    pub(super) fn start(database: &Path, clean: &Path) -> Shell {
        let mut command = Command::new("sqlite3");
        command.args(["-batch", "-init", "/dev/null"]).arg(database);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut shell = Shell { child, input, output };
        shell.run(&format!(
            "{UNGUARDED}\n.timeout 10000\nPRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON;\n\
             ATTACH '{}' AS clean;",
            clean.display()
        ));
        shell
    }

    /// Runs statements and returns the rows of the answer. One that fails is said on standard error, and counts
    /// as none.
    fn run(&mut self, statements: &str) -> Vec<String> {
        self.input.write_all(format!("{statements}\nSELECT '{END}';\n").as_bytes()).unwrap();
        let mut rows = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the shell ended: {statements}");
            let line = line.trim_end_matches('\n');
            if line == END {
                return rows;
            }
            rows.push(line.to_owned());
        }
    }

    fn one(&mut self, query: &str) -> String {
        let mut rows = self.run(query);
        assert_eq!(rows.len(), 1, "{query}: {rows:?}");
        rows.remove(0)
    }

    /// Lists every column that somebody vouches for, of the tables that have rows.
    pub(super) fn columns(&mut self) -> Vec<Column> {
        let mut columns = Vec::new();
        for table in TABLES {
            let name = table.name;
            let rows = self.one(&format!("SELECT count(*) FROM {name};")).parse().unwrap();
            let key = self.one(&format!(
                "SELECT group_concat('\"' || name || '\"', ', ') FROM (SELECT name FROM \
                 pragma_table_info('{name}') WHERE pk > 0 ORDER BY pk);"
            ));
            for (column, vouch) in table.columns {
                let kind = self
                    .one(&format!("SELECT type FROM pragma_table_info('{name}') WHERE name = '{column}';"));
                if rows > 0 && !matches!(vouch, Vouch::Nobody(_)) {
                    columns.push(Column {
                        table: name,
                        name: column,
                        vouch: *vouch,
                        key: key.clone(),
                        is_integer: kind == "INTEGER",
                        is_blob: kind == "BLOB",
                        rows,
                    });
                }
            }
        }
        columns
    }

    /// Changes a random byte of a random column of a random row.
    pub(super) fn change(&mut self, columns: &[Column], random: &mut SplitMix64) -> Cell {
        loop {
            let column = &columns[usize::try_from(random.below(columns.len() as u64)).unwrap()];
            let mut cell = Cell {
                table: column.table,
                column: column.name,
                vouch: column.vouch,
                key: column.key.clone(),
                row: random.below(column.rows),
                values: Default::default(),
            };
            if cell.vouch == Vouch::Entry && self.is_erased(&cell) {
                continue;
            }
            cell.values = self.values(column, &cell, random);
            let changes = self.one("SELECT total_changes();");
            // Where the key of another row comes out, nothing is changed.
            let after = self.one(&format!(
                "UPDATE OR IGNORE main.{} SET \"{}\" = {} WHERE ({}) = {}; SELECT total_changes();",
                cell.table,
                cell.column,
                cell.values.1,
                cell.key,
                cell.row()
            ));
            if after != changes {
                return cell;
            }
        }
    }

    /// Tells whether the body that vouched for the row was erased: then nobody does any more.
    fn is_erased(&mut self, cell: &Cell) -> bool {
        let (table, key, row) = (cell.table, &cell.key, cell.row());
        self.one(&format!(
            "SELECT EXISTS (SELECT 1 FROM clean.log_erasures WHERE erased_index = (SELECT log_index FROM \
             clean.{table} WHERE ({key}) = {row}));"
        )) == "1"
    }

    /// Returns the value of a cell and one that differs in one byte; an absent or empty one gains a byte.
    fn values(&mut self, column: &Column, cell: &Cell, random: &mut SplitMix64) -> (String, String) {
        let (table, name) = (column.table, column.name);
        let shown = if column.is_integer { format!("\"{name}\"") } else { format!("hex(\"{name}\")") };
        let value = self.one(&format!(
            "SELECT coalesce({shown}, 'NULL') FROM clean.{table} WHERE ({}) = {};",
            cell.key,
            cell.row()
        ));
        let is_null = self.one(&format!(
            "SELECT \"{name}\" IS NULL FROM clean.{table} WHERE ({}) = {};",
            cell.key,
            cell.row()
        )) == "1";
        if column.is_integer {
            let number: i64 = if is_null { 0 } else { value.parse().unwrap() };
            let (at, mask) = flip(8, random);
            return (value, (number ^ (i64::from(mask) << (8 * at))).to_string());
        }
        let mut bytes = if is_null { Vec::new() } else { unhex(&value) };
        if bytes.is_empty() {
            bytes.push(b'A' + u8::try_from(random.below(26)).unwrap());
        } else {
            let (at, mask) = flip(bytes.len(), random);
            bytes[at] ^= mask;
        }
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let after = if column.is_blob { format!("x'{hex}'") } else { format!("CAST(x'{hex}' AS TEXT)") };
        (value, after)
    }

    /// Puts the row back.
    pub(super) fn undo(&mut self, cell: &Cell) {
        let (table, key, row) = (cell.table, &cell.key, cell.row());
        self.run(&format!(
            "BEGIN; DELETE FROM main.{table} WHERE ({key}) NOT IN (SELECT {key} FROM clean.{table});\n\
             INSERT OR REPLACE INTO main.{table} SELECT * FROM clean.{table} WHERE ({key}) = {row}; COMMIT;"
        ));
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It ends with its input; a test that failed must not leave it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
