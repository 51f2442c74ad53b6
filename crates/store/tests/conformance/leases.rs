//! One scan of a host at a time: the lease, its fencing token, and what a dead holder leaves behind.

use model::Status::Pass;
use model::{FailureReason, HostId, RunStatus};
use store::StoreError;
use store::locks::Claim;

use crate::bench::{Bench, On, at};
use crate::story::{Begun, LEASE_US, findings};

impl Bench {
    /// Begins a scan as another process that believes of some holders that they are gone.
    async fn begin_as(
        &self,
        host: HostId,
        (holder, gone): (&str, &'static str),
        second: i64,
    ) -> Result<Begun, StoreError> {
        let now = at(second);
        let scan = self.scan_record(host, true, now);
        let audit = self.audit("scan.requested", &format!("scan:{}", scan.scan_id));
        let claim = Claim { host_id: host, holder, purpose: "scan", now, until: now.plus_micros(LEASE_US) };
        let is_gone = move |holder: &str| holder == gone;
        let by = (&self.tenant, &audit);
        let fence = self.db.begin_scan(by, &claim, &scan, &is_gone, &mut self.nonces()).await?;
        Ok(Begun { scan, fence })
    }
}

/// JOB-17: the second claim is told who holds the host and until when, and writes nothing.
async fn a_second_claim_is_busy_at_once_and_writes_nothing(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let other = bench.host("web-2").await;
    bench.begin_as(host, ("a", ""), 100).await.unwrap();
    let before = bench.dump().await;
    let second = bench.second_handle().await;
    match second.begin_as(host, ("b", "not a"), 699).await.unwrap_err() {
        StoreError::HostBusy { holder, until } => {
            assert_eq!((holder.as_str(), until), ("a", at(100).plus_micros(LEASE_US)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.dump().await, before);
    second.begin_as(other, ("b", ""), 120).await.unwrap();
}
on_each!(a_second_claim_is_busy_at_once_and_writes_nothing);

/// JOB-17: of many claims at once through two handles one gets the host.
async fn of_ten_claims_at_once_one_gets_the_host(on: On) {
    let first = Bench::on(on).await;
    let second = first.second_handle().await;
    let host = first.host("web-1").await;
    let mut claims = tokio::task::JoinSet::new();
    for n in 0..10 {
        let bench = if n % 2 == 0 { first.clone() } else { second.clone() };
        claims.spawn(async move { bench.begin_as(host, ("somebody", ""), 100).await });
    }
    let (mut got, mut busy) = (0, 0);
    while let Some(claim) = claims.join_next().await {
        match claim.unwrap() {
            Ok(_) => got += 1,
            Err(StoreError::HostBusy { .. }) => busy += 1,
            Err(err) => panic!("{err:?}"),
        }
    }
    assert_eq!((got, busy), (1, 9));
}
on_each!(of_ten_claims_at_once_one_gets_the_host, 4);

async fn check_stale(bench: &Bench, stale: &Begun) {
    let batch = bench.batch(&stale.scan, &findings(&[("r1", Pass, "stale")]), at(900)).await;
    let before = bench.dump().await;
    assert!(!bench.db.holds(&bench.tenant, stale.fence).await.unwrap());
    let err = bench.apply(stale.fence, &batch, at(910)).await.unwrap_err();
    assert!(matches!(err, StoreError::StaleFence), "{err:?}");
    let err = bench.fail(stale, at(910)).await.unwrap_err();
    assert!(matches!(err, StoreError::StaleFence), "{err:?}");
    assert_eq!(bench.dump().await, before);
}

async fn check_abandoned(bench: &Bench, left: &Begun, ended_at: i64) {
    let run = bench.db.find_scan(&bench.tenant, left.scan.scan_id).await.unwrap().unwrap();
    assert_eq!(run.status, RunStatus::Failed);
    assert_eq!(run.failure_reason, Some(FailureReason::Abandoned));
    assert_eq!(run.finished_at, Some(at(ended_at)));
    let mut raw = bench.raw().await;
    let said = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'scan.abandoned' AND subject = 'scan:{}'",
        left.scan.scan_id
    );
    assert_eq!(raw.number(&said).await, 1);
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}

/// JOB-19, JOB-18: a lease that ran out is free at that instant, not before; the late holder writes nothing.
async fn a_lease_that_ran_out_is_free_and_its_late_holder_writes_nothing(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let late = bench.begin_as(host, ("a", ""), 100).await.unwrap();
    assert!(bench.db.holds(&bench.tenant, late.fence).await.unwrap());
    bench.begin_as(host, ("b", ""), 699).await.unwrap_err();
    let next = bench.begin_as(host, ("b", ""), 700).await.unwrap();
    assert!(next.fence.token > late.fence.token);
    check_abandoned(&bench, &late, 700).await;
    check_stale(&bench, &late).await;
    // Also when the one that took over has finished and the host is free.
    let batch = bench.batch(&next.scan, &findings(&[("r1", Pass, "v1")]), at(800)).await;
    bench.apply(next.fence, &batch, at(810)).await.unwrap();
    check_stale(&bench, &late).await;
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}
on_each!(a_lease_that_ran_out_is_free_and_its_late_holder_writes_nothing);

/// JOB-19: a holder that is known to be dead does not keep the host until its lease ends.
async fn the_lease_of_a_dead_holder_is_free_at_once(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let dead = bench.begin_as(host, ("a", ""), 100).await.unwrap();
    bench.begin_as(host, ("b", "a"), 101).await.unwrap();
    check_abandoned(&bench, &dead, 101).await;
    check_stale(&bench, &dead).await;
}
on_each!(the_lease_of_a_dead_holder_is_free_at_once);

/// JOB-18: an apply under the lease of another host, or of another run of the host, writes nothing.
async fn a_fence_of_another_host_or_run_writes_nothing(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let other = bench.host("web-2").await;
    let begun = bench.begin_as(host, ("a", ""), 100).await.unwrap();
    let elsewhere = bench.begin_as(other, ("a", ""), 100).await.unwrap();
    let batch = bench.batch(&begun.scan, &findings(&[("r1", Pass, "v1")]), at(110)).await;
    let before = bench.dump().await;
    let err = bench.apply(elsewhere.fence, &batch, at(120)).await.unwrap_err();
    assert!(matches!(err, StoreError::StaleFence), "{err:?}");
    let crossed = Begun { scan: begun.scan.clone(), fence: elsewhere.fence };
    let err = bench.fail(&crossed, at(120)).await.unwrap_err();
    assert!(matches!(err, StoreError::StaleFence), "{err:?}");
    assert_eq!(bench.dump().await, before);
}
on_each!(a_fence_of_another_host_or_run_writes_nothing);

/// JOB-19: an ended scan gives the host back, completed or failed.
async fn an_ended_scan_gives_the_host_back(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    bench.scan(host, &findings(&[("r1", Pass, "v1")]), at(100)).await;
    let begun = bench.begin(host, true, at(120)).await.unwrap();
    bench.fail(&begun, at(130)).await.unwrap();
    let third = bench.begin(host, true, at(140)).await.unwrap();
    assert_eq!(third.fence.token, 3);
}
on_each!(an_ended_scan_gives_the_host_back);
