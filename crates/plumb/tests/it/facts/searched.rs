//! Searching among more edges than a walk tells of.

use serde_json::Value;

use super::{asked, refused};
use crate::support::{World, assert_code, world};

/// Has as many edges from fleet:a to services with numbers as their names, on from those that are there.
fn grow(world: &World, to: u32) {
    // One by one they would take minutes. Each is like the first, which was put.
    world.by_hand(&format!(
        "WITH RECURSIVE n (n) AS (SELECT (SELECT max(seq) + 1 FROM edges) UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {to})
         INSERT INTO edges (tenant_id, edge_id, seq, subject, relation, target, value, t_valid, t_recorded, actor, classification, log_index)
         SELECT e.tenant_id, e.edge_id || n, n, e.subject, e.relation, printf('service:%06d', n), e.value, e.t_valid,
           e.t_recorded, e.actor, e.classification, e.log_index
         FROM n CROSS JOIN edges AS e WHERE e.seq = 0;"
    ));
}

/// FCT-17: a path is searched among all edges that a walk reads, and not among those that it tells of; where even those
/// are cut, a path that was not found is no answer.
#[test]
fn fct_17_a_search_that_was_cut_never_says_no() {
    let world = world();
    assert_code(&world.plumb(&["edge", "put", "fleet:a", "r", "service:000000"]), 0);
    grow(&world, 10_500);
    let walked = asked(&world, &["graph", "traverse", "fleet:a"]);
    assert_eq!((&walked["node_count"], &walked["truncated"]), (&10_000.into(), &true.into()));
    let quiet = world.plumb(&["graph", "traverse", "fleet:a", "--quiet"]);
    assert_eq!(
        quiet.stderr, "there is more: what follows is the nearest part\n",
        "no note: the answer is a part"
    );
    let path = |goal: &str| world.plumb(&["graph", "path", "fleet:a", goal]);
    let found = |goal: &str| {
        let hops: Value = asked(&world, &["graph", "path", "fleet:a", goal])["path"].clone();
        assert_eq!(hops.as_array().unwrap().len(), 1, "{hops:#}");
        let done = path(goal);
        assert_code(&done, 0);
        assert_eq!(done.stderr, "", "a way is told whole");
    };
    found("service:010400");
    assert_code(&path("service:nowhere"), 2);

    // A walk reads 100,000 edges.
    grow(&world, 100_500);
    found("service:010400");
    for goal in ["service:100400", "service:nowhere"] {
        refused(&path(goal), "100000 edges");
        refused(&world.plumb(&["graph", "path", "fleet:a", goal, "--format", "json"]), "100000 edges");
    }
    assert_code(&world.plumb(&["graph", "path", "fleet:a", "service:nowhere", "--relation", "other"]), 2);
}
