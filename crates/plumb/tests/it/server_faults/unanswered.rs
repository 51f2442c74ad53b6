//! A server that does not answer: a statement is waited for as long as was said, and of a commit nobody says that it failed.

use testkit::postgres::{Cluster, Durability};
use testkit::process::{Output, Running};
use testkit::wait;

use super::{Stage, assert_told};
use crate::server::{cluster, database, database_of, user};
use crate::support::{assert_code, json, tool};

/// Waits for a commit that waits for a copy of this server: it is done here already.
const UNTIL_ONE_COMMITS: &str = "
SET synchronous_commit = local;
DO $$ BEGIN LOOP
  PERFORM pg_stat_clear_snapshot();
  EXIT WHEN EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'plumb' AND wait_event = 'SyncRep');
  PERFORM pg_sleep(0.01);
END LOOP; END $$;";

/// Ends all connections, the one that commits among them, and has nobody wait from then on.
const END_THE_COMMIT: &str = "
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'plumb';
ALTER SYSTEM RESET synchronous_standby_names;
SELECT pg_reload_conf();";

/// Has commits wait for a copy that there is not, and ends the first that does, behind what `first` says.
fn break_the_next_commit(cluster: &Cluster, database: &str, first: &str) -> Running {
    cluster.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'").unwrap();
    cluster.sql("postgres", "SELECT pg_reload_conf()").unwrap();
    let is_set = || cluster.sql("postgres", "SHOW synchronous_standby_names").unwrap().trim() == "nobody";
    assert!(wait::until(wait::LONG, is_set));
    let script = format!("{UNTIL_ONE_COMMITS}{first}{END_THE_COMMIT}");
    Running::start(cluster.psql(database), script.as_bytes()).unwrap()
}

/// Lets a scan go on that was held up, to its commit, which is not answered.
fn lose_the_commit(cluster: &Cluster, stage: &Stage<'_>, first: &str) -> Output {
    let (scan, holder) = stage.held_up(cluster, "");
    let ender = break_the_next_commit(cluster, stage.database.name(), first);
    let let_go = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)%'
        AND pid <> pg_backend_pid()";
    stage.database.sql(let_go).unwrap();
    drop(holder.finish(wait::LONG).unwrap());
    let done = scan.finish(wait::LONG).unwrap();
    drop(ender.finish(wait::LONG).unwrap());
    done
}

/// ERR-01: the server stands still in the middle of a statement.
#[test]
fn err_01_a_server_that_falls_silent_is_left_after_the_time_that_was_said() {
    let mut stage = Stage::on(cluster(), database());
    stage.world = stage.world.env("PLUMB_DATABASE_ANSWER_SECONDS", "10");
    let (scan, holder) = stage.held_up(cluster(), "");
    let backend = stage.number(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'plumb' AND datname = current_database()
           AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO host_posture%'",
    );
    tool("kill", &["-STOP", &backend.to_string()]);
    let done = scan.finish(wait::LONG).unwrap();
    tool("kill", &["-CONT", &backend.to_string()]);
    assert_told(&done, "it did not answer within 10 s");
    stage.end_all();
    drop(holder.finish(wait::LONG).unwrap());
    stage.assert_whole();
    stage.scan();
    stage.assert_whole();
}

/// ERR-01: a connection ends while the server commits. What was to be recorded is there, and nobody said that it is not.
#[test]
fn err_01_a_commit_that_is_not_answered_is_not_said_to_have_failed() {
    let cluster = Cluster::private(Durability::Durable).unwrap();
    let stage = Stage::on(&cluster, database_of(&cluster));
    let ender = break_the_next_commit(&cluster, stage.database.name(), "");
    let put = ["fact", "put", "fleet:web", "owner", "1", "--type", "desired", "--expect", "absent"];
    let done = stage.world.plumb(&put);
    drop(ender.finish(wait::LONG).unwrap());
    assert_told(&done, "nobody knows whether this was done: store the fact: ");
    assert!(
        !done.stderr.contains("could not") && done.stderr.contains("see whether it is on record"),
        "{done:?}"
    );
    let found = json(&stage.world.plumb(&["fact", "get", "fleet:web", "owner", "--format", "json"]));
    assert_eq!(found["facts"][0]["value"], 1, "{found:#}");
    stage.assert_whole();
}

/// TLW-10, ERR-01: the commit of a scan is not answered. The scan finds itself on record and says what it found.
#[test]
fn tlw_10_a_scan_whose_commit_is_not_answered_is_found_on_record() {
    let cluster = Cluster::private(Durability::Durable).unwrap();
    let mut stage = Stage::on(&cluster, database_of(&cluster));
    let done = lose_the_commit(&cluster, &stage, "");
    assert_code(&done, 2);
    let scan = &json(&done)["hosts"][0]["outcome"]["measured"]["scan"]["scan_id"];
    stage.answered.push(scan.as_str().unwrap().to_owned());
    stage.assert_whole();
    assert_eq!(stage.number("SELECT count(*) FROM transactions"), 2);
}

/// ERR-01: as before, and then the server lets nobody in. What is said is what is not known, not how the second try failed.
#[test]
fn err_01_a_scan_whose_commit_is_not_answered_is_not_said_to_have_failed() {
    let cluster = Cluster::private(Durability::Durable).unwrap();
    let stage = Stage::on(&cluster, database_of(&cluster));
    let limit = |most: i32| format!("ALTER ROLE {} CONNECTION LIMIT {most};", user(&stage.database, "app"));
    let done = lose_the_commit(&cluster, &stage, &limit(0));
    stage.database.sql(&limit(-1)).unwrap();
    assert_told(&done, "nobody knows whether this was done: apply the scan: ");
    assert_eq!(stage.number("SELECT count(*) FROM scan_runs WHERE status = 'completed'"), 2);
    stage.assert_whole();
}

/// ERR-12: a server that takes no writes is not told as a file; and settings of a role change no answer.
#[test]
fn err_12_a_server_that_only_reads_is_told_as_one() {
    let mut stage = Stage::on(cluster(), database());
    let app = user(&stage.database, "app");
    let set = |what: &str| stage.database.sql(&format!("ALTER ROLE {app} {what}")).unwrap();
    let put = ["fact", "put", "fleet:web", "owner", "1", "--type", "desired"];
    set("SET default_transaction_read_only = on");
    let done = stage.world.plumb(&put);
    assert_told(&done, "the server is read-only");
    assert!(done.stderr.contains("primary server") && !done.stderr.contains("--data-dir"), "{done:?}");
    set("RESET default_transaction_read_only");
    set("SET row_security = off");
    assert_code(&stage.world.plumb(&put), 0);
    stage.scan();
    stage.assert_whole();
}
