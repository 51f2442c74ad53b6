//! Mending a database in which the numbers of versions are not kept apart: the rows that share a number are shown, and all
//! but one of them move to `quarantine`, byte for byte, with an entry each (FCT-23). Which one stays is decided elsewhere.

use std::collections::BTreeMap;

use ledger::EntryKind;
use model::record::{AuditRecord, QuarantineRecord, schema};
use model::{ClaimKind, QuarantineId, Timestamp};

use crate::append::{Appender, Draft, Nonces, audit_id, broken, to_i64};
use crate::codec::Reader;
use crate::copy::tenants;
use crate::db::{On, Row, Rows, Sql, Tx, query};
use crate::error::{Problem, StoreError, doing};
use crate::facts::{Stored, read_columns, statements};
use crate::registry::TABLES;
use crate::tables::{Column, Kind};
use crate::{Db, Tenant, dialect};

/// Most rows of one table and tenant that share their numbers with others.
const TWICE_MAX: usize = 1_000;
/// Longest row that an entry takes, written as its cells. Bytes.
const CELLS_BYTES_MAX: usize = 1_000_000;
/// The columns of versions that hold numbers; all others hold text.
const NUMBERS: [&str; 8] = [
    "log_index",
    "seq",
    "superseded_by",
    "superseded_index",
    "t_invalid",
    "t_recorded",
    "t_superseded",
    "t_valid",
];
const SAID: &str = "mend the database";

/// A number that several rows of a tenant have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twice {
    pub kind: ClaimKind,
    pub seq: i64,
    pub rows: Vec<Candidate>,
}

/// One of the rows that share a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The version that it is; what is wrong with it where it is none.
    pub version: Result<Stored, String>,
    /// What each of its columns holds, numbers in decimal digits.
    pub cells: BTreeMap<String, Option<String>>,
}

/// Which of the rows that share a number stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    pub twice: Twice,
    /// Its place among them.
    pub stays: usize,
}

impl Keep {
    fn moved(&self) -> impl Iterator<Item = &Candidate> {
        let stays = self.stays;
        self.twice
            .rows
            .iter()
            .enumerate()
            .filter(move |(place, _row)| *place != stays)
            .map(|(_place, row)| row)
    }
}

/// What a repair does for one tenant.
#[derive(Debug)]
pub struct Part {
    pub tenant: Tenant,
    pub keeps: Vec<Keep>,
    /// Recorded with it, also where no row moves.
    pub audit: AuditRecord,
}

impl Db {
    /// Lists the tables of versions in which no key keeps the numbers apart.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_keyless(&self) -> Result<Vec<ClaimKind>, StoreError> {
        let said = "look whether every key is there";
        let counts =
            query(dialect::COUNT_KEYS).fetch_all(self.readers_of_none()).await.map_err(doing(said))?;
        let mut keyless = Vec::new();
        for row in &counts {
            let keys: i64 = row.get("keys").map_err(doing(said))?;
            let table: String = row.get("table_name").map_err(doing(said))?;
            let kinds = [ClaimKind::Edge, ClaimKind::Fact];
            keyless.extend(kinds.into_iter().filter(|kind| keys == 0 && statements(*kind).table == table));
        }
        Ok(keyless)
    }

    /// Lists the tenants with their names: all of them, for the owner of the tables.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_tenants(&self) -> Result<Vec<(String, Tenant)>, StoreError> {
        let mut found = Vec::new();
        for tenant in tenants(self).await? {
            found.extend(self.find_tenant(&tenant.slug).await?.map(|of| (tenant.slug, of)));
        }
        Ok(found)
    }

    /// Lists the numbers that several rows of a tenant have, each with these rows.
    ///
    /// # Errors
    /// When the database cannot be read, or there are more than a repair takes.
    pub async fn list_twice(&self, tenant: &Tenant, kind: ClaimKind) -> Result<Vec<Twice>, StoreError> {
        read_twice(self.readers(tenant.id), (tenant, kind)).await
    }

    /// Mends the database, in one transaction: moves rows to quarantine, makes the keys and guards of these tables as the
    /// migrations do, and records both. Every tenant has its part.
    ///
    /// # Errors
    /// When rows are not any more as they were looked at, or the schema is not as it should be even so: then nothing is
    /// changed.
    pub async fn repair(
        &self,
        (kinds, parts): (&[ClaimKind], &[Part]),
        now: Timestamp,
        nonces: Nonces<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_mending().await?;
        let done = match self.mend(&mut tx, (kinds, parts), (now, nonces)).await {
            Ok(()) => tx.commit().await.map_err(doing(SAID)),
            Err(err) => {
                drop(tx);
                Err(err)
            }
        };
        let ended = self.end_mending().await;
        // The first cause is the one to tell.
        done.and(ended)
    }

    async fn mend(
        &self,
        tx: &mut Tx,
        (kinds, parts): (&[ClaimKind], &[Part]),
        (now, nonces): (Timestamp, Nonces<'_>),
    ) -> Result<(), StoreError> {
        for part in parts {
            let turn = query(dialect::TAKE_TURN).bind(part.tenant.id.to_string());
            turn.fetch_all(&mut *tx).await.map_err(doing(SAID))?;
        }
        for kind in kinds {
            tx.take_apart(*kind).await?;
            for part in parts {
                tx.work_for(part.tenant.id).await.map_err(doing(SAID))?;
                let keeps: Vec<&Keep> = part.keeps.iter().filter(|keep| keep.twice.kind == *kind).collect();
                let found = read_twice(&mut *tx, (&part.tenant, *kind)).await?;
                if found.iter().ne(keeps.iter().map(|keep| &keep.twice)) {
                    return Err(StoreError::Moving { place: self.place(), what: "mended" });
                }
                single_out(tx, (&part.tenant, *kind), &keeps).await?;
            }
            tx.put_together(*kind).await?;
            refuse_strays(tx, *kind).await?;
        }
        if let Some(what) = tx.schema_difference().await? {
            let problem = Problem::SchemaMismatch(what);
            return Err(StoreError::Open { place: self.place(), problem, source: None });
        }
        for part in parts {
            tx.work_for(part.tenant.id).await.map_err(doing(SAID))?;
            record(tx, part, (now, &mut *nonces)).await?;
        }
        Ok(())
    }
}

/// Returns every column of a table of versions.
pub(crate) fn columns(kind: ClaimKind) -> Vec<Column> {
    let table = TABLES.iter().find(|table| table.name == statements(kind).table);
    let column = |name: &str| {
        let kind = if NUMBERS.contains(&name) { Kind::Int } else { Kind::Text };
        Column { name: name.to_owned(), kind }
    };
    table.map(|table| table.columns.iter().map(|(name, _vouch)| column(name)).collect()).unwrap_or_default()
}

async fn read_twice(
    on: impl Into<On<'_>>,
    (tenant, kind): (&Tenant, ClaimKind),
) -> Result<Vec<Twice>, StoreError> {
    let (table, id) = (statements(kind).table, statements(kind).id);
    let sql = format!(
        "SELECT * FROM {table} WHERE tenant_id = $1 AND seq IN (
           SELECT seq FROM {table} WHERE tenant_id = $1 GROUP BY seq HAVING count(*) > 1)
         ORDER BY seq, {id}
         LIMIT $2"
    );
    let rows = query(Sql::Assembled(sql))
        .bind(tenant.id.to_string())
        .bind(to_i64(TWICE_MAX as u64 + 1)?)
        .fetch_all(on)
        .await
        .map_err(doing("read the rows that share a number"))?;
    if rows.len() > TWICE_MAX {
        let problem =
            format!("more than {TWICE_MAX} rows of {table} share a number: restore a backup instead");
        return Err(StoreError::Invalid { problem });
    }
    let columns = columns(kind);
    let mut found: Vec<Twice> = Vec::new();
    for row in &rows {
        let seq = row.get("seq").map_err(doing(SAID))?;
        if found.last().is_none_or(|last| last.seq != seq) {
            found.push(Twice { kind, seq, rows: Vec::new() });
        }
        if let Some(last) = found.last_mut() {
            last.rows.push(candidate(kind, &columns, row)?);
        }
    }
    // Whoever reads them again has them in the same order.
    found.iter_mut().for_each(|twice| twice.rows.sort_by(|one, other| one.cells.cmp(&other.cells)));
    Ok(found)
}

fn candidate(kind: ClaimKind, columns: &[Column], row: &Row) -> Result<Candidate, StoreError> {
    let names = statements(kind);
    let mut cells = BTreeMap::new();
    for column in columns {
        let cell = match column.kind {
            Kind::Int => row.get::<Option<i64>>(&column.name).map(|cell| cell.map(|cell| cell.to_string())),
            Kind::Text | Kind::Bytes => row.get(&column.name),
        };
        cells.insert(column.name.clone(), cell.map_err(doing("read a row that shares its number"))?);
    }
    let version = Reader::new(names.table, names.id, row)
        .and_then(|row| read_columns(kind, &row, [names.id, names.name, names.last]))
        .map_err(|err| err.to_string());
    let written = rendered(&cells)?;
    if written.len() > CELLS_BYTES_MAX {
        let what = "bytes of a row that shares its number";
        return Err(StoreError::BatchTooLarge { what, size: written.len(), limit: CELLS_BYTES_MAX });
    }
    Ok(Candidate { version, cells })
}

fn rendered(cells: &BTreeMap<String, Option<String>>) -> Result<String, StoreError> {
    let bytes = ledger::canonical::to_bytes(cells).map_err(|err| broken("quarantine", &err))?;
    String::from_utf8(bytes).map_err(|err| broken("quarantine", &err))
}

/// Leaves of all rows that share a number the one that stays.
async fn single_out(
    tx: &mut Tx,
    (tenant, kind): (&Tenant, ClaimKind),
    keeps: &[&Keep],
) -> Result<(), StoreError> {
    if keeps.is_empty() {
        return Ok(());
    }
    let table = statements(kind).table;
    let sql = format!(
        "DELETE FROM {table} WHERE tenant_id = $1 AND seq IN (
           SELECT seq FROM {table} WHERE tenant_id = $1 GROUP BY seq HAVING count(*) > 1)"
    );
    query(Sql::Assembled(sql)).bind(tenant.id.to_string()).execute(&mut *tx).await.map_err(doing(SAID))?;
    let columns = columns(kind);
    let mut values = Rows::new(columns.len(), keeps.len());
    for keep in keeps {
        let row = keep.twice.rows.get(keep.stays).ok_or_else(|| broken("a repair", &"no such row stays"))?;
        let mut cells = Vec::with_capacity(columns.len());
        for column in &columns {
            let cell = row.cells.get(&column.name).cloned().flatten();
            cells.push(match column.kind {
                Kind::Int => {
                    let number = cell.map(|cell| cell.parse::<i64>()).transpose();
                    number.map_err(|err| broken("a repair", &err))?.into()
                }
                Kind::Text | Kind::Bytes => cell.into(),
            });
        }
        values.add(cells);
    }
    query(dialect::insert_rows(table, &columns))
        .bind_rows(values)
        .execute(&mut *tx)
        .await
        .map(drop)
        .map_err(doing(SAID))
}

/// A file does not look at its foreign keys while a table is made again.
async fn refuse_strays(tx: &mut Tx, kind: ClaimKind) -> Result<(), StoreError> {
    let table = statements(kind).table;
    let row = query(dialect::COUNT_STRAYS).bind(table).fetch_one(&mut *tx).await.map_err(doing(SAID))?;
    match row.get::<i64>("strays").map_err(doing(SAID))? {
        0 => Ok(()),
        strays => Err(broken(table, &format_args!("{strays} of its rows name what is not there"))),
    }
}

/// Puts the rows that move into quarantine, and records that with the act.
async fn record(tx: &mut Tx, part: &Part, (now, nonces): (Timestamp, Nonces<'_>)) -> Result<(), StoreError> {
    let moved: Vec<(ClaimKind, &Candidate)> =
        part.keeps.iter().flat_map(|keep| keep.moved().map(|row| (keep.twice.kind, row))).collect();
    let by = (&part.tenant, part.audit.actor.as_str());
    let mut appender = Appender::reserve(tx, by, (moved.len() + 1, now), &mut *nonces).await?;
    for (kind, row) in moved {
        let record = QuarantineRecord {
            quarantine_id: QuarantineId::new(audit_id(now, nonces()).uuid()),
            table: statements(kind).table.to_owned(),
            cells: row.cells.clone(),
            recorded_at: appender.at(),
        };
        let draft = Draft {
            kind: EntryKind::Seam,
            table: "quarantine",
            row: record.quarantine_id.to_string(),
            schema: schema::QUARANTINE,
            record: &record,
        };
        let position = appender.push(draft, &mut *nonces)?;
        query(
            "INSERT INTO quarantine (tenant_id, quarantine_id, table_name, cells, recorded_at_us, log_index)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(part.tenant.id.to_string())
        .bind(record.quarantine_id.to_string())
        .bind(&record.table)
        .bind(rendered(&record.cells)?)
        .bind(record.recorded_at.as_micros())
        .bind(to_i64(position)?)
        .execute(&mut *tx)
        .await
        .map_err(doing("put a row into quarantine"))?;
    }
    appender.audit(tx, &part.audit, nonces).await?;
    appender.insert(tx).await
}
