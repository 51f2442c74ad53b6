//! Answers as of two instants equal a replayed model, and never change afterwards.

use model::HostId;
use model::Status::{Error, Fail, NotApplicable, Pass};
use model::record::{Manifest, ManifestItem};
use model::{Severity, Timestamp};
use store::blobs::Store;
use store::posture::RuleState;

use crate::bench::{Bench, On, at};
use crate::naive::{Naive, snapshot};
use crate::story::{Done, Finding, all_pass, findings};

impl Bench {
    async fn as_of(&self, host: HostId, valid_at: Timestamp, recorded_at: Timestamp) -> Vec<RuleState> {
        self.db.results_as_of((&self.tenant, host), (valid_at, recorded_at), None).await.unwrap()
    }
}

/// Five scans: first seen, flip, value, severity, retired and new rules; one of them covers a part only.
async fn five_scans(bench: &Bench, host: HostId) -> Naive {
    let scans = [
        (true, findings(&[("r1", Pass, "v1"), ("r2", Fail, "v1"), ("r3", Pass, "v1")])),
        (true, findings(&[("r1", Fail, "v2"), ("r2", Fail, "v2"), ("r3", Pass, "v1")])),
        (false, vec![Finding::new("r2", Fail, Severity::Critical, "v2")]),
        (true, findings(&[("r1", Fail, "v2"), ("r4", NotApplicable, "v1")])),
        (true, findings(&[("r1", Pass, "v1"), ("r3", Error, "v9"), ("r4", Pass, "v1")])),
    ];
    let mut naive = Naive::default();
    for (second, (is_full, found)) in (1_000..).step_by(1_000).zip(&scans) {
        let done = if *is_full {
            bench.scan(host, found, at(second)).await
        } else {
            bench.partial(host, found, at(second)).await
        };
        naive.take(&done, found);
    }
    naive
}

/// Every boundary, and the microsecond before and after it.
fn around(boundaries: &[Timestamp]) -> Vec<Timestamp> {
    boundaries.iter().flat_map(|at| [-1, 0, 1].map(|micros| at.plus_micros(micros))).collect()
}

/// POS-10: both axes at every instant around each of five scans; at or before counts.
async fn answers_around_each_boundary_of_five_scans_equal_a_replayed_model(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let naive = five_scans(&bench, host).await;
    let mut compared = 0;
    for valid_at in around(&naive.boundaries()) {
        for recorded_at in around(&naive.boundaries()) {
            let answer = snapshot(&bench.as_of(host, valid_at, recorded_at).await);
            assert_eq!(answer, naive.as_of(valid_at, recorded_at), "{valid_at} known at {recorded_at}");
            compared += 1;
        }
    }
    assert_eq!(compared, 30 * 30);
    assert_eq!(naive.newest().len(), 4);
}
on_each!(answers_around_each_boundary_of_five_scans_equal_a_replayed_model);

/// POS-10: nothing is known before the first scan, nor by anybody who had not recorded it yet.
async fn nothing_is_known_before_the_first_scan(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let naive = five_scans(&bench, host).await;
    let [measured, recorded] = naive.boundaries()[..2] else { panic!("no scan") };
    assert!(bench.as_of(host, measured.plus_micros(-1), Timestamp::MAX).await.is_empty());
    assert!(bench.as_of(host, Timestamp::MAX, recorded.plus_micros(-1)).await.is_empty());
    assert_eq!(bench.as_of(host, measured, recorded).await.len(), 3);
    let full = |at| bench.db.find_full_scan(&bench.tenant, host, at);
    assert!(full((measured.plus_micros(-1), Timestamp::MAX)).await.unwrap().is_none());
    assert!(full((measured, recorded)).await.unwrap().is_some());
}
on_each!(nothing_is_known_before_the_first_scan);

/// POS-12: the newest check is the newest at or before the instant; a silent week adds none.
async fn a_silent_week_is_not_a_check(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    bench.scan(host, &findings(&[("r1", Pass, "v1")]), at(100)).await;
    bench.scan(host, &findings(&[("r1", Pass, "v1")]), at(200)).await;
    let begun = bench.begin(host, true, at(300)).await.unwrap();
    bench.fail(&begun, at(310)).await.unwrap();
    let week = at(200 + 7 * 86_400);
    for (instant, checked, count) in [(at(199), at(100), 1), (at(200), at(200), 2), (week, at(200), 2)] {
        let answer = bench.as_of(host, instant, Timestamp::MAX).await;
        assert_eq!((answer[0].last_checked_at, answer[0].check_count), (checked, count), "{instant}");
    }
}
on_each!(a_silent_week_is_not_a_check);

/// POS-13: stored answers, asked again after 30 more scans and the host's removal, are the same.
async fn answers_for_past_instants_never_change(on: On) {
    let bench = Bench::on(on).await;
    let record = bench.host_record("web-1");
    let host = bench.put_host(&record, at(0)).await.unwrap().host_id;
    let naive = five_scans(&bench, host).await;
    let instants = naive.boundaries();
    let mut before = Vec::new();
    for valid_at in &instants {
        for recorded_at in &instants {
            before.push((*valid_at, *recorded_at, bench.as_of(host, *valid_at, *recorded_at).await));
        }
    }
    for n in 0..30 {
        let value = format!("v{n}");
        let found = findings(&[("r1", Fail, &value), ("r9", Pass, "v1")]);
        bench.scan(host, &found, at(10_000 + n * 100)).await;
    }
    let removed = model::record::HostRecord { removed_at: Some(at(50_000)), ..record };
    bench.put_host(&removed, at(50_000)).await.unwrap();
    assert_eq!(before.len(), 100);
    for (valid_at, recorded_at, answer) in before {
        assert_eq!(bench.as_of(host, valid_at, recorded_at).await, answer);
    }
}
on_each!(answers_for_past_instants_never_change);

/// Everything a scan found, from its manifest and the log alone.
async fn read_back(bench: &Bench, done: &Done) -> Vec<(ManifestItem, Vec<u8>)> {
    let scan = bench.db.find_scan(&bench.tenant, done.scan.scan_id).await.unwrap().unwrap();
    let manifest = scan.manifest_sha256.unwrap();
    let manifest = bench.db.find_blob(&bench.tenant, Store::Manifests, manifest).await.unwrap().unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    let at = (scan.measured_at.unwrap(), scan.recorded_at.unwrap());
    let host = (&bench.tenant, scan.host_id);
    let states = bench.db.results_as_of(host, at, scan.rule_set_sha256).await.unwrap();
    assert_eq!(states.len(), manifest.results.len());
    let mut results = Vec::new();
    for (item, state) in manifest.results.into_iter().zip(states) {
        assert_eq!(item.rule_id, state.rule_id);
        assert_eq!(
            (item.status, item.severity, item.value_digest, item.rule_digest),
            (state.status, state.severity, state.value_digest, state.rule_digest)
        );
        results.push((item, bench.evidence(state.evidence_sha256).await.unwrap()));
    }
    results
}

/// TLW-29: scan 1 of 30 reads as it was reported, after 29 more.
async fn all_results_of_the_first_of_30_scans_come_from_manifest_and_log(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let mut found = all_pass(20);
    found[3].status = Fail;
    let mut scans: Vec<(Done, Vec<Finding>)> = Vec::new();
    for n in 0..30_usize {
        let rule = n % found.len();
        found[rule].status = if n % 3 == 0 { Fail } else { Pass };
        found[rule].value = format!("v{n}");
        let second = i64::try_from(n).unwrap() * 100;
        scans.push((bench.scan(host, &found, at(1_000 + second)).await, found.clone()));
    }
    for (done, found) in [&scans[0], &scans[14], &scans[29]] {
        let results = read_back(&bench, done).await;
        assert_eq!(results.len(), found.len());
        for ((item, evidence), finding) in results.iter().zip(found) {
            assert_eq!(
                (&item.rule_id, item.status, item.severity, item.value_digest),
                (&finding.rule, finding.status, finding.severity, finding.value_digest())
            );
            // The value is the last one found, and so is the sentence about it.
            assert_eq!(*evidence, finding.evidence().bytes);
        }
    }
    let mut raw = bench.raw().await;
    let tables = raw.tables().await;
    assert!(!tables.iter().any(|table| table.contains("baseline") || table == "results"), "{tables:?}");
}
on_each!(all_results_of_the_first_of_30_scans_come_from_manifest_and_log);

/// POS-06: a rule that the next full scan leaves out stops counting and keeps its history; a partial scan
/// makes nothing vanish.
async fn only_the_current_corpus_votes_and_history_stays(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let rules = "SELECT rule_id FROM host_rule_state_current ORDER BY rule_id";
    bench.scan(host, &findings(&[("r1", Pass, "v1"), ("r2", Fail, "v1")]), at(100)).await;
    bench.partial(host, &findings(&[("r2", Pass, "v2"), ("r9", Fail, "v1")]), at(200)).await;
    let mut raw = bench.raw().await;
    assert_eq!(raw.column(rules).await, ["r1", "r2"]);
    bench.scan(host, &findings(&[("r2", Pass, "v2"), ("r3", Pass, "v1")]), at(300)).await;
    assert_eq!(raw.column(rules).await, ["r2", "r3"]);
    let posture = bench.db.find_host(&bench.tenant, host).await.unwrap().unwrap().posture.unwrap();
    let now = (Timestamp::MAX, Timestamp::MAX);
    let current = bench.db.results_as_of((&bench.tenant, host), now, posture.current_rule_set).await.unwrap();
    let current: Vec<&str> = current.iter().map(|state| state.rule_id.as_str()).collect();
    assert_eq!(current, ["r2", "r3"]);
    assert_eq!(bench.result(host, "r1").await.last_checked_at, at(100));
}
on_each!(only_the_current_corpus_votes_and_history_stays);
