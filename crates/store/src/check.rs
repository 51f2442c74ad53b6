//! Looking at a database without using it: can it be reached, is it ours and whole, and does it keep what it should.
//! Nothing is made, mended or brought up to date.

use std::path::Path;

use crate::db::{APPLICATION_ID, ENCODING, Login, Row, Server, query};
use crate::error::{Class, Problem, StoreError};
use crate::{Db, SCHEMA_VERSION, files, migrate};

mod budget;

/// The oldest major version of PostgreSQL that is supported: views that read with the rights of who asks.
const SERVER_MAJOR_MIN: i64 = 15;
/// What to do where the server has too few connections.
const FEWER: &str =
    "set PLUMB_DATABASE_CONNECTIONS, _OVERFLOW or _REPLICAS lower, or give the server or the role more";
/// Most tables that are named in a line.
const NAMED_MAX: usize = 5;

/// What became of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Right,
    Wrong,
    /// It could not be looked at now; the same may work later.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub verdict: Verdict,
    /// What was found, for people.
    pub said: String,
    pub hint: Option<&'static str>,
}

fn fine(name: &'static str, said: impl Into<String>) -> Check {
    Check { name, verdict: Verdict::Right, said: said.into(), hint: None }
}

fn wrong(name: &'static str, said: impl Into<String>, hint: &'static str) -> Check {
    Check { name, verdict: Verdict::Wrong, said: said.into(), hint: Some(hint) }
}

/// Makes a check of what may have failed: then that is what was found.
fn of(name: &'static str, hint: &'static str, looked: Result<Check, sqlx::Error>) -> Check {
    looked.unwrap_or_else(|err| failed(name, hint, &Problem::of(&err)))
}

/// Makes a check of why nothing was found. A lock that is held or a server that is full is no fault of what is looked at.
fn failed(name: &'static str, hint: &'static str, problem: &Problem) -> Check {
    if problem.class() == Class::Transient {
        let hint = Some("this says nothing of it; see what keeps the database busy, then look again");
        return Check { name, verdict: Verdict::Unknown, said: problem.to_string(), hint };
    }
    wrong(name, problem.to_string(), hint)
}

/// As [`failed`], of what another part of this program looked for.
fn failed_by(name: &'static str, hint: &'static str, err: &StoreError) -> Check {
    // Where the database is was said before.
    if let StoreError::Open { problem, .. } | StoreError::Database { problem, .. } = err {
        return failed(name, hint, problem);
    }
    wrong(name, err.to_string(), hint)
}

impl Db {
    /// Looks at a database file.
    ///
    /// # Errors
    /// When something else than a file is there.
    pub async fn check_file(path: &Path) -> Result<Vec<Check>, StoreError> {
        let db = Self::at_file(path)?;
        let mut checks = vec![file(path), of("pages", "restore a backup beside it", pages(&db).await)];
        checks.push(of("mark", "name a database of plumb", mark(&db).await));
        checks.push(of("write-ahead log", "open it once with any other command", journal(&db).await));
        checks.push(of("schema", "name a database of plumb", schema(&db).await));
        checks.push(of("writing", "check owner and mode of file and folder", write_to_file(&db).await));
        checks.push(fine("connections", "not applicable: a file has no limit of its own"));
        checks.push(capabilities(&db));
        db.close().await;
        Ok(checks)
    }

    /// Looks at a database of a server, as the user who works with it.
    ///
    /// # Errors
    /// When it cannot be reached or lets nobody in: with the true cause, and never with the password.
    pub async fn check_server(server: &Server) -> Result<Vec<Check>, StoreError> {
        let db = Self::at_server(server).await?;
        let rights = "connect as the user that the server's administrator made for plumb";
        let tables = "run `plumb migrate` with the user that owns the tables";
        let mut checks = vec![
            of("connection", rights, connection(&db).await),
            of("server", "install a newer PostgreSQL", version(&db).await),
            of("durability", rights, durability(&db).await),
            of("encoding", rights, encoding(&db).await),
            of("connections", FEWER, budget::look(&db, server).await),
        ];
        let schema = of("schema", tables, schema(&db).await);
        let is_ours = migrate::standing(db.readers_of_none()).await.is_ok_and(|standing| standing.is_ok());
        checks.push(schema);
        // Of other tables nothing is known.
        if is_ours {
            checks.push(role(&db).await);
            checks.push(of("rights", tables, privileges(&db).await));
            checks.push(of("row security", tables, policies(&db).await));
        }
        checks.push(of("writing", "connect to the primary server", write_to_server(&db).await));
        checks.push(capabilities(&db));
        db.close().await;
        Ok(checks)
    }
}

/// Tells what the backend can do beyond keeping rows.
fn capabilities(db: &Db) -> Check {
    let names: Vec<&str> = db.capabilities().iter().map(|capability| capability.as_str()).collect();
    fine("capabilities", names.join(", "))
}

async fn rows(db: &Db, sql: &'static str) -> Result<Vec<Row>, sqlx::Error> {
    query(sql).fetch_all(db.readers_of_none()).await
}

async fn row(db: &Db, sql: &'static str) -> Result<Row, sqlx::Error> {
    query(sql).fetch_one(db.readers_of_none()).await
}

/// Tells whether the applied migrations are those of this program.
async fn schema(db: &Db) -> Result<Check, sqlx::Error> {
    let standing = migrate::standing(db.readers_of_none()).await?;
    if standing.is_ok()
        && let Err(err) = db.refuse_other_schema().await
    {
        let is_keyless = matches!(&err, StoreError::Open { problem: Problem::KeyMissing { .. }, .. });
        let hint = if is_keyless {
            "see by `plumb store repair` which rows the ledger confirms, or restore a backup"
        } else {
            "keep it as it is, restore a backup beside it and compare by `plumb ledger verify`"
        };
        return Ok(failed_by("schema", hint, &err));
    }
    Ok(match standing {
        Ok(()) => fine("schema", format!("version {SCHEMA_VERSION}, as this program needs it")),
        Err(problem @ Problem::SchemaBehind { .. }) => {
            wrong("schema", problem.to_string(), "run `plumb migrate` with a user that may change the schema")
        }
        Err(problem @ Problem::SchemaAhead { .. }) => {
            wrong("schema", problem.to_string(), "use the newer plumb that wrote it")
        }
        Err(problem) => wrong("schema", problem.to_string(), "use an unmodified build of plumb"),
    })
}

/// Looks at the modes of a file and of what stands beside it.
fn file(path: &Path) -> Check {
    match files::modes(path) {
        Ok(found) => {
            let said: Vec<String> = found.iter().map(|(name, mode)| format!("{name} {mode:04o}")).collect();
            let said = format!("{}: {}", path.display(), said.join(", "));
            if found.iter().all(|(_name, mode)| mode & 0o077 == 0) {
                fine("file", said)
            } else {
                wrong("file", format!("{said}: others than its owner may use it"), "chmod 600 it")
            }
        }
        Err(err) => wrong("file", format!("{}: {err}", path.display()), "check its owner and mode"),
    }
}

async fn pages(db: &Db) -> Result<Check, sqlx::Error> {
    let found = rows(db, "PRAGMA quick_check(5)").await?;
    let found: Vec<String> = found.iter().map(|row| row.get("quick_check")).collect::<Result<_, _>>()?;
    Ok(if found == ["ok"] {
        fine("pages", "whole, by SQLite's quick check")
    } else {
        let hint =
            "keep the file as it is, restore a backup beside it and compare with `plumb ledger verify`";
        wrong("pages", found.join("; "), hint)
    })
}

/// Tells whether the file says that it is ours: else every other command refuses it.
async fn mark(db: &Db) -> Result<Check, sqlx::Error> {
    let found: i64 = row(db, "PRAGMA application_id").await?.get("application_id")?;
    Ok(if found == APPLICATION_ID {
        fine("mark", "of plumb")
    } else {
        wrong(
            "mark",
            format!("of another program: {found}"),
            "restore a backup beside it, or name another file",
        )
    })
}

async fn journal(db: &Db) -> Result<Check, sqlx::Error> {
    let mode: String = row(db, "PRAGMA journal_mode").await?.get("journal_mode")?;
    Ok(if mode == "wal" {
        fine("write-ahead log", "on")
    } else {
        wrong("write-ahead log", format!("off: {mode}"), "open it once with any other command")
    })
}

/// Writes a number over itself, and so through to the disk.
async fn write_to_file(db: &Db) -> Result<Check, sqlx::Error> {
    let number: i64 = row(db, "PRAGMA user_version").await?.get("user_version")?;
    let mut tx = match db.begin_filling("look whether it can be written").await {
        Ok(tx) => tx,
        Err(err) => return Ok(failed_by("writing", "check owner and mode of file and folder", &err)),
    };
    query(crate::db::Sql::Assembled(format!("PRAGMA user_version = {number}"))).execute(&mut tx).await?;
    tx.commit().await?;
    Ok(fine("writing", "accepted"))
}

async fn connection(db: &Db) -> Result<Check, sqlx::Error> {
    let sql = "SELECT coalesce(version, '') AS protocol FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let protocol: String = row(db, sql).await?.get("protocol")?;
    let said =
        if protocol.is_empty() { "not encrypted".to_owned() } else { format!("encrypted, {protocol}") };
    Ok(fine("connection", format!("{}, {said}", db.place())))
}

async fn version(db: &Db) -> Result<Check, sqlx::Error> {
    let row = row(
        db,
        "SELECT current_setting('server_version') AS version,
           CAST(current_setting('server_version_num') AS BIGINT) / 10000 AS major",
    )
    .await?;
    let (version, major): (String, i64) = (row.get("version")?, row.get("major")?);
    let said = format!("PostgreSQL {version}");
    Ok(if major >= SERVER_MAJOR_MIN {
        fine("server", said)
    } else {
        wrong(
            "server",
            format!("{said}, which is older than {SERVER_MAJOR_MIN}"),
            "install a newer PostgreSQL",
        )
    })
}

/// Tells whether what the server answers as done is on its disk: checkpoints speak of it from then on (LED-19).
async fn durability(db: &Db) -> Result<Check, sqlx::Error> {
    let found = rows(
        db,
        "SELECT CAST(name AS TEXT) AS name FROM pg_settings
         WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name",
    )
    .await?;
    if found.is_empty() {
        return Ok(fine("durability", "a commit is on the server's disk when it is answered"));
    }
    let off: Vec<String> = found.iter().map(|row| row.get("name")).collect::<Result<_, _>>()?;
    let said = format!("{} off: after a fall of the machine, what was recorded may be gone", off.join(", "));
    Ok(wrong(
        "durability",
        said,
        "turn it on in the server's settings: checkpoints speak of what is recorded",
    ))
}

/// Tells whether the database keeps any text.
async fn encoding(db: &Db) -> Result<Check, sqlx::Error> {
    let encoding: String =
        row(db, "SELECT current_setting('server_encoding') AS encoding").await?.get("encoding")?;
    Ok(if encoding == ENCODING {
        fine("encoding", encoding)
    } else {
        wrong(
            "encoding",
            format!("{encoding}, which refuses some texts of hosts"),
            "copy it to one in UTF8 by `plumb db copy`",
        )
    })
}

/// Tells whether whoever is connected is kept to a tenant's rows and to rights of its own.
async fn role(db: &Db) -> Check {
    let hint = "connect as the role that `plumb migrate --grant app=ROLE` gave its rights";
    match db.unsafe_because(Login::Everyday).await {
        Ok(None) => {
            fine("role", "bound by row security, which shows no row without a tenant, and by its rights")
        }
        Ok(Some(problem)) => wrong("role", problem.to_string(), hint),
        Err(err) => failed_by("role", hint, &err),
    }
}

async fn privileges(db: &Db) -> Result<Check, sqlx::Error> {
    let unread = rows(
        db,
        "SELECT CAST(c.relname AS TEXT) AS table_name FROM pg_class AS c
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT has_table_privilege(c.oid, 'SELECT')
         ORDER BY c.relname",
    )
    .await?;
    if !unread.is_empty() {
        let hint = "run `plumb migrate --grant app=ROLE` as the owner";
        return Ok(wrong("rights", format!("it may not read {}", names(&unread)?), hint));
    }
    let row = row(
        db,
        "SELECT count(*) AS tables, sum(CASE WHEN has_table_privilege(c.oid, 'INSERT') THEN 1 ELSE 0 END) AS added
         FROM pg_class AS c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace",
    )
    .await?;
    let (tables, added): (i64, i64) = (row.get("tables")?, row.get("added")?);
    Ok(fine("rights", format!("may read all {tables} tables and add to {added}")))
}

async fn policies(db: &Db) -> Result<Check, sqlx::Error> {
    let found = rows(
        db,
        "SELECT CAST(c.relname AS TEXT) AS table_name FROM pg_class AS c
         JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy AS p
             WHERE p.polrelid = c.oid AND p.polname = 'tenant' AND p.polcmd = '*' AND p.polpermissive))
         ORDER BY c.relname",
    )
    .await?;
    Ok(if found.is_empty() {
        fine("row security", "on and forced for every table with a tenant")
    } else {
        let said = format!("not on, not forced or without its policy for {}", names(&found)?);
        wrong("row security", said, "restore what was changed, and compare with `plumb ledger verify`")
    })
}

/// Takes a number for a transaction, which is written to the server's log.
async fn write_to_server(db: &Db) -> Result<Check, sqlx::Error> {
    let mut tx = match db.begin_filling("look whether it can be written").await {
        Ok(tx) => tx,
        Err(err) => return Ok(failed_by("writing", "connect to the primary server", &err)),
    };
    let row =
        query("SELECT current_setting('transaction_read_only') AS read_only").fetch_one(&mut tx).await?;
    if row.get::<String>("read_only")? == "on" {
        return Ok(wrong(
            "writing",
            "the server is read-only, or for this user",
            "connect to the primary server",
        ));
    }
    query("SELECT pg_current_xact_id()").fetch_all(&mut tx).await?;
    tx.commit().await?;
    Ok(fine("writing", "accepted"))
}

fn names(found: &[Row]) -> Result<String, sqlx::Error> {
    let mut names: Vec<String> =
        found.iter().take(NAMED_MAX).map(|row| row.get("table_name")).collect::<Result<_, _>>()?;
    if found.len() > NAMED_MAX {
        names.push(format!("{} more", found.len() - NAMED_MAX));
    }
    Ok(names.join(", "))
}
