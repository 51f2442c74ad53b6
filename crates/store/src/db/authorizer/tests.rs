//! That the connections which commands use are bound, each to the part of who opened the file; what a part may do is in
//! the conformance tests.

use std::path::Path;

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqlitePool;

use super::super::{Backend, Db, Login};
use crate::error::Problem;

const WRITE: &str = "INSERT INTO schema_migrations (version, name, sha256) VALUES (0, 'mine', '')";
const UPDATE: &str = "UPDATE log_heads SET vkey = '' WHERE false";
const DROP: &str = "DROP TRIGGER facts_close";

async fn is_denied(pool: &SqlitePool, sql: &str) -> bool {
    match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.map_err(|err| Problem::of(&err)) {
        Ok(_) => false,
        Err(Problem::Denied(_)) => true,
        Err(other) => panic!("{sql}: {other}"),
    }
}

/// What is refused for writing, and whether the schema can be changed by what reads.
async fn denied(path: &Path, login: Login) -> [bool; 4] {
    let db = Db::open_as(path, login).await.unwrap();
    let frozen = db.snapshot().await.unwrap();
    let (Backend::Sqlite { writer, readers, .. }, Backend::Sqlite { readers: held, .. }) = (&db.0, &frozen.0)
    else {
        panic!("it is a file");
    };
    let update = is_denied(writer, UPDATE).await;
    let write = is_denied(writer, &format!("BEGIN; {WRITE}; ROLLBACK")).await;
    if write {
        sqlx::raw_sql("ROLLBACK").execute(writer).await.unwrap();
    }
    let mut all = [update, write, false, false];
    for (at, pool) in [(2, readers.pool()), (3, held.pool())] {
        all[at] = match sqlx::raw_sql(DROP).execute(pool).await.map_err(|err| Problem::of(&err)) {
            Ok(_) => panic!("what reads has dropped a trigger"),
            Err(Problem::Denied(_)) => true,
            Err(_) => false,
        };
    }
    frozen.end_snapshot().await;
    db.close().await;
    all
}

/// FCT-26: the command of every day closes rows and grows the log, who verifies writes nothing, the owner is not bound; all
/// but the owner's connections refuse to change the schema by the same name, for reading and of a snapshot, too.
#[tokio::test]
async fn fct_26_each_connection_of_a_command_is_bound_to_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plumb.db");
    assert_eq!(denied(&path, Login::Everyday).await, [false, true, true, true]);
    assert_eq!(denied(&path, Login::Verifier).await, [true, true, true, true]);
    assert_eq!(denied(&path, Login::Owner).await, [false, false, false, false]);
}
