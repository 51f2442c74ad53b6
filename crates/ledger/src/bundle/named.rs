//! Which blobs the entries of a bundle named, so that a file that no entry knows is found (LED-66).

use super::Folder;
use crate::Hash;

/// Blobs that are gathered before they are put in order.
const LOOSE_MAX: usize = 262_144;
/// With so many in order no more are taken. They have 17 bytes each.
pub(super) const NAMED_MAX: usize = 3_000_000;

/// A blob by the first half of its digest: to make a file that has the half of one of them takes 2^106 tries.
type Half = (Folder, [u8; 16]);

/// Blobs that entries named, packed: a log of a million entries may name a million.
#[derive(Debug, Default)]
pub(super) struct Named {
    halves: Vec<Half>,
    /// So many from the first on are in order, each once.
    sorted: usize,
    /// True when one was not remembered.
    pub(super) is_full: bool,
}

impl Named {
    /// Takes a blob that is there, with the digest that an entry named.
    pub(super) fn take(&mut self, folder: Folder, digest: &Hash) {
        let half = half(folder, digest);
        if self.knows(half) {
            return;
        }
        if self.sorted >= NAMED_MAX {
            self.is_full = true;
            return;
        }
        self.halves.push(half);
        if self.halves.len() - self.sorted == LOOSE_MAX {
            self.sort();
        }
    }

    /// Tells whether an entry named this blob, once all are taken.
    pub(super) fn has(&mut self, folder: Folder, digest: &Hash) -> bool {
        if self.sorted < self.halves.len() {
            self.sort();
        }
        self.knows(half(folder, digest))
    }

    /// Looks among those that are in order.
    fn knows(&self, half: Half) -> bool {
        self.halves.get(..self.sorted).is_some_and(|sorted| sorted.binary_search(&half).is_ok())
    }

    fn sort(&mut self) {
        self.halves.sort_unstable();
        self.halves.dedup();
        self.sorted = self.halves.len();
    }
}

fn half(folder: Folder, digest: &Hash) -> Half {
    let mut half = [0; 16];
    half.iter_mut().zip(digest).for_each(|(half, byte)| *half = *byte);
    (folder, half)
}
