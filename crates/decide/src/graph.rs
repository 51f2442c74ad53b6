//! What a walk along edges comes to: how much of it is told, and the shortest way to a node.

use std::collections::{BTreeMap, BTreeSet};

use model::Subject;

/// Most nodes of one answer.
pub const NODES_MAX: usize = 10_000;

/// An edge that a walk followed, and how many edges it takes to come to its far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    pub depth: u32,
    pub subject: Subject,
    pub relation: String,
    pub target: Subject,
}

/// A walk as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    pub hops: Vec<Hop>,
    /// The start among them.
    pub node_count: usize,
    /// There is more than is told.
    pub truncated: bool,
}

/// Cuts a walk, which comes ordered by depth, before the edge that leads to one node too many.
#[must_use]
pub fn bounded(start: &Subject, hops: Vec<Hop>, (nodes_max, hops_max): (usize, usize)) -> Walked {
    let mut nodes = BTreeSet::from([start.clone()]);
    let mut told = hops.len().min(hops_max);
    for (position, hop) in hops.iter().enumerate().take(told) {
        let fresh: BTreeSet<&Subject> =
            [&hop.subject, &hop.target].into_iter().filter(|node| !nodes.contains(*node)).collect();
        if nodes.len() + fresh.len() > nodes_max {
            told = position;
            break;
        }
        let fresh: Vec<Subject> = fresh.into_iter().cloned().collect();
        nodes.extend(fresh);
    }
    let truncated = told < hops.len();
    let mut hops = hops;
    hops.truncate(told);
    Walked { hops, node_count: nodes.len(), truncated }
}

/// Returns the shortest way from the start of a walk to a node, in order; of several, the one whose edges come first.
#[must_use]
pub fn shortest_path(start: &Subject, goal: &Subject, hops: &[Hop]) -> Option<Vec<Hop>> {
    let mut come_by: BTreeMap<&Subject, Option<&Hop>> = BTreeMap::from([(start, None)]);
    for hop in hops {
        let (from, to) = match (come_by.contains_key(&hop.subject), come_by.contains_key(&hop.target)) {
            (true, false) => (&hop.subject, &hop.target),
            (false, true) => (&hop.target, &hop.subject),
            // Both ends are known, or neither is: nothing is new.
            (true, true) | (false, false) => continue,
        };
        debug_assert!(from != to, "an edge to itself leads nowhere new");
        come_by.insert(to, Some(hop));
    }
    let mut path = Vec::new();
    let mut node = goal;
    while let Some(hop) = come_by.get(node)? {
        path.push((*hop).clone());
        node = if hop.target == *node { &hop.subject } else { &hop.target };
    }
    path.reverse();
    Some(path)
}

#[cfg(test)]
mod tests;
