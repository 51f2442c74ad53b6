//! Two other implementations of the tree, `tlog_tiles` and `ct-merkle`, make the same hashes, proofs, tiles and
//! paths, and accept and refuse what we do (LED-24).

use ct_merkle::RootHash;
use ledger::Hash;
use ledger::checkpoint::TreeHead;
use ledger::tile::{TileBuilder, TileId, bundle_path, parse_bundle_path, tiles_of_size};
use ledger::tree::{Frontier, leaf_hash};
use sha2::Sha256;
use testkit::fuzz::SplitMix64;
use tlog_tiles::{HashReader, tlog};

use crate::cases::{Consistency, Inclusion};
use crate::log::Log;

/// Random proofs of each kind, and as many changed ones.
const ROUNDS: u64 = 1_000;
const SEED: u64 = 24;

/// The hashes of a log in the order in which `tlog_tiles` keeps them.
#[derive(Default)]
struct Theirs {
    hashes: Vec<tlog::Hash>,
    size: u64,
}

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        Ok(indexes.iter().map(|index| self.hashes[usize::try_from(*index).unwrap()]).collect())
    }
}

impl Theirs {
    fn push(&mut self, entry: &[u8]) {
        let more = tlog::stored_hashes(self.size, entry, self).unwrap();
        self.hashes.extend(more);
        self.size += 1;
    }

    fn of(log: &Log) -> Self {
        let mut theirs = Self::default();
        log.entries.iter().for_each(|(entry, _body)| theirs.push(entry));
        theirs
    }
}

fn to_theirs(hashes: &[Hash]) -> Vec<tlog::Hash> {
    hashes.iter().map(|hash| tlog::Hash(*hash)).collect()
}

fn ct_inclusion(case: &Inclusion) -> bool {
    let proof = ct_merkle::InclusionProof::<Sha256>::try_from_bytes(case.hashes.concat()).unwrap();
    let root = RootHash::<Sha256>::new(case.root.into(), case.size);
    root.verify_inclusion(&case.entry, case.index, &proof).is_ok()
}

fn ct_consistency(case: &Consistency) -> bool {
    let proof = ct_merkle::ConsistencyProof::<Sha256>::try_from_bytes(case.hashes.concat()).unwrap();
    let old = RootHash::<Sha256>::new(case.old_root.into(), case.old);
    RootHash::<Sha256>::new(case.new_root.into(), case.new).verify_consistency(&old, &proof).is_ok()
}

fn tlog_inclusion(case: &Inclusion) -> bool {
    let (root, leaf) = (tlog::Hash(case.root), tlog::record_hash(&case.entry));
    tlog::check_record(&to_theirs(&case.hashes), case.size, root, case.index, leaf).is_ok()
}

fn tlog_consistency(case: &Consistency) -> bool {
    let (old, new) = (tlog::Hash(case.old_root), tlog::Hash(case.new_root));
    tlog::check_tree(&to_theirs(&case.hashes), case.new, new, case.old, old).is_ok()
}

#[test]
fn two_other_implementations_judge_1_000_inclusion_proofs_and_1_000_changed_ones_alike_led_24() {
    let (log, mut random) = (Log::of(1_500), SplitMix64::new(SEED));
    let theirs = Theirs::of(&log);
    let mut also_accepted = 0;
    for _round in 0..ROUNDS {
        let case = Inclusion::random(&log, &mut random);
        let proof = tlog::prove_record(case.size, case.index, &theirs).unwrap();
        assert_eq!(proof, to_theirs(&case.hashes), "{case:?}");
        assert!(case.holds() && tlog_inclusion(&case) && ct_inclusion(&case), "{case:?}");
        // Some proofs hold for several trees, so a changed size or index may be accepted, by all or by none.
        let mut ours = true;
        while ours {
            let (changed, spoiled) = case.changed(&mut random);
            ours = changed.holds();
            assert!(!(spoiled && ours), "{changed:?}");
            assert_eq!((tlog_inclusion(&changed), ct_inclusion(&changed)), (ours, ours), "{changed:?}");
            also_accepted += u64::from(ours);
        }
    }
    println!(
        "inclusion: {ROUNDS} accepted by three, {ROUNDS} changed ones refused by three; {also_accepted} with \
         another size or index accepted by three"
    );
}

#[test]
fn two_other_implementations_judge_1_000_consistency_proofs_and_1_000_changed_ones_alike_led_24() {
    let (log, mut random) = (Log::of(1_500), SplitMix64::new(SEED));
    let theirs = Theirs::of(&log);
    let mut also_accepted = 0;
    for _round in 0..ROUNDS {
        let case = Consistency::random(&log, &mut random);
        let proof = tlog::prove_tree(case.new, case.old, &theirs).unwrap();
        assert_eq!(proof, to_theirs(&case.hashes), "{case:?}");
        assert!(case.holds() && tlog_consistency(&case) && ct_consistency(&case), "{case:?}");
        // Some proofs hold for several trees, so a changed size or index may be accepted, by all or by none.
        let mut ours = true;
        while ours {
            let (changed, spoiled) = case.changed(&mut random);
            ours = changed.holds();
            assert!(!(spoiled && ours), "{changed:?}");
            assert_eq!((tlog_consistency(&changed), ct_consistency(&changed)), (ours, ours), "{changed:?}");
            also_accepted += u64::from(ours);
        }
    }
    println!(
        "consistency: {ROUNDS} accepted by three, {ROUNDS} changed ones refused by three; {also_accepted} with \
         another size or index accepted by three"
    );
}

#[test]
fn led_14_tiles_and_roots_are_those_of_another_implementation_at_every_kind_of_size() {
    const SIZES: [u64; 11] = [0, 1, 2, 255, 256, 257, 511, 65_535, 65_536, 65_537, 70_000];
    let (mut theirs, mut builder, mut frontier) = (Theirs::default(), TileBuilder::new(), Frontier::new());
    let mut full = std::collections::BTreeMap::new();
    for size in 0..=70_000_u64 {
        if SIZES.contains(&size) {
            let root = tlog::tree_hash(size, &theirs).unwrap();
            assert_eq!(root, tlog::Hash(frontier.root()), "{size}");
            let mut ours = full.clone();
            ours.extend(builder.partials().map(|tile| (tile.id, tile.bytes)));
            let mut ids: Vec<TileId> = tiles_of_size(size).collect();
            ids.sort();
            assert_eq!(ours.keys().copied().collect::<Vec<_>>(), ids, "{size}");
            let published = tlog_tiles::Tile::new_tiles(8, 0, size);
            assert_eq!(published.len(), ours.len(), "{size}");
            for tile in published {
                let width = u16::try_from(tile.width()).unwrap();
                let id = TileId { level: tile.level(), index: tile.level_index(), width };
                assert_eq!(ours[&id], tile.read_data(&theirs).unwrap(), "{size} {id:?}");
                assert_eq!(tile.path(), id.path().replacen("tile/", "tile/8/", 1));
            }
        }
        let entry = size.to_string().into_bytes();
        theirs.push(&entry);
        builder.push(leaf_hash(&entry), |tile| drop(full.insert(tile.id, tile.bytes))).unwrap();
        frontier.push(leaf_hash(&entry)).unwrap();
    }
}

/// What another implementation reads in a path: level (nothing for entries), index, width.
fn their_path(path: &str) -> Option<(Option<u8>, u64, u32)> {
    // They put the height before the level and call entries data; a width of 0 or a level above 63 makes them
    // panic.
    let path = path.strip_prefix("tile/").filter(|rest| !rest.starts_with("data"))?;
    let width = path.rsplit_once(".p/").map(|(_index, width)| width.trim_start_matches('+'));
    if width.is_some_and(|width| width.bytes().all(|digit| digit == b'0')) {
        return None;
    }
    if path.split('/').next()?.parse::<u8>().is_ok_and(|level| level > 63) {
        return None;
    }
    let path = path.strip_prefix("entries/").map_or_else(|| path.to_owned(), |rest| format!("data/{rest}"));
    let tile = tlog_tiles::Tile::from_path(&format!("tile/8/{path}")).ok()?;
    Some(((!tile.is_data()).then(|| tile.level()), tile.level_index(), tile.width()))
}

fn our_path(path: &str) -> Option<(Option<u8>, u64, u32)> {
    let hashes = TileId::parse(path).map(|id| (Some(id.level), id.index, u32::from(id.width)));
    hashes.or_else(|| parse_bundle_path(path).map(|(index, width)| (None, index, u32::from(width))))
}

#[test]
fn led_14_paths_are_read_and_written_as_another_implementation_does() {
    let mut random = SplitMix64::new(SEED);
    let mut read = [0, 0];
    for _round in 0..20_000 {
        let level = u8::try_from(random.below(8)).unwrap();
        let bits = random.below(50);
        let (index, width) = (random.below(1 << bits), u16::try_from(1 + random.below(256)).unwrap());
        let path = if random.below(3) == 0 {
            bundle_path(index, width)
        } else {
            TileId { level, index, width }.path()
        };
        let ours = our_path(&path);
        assert!(ours.is_some() && ours == their_path(&path), "{path}");
        let mut changed = path.into_bytes();
        let at = usize::try_from(random.below(changed.len() as u64)).unwrap();
        let letters = b"0123456789x/.p-+ etnris";
        let letter = letters[usize::try_from(random.below(letters.len() as u64)).unwrap()];
        match random.below(3) {
            0 => changed[at] = letter,
            1 => changed.insert(at, letter),
            _ => drop(changed.remove(at)),
        }
        let changed = String::from_utf8(changed).unwrap();
        let (ours, theirs) = (our_path(&changed), their_path(&changed));
        // Their tiles reach level 63; a log of 2^62 entries has none above 7.
        let theirs = theirs.filter(|(level, _, _)| level.is_none_or(|level| level <= 7));
        assert_eq!(ours, theirs, "{changed}");
        read[usize::from(ours.is_some())] += 1;
    }
    assert!(read[0] > 1_000 && read[1] > 1_000, "{read:?}");
}

#[test]
fn checkpoint_texts_are_read_and_written_as_another_implementation_does_led_17() {
    let mut random = SplitMix64::new(SEED);
    let mut read = [0, 0];
    for round in 0..5_000_u64 {
        let root = ledger::sha256(&round.to_be_bytes());
        let head = TreeHead { origin: crate::log::ORIGIN.to_owned(), size: random.below(1 << 62), root };
        let text = head.to_text();
        let theirs = tlog_tiles::Checkpoint::new(&head.origin, head.size, tlog::Hash(root), "").unwrap();
        assert_eq!(theirs.to_bytes(), text.as_bytes());
        let mut changed = text.into_bytes();
        let at = usize::try_from(random.below(changed.len() as u64)).unwrap();
        match random.below(4) {
            0 => changed[at] ^= 1 << random.below(7),
            1 => changed.insert(at, changed[at]),
            2 => changed.push(b'x'),
            _ => drop(changed.remove(at)),
        }
        let ours = std::str::from_utf8(&changed).ok().and_then(|text| TreeHead::parse(text).ok());
        let theirs = tlog_tiles::Checkpoint::from_bytes(&changed).ok();
        // They read extension lines and any origin and size; we do not.
        let theirs = theirs.filter(|theirs| {
            let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
            theirs.extension().is_empty()
                && theirs.origin().chars().all(plain)
                && theirs.size() <= ledger::tree::SIZE_MAX
        });
        let theirs = theirs.map(|theirs| (theirs.origin().to_owned(), theirs.size(), theirs.hash().0));
        let ours = ours.map(|head| (head.origin, head.size, head.root));
        assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&changed));
        read[usize::from(ours.is_some())] += 1;
    }
    assert!(read[0] > 500 && read[1] > 500, "{read:?}");
}
