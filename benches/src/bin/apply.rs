//! What storing a scan costs: the first apply, an unchanged rescan, its row writes, and what the ledger
//! adds to the same rows inserted without it. SQLite, write-ahead log, `synchronous=FULL`, on a disk; with
//! `--postgres` on a server of its own that syncs each commit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use benches::bare::{self, Part, Rows};
use benches::book::{Book, Finding, findings, observed};
use benches::bulk::Peer;
use benches::command::folder;
use benches::figures::Samples;
use benches::report::{Report, run};
use benches::server::Server;
use benches::{BenchError, bulk};
use sqlx::Connection as _;
use store::{Db, Login};
use uuid::Uuid;

/// Databases in which a first apply is timed.
const ROUNDS: usize = 21;
/// Rescans of one host that are timed.
const RESCANS: usize = 41;
/// Rules of the large host.
const LARGE: usize = 1_000;
/// Facts that a first scan of a large host puts besides.
const FACTS: usize = 1_000;
/// Rules of the small host.
const SMALL: usize = 100;

fn main() -> ExitCode {
    run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(BenchError::io("start the runtime"))?;
        match std::env::args().nth(1).as_deref() {
            None => runtime.block_on(on_sqlite()),
            Some("--postgres") => runtime.block_on(on_postgres()),
            Some(other) => {
                let said = format!("{other:?} is not known, --postgres is");
                Err(BenchError::Said { what: "argument".to_owned(), said })
            }
        }
    })
}

async fn on_sqlite() -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("apply");
    let folder = folder()?;
    for facts in [0, FACTS] {
        first(&mut report, folder.path(), facts).await?;
    }
    for count in [SMALL, LARGE] {
        rescan(&mut report, folder.path(), count).await?;
    }
    Ok(report.end())
}

/// First applies of a large host, each beside bare inserts of the rows that it wrote.
async fn first(report: &mut Report, folder: &Path, facts: usize) -> Result<(), BenchError> {
    let (mut ours, mut same, mut without, mut copied) = Default::default();
    let add = |samples: &mut Samples, taken| samples.push(taken);
    let mut size = (0, 0);
    for round in 0..ROUNDS {
        let path = new_file(folder);
        let mut book = Book::begin_in(Db::open(&path).await?).await?;
        let mut ready = book.begin(&findings(LARGE, &format!("round {round}"))?).await?;
        ready.batch.facts = observed(ready.batch.scan.host_id, facts);
        let began = Instant::now();
        book.apply(&ready).await?;
        add(&mut ours, began.elapsed());
        book.db.close().await;
        let rows = Rows::read(&path).await?;
        size = rows.size();
        let peer = |name: &str| path.with_extension(name);
        add(&mut same, rows.insert(&peer("same"), Part::Everything).await?);
        add(&mut without, rows.insert(&peer("without"), Part::WithoutLedger).await?);
        add(&mut copied, rows.copy(&path, &peer("copied")).await?);
    }
    let what = format!("first apply of {LARGE} rules and {facts} facts");
    report.note(format_args!("{what}: {} rows, {} bytes", size.0, size.1));
    report.figures("bare inserts of the same rows, one statement a row", "ms", &same);
    report.figures("the same without the ledger's entries", "ms", &without);
    report.figures("the floor: the same rows copied inside SQLite", "ms", &copied);
    report.at_most(&what, (&ours, if facts == 0 { 200.0 } else { 400.0 }), "ms");
    report.at_least("speed against bare inserts of the same bytes", (&same.ratios_to(&ours), 0.8), "x");
    report.at_least(
        "speed against the rows without the ledger's entries",
        (&without.ratios_to(&ours), 0.8),
        "x",
    );
    report.figures("speed against the floor", "x", &copied.ratios_to(&ours));
    Ok(())
}

/// Unchanged rescans: begin, compare, apply.
async fn rescan(report: &mut Report, folder: &Path, count: usize) -> Result<(), BenchError> {
    let path = new_file(folder);
    let mut book = Book::begin_in(Db::open(&path).await?).await?;
    let found = findings(count, "always the same")?;
    rescans(report, &mut book, &found).await?;
    // Counting takes time, so it comes after the timing; and what counts is a table that nobody but the owner may write.
    book.db.close().await;
    book.db = Db::open_as(&path, Login::Owner).await?;
    bare::count_writes(&path).await?;
    let before = bare::writes(&path).await?;
    let ready = book.begin(&found).await?;
    book.apply(&ready).await?;
    let writes = bare::writes(&path).await? - before;
    book.db.close().await;
    report.value_at_most(
        &format!("row writes of an unchanged rescan of {count} rules"),
        (writes as f64, 16.0),
        "",
    );
    Ok(())
}

/// A first scan, and unchanged ones of the same host.
async fn rescans(report: &mut Report, book: &mut Book, found: &[Finding]) -> Result<(), BenchError> {
    let ready = book.begin(found).await?;
    book.apply(&ready).await?;
    let (mut whole, mut apply) = (Samples::default(), Samples::default());
    for _rescan in 0..RESCANS {
        let began = Instant::now();
        let ready = book.begin(found).await?;
        let begun = Instant::now();
        book.apply(&ready).await?;
        apply.push(begun.elapsed());
        whole.push(began.elapsed());
    }
    let count = found.len();
    report.figures(&format!("apply alone of an unchanged rescan of {count} rules"), "ms", &apply);
    report.at_most(&format!("unchanged rescan of {count} rules"), (&whole, 25.0), "ms");
    Ok(())
}

/// The same on a PostgreSQL server on this machine, over its socket; each first apply is of a new database, over a
/// connection that has applied nothing before, and so is its floor.
async fn on_postgres() -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("apply --postgres");
    let server = Server::start()?;
    for facts in [0, FACTS] {
        let (mut ours, mut floor, mut bare): (Samples, Samples, Samples) = Default::default();
        let mut count = 0;
        for round in 0..ROUNDS {
            let served = server.database().await?;
            let mut book = Book::begin_in(served.open().await?).await?;
            let mut ready = book.begin(&findings(LARGE, &format!("round {round}"))?).await?;
            ready.batch.facts = observed(ready.batch.scan.host_id, facts);
            let began = Instant::now();
            book.apply(&ready).await?;
            ours.push(began.elapsed());
            book.db.close().await;
            for (peer, samples) in [(Peer::Same, &mut floor), (Peer::Bare, &mut bare)] {
                // A connection that has prepared nothing yet, as that of the apply.
                let mut db = served.connect().await?;
                bulk::make(peer, &mut db).await?;
                let rows = bulk::Rows::read(&mut db, &[], None).await?;
                count = rows.count();
                samples.push(rows.insert(peer, &mut db).await?);
                db.close().await?;
            }
        }
        let what = format!("first apply of {LARGE} rules and {facts} facts");
        report.note(format_args!("{what}: {count} rows"));
        report.figures("the floor: the same rows in bulk, one transaction", "ms", &floor);
        report.figures("the same without checks and foreign keys", "ms", &bare);
        report.at_most(&what, (&ours, if facts == 0 { 100.0 } else { 200.0 }), "ms");
        report.at_most("time against the floor", (&ours.ratios_to(&floor), 1.5), "x");
    }
    for count in [SMALL, LARGE] {
        let served = server.database().await?;
        let mut book = Book::begin_in(served.open().await?).await?;
        rescans(&mut report, &mut book, &findings(count, "always the same")?).await?;
        book.db.close().await;
    }
    Ok(report.end())
}

fn new_file(folder: &Path) -> PathBuf {
    folder.join(format!("{}.db", Uuid::now_v7()))
}
