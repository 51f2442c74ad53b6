//! What goes to the database, statement by statement, as `PLUMB_DATABASE_ECHO` tells it.

use crate::server::{database, on, user};
use crate::support::{On, World, assert_code, assert_refused, world, world_on, yes};

const PUT: [&str; 7] = ["fact", "put", "fleet:web", "owner", "\"hush-hush\"", "--type", "desired"];
const PUT_AGAIN: [&str; 7] = ["fact", "put", "fleet:web", "owner", "\"someone\"", "--type", "desired"];
const EDGE: [&str; 5] = ["edge", "put", "fleet:web", "reaches", "network:10.0.0.0/8"];
/// Commands that only ask.
const QUESTIONS: [&[&str]; 4] =
    [&["fact", "get", "fleet:web"], &["edge", "list", "fleet:web"], &["host", "list"], &["ledger", "status"]];
/// How a statement begins that changes a schema or keeps others from their work.
const CHANGES: [&str; 12] = [
    "CREATE",
    "ALTER",
    "DROP",
    "GRANT",
    "REVOKE",
    "LOCK",
    "TRUNCATE",
    "REINDEX",
    "VACUUM",
    "CLUSTER",
    "COMMENT",
    "PRAGMA journal_mode =",
];

/// Runs a command that has to work, and returns its statements in order, each in one line.
#[track_caller]
fn told(world: &World, words: &[&str]) -> Vec<String> {
    let mut command = world.command(words);
    let done = command.env("PLUMB_DATABASE_ECHO", "true").output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(0), "{words:?}: {said}");
    assert!(!said.contains("hush-hush"), "a value is told: {said}");
    let statement = |line: &str| {
        let (millis, text) = line.strip_prefix("sql: ")?.split_once(" ms: ")?;
        assert!(millis.parse::<f64>().is_ok_and(|millis| millis >= 0.0), "{line}");
        Some(text.to_owned())
    };
    said.lines().filter_map(statement).collect()
}

/// Tells whether one of the statements in a line changes a schema or locks a table.
fn changes(line: &str) -> bool {
    line.split("; ").any(|statement| CHANGES.iter().any(|word| statement.starts_with(word)))
}

/// DBS-29: on, each statement is a line with its duration, and no value that is bound to it is anywhere; off, none is.
fn dbs_29_statements_are_told_with_their_time_and_without_their_values(on: On) {
    let world = world_on(on);
    assert_code(&world.plumb(&["host", "add", "192.0.2.10", "--name", "web-1"]), 0);
    let put = told(&world, &PUT);
    for begins in ["BEGIN", "SELECT", "INSERT INTO facts ", "INSERT INTO log_entries ", "COMMIT"] {
        assert!(put.iter().any(|text| text.starts_with(begins)), "{begins}: {put:#?}");
    }
    let get = told(&world, QUESTIONS[0]);
    assert!(get.iter().any(|text| text.contains(" FROM facts ")), "{get:#?}");
    for off in ["", "false"] {
        let done = world.command(&PUT_AGAIN).env("PLUMB_DATABASE_ECHO", off).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success() && !said.contains("sql: ") && !said.contains("SELECT"), "{said}");
    }
    let world = world.env("PLUMB_DATABASE_ECHO", "perhaps");
    assert_refused(&world.plumb(QUESTIONS[0]), 78, "PLUMB_DATABASE_ECHO is \"perhaps\"");
}
on_each!(dbs_29_statements_are_told_with_their_time_and_without_their_values);

/// FCT-08: the number of a version is computed by the statement that stores it, and nothing else asks for it.
fn fct_08_no_statement_asks_for_the_next_number(on: On) {
    let world = world_on(on);
    assert_code(&world.plumb(&["host", "add", "192.0.2.10", "--name", "web-1"]), 0);
    for (words, table) in [(&PUT[..], "facts"), (&PUT_AGAIN, "facts"), (&EDGE, "edges")] {
        let told = told(&world, words);
        let numbered: Vec<&String> =
            told.iter().filter(|text| text.contains("max(seq)") || text.contains("nextval")).collect();
        let (insert, close) =
            (format!("INSERT INTO {table} "), format!("UPDATE {table} SET t_superseded = "));
        assert_eq!(numbered.iter().filter(|text| text.starts_with(&insert)).count(), 1, "{told:#?}");
        assert!(
            numbered.iter().all(|text| text.starts_with(&insert) || text.starts_with(&close)),
            "{numbered:#?}"
        );
    }
}
on_each!(fct_08_no_statement_asks_for_the_next_number);

/// FCT-21: whoever opens a current schema changes nothing of it and locks no table; who only asks begins no write.
fn fct_21_opening_a_current_schema_issues_no_ddl(on: On) {
    let world = world_on(on);
    assert_code(&world.plumb(&["host", "add", "192.0.2.10", "--name", "web-1"]), 0);
    for words in [&PUT[..], &PUT_AGAIN, &EDGE] {
        let told = told(&world, words);
        let changing: Vec<&String> = told.iter().filter(|line| changes(line)).collect();
        assert!(told.len() > 5 && changing.is_empty(), "{words:?}: {changing:#?}");
    }
    for words in QUESTIONS {
        let told = told(&world, words);
        let begins_write = |line: &String| line.starts_with("BEGIN") && !line.contains("READ ONLY");
        assert!(told.len() > 3, "{words:?}: {told:#?}");
        assert!(!told.iter().any(|line| changes(line) || begins_write(line)), "{words:?}: {told:#?}");
    }
}
on_each!(fct_21_opening_a_current_schema_issues_no_ddl);

/// FCT-21: what brings a schema up to date is told, so that its absence above says something.
#[test]
fn fct_21_making_a_schema_is_seen_in_the_statements() {
    let is_seen = |told: &[String]| told.iter().any(|line| changes(line));
    assert!(is_seen(&told(&world(), &["host", "add", "192.0.2.10"])));
    let database = database();
    let on_server = on(&database);
    assert!(is_seen(&told(&on_server, &["migrate"])));
    assert!(is_seen(&told(&on_server, &["migrate", "--grant", &format!("app={}", user(&database, "app"))])));
}

/// Says which tables of a server belong to tenants.
fn tables_of_tenants(world: &World) -> Vec<String> {
    let tables = world.by_hand(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id'
         ORDER BY table_name;",
    );
    assert!(tables.len() > 10, "{tables:?}");
    tables
}

/// DBS-03: every transaction on what belongs to a tenant begins by naming the tenant, for itself alone. The others only read,
/// and nothing of any tenant: but for the one look that shows that no row is seen without one.
#[test]
fn dbs_03_every_transaction_on_a_tenants_rows_begins_with_the_tenant() {
    let world = world_on(On::Postgres);
    let content = yes(&world);
    assert_code(&world.plumb(&["host", "add", "localhost", "--name", "here"]), 0);
    let tables = tables_of_tenants(&world);
    let tenant = world.by_hand("SELECT tenant_id FROM tenants;").concat();
    let scopes = ["BEGIN", "BEGIN READ ONLY"]
        .map(|begin| format!("{begin}; SET LOCAL app.current_tenant = '{tenant}'"));
    let look = ["EXISTS (SELECT 1 FROM log_heads)", "'public.log_heads'::regclass"];
    let scan = ["scan", "here", "--content", &content, "--quiet"];
    let commands: [&[&str]; 7] = [
        &PUT,
        &PUT_AGAIN,
        &EDGE,
        &scan,
        QUESTIONS[0],
        QUESTIONS[2],
        &["posture", "here", "--content", &content],
    ];
    for words in commands {
        let told = told(&world, words);
        let (mut scoped, mut begun) = (0, None);
        for line in &told {
            if line.starts_with("BEGIN") {
                assert!(begun.is_none(), "two at once in {told:#?}");
                let is_scoped = scopes.iter().any(|scope| line.starts_with(scope));
                assert!(is_scoped || line == "BEGIN READ ONLY", "{line}");
                scoped += usize::from(is_scoped);
                begun = Some(is_scoped);
            } else if line == "COMMIT" {
                begun = None;
            } else {
                let rest = look.iter().fold(line.clone(), |rest, look| rest.replace(look, ""));
                let mut names = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let named = names.find(|name| tables.iter().any(|table| table == name));
                // What a new connection is set to is of no transaction.
                let is_setting = line.starts_with("SELECT set_config('synchronous_commit', ");
                let is_of_none = (begun == Some(false) || is_setting) && named.is_none();
                assert!(begun == Some(true) || is_of_none, "{named:?} in {line}");
            }
        }
        assert!(scoped > 1, "{words:?}: {told:#?}");
    }
}
