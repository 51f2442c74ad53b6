//! Going on with a log that ended (LED-39): a database was lost or set back behind a head that left the machine.
//! The new log's first entry names the old one, by a checkpoint that it signed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ledger::tree::{Frontier, leaf_hash};
use ledger::verify::{Continuation, Continued};
use ledger::{Hash, Signer, TreeHead, VerifierKey};
use model::record::{AuditPhase, ContinuedLog};
use model::{Digest, LogId, TenantId};
use serde_json::json;
use store::log::PAGE_MAX;
use store::logs::StoredLog;
use store::{Db, Tenant};

use crate::checkpoint;
use crate::context::{App, Config, audit_record, new_uuid, nonces};
use crate::error::{Error, Kind};
use crate::open::{
    KEY_FILE, Mode, ORIGIN_PREFIX, TENANT_SLUG, open, open_database, place_key, prefix_of, read_seed,
};

mod known;

use known::{Cosigner, Known};

/// Most checkpoints of the old log that are read back.
const CHECKPOINTS_MAX: u32 = 1_000_000;

/// Which log to go on with, and why.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Checkpoints, anchors or bundles of the old log, the newest of its heads among them.
    pub old: &'a [PathBuf],
    /// The keys of the old log.
    pub keys: &'a [VerifierKey],
    pub reason: &'a str,
    /// Begin a new log although nothing of the old one is missing.
    pub without_loss: bool,
}

/// A log of the tenant, with what its first entry says of the one before.
#[derive(Debug, Clone)]
pub(crate) struct Chapter {
    pub(crate) tenant: Tenant,
    pub(crate) first_position: u64,
    pub(crate) continues: Option<Continuation>,
}

/// What the database has of a log that ended.
struct Rest {
    kept: u64,
    held: u64,
    held_root: Digest,
}

/// Begins a log that goes on with another one. Where there is no database, one is made.
///
/// Nothing of the old log changes; what the database has of it stays and still verifies.
///
/// # Errors
/// When the old log's newest head is not known for sure, belongs to another log than the database, does not fit
/// what the database has of it, or nothing is missing: then nothing is begun.
pub async fn continue_log(config: &Config, request: &Request<'_>) -> Result<(App, Continued), Error> {
    if request.reason.trim().is_empty() {
        return Err(Error::new(Kind::Usage, "a new log needs a reason"));
    }
    let mut known = Known::read(request.old, request.keys)?;
    known.compare_with_copies(config, request.keys)?;
    // One that is refused must not leave a new database behind.
    let key_path = config.data_dir.join(KEY_FILE);
    if key_path.exists() {
        read_seed(&key_path)?;
    }
    let db = open_database(config).await?;
    let done = begin(config, request, &known, &db).await;
    db.close().await;
    done?;
    // A policy cannot name the new log yet.
    let app = open(&Config { policy: None, ..config.clone() }, Mode::Ledger).await?;
    app.record_start().await?;
    checkpoint::cut(&app).await?;
    let continuation = app.continuation().await?;
    let continuation =
        continuation.ok_or_else(|| Error::internal("the new log does not name the old one"))?;
    let account = continuation.account(continuation.kept, true);
    Ok((app, account))
}

async fn begin(config: &Config, request: &Request<'_>, known: &Known, db: &Db) -> Result<(), Error> {
    let now = config.clock.now();
    let old = match db.find_tenant(TENANT_SLUG).await? {
        Some(tenant) => db.list_logs(tenant.id).await?.pop(),
        None => None,
    };
    let rest = match &old {
        Some(old) => rest_of(db, old, known, request.without_loss).await?,
        None => Rest { kept: 0, held: 0, held_root: Digest(Frontier::new().root()) },
    };
    let key_path = config.data_dir.join(KEY_FILE);
    if !key_path.exists() {
        place_key(&config.data_dir, &key_path)?;
    }
    let log = LogId::new(new_uuid(now));
    let prefix = prefix_of(&known.newest().head.origin).unwrap_or(ORIGIN_PREFIX);
    let origin = format!("{prefix}/{log}");
    let signer = Signer::from_seed(&origin, &*read_seed(&key_path)?)
        .map_err(|err| Error::internal(format!("could not make a signing key: {err}")))?;
    let id = old.as_ref().map_or_else(|| TenantId::new(new_uuid(now)), |old| old.tenant.id);
    let tenant = Tenant { id, log, origin, vkey: signer.verifier().to_string() };
    let newest = known.newest();
    let continues = ContinuedLog {
        origin: newest.head.origin.clone(),
        vkey: newest.key.to_string(),
        size: newest.head.size,
        root: Digest(newest.head.root),
        checkpoint: newest.note.clone(),
        kept: rest.kept,
        held: rest.held,
        held_root: rest.held_root,
        reason: request.reason.to_owned(),
    };
    let detail = json!({
        "continues": continues.origin, "size": continues.size, "kept": rest.kept, "reason": request.reason,
    });
    let by = (config.actor.as_str(), now);
    let audit = audit_record(by, "ledger.continued", AuditPhase::Event, (format!("log:{log}"), &detail))?;
    let slug = (TENANT_SLUG, old.as_ref());
    Ok(db.continue_log(slug, (&tenant, &audit), &continues, (now, &mut nonces())).await?)
}

/// Compares what the database has of the old log with every head that is known.
async fn rest_of(db: &Db, old: &StoredLog, known: &Known, without_loss: bool) -> Result<Rest, Error> {
    let newest = &known.newest().head;
    if newest.origin != old.tenant.origin {
        let message = format!(
            "that is a checkpoint of {}, and this database goes on with {}",
            newest.origin, old.tenant.origin
        );
        return Err(Error::new(Kind::Usage, message)
            .hint("name another data directory by --data-dir to go on with that log where nothing is"));
    }
    let stored = stored_heads(db, &old.tenant).await?;
    let covered = stored.first().map_or(0, |(head, _cosigners)| head.size);
    if newest.size < covered {
        let message = format!(
            "the database has a checkpoint over {covered} entries, and the newest one named is over {}",
            newest.size
        );
        return Err(Error::new(Kind::Usage, message).hint("name the newest checkpoint of the old log"));
    }
    let held = db.log_size(&old.tenant).await?;
    let vouched = known.vouched(&stored);
    let (kept, root) = compare(db, &old.tenant, (known, &vouched), (covered, held)).await?;
    let is_ours = !stored.is_empty() && covered == newest.size;
    if is_ours && !without_loss {
        let message =
            format!("nothing is missing: the database has all {} entries of that checkpoint", newest.size);
        return Err(Error::new(Kind::Conflict, message)
            .hint("the log goes on as it is; --without-loss begins a new one all the same"));
    }
    Ok(Rest { kept, held, held_root: root })
}

/// Returns every head of the database, newest first, with who cosigned it.
async fn stored_heads(db: &Db, tenant: &Tenant) -> Result<Vec<(TreeHead, Vec<Cosigner>)>, Error> {
    let mut by_size: BTreeMap<u64, Vec<Cosigner>> = BTreeMap::new();
    for line in db.list_every_cosignature(tenant).await? {
        by_size.entry(line.size).or_default().push((line.key_name, line.key_id));
    }
    let stored = db.list_checkpoints(tenant, CHECKPOINTS_MAX).await?.into_iter().map(|stored| {
        let head = TreeHead { origin: tenant.origin.clone(), size: stored.size, root: stored.root.0 };
        let cosigners = by_size.remove(&head.size).unwrap_or_default();
        (head, cosigners)
    });
    Ok(stored.collect())
}

/// Returns how many entries a head vouches for, one that is known or one of the database that counts, and the root
/// over all entries. `covered` of the `held` entries lie under a checkpoint of the database itself.
async fn compare(
    db: &Db,
    tenant: &Tenant,
    (known, vouched): (&Known, &BTreeMap<u64, Hash>),
    (covered, held): (u64, u64),
) -> Result<(u64, Digest), Error> {
    let (mut tree, mut kept) = (Frontier::new(), 0);
    let mut next = 0;
    while next < held {
        let page = db.list_entries(tenant, (next, PAGE_MAX)).await?;
        for entry in &page {
            let full = |err| Error::internal(format!("could not compute the tree: {err}"));
            tree.push(leaf_hash(&entry.entry)).map_err(full)?;
            if vouched.get(&tree.size()).is_some_and(|root| *root == tree.root()) {
                kept = tree.size();
            }
            let Some(root) = known.root_at(tree.size()) else { continue };
            if root == tree.root() {
                kept = tree.size();
            } else if tree.size() <= covered {
                let message = format!(
                    "the database is not an older copy of that log: its first {} entries differ from those of a signed checkpoint",
                    tree.size()
                );
                return Err(Error::new(Kind::Conflict, message).hint(
                    "keep the database as it is, and go on with that log in another data directory by --data-dir",
                ));
            }
        }
        let Some(last) = page.last() else {
            return Err(Error::internal(format!("entry {next} of the log is missing"))
                .hint("run `plumb ledger verify`, and restore a backup that verifies"));
        };
        next = last.index + 1;
    }
    Ok((kept, Digest(tree.root())))
}

impl App {
    /// Returns the same product over another log of the tenant, for reading.
    pub(crate) fn over(&self, tenant: &Tenant) -> Self {
        Self { tenant: tenant.clone(), ..self.clone() }
    }

    /// Returns the logs of the tenant, oldest first.
    pub(crate) async fn chapters(&self) -> Result<Vec<Chapter>, Error> {
        let mut chapters = Vec::new();
        for log in self.db.list_logs(self.tenant.id).await? {
            let continues = self.over(&log.tenant).continuation().await?;
            chapters.push(Chapter { tenant: log.tenant, first_position: log.first_position, continues });
        }
        Ok(chapters)
    }

    /// Returns what the first entry of the log says of one that it goes on with. One that does not hold together
    /// counts for nothing here; verification reports it.
    pub(crate) async fn continuation(&self) -> Result<Option<Continuation>, Error> {
        let first = self.db.list_entries(&self.tenant, (0, 1)).await?.pop();
        let body = first.and_then(|first| ledger::canonical::parse(&first.body).ok());
        Ok(body.and_then(|body| Continuation::read(&body).ok().flatten()))
    }

    /// Returns the log that has the entry at a position, and the entry's index there: positions count on through
    /// the logs of the tenant.
    pub(crate) async fn entry_at(&self, position: u64) -> Result<(Self, u64), Error> {
        let logs = self.db.list_logs(self.tenant.id).await?;
        let log = logs.into_iter().rev().find(|log| log.first_position <= position);
        let log = log.ok_or_else(|| {
            Error::new(Kind::NotFound, format!("the log has no entry {position}"))
                .hint("`plumb ledger status` shows where it begins")
        })?;
        Ok((self.over(&log.tenant), position - log.first_position))
    }

    /// Returns where the current log begins, counted on through all logs of the tenant.
    pub(crate) async fn first_position(&self) -> Result<u64, Error> {
        let logs = self.db.list_logs(self.tenant.id).await?;
        let own = logs.into_iter().find(|log| log.tenant.log == self.tenant.log);
        own.map(|log| log.first_position).ok_or_else(|| Error::internal("the log has no head"))
    }

    /// Returns the keys of the log, and those of the logs that it goes on with.
    pub(crate) async fn keys_of_all(&self) -> Result<Vec<VerifierKey>, Error> {
        let mut keys = self.keys().await?;
        for chapter in self.chapters().await? {
            let older = self.over(&chapter.tenant).keys().await?;
            let named = chapter.continues.map(|continues| continues.key);
            for key in older.into_iter().chain(named) {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }
}
