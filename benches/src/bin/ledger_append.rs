//! What many writers get: batches of 100 entries for eight tenants from 1, 8 and 32 writers on a PostgreSQL server of
//! its own, beside as many connections that insert the same rows in bulk into the same tables without triggers and row
//! security, which hold as many rows.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::audit::batch;
use benches::book::Book;
use benches::bulk::Peer;
use benches::figures::Samples;
use benches::report::{Report, run};
use benches::server::Server;
use benches::{BenchError, bulk};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::task::JoinSet;

/// Tenants that the writers work for, in turn.
const TENANTS: usize = 8;
/// Writers that are measured.
const WRITERS: [usize; 3] = [1, 8, 32];
/// Entries of one batch (LED-16).
const BATCH: usize = 100;
/// Batches of all writers together, in one round.
const BATCHES: usize = 64;
/// Rounds of each number of writers, ours and the peer's in turn.
const ROUNDS: usize = 31;
/// The tables that an append writes.
const TABLES: [&str; 2] = ["audit_events", "log_entries"];

fn main() -> ExitCode {
    run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(BenchError::io("start the runtime"))?.block_on(benchmark())
    })
}

async fn benchmark() -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("ledger_append");
    let server = Server::start()?;
    let served = server.database().await?;
    // One process for all tenants, with the connections that the product makes if it is told nothing.
    let db = served.open().await?;
    let mut books = Vec::new();
    for nth in 0..TENANTS {
        books.push(Book::begin_tenant(db.clone(), &format!("tenant-{nth}")).await?);
    }
    let mut reader = served.connect().await?;
    bulk::make(Peer::Same, &mut reader).await?;
    let begun = bulk::Rows::read(&mut reader, &["tenants", "log_heads"], None).await?;
    begun.insert(Peer::Same, &mut reader).await?;
    for writers in WRITERS {
        let mut peers = Vec::new();
        for _writer in 0..writers {
            peers.push(served.connect().await?);
        }
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        for _round in 0..ROUNDS {
            let from = books[0].db.log_size(&books[0].tenant).await?;
            ours.push(append(&books, writers).await?);
            let batches = bulk::Rows::read(&mut reader, &TABLES, Some(from)).await?.split(BATCH);
            let taken;
            (peers, taken) = insert(peers, batches).await?;
            theirs.push(taken);
        }
        for peer in peers {
            peer.close().await?;
        }
        let entries = BATCHES * BATCH;
        report.figures(&format!("{entries} entries by {writers} writers"), "ms", &ours);
        report.figures("bare inserts of the same rows by as many", "ms", &theirs);
        report.at_least(
            &format!("speed of {writers} writers against them"),
            (&theirs.ratios_to(&ours), 0.8),
            "x",
        );
    }
    db.close().await;
    Ok(report.end())
}

/// Appends all batches and returns how long it took until the last commit.
async fn append(books: &[Book], writers: usize) -> Result<Duration, BenchError> {
    // What is recorded is made before, as the rows of the peer are.
    let shares: Vec<Vec<_>> = (0..writers)
        // So that each tenant gets as many, whoever writes.
        .map(|writer| (writer..BATCHES).step_by(writers).map(|nth| books[nth % TENANTS].clone()))
        .map(|share| share.map(|book| (book, batch(BATCH))).collect())
        .collect();
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for mine in shares {
        tasks.spawn(async move {
            for (book, records) in mine {
                book.append(&records).await?;
            }
            Ok::<(), BenchError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|err| said(&err.to_string()))??;
    }
    Ok(began.elapsed())
}

/// Inserts all batches, each in a transaction of its own, and returns the connections and how long it took.
async fn insert(
    peers: Vec<PgConnection>,
    batches: Vec<bulk::Rows>,
) -> Result<(Vec<PgConnection>, Duration), BenchError> {
    let mut shares: Vec<Vec<bulk::Rows>> = peers.iter().map(|_peer| Vec::new()).collect();
    for (nth, batch) in batches.into_iter().enumerate() {
        let writer = nth % shares.len();
        shares[writer].push(batch);
    }
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for (mut peer, share) in peers.into_iter().zip(shares) {
        tasks.spawn(async move {
            for batch in share {
                batch.insert(Peer::Same, &mut peer).await?;
            }
            Ok::<PgConnection, BenchError>(peer)
        });
    }
    let mut peers = Vec::new();
    while let Some(done) = tasks.join_next().await {
        peers.push(done.map_err(|err| said(&err.to_string()))??);
    }
    Ok((peers, began.elapsed()))
}

fn said(said: &str) -> BenchError {
    BenchError::Said { what: "a writer".to_owned(), said: said.to_owned() }
}
