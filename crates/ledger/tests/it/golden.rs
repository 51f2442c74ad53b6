//! A published log, rebuilt byte for byte from its leaves (LED-14): every tile, entry bundle and checkpoint that
//! its makers stored while it grew.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::tile::{TileBuilder, bundle_path, encode_bundle};
use ledger::tree::leaf_hash;
use ledger::{Signer, TreeHead, VerifierKey, checkpoint};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../testdata/tlog-tiles/log.json")).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Reads the published private key: `PRIVATE+KEY+<name>+<id>+<base64 of 01 and the seed>`.
fn published_signer(skey: &str) -> Signer {
    let parts: Vec<&str> = skey.splitn(5, '+').collect();
    let material = STANDARD.decode(parts[4]).unwrap();
    Signer::from_seed(parts[2], material[1..].try_into().unwrap()).unwrap()
}

#[test]
fn led_14_a_published_log_is_rebuilt_byte_for_byte_from_its_leaves() {
    let golden = golden();
    let signer = published_signer(golden["skey"].as_str().unwrap());
    assert_eq!(signer.verifier().to_string(), golden["vkey"].as_str().unwrap());
    let mut files = golden["files"].as_object().unwrap().clone();
    let mut demand = |path: String, bytes: &[u8]| {
        let published = files.remove(&path).unwrap_or_else(|| panic!("{path} is not published"));
        assert_eq!(unhex(published.as_str().unwrap()), bytes, "{path}");
    };
    let mut builder = TileBuilder::new();
    let mut entries: Vec<&[u8]> = Vec::new();
    let leaves = golden["leaves"].as_array().unwrap();
    for size in 0..=leaves.len() {
        if size > 0 {
            let leaf = leaves[size - 1].as_str().unwrap().as_bytes();
            builder.push(leaf_hash(leaf), |_full| panic!("no tile is full")).unwrap();
            entries.push(leaf);
            for tile in builder.partials() {
                demand(tile.id.path(), &tile.bytes);
            }
            let width = u16::try_from(size).unwrap();
            demand(bundle_path(0, width), &encode_bundle(entries.iter().copied()).unwrap());
        }
        let origin = signer.verifier().name().to_owned();
        let head = TreeHead { origin, size: size as u64, root: builder.frontier().root() };
        demand(format!("checkpoint.{size}"), head.sign(&signer).unwrap().to_text().as_bytes());
    }
    assert_eq!(files.len(), 0, "published and not rebuilt: {:?}", files.keys());
}

#[test]
fn led_17_the_checkpoints_of_a_published_log_open_with_its_published_key_and_no_other() {
    let golden = golden();
    let key: VerifierKey = golden["vkey"].as_str().unwrap().parse().unwrap();
    let other = Signer::from_seed(key.name(), &[9; 32]).unwrap().verifier().clone();
    for size in 0..=15_u64 {
        let note = unhex(golden["files"][format!("checkpoint.{size}")].as_str().unwrap());
        let signed = checkpoint::open(&note, std::slice::from_ref(&key)).unwrap();
        assert_eq!((signed.head.origin.as_str(), signed.head.size), ("example.com/log/testdata", size));
        assert!(checkpoint::open(&note, std::slice::from_ref(&other)).is_err());
    }
}
