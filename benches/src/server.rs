//! A PostgreSQL server of its own for a benchmark: on disk, every commit synced, nobody else on it.

use std::path::PathBuf;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Row as _};
use store::{Db, Login};
use testkit::postgres::{Cluster, Database, Durability, SUPERUSER};

use crate::error::BenchError;

/// Owns the tables.
const OWNER: &str = "plumb_owner";
/// Works with them, under row security.
const EVERYDAY: &str = "plumb_app";
/// What it gets.
const GRANT: &str = "app=plumb_app";

/// A running server.
#[derive(Debug)]
pub struct Server {
    cluster: Cluster,
}

impl Server {
    /// Starts it and makes its roles.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or it does not start.
    pub fn start() -> Result<Server, BenchError> {
        let cluster = Cluster::private(Durability::Measured)?;
        cluster.sql(SUPERUSER, &format!("CREATE ROLE {OWNER} LOGIN; CREATE ROLE {EVERYDAY} LOGIN;"))?;
        Ok(Server { cluster })
    }

    /// Makes a database with the product's schema, which goes when it is dropped.
    ///
    /// # Errors
    /// When the server or the store refuses.
    pub async fn database(&self) -> Result<Served<'_>, BenchError> {
        let served = Served {
            folder: self.cluster.socket_folder(),
            port: self.cluster.port(),
            database: self.cluster.copy("template0", OWNER)?,
        };
        Db::migrate(&served.named(OWNER), &[GRANT.parse()?]).await?;
        Ok(served)
    }
}

/// A database on the server.
#[derive(Debug)]
pub struct Served<'s> {
    folder: PathBuf,
    port: u16,
    database: Database<'s>,
}

impl Served<'_> {
    fn named(&self, role: &str) -> store::Server {
        store::Server::new((&self.folder.to_string_lossy(), self.port), self.database.name(), role)
    }

    /// Opens it as the product does.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn open(&self) -> Result<Db, BenchError> {
        Ok(Db::connect(&self.named(EVERYDAY), Login::Everyday).await?)
    }

    /// Connects as the superuser, for what is measured beside the product.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(&self) -> Result<PgConnection, BenchError> {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.folder.to_string_lossy())
            .port(self.port)
            .database(self.database.name())
            .username(SUPERUSER);
        Ok(PgConnection::connect_with(&options).await?)
    }

    /// Runs statements as the superuser.
    ///
    /// # Errors
    /// When the server refuses one.
    pub fn sql(&self, statements: &str) -> Result<String, BenchError> {
        Ok(self.database.sql(statements)?)
    }

    /// Returns the tables of a schema, by name.
    pub(crate) async fn tables(db: &mut PgConnection) -> Result<Vec<String>, BenchError> {
        let names = sqlx::query(
            "SELECT table_name::text FROM information_schema.tables
             WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1",
        );
        let rows = names.fetch_all(db).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }
}
