//! A database that is not built as this program built it is refused by name, whatever kind of object it is (FCT-24).

use std::fs;

use store::{Db, Login, Problem, StoreError};

use crate::bench::{Bench, EVERYDAY, Home, OWNER, On, cluster, migrated, server};

/// What a server's database is built of, as it is compiled in.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/catalog.txt");

/// FCT-24: what is compiled in is what the migrations make.
#[tokio::test]
async fn fct_24_the_catalog_of_a_server_is_that_of_its_migrations() {
    let database = migrated().await;
    let sql = concat!("SELECT objects FROM (", include_str!("../../src/db/catalog.sql"), ") AS c");
    let made = cluster().sql(database.name(), sql).unwrap();
    let kept = fs::read_to_string(COMMITTED).unwrap();
    if made != kept {
        let path = std::env::temp_dir().join("catalog.txt");
        fs::write(&path, &made).unwrap();
        panic!("the migrations make another catalog: look at {} and copy it to {COMMITTED}", path.display());
    }
    assert!(made.lines().count() > 200, "{made}");
}

/// Opens it again as a command does; returns which object it is refused for.
async fn refused(bench: &Bench) -> Option<String> {
    let opened = match &*bench.home {
        Home::Folder(_) => Db::open(&bench.path()).await,
        Home::Server(database) => Db::connect(&server(database.name(), EVERYDAY), Login::Everyday).await,
    };
    match opened {
        Ok(db) => {
            db.close().await;
            None
        }
        Err(StoreError::Open { problem: Problem::SchemaMismatch(what), .. }) => Some(what),
        Err(other) => panic!("{other}"),
    }
}

/// What is done to a database, what undoes it, and the object that is named. Without an undo the next one gets a database
/// of its own.
type Change = (&'static str, &'static str, &'static str);

const FILE: &[Change] = &[
    ("DROP TRIGGER facts_close", "", "trigger facts_close is missing"),
    (
        "DROP TRIGGER facts_close; CREATE TRIGGER facts_close BEFORE UPDATE ON facts WHEN false BEGIN SELECT 1; END",
        "",
        "trigger facts_close is not as this program made it",
    ),
    (
        "CREATE TRIGGER mine BEFORE INSERT ON facts BEGIN SELECT 1; END",
        "DROP TRIGGER mine",
        "trigger mine is not of this program",
    ),
    ("DROP INDEX facts_active", "", "index facts_active is missing"),
    ("CREATE INDEX mine ON facts (value)", "DROP INDEX mine", "index mine is not of this program"),
    ("CREATE TABLE mine (a)", "DROP TABLE mine", "table mine is not of this program"),
    ("CREATE VIEW mine AS SELECT 1", "DROP VIEW mine", "view mine is not of this program"),
    ("ALTER TABLE facts ADD COLUMN mine TEXT", "", "table facts is not as this program made it"),
    ("DROP VIEW host_rule_checked", "", "view host_rule_checked is missing"),
];

const SERVER: &[Change] = &[
    (
        "ALTER TABLE facts DISABLE TRIGGER facts_close",
        "SELECT guard_always()",
        "trigger facts.facts_close is not as this program made it",
    ),
    (
        "ALTER TABLE facts ENABLE TRIGGER facts_close",
        "SELECT guard_always()",
        "trigger facts.facts_close is not as this program made it",
    ),
    (
        "DROP TRIGGER facts_close ON facts",
        "CREATE TRIGGER facts_close BEFORE UPDATE ON facts FOR EACH ROW EXECUTE FUNCTION facts_close();
         SELECT guard_always()",
        "trigger facts.facts_close is missing",
    ),
    (
        "ALTER TABLE facts DISABLE TRIGGER ALL",
        "ALTER TABLE facts ENABLE TRIGGER ALL; SELECT guard_always()",
        "table facts is not as this program made it",
    ),
    (
        "ALTER FUNCTION facts_close() RENAME TO closed;
         CREATE FUNCTION facts_close() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         REVOKE ALL ON FUNCTION facts_close() FROM PUBLIC",
        "DROP FUNCTION facts_close(); ALTER FUNCTION closed() RENAME TO facts_close",
        "function facts_close() is not as this program made it",
    ),
    (
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION mine()",
        "function mine() is not of this program",
    ),
    (
        "DROP INDEX facts_active",
        "CREATE UNIQUE INDEX facts_active ON facts (tenant_id, subject, predicate, fact_type) WHERE t_superseded IS NULL",
        "index facts_active is missing",
    ),
    ("CREATE INDEX mine ON facts (value)", "DROP INDEX mine", "index mine is not of this program"),
    ("CREATE TABLE mine (a TEXT)", "DROP TABLE mine", "table mine is not of this program"),
    (
        "ALTER TABLE facts ADD COLUMN mine TEXT",
        "ALTER TABLE facts DROP COLUMN mine",
        "table facts is not as this program made it",
    ),
    (
        "ALTER TABLE facts ALTER COLUMN value DROP NOT NULL",
        "ALTER TABLE facts ALTER COLUMN value SET NOT NULL",
        "table facts is not as this program made it",
    ),
    (
        "ALTER TABLE hosts DROP CONSTRAINT hosts_name_check",
        "ALTER TABLE hosts ADD CONSTRAINT hosts_name_check CHECK (name <> '')",
        "constraint hosts.hosts_name_check is missing",
    ),
    (
        "CREATE RULE mine AS ON INSERT TO facts DO INSTEAD NOTHING",
        "DROP RULE mine ON facts",
        "rule facts.mine is not of this program",
    ),
    (
        "ALTER TABLE facts NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE facts FORCE ROW LEVEL SECURITY",
        "table facts is not as this program made it",
    ),
    (
        "ALTER TABLE facts DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE facts ENABLE ROW LEVEL SECURITY",
        "table facts is not as this program made it",
    ),
    (
        "CREATE POLICY mine ON facts USING (true)",
        "DROP POLICY mine ON facts",
        "policy facts.mine is not of this program",
    ),
    ("DROP POLICY tenant ON facts", "", "policy facts.tenant is missing"),
    (
        "GRANT DELETE ON facts TO plumb_app",
        "REVOKE DELETE ON facts FROM plumb_app",
        "plumb_app has the right",
    ),
    (
        "REVOKE SELECT ON facts FROM plumb_verify",
        "GRANT SELECT ON facts TO plumb_verify",
        "plumb_verify lacks the right",
    ),
    (
        "GRANT SELECT ON facts TO PUBLIC",
        "REVOKE SELECT ON facts FROM PUBLIC",
        "the role PUBLIC has the right",
    ),
];

/// FCT-24: each kind of object, changed, gone or added, refuses the next start by its name; who verifies gets in and is
/// told the same.
async fn fct_24_a_schema_that_was_changed_is_refused_by_the_name_of_the_object(on: On) {
    let changes = if on == On::Sqlite { FILE } else { SERVER };
    let mut bench = Bench::on(on).await;
    for (change, undo, named) in changes {
        let mut raw = bench.raw().await;
        assert_eq!(refused(&bench).await, None, "before {change}");
        raw.run(change).await.unwrap();
        let what = refused(&bench).await.unwrap_or_else(|| panic!("it was opened: {change}"));
        assert!(what.contains(named), "{change}: {what}");
        let verifier = match &*bench.home {
            Home::Folder(_) => Db::open_as(&bench.path(), Login::Verifier).await.unwrap(),
            Home::Server(database) => {
                Db::connect(&server(database.name(), EVERYDAY), Login::Verifier).await.unwrap()
            }
        };
        assert_eq!(verifier.schema_difference().await.unwrap(), Some(what), "{change}");
        verifier.close().await;
        match *undo {
            "" => bench = Bench::on(on).await,
            undo => drop(raw.run(undo).await.unwrap()),
        }
    }
}
on_each!(fct_24_a_schema_that_was_changed_is_refused_by_the_name_of_the_object);

/// FCT-24: rights that somebody gave or took are put right by who gives them.
#[tokio::test]
async fn fct_24_rights_are_put_right_by_a_migration() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("a server was asked for") };
    let change = "GRANT DELETE ON facts TO plumb_app; REVOKE SELECT ON facts FROM plumb_verify; GRANT SELECT ON facts TO PUBLIC";
    bench.raw().await.run(change).await.unwrap();
    assert!(refused(&bench).await.is_some());
    let grants = ["app=plumb_app", "verify=plumb_verify"].map(|grant| grant.parse().unwrap());
    Db::migrate(&server(database.name(), OWNER), &grants).await.unwrap();
    assert_eq!(refused(&bench).await, None);
}
