//! Tests of the tree: published proof vectors, the definition of RFC 6962 written out, and hash counts.

use std::cell::Cell;
use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{
    Frontier, ProofError, TreeError, consistency_proof, empty_root, inclusion_proof, leaf_hash, node_hash,
    subtree_root, verify_consistency, verify_inclusion,
};
use crate::{Hash, hex};

thread_local! {
    static HASHES: Cell<u64> = const { Cell::new(0) };
}

/// Counts a computed hash on this thread.
pub(crate) fn count_hash() {
    HASHES.with(|count| count.set(count.get() + 1));
}

/// Returns how many hashes `work` computes.
fn hashes_of<T>(work: impl FnOnce() -> T) -> u64 {
    let before = HASHES.with(Cell::get);
    work();
    HASHES.with(Cell::get) - before
}

/// The tree hash as RFC 6962, section 2.1, defines it: recursively, from all leaves.
pub(crate) fn definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node_hash(&definition(&leaves[..split]), &definition(&leaves[split..]))
        }
    }
}

/// Leaf hashes of entries that are their own number.
pub(crate) fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(number.to_string().as_bytes())).collect()
}

fn node_in(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> + '_ {
    move |height, index| {
        let from = usize::try_from(index << height).unwrap();
        Ok(definition(&leaves[from..from + (1 << height)]))
    }
}

#[test]
fn led_13_the_empty_tree_and_the_first_leaves_have_the_published_hashes() {
    assert_eq!(
        hex::encode(&empty_root()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    // SHA-256 of the one byte 00: the leaf of the empty entry in the published vectors of RFC 6962 logs.
    assert_eq!(
        hex::encode(&leaf_hash(b"")),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
}

/// Reads base64 as a hash. The vectors hold a few roots that are short words; they are padded, so that equal
/// ones stay equal.
fn hash_of(value: &Value) -> Option<Hash> {
    let bytes = STANDARD.decode(value.as_str()?).ok().filter(|bytes| !bytes.is_empty())?;
    let mut hash = [0; 32];
    hash.get_mut(..bytes.len())?.copy_from_slice(&bytes);
    Some(hash)
}

/// Reads a proof; nothing when one of its hashes is not 32 bytes long.
fn proof_of(value: &Value) -> Option<Vec<Hash>> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| STANDARD.decode(item.as_str()?).ok()?.try_into().ok()).collect()
}

fn vectors(text: &str) -> Vec<Value> {
    let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
    assert_eq!(vectors.len(), 98);
    assert_eq!(vectors.iter().filter(|vector| vector["wantErr"] == true).count(), 92);
    vectors
}

#[test]
fn led_13_the_98_published_inclusion_vectors_are_accepted_and_refused() {
    for vector in vectors(include_str!("../../testdata/proofs/inclusion.json")) {
        let number = |name: &str| vector[name].as_u64();
        let accepted = || {
            let proof = proof_of(&vector["proof"])?;
            let (leaf, root) = (hash_of(&vector["leafHash"])?, hash_of(&vector["root"])?);
            verify_inclusion(number("leafIdx")?, number("treeSize")?, &leaf, &proof, &root).ok()
        };
        assert_eq!(accepted().is_none(), vector["wantErr"] == true, "{}", vector["file"]);
    }
}

#[test]
fn led_13_the_98_published_consistency_vectors_are_accepted_and_refused() {
    for vector in vectors(include_str!("../../testdata/proofs/consistency.json")) {
        let number = |name: &str| vector[name].as_u64();
        let accepted = || {
            let proof = proof_of(&vector["proof"])?;
            let (old, new) = (hash_of(&vector["root1"])?, hash_of(&vector["root2"])?);
            verify_consistency(number("size1")?, number("size2")?, &proof, &old, &new).ok()
        };
        assert_eq!(accepted().is_none(), vector["wantErr"] == true, "{}", vector["file"]);
    }
}

#[test]
fn led_13_the_frontier_has_the_root_of_the_definition_at_every_size() {
    let leaves = leaves(300);
    let mut frontier = Frontier::new();
    for size in 0..=leaves.len() {
        assert_eq!(frontier.root(), definition(&leaves[..size]), "{size}");
        if let Some(leaf) = leaves.get(size) {
            frontier.push(*leaf).unwrap();
        }
    }
}

#[test]
fn every_proof_of_a_small_log_holds_and_no_other_reading_of_it_does() {
    let leaves = leaves(40);
    for size in 1..=40_u64 {
        let root = definition(&leaves[..usize::try_from(size).unwrap()]);
        for index in 0..size {
            let proof = inclusion_proof(index, size, node_in(&leaves)).unwrap().unwrap();
            let leaf = &leaves[usize::try_from(index).unwrap()];
            assert!(proof.len() as u64 <= u64::from(size.next_power_of_two().ilog2()), "LED-23");
            assert_eq!(verify_inclusion(index, size, leaf, &proof, &root), Ok(()));
            assert!(verify_inclusion(index + 1, size, leaf, &proof, &root).is_err());
            assert!(verify_inclusion(index, size, &root, &proof, &root).is_err() || size == 1);
        }
        for old in 1..=size {
            let old_root = definition(&leaves[..usize::try_from(old).unwrap()]);
            let proof = consistency_proof(old, size, node_in(&leaves)).unwrap().unwrap();
            assert_eq!(verify_consistency(old, size, &proof, &old_root, &root), Ok(()), "{old} {size}");
            if old < size {
                assert!(verify_consistency(old, size, &proof, &root, &old_root).is_err());
                assert!(verify_consistency(old, size, &proof[..proof.len() - 1], &old_root, &root).is_err());
            }
        }
    }
}

#[test]
fn led_72_a_proof_with_its_middle_replaced_is_refused() {
    let leaves = leaves(100);
    let root = definition(&leaves);
    let mut proof = inclusion_proof(37, 100, node_in(&leaves)).unwrap().unwrap();
    proof[3] = leaf_hash(b"another");
    assert_eq!(verify_inclusion(37, 100, &leaves[37], &proof, &root), Err(ProofError::WrongRoot));
    let mut proof = consistency_proof(37, 100, node_in(&leaves)).unwrap().unwrap();
    proof[3] = leaf_hash(b"another");
    let old = definition(&leaves[..37]);
    assert_eq!(verify_consistency(37, 100, &proof, &old, &root), Err(ProofError::WrongRoot));
}

#[test]
fn proofs_out_of_range_are_refused_and_not_made() {
    let leaves = leaves(4);
    assert_eq!(inclusion_proof(4, 4, node_in(&leaves)), Ok(None));
    assert_eq!(consistency_proof(5, 4, node_in(&leaves)), Ok(None));
    assert_eq!(consistency_proof(0, 4, node_in(&leaves)), Ok(Some(vec![])));
    let root = definition(&leaves);
    assert_eq!(verify_inclusion(4, 4, &root, &[], &root), Err(ProofError::OutOfRange));
    assert_eq!(verify_consistency(5, 4, &[], &root, &root), Err(ProofError::OutOfRange));
    assert_eq!(verify_inclusion(u64::MAX, u64::MAX, &root, &[], &root), Err(ProofError::OutOfRange));
    assert_eq!(subtree_root(2, 2, &mut node_in(&leaves)), Ok(empty_root()));
}

#[test]
fn led_15_one_append_costs_at_most_2_log2_n_plus_2_hashes() {
    let leaf = leaf_hash(b"x");
    let mut frontier = Frontier::new();
    for size in 1..=70_000_u64 {
        let cost = hashes_of(|| {
            frontier.push(leaf).unwrap();
            frontier.root()
        });
        assert!(cost <= 2 * u64::from(size.ilog2()) + 2, "{cost} hashes at {size}");
    }
}

#[test]
fn a_frontier_with_the_wrong_number_of_peaks_is_refused() {
    let wrong = Frontier::from_peaks(5, vec![empty_root()]);
    assert_eq!(wrong, Err(TreeError::Peaks { size: 5, expected: 2, found: 1 }));
    assert_eq!(Frontier::from_peaks(u64::MAX, vec![empty_root(); 64]), Err(TreeError::Full));
}
