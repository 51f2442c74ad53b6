//! What eight writers cost each other: 200 puts of a fact each, on keys of their own and all on one key, on a PostgreSQL
//! server of its own and, each from a process of its own, on a file. Nothing may be lost (FCT-10).

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use benches::BenchError;
use benches::audit::now;
use benches::book::Book;
use benches::command::folder;
use benches::figures::Samples;
use benches::report::{Report, run};
use benches::server::Server;
use model::fact::Classification;
use model::{ClaimKey, ClaimKind, FactType, Subject};
use store::facts::read::{PAGE_MAX, Wanted};
use store::facts::{Put, Written};
use store::{Db, Tenant};
use tokio::task::JoinSet;
use uuid::Uuid;

const WRITERS: usize = 8;
/// Puts of each.
const PUTS: usize = 200;
/// Rounds of each kind of keys, eight writers and one in turn.
const ROUNDS: usize = 5;
/// Makes this program one of the writers on a file: the file, which keys, the writer's number, its puts.
const WRITE: &str = "--write";

/// Which keys are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Own,
    One,
}

impl Keys {
    const ALL: [(Keys, &'static str); 2] = [(Keys::Own, "keys of their own"), (Keys::One, "one key")];

    const fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::One => "one",
        }
    }

    fn key(self, round: usize, (writer, nth): (usize, usize)) -> Result<ClaimKey, BenchError> {
        let subject = Subject::parse(&format!("fleet:{}-{round}", self.word())).map_err(|err| said(&err))?;
        let predicate = match self {
            Self::Own => format!("setting/{writer}-{nth}"),
            Self::One => "setting".to_owned(),
        };
        Ok(ClaimKey::Fact { subject, predicate, fact_type: FactType::Desired })
    }
}

fn main() -> ExitCode {
    run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(BenchError::io("start the runtime"))?;
        let words: Vec<String> = std::env::args().skip(1).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => runtime.block_on(benchmark()),
            [WRITE, file, keys, round, writer, puts] => {
                let number = |text: &str| text.parse::<usize>().map_err(|err| said(&err));
                let keys = if keys == Keys::Own.word() { Keys::Own } else { Keys::One };
                let (round, part) = (number(round)?, (number(writer)?, number(puts)?));
                runtime.block_on(write_file(Path::new(file), (keys, round), part))?;
                Ok(ExitCode::SUCCESS)
            }
            _ => Err(said(&format!("{words:?}: no arguments are expected"))),
        }
    })
}

async fn benchmark() -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("writers");
    let server = Server::start()?;
    let served = server.database().await?;
    let book = Book::begin_in(served.open().await?).await?;
    let mut handles = Vec::new();
    for _writer in 0..WRITERS {
        handles.push(served.open().await?);
    }
    let folder = folder()?;
    let path = folder.path().join("writers.db");
    let file = Book::begin_in(Db::open(&path).await?).await?;
    let mut whole = Vec::new();
    for (keys, what) in Keys::ALL {
        let (mut server, mut processes) = (Times::default(), Times::default());
        for round in 0..ROUNDS {
            for writers in [WRITERS, 1] {
                // Each time on keys that nobody wrote before.
                let round = round * 2 + usize::from(writers == 1);
                server.push(writers, on_server(&handles[..writers], &book.tenant, (keys, round)).await?);
                whole.push(is_whole(&book, (keys, round)).await?);
                processes.push(writers, on_file(&path, writers, (keys, round))?);
                whole.push(is_whole(&file, (keys, round)).await?);
            }
        }
        for (place, times) in [("server", &server), ("file, process each", &processes)] {
            report.figures(&format!("1,600 puts on {what}: {place}, 8 writers"), "ms", &times.many);
            report.figures("by one writer", "ms", &times.one);
            report.figures("that against these", "x", &times.one.ratios_to(&times.many));
        }
    }
    let kept = whole.iter().filter(|whole| **whole).count();
    let what = "rounds that have all 1,600 versions, numbered without a gap";
    report.judge(kept == whole.len(), what, format_args!("{kept} of {}", whole.len()));
    for db in handles.iter().chain([&book.db, &file.db]) {
        db.close().await;
    }
    Ok(report.end())
}

#[derive(Default)]
struct Times {
    many: Samples,
    one: Samples,
}

impl Times {
    fn push(&mut self, writers: usize, taken: Duration) {
        if writers == 1 { self.one.push(taken) } else { self.many.push(taken) }
    }
}

/// Has each handle write its part.
async fn on_server(
    handles: &[Db],
    tenant: &Tenant,
    (keys, round): (Keys, usize),
) -> Result<Duration, BenchError> {
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for (writer, db) in handles.iter().enumerate() {
        let (db, tenant, puts) = (db.clone(), tenant.clone(), WRITERS * PUTS / handles.len());
        tasks.spawn(async move { write(&db, &tenant, (keys, round), (writer, puts)).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|err| said(&err))??;
    }
    Ok(began.elapsed())
}

/// Has each of so many processes write its part.
fn on_file(path: &Path, writers: usize, (keys, round): (Keys, usize)) -> Result<Duration, BenchError> {
    let program: PathBuf = std::env::current_exe().map_err(BenchError::io("find this program"))?;
    let began = Instant::now();
    let mut started = Vec::new();
    for writer in 0..writers {
        let mut command = Command::new(&program);
        command.arg(WRITE).arg(path).arg(keys.word());
        command.args([round, writer, WRITERS * PUTS / writers].map(|number| number.to_string()));
        let child = command.stdout(Stdio::inherit()).spawn();
        started.push(child.map_err(BenchError::io("start a writer"))?);
    }
    for mut child in started {
        if !child.wait().map_err(BenchError::io("wait for a writer"))?.success() {
            return Err(said(&"a process failed"));
        }
    }
    Ok(began.elapsed())
}

async fn write_file(path: &Path, what: (Keys, usize), part: (usize, usize)) -> Result<(), BenchError> {
    let db = Db::open(path).await?;
    let tenant = db.find_tenant("default").await?.ok_or_else(|| said(&"the file has no tenant"))?;
    write(&db, &tenant, what, part).await?;
    db.close().await;
    Ok(())
}

/// Puts as many values, each of which has to be a new version.
async fn write(
    db: &Db,
    tenant: &Tenant,
    (keys, round): (Keys, usize),
    (writer, puts): (usize, usize),
) -> Result<(), BenchError> {
    for nth in 0..puts {
        let (key, value) = (keys.key(round, (writer, nth))?, format!("\"{writer}-{nth}\""));
        let put = Put {
            key: &key,
            value: value.as_bytes(),
            t_valid: None,
            reason: None,
            classification: Classification::Normal,
            expected: None,
        };
        match db.put_claim((tenant, "local:bench"), &put, now(), &mut random).await? {
            Written::New(_) => {}
            Written::Unchanged(_) => return Err(said(&"a put found its value there")),
        }
    }
    Ok(())
}

/// The random part first: two processes have the time in common.
fn random() -> [u8; 16] {
    let mut bits = *Uuid::now_v7().as_bytes();
    bits.reverse();
    bits
}

/// Tells whether every version is there and their numbers have no gap.
async fn is_whole(book: &Book, (keys, round): (Keys, usize)) -> Result<bool, BenchError> {
    let key = keys.key(round, (0, 0))?;
    let up_to = Classification::Normal;
    let mut numbers: Vec<u64> = match keys {
        Keys::Own => {
            let wanted =
                Wanted { kind: ClaimKind::Fact, subject: key.subject(), name: None, last: None, up_to };
            let active = book.db.list_active(&book.tenant, &wanted).await?;
            active.iter().map(|stored| stored.version.seq).collect()
        }
        Keys::One => versions(book, &key).await?,
    };
    numbers.sort_unstable();
    Ok(numbers.len() == WRITERS * PUTS && numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]))
}

/// Returns the number of each version of a key, newest first.
async fn versions(book: &Book, key: &ClaimKey) -> Result<Vec<u64>, BenchError> {
    let mut numbers: Vec<u64> = Vec::new();
    loop {
        let page = book
            .db
            .list_versions(&book.tenant, key, (numbers.last().copied(), PAGE_MAX, Classification::Normal))
            .await?;
        if page.is_empty() {
            return Ok(numbers);
        }
        numbers.extend(page.iter().map(|stored| stored.version.seq));
    }
}

fn said(said: &impl ToString) -> BenchError {
    BenchError::Said { what: "the writers".to_owned(), said: said.to_string() }
}
