//! A server that cuts connections, ends work or lets wait: what is said, and what is left (ERR-01, LED-10).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::Status::{Fail, Pass};
use store::{Class, Db, Login, StoreError};
use tokio::task::JoinSet;

use crate::bench::{Bench, EVERYDAY, Home, On, at, server};
use crate::raw::Raw;
use crate::story::findings;

/// Scans of each writer, at least.
const SCANS: i64 = 20;
/// Scans that were cut off, of all writers, at least.
const CUTS: i64 = 6;
/// Most attempts at one scan.
const TRIES_MAX: i64 = 200;

/// Returns the class of what went wrong in the database.
fn class(err: &StoreError) -> Class {
    match err {
        StoreError::Open { problem, .. } | StoreError::Database { problem, .. } => problem.class(),
        other => panic!("{other}"),
    }
}

/// Scans, and says whether it was acknowledged.
async fn scan(bench: &Bench, host: model::HostId, second: i64) -> Result<(), StoreError> {
    let begun = bench.begin(host, true, at(second)).await?;
    let found = findings(&[("r1", Pass, &format!("v{second}")), ("r2", Fail, "v")]);
    let batch = bench.batch(&begun.scan, &found, at(second)).await;
    bench.apply(begun.fence, &batch, at(second)).await.map(|_applied| ())
}

/// ERR-01, LED-10: connections are cut over and over while three tenants write. Each failure is transient, each answered
/// scan is there, each unanswered one is wholly there or not at all, and every log verifies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn err_01_cut_connections_lose_nothing_that_was_acknowledged() {
    let bench = Bench::on(On::Postgres).await;
    let tenants = [bench.clone(), bench.other_tenant("b").await, bench.other_tenant("c").await];
    let mut hosts = Vec::new();
    for tenant in &tenants {
        hosts.push(tenant.host("web-1").await);
    }
    let all_cuts = Arc::new(AtomicI64::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for (tenant, host) in tenants.iter().cloned().zip(hosts.clone()) {
        let all_cuts = Arc::clone(&all_cuts);
        writers.spawn(async move {
            let (mut answered, mut second) = (0, 100);
            for _try in 0..TRIES_MAX {
                if answered >= SCANS && all_cuts.load(Ordering::SeqCst) >= CUTS {
                    break;
                }
                // A lease that a cut left behind runs out.
                second += 1_000;
                match tokio::spawn({
                    let tenant = tenant.clone();
                    async move { scan(&tenant, host, second).await }
                })
                .await
                {
                    Ok(Ok(())) => answered += 1,
                    Ok(Err(err)) => {
                        assert_eq!(class(&err), Class::Transient, "{err:?}");
                        all_cuts.fetch_add(1, Ordering::SeqCst);
                    }
                    // Reading for the next batch unwraps.
                    Err(_panicked) => {
                        all_cuts.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
            answered
        });
    }
    let mut raw = bench.raw().await;
    let mut ended = Vec::new();
    while !writers.is_empty() {
        if let Ok(Some(done)) = tokio::time::timeout(Duration::from_millis(60), writers.join_next()).await {
            ended.push(done.unwrap());
        }
        raw.number(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.4",
        )
        .await;
    }
    let cuts = all_cuts.load(Ordering::SeqCst);
    assert!(
        cuts >= CUTS && ended.iter().all(|answered| *answered >= SCANS),
        "{cuts} cut, {ended:?} answered"
    );
    for (tenant, host) in tenants.iter().zip(hosts) {
        let again = tenant.second_handle().await;
        assert_eq!(again.ledger_problems().await, Vec::<String>::new());
        let scans = again.db.list_scans(&again.tenant, host).await.unwrap();
        // One that was cut off at its very end may have been applied all the same.
        let completed = scans.iter().filter(|scan| scan.status == model::RunStatus::Completed).count();
        assert!(completed >= usize::try_from(SCANS).unwrap(), "{completed}");
        assert_eq!(again.result(host, "r2").await.check_count, completed as u64);
    }
}

/// ERR-01, DBS-16: a lock that somebody keeps, and connections that are all taken, are told as transient after the time we wait.
#[tokio::test]
async fn err_01_a_lock_that_is_kept_is_transient() {
    let bench = Bench::on(On::Postgres).await;
    let mut raw = bench.raw().await;
    raw.run("BEGIN; LOCK TABLE hosts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let err = bench.put_host(&bench.host_record("web-1"), at(10)).await.unwrap_err();
    assert_eq!(class(&err), Class::Transient, "{err:?}");
    raw.run("ROLLBACK").await.unwrap();
    // Where this machine stands still for 5 s, the server ends the transaction: transient as well (DBS-16).
    for attempts_left in (0..5).rev() {
        match bench.put_host(&bench.host_record("web-1"), at(10)).await {
            Ok(_host) => break,
            Err(err) => assert!(attempts_left > 0 && class(&err) == Class::Transient, "{err:?}"),
        }
    }
    assert!(bench.ledger_problems().await.is_empty());
}

/// The connections of the product to this database, as the server shows them.
const OURS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'plumb'";
/// Most times that a test looks at them, each of which is a round trip.
const LOOKS_MAX: usize = 20_000;

/// Looks at the server until it shows a number, and returns what it showed last.
async fn seen(eyes: &mut Raw, sql: &str, wanted: i64) -> i64 {
    let mut number = eyes.number(sql).await;
    for _look in 0..LOOKS_MAX {
        if number == wanted {
            break;
        }
        number = eyes.number(sql).await;
    }
    number
}

/// DBS-15, ERR-01: as many connections are made as are kept and as are for a peak. Who gets none of them in time is told so,
/// and may try again; those of the peak are closed when they are given back.
#[tokio::test]
async fn dbs_15_connections_of_a_peak_are_closed_and_who_gets_none_is_told() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("a server was asked for") };
    bench.db.close().await;
    let five = server(database.name(), EVERYDAY);
    let five = five.connections(3).overflow(2).acquire_limit(Duration::from_secs(1));
    let small = bench.through(Db::connect(&five, Login::Everyday).await.unwrap());
    let (mut raw, mut eyes) = (bench.raw().await, bench.raw().await);
    raw.run("BEGIN; LOCK TABLE hosts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut held = JoinSet::new();
    for name in ["web-1", "web-2", "web-3", "web-4", "web-5"] {
        let small = small.clone();
        held.spawn(async move { small.put_host(&small.host_record(name), at(10)).await });
    }
    let waiting = format!("SELECT count(*) {OURS} AND wait_event_type = 'Lock'");
    assert_eq!(seen(&mut eyes, &waiting, 5).await, 5);
    let err = small.db.find_tenant("default").await.unwrap_err();
    assert_eq!(class(&err), Class::Transient, "{err:?}");
    let told = "could not read the tenant: none of the 5 connections of this process was free within 1 s";
    assert_eq!(err.to_string(), told);
    let all = format!("SELECT count(*) {OURS}");
    assert_eq!(eyes.number(&all).await, 5);
    raw.run("ROLLBACK").await.unwrap();
    while let Some(done) = held.join_next().await {
        if let Err(err) = done.unwrap() {
            // Where this machine stands still for 5 s, the wait for the lock is over as well (DBS-16).
            assert_eq!(class(&err), Class::Transient, "{err:?}");
        }
    }
    assert_eq!(seen(&mut eyes, &all, 3).await, 3);
    for _time in 0..10 {
        assert!(small.db.find_tenant("default").await.unwrap().is_some());
    }
    // One that was made while others were on their way back is closed as well.
    assert_eq!(seen(&mut eyes, &all, 3).await, 3, "those that are kept stay");
    // One that the server ended is noticed before it is used.
    eyes.number(&format!("SELECT count(pg_terminate_backend(pid)) {OURS}")).await;
    assert!(small.db.find_tenant("default").await.unwrap().is_some());
    eyes.number(&format!("SELECT count(pg_terminate_backend(pid)) {OURS}")).await;
    small.put_host(&small.host_record("web-6"), at(10)).await.unwrap();
}

/// DBS-15: whoever waits for a connection gets it when it is given back, also where it was the last one's next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dbs_15_nobody_waits_for_a_connection_that_lies_ready() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("a server was asked for") };
    bench.db.close().await;
    let one =
        server(database.name(), EVERYDAY).connections(1).overflow(0).acquire_limit(Duration::from_secs(5));
    let one = Db::connect(&one, Login::Everyday).await.unwrap();
    // Who is forgotten is told so only where nobody else comes by, so each round ends.
    for _round in 0..300 {
        let mut three = JoinSet::new();
        for _reader in 0..3 {
            let one = one.clone();
            three.spawn(async move { one.find_tenant("default").await });
        }
        while let Some(found) = three.join_next().await {
            assert!(found.unwrap().unwrap().is_some());
        }
    }
    one.close().await;
}

/// DBS-15: a connection is used up to its age, and another takes its place.
#[tokio::test]
async fn dbs_15_a_connection_that_is_too_old_is_replaced_by_another() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("a server was asked for") };
    bench.db.close().await;
    let mut eyes = bench.raw().await;
    // The oldest age that a test can wait for, the youngest that may be set, and none at all.
    for (age, is_replaced) in
        [(Duration::from_millis(300), true), (Duration::from_secs(60), false), (Duration::ZERO, true)]
    {
        let aged = server(database.name(), EVERYDAY).connections(1).overflow(0).age_max(age);
        let aged = Db::connect(&aged, Login::Everyday).await.unwrap();
        assert!(aged.find_tenant("default").await.unwrap().is_some());
        let pids = format!("SELECT coalesce(max(pid), 0) {OURS}");
        let before = eyes.number(&pids).await;
        // What is tested is the passing of time.
        eyes.run("SELECT pg_sleep(0.4)").await.unwrap();
        assert!(aged.find_tenant("default").await.unwrap().is_some());
        if is_replaced {
            let same = format!("SELECT count(*) {OURS} AND pid = {before}");
            assert_eq!(seen(&mut eyes, &same, 0).await, 0, "{age:?}");
        } else {
            assert_eq!(eyes.number(&pids).await, before, "{age:?}");
        }
        aged.close().await;
    }
}

/// ERR-02: a taken name is a conflict on both databases, and said as that.
async fn err_02_a_taken_name_is_a_conflict(on: On) {
    let bench = Bench::on(on).await;
    bench.host("web-1").await;
    let err = bench.put_host(&bench.host_record("web-1"), at(10)).await.unwrap_err();
    assert!(matches!(err, StoreError::Exists { .. }), "{err:?}");
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(err_02_a_taken_name_is_a_conflict);
