//! A short run of every target with a fixed seed; longer ones by hand: `cargo run -p fuzz -- all 1000000 7`.

#![allow(clippy::unwrap_used, reason = "tests")]

use fuzz::{TARGETS, Target};

/// Any number; a failure prints it with its round.
const SEED: u64 = 20_260_301;

fn check(name: &str) {
    let target = Target::find(name).unwrap();
    assert!(!target.corpus().unwrap().is_empty(), "{name} has no stored inputs");
    target.fuzz(SEED, target.short_rounds).unwrap();
}

/// One test a target, so that they run side by side.
macro_rules! targets {
    ($($name:ident)+) => {
        const CHECKED: &[&str] = &[$(stringify!($name)),+];
        $(#[test] fn $name() { check(stringify!($name)); })+
    };
}

targets! {
    canonical_json note checkpoint vkey entry entry_bundle tile_path bundle
    proof policy witness_request cosignature
    frames capture os_release
    rule imported known_hosts timestamp address target
}

#[test]
fn every_target_has_its_short_run() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, CHECKED);
}
