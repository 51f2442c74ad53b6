//! The statements of facts and edges: one text for both tables, which differ in the names of three columns only.

use model::ClaimKind;

use crate::db::Each;

/// The statements of one table.
pub(crate) struct Sql {
    pub(crate) table: &'static str,
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) last: &'static str,
    pub(crate) active: &'static str,
    pub(crate) close: &'static str,
    pub(crate) put: &'static str,
    pub(crate) current: &'static str,
    pub(crate) history: &'static str,
    pub(crate) as_of: &'static str,
    pub(crate) as_of_key: &'static str,
    pub(crate) closings: &'static str,
    pub(crate) put_many: Each,
    pub(crate) close_many: Each,
}

macro_rules! columns {
    ($id:literal, $name:literal, $last:literal) => {
        concat!(
            $id,
            " AS id, seq, subject, ",
            $name,
            " AS name, ",
            $last,
            " AS last, value, t_valid, t_invalid, ",
            "t_recorded, t_superseded, superseded_by, actor, reason, superseded_actor, superseded_reason, ",
            "classification, log_index, superseded_index"
        )
    };
}

macro_rules! statements {
    ($table:literal, $id:literal, $name:literal, $last:literal) => {
        Sql {
            table: $table,
            id: $id,
            name: $name,
            last: $last,
            // $1 tenant, $2 subject, $3 name, $4 last.
            active: concat!(
                "SELECT ", columns!($id, $name, $last), " FROM ", $table,
                " WHERE tenant_id = $1 AND subject = $2 AND ", $name, " = $3 AND ", $last, " = $4
                   AND t_superseded IS NULL"
            ),
            // $1 to $4 as above, $5 recorded, $6 valid until at least, $7 1 when another version takes its place,
            // $8 actor, $9 reason, $10 entry, $11 seq of the version to close.
            close: concat!(
                "UPDATE ", $table, "
                 SET t_superseded = $5, t_invalid = CASE WHEN t_valid > $6 THEN t_valid ELSE $6 END,
                   superseded_by = CASE WHEN $7 = 1
                     THEN (SELECT max(seq) + 1 FROM ", $table, " WHERE tenant_id = $1) END,
                   superseded_actor = $8, superseded_reason = $9, superseded_index = $10
                 WHERE tenant_id = $1 AND subject = $2 AND ", $name, " = $3 AND ", $last, " = $4
                   AND t_superseded IS NULL AND seq = $11"
            ),
            // $1 to $4 as above, $5 id, $6 value, $7 valid from, $8 recorded, $9 actor, $10 reason,
            // $11 classification, $12 entry.
            put: concat!(
                "INSERT INTO ", $table, " (tenant_id, subject, ", $name, ", ", $last, ", ", $id, ", seq, value,
                   t_valid, t_recorded, actor, reason, classification, log_index)
                 VALUES ($1, $2, $3, $4, $5,
                   (SELECT coalesce(max(seq) + 1, 0) FROM ", $table, " WHERE tenant_id = $1),
                   $6, $7, $8, $9, $10, $11, $12)
                 RETURNING seq"
            ),
            // $1 tenant, $2 subject, $3 name and $4 last or null, $5 limit, $6 highest classification.
            current: concat!(
                "SELECT ", columns!($id, $name, $last), " FROM ", $table, "
                 WHERE tenant_id = $1 AND subject = $2 AND ($3 IS NULL OR ", $name, " = $3)
                   AND ($4 IS NULL OR ", $last, " = $4) AND t_superseded IS NULL
                   AND (classification = 'normal' OR $6 = 'restricted')
                 ORDER BY ", $name, ", ", $last, "
                 LIMIT $5"
            ),
            // $1 to $4 as [`Sql::active`], $5 versions before this seq, $6 limit, $7 highest classification.
            history: concat!(
                "SELECT ", columns!($id, $name, $last), " FROM ", $table, "
                 WHERE tenant_id = $1 AND subject = $2 AND ", $name, " = $3 AND ", $last, " = $4 AND seq < $5
                   AND (classification = 'normal' OR $7 = 'restricted')
                 ORDER BY seq DESC
                 LIMIT $6"
            ),
            // $1 tenant, $2 subject, $3 name and $4 last or null, $5 valid at, $6 recorded at, $7 entries before this
            // index, $8 limit, $9 highest classification. Of the instant itself only what stands before the index counts.
            as_of: concat!(
                "SELECT * FROM (
                   SELECT ", columns!($id, $name, $last), ", row_number() OVER (
                     PARTITION BY subject, ", $name, ", ", $last, " ORDER BY seq DESC) AS n
                   FROM ", $table, "
                   WHERE tenant_id = $1 AND subject = $2 AND ($3 IS NULL OR ", $name, " = $3)
                     AND ($4 IS NULL OR ", $last, " = $4) AND t_valid <= $5
                     AND (classification = 'normal' OR $9 = 'restricted')
                     AND t_recorded <= $6 AND (t_recorded < $6 OR log_index < $7)
                     AND NOT (t_superseded IS NOT NULL AND t_invalid <= $5
                       AND t_superseded <= $6 AND (t_superseded < $6 OR superseded_index < $7))
                 ) AS seen
                 WHERE n = 1
                 ORDER BY subject, name, last
                 LIMIT $8"
            ),
            // As [`Sql::as_of`] for one key: the newest versions come first, so that few are looked at. Of one key no two
            // are recorded at once, and to order by more than the index does would be to read all that were before.
            as_of_key: concat!(
                "SELECT ", columns!($id, $name, $last), "
                 FROM ", $table, "
                 WHERE tenant_id = $1 AND subject = $2 AND ", $name, " = $3 AND ", $last, " = $4 AND t_valid <= $5
                   AND (classification = 'normal' OR $9 = 'restricted')
                   AND t_recorded <= $6 AND (t_recorded < $6 OR log_index < $7)
                   AND NOT (t_superseded IS NOT NULL AND t_invalid <= $5
                     AND t_superseded <= $6 AND (t_superseded < $6 OR superseded_index < $7))
                 ORDER BY t_recorded DESC
                 LIMIT $8"
            ),
            // $1 tenant, $2 limit. A version that another follows is closed by it, or was retired before; one that is
            // replaced is closed as its successor says.
            closings: concat!(
                "SELECT id FROM (
                   SELECT c.", $id, " AS id, c.seq, c.t_superseded, c.superseded_by, c.t_invalid, c.t_valid,
                     c.superseded_actor, c.superseded_reason, c.superseded_index,
                     lead(c.seq) OVER (PARTITION BY c.subject, c.", $name, ", c.", $last, " ORDER BY c.seq) AS next
                   FROM ", $table, " AS c WHERE c.tenant_id = $1) AS c
                 LEFT JOIN (SELECT seq AS n_seq, t_valid AS n_valid, t_recorded AS n_recorded, actor AS n_actor,
                     reason AS n_reason, log_index AS n_index FROM ", $table, " WHERE tenant_id = $1) AS n
                   ON n.n_seq = c.superseded_by
                 WHERE (c.next IS NOT NULL AND c.t_superseded IS NULL)
                   OR (c.superseded_by IS NOT NULL AND (c.superseded_by IS DISTINCT FROM c.next
                     OR c.t_superseded IS DISTINCT FROM n.n_recorded
                     OR c.t_invalid IS DISTINCT FROM CASE WHEN c.t_valid > n.n_valid THEN c.t_valid ELSE n.n_valid END
                     OR c.superseded_actor IS DISTINCT FROM n.n_actor
                     OR c.superseded_reason IS DISTINCT FROM coalesce(n.n_reason, 'replaced')
                     OR c.superseded_index IS DISTINCT FROM n.n_index))
                   OR (c.t_superseded IS NULL AND (c.superseded_by IS NOT NULL OR c.t_invalid IS NOT NULL
                     OR c.superseded_actor IS NOT NULL OR c.superseded_reason IS NOT NULL
                     OR c.superseded_index IS NOT NULL))
                 ORDER BY id
                 LIMIT $2"
            ),
            // $1 tenant, $2 valid from, $3 recorded, $4 actor, $5 reason, then rows [place, subject, name, last, id,
            // value, classification, entry]. Returns each id with its number.
            put_many: Each {
                sqlite: concat!(
                    "INSERT INTO ", $table, " (tenant_id, subject, ", $name, ", ", $last, ", ", $id, ", seq, value,
                       t_valid, t_recorded, actor, reason, classification, log_index)
                     SELECT $1, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
                       (SELECT coalesce(max(seq) + 1, 0) FROM ", $table, " WHERE tenant_id = $1) + (value ->> 0),
                       value ->> 5, $2, $3, $4, $5, value ->> 6, value ->> 7
                     FROM json_each($6)
                     ORDER BY key
                     RETURNING ", $id, " AS id, seq"
                ),
                postgres: concat!(
                    "INSERT INTO ", $table, " (tenant_id, subject, ", $name, ", ", $last, ", ", $id, ", seq, value,
                       t_valid, t_recorded, actor, reason, classification, log_index)
                     SELECT $1, r.subject, r.name, r.last, r.id,
                       (SELECT coalesce(max(seq) + 1, 0) FROM ", $table, " WHERE tenant_id = $1) + r.place,
                       r.value, $2, $3, $4, $5, r.classification, r.entry
                     FROM unnest($6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
                       $12::text[], $13::bigint[]) AS r (place, subject, name, last, id, value, classification, entry)
                     ORDER BY r.place
                     RETURNING ", $id, " AS id, seq"
                ),
            },
            // $1 tenant, $2 recorded, $3 actor, $4 reason, then rows [seq, place of the successor among the new rows,
            // valid until at least, entry]. Returns the versions as they are now.
            close_many: Each {
                sqlite: concat!(
                    "UPDATE ", $table, "
                     SET t_superseded = $2, t_invalid = CASE WHEN t_valid > r.until THEN t_valid ELSE r.until END,
                       superseded_by = (SELECT max(seq) + 1 FROM ", $table, " WHERE tenant_id = $1) + r.place,
                       superseded_actor = $3, superseded_reason = $4, superseded_index = r.entry
                     FROM (SELECT value ->> 0 AS r_seq, value ->> 1 AS place, value ->> 2 AS until, value ->> 3 AS entry
                       FROM json_each($5)) AS r
                     WHERE tenant_id = $1 AND seq = r.r_seq AND t_superseded IS NULL
                     RETURNING ", columns!($id, $name, $last)
                ),
                postgres: concat!(
                    "UPDATE ", $table, "
                     SET t_superseded = $2, t_invalid = greatest(t_valid, r.until),
                       superseded_by = (SELECT max(seq) + 1 FROM ", $table, " WHERE tenant_id = $1) + r.place,
                       superseded_actor = $3, superseded_reason = $4, superseded_index = r.entry
                     FROM unnest($5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]) AS r (r_seq, place, until, entry)
                     WHERE tenant_id = $1 AND seq = r.r_seq AND t_superseded IS NULL
                     RETURNING ", columns!($id, $name, $last)
                ),
            },
        }
    };
}

macro_rules! edges_from {
    ($subject:literal) => {
        concat!(
            "SELECT ",
            columns!("edge_id", "relation", "target"),
            " FROM edges
             WHERE tenant_id = $1 AND t_superseded IS NULL AND ",
            $subject
        )
    };
}

/// `$1` tenant, `$2` a host, `$3` to `$4` and `$5` to `$6` what is on it, `$7` limit. In three parts, because each is then
/// read by the index.
pub(crate) static EDGES_OF_HOST: &str = concat!(
    edges_from!("subject = $2"),
    " UNION ALL ",
    edges_from!("subject > $3 AND subject < $4"),
    " UNION ALL ",
    edges_from!("subject > $5 AND subject < $6"),
    " LIMIT $7"
);

static FACTS: Sql = statements!("facts", "fact_id", "predicate", "fact_type");
static EDGES: Sql = statements!("edges", "edge_id", "relation", "target");

/// Returns the statements of a table.
pub(crate) const fn of(kind: ClaimKind) -> &'static Sql {
    match kind {
        ClaimKind::Fact => &FACTS,
        ClaimKind::Edge => &EDGES,
    }
}
