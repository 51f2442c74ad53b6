//! Proofs of the live log as files that verify offline (docs/formats/proof.md): that an entry is in it, and that
//! it only grew. Reads one signed head, a handful of tiles and one entry, whatever the size of the log.

use std::path::Path;

use ledger::proof::{
    Absent, ConsistencyProof, InclusionProof, Receipt, consistency_from_tiles, consistency_tiles,
    inclusion_from_tiles, inclusion_tiles,
};
use ledger::tile::TileError;
use ledger::{VerifierKey, checkpoint};
use model::Classification;
use store::log::StoredCheckpoint;
use store::rebuild::Registry;

use crate::checkpoint::cut;
use crate::context::App;
use crate::error::{Error, Kind};

/// What is to be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// That the entry at this index is in the log; indexes count on through the logs that it goes on with.
    Index(u64),
    /// That the newest entry of a recorded row is in the log.
    Row { table: String, key: String },
    /// That the log of today extends the one that it was at this size.
    ExtendsSize(u64),
}

/// What an inclusion proof shows of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// Nothing: whoever verifies must have the entry.
    Nothing,
    /// The entry, and its body where that is not classified higher (FCT-28). A body that retention removed is read from
    /// the archive of sealed segments, where one is named.
    UpTo(Classification, Option<&'a Path>),
}

/// A proof, and the public keys that it verifies with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    pub text: String,
    /// One for each of its checkpoints, each named once: of a log that this one goes on with, or that has another key since,
    /// it is not today's.
    pub vkeys: Vec<String>,
}

impl App {
    /// Proves a claim under the newest checkpoint, or under the one of `size`.
    ///
    /// # Errors
    /// When there is no such entry, row or checkpoint, or the stored tiles do not lead to the signed root: then
    /// nothing is proven.
    pub async fn prove(&self, claim: &Claim, size: Option<u64>, shown: Shown<'_>) -> Result<Proven, Error> {
        match claim {
            Claim::Index(position) => self.prove_at(*position, size, shown).await,
            Claim::Row { table, key } => {
                let position = self.position_of_row(table, key).await?;
                self.prove_at(position, size, shown).await
            }
            Claim::ExtendsSize(older) => self.prove_growth(*older, size).await,
        }
    }

    /// Proves an entry of this log, or of one that it goes on with, under a checkpoint of that one.
    async fn prove_at(&self, position: u64, size: Option<u64>, shown: Shown<'_>) -> Result<Proven, Error> {
        let (log, index) = self.entry_at(position).await?;
        let has_ended = log.tenant.log != self.tenant.log;
        if has_ended && log.db.first_checkpoint_over(&log.tenant, index + 1).await?.is_none() {
            let origin = &log.tenant.origin;
            let message = format!("{origin} ended before a checkpoint of it covered entry {position}");
            return Err(Error::new(Kind::NotFound, message)
                .hint("`plumb ledger verify` checks it by what the log after that one says of it"));
        }
        log.prove_entry(index, size, shown).await
    }

    async fn position_of_row(&self, table: &str, key: &str) -> Result<u64, Error> {
        let Some(registry) = Registry::ALL.into_iter().find(|registry| registry.table() == table) else {
            let names: Vec<&str> = Registry::ALL.iter().map(|registry| registry.table()).collect();
            return Err(Error::new(Kind::Usage, format!("no rows of {table:?} are recorded"))
                .hint(format!("recorded tables: {}", names.join(" "))));
        };
        let position = self.db.find_row_position(&self.tenant, registry, key).await?;
        position.ok_or_else(|| Error::new(Kind::NotFound, format!("{table} has no recorded row {key:?}")))
    }

    async fn prove_entry(&self, index: u64, size: Option<u64>, shown: Shown<'_>) -> Result<Proven, Error> {
        let head = self.head(size, index.saturating_add(1)).await?;
        if index >= head.size {
            let message =
                format!("the checkpoint covers {} entries, and entry {index} is not one", head.size);
            return Err(Error::new(Kind::NotFound, message));
        }
        let page = self.db.list_entries(&self.tenant, (index, 1)).await?;
        let stored = page.into_iter().find(|stored| stored.index == index);
        let stored = stored.ok_or_else(|| broken(&format!("entry {index} is missing")))?;
        let tiles = self.db.read_tiles(&self.tenant, inclusion_tiles(index, head.size)).await?;
        let hashes = inclusion_from_tiles(index, head.size, &tiles).map_err(|err| unreadable(&err))?;
        let hashes = hashes.ok_or_else(|| broken("the tree has no such leaf"))?;
        let leaf = ledger::tree::leaf_hash(&stored.entry);
        let extra = match shown {
            Shown::Nothing => None,
            Shown::UpTo(classification, archive) => {
                // An erased body is empty; the entry still proves that there was one.
                let body = Some(stored.body).filter(|body| !body.is_empty());
                let body = match (body, archive) {
                    (None, Some(archive)) => self.archived_body(archive, index, &stored.entry).await?,
                    (body, _) => body,
                };
                let body = body.filter(|body| is_seen(body, classification));
                Some(Receipt { entry: stored.entry, body }.to_extra())
            }
        };
        let note = self.text_of(&head).await?;
        let proof =
            InclusionProof::new(index, hashes, &note, extra).map_err(|err| broken(&err.to_string()))?;
        let keys = self.keys().await?;
        proof.verify(&leaf, &keys).map_err(|err| broken(&err.to_string()))?;
        Ok(Proven { text: proof.to_text(), vkeys: signers([&note], &keys) })
    }

    /// Reads a body that retention removed from the archive; nothing where it was not removed so, or is not there.
    async fn archived_body(
        &self,
        archive: &Path,
        index: u64,
        entry: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let pruned = self.db.pruned(&self.tenant).await?;
        let Some(segment) = pruned.into_iter().find(|(from, to)| (*from..*to).contains(&index)) else {
            return Ok(None);
        };
        let entry = ledger::Entry::parse(entry).map_err(|err| broken(&err.to_string()))?;
        let body = crate::prune::archived(archive, segment, &entry.body_sha256)?;
        if body.as_deref().is_some_and(|body| ledger::sha256(body) != entry.body_sha256) {
            let message = format!("the archive has another body of entry {index} than was recorded");
            return Err(Error::new(Kind::Unavailable, message).hint("run `plumb verify` on that segment"));
        }
        Ok(body)
    }

    async fn prove_growth(&self, older: u64, size: Option<u64>) -> Result<Proven, Error> {
        let newer = self.head(size, older).await?;
        if older == 0 || older > newer.size {
            let message = format!("a log of {older} entries cannot have grown to {}", newer.size);
            return Err(
                Error::new(Kind::Usage, message).hint("name the sizes of two checkpoints, older first")
            );
        }
        let older = self.head(Some(older), older).await?;
        let tiles = self.db.read_tiles(&self.tenant, consistency_tiles(older.size, newer.size)).await?;
        let hashes =
            consistency_from_tiles(older.size, newer.size, &tiles).map_err(|err| unreadable(&err))?;
        let hashes = hashes.ok_or_else(|| broken("there is no such tree"))?;
        let notes = [self.text_of(&older).await?, self.text_of(&newer).await?];
        let proof =
            ConsistencyProof::new(hashes, &notes[0], &notes[1]).map_err(|err| broken(&err.to_string()))?;
        let keys = self.keys().await?;
        proof.verify(&keys).map_err(|err| broken(&err.to_string()))?;
        Ok(Proven { text: proof.to_text(), vkeys: signers(&notes, &keys) })
    }

    /// Returns a checkpoint with its cosignatures.
    async fn text_of(&self, head: &StoredCheckpoint) -> Result<String, Error> {
        let note = self.cosigned_note(head).await?;
        String::from_utf8(note).map_err(|err| broken(&format!("a checkpoint is not text: {err}")))
    }

    /// Returns the signed head of a size, or the newest one; when that does not cover `needed` entries of those
    /// that are there, a fresh one is cut.
    async fn head(&self, size: Option<u64>, needed: u64) -> Result<StoredCheckpoint, Error> {
        if let Some(size) = size {
            let found = self.db.find_checkpoint(&self.tenant, size).await?;
            return found.ok_or_else(|| {
                Error::new(Kind::NotFound, format!("no checkpoint of {size} entries was signed"))
                    .hint("leave --size out for the newest one")
            });
        }
        let newest = self.db.list_checkpoints(&self.tenant, 1).await?.pop();
        if let Some(newest) = newest.filter(|newest| newest.size >= needed) {
            return Ok(newest);
        }
        cut(self).await?;
        let newest = self.db.list_checkpoints(&self.tenant, 1).await?.pop();
        newest.ok_or_else(|| Error::new(Kind::NotFound, "the log has no checkpoint yet"))
    }
}

/// Returns the first key that signed each checkpoint.
fn signers<'n>(notes: impl IntoIterator<Item = &'n String>, keys: &[VerifierKey]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for note in notes {
        let signer =
            keys.iter().find(|key| checkpoint::open(note.as_bytes(), std::slice::from_ref(key)).is_ok());
        found.extend(signer.map(ToString::to_string).filter(|signer| !found.contains(signer)));
    }
    found
}

/// Tells whether a body may be shown. What cannot be read as a body may not, below the highest classification. Of a row in
/// quarantine the classification stands in its cells.
fn is_seen(body: &[u8], up_to: Classification) -> bool {
    let restricted = serde_json::Value::from(Classification::Restricted.as_str());
    let is_open = |row: &serde_json::Value| {
        row["classification"] != restricted && row["cells"]["classification"] != restricted
    };
    up_to == Classification::Restricted
        || ledger::canonical::parse(body).is_ok_and(|body| is_open(&body["row"]))
}

fn unreadable(err: &TileError<Absent>) -> Error {
    let source = std::error::Error::source(err).map_or_else(String::new, |source| format!(": {source}"));
    broken(&format!("{err}{source}"))
}

/// The stored log does not hold together; only a full verification says where.
fn broken(problem: &str) -> Error {
    Error::internal(format!("nothing is proven: {problem}")).hint("run `plumb ledger verify`")
}
