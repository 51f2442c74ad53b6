//! Statements that differ between the databases: bulk writes, locks and what belongs to one of them alone.
//!
//! The rows of a bulk write are one JSON parameter on SQLite and one array for each column on PostgreSQL, where a
//! row by row insert takes eight times as long.

use model::ClaimKind;

use crate::db::{Each, Sql};
use crate::facts::sql::Sql as Versions;
use crate::facts::statements;
use crate::tables::{Column, Kind};

/// The table that says which migrations were applied.
pub(crate) const CREATE_VERSIONS: Each = Each {
    sqlite: "
CREATE TABLE IF NOT EXISTS schema_migrations (
  version INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID",
    postgres: "
CREATE TABLE IF NOT EXISTS schema_migrations (
  version BIGINT NOT NULL PRIMARY KEY,
  name TEXT COLLATE \"C\" NOT NULL,
  sha256 TEXT COLLATE \"C\" NOT NULL
)",
};

/// `$1` slug. The id of a tenant, found before there is one to work for: on a server by the one function that may.
pub(crate) const FIND_TENANT: Each = Each {
    sqlite: "SELECT tenant_id FROM tenants WHERE slug = $1",
    postgres: "SELECT t.tenant_id FROM tenant_of($1) AS t (tenant_id) WHERE t.tenant_id IS NOT NULL",
};

/// Tenants are made one at a time. On SQLite every write is alone.
pub(crate) const LOCK_TENANTS: Each =
    Each { sqlite: "SELECT 1", postgres: "SELECT pg_advisory_xact_lock(2, 0)" };

/// `$1` tenant, `$2` log, then rows `[index, entry, body]`.
pub(crate) const INSERT_ENTRIES: Each = Each {
    sqlite: "
INSERT INTO log_entries (tenant_id, log_id, log_index, entry, body)
SELECT $1, $2, value ->> 0, CAST(value ->> 1 AS BLOB), CAST(value ->> 2 AS BLOB)
FROM json_each($3)
ORDER BY key",
    postgres: "
INSERT INTO log_entries (tenant_id, log_id, log_index, entry, body)
SELECT $1, $2, r.log_index, r.entry, r.body
FROM unnest($3::bigint[], $4::bytea[], $5::bytea[]) AS r (log_index, entry, body)",
};

/// `$1` tenant, `$2` log, `$3` first entry, `$4` the entry behind the last, then indexes to leave alone.
pub(crate) const EMPTY_BODIES: Each = Each {
    sqlite: "
UPDATE log_entries SET body = x''
WHERE tenant_id = $1 AND log_id = $2 AND log_index >= $3 AND log_index < $4 AND length(body) > 0
  AND log_index NOT IN (SELECT value FROM json_each($5))",
    postgres: "
UPDATE log_entries SET body = ''
WHERE tenant_id = $1 AND log_id = $2 AND log_index >= $3 AND log_index < $4 AND length(body) > 0
  AND log_index <> ALL ($5::bigint[])",
};

/// `$1` tenant, then digests of evidence. Gives those whose bytes retention took and nobody had destroyed.
pub(crate) const REMOVED_BY_RETENTION: Each = Each {
    sqlite: "
SELECT e.sha256
FROM evidence AS e
WHERE e.tenant_id = $1 AND e.sha256 IN (SELECT value FROM json_each($2)) AND length(e.body) = 0
  AND EXISTS (SELECT 1 FROM log_erasures AS g
    WHERE g.tenant_id = $1 AND g.blob = 'evidence' AND g.sha256 = e.sha256)
  AND NOT EXISTS (SELECT 1 FROM log_erasures AS g
    WHERE g.tenant_id = $1 AND g.blob = 'evidence' AND g.sha256 = e.sha256 AND g.retention_days IS NULL)",
    postgres: "
SELECT e.sha256
FROM evidence AS e
WHERE e.tenant_id = $1 AND e.sha256 = ANY ($2::text[]) AND length(e.body) = 0
  AND EXISTS (SELECT 1 FROM log_erasures AS g
    WHERE g.tenant_id = $1 AND g.blob = 'evidence' AND g.sha256 = e.sha256)
  AND NOT EXISTS (SELECT 1 FROM log_erasures AS g
    WHERE g.tenant_id = $1 AND g.blob = 'evidence' AND g.sha256 = e.sha256 AND g.retention_days IS NULL)",
};

/// `$1` tenant, `$2` recorded, then rows `[id, actor, action, phase, decision, subject, detail, correlation id,
/// log index]`.
pub(crate) const INSERT_AUDITS: Each = Each {
    sqlite: "
INSERT INTO audit_events (tenant_id, audit_id, recorded_at_us, actor, action, phase, decision, subject, detail,
  correlation_id, log_index)
SELECT $1, value ->> 0, $2, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8
FROM json_each($3)
ORDER BY key",
    postgres: "
INSERT INTO audit_events (tenant_id, audit_id, recorded_at_us, actor, action, phase, decision, subject, detail,
  correlation_id, log_index)
SELECT $1, r.audit_id, $2, r.actor, r.action, r.phase, r.decision, r.subject, r.detail, r.correlation_id,
  r.log_index
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
  $11::bigint[])
  AS r (audit_id, actor, action, phase, decision, subject, detail, correlation_id, log_index)",
};

/// `$1` tenant, `$2` instant, then rows `[sha256, body]`. Stores what is not there yet.
pub(crate) const INSERT_EVIDENCE: Each = Each {
    sqlite: "
INSERT INTO evidence (tenant_id, sha256, body, byte_size, first_seen_at)
SELECT $1, value ->> 0, CAST(value ->> 1 AS BLOB), length(CAST(value ->> 1 AS BLOB)), $2
FROM json_each($3)
WHERE NOT EXISTS (SELECT 1 FROM evidence AS e WHERE e.tenant_id = $1 AND e.sha256 = value ->> 0)
ORDER BY key",
    postgres: "
INSERT INTO evidence (tenant_id, sha256, body, byte_size, first_seen_at)
SELECT $1, r.sha256, r.body, octet_length(r.body), $2
FROM unnest($3::text[], $4::bytea[]) AS r (sha256, body)
WHERE NOT EXISTS (SELECT 1 FROM evidence AS e WHERE e.tenant_id = $1 AND e.sha256 = r.sha256)",
};

/// `$1` tenant, `$2` digest of the set, then rule ids.
pub(crate) const INSERT_RULE_SET: Each = Each {
    sqlite: "
INSERT INTO rule_sets (tenant_id, sha256, rule_id)
SELECT $1, $2, value
FROM json_each($3)
WHERE NOT EXISTS (SELECT 1 FROM rule_sets AS r WHERE r.tenant_id = $1 AND r.sha256 = $2)",
    postgres: "
INSERT INTO rule_sets (tenant_id, sha256, rule_id)
SELECT $1, $2, r.rule_id
FROM unnest($3::text[]) AS r (rule_id)
WHERE NOT EXISTS (SELECT 1 FROM rule_sets AS s WHERE s.tenant_id = $1 AND s.sha256 = $2)",
};

/// `$1` tenant, `$2` host, `$3` scan, `$4` engine digest, `$5` policy digest, `$6` policy version, `$7` correlation
/// id, `$8` occurred, `$9` recorded, then rows `[id, rule, prior status, status, prior severity, severity, kind,
/// prior value, value, evidence, skip reason, rule digest, log index]`.
pub(crate) const INSERT_CHANGES: Each = Each {
    sqlite: "
INSERT INTO transactions (tenant_id, id, host_id, rule_id, scan_id, origin, prior_status, status,
  prior_severity, severity, change_kind, prior_value_digest, value_digest, evidence_sha256, skip_reason,
  rule_digest, engine_digest, policy_digest, policy_version, correlation_id, occurred_at, recorded_at,
  log_index)
SELECT $1, value ->> 0, $2, value ->> 1, $3, 'scan', value ->> 2, value ->> 3,
  value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10,
  value ->> 11, $4, $5, $6, $7, $8, $9,
  value ->> 12
FROM json_each($10)
ORDER BY key",
    postgres: "
INSERT INTO transactions (tenant_id, id, host_id, rule_id, scan_id, origin, prior_status, status,
  prior_severity, severity, change_kind, prior_value_digest, value_digest, evidence_sha256, skip_reason,
  rule_digest, engine_digest, policy_digest, policy_version, correlation_id, occurred_at, recorded_at,
  log_index)
SELECT $1, r.id, $2, r.rule_id, $3, 'scan', r.prior_status, r.status,
  r.prior_severity, r.severity, r.change_kind, r.prior_value_digest, r.value_digest, r.evidence_sha256,
  r.skip_reason, r.rule_digest, $4, $5, $6, $7, $8, $9,
  r.log_index
FROM unnest($10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
  $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::bigint[])
  AS r (id, rule_id, prior_status, status, prior_severity, severity, change_kind, prior_value_digest,
    value_digest, evidence_sha256, skip_reason, rule_digest, log_index)",
};

/// `$1` name of a table. Its rows that name, by a foreign key, what is not there.
pub(crate) const COUNT_STRAYS: Each = Each {
    sqlite: "SELECT count(*) AS strays FROM pragma_foreign_key_check($1)",
    // The one way to put names from the catalog into a statement without a function of one's own.
    postgres: "
SELECT CAST(coalesce(sum(CAST(CAST((xpath('//n/text()', query_to_xml(format(
  'SELECT count(*) AS n FROM %s AS c WHERE %s AND NOT EXISTS (SELECT 1 FROM %s AS p WHERE %s)',
  k.conrelid::regclass, names.held, k.confrelid::regclass, names.same), false, true, '')))[1] AS TEXT) AS BIGINT)), 0)
  AS BIGINT) AS strays
FROM pg_constraint AS k
CROSS JOIN LATERAL (
  SELECT string_agg(format('c.%I = p.%I', a.attname, b.attname), ' AND ') AS same,
    string_agg(format('c.%I IS NOT NULL', a.attname), ' AND ') AS held
  FROM unnest(k.conkey, k.confkey) AS u (own, other)
  JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.own
  JOIN pg_attribute AS b ON b.attrelid = k.confrelid AND b.attnum = u.other) AS names
WHERE k.contype = 'f' AND k.conrelid = to_regclass($1)",
};

/// Every column of every table, by table and name.
pub(crate) const COLUMNS: Each = Each {
    sqlite: "
SELECT m.name AS table_name, c.name AS column_name, c.type AS type_name
FROM sqlite_schema AS m
JOIN pragma_table_info(m.name) AS c
WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
ORDER BY m.name, c.name",
    postgres: "
SELECT CAST(c.relname AS TEXT) AS table_name, CAST(a.attname AS TEXT) AS column_name,
  format_type(a.atttypid, a.atttypmod) AS type_name
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
ORDER BY c.relname, a.attname",
};

/// The columns of every primary key, in order.
pub(crate) const KEYS: Each = Each {
    sqlite: "
SELECT m.name AS table_name, c.name AS column_name
FROM sqlite_schema AS m
JOIN pragma_table_info(m.name) AS c
WHERE m.type = 'table' AND c.pk > 0
ORDER BY m.name, c.pk",
    postgres: "
SELECT CAST(c.relname AS TEXT) AS table_name, CAST(a.attname AS TEXT) AS column_name
FROM pg_index AS i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
JOIN pg_class AS c ON c.oid = i.indrelid
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace
ORDER BY c.relname, k.place",
};

/// Which table names which other, by a foreign key.
pub(crate) const REFERENCES: Each = Each {
    sqlite: "
SELECT m.name AS table_name, k.\"table\" AS target
FROM sqlite_schema AS m
JOIN pragma_foreign_key_list(m.name) AS k
WHERE m.type = 'table'
ORDER BY m.name, k.\"table\"",
    postgres: "
SELECT CAST(c.relname AS TEXT) AS table_name, CAST(p.relname AS TEXT) AS target
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_class AS p ON p.oid = k.confrelid
WHERE k.contype = 'f' AND c.relnamespace = 'public'::regnamespace
ORDER BY c.relname, p.relname",
};

/// The tables of numbered versions, each with how many keys hold its numbers apart.
pub(crate) const COUNT_KEYS: Each = Each {
    sqlite: "
SELECT m.name AS table_name,
  (SELECT count(*) FROM pragma_index_list(m.name) AS i WHERE i.\"unique\" = 1 AND i.partial = 0
    AND (SELECT group_concat(x.name, ',') FROM pragma_index_info(i.name) AS x) = 'tenant_id,seq') AS keys
FROM sqlite_schema AS m
WHERE m.type = 'table' AND m.name IN ('edges', 'facts')
ORDER BY m.name",
    postgres: "
SELECT CAST(c.relname AS TEXT) AS table_name,
  (SELECT count(*) FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
    AND (SELECT string_agg(a.attname, ',' ORDER BY k.place)
      FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
      JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) = 'tenant_id,seq') AS keys
FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname IN ('edges', 'facts')
ORDER BY c.relname",
};

/// `$1` tenant. Waits until nobody writes for it, and keeps others from it until the transaction ends. On SQLite every
/// write is alone.
pub(crate) const TAKE_TURN: Each =
    Each { sqlite: "SELECT 1 WHERE $1 <> ''", postgres: "SELECT pg_advisory_xact_lock(1, hashtext($1))" };

/// How many tables belong to somebody else than who asks. A file belongs to whoever can open it.
pub(crate) const COUNT_FOREIGN_TABLES: Each = Each {
    sqlite: "SELECT 0 AS tables FROM sqlite_schema LIMIT 1",
    postgres: "
SELECT count(*) AS tables
FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT pg_has_role(c.relowner, 'USAGE')",
};

/// Returns the name of a table or a column as it stands in a statement.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Puts rows with all these columns into a table, in the order in which they are given.
pub(crate) fn insert_rows(table: &str, columns: &[Column]) -> Sql {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let into = format!("INSERT INTO {} ({})", quoted(table), names.join(", "));
    let cells: Vec<String> = columns.iter().enumerate().map(|(i, column)| cell(i, column)).collect();
    let arrays: Vec<String> = columns.iter().enumerate().map(|(i, column)| array(i + 1, column)).collect();
    Sql::AssembledEach(
        format!("{into} SELECT {} FROM json_each($1) ORDER BY key", cells.join(", ")),
        format!(
            "{into} SELECT {names} FROM unnest({}) WITH ORDINALITY AS r ({names}, row_place) ORDER BY row_place",
            arrays.join(", "),
            names = names.join(", "),
        ),
    )
}

/// `$1` tenant, then rows of a version's `seq` and these columns. Fills the columns in.
pub(crate) fn close_rows(table: &str, columns: &[&Column]) -> Sql {
    let seq = Column { name: "seq".to_owned(), kind: Kind::Int };
    let all: Vec<&Column> = std::iter::once(&seq).chain(columns.iter().copied()).collect();
    let table = quoted(table);
    let sets: Vec<String> =
        columns.iter().map(|column| format!("{0} = r.{0}", quoted(&column.name))).collect();
    let names: Vec<String> = all.iter().map(|column| quoted(&column.name)).collect();
    let cells: Vec<String> = all
        .iter()
        .enumerate()
        .map(|(i, column)| format!("{} AS {}", cell(i, column), quoted(&column.name)))
        .collect();
    let arrays: Vec<String> = all.iter().enumerate().map(|(i, column)| array(i + 2, column)).collect();
    let update = format!("UPDATE {table} SET {} FROM", sets.join(", "));
    let only = format!("WHERE {table}.tenant_id = $1 AND {table}.seq = r.seq");
    Sql::AssembledEach(
        format!("{update} (SELECT {} FROM json_each($2)) AS r {only}", cells.join(", ")),
        format!("{update} unnest({}) AS r ({}) {only}", arrays.join(", "), names.join(", ")),
    )
}

/// A value of a row that is one JSON array among others.
fn cell(place: usize, column: &Column) -> String {
    match column.kind {
        Kind::Int | Kind::Text => format!("value ->> {place}"),
        Kind::Bytes => format!("unhex(value ->> {place})"),
    }
}

/// The array of all values of a column.
fn array(parameter: usize, column: &Column) -> String {
    let kind = match column.kind {
        Kind::Int => "bigint",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
    };
    format!("${parameter}::{kind}[]")
}

/// Takes the keys, indexes and guards of a table of versions away, on a server.
pub(crate) fn take_apart(kind: ClaimKind) -> String {
    let (table, id) = (statements(kind).table, statements(kind).id);
    let target = match kind {
        ClaimKind::Fact => "",
        ClaimKind::Edge => ", edges_target",
    };
    format!(
        "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;
         ALTER TABLE {table} DISABLE TRIGGER USER;
         ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_tenant_id_superseded_by_fkey,
           DROP CONSTRAINT IF EXISTS {table}_tenant_id_fkey, DROP CONSTRAINT IF EXISTS {table}_pkey,
           DROP CONSTRAINT IF EXISTS {table}_tenant_id_{id}_key;
         DROP INDEX IF EXISTS {table}_active, {table}_successor, {table}_history{target}"
    )
}

/// Makes what [`take_apart`] took, but for guards, which are still there and asleep. The same as the migrations make: a
/// repair that ended with another schema would not be one.
pub(crate) fn put_together(kind: ClaimKind) -> String {
    let Versions { table, id, name, last, .. } = statements(kind);
    let target = match kind {
        ClaimKind::Fact => "",
        ClaimKind::Edge => {
            "; CREATE INDEX edges_target ON edges (tenant_id, target, relation, subject, t_recorded)"
        }
    };
    format!(
        "ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY (tenant_id, seq),
           ADD CONSTRAINT {table}_tenant_id_{id}_key UNIQUE (tenant_id, {id});
         ALTER TABLE {table}
           ADD CONSTRAINT {table}_tenant_id_fkey FOREIGN KEY (tenant_id)
             REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
           ADD CONSTRAINT {table}_tenant_id_superseded_by_fkey FOREIGN KEY (tenant_id, superseded_by)
             REFERENCES {table} (tenant_id, seq) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED;
         CREATE UNIQUE INDEX {table}_active ON {table} (tenant_id, subject, {name}, {last}) WHERE t_superseded IS NULL;
         CREATE UNIQUE INDEX {table}_successor ON {table} (tenant_id, superseded_by) WHERE superseded_by IS NOT NULL;
         CREATE INDEX {table}_history ON {table} (tenant_id, subject, {name}, {last}, t_recorded){target}"
    )
}

/// Copies the rows of a table of versions into another one, in the order of their numbers.
pub(crate) fn move_rows(kind: ClaimKind, from: &str) -> String {
    let table = statements(kind).table;
    let names = crate::repair::columns(kind);
    let names: Vec<String> = names.iter().map(|column| quoted(&column.name)).collect();
    let names = names.join(", ");
    format!("INSERT INTO {table} ({names}) SELECT {names} FROM {from} ORDER BY tenant_id, seq")
}

/// Tells whether a statement failed because its table is not there.
pub(crate) fn is_missing_table(err: &sqlx::Error) -> bool {
    err.as_database_error()
        .is_some_and(|db| db.code().as_deref() == Some("42P01") || db.message().starts_with("no such table"))
}
