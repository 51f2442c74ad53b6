//! The one way into a log: reserve indexes and the recorded time, render, insert, in the caller's transaction.

#[cfg(test)]
mod tests;

use ledger::{Entry, EntryKind};
use model::record::{AuditPhase, AuditRecord, schema};
use model::{AuditId, Timestamp};
use serde::Serialize;

use crate::db::{Rows, Tx, query};
use crate::error::{Problem, Refusal, StoreError, doing};
use crate::{Db, Tenant, dialect, registry};

/// Gives 128 fresh random bits at each call: nonces of bodies, and ids that the store makes itself.
pub type Nonces<'n> = &'n mut (dyn FnMut() -> [u8; 16] + Send);

/// Nonces for which random bytes are asked for at a time: to ask the system for each costs more than to write what it
/// hides.
const READY: usize = 32;

/// Makes nonces of what fills with fresh random bytes.
pub fn nonces(mut fill: impl FnMut(&mut [u8]) + Send) -> impl FnMut() -> [u8; 16] + Send {
    let mut ready = [[0; 16]; READY];
    let mut left = 0;
    move || {
        if left == 0 {
            fill(ready.as_flattened_mut());
            left = READY;
        }
        left -= 1;
        ready[left]
    }
}

/// A clock this much behind the log is worth a record. Microseconds (TLW-30).
const CLOCK_STEP_US: i64 = 1_000_000;

/// One ledger entry to be: which record of which table it commits to.
#[derive(Debug)]
pub struct Draft<'a, R> {
    pub kind: EntryKind,
    pub table: &'static str,
    /// The record's key.
    pub row: String,
    /// Name and version of the record's shape.
    pub schema: &'static str,
    pub record: &'a R,
}

#[derive(Serialize)]
struct Body<'a, R> {
    nonce: String,
    row: &'a R,
    schema: &'a str,
}

/// Entries of one transaction: indexes and time are reserved, the head's row is locked until commit.
pub(crate) struct Appender<'t> {
    tenant: &'t Tenant,
    log: String,
    actor: &'t str,
    first: u64,
    /// What positions of this log are counted from.
    first_position: u64,
    reserved: usize,
    at: Timestamp,
    /// The same, as entries say it.
    at_text: String,
    entries: Rows<'static>,
}

impl<'t> Appender<'t> {
    /// Reserves the next `count` indexes of the tenant's log and the recorded time.
    ///
    /// A clock that stands behind the log does not turn its time back; it is recorded (TLW-30).
    pub(crate) async fn reserve(
        tx: &mut Tx,
        (tenant, actor): (&'t Tenant, &'t str),
        (count, now): (usize, Timestamp),
        nonces: Nonces<'_>,
    ) -> Result<Self, StoreError> {
        let mut appender = Self::begin(tx, (tenant, actor), (count, now)).await?;
        // What is recorded later than now follows, by one microsecond, the newest that was there.
        let behind_us = appender.at.as_micros() - 1 - now.as_micros();
        if behind_us > CLOCK_STEP_US {
            appender.reserve_one(tx).await?;
            let detail = format!("{{\"behind_us\":{behind_us}}}");
            let event = AuditRecord {
                audit_id: audit_id(now, nonces()),
                actor: actor.to_owned(),
                action: "clock.stepped_back".to_owned(),
                phase: AuditPhase::Event,
                decision: AuditPhase::Event.decision().to_owned(),
                subject: format!("log:{}", tenant.log),
                detail,
                correlation_id: String::new(),
                recorded_at: appender.at,
            };
            appender.audit(tx, &event, nonces).await?;
        }
        Ok(appender)
    }

    /// As [`Appender::reserve`], without a look at the clock: the first entry of a log says that it begins.
    pub(crate) async fn begin(
        tx: &mut Tx,
        (tenant, actor): (&'t Tenant, &'t str),
        (reserved, now): (usize, Timestamp),
    ) -> Result<Self, StoreError> {
        let said = "reserve ledger indexes";
        let row = query(
            "UPDATE log_heads SET size = size + $3, last_at_us = CASE WHEN $4 > last_at_us THEN $4 ELSE last_at_us + 1 END
             WHERE tenant_id = $1 AND log_id = $2
             RETURNING size - $3 AS first_index, last_at_us, first_position",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(i64::try_from(reserved).unwrap_or(i64::MAX))
        .bind(now.as_micros())
        .fetch_one(&mut *tx)
        .await
        .map_err(|err| in_time(doing(said)(err)))?;
        let first: i64 = row.get("first_index").map_err(doing(said))?;
        let at = Timestamp::from_micros(row.get("last_at_us").map_err(doing(said))?);
        let first = u64::try_from(first).map_err(|err| broken("the log head", &err))?;
        let first_position: i64 = row.get("first_position").map_err(doing(said))?;
        let first_position = u64::try_from(first_position).map_err(|err| broken("the log head", &err))?;
        let (log, at_text) = (tenant.log.to_string(), at.to_string());
        let entries = Rows::new(3, reserved).with_texts(&[1, 2]);
        Ok(Self { tenant, log, actor, first, first_position, reserved, at, at_text, entries })
    }

    /// Reserves one index more, behind those that are reserved.
    async fn reserve_one(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        query("UPDATE log_heads SET size = size + 1 WHERE tenant_id = $1 AND log_id = $2")
            .bind(self.tenant.id.to_string())
            .bind(self.tenant.log.to_string())
            .execute(tx)
            .await
            .map_err(doing("reserve ledger indexes"))?;
        self.reserved += 1;
        Ok(())
    }

    /// Returns the recorded time of this transaction.
    pub(crate) const fn at(&self) -> Timestamp {
        self.at
    }

    /// Returns the index in the log of an entry at a position.
    pub(crate) const fn index_of(&self, position: u64) -> u64 {
        position - self.first_position
    }

    /// Returns the position of the next entry.
    pub(crate) const fn next_position(&self) -> u64 {
        self.first_position + self.first + self.entries.count() as u64
    }

    /// Renders the entry of one record and returns its position: its index, counted on through the logs of the
    /// tenant.
    pub(crate) fn push<R: Serialize>(
        &mut self,
        draft: Draft<'_, R>,
        nonces: Nonces<'_>,
    ) -> Result<u64, StoreError> {
        if !registry::takes(draft.kind, draft.table) {
            let problem = format!("the registry has no entry of kind {} for it", draft.kind);
            return Err(broken(draft.table, &problem));
        }
        let index = self.first + self.entries.count() as u64;
        let nonce = format!("{:032x}", u128::from_be_bytes(nonces()));
        let body = Body { nonce, row: draft.record, schema: draft.schema };
        let body = ledger::canonical::to_bytes(&body).map_err(|err| broken(draft.table, &err))?;
        let entry = Entry {
            log: self.log.clone(),
            index,
            at: self.at_text.clone(),
            kind: draft.kind,
            table: draft.table.to_owned(),
            row: draft.row,
            actor: self.actor.to_owned(),
            body_sha256: ledger::sha256(&body),
            body_len: body.len() as u64,
        };
        let entry = entry.to_bytes().map_err(|err| broken(draft.table, &err))?;
        self.entries.push([to_i64(index)?.into(), entry.into(), body.into()]);
        Ok(self.first_position + index)
    }

    /// Stores an audit record with its entry.
    pub(crate) async fn audit(
        &mut self,
        tx: &mut Tx,
        record: &AuditRecord,
        nonces: Nonces<'_>,
    ) -> Result<(), StoreError> {
        self.audits(tx, std::slice::from_ref(record), nonces).await
    }

    /// Stores audit records with an entry each.
    pub(crate) async fn audits(
        &mut self,
        tx: &mut Tx,
        records: &[AuditRecord],
        nonces: Nonces<'_>,
    ) -> Result<(), StoreError> {
        let (at, first) = (self.at, to_i64(self.next_position())?);
        let mut rows = Rows::new(9, records.len());
        for (index, record) in (first..).zip(records) {
            rows.push([
                record.audit_id.to_string().into(),
                (&record.actor).into(),
                (&record.action).into(),
                record.phase.as_str().into(),
                record.decision.as_str().into(),
                (&record.subject).into(),
                (&record.detail).into(),
                (&record.correlation_id).into(),
                index.into(),
            ]);
        }
        let stored = query(dialect::INSERT_AUDITS)
            .bind(self.tenant.id.to_string())
            .bind(at.as_micros())
            .bind_rows(rows)
            .execute(&mut *tx);
        let rendered = async {
            for record in records {
                let record = AuditRecord { recorded_at: at, ..record.clone() };
                self.push(draft(&record), &mut *nonces)?;
            }
            Ok(())
        };
        while_stored((stored, "store the audit records"), rendered).await
    }

    /// Inserts the entries. Every reserved index must have been used, or nothing may be committed.
    pub(crate) async fn insert(self, tx: &mut Tx) -> Result<(), StoreError> {
        let said = "append to the ledger";
        if self.entries.count() != self.reserved {
            let counts = format!("{} indexes reserved, {} used", self.reserved, self.entries.count());
            return Err(broken("a transaction", &counts));
        }
        let inserted = query(dialect::INSERT_ENTRIES)
            .bind(self.tenant.id.to_string())
            .bind(self.log)
            .bind_rows(self.entries)
            .execute(&mut *tx)
            .await
            .map_err(doing(said))?;
        if inserted != self.reserved as u64 {
            return Err(broken("a transaction", &"not every entry was inserted"));
        }
        Ok(())
    }
}

/// Says what to do where the database takes no time of the log that is so far ahead of its own clock (FCT-52).
fn in_time(mut err: StoreError) -> StoreError {
    if let StoreError::Database { problem: Problem::Refused(Refusal::TimeViolation, said), .. } = &mut err {
        said.push_str(": set the clock of this machine, or of the database's, and try again");
    }
    err
}

/// Renders entries while the database stores the rows that they are about.
pub(crate) async fn while_stored(
    (stored, said): (impl Future<Output = Result<u64, sqlx::Error>>, &'static str),
    rendered: impl Future<Output = Result<(), StoreError>>,
) -> Result<(), StoreError> {
    // The one that is named first is asked first, which sends its rows.
    let (stored, rendered) = tokio::join!(stored, rendered);
    stored.map_err(doing(said))?;
    rendered
}

fn draft(record: &AuditRecord) -> Draft<'_, AuditRecord> {
    Draft {
        kind: EntryKind::AuditRecord,
        table: "audit_events",
        row: record.audit_id.to_string(),
        schema: schema::AUDIT,
        record,
    }
}

/// Most audit records of one transaction.
pub const AUDITS_MAX: usize = 10_000;

impl Db {
    /// Records what was done, with one entry each, in one transaction.
    ///
    /// # Errors
    /// When there are too many for one transaction, or the write fails; then nothing is recorded.
    pub async fn append_audits(
        &self,
        (tenant, actor): (&Tenant, &str),
        records: &[AuditRecord],
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<(), StoreError> {
        if records.len() > AUDITS_MAX {
            let (what, size) = ("audit records", records.len());
            return Err(StoreError::BatchTooLarge { what, size, limit: AUDITS_MAX });
        }
        let said = "store the audit records";
        let mut tx = self.begin(tenant.id, said).await?;
        let count = records.len();
        let mut appender = Appender::reserve(&mut tx, (tenant, actor), (count, now), &mut *nonces).await?;
        appender.audits(&mut tx, records, nonces).await?;
        appender.insert(&mut tx).await?;
        tx.commit().await.map_err(doing(said))
    }
}

/// Makes an id (UUID version 7, RFC 9562, section 5.7) from an instant and random bits.
pub(crate) fn audit_id(now: Timestamp, random: [u8; 16]) -> AuditId {
    let millis = u64::try_from(now.as_micros() / 1000).unwrap_or(0);
    let mut tail = [0; 10];
    tail.copy_from_slice(&random[..10]);
    AuditId::new(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
}

pub(crate) fn broken(what: &'static str, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Ledger { what, problem: problem.to_string() }
}

pub(crate) fn to_i64(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|err| broken("a number", &err))
}
