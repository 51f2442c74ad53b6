//! The statement forms that a guarded table has to refuse, made from its columns and keys in the words of its database.

use std::collections::BTreeMap;

use store::registry::{Guard, Table};

use crate::attack::{APPEND_ONLY, Attack, COLLIDES};
use crate::bench::On;
use crate::raw::Raw;

/// Ways of a file to say what happens to a row that is in the way.
const CONFLICTS: [&str; 6] = ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"];

pub(crate) fn list(columns: &[String]) -> String {
    columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

/// The columns as a select list, some of them replaced by expressions.
pub(crate) fn changed(columns: &[String], changes: &[(&str, &str)]) -> String {
    let one = |column: &String| {
        let change = changes.iter().find(|(name, _)| name == column);
        change.map_or_else(|| format!("\"{column}\""), |(_, value)| (*value).to_owned())
    };
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Rows of the attacker's tenant. Row security lets MERGE end at the first row of another, before any guard looks.
const OWN: &str = "tenant_id = current_setting('app.current_tenant')";

/// The words of a host's own unique keys stand in its guard, because that is what they would have said.
const MARKED: &[&str] = &["AppendOnly", "Taken"];

/// A guarded table as its database shows it.
pub(crate) struct Target {
    table: &'static Table,
    on: On,
    columns: Vec<String>,
    key: Vec<String>,
    /// Unique keys with the rows they hold for.
    unique: Vec<(Vec<String>, String)>,
    /// For each column an expression for another value of the same type; nothing stays nothing.
    others: BTreeMap<String, String>,
    /// Whether another table points to it.
    is_parent: bool,
}

impl Target {
    pub(crate) async fn of(raw: &mut Raw, table: &'static Table) -> Self {
        let name = table.name;
        let on = if matches!(raw, Raw::Sqlite(_)) { On::Sqlite } else { On::Postgres };
        let parents =
            format!("SELECT count(*) FROM pg_constraint WHERE confrelid = 'public.{name}'::regclass");
        Self {
            table,
            on,
            columns: raw.columns(name).await,
            key: raw.key(name).await,
            unique: raw.unique_keys(name).await,
            others: raw.others(name).await,
            is_parent: on == On::Postgres && raw.number(&parents).await > 0,
        }
    }

    /// FCT-40, FCT-49, FCT-50: every form of DELETE and TRUNCATE.
    fn deletes(&self) -> Vec<Attack> {
        let table = self.table.name;
        let mut forms = vec![
            ("FCT-40 DELETE", format!("DELETE FROM {table}")),
            ("FCT-40 DELETE", format!("DELETE FROM {table} WHERE tenant_id IS NOT NULL")),
            ("FCT-40 DELETE through a view", format!("DELETE FROM v_{table}")),
        ];
        if self.on == On::Sqlite {
            let with = format!("WITH v AS (SELECT 1) DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM v)");
            forms.push(("FCT-40 DELETE", with));
        } else {
            forms.push(("FCT-40 DELETE", format!("DELETE FROM ONLY {table} WHERE true")));
            let with = format!("WITH v AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM v");
            forms.push(("FCT-40 DELETE", with));
            forms.push((
                "FCT-49 MERGE",
                format!("MERGE INTO {table} USING (SELECT 1) AS s (one) ON {OWN} WHEN MATCHED THEN DELETE"),
            ));
            // Without CASCADE a table that others point to is not truncated anyway.
            let cascade = if self.is_parent { " CASCADE" } else { "" };
            for tail in [cascade, " CASCADE", " RESTART IDENTITY CASCADE"] {
                forms.push(("FCT-50 TRUNCATE", format!("TRUNCATE {table}{tail}")));
            }
        }
        named(forms, APPEND_ONLY)
    }

    /// FCT-41, FCT-42, FCT-46, FCT-49: an update of each of these columns, to another value and, where no write at all is
    /// let through, to the same one.
    fn updates(&self, row: &'static str, columns: &[String], rows: &str, same_too: bool) -> Vec<Attack> {
        let table = self.table.name;
        let mut forms = Vec::new();
        let conflicts = if self.on == On::Sqlite { &CONFLICTS[..] } else { &CONFLICTS[..1] };
        for column in columns {
            let other = &self.others[column];
            for or in conflicts {
                let row = if *or == "OR REPLACE" { "FCT-46 UPDATE OR REPLACE" } else { row };
                forms.push((row, format!("UPDATE {or} {table} SET \"{column}\" = {other} WHERE {rows}")));
                if same_too {
                    let same = format!("UPDATE {or} {table} SET \"{column}\" = \"{column}\" WHERE {rows}");
                    forms.push((row, same));
                }
            }
            if self.on == On::Postgres {
                let merge = format!(
                    "MERGE INTO {table} USING (SELECT 1) AS s (one) ON {OWN} AND {rows}
                     WHEN MATCHED THEN UPDATE SET \"{column}\" = {other}"
                );
                forms.push(("FCT-49 MERGE", merge));
            }
        }
        named(forms, if self.table.guard == Guard::NoDelete { MARKED } else { APPEND_ONLY })
    }

    /// FCT-45, FCT-47, FCT-48: an insert of rows that are there already.
    fn inserts(&self) -> Vec<Attack> {
        let (table, all) = (self.table.name, list(&self.columns));
        let some = format!("SELECT {all} FROM {table} WHERE true");
        let (key, last) = (list(&self.key), self.columns.last().unwrap());
        let upsert = format!("DO UPDATE SET \"{last}\" = excluded.\"{last}\"");
        let plain = format!("INSERT INTO {table} ({all}) {some}");
        let ignore = "FCT-47 OR IGNORE, DO NOTHING";
        let mut forms = vec![
            ("FCT-45 INSERT of a row that is there", plain.clone()),
            (ignore, format!("{plain} ON CONFLICT DO NOTHING")),
            (ignore, format!("{plain} ON CONFLICT ({key}) DO NOTHING")),
            ("FCT-48 DO UPDATE", format!("{plain} ON CONFLICT ({key}) {upsert}")),
        ];
        if self.on == On::Sqlite {
            for or in &CONFLICTS[1..] {
                let row = if *or == "OR IGNORE" { ignore } else { "FCT-45 INSERT OR REPLACE" };
                forms.push((row, format!("INSERT {or} INTO {table} ({all}) {some}")));
            }
            forms.push(("FCT-45 INSERT OR REPLACE", format!("REPLACE INTO {table} ({all}) {some}")));
            forms.push(("FCT-48 DO UPDATE", format!("{plain} ON CONFLICT {upsert}")));
        }
        named(forms, COLLIDES)
    }

    /// FCT-45, FCT-46, FCT-48: for each unique key, a new row that has it from a row that is there, all other keys new; and
    /// every other row moved to it. Where rows may change, one with the primary key of another is that row, changed.
    fn thefts(&self) -> Vec<Attack> {
        let (table, columns) = (self.table.name, &self.columns);
        let mut forms = Vec::new();
        for (own, rows) in &self.unique {
            // A row of a server that is in the way is changed, not replaced, where it may change.
            let may_change = self.table.guard == Guard::NoDelete
                || matches!(self.table.guard, Guard::AppendOnlyWhere(_)) && rows != "true";
            if self.table.guard == Guard::NoDelete && *own == self.key
                || self.on == On::Postgres && may_change
            {
                continue;
            }
            let fresh: Vec<(&str, &str)> = self
                .unique
                .iter()
                .flat_map(|(columns, _)| columns)
                .filter(|column| !own.contains(column) && *column != "tenant_id")
                .map(|column| (column.as_str(), self.others[column].as_str()))
                .collect();
            let held: Vec<String> = own.iter().map(|column| format!("\"{column}\" IS NOT NULL")).collect();
            let held = held.join(" AND ");
            let values = changed(columns, &fresh);
            let select = format!("SELECT {values} FROM {table} WHERE {held} AND ({rows}) LIMIT 1");
            let all = list(columns);
            if self.on == On::Sqlite {
                let theft = format!("INSERT OR REPLACE INTO {table} ({all}) {select}");
                forms.push(("FCT-45 INSERT OR REPLACE", theft));
            } else {
                let (own, last) = (list(own), columns.last().unwrap());
                let theft = format!(
                    "INSERT INTO {table} ({all}) {select} ON CONFLICT ({own}) WHERE {rows}
                     DO UPDATE SET \"{last}\" = excluded.\"{last}\""
                );
                forms.push(("FCT-48 DO UPDATE", theft));
            }
            let first = |column: &String| {
                format!("\"{column}\" = (SELECT min(\"{column}\") FROM {table} WHERE {held} AND ({rows}))")
            };
            let sets: Vec<String> = own.iter().map(first).collect();
            let (row, or) = match self.on {
                On::Sqlite => ("FCT-46 UPDATE OR REPLACE", "OR REPLACE"),
                On::Postgres => ("FCT-41 UPDATE of a column", ""),
            };
            forms.push((row, format!("UPDATE {or} {table} SET {}", sets.join(", "))));
        }
        named(forms, if self.table.guard == Guard::NoDelete { MARKED } else { COLLIDES })
    }

    /// What moves a row of a table that only grows backwards, by hand for each: what forward is only it knows.
    fn shrinks(&self) -> Vec<Attack> {
        let zeros = |count: &str| match self.on {
            On::Sqlite => format!("zeroblob(32 * ({count}))"),
            On::Postgres => format!("decode(repeat('00', CAST(32 * ({count}) AS INTEGER)), 'hex')"),
        };
        let (same, longer) = (zeros("width"), zeros("width + 1"));
        let cut = "substr(hashes, 1, CAST(32 * (width - 1) AS INTEGER))";
        let table = self.table.name;
        let changes: &[&[(&str, &str)]] = match table {
            "log_heads" => &[&[("size", "size - 1")], &[("last_at_us", "last_at_us - 1")]],
            "log_tiles" => &[
                &[("width", "width - 1"), ("hashes", cut)],
                &[("hashes", &same)],
                &[("width", "width + 1"), ("hashes", &longer)],
            ],
            other => panic!("{other} only grows: say here what would not be growing"),
        };
        let all = list(&self.columns);
        let mut forms = Vec::new();
        for change in changes {
            let sets: Vec<String> =
                change.iter().map(|(column, value)| format!("{column} = {value}")).collect();
            let conflicts = if self.on == On::Sqlite { &CONFLICTS[..] } else { &CONFLICTS[..1] };
            for or in conflicts {
                forms.push(("TLW-18 shrinking", format!("UPDATE {or} {table} SET {}", sets.join(", "))));
            }
            if self.on == On::Sqlite {
                let values = changed(&self.columns, change);
                for verb in ["INSERT OR REPLACE", "REPLACE"] {
                    let sql = format!("{verb} INTO {table} ({all}) SELECT {values} FROM {table}");
                    forms.push(("TLW-18 shrinking", sql));
                }
            }
        }
        named(forms, APPEND_ONLY)
    }

    /// Everything that the table's guard has to refuse.
    pub(crate) fn attacks(&self) -> Vec<Attack> {
        const COLUMN: &str = "FCT-41 UPDATE of a column";
        const CLOSED: &str = "FCT-42 UPDATE of a row that ended";
        let mut all = self.deletes();
        match self.table.guard {
            Guard::AppendOnly => {
                all.extend(self.updates(COLUMN, &self.columns, "true", true));
                all.extend(self.inserts());
                all.extend(self.thefts());
            }
            Guard::AppendOnlyWhere(rows) => {
                all.extend(self.updates(CLOSED, &self.columns, rows, true));
                // Rows that may still change keep their keys.
                all.extend(self.updates(COLUMN, &self.key, "true", false));
                all.extend(self.inserts());
                all.extend(self.thefts());
            }
            Guard::ClosedOnce => {
                let closing =
                    |column: &String| column.starts_with("superseded_") || column.ends_with("t_superseded");
                let kept: Vec<String> =
                    self.columns.iter().filter(|column| !closing(column)).cloned().collect();
                all.extend(self.updates(COLUMN, &kept, "true", false));
                all.extend(self.updates(CLOSED, &self.columns, "t_superseded IS NOT NULL", true));
                all.extend(self.inserts());
                all.extend(self.thefts());
            }
            Guard::OnlyGrows => {
                all.extend(self.updates(COLUMN, &self.key, "true", false));
                all.extend(self.shrinks());
            }
            Guard::NoDelete => {
                all.extend(self.updates(COLUMN, &self.key, "true", false));
                all.extend(self.thefts());
            }
            Guard::Open => all.clear(),
        }
        all
    }
}

fn named(forms: Vec<(&'static str, String)>, wanted: &'static [&'static str]) -> Vec<Attack> {
    forms.into_iter().map(|(row, sql)| Attack::new(row, sql, wanted)).collect()
}

impl Raw {
    /// For each column of a table, an expression for another value of its type; nothing stays nothing.
    pub(crate) async fn others(&mut self, table: &str) -> BTreeMap<String, String> {
        let sql = self.each(
            &format!("SELECT name || ' ' || type FROM pragma_table_info('{table}')"),
            &format!(
                "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
                 WHERE attrelid = 'public.{table}'::regclass AND attnum > 0 AND NOT attisdropped"
            ),
        );
        let columns = self.column(&sql).await;
        columns
            .iter()
            .map(|column| {
                let (name, kind) = column.split_once(' ').unwrap();
                let other = match kind {
                    // One of a few words: a row with another one is refused for that.
                    _ if name == "fact_type" => "'known_good'".to_owned(),
                    "INTEGER" | "bigint" => format!("\"{name}\" + 1000000"),
                    "TEXT" | "text" => format!("\"{name}\" || 'x'"),
                    "BLOB" => "zeroblob(1)".to_owned(),
                    "bytea" => "'\\x00'::bytea".to_owned(),
                    kind => panic!("{table}.{name} is a {kind}"),
                };
                (name.to_owned(), other)
            })
            .collect()
    }

    /// Makes a view through which rows can be deleted, as an attacker may.
    pub(crate) async fn plant_view(&mut self, table: &str) {
        let sql = self.each(
            &format!(
                "CREATE VIEW v_{table} AS SELECT * FROM {table};
                 CREATE TRIGGER v_{table}_delete INSTEAD OF DELETE ON v_{table} BEGIN DELETE FROM {table}; END"
            ),
            &format!("CREATE VIEW v_{table} AS SELECT * FROM {table}; GRANT ALL ON v_{table} TO PUBLIC"),
        );
        self.run(&sql).await.unwrap();
    }
}
