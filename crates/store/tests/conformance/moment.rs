//! A snapshot answers from one moment on all its connections, however much is written meanwhile (LED-27).

use crate::bench::{Bench, On};

/// Reads the size of the log and the number of hosts, each on whatever connection is free.
async fn seen(bench: &Bench) -> (u64, usize) {
    let size = bench.db.log_size(&bench.tenant).await.unwrap();
    (size, bench.db.list_hosts(&bench.tenant).await.unwrap().len())
}

async fn a_snapshot_answers_from_one_moment_while_another_process_writes(on: On) {
    let bench = Bench::on(on).await;
    let writer = bench.second_handle().await;
    let writing = tokio::spawn(async move {
        for number in 0..200 {
            writer.host(&format!("host-{number}")).await;
        }
    });
    let mut moments = Vec::new();
    while !writing.is_finished() {
        let moment = bench.through(bench.db.snapshot().await.unwrap());
        let first = seen(&moment).await;
        let both = tokio::join!(seen(&moment), seen(&moment), seen(&moment));
        assert_eq!(both, (first, first, first));
        // A host is saved with two entries, its own and that of the audit.
        assert_eq!(first.0, 1 + 2 * first.1 as u64, "the log and the hosts are of one moment");
        moment.db.end_snapshot().await;
        moments.push(first.1);
    }
    writing.await.unwrap();
    assert!(moments.is_sorted() && moments.len() > 2, "{moments:?}");
    let end = bench.through(bench.db.snapshot().await.unwrap());
    assert_eq!(seen(&end).await, (401, 200));
    end.db.end_snapshot().await;
    // What it was taken of goes on.
    bench.host("one more").await;
    assert_eq!(seen(&bench).await, (403, 201));
}
on_each!(a_snapshot_answers_from_one_moment_while_another_process_writes, 2);
