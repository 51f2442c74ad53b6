//! What storing a scan costs: the first apply, an unchanged rescan, its row writes, and what the ledger
//! adds to the same rows inserted without it. SQLite, write-ahead log, `synchronous=FULL`, on a disk.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use benches::BenchError;
use benches::bare::{self, Part, Rows};
use benches::book::{Book, findings, observed};
use benches::command::folder;
use benches::figures::Samples;
use benches::report::{Report, run};

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
        runtime.map_err(BenchError::io("start the runtime"))?.block_on(benchmark())
    })
}

async fn benchmark() -> Result<ExitCode, BenchError> {
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
        let mut book = Book::create(folder).await?;
        let mut ready = book.begin(&findings(LARGE, &format!("round {round}"))?).await?;
        ready.batch.facts = observed(facts);
        let began = Instant::now();
        book.apply(&ready).await?;
        add(&mut ours, began.elapsed());
        book.db.close().await;
        let rows = Rows::read(&book.path).await?;
        size = rows.size();
        let peer = |name: &str| book.path.with_extension(name);
        add(&mut same, rows.insert(&peer("same"), Part::Everything).await?);
        add(&mut without, rows.insert(&peer("without"), Part::WithoutLedger).await?);
        add(&mut copied, rows.copy(&book.path, &peer("copied")).await?);
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
    let mut book = Book::create(folder).await?;
    let found = findings(count, "always the same")?;
    let ready = book.begin(&found).await?;
    book.apply(&ready).await?;
    let (mut whole, mut apply) = (Samples::default(), Samples::default());
    for _rescan in 0..RESCANS {
        let began = Instant::now();
        let ready = book.begin(&found).await?;
        let begun = Instant::now();
        book.apply(&ready).await?;
        apply.push(begun.elapsed());
        whole.push(began.elapsed());
    }
    // Counting takes time, so it comes after the timing.
    bare::count_writes(&book.path).await?;
    let before = bare::writes(&book.path).await?;
    let ready = book.begin(&found).await?;
    book.apply(&ready).await?;
    let writes = bare::writes(&book.path).await? - before;
    book.db.close().await;
    report.figures(&format!("apply alone of an unchanged rescan of {count} rules"), "ms", &apply);
    report.at_most(&format!("unchanged rescan of {count} rules"), (&whole, 25.0), "ms");
    report.value_at_most(
        &format!("row writes of an unchanged rescan of {count} rules"),
        (writes as f64, 16.0),
        "",
    );
    Ok(())
}
