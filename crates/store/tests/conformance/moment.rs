//! A snapshot answers from one moment on all its connections, however much is written meanwhile (LED-27).

use tokio::sync::oneshot::error::TryRecvError;

use crate::bench::{Bench, On};

/// Reads the size of the log and the number of hosts, each on whatever connection is free.
async fn seen(bench: &Bench) -> (u64, usize) {
    let size = bench.db.log_size(&bench.tenant).await.unwrap();
    (size, bench.db.list_hosts(&bench.tenant).await.unwrap().len())
}

/// So many moments are looked at while the other process writes.
const MOMENTS: usize = 12;

/// The other process stops by itself after so many hosts, if nobody ends it.
const MOST_HOSTS: usize = 10_000;

async fn a_snapshot_answers_from_one_moment_while_another_process_writes(on: On) {
    let bench = Bench::on(on).await;
    let writer = bench.second_handle().await;
    let (enough, mut told) = tokio::sync::oneshot::channel();
    let writing = tokio::spawn(async move {
        let mut hosts = 0;
        while hosts < MOST_HOSTS && told.try_recv() == Err(TryRecvError::Empty) {
            writer.host(&format!("host-{hosts}")).await;
            hosts += 1;
        }
        hosts
    });
    let mut moments = Vec::new();
    // The last moment is not that of the first: something was written in between.
    while moments.len() < MOMENTS || moments.first() == moments.last() {
        let moment = bench.through(bench.db.snapshot().await.unwrap());
        let first = seen(&moment).await;
        let both = tokio::join!(seen(&moment), seen(&moment), seen(&moment));
        assert_eq!(both, (first, first, first));
        // A host is saved with two entries, its own and that of the audit.
        assert_eq!(first.0, 1 + 2 * first.1 as u64, "the log and the hosts are of one moment");
        moment.db.end_snapshot().await;
        moments.push(first.1);
        assert!(!writing.is_finished(), "the other process writes until it is told: {moments:?}");
    }
    enough.send(()).unwrap();
    let hosts = writing.await.unwrap();
    assert!(moments.is_sorted(), "{moments:?}");
    let size = 1 + 2 * hosts as u64;
    let end = bench.through(bench.db.snapshot().await.unwrap());
    assert_eq!(seen(&end).await, (size, hosts));
    end.db.end_snapshot().await;
    // What it was taken of goes on.
    bench.host("one more").await;
    assert_eq!(seen(&bench).await, (size + 2, hosts + 1));
}
on_each!(a_snapshot_answers_from_one_moment_while_another_process_writes, 2);
