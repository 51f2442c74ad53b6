//! Opening the file: who may read it, and every way in which it is not what we can use.

use std::fs::{self, Permissions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use model::ClaimKind;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use store::{Db, Login, Problem, SCHEMA_VERSION, StoreError};
use tokio::sync::oneshot::error::TryRecvError;

use crate::bench::{Bench, EVERYDAY, Home, OWNER, On, at, folder, server};
use crate::claims::{KINDS, key, put, table};
use crate::raw::Raw;
use crate::story::all_pass;
use crate::upgrading::catalog;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.file_name().unwrap().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn problem(err: StoreError) -> Problem {
    match err {
        StoreError::Open { problem, .. } | StoreError::Database { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

async fn refusal(path: &Path) -> Problem {
    problem(Db::open(path).await.expect_err("it was opened"))
}

async fn sql(path: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Makes a database, closes it, and returns its bench for its path.
async fn closed() -> Bench {
    let bench = Bench::sqlite().await;
    let host = bench.host("web-1").await;
    bench.scan(host, &all_pass(50), at(100)).await;
    bench.db.close().await;
    bench
}

/// Runs with file modes in force, which they are not for root.
fn under_file_modes<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut sets = capabilities(None).unwrap();
            sets.effective &= !(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
            set_capabilities(None, sets).unwrap();
            // The driver's threads are started from this one and may do no more than it may.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work())
        });
        worker.join().unwrap()
    })
}

/// LED-42, FCT-20: 0600 for the file and both side files, 0700 for folders that are made, whatever the umask.
#[tokio::test]
async fn files_are_0600_and_folders_0700_whatever_the_umask() {
    let folder = folder();
    let made = folder.path().join("a/b");
    let path = made.join("plumb.db");
    let inherited = rustix::process::umask(rustix::fs::Mode::empty());
    let db = Db::open(&path).await;
    rustix::process::umask(inherited);
    let db = db.unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&beside(&path, "-wal")), 0o600);
    assert_eq!(mode(&beside(&path, "-shm")), 0o600);
    assert_eq!((mode(&made), mode(made.parent().unwrap())), (0o700, 0o700));
    db.close().await;
}

/// LED-42: looser modes are tightened, of side files too, and no right is added.
#[tokio::test]
async fn looser_modes_are_tightened() {
    let bench = Bench::sqlite().await;
    let files = ["", "-wal", "-shm"].map(|suffix| beside(&bench.path(), suffix));
    for file in &files {
        fs::set_permissions(file, Permissions::from_mode(0o666)).unwrap();
    }
    bench.second_handle().await;
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    bench.db.close().await;
    fs::set_permissions(&files[0], Permissions::from_mode(0o444)).unwrap();
    Db::open(&files[0]).await.unwrap().close().await;
    assert_eq!(mode(&files[0]), 0o400);
}

/// DBS-22: write-ahead log, foreign keys, full durability, 5 s of waiting: what the file says, and what we see.
#[tokio::test]
async fn the_file_is_in_wal_mode_and_marked_as_ours() {
    let bench = Bench::sqlite().await;
    let mut raw = bench.raw().await;
    assert_eq!(raw.column("PRAGMA journal_mode").await, ["wal"]);
    assert_eq!(raw.number("PRAGMA application_id").await, i64::from(u32::from_be_bytes(*b"PLMB")));
}

/// FCT-20: what was written is there after closing and opening.
#[tokio::test]
async fn a_closed_database_opens_again_with_everything_in_it() {
    let bench = closed().await;
    let before = bench.dump().await;
    let again = bench.second_handle().await;
    assert_eq!(again.db.find_tenant("default").await.unwrap(), Some(again.tenant.clone()));
    assert_eq!(bench.dump().await, before);
    assert_eq!(again.ledger_problems().await, Vec::<String>::new());
}

/// A database of another program is refused and keeps its mode, its journal and its bytes.
#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let folder = folder();
    let others = [
        ("tables.db", "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')"),
        ("id.db", "PRAGMA application_id = 1; CREATE TABLE t (a)"),
        ("empty-but-marked.db", "PRAGMA application_id = 252006674; PRAGMA user_version = 1"),
    ];
    for (name, text) in others {
        let path = folder.path().join(name);
        sql(&path, text).await;
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let before = fs::read(&path).unwrap();
        assert_eq!(refusal(&path).await, Problem::Foreign, "{name}");
        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
        assert_eq!(mode(&path), 0o644, "{name}");
    }
}

/// What is no database is refused and left as it is.
#[tokio::test]
async fn what_is_no_database_is_refused_and_left_as_it_is() {
    let folder = folder();
    for (name, bytes) in [
        (
            "text",
            &b"this is a text and no database, long enough to hold a header of one hundred bytes ......"[..],
        ),
        ("short", b"SQLite"),
        ("magic-only", b"SQLite format 3\0"),
        ("header-of-zeros", &[0; 4096]),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let problem = refusal(&path).await;
        assert!(matches!(problem, Problem::NotADatabase | Problem::Corrupt), "{name}: {problem:?}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
    }
}

/// A folder, a device or a dangling link in place of the file.
#[tokio::test]
async fn a_folder_a_device_and_a_dangling_link_are_refused() {
    let folder = folder();
    let here = folder.path().join("folder");
    fs::create_dir(&here).unwrap();
    assert_eq!(refusal(&here).await, Problem::NotADatabase);
    assert_eq!(refusal(Path::new("/dev/null")).await, Problem::NotADatabase);
    let link = folder.path().join("link");
    symlink(folder.path().join("nothing"), &link).unwrap();
    assert_eq!(refusal(&link).await, Problem::Missing);
    let under_a_file = folder.path().join("file");
    fs::write(&under_a_file, b"").unwrap();
    let problem = refusal(&under_a_file.join("plumb.db")).await;
    assert!(matches!(problem, Problem::Other(_)), "{problem:?}");
}

/// An empty file becomes a database, as one that is missing does.
#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let folder = folder();
    let path = folder.path().join("plumb.db");
    fs::write(&path, b"").unwrap();
    let db = Db::open(&path).await.unwrap();
    assert!(db.find_tenant("default").await.unwrap().is_none());
    assert_eq!(mode(&path), 0o600);
}

/// Damage on the first page is found at opening, damage further on where it is read.
#[tokio::test]
async fn damaged_pages_are_told_as_damage() {
    let bench = closed().await;
    let page_bytes = bench.raw().await.number("PRAGMA page_size").await.unsigned_abs();
    let scribble = |offset: u64| {
        let mut file = fs::OpenOptions::new().write(true).open(bench.path()).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(&vec![0xa5; usize::try_from(page_bytes).unwrap() - 100]).unwrap();
    };
    let page = bench.raw().await.number("SELECT rootpage FROM sqlite_schema WHERE name = 'hosts'").await;
    scribble(page_bytes * (page.unsigned_abs() - 1));
    let damaged = bench.second_handle().await;
    let err = damaged.db.list_hosts(&bench.tenant).await.unwrap_err();
    assert_eq!(problem(err), Problem::Corrupt);
    damaged.db.close().await;
    scribble(100);
    assert_eq!(refusal(&bench.path()).await, Problem::Corrupt);
}

/// A file that may only be read answers and refuses the first write as read-only; one that may not even be
/// read is a matter of permission.
#[tokio::test]
async fn a_read_only_file_and_an_unreadable_file_are_told_apart() {
    let bench = closed().await;
    let use_it = |mode| {
        fs::set_permissions(bench.path(), Permissions::from_mode(mode)).unwrap();
        under_file_modes(async || {
            let db = Db::open(&bench.path()).await.map_err(problem)?;
            let again = bench.through(db);
            assert!(!again.db.list_hosts(&again.tenant).await.unwrap().is_empty());
            let written = again.put_host(&again.host_record("web-2"), at(500)).await;
            again.db.close().await;
            written.map(|_host| ()).map_err(problem)
        })
    };
    assert_eq!(use_it(0o600), Ok(()));
    assert_eq!(use_it(0o400), Err(Problem::ReadOnly));
    let unreadable = use_it(0o000);
    assert!(matches!(unreadable, Err(Problem::Permission(_))), "{unreadable:?}");
}

/// A folder that may not be written to is a matter of permission.
#[tokio::test]
async fn a_folder_without_write_permission_is_told() {
    let folder = folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
    let path = folder.path().join("plumb.db");
    let opened = under_file_modes(async || Db::open(&path).await).map(|_db| ()).map_err(problem);
    assert!(matches!(opened, Err(Problem::Permission(_))), "{opened:?}");
}

/// A schema of a newer program is refused, not guessed at.
#[tokio::test]
async fn a_newer_schema_is_refused() {
    let bench = closed().await;
    let newer = "INSERT INTO schema_migrations (version, name, sha256) VALUES (9999, 'later', 'x')";
    sql(&bench.path(), newer).await;
    match refusal(&bench.path()).await {
        Problem::SchemaAhead { found, known } => assert!(found == 9999 && known >= 1),
        other => panic!("{other:?}"),
    }
}

/// A migration that was applied with another text is refused.
#[tokio::test]
async fn an_edited_migration_is_refused() {
    let bench = closed().await;
    sql(&bench.path(), "UPDATE schema_migrations SET sha256 = 'x' WHERE version = 1").await;
    assert_eq!(refusal(&bench.path()).await, Problem::MigrationEdited { version: 1 });
}

/// Two processes that open a missing file at once both get the same database.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handles_that_open_a_missing_file_at_once_share_it() {
    for round in 0..20 {
        let folder = folder();
        let path = folder.path().join("new/plumb.db");
        let mut opening = tokio::task::JoinSet::new();
        for _handle in 0..4 {
            let path = path.clone();
            opening.spawn(async move { Db::open(&path).await });
        }
        let mut handles = Vec::new();
        while let Some(opened) = opening.join_next().await {
            let opened = opened.unwrap();
            assert!(opened.is_ok(), "round {round}: {:?}", opened.err());
            handles.extend(opened);
        }
        for db in &handles {
            assert!(db.find_tenant("default").await.unwrap().is_none(), "round {round}");
        }
    }
}

/// Rounds in which so many instances open at once.
const ROUNDS: usize = 50;
const INSTANCES: usize = 8;

/// FCT-21: instances that open at once while somebody writes all succeed, and the writer meets no error.
async fn fct_21_eight_instances_open_at_once_while_one_writes(on: On) {
    let bench = Bench::on(on).await;
    let (enough, mut told) = tokio::sync::oneshot::channel();
    let writer = bench.second_handle().await;
    let writing = tokio::spawn(async move {
        let key = key(ClaimKind::Fact, "owner");
        let mut written = 0_u32;
        while told.try_recv() == Err(TryRecvError::Empty) {
            writer.fresh(&put(&key, &written.to_string()), at(100)).await;
            written += 1;
        }
        written
    });
    for round in 0..ROUNDS {
        let mut opening = tokio::task::JoinSet::new();
        for _instance in 0..INSTANCES {
            let bench = bench.clone();
            opening.spawn(async move { bench.second_handle().await });
        }
        let mut n_opened = 0;
        while let Some(opened) = opening.join_next().await {
            let opened = opened.unwrap();
            assert!(opened.db.find_tenant("default").await.unwrap().is_some(), "round {round}");
            opened.db.close().await;
            n_opened += 1;
        }
        assert_eq!(n_opened, INSTANCES);
    }
    enough.send(()).unwrap();
    let written = writing.await.unwrap();
    assert_eq!(bench.raw().await.number("SELECT count(*) FROM facts").await, i64::from(written));
    assert!(written > 0);
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}
on_each!(fct_21_eight_instances_open_at_once_while_one_writes, 4);

/// FCT-21: opening what is up to date changes nothing and waits for nobody: not for a writer, and not for whoever keeps all
/// others from writing to any table.
async fn fct_21_opening_what_is_up_to_date_takes_no_lock_that_a_writer_would_meet(on: On) {
    let bench = Bench::on(on).await;
    let mut raw = bench.raw().await;
    raw.run("BEGIN").await.unwrap();
    let lock = match raw {
        Raw::Sqlite(_) => "DELETE FROM fact_heartbeats".to_owned(),
        Raw::Postgres(_) => format!("LOCK TABLE {} IN EXCLUSIVE MODE", raw.tables().await.join(", ")),
    };
    raw.run(&lock).await.unwrap();
    let opened = bench.second_handle().await;
    assert!(opened.db.find_tenant("default").await.unwrap().is_some());
    raw.run("COMMIT").await.unwrap();
}
on_each!(fct_21_opening_what_is_up_to_date_takes_no_lock_that_a_writer_would_meet);

/// Takes the key of a table's numbers away, and puts its first version there a second time.
pub(crate) async fn number_twice(raw: &mut Raw, kind: ClaimKind) {
    let table = table(kind);
    let id = format!("{}_id", table.trim_end_matches('s'));
    let sql = match raw {
        Raw::Sqlite(_) => format!(
            "PRAGMA foreign_keys = OFF; CREATE TABLE bare AS SELECT * FROM {table}; DROP TABLE {table};
             ALTER TABLE bare RENAME TO {table}; INSERT INTO {table} SELECT * FROM {table} WHERE seq = 1"
        ),
        Raw::Postgres(_) => format!(
            "ALTER TABLE {table} DROP CONSTRAINT {table}_pkey CASCADE; ALTER TABLE {table} DROP CONSTRAINT
               {table}_tenant_id_{id}_key; DROP INDEX {table}_active; DROP INDEX {table}_successor;
             ALTER TABLE {table} DISABLE TRIGGER ALL; INSERT INTO {table} SELECT * FROM {table} WHERE seq = 1"
        ),
    };
    raw.run(&sql).await.unwrap();
}

/// FCT-23: a database in which a number stands twice is neither opened nor brought up to date; the key and the number are
/// named, and nothing is added or changed.
async fn fct_23_a_number_that_stands_twice_is_refused_and_nothing_is_changed(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        for value in ["1", "2", "3"] {
            bench.fresh(&put(&key(kind, "owner"), value), at(100)).await;
        }
        let mut raw = bench.raw().await;
        number_twice(&mut raw, kind).await;
        for is_behind in [false, true] {
            if is_behind {
                raw.run(&format!("DELETE FROM schema_migrations WHERE version = {SCHEMA_VERSION}"))
                    .await
                    .unwrap();
            }
            let before = (raw.dump().await, catalog(&mut raw).await);
            let refused = match &*bench.home {
                Home::Folder(_) => vec![Db::open(&bench.path()).await],
                Home::Server(database) => {
                    let owner = server(database.name(), OWNER);
                    let migrated = Db::migrate(&owner, &[]).await.map(|_from| bench.db.clone());
                    // One that is behind is refused for that.
                    if is_behind {
                        vec![migrated]
                    } else {
                        vec![migrated, Db::connect(&owner, Login::Owner).await]
                    }
                }
            };
            for refused in refused {
                let key = format!("{} (tenant_id, seq)", table(kind));
                let wanted = Problem::KeyMissing { key, twice: Some(1) };
                assert_eq!(problem(refused.expect_err("it was opened")), wanted, "{kind:?} {is_behind}");
            }
            assert_eq!((raw.dump().await, catalog(&mut raw).await), before, "{kind:?} {is_behind}");
        }
    }
}
on_each!(fct_23_a_number_that_stands_twice_is_refused_and_nothing_is_changed);

/// FCT-23: whoever sees no tenant is told of the key alone.
#[tokio::test]
async fn fct_23_the_role_of_every_day_is_told_of_the_key() {
    let bench = Bench::on(On::Postgres).await;
    bench.raw().await.run("ALTER TABLE edges DROP CONSTRAINT edges_pkey CASCADE").await.unwrap();
    let Home::Server(database) = &*bench.home else { panic!("a server was asked for") };
    let refused = Db::connect(&server(database.name(), EVERYDAY), Login::Everyday).await;
    let wanted = Problem::KeyMissing { key: "edges (tenant_id, seq)".to_owned(), twice: None };
    assert_eq!(problem(refused.expect_err("it was opened")), wanted);
}

/// A write lock that another process keeps is told as busy, after the time we wait.
#[tokio::test]
async fn a_lock_that_another_process_keeps_is_told_as_busy() {
    let bench = Bench::sqlite().await;
    let mut raw = bench.raw().await;
    raw.run("BEGIN IMMEDIATE").await.unwrap();
    let err = bench.put_host(&bench.host_record("web-1"), at(10)).await.unwrap_err();
    assert_eq!(problem(err), Problem::Busy);
    raw.run("ROLLBACK").await.unwrap();
    bench.put_host(&bench.host_record("web-1"), at(10)).await.unwrap();
    assert!(bench.ledger_problems().await.is_empty());
}

/// A copy of the file must be a copy of the database once nobody has it open.
#[tokio::test]
async fn whoever_closes_last_folds_what_others_wrote_also_after_only_reading() {
    let bench = Bench::sqlite().await;
    let reader = Db::open(&bench.path()).await.unwrap();
    let host = bench.host("web-1").await;
    bench.scan(host, &all_pass(50), at(100)).await;
    bench.db.close().await;
    let log = beside(&bench.path(), "-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0, "the reader holds it open");
    assert!(reader.find_tenant("default").await.is_ok());
    reader.close().await;
    assert!(!log.exists());
}
