//! The library of Go's checksum database checks our proofs and checkpoints (LED-24): `tests/go/check.go` is a
//! program over it. Fails without Go: what was skipped has shown nothing.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::proof::verify_proof;
use testkit::fuzz::SplitMix64;
use testkit::process;
use testkit::wait;

use crate::log::{Log, keys, signer};

/// Where Debian puts the library.
const GOPATH: &str = "/usr/share/gocode";
/// Random proofs, and as many changed ones.
const ROUNDS: u64 = 1_000;
const SEED: u64 = 1_000;

/// Builds the program, without modules and so without a network.
fn build(folder: &Path) -> std::path::PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/check.go");
    let program = folder.join("check");
    let mut command = Command::new("go");
    command.arg("build").arg("-o").arg(&program).arg(source).current_dir(folder);
    // The cache outlives the run: it holds the standard library.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    command.env("GOCACHE", cache).env("GOPATH", GOPATH).env("GO111MODULE", "off").env("GOFLAGS", "");
    command.env("GOPROXY", "off").env("CGO_ENABLED", "0");
    let done = process::run(command, b"", wait::LONG)
        .unwrap_or_else(|err| panic!("install golang-go and golang-golang-x-mod-dev: {err}"));
    assert!(done.success(), "install golang-go and golang-golang-x-mod-dev: {done:?}");
    program
}

#[test]
fn the_library_of_gos_checksum_database_accepts_1_000_proofs_and_refuses_1_000_changed_ones_led_24() {
    let (log, mut random) = (Log::of(1_200), SplitMix64::new(SEED));
    let mut files = Vec::new();
    for round in 0..ROUNDS {
        let size = 1 + random.below(1_200);
        let text = if round % 2 == 0 {
            log.prove(random.below(size), size).to_text()
        } else {
            log.extend(1 + random.below(size), size).to_text()
        };
        let mut changed = text.clone().into_bytes();
        let at = usize::try_from(random.below(changed.len() as u64)).unwrap();
        changed[at] ^= 1 << random.below(8);
        files.push((text.into_bytes(), true));
        files.push((changed, false));
    }
    let mut input = format!("{}\n", signer().verifier());
    for (file, sound) in &files {
        assert_eq!(verify_proof("proof", file, &keys(), None).ok, *sound);
        input += &(STANDARD.encode(file) + "\n");
    }
    let folder = tempfile::tempdir().unwrap();
    let done = process::run(Command::new(build(folder.path())), input.as_bytes(), wait::LONG).unwrap();
    assert!(done.success(), "{}", done.stderr);
    let said: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(said.len(), files.len(), "{}", done.stderr);
    for ((file, sound), said) in files.iter().zip(said) {
        let accepted = said == "ok";
        assert_eq!(accepted, *sound, "seed {SEED}: {said}\n{}", String::from_utf8_lossy(file));
    }
    println!("Go: {ROUNDS} proofs accepted, {ROUNDS} with one changed bit refused");
}
