//! The inventory: hosts are added, changed and marked as removed; each step is one ledger entry.

use ledger::EntryKind;
use model::record::{AuditRecord, HostRecord, Reach, schema};
use model::{ComplianceState, Digest, HostId, ScanId, Timestamp};

use crate::append::{Appender, Draft, Nonces, to_i64};
use crate::codec::Reader;
use crate::db::{Row, Tx, query};
use crate::error::{Problem, StoreError, doing};
use crate::{Db, Tenant};

/// Most hosts that one list returns.
pub const LIST_MAX: i64 = 10_000;

/// What the last scans of a host came to, kept with it for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPosture {
    pub state: ComplianceState,
    pub pass_count: u32,
    pub fail_count: u32,
    pub skipped_count: u32,
    pub error_count: u32,
    pub not_applicable_count: u32,
    pub current_rule_set: Option<Digest>,
    pub last_scan_id: Option<ScanId>,
    pub last_checked_at: Option<Timestamp>,
}

/// A host with its posture; no posture before the first completed scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub record: HostRecord,
    pub posture: Option<HostPosture>,
}

const SELECT_HOSTS: &str = "
SELECT h.host_id, h.name, h.transport, h.address, h.port, h.username, h.identity_file, h.sudo, h.profile_id,
  h.os_id, h.os_version, h.os_name, h.arch, h.added_at_us, h.removed_at_us, h.changed_at_us,
  p.compliance_state, p.pass_count, p.fail_count, p.skipped_count, p.error_count, p.not_applicable_count,
  p.current_rule_set, p.last_scan_id, p.last_checked_at_us
FROM hosts AS h
LEFT JOIN host_posture AS p ON p.tenant_id = h.tenant_id AND p.host_id = h.host_id
WHERE h.tenant_id = $1 AND ($2 IS NULL OR h.host_id = $2)
ORDER BY h.name, h.host_id
LIMIT $3";

impl Db {
    /// Lists the tenant's hosts by name, those that were removed among them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_hosts(&self, tenant: &Tenant) -> Result<Vec<Host>, StoreError> {
        self.select_hosts(tenant, None).await
    }

    /// Finds a host by id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_host(&self, tenant: &Tenant, id: HostId) -> Result<Option<Host>, StoreError> {
        Ok(self.select_hosts(tenant, Some(id)).await?.pop())
    }

    async fn select_hosts(&self, tenant: &Tenant, id: Option<HostId>) -> Result<Vec<Host>, StoreError> {
        self.host_rows(tenant, id).await?.iter().map(read_host).collect()
    }

    pub(crate) async fn host_rows(
        &self,
        tenant: &Tenant,
        id: Option<HostId>,
    ) -> Result<Vec<Row>, StoreError> {
        query(SELECT_HOSTS)
            .bind(tenant.id.to_string())
            .bind(id.map(|id| id.to_string()))
            .bind(LIST_MAX)
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("list the hosts"))
    }

    /// Stores a host as it is from now on, with its entry and an audit record.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when another host has the name or the address; else when the write fails.
    pub async fn put_host(
        &self,
        (tenant, audit): (&Tenant, &AuditRecord),
        host: &HostRecord,
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<HostRecord, StoreError> {
        let mut tx = self.begin(tenant.id, "store the host").await?;
        let mut appender = Appender::reserve(&mut tx, (tenant, &audit.actor), (2, now), &mut *nonces).await?;
        let host = put(&mut tx, &mut appender, (tenant, host), &mut *nonces).await?;
        appender.audit(&mut tx, audit, nonces).await?;
        appender.insert(&mut tx).await?;
        tx.commit().await.map_err(doing("store the host"))?;
        Ok(host)
    }
}

/// Writes the host's row with its entry; returns the record with its recorded time.
pub(crate) async fn put(
    tx: &mut Tx,
    appender: &mut Appender<'_>,
    (tenant, host): (&Tenant, &HostRecord),
    nonces: Nonces<'_>,
) -> Result<HostRecord, StoreError> {
    let host = HostRecord { changed_at: appender.at(), ..host.clone() };
    let draft = Draft {
        kind: EntryKind::HostChanged,
        table: "hosts",
        row: host.host_id.to_string(),
        schema: schema::HOST,
        record: &host,
    };
    let index = appender.push(draft, nonces)?;
    let written = query(
        "INSERT INTO hosts (tenant_id, host_id, name, transport, address, port, username, identity_file, sudo,
           profile_id, os_id, os_version, os_name, arch, added_at_us, removed_at_us, changed_at_us, log_index)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (tenant_id, host_id) DO UPDATE SET name = excluded.name,
           transport = excluded.transport, address = excluded.address, port = excluded.port,
           username = excluded.username, identity_file = excluded.identity_file, sudo = excluded.sudo,
           profile_id = excluded.profile_id, os_id = excluded.os_id, os_version = excluded.os_version,
           os_name = excluded.os_name, arch = excluded.arch, removed_at_us = excluded.removed_at_us,
           changed_at_us = excluded.changed_at_us, log_index = excluded.log_index",
    )
    .bind(tenant.id.to_string())
    .bind(host.host_id.to_string())
    .bind(&host.name)
    .bind(host.transport.as_str())
    .bind(&host.address)
    .bind(i64::from(host.port))
    .bind(&host.username)
    .bind(&host.identity_file)
    .bind(i64::from(host.sudo))
    .bind(&host.profile_id)
    .bind(&host.os_id)
    .bind(&host.os_version)
    .bind(&host.os_name)
    .bind(&host.arch)
    .bind(host.added_at.as_micros())
    .bind(host.removed_at.map(Timestamp::as_micros))
    .bind(host.changed_at.as_micros())
    .bind(to_i64(index)?)
    .execute(&mut *tx)
    .await;
    match written.map_err(doing("store the host")) {
        Ok(_) => Ok(host),
        Err(StoreError::Database { problem: Problem::Taken(_), .. }) => {
            Err(StoreError::Exists { what: "a host with this name or address", name: host.name })
        }
        Err(err) => Err(err),
    }
}

pub(crate) fn read_record(row: &Row) -> Result<HostRecord, StoreError> {
    let row = Reader::new("hosts", "host_id", row)?;
    Ok(HostRecord {
        host_id: row.parsed("host_id")?,
        name: row.text("name")?,
        transport: row.one_of(
            "transport",
            &[("ssh", Reach::Ssh), ("local", Reach::Local), ("replay", Reach::Replay)],
        )?,
        address: row.text("address")?,
        port: row.number("port")?,
        username: row.text("username")?,
        identity_file: row.text("identity_file")?,
        sudo: row.flag("sudo")?,
        profile_id: row.text("profile_id")?,
        os_id: row.text("os_id")?,
        os_version: row.text("os_version")?,
        os_name: row.text("os_name")?,
        arch: row.text("arch")?,
        added_at: row.instant("added_at_us")?,
        removed_at: row.maybe_instant("removed_at_us")?,
        changed_at: row.instant("changed_at_us")?,
    })
}

fn read_host(row: &Row) -> Result<Host, StoreError> {
    let record = read_record(row)?;
    let row = Reader::new("host_posture", "host_id", row)?;
    let state: Option<ComplianceState> = row.maybe_parsed("compliance_state")?;
    let posture = match state {
        None => None,
        Some(state) => Some(HostPosture {
            state,
            pass_count: row.number("pass_count")?,
            fail_count: row.number("fail_count")?,
            skipped_count: row.number("skipped_count")?,
            error_count: row.number("error_count")?,
            not_applicable_count: row.number("not_applicable_count")?,
            current_rule_set: row.maybe_parsed("current_rule_set")?,
            last_scan_id: row.maybe_parsed("last_scan_id")?,
            last_checked_at: row.maybe_instant("last_checked_at_us")?,
        }),
    };
    Ok(Host { record, posture })
}
