//! The database under the store: SQLite in a file, or a PostgreSQL server. Each work has its tenant, and writers
//! of one tenant take turns.

use std::path::{Path, PathBuf};

use model::{LogId, TenantId, Timestamp};
use sqlx::sqlite::SqlitePool;

use crate::append::Nonces;
use crate::codec::Reader;
use crate::dialect;
use crate::error::{Problem, StoreError, doing};
use crate::files;
use crate::logs::{self, Begins};
use crate::migrate;
use crate::privileges::Grant;

mod authorizer;
mod capability;
mod catalog;
mod echo;
mod last;
mod mend;
mod pool;
mod postgres;
mod query;
mod reading;
mod roles;
pub(crate) use roles::ENCODING;
mod snapshot;
mod sqlite;
mod transaction;

use reading::Reading;

pub use authorizer::bind;
pub use capability::Capability;
pub use echo::echo;
use pool::Connections;
pub(crate) use pool::Exhausted;
pub use postgres::{Server, SslMode};
pub(crate) use query::{Each, On, Row, Rows, Sql, Tx, Value, query};
pub use roles::Login;
pub(crate) use sqlite::APPLICATION_ID;
pub(crate) use transaction::Undecided;

/// A database. Cheap to clone; the pools close when the last clone goes.
///
/// Nothing that is open comes out of it: whoever holds one reads and writes by the store's own functions, each for a tenant
/// (DBS-03).
///
/// ```
/// fn place(db: &store::Db) -> String {
///     db.place()
/// }
/// ```
/// ```compile_fail,E0616
/// fn pool(db: &store::Db) {
///     let _backend = &db.0;
/// }
/// ```
/// ```compile_fail,E0624
/// async fn begin(db: &store::Db, tenant: model::TenantId) {
///     let _tx = db.begin(tenant, "look").await;
/// }
/// ```
/// ```compile_fail,E0624
/// fn readers(db: &store::Db, tenant: model::TenantId) {
///     let _readers = db.readers(tenant);
/// }
/// ```
/// ```compile_fail,E0603
/// fn text(on: store::db::Readers<'_>) {}
/// ```
#[derive(Debug, Clone)]
pub struct Db(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Sqlite {
        writer: SqlitePool,
        readers: Reading,
        path: PathBuf,
        login: Login,
    },
    /// A frozen one is a snapshot, whose connections are in their transactions already.
    Postgres {
        pool: Connections,
        place: String,
        is_frozen: bool,
    },
}

/// Connections for reading what belongs to one tenant; without a tenant, what belongs to none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readers<'d> {
    db: &'d Db,
    tenant: Option<TenantId>,
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
    /// When the file cannot be used: foreign, damaged, newer than this program, without one of its guards, no permission.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_as(path, Login::Everyday).await
    }

    /// As [`Db::open`], for somebody in particular. Who verifies takes the schema as it is.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub async fn open_as(path: &Path, login: Login) -> Result<Self, StoreError> {
        if login == Login::Repairer {
            return Self::as_it_is(path).await;
        }
        let db = sqlite::open(path, login).await?;
        if !login.takes_any_schema() {
            db.refuse_other_schema().await?;
        }
        Ok(db)
    }

    /// Connects to a database of a PostgreSQL server, whose schema has to be that of this program: see
    /// [`Db::migrate`].
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, its schema is another version's, or nothing keeps who is connected
    /// to the rows of a tenant and to rights of its own.
    pub async fn connect(server: &Server, login: Login) -> Result<Self, StoreError> {
        postgres::connect(server, login).await
    }

    /// Returns a file of ours as it is; it has to be of this version.
    async fn as_it_is(path: &Path) -> Result<Self, StoreError> {
        files::check_existing(path)?;
        let db = sqlite::unopened(path, Login::Repairer);
        let opened = |problem| StoreError::Open { place: db.place(), problem, source: None };
        match migrate::standing(db.readers_of_none()).await.map_err(|err| opened(Problem::of(&err)))? {
            Ok(()) => Ok(db),
            Err(problem) => Err(opened(problem)),
        }
    }

    /// Returns a database file as it is, which may be anybody's: only to look at it.
    pub(crate) fn at_file(path: &Path) -> Result<Self, StoreError> {
        files::check_existing(path)?;
        Ok(sqlite::unopened(path, Login::Owner))
    }

    /// Returns a server's database as it is: only to look at it.
    pub(crate) async fn at_server(server: &Server) -> Result<Self, StoreError> {
        postgres::reach(server).await
    }

    /// Tells why whoever is connected to a server should not work there.
    pub(crate) async fn unsafe_because(&self, login: Login) -> Result<Option<Problem>, StoreError> {
        roles::unsafe_because(self.readers_of_none(), login).await
    }

    /// Brings the schema of a PostgreSQL database up to date. Two at once: one does it, the other waits.
    ///
    /// The roles that are named get the rights of their part and no others; they have to exist. PUBLIC has none. Returns
    /// the version before; nothing for an empty database.
    ///
    /// # Errors
    /// When the server cannot be reached, who is connected is no ordinary owner of the database, a migration was edited
    /// after it was applied, or a role is not there or more than its part.
    pub async fn migrate(server: &Server, grants: &[Grant]) -> Result<Option<i64>, StoreError> {
        postgres::migrate(server, grants).await
    }

    /// Closes all connections of all clones. A SQLite database folds its write-ahead log into the file when no
    /// other process has it open.
    pub async fn close(&self) {
        match &self.0 {
            Backend::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Backend::Postgres { pool, .. } => pool.close().await,
        }
    }

    /// Returns where the database is, for people: the file, or server and name.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.0 {
            Backend::Sqlite { path, .. } => path.display().to_string(),
            Backend::Postgres { place, .. } => place.clone(),
        }
    }

    /// Begins a write of a tenant. Nobody else writes for this tenant until it ends, so that what was read in it
    /// still holds when it writes.
    pub(crate) async fn begin(&self, tenant: TenantId, said: &'static str) -> Result<Tx, StoreError> {
        let begun = match &self.0 {
            // A transaction that reads first and writes later fails as soon as another process writes in between.
            Backend::Sqlite { writer, .. } => sqlite::begin(writer).await.map(Tx::Sqlite),
            Backend::Postgres { pool, .. } => postgres::begin(pool, tenant).await.map(Tx::Postgres),
        };
        begun.map_err(doing(said))
    }

    /// Has what is deleted from now on overwritten in the file (sqlite.org/pragma.html#pragma_secure_delete). A
    /// server keeps old versions of rows until it vacuums, whatever is asked of it here.
    pub(crate) async fn overwrite_deleted(&self) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Sqlite { writer, .. } => sqlite::overwrite_deleted(writer).await,
            Backend::Postgres { .. } => Ok(()),
        }
    }

    /// Folds the write-ahead log of a file into it and empties it, so that no older copy of a page stays in it.
    pub(crate) async fn fold_wal(&self) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Sqlite { writer, .. } => sqlite::fold_wal(writer).await,
            Backend::Postgres { .. } => Ok(()),
        }
    }

    /// Returns the connections for reading what belongs to a tenant.
    pub(crate) const fn readers(&self, tenant: TenantId) -> Readers<'_> {
        Readers { db: self, tenant: Some(tenant) }
    }

    /// Returns the connections for reading what belongs to no tenant, or of all tenants what a statement gives.
    pub(crate) const fn readers_of_none(&self) -> Readers<'_> {
        Readers { db: self, tenant: None }
    }

    /// Begins the one write that fills an empty database, for tenant after tenant: see [`Tx::work_for`]. Nobody else
    /// makes a tenant until it ends.
    pub(crate) async fn begin_filling(&self, said: &'static str) -> Result<Tx, StoreError> {
        let begun = match &self.0 {
            Backend::Sqlite { writer, .. } => sqlite::begin(writer).await.map(Tx::Sqlite),
            Backend::Postgres { pool, .. } => postgres::begin_filling(pool).await.map(Tx::Postgres),
        };
        begun.map_err(doing(said))
    }

    /// Finds the tenant with this slug.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_tenant(&self, slug: &str) -> Result<Option<Tenant>, StoreError> {
        let said = "read the tenant";
        let found = query(dialect::FIND_TENANT).bind(slug).fetch_optional(self.readers_of_none());
        let Some(row) = found.await.map_err(doing(said))? else { return Ok(None) };
        let id: TenantId = Reader::new("tenants", "tenant_id", &row)?.parsed("tenant_id")?;
        let row = query(
            "SELECT tenant_id, log_id, origin, vkey
             FROM log_heads
             WHERE tenant_id = $1
             ORDER BY first_position DESC
             LIMIT 1",
        )
        .bind(id.to_string())
        .fetch_optional(self.readers(id))
        .await
        .map_err(doing(said))?;
        row.map(|row| {
            let row = Reader::new("log_heads", "log_id", &row)?;
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
        let mut tx = self.begin(tenant.id, said).await?;
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
