//! All or nothing: a write that fails anywhere leaves no trace, neither in a table nor in the log.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use model::RunStatus;
use model::Status::{Fail, Pass};
use model::record::HostRecord;

use crate::bench::{ACTOR, Bench, On, at};
use crate::story::{Begun, all_pass, findings};

/// More polls than any apply needs.
const POLLS_MAX: usize = 2_000;

/// TLW-01: the database refuses rule 50 of 100.
async fn a_refused_rule_50_of_100_leaves_no_row_and_no_entry(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let begun = bench.begin(host, true, at(100)).await.unwrap();
    let batch = bench.batch(&begun.scan, &all_pass(100), at(100)).await;
    let mut raw = bench.raw().await;
    let (before, size) = (bench.dump().await, bench.db.log_size(&bench.tenant).await.unwrap());
    raw.plant(("INSERT", "transactions"), "NEW.rule_id = 'r0050'").await;
    let err = bench.apply(begun.fence, &batch, at(110)).await.unwrap_err();
    assert!(err.to_string().contains("planted"), "{err}");
    assert_eq!(bench.dump().await, before);
    for table in ["transactions", "host_rule_state", "evidence", "manifests", "corpora", "rule_sets"] {
        assert_eq!(raw.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    assert_eq!(bench.db.log_size(&bench.tenant).await.unwrap(), size);

    let failed = bench.fail(&begun, at(120)).await.unwrap();
    assert_eq!(failed.status, RunStatus::Failed);
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(a_refused_rule_50_of_100_leaves_no_row_and_no_entry);

/// LED-10, TLW-01: whatever table refuses, an apply leaves every table and the log as they were.
async fn an_apply_that_any_table_refuses_leaves_everything_as_it_was(on: On) {
    let bench = Bench::on(on).await;
    let record = bench.host_record("web-1");
    let host = bench.put_host(&record, at(0)).await.unwrap().host_id;
    bench.scan(host, &findings(&[("r1", Pass, "v1")]), at(10)).await;
    let begun = bench.begin(host, true, at(100)).await.unwrap();
    let found = findings(&[("r1", Fail, "v2"), ("r2", Pass, "v1")]);
    let mut batch = bench.batch(&begun.scan, &found, at(100)).await;
    batch.corpus = crate::story::blob(b"another corpus");
    batch.host = Some(HostRecord { os_version: "13".to_owned(), ..record });
    let mut raw = bench.raw().await;
    let before = bench.dump().await;
    for (event, table) in WRITES {
        raw.plant((event, table), "true").await;
        let err = bench.apply(begun.fence, &batch, at(110)).await.unwrap_err();
        assert!(err.to_string().contains("planted"), "{event} {table}: {err}");
        raw.pull_out().await;
        assert_eq!(bench.dump().await, before, "{event} {table}");
    }
    let bench = raw.count_writes(&bench).await;
    bench.apply(begun.fence, &batch, at(110)).await.unwrap();
    let known: Vec<String> = WRITES.iter().map(|(event, table)| format!("{event} {table}")).collect();
    for write in raw.take_writes().await {
        assert!(known.contains(&write), "{write} is not tried above");
    }
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(an_apply_that_any_table_refuses_leaves_everything_as_it_was);

/// Every kind of write of an apply with changes, by table. An upsert fires both kinds on its way.
const WRITES: &[(&str, &str)] = &[
    ("INSERT", "audit_events"),
    ("INSERT", "corpora"),
    ("INSERT", "evidence"),
    ("UPDATE", "host_locks"),
    ("INSERT", "host_posture"),
    ("UPDATE", "host_posture"),
    ("INSERT", "host_rule_sets"),
    ("INSERT", "host_rule_state"),
    ("UPDATE", "host_rule_state"),
    ("INSERT", "hosts"),
    ("UPDATE", "hosts"),
    ("INSERT", "log_entries"),
    ("UPDATE", "log_heads"),
    ("INSERT", "manifests"),
    ("INSERT", "rule_sets"),
    ("UPDATE", "scan_runs"),
    ("INSERT", "transactions"),
];

/// LED-10: the same for the smaller writes: beginning, failing, saving a host, trusting a key.
async fn a_small_write_that_the_log_refuses_leaves_everything_as_it_was(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let begun = bench.begin(host, true, at(100)).await.unwrap();
    let other = bench.host("web-2").await;
    let before = bench.dump().await;
    let mut raw = bench.raw().await;
    raw.plant(("INSERT", "log_entries"), "true").await;
    bench.begin(other, true, at(110)).await.unwrap_err();
    bench.fail(&begun, at(110)).await.unwrap_err();
    bench.put_host(&bench.host_record("web-3"), at(110)).await.unwrap_err();
    bench.trust("web-1", "key-a", at(110)).await.unwrap_err();
    assert_eq!(bench.dump().await, before);
    raw.pull_out().await;
    bench.begin(other, true, at(110)).await.unwrap();
}
on_each!(a_small_write_that_the_log_refuses_leaves_everything_as_it_was);

/// LED-10: a caller that goes away at any await leaves all of the scan or nothing of it.
async fn an_apply_that_is_dropped_at_any_await_leaves_all_or_nothing(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let (mut outcomes, mut polls) = ((0, 0), 0);
    for attempt in 1..POLLS_MAX {
        polls += 1;
        let second = i64::try_from(attempt).unwrap() * 100;
        let begun = bench.begin(host, true, at(second)).await.unwrap();
        let value = format!("v{attempt}");
        let batch = bench.batch(&begun.scan, &findings(&[("r1", Pass, &value)]), at(second)).await;
        let before = bench.dump().await;
        let size = bench.db.log_size(&bench.tenant).await.unwrap();
        let mut nonces = bench.nonces();
        let apply = bench.db.apply((&bench.tenant, ACTOR), begun.fence, &batch, at(second + 10), &mut nonces);
        let finished = polled(apply, polls).await;
        // A write of our own waits for the connection, and with it for the roll back.
        bench.db.saw_key(&bench.tenant, ("nowhere", 22, "none"), at(second)).await.unwrap();
        let scan = bench.db.find_scan(&bench.tenant, begun.scan.scan_id).await.unwrap().unwrap();
        if scan.status == RunStatus::Completed {
            outcomes.0 += 1;
            assert_eq!(bench.db.log_size(&bench.tenant).await.unwrap(), size + 3);
        } else {
            outcomes.1 += 1;
            assert_eq!(bench.dump().await, before, "after {polls} polls");
            cancel(&bench, &begun, second + 20).await;
        }
        // Where every answer was there when it was asked for, the first poll was the last.
        match (finished, outcomes.1) {
            (true, 0) => polls = 0,
            (true, _) => break,
            (false, _) => {}
        }
    }
    assert!(outcomes.0 >= 1 && outcomes.1 >= 1, "{outcomes:?}");
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(an_apply_that_is_dropped_at_any_await_leaves_all_or_nothing);

async fn cancel(bench: &Bench, begun: &Begun, second: i64) {
    bench.fail(begun, at(second)).await.unwrap();
}

/// Polls a future so many times and then drops it; returns whether it was done.
async fn polled<F: Future>(future: F, polls: usize) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
