//! Cutting a checkpoint: the tree grows over the new entries, and its head is signed. At the end of a command,
//! after the answer (no server runs yet).

use std::collections::BTreeMap;
use std::path::PathBuf;

use ledger::tile::{TileId, integrate, load_frontier};
use ledger::tree::Frontier;
use ledger::verify::WitnessLag;
use ledger::{Signer, TreeHead};
use model::{Digest, Timestamp};
use store::log::{PAGE_MAX, StoredCheckpoint};

use crate::context::App;
use crate::error::{Error, Kind};
use crate::witness::Seen;

/// Most attempts to cover a log that other processes cover meanwhile.
const CUTS_MAX: u32 = 20;

/// Where the log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub origin: String,
    pub vkey: String,
    pub size: u64,
    pub checkpoint: Option<StoredCheckpoint>,
    /// Recorded time of the newest entry under it, which it commits to: of its own time nobody else knows.
    pub covered_until: Option<Timestamp>,
    /// Entries that no checkpoint covers yet.
    pub uncovered: u64,
    /// Entries under the newest checkpoint that left the machine: in the anchor, or cosigned by a witness.
    pub left: u64,
    /// Since the first entry behind that. Seconds; 0 when there is none. What is that young its owner can still
    /// remove or rewrite unseen (LED-43).
    pub window_seconds: i64,
    /// How far the witnessed head is behind (LED-32); nothing where no witness is needed.
    pub witness_lag: Option<WitnessLag>,
    /// What a witness showed against the log, and the file that has it; while it stands nothing is signed (LED-19).
    pub seen: Option<(Seen, PathBuf)>,
}

/// Covers every entry by a signed checkpoint. Signs nothing when all are covered, and appends what the anchor lacks.
/// Who has no key takes what is signed as it is: what is written asks for the key before ([`App::require_key`]).
///
/// # Errors
/// When the stored tree does not fit its last signed head (`rollback_detected`), or the anchor is gone: then nothing
/// is signed. When the anchor cannot be written.
pub async fn cut(app: &App) -> Result<(), Error> {
    if app.signer.is_none() {
        return Ok(());
    }
    cut_signed(app, None).await.map(|_cut| ())
}

/// Covers the beginning of a log that has no checkpoint yet, and what a command left uncovered that was killed
/// (LED-20).
///
/// # Errors
/// As [`cut`] for a log without a checkpoint. For another, what keeps its head from being signed is said where the
/// command's own entries are to be covered; until then they are recorded.
pub async fn begin(app: &App) -> Result<(), Error> {
    let Some(newest) = app.db.list_checkpoints(&app.tenant, 1).await?.pop() else {
        return cut(app).await;
    };
    if app.db.log_size(&app.tenant).await? > newest.size {
        drop(cut(app).await);
    }
    Ok(())
}

/// As [`cut`]; with a next key, the head is signed by both and that key is the log's from here on (LED-22).
/// Returns whether this process stored a head.
pub(crate) async fn cut_signed(app: &App, next: Option<&Signer>) -> Result<bool, Error> {
    app.note_start().await?;
    for _attempt in 0..CUTS_MAX {
        if let Some(is_ours) = cut_once(app, next).await? {
            return Ok(is_ours);
        }
    }
    Err(Error::new(
        Kind::Conflict,
        "other processes cover the log all the time, and so it was not covered here",
    )
    .hint("run `plumb ledger checkpoint` later"))
}

/// Returns nothing where another process stored a head while this one read the tiles of the one before.
async fn cut_once(app: &App, next: Option<&Signer>) -> Result<Option<bool>, Error> {
    // The head comes first: a log that others add to meanwhile is then longer, and never shorter than its head.
    let last = app.db.list_checkpoints(&app.tenant, 1).await?.pop();
    let size = app.db.log_size(&app.tenant).await?;
    let covered = last.as_ref().map_or(0, |last| last.size);
    if size == covered {
        if app.anchored_size().await?.is_some_and(|anchored| anchored < covered) {
            app.anchor().await?;
        }
        return Ok(Some(false));
    }
    if size < covered {
        return Err(rollback(covered, size));
    }
    let edge = app.db.load_edge(&app.tenant).await?;
    let edge: BTreeMap<(u8, u64), Vec<u8>> =
        edge.into_iter().map(|tile| ((tile.id.level, tile.id.index), tile.bytes)).collect();
    let read = |id: TileId| -> Result<Vec<u8>, Error> {
        let bytes = edge.get(&(id.level, id.index)).and_then(|bytes| bytes.get(..usize::from(id.width) * 32));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| Error::internal("a tile of the log is missing"))
    };
    let broken = |err: &dyn std::fmt::Display| Error::internal(format!("could not extend the tree: {err}"));
    let old = if covered == 0 { Ok(Frontier::new()) } else { load_frontier(covered, read) };
    let old = match old {
        Ok(old) => old,
        Err(err) => {
            let newest = app.db.list_checkpoints(&app.tenant, 1).await?.pop();
            let is_moved = newest.is_some_and(|newest| newest.size > covered);
            return if is_moved { Ok(None) } else { Err(broken(&err)) };
        }
    };
    if let Some(last) = &last
        && Digest(old.root()) != last.root
    {
        return Err(rollback(covered, size));
    }
    if next.is_none() {
        app.refuse_revoked().await?;
    }
    app.check_anchor().await?;
    // What is signed first and shown then cannot be taken back.
    app.look_at_witnesses().await?;
    app.check_seen().await?;
    let leaves = leaves(app, covered, size).await?;
    let grown = integrate(&old, &leaves, read).map_err(|err| broken(&err))?;
    let head = TreeHead { origin: app.tenant.origin.clone(), size: grown.size, root: grown.root };
    let signer = app
        .signer
        .as_ref()
        .ok_or_else(|| Error::internal("this product was opened without a signing key"))?;
    let mut note = head.sign(signer).map_err(|err| broken(&err))?;
    if let Some(next) = next {
        note.signatures.extend(head.sign(next).map_err(|err| broken(&err))?.signatures);
    }
    let stored = StoredCheckpoint {
        size: grown.size,
        root: Digest(grown.root),
        note: note.to_text().into_bytes(),
        created_at: app.now(),
    };
    let vkey = next.map(|next| next.verifier().to_string());
    // False: another process covered these entries while we hashed, which is as good.
    let is_ours = app.db.store_head(&app.tenant, &grown.tiles, &stored, vkey.as_deref()).await?;
    if is_ours {
        app.anchor().await?;
    }
    Ok(Some(is_ours))
}

fn rollback(covered: u64, size: u64) -> Error {
    let message = format!(
        "rollback_detected: a checkpoint covers {covered} entries and the log of {size} does not extend it; \
         nothing is signed"
    );
    Error::new(Kind::Internal, message).hint("run `plumb ledger verify`, then restore the newest backup")
}

async fn leaves(app: &App, from: u64, to: u64) -> Result<Vec<ledger::Hash>, Error> {
    let mut leaves = Vec::new();
    let mut next = from;
    while next < to {
        let page = app.db.list_entries(&app.tenant, (next, PAGE_MAX)).await?;
        let Some(last) = page.last() else {
            return Err(Error::internal(format!("entry {next} of the log is missing")));
        };
        next = last.index + 1;
        leaves.extend(
            page.iter().filter(|entry| entry.index < to).map(|entry| ledger::tree::leaf_hash(&entry.entry)),
        );
    }
    Ok(leaves)
}

impl App {
    /// Returns where the log stands.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ledger_status(&self) -> Result<Status, Error> {
        let size = self.db.log_size(&self.tenant).await?;
        let checkpoint = self.db.list_checkpoints(&self.tenant, 1).await?.pop();
        let covered = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let (anchored, witnessed) =
            (self.anchored_size().await?, self.db.witnessed_size(&self.tenant).await?);
        let left = anchored.max(witnessed).unwrap_or(0);
        Ok(Status {
            origin: self.tenant.origin.clone(),
            vkey: self.tenant.vkey.clone(),
            size,
            covered_until: match covered.checked_sub(1) {
                Some(newest) => self.find_entry_time(newest).await?,
                None => None,
            },
            uncovered: size.saturating_sub(covered),
            left,
            window_seconds: self.seconds_since_entry(left).await?,
            witness_lag: self.witness_lag().await?,
            seen: self.seen().await?,
            checkpoint,
        })
    }

    /// Returns how long ago the entry at an index was recorded; 0 when there is none.
    async fn seconds_since_entry(&self, index: u64) -> Result<i64, Error> {
        let at = self.find_entry_time(index).await?;
        Ok(at.map_or(0, |at| self.now().micros_since(at) / 1_000_000))
    }

    /// Returns when the entry at an index was recorded; nothing when there is none.
    pub(crate) async fn find_entry_time(&self, index: u64) -> Result<Option<Timestamp>, Error> {
        let stored = self.db.list_entries(&self.tenant, (index, 1)).await?.pop();
        let Some(stored) = stored.filter(|stored| stored.index == index) else { return Ok(None) };
        let entry = ledger::Entry::parse(&stored.entry).ok();
        let at = entry.and_then(|entry| entry.at.parse().ok());
        at.map(Some).ok_or_else(|| Error::internal(format!("entry {index} of the log does not read")))
    }
}
