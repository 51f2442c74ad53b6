//! `plumb db check`: what it finds of a database that is right, and of each way in which one is not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use testkit::net::closed_port;
use testkit::postgres::{Cluster, Database, Durability};
use testkit::process::Running;
use testkit::wait;

use crate::database::{dump, sql};
use crate::server::{PASSWORD, address, address_of, database, database_of, migrate, on, user};
use crate::support::{World, assert_code, assert_refused, json, mode, world};

/// Checks a database and returns the names of what is wrong, each with what was said of it.
pub(crate) fn wrong(world: &World, more: &[&str]) -> Vec<(String, String)> {
    let done = world.plumb(&[&["db", "check", "--format", "json"], more].concat());
    let document = json(&done);
    let checks = document["checks"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut wrong: Vec<_> = checks
        .iter()
        .filter(|check| check["ok"] != true)
        .map(|check| {
            assert!(check["hint"].is_string() && check["ok"] == false, "{check:#}");
            (text(&check["name"]), text(&check["said"]))
        })
        .collect();
    assert_code(&done, if wrong.is_empty() { 0 } else { 2 });
    assert_eq!(document["ok"], wrong.is_empty(), "{document:#}");
    // The server of these tests is made to forget.
    wrong.retain(|(name, said)| name != "durability" || !said.starts_with("fsync, full_page_writes off: "));
    assert!(!done.stdout.contains(PASSWORD) && !done.stderr.contains(PASSWORD), "{done:?}");
    wrong
}

#[track_caller]
fn assert_wrong(found: &[(String, String)], wanted: &[(&str, &str)]) {
    let names: Vec<&str> = found.iter().map(|(name, _said)| name.as_str()).collect();
    assert_eq!(names, wanted.iter().map(|(name, _word)| *name).collect::<Vec<_>>(), "{found:?}");
    for ((_name, said), (_wanted, word)) in found.iter().zip(wanted) {
        assert!(said.contains(word), "{word:?}: {said}");
    }
}

/// DBS-20, DBS-22: a file is looked at without being made, mended or changed, and each fault of it is told.
#[test]
fn dbs_20_a_file_is_checked_without_being_touched() {
    let world = world();
    assert_refused(&world.plumb(&["db", "check"]), 69, "there is no database");
    assert!(!world.data().exists());
    assert_code(&world.plumb(&["host", "add", "192.0.2.10", "--name", "web-1"]), 0);
    let before = dump(&world.database());
    assert_wrong(&wrong(&world, &[]), &[]);
    let text = world.plumb(&["db", "check"]);
    assert_code(&text, 0);
    for line in [
        "file\tyes\t",
        "pages\tyes\twhole",
        "mark\tyes\tof plumb",
        "write-ahead log\tyes\ton",
        "schema\tyes\tversion",
        "writing\tyes\t",
        "capabilities\tyes\tas_of, compare_and_set, graph",
    ] {
        assert!(text.stdout.contains(line), "{line}: {}", text.stdout);
    }
    fs::set_permissions(world.database(), fs::Permissions::from_mode(0o644)).unwrap();
    assert_wrong(&wrong(&world, &[]), &[("file", "mode 0644")]);
    assert_eq!(mode(&world.database()), 0o644, "it mends nothing");
    fs::set_permissions(world.database(), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(dump(&world.database()), before);
    sql(
        &world.database(),
        "INSERT INTO schema_migrations VALUES (9999, 'later', 'x'); PRAGMA journal_mode = DELETE;",
    );
    assert_wrong(&wrong(&world, &[]), &[("write-ahead log", "delete"), ("schema", "version 9999")]);
    sql(&world.database(), "PRAGMA application_id = 7;");
    assert!(wrong(&world, &[]).contains(&("mark".to_owned(), "of another program: 7".to_owned())));
    // A page in the middle is overwritten.
    let mut bytes = fs::read(world.database()).unwrap();
    let middle = bytes.len() / 2 / 8_192 * 8_192;
    bytes[middle..middle + 8_192].fill(0xa5);
    fs::write(world.database(), &bytes).unwrap();
    assert!(wrong(&world, &[]).iter().any(|(name, _said)| name == "pages"));
    fs::write(world.database(), "not a database, and long enough to be looked at".repeat(100)).unwrap();
    assert!(wrong(&world, &[]).contains(&("pages".to_owned(), "the file is not a database".to_owned())));
}

/// DBS-17, DBS-18: what a process takes of a server's connections at most is one line, beside what there is for it: by the
/// server's own limits, the role's and the database's. It is told above 80 %, and wrong above what there is.
#[test]
fn dbs_17_connections_are_counted_before_they_are_missing() {
    let database = database();
    let world = on(&database);
    migrate(&world, &database);
    let said = |world: &World| {
        let done = json(&world.plumb(&["db", "check", "--format", "json"]));
        let checks = done["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == "connections").unwrap();
        (check["ok"] == true, check["said"].as_str().unwrap().to_owned())
    };
    let number =
        |name: &str| -> i64 { database.sql(&format!("SHOW {name}")).unwrap().trim().parse().unwrap() };
    let (all, reserved) = (number("max_connections"), number("superuser_reserved_connections"));
    let (is_ok, line) = said(&world);
    assert!(
        is_ok && line.starts_with("5 kept + 0 for a peak + 2 of a snapshot = 7, times 1 = 7 at most; "),
        "{line}"
    );
    assert!(
        line.contains(&format!("the server has {} ({all} less {reserved} reserved)", all - reserved)),
        "{line}"
    );
    let app = user(&database, "app");
    let role = |limit: i64| database.sql(&format!("ALTER ROLE {app} CONNECTION LIMIT {limit}")).unwrap();
    for (limit, is_right, is_told) in [(9, true, false), (8, true, true), (7, true, true), (6, false, false)]
    {
        role(limit);
        let (is_ok, line) = said(&world);
        assert_eq!((is_ok, line.contains("more than 80 %")), (is_right, is_told), "{limit}: {line}");
        assert!(line.contains(&format!(", {limit} for this role")), "{line}");
    }
    role(20);
    let of = [
        ("PLUMB_DATABASE_CONNECTIONS", "2"),
        ("PLUMB_DATABASE_OVERFLOW", "1"),
        ("PLUMB_DATABASE_REPLICAS", "3"),
    ];
    let world = of.into_iter().fold(world, |world, (name, value)| world.env(name, value));
    let fifteen = "2 kept + 1 for a peak + 2 of a snapshot = 5, times 3 = 15 at most; ";
    assert!(said(&world).0 && said(&world).1.starts_with(fifteen), "{:?}", said(&world));
    role(-1);
    // No limit binds a superuser, who makes it.
    database.sql(&format!("ALTER DATABASE {} CONNECTION LIMIT 14", database.name())).unwrap();
    let (is_ok, line) = said(&world);
    assert!(!is_ok && line.ends_with(", 14 for this database"), "{line}");
    assert_wrong(&wrong(&world, &[]), &[("connections", "15 at most")]);
    let plain = crate::support::world();
    assert_code(&plain.plumb(&["host", "add", "192.0.2.10"]), 0);
    let (is_ok, line) = said(&plain);
    assert!(is_ok && line.starts_with("not applicable"), "{line}");
}

/// DBS-02, DBS-20: a server is told by its version, its schema and whether it keeps tenants apart for this user.
#[test]
fn dbs_20_a_server_is_checked_for_who_connects() {
    let database = database();
    let world = on(&database);
    assert_wrong(&wrong(&world, &[]), &[("schema", "no schema of ours")]);
    migrate(&world, &database);
    assert_wrong(&wrong(&world, &[]), &[]);
    let text = world.plumb(&["db", "check"]).stdout;
    for line in [
        "connection\tyes\t",
        "as ",
        "PostgreSQL 1",
        "shows no row without a tenant",
        "writing\tyes\taccepted",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let plain = crate::support::world();
    let by = |role: &str| wrong(&plain, &["--database", &address(&database, role)]);
    assert_wrong(&by(&user(&database, "verify")), &[]);
    assert_wrong(&by(database.name()), &[("role", "owns the tables")]);
    assert_wrong(&by("postgres"), &[("role", "superuser")]);
    let stranger = user(&database, "stranger");
    let make = format!("CREATE ROLE {stranger} LOGIN BYPASSRLS; GRANT CONNECT ON DATABASE {0} TO {stranger};
                        GRANT USAGE ON SCHEMA public TO {stranger}; GRANT SELECT ON schema_migrations, log_heads TO {stranger}",
        database.name());
    database.sql(&make).unwrap();
    assert_wrong(
        &by(&stranger),
        &[("schema", "stranger"), ("role", "bypasses row security"), ("rights", "audit_events")],
    );
    database.sql(&format!("DROP OWNED BY {stranger}; DROP ROLE {stranger}")).unwrap();
    database.sql("ALTER TABLE hosts NO FORCE ROW LEVEL SECURITY; DROP POLICY tenant ON facts").unwrap();
    assert_wrong(&wrong(&world, &[]), &[("schema", ""), ("row security", "facts, hosts")]);
    let app = user(&database, "app");
    database.sql(&format!("ALTER ROLE {app} SET default_transaction_read_only = on")).unwrap();
    assert!(wrong(&world, &[]).iter().any(|(name, said)| name == "writing" && said.contains("read-only")));
    let gone = world.env("PLUMB_DATABASE_PORT", &closed_port().unwrap().port().to_string());
    assert_refused(&gone.plumb(&["db", "check"]), 69, "onnection refused");
}

/// Makes the tables on a server that keeps what it is told; returns a data directory over them and the role that works there.
fn lasting(cluster: &Cluster, database: &Database<'_>) -> (World, String) {
    let app = user(database, "app");
    let world = world()
        .env("PLUMB_DATABASE_URL", &address_of(cluster, database, &app))
        .env("PLUMB_OWNER_DATABASE_URL", &address_of(cluster, database, database.name()));
    migrate(&world, database);
    (world, app)
}

/// DBS-20, LED-19: what a server answers as done is on its disk, whatever is set for the role; where it is not, that is told.
#[test]
fn dbs_20_what_a_server_may_forget_is_told() {
    let cluster = Cluster::private(Durability::Durable).unwrap();
    let database = database_of(&cluster);
    let (world, app) = lasting(&cluster, &database);
    // It would answer before a commit is on its disk: we do not let it.
    database.sql(&format!("ALTER ROLE {app} SET synchronous_commit = off")).unwrap();
    assert_wrong(&wrong(&world, &[]), &[]);
    let text = world.plumb(&["db", "check"]).stdout;
    assert!(text.contains("durability\tyes\ta commit is on the server's disk"), "{text}");
    cluster.sql("postgres", "ALTER SYSTEM SET full_page_writes = off").unwrap();
    cluster.sql("postgres", "SELECT pg_reload_conf()").unwrap();
    let is_off = || cluster.sql("postgres", "SHOW full_page_writes").unwrap().trim() == "off";
    assert!(wait::until(wait::LONG, is_off));
    assert_wrong(&wrong(&world, &[]), &[("durability", "full_page_writes off")]);
}

/// DBS-20, ERR-01: a table that is locked, and a role without a connection left, are no damage.
#[test]
fn dbs_20_what_cannot_be_looked_at_now_is_not_said_to_be_wrong() {
    let cluster = Cluster::private(Durability::Durable).unwrap();
    let database = database_of(&cluster);
    let (world, app) = lasting(&cluster, &database);
    let script = "BEGIN; LOCK TABLE hosts IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(120);";
    let holder = Running::start(cluster.psql(database.name()), script.as_bytes()).unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE relation = 'hosts'::regclass AND granted AND mode = 'AccessExclusiveLock'";
    assert!(wait::until(wait::LONG, || database.sql(held).unwrap().trim() == "1"));
    let done = world.plumb(&["db", "check"]);
    holder.signal("KILL").unwrap();
    assert_code(&done, 69);
    let line = done.stdout.lines().find(|line| line.starts_with("schema\t")).unwrap();
    assert!(line.starts_with("schema\tnot known\t") && !line.contains("backup"), "{line}");
    let document = json(&world.plumb(&["db", "check", "--format", "json"]));
    assert_eq!(
        document["ok"],
        document["checks"].as_array().unwrap().iter().all(|check| check["ok"] == true)
    );
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)%' AND pid <> pg_backend_pid()").unwrap();
    drop(holder.finish(wait::LONG).unwrap());

    database.sql(&format!("ALTER ROLE {app} CONNECTION LIMIT 0")).unwrap();
    assert_refused(&world.plumb(&["db", "check"]), 69, "too many connections");
    assert_code(&world.plumb(&["ledger", "verify"]), 69);
    // One to begin with, and one of the two that read as of one moment.
    database.sql(&format!("ALTER ROLE {app} CONNECTION LIMIT -1")).unwrap();
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    database.sql(&format!("ALTER ROLE {app} CONNECTION LIMIT 2")).unwrap();
    let few = world.env("PLUMB_DATABASE_CONNECTIONS", "1").env("PLUMB_DATABASE_ACQUIRE_SECONDS", "1");
    assert_refused(&few.plumb(&["ledger", "verify"]), 69, "too many connections");
}

/// A database in another encoding than the one that keeps any text is not made ours.
#[test]
fn a_database_that_does_not_keep_any_text_is_refused() {
    let database = database();
    let name = format!("{}_latin", database.name());
    let make = format!(
        "CREATE DATABASE {name} OWNER {} TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'",
        database.name()
    );
    database.sql(&make).unwrap();
    let world = on(&database).env("PLUMB_OWNER_DATABASE_NAME", &name);
    let done = world.plumb(&["migrate"]);
    database.sql(&format!("DROP DATABASE {name}")).unwrap();
    assert_refused(&done, 64, "in LATIN1");
}
