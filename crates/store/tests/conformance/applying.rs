//! What one scan writes, and what it does not.

use model::Status::{self, Error, Fail, NotApplicable, Pass, Skipped};
use model::{ChangeKind, HostId, RuleId, Severity, Timestamp};
use store::history::Page;
use store::posture::RuleState;
use store::rebuild::StateRow;

use crate::bench::{Bench, On, at};
use crate::story::{Done, Finding, all_pass, findings};

/// Most rows that an unchanged rescan may write (TLW-06).
const ROWS_MAX: usize = 16;

impl Bench {
    /// Answers for now, over every rule ever seen.
    pub(crate) async fn results(&self, host: HostId) -> Vec<RuleState> {
        let now = (Timestamp::MAX, Timestamp::MAX);
        self.db.results_as_of((&self.tenant, host), now, None).await.unwrap()
    }

    pub(crate) async fn result(&self, host: HostId, rule: &str) -> RuleState {
        let rule = RuleId::parse(rule).unwrap();
        self.results(host).await.into_iter().find(|state| state.rule_id == rule).unwrap()
    }
}

/// TLW-03: N state rows and N log rows, all `first_seen`, none with a prior.
async fn a_first_scan_of_100_rules_writes_100_first_seen_rows(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    bench.scan(host, &all_pass(100), at(100)).await;
    let mut raw = bench.raw().await;
    assert_eq!(raw.number("SELECT count(*) FROM host_rule_state").await, 100);
    let first = "SELECT count(*) FROM transactions WHERE change_kind = 'first_seen' AND prior_status IS NULL
                 AND prior_severity IS NULL AND prior_value_digest IS NULL AND origin = 'scan'";
    assert_eq!(raw.number(first).await, 100);
    assert_eq!(raw.number("SELECT count(*) FROM transactions").await, 100);
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(a_first_scan_of_100_rules_writes_100_first_seen_rows);

/// TLW-03: a flip later is exactly one row, with both statuses.
async fn a_flip_writes_one_state_changed_row_with_both_statuses(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    bench.scan(host, &all_pass(100), at(100)).await;
    let mut found = all_pass(100);
    found[49].status = Fail;
    let done = bench.scan(host, &found, at(200)).await;
    let mut raw = bench.raw().await;
    let scan = done.scan.scan_id;
    let rows = raw
        .column(&format!(
            "SELECT rule_id || ' ' || change_kind || ' ' || prior_status || ' ' || status
             FROM transactions WHERE scan_id = '{scan}'"
        ))
        .await;
    assert_eq!(rows, ["r0050 state_changed pass fail"]);
}
on_each!(a_flip_writes_one_state_changed_row_with_both_statuses);

/// TLW-04: no log row; every rule's newest check and count move, in the answers and in the SQL view.
async fn an_identical_second_scan_writes_no_log_row_and_counts_every_check(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let first = bench.scan(host, &all_pass(100), at(100)).await;
    let second = bench.scan(host, &all_pass(100), at(200)).await;
    let mut raw = bench.raw().await;
    assert_eq!(raw.number("SELECT count(*) FROM transactions").await, 100);
    for state in bench.results(host).await {
        assert_eq!((state.last_checked_at, state.check_count), (at(200), 2), "{}", state.rule_id);
        assert_eq!((state.last_changed_at, state.scan_id), (at(100), first.scan.scan_id));
    }
    let moved = format!(
        "SELECT count(*) FROM host_rule_checked WHERE check_count = 2 AND last_checked_at = {}",
        at(200).as_micros()
    );
    assert_eq!(raw.number(&moved).await, 100);
    let posture = bench.db.find_host(&bench.tenant, host).await.unwrap().unwrap().posture.unwrap();
    assert_eq!((posture.last_checked_at, posture.last_scan_id), (Some(at(200)), Some(second.scan.scan_id)));
}
on_each!(an_identical_second_scan_writes_no_log_row_and_counts_every_check);

/// TLW-05: one `value_changed` row with both values; the verdict's own time stays where it was.
async fn another_value_with_the_same_verdict_moves_only_the_value_time(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    bench.scan(host, &findings(&[("minlen", Pass, "14")]), at(100)).await;
    bench.scan(host, &findings(&[("minlen", Pass, "16")]), at(200)).await;
    let old = &findings(&[("minlen", Pass, "14")])[0];
    let new = &findings(&[("minlen", Pass, "16")])[0];
    let page = Page { host_id: host, rule_id: None, after: at(100), until: at(200), before: None, limit: 10 };
    let rows = bench.db.list_changes(&bench.tenant, page).await.unwrap();
    assert_eq!(rows.len(), 1);
    let change = &rows[0].change;
    assert_eq!(change.change_kind, ChangeKind::ValueChanged);
    assert_eq!(change.prior_value_digest, Some(old.value_digest()));
    assert_eq!((change.value_digest, change.evidence_sha256), (new.value_digest(), new.evidence().sha256));
    let state = bench.result(host, "minlen").await;
    assert_eq!((state.last_changed_at, state.last_value_changed_at), (at(100), at(200)));
    let stored = bench.db.load_state(&bench.tenant, host).await.unwrap();
    let stored = stored.values().next().unwrap();
    assert_eq!(
        stored[6..],
        [("last_changed_at", at(100).to_string()), ("last_value_changed_at", at(200).to_string())]
    );
}
on_each!(another_value_with_the_same_verdict_moves_only_the_value_time);

/// TLW-02, TLW-15: every pair of (status, severity, value) before and after; the first that differs names
/// the row, and the two times move by their own rules.
async fn every_pair_of_results_writes_the_row_that_the_order_names(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let all: Vec<Finding> = [Pass, Fail, Skipped, Error, NotApplicable]
        .into_iter()
        .flat_map(|status| [Severity::High, Severity::Low].map(|severity| (status, severity)))
        .flat_map(|(status, severity)| ["v1", "v2"].map(|v| Finding::new("x", status, severity, v)))
        .collect();
    let pairs: Vec<(&Finding, &Finding)> = all.iter().flat_map(|a| all.iter().map(move |b| (a, b))).collect();
    let named = |i: usize, finding: &Finding| Finding {
        rule: RuleId::parse(&format!("pair{i}")).unwrap(),
        ..finding.clone()
    };
    let before: Vec<Finding> = pairs.iter().enumerate().map(|(i, pair)| named(i, pair.0)).collect();
    let after: Vec<Finding> = pairs.iter().enumerate().map(|(i, pair)| named(i, pair.1)).collect();
    bench.scan(host, &before, at(100)).await;
    let done = bench.scan(host, &after, at(200)).await;
    let mut raw = bench.raw().await;
    for (i, (old, new)) in pairs.iter().enumerate() {
        let rule = format!("pair{i}");
        let wanted = if old.status != new.status {
            vec!["state_changed"]
        } else if old.severity != new.severity {
            vec!["severity_changed"]
        } else if old.value != new.value {
            vec!["value_changed"]
        } else {
            vec![]
        };
        let scan = done.scan.scan_id;
        let rows = raw
            .column(&format!(
                "SELECT change_kind FROM transactions WHERE scan_id = '{scan}' AND rule_id = '{rule}'"
            ))
            .await;
        assert_eq!(rows, wanted, "{old:?} then {new:?}");
        let state = bench.result(host, &rule).await;
        let judged_same = old.status == new.status && old.severity == new.severity;
        let changed = if judged_same { at(100) } else { at(200) };
        let value_changed = if old.value == new.value { at(100) } else { at(200) };
        assert_eq!((state.last_changed_at, state.last_value_changed_at), (changed, value_changed));
    }
    check_state_equals_answers(&bench, host).await;
}
on_each!(every_pair_of_results_writes_the_row_that_the_order_names);

/// The stored state and the answer for now say the same (TLW-15).
async fn check_state_equals_answers(bench: &Bench, host: HostId) {
    let stored = bench.db.load_state(&bench.tenant, host).await.unwrap();
    let answers = bench.results(host).await;
    assert_eq!(stored.len(), answers.len());
    for state in answers {
        let row = StateRow {
            status: state.status,
            severity: state.severity,
            value_digest: state.value_digest,
            evidence_sha256: state.evidence_sha256,
            skip_reason: state.skip_reason,
            first_seen_at: state.first_seen_at,
            last_changed_at: state.last_changed_at,
            last_value_changed_at: state.last_value_changed_at,
        };
        assert_eq!(stored[state.rule_id.as_str()], row.texts());
    }
}

async fn writes_of_an_unchanged_rescan(on: On, rules: usize) -> (Vec<String>, Vec<String>) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    bench.scan(host, &all_pass(rules), at(100)).await;
    let mut raw = bench.raw().await;
    let bench = raw.count_writes(&bench).await;
    let begun = bench.begin(host, true, at(200)).await.unwrap();
    let batch = bench.batch(&begun.scan, &all_pass(rules), at(200)).await;
    let beginning = raw.take_writes().await;
    bench.apply(begun.fence, &batch, at(210)).await.unwrap();
    (beginning, raw.take_writes().await)
}

/// TLW-06: a constant number of rows, whatever the number of rules; the manifest is not stored again.
async fn an_unchanged_rescan_writes_the_same_few_rows_for_100_and_1000_rules(on: On) {
    let (begun_100, applied_100) = writes_of_an_unchanged_rescan(on, 100).await;
    let (begun_1000, applied_1000) = writes_of_an_unchanged_rescan(on, 1_000).await;
    assert_eq!(applied_100, applied_1000);
    assert_eq!(begun_100, begun_1000);
    assert!(applied_100.len() + begun_100.len() <= ROWS_MAX, "{begun_100:?} {applied_100:?}");
    assert!(!applied_100.iter().any(|write| write.ends_with(" manifests")), "{applied_100:?}");
    let rows = [
        "UPDATE host_locks",
        "UPDATE log_heads",
        "UPDATE host_rule_sets",
        "UPDATE host_posture",
        "UPDATE scan_runs",
        "INSERT audit_events",
        "INSERT log_entries",
        "INSERT log_entries",
    ];
    assert_eq!(applied_100, rows);
}
on_each!(an_unchanged_rescan_writes_the_same_few_rows_for_100_and_1000_rules);

/// TLW-08: what a host or a rule author wrote is data, whatever it looks like.
async fn hostile_texts_come_back_unchanged(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let hostile = [
        "'; DROP TABLE transactions; --",
        "\"$1\" ->> 0 \\u0000 \\",
        "[1,2]",
        "{\"a\":null}",
        "null",
        "12345678901234567890",
        "1e400",
        "\u{202e}\u{7f}\u{1f600}%_*?",
    ];
    let found: Vec<Finding> = hostile
        .iter()
        .map(|text| {
            let rule: String = text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
            Finding::new(&rule, Status::Fail, Severity::High, text)
        })
        .collect();
    let done: Done = bench.scan(host, &found, at(100)).await;
    let answers = bench.results(host).await;
    let mut rules: Vec<&str> = answers.iter().map(|state| state.rule_id.as_str()).collect();
    let mut wanted: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
    rules.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(rules, wanted);
    for evidence in &done.batch.evidence {
        assert_eq!(bench.evidence(evidence.sha256).await.as_deref(), Some(&evidence.bytes[..]));
    }
    let stored = bench.db.load_rule_set(&bench.tenant, done.batch.rule_set).await.unwrap();
    assert_eq!(stored.len(), found.len());
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(hostile_texts_come_back_unchanged);
