//! Connecting to a PostgreSQL server: one probe that tells the real cause, then a pool; and how work begins there.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use model::TenantId;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use super::pool::{CONNECT_LIMIT, Connections, Size, has_ended};
pub(super) use super::transaction::Transaction;
use super::{Backend, Db, Login, Tx, roles, snapshot};
use crate::error::{Problem, StoreError, doing};
use crate::migrate;
use crate::privileges::Grant;

/// Connections of one process that are kept, and those beyond them for a peak, unless it is told. To make a connection costs
/// more than to wait a little for one: with ten for a peak fifty scans at once took twice as long as with none.
const CONNECTIONS: u32 = 5;
const OVERFLOW: u32 = 0;
/// How long a statement waits for one of our own connections, unless it is told.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(10);
/// How long the server may take to answer one statement, unless it is told: longer than any of ours takes, so that only one that
/// fell silent is left.
const ANSWER_LIMIT: Duration = Duration::from_secs(300);
/// How long a connection is used, unless it is told.
const AGE_MAX: Duration = Duration::from_secs(600);
/// What the server itself ends: a wait for a lock and a transaction in which nothing happens (DBS-16).
const SESSION: [(&str, &str); 4] = [
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "5s"),
    // Guards and statements name tables without their schema.
    ("search_path", "public"),
    // Off, the server refuses what row security would keep back instead of keeping it back.
    ("row_security", "on"),
];
/// What the server shows beside our connections.
const APPLICATION: &str = "plumb";
/// Advisory lock of a migration; those of tenants have two keys and do not meet it.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(5786645712140992836)";

/// How a connection is protected: libpq's words (postgresql.org/docs/current/libpq-ssl.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    /// Every mode with its word.
    pub const ALL: [(&str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    const fn driven(self) -> PgSslMode {
        match self {
            Self::Disable => PgSslMode::Disable,
            Self::Prefer => PgSslMode::Prefer,
            Self::Require => PgSslMode::Require,
            Self::VerifyCa => PgSslMode::VerifyCa,
            Self::VerifyFull => PgSslMode::VerifyFull,
        }
    }
}

/// A database of a PostgreSQL server and who connects to it.
#[derive(Clone)]
pub struct Server {
    options: PgConnectOptions,
    place: String,
    size: Size,
    processes: u32,
}

/// Without the password, which the driver's own type would show.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.place).finish()
    }
}

impl Server {
    /// Names a database. A host that begins with a slash is the folder of a socket.
    #[must_use]
    pub fn new((host, port): (&str, u16), database: &str, user: &str) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .host(host)
            .port(port)
            .database(database)
            .username(user)
            .application_name(APPLICATION)
            .options(SESSION);
        Self {
            options,
            place: match host.contains(':') {
                // An IPv6 address, which ends where the bracket does.
                true => format!("{database} on [{host}]:{port} as {user}"),
                false => format!("{database} on {host}:{port} as {user}"),
            },
            size: Size {
                base: CONNECTIONS,
                overflow: OVERFLOW,
                acquire_limit: ACQUIRE_LIMIT,
                age_max: AGE_MAX,
                answer_limit: ANSWER_LIMIT,
            },
            processes: 1,
        }
    }

    /// Logs in with a password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.options = self.options.password(password);
        self
    }

    /// Says how the connection is protected, and which certificates are trusted beside the well-known ones.
    #[must_use]
    pub fn ssl(mut self, mode: SslMode, root_certificate: Option<&Path>) -> Self {
        self.options = self.options.ssl_mode(mode.driven());
        if let Some(path) = root_certificate {
            self.options = self.options.ssl_root_cert(path);
        }
        self
    }

    /// Says how many connections this process keeps, once it needed them.
    #[must_use]
    pub const fn connections(mut self, count: u32) -> Self {
        self.size.base = count;
        self
    }

    /// Says how many more it makes for a peak: each is closed when it is given back.
    #[must_use]
    pub const fn overflow(mut self, count: u32) -> Self {
        self.size.overflow = count;
        self
    }

    /// Says how many processes with these settings work at once, this one among them. They share what the server has.
    #[must_use]
    pub const fn processes(mut self, count: u32) -> Self {
        self.processes = count;
        self
    }

    /// Says how long a statement waits for one of these connections.
    #[must_use]
    pub const fn acquire_limit(mut self, limit: Duration) -> Self {
        self.size.acquire_limit = limit;
        self
    }

    /// Says how long the server may take to answer one statement, but for those of a migration and of a repair.
    #[must_use]
    pub const fn answer_limit(mut self, limit: Duration) -> Self {
        self.size.answer_limit = limit;
        self
    }

    /// Says how long a connection is used before another takes its place.
    #[must_use]
    pub const fn age_max(mut self, age: Duration) -> Self {
        self.size.age_max = age;
        self
    }

    /// Says for people where this is and who connects: never with the password.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Tells whether this is the same database by its names, whoever connects.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let place = |server: &Self| {
            let options = &server.options;
            let socket = options.get_socket().cloned();
            (
                socket,
                options.get_host().to_owned(),
                options.get_port(),
                options.get_database().map(str::to_owned),
            )
        };
        place(self) == place(other)
    }

    fn opened(&self) -> impl Fn(sqlx::Error) -> StoreError + use<> {
        let place = self.place.clone();
        move |source| StoreError::Open {
            place: place.clone(),
            problem: Problem::of(&source),
            source: Some(source),
        }
    }

    fn refused(&self, problem: Problem) -> StoreError {
        StoreError::Open { place: self.place.clone(), problem, source: None }
    }

    /// Returns connections that are made when they are needed.
    fn connections_of(&self) -> Connections {
        self.size.connections(self.options.clone())
    }

    /// Returns what is taken of the server by a process at most: each sort of connection with its number (DBS-17).
    pub(crate) const fn declared(&self) -> [(&'static str, u32); 3] {
        [
            ("kept", self.size.base),
            ("for a peak", self.size.overflow),
            ("of a snapshot", snapshot::CONNECTIONS),
        ]
    }

    /// Returns how many processes take so many.
    pub(crate) const fn share(&self) -> u32 {
        self.processes
    }

    /// Makes one connection, which a pool would try again and again without saying why.
    async fn probe(&self) -> Result<PgConnection, StoreError> {
        match tokio::time::timeout(CONNECT_LIMIT, self.options.connect()).await {
            Ok(connected) => connected.map_err(self.opened()),
            Err(_elapsed) => {
                let seconds = CONNECT_LIMIT.as_secs();
                Err(self.refused(Problem::Unreachable(format!("it did not answer within {seconds} s"))))
            }
        }
    }
}

/// Connects, and refuses a schema of another version and a role that nothing binds.
pub(super) async fn connect(server: &Server, login: Login) -> Result<Db, StoreError> {
    let db = reach(server).await?;
    if let Err(problem) = migrate::standing(db.readers_of_none()).await.map_err(server.opened())? {
        return Err(server.refused(problem));
    }
    if let Some(problem) = roles::unsafe_because(db.readers_of_none(), login).await? {
        return Err(server.refused(problem));
    }
    if !login.takes_any_schema() {
        db.refuse_other_schema().await?;
    }
    Ok(db)
}

/// Connects to whatever is there.
pub(super) async fn reach(server: &Server) -> Result<Db, StoreError> {
    server.probe().await?.close().await.map_err(server.opened())?;
    Ok(over(server, server.connections_of()))
}

fn over(server: &Server, pool: Connections) -> Db {
    Db(Backend::Postgres { pool, place: server.place.clone(), is_frozen: false })
}

/// Brings the schema up to date; others who want the same wait.
pub(super) async fn migrate(server: &Server, grants: &[Grant]) -> Result<Option<i64>, StoreError> {
    let said = "bring the schema up to date";
    server.probe().await?.close().await.map_err(doing(said))?;
    let pool = server.connections_of();
    migrate::refuse_missing_keys(&over(server, pool.clone())).await?;
    let begin = "BEGIN; SET LOCAL lock_timeout = 0";
    let mut tx = begin_whole(&pool, begin.to_owned()).await.map_err(doing(said))?;
    sqlx::query(MIGRATION_LOCK).execute(tx.on().map_err(doing(said))?).await.map_err(doing(said))?;
    roles::refuse_migrator(tx.on().map_err(doing(said))?).await?;
    let mut tx = Tx::Postgres(tx);
    let before = migrate::migrate(&mut tx).await?;
    if let Tx::Postgres(tx) = &mut tx {
        roles::grant(tx.on().map_err(doing(said))?, grants).await?;
    }
    tx.commit().await.map_err(doing(said))?;
    // What is missing here no migration makes: each start would refuse it.
    let done = over(server, pool.clone()).refuse_other_schema().await;
    pool.close().await;
    done.map(|()| before)
}

/// Begins a write of a tenant, in one message: its scope, for this transaction only, and its turn among writers.
pub(super) async fn begin(pool: &Connections, tenant: TenantId) -> Result<Transaction, sqlx::Error> {
    // An id is a parsed UUID: hexadecimal digits and dashes.
    let text = format!(
        "BEGIN; SET LOCAL app.current_tenant = '{tenant}'; \
         SELECT pg_advisory_xact_lock(1, hashtext('{tenant}'))"
    );
    begin_whole(pool, text).await
}

/// Begins a write of all tenants, which may take as long as it takes to read what it writes.
pub(super) async fn begin_filling(pool: &Connections) -> Result<Transaction, sqlx::Error> {
    let text = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_advisory_xact_lock(2, 0)";
    begin_whole(pool, text.to_owned()).await
}

/// Begins a transaction, on another connection where the one that was taken has been ended meanwhile.
pub(super) async fn begin_whole(connections: &Connections, text: String) -> Result<Transaction, sqlx::Error> {
    let limit = connections.answer_limit;
    // At most all that lie ready, and a new one.
    for _ready in 0..connections.pool.options().get_max_connections() {
        match Transaction::begin(connections.acquire().await?, (&text, limit)).await {
            Err(err) if has_ended(&err) => {}
            begun => return begun,
        }
    }
    Transaction::begin(connections.acquire().await?, (&text, limit)).await
}

/// Begins to read what belongs to a tenant; without one, what belongs to none.
pub(super) async fn begin_read(
    pool: &Connections,
    tenant: Option<TenantId>,
) -> Result<Transaction, sqlx::Error> {
    begin_whole(pool, format!("BEGIN READ ONLY{}", scope(tenant))).await
}

/// Returns the statements that say which tenant the rest of a transaction is for.
pub(super) fn scope(tenant: Option<TenantId>) -> String {
    tenant.map_or_else(String::new, |tenant| format!("; SET LOCAL app.current_tenant = '{tenant}'"))
}
