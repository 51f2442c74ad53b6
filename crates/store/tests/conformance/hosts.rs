//! The inventory: names and addresses are unique among hosts that are there; removed hosts stay on record.

use model::record::HostRecord;
use store::StoreError;

use crate::bench::{Bench, On, at};
use crate::story::all_pass;

async fn check_exists(bench: &Bench, record: &HostRecord) {
    let before = bench.dump().await;
    let err = bench.put_host(record, at(50)).await.unwrap_err();
    assert!(matches!(err, StoreError::Exists { .. }), "{err:?}");
    assert_eq!(bench.dump().await, before);
}

/// LED-10: the refusal leaves no entry either.
async fn a_taken_name_or_address_is_refused_and_writes_nothing(on: On) {
    let bench = Bench::on(on).await;
    bench.host("web-1").await;
    let other = bench.host_record("web-2");
    check_exists(&bench, &HostRecord { name: "web-1".to_owned(), ..other.clone() }).await;
    check_exists(&bench, &HostRecord { address: "web-1".to_owned(), ..other }).await;
}
on_each!(a_taken_name_or_address_is_refused_and_writes_nothing);

/// TLW-17: a host that is marked as removed keeps its findings, and its name is free again.
async fn a_removed_host_keeps_its_results_and_frees_its_name(on: On) {
    let bench = Bench::on(on).await;
    let record = bench.host_record("web-1");
    let host = bench.put_host(&record, at(0)).await.unwrap().host_id;
    bench.scan(host, &all_pass(3), at(100)).await;
    let removed = HostRecord { removed_at: Some(at(200)), ..record };
    bench.put_host(&removed, at(200)).await.unwrap();
    let again = bench.host("web-1").await;
    assert_ne!(again, host);
    assert_eq!(bench.results(host).await.len(), 3);
    assert_eq!(bench.db.list_hosts(&bench.tenant).await.unwrap().len(), 2);
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(a_removed_host_keeps_its_results_and_frees_its_name);

/// A host comes back as it was saved, and another tenant does not see it.
async fn a_host_comes_back_as_it_was_saved_to_its_own_tenant_only(on: On) {
    let bench = Bench::on(on).await;
    let record =
        HostRecord { sudo: true, port: 65_535, profile_id: "cis".to_owned(), ..bench.host_record("a b") };
    let saved = bench.put_host(&record, at(10)).await.unwrap();
    assert_eq!(saved, HostRecord { changed_at: saved.changed_at, ..record });
    let found = bench.db.find_host(&bench.tenant, saved.host_id).await.unwrap().unwrap();
    assert_eq!((found.record, found.posture), (saved.clone(), None));
    let other = bench.other_tenant("other").await;
    assert!(other.db.find_host(&other.tenant, saved.host_id).await.unwrap().is_none());
    assert!(other.db.list_hosts(&other.tenant).await.unwrap().is_empty());
}
on_each!(a_host_comes_back_as_it_was_saved_to_its_own_tenant_only);
