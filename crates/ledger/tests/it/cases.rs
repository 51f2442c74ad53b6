//! Proofs as plain values, and changed ones, for those who check whether others judge them as we do.

use ledger::tree::{leaf_hash, verify_consistency, verify_inclusion};
use ledger::{Hash, sha256};
use testkit::fuzz::SplitMix64;

use crate::log::Log;

/// That an entry is in a tree.
#[derive(Clone, Debug)]
pub(crate) struct Inclusion {
    pub(crate) index: u64,
    pub(crate) size: u64,
    pub(crate) entry: Vec<u8>,
    pub(crate) hashes: Vec<Hash>,
    pub(crate) root: Hash,
}

/// That a tree extends another.
#[derive(Clone, Debug)]
pub(crate) struct Consistency {
    pub(crate) old: u64,
    pub(crate) new: u64,
    pub(crate) hashes: Vec<Hash>,
    pub(crate) old_root: Hash,
    pub(crate) new_root: Hash,
}

impl Inclusion {
    pub(crate) fn random(log: &Log, random: &mut SplitMix64) -> Self {
        let size = 1 + random.below(log.entries.len() as u64);
        let index = random.below(size);
        let proof = log.prove(index, size);
        let entry = log.receipt(index).entry;
        Self { index, size, entry, hashes: proof.hashes, root: proof.head.root }
    }

    /// Tells what this crate says of it.
    pub(crate) fn holds(&self) -> bool {
        let leaf = leaf_hash(&self.entry);
        verify_inclusion(self.index, self.size, &leaf, &self.hashes, &self.root).is_ok()
    }

    /// Returns a proof with one change, and whether that change must spoil it: another size or index need not,
    /// because some proofs are those of several trees.
    pub(crate) fn changed(&self, random: &mut SplitMix64) -> (Self, bool) {
        let mut changed = self.clone();
        let kind = random.below(8);
        match kind {
            0 => flip(&mut changed.root, random),
            1 => {
                let at = below(changed.entry.len(), random);
                changed.entry[at] ^= 1 << random.below(8);
            }
            2 => changed.size = near(changed.size, random),
            3 => changed.index = near(changed.index, random),
            _ => change_hashes(&mut changed.hashes, random),
        }
        (changed, !(2..=3).contains(&kind))
    }
}

impl Consistency {
    pub(crate) fn random(log: &Log, random: &mut SplitMix64) -> Self {
        let new = 1 + random.below(log.entries.len() as u64);
        let old = 1 + random.below(new);
        let proof = log.extend(old, new);
        let [older, newer] = proof.heads;
        Self { old, new, hashes: proof.hashes, old_root: older.root, new_root: newer.root }
    }

    /// Tells what this crate says of it.
    pub(crate) fn holds(&self) -> bool {
        verify_consistency(self.old, self.new, &self.hashes, &self.old_root, &self.new_root).is_ok()
    }

    /// As [`Inclusion::changed`].
    pub(crate) fn changed(&self, random: &mut SplitMix64) -> (Self, bool) {
        let mut changed = self.clone();
        let kind = random.below(8);
        match kind {
            0 => flip(&mut changed.old_root, random),
            1 => flip(&mut changed.new_root, random),
            2 => changed.old = near(changed.old, random),
            3 => changed.new = near(changed.new, random),
            _ => change_hashes(&mut changed.hashes, random),
        }
        (changed, !(2..=3).contains(&kind))
    }
}

fn below(end: usize, random: &mut SplitMix64) -> usize {
    usize::try_from(random.below(end as u64)).unwrap()
}

fn flip(hash: &mut Hash, random: &mut SplitMix64) {
    hash[below(32, random)] ^= 1 << random.below(8);
}

/// Returns another number close by.
fn near(number: u64, random: &mut SplitMix64) -> u64 {
    let step = 1 + random.below(3);
    if random.below(2) == 0 { number + step } else { number.saturating_sub(step) }
}

/// Alters, removes, inserts or doubles a hash.
fn change_hashes(hashes: &mut Vec<Hash>, random: &mut SplitMix64) {
    if hashes.is_empty() {
        hashes.push(sha256(b"one too many"));
        return;
    }
    let at = below(hashes.len(), random);
    match random.below(4) {
        0 => flip(&mut hashes[at], random),
        1 => drop(hashes.remove(at)),
        2 => hashes.insert(at, sha256(&random.next_u64().to_be_bytes())),
        _ => hashes.insert(at, hashes[at]),
    }
}
