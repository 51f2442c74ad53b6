//! Eight processes that write at once lose nothing (FCT-10). Each is this test binary again, with a database to write to.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use model::ClaimKind;
use store::facts::Written;
use store::{Db, Login, Problem, Server, StoreError};

use crate::bench::{Bench, EVERYDAY, Home, On, at, cluster};
use crate::claims::{KINDS, key, put, table};
use crate::raw::Raw;

const WRITERS: usize = 8;
const PUTS: usize = 200;
/// Names the database to a writer, and which keys it writes: a file, or folder of the socket, port and name of a server's.
const DATABASE: &str = "PLUMB_WRITERS_DATABASE";
const WORK: &str = "PLUMB_WRITERS_WORK";

fn said(name: &str) -> Option<String> {
    std::env::var_os(name).map(|text| text.into_string().unwrap())
}

fn address(bench: &Bench) -> String {
    match &*bench.home {
        Home::Folder(_) => bench.path().to_str().unwrap().to_owned(),
        Home::Server(database) => {
            let folder = cluster().socket_folder();
            format!("{} {} {}", folder.to_str().unwrap(), cluster().port(), database.name())
        }
    }
}

async fn opened(address: &str) -> Db {
    match *address.split(' ').collect::<Vec<_>>() {
        [folder, port, name] => {
            let server = Server::new((folder, port.parse().unwrap()), name, EVERYDAY);
            Db::connect(&server, Login::Everyday).await.unwrap()
        }
        _ => Db::open(std::path::Path::new(address)).await.unwrap(),
    }
}

fn writer(bench: &Bench, work: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writers::a_writer", "--ignored", "--nocapture"])
        .env(DATABASE, address(bench))
        .env(WORK, work)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// One of the eight: 200 puts of values of its own, none of which may fail.
#[tokio::test]
#[ignore = "a part of the tests below, which start it"]
async fn a_writer() {
    let Some((address, work)) = said(DATABASE).zip(said(WORK)) else { return };
    let mut words = work.split(' ');
    let kind = if words.next() == Some("facts") { ClaimKind::Fact } else { ClaimKind::Edge };
    let (own, writer) = (words.next() == Some("own"), words.next().unwrap());
    let db = opened(&address).await;
    let tenant = db.find_tenant("default").await.unwrap().unwrap();
    for n in 0..PUTS {
        let key = key(kind, &if own { format!("{writer}-{n}") } else { "shared".to_owned() });
        let value = format!("\"{writer}-{n}\"");
        let mut random = || *uuid::Uuid::from_u128(fresh(writer, n)).as_bytes();
        let by = (&tenant, "local:writer");
        let done = db.put_claim(by, &put(&key, &value), at(100), &mut random).await.unwrap();
        assert!(matches!(done, Written::New(_)), "{done:?}");
    }
    db.close().await;
}

/// Bits that no other put of any writer gets.
fn fresh(writer: &str, n: usize) -> u128 {
    let digest = ledger::sha256(format!("{writer} {n}").as_bytes());
    u128::from_be_bytes(digest[..16].try_into().unwrap())
}

/// FCT-10, FCT-16: eight processes, 200 puts each, on keys of their own and all on one key: no error, 1,600 versions,
/// numbered 0 to 1,599.
async fn fct_10_eight_processes_with_200_puts_each_lose_nothing(on: On) {
    for kind in KINDS {
        for own in ["own", "shared"] {
            let bench = Bench::on(on).await;
            let work = |n: usize| format!("{} {own} w{n}", table(kind));
            let writers: Vec<Child> = (0..WRITERS).map(|n| writer(&bench, &work(n))).collect();
            for mut writer in writers {
                assert!(writer.wait().unwrap().success(), "{own}");
            }
            let mut raw = bench.raw().await;
            let table = table(kind);
            let all = i64::try_from(WRITERS * PUTS).unwrap();
            let active = if own == "own" { all } else { 1 };
            assert_eq!(raw.number(&format!("SELECT count(*) FROM {table}")).await, all, "{own}");
            assert_eq!(
                raw.number(&format!("SELECT max(seq) + 1 - min(seq) FROM {table}")).await,
                all,
                "{own}"
            );
            let open = format!("SELECT count(*) FROM {table} WHERE t_superseded IS NULL");
            assert_eq!(raw.number(&open).await, active, "{own}");
            assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
        }
    }
}
on_each!(fct_10_eight_processes_with_200_puts_each_lose_nothing);

/// FCT-10: while somebody else holds the lock a write ends as busy, which may be tried again, and nothing is written.
async fn fct_10_a_lock_that_is_held_from_outside_is_busy(on: On) {
    let bench = Bench::on(on).await;
    let before = bench.dump().await;
    let mut raw = bench.raw().await;
    let hold = match on {
        On::Sqlite => "BEGIN IMMEDIATE".to_owned(),
        On::Postgres => {
            format!("BEGIN; SELECT pg_advisory_xact_lock(1, hashtext('{}'))", bench.tenant.id)
        }
    };
    raw.run(&hold).await.unwrap();
    // The two wait at once: each for as long as it may.
    let keys = KINDS.map(|kind| key(kind, "owner"));
    let wanted = keys.each_ref().map(|key| put(key, "1"));
    let [fact, edge] = wanted.each_ref().map(|wanted| bench.put(wanted, at(100)));
    let (fact, edge) = tokio::join!(fact, edge);
    for refused in [fact.unwrap_err(), edge.unwrap_err()] {
        assert!(matches!(&refused, StoreError::Database { problem: Problem::Busy, .. }), "{refused:?}");
    }
    raw.run("ROLLBACK").await.unwrap();
    assert_eq!(bench.dump().await, before);
    for wanted in &wanted {
        bench.fresh(wanted, at(200)).await;
    }
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}
on_each!(fct_10_a_lock_that_is_held_from_outside_is_busy);

/// Who waits for the head of a log, by the beginning of its transaction.
const WAITS: &str = "SELECT CAST(xact_start AS TEXT) FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'plumb' AND wait_event_type = 'Lock' AND query LIKE 'UPDATE log_heads%'";
/// Longest that a wait for the lock may take to be seen.
const SEEN_LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until somebody waits for the head in another transaction than these.
#[expect(clippy::disallowed_methods, reason = "waits on a condition with a limit")]
async fn another_wait(raw: &mut Raw, seen: &[String]) -> String {
    let looking = async {
        loop {
            let now = raw.column(WAITS).await.into_iter().find(|wait| !seen.contains(wait));
            if let Some(wait) = now {
                return wait;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(SEEN_LIMIT, looking).await.expect("nobody waits for the head of the log")
}

/// FCT-10: a head of a log that somebody holds who takes no turns is waited for three times, too: who lets go of it during the
/// third loses nobody's write.
#[tokio::test]
async fn fct_10_a_held_head_of_a_log_is_tried_three_times() {
    let bench = Bench::on(On::Postgres).await;
    let before = bench.dump().await;
    let (mut holder, mut watcher) = (bench.raw().await, bench.raw().await);
    let key = key(ClaimKind::Fact, "owner");
    bench.fresh(&put(&key, "0"), at(90)).await;
    for retires in [false, true] {
        holder.run("BEGIN; SELECT size FROM log_heads FOR UPDATE").await.unwrap();
        let write = async {
            if retires {
                bench.retire(&key, at(200)).await.map(drop)
            } else {
                bench.put(&put(&key, "1"), at(100)).await.map(drop)
            }
        };
        let let_go = async {
            let mut seen = Vec::new();
            for _try in 0..3 {
                let wait = another_wait(&mut watcher, &seen).await;
                seen.push(wait);
            }
            holder.run("ROLLBACK").await.unwrap();
        };
        let (written, ()) = tokio::join!(write, let_go);
        written.unwrap();
    }
    assert_ne!(bench.dump().await, before);
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());

    holder.run("BEGIN; SELECT size FROM log_heads FOR UPDATE").await.unwrap();
    let before = bench.dump().await;
    let refused = bench.put(&put(&key, "2"), at(300)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Database { problem: Problem::Busy, .. }), "{refused:?}");
    holder.run("ROLLBACK").await.unwrap();
    assert_eq!(bench.dump().await, before);
}
