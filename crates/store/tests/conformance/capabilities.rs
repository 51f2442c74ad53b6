//! What a backend says that it can do, it does (FCT-18).

use std::collections::BTreeSet;

use model::{ClaimKey, ClaimKind, Classification, Subject};
use store::facts::graph::{Direction, Walk};
use store::facts::read::{Instants, Wanted};
use store::facts::{Expected, Put};
use store::{Capability, StoreError};

use crate::bench::{Bench, On, at};
use crate::claims::{key, put};

/// A value that was replaced is found as of an instant before, and its successor after.
async fn tells_as_of(bench: &Bench) -> bool {
    let owner = key(ClaimKind::Fact, "owner");
    bench.fresh(&put(&owner, "\"a\""), at(100)).await;
    bench.fresh(&put(&owner, "\"b\""), at(200)).await;
    let mut told = Vec::new();
    for valid_at in [at(150), at(250)] {
        let point = Instants { valid_at, recorded_at: at(300), position: 1_000 };
        let found = bench.db.list_as_of(&bench.tenant, &Wanted::key(&owner), point).await.unwrap();
        told.extend(found.iter().map(|stored| stored.version.value.clone()));
    }
    told == ["\"a\"", "\"b\""]
}

/// Of two writers who saw the same the second is refused, and what it wanted is nowhere.
async fn compares_and_sets(bench: &Bench) -> bool {
    let patching = key(ClaimKind::Fact, "patching");
    let absent = |value| Put { expected: Some(Expected::Absent), ..put(&patching, value) };
    bench.fresh(&absent("1"), at(300)).await;
    let second = bench.put(&absent("2"), at(400)).await;
    matches!(second, Err(StoreError::VersionConflict { .. })) && bench.versions(&patching).await.len() == 1
}

/// What is two edges away is found there.
async fn walks(bench: &Bench) -> bool {
    let node = |name: &str| Subject::parse(&format!("service:{name}")).unwrap();
    for (from, to) in [("web", "cache"), ("cache", "store")] {
        let edge = ClaimKey::Edge { subject: node(from), relation: "reaches".to_owned(), target: node(to) };
        bench.fresh(&put(&edge, "{}"), at(500)).await;
    }
    let start = node("web");
    let walk = Walk {
        start: &start,
        direction: Direction::Out,
        relation: None,
        depth: 2,
        up_to: Classification::Normal,
    };
    let now = Instants { valid_at: at(600), recorded_at: at(600), position: 1_000 };
    let told = bench.db.walk(&bench.tenant, &walk, now).await.unwrap();
    told.iter().any(|edge| edge.depth == 2 && edge.target == node("store"))
}

/// FCT-18: the list of what a backend can do is that of what was just seen of it.
async fn fct_18_what_a_backend_says_that_it_can_is_what_it_does(on: On) {
    let bench = Bench::on(on).await;
    let mut seen = BTreeSet::new();
    for capability in Capability::ALL {
        let is_seen = match capability {
            Capability::AsOf => tells_as_of(&bench).await,
            Capability::CompareAndSet => compares_and_sets(&bench).await,
            Capability::Graph => walks(&bench).await,
        };
        seen.extend(is_seen.then_some(capability));
    }
    assert_eq!(bench.db.capabilities().iter().copied().collect::<BTreeSet<_>>(), seen);
    let names: Vec<&str> = bench.db.capabilities().iter().map(|capability| capability.as_str()).collect();
    assert_eq!(names, ["as_of", "compare_and_set", "graph"]);
}
on_each!(fct_18_what_a_backend_says_that_it_can_is_what_it_does);
