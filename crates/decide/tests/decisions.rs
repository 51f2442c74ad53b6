//! Decisions by table: expected values are worked by hand from the requirement rows.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use decide::{
    Counts, CriticalFailure, CurrentResult, DiffKind, FailOn, HostOutcome, PostureRow, PriorState, Verdict,
    changes, control_status, diff, verdict,
};
use model::{ChangeKind, ComplianceState, Digest, RuleId, Severity, Status};

fn rule(name: &str) -> RuleId {
    RuleId::parse(name).unwrap()
}

fn change_of(prior: Option<(Status, Severity, u8)>, now: (Status, Severity, u8)) -> Option<ChangeKind> {
    let known: BTreeMap<_, _> = prior
        .map(|(status, severity, value)| {
            (rule("r"), PriorState { status, severity, value_digest: Digest([value; 32]) })
        })
        .into_iter()
        .collect();
    let current = CurrentResult {
        rule_id: rule("r"),
        status: now.0,
        severity: now.1,
        value_digest: Digest([now.2; 32]),
    };
    changes(&known, &[current]).first().map(|change| change.kind)
}

/// TLW-02, over every prior and new status.
#[test]
fn a_change_row_exists_only_for_the_first_difference_in_order() {
    for before in Status::ALL {
        for after in Status::ALL {
            let (high, low) = (Severity::High, Severity::Low);
            let prior = Some((*before, high, 1));
            let same_status = before == after;
            let state = (!same_status).then_some(ChangeKind::StateChanged);
            assert_eq!(change_of(None, (*after, high, 1)), Some(ChangeKind::FirstSeen));
            assert_eq!(change_of(prior, (*after, high, 1)), state);
            assert_eq!(change_of(prior, (*after, low, 1)), state.or(Some(ChangeKind::SeverityChanged)));
            assert_eq!(change_of(prior, (*after, low, 2)), state.or(Some(ChangeKind::SeverityChanged)));
            assert_eq!(change_of(prior, (*after, high, 2)), state.or(Some(ChangeKind::ValueChanged)));
        }
    }
}

/// TLW-03: N rules seen for the first time are N changes, in order.
#[test]
fn a_first_scan_is_all_first_seen() {
    let results: Vec<_> = (0..100)
        .map(|i| CurrentResult {
            rule_id: rule(&format!("r{i:03}")),
            status: Status::Pass,
            severity: Severity::Low,
            value_digest: Digest([0; 32]),
        })
        .collect();
    let found = changes(&BTreeMap::new(), &results);
    assert_eq!(found.len(), 100);
    assert!(found.iter().enumerate().all(|(i, c)| c.result == i && c.kind == ChangeKind::FirstSeen));
}

/// SCH-09: both sides of 20, 50, 70 and 90, on integers.
#[test]
fn bands_begin_at_their_lower_bound() {
    use ComplianceState as S;
    let cases = [
        (0, 0, S::Unknown),
        (0, 1, S::Critical),
        (1999, 8001, S::Critical),
        (2000, 8000, S::NonCompliant),
        (4999, 5001, S::NonCompliant),
        (5000, 5000, S::Partial),
        (6999, 3001, S::Partial),
        (7000, 3000, S::MostlyCompliant),
        (8999, 1001, S::MostlyCompliant),
        (9000, 1000, S::Compliant),
        (1, 0, S::Compliant),
    ];
    for (pass, fail, state) in cases {
        assert_eq!(
            Counts { pass, fail, ..Counts::default() }.state(CriticalFailure::Absent),
            state,
            "{pass} of {}",
            pass + fail
        );
    }
}

/// SCH-10: 99 of 100 pass and the failing rule is critical.
#[test]
fn a_failing_critical_rule_forces_the_band_critical() {
    let counts = Counts { pass: 99, fail: 1, ..Counts::default() };
    let of =
        |severity| CriticalFailure::among([(Status::Pass, Severity::Critical), (Status::Fail, severity)]);
    assert_eq!(counts.state(of(Severity::Critical)), ComplianceState::Critical);
    assert_eq!(counts.state(of(Severity::High)), ComplianceState::Compliant);
}

/// POS-01 and POS-04: 8,996 of 10,000 is 89.96 and shows 89.9.
#[test]
fn a_score_is_cut_and_absent_when_nothing_was_assessed() {
    let score =
        |pass, fail, error| Counts { pass, fail, error, ..Counts::default() }.score().map(|s| s.to_string());
    assert_eq!(score(8996, 1004, 0).as_deref(), Some("89.9"));
    assert_eq!(score(2, 1, 5).as_deref(), Some("66.6"));
    assert_eq!(score(3, 0, 0).as_deref(), Some("100.0"));
    assert_eq!(score(0, 0, 9), None);
}

/// POS-09.
#[test]
fn a_control_takes_the_worst_that_speaks() {
    use Status::{Error, Fail, NotApplicable, Pass, Skipped};
    assert_eq!(control_status([Pass, Error, Fail]), Fail);
    assert_eq!(control_status([Pass, Error, Skipped]), Error);
    assert_eq!(control_status([NotApplicable, Pass, Skipped]), Pass);
    assert_eq!(control_status([NotApplicable, Skipped]), Skipped);
    assert_eq!(control_status([NotApplicable]), NotApplicable);
    assert_eq!(control_status([]), NotApplicable);
}

/// LIF-08: nothing assessed never looks like compliant.
#[test]
fn an_incomplete_assessment_is_never_compliant() {
    use HostOutcome::{Assessed, NotMeasured};
    let pass = (Status::Pass, Severity::Low);
    let low_fail = (Status::Fail, Severity::Low);
    let error = (Status::Error, Severity::Critical);
    let na = (Status::NotApplicable, Severity::Low);
    let on = FailOn::Severity(Severity::Low);
    let check = |hosts: &[HostOutcome], fail_on| verdict(hosts, fail_on);
    assert_eq!(check(&[Assessed(vec![pass, na])], on), Verdict::Compliant);
    assert_eq!(check(&[Assessed(vec![pass, low_fail])], on), Verdict::Failing);
    assert_eq!(
        check(&[Assessed(vec![pass, low_fail])], FailOn::Severity(Severity::High)),
        Verdict::Compliant
    );
    assert_eq!(check(&[Assessed(vec![pass, low_fail])], FailOn::Never), Verdict::Compliant);
    assert_eq!(check(&[Assessed(vec![pass, error])], on), Verdict::Incomplete);
    assert_eq!(check(&[Assessed(vec![na])], on), Verdict::Incomplete);
    assert_eq!(check(&[Assessed(vec![])], on), Verdict::Incomplete);
    assert_eq!(check(&[], on), Verdict::Incomplete);
    assert_eq!(check(&[Assessed(vec![pass]), NotMeasured], on), Verdict::Incomplete);
    assert_eq!(check(&[NotMeasured, Assessed(vec![low_fail])], on), Verdict::Failing);
}

/// POS-14.
#[test]
fn a_diff_names_each_way_two_postures_can_differ() {
    let row = |status, value: u8| PostureRow {
        status,
        severity: Severity::High,
        value_digest: Digest([value; 32]),
    };
    let before: BTreeMap<_, _> = [
        (rule("a"), row(Status::Pass, 1)),
        (rule("b"), row(Status::Fail, 1)),
        (rule("c"), row(Status::Pass, 1)),
        (rule("d"), row(Status::Pass, 1)),
        (rule("same"), row(Status::Pass, 1)),
    ]
    .into();
    let after: BTreeMap<_, _> = [
        (rule("a"), row(Status::Fail, 1)),
        (rule("b"), row(Status::Pass, 1)),
        (rule("c"), row(Status::Pass, 2)),
        (rule("e"), row(Status::Pass, 1)),
        (rule("same"), row(Status::Pass, 1)),
    ]
    .into();
    let found: Vec<_> = diff(&before, &after).into_iter().map(|d| (d.rule_id.to_string(), d.kind)).collect();
    let expected = [
        ("a", DiffKind::BecameFailing),
        ("b", DiffKind::BecamePassing),
        ("c", DiffKind::ValueChanged),
        ("d", DiffKind::Retired),
        ("e", DiffKind::Added),
    ];
    assert_eq!(found, expected.map(|(id, kind)| (id.to_owned(), kind)));
}

proptest::proptest! {
    /// POS-14: applying the diff to the first posture gives the second.
    #[test]
    fn applying_a_diff_to_the_first_posture_gives_the_second(
        first in proptest::collection::btree_map(0_u8..12, (0_usize..5, 0_u8..3), 0..12),
        second in proptest::collection::btree_map(0_u8..12, (0_usize..5, 0_u8..3), 0..12),
    ) {
        let posture = |rows: BTreeMap<u8, (usize, u8)>| -> BTreeMap<RuleId, PostureRow> {
            rows.into_iter()
                .map(|(id, (status, value))| {
                    let row = PostureRow {
                        status: Status::ALL[status],
                        severity: Severity::High,
                        value_digest: Digest([value; 32]),
                    };
                    (rule(&format!("r{id}")), row)
                })
                .collect()
        };
        let (first, second) = (posture(first), posture(second));
        let mut patched = first.clone();
        for step in diff(&first, &second) {
            match step.after {
                Some(row) => patched.insert(step.rule_id, row),
                None => patched.remove(&step.rule_id),
            };
        }
        proptest::prop_assert_eq!(patched, second);
    }
}
