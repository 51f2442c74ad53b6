//! Opening a SQLite file: one writer, several readers, durable, ours.
//!
//! A command that only reads opens a single connection: the writer connects at the first write. Both do what their part
//! may and no more; a new file is claimed and an older one brought up to date on a connection of its own, which nobody binds.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row as _, Transaction};

use super::reading::Reading;
use super::{Backend, Db, Login, Tx, authorizer, echo};
use crate::error::{Problem, StoreError, doing};
use crate::{files, migrate};

/// Marks a database file as ours (`PRAGMA application_id`): "PLMB".
pub(crate) const APPLICATION_ID: i64 = 0x504c_4d42;
/// How long a statement waits for another process's write lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Most attempts to switch a new file to the write-ahead log, each after another process did something to it.
const SWITCHES_MAX: u32 = 100;
/// Page size of a new file. An entry with its body is stored in its page: at SQLite's usual 4,096 a row of more
/// than about 1,000 bytes gets a page of its own (sqlite.org/fileformat2.html, section 1.6).
const PAGE_BYTES: u32 = 8192;
/// Page cache of the writer, in KiB where negative: a first scan of 1,000 rules fits, so that no page is
/// written twice in one transaction.
const WRITER_CACHE: &str = "-16384";
/// Read connections. SQLite readers do not block each other. They refuse to write (sqlite.org/pragma.html#pragma_query_only)
/// and are not opened for reading alone: whoever closes last folds the write-ahead log into the file and removes it.
const READERS_MAX: u32 = 4;

/// Opens the file, making it where it is missing, and brings its schema up to date.
pub(super) async fn open(path: &Path, login: Login) -> Result<Db, StoreError> {
    files::prepare(path)?;
    let db = unopened(path, login);
    let Backend::Sqlite { readers, .. } = &db.0 else { return Ok(db) };
    // What keeps a reader from seeing it is said by who claims it.
    let is_ours = is_ours(readers).await.unwrap_or(false);
    if is_ours {
        files::tighten(path)?;
    }
    if !is_ours || !matches!(migrate::standing(db.readers_of_none()).await, Ok(Ok(()))) {
        let (owner, _readers) = pools(path, Login::Owner);
        let done = claim(&owner, path).await;
        let done = if done.is_ok() { bring_up_to_date(&db, &owner).await } else { done };
        owner.close().await;
        done?;
    }
    Ok(db)
}

async fn bring_up_to_date(db: &Db, owner: &SqlitePool) -> Result<(), StoreError> {
    migrate::refuse_missing_keys(db).await?;
    let said = "bring the schema up to date";
    let mut tx = begin(owner).await.map(Tx::Sqlite).map_err(doing(said))?;
    migrate::migrate(&mut tx).await?;
    tx.commit().await.map_err(doing(said))
}

/// Returns the file as it is, without claiming it or bringing its schema up to date.
pub(super) fn unopened(path: &Path, login: Login) -> Db {
    let (writer, readers) = pools(path, login);
    Db(Backend::Sqlite { writer, readers, path: path.to_owned(), login })
}

/// Returns the connections to a file, which are made when they are needed: for writing, and for reading.
fn pools(path: &Path, login: Login) -> (SqlitePool, Reading) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .page_size(PAGE_BYTES)
        .busy_timeout(BUSY_TIMEOUT);
    // The settings above are made before.
    let bound = move || {
        SqlitePoolOptions::new()
            .after_connect(move |connection, _meta| Box::pin(async move { bind(connection, login).await }))
    };
    let writer =
        bound().max_connections(1).connect_lazy_with(options.clone().pragma("cache_size", WRITER_CACHE));
    let readers = Reading::new(
        bound().max_connections(READERS_MAX).connect_lazy_with(options.pragma("query_only", "ON")),
    );
    (writer, readers)
}

/// Begins a write, which waits for its turn.
pub(super) async fn begin(writer: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    let text = "BEGIN IMMEDIATE";
    echo::told(text, writer.begin_with(text)).await
}

/// Keeps a connection to what somebody may do.
pub(super) async fn bind(connection: &mut SqliteConnection, login: Login) -> Result<(), sqlx::Error> {
    match login.part() {
        Some(part) => authorizer::bind(connection, part).await,
        None => Ok(()),
    }
}

/// Has what is deleted from now on overwritten in the file (sqlite.org/pragma.html#pragma_secure_delete).
pub(super) async fn overwrite_deleted(writer: &SqlitePool) -> Result<(), StoreError> {
    sqlx::query("PRAGMA secure_delete = ON")
        .execute(writer)
        .await
        .map_err(doing("have deleted bytes overwritten"))?;
    Ok(())
}

/// Has foreign keys looked at from now on, or not.
pub(super) async fn use_foreign_keys(writer: &SqlitePool, used: bool) -> Result<(), StoreError> {
    sqlx::query(if used { "PRAGMA foreign_keys = ON" } else { "PRAGMA foreign_keys = OFF" })
        .execute(writer)
        .await
        .map_err(doing("turn foreign keys off or on"))?;
    Ok(())
}

/// Folds the write-ahead log into the file and empties it.
pub(super) async fn fold_wal(writer: &SqlitePool) -> Result<(), StoreError> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(writer)
        .await
        .map_err(doing("fold the write-ahead log"))?;
    Ok(())
}

/// Tells whether the file was claimed before: it bears our mark and has a write-ahead log.
async fn is_ours(readers: &Reading) -> Result<bool, sqlx::Error> {
    let asked = sqlx::query(
        "SELECT a.application_id AS application_id, j.journal_mode AS journal_mode
         FROM pragma_application_id AS a, pragma_journal_mode AS j",
    );
    let rows = readers.fetch_all(asked).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let (application_id, journal): (i64, String) =
        (row.try_get("application_id")?, row.try_get("journal_mode")?);
    Ok(application_id == APPLICATION_ID && journal == "wal")
}

/// Refuses a file that belongs to another program, before anything of it is changed; then tightens its mode,
/// marks a new one as ours and switches it to the write-ahead log.
async fn claim(writer: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let opened = |source: sqlx::Error| StoreError::Open {
        place: path.display().to_string(),
        problem: Problem::of(&source),
        source: Some(source),
    };
    let row = sqlx::query(
        "SELECT a.application_id AS application_id, (SELECT count(*) FROM sqlite_schema) AS objects
         FROM pragma_application_id AS a",
    )
    .fetch_one(writer)
    .await
    .map_err(opened)?;
    let application_id: i64 = row.try_get("application_id").map_err(opened)?;
    let objects: i64 = row.try_get("objects").map_err(opened)?;
    if application_id != APPLICATION_ID && (objects > 0 || application_id != 0) {
        return Err(StoreError::Open {
            place: path.display().to_string(),
            problem: Problem::Foreign,
            source: None,
        });
    }
    files::tighten(path)?;
    use_write_ahead_log(writer).await.map_err(opened)?;
    if application_id != APPLICATION_ID {
        sqlx::query("PRAGMA application_id = 1347177794").execute(writer).await.map_err(opened)?;
    }
    Ok(())
}

/// Switches the file to the write-ahead log, once and for all who open it.
///
/// Processes that do this to a new file at once are refused without the usual wait, so whoever is refused
/// waits for the other's write to end and tries again.
async fn use_write_ahead_log(writer: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut left = SWITCHES_MAX;
    loop {
        left -= 1;
        match sqlx::query("PRAGMA journal_mode = WAL").execute(writer).await {
            Err(err) if left > 0 && Problem::of(&err) == Problem::Busy => {
                begin(writer).await?.rollback().await?;
            }
            done => return done.map(|_switched| ()),
        }
    }
}
