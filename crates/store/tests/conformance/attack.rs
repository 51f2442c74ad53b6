//! Statements that a database has to refuse, who tries them, and under which name each is refused (FCT-40 to FCT-58).

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use store::{Problem, Refusal};
use testkit::postgres::SUPERUSER;

use crate::bench::{Bench, EVERYDAY, Home, OWNER, PARTS};
use crate::raw::Raw;

/// What nothing may come of: the row or rows of the matrix, the statement, and the names it may be refused under.
#[derive(Debug, Clone)]
pub(crate) struct Attack {
    pub(crate) row: &'static str,
    pub(crate) form: Form,
    pub(crate) wanted: &'static [&'static str],
}

#[derive(Debug, Clone)]
pub(crate) enum Form {
    Sql(String),
    /// Rows of this query, by COPY into a table.
    Copy {
        table: &'static str,
        rows: String,
    },
}

impl Attack {
    pub(crate) fn new(row: &'static str, sql: impl Into<String>, wanted: &'static [&'static str]) -> Self {
        Self { row, form: Form::Sql(sql.into()), wanted }
    }
}

/// A statement that does nothing counts as refused, under this name.
pub(crate) const NOTHING: &str = "no row";

pub(crate) const APPEND_ONLY: &[&str] = &["AppendOnly"];
pub(crate) const SEQUENCE: &[&str] = &["SequenceViolation"];
pub(crate) const VALUE: &[&str] = &["InvalidValue"];
pub(crate) const PROVENANCE: &[&str] = &["MissingProvenance"];
pub(crate) const TIME: &[&str] = &["TimeViolation"];
/// By what collides: an id or an active key, or a number.
pub(crate) const COLLIDES: &[&str] = &["AppendOnly", "SequenceViolation"];
pub(crate) const DENIED: &[&str] = &["Denied"];

/// Settings of an attacker's connection to a file.
const PRAGMAS: &[&str] = &[
    "PRAGMA recursive_triggers = OFF; PRAGMA foreign_keys = ON; PRAGMA ignore_check_constraints = OFF",
    "PRAGMA recursive_triggers = ON; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON",
    "PRAGMA recursive_triggers = OFF; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON",
];

/// Somebody with a connection of their own.
pub(crate) struct Attacker {
    name: &'static str,
    pub(crate) raw: Raw,
    /// Settings under which everything is tried again.
    sessions: &'static [&'static str],
    /// Has rights from the matrix alone.
    is_granted: bool,
}

/// Everybody who may try: on a file another program, and this one; on a server a superuser who says that it only replicates, which fires no usual trigger and
/// checks no foreign key, the owner of the tables and the role of every day.
pub(crate) async fn attackers(bench: &Bench) -> Vec<Attacker> {
    let mut all = Vec::new();
    if matches!(&*bench.home, Home::Folder(_)) {
        let raw = bench.raw().await;
        all.push(Attacker { name: "whoever has the file", raw, sessions: PRAGMAS, is_granted: false });
        let raw = bench.raw_as(EVERYDAY).await;
        all.push(Attacker { name: "app", raw, sessions: &["SELECT 1"], is_granted: true });
        return all;
    }
    let roles: [(&str, &str, &[&str], bool); 3] = [
        ("superuser, replica", SUPERUSER, &["SET session_replication_role = replica"], false),
        ("owner", OWNER, &["SELECT 1"], false),
        ("app", EVERYDAY, &["SELECT 1"], true),
    ];
    for (name, role, sessions, is_granted) in roles {
        all.push(Attacker { name, raw: bench.raw_as(role).await, sessions, is_granted });
    }
    all
}

/// Everybody who logs in with rights of the matrix.
pub(crate) async fn parts(bench: &Bench) -> Vec<Attacker> {
    let mut all = Vec::new();
    for (name, role, _) in PARTS.into_iter().filter(|(_, _, logs_in)| *logs_in) {
        all.push(Attacker { name, raw: bench.raw_as(role).await, sessions: &["SELECT 1"], is_granted: true });
    }
    all
}

/// Under which names statements of each row were refused to each attacker, and how often.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<&'static str, BTreeMap<&'static str, BTreeMap<String, usize>>>,
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    /// Lets an attacker try everything; what was let through, changed anything or has another name is noted.
    pub(crate) async fn check(&mut self, attacker: &mut Attacker, eyes: &mut Raw, attacks: &[Attack]) {
        let before = eyes.dump().await;
        for session in attacker.sessions {
            attacker.raw.run(session).await.unwrap();
            for attack in attacks {
                let name = attacker.raw.refusal(&attack.form).await;
                let is_denied = attacker.is_granted && name == "Denied";
                let is_nothing = name == NOTHING && attack.row.starts_with("FCT-47");
                if !(is_denied || is_nothing || attack.wanted.contains(&name.as_str())) {
                    self.wrong.push(format!("{}: {session}: {name}: {attack:?}", attacker.name));
                }
                let row = self.counts.entry(attack.row).or_default().entry(attacker.name).or_default();
                *row.entry(name.split(':').next().unwrap().to_owned()).or_default() += 1;
            }
            assert_eq!(eyes.dump().await, before, "{} changed something: {session}", attacker.name);
        }
    }

    /// Prints the table of statements by who tried them: `cargo nextest run -p store refusal_matrix --no-capture`.
    #[expect(clippy::print_stdout, reason = "the table is there to be looked at")]
    pub(crate) fn print(&self, title: &str) {
        let mut text = format!("{title}\n");
        for (row, attackers) in &self.counts {
            text += &format!("{row}\n");
            for (attacker, names) in attackers {
                let names: Vec<String> =
                    names.iter().map(|(name, count)| format!("{name} {count}")).collect();
                text += &format!("    {attacker:24} {}\n", names.join(", "));
            }
        }
        println!("{text}");
    }

    pub(crate) fn tried(&self) -> usize {
        self.counts.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values).sum()
    }
}

impl Raw {
    /// Runs what has to be refused; returns the name of the refusal, with the database's words where it has none.
    async fn refusal(&mut self, form: &Form) -> String {
        let done = match form {
            Form::Sql(sql) => self.attempt(sql).await,
            Form::Copy { table, rows } => self.copy(table, rows).await,
        };
        match done.map_err(|err| Problem::of(&err)) {
            Ok(0) => NOTHING.to_owned(),
            Ok(rows) => format!("done: {rows} rows"),
            Err(Problem::Refused(Refusal::AppendOnly, _)) => "AppendOnly".to_owned(),
            Err(Problem::Refused(Refusal::SequenceViolation, _)) => "SequenceViolation".to_owned(),
            Err(Problem::Refused(Refusal::InvalidValue, _)) => "InvalidValue".to_owned(),
            Err(Problem::Refused(Refusal::MissingProvenance, _)) => "MissingProvenance".to_owned(),
            Err(Problem::Refused(Refusal::TimeViolation, _)) => "TimeViolation".to_owned(),
            Err(Problem::Denied(_)) => "Denied".to_owned(),
            Err(Problem::Taken(_)) => "Taken".to_owned(),
            Err(other) => format!("other: {other:?}"),
        }
    }

    /// Copies the rows of a query into a table as a client does: as text, out and in.
    async fn copy(&mut self, table: &str, rows: &str) -> Result<u64, sqlx::Error> {
        let Self::Postgres(connection) = self else { panic!("COPY is of a server") };
        // A row as text is a line of CSV in brackets.
        let lines =
            format!("SELECT substr(CAST(s AS TEXT), 2, length(CAST(s AS TEXT)) - 2) FROM ({rows}) AS s");
        let text: Vec<String> = sqlx::query_scalar(AssertSqlSafe(lines)).fetch_all(&mut *connection).await?;
        let mut copy = connection.copy_in_raw(&format!("COPY {table} FROM STDIN WITH (FORMAT csv)")).await?;
        for line in text {
            copy.send(format!("{line}\n").into_bytes()).await?;
        }
        copy.finish().await
    }
}
