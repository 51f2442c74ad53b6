//! A database of its own for a test, with a tenant, deterministic ids and nonces, and no clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::record::{AuditPhase, AuditRecord, HostRecord, Reach};
use model::{AuditId, HostId, LogId, TenantId, Timestamp};
use store::{Db, Tenant};
use tempfile::TempDir;
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

/// One handle on one database, for one tenant. Clones share ids, nonces and the file.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) db: Db,
    pub(crate) tenant: Tenant,
    ids: Arc<AtomicU64>,
    folder: Arc<TempDir>,
}

impl Bench {
    /// Opens a fresh SQLite database.
    pub(crate) async fn sqlite() -> Self {
        let folder = Arc::new(folder());
        let db = Db::open(&folder.path().join("plumb.db")).await.unwrap();
        let ids = Arc::new(AtomicU64::new(1));
        let tenant = make_tenant(&db, "default", &ids).await;
        Self { db, tenant, ids, folder }
    }

    /// Opens the same database once more, as another process would.
    pub(crate) async fn second_handle(&self) -> Self {
        self.through(Db::open(&self.path()).await.unwrap())
    }

    /// Works through another handle on the same file.
    pub(crate) fn through(&self, db: Db) -> Self {
        Self { db, ..self.clone() }
    }

    /// Works for another tenant of the same database.
    pub(crate) async fn other_tenant(&self, slug: &str) -> Self {
        Self { tenant: make_tenant(&self.db, slug, &self.ids).await, ..self.clone() }
    }

    /// Works for this tenant through this handle.
    pub(crate) fn for_tenant(&self, tenant: &Tenant) -> Self {
        Self { tenant: tenant.clone(), ..self.clone() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("plumb.db")
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

async fn make_tenant(db: &Db, slug: &str, ids: &Arc<AtomicU64>) -> Tenant {
    let id = |kind: u128| Uuid::from_u128((kind << 64) | u128::from(ids.fetch_add(1, Ordering::Relaxed)));
    let log = LogId::new(id(1));
    let wanted = Tenant {
        id: TenantId::new(id(2)),
        log,
        origin: format!("plumbline.local/{log}"),
        vkey: "not used here".to_owned(),
    };
    db.create_tenant(slug, (&wanted, ACTOR), at(0), &mut nonces(ids)).await.unwrap()
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
