//! A small log with everything that can be asked of it: entries, bodies, roots at each size, tiles, proofs.

use ledger::proof::{
    ConsistencyProof, InclusionProof, Receipt, Tiles, consistency_from_tiles, consistency_tiles,
    inclusion_from_tiles, inclusion_tiles,
};
use ledger::tile::{TileBuilder, TileId};
use ledger::tree::{Frontier, leaf_hash};
use ledger::{Entry, EntryKind, Hash, Signer, TreeHead, VerifierKey, sha256};

pub(crate) const ORIGIN: &str = "log.example/log-1";

pub(crate) fn signer() -> Signer {
    Signer::from_seed(ORIGIN, &[1; 32]).unwrap()
}

pub(crate) fn keys() -> Vec<VerifierKey> {
    vec![signer().verifier().clone()]
}

/// A log with its tiles as they are when it is this long, and the root that it had at each size.
pub(crate) struct Log {
    pub(crate) entries: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) roots: Vec<Hash>,
    pub(crate) tiles: Tiles,
}

impl Log {
    pub(crate) fn of(size: u64) -> Self {
        let mut log = Self { entries: Vec::new(), roots: Vec::new(), tiles: Tiles::new() };
        let (mut builder, mut frontier) = (TileBuilder::new(), Frontier::new());
        log.roots.push(frontier.root());
        for index in 0..size {
            let body = format!("{{\"nonce\":\"{index:032x}\",\"value\":\"line\\nfeed\"}}").into_bytes();
            let entry = Entry {
                log: "log-1".to_owned(),
                index,
                at: format!("2026-03-01T10:00:00.{index:06}Z"),
                kind: EntryKind::FindingChanged,
                table: "transactions".to_owned(),
                row: format!("row-{index}"),
                actor: "local:ada".to_owned(),
                body_sha256: sha256(&body),
                body_len: body.len() as u64,
            };
            let entry = entry.to_bytes().unwrap();
            frontier.push(leaf_hash(&entry)).unwrap();
            builder.push(leaf_hash(&entry), |tile| drop(log.tiles.insert(tile.id, tile.bytes))).unwrap();
            log.roots.push(frontier.root());
            log.entries.push((entry, body));
        }
        log.tiles.extend(builder.partials().map(|tile| (tile.id, tile.bytes)));
        log
    }

    pub(crate) fn checkpoint(&self, size: u64) -> String {
        let root = self.roots[usize::try_from(size).unwrap()];
        TreeHead { origin: ORIGIN.to_owned(), size, root }.sign(&signer()).unwrap().to_text()
    }

    pub(crate) fn receipt(&self, index: u64) -> Receipt {
        let (entry, body) = self.entries[usize::try_from(index).unwrap()].clone();
        Receipt { entry, body: Some(body) }
    }

    /// Reads some tiles of the log as it was at an earlier size: the beginnings of those that it has now.
    pub(crate) fn read(&self, wanted: impl IntoIterator<Item = TileId>) -> Tiles {
        let stored = |id: TileId| {
            self.tiles.iter().find(|(have, _)| (have.level, have.index) == (id.level, id.index)).unwrap()
        };
        wanted.into_iter().map(|id| (id, stored(id).1[..id.bytes_len()].to_vec())).collect()
    }

    pub(crate) fn prove(&self, index: u64, size: u64) -> InclusionProof {
        let tiles = self.read(inclusion_tiles(index, size));
        let hashes = inclusion_from_tiles(index, size, &tiles).unwrap().unwrap();
        let extra = self.receipt(index).to_extra();
        InclusionProof::new(index, hashes, &self.checkpoint(size), Some(extra)).unwrap()
    }

    pub(crate) fn extend(&self, old: u64, new: u64) -> ConsistencyProof {
        let tiles = self.read(consistency_tiles(old, new));
        let hashes = consistency_from_tiles(old, new, &tiles).unwrap().unwrap();
        ConsistencyProof::new(hashes, &self.checkpoint(old), &self.checkpoint(new)).unwrap()
    }
}
