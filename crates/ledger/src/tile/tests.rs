//! Tests of tiles: the examples of C2SP tlog-tiles, and growth against the definition of the tree.

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;

use super::{
    BundleError, Integrated, TileBuilder, TileError, TileId, bundle_path, bundles_of_range, decode_bundle,
    encode_bundle, hashes_at, integrate, load_frontier, parse_bundle_path, partial_tiles, read_node,
    read_root, tiles_of_size,
};
use crate::Hash;
use crate::tree::tests::{definition, leaves};
use crate::tree::{Frontier, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};

type Store = BTreeMap<TileId, Vec<u8>>;

fn read(store: &Store) -> impl FnMut(TileId) -> Result<Vec<u8>, TileId> + '_ {
    |id| store.get(&id).cloned().ok_or(id)
}

fn put(store: &mut Store, grown: &Integrated) {
    store.extend(grown.tiles.iter().map(|tile| (tile.id, tile.bytes.clone())));
}

/// The tiles of a log as C2SP tlog-tiles defines them: hash number `i` of level `l` is the root of its leaves.
fn defined(leaves: &[Hash]) -> Store {
    let mut store = Store::new();
    for id in tiles_of_size(leaves.len() as u64) {
        let span = 256_usize.pow(u32::from(id.level));
        let first = usize::try_from(id.index * 256).unwrap();
        let hash = |slot: usize| definition(&leaves[slot * span..(slot + 1) * span]);
        store.insert(id, (first..first + usize::from(id.width)).flat_map(hash).collect());
    }
    store
}

#[test]
fn led_14_paths_are_those_of_the_published_examples() {
    let tile = |level, index, width| TileId { level, index, width };
    assert_eq!(tile(0, 1_234_067, 256).path(), "tile/0/x001/x234/067");
    assert_eq!(tile(2, 0, 1).path(), "tile/2/000.p/1");
    assert_eq!(bundle_path(1_234_067, 5), "tile/entries/x001/x234/067.p/5");
    for id in [tile(0, 0, 256), tile(3, 999, 255), tile(1, 1_000, 1), tile(7, 123_456_789_012, 17)] {
        assert_eq!(TileId::parse(&id.path()), Some(id));
    }
    assert_eq!(parse_bundle_path("tile/entries/x001/000"), Some((1_000, 256)));
}

#[test]
fn led_14_other_spellings_of_a_path_are_no_paths() {
    let wrong = [
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/8/000",
        "tile/-1/000",
        "/tile/0/000",
        "tile/0/+01",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/",
        "tile/entries/000",
        "tile//000",
    ];
    for path in wrong {
        assert_eq!(TileId::parse(path), None, "{path}");
    }
    assert_eq!(parse_bundle_path("tile/entries/000.p/256"), None);
    assert_eq!(parse_bundle_path("tile/0/000"), None);
}

#[test]
fn led_14_a_log_of_70_000_has_the_tiles_that_the_format_names() {
    let count =
        |level, full| tiles_of_size(70_000).filter(|id| id.level == level && id.is_full() == full).count();
    assert_eq!((count(0, true), count(0, false)), (273, 1));
    assert_eq!((count(1, true), count(1, false)), (1, 1));
    assert_eq!((count(2, true), count(2, false)), (0, 1));
    assert_eq!(partial_tiles(70_000).map(|id| id.width).collect::<Vec<_>>(), [112, 17, 1]);
    assert_eq!(tiles_of_size(70_000).filter(|id| id.level > 2).count(), 0);
    let of_256: Vec<String> = tiles_of_size(256).map(TileId::path).collect();
    assert_eq!(of_256, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(tiles_of_size(0).count(), 0);
    assert_eq!(hashes_at(u64::MAX, 8), 0);
}

#[test]
fn led_14_a_log_grown_in_uneven_steps_has_exactly_the_defined_tiles() {
    let sizes = [0, 1, 2, 254, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 70_000];
    let leaves = leaves(70_000);
    let (mut store, mut frontier) = (Store::new(), Frontier::new());
    for size in sizes {
        let from = usize::try_from(frontier.size()).unwrap();
        let grown = integrate(&frontier, &leaves[from..size], read(&store)).unwrap();
        put(&mut store, &grown);
        frontier = grown.frontier;
        assert_eq!(grown.size, size as u64);
        assert_eq!(grown.root, definition(&leaves[..size]), "{size}");
        let expected = defined(&leaves[..size]);
        for (id, bytes) in &expected {
            assert_eq!(store.get(id), Some(bytes), "{} at {size}", id.path());
        }
        assert_eq!(load_frontier(size as u64, read(&store)).unwrap(), frontier, "{size}");
    }
}

#[test]
fn led_15_growing_reads_only_the_right_edge_and_writes_only_what_changed() {
    let leaves = leaves(66_000);
    let mut store = Store::new();
    let grown = integrate(&Frontier::new(), &leaves[..65_800], read(&store)).unwrap();
    put(&mut store, &grown);
    let (mut reads, mut bytes) = (Vec::new(), 0);
    let next = integrate(&grown.frontier, &leaves[65_800..65_801], |id| {
        reads.push(id.path());
        bytes += store[&id].len();
        Ok::<_, Infallible>(store[&id].clone())
    })
    .unwrap();
    assert_eq!(
        reads,
        ["tile/0/x000/257.p/8", "tile/1/001.p/1", "tile/2/000.p/1"].map(|p| p.replace("x000/", ""))
    );
    assert!(bytes <= 65_536);
    let written: Vec<String> = next.tiles.iter().map(|tile| tile.id.path()).collect();
    assert_eq!(written, ["tile/0/257.p/9"]);
    let none = integrate(&next.frontier, &[], |_id| Err::<Vec<u8>, _>("nothing is read")).unwrap();
    assert_eq!((none.tiles.len(), none.root), (0, next.root));
}

#[test]
fn led_15_the_right_edge_of_a_million_entries_is_at_most_64_kib() {
    for size in [1_000_000, 999_999, 16_777_215] {
        assert!(partial_tiles(size).map(TileId::bytes_len).sum::<usize>() <= 65_536);
    }
}

#[test]
fn proofs_read_from_tiles_hold_at_every_kind_of_size() {
    let leaves = leaves(66_000);
    for size in [1_u64, 2, 255, 256, 257, 1_000, 65_535, 65_536, 65_537, 66_000] {
        let end = usize::try_from(size).unwrap();
        let mut builder = TileBuilder::new();
        let mut store = Store::new();
        for leaf in &leaves[..end] {
            builder.push(*leaf, |tile| drop(store.insert(tile.id, tile.bytes))).unwrap();
        }
        store.extend(builder.partials().map(|tile| (tile.id, tile.bytes)));
        let root = builder.frontier().root();
        for index in [0, size / 3, size / 2, size - 1] {
            let node = |height, number| read_node(size, height, number, read(&store));
            let proof = inclusion_proof(index, size, node).unwrap().unwrap();
            let leaf = &leaves[usize::try_from(index).unwrap()];
            assert_eq!(verify_inclusion(index, size, leaf, &proof, &root), Ok(()), "{index} of {size}");
            let old = index + 1;
            let old_root = read_root(size, old, read(&store)).unwrap();
            assert_eq!(old_root, definition(&leaves[..usize::try_from(old).unwrap()]));
            let proof = consistency_proof(old, size, node).unwrap().unwrap();
            assert_eq!(verify_consistency(old, size, &proof, &old_root, &root), Ok(()), "{old} of {size}");
        }
    }
}

#[test]
fn a_missing_or_short_tile_is_an_error_that_names_it() {
    let none = Store::new();
    let err = read_node(300, 0, 299, read(&none)).unwrap_err();
    assert_eq!(err.to_string(), "could not read tile/0/001.p/44");
    let err = read_node(300, 0, 299, |_id| Ok::<_, Infallible>(vec![0; 31])).unwrap_err();
    assert_eq!(err.to_string(), "tile/0/001.p/44 holds 31 bytes, not 1408");
    for (height, index) in [(0, 300), (8, 1), (9, 0), (64, 0), (u32::MAX, 0), (0, u64::MAX)] {
        let node = read_node(300, height, index, |_id| Ok::<_, Infallible>(Vec::new()));
        assert!(matches!(node, Err(TileError::NoSuchNode { size: 300 })), "{height} {index}");
    }
    assert!(load_frontier(300, read(&none)).is_err());
}

#[test]
fn led_14_an_entry_bundle_is_lengths_and_entries() {
    let bundle = encode_bundle([b"ab".as_slice(), b"", b"c"]).unwrap();
    assert_eq!(bundle, b"\x00\x02ab\x00\x00\x00\x01c");
    let entries: Result<Vec<_>, _> = decode_bundle(&bundle).collect();
    assert_eq!(entries, Ok(vec![(2, b"ab".as_slice()), (6, b""), (8, b"c")]));
    let longest = vec![b'x'; 65_535];
    assert!(encode_bundle([longest.as_slice()]).is_ok());
    let too_long = vec![b'x'; 65_536];
    assert_eq!(encode_bundle([too_long.as_slice()]), Err(BundleError::EntryTooLong { len: 65_536 }));
}

#[test]
fn led_76_an_entry_bundle_that_ends_inside_an_entry_says_where() {
    for (bytes, offset) in [(b"\x00\x01a\x00".as_slice(), 3), (b"\x00\x01a\x00\x02b", 3), (b"\xff\xffa", 0)] {
        let last = decode_bundle(bytes).last();
        assert_eq!(last, Some(Err(BundleError::Cut { offset })));
    }
}

#[test]
fn the_entry_bundles_of_a_range_are_those_that_it_touches() {
    let bundles = |size, from, to| bundles_of_range(size, from, to).collect::<Vec<_>>();
    assert_eq!(bundles(600, 0, 600), [(0, 256), (1, 256), (2, 88)]);
    assert_eq!(bundles(600, 256, 512), [(1, 256)]);
    assert_eq!(bundles(600, 300, 301), [(1, 256)]);
    assert_eq!(bundles(600, 512, u64::MAX), [(2, 88)]);
    assert_eq!(bundles(0, 0, 0), []);
    assert_eq!(bundles(600, 256, 256), []);
}

proptest! {
    #[test]
    fn led_28_no_text_makes_the_path_reader_panic(path in "tile/[0-9ex/p.]{0,30}") {
        if let Some(id) = TileId::parse(&path) {
            prop_assert_eq!(id.path(), path);
        }
    }

    #[test]
    fn entries_come_back_from_their_bundle(
        entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20),
    ) {
        let bytes = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
        let back: Vec<Vec<u8>> = decode_bundle(&bytes).map(|entry| entry.unwrap().1.to_vec()).collect();
        prop_assert_eq!(back, entries);
    }
}
