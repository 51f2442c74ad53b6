//! One tenant on a server does not see another, whatever a statement says: row security, as the role of every day has it
//! (DBS-04, DBS-06, DBS-28, FCT-27). What a file does is told by the stories with two tenants.

use std::collections::BTreeSet;

use model::Status::{Fail, Pass};
use sqlx::{Connection as _, PgConnection};

use crate::bench::{Bench, EVERYDAY, Home, On, at};
use crate::raw::Raw;
use crate::story::findings;

/// Two tenants with the same hosts and scans.
async fn two_tenants() -> (Bench, Bench, Raw) {
    let bench = Bench::on(On::Postgres).await;
    let other = bench.other_tenant("other").await;
    for bench in [&bench, &other] {
        let host = bench.host("web-1").await;
        bench.scan(host, &findings(&[("r1", Pass, "v1"), ("r2", Fail, "v2")]), at(100)).await;
        bench.trust("web-1", "key-a", at(200)).await.unwrap();
    }
    let Home::Server(database) = &*bench.home else { panic!("a server was asked for") };
    let url = database.url().replacen("postgres@", &format!("{EVERYDAY}@"), 1);
    let raw = Raw::Postgres(PgConnection::connect(&url).await.unwrap());
    (bench, other, raw)
}

/// Every table with a tenant that has rows of both.
async fn tables(owner: &mut Raw) -> Vec<String> {
    let sql = "SELECT CAST(attrelid::regclass AS TEXT) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
               WHERE a.attname = 'tenant_id' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace";
    let mut found = Vec::new();
    for table in owner.column(sql).await {
        if owner.number(&format!("SELECT count(DISTINCT tenant_id) FROM {table}")).await == 2 {
            found.push(table);
        }
    }
    found
}

/// Returns the tables with a tenant whose row security is not enabled, not forced or without its policy.
async fn bare(owner: &mut Raw) -> BTreeSet<String> {
    let sql = "SELECT CAST(c.oid::regclass AS TEXT) FROM pg_class AS c
               JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
               WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT (c.relrowsecurity
                 AND c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy AS p
                   WHERE p.polrelid = c.oid AND p.polname = 'tenant' AND p.polcmd = '*' AND p.polpermissive))";
    owner.column(sql).await.into_iter().collect()
}

/// DBS-28: no table with a tenant is without row security, and one that is forgotten is found.
#[tokio::test]
async fn dbs_28_every_table_with_a_tenant_has_row_security_and_a_bare_one_is_found() {
    let bench = Bench::on(On::Postgres).await;
    let mut owner = bench.raw().await;
    assert_eq!(bare(&mut owner).await, BTreeSet::new());
    owner.run("CREATE TABLE forgotten (tenant_id TEXT)").await.unwrap();
    assert_eq!(bare(&mut owner).await, BTreeSet::from(["forgotten".to_owned()]));
}

/// DBS-04, DBS-06: without a tenant nothing is seen and nothing is an error, also on a connection that worked for one; with
/// one, its own rows alone are seen and changed, and a row of another cannot be written.
#[tokio::test]
async fn dbs_04_dbs_06_a_tenant_sees_and_writes_its_own_rows_alone() {
    let (bench, other, mut raw) = two_tenants().await;
    let mut owner = bench.raw().await;
    let tables = tables(&mut owner).await;
    assert!(tables.len() > 14, "{tables:?}");
    for round in 0..2 {
        for table in &tables {
            assert_eq!(raw.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{round}: {table}");
        }
        for (mine, its) in [(&bench, &other), (&other, &bench)] {
            let scope = format!("BEGIN; SET LOCAL app.current_tenant = '{}'", mine.tenant.id);
            raw.run(&scope).await.unwrap();
            for table in &tables {
                let seen = format!("SELECT DISTINCT tenant_id FROM {table}");
                assert_eq!(raw.column(&seen).await, [mine.tenant.id.to_string()], "{table}");
            }
            let theirs =
                format!("UPDATE hosts SET username = 'mallory' WHERE tenant_id = '{}'", its.tenant.id);
            assert_eq!(raw.run(&theirs).await, Ok(0));
            raw.run("COMMIT").await.unwrap();
            raw.run(&scope).await.unwrap();
            let foreign = format!(
                "INSERT INTO rule_sets (tenant_id, sha256, rule_id) VALUES ('{}', repeat('0', 64), 'r')",
                its.tenant.id
            );
            let why = raw.run(&foreign).await.unwrap_err();
            assert!(why.contains("row-level security"), "{why}");
            raw.run("ROLLBACK").await.unwrap();
        }
    }
    assert_eq!(owner.number("SELECT count(*) FROM hosts WHERE username = 'mallory'").await, 0);
}

/// DBS-07, DBS-09: the role of every day may neither delete nor truncate, nor change what never changes, nor list tenants.
#[tokio::test]
async fn dbs_07_the_role_of_every_day_has_the_rights_it_needs_and_no_others() {
    let bench = Bench::on(On::Postgres).await;
    let mut owner = bench.raw().await;
    let rights = format!(
        "SELECT table_name || ' ' || string_agg(privilege_type, ' ' ORDER BY privilege_type)
         FROM information_schema.table_privileges WHERE grantee = '{EVERYDAY}' AND table_schema = 'public'
         GROUP BY table_name ORDER BY table_name"
    );
    let found: BTreeSet<String> = owner.column(&rights).await.into_iter().collect();
    let changing = [
        "audit_events",
        "edges",
        "evidence",
        "fact_heartbeats",
        "facts",
        "host_keys",
        "host_locks",
        "host_posture",
        "host_rule_sets",
        "host_rule_state",
        "hosts",
        "log_entries",
        "log_heads",
        "log_tiles",
        "manifests",
        "scan_runs",
    ];
    let reading = ["host_rule_checked", "host_rule_state_current"];
    let wanted = store::registry::TABLES.iter().map(|table| match table.name {
        "schema_migrations" => "schema_migrations SELECT".to_owned(),
        name if changing.contains(&name) => format!("{name} INSERT SELECT UPDATE"),
        name => format!("{name} INSERT SELECT"),
    });
    let wanted = wanted.chain(reading.map(|view| format!("{view} INSERT SELECT")));
    assert_eq!(found, wanted.collect());
    assert_eq!(bench.db.find_tenant("default").await.unwrap().map(|tenant| tenant.id), Some(bench.tenant.id));
    assert!(bench.db.find_tenant("nobody").await.unwrap().is_none());
}
