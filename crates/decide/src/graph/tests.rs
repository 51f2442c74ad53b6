use super::{Hop, bounded, shortest_path};
use model::Subject;

fn node(name: &str) -> Subject {
    Subject::parse(&format!("group:{name}")).unwrap()
}

fn hops(edges: &[(u32, &str, &str)]) -> Vec<Hop> {
    let hop = |(depth, subject, target): &(u32, &str, &str)| Hop {
        depth: *depth,
        subject: node(subject),
        relation: "r".to_owned(),
        target: node(target),
    };
    edges.iter().map(hop).collect()
}

#[test]
fn a_walk_is_cut_before_the_node_that_is_one_too_many() {
    let all = hops(&[(1, "a", "b"), (1, "a", "c"), (2, "b", "a"), (2, "b", "d")]);
    let whole = bounded(&node("a"), all.clone(), (4, 4));
    assert_eq!((whole.hops.len(), whole.node_count, whole.truncated), (4, 4, false));
    let cut = bounded(&node("a"), all.clone(), (3, 4));
    assert_eq!((cut.hops.as_slice(), cut.node_count, cut.truncated), (&all[..3], 3, true));
    assert!(bounded(&node("a"), all, (4, 3)).truncated);
}

#[test]
fn the_shortest_path_takes_the_first_edges_and_ends_at_the_goal() {
    let all = hops(&[(1, "a", "b"), (1, "c", "a"), (2, "b", "d"), (2, "c", "d"), (3, "d", "e")]);
    let path = |goal: &str| {
        let path = shortest_path(&node("a"), &node(goal), &all)?;
        Some(path.iter().map(|hop| format!("{}>{}", hop.subject, hop.target)).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(path("e").unwrap(), "group:a>group:b group:b>group:d group:d>group:e");
    assert_eq!(path("c").unwrap(), "group:c>group:a");
    assert_eq!(path("a").unwrap(), "");
    assert_eq!(path("nowhere"), None);
}
