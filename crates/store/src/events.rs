//! What happened to the log itself: events with their entries, and the one way to destroy bytes (LED-41).

use std::collections::BTreeSet;

use ledger::EntryKind;
use model::record::{AuditRecord, BodyErased, ErasedBlob, LogEvent, LogEventRecord, SegmentPruned, schema};
use model::{Digest, HostId, Timestamp};

use crate::append::{Appender, Draft, Nonces, audit_id, broken, to_i64};
use crate::codec::Reader;
use crate::db::{Row, Rows, Tx, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant, dialect};

/// Most events of a log. Whoever reads them needs all: a hold that is left out protects nothing.
pub const EVENTS_MAX: i64 = 100_000;

/// An event with the index of its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub index: u64,
    pub record: LogEventRecord,
}

/// A row that lets bytes be empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredErasure {
    pub blob: String,
    pub sha256: String,
    /// The entry whose body it was.
    pub erased_index: Option<i64>,
    /// The retention that removed them. Days.
    pub retention_days: Option<i64>,
    /// The entry that records the erasure.
    pub log_index: i64,
}

/// Returns the kind of the entry that commits to an event.
const fn entry_kind(event: &LogEvent) -> EntryKind {
    match event {
        LogEvent::KeyRotated(_) => EntryKind::KeyRotated,
        LogEvent::SegmentSealed(_) => EntryKind::SegmentSealed,
        LogEvent::SegmentPruned(_) => EntryKind::SegmentPruned,
        LogEvent::BodyErased(_) => EntryKind::BodyErased,
        LogEvent::HoldChanged(_) => EntryKind::HoldChanged,
        LogEvent::Started(_) => EntryKind::LogStarted,
        LogEvent::Configured(_) => EntryKind::LogConfig,
    }
}

impl Db {
    /// Records events with their entries and the act's audit record, in one transaction.
    ///
    /// # Errors
    /// When the write fails; then nothing is recorded.
    pub async fn append_events(
        &self,
        (tenant, audit): (&Tenant, &AuditRecord),
        events: &[LogEvent],
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<(), StoreError> {
        let said = "record what happened to the log";
        let mut tx = self.begin(tenant.id, said).await?;
        put(&mut tx, (tenant, audit), events, now, nonces).await?;
        tx.commit().await.map_err(doing(said))
    }

    /// Destroys bytes: records each erasure, then empties what it names, in one transaction. What was emptied
    /// is overwritten in the file too, and does not stay in the write-ahead log.
    ///
    /// # Errors
    /// When the write fails; then nothing is destroyed.
    pub async fn erase(
        &self,
        (tenant, audit): (&Tenant, &AuditRecord),
        erasures: &[BodyErased],
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<(), StoreError> {
        let said = "erase the bytes";
        self.overwrite_deleted().await?;
        let mut tx = self.begin(tenant.id, said).await?;
        erase_within(&mut tx, (tenant, audit), erasures, now, nonces).await?;
        tx.commit().await.map_err(doing(said))?;
        self.fold_wal().await
    }

    /// Removes the bodies of a sealed segment, but for those of `kept`: records it, then empties them, in one
    /// transaction. Which may go, and that the sealed bundle has them, is decided before.
    ///
    /// # Errors
    /// When the write fails; then nothing is removed.
    pub async fn prune(
        &self,
        (tenant, audit): (&Tenant, &AuditRecord),
        (pruned, kept): (&SegmentPruned, &[u64]),
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<(), StoreError> {
        let said = "remove the bodies of a segment";
        self.overwrite_deleted().await?;
        let mut tx = self.begin(tenant.id, said).await?;
        let event = LogEvent::SegmentPruned(pruned.clone());
        let indexes = put(&mut tx, (tenant, audit), &[event], now, nonces).await?;
        let index = indexes.first().copied().ok_or_else(|| broken("a pruning", &"it has no entry"))?;
        query(
            "INSERT INTO log_prunings (tenant_id, log_id, from_index, to_index, log_index)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(to_i64(pruned.from)?)
        .bind(to_i64(pruned.to)?)
        .bind(to_i64(index)?)
        .execute(&mut tx)
        .await
        .map_err(doing(said))?;
        let mut left = Rows::new(1, kept.len());
        for index in kept {
            left.push([to_i64(*index)?.into()]);
        }
        query(dialect::EMPTY_BODIES)
            .bind(tenant.id.to_string())
            .bind(tenant.log.to_string())
            .bind(to_i64(pruned.from)?)
            .bind(to_i64(pruned.to)?)
            .bind_rows(left)
            .execute(&mut tx)
            .await
            .map_err(doing(said))?;
        tx.commit().await.map_err(doing(said))?;
        self.fold_wal().await
    }

    /// Lists the hosts whose records name this evidence or manifest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn hosts_naming(&self, tenant: &Tenant, sha256: Digest) -> Result<Vec<HostId>, StoreError> {
        query(
            "SELECT host_id FROM transactions WHERE tenant_id = $1 AND evidence_sha256 = $2
             UNION
             SELECT host_id FROM scan_runs WHERE tenant_id = $1 AND manifest_sha256 = $2",
        )
        .bind(tenant.id.to_string())
        .bind(sha256.to_string())
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("find who names these bytes"))?
        .iter()
        .map(|row| Reader::new("hosts", "host_id", row)?.parsed("host_id"))
        .collect()
    }

    /// Returns the segments whose bodies were removed, `from..to` each, as the database knows them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pruned(&self, tenant: &Tenant) -> Result<BTreeSet<(u64, u64)>, StoreError> {
        Ok(self.list_prunings(tenant).await?.into_iter().map(|(from, to, _index)| (from, to)).collect())
    }

    /// As [`Db::pruned`], each with the index of the entry that records it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_prunings(&self, tenant: &Tenant) -> Result<BTreeSet<(u64, u64, u64)>, StoreError> {
        query(
            "SELECT log_id, from_index, to_index, log_index FROM log_prunings WHERE tenant_id = $1 AND log_id = $2
             ORDER BY from_index
             LIMIT $3",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(EVENTS_MAX + 1)
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read what was pruned"))
        .and_then(|rows| all("log_prunings", rows))?
        .iter()
        .map(|row| {
            let row = Reader::new("log_prunings", "log_id", row)?;
            Ok((row.number("from_index")?, row.number("to_index")?, row.number("log_index")?))
        })
        .collect()
    }

    /// Lists the events of one kind, oldest first; without a kind, of all.
    ///
    /// # Errors
    /// When the database cannot be read or holds what it never may.
    pub async fn list_events(
        &self,
        tenant: &Tenant,
        kind: Option<EntryKind>,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        query(
            "SELECT event_id, kind, detail, recorded_at_us, log_index
             FROM log_events
             WHERE tenant_id = $1 AND log_id = $2 AND ($3 IS NULL OR kind = $3)
             ORDER BY log_index
             LIMIT $4",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(kind.map(EntryKind::as_str))
        .bind(EVENTS_MAX + 1)
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read what happened to the log"))
        .and_then(|rows| all("log_events", rows))?
        .iter()
        .map(stored_event)
        .collect()
    }

    /// Finds the newest event of a kind.
    ///
    /// # Errors
    /// When the database cannot be read or holds what it never may.
    pub async fn newest_event(
        &self,
        tenant: &Tenant,
        kind: EntryKind,
    ) -> Result<Option<StoredEvent>, StoreError> {
        query(
            "SELECT event_id, kind, detail, recorded_at_us, log_index
             FROM log_events
             WHERE tenant_id = $1 AND log_id = $2 AND kind = $3
             ORDER BY log_index DESC
             LIMIT 1",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(kind.as_str())
        .fetch_optional(self.readers(tenant.id))
        .await
        .map_err(doing("read what happened to the log"))?
        .as_ref()
        .map(stored_event)
        .transpose()
    }

    /// Finds which bytes of these were erased, by digest text, by whichever log of the tenant: what several name
    /// is stored once.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn erased(&self, tenant: &Tenant, blob: ErasedBlob) -> Result<BTreeSet<String>, StoreError> {
        query(
            "SELECT sha256
             FROM log_erasures
             WHERE tenant_id = $1 AND blob = $2
             ORDER BY sha256
             LIMIT $3",
        )
        .bind(tenant.id.to_string())
        .bind(blob.as_str())
        .bind(EVENTS_MAX + 1)
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read what was erased"))
        .and_then(|rows| all("log_erasures", rows))?
        .iter()
        .map(|row| Reader::new("log_erasures", "sha256", row)?.text("sha256"))
        .collect()
    }

    /// Lists the erasures that let bytes be empty, as they are stored.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_erasures(&self, tenant: &Tenant) -> Result<BTreeSet<StoredErasure>, StoreError> {
        query(
            "SELECT blob, sha256, erased_index, retention_days, log_index
             FROM log_erasures
             WHERE tenant_id = $1 AND log_id = $2
             ORDER BY log_index
             LIMIT $3",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(EVENTS_MAX + 1)
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read what was erased"))
        .and_then(|rows| all("log_erasures", rows))?
        .iter()
        .map(|row| {
            let row = Reader::new("log_erasures", "sha256", row)?;
            Ok(StoredErasure {
                blob: row.text("blob")?,
                sha256: row.text("sha256")?,
                erased_index: row.maybe_int("erased_index")?,
                retention_days: row.maybe_int("retention_days")?,
                log_index: row.int("log_index")?,
            })
        })
        .collect()
    }
}

/// Stores events and the audit record with their entries, and returns the indexes of the events.
pub(crate) async fn put(
    tx: &mut Tx,
    (tenant, audit): (&Tenant, &AuditRecord),
    events: &[LogEvent],
    now: Timestamp,
    nonces: Nonces<'_>,
) -> Result<Vec<u64>, StoreError> {
    let count = events.len() + 1;
    let mut appender = Appender::reserve(tx, (tenant, &audit.actor), (count, now), &mut *nonces).await?;
    let mut indexes = Vec::with_capacity(events.len());
    for event in events {
        let record = LogEventRecord {
            event_id: model::EventId::new(audit_id(now, nonces()).uuid()),
            recorded_at: appender.at(),
            event: event.clone(),
        };
        let draft = Draft {
            kind: entry_kind(event),
            table: "log_events",
            row: record.event_id.to_string(),
            schema: schema::LOG_EVENT,
            record: &record,
        };
        let position = appender.push(draft, &mut *nonces)?;
        let index = appender.index_of(position);
        insert(tx, tenant, &record, index).await?;
        indexes.push(index);
    }
    appender.audit(tx, audit, nonces).await?;
    appender.insert(tx).await?;
    Ok(indexes)
}

async fn insert(tx: &mut Tx, tenant: &Tenant, record: &LogEventRecord, index: u64) -> Result<(), StoreError> {
    let event = ledger::canonical::to_bytes(&record.event).map_err(|err| broken("log_events", &err))?;
    let event = ledger::canonical::parse(&event).map_err(|err| broken("log_events", &err))?;
    let detail = ledger::canonical::to_bytes(&event["detail"]).map_err(|err| broken("log_events", &err))?;
    let detail = String::from_utf8(detail).map_err(|err| broken("log_events", &err))?;
    query(
        "INSERT INTO log_events (tenant_id, event_id, log_id, kind, detail, recorded_at_us, log_index)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant.id.to_string())
    .bind(record.event_id.to_string())
    .bind(tenant.log.to_string())
    .bind(record.event.kind())
    .bind(detail)
    .bind(record.recorded_at.as_micros())
    .bind(to_i64(index)?)
    .execute(&mut *tx)
    .await
    .map_err(doing("record what happened to the log"))?;
    Ok(())
}

/// Refuses to answer from a part of what is there.
fn all(table: &'static str, rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
    if i64::try_from(rows.len()).is_ok_and(|count| count <= EVENTS_MAX) {
        return Ok(rows);
    }
    Err(broken(table, &format_args!("it has more than {EVENTS_MAX} rows")))
}

fn stored_event(row: &Row) -> Result<StoredEvent, StoreError> {
    let index = Reader::new("log_events", "event_id", row)?.number("log_index")?;
    Ok(StoredEvent { index, record: read_event(row)? })
}

/// Reads an event back as the record that its entry commits to.
pub(crate) fn read_event(row: &Row) -> Result<LogEventRecord, StoreError> {
    let row = Reader::new("log_events", "event_id", row)?;
    let refused = |problem: String| StoreError::Row {
        table: "log_events",
        column: "detail",
        row: row.key.clone(),
        problem,
    };
    let detail = row.text("detail")?;
    let detail =
        ledger::canonical::parse_canonical(detail.as_bytes()).map_err(|err| refused(err.to_string()))?;
    let event = serde_json::json!({"kind": row.text("kind")?, "detail": detail});
    Ok(LogEventRecord {
        event_id: row.parsed("event_id")?,
        recorded_at: row.instant("recorded_at_us")?,
        event: serde_json::from_value(event).map_err(|err| refused(err.to_string()))?,
    })
}

/// Records erasures and empties what they name; returns the indexes of their entries.
pub(crate) async fn erase_within(
    tx: &mut Tx,
    (tenant, audit): (&Tenant, &AuditRecord),
    erasures: &[BodyErased],
    now: Timestamp,
    nonces: Nonces<'_>,
) -> Result<Vec<u64>, StoreError> {
    let events: Vec<LogEvent> = erasures.iter().cloned().map(LogEvent::BodyErased).collect();
    let indexes = put(tx, (tenant, audit), &events, now, nonces).await?;
    for (erased, index) in erasures.iter().zip(&indexes) {
        note_erasure(tx, tenant, erased, *index).await?;
        empty(tx, tenant, erased).await?;
    }
    Ok(indexes)
}

async fn note_erasure(
    tx: &mut Tx,
    tenant: &Tenant,
    erased: &BodyErased,
    index: u64,
) -> Result<(), StoreError> {
    let of_body = erased.blob == ErasedBlob::Body;
    query(
        "INSERT INTO log_erasures (tenant_id, blob, sha256, log_id, erased_index, retention_days, log_index)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant.id.to_string())
    .bind(erased.blob.as_str())
    .bind(erased.erased_sha256.to_string())
    .bind(tenant.log.to_string())
    .bind(of_body.then(|| to_i64(erased.erased_index)).transpose()?)
    .bind(erased.retention_days.map(i64::from))
    .bind(to_i64(index)?)
    .execute(&mut *tx)
    .await
    .map_err(doing("note the erasure"))?;
    Ok(())
}

/// Empties the bytes. For a body, the text of its audit row goes too; other rows hold no free text.
async fn empty(tx: &mut Tx, tenant: &Tenant, erased: &BodyErased) -> Result<(), StoreError> {
    let said = "empty the bytes";
    let statements: &[&'static str] = match erased.blob {
        ErasedBlob::Body => &[
            "UPDATE log_entries SET body = $5 WHERE tenant_id = $1 AND log_id = $2 AND log_index = $3 AND $4 <> ''",
            "UPDATE audit_events SET detail = '{}'
             WHERE tenant_id = $1 AND log_index = $3 + (
               SELECT first_position FROM log_heads WHERE tenant_id = $1 AND log_id = $2) AND $4 <> '' AND length($5) = 0",
        ],
        ErasedBlob::Evidence => {
            &["UPDATE evidence SET body = $5
               WHERE tenant_id = $1 AND $2 <> '' AND $3 >= 0 AND sha256 = $4 AND length(body) > 0"]
        }
        ErasedBlob::Manifest => {
            &["UPDATE manifests SET body = $5
               WHERE tenant_id = $1 AND $2 <> '' AND $3 >= 0 AND sha256 = $4 AND length(body) > 0"]
        }
    };
    for (position, sql) in statements.iter().enumerate() {
        let done = query(*sql)
            .bind(tenant.id.to_string())
            .bind(tenant.log.to_string())
            .bind(to_i64(erased.erased_index)?)
            .bind(erased.erased_sha256.to_string())
            .bind(Vec::new())
            .execute(&mut *tx)
            .await
            .map_err(doing(said))?;
        if position == 0 && done != 1 {
            return Err(broken("an erasure", &"what it names is not there"));
        }
    }
    Ok(())
}
