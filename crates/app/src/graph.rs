//! Walking along edges, as of any two instants, and the shortest way between two nodes.

pub use decide::graph::{Hop, Walked};
use decide::graph::{NODES_MAX, bounded, shortest_path};
use model::{Classification, Subject, Timestamp};
pub use store::facts::graph::Direction;
use store::facts::graph::{EDGES_MAX, Walk};

use crate::context::App;
use crate::error::{Error, Kind};
use crate::facts::Recorded;

/// Deepest walk. Edges in a row.
pub const DEPTH_MAX: u32 = 16;

/// Where to walk, and as of when.
#[derive(Debug, Clone)]
pub struct Way {
    pub start: Subject,
    pub direction: Direction,
    /// Edges of this relation only.
    pub relation: Option<String>,
    /// Most edges in a row, up to [`DEPTH_MAX`].
    pub depth: u32,
    pub valid_at: Option<Timestamp>,
    pub recorded: Recorded,
    /// The highest classification of an edge that is followed.
    pub up_to: Classification,
}

/// A walk with the instants it is told of.
#[derive(Debug, Clone)]
pub struct Told {
    pub valid_at: Timestamp,
    pub recorded_at: Timestamp,
    pub tree_size: u64,
    pub walked: Walked,
}

impl App {
    /// Walks from a node (FCT-17).
    ///
    /// # Errors
    /// As [`App::claims_as_of`].
    pub async fn traverse(&self, way: &Way) -> Result<Told, Error> {
        self.walk(way, NODES_MAX).await
    }

    /// Finds the shortest way from the start to a node, among all edges that a walk reads; nothing where there is none.
    /// What is told of the walk counts the nodes that were searched.
    ///
    /// # Errors
    /// As [`App::claims_as_of`]; also when the search was cut before it came to the node: then nobody knows.
    pub async fn find_path(&self, way: &Way, goal: &Subject) -> Result<(Told, Option<Vec<Hop>>), Error> {
        let told = self.walk(way, usize::MAX).await?;
        let path = shortest_path(&way.start, goal, &told.walked.hops);
        if path.is_none() && told.walked.truncated {
            let message = format!(
                "no way from {} to {goal} was found among the nearest {EDGES_MAX} edges, and there are more",
                way.start
            );
            return Err(Error::new(Kind::Usage, message)
                .hint("search fewer: follow one relation by --relation, or go less deep by --depth"));
        }
        Ok((told, path))
    }

    /// Walks from a node, and tells of so many nodes at most.
    async fn walk(&self, way: &Way, nodes_max: usize) -> Result<Told, Error> {
        let point = self.recorded_point(way.recorded).await?;
        let valid_at = self.valid_at((way.valid_at, way.recorded), &point);
        let walk = Walk {
            start: &way.start,
            direction: way.direction,
            relation: way.relation.as_deref(),
            depth: way.depth.min(DEPTH_MAX),
            up_to: way.up_to,
        };
        let reached = self.db.walk(&self.tenant, &walk, point.at(valid_at)).await?;
        let hops = reached.into_iter().map(|reached| Hop {
            depth: reached.depth,
            subject: reached.subject,
            relation: reached.relation,
            target: reached.target,
        });
        let hops_max = usize::try_from(EDGES_MAX).unwrap_or(usize::MAX);
        let walked = bounded(&way.start, hops.collect(), (nodes_max, hops_max));
        Ok(Told { valid_at, recorded_at: point.recorded_at, tree_size: point.position, walked })
    }
}
