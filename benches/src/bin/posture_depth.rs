//! What depth costs: the current value of a key, and its value as of an instant, with one version of each key and with
//! many, on a PostgreSQL server of its own; with `--sqlite` in files.
//!
//! `posture_depth [--sqlite] [VERSIONS]`: versions in all at the deepest, 10,000,000 unless another is given.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use benches::BenchError;
use benches::book::Book;
use benches::command::folder;
use benches::figures::Samples;
use benches::report::{Report, run};
use benches::server::{Served, Server};
use model::{ClaimKey, FactType, Subject, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use store::Db;
use store::facts::read::{Instants, Wanted};
use testkit::fuzz::SplitMix64;

/// Keys: as many hosts as names of each.
const SIDE: u64 = 100;
const KEYS: u64 = SIDE * SIDE;
/// Versions in all at the deepest, where no other is asked for.
const VERSIONS: u64 = 10_000_000;
/// Versions that one statement makes.
const STEP: u64 = 500_000;
/// Each depth is so many times the one before.
const GROWTH: u64 = 10;
/// Keys whose value is asked for, in each database.
const ASKED: u64 = 10_000;
/// Questions as of an instant, at each depth.
const AS_OF: u64 = 2_000;
/// The first of March 2026. Microseconds.
const START: i64 = 1_772_323_200_000_000;

fn main() -> ExitCode {
    run(|| {
        let mut words = std::env::args().skip(1).peekable();
        let in_files = words.next_if_eq("--sqlite").is_some();
        let deepest = words.next().map_or(Ok(VERSIONS), |text| text.parse()).map_err(
            |err: std::num::ParseIntError| BenchError::Said {
                what: "number of versions".to_owned(),
                said: err.to_string(),
            },
        )?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(BenchError::io("start the runtime"))?;
        if in_files { runtime.block_on(on_sqlite(deepest)) } else { runtime.block_on(on_postgres(deepest)) }
    })
}

async fn on_postgres(deepest: u64) -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("posture_depth");
    let server = Server::start()?;
    let (shallow, deep) = (server.database().await?, server.database().await?);
    let one = Depth::begin(shallow.open().await?, Place::Server(&shallow)).await?;
    let many = Depth::begin(deep.open().await?, Place::Server(&deep)).await?;
    compare(&mut report, (one, many), deepest).await?;
    Ok(report.end())
}

async fn on_sqlite(deepest: u64) -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("posture_depth --sqlite");
    let folder = folder()?;
    let (shallow, deep) = (folder.path().join("one.db"), folder.path().join("many.db"));
    let one = Depth::begin(Db::open(&shallow).await?, Place::File(shallow)).await?;
    let many = Depth::begin(Db::open(&deep).await?, Place::File(deep)).await?;
    compare(&mut report, (one, many), deepest).await?;
    Ok(report.end())
}

/// Asks for values at each depth, and for current ones at the least and the greatest.
async fn compare(
    report: &mut Report,
    (mut one, mut many): (Depth<'_>, Depth<'_>),
    deepest: u64,
) -> Result<(), BenchError> {
    one.grow(KEYS).await?;
    let mut wanted = KEYS;
    loop {
        let began = Instant::now();
        many.grow(wanted).await?;
        report.note(format_args!("{wanted} versions after {:.0} s more", began.elapsed().as_secs_f64()));
        let samples = many.as_of().await?;
        report.figures(&format!("as of an instant, {wanted} versions"), "ms", &samples);
        let p99 = samples.quantile(0.99);
        report.note(format_args!("its p99: {p99:.2} ms"));
        if wanted >= deepest {
            report.value_at_most(&format!("p99 of it at {wanted} versions"), (p99, 5.0), "ms");
            break;
        }
        wanted = (wanted * GROWTH).min(deepest);
    }
    let (mut at_one, mut at_many) = (Samples::default(), Samples::default());
    for nth in 0..ASKED {
        at_one.push(one.current(nth * 7_919 % KEYS).await?);
        at_many.push(many.current(nth * 7_919 % KEYS).await?);
    }
    report.figures("the current value, one version of each key", "ms", &at_one);
    let what = format!("the current value, {} versions of each key", wanted / KEYS);
    report.figures(&what, "ms", &at_many);
    let ratio = at_many.median() / at_one.median();
    report.value_at_most("its median against that of one version", (ratio, 1.2), "x");
    one.book.db.close().await;
    many.book.db.close().await;
    Ok(())
}

/// Where a database is, for what the product itself would not do.
enum Place<'s> {
    Server(&'s Served<'s>),
    File(PathBuf),
}

/// A database with as many versions of each key.
struct Depth<'s> {
    place: Place<'s>,
    book: Book,
    versions: u64,
    random: SplitMix64,
}

impl<'s> Depth<'s> {
    async fn begin(db: Db, place: Place<'s>) -> Result<Self, BenchError> {
        let book = Book::begin_in(db).await?;
        Ok(Self { place, book, versions: 0, random: SplitMix64::new(20_261_122) })
    }

    /// Makes versions of all keys in turn, one a microsecond, until there are so many: past triggers and foreign keys,
    /// which is what a database looks like that did the same by itself.
    async fn grow(&mut self, versions: u64) -> Result<(), BenchError> {
        let tenant = self.book.tenant.id.to_string();
        let mut steps = String::new();
        while self.versions < versions {
            let to = (self.versions + STEP).min(versions);
            steps.push_str(&made(&tenant, self.versions, to));
            self.versions = to;
        }
        match &self.place {
            // As on a server that has been asked for a while: what answers lies in its memory.
            Place::Server(served) => {
                served.sql(&format!(
                    "ALTER TABLE facts DISABLE TRIGGER ALL; {steps}
                 VACUUM (ANALYZE) facts; CHECKPOINT; CREATE SCHEMA IF NOT EXISTS warm;
                 CREATE EXTENSION IF NOT EXISTS pg_prewarm SCHEMA warm;
                 SELECT warm.pg_prewarm('facts'), warm.pg_prewarm('facts_history');"
                ))?;
                Ok(())
            }
            Place::File(path) => into_file(path, steps).await,
        }
    }

    /// Asks for the current value of a key.
    async fn current(&self, key: u64) -> Result<std::time::Duration, BenchError> {
        let key = claim(key)?;
        let began = Instant::now();
        let found = self.book.db.find_active(&self.book.tenant, &key).await?;
        let taken = began.elapsed();
        if found.is_none() { Err(said("a key has no value")) } else { Ok(taken) }
    }

    /// Asks for values of random keys as of random instants.
    async fn as_of(&mut self) -> Result<Samples, BenchError> {
        let mut samples = Samples::default();
        for _question in 0..AS_OF {
            let key = claim(self.random.next_u64() % KEYS)?;
            let after = KEYS + self.random.next_u64() % self.versions;
            let instant = Timestamp::from_micros(START + i64::try_from(after).unwrap_or(0));
            let at = Instants { valid_at: instant, recorded_at: instant, position: i64::MAX.unsigned_abs() };
            let began = Instant::now();
            let found = self.book.db.list_as_of(&self.book.tenant, &Wanted::key(&key), at).await?;
            samples.push(began.elapsed());
            if found.len() != 1 {
                return Err(said("a key had no value at an instant"));
            }
        }
        Ok(samples)
    }
}

/// Writes the statements that make the versions of some numbers and close those that they follow.
fn made(tenant: &str, from: u64, to: u64) -> String {
    format!(
        "UPDATE facts SET t_invalid = {START} + seq + {KEYS}, t_superseded = {START} + seq + {KEYS},
           superseded_by = seq + {KEYS}, superseded_actor = 'local:bench', superseded_reason = 'replaced',
           superseded_index = seq + {KEYS}
         WHERE t_superseded IS NULL AND seq + {KEYS} < {to};
         INSERT INTO facts (tenant_id, fact_id, seq, subject, predicate, fact_type, value, t_valid, t_invalid,
           t_recorded, t_superseded, superseded_by, actor, reason, superseded_actor, superseded_reason,
           classification, log_index, superseded_index)
         WITH RECURSIVE counted (s) AS (
           SELECT CAST({from} AS BIGINT) UNION ALL SELECT s + 1 FROM counted WHERE s < {to} - 1)
         SELECT '{tenant}', '00000000-0000-7000-8000-' || substr(CAST(1000000000000 + s AS TEXT), 2), s,
           'host:' || (s % {KEYS} / {SIDE}), 'setting/' || (s % {SIDE}), 'observed', '{{\"version\":' || s || '}}',
           {START} + s, ended, {START} + s, ended, s + CASE WHEN ended IS NOT NULL THEN {KEYS} END,
           'local:bench', 'bench', CASE WHEN ended IS NOT NULL THEN 'local:bench' END,
           CASE WHEN ended IS NOT NULL THEN 'replaced' END, 'normal', s,
           s + CASE WHEN ended IS NOT NULL THEN {KEYS} END
         FROM (SELECT s, CASE WHEN s + {KEYS} < {to} THEN {START} + s + {KEYS} END AS ended FROM counted) AS made;\n"
    )
}

/// Runs statements on a file without the guards of its facts, and puts these back.
async fn into_file(path: &Path, steps: String) -> Result<(), BenchError> {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
    let options = options.pragma("cache_size", "-1000000").pragma("synchronous", "OFF");
    let mut file = SqliteConnection::connect_with(&options).await?;
    let found = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'facts'";
    let (mut gone, mut back) = (String::new(), String::new());
    for row in sqlx::query(found).fetch_all(&mut file).await? {
        let (name, sql): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        gone.push_str(&format!("DROP TRIGGER {name};\n"));
        back.push_str(&format!("{sql};\n"));
    }
    let text = format!("BEGIN; {gone} {steps} {back} COMMIT; PRAGMA wal_checkpoint(TRUNCATE);");
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut file).await?;
    file.close().await?;
    Ok(())
}

fn claim(key: u64) -> Result<ClaimKey, BenchError> {
    let subject = Subject::parse(&format!("host:{}", key / SIDE)).map_err(|err| said(&err.to_string()))?;
    let predicate = format!("setting/{}", key % SIDE);
    Ok(ClaimKey::Fact { subject, predicate, fact_type: FactType::Observed })
}

fn said(said: &str) -> BenchError {
    BenchError::Said { what: "the versions".to_owned(), said: said.to_owned() }
}
