//! The mutation fuzzer is the same on every machine and finds what it should.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::panic;

use testkit::fuzz::{INPUT_LIMIT, SplitMix64, input, run};

#[test]
fn the_generator_gives_the_published_sequence() {
    // Published with the reference implementation's test for seed 1234567.
    let mut random = SplitMix64::new(1_234_567);
    let first: Vec<u64> = (0..5).map(|_position| random.next_u64()).collect();
    assert_eq!(
        first,
        [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821
        ]
    );
}

#[test]
fn the_same_seed_gives_the_same_inputs_and_another_seed_others() {
    let collect = |seed| {
        let mut seen = Vec::new();
        run(seed, &[b"{\"a\":1}", b"plain"], 200, |bytes| seen.push(bytes.to_vec()));
        seen
    };
    assert_eq!(collect(1), collect(1));
    assert_ne!(collect(1), collect(2));
    assert_eq!(collect(1)[..2], [b"{\"a\":1}".to_vec(), b"plain".to_vec()]);
    assert_eq!(collect(1).len(), 202);
}

#[test]
fn inputs_vary_and_stay_under_the_limit() {
    let long = vec![b'x'; INPUT_LIMIT];
    let mut seen = BTreeSet::new();
    run(7, &[b"length=10\n"], 1_000, |bytes| {
        seen.insert(bytes.to_vec());
    });
    assert!(seen.len() > 750, "{}", seen.len());
    run(7, &[&long], 20, |bytes| assert!(bytes.len() <= INPUT_LIMIT));
}

#[test]
fn a_planted_defect_is_found_and_its_round_can_be_repeated_alone() {
    let corpus: &[&[u8]] = &[b"count=3;"];
    let is_bad = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.strip_prefix("count=").and_then(|rest| rest.split(';').next()).is_some_and(|n| n == "4294967295")
    };
    let found = panic::catch_unwind(|| run(3, corpus, 20_000, |bytes| assert!(!is_bad(bytes))));
    assert!(found.is_err());
    assert!((0..20_000).any(|round| is_bad(&input(3, corpus, round))));
}

#[test]
fn an_empty_corpus_is_no_failure() {
    let mut calls = 0;
    run(1, &[], 50, |_bytes| calls += 1);
    assert_eq!(calls, 50);
}
