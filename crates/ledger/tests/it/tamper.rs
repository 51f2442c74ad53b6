//! Random changes of single bytes over everything that a bundle holds are found and located, and honest logs of
//! random workloads raise no alarm (LED-28).

use ledger::Finding;
use ledger::bundle::Range;
use testkit::fuzz::SplitMix64;

use crate::bundles::{self, Change, verify};

/// Printed with a failure: the same seed gives the same logs and changes.
const SEED: u64 = 28;
/// Changes of single bytes.
const CHANGES: u64 = 10_000;
/// Changes of each log.
const CHANGES_A_LOG: u64 = 100;
/// Honest logs in every run; `ALL_LOGS` in the long one.
const SOME_LOGS: u64 = 1_000;
const ALL_LOGS: u64 = 10_000;

/// A finding names the entry, or a byte of the file that was changed.
fn is_located(finding: &Finding) -> bool {
    finding.index.is_some() || (finding.file.is_some() && finding.offset.is_some())
}

fn changes_are_found(seed: u64, changes: u64) {
    let mut random = SplitMix64::new(seed);
    let mut found = 0;
    while found < changes {
        let mut bundle = bundles::random(16, &mut random);
        for _change in 0..CHANGES_A_LOG {
            let change = Change::random(&bundle.files, &mut random);
            change.apply(&mut bundle.files);
            let report = verify(&bundle.files, &bundle.trusted);
            assert!(!report.ok, "seed {seed}, change {found}: {change:?} was not found");
            let located = report.findings.first().is_some_and(is_located);
            assert!(located, "seed {seed}, change {found}: {change:?}: {:?}", report.findings);
            change.apply(&mut bundle.files);
            found += 1;
        }
        assert!(verify(&bundle.files, &bundle.trusted).ok, "the changes were undone");
    }
    println!("seed {seed}: {found} of {found} changed bytes found and located");
}

fn honest_logs_raise_no_alarm(seed: u64, logs: u64) {
    let mut random = SplitMix64::new(seed);
    let mut entries = 0;
    for log in 0..logs {
        let below = if log % 50 == 0 { 600 } else { 40 };
        let bundle = bundles::random(below, &mut random);
        let report = verify(&bundle.files, &bundle.trusted);
        assert_eq!(report.findings, [], "seed {seed}, log {log}");
        assert!(report.ok && report.entries == bundle.entries, "seed {seed}, log {log}");
        entries += report.entries;
    }
    println!("seed {seed}: {logs} honest logs with {entries} entries, no alarm");
}

#[test]
fn led_28_the_first_5_000_of_10_000_changed_bytes_are_found_and_located() {
    changes_are_found(SEED, CHANGES / 2);
}

#[test]
fn led_28_the_other_5_000_of_10_000_changed_bytes_are_found_and_located() {
    changes_are_found(SEED + 1, CHANGES / 2);
}

#[test]
fn led_28_honest_logs_of_random_workloads_raise_no_alarm() {
    honest_logs_raise_no_alarm(SEED, SOME_LOGS);
}

#[test]
#[ignore = "a minute and more: for a release, with --run-ignored"]
fn led_28_10_000_honest_logs_of_random_workloads_raise_no_alarm() {
    honest_logs_raise_no_alarm(SEED, ALL_LOGS);
}

#[test]
fn led_37_the_bundle_of_each_segment_verifies_alone() {
    for number in 0..5 {
        let range = Range { from: number * 256, to: number * 256 + 256 };
        let bundle = bundles::segment(1_300, range);
        let report = verify(&bundle.files, &bundle.trusted);
        assert_eq!(report.findings, [], "{range:?}");
        assert_eq!(report.entries, 256, "{range:?}");
    }
}
