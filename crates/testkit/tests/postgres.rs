//! The PostgreSQL server of the tests is one for all, private, ordinary, and goes with its users.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use testkit::postgres::{Cluster, Durability, Fall, SUPERUSER};
use testkit::wait;

/// Returns the user id that the server runs as.
fn server_uid(cluster: &Cluster) -> u32 {
    let pid = cluster.sql(SUPERUSER, "SELECT pg_read_file('postmaster.pid')").unwrap();
    let pid = pid.lines().next().unwrap().trim().to_owned();
    fs::metadata(Path::new("/proc").join(pid)).unwrap().uid()
}

#[test]
fn users_at_once_share_one_server() {
    let clusters: Vec<Cluster> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..4).map(|_| scope.spawn(|| Cluster::shared().unwrap())).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    assert!(clusters.iter().all(|cluster| cluster.socket_folder() == clusters[0].socket_folder()));
}

#[test]
fn the_server_is_never_root_and_its_socket_is_ours_alone() {
    let cluster = Cluster::shared().unwrap();
    assert_ne!(server_uid(&cluster), 0);
    assert_eq!(fs::metadata(cluster.socket_folder()).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn databases_are_apart_and_go_when_they_are_dropped() {
    let cluster = Cluster::shared().unwrap();
    let (one, two) = (cluster.database().unwrap(), cluster.database().unwrap());
    one.sql("CREATE TABLE t (a text); INSERT INTO t VALUES ('mine')").unwrap();
    assert_eq!(one.sql("SELECT a FROM t").unwrap(), "mine\n");
    let err = two.sql("SELECT a FROM t").unwrap_err();
    assert!(err.to_string().contains("does not exist"), "{err}");
    let name = one.name().to_owned();
    drop(one);
    let left = cluster.sql(SUPERUSER, &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"));
    assert_eq!(left.unwrap(), "");
}

#[test]
fn a_template_is_filled_once() {
    let cluster = Cluster::shared().unwrap();
    let name = format!("template_{}", std::process::id());
    let template = cluster.template(&name).unwrap().unwrap();
    template.finish().unwrap();
    assert!(cluster.template(&name).unwrap().is_none());
    let copy = cluster.copy(&name, SUPERUSER).unwrap();
    copy.sql("CREATE TABLE t (a text)").unwrap();
    cluster.sql(SUPERUSER, &format!("DROP DATABASE \"{name}\"")).unwrap();
}

#[test]
fn text_is_ordered_by_language_unless_a_statement_says_otherwise() {
    let cluster = Cluster::shared().unwrap();
    assert_eq!(cluster.sql(SUPERUSER, "SELECT 'a' < 'B', 'a' < 'B' COLLATE \"C\"").unwrap(), "t|f\n");
}

#[test]
fn a_private_server_syncs_and_goes_with_its_user() {
    let cluster = Cluster::private(Durability::Durable).unwrap();
    assert_eq!(cluster.sql(SUPERUSER, "SHOW fsync; SHOW synchronous_commit").unwrap(), "on\non\n");
    let pid = cluster.sql(SUPERUSER, "SELECT pg_read_file('postmaster.pid')").unwrap();
    let process = Path::new("/proc").join(pid.lines().next().unwrap());
    assert!(process.is_dir());
    drop(cluster);
    assert!(wait::until(wait::LONG, || !process.is_dir()), "the server is still there");
}

#[test]
fn a_server_that_falls_comes_back_with_what_it_had_committed() {
    let cluster = Cluster::private(Durability::Durable).unwrap();
    let database = cluster.database().unwrap();
    database.sql("CREATE TABLE t (a int)").unwrap();
    for (round, fall) in [Fall::Stopped, Fall::Killed, Fall::Killed].into_iter().enumerate() {
        database.sql(&format!("INSERT INTO t VALUES ({round})")).unwrap();
        cluster.fall(fall).unwrap();
        assert_eq!(database.sql("SELECT count(*) FROM t").unwrap(), format!("{}\n", round + 1), "{fall:?}");
    }
}
