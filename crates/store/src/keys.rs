//! Known host keys (SSH-05 to SSH-09): trusted at first use, imported, approved, revoked; never replaced.
//! What was revoked is trusted again by an approval alone.

use std::collections::BTreeSet;

use ledger::EntryKind;
use model::Timestamp;
use model::record::{AuditRecord, HostKeyRecord, KeySource, schema};

use crate::append::{Appender, Draft, Nonces, to_i64};
use crate::codec::Reader;
use crate::db::{Row, Tx, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

/// Most keys that one list returns.
pub const LIST_MAX: i64 = 50_000;

/// A known key and when a host last showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    pub record: HostKeyRecord,
    pub last_seen_at: Option<Timestamp>,
}

const SELECT_KEYS: &str = "
SELECT address, port, fingerprint, key_type, wire_key, source, status, reason, first_seen_at_us,
  last_seen_at_us, changed_at_us
FROM host_keys
WHERE tenant_id = $1 AND ($2 IS NULL OR (address = $2 AND port = $3))
ORDER BY address, port, key_type, fingerprint
LIMIT $4";

/// Most revoked keys that are read at once.
const REVOKED_PAGE: u16 = 10_000;

const SELECT_REVOKED: &str = "
SELECT DISTINCT fingerprint
FROM host_keys
WHERE tenant_id = $1 AND status = 'revoked' AND fingerprint > $2
ORDER BY fingerprint
LIMIT $3";

/// What came of a first-use trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstUse {
    Stored,
    /// Another process stored keys for this address first; they decide.
    AlreadyKnown(Vec<KnownKey>),
    /// The key was revoked at another address or port: whoever has it may be anybody.
    Revoked,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    Stored,
    /// Nothing was stored: these fingerprints of keys that were to be trusted are revoked, here or elsewhere.
    Revoked(BTreeSet<String>),
}

impl Db {
    /// Lists known keys, of one address and port or of all.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_keys(
        &self,
        tenant: &Tenant,
        endpoint: Option<(&str, u16)>,
    ) -> Result<Vec<KnownKey>, StoreError> {
        query(SELECT_KEYS)
            .bind(tenant.id.to_string())
            .bind(endpoint.map(|(address, _)| address))
            .bind(endpoint.map(|(_, port)| i64::from(port)))
            .bind(LIST_MAX)
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("list the known host keys"))?
            .iter()
            .map(read_key)
            .collect()
    }

    /// Trusts a key at first use, unless any key of this address and port is known by now (SSH-07) or this one was
    /// revoked anywhere.
    ///
    /// # Errors
    /// When the write fails; then nothing is trusted.
    pub async fn trust_first(
        &self,
        (tenant, audit): (&Tenant, &AuditRecord),
        key: &HostKeyRecord,
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<FirstUse, StoreError> {
        let mut tx = self.begin(tenant.id, "trust the host key").await?;
        let known = query(SELECT_KEYS)
            .bind(tenant.id.to_string())
            .bind(&key.address)
            .bind(i64::from(key.port))
            .bind(LIST_MAX)
            .fetch_all(&mut tx)
            .await
            .map_err(doing("read the known host keys"))?;
        if !known.is_empty() {
            return known.iter().map(read_key).collect::<Result<_, _>>().map(FirstUse::AlreadyKnown);
        }
        if revoked(&mut tx, tenant).await?.contains(&key.fingerprint) {
            return Ok(FirstUse::Revoked);
        }
        self.write_keys(tx, (tenant, audit), std::slice::from_ref(key), (now, nonces)).await?;
        Ok(FirstUse::Stored)
    }

    /// Stores keys as they are from now on, each with its entry, with one audit record.
    ///
    /// # Errors
    /// When the write fails; then none is stored.
    pub async fn put_keys(
        &self,
        by: (&Tenant, &AuditRecord),
        keys: &[HostKeyRecord],
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<(), StoreError> {
        let tx = self.begin(by.0.id, "store the host keys").await?;
        self.write_keys(tx, by, keys, (now, nonces)).await
    }

    /// Stores imported keys as [`Db::put_keys`] does, all or, where one to be trusted is revoked, none.
    ///
    /// # Errors
    /// When the write fails; then none is stored.
    pub async fn import_keys(
        &self,
        by: (&Tenant, &AuditRecord),
        keys: &[HostKeyRecord],
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<Import, StoreError> {
        let mut tx = self.begin(by.0.id, "import the host keys").await?;
        let revoked = revoked(&mut tx, by.0).await?;
        let trusted = keys.iter().filter(|key| !key.revoked).map(|key| &key.fingerprint);
        let refused: BTreeSet<String> = trusted.filter(|name| revoked.contains(*name)).cloned().collect();
        if !refused.is_empty() {
            return Ok(Import::Revoked(refused));
        }
        self.write_keys(tx, by, keys, (now, nonces)).await?;
        Ok(Import::Stored)
    }

    async fn write_keys(
        &self,
        mut tx: Tx,
        (tenant, audit): (&Tenant, &AuditRecord),
        keys: &[HostKeyRecord],
        (now, nonces): (Timestamp, Nonces<'_>),
    ) -> Result<(), StoreError> {
        let count = keys.len() + 1;
        let mut appender =
            Appender::reserve(&mut tx, (tenant, &audit.actor), (count, now), &mut *nonces).await?;
        for key in keys {
            put(&mut tx, &mut appender, (tenant, key), &mut *nonces).await?;
        }
        appender.audit(&mut tx, audit, nonces).await?;
        appender.insert(&mut tx).await?;
        tx.commit().await.map_err(doing("store the host keys"))
    }

    /// Notes that a host showed a known key.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn saw_key(
        &self,
        tenant: &Tenant,
        (address, port, fingerprint): (&str, u16, &str),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin(tenant.id, "note the host key").await?;
        query(
            "UPDATE host_keys SET last_seen_at_us = $5
             WHERE tenant_id = $1 AND address = $2 AND port = $3 AND fingerprint = $4",
        )
        .bind(tenant.id.to_string())
        .bind(address)
        .bind(i64::from(port))
        .bind(fingerprint)
        .bind(now.as_micros())
        .execute(&mut tx)
        .await
        .map_err(doing("note the host key"))?;
        tx.commit().await.map_err(doing("note the host key"))
    }
}

/// Returns the fingerprints of all keys that are revoked at some address and port.
async fn revoked(tx: &mut Tx, tenant: &Tenant) -> Result<BTreeSet<String>, StoreError> {
    let mut found = BTreeSet::new();
    // Every page begins behind the last one, so this ends with the table.
    loop {
        let after = found.last().cloned().unwrap_or_default();
        let page = query(SELECT_REVOKED)
            .bind(tenant.id.to_string())
            .bind(after)
            .bind(i64::from(REVOKED_PAGE))
            .fetch_all(&mut *tx)
            .await
            .map_err(doing("read the revoked host keys"))?;
        for row in &page {
            found.insert(Reader::new("host_keys", "fingerprint", row)?.text("fingerprint")?);
        }
        if page.len() < usize::from(REVOKED_PAGE) {
            return Ok(found);
        }
    }
}

async fn put(
    tx: &mut Tx,
    appender: &mut Appender<'_>,
    (tenant, key): (&Tenant, &HostKeyRecord),
    nonces: Nonces<'_>,
) -> Result<(), StoreError> {
    let key = HostKeyRecord { changed_at: appender.at(), ..key.clone() };
    let draft = Draft {
        kind: EntryKind::HostKeyChanged,
        table: "host_keys",
        row: format!("{}|{}|{}", key.address, key.port, key.fingerprint),
        schema: schema::HOST_KEY,
        record: &key,
    };
    let index = appender.push(draft, nonces)?;
    query(
        "INSERT INTO host_keys (tenant_id, address, port, fingerprint, key_type, wire_key, source, status,
           reason, first_seen_at_us, changed_at_us, log_index)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (tenant_id, address, port, fingerprint) DO UPDATE SET source = excluded.source,
           status = excluded.status, reason = excluded.reason, changed_at_us = excluded.changed_at_us,
           log_index = excluded.log_index",
    )
    .bind(tenant.id.to_string())
    .bind(&key.address)
    .bind(i64::from(key.port))
    .bind(&key.fingerprint)
    .bind(&key.key_type)
    .bind(&key.wire_key)
    .bind(key.source.as_str())
    .bind(if key.revoked { "revoked" } else { "trusted" })
    .bind(&key.reason)
    .bind(key.first_seen_at.as_micros())
    .bind(key.changed_at.as_micros())
    .bind(to_i64(index)?)
    .execute(&mut *tx)
    .await
    .map_err(doing("store the host key"))?;
    Ok(())
}

pub(crate) fn read_key(row: &Row) -> Result<KnownKey, StoreError> {
    let row = Reader::new("host_keys", "fingerprint", row)?;
    let sources = [
        ("first_use", KeySource::FirstUse),
        ("imported", KeySource::Imported),
        ("approved", KeySource::Approved),
    ];
    Ok(KnownKey {
        record: HostKeyRecord {
            address: row.text("address")?,
            port: row.number("port")?,
            fingerprint: row.text("fingerprint")?,
            key_type: row.text("key_type")?,
            wire_key: row.text("wire_key")?,
            source: row.one_of("source", &sources)?,
            revoked: row.one_of("status", &[("trusted", false), ("revoked", true)])?,
            reason: row.text("reason")?,
            first_seen_at: row.instant("first_seen_at_us")?,
            changed_at: row.instant("changed_at_us")?,
        },
        last_seen_at: row.maybe_instant("last_seen_at_us")?,
    })
}
