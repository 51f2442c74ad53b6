//! Cosignatures that witnesses gave for our checkpoints. Whether they are valid, and enough, is decided before
//! and elsewhere.

use model::Timestamp;

use crate::append::to_i64;
use crate::codec::Reader;
use crate::db::{Row, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

/// Most cosignatures of one checkpoint that are read.
pub const COSIGNATURES_MAX: i64 = 100;

/// A cosignature as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCosignature {
    /// Size of the checkpoint that it is of.
    pub size: u64,
    pub key_name: String,
    /// 8 hexadecimal digits.
    pub key_id: String,
    /// The signature line, with its line feed.
    pub line: String,
    pub received_at: Timestamp,
}

impl Db {
    /// Stores a cosignature. The first one of a key for a checkpoint stays; a further one is not stored.
    ///
    /// # Errors
    /// When the write fails, or there is no checkpoint of this size.
    pub async fn store_cosignature(
        &self,
        tenant: &Tenant,
        cosignature: &StoredCosignature,
    ) -> Result<(), StoreError> {
        let said = "store a cosignature";
        let mut tx = self.begin(tenant.id, said).await?;
        query(
            "INSERT INTO log_cosignatures (tenant_id, log_id, size, key_name, key_id, line, received_at_us)
             SELECT $1, $2, $3, $4, $5, $6, $7
             WHERE NOT EXISTS (SELECT 1 FROM log_cosignatures WHERE tenant_id = $1 AND log_id = $2
               AND size = $3 AND key_name = $4 AND key_id = $5)",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(to_i64(cosignature.size)?)
        .bind(&cosignature.key_name)
        .bind(&cosignature.key_id)
        .bind(&cosignature.line)
        .bind(cosignature.received_at.as_micros())
        .execute(&mut tx)
        .await
        .map_err(doing(said))?;
        tx.commit().await.map_err(doing(said))
    }

    /// Returns the size of the newest checkpoint that a key cosigned; nothing when there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn newest_cosigned(
        &self,
        tenant: &Tenant,
        key_name: &str,
        key_id: &str,
    ) -> Result<Option<u64>, StoreError> {
        let row = query(
            "SELECT log_id, size
             FROM log_cosignatures
             WHERE tenant_id = $1 AND log_id = $2 AND key_name = $3 AND key_id = $4
             ORDER BY size DESC
             LIMIT 1",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(key_name)
        .bind(key_id)
        .fetch_optional(self.readers(tenant.id))
        .await
        .map_err(doing("read the cosignatures"))?;
        row.map(|row| Reader::new("log_cosignatures", "log_id", &row)?.number("size")).transpose()
    }

    /// Lists every cosignature, by size, then by name and id of their keys.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_every_cosignature(
        &self,
        tenant: &Tenant,
    ) -> Result<Vec<StoredCosignature>, StoreError> {
        query(
            "SELECT log_id, size, key_name, key_id, line, received_at_us
             FROM log_cosignatures
             WHERE tenant_id = $1 AND log_id = $2
             ORDER BY size, key_name, key_id
             LIMIT 1000000",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read the cosignatures"))?
        .iter()
        .map(stored)
        .collect()
    }

    /// Lists the cosignatures of the checkpoint of a size, by name and id of their keys.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_cosignatures(
        &self,
        tenant: &Tenant,
        size: u64,
    ) -> Result<Vec<StoredCosignature>, StoreError> {
        query(
            "SELECT log_id, size, key_name, key_id, line, received_at_us
             FROM log_cosignatures
             WHERE tenant_id = $1 AND log_id = $2 AND size = $3
             ORDER BY key_name, key_id
             LIMIT $4",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(to_i64(size)?)
        .bind(COSIGNATURES_MAX)
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read the cosignatures"))?
        .iter()
        .map(stored)
        .collect()
    }
}

fn stored(row: &Row) -> Result<StoredCosignature, StoreError> {
    let row = Reader::new("log_cosignatures", "log_id", row)?;
    Ok(StoredCosignature {
        size: row.number("size")?,
        key_name: row.text("key_name")?,
        key_id: row.text("key_id")?,
        line: row.text("line")?,
        received_at: row.instant("received_at_us")?,
    })
}
