//! What depth costs: the current value of a key, and its value as of an instant, with one version of each key and with
//! many, on a PostgreSQL server of its own.
//!
//! `posture_depth [VERSIONS]`: versions in all at the deepest, 10,000,000 unless another is given.

use std::process::ExitCode;
use std::time::Instant;

use benches::BenchError;
use benches::book::Book;
use benches::figures::Samples;
use benches::report::{Report, run};
use benches::server::{Served, Server};
use model::{ClaimKey, FactType, Subject, Timestamp};
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
        let asked = std::env::args().nth(1).map(|text| text.parse::<u64>());
        let deepest = asked.unwrap_or(Ok(VERSIONS)).map_err(|err| BenchError::Said {
            what: "number of versions".to_owned(),
            said: err.to_string(),
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(BenchError::io("start the runtime"))?.block_on(benchmark(deepest))
    })
}

async fn benchmark(deepest: u64) -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("posture_depth");
    let server = Server::start()?;
    let (shallow, deep) = (server.database().await?, server.database().await?);
    let (mut one, mut many) = (Depth::begin(&shallow).await?, Depth::begin(&deep).await?);
    one.grow(KEYS)?;
    let mut wanted = KEYS;
    loop {
        let began = Instant::now();
        many.grow(wanted)?;
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
    Ok(report.end())
}

/// A database with as many versions of each key.
struct Depth<'s> {
    served: &'s Served<'s>,
    book: Book,
    versions: u64,
    random: SplitMix64,
}

impl<'s> Depth<'s> {
    async fn begin(served: &'s Served<'s>) -> Result<Self, BenchError> {
        let book = Book::begin_in(served.open().await?).await?;
        Ok(Self { served, book, versions: 0, random: SplitMix64::new(20_261_122) })
    }

    /// Makes versions of all keys in turn, one a microsecond, until there are so many: past triggers and foreign keys,
    /// which is what a database looks like that did the same by itself.
    fn grow(&mut self, versions: u64) -> Result<(), BenchError> {
        let tenant = self.book.tenant.id;
        while self.versions < versions {
            let (from, to) = (self.versions, (self.versions + STEP).min(versions));
            self.served.sql(&format!(
                "ALTER TABLE facts DISABLE TRIGGER ALL;
                 UPDATE facts SET t_invalid = {START} + seq + {KEYS}, t_superseded = {START} + seq + {KEYS},
                   superseded_by = seq + {KEYS}, superseded_actor = 'local:bench', superseded_reason = 'replaced',
                   superseded_index = seq + {KEYS}
                 WHERE t_superseded IS NULL AND seq + {KEYS} < {to};
                 INSERT INTO facts (tenant_id, fact_id, seq, subject, predicate, fact_type, value, t_valid, t_invalid,
                   t_recorded, t_superseded, superseded_by, actor, reason, superseded_actor, superseded_reason,
                   classification, log_index, superseded_index)
                 SELECT '{tenant}', lpad(to_hex(s), 32, '0')::uuid::text, s, 'host:' || s % {KEYS} / {SIDE}, 'setting/' || s % {SIDE},
                   'observed', '{{\"version\":' || s || '}}', {START} + s, ended, {START} + s, ended,
                   s + CASE WHEN ended IS NOT NULL THEN {KEYS} END, 'local:bench', 'bench',
                   CASE WHEN ended IS NOT NULL THEN 'local:bench' END,
                   CASE WHEN ended IS NOT NULL THEN 'replaced' END, 'normal', s,
                   s + CASE WHEN ended IS NOT NULL THEN {KEYS} END
                 FROM (SELECT s, CASE WHEN s + {KEYS} < {to} THEN {START} + s + {KEYS} END AS ended
                   FROM generate_series({from}::bigint, {to}::bigint - 1) AS s) AS made;"
            ))?;
            self.versions = to;
        }
        // As on a server that has been asked for a while: what answers lies in its memory.
        self.served.sql(
            "VACUUM (ANALYZE) facts; CHECKPOINT; CREATE SCHEMA IF NOT EXISTS warm;
             CREATE EXTENSION IF NOT EXISTS pg_prewarm SCHEMA warm;
             SELECT warm.pg_prewarm('facts'), warm.pg_prewarm('facts_history');",
        )?;
        Ok(())
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

fn claim(key: u64) -> Result<ClaimKey, BenchError> {
    let subject = Subject::parse(&format!("host:{}", key / SIDE)).map_err(|err| said(&err.to_string()))?;
    let predicate = format!("setting/{}", key % SIDE);
    Ok(ClaimKey::Fact { subject, predicate, fact_type: FactType::Observed })
}

fn said(said: &str) -> BenchError {
    BenchError::Said { what: "the versions".to_owned(), said: said.to_owned() }
}
