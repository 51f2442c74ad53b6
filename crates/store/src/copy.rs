//! Carrying a whole store from one database to another: every table, every tenant, byte for byte.
//!
//! Read as of one moment, written in one transaction of an empty database through all its guards, and read again before
//! that transaction ends: what is there then is what was read, or there is nothing.

use std::borrow::Cow;

use model::TenantId;

use crate::Db;
use crate::codec::Reader;
use crate::db::{On, Readers, Row, Rows, Sql, Tx, Value, query};
use crate::dialect::{self, quoted};
use crate::error::{Problem, StoreError, doing};
use crate::registry::{CLOSING, Guard, TABLES};
use crate::tables::{self, Column, Kind, Table};

/// Rows that are read and written at a time. The longest rows have less than half a MiB.
const PAGE: usize = 100;
/// Most tenants of one database.
const TENANTS_MAX: usize = 10_000;
const SAID: &str = "copy the database";

/// A store that was carried across.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The tenants by their names.
    pub slugs: Vec<String>,
    pub tables: usize,
    pub rows: u64,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'s> {
    pub table: &'s str,
    /// Rows that are done: each is first copied, then compared.
    pub done: u64,
    pub of: u64,
}

/// Hears how far a copy is.
pub type Listener<'l> = &'l mut (dyn FnMut(Step<'_>) + Send);

/// A lease on a host: somebody is about to write what they found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub holder: String,
    pub until: model::Timestamp,
}

pub(crate) struct Found {
    pub(crate) id: TenantId,
    pub(crate) slug: String,
}

/// One table of one tenant, once it was copied.
struct Done {
    tenant: usize,
    table: usize,
    seal: Seal,
}

/// How many rows, and the SHA-256 chain over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Seal {
    rows: u64,
    digest: [u8; 32],
}

/// Where rows are read from.
enum Source<'d> {
    Moment(Readers<'d>),
    Copy(&'d mut Tx),
}

impl Db {
    /// Copies everything in this database into an empty one of the same schema version. Whoever connects to a server for
    /// this has to own the tables there.
    ///
    /// # Errors
    /// When the target is not empty, this database was written meanwhile, a row is refused, or what is read back is not
    /// what was written: nothing is copied then.
    pub async fn copy_to(&self, target: &Self, tell: Listener<'_>) -> Result<Copied, StoreError> {
        let moment = self.snapshot().await?;
        let done = copy(self, &moment, (target, tell)).await;
        moment.end_snapshot().await;
        done
    }

    /// Returns the leases that have not run out: those of scans and changes that are under way.
    ///
    /// # Errors
    /// When the database cannot be read, or shows a user its own tenants only.
    pub async fn leases(&self, now: model::Timestamp) -> Result<Vec<Lease>, StoreError> {
        let said = "read the leases on hosts";
        let mut leases = Vec::new();
        for tenant in tenants(self).await? {
            let rows = query(
                "SELECT host_id, holder, lease_expires_at
                 FROM host_locks
                 WHERE tenant_id = $1 AND holder IS NOT NULL AND lease_expires_at > $2
                 ORDER BY host_id
                 LIMIT 1000",
            )
            .bind(tenant.id.to_string())
            .bind(now.as_micros())
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing(said))?;
            for row in &rows {
                let row = Reader::new("host_locks", "host_id", row)?;
                leases.push(Lease { holder: row.text("holder")?, until: row.instant("lease_expires_at")? });
            }
        }
        Ok(leases)
    }
}

async fn copy(live: &Db, moment: &Db, (target, tell): (&Db, Listener<'_>)) -> Result<Copied, StoreError> {
    for db in [moment, target] {
        require_owner(db).await?;
    }
    let tables = tables::read(moment.readers_of_none()).await?;
    let there = tables::read(target.readers_of_none()).await?;
    if let Some(odd) = tables
        .iter()
        .find(|table| !there.contains(table))
        .or_else(|| there.iter().find(|table| !tables.contains(table)))
    {
        return Err(uncopied(odd, "the two databases do not have the same"));
    }
    let tenants = tenants(moment).await?;
    let mut tx = target.begin_filling(SAID).await?;
    let filled = query("SELECT slug FROM tenants LIMIT 1").fetch_optional(&mut tx).await;
    if filled.map_err(doing(SAID))?.is_some() {
        return Err(StoreError::Filled { place: target.place() });
    }
    let mut step = Progress { tell, done: 0, of: 2 * count(moment, &tenants, &tables).await? };
    let mut seals = Vec::new();
    for (i, tenant) in tenants.iter().enumerate() {
        tx.work_for(tenant.id).await.map_err(doing(SAID))?;
        for (j, table) in tables.iter().enumerate() {
            let from = Source::Moment(moment.readers(tenant.id));
            let seal = carry(from, (tenant, table), Some(&mut tx), &mut step).await?;
            seals.push(Done { tenant: i, table: j, seal });
        }
    }
    for done in &seals {
        let (tenant, table) = (&tenants[done.tenant], &tables[done.table]);
        tx.work_for(tenant.id).await.map_err(doing(SAID))?;
        if carry(Source::Copy(&mut tx), (tenant, table), None, &mut step).await? != done.seal {
            return Err(uncopied(table, "what is read back is not what was written"));
        }
    }
    if heads(live).await? != heads(moment).await? {
        return Err(StoreError::Moving { place: live.place(), what: "copied" });
    }
    tx.commit().await.map_err(doing(SAID))?;
    let rows = seals.iter().map(|done| done.seal.rows).sum();
    let slugs = tenants.into_iter().map(|tenant| tenant.slug).collect();
    Ok(Copied { slugs, tables: tables.len(), rows })
}

/// Refuses to work for somebody whom row security keeps from seeing all tenants.
async fn require_owner(db: &Db) -> Result<(), StoreError> {
    let row = query(dialect::COUNT_FOREIGN_TABLES).fetch_one(db.readers_of_none()).await;
    let foreign: i64 = row.and_then(|row| row.get("tables")).map_err(doing(SAID))?;
    if foreign == 0 {
        return Ok(());
    }
    let problem = "only the owner of its tables sees the rows of all tenants";
    Err(StoreError::Open { place: db.place(), problem: Problem::Denied(problem.to_owned()), source: None })
}

/// Returns the tenants that this user sees: all of them, for the owner of the tables.
pub(crate) async fn tenants(db: &Db) -> Result<Vec<Found>, StoreError> {
    let said = "list the tenants";
    let rows = query("SELECT tenant_id, slug FROM tenants ORDER BY tenant_id LIMIT 10001")
        .fetch_all(db.readers_of_none())
        .await
        .map_err(doing(said))?;
    if rows.len() > TENANTS_MAX {
        return Err(StoreError::BatchTooLarge { what: "tenants", size: rows.len(), limit: TENANTS_MAX });
    }
    rows.iter()
        .map(|row| {
            let row = Reader::new("tenants", "tenant_id", row)?;
            Ok(Found { id: row.parsed("tenant_id")?, slug: row.text("slug")? })
        })
        .collect()
}

/// Returns the size of every log: whatever is recorded makes one larger.
async fn heads(db: &Db) -> Result<Vec<(String, i64)>, StoreError> {
    let mut heads = Vec::new();
    for tenant in tenants(db).await? {
        let rows = query(
            "SELECT log_id, size FROM log_heads WHERE tenant_id = $1 ORDER BY first_position LIMIT 10000",
        )
        .bind(tenant.id.to_string())
        .fetch_all(db.readers(tenant.id))
        .await
        .map_err(doing(SAID))?;
        for row in &rows {
            let row = Reader::new("log_heads", "log_id", row)?;
            heads.push((row.text("log_id")?, row.int("size")?));
        }
    }
    Ok(heads)
}

async fn count(db: &Db, tenants: &[Found], tables: &[Table]) -> Result<u64, StoreError> {
    let mut total = 0;
    for tenant in tenants {
        for table in tables {
            let sql = format!("SELECT count(*) AS n FROM {} WHERE tenant_id = $1", quoted(&table.name));
            let row = query(Sql::Assembled(sql)).bind(tenant.id.to_string());
            let row = row.fetch_one(db.readers(tenant.id)).await.map_err(of_table(table))?;
            let n: i64 = row.get("n").map_err(of_table(table))?;
            total += n.unsigned_abs();
        }
    }
    Ok(total)
}

struct Progress<'l> {
    tell: Listener<'l>,
    done: u64,
    of: u64,
}

/// Reads one table of one tenant in the order of its key, and writes it where a place is given.
async fn carry(
    mut from: Source<'_>,
    (tenant, table): (&Found, &Table),
    mut into: Option<&mut Tx>,
    step: &mut Progress<'_>,
) -> Result<Seal, StoreError> {
    let order = order(table);
    let places: Vec<usize> = order.iter().filter_map(|name| table.place(name)).collect();
    let mut seal = Seal::default();
    let mut after: Option<Vec<Value<'_>>> = None;
    loop {
        let mut page =
            query(Sql::Assembled(select(table, &order, after.is_some()))).bind(tenant.id.to_string());
        for value in after.take().unwrap_or_default() {
            page = page.bind(value);
        }
        let on = match &mut from {
            Source::Moment(readers) => On::Readers(*readers),
            Source::Copy(tx) => On::Tx(tx),
        };
        let rows = page.fetch_all(on).await.map_err(of_table(table))?;
        let rows: Vec<Vec<Value<'_>>> = rows
            .iter()
            .map(|row| cells(row, &table.columns))
            .collect::<Result<_, _>>()
            .map_err(of_table(table))?;
        for row in &rows {
            seal.add(row);
        }
        if let Some(tx) = &mut into {
            write(tx, (tenant.id, table), &rows).await.map_err(of_table(table))?;
        }
        step.done += rows.len() as u64;
        (step.tell)(Step { table: &table.name, done: step.done, of: step.of });
        match rows.last() {
            // The rows behind would be missing on both sides, where nobody sees it.
            Some(_) if rows.len() == PAGE && places.is_empty() => {
                return Err(uncopied(table, "it has no key to go on from"));
            }
            Some(last) if rows.len() == PAGE => {
                after = Some(places.iter().map(|place| last[*place].clone()).collect());
            }
            Some(_) | None => return Ok(seal),
        }
    }
}

impl Table {
    fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }
}

/// Returns the columns whose order is the one that the guards let rows come in: that of the key, but for logs, of which
/// each begins where one ended.
fn order(table: &Table) -> Vec<String> {
    if table.name == "log_heads" { vec!["first_position".to_owned()] } else { table.key.clone() }
}

fn select(table: &Table, order: &[String], is_later: bool) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let order: Vec<String> = order.iter().map(|name| quoted(name)).collect();
    let mut sql = format!("SELECT {} FROM {} WHERE tenant_id = $1", columns.join(", "), quoted(&table.name));
    if is_later {
        let values: Vec<String> = (0..order.len()).map(|i| format!("${}", i + 2)).collect();
        sql += &format!(" AND ({}) > ({})", order.join(", "), values.join(", "));
    }
    if !order.is_empty() {
        sql += &format!(" ORDER BY {}", order.join(", "));
    }
    sql + &format!(" LIMIT {PAGE}")
}

fn cells(row: &Row, columns: &[Column]) -> Result<Vec<Value<'static>>, sqlx::Error> {
    let cell = |column: &Column| {
        Ok(match column.kind {
            Kind::Int => Value::Int(row.get(&column.name)?),
            Kind::Text => row.get::<Option<String>>(&column.name)?.into(),
            Kind::Bytes => Value::Bytes(row.get::<Option<Vec<u8>>>(&column.name)?.map(Cow::Owned)),
        })
    };
    columns.iter().map(cell).collect()
}

impl Seal {
    /// Adds a row: each value with its length, so that no two rows have the same bytes.
    fn add(&mut self, row: &[Value<'_>]) {
        let mut bytes = self.digest.to_vec();
        for value in row {
            let (kind, value): (u8, Option<Vec<u8>>) = match value {
                Value::Int(number) => (0, number.map(|number| number.to_be_bytes().to_vec())),
                Value::Text(text) => (1, text.as_ref().map(|text| text.as_bytes().to_vec())),
                Value::Bytes(bytes) => (2, bytes.as_ref().map(|bytes| bytes.to_vec())),
            };
            bytes.push(kind);
            bytes.push(u8::from(value.is_some()));
            let value = value.unwrap_or_default();
            bytes.extend((value.len() as u64).to_be_bytes());
            bytes.extend(value);
        }
        *self = Self { rows: self.rows + 1, digest: ledger::sha256(&bytes) };
    }
}

async fn write(tx: &mut Tx, of: (TenantId, &Table), rows: &[Vec<Value<'_>>]) -> Result<(), sqlx::Error> {
    let (_tenant, table) = of;
    let is_closed_once =
        TABLES.iter().any(|known| known.name == table.name && known.guard == Guard::ClosedOnce);
    if !is_closed_once {
        return insert(tx, table, rows, &[]).await;
    }
    let closing: Vec<usize> = CLOSING.iter().filter_map(|name| table.place(name)).collect();
    let number = |row: &[Value<'_>], column: &str| match table.place(column).map(|place| &row[place]) {
        Some(Value::Int(number)) => *number,
        Some(Value::Text(_) | Value::Bytes(_)) | None => None,
    };
    // A version is put open and closed afterwards, before whatever came when it was closed.
    let (mut begin, mut closed_at) = (0, i64::MAX);
    for (i, row) in rows.iter().enumerate() {
        if number(row, "log_index").is_some_and(|at| at >= closed_at) {
            put_and_close(tx, of, &rows[begin..i], &closing).await?;
            (begin, closed_at) = (i, i64::MAX);
        }
        closed_at = closed_at.min(number(row, "superseded_index").unwrap_or(i64::MAX));
    }
    put_and_close(tx, of, &rows[begin..], &closing).await
}

async fn put_and_close(
    tx: &mut Tx,
    (tenant, table): (TenantId, &Table),
    rows: &[Vec<Value<'_>>],
    closing: &[usize],
) -> Result<(), sqlx::Error> {
    insert(tx, table, rows, closing).await?;
    let Some(seq) = table.place("seq") else { return Ok(()) };
    let is_closed = |row: &&Vec<Value<'_>>| {
        closing.iter().any(|place| !matches!(row[*place], Value::Int(None) | Value::Text(None)))
    };
    let closed: Vec<&Vec<Value<'_>>> = rows.iter().filter(is_closed).collect();
    if closed.is_empty() {
        return Ok(());
    }
    let mut values = Rows::new(1 + closing.len(), closed.len());
    for row in closed {
        values.add(std::iter::once(seq).chain(closing.iter().copied()).map(|place| row[place].clone()));
    }
    let columns: Vec<&Column> = closing.iter().map(|place| &table.columns[*place]).collect();
    query(dialect::close_rows(&table.name, &columns))
        .bind(tenant.to_string())
        .bind_rows(values)
        .execute(tx)
        .await?;
    Ok(())
}

/// Inserts rows with these columns left empty.
async fn insert(
    tx: &mut Tx,
    table: &Table,
    rows: &[Vec<Value<'_>>],
    empty: &[usize],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut values = Rows::new(table.columns.len(), rows.len());
    for row in rows {
        values.add(row.iter().enumerate().map(|(place, value)| match value {
            Value::Int(_) if empty.contains(&place) => Value::Int(None),
            Value::Text(_) if empty.contains(&place) => Value::Text(None),
            Value::Int(_) | Value::Text(_) | Value::Bytes(_) => value.clone(),
        }));
    }
    query(dialect::insert_rows(&table.name, &table.columns)).bind_rows(values).execute(tx).await?;
    Ok(())
}

fn of_table(table: &Table) -> impl Fn(sqlx::Error) -> StoreError {
    let table = table.name.clone();
    move |source| StoreError::Uncopied { table: table.clone(), problem: Problem::of(&source) }
}

fn uncopied(table: &Table, problem: &str) -> StoreError {
    StoreError::Uncopied { table: table.name.clone(), problem: Problem::Other(problem.to_owned()) }
}
