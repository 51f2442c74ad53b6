//! A whole store carried from one database to another, and back: nothing is lost, nothing is changed, and half a copy is
//! none. Whoever copies on a server owns the tables there.

use model::ClaimKind;
use model::Status::{Fail, Pass};
use store::copy::{Copied, Step};
use store::registry::{CLOSING, Guard, TABLES};
use store::{Db, Login, Problem, StoreError};

use crate::bench::{Bench, EVERYDAY, Home, OWNER, On, at, server};
use crate::claims::{KINDS, key, put};
use crate::raw::Raw;
use crate::story::findings;

const fn other(on: On) -> On {
    match on {
        On::Sqlite => On::Postgres,
        On::Postgres => On::Sqlite,
    }
}

async fn copy(from: &Bench, to: &Bench) -> Result<Copied, StoreError> {
    from.owner().await.copy_to(&to.owner().await, &mut |_step| {}).await
}

/// Two tenants with hosts, scans, keys, and facts and edges that were replaced, retired and put again.
async fn filled(on: On) -> Bench {
    let bench = Bench::on(on).await;
    for bench in [bench.clone(), bench.other_tenant("other").await] {
        let host = bench.host("web-1").await;
        bench.scan(host, &findings(&[("r1", Pass, "v1"), ("r2", Fail, "v2")]), at(100)).await;
        bench.scan(host, &findings(&[("r1", Fail, "v\u{e9}"), ("r2", Fail, "v2")]), at(200)).await;
        bench.trust("web-1", "key-a", at(300)).await.unwrap();
        for kind in KINDS {
            churn(&bench, kind).await;
        }
    }
    bench
}

/// More versions than are carried at a time, most of them closed by the next one of their key.
async fn churn(bench: &Bench, kind: ClaimKind) {
    for n in 0..130 {
        let key = key(kind, ["a", "b", "c"][n % 3]);
        let now = at(1_000 + i64::try_from(n).unwrap());
        bench.fresh(&put(&key, &format!("{{\"n\":{n}}}")), now).await;
        if n % 5 == 0 {
            bench.retire(&key, now).await.unwrap();
        }
    }
    bench.put(&put(&key(kind, "c"), "{\"n\":128}"), at(2_000)).await.unwrap();
}

/// Every value of every row survives the way to the other database and back.
async fn a_store_is_carried_to_the_other_database_and_back(on: On) {
    let bench = filled(on).await;
    let (there, back) = (Bench::empty(other(on)).await, Bench::empty(on).await);
    let before = bench.dump().await;
    let mut steps: Vec<(u64, u64)> = Vec::new();
    let copied = bench.owner().await;
    let tell = &mut |step: Step<'_>| steps.push((step.done, step.of));
    let copied = copied.copy_to(&there.owner().await, tell).await.unwrap();
    assert_eq!(copied.slugs, ["default", "other"]);
    assert_eq!(copied.tables + 1, TABLES.len(), "all but the versions of the schema");
    assert!(steps.is_sorted() && steps.last() == Some(&(2 * copied.rows, 2 * copied.rows)), "{steps:?}");
    assert_eq!(bench.dump().await, before, "the source is as it was");
    let again = copy(&there, &back).await.unwrap();
    assert_eq!(again, copied);
    assert_eq!(back.dump().await, before);
    // It goes on where the other one stood.
    for tenant in ["default", "other"] {
        let tenant = back.db.find_tenant(tenant).await.unwrap().unwrap();
        let back = back.for_tenant(&tenant);
        back.host("web-2").await;
        back.fresh(&put(&key(ClaimKind::Fact, "a"), "1"), at(3_600)).await;
        assert_eq!(back.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(a_store_is_carried_to_the_other_database_and_back);

/// A table that nobody told the copy of is carried like all others; one that only one of the two has stops it.
async fn a_table_that_is_new_is_copied_too(on: On) {
    let bench = filled(on).await;
    let there = Bench::empty(other(on)).await;
    // Whoever comes later is refused, for the schema is not ours any more.
    let (from, to) = (bench.owner().await, there.owner().await);
    let make = |raw: &Raw| {
        let (bytes, id) = match raw {
            Raw::Sqlite(_) => ("BLOB", "INTEGER"),
            Raw::Postgres(_) => ("BYTEA", "BIGINT"),
        };
        let role = match raw {
            Raw::Sqlite(_) => String::new(),
            Raw::Postgres(_) => format!("SET ROLE {OWNER};"),
        };
        // Sorted before the table that it names.
        format!(
            "{role} CREATE TABLE a_later_one (tenant_id TEXT NOT NULL, host_id TEXT NOT NULL, \"order\" {id} NOT NULL,
               note TEXT, body {bytes}, PRIMARY KEY (tenant_id, \"order\"),
               FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id))"
        )
    };
    let mut raw = bench.raw().await;
    raw.run(&make(&raw)).await.unwrap();
    if on == On::Postgres {
        raw.run("RESET ROLE").await.unwrap();
    }
    let err = from.copy_to(&to, &mut |_step| {}).await.unwrap_err();
    assert!(matches!(&err, StoreError::Uncopied { table, .. } if table == "a_later_one"), "{err}");
    let bytes = |digits: &str| match raw {
        Raw::Sqlite(_) => format!("x'{digits}'"),
        Raw::Postgres(_) => format!("'\\x{digits}'"),
    };
    let rows = format!(
        "INSERT INTO a_later_one SELECT tenant_id, host_id, -9223372036854775807, NULL, NULL FROM hosts;
         INSERT INTO a_later_one SELECT tenant_id, host_id, 9223372036854775807, '', {} FROM hosts;
         INSERT INTO a_later_one SELECT tenant_id, host_id, 0, '\"1\" \\ \u{1f980}', {} FROM hosts",
        bytes(""),
        bytes("00ff10")
    );
    raw.run(&rows).await.unwrap();
    let mut raw_there = there.raw().await;
    raw_there.run(&make(&raw_there)).await.unwrap();
    if on == On::Sqlite {
        raw_there.run("RESET ROLE").await.unwrap();
    }
    from.copy_to(&to, &mut |_step| {}).await.unwrap();
    let seen =
        "SELECT tenant_id || '/' || host_id || '/' || \"order\" || '/' || coalesce(note, 'none') || '/' ||
                coalesce(length(body), -1) FROM a_later_one ORDER BY tenant_id, \"order\"";
    let (there, here) = (raw_there.column(seen).await, raw.column(seen).await);
    assert_eq!(there, here);
    assert_eq!(there.len(), 6);
    let whole = "SELECT count(*) FROM a_later_one WHERE body = ";
    assert_eq!(raw_there.number(&(whole.to_owned() + &hex(&raw_there, "00ff10"))).await, 2);
}
on_each!(a_table_that_is_new_is_copied_too);

fn hex(raw: &Raw, digits: &str) -> String {
    match raw {
        Raw::Sqlite(_) => format!("x'{digits}'"),
        Raw::Postgres(_) => format!("'\\x{digits}'"),
    }
}

/// A target that holds a store is refused and stays as it is.
async fn a_target_that_is_not_empty_is_refused(on: On) {
    let (bench, there) = (filled(on).await, Bench::on(other(on)).await);
    let before = there.dump().await;
    let err = copy(&bench, &there).await.unwrap_err();
    assert!(matches!(err, StoreError::Filled { .. }), "{err}");
    assert_eq!(there.dump().await, before);
}
on_each!(a_target_that_is_not_empty_is_refused);

/// What was recorded while the copy was made would be missing in it: then there is none.
async fn a_source_that_is_written_meanwhile_is_not_copied(on: On) {
    let (bench, there) = (filled(on).await, Bench::empty(other(on)).await);
    let mut is_written = false;
    let mut write = |_step: Step<'_>| {
        let bench = bench.clone();
        if !std::mem::replace(&mut is_written, true) {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async { bench.second_handle().await.host("late").await })
            })
            .join()
            .unwrap();
        }
    };
    let err = bench.owner().await.copy_to(&there.owner().await, &mut write).await.unwrap_err();
    assert!(matches!(err, StoreError::Moving { .. }), "{err}");
    assert_eq!(there.dump().await.keys().collect::<Vec<_>>(), ["schema_migrations"]);
    copy(&bench, &there).await.unwrap();
}
on_each!(a_source_that_is_written_meanwhile_is_not_copied);

/// A copy that a table of the target refuses, or that is not what was read, leaves nothing behind.
async fn half_a_copy_is_none(on: On) {
    let bench = filled(other(on)).await;
    let there = Bench::empty(on).await;
    let (from, to) = (bench.owner().await, there.owner().await);
    let mut raw = there.raw().await;
    raw.plant(("INSERT", "transactions"), "NEW.rule_id = 'r2'").await;
    let err = from.copy_to(&to, &mut |_step| {}).await.unwrap_err();
    assert_eq!(err.to_string(), "could not copy table transactions: planted");
    assert_eq!(raw.dump().await.keys().collect::<Vec<_>>(), ["schema_migrations"]);
    raw.pull_out().await;
    // A target that makes something else of what it is given.
    let alter = match &raw {
        Raw::Sqlite(_) => {
            "CREATE TRIGGER planted AFTER INSERT ON host_rule_sets
             BEGIN UPDATE host_rule_sets SET scan_count = scan_count + 1; END"
        }
        Raw::Postgres(_) => {
            "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN NEW.scan_count := NEW.scan_count + 1; RETURN NEW; END';
             CREATE TRIGGER planted BEFORE INSERT ON host_rule_sets FOR EACH ROW EXECUTE FUNCTION planted()"
        }
    };
    raw.run(alter).await.unwrap();
    let err = from.copy_to(&to, &mut |_step| {}).await.unwrap_err();
    assert!(matches!(&err, StoreError::Uncopied { table, .. } if table == "host_rule_sets"), "{err}");
    assert!(err.to_string().contains("not what was written"), "{err}");
    assert_eq!(raw.dump().await.keys().collect::<Vec<_>>(), ["schema_migrations"]);
}
on_each!(half_a_copy_is_none);

/// Who does not own the tables of a server sees nobody's rows without a tenant: an empty copy would look whole.
#[tokio::test]
async fn only_the_owner_of_the_tables_may_copy() {
    let (bench, there) = (filled(On::Postgres).await, Bench::empty(On::Sqlite).await);
    let Home::Server(database) = &*bench.home else { panic!("a server was asked for") };
    let everyday = Db::connect(&server(database.name(), EVERYDAY), Login::Everyday).await.unwrap();
    for (from, to) in [(&everyday, &there.db), (&there.db, &everyday)] {
        let err = from.copy_to(to, &mut |_step| {}).await.unwrap_err();
        assert!(matches!(err, StoreError::Open { problem: Problem::Denied(_), .. }), "{err}");
    }
}

/// A table whose rows are closed once has the columns that the copy closes them by.
#[test]
fn every_table_that_is_closed_once_has_the_closing_columns() {
    let mut n_found = 0;
    for table in TABLES.iter().filter(|table| table.guard == Guard::ClosedOnce) {
        for wanted in CLOSING.iter().chain(&["seq", "log_index"]) {
            assert!(table.columns.iter().any(|(name, _vouch)| name == wanted), "{}: {wanted}", table.name);
        }
        n_found += 1;
    }
    assert_eq!(n_found, 2);
}
