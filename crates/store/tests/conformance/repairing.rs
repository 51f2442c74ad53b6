//! Mending a database in which numbers stand twice: every tenant in its own log, all of it or nothing (FCT-23). Which row
//! stays is decided by `app`, and told through the binary.

use model::ClaimKind;
use store::repair::{Keep, Part};
use store::{Db, Login, StoreError, Tenant};

use crate::bench::{Bench, Home, OWNER, On, at, server};
use crate::claims::{KINDS, key, put};
use crate::opening::number_twice;

/// Opens the database as whoever mends it.
async fn repairer(bench: &Bench) -> Db {
    match &*bench.home {
        Home::Folder(_) => Db::open_as(&bench.path(), Login::Repairer).await.unwrap(),
        Home::Server(database) => {
            Db::connect(&server(database.name(), OWNER), Login::Repairer).await.unwrap()
        }
    }
}

/// Plans to keep the first of the rows that share a number, which are all the same here.
async fn parts(bench: &Bench, db: &Db, kind: ClaimKind) -> Vec<Part> {
    let mut parts = Vec::new();
    for (_slug, tenant) in db.list_tenants().await.unwrap() {
        let twice = db.list_twice(&tenant, kind).await.unwrap();
        assert!(twice.iter().all(|twice| twice.seq == 1 && twice.rows.len() == 2), "{twice:?}");
        let keeps: Vec<Keep> = twice.into_iter().map(|twice| Keep { twice, stays: 0 }).collect();
        assert_eq!(keeps.len(), 1, "{tenant:?}");
        parts.push(Part { tenant, keeps, audit: bench.audit("store.repaired", "database") });
    }
    parts
}

/// Two tenants with three versions each, of which the second stands there twice.
async fn damaged(on: On, kind: ClaimKind) -> (Bench, Bench) {
    let bench = Bench::on(on).await;
    let other = bench.other_tenant("other").await;
    for tenant in [&bench, &other] {
        for value in ["1", "2", "3"] {
            tenant.fresh(&put(&key(kind, "owner"), value), at(100)).await;
        }
    }
    number_twice(&mut bench.raw().await, kind).await;
    (bench, other)
}

async fn in_quarantine(bench: &Bench, tenant: &Tenant) -> i64 {
    let sql = format!("SELECT count(*) FROM quarantine WHERE tenant_id = '{}'", tenant.id);
    bench.raw().await.number(&sql).await
}

/// FCT-23: each tenant's row moves with an entry in that tenant's log, and the versions are what they were.
async fn fct_23_every_tenant_is_mended_in_its_own_log(on: On) {
    for kind in KINDS {
        let (bench, other) = damaged(on, kind).await;
        let db = repairer(&bench).await;
        assert_eq!(db.list_keyless().await.unwrap(), [kind]);
        let parts = parts(&bench, &db, kind).await;
        assert_eq!(parts.len(), 2);
        db.repair((&[kind], &parts), at(200), &mut bench.nonces()).await.unwrap();
        assert_eq!(db.list_keyless().await.unwrap(), []);
        db.close().await;
        for tenant in [&bench, &other] {
            let again = tenant.second_handle().await;
            let versions = again.versions(&key(kind, "owner")).await;
            let told: Vec<(u64, &str)> =
                versions.iter().map(|stored| (stored.version.seq, stored.version.value.as_str())).collect();
            assert_eq!(told, [(2, "3"), (1, "2"), (0, "1")], "{kind:?}");
            assert_eq!(again.ledger_problems().await, Vec::<String>::new());
            assert_eq!(in_quarantine(&bench, &tenant.tenant).await, 1);
            again.fresh(&put(&key(kind, "owner"), "4"), at(300)).await;
        }
    }
}
on_each!(fct_23_every_tenant_is_mended_in_its_own_log);

/// FCT-23: rows that are not any more as they were looked at are not touched, those of another tenant neither.
async fn fct_23_rows_that_changed_since_they_were_looked_at_stay_as_they_are(on: On) {
    let (bench, other) = damaged(on, ClaimKind::Fact).await;
    let db = repairer(&bench).await;
    let parts = parts(&bench, &db, ClaimKind::Fact).await;
    let mut raw = bench.raw().await;
    let change = format!("DELETE FROM facts WHERE tenant_id = '{}' AND seq = 1", other.tenant.id);
    raw.run(&change).await.unwrap();
    let before = raw.dump().await;
    let refused = db.repair((&[ClaimKind::Fact], &parts), at(200), &mut bench.nonces()).await;
    assert!(matches!(refused, Err(StoreError::Moving { .. })), "{refused:?}");
    assert_eq!(raw.dump().await, before);
}
on_each!(fct_23_rows_that_changed_since_they_were_looked_at_stay_as_they_are);
