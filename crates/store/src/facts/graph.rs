//! Walking along edges, level by level, by one recursive statement (FCT-17).

use model::{Classification, Subject};

use super::read::Instants;
use crate::append::to_i64;
use crate::codec::Reader;
use crate::db::query;
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

/// Most edges that one walk returns.
pub const EDGES_MAX: i64 = 100_000;

/// Which way edges are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From subject to target.
    Out,
    /// From target to subject.
    In,
    Both,
}

impl Direction {
    const fn statement(self) -> &'static str {
        match self {
            Self::Out => OUT,
            Self::In => IN,
            Self::Both => BOTH,
        }
    }
}

/// An edge that a walk follows, and how many edges it takes to come to its far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    pub depth: u32,
    pub subject: Subject,
    pub relation: String,
    pub target: Subject,
}

/// Where to walk.
#[derive(Debug, Clone)]
pub struct Walk<'w> {
    pub start: &'w Subject,
    pub direction: Direction,
    /// Edges of this relation only.
    pub relation: Option<&'w str>,
    /// Most edges in a row.
    pub depth: u32,
    /// The highest classification that is seen.
    pub up_to: Classification,
}

/// What holds of an edge at the instants asked for: `$3` relation, `$5` valid at, `$6` recorded at, `$7` position,
/// `$9` highest classification.
macro_rules! holds {
    () => {
        "e.tenant_id = $1 AND (e.classification = 'normal' OR $9 = 'restricted') AND ($3 IS NULL OR e.relation = $3) AND e.t_valid <= $5
          AND e.t_recorded <= $6 AND (e.t_recorded < $6 OR e.log_index < $7)
          AND NOT (e.t_superseded IS NOT NULL AND e.t_invalid <= $5
            AND e.t_superseded <= $6 AND (e.t_superseded < $6 OR e.superseded_index < $7))"
    };
}

/// A node is walked from once for each distance, so that a cycle ends with the depth. The last join lists the edges
/// that were followed, each with the least distance. `$2` start, `$4` depth, `$8` limit. The start is taken beside a
/// column, because PostgreSQL wants the text of both terms ordered in the same way.
macro_rules! walk {
    ($arcs:expr, $edges:literal, $here:literal, $there:literal, $holds:expr) => {
        concat!(
            "WITH RECURSIVE ",
            $arcs,
            "walk (node, depth) AS (
               SELECT coalesce($2, t.tenant_id), CAST(0 AS BIGINT) FROM tenants AS t WHERE t.tenant_id = $1
               UNION
               SELECT e.",
            $there,
            ", w.depth + 1
               FROM walk AS w
               CROSS JOIN ",
            $edges,
            " AS e
               WHERE w.depth < $4 AND e.",
            $here,
            " = w.node AND ",
            $holds,
            "
             ), reached (node, depth) AS (
               SELECT node, min(depth) FROM walk GROUP BY node
             )
             SELECT e.subject, e.relation, e.target, min(r.depth) + 1 AS depth
             FROM reached AS r
             CROSS JOIN ",
            $edges,
            " AS e
             WHERE r.depth < $4 AND e.",
            $here,
            " = r.node AND ",
            $holds,
            "
             GROUP BY e.subject, e.relation, e.target
             ORDER BY depth, e.subject, e.relation, e.target
             LIMIT $8"
        )
    };
}

/// Every edge from both its ends.
macro_rules! arcs {
    () => {
        concat!(
            "arcs (here, there, subject, relation, target) AS (
               SELECT e.subject, e.target, e.subject, e.relation, e.target FROM edges AS e WHERE ",
            holds!(),
            "
               UNION
               SELECT e.target, e.subject, e.subject, e.relation, e.target FROM edges AS e WHERE ",
            holds!(),
            "
             ), "
        )
    };
}

static OUT: &str = walk!("", "edges", "subject", "target", holds!());
static IN: &str = walk!("", "edges", "target", "subject", holds!());
static BOTH: &str = walk!(arcs!(), "arcs", "here", "there", "true");

impl Db {
    /// Walks from a node along the edges of two instants.
    ///
    /// Shape: edges by depth, subject, relation and target; at most [`EDGES_MAX`] and one more.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn walk(
        &self,
        tenant: &Tenant,
        walk: &Walk<'_>,
        at: Instants,
    ) -> Result<Vec<Reached>, StoreError> {
        query(walk.direction.statement())
            .bind(tenant.id.to_string())
            .bind(walk.start.as_str())
            .bind(walk.relation)
            .bind(i64::from(walk.depth))
            .bind(at.valid_at.as_micros())
            .bind(at.recorded_at.as_micros())
            .bind(to_i64(at.position)?)
            .bind(EDGES_MAX + 1)
            .bind(walk.up_to.as_str())
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("walk along the edges"))?
            .iter()
            .map(|row| {
                let row = Reader::new("edges", "subject", row)?;
                Ok(Reached {
                    depth: row.number("depth")?,
                    subject: row.parsed("subject")?,
                    relation: row.text("relation")?,
                    target: row.parsed("target")?,
                })
            })
            .collect()
    }
}
