//! Opening the database: one writer, several readers, durable, ours.
//!
//! A command that only reads opens a single connection: the writer connects at the first write.

mod snapshot;

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{LogId, TenantId, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, Sqlite, Transaction};

use crate::append::Nonces;
use crate::error::{Problem, StoreError, doing};
use crate::logs::{self, Begins};
use crate::{files, migrate};

/// Marks a database file as ours (`PRAGMA application_id`): "PLMB".
const APPLICATION_ID: i64 = 0x504c_4d42;
/// How long a statement waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Most attempts to switch a new file to the write-ahead log, each after another process did something to it.
const SWITCHES_MAX: u32 = 100;
/// Page size of a new file. An entry with its body is stored in its page: at SQLite's usual 4,096 a row of more
/// than about 1,000 bytes gets a page of its own (sqlite.org/fileformat2.html, section 1.6).
const PAGE_BYTES: u32 = 8192;
/// Page cache of the writer, in KiB where negative: a first scan of 1,000 rules fits, so that no page is
/// written twice in one transaction.
const WRITER_CACHE: &str = "-16384";
/// Read connections. SQLite readers do not block each other.
const READERS_MAX: u32 = 4;

/// A database. Cheap to clone; the pools close when the last clone goes.
#[derive(Debug, Clone)]
pub struct Db {
    writer: SqlitePool,
    readers: SqlitePool,
    path: PathBuf,
}

/// The tenant that a unit of work belongs to, with its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub log: LogId,
    /// First line of the log's checkpoints.
    pub origin: String,
    /// Public key that checkpoints verify with (C2SP signed-note).
    pub vkey: String,
}

impl Db {
    /// Opens the database file, making it where it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be used: foreign, damaged, newer than this program, no permission.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        files::prepare(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .page_size(PAGE_BYTES)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(options.clone().pragma("cache_size", WRITER_CACHE));
        let readers =
            SqlitePoolOptions::new().max_connections(READERS_MAX).connect_lazy_with(options.read_only(true));
        // What keeps a reader from seeing it is said by the writer.
        if is_ours(&readers).await.unwrap_or(false) {
            files::tighten(path)?;
        } else {
            claim(&writer, path).await?;
        }
        let db = Self { writer, readers, path: path.to_owned() };
        if !migrate::is_current(&db.readers).await {
            let mut tx = db.begin("bring the schema up to date").await?;
            migrate::migrate(&mut tx).await?;
            tx.commit().await.map_err(doing("bring the schema up to date"))?;
        }
        Ok(db)
    }

    /// Closes all connections of all clones, which folds the write-ahead log into the file when no other
    /// process has it open.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Returns where the database file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a write: takes the write lock at once, because a transaction that reads first and writes later
    /// fails as soon as another process writes in between.
    pub(crate) async fn begin(&self, said: &'static str) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(doing(said))
    }

    /// Has what is deleted from now on overwritten in the file (sqlite.org/pragma.html#pragma_secure_delete).
    pub(crate) async fn overwrite_deleted(&self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA secure_delete = ON")
            .execute(&self.writer)
            .await
            .map_err(doing("have deleted bytes overwritten"))?;
        Ok(())
    }

    /// Folds the write-ahead log into the file and empties it, so that no older copy of a page stays in it.
    pub(crate) async fn fold_wal(&self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&self.writer)
            .await
            .map_err(doing("fold the write-ahead log"))?;
        Ok(())
    }

    /// Returns the connections for reading.
    pub(crate) const fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Finds the tenant with this slug.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_tenant(&self, slug: &str) -> Result<Option<Tenant>, StoreError> {
        let said = "read the tenant";
        let row = sqlx::query(
            "SELECT t.tenant_id, l.log_id, l.origin, l.vkey
             FROM tenants AS t
             JOIN log_heads AS l ON l.tenant_id = t.tenant_id
             WHERE t.slug = $1
             ORDER BY l.first_position DESC
             LIMIT 1",
        )
        .bind(slug)
        .fetch_optional(&self.readers)
        .await
        .map_err(doing(said))?;
        row.map(|row| {
            let row = crate::codec::Reader::new("tenants", "tenant_id", &row)?;
            Ok(Tenant {
                id: row.parsed("tenant_id")?,
                log: row.parsed("log_id")?,
                origin: row.text("origin")?,
                vkey: row.text("vkey")?,
            })
        })
        .transpose()
    }

    /// Makes a tenant and a log whose first entry is `log.genesis`, unless one with this slug exists; either way returns what is there.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn create_tenant(
        &self,
        slug: &str,
        (tenant, actor): (&Tenant, &str),
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<Tenant, StoreError> {
        let said = "make the tenant";
        let mut tx = self.begin(said).await?;
        if logs::insert_tenant(&mut tx, slug, (tenant, now)).await? {
            let begins = Begins { first_position: 0, after: Timestamp::from_micros(0) };
            logs::begin(&mut tx, (tenant, actor), (begins, None, None), (now, nonces)).await?;
        }
        tx.commit().await.map_err(doing(said))?;
        self.find_tenant(slug).await?.ok_or_else(|| StoreError::Row {
            table: "tenants",
            column: "slug",
            row: slug.to_owned(),
            problem: "it was made and is not there".to_owned(),
        })
    }
}

/// Tells whether the file was claimed before: it bears our mark and has a write-ahead log.
async fn is_ours(readers: &SqlitePool) -> Result<bool, sqlx::Error> {
    let row = sqlx::query(
        "SELECT a.application_id AS application_id, j.journal_mode AS journal_mode
         FROM pragma_application_id AS a, pragma_journal_mode AS j",
    )
    .fetch_one(readers)
    .await?;
    let (application_id, journal): (i64, String) =
        (row.try_get("application_id")?, row.try_get("journal_mode")?);
    Ok(application_id == APPLICATION_ID && journal == "wal")
}

/// Refuses a file that belongs to another program, before anything of it is changed; then tightens its mode,
/// marks a new one as ours and switches it to the write-ahead log.
async fn claim(writer: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let opened = |source: sqlx::Error| StoreError::Open {
        path: path.to_owned(),
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
        return Err(StoreError::Open { path: path.to_owned(), problem: Problem::Foreign, source: None });
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
                writer.begin_with("BEGIN IMMEDIATE").await?.rollback().await?;
            }
            done => return done.map(|_switched| ()),
        }
    }
}
