//! One lease per host with a fencing token that rises at each acquisition (JOB-17 to JOB-19).

use model::{HostId, Timestamp};

use crate::codec::Reader;
use crate::db::{Tx, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

/// What a holder shows with every write it makes under the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    pub host_id: HostId,
    pub token: i64,
}

/// Who wants the lease, why, and until when.
#[derive(Debug, Clone)]
pub struct Claim<'c> {
    pub host_id: HostId,
    pub holder: &'c str,
    pub purpose: &'c str,
    pub now: Timestamp,
    pub until: Timestamp,
}

/// Takes the lease, or says who has it. A lease that ran out, or whose holder is gone, is free.
pub(crate) async fn acquire(
    tx: &mut Tx,
    tenant: &Tenant,
    claim: &Claim<'_>,
    holder_is_gone: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Fence, StoreError> {
    let said = "take the lease on the host";
    let row = query(
        "SELECT host_id, holder, fencing_token, lease_expires_at
         FROM host_locks
         WHERE tenant_id = $1 AND host_id = $2",
    )
    .bind(tenant.id.to_string())
    .bind(claim.host_id.to_string())
    .fetch_optional(&mut *tx)
    .await
    .map_err(doing(said))?;
    let mut token = 1;
    if let Some(row) = row {
        let row = Reader::new("host_locks", "host_id", &row)?;
        token = row.int("fencing_token")? + 1;
        let lease = row.maybe_text("holder")?.zip(row.maybe_instant("lease_expires_at")?);
        if let Some((holder, until)) = lease
            && until > claim.now
            && !holder_is_gone(&holder)
        {
            return Err(StoreError::HostBusy { holder, until });
        }
    }
    query(
        "INSERT INTO host_locks (tenant_id, host_id, holder, purpose, fencing_token, acquired_at,
           lease_expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, host_id) DO UPDATE SET holder = excluded.holder,
           purpose = excluded.purpose, fencing_token = excluded.fencing_token,
           acquired_at = excluded.acquired_at, lease_expires_at = excluded.lease_expires_at",
    )
    .bind(tenant.id.to_string())
    .bind(claim.host_id.to_string())
    .bind(claim.holder)
    .bind(claim.purpose)
    .bind(token)
    .bind(claim.now.as_micros())
    .bind(claim.until.as_micros())
    .execute(&mut *tx)
    .await
    .map_err(doing(said))?;
    Ok(Fence { host_id: claim.host_id, token })
}

/// Gives the lease back, which also proves that it was still ours: a stale holder writes nothing.
pub(crate) async fn release(tx: &mut Tx, tenant: &Tenant, fence: Fence) -> Result<(), StoreError> {
    let released = query(
        "UPDATE host_locks
         SET holder = NULL, purpose = NULL, lease_expires_at = NULL
         WHERE tenant_id = $1 AND host_id = $2 AND fencing_token = $3 AND holder IS NOT NULL",
    )
    .bind(tenant.id.to_string())
    .bind(fence.host_id.to_string())
    .bind(fence.token)
    .execute(&mut *tx)
    .await
    .map_err(doing("give the lease on the host back"))?;
    if released == 1 { Ok(()) } else { Err(StoreError::StaleFence) }
}

impl Db {
    /// Tells whether the lease is still ours.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn holds(&self, tenant: &Tenant, fence: Fence) -> Result<bool, StoreError> {
        let row = query(
            "SELECT 1 AS held FROM host_locks
             WHERE tenant_id = $1 AND host_id = $2 AND fencing_token = $3 AND holder IS NOT NULL",
        )
        .bind(tenant.id.to_string())
        .bind(fence.host_id.to_string())
        .bind(fence.token)
        .fetch_optional(self.readers(tenant.id))
        .await
        .map_err(doing("read the lease"))?;
        Ok(row.is_some())
    }
}
