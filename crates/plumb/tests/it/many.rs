//! Many scans at once through the program, and what stands in the ledger for every row of them.

use std::collections::BTreeSet;

use testkit::host::{HostOptions, TestHost};
use testkit::process::Running;
use testkit::wait;

use crate::database;
use crate::support::{
    On, World, assert_code, assert_refused, host_with, json, key, shell_rule, world, world_on,
};

/// Machines, and the addresses that each is scanned under: as many hosts as both together make.
const MACHINES: usize = 5;
const ADDRESSES: usize = 10;
/// What one process may take of the server: connections that it keeps, one for a peak and two of a snapshot.
const DECLARED: i64 = 2 + 1 + 2;

/// Returns the addresses of a machine, but for its port.
fn addresses() -> impl Iterator<Item = String> {
    (1..=ADDRESSES).map(|last| format!("127.0.0.{last}"))
}

/// Starts a machine that lets many log in at once.
fn machine() -> TestHost {
    // The first address is the one that every test host has.
    let mut sshd: Vec<String> =
        addresses().skip(1).map(|address| format!("ListenAddress {address}")).collect();
    sshd.push("MaxStartups 100".to_owned());
    let machine = host_with(&HostOptions { sshd, ..HostOptions::default() });
    let listens = || machine.sshd_log().unwrap().matches("Server listening on 127.").count();
    assert!(wait::until(wait::LONG, || listens() == ADDRESSES), "{}", machine.sshd_log().unwrap());
    machine
}

/// Scans all machines at once, a process for each, and returns the most connections that the server showed of them.
fn scan_all(world: &World, machines: &[TestHost], content: &str) -> i64 {
    let start = |machine: &TestHost| {
        let key = key(machine);
        let mut words =
            vec!["--content", content, "scan", "--identity", &key, "--concurrency", "10", "--quiet"];
        let targets: Vec<String> =
            addresses().map(|address| format!("root@{address}:{}", machine.port())).collect();
        words.extend(targets.iter().map(String::as_str));
        world.start(&words).unwrap()
    };
    let mut scans: Vec<Running> = machines.iter().map(start).collect();
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'plumb' AND datname = current_database();";
    let mut most = 0;
    let ended = wait::until(wait::LONG, || {
        most = most.max(world.by_hand(ours).concat().parse().unwrap());
        scans.iter_mut().all(|scan| !scan.is_running())
    });
    assert!(ended, "scans do not end");
    for scan in scans {
        // A rule fails on every host.
        assert_code(&scan.finish(wait::LONG).unwrap(), 2);
    }
    most
}

/// TLW-28, DBS-19: fifty hosts are scanned at once by five processes, twice. Nothing is lost, the ledger has no gap, nobody
/// waited for each other for ever, and the server never counted more connections than `plumb db check` does.
#[test]
fn tlw_28_dbs_19_fifty_scans_at_once_lose_nothing_and_take_no_more_than_declared() {
    let world = world_on(On::Postgres);
    let settings = [("CONNECTIONS", "2"), ("OVERFLOW", "1"), ("REPLICAS", "5"), ("ACQUIRE_SECONDS", "300")];
    let world = settings
        .into_iter()
        .fold(world, |world, (name, value)| world.env(&format!("PLUMB_DATABASE_{name}"), value));
    // Before, or five processes would make the ledger at once, which is another story.
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let content = world.content(&[
        shell_rule("always_same", "echo yes"),
        shell_rule("always_new", "cat /proc/sys/kernel/random/uuid"),
    ]);
    let machines: Vec<TestHost> = (0..MACHINES).map(|_| machine()).collect();
    let most = (0..2).map(|_| scan_all(&world, &machines, &content)).max().unwrap();
    let declared = DECLARED * i64::try_from(MACHINES).unwrap();
    assert!((2..=declared).contains(&most), "{most} connections");
    let check = json(&world.plumb(&["db", "check", "--format", "json"]));
    assert!(check.to_string().contains(&format!("times {MACHINES} = {declared} at most")), "{check:#}");

    let hosts = i64::try_from(MACHINES * ADDRESSES).unwrap();
    let number = |query: &str| -> i64 { world.by_hand(query).concat().parse().unwrap() };
    assert_eq!(world.count("hosts"), hosts);
    assert_eq!(number("SELECT count(*) FROM scan_runs WHERE status = 'completed';"), 2 * hosts);
    assert_eq!(world.count("scan_runs"), 2 * hosts);
    // Both rules are new once, and one has another value the second time.
    assert_eq!(world.count("transactions"), 3 * hosts);
    assert_eq!(number("SELECT count(*) FROM host_rule_checked WHERE check_count = 2;"), 2 * hosts);
    assert_eq!(number("SELECT count(*) FROM audit_events WHERE action = 'writer.apply.failed';"), 0);
    assert_eq!(number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database();"), 0);
    let gaps = "SELECT count(*) FROM log_heads AS h WHERE h.size <> (SELECT count(*) FROM log_entries AS e
                  WHERE e.log_id = h.log_id AND e.log_index BETWEEN 0 AND h.size - 1);";
    assert_eq!(number(gaps), 0);
    for words in [&["ledger", "verify"][..], &["state", "verify"]] {
        assert_code(&world.plumb(words), 0);
    }
    assert_entered(&world, On::Postgres);
}

/// Returns the rows of a table that entries of the ledger name, each as often as it is named.
fn entered(world: &World, on: On, table: &str) -> Vec<String> {
    let (row, of) = match on {
        On::Sqlite => {
            ("json_extract(CAST(entry AS TEXT), '$.row')", "json_extract(CAST(entry AS TEXT), '$.table')")
        }
        On::Postgres => {
            ("convert_from(entry, 'UTF8')::json ->> 'row'", "convert_from(entry, 'UTF8')::json ->> 'table'")
        }
    };
    world.by_hand(&format!("SELECT {row} FROM log_entries WHERE {of} = '{table}';"))
}

/// Checks that every row of the change log and of the audit has one entry, and every entry of them its row.
#[track_caller]
fn assert_entered(world: &World, on: On) {
    for (table, id) in [("transactions", "id"), ("audit_events", "audit_id")] {
        let rows: BTreeSet<String> =
            world.by_hand(&format!("SELECT {id} FROM {table};")).into_iter().collect();
        let entries = entered(world, on, table);
        assert!(rows.len() > 5, "{table}: {rows:?}");
        assert_eq!(entries.len(), rows.len(), "{table}");
        assert_eq!(entries.into_iter().collect::<BTreeSet<String>>(), rows, "{table}");
    }
}

/// Rules of a first scan that has much to say.
const RULES: usize = 1_000;

/// TLW-24, TLW-19: a first scan with a thousand rules writes a thousand rows of the change log, and each has its one entry, as
/// every record of the audit has.
fn tlw_24_tlw_19_each_row_of_the_change_log_is_entered_once(on: On) {
    let world = world_on(on);
    let rules: Vec<(String, String)> =
        (0..RULES).map(|n| shell_rule(&format!("rule_{n}"), "echo yes")).collect();
    let content = world.content(&rules);
    let scan = ["--content", &content, "scan", "localhost", "--quiet"];
    assert_code(&world.plumb(&scan), 0);
    let all = i64::try_from(RULES).unwrap();
    assert_eq!((world.count("transactions"), entered(&world, on, "transactions").len()), (all, RULES));
    // What changes nothing enters no row.
    assert_code(&world.plumb(&scan), 0);
    for n in 0..5 {
        assert_code(
            &world.plumb(&["host", "add", &format!("192.0.2.{n}"), "--name", &format!("web-{n}")]),
            0,
        );
    }
    assert_eq!(world.count("transactions"), all);
    assert_entered(&world, on);
}
on_each!(tlw_24_tlw_19_each_row_of_the_change_log_is_entered_once);

/// DBS-23: a record that would end with the command is refused, however it is asked for, and nothing is made.
#[test]
fn dbs_23_a_database_in_memory_is_refused() {
    let world = world();
    for (address, words) in [
        ("sqlite::memory:", "names a database in memory"),
        ("sqlite:///:memory:", "names a database in memory"),
        ("sqlite:file::memory:?cache=shared", "names a database in memory"),
        ("sqlite:file:x?mode=memory", "names a database in memory"),
        ("sqlite:x.db?mode=memory", "names a database in memory"),
        ("sqlite:x.db?cache=shared", "has options"),
        ("sqlite:", "names no file"),
    ] {
        for command in [&["host", "add", "192.0.2.10"][..], &["scan", "localhost"], &["db", "check"]] {
            let done = world.plumb(&[&["--database", address], command].concat());
            assert_refused(&done, 78, words);
        }
    }
    assert!(!world.data().exists() && std::fs::read_dir(world.home()).unwrap().next().is_none());
    assert_code(&world.plumb(&["host", "add", "192.0.2.10"]), 0);
    assert_eq!(database::number(&world.database(), "SELECT count(*) FROM hosts;"), 1);
}
