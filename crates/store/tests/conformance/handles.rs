//! Handles on databases: none knows of another (DBS-12), and many who use one for the first time at once all get on, also
//! after it failed (DBS-32).

use std::time::Duration;

use store::{Db, Login, StoreError};
use tokio::task::JoinSet;

use crate::bench::{Bench, EVERYDAY, Home, On, at, server};

/// Databases of one process.
const HANDLES: usize = 20;
/// Tasks that use a handle at once.
const TASKS: usize = 200;
/// How long each waits for a connection, which is also how long a failed first use lasts.
const WAIT: Duration = Duration::from_secs(5);

async fn names(bench: &Bench) -> Vec<String> {
    let hosts = bench.db.list_hosts(&bench.tenant).await.unwrap();
    hosts.into_iter().map(|host| host.record.name).collect()
}

/// DBS-12: twenty databases in one process, opened and written at once. Each holds its own and nothing else, and is there
/// when the others are gone.
async fn dbs_12_handles_of_one_process_know_nothing_of_each_other(on: On) {
    let mut opening = JoinSet::new();
    for n in 0..HANDLES {
        opening.spawn(async move {
            let bench = Bench::on(on).await;
            bench.host(&format!("web-{n}")).await;
            (n, bench)
        });
    }
    let mut all = Vec::new();
    while let Some(opened) = opening.join_next().await {
        all.push(opened.unwrap());
    }
    assert_eq!(all.len(), HANDLES);
    // One after the other goes, while those that are left go on.
    while let Some((n, bench)) = all.pop() {
        let mut wanted = vec![format!("web-{n}")];
        assert_eq!(names(&bench).await, wanted);
        bench.host("new").await;
        wanted.insert(0, "new".to_owned());
        assert_eq!(names(&bench).await, wanted);
        bench.db.close().await;
    }
}
on_each!(dbs_12_handles_of_one_process_know_nothing_of_each_other, 2);

/// Lets nobody make a connection, or everybody again.
async fn let_in(bench: &Bench, are_let: bool) {
    match &*bench.home {
        Home::Folder(_) => {
            let (path, aside) = (bench.path(), bench.path().with_extension("aside"));
            let (from, to) = if are_let { (&aside, &path) } else { (&path, &aside) };
            std::fs::rename(from, to).unwrap();
        }
        Home::Server(database) => {
            let limit = if are_let { -1 } else { 0 };
            let mut raw = bench.raw().await;
            raw.run(&format!("ALTER DATABASE {} CONNECTION LIMIT {limit}", database.name())).await.unwrap();
            raw.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
        }
    }
}

/// DBS-32: the first use of what makes its connections when they are needed fails, and is tried again by two hundred at once:
/// all of them get on, by no more connections than there may be.
async fn dbs_32_a_first_use_that_failed_is_tried_again_by_two_hundred_at_once(on: On) {
    let bench = Bench::on(on).await;
    bench.host("web-1").await;
    let fresh = match &*bench.home {
        Home::Folder(_) => bench.second_handle().await,
        Home::Server(database) => {
            let few = server(database.name(), EVERYDAY).connections(3).overflow(2).acquire_limit(WAIT);
            bench.through(Db::connect(&few, Login::Everyday).await.unwrap())
        }
    };
    bench.db.close().await;
    let_in(&fresh, false).await;
    let put = fresh.put_host(&fresh.host_record("web-2"), at(10)).await;
    assert!(matches!(put, Err(StoreError::Database { .. })), "{put:?}");
    let_in(&fresh, true).await;
    let mut racing = JoinSet::new();
    for _task in 0..TASKS {
        let fresh = fresh.clone();
        racing.spawn(async move { names(&fresh).await });
    }
    let mut n_read = 0;
    while let Some(read) = racing.join_next().await {
        assert_eq!(read.unwrap(), ["web-1"]);
        n_read += 1;
    }
    assert_eq!(n_read, TASKS);
    if on == On::Postgres {
        let ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'plumb'";
        let most = fresh.raw().await.number(ours).await;
        assert!((1..=5).contains(&most), "{most}");
    }
    fresh.put_host(&fresh.host_record("web-2"), at(10)).await.unwrap();
    assert_eq!(fresh.ledger_problems().await, Vec::<String>::new());
}
on_each!(dbs_32_a_first_use_that_failed_is_tried_again_by_two_hundred_at_once, 2);
