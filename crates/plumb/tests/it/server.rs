//! The product on a PostgreSQL database: one story through every kind of command, and what is said when the server, its
//! schema or the settings are not right.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use testkit::net::closed_port;
use testkit::postgres::{Cluster, Database, Durability};
use testkit::process::Output;

use crate::support::{World, assert_code, json, world, yes};

/// A password that no address can carry as it is.
pub(crate) const PASSWORD: &str = "p@ss/w:?#%";

pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::shared().unwrap())
}

/// A database whose owner logs in over the port with [`PASSWORD`], under the database's name; `_app` and `_verify` behind
/// that name are two more who do.
pub(crate) fn database() -> Database<'static> {
    database_of(cluster())
}

pub(crate) fn database_of(cluster: &Cluster) -> Database<'_> {
    let database = cluster.database().unwrap();
    let name = database.name();
    for role in [name.to_owned(), user(&database, "app"), user(&database, "verify")] {
        let make = format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'");
        database.sql(&make).unwrap();
    }
    database.sql(&format!("ALTER DATABASE {name} OWNER TO {name}")).unwrap();
    database
}

pub(crate) fn user(database: &Database<'_>, part: &str) -> String {
    format!("{}_{part}", database.name())
}

/// A data directory over that database, by single settings.
pub(crate) fn single(database: &Database<'_>, user: &str) -> World {
    world()
        .env("PLUMB_DATABASE_HOST", "127.0.0.1")
        .env("PLUMB_DATABASE_PORT", &cluster().port().to_string())
        .env("PLUMB_DATABASE_NAME", database.name())
        .env("PLUMB_DATABASE_USER", user)
        .env("PLUMB_DATABASE_PASSWORD", PASSWORD)
}

/// As [`single`] for the role of every day, with the owner beside it for what only the owner may do.
pub(crate) fn on(database: &Database<'_>) -> World {
    let owner = format!(
        "postgres://{}:p%40ss%2Fw%3A%3F%23%25@127.0.0.1:{}/{}",
        database.name(),
        cluster().port(),
        database.name()
    );
    single(database, &user(database, "app")).env("PLUMB_OWNER_DATABASE_URL", &owner)
}

/// Makes the tables and gives both roles their rights.
pub(crate) fn migrate(world: &World, database: &Database<'_>) {
    let grants = ["app", "verify"].map(|part| format!("{part}={}", user(database, part)));
    assert_code(&world.plumb(&["migrate", "--grant", &grants[0], "--grant", &grants[1]]), 0);
}

/// The address of a database for one of its roles, over the socket, where nobody is asked for a password.
pub(crate) fn address(database: &Database<'_>, role: &str) -> String {
    address_of(cluster(), database, role)
}

/// As [`address`], on a server of its own.
pub(crate) fn address_of(cluster: &Cluster, database: &Database<'_>, role: &str) -> String {
    let (port, folder) = (cluster.port(), cluster.socket_folder());
    format!("postgres://{role}@localhost:{port}/{}?host={}", database.name(), folder.display())
}

/// Checks a refusal: its status, its words, and that no password is in it.
#[track_caller]
fn check(done: &Output, code: i32, words: &[&str]) {
    assert_code(done, code);
    for word in words {
        assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
    }
    assert!(!done.stderr.contains(PASSWORD) && !done.stderr.contains("hush"), "{}", done.stderr);
}

/// DBS-24: every kind of command works on a server as it does on a file, and what is exported verifies offline.
#[test]
fn dbs_24_the_whole_story_works_on_postgresql() {
    let database = database();
    let world = on(&database);
    let content = yes(&world);
    migrate(&world, &database);
    assert_code(&world.plumb(&["host", "add", "localhost", "--name", "here"]), 0);
    for _time in 0..2 {
        assert_code(&world.plumb(&["scan", "here", "--content", &content, "--quiet"]), 0);
    }
    let hosts = json(&world.plumb(&["host", "list", "--format", "json"]))["hosts"].clone();
    assert_eq!(hosts[0]["host"]["name"], "here", "{hosts:#}");
    let why = world.plumb(&["why", "yes_rule", "--host", "here", "--content", &content]);
    assert!(why.stdout.contains("status     pass"), "{why:?}");
    let posture = world.plumb(&["posture", "here", "--content", &content]);
    assert!(posture.stdout.contains("yes_rule\tpass"), "{posture:?}");
    for words in [&["ledger", "verify"][..], &["state", "verify"]] {
        assert_code(&world.plumb(words), 0);
    }
    let proof = world.path("proof");
    assert_code(&world.plumb(&["ledger", "export", "--output", proof.to_str().unwrap()]), 0);
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let vkey = status["vkey"].as_str().unwrap();
    let stranger = crate::support::world();
    assert_code(&stranger.plumb(&["verify", proof.to_str().unwrap(), "--vkey", vkey]), 0);
    assert!(!world.database().exists(), "a file was made beside the server's database");
}

/// FCT-24, FCT-59: the owner takes a guard away and then rows. Every start but that of the verifier refuses it by the
/// guard's name, and the verifier names the first row that is gone, and the guard.
#[test]
fn fct_59_fct_24_a_guard_that_its_owner_switched_off_refuses_the_next_start() {
    let database = database();
    let world = on(&database);
    let content = yes(&world);
    migrate(&world, &database);
    assert_code(&world.plumb(&["scan", "localhost", "--content", &content, "--quiet"]), 0);
    let bypass = format!(
        "SET ROLE {}; ALTER TABLE transactions DISABLE TRIGGER transactions_no_delete;
         SELECT set_config('app.current_tenant', tenant_of('default'), false); DELETE FROM transactions",
        database.name()
    );
    database.sql(&bypass).unwrap();
    for words in [&["posture"][..], &["host", "list"], &["state", "verify"], &["scan", "localhost"]] {
        check(
            &world.plumb(words),
            78,
            &["refusing to start: ", "trigger transactions.transactions_no_delete"],
        );
    }
    let report = json(&world.plumb(&["ledger", "verify", "--format", "json"]));
    let findings = report["findings"].as_array().unwrap();
    let found = |code: &str| findings.iter().find(|finding| finding["code"] == code).unwrap();
    assert_eq!(found("row_missing")["table"], "transactions", "{report:#}");
    assert!(
        found("schema_tampered")["detail"].as_str().unwrap().contains("transactions_no_delete"),
        "{report:#}"
    );
}

/// Every command of the guide's page runs.
#[test]
fn every_command_of_the_page_on_postgresql_runs() {
    // One that keeps what it is told, as `db check` demands.
    let cluster = Cluster::private(Durability::Durable).unwrap();
    let database = cluster.database().unwrap();
    let name = database.name();
    // The page's own roles log in over the socket, without a password.
    for role in ["plumb_owner", "plumb_app", "plumb_verify"] {
        let make = format!(
            "DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        );
        database.sql(&make).unwrap();
    }
    database.sql(&format!("ALTER DATABASE {name} OWNER TO plumb_owner")).unwrap();
    let folder = cluster.socket_folder();
    let mut world = world();
    for (prefix, role) in [("PLUMB_DATABASE", "plumb_app"), ("PLUMB_OWNER_DATABASE", "plumb_owner")] {
        world = world
            .env(&format!("{prefix}_HOST"), folder.to_str().unwrap())
            .env(&format!("{prefix}_PORT"), &cluster.port().to_string())
            .env(&format!("{prefix}_NAME"), name)
            .env(&format!("{prefix}_USER"), role);
    }
    assert!(crate::cli::run_page(&world, "docs/guide/postgresql.md") >= 5);
    // PUBLIC has nothing, on the database itself neither.
    let acl = database.sql(&format!("SELECT datacl FROM pg_database WHERE datname = '{name}'")).unwrap();
    assert!(!acl.contains("{=") && !acl.contains(",=") && acl.contains("plumb_verify=c/"), "{acl}");
}

/// DBS-24: an address and single settings come together, the single ones win, and a password may come from a file.
#[test]
fn dbs_24_single_settings_win_over_the_address_and_a_file_has_the_password() {
    let database = database();
    let (name, port) = (database.name(), cluster().port());
    let file = |mode| {
        let world = world();
        let path = world.path("password");
        fs::write(&path, format!("{PASSWORD}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        world
            .env("PLUMB_DATABASE_URL", &format!("postgres://{name}:hush@127.0.0.1:{port}/elsewhere"))
            .env("PLUMB_DATABASE_NAME", name)
            .env("PLUMB_DATABASE_PASSWORD_FILE", &path)
    };
    assert_code(&file(0o600).plumb(&["migrate"]), 0);
    check(&file(0o644).plumb(&["migrate"]), 78, &["password", "chmod 600"]);
    let public = format!("postgres://{name}:hush@127.0.0.1:{port}/{name}");
    check(&world().plumb(&["host", "list", "--database", &public]), 78, &["command line", "PASSWORD_FILE"]);
    let flag =
        single(&database, name).plumb(&["migrate", "--database", &format!("postgres://127.0.0.1:1/{name}")]);
    assert_code(&flag, 0);
}

/// DBS-20, DBS-21: each cause is said within ten seconds, with host, port, database and user and without the password.
#[test]
fn dbs_20_a_server_that_cannot_be_used_is_told_by_its_cause() {
    let database = database();
    let closed = closed_port().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port().to_string();
    let table: [(&str, &str, &[&str]); 5] = [
        ("PLUMB_DATABASE_PORT", &closed.port().to_string(), &["onnection refused", "127.0.0.1"]),
        ("PLUMB_DATABASE_PORT", &silent_port, &["did not answer within 5 s", &silent_port]),
        ("PLUMB_DATABASE_HOST", "no-such-host.invalid", &["no-such-host.invalid"]),
        ("PLUMB_DATABASE_PASSWORD", "hush-hush", &["password authentication failed"]),
        ("PLUMB_DATABASE_NAME", "not_there", &["\"not_there\" does not exist"]),
    ];
    for (variable, value, words) in table {
        let begun = Instant::now();
        let done = on(&database).env(variable, value).plumb(&["host", "list"]);
        check(&done, 69, words);
        assert!(done.stderr.contains(database.name()), "{}", done.stderr);
        assert!(begun.elapsed() < Duration::from_secs(10), "{variable}={value}: {:?}", begun.elapsed());
    }
    let wrong_port = on(&database).env("PLUMB_DATABASE_PORT", "99999").plumb(&["host", "list"]);
    check(&wrong_port, 78, &["PLUMB_DATABASE_PORT", "1 to 65535"]);
}

/// DBS-26, DBS-27: only `plumb migrate` changes the schema; the second time it does nothing, two at once both end well,
/// and a migration that was edited after it was applied is told by its checksum.
#[test]
fn dbs_26_dbs_27_only_migrate_changes_the_schema_of_a_server() {
    let database = database();
    let world = on(&database);
    check(&world.plumb(&["scan", "localhost"]), 69, &["no schema of ours", "plumb migrate"]);
    assert_eq!(database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").unwrap(), "0\n");
    let (one, two) = (world.start(&["migrate"]).unwrap(), world.start(&["migrate"]).unwrap());
    for done in [one, two].map(|running| running.finish(testkit::wait::LONG).unwrap()) {
        assert_code(&done, 0);
    }
    let before = database.sql("SELECT * FROM schema_migrations ORDER BY version").unwrap();
    assert_code(&world.plumb(&["migrate"]), 0);
    assert_eq!(database.sql("SELECT * FROM schema_migrations ORDER BY version").unwrap(), before);
    migrate(&world, &database);
    database.sql("INSERT INTO schema_migrations VALUES (9999, 'later', 'x')").unwrap();
    check(&world.plumb(&["host", "list"]), 69, &["version 9999", "newer plumb"]);
    database.sql("DELETE FROM schema_migrations WHERE version >= 4").unwrap();
    check(&world.plumb(&["host", "list"]), 69, &["schema is version 3", "plumb migrate"]);
    database.sql("UPDATE schema_migrations SET sha256 = 'x' WHERE version = 1").unwrap();
    check(&world.plumb(&["migrate"]), 78, &["migration 1 was applied with another text"]);
}

/// DBS-08, DBS-26, FCT-25, LED-40: the owner migrates and empties bodies, the role of every day works, the one that verifies
/// only reads, and none of them does what another may.
#[test]
fn dbs_26_a_migration_has_a_user_of_its_own_and_each_role_does_what_is_its_own() {
    let database = database();
    let world = on(&database);
    let alone = single(&database, &user(&database, "app"));
    check(&alone.plumb(&["migrate"]), 78, &["does not own the database", "PLUMB_OWNER_DATABASE_"]);
    check(&world.plumb(&["migrate", "--grant", "app=no_such_role"]), 64, &["no_such_role", "CREATE ROLE"]);
    check(&world.plumb(&["migrate", "--grant", "no_such_role"]), 64, &["app=plumb_app"]);
    migrate(&world, &database);
    let content = yes(&world);
    assert_code(&world.plumb(&["scan", "localhost", "--content", &content, "--quiet"]), 0);
    let key = std::fs::read(world.database().with_file_name("ledger.key")).unwrap();
    let beside = |user: &str| {
        let world = single(&database, user);
        std::fs::create_dir_all(world.database().parent().unwrap()).unwrap();
        fs::set_permissions(world.database().parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(world.database().with_file_name("ledger.key"), &key).unwrap();
        fs::set_permissions(world.database().with_file_name("ledger.key"), fs::Permissions::from_mode(0o600))
            .unwrap();
        world
    };
    let verify = beside(&user(&database, "verify"));
    for words in [&["ledger", "verify"][..], &["state", "verify"], &["host", "list"], &["ledger", "status"]] {
        assert_code(&world.plumb(words), 0);
        assert_code(&verify.plumb(words), 0);
    }
    check(&verify.plumb(&["host", "add", "10.0.0.1", "--name", "there"]), 69, &["permission denied"]);
    let erase = ["ledger", "erase", "2", "--reason", "request 77", "--approved-by", "ada"];
    let app = beside(&user(&database, "app"));
    check(
        &app.plumb(&erase),
        78,
        &["refusing to start: ", "does not own the tables", "PLUMB_OWNER_DATABASE_"],
    );
    assert_code(&world.plumb(&erase), 0);
    assert_code(&verify.plumb(&["ledger", "verify"]), 0);
    let owner = beside(database.name());
    check(&owner.plumb(&["host", "list"]), 78, &["refusing to start: ", "owns the tables"]);
    database.sql(&format!("ALTER ROLE {} SUPERUSER", user(&database, "app"))).unwrap();
    check(&app.plumb(&["host", "list"]), 78, &["refusing to start: ", "is a superuser"]);
    database.sql(&format!("ALTER ROLE {} NOSUPERUSER", user(&database, "app"))).unwrap();
    for sql in [
        "DELETE FROM audit_events",
        "TRUNCATE hosts CASCADE",
        "UPDATE transactions SET status = 'pass'",
        "UPDATE log_entries SET body = ''",
        "INSERT INTO log_erasures SELECT * FROM log_erasures",
        "DROP TABLE hosts",
        "CREATE TEMPORARY TABLE hosts (a TEXT)",
    ] {
        let why = database.sql(&format!("SET ROLE {}_app; {sql}", database.name())).unwrap_err().to_string();
        assert!(why.contains("permission denied") || why.contains("must be owner"), "{sql}: {why}");
    }
}

/// DBS-24: the certificate of a server is checked as the mode says, before anybody logs in there.
#[test]
fn dbs_24_the_certificate_of_a_server_is_checked_as_the_mode_says() {
    let cluster = Cluster::private(Durability::Forgetful).unwrap();
    let database = database_of(&cluster);
    let port = cluster.port().to_string();
    let made = ["127.0.0.1", "elsewhere.example"]
        .map(|name| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap());
    let [known, foreign] = &made;
    let try_mode = |mode: &str, root: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>| {
        let world = single(&database, database.name())
            .env("PLUMB_DATABASE_PORT", &port)
            .env("PLUMB_DATABASE_SSLMODE", mode);
        let Some(root) = root else { return world.plumb(&["db", "check"]) };
        let file = world.path("root.pem");
        fs::write(&file, root.cert.pem()).unwrap();
        let file = file.to_str().unwrap().to_owned();
        world.env("PLUMB_DATABASE_SSLROOTCERT", &file).plumb(&["db", "check"])
    };
    // The schema is not there yet: what was found says how it was reached.
    let reached = |mode, root, word| {
        let done = try_mode(mode, root);
        check(&done, 2, &[]);
        assert!(done.stdout.contains(word), "{mode}: {done:?}");
    };
    check(&try_mode("require", None), 69, &["TLS"]);
    reached("prefer", None, "not encrypted");
    cluster.serve_tls(&known.cert.pem(), &known.signing_key.serialize_pem()).unwrap();
    reached("disable", None, "not encrypted");
    for mode in ["prefer", "require"] {
        reached(mode, None, "encrypted, TLSv1.3");
    }
    for mode in ["verify-ca", "verify-full"] {
        reached(mode, Some(known), "encrypted, TLSv1.3");
        check(&try_mode(mode, Some(foreign)), 69, &["certificate", "127.0.0.1"]);
        check(&try_mode(mode, None), 69, &["certificate", "127.0.0.1"]);
    }
    // The right authority, and another name than the one that was asked for.
    let key = rcgen::KeyPair::generate().unwrap();
    let other =
        rcgen::CertificateParams::new(["elsewhere.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    cluster.serve_tls(&other.pem(), &key.serialize_pem()).unwrap();
    let renamed = rcgen::CertifiedKey { cert: other, signing_key: key };
    reached("verify-ca", Some(&renamed), "encrypted, TLSv1.3");
    check(&try_mode("verify-full", Some(&renamed)), 69, &["certificate", "127.0.0.1"]);
}
