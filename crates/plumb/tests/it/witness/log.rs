//! A log that a test makes up: leaves, heads and proofs by the rules of RFC 6962, signed by a key of its own.

use std::convert::Infallible;

use ledger::cosignature::CosignerKey;
use ledger::note::{Note, NoteSignature, Signer};
use ledger::tree::{Frontier, consistency_proof, leaf_hash};
use ledger::witness::AddCheckpoint;
use ledger::{Hash, TreeHead, hex, sha256};

/// A log whose leaf number n is made of n and of the branch it is on.
pub(crate) struct MadeUp {
    signer: Signer,
    /// Leaves from this index on differ from those of other branches.
    fork: u64,
    branch: u8,
}

impl MadeUp {
    pub(crate) fn new(origin: &str) -> MadeUp {
        MadeUp { signer: Signer::from_seed(origin, &[7; 32]).unwrap(), fork: 0, branch: 0 }
    }

    /// Returns the same log with another history from entry `fork` on.
    pub(crate) fn forked(&self, fork: u64) -> MadeUp {
        MadeUp { signer: Signer::from_seed(self.origin(), &[7; 32]).unwrap(), fork, branch: 1 }
    }

    pub(crate) fn origin(&self) -> &str {
        self.signer.verifier().name()
    }

    pub(crate) fn vkey(&self) -> String {
        self.signer.verifier().to_string()
    }

    /// Returns the path of its checkpoint in the monitoring interface of a witness.
    pub(crate) fn monitored(&self) -> String {
        format!("/{}/checkpoint", hex::encode(&sha256(self.origin().as_bytes())))
    }

    fn leaves(&self, size: u64) -> Vec<Hash> {
        let leaf = |index: u64| {
            let branch = if index < self.fork { 0 } else { self.branch };
            leaf_hash(&[&[branch][..], &index.to_be_bytes()].concat())
        };
        (0..size).map(leaf).collect()
    }

    pub(crate) fn checkpoint(&self, size: u64) -> Note {
        let head = TreeHead { origin: self.origin().to_owned(), size, root: root(&self.leaves(size)) };
        head.sign(&self.signer).unwrap()
    }

    /// Returns the request to cosign the head of `size`, proven from `old`.
    pub(crate) fn request(&self, old: u64, size: u64) -> Vec<u8> {
        let leaves = self.leaves(size.max(old));
        let node = |height: u32, index: u64| {
            let at = |index: u64| usize::try_from(index).unwrap();
            Ok::<_, Infallible>(root(&leaves[at(index << height)..at((index + 1) << height)]))
        };
        let proof = consistency_proof(old, size, node).unwrap().unwrap_or_default();
        AddCheckpoint::new(old, proof, self.checkpoint(size)).unwrap().to_body().into_bytes()
    }

    /// Returns whether an answer is one cosignature of the head of `size` by this key.
    pub(crate) fn is_cosigned(&self, size: u64, vkey: &str, answer: &str) -> bool {
        let key: CosignerKey = vkey.parse().unwrap();
        let line = answer.strip_suffix('\n').and_then(NoteSignature::parse);
        line.is_some_and(|line| key.verify(&self.checkpoint(size).text, &line).is_some())
    }
}

fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(*leaf).unwrap());
    frontier.root()
}
