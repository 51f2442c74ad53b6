//! Exact bytes by their SHA-256: evidence, manifests, corpora.

use model::Digest;

use crate::codec::Reader;
use crate::db::query;
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

/// Which store of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Evidence,
    Manifests,
    Corpora,
}

impl Store {
    /// Returns the table's name.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Manifests => "manifests",
            Self::Corpora => "corpora",
        }
    }

    const fn select_one(self) -> &'static str {
        match self {
            Self::Evidence => {
                "SELECT sha256, body, byte_size FROM evidence WHERE tenant_id = $1 AND sha256 = $2"
            }
            Self::Manifests => {
                "SELECT sha256, body, byte_size FROM manifests WHERE tenant_id = $1 AND sha256 = $2"
            }
            Self::Corpora => {
                "SELECT sha256, body, byte_size FROM corpora WHERE tenant_id = $1 AND sha256 = $2"
            }
        }
    }

    const fn select_page(self) -> &'static str {
        match self {
            Self::Evidence => {
                "SELECT sha256, body, byte_size FROM evidence WHERE tenant_id = $1 AND sha256 > $2
                 ORDER BY sha256 LIMIT $3"
            }
            Self::Manifests => {
                "SELECT sha256, body, byte_size FROM manifests WHERE tenant_id = $1 AND sha256 > $2
                 ORDER BY sha256 LIMIT $3"
            }
            Self::Corpora => {
                "SELECT sha256, body, byte_size FROM corpora WHERE tenant_id = $1 AND sha256 > $2
                 ORDER BY sha256 LIMIT $3"
            }
        }
    }
}

/// Stored bytes with the columns beside them, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    pub sha256: String,
    pub bytes: Vec<u8>,
    pub byte_size: i64,
}

impl Db {
    /// Finds the bytes with this digest; nothing when they were erased. Stored bytes are never empty otherwise.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_blob(
        &self,
        tenant: &Tenant,
        store: Store,
        sha256: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let row = query(store.select_one())
            .bind(tenant.id.to_string())
            .bind(sha256.to_string())
            .fetch_optional(self.readers(tenant.id))
            .await
            .map_err(doing("read stored bytes"))?;
        let found = row.map(|row| Reader::new(store.table(), "sha256", &row)?.bytes("body")).transpose()?;
        Ok(found.filter(|bytes| !bytes.is_empty()))
    }

    /// Lists stored bytes by digest text, after `after`, at most `limit`; the key is given as stored.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_blobs(
        &self,
        tenant: &Tenant,
        store: Store,
        (after, limit): (&str, u32),
    ) -> Result<Vec<StoredBlob>, StoreError> {
        query(store.select_page())
            .bind(tenant.id.to_string())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read stored bytes"))?
            .iter()
            .map(|row| {
                let row = Reader::new(store.table(), "sha256", row)?;
                Ok(StoredBlob {
                    sha256: row.text("sha256")?,
                    bytes: row.bytes("body")?,
                    byte_size: row.int("byte_size")?,
                })
            })
            .collect()
    }
}
