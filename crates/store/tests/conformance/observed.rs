//! The facts and edges that a scan finds: written with its Apply, on change only, all or nothing (FCT-29).

use model::{
    ClaimKey, ClaimKind, Classification, FactType, HostId, RunStatus, Status::Pass, Subject, SubjectKind,
};
use store::StoreError;
use store::facts::Put;
use store::facts::observed::{Change, Observed};
use store::facts::read::Wanted;

use crate::bench::{Bench, On, at};
use crate::claims::put;
use crate::story::findings;

/// Names a fact of a host; `edge <name>` is an edge to what is on it, `on <name>` one from there.
fn named(host: HostId, name: &str) -> ClaimKey {
    let subject = Subject::host(host);
    let service = |name: &str| Subject::on_host(SubjectKind::Service, host, name).unwrap();
    let edge = |subject, target| ClaimKey::Edge { subject, relation: "runs".to_owned(), target };
    match name.split_once(' ') {
        Some(("edge", name)) => edge(subject, service(name)),
        Some(("on", name)) => edge(service(name), subject),
        _ => ClaimKey::Fact { subject, predicate: name.to_owned(), fact_type: FactType::Observed },
    }
}

/// Scans a host that says this: fact or edge, value where it is so, version that ends.
async fn scan(
    bench: &Bench,
    (host, second): (HostId, i64),
    changes: &[(&str, Option<&str>, Option<u64>)],
) -> Result<(), StoreError> {
    let begun = bench.begin(host, true, at(second)).await.unwrap();
    let mut batch = bench.batch(&begun.scan, &findings(&[("r1", Pass, "v1")]), at(second)).await;
    let change = |(predicate, value, replaces): &(&str, Option<&str>, Option<u64>)| Change {
        key: named(host, predicate),
        value: value.map(str::to_owned),
        replaces: *replaces,
    };
    batch.facts = Observed {
        changes: changes.iter().map(change).collect(),
        seen: vec!["os".to_owned(), "package".to_owned()],
    };
    let applied = bench.apply(begun.fence, &batch, at(second + 5)).await.map(|_applied| ());
    if applied.is_err() {
        let scan = bench.db.find_scan(&bench.tenant, begun.scan.scan_id).await.unwrap().unwrap();
        assert_eq!(scan.status, RunStatus::Running);
        bench.fail(&begun, at(second + 6)).await.unwrap();
    }
    applied
}

/// The facts in force: predicate, value, seq.
async fn told(bench: &Bench, host: HostId) -> Vec<(String, String, u64)> {
    let subject = Subject::host(host);
    let wanted = Wanted {
        kind: ClaimKind::Fact,
        subject: &subject,
        name: None,
        last: None,
        up_to: Classification::Restricted,
    };
    let active = bench.db.list_active(&bench.tenant, &wanted).await.unwrap();
    let one = |version: model::Version| (version.key.name().to_owned(), version.value, version.seq);
    active.into_iter().map(|stored| one(stored.version)).collect()
}

/// FCT-03, FCT-08, FCT-29: a scan puts, replaces and ends facts in its Apply, each with one entry, numbered without
/// gaps; one that changes nothing moves the heartbeats only.
async fn fct_29_a_scan_puts_replaces_and_ends_facts(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let first = [("os", Some("{}"), None), ("package/a", Some("1"), None), ("package/b", Some("1"), None)];
    scan(&bench, (host, 100), &first).await.unwrap();
    let one = |name: &str, value: &str, seq| (name.to_owned(), value.to_owned(), seq);
    let wanted = vec![one("os", "{}", 0), one("package/a", "1", 1), one("package/b", "1", 2)];
    assert_eq!(told(&bench, host).await, wanted);

    let size = bench.db.log_size(&bench.tenant).await.unwrap();
    scan(&bench, (host, 200), &[]).await.unwrap();
    let unchanged = bench.db.log_size(&bench.tenant).await.unwrap() - size;
    assert_eq!(told(&bench, host).await, wanted);
    let seen = bench.db.list_heartbeats(&bench.tenant, &Subject::host(host)).await.unwrap();
    assert_eq!(seen.iter().map(|(claim, _at)| claim.as_str()).collect::<Vec<_>>(), ["os package"]);
    assert!(seen.iter().all(|(_claim, seen)| *seen >= at(205)), "{seen:?}");

    let later =
        [("package/a", Some("2"), Some(1)), ("package/b", None, Some(2)), ("package/c", Some("1"), None)];
    let size = bench.db.log_size(&bench.tenant).await.unwrap();
    scan(&bench, (host, 300), &later).await.unwrap();
    assert_eq!(bench.db.log_size(&bench.tenant).await.unwrap() - size, unchanged + 3);
    let wanted = vec![one("os", "{}", 0), one("package/a", "2", 3), one("package/c", "1", 4)];
    assert_eq!(told(&bench, host).await, wanted);
    let key = |predicate: &str| named(host, predicate);
    let replaced = &bench.versions(&key("package/a")).await[1].version;
    assert_eq!((replaced.superseded_by, replaced.t_invalid), (Some(3), Some(at(300))));
    let ended = &bench.versions(&key("package/b")).await[0].version;
    assert_eq!((ended.superseded_by, ended.t_valid), (None, at(100)));
    assert!(ended.superseded_reason.as_ref().unwrap().starts_with("scan "), "{ended:?}");
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}
on_each!(fct_29_a_scan_puts_replaces_and_ends_facts);

/// FCT-29, LED-10: a scan whose facts were changed by somebody else meanwhile writes nothing at all.
async fn fct_29_a_scan_that_comes_second_writes_nothing(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    scan(&bench, (host, 100), &[("os", Some("1"), None)]).await.unwrap();
    let key = named(host, "os");
    bench.fresh(&put(&key, "2"), at(200)).await;
    let before = told(&bench, host).await;
    let stale = scan(&bench, (host, 300), &[("os", Some("3"), Some(0))]).await.unwrap_err();
    assert!(matches!(stale, StoreError::VersionConflict { .. }), "{stale}");
    let blind = scan(&bench, (host, 400), &[("os", Some("3"), None)]).await.unwrap_err();
    assert!(matches!(blind, StoreError::VersionConflict { .. }), "{blind}");
    assert_eq!(told(&bench, host).await, before);
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}
on_each!(fct_29_a_scan_that_comes_second_writes_nothing);

/// FCT-29: an Apply with facts that any of its tables refuses leaves no trace.
async fn fct_29_an_apply_whose_facts_are_refused_leaves_nothing(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    scan(&bench, (host, 100), &[("os", Some("1"), None), ("edge a", Some("1"), None)]).await.unwrap();
    let begun = bench.begin(host, true, at(200)).await.unwrap();
    let mut batch = bench.batch(&begun.scan, &findings(&[("r1", Pass, "v2")]), at(200)).await;
    let change =
        |name: &str, replaces| Change { key: named(host, name), value: Some("2".to_owned()), replaces };
    let changes = vec![change("os", Some(0)), change("edge a", Some(0)), change("edge b", None)];
    batch.facts = Observed { changes, seen: vec!["os".to_owned()] };
    let before = bench.dump().await;
    let mut raw = bench.raw().await;
    let edges = [("INSERT", "edges"), ("UPDATE", "edges")];
    for write in
        [("INSERT", "facts"), ("UPDATE", "facts"), ("INSERT", "fact_heartbeats")].into_iter().chain(edges)
    {
        raw.plant(write, "true").await;
        let err = bench.apply(begun.fence, &batch, at(210)).await.unwrap_err();
        assert!(err.to_string().contains("planted"), "{write:?}: {err}");
        raw.pull_out().await;
        assert_eq!(bench.dump().await, before, "{write:?}");
    }
    bench.apply(begun.fence, &batch, at(210)).await.unwrap();
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}
on_each!(fct_29_an_apply_whose_facts_are_refused_leaves_nothing);

/// FCT-16, FCT-29: a scan puts, replaces and ends edges as it does facts, each table with numbers of its own; the edges of
/// a host are those from it and from what is on it, and of no other host.
async fn fct_29_a_scan_puts_replaces_and_ends_edges(on: On) {
    let bench = Bench::on(on).await;
    let (host, other) = (bench.host("web-1").await, bench.host("web-2").await);
    let first = [
        ("os", Some("{}"), None),
        ("edge a", Some("1"), None),
        ("on a", Some("1"), None),
        ("edge b", Some("1"), None),
    ];
    scan(&bench, (host, 100), &first).await.unwrap();
    scan(&bench, (other, 150), &[("edge a", Some("7"), None), ("on a", Some("7"), None)]).await.unwrap();
    let edges = async |host: HostId| {
        let found = bench.db.list_edges_of_host(&bench.tenant, host).await.unwrap();
        let mut found: Vec<_> = found.into_iter().map(|stored| stored.version).collect();
        found.sort_by_key(|version| version.seq);
        found.into_iter().map(|version| (version.key, version.value, version.seq)).collect::<Vec<_>>()
    };
    let one = |host, name: &str, value: &str, seq| (named(host, name), value.to_owned(), seq);
    let wanted = [one(host, "edge a", "1", 0), one(host, "on a", "1", 1), one(host, "edge b", "1", 2)];
    assert_eq!(edges(host).await, wanted);
    assert_eq!(edges(other).await, [one(other, "edge a", "7", 3), one(other, "on a", "7", 4)]);

    let later = [("edge a", Some("2"), Some(0)), ("edge b", None, Some(2)), ("edge c", Some("1"), None)];
    let size = bench.db.log_size(&bench.tenant).await.unwrap();
    scan(&bench, (host, 200), &[]).await.unwrap();
    let unchanged = bench.db.log_size(&bench.tenant).await.unwrap() - size;
    scan(&bench, (host, 300), &later).await.unwrap();
    assert_eq!(bench.db.log_size(&bench.tenant).await.unwrap() - size, 2 * unchanged + 3);
    let wanted = [one(host, "on a", "1", 1), one(host, "edge a", "2", 5), one(host, "edge c", "1", 6)];
    assert_eq!(edges(host).await, wanted);
    let replaced = &bench.versions(&named(host, "edge a")).await[1].version;
    assert_eq!((replaced.superseded_by, replaced.t_invalid), (Some(5), Some(at(300))));
    let ended = &bench.versions(&named(host, "edge b")).await[0].version;
    assert!(ended.superseded_by.is_none() && ended.t_superseded.is_some(), "{ended:?}");
    assert_eq!(told(&bench, host).await.len(), 1, "facts have numbers of their own");
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());

    let stale = scan(&bench, (host, 400), &[("edge a", Some("3"), Some(0))]).await.unwrap_err();
    assert!(matches!(stale, StoreError::VersionConflict { .. }), "{stale}");
    let blind = scan(&bench, (host, 500), &[("edge a", Some("3"), None)]).await.unwrap_err();
    assert!(matches!(blind, StoreError::VersionConflict { .. }), "{blind}");
    assert_eq!(edges(host).await, wanted);
}
on_each!(fct_29_a_scan_puts_replaces_and_ends_edges);

/// FCT-28: what a scan puts in the place of a restricted version is restricted, too.
async fn fct_28_what_follows_a_restricted_version_is_restricted(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    for (name, replaces) in [("os", 0), ("edge a", 0)] {
        let key = named(host, name);
        bench.fresh(&Put { classification: Classification::Restricted, ..put(&key, "1") }, at(100)).await;
        scan(&bench, (host, 200), &[(name, Some("2"), Some(replaces))]).await.unwrap();
        let versions = bench.versions(&key).await;
        assert_eq!((versions.len(), &*versions[0].version.value), (2, "2"));
        assert_eq!(versions[0].version.classification, Classification::Restricted, "{name}");
    }
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}
on_each!(fct_28_what_follows_a_restricted_version_is_restricted);
