//! Walks along edges against a walk in memory (FCT-17).

use std::collections::{BTreeMap, BTreeSet};

use model::{ClaimKey, Classification, Subject};
use store::facts::graph::{Direction, Reached, Walk};
use store::facts::read::Instants;

use crate::bench::{Bench, On, at};
use crate::claims::put;
use crate::claims_as_of::Choices;

const NODES: u64 = 1_000;
const EDGES: usize = 5_000;
const RELATIONS: [&str; 3] = ["runs", "reaches", "owns"];

type Edge = (u64, &'static str, u64);

fn node(n: u64) -> Subject {
    Subject::parse(&format!("service:n{n:04}")).unwrap()
}

/// Walks level by level, as the sentence of FCT-17 says.
fn walked(edges: &BTreeSet<Edge>, walk: &Walk<'_>) -> Vec<(u32, String, String, String)> {
    let mut distance = BTreeMap::from([(walk.start.clone(), 0)]);
    let mut found = BTreeMap::new();
    for depth in 1..=walk.depth {
        let mut fresh = Vec::new();
        for (from, relation, to) in edges {
            if walk.relation.is_some_and(|wanted| wanted != *relation) {
                continue;
            }
            let (subject, target) = (node(*from), node(*to));
            let here = |end: &Subject| distance.get(end) == Some(&(depth - 1));
            let out = walk.direction != Direction::In && here(&subject);
            let back = walk.direction != Direction::Out && here(&target);
            if out || back {
                let edge = (subject.to_string(), (*relation).to_owned(), target.to_string());
                found.entry(edge).or_insert(depth);
                fresh.extend(out.then(|| target.clone()));
                fresh.extend(back.then(|| subject.clone()));
            }
        }
        for end in fresh {
            distance.entry(end).or_insert(depth);
        }
    }
    let mut told: Vec<_> = found.into_iter().map(|((s, r, t), depth)| (depth, s, r, t)).collect();
    told.sort();
    told
}

fn said(told: Vec<Reached>) -> Vec<(u32, String, String, String)> {
    let one = |edge: Reached| (edge.depth, edge.subject.to_string(), edge.relation, edge.target.to_string());
    told.into_iter().map(one).collect()
}

/// FCT-17: random graphs with cycles, every direction, with and without a relation, at every depth, now and before a
/// part of the edges was retired.
async fn fct_17_walks_agree_with_a_walk_in_memory(on: On) {
    let bench = Bench::on(on).await;
    let mut choices = Choices(17);
    let mut edges: BTreeSet<Edge> = BTreeSet::new();
    while edges.len() < EDGES {
        let relation = RELATIONS[usize::try_from(choices.below(3)).unwrap()];
        edges.insert((choices.below(NODES), relation, choices.below(NODES)));
    }
    let key = |(from, relation, to): &Edge| ClaimKey::Edge {
        subject: node(*from),
        relation: (*relation).to_owned(),
        target: node(*to),
    };
    for edge in &edges {
        bench.fresh(&put(&key(edge), "{}"), at(100)).await;
    }
    let full = bench.db.log_size(&bench.tenant).await.unwrap();
    let gone: BTreeSet<Edge> = edges.iter().copied().filter(|_edge| choices.below(10) == 0).collect();
    let mut last = at(0);
    for edge in &gone {
        last = bench.retire(&key(edge), at(200)).await.unwrap().version.t_superseded.unwrap();
    }
    let size = bench.db.log_size(&bench.tenant).await.unwrap();
    let kept: BTreeSet<Edge> = edges.difference(&gone).copied().collect();
    for round in 0..24 {
        let start = node(choices.below(NODES));
        let walk = Walk {
            start: &start,
            direction: [Direction::Out, Direction::In, Direction::Both][round % 3],
            relation: (round % 2 == 0).then(|| RELATIONS[round % 5 % 3]),
            depth: [1, 2, 3, 16][round % 4],
            up_to: Classification::Normal,
        };
        let (known, position) = if round % 7 == 0 { (&edges, full) } else { (&kept, size) };
        let point = Instants { valid_at: at(150), recorded_at: last, position };
        // Asked for a time when all of them held, as known before and after some were retired.
        let known = if position == size { &edges } else { known };
        let told = bench.db.walk(&bench.tenant, &walk, point).await.unwrap();
        assert_eq!(said(told), walked(known, &walk), "{round}: {walk:?}");
        let later = Instants { valid_at: at(1_000), ..point };
        if position == size {
            let told = bench.db.walk(&bench.tenant, &walk, later).await.unwrap();
            assert_eq!(said(told), walked(&kept, &walk), "{round}: {walk:?}");
        }
    }
}
on_each!(fct_17_walks_agree_with_a_walk_in_memory);

/// FCT-17, FCT-27: a walk ends on a cycle, and never leaves its tenant.
async fn fct_17_fct_27_a_walk_ends_on_a_cycle_and_at_the_tenants_border(on: On) {
    let bench = Bench::on(on).await;
    let other = bench.other_tenant("other").await;
    let edge = |from, to| ClaimKey::Edge { subject: node(from), relation: "r".to_owned(), target: node(to) };
    for (from, to) in [(1, 2), (2, 1), (2, 2)] {
        bench.fresh(&put(&edge(from, to), "{}"), at(100)).await;
    }
    other.fresh(&put(&edge(2, 3), "{}"), at(100)).await;
    let start = node(1);
    let walk = Walk {
        start: &start,
        direction: Direction::Out,
        relation: None,
        depth: 16,
        up_to: Classification::Normal,
    };
    let now = Instants { valid_at: at(200), recorded_at: at(200), position: 1_000 };
    let told = bench.db.walk(&bench.tenant, &walk, now).await.unwrap();
    let told: Vec<_> =
        told.iter().map(|edge| (edge.depth, edge.subject.as_str(), edge.target.as_str())).collect();
    let (one, two) = ("service:n0001", "service:n0002");
    assert_eq!(told, [(1, one, two), (2, two, one), (2, two, two)]);
}
on_each!(fct_17_fct_27_a_walk_ends_on_a_cycle_and_at_the_tenants_border);
