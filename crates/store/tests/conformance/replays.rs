//! Applying the same scan again changes nothing (TLW-10).

use model::Status::{Fail, Pass};
use store::apply::Applied;

use crate::bench::{Bench, On, at};
use crate::story::{Done, all_pass, findings};

/// How many replays run at once.
const REPLAYS: usize = 10;

async fn check_replays(bench: &Bench, done: &Done) {
    let before = bench.dump().await;
    for later in 1..=3 {
        let again = bench.apply(done.fence, &done.batch, at(10_000 + later)).await.unwrap();
        assert_eq!(again, Applied::Before(done.scan.clone()));
    }
    assert_eq!(bench.dump().await, before);
    let second = bench.second_handle().await;
    let mut replays = tokio::task::JoinSet::new();
    for n in 0..REPLAYS {
        let bench = if n % 2 == 0 { bench.clone() } else { second.clone() };
        let done = done.clone();
        replays.spawn(async move { bench.apply(done.fence, &done.batch, at(20_000)).await.unwrap() });
    }
    while let Some(again) = replays.join_next().await {
        assert_eq!(again.unwrap(), Applied::Before(done.scan.clone()));
    }
    assert_eq!(bench.dump().await, before);
}

/// TLW-10: a scan that changed something, one that changed nothing, and an old one after newer ones.
async fn replayed_scans_change_nothing_one_by_one_or_ten_at_once(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let first = bench.scan(host, &all_pass(20), at(100)).await;
    check_replays(&bench, &first).await;
    let unchanged = bench.scan(host, &all_pass(20), at(200)).await;
    check_replays(&bench, &unchanged).await;
    let changed = bench.scan(host, &findings(&[("r0001", Fail, "v2")]), at(300)).await;
    check_replays(&bench, &changed).await;
    check_replays(&bench, &first).await;
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(replayed_scans_change_nothing_one_by_one_or_ten_at_once, 4);

/// TLW-10: ten first applies of one scan at once, through two handles: one writes.
async fn ten_applies_of_one_scan_at_once_write_it_once(on: On) {
    let bench = Bench::on(on).await;
    let second = bench.second_handle().await;
    let host = bench.host("web-1").await;
    let begun = bench.begin(host, true, at(100)).await.unwrap();
    let batch = bench.batch(&begun.scan, &findings(&[("r1", Pass, "v1")]), at(100)).await;
    let mut applies = tokio::task::JoinSet::new();
    for n in 0..REPLAYS {
        let bench = if n % 2 == 0 { bench.clone() } else { second.clone() };
        let (fence, batch) = (begun.fence, batch.clone());
        applies.spawn(async move { bench.apply(fence, &batch, at(110)).await.unwrap() });
    }
    let mut written = 0;
    while let Some(applied) = applies.join_next().await {
        written += usize::from(matches!(applied.unwrap(), Applied::Now(_)));
    }
    assert_eq!(written, 1);
    assert_eq!(bench.result(host, "r1").await.check_count, 1);
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(ten_applies_of_one_scan_at_once_write_it_once, 4);
