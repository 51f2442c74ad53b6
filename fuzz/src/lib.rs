//! Every parser of the product as one plain function over bytes that fails by a panic, with a stored corpus.
//!
//! The functions say what must hold for any bytes: no panic, and what was read is written back the same. The
//! runner is `testkit::fuzz`, stable and seeded; a coverage-guided one can drive the same functions. Nothing
//! here is shipped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

mod host_says;
mod ledger_bytes;
mod proof_bytes;
mod user_says;
mod witness_bytes;

/// One parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of its folder below `corpus`.
    pub name: &'static str,
    /// Panics when a property does not hold.
    pub run: fn(&[u8]),
    /// Rounds of the short run that is one of the tests: about a second in a debug build.
    pub short_rounds: u64,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "canonical_json", run: ledger_bytes::canonical_json, short_rounds: 20_000 },
    Target { name: "note", run: ledger_bytes::note, short_rounds: 30_000 },
    Target { name: "checkpoint", run: ledger_bytes::checkpoint, short_rounds: 30_000 },
    Target { name: "vkey", run: ledger_bytes::vkey, short_rounds: 15_000 },
    Target { name: "entry", run: ledger_bytes::entry, short_rounds: 20_000 },
    Target { name: "entry_bundle", run: ledger_bytes::entry_bundle, short_rounds: 20_000 },
    Target { name: "tile_path", run: ledger_bytes::tile_path, short_rounds: 30_000 },
    Target { name: "bundle", run: ledger_bytes::bundle, short_rounds: 750 },
    Target { name: "proof", run: proof_bytes::proof, short_rounds: 6_000 },
    Target { name: "policy", run: witness_bytes::policy, short_rounds: 30_000 },
    Target { name: "witness_request", run: witness_bytes::witness_request, short_rounds: 60_000 },
    Target { name: "cosignature", run: witness_bytes::cosignature, short_rounds: 20_000 },
    Target { name: "frames", run: host_says::frames, short_rounds: 10_000 },
    Target { name: "capture", run: host_says::capture, short_rounds: 10_000 },
    Target { name: "os_release", run: host_says::os_release, short_rounds: 20_000 },
    Target { name: "rule", run: user_says::rule, short_rounds: 1_250 },
    Target { name: "imported", run: user_says::imported, short_rounds: 500 },
    Target { name: "known_hosts", run: user_says::known_hosts, short_rounds: 15_000 },
    Target { name: "timestamp", run: user_says::timestamp, short_rounds: 30_000 },
    Target { name: "address", run: user_says::address, short_rounds: 30_000 },
    Target { name: "target", run: user_says::target, short_rounds: 30_000 },
];

impl Target {
    /// Returns the target of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Returns the stored inputs, in the order of their file names.
    ///
    /// # Errors
    /// When the folder or a file of it cannot be read.
    pub fn corpus(&self) -> io::Result<Vec<Vec<u8>>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        paths.sort();
        paths.iter().map(fs::read).collect()
    }

    /// Runs the stored inputs and then `rounds` mutated ones.
    ///
    /// # Errors
    /// When the corpus cannot be read.
    ///
    /// # Panics
    /// When a property does not hold; seed, round and input were printed then.
    pub fn fuzz(&self, seed: u64, rounds: u64) -> io::Result<()> {
        let corpus = self.corpus()?;
        let inputs: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
        testkit::fuzz::run(seed, &inputs, rounds, self.run);
        Ok(())
    }
}
