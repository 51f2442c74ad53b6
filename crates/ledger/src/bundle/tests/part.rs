//! A bundle of a part of its log is taken for that part and for nothing more (LED-26, LED-62).

use super::sample::{Files, Sample, export, signer, verify, verify_by};
use crate::bundle::{Counts, Extent, MANIFEST, Manifest, Options, Range};
use crate::verify::{FindingCode, Report};

fn verify_as(files: &Files, extent: Extent) -> Report {
    verify_by(files, &Options { extent, ..Options::new(&[signer().verifier().clone()]) })
}

fn part(from: u64, to: u64) -> Extent {
    Extent::Part(Range { from, to })
}

#[test]
fn led_26_a_part_verifies_when_just_that_part_is_asked_for() {
    let log = Sample::of(1_000).log;
    let files = export(&log, Some(Range { from: 256, to: 768 })).unwrap();
    assert!(verify_as(&files, part(256, 768)).ok);
    for (extent, missing) in [
        (Extent::Whole, Some(0)),
        (part(0, 768), Some(0)),
        (part(0, 512), Some(0)),
        (part(256, 1_000), Some(768)),
        // It holds more than that.
        (part(256, 512), None),
    ] {
        let report = verify_as(&files, extent);
        assert_eq!(super::codes(&report), [FindingCode::Truncated], "{extent:?}");
        assert_eq!(report.first_bad_index, missing, "{extent:?}");
        assert_eq!(report.findings[0].file.as_deref(), Some(MANIFEST), "{extent:?}");
    }
    let whole = export(&log, None).unwrap();
    assert!(verify_as(&whole, Extent::Whole).ok);
    assert!(verify_as(&whole, part(0, 1_000)).ok);
    assert!(!verify_as(&whole, part(0, 768)).ok);
    assert!(verify_as(&Sample::of(0).files, Extent::Whole).ok);
}

#[test]
fn led_62_no_range_without_entries_stands_for_a_log_that_has_some() {
    for at in [0, 256, 300] {
        let mut files = Sample::of(300).files;
        let kept = ["checkpoint", "vkeys", MANIFEST, "tile/0/", "tile/1/"];
        files.retain(|path, _bytes| kept.iter().any(|kept| path.starts_with(kept)));
        let mut manifest = Manifest::parse(&files[MANIFEST]).unwrap();
        manifest.range = Range { from: at, to: at };
        manifest.counts = Counts { tiles: 3, ..Counts::default() };
        files.insert(MANIFEST.to_owned(), manifest.to_bytes().unwrap());
        let report = verify(&files);
        assert!(super::codes(&report).contains(&FindingCode::Malformed), "{at}: {:?}", report.findings);
        assert_eq!(report.first_bad_index, Some(0), "{at}");
    }
}
