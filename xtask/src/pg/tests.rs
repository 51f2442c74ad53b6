use std::process::Command;

use testkit::postgres::{Cluster, SUPERUSER};

use super::report;

/// SUP-12: the report of a test run names the server that answered, and how it is set.
#[test]
fn sup_12_the_report_names_the_server_and_its_settings() {
    let cluster = Cluster::shared().unwrap();
    let line = report(&cluster).unwrap();
    // What its own program says of itself: "postgres (PostgreSQL) 15.14 (Debian ...)".
    let program =
        cluster.sql(SUPERUSER, "SELECT setting || '/postgres' FROM pg_config WHERE name = 'BINDIR'").unwrap();
    let said = Command::new(program.trim()).arg("--version").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let version = said.split_whitespace().nth(2).unwrap();
    assert!(line.starts_with(&format!("PostgreSQL {version}")), "{line}: {said}");
    for setting in ["fsync = off", &format!("port = {}", cluster.port()), "synchronous_commit = off"] {
        assert!(line.contains(setting), "{setting}: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
}
