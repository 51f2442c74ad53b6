//! Tests of the verifier as a live database uses it: entries and bodies in order, heads, and the report.

use serde_json::json;

use super::{
    EvidenceState, FINDINGS_MAX, Finding, FindingCode, LoneBody, LoneEntry, Place, Report, Verifier,
};
use crate::tree::{Frontier, leaf_hash};
use crate::{Entry, EntryKind, TreeHead, canonical, hex, sha256};

fn at_row() -> Place {
    Place::default()
}

/// One entry with its body, at a second of the day.
fn entry(index: u64, second: u64, kind: EntryKind, body: &serde_json::Value) -> (Entry, Vec<u8>) {
    let body = canonical::to_bytes(body).unwrap();
    let entry = Entry {
        log: "log-1".to_owned(),
        index,
        at: format!("2026-03-01T10:00:{second:02}.000000Z"),
        kind,
        table: "facts".to_owned(),
        row: index.to_string(),
        actor: "local:ada".to_owned(),
        body_sha256: sha256(&body),
        body_len: body.len() as u64,
    };
    (entry, body)
}

fn facts(count: u64) -> Vec<(Entry, Vec<u8>)> {
    (0..count).map(|n| entry(n, n, EntryKind::FactPut, &json!({"nonce": n, "value": [n]}))).collect()
}

fn feed(verifier: &mut Verifier, log: &[(Entry, Vec<u8>)]) {
    for (entry, body) in log {
        let pushed = verifier.push(LoneEntry::read(&entry.to_bytes().unwrap()), &at_row());
        let entry = pushed.entry.expect("an entry");
        let body = LoneBody::read(&entry, Some(body));
        let references = body.references().to_vec();
        verifier.body(pushed.index, &entry, body, &at_row());
        for reference in references {
            verifier.blob(pushed.index, reference, None, &at_row());
        }
    }
}

fn head(log: &[(Entry, Vec<u8>)]) -> TreeHead {
    let mut frontier = Frontier::new();
    for (entry, _body) in log {
        frontier.push(leaf_hash(&entry.to_bytes().unwrap())).unwrap();
    }
    TreeHead { origin: "log.example/log-1".to_owned(), size: frontier.size(), root: frontier.root() }
}

fn codes(report: &Report) -> Vec<FindingCode> {
    report.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn led_27_an_honest_log_verifies_under_all_its_heads() {
    let log = facts(20);
    let mut verifier = Verifier::new(Some("log-1"), 0);
    for size in [0, 1, 7, 16, 18] {
        verifier.expect_head(&head(&log[..size]), &at_row());
    }
    feed(&mut verifier, &log);
    assert_eq!(verifier.position(), 20);
    let report = verifier.finish();
    assert_eq!((report.ok, report.findings.len()), (true, 0));
    assert_eq!((report.entries, report.bodies_checked, report.checkpoints), (20, 20, 5));
    assert_eq!((report.uncovered_tail, report.tree_size), (2, 20));
    assert_eq!(report.root, Some(hex::encode(&head(&log).root)));
}

#[test]
fn led_72_a_head_with_another_root_is_a_root_mismatch_and_one_beyond_the_end_is_truncated() {
    let log = facts(5);
    let mut verifier = Verifier::new(None, 0);
    let place = Place::file("checkpoint", 0);
    verifier.expect_head(&TreeHead { size: 3, ..head(&log[..2]) }, &place);
    verifier.expect_head(&TreeHead { size: 9, ..head(&log) }, &place);
    feed(&mut verifier, &log);
    let report = verifier.finish();
    assert_eq!(codes(&report), [FindingCode::RootMismatch, FindingCode::Truncated]);
    assert!(report.findings[1].detail.contains("claims 9 entries, 5 were found"));
}

#[test]
fn a_head_that_comes_too_late_is_never_taken_as_good() {
    let log = facts(5);
    let mut verifier = Verifier::new(None, 0);
    feed(&mut verifier, &log);
    verifier.expect_head(&head(&log[..3]), &at_row());
    assert_eq!(codes(&verifier.finish()), [FindingCode::CheckpointInconsistent]);
    let mut middle = Verifier::new(None, 2);
    middle.expect_head(&head(&log), &at_row());
    feed(&mut middle, &log[2..]);
    assert_eq!(codes(&middle.finish()), [FindingCode::CheckpointInconsistent]);
}

#[test]
fn led_12_times_that_go_back_are_found_and_equal_times_are_not() {
    let kind = EntryKind::FactPut;
    let log: Vec<_> =
        [0, 5, 5, 4, 6].into_iter().zip(0..).map(|(s, n)| entry(n, s, kind, &json!({"n": n}))).collect();
    let mut verifier = Verifier::new(None, 0);
    feed(&mut verifier, &log);
    let report = verifier.finish();
    assert_eq!((codes(&report), report.first_bad_index), (vec![FindingCode::TimeRegression], Some(3)));
    assert_eq!(
        (report.findings[0].table.as_deref(), report.findings[0].row.as_deref()),
        (Some("facts"), Some("3"))
    );
}

#[test]
fn an_entry_of_another_log_is_found() {
    let log = facts(1);
    let mut verifier = Verifier::new(Some("log-2"), 0);
    feed(&mut verifier, &log);
    assert_eq!(codes(&verifier.finish()), [FindingCode::Malformed]);
}

#[test]
fn led_29_intents_without_an_outcome_are_counted() {
    let record = |n, body| entry(n, n, EntryKind::AuditRecord, &body);
    let log = [
        record(0, json!({"row": {"phase": "intent", "correlation_id": "scan:1"}})),
        record(1, json!({"row": {"phase": "intent", "correlation_id": "scan:2"}})),
        record(2, json!({"row": {"phase": "outcome", "correlation_id": "scan:1"}})),
        record(3, json!({"row": {"phase": "outcome", "correlation_id": "scan:3"}})),
        record(4, json!({"row": {"phase": "event", "correlation_id": "scan:2"}})),
    ];
    let mut verifier = Verifier::new(None, 0);
    feed(&mut verifier, &log);
    let report = verifier.finish();
    assert_eq!((report.ok, report.orphan_intents), (true, 1));
}

#[test]
fn led_41_only_an_erasure_explains_what_is_gone() {
    let gone = hex::encode(&[7; 32]);
    let log = [
        entry(0, 0, EntryKind::FindingChanged, &json!({"deep": [{"evidence_sha256": gone}]})),
        entry(
            1,
            1,
            EntryKind::FindingChanged,
            &json!({"evidence_sha256": null, "manifest_sha256": hex::encode(&[8; 32])}),
        ),
        entry(2, 2, EntryKind::BodyErased, &json!({"row": {"detail": {"erased_sha256": gone}}})),
    ];
    let mut verifier = Verifier::new(None, 0);
    feed(&mut verifier, &log);
    let report = verifier.finish();
    assert_eq!((codes(&report), report.erased), (vec![FindingCode::BodyMissing], 1));
    assert_eq!(report.first_bad_index, Some(1));
}

/// What a change says that names this evidence, and what an entry says that retention removed it.
fn named_and_removed(gone: &str) -> [(EntryKind, serde_json::Value); 2] {
    let detail = json!({"erased_sha256": gone, "retention_days": 90});
    [
        (EntryKind::FindingChanged, json!({"row": {"evidence_sha256": gone}})),
        (EntryKind::BodyErased, json!({"row": {"detail": detail}})),
    ]
}

#[test]
fn tlw_33_what_retention_removed_is_expected_again_once_a_later_entry_names_it() {
    let [named, removed] = named_and_removed(&hex::encode(&[7; 32]));
    // Which entries there are, and what is said when the evidence is not there.
    for (entries, (found, expired)) in [
        (vec![&named], (vec![FindingCode::BodyMissing], 0)),
        (vec![&named, &named, &removed], (vec![], 2)),
        (vec![&named, &removed, &named], (vec![FindingCode::BodyMissing; 2], 0)),
        (vec![&named, &removed, &named, &removed], (vec![], 2)),
    ] {
        let log: Vec<_> = (0..).zip(&entries).map(|(n, (kind, body))| entry(n, n, *kind, body)).collect();
        let mut verifier = Verifier::new(None, 0);
        feed(&mut verifier, &log);
        let report = verifier.finish();
        assert_eq!((codes(&report), report.expired, report.erased), (found, expired, 0), "{entries:?}");
    }
}

#[test]
fn tlw_33_what_was_destroyed_on_request_stays_accounted_for_by_that() {
    let gone = hex::encode(&[7; 32]);
    let [named, removed] = named_and_removed(&gone);
    let destroyed = (EntryKind::BodyErased, json!({"row": {"detail": {"erased_sha256": gone}}}));
    for entries in [[&named, &removed, &destroyed, &named], [&named, &destroyed, &removed, &named]] {
        let log: Vec<_> = (0..).zip(&entries).map(|(n, (kind, body))| entry(n, n, *kind, body)).collect();
        let mut verifier = Verifier::new(None, 0);
        feed(&mut verifier, &log);
        let report = verifier.finish();
        assert_eq!((codes(&report), report.expired, report.erased), (vec![], 0, 2), "{entries:?}");
    }
}

#[test]
fn led_35_the_newest_start_that_a_checkpoint_covers_says_how_late_it_may_be_cosigned() {
    let started = |n, lag: serde_json::Value| {
        let mut detail = json!({"expects_anchor": false, "policy_sha256": null});
        if !lag.is_null() {
            detail["stamp_max_lag_seconds"] = lag;
        }
        entry(n, n, EntryKind::LogStarted, &json!({"row": {"detail": detail}}))
    };
    let log = [
        started(0, json!(null)),
        started(1, json!(3_600)),
        started(2, json!(3_600)),
        started(3, json!(604_800)),
        started(4, json!(null)),
    ];
    let mut verifier = Verifier::new(None, 0);
    feed(&mut verifier, &log);
    let lags: Vec<u64> = (0..7).map(|size| verifier.events().lag_before(size)).collect();
    assert_eq!(lags, [86_400, 86_400, 3_600, 3_600, 604_800, 86_400, 86_400]);
    assert!(verifier.finish().ok);
    for bad in [json!(59), json!(604_801), json!(-1), json!(60.5), json!("3600"), json!(true)] {
        let mut verifier = Verifier::new(None, 0);
        feed(&mut verifier, &[started(0, bad.clone())]);
        assert_eq!(codes(&verifier.finish()), [FindingCode::Malformed], "{bad}");
    }
}

#[test]
fn bodies_that_break_the_generic_rules_are_malformed() {
    let cases = [
        (EntryKind::FactPut, json!([])),
        (EntryKind::FactPut, json!({"evidence_sha256": "abc"})),
        (EntryKind::FactPut, json!({"a": {"manifest_sha256": 1}})),
        (EntryKind::BodyErased, json!({"row": {"detail": {"erased_sha256": null}}})),
    ];
    for (kind, body) in cases {
        let mut verifier = Verifier::new(None, 0);
        feed(&mut verifier, &[entry(0, 0, kind, &body)]);
        assert_eq!(codes(&verifier.finish()), [FindingCode::Malformed], "{body}");
    }
}

#[test]
fn a_body_that_is_not_canonical_is_found_even_with_the_right_digest() {
    for (body, code) in [(b"{ }".as_slice(), FindingCode::NotCanonical), (b"{", FindingCode::Malformed)] {
        let (mut entry, _body) = entry(0, 0, EntryKind::FactPut, &json!({}));
        (entry.body_sha256, entry.body_len) = (sha256(body), body.len() as u64);
        let mut verifier = Verifier::new(None, 0);
        let pushed = verifier.push(LoneEntry::read(&entry.to_bytes().unwrap()), &at_row());
        verifier.body(pushed.index, &entry, LoneBody::read(&entry, Some(body)), &at_row());
        let report = verifier.finish();
        assert_eq!((codes(&report), report.findings[0].offset), (vec![code], Some(1)));
    }
}

#[test]
fn led_08_a_value_of_262_144_bytes_fits_into_a_body() {
    let (entry, body) = entry(0, 0, EntryKind::FactPut, &json!({"value": "x".repeat(262_142)}));
    assert!(entry.to_bytes().unwrap().len() < 1_000);
    let mut verifier = Verifier::new(None, 0);
    feed(&mut verifier, &[(entry, body)]);
    assert!(verifier.finish().ok);
}

#[test]
fn led_29_the_report_has_its_documented_members() {
    let report = Verifier::new(None, 0).finish();
    let value = serde_json::to_value(&report).unwrap();
    let mut members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let expected = [
        "anchor",
        "anchor_seams",
        "bodies_checked",
        "checkpoints",
        "continues",
        "entries",
        "erased",
        "expired",
        "findings",
        "findings_dropped",
        "first_bad_index",
        "key_ids",
        "ok",
        "origin",
        "orphan_intents",
        "pruned",
        "root",
        "rows_checked",
        "tree_size",
        "uncovered_tail",
        "verifier",
        "witness",
        "witness_lag",
    ];
    assert_eq!(members, expected);
    assert_eq!((value["anchor"].as_str(), report.witness), (Some("none"), EvidenceState::None));
    assert_eq!(serde_json::from_value::<Report>(value).unwrap(), report);
    let finding = serde_json::to_value(Finding::new(FindingCode::NotCanonical, "d").index(3)).unwrap();
    let expected = json!({"code": "not_canonical", "index": 3, "table": null, "row": null, "file": null,
        "offset": null, "detail": "d"});
    assert_eq!(finding, expected);
}

#[test]
fn findings_beyond_the_limit_are_counted_and_never_make_a_log_good() {
    let mut verifier = Verifier::new(None, 0);
    for n in 0..2 * FINDINGS_MAX as u64 {
        verifier.push(LoneEntry::read(b"garbage"), &Place::file("f", n));
    }
    let report = verifier.finish();
    assert_eq!((report.findings.len(), report.findings_dropped), (FINDINGS_MAX, FINDINGS_MAX as u64));
    assert!(!report.ok);
}
