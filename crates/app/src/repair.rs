//! Mending a database in which a number stands twice: what the ledger says of the rows that share it decides which one stays
//! (FCT-23). The rows and the schema are changed in `store`.

use ledger::Entry;
use model::record::AuditPhase;
use model::{ClaimKind, Timestamp, Version};
use serde_json::{Value, json};
use store::facts::{REPLACED, Stored};
use store::repair::{Candidate, Keep, Part, Twice};
use store::{Login, Problem, StoreError, Tenant};

use crate::context::{App, Config, nonces};
use crate::error::{Error, Kind};
use crate::open::{Mode, open};

/// What would be done.
#[derive(Debug)]
pub struct Plan {
    /// The tables whose numbers no key keeps apart.
    pub tables: Vec<&'static str>,
    pub rows: Vec<Line>,
    kinds: Vec<ClaimKind>,
    tenants: Vec<(Tenant, Vec<Decided>)>,
}

/// What would become of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub tenant: String,
    pub table: &'static str,
    pub seq: i64,
    /// Its id, as far as it has one.
    pub row: String,
    pub fate: Fate,
    pub why: String,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Stays,
    Moves,
    /// The ledger does not say which of the rows is right.
    Unknown,
}

impl Fate {
    /// Returns the written name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stays => "stays",
            Self::Moves => "moves",
            Self::Unknown => "unknown",
        }
    }
}

/// The rows of a number, and which one stays where the ledger says so.
type Decided = (Twice, Option<usize>);

impl Plan {
    /// Tells whether there is nothing to mend.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Returns how many rows have this fate.
    #[must_use]
    pub fn count(&self, fate: Fate) -> usize {
        self.rows.iter().filter(|row| row.fate == fate).count()
    }
}

/// What the ledger says of a row.
enum Says {
    /// It was put so, and closed so.
    Closed,
    /// It was put so.
    Open,
    /// Why it does not confirm it.
    No(&'static str),
}

/// Opens a database as it is, to mend it.
///
/// # Errors
/// As for every command; and when its schema is of another version, since it is put together again as this one makes it.
pub async fn open_damaged(config: &Config) -> Result<App, Error> {
    let config = Config { login: Login::Repairer, ..config.clone() };
    open(&config, Mode::Ledger).await.map_err(|err| {
        let cause = std::error::Error::source(&err).and_then(|cause| cause.downcast_ref::<StoreError>());
        if let Some(StoreError::Open { problem: Problem::SchemaBehind { .. }, .. }) = cause {
            return err.hint("mend it with the plumb of that version, then bring it up to date");
        }
        err
    })
}

impl App {
    /// Looks for numbers that stand twice, and decides which row stays. Changes nothing.
    ///
    /// # Errors
    /// When the database cannot be read; when its schema is not as it was made and no missing key is why.
    pub async fn plan_repair(&self) -> Result<Plan, Error> {
        let kinds = self.db.list_keyless().await?;
        if kinds.is_empty()
            && let Some(what) = self.db.schema_difference().await?
        {
            let message = format!("{}: {what}, which is no missing key and not mended here", self.db.place());
            return Err(Error::new(Kind::Config, message)
                .hint("see what was done to the record by `plumb ledger verify`, and restore a backup"));
        }
        let tables = kinds.iter().map(|kind| table(*kind)).collect();
        let mut plan = Plan { tables, rows: Vec::new(), kinds, tenants: Vec::new() };
        for (slug, tenant) in self.db.list_tenants().await? {
            let of = self.over(&tenant);
            let mut decided = Vec::new();
            for kind in plan.kinds.clone() {
                for twice in self.db.list_twice(&tenant, kind).await? {
                    let stays = of.decide(&slug, &twice, &mut plan.rows).await?;
                    decided.push((twice, stays));
                }
            }
            plan.tenants.push((tenant, decided));
        }
        Ok(plan)
    }

    /// Does what was planned, and records it.
    ///
    /// # Errors
    /// When the ledger does not say which row stays, or the rows are not any more as they were: nothing is changed then.
    pub async fn repair(&self, plan: Plan) -> Result<(), Error> {
        let mut parts = Vec::new();
        for (tenant, decided) in plan.tenants {
            let mut keeps = Vec::new();
            for (twice, stays) in decided {
                let Some(stays) = stays else {
                    let message = format!(
                        "{} {} stands twice and the ledger does not say which row is right: nothing was changed",
                        table(twice.kind),
                        twice.seq
                    );
                    return Err(Error::new(Kind::Conflict, message).hint("restore a backup and compare"));
                };
                keeps.push(Keep { twice, stays });
            }
            let moved: usize = keeps.iter().map(|keep| keep.twice.rows.len() - 1).sum();
            let detail = json!({"tables": plan.tables, "moved": moved});
            let audit = self.audit("store.repaired", AuditPhase::Event, "database".to_owned(), &detail)?;
            parts.push(Part { tenant, keeps, audit });
        }
        Ok(self.db.repair((&plan.kinds, &parts), self.now(), &mut nonces()).await?)
    }

    /// Decides which of the rows that share a number stays: the one that the ledger confirms. Of equal ones any is.
    async fn decide(&self, slug: &str, twice: &Twice, lines: &mut Vec<Line>) -> Result<Option<usize>, Error> {
        let mut said = Vec::new();
        for row in &twice.rows {
            said.push(match &row.version {
                Ok(stored) => self.ask_ledger(stored).await?,
                Err(_unreadable) => Says::No("it does not read as a version"),
            });
        }
        let places = |wanted: fn(&Says) -> bool| -> Vec<usize> {
            said.iter()
                .enumerate()
                .filter(|(_place, says)| wanted(says))
                .map(|(place, _says)| place)
                .collect()
        };
        // A version that was closed stood open before: the ledger says both, and the later one counts.
        let closed = places(|says| matches!(says, Says::Closed));
        let best = if closed.is_empty() { places(|says| matches!(says, Says::Open)) } else { closed };
        let stays = best
            .first()
            .copied()
            .filter(|first| best.iter().all(|place| twice.rows[*place].cells == twice.rows[*first].cells));
        for (place, (row, says)) in twice.rows.iter().zip(&said).enumerate() {
            let why = match (says, stays) {
                (Says::No(why), _) => why,
                (Says::Closed | Says::Open, None) => "the ledger confirms another one, too",
                (Says::Closed | Says::Open, Some(stays)) if stays == place => "the ledger confirms it",
                (Says::Closed | Says::Open, Some(stays)) if row.cells == twice.rows[stays].cells => {
                    "it is the same row once more"
                }
                (Says::Closed | Says::Open, Some(_)) => "the ledger says that it was closed",
            };
            let fate = match stays {
                None => Fate::Unknown,
                Some(stays) if stays == place => Fate::Stays,
                Some(_) => Fate::Moves,
            };
            lines.push(Line {
                tenant: slug.to_owned(),
                table: table(twice.kind),
                seq: twice.seq,
                row: id_of(twice.kind, row),
                fate,
                why: why.to_owned(),
            });
        }
        Ok(stays)
    }

    /// Asks the ledger whether a version was put so, and closed so.
    async fn ask_ledger(&self, stored: &Stored) -> Result<Says, Error> {
        let version = &stored.version;
        let Some((entry, record)) = self.recorded(stored.log_index).await? else {
            return Ok(Says::No("its entry is not there or not whole"));
        };
        if !speaks_of(&entry, version) || !is_put(&entry) {
            return Ok(Says::No("its entry speaks of another row"));
        }
        // Of a body that retention removed only the digest is left: then the entry says whose row it is.
        if let Some(record) = record
            && !is_same(&record, &version.opened())?
        {
            return Ok(Says::No("it is not what its entry commits to"));
        }
        let Some(closed_by) = stored.superseded_index else {
            return Ok(if *version == version.opened() {
                Says::Open
            } else {
                Says::No("no entry closed it")
            });
        };
        let Some((entry, Some(record))) = self.recorded(closed_by).await? else {
            return Ok(Says::No("the entry that closed it is not there or not whole"));
        };
        let is_so = if version.superseded_by.is_some() {
            is_put(&entry) && entry.table == table(version.key.kind()) && follows(version, &record)
        } else {
            speaks_of(&entry, version) && !is_put(&entry) && is_same(&record, version)?
        };
        Ok(if is_so { Says::Closed } else { Says::No("it was not closed so") })
    }

    /// Returns the entry at a position, with the record in its body; without where the body was emptied. Nothing where
    /// there is no whole one.
    async fn recorded(&self, position: u64) -> Result<Option<(Entry, Option<Value>)>, Error> {
        let (of, index) = match self.entry_at(position).await {
            Ok(found) => found,
            Err(err) if err.kind == Kind::NotFound => return Ok(None),
            Err(err) => return Err(err),
        };
        let found = of.db.list_entries(&of.tenant, (index, 1)).await?.pop();
        let Some(found) = found.filter(|found| found.index == index) else { return Ok(None) };
        let Ok(entry) = Entry::parse(&found.entry) else { return Ok(None) };
        if found.body.is_empty() {
            return Ok(Some((entry, None)));
        }
        if ledger::sha256(&found.body) != entry.body_sha256 {
            return Ok(None);
        }
        let body = ledger::canonical::parse(&found.body).ok();
        Ok(body.and_then(|body| body.get("row").cloned()).map(|record| (entry, Some(record))))
    }
}

const fn table(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Fact => "facts",
        ClaimKind::Edge => "edges",
    }
}

/// Returns the columns of a version that have their own names: id, name and last.
const fn names(kind: ClaimKind) -> [&'static str; 3] {
    match kind {
        ClaimKind::Fact => ["fact_id", "predicate", "fact_type"],
        ClaimKind::Edge => ["edge_id", "relation", "target"],
    }
}

fn id_of(kind: ClaimKind, row: &Candidate) -> String {
    let [id, ..] = names(kind);
    row.cells.get(id).cloned().flatten().unwrap_or_default()
}

fn is_put(entry: &Entry) -> bool {
    matches!(entry.kind, ledger::EntryKind::FactPut | ledger::EntryKind::EdgePut)
}

fn speaks_of(entry: &Entry, version: &Version) -> bool {
    entry.table == table(version.key.kind()) && entry.row == version.id.to_string()
}

fn is_same(record: &Value, version: &Version) -> Result<bool, Error> {
    let broken = |err: &dyn std::fmt::Display| Error::internal(format!("could not render a version: {err}"));
    let version = ledger::canonical::to_bytes(version).map_err(|err| broken(&err))?;
    Ok(ledger::canonical::to_bytes(record).map_err(|err| broken(&err))? == version)
}

/// Tells whether a version ended as the record of its successor says.
fn follows(version: &Version, successor: &Value) -> bool {
    let text = |member: &str| successor.get(member).and_then(Value::as_str);
    let instant = |member: &str| text(member).and_then(|text| text.parse::<Timestamp>().ok());
    let [_id, name, last] = names(version.key.kind());
    successor.get("seq").and_then(Value::as_u64) == version.superseded_by
        && text("subject") == Some(version.key.subject().as_str())
        && text(name) == Some(version.key.name())
        && text(last) == Some(version.key.last())
        && instant("t_recorded") == version.t_superseded
        && instant("t_valid").map(|valid| valid.max(version.t_valid)) == version.t_invalid
        && text("actor") == version.superseded_actor.as_deref()
        && Some(text("reason").unwrap_or(REPLACED)) == version.superseded_reason.as_deref()
}
