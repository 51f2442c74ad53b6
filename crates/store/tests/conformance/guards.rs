//! What a PostgreSQL server refuses those who are no owner, and what its owner gets past and what not (FCT-40, FCT-57,
//! FCT-58). The statement forms on each table are with `forms` and `closing`.

use store::registry::{Guard, TABLES};

use crate::attack::{Attack, DENIED, NOTHING, Tally, parts};
use crate::bench::{EVERYDAY, OWNER, On};
use crate::refusal::filled;

/// FCT-57: only a superuser may say that it replicates.
#[tokio::test]
async fn fct_57_nobody_but_a_superuser_turns_triggers_off_for_a_session() {
    let (bench, _raw, _running) = filled(On::Postgres).await;
    for role in [OWNER, EVERYDAY] {
        let mut raw = bench.raw_as(role).await;
        let why = raw.run("SET session_replication_role = replica").await.unwrap_err();
        assert!(why.contains("permission denied"), "{role}: {why}");
    }
}

/// FCT-58: who is no owner changes no table, makes none, and passes no right on.
#[tokio::test]
async fn fct_58_a_role_with_rights_changes_no_schema_and_passes_no_right_on() {
    let (bench, mut raw, _running) = filled(On::Postgres).await;
    let mut all = vec![
        Attack::new("FCT-58 CREATE", "CREATE TABLE public.mine (a TEXT)", DENIED),
        Attack::new("FCT-58 CREATE", "CREATE SCHEMA mine", DENIED),
        Attack::new(
            "FCT-58 CREATE",
            "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            DENIED,
        ),
    ];
    for table in TABLES {
        let table = table.name;
        for (row, sql) in [
            ("FCT-58 DROP", format!("DROP TABLE {table} CASCADE")),
            ("FCT-58 ALTER", format!("ALTER TABLE {table} ADD COLUMN mine TEXT")),
            ("FCT-58 ALTER", format!("ALTER TABLE {table} OWNER TO {EVERYDAY}")),
            ("FCT-58 ALTER", format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")),
            ("FCT-58 ALTER", format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")),
            ("FCT-58 DISABLE TRIGGER", format!("ALTER TABLE {table} DISABLE TRIGGER ALL")),
            ("FCT-58 CREATE RULE", format!("CREATE RULE mine AS ON INSERT TO {table} DO INSTEAD NOTHING")),
            ("FCT-58 CREATE", format!("CREATE INDEX mine ON {table} (tenant_id)")),
            ("FCT-58 CREATE", format!("CREATE POLICY mine ON {table} USING (true)")),
        ] {
            all.push(Attack::new(row, sql, DENIED));
        }
        // Whoever has some right on a table is warned, and nothing is passed on (postgresql.org/docs/current/sql-grant.html).
        let grant = format!("GRANT ALL ON {table} TO PUBLIC");
        all.push(Attack::new("FCT-58 GRANT", grant, &["Denied", NOTHING]));
    }
    let acls = "SELECT CAST(relname AS TEXT) || ' ' || coalesce(CAST(relacl AS TEXT), '') FROM pg_class
                WHERE relnamespace = 'public'::regnamespace ORDER BY relname";
    let before = raw.column(acls).await;
    let mut tally = Tally::default();
    for attacker in &mut parts(&bench).await {
        tally.check(attacker, &mut raw, &all).await;
    }
    tally.print("Postgres");
    assert_eq!(tally.wrong, Vec::<String>::new());
    assert_eq!(raw.column(acls).await, before);
}

/// FCT-40: a delete that cascades from a parent table meets the guards of the child.
#[tokio::test]
async fn a_delete_on_a_server_does_not_cascade_into_a_guarded_table_fct_40() {
    let (_bench, mut raw, _running) = filled(On::Postgres).await;
    let cascade = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s', conrelid::regclass, conname,
                     conname, replace(pg_get_constraintdef(oid), 'ON DELETE RESTRICT', 'ON DELETE CASCADE'))
                   FROM pg_constraint WHERE contype = 'f'";
    let changes = raw.column(cascade).await;
    assert!(changes.len() > 10 && changes.iter().all(|sql| sql.contains("CASCADE")), "{changes:?}");
    for sql in changes {
        raw.run(&sql).await.unwrap();
    }
    let parents = ["tenants", "hosts", "log_heads"];
    for parent in parents {
        raw.run(&format!("DROP TRIGGER {parent}_no_delete ON {parent}")).await.unwrap();
    }
    let before = raw.dump().await;
    for parent in parents {
        let why = raw.run(&format!("DELETE FROM {parent}")).await.expect_err(parent);
        assert!(why.contains("append-only: "), "{parent}: {why}");
        assert_eq!(raw.dump().await, before, "{parent}");
    }
    assert!(TABLES.iter().any(|table| table.guard == Guard::NoDelete));
}
