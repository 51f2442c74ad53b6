//! A data directory of the product with a log of audit records of any length: made by the store's own append,
//! many records a transaction. Records have the size that those of a scan have.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use app::{App, Clock, Config, Mode};
use model::record::{AuditPhase, AuditRecord};
use model::{AuditId, Timestamp};
use store::append::AUDITS_MAX;
use store::{Db, Tenant};
use uuid::Uuid;

use crate::error::BenchError;

const ACTOR: &str = "local:bench";

/// A log in use.
pub struct Ledger {
    db: Db,
    tenant: Tenant,
    data: PathBuf,
    path: PathBuf,
}

impl Ledger {
    /// Makes a data directory with an empty log at `data`.
    ///
    /// # Errors
    /// When the product refuses.
    pub async fn create(data: &Path) -> Result<Ledger, BenchError> {
        open(data, Mode::Create).await?.close().await;
        let path = data.join("plumb.db");
        let db = Db::open(&path).await?;
        let missing = || BenchError::Said { what: "the new log".to_owned(), said: "is not there".to_owned() };
        let tenant = db.find_tenant("default").await?.ok_or_else(missing)?;
        Ok(Ledger { db, tenant, data: data.to_owned(), path })
    }

    /// Opens the product on this log.
    ///
    /// # Errors
    /// When the product refuses.
    pub async fn app(&self) -> Result<App, BenchError> {
        open(&self.data, Mode::Existing).await
    }

    /// Returns where the database is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of entries.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn size(&self) -> Result<u64, BenchError> {
        Ok(self.db.log_size(&self.tenant).await?)
    }

    /// Records these in one transaction.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn append(&mut self, records: &[AuditRecord]) -> Result<(), BenchError> {
        let by = (&self.tenant, ACTOR);
        Ok(self.db.append_audits(by, records, now(), &mut || *Uuid::now_v7().as_bytes()).await?)
    }

    /// Makes the log this long.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn grow(&mut self, entries: u64) -> Result<(), BenchError> {
        loop {
            let missing = usize::try_from(entries.saturating_sub(self.size().await?)).unwrap_or(AUDITS_MAX);
            if missing == 0 {
                return Ok(());
            }
            self.append(&batch(missing.min(AUDITS_MAX))).await?;
        }
    }

    /// Ends all use; returns the data directory.
    pub async fn close(self) -> PathBuf {
        self.db.close().await;
        self.data
    }
}

/// Makes records of something that was done.
#[must_use]
pub fn batch(count: usize) -> Vec<AuditRecord> {
    let record = |_nth| AuditRecord {
        audit_id: AuditId::new(Uuid::now_v7()),
        actor: ACTOR.to_owned(),
        action: "scan.requested".to_owned(),
        phase: AuditPhase::Event,
        decision: AuditPhase::Event.decision().to_owned(),
        subject: format!("scan:{}", Uuid::now_v7()),
        detail: "{\"is_full\":true,\"profile\":\"\",\"selection\":\"\",\"target\":\"192.0.2.1:22\"}"
            .to_owned(),
        correlation_id: format!("scan:{}", Uuid::now_v7()),
        recorded_at: Timestamp::from_micros(0),
    };
    (0..count).map(record).collect()
}

async fn open(data: &Path, mode: Mode) -> Result<App, BenchError> {
    let config = Config {
        data_dir: data.to_owned(),
        database: app::Database::default(),
        login: app::Login::Everyday,
        anchor: None,
        origin_prefix: None,
        retention: app::Retention::default(),
        stamp_max_lag_seconds: 86_400,
        policy: None,
        content_dir: None,
        variables: Vec::new(),
        tailoring: None,
        actor: ACTOR.to_owned(),
        clock: Clock::System,
    };
    let refused =
        |err: app::Error| BenchError::Said { what: "the product".to_owned(), said: err.to_string() };
    app::open(&config, mode).await.map_err(refused)
}

/// Returns the instant, as this machine has it.
#[expect(clippy::disallowed_methods, reason = "a benchmark's records are of now")]
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(0))
}
