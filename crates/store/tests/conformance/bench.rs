//! A database of its own for a test, with a tenant, deterministic ids and nonces, and no clock.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use model::record::{AuditPhase, AuditRecord, HostRecord, Reach};
use model::{AuditId, HostId, LogId, TenantId, Timestamp};
use store::privileges::Grant;
use store::{Db, Login, Server, Tenant};
use tempfile::TempDir;
use testkit::postgres::{Cluster, Database};
use uuid::Uuid;

pub(crate) const ACTOR: &str = "local:tester";
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const HOUR: i64 = 3_600 * SECOND;

/// The instant `seconds` after the first of March 2026.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_772_323_200 * SECOND + seconds * SECOND)
}

/// A folder that vanishes with the test, in memory where there is such a place: durability is not the subject.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// Which database a story is told on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// Where the database of a test is; it goes with the last handle.
#[derive(Debug)]
pub(crate) enum Home {
    Folder(TempDir),
    Server(Database<'static>),
}

/// One handle on one database, for one tenant. Clones share ids, nonces and the database.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) db: Db,
    pub(crate) tenant: Tenant,
    ids: Arc<AtomicU64>,
    pub(crate) home: Arc<Home>,
}

/// Returns the server that all tests share, for as long as this process lives.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::shared().unwrap())
}

/// Who owns the tables in the tests of a server: an ordinary role, no superuser.
pub(crate) const OWNER: &str = "plumb_owner";
/// Who works in the tests of a server: an ordinary role with the rights of every day.
pub(crate) const EVERYDAY: &str = "plumb_app";
/// Parts with the role that has its rights in the tests of a server, and whether somebody logs in as it.
pub(crate) const PARTS: [(&str, &str, bool); 7] = [
    ("app", EVERYDAY, true),
    ("verify", "plumb_verify", true),
    ("exec", "plumb_exec", true),
    ("projector", "plumb_projector", true),
    ("auth_lookup", "plumb_auth_lookup", false),
    ("queue_claim", "plumb_queue_claim", false),
    ("admin", "plumb_admin", true),
];

/// Gives each part to its role.
pub(crate) fn grants() -> Vec<Grant> {
    PARTS.map(|(part, role, _)| format!("{part}={role}").parse().unwrap()).into()
}

/// Names a database of the shared server, for a role.
pub(crate) fn server(database: &str, role: &str) -> Server {
    let cluster = cluster();
    let folder = cluster.socket_folder();
    Server::new((folder.to_str().unwrap(), cluster.port()), database, role)
}

/// Makes a database with our schema, a copy of one that is migrated once.
pub(crate) async fn migrated() -> Database<'static> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| !path.ends_with("catalog.txt"));
    files.sort();
    let texts: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let name = format!("store_{}", &ledger::hex::encode(&ledger::sha256(&texts.concat()))[..16]);
    if let Some(template) = cluster().template(&name).unwrap() {
        let roles = PARTS.map(|(_, role, logs_in)| (role, logs_in));
        for (role, logs_in) in roles.into_iter().chain([(OWNER, true)]) {
            let kind = if logs_in { "LOGIN" } else { "NOLOGIN" };
            let make = format!(
                "DO $$ BEGIN CREATE ROLE {role} {kind}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
            );
            cluster().sql(template.database(), &make).unwrap();
        }
        let own = format!("ALTER DATABASE {} OWNER TO {OWNER}", template.database());
        cluster().sql(template.database(), &own).unwrap();
        let owner = server(template.database(), OWNER);
        assert_eq!(Db::migrate(&owner, &grants()).await.unwrap(), None);
        template.finish().unwrap();
    }
    cluster().copy(&name, OWNER).unwrap()
}

impl Bench {
    /// Opens a fresh database.
    pub(crate) async fn on(on: On) -> Self {
        let bench = Self::empty(on).await;
        let tenant = make_tenant(&bench.db, "default", &bench.ids).await;
        Self { tenant, ..bench }
    }

    /// Opens a fresh database without any tenant; the one that the bench names is not there.
    pub(crate) async fn empty(on: On) -> Self {
        let home = match on {
            On::Sqlite => Home::Folder(folder()),
            On::Postgres => Home::Server(migrated().await),
        };
        let db = open(&home).await;
        let ids = Arc::new(AtomicU64::new(1));
        Self { db, tenant: tenant_like(&ids), ids, home: Arc::new(home) }
    }

    /// Opens a fresh SQLite database.
    pub(crate) async fn sqlite() -> Self {
        Self::on(On::Sqlite).await
    }

    /// Opens the same database once more, as another process would.
    pub(crate) async fn second_handle(&self) -> Self {
        self.through(open(&self.home).await)
    }

    /// Opens the same database as the owner of its tables.
    pub(crate) async fn owner(&self) -> Db {
        match &*self.home {
            Home::Folder(_) => Db::open_as(&self.path(), Login::Owner).await,
            Home::Server(database) => Db::connect(&server(database.name(), OWNER), Login::Owner).await,
        }
        .unwrap()
    }

    /// Works through another handle on the same file.
    pub(crate) fn through(&self, db: Db) -> Self {
        Self { db, ..self.clone() }
    }

    /// Works in another database; the handle is still that on this one.
    pub(crate) fn at_home(&self, home: Home) -> Self {
        Self { home: Arc::new(home), ..self.clone() }
    }

    /// Works for another tenant of the same database.
    pub(crate) async fn other_tenant(&self, slug: &str) -> Self {
        Self { tenant: make_tenant(&self.db, slug, &self.ids).await, ..self.clone() }
    }

    /// Works for this tenant through this handle.
    pub(crate) fn for_tenant(&self, tenant: &Tenant) -> Self {
        Self { tenant: tenant.clone(), ..self.clone() }
    }

    /// Returns the path of a SQLite database.
    pub(crate) fn path(&self) -> PathBuf {
        match &*self.home {
            Home::Folder(folder) => folder.path().join("plumb.db"),
            Home::Server(database) => panic!("{} is no file", database.name()),
        }
    }

    /// Returns nonces that no other call of this bench returns.
    pub(crate) fn nonces(&self) -> impl FnMut() -> [u8; 16] + Send + use<> {
        nonces(&self.ids)
    }

    pub(crate) fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.ids.fetch_add(1, Ordering::Relaxed)))
    }

    /// Makes an audit record about a subject.
    pub(crate) fn audit(&self, action: &str, subject: &str) -> AuditRecord {
        AuditRecord {
            audit_id: AuditId::new(self.uuid()),
            actor: ACTOR.to_owned(),
            action: action.to_owned(),
            phase: AuditPhase::Event,
            decision: AuditPhase::Event.decision().to_owned(),
            subject: subject.to_owned(),
            detail: "{}".to_owned(),
            correlation_id: String::new(),
            recorded_at: at(0),
        }
    }

    /// Saves a host under a name; its address is the name.
    pub(crate) async fn host(&self, name: &str) -> HostId {
        let record = self.host_record(name);
        self.put_host(&record, at(0)).await.unwrap().host_id
    }

    pub(crate) fn host_record(&self, name: &str) -> HostRecord {
        HostRecord {
            host_id: HostId::new(self.uuid()),
            name: name.to_owned(),
            transport: Reach::Ssh,
            address: name.to_owned(),
            port: 22,
            username: "root".to_owned(),
            identity_file: String::new(),
            sudo: false,
            profile_id: String::new(),
            os_id: "debian".to_owned(),
            os_version: "12".to_owned(),
            os_name: "Debian GNU/Linux 12".to_owned(),
            arch: "x86_64".to_owned(),
            added_at: at(0),
            removed_at: None,
            changed_at: at(0),
        }
    }

    pub(crate) async fn put_host(
        &self,
        record: &HostRecord,
        now: Timestamp,
    ) -> Result<HostRecord, store::StoreError> {
        let audit = self.audit("host.saved", &format!("host:{}", record.host_id));
        self.db.put_host((&self.tenant, &audit), record, now, &mut self.nonces()).await
    }
}

async fn open(home: &Home) -> Db {
    match home {
        Home::Folder(folder) => Db::open(&folder.path().join("plumb.db")).await.unwrap(),
        Home::Server(database) => {
            Db::connect(&server(database.name(), EVERYDAY), Login::Everyday).await.unwrap()
        }
    }
}

async fn make_tenant(db: &Db, slug: &str, ids: &Arc<AtomicU64>) -> Tenant {
    db.create_tenant(slug, (&tenant_like(ids), ACTOR), at(0), &mut nonces(ids)).await.unwrap()
}

fn tenant_like(ids: &AtomicU64) -> Tenant {
    let id = |kind: u128| Uuid::from_u128((kind << 64) | u128::from(ids.fetch_add(1, Ordering::Relaxed)));
    let log = LogId::new(id(1));
    Tenant {
        id: TenantId::new(id(2)),
        log,
        origin: format!("plumbline.local/{log}"),
        vkey: "not used here".to_owned(),
    }
}

fn nonces(ids: &Arc<AtomicU64>) -> impl FnMut() -> [u8; 16] + Send + use<> {
    let ids = Arc::clone(ids);
    move || {
        let n = ids.fetch_add(1, Ordering::Relaxed);
        // Spread over all bits: ids that the store makes take the first ten bytes.
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&n.to_be_bytes());
        nonce[8..].copy_from_slice(&n.to_le_bytes());
        nonce
    }
}
