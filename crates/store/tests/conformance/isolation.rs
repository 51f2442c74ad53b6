//! One tenant on a server does not see another, whatever a statement says: row security, as the role of every day has it
//! (DBS-04, DBS-06, DBS-28, FCT-27). What a file does is told by the stories with two tenants.

use std::collections::BTreeSet;

use model::Status::{Fail, Pass};
use store::privileges::{Grant, Role};
use store::{Db, Login, Problem, StoreError};
use testkit::postgres::SUPERUSER;

use crate::bench::{Bench, EVERYDAY, Home, OWNER, On, PARTS, at, server};
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
    let mut raw = bench.raw_as(EVERYDAY).await;
    raw.run("RESET app.current_tenant").await.unwrap();
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

/// CHG-11, DBS-08, FCT-25: each role has exactly the rights of the committed matrix, read from the catalog as a set, and
/// PUBLIC has none. Nobody may pass a right on.
#[tokio::test]
async fn dbs_08_chg_11_fct_25_every_role_has_exactly_the_rights_of_the_matrix() {
    let bench = Bench::on(On::Postgres).await;
    let mut owner = bench.raw().await;
    for (part, role) in PARTS.map(|(part, role, _)| (part, role)).into_iter().chain([("PUBLIC", "")]) {
        let found: BTreeSet<String> = owner.column(&rights(role)).await.into_iter().collect();
        let known = Role::ALL.iter().find(|(name, _)| *name == part);
        let wanted = known.map_or_else(BTreeSet::new, |(_, role)| role.rights());
        // A copy of a database has none of the rights on the database itself: the story of the guide has.
        let wanted = wanted.into_iter().filter(|right| !right.starts_with("database ")).collect();
        println!("{part}: {} rights", found.len());
        let missing: Vec<_> = BTreeSet::difference(&wanted, &found).collect();
        let extra: Vec<_> = found.difference(&wanted).collect();
        assert!(missing.is_empty() && extra.is_empty(), "{part}: missing {missing:?}, extra {extra:?}");
    }
    let mut raw = owner;
    raw.run(&format!("GRANT DELETE ON facts TO {EVERYDAY}")).await.unwrap();
    assert!(
        raw.column(&rights(EVERYDAY)).await.contains(&"table facts DELETE".to_owned()),
        "an extra one is seen"
    );
    assert_eq!(bench.db.find_tenant("default").await.unwrap().map(|tenant| tenant.id), Some(bench.tenant.id));
    assert!(bench.db.find_tenant("nobody").await.unwrap().is_none());
}

/// Every right that a role has on what is in the schema, as the matrix says it; without a role, those of PUBLIC.
fn rights(role: &str) -> String {
    let grantee = if role.is_empty() { "0".to_owned() } else { format!("CAST('{role}'::regrole AS OID)") };
    format!(
        "WITH acls (object, acl) AS (
           SELECT 'table ' || relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace
           UNION ALL
           SELECT 'function ' || CAST(oid::regprocedure AS TEXT), coalesce(proacl, acldefault('f', proowner))
           FROM pg_proc WHERE pronamespace = 'public'::regnamespace
           UNION ALL
           SELECT 'schema ' || nspname, coalesce(nspacl, acldefault('n', nspowner))
           FROM pg_namespace WHERE nspname = 'public'
         ), columns (object, name, acl) AS (
           SELECT 'table ' || c.relname, a.attname, a.attacl FROM pg_attribute AS a
           JOIN pg_class AS c ON c.oid = a.attrelid AND c.relnamespace = 'public'::regnamespace
         )
         SELECT object || ' ' || r.privilege_type || CASE WHEN r.is_grantable THEN ' and passes it on' ELSE '' END
         FROM acls, aclexplode(acl) AS r WHERE r.grantee = {grantee}
         UNION ALL
         SELECT object || ' ' || r.privilege_type || '(' || name || ')'
           || CASE WHEN r.is_grantable THEN ' and passes it on' ELSE '' END
         FROM columns, aclexplode(acl) AS r WHERE r.grantee = {grantee}"
    )
}

/// FCT-25, DBS-02: nobody works as a superuser, past row security, or as the owner or a member of it.
#[tokio::test]
async fn fct_25_dbs_02_only_a_role_that_is_bound_by_its_rights_works() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("a server was asked for") };
    let name = database.name();
    let mut raw = bench.raw().await;
    let (unbound, member) = (format!("{name}_unbound"), format!("{name}_member"));
    let make = format!(
        "CREATE ROLE {unbound} LOGIN BYPASSRLS; CREATE ROLE {member} LOGIN IN ROLE {OWNER};
         GRANT {EVERYDAY} TO {unbound}, {member}"
    );
    raw.run(&make).await.unwrap();
    let mut said = Vec::new();
    for (role, login) in [
        (SUPERUSER, Login::Everyday),
        (SUPERUSER, Login::Owner),
        (unbound.as_str(), Login::Everyday),
        (member.as_str(), Login::Everyday),
        (OWNER, Login::Everyday),
        (EVERYDAY, Login::Owner),
    ] {
        let err = Db::connect(&server(name, role), login).await.unwrap_err();
        let StoreError::Open { problem: Problem::WrongRole(why), .. } = err else { panic!("{role}: {err}") };
        assert!(why.starts_with(role), "{role}: {why}");
        said.push(why.split_once(' ').unwrap().1.to_owned());
    }
    assert!(said[0].contains("superuser") && said[1].contains("superuser"), "{said:?}");
    assert!(said[2].contains("bypasses row security"), "{said:?}");
    assert!(said[3].contains("owns the tables") && said[4].contains("owns the tables"), "{said:?}");
    assert!(said[5].contains("does not own"), "{said:?}");
    for (role, login) in
        [(OWNER, Login::Owner), (EVERYDAY, Login::Everyday), ("plumb_verify", Login::Everyday)]
    {
        Db::connect(&server(name, role), login).await.unwrap().close().await;
    }
    // The canary: a policy that shows rows to everybody is seen at opening.
    raw.run("CREATE POLICY open ON log_heads FOR SELECT USING (true)").await.unwrap();
    let err = Db::connect(&server(name, EVERYDAY), Login::Everyday).await.unwrap_err();
    assert!(err.to_string().contains("row security is not in force"), "{err}");
    raw.run(&format!("DROP OWNED BY {unbound}, {member}; DROP ROLE {unbound}, {member}")).await.unwrap();
}

/// DBS-08: no role gets the rights of a part that would not bind it, or of two.
#[tokio::test]
async fn dbs_08_a_role_that_no_right_would_bind_gets_none() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("a server was asked for") };
    for (grants, word) in [
        (&["app=postgres"][..], "superuser"),
        (&["app=plumb_owner"], "owns the database"),
        (&["app=nobody_here"], "is not there"),
        (&["auth_lookup=plumb_app"], "can log in"),
        (&["app=plumb_app", "verify=plumb_app"], "two parts"),
    ] {
        let grants: Vec<Grant> = grants.iter().map(|grant| grant.parse().unwrap()).collect();
        let err = Db::migrate(&server(database.name(), OWNER), &grants).await.unwrap_err();
        assert!(err.to_string().contains(word), "{err}");
    }
    for (role, word) in [(SUPERUSER, "superuser"), (EVERYDAY, "does not own the database")] {
        let err = Db::migrate(&server(database.name(), role), &[]).await.unwrap_err();
        assert!(err.to_string().contains(word), "{err}");
    }
}
