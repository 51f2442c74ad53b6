//! The logs of a tenant, one after the other: beginning the first, and going on with one that ended (LED-39).

use ledger::EntryKind;
use model::record::{AuditRecord, ContinuedLog, LogRecord, schema};
use model::{TenantId, Timestamp};

use crate::append::{Appender, Draft, Nonces, broken, to_i64};
use crate::codec::Reader;
use crate::db::{Tx, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant, dialect};

/// Most logs of one tenant.
pub const LOGS_MAX: i64 = 1_000;

/// A log in the order of its tenant's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLog {
    /// The tenant with this log.
    pub tenant: Tenant,
    /// What the index of an entry is counted from where all logs are counted through.
    pub first_position: u64,
}

impl Db {
    /// Lists the logs of a tenant, oldest first. The last one takes the entries; the others have ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_logs(&self, id: TenantId) -> Result<Vec<StoredLog>, StoreError> {
        query(
            "SELECT log_id, origin, vkey, first_position
             FROM log_heads
             WHERE tenant_id = $1
             ORDER BY first_position
             LIMIT $2",
        )
        .bind(id.to_string())
        .bind(LOGS_MAX)
        .fetch_all(self.readers(id))
        .await
        .map_err(doing("list the logs"))?
        .iter()
        .map(|row| {
            let row = Reader::new("log_heads", "log_id", row)?;
            Ok(StoredLog {
                tenant: Tenant {
                    id,
                    log: row.parsed("log_id")?,
                    origin: row.text("origin")?,
                    vkey: row.text("vkey")?,
                },
                first_position: row.number("first_position")?,
            })
        })
        .collect()
    }

    /// Begins a log that goes on with another, in one transaction with the act's audit record. `old` is that
    /// log where this database has entries of it; without it, the tenant is made.
    ///
    /// # Errors
    /// When the old log took entries meanwhile, the tenant exists already, or the write fails: then nothing
    /// is begun.
    pub async fn continue_log(
        &self,
        (slug, old): (&str, Option<&StoredLog>),
        (tenant, audit): (&Tenant, &AuditRecord),
        continues: &ContinuedLog,
        (now, nonces): (Timestamp, Nonces<'_>),
    ) -> Result<(), StoreError> {
        let mut tx = self.begin(tenant.id, "begin the log").await?;
        let begins = match old {
            None => {
                let made = insert_tenant(&mut tx, slug, (tenant, now)).await?;
                if !made {
                    return Err(StoreError::Exists { what: "the tenant", name: slug.to_owned() });
                }
                Begins { first_position: continues.size, after: Timestamp::from_micros(0) }
            }
            Some(old) => end_of(&mut tx, old, continues).await?,
        };
        begin(&mut tx, (tenant, &audit.actor), (begins, Some(continues), Some(audit)), (now, nonces)).await?;
        tx.commit().await.map_err(doing("begin the log"))
    }
}

/// Where a log begins in the history of its tenant.
pub(crate) struct Begins {
    pub(crate) first_position: u64,
    /// No entry is recorded before this.
    pub(crate) after: Timestamp,
}

/// Returns where the log begins that goes on with `old`, of which nothing may have changed.
async fn end_of(tx: &mut Tx, old: &StoredLog, continues: &ContinuedLog) -> Result<Begins, StoreError> {
    let row = query(
        "SELECT log_id, size, last_at_us
         FROM log_heads
         WHERE tenant_id = $1 AND log_id = $2 AND first_position = (
           SELECT max(first_position) FROM log_heads WHERE tenant_id = $1)",
    )
    .bind(old.tenant.id.to_string())
    .bind(old.tenant.log.to_string())
    .fetch_optional(&mut *tx)
    .await
    .map_err(doing("read the log head"))?;
    let changed = || broken("a new log", &"the old one changed meanwhile; run this again");
    let row = row.ok_or_else(changed)?;
    let row = Reader::new("log_heads", "log_id", &row)?;
    if row.number::<u64>("size")? != continues.held {
        return Err(changed());
    }
    let first_position = old.first_position + continues.size.max(continues.held);
    Ok(Begins { first_position, after: row.instant("last_at_us")? })
}

/// Makes a tenant. Returns false where there is one with this slug.
pub(crate) async fn insert_tenant(
    tx: &mut Tx,
    slug: &str,
    (tenant, now): (&Tenant, Timestamp),
) -> Result<bool, StoreError> {
    query(dialect::LOCK_TENANTS).execute(&mut *tx).await.map_err(doing("make the tenant"))?;
    let found = query(dialect::FIND_TENANT).bind(slug).fetch_optional(&mut *tx);
    if found.await.map_err(doing("make the tenant"))?.is_some() {
        return Ok(false);
    }
    query("INSERT INTO tenants (tenant_id, slug, created_at_us) VALUES ($1, $2, $3)")
        .bind(tenant.id.to_string())
        .bind(slug)
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await
        .map_err(doing("make the tenant"))?;
    Ok(true)
}

/// Makes a log with its first entry, and the audit record of the act where there is one.
pub(crate) async fn begin(
    tx: &mut Tx,
    (tenant, actor): (&Tenant, &str),
    (begins, continues, audit): (Begins, Option<&ContinuedLog>, Option<&AuditRecord>),
    (now, nonces): (Timestamp, Nonces<'_>),
) -> Result<(), StoreError> {
    query(
        "INSERT INTO log_heads (tenant_id, log_id, origin, vkey, size, last_at_us, first_position)
         VALUES ($1, $2, $3, $4, 0, $5, $6)",
    )
    .bind(tenant.id.to_string())
    .bind(tenant.log.to_string())
    .bind(&tenant.origin)
    .bind(&tenant.vkey)
    .bind(begins.after.as_micros())
    .bind(to_i64(begins.first_position)?)
    .execute(&mut *tx)
    .await
    .map_err(doing("begin the log"))?;
    let count = 1 + usize::from(audit.is_some());
    let mut appender = Appender::begin(tx, (tenant, actor), (count, now)).await?;
    let genesis = LogRecord {
        log_id: tenant.log,
        origin: tenant.origin.clone(),
        vkey: tenant.vkey.clone(),
        created_at: appender.at(),
        continues: continues.cloned(),
    };
    let draft = Draft {
        kind: EntryKind::LogGenesis,
        table: "log_heads",
        row: tenant.log.to_string(),
        schema: schema::LOG,
        record: &genesis,
    };
    appender.push(draft, &mut *nonces)?;
    if let Some(audit) = audit {
        appender.audit(tx, audit, nonces).await?;
    }
    appender.insert(tx).await
}
