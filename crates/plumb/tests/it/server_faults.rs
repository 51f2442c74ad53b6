//! A server that falls, cuts off, refuses or is full in the middle of an Apply: one clear line, nothing that was answered is
//! lost, and what is left verifies (ERR-01, LED-10). Each story holds an Apply up by a lock, so that the fault meets it
//! where it is meant to.

mod unanswered;

use std::fs;
use std::path::Path;

use testkit::fuzz::SplitMix64;
use testkit::postgres::{Cluster, Database, Durability, Fall};
use testkit::process::{Output, Running};
use testkit::wait;

use crate::faults::Small;
use crate::server::{address_of, cluster, database, database_of, migrate, user};
use crate::support::{On, World, assert_code, json, shell_rule, tool, world, world_on};

/// Attempts at holding up an Apply. A wait for a lock ends after 5 s, which a busy machine may let pass.
const TRIES_MAX: usize = 5;

/// Ends every connection but the one that asks for it.
const END_ALL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// A database with the data directory of somebody who works there, and the ids of the scans that were answered.
struct Stage<'c> {
    database: Database<'c>,
    world: World,
    content: String,
    answered: Vec<String>,
}

impl<'c> Stage<'c> {
    fn on(cluster: &'c Cluster, database: Database<'c>) -> Self {
        let world = world()
            .env("PLUMB_DATABASE_URL", &address_of(cluster, &database, &user(&database, "app")))
            .env("PLUMB_OWNER_DATABASE_URL", &address_of(cluster, &database, database.name()));
        migrate(&world, &database);
        let content = world.content(&[shell_rule("always_new", "cat /proc/sys/kernel/random/uuid")]);
        let mut stage = Self { database, world, content, answered: Vec::new() };
        stage.scan();
        stage
    }

    fn words(&self) -> [&str; 6] {
        ["--content", &self.content, "scan", "localhost", "--format", "json"]
    }

    /// Scans, which has to be answered: the rule fails, and has another value each time.
    #[track_caller]
    fn scan(&mut self) {
        let done = self.world.plumb(&self.words());
        assert_code(&done, 2);
        let scan = &json(&done)["hosts"][0]["outcome"]["measured"]["scan"]["scan_id"];
        self.answered.push(scan.as_str().unwrap().to_owned());
    }

    /// Checks that everything verifies and that every scan that was answered is there.
    #[track_caller]
    fn assert_whole(&self) {
        for words in [&["ledger", "verify"][..], &["state", "verify"]] {
            assert_code(&self.world.plumb(words), 0);
        }
        let host = json(&self.world.plumb(&["host", "show", "localhost", "--format", "json"]));
        let scans = host["scans"].as_array().unwrap();
        for answered in &self.answered {
            let is_it = |scan: &&serde_json::Value| scan["scan_id"] == **answered;
            let scan = scans.iter().find(is_it).unwrap_or_else(|| panic!("{answered} is lost: {host:#}"));
            assert_eq!(scan["status"], "completed", "{host:#}");
        }
    }

    fn number(&self, query: &str) -> i64 {
        self.database.sql(query).unwrap().trim().parse().unwrap()
    }

    /// Runs a script of the superuser beside everything else.
    fn beside(&self, cluster: &Cluster, script: &str) -> Running {
        Running::start(cluster.psql(self.database.name()), script.as_bytes()).unwrap()
    }

    /// Begins a scan and returns it in the middle of its Apply: it waits for a table that somebody else holds, whose script
    /// goes on with `more`.
    fn held_up(&self, cluster: &Cluster, more: &str) -> (Running, Running) {
        for _try in 0..TRIES_MAX {
            let script =
                format!("BEGIN; LOCK TABLE host_posture IN SHARE MODE; {more} SELECT pg_sleep(120);");
            let holder = self.beside(cluster, &script);
            let held = "SELECT count(*) FROM pg_locks WHERE relation = 'host_posture'::regclass AND granted";
            assert!(wait::until(wait::LONG, || self.number(held) == 1));
            let mut scan = self.world.start(&self.words()).unwrap();
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'plumb' AND datname = current_database()
                AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO host_posture%'";
            let mut is_held = false;
            let settled = wait::until(wait::LONG, || {
                is_held = self.number(waits) == 1;
                is_held || !scan.is_running()
            });
            assert!(settled, "a scan neither waits nor ends");
            if is_held {
                return (scan, holder);
            }
            drop(scan.finish(wait::LONG).unwrap());
            holder.signal("KILL").unwrap();
            drop(holder.finish(wait::LONG).unwrap());
            self.end_all();
        }
        panic!("no scan of {TRIES_MAX} was held up");
    }

    /// Ends every connection but our own.
    fn end_all(&self) {
        self.database.sql(END_ALL).unwrap();
    }
}

/// Checks that a command said in one line what was wrong: a scan with the host that it is about, all others at their end.
#[track_caller]
fn assert_told(done: &Output, words: &str) {
    assert_code(done, 69);
    assert!(!done.stderr.contains("panicked"), "{done:?}");
    let line = if done.stdout.is_empty() {
        done.stderr.lines().find(|line| line.starts_with("plumb: ")).unwrap_or_default().to_owned()
    } else {
        let outcome = &json(done)["hosts"][0]["outcome"]["not_measured"];
        assert_eq!(outcome["reason"], "store_error", "{done:?}");
        outcome["message"].as_str().unwrap().to_owned()
    };
    assert!(line.contains(words) && line.lines().count() == 1, "{words:?}: {done:?}");
}

/// LED-10, ERR-01: the server is stopped at once, and killed, in the middle of an Apply, and comes back.
#[test]
fn led_10_a_server_that_falls_in_the_middle_of_an_apply_loses_nothing() {
    let cluster = Cluster::private(Durability::Durable).unwrap();
    let mut stage = Stage::on(&cluster, database_of(&cluster));
    for fall in [Fall::Stopped, Fall::Killed] {
        let (scan, holder) = stage.held_up(&cluster, "");
        cluster.fall(fall).unwrap();
        assert_told(&scan.finish(wait::LONG).unwrap(), "the connection to the server broke");
        drop(holder.finish(wait::LONG).unwrap());
        stage.assert_whole();
        stage.scan();
        stage.assert_whole();
    }
    assert_eq!(
        stage.number("SELECT count(*) FROM transactions"),
        3,
        "a scan that was not answered was applied"
    );
}

/// ERR-01: the connection of an Apply is ended by the server's administrator.
#[test]
fn err_01_an_apply_whose_connection_is_ended_is_told_and_leaves_nothing() {
    let mut stage = Stage::on(cluster(), database());
    let (scan, holder) = stage.held_up(cluster(), "");
    // The other one goes on holding what it waits for.
    stage.database.sql(&format!("{END_ALL} AND application_name = 'plumb'")).unwrap();
    assert_told(&scan.finish(wait::LONG).unwrap(), "terminating connection due to administrator command");
    stage.end_all();
    drop(holder.finish(wait::LONG).unwrap());
    stage.assert_whole();
    stage.scan();
    stage.assert_whole();
    assert_eq!(stage.number("SELECT count(*) FROM transactions"), 2);
}

/// DBS-16, ERR-01: a process stands still in the middle of an Apply. The server does not wait for it for longer than 5 s, and
/// the Apply, once it goes on, is told.
#[test]
fn dbs_16_an_apply_that_stands_still_is_ended_by_the_server_and_leaves_nothing() {
    let mut stage = Stage::on(cluster(), database());
    let (scan, holder) = stage.held_up(cluster(), "");
    scan.signal("STOP").unwrap();
    stage.database.sql(&format!("{END_ALL} AND application_name <> 'plumb'")).unwrap();
    drop(holder.finish(wait::LONG).unwrap());
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'plumb' AND datname = current_database()
        AND state <> 'idle'";
    let ended = wait::until(wait::LONG, || stage.number(left) == 0);
    scan.signal("CONT").unwrap();
    assert!(ended, "the server still waits for it");
    assert_told(&scan.finish(wait::LONG).unwrap(), "connection");
    stage.assert_whole();
    stage.scan();
    stage.assert_whole();
    assert_eq!(stage.number("SELECT count(*) FROM transactions"), 2);
}

/// A loop of a script that waits until a command of ours waits for a lock.
const UNTIL_ONE_WAITS: &str = "
DO $$ BEGIN LOOP
  PERFORM pg_stat_clear_snapshot();
  EXIT WHEN EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'plumb' AND datname = current_database()
    AND wait_event_type = 'Lock');
  PERFORM pg_sleep(0.01);
END LOOP; END $$;";

/// ERR-01: an Apply and somebody else wait for each other. The server gives up the Apply, which says so.
#[test]
fn err_01_an_apply_that_ends_in_a_deadlock_is_told_and_leaves_nothing() {
    let mut stage = Stage::on(cluster(), database());
    // Who has waited so long looks whether it is for ever: of the two that wait here, the Apply alone.
    let app = user(&stage.database, "app");
    stage.database.sql(&format!("ALTER ROLE {app} SET deadlock_timeout = '3s'")).unwrap();
    let more =
        format!("SET deadlock_timeout = '1h'; {UNTIL_ONE_WAITS} LOCK TABLE transactions IN EXCLUSIVE MODE;");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    for attempts_left in (0..TRIES_MAX).rev() {
        let (scan, holder) = stage.held_up(cluster(), &more);
        assert_told(&scan.finish(wait::LONG).unwrap(), "another process holds the write lock");
        stage.end_all();
        drop(holder.finish(wait::LONG).unwrap());
        stage.assert_whole();
        if stage.number(deadlocks) > 0 {
            break;
        }
        assert!(attempts_left > 0, "the server saw no deadlock");
    }
    // TLW-27: each run that could not be stored says so once, in the record.
    let failed = stage.number("SELECT count(*) FROM scan_runs WHERE failure_reason = 'store_error'");
    let events = "SELECT count(*) FROM audit_events WHERE action = 'writer.apply.failed'
        AND detail LIKE '%\"reason\":\"sql_error\",\"rule_count_attempted\":1,%'";
    assert!(failed > 0, "no run failed");
    assert_eq!(stage.number(events), failed);
    stage.scan();
    stage.assert_whole();
    assert_eq!(stage.number("SELECT count(*) FROM transactions"), 2);
}

/// TLW-28: an Apply that the server gave up, so that somebody else could go on, is tried again and stored.
#[test]
fn tlw_28_an_apply_that_is_given_up_for_another_write_is_tried_again() {
    let mut stage = Stage::on(cluster(), database());
    let app = user(&stage.database, "app");
    stage.database.sql(&format!("ALTER ROLE {app} SET deadlock_timeout = '3s'")).unwrap();
    let more = format!(
        "SET deadlock_timeout = '1h'; {UNTIL_ONE_WAITS} LOCK TABLE transactions IN EXCLUSIVE MODE; COMMIT;"
    );
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    for attempts_left in (0..TRIES_MAX).rev() {
        let (scan, holder) = stage.held_up(cluster(), &more);
        let done = scan.finish(wait::LONG).unwrap();
        stage.end_all();
        drop(holder.finish(wait::LONG).unwrap());
        if stage.number(deadlocks) > 0 {
            assert_code(&done, 2);
            break;
        }
        assert!(attempts_left > 0, "the server saw no deadlock");
    }
    assert_eq!(stage.number("SELECT count(*) FROM audit_events WHERE action = 'writer.apply.failed'"), 0);
    stage.scan();
    stage.assert_whole();
}

/// ERR-01: a server whose transactions see the past only refuses a write that came too late.
#[test]
fn err_01_a_write_that_cannot_be_put_in_order_is_told_and_leaves_nothing() {
    let stage = Stage::on(cluster(), database());
    let app = user(&stage.database, "app");
    stage
        .database
        .sql(&format!("ALTER ROLE {app} SET default_transaction_isolation = 'repeatable read'"))
        .unwrap();
    let put = ["fact", "put", "fleet:web", "owner", "1", "--type", "desired"];
    assert_code(&stage.world.plumb(&put), 0);
    let script = format!(
        "BEGIN; SELECT pg_advisory_xact_lock(1, hashtext(tenant_id)) FROM tenants; SELECT 'held'; {UNTIL_ONE_WAITS}
         UPDATE log_heads SET size = size; COMMIT;"
    );
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let too_late = |words: &[&str]| {
        let holder = stage.beside(cluster(), &script);
        assert!(wait::until(wait::LONG, || stage.number(held) == 1));
        let done = stage.world.plumb(words);
        assert!(holder.finish(wait::LONG).unwrap().success());
        stage.assert_whole();
        done
    };
    let hold = ["ledger", "hold", "add", "case", "--reason", "r"];
    assert_told(&too_late(&hold), "another process holds the write lock");
    assert_code(&stage.world.plumb(&hold), 0);
    // A fact is written again by itself, with what is to be seen then (FCT-10).
    assert_code(&too_late(&["fact", "put", "fleet:web", "owner", "2", "--type", "desired"]), 0);
    assert_eq!(stage.number("SELECT count(*) FROM facts WHERE subject = 'fleet:web'"), 2);
}

/// DBS-14, ERR-01: one connection is enough for every command; where the server has none left, that is said.
#[test]
fn err_01_a_server_without_a_free_connection_is_told() {
    let mut stage = Stage::on(cluster(), database());
    for (name, good, bad) in [
        ("CONNECTIONS", "1", "0"),
        ("OVERFLOW", "0", "101"),
        ("REPLICAS", "1", "0"),
        ("ACQUIRE_SECONDS", "2", "0"),
        ("ANSWER_SECONDS", "60", "9"),
        ("RECYCLE_SECONDS", "60", "59"),
    ] {
        let name = format!("PLUMB_DATABASE_{name}");
        let mut refused = stage.world.command(&["host", "list"]);
        let refused = refused.env(&name, bad).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(
            refused.status.code() == Some(78) && said.contains(&format!("{name} is \"{bad}\"")),
            "{said}"
        );
        stage.world = stage.world.env(&name, good);
    }
    stage.scan();
    stage.assert_whole();
    let app = user(&stage.database, "app");
    stage.database.sql(&format!("ALTER ROLE {app} CONNECTION LIMIT 0")).unwrap();
    for words in [
        &stage.words()[..],
        &["host", "list"],
        &["fact", "put", "fleet:web", "owner", "1", "--type", "desired"],
    ] {
        assert_told(&stage.world.plumb(words), "too many connections");
    }
    stage.database.sql(&format!("ALTER ROLE {app} CONNECTION LIMIT -1")).unwrap();
    stage.assert_whole();
    stage.scan();
    stage.assert_whole();
}

/// What is left free on a disk before it is filled. Blocks of 4,096 bytes.
const BLOCKS_LEFT: u64 = 256;

/// LED-42, ERR-01: the disk under the tables is full. What does not fit is refused in one line, and all the rest is there.
#[test]
fn led_42_a_full_disk_under_the_tables_of_a_server_is_told_and_loses_nothing() {
    let cluster = Cluster::private(Durability::Durable).unwrap();
    let small = Small::at(cluster.socket_folder().with_file_name("small"), "uid=postgres,gid=postgres");
    let database = database_of(&cluster);
    let place = small.path().to_str().unwrap();
    cluster.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{place}'")).unwrap();
    cluster.sql("postgres", &format!("ALTER DATABASE {} SET TABLESPACE small", database.name())).unwrap();
    let mut stage = Stage::on(&cluster, database);
    let filler = small.fill(BLOCKS_LEFT);
    let put = |n: usize| {
        // Nothing that is pressed small.
        let mut random = SplitMix64::new(n as u64);
        let value: Vec<String> = (0..4_000).map(|_| format!("{:016x}", random.next_u64())).collect();
        let value = format!("\"{}\"", value.concat());
        stage.world.plumb(&["fact", "put", "fleet:web", &format!("p{n}"), &value, "--type", "desired"])
    };
    let mut kept = 0;
    let full = loop {
        let done = put(kept);
        if done.code != Some(0) {
            break done;
        }
        kept += 1;
        assert!(kept < 1_000, "the disk is never full");
    };
    assert_told(&full, "the disk is full");
    // What is small may still find room.
    let scan = stage.world.plumb(&stage.words());
    if scan.code != Some(2) {
        assert_told(&scan, "the disk is full");
    }
    stage.assert_whole();
    assert_eq!(stage.number("SELECT count(*) FROM facts WHERE subject = 'fleet:web'"), kept as i64);
    fs::remove_file(&filler).unwrap();
    assert_code(&put(kept), 0);
    stage.scan();
    stage.assert_whole();
}

/// Says another time than the machine's to a program that is linked with it.
const OTHER_CLOCK: &str = "
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long ahead(void) { const char *s = getenv(\"CLOCK_AHEAD_SECONDS\"); return s ? atol(s) : 0; }
int clock_gettime(clockid_t id, struct timespec *at) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, \"clock_gettime\");
  int done = real(id, at);
  if (id == CLOCK_REALTIME) at->tv_sec += ahead();
  return done;
}
int gettimeofday(struct timeval *at, void *zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}
";

/// Builds the library that tells another time.
fn other_clock(world: &World) -> String {
    let (source, library) = (world.path("clock.c"), world.path("clock.so"));
    fs::write(&source, OTHER_CLOCK).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    tool("cc", &["-shared", "-fPIC", "-o", &path(&library), &path(&source), "-ldl"]);
    path(&library)
}

/// TLW-30, FCT-07: the clock is set back between two commands: by an hour, and before a server, whose own clock stays, by four
/// minutes. Both are recorded in order, and so is the step.
fn tlw_30_a_clock_that_is_set_back_stops_nothing(on: On) {
    let world = world_on(on);
    let library = other_clock(&world);
    let ahead = if on == On::Sqlite { "3600" } else { "240" };
    let world = world.env("LD_PRELOAD", &library).env("CLOCK_AHEAD_SECONDS", ahead);
    let content = world.content(&[shell_rule("always_new", "cat /proc/sys/kernel/random/uuid")]);
    let scan = ["--content", &content, "scan", "localhost", "--quiet"];
    assert_code(&world.plumb(&scan), 2);
    if on == On::Sqlite {
        // The log is newer than the newest fact by more than the database lets a clock be wrong.
        let mut later = world.command(&["host", "add", "10.0.0.1"]);
        assert!(later.env("CLOCK_AHEAD_SECONDS", "7200").status().unwrap().success());
    }
    let world = world.env("CLOCK_AHEAD_SECONDS", "0");
    let stepped =
        || world.by_hand("SELECT count(*) FROM audit_events WHERE action = 'clock.stepped_back';").concat();
    assert_eq!(stepped(), "0");
    for round in 0..2 {
        assert_code(
            &world.plumb(&["fact", "put", "fleet:web", "owner", &round.to_string(), "--type", "desired"]),
            0,
        );
        assert_code(&world.plumb(&scan), 2);
        for words in [&["ledger", "verify"][..], &["state", "verify"]] {
            assert_code(&world.plumb(words), 0);
        }
    }
    assert_ne!(stepped(), "0");
}
on_each!(tlw_30_a_clock_that_is_set_back_stops_nothing);

/// FCT-52: the clock of this machine is an hour ahead of the server's. Nothing is recorded before its time.
#[test]
fn fct_52_what_a_clock_ahead_of_the_servers_says_is_not_recorded() {
    let world = world_on(On::Postgres);
    assert_code(&world.plumb(&["fact", "put", "fleet:web", "owner", "1", "--type", "desired"]), 0);
    let before = world.by_hand("SELECT count(*) FROM log_entries;");
    let library = other_clock(&world);
    let world = world.env("LD_PRELOAD", &library).env("CLOCK_AHEAD_SECONDS", "3600");
    let refused = world.plumb(&["host", "add", "10.0.0.1"]);
    assert_code(&refused, 69);
    let told = "time-violation: log_heads.last_at_us is in the future: set the clock of this machine";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    assert_eq!(before, world.by_hand("SELECT count(*) FROM log_entries;"));
}

/// DBS-27: a program of a newer version has been there. The older one refuses everything, changes nothing, and what both left
/// is whole.
fn dbs_27_an_older_program_leaves_a_newer_database_alone(on: On) {
    let world = world_on(on);
    let put = ["fact", "put", "fleet:web", "owner", "1", "--type", "desired"];
    assert_code(&world.plumb(&put), 0);
    world.by_hand("INSERT INTO schema_migrations VALUES (9999, 'later', 'x');");
    let counts =
        || ["log_entries", "facts", "audit_events", "schema_migrations"].map(|table| world.count(table));
    let before = counts();
    for words in [&put[..], &["host", "list"], &["scan", "localhost"], &["migrate"], &["ledger", "verify"]] {
        let done = world.plumb(words);
        assert_code(&done, 69);
        assert!(
            done.stderr.contains("version 9999") && done.stderr.contains("newer plumb"),
            "{words:?}: {done:?}"
        );
    }
    assert_eq!(counts(), before);
    world.by_hand("DELETE FROM schema_migrations WHERE version = 9999;");
    for words in [&["ledger", "verify"][..], &["state", "verify"], &["fact", "get", "fleet:web"]] {
        assert_code(&world.plumb(words), 0);
    }
}
on_each!(dbs_27_an_older_program_leaves_a_newer_database_alone);
