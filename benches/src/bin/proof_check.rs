//! Checking one inclusion proof, ours against `tlog_tiles`, on the same proofs of a log of a million entries.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use benches::BenchError;
use benches::figures::Samples;
use benches::report::{Report, run};
use ledger::Hash;
use ledger::proof::{Tiles, inclusion_from_tiles, inclusion_tiles};
use ledger::tile::TileBuilder;
use ledger::tree::{leaf_hash, verify_inclusion};
use testkit::fuzz::SplitMix64;
use tlog_tiles::tlog;

/// Entries of the log.
const SIZE: u64 = 1_000_000;
/// Proofs that are checked in a round.
const PROOFS: u64 = 1_000;
/// Rounds; each side checks all proofs once in each.
const ROUNDS: usize = 30;
/// What our time may be of theirs.
const SHARE: f64 = 1.0;

/// One proof for both sides.
struct Proof {
    index: u64,
    leaf: Hash,
    ours: Vec<Hash>,
    theirs: Vec<tlog::Hash>,
}

fn main() -> ExitCode {
    run(benchmark)
}

fn benchmark() -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("proof_check");
    let (root, proofs) = proofs().ok_or_else(|| BenchError::Said {
        what: "the proofs".to_owned(),
        said: "a tile is missing".to_owned(),
    })?;
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    let (mut held, mut wanted) = (0, 0);
    for _round in 0..ROUNDS {
        let begun = Instant::now();
        held += proofs.iter().filter(|proof| holds(proof, &root)).count();
        ours.push(begun.elapsed());
        let begun = Instant::now();
        held += proofs.iter().filter(|proof| holds_for_them(proof, &root)).count();
        theirs.push(begun.elapsed());
        wanted += 2 * proofs.len();
    }
    report.judge(held == wanted, "both sides accept every proof", format_args!("{held} of {wanted}"));
    report.figures("1,000 proofs of 1,000,000 entries, ours", "ms", &ours);
    report.figures("the same by tlog_tiles", "ms", &theirs);
    report.at_most("time against tlog_tiles", (&ours.ratios_to(&theirs), SHARE), "x");
    Ok(report.end())
}

fn holds(proof: &Proof, root: &Hash) -> bool {
    verify_inclusion(proof.index, SIZE, &proof.leaf, &proof.ours, root).is_ok()
}

fn holds_for_them(proof: &Proof, root: &Hash) -> bool {
    tlog::check_record(&proof.theirs, SIZE, tlog::Hash(*root), proof.index, tlog::Hash(proof.leaf)).is_ok()
}

/// Builds a log and proofs of random entries; nothing when a tile is missing.
fn proofs() -> Option<(Hash, Vec<Proof>)> {
    let mut tiles = BTreeMap::new();
    let mut builder = TileBuilder::new();
    for index in 0..SIZE {
        let leaf = leaf_hash(&index.to_be_bytes());
        builder.push(leaf, |tile| drop(tiles.insert(tile.id, tile.bytes))).ok()?;
    }
    tiles.extend(builder.partials().map(|tile| (tile.id, tile.bytes)));
    let mut random = SplitMix64::new(SIZE);
    let proofs = (0..PROOFS).map(|_proof| {
        let index = random.below(SIZE);
        let needed: Option<Tiles> =
            inclusion_tiles(index, SIZE).into_iter().map(|id| Some((id, tiles.get(&id)?.clone()))).collect();
        let ours = inclusion_from_tiles(index, SIZE, &needed?).ok()??;
        let theirs = ours.iter().map(|hash| tlog::Hash(*hash)).collect();
        Some(Proof { index, leaf: leaf_hash(&index.to_be_bytes()), ours, theirs })
    });
    Some((builder.frontier().root(), proofs.collect::<Option<_>>()?))
}
