//! Eight processes that write at once lose nothing (FCT-10). Each is this test binary again, with a database to write to.

use std::process::{Child, Command, Stdio};

use model::ClaimKind;
use store::Db;
use store::facts::Written;

use crate::bench::{Bench, at};
use crate::claims::{KINDS, key, put, table};

const WRITERS: usize = 8;
const PUTS: usize = 200;
/// Names the database to a writer, and which keys it writes.
const DATABASE: &str = "PLUMB_WRITERS_DATABASE";
const WORK: &str = "PLUMB_WRITERS_WORK";

fn said(name: &str) -> Option<String> {
    std::env::var_os(name).map(|text| text.into_string().unwrap())
}

fn writer(bench: &Bench, work: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writers::a_writer", "--ignored", "--nocapture"])
        .env(DATABASE, bench.path())
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
    let Some((path, work)) = said(DATABASE).zip(said(WORK)) else { return };
    let mut words = work.split(' ');
    let kind = if words.next() == Some("facts") { ClaimKind::Fact } else { ClaimKind::Edge };
    let (own, writer) = (words.next() == Some("own"), words.next().unwrap());
    let db = Db::open(std::path::Path::new(&path)).await.unwrap();
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
#[tokio::test]
async fn fct_10_eight_processes_with_200_puts_each_lose_nothing() {
    for kind in KINDS {
        for own in ["own", "shared"] {
            let bench = Bench::sqlite().await;
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
