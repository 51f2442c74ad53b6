//! The two schemas are one: the same tables, columns, keys and refusals, whatever words each database has for them
//! (DBS-28), and every statement of the store has a plan on both.

use std::collections::{BTreeMap, BTreeSet};

use store::registry::{Guard, TABLES};

use crate::bench::{Bench, On};
use crate::raw::Raw;

/// What a schema comes to.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    /// Columns in order, each with its kind, whether it may be null and what it is by default.
    columns: BTreeMap<String, Vec<String>>,
    unique: BTreeMap<String, BTreeSet<String>>,
    indexes: BTreeMap<String, BTreeSet<String>>,
    /// Columns, the table they point to, its columns.
    foreign: BTreeMap<String, BTreeSet<String>>,
    views: BTreeMap<String, Vec<String>>,
    /// How many conditions the rows of a table have to meet.
    checks: BTreeMap<String, usize>,
}

async fn shape(on: On) -> Shape {
    let bench = Bench::on(on).await;
    let mut raw = bench.raw().await;
    let mut shape = Shape {
        columns: BTreeMap::new(),
        unique: BTreeMap::new(),
        indexes: BTreeMap::new(),
        foreign: BTreeMap::new(),
        views: BTreeMap::new(),
        checks: BTreeMap::new(),
    };
    for table in raw.tables().await {
        shape.columns.insert(table.clone(), columns(&mut raw, &table).await);
        let keys = raw.unique_keys(&table).await;
        let keys = keys.iter().map(|(columns, rows)| format!("{} where {}", columns.join(", "), plain(rows)));
        shape.unique.insert(table.clone(), keys.collect());
        shape.indexes.insert(table.clone(), indexes(&mut raw, &table).await);
        shape.foreign.insert(table.clone(), foreign(&mut raw, &table).await);
        shape.checks.insert(table.clone(), checks(&mut raw, &table).await);
    }
    let views = match raw {
        Raw::Sqlite(_) => "SELECT name FROM sqlite_schema WHERE type = 'view'",
        Raw::Postgres(_) => "SELECT CAST(viewname AS TEXT) FROM pg_views WHERE schemaname = 'public'",
    };
    for view in raw.column(views).await {
        shape.views.insert(view.clone(), raw.columns(&view).await);
    }
    shape
}

/// A condition without the brackets and casts that a server shows it with.
fn plain(condition: &str) -> String {
    let mut plain = condition.replace("::text", "").replace(['(', ')'], "");
    // A server shows IN as a comparison with an array.
    plain = plain.replace("= ANY ARRAY[", "IN [").replace(']', "").replace("IN [", "IN ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn columns(raw: &mut Raw, table: &str) -> Vec<String> {
    let sql = match raw {
        Raw::Sqlite(_) => format!(
            "SELECT name || ' ' || CASE type WHEN 'INTEGER' THEN 'int' WHEN 'TEXT' THEN 'text' WHEN 'BLOB' THEN 'bytes'
               ELSE type END || iif(\"notnull\", '', ' null') || coalesce(' default ' || dflt_value, '')
             FROM pragma_table_info('{table}') ORDER BY cid"
        ),
        Raw::Postgres(_) => format!(
            "SELECT a.attname || ' ' || CASE format_type(a.atttypid, a.atttypmod)
                 WHEN 'bigint' THEN 'int' WHEN 'text' THEN 'text' WHEN 'bytea' THEN 'bytes'
                 ELSE format_type(a.atttypid, a.atttypmod) END
               || CASE WHEN a.attnotnull THEN '' ELSE ' null' END
               || coalesce(' default ' || regexp_replace(pg_get_expr(d.adbin, d.adrelid), '::bigint|''', '', 'g'), '')
             FROM pg_attribute AS a
             LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE a.attrelid = 'public.{table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        ),
    };
    raw.column(&sql).await
}

async fn indexes(raw: &mut Raw, table: &str) -> BTreeSet<String> {
    let sql = match raw {
        Raw::Sqlite(_) => format!(
            "SELECT (SELECT group_concat(x.name || iif(x.desc, ' desc', ''), ', ')
               FROM pragma_index_xinfo(i.name) AS x WHERE x.key = 1)
             FROM pragma_index_list('{table}') AS i WHERE NOT i.\"unique\""
        ),
        Raw::Postgres(_) => format!(
            "SELECT (SELECT string_agg(a.attname || CASE WHEN i.indoption[k.n - 1] & 1 = 1 THEN ' desc' ELSE '' END,
                 ', ' ORDER BY k.n)
               FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, n)
               JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
             FROM pg_index AS i WHERE i.indrelid = 'public.{table}'::regclass AND NOT i.indisunique"
        ),
    };
    raw.column(&sql).await.into_iter().collect()
}

async fn foreign(raw: &mut Raw, table: &str) -> BTreeSet<String> {
    let sql = match raw {
        Raw::Sqlite(_) => format!(
            "SELECT group_concat(f.\"from\", ', ') || ' -> ' || f.\"table\" || ' ' || group_concat(f.\"to\", ', ')
               || ' ' || f.on_delete
             FROM (SELECT * FROM pragma_foreign_key_list('{table}') ORDER BY id, seq) AS f GROUP BY f.id"
        ),
        Raw::Postgres(_) => format!(
            "SELECT string_agg(a.attname, ', ' ORDER BY u.n) || ' -> ' || CAST(k.confrelid::regclass AS TEXT) || ' '
               || string_agg(b.attname, ', ' ORDER BY u.n) || ' '
               || CASE k.confdeltype WHEN 'r' THEN 'RESTRICT' ELSE CAST(k.confdeltype AS TEXT) END
             FROM pg_constraint AS k
             CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS u (own, other, n)
             JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.own
             JOIN pg_attribute AS b ON b.attrelid = k.confrelid AND b.attnum = u.other
             WHERE k.contype = 'f' AND k.conrelid = 'public.{table}'::regclass
             GROUP BY k.oid, k.confrelid, k.confdeltype"
        ),
    };
    raw.column(&sql).await.into_iter().collect()
}

async fn checks(raw: &mut Raw, table: &str) -> usize {
    let sql = match raw {
        Raw::Sqlite(_) => format!("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = '{table}'"),
        Raw::Postgres(_) => format!(
            "SELECT CAST(conname AS TEXT) FROM pg_constraint
             WHERE contype = 'c' AND conrelid = 'public.{table}'::regclass"
        ),
    };
    let found = raw.column(&sql).await;
    match raw {
        Raw::Sqlite(_) => found.iter().map(|sql| sql.matches("CHECK (").count()).sum(),
        Raw::Postgres(_) => found.len(),
    }
}

/// DBS-28: tables, columns with their kinds, uniqueness, indexes, foreign keys, conditions and views are the same.
#[tokio::test]
async fn dbs_28_both_schemas_have_the_same_tables_columns_and_uniqueness() {
    let (sqlite, postgres) = (shape(On::Sqlite).await, shape(On::Postgres).await);
    assert!(sqlite.columns.len() > 20, "{}", sqlite.columns.len());
    assert_eq!(sqlite.columns, postgres.columns, "left: SQLite, right: PostgreSQL");
    assert_eq!(sqlite.unique, postgres.unique, "left: SQLite, right: PostgreSQL");
    assert_eq!(sqlite.indexes, postgres.indexes, "left: SQLite, right: PostgreSQL");
    assert_eq!(sqlite.foreign, postgres.foreign, "left: SQLite, right: PostgreSQL");
    assert_eq!(sqlite.checks, postgres.checks, "left: SQLite, right: PostgreSQL");
    assert_eq!(sqlite.views, postgres.views, "left: SQLite, right: PostgreSQL");
}

/// DBS-28, DBS-07: every table of the registry refuses on PostgreSQL what its guard says, by triggers that fire in every
/// session.
#[tokio::test]
async fn dbs_28_every_guarded_table_has_its_triggers_on_postgresql() {
    let bench = Bench::on(On::Postgres).await;
    let mut raw = bench.raw().await;
    // Bits of tgtype: 8 DELETE, 16 UPDATE, 32 TRUNCATE (src/include/catalog/pg_trigger.h of PostgreSQL).
    let sql = "SELECT c.relname || ' ' || (bit_or(CAST(t.tgtype AS INTEGER)) & 56)
               FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
               WHERE NOT t.tgisinternal AND t.tgenabled = 'A' GROUP BY c.relname";
    let found: BTreeMap<String, i64> = raw
        .column(sql)
        .await
        .iter()
        .map(|line| {
            line.split_once(' ').map(|(table, bits)| (table.to_owned(), bits.parse().unwrap())).unwrap()
        })
        .collect();
    for table in TABLES {
        let wanted = if table.guard == Guard::Open { 0 } else { 8 + 16 + 32 };
        assert_eq!(found.get(table.name).copied().unwrap_or(0), wanted, "{}", table.name);
    }
    assert_eq!(
        raw.number("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'A'").await,
        0
    );
}

/// Views read with the rights of who asks, and text is ordered by its bytes in every column.
#[tokio::test]
async fn views_ask_for_the_invoker_and_text_is_ordered_by_bytes() {
    let bench = Bench::on(On::Postgres).await;
    let mut raw = bench.raw().await;
    let open = "SELECT CAST(relname AS TEXT) FROM pg_class
                WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
                  AND NOT coalesce(reloptions, '{}') @> ARRAY['security_invoker=true']";
    assert_eq!(raw.column(open).await, Vec::<String>::new());
    let by_language = "SELECT c.relname || '.' || a.attname FROM pg_attribute AS a
                       JOIN pg_class AS c ON c.oid = a.attrelid
                       WHERE c.relkind IN ('r', 'v') AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0
                         AND a.atttypid = 'text'::regtype
                         AND a.attcollation <> (SELECT oid FROM pg_collation WHERE collname = 'C')";
    assert_eq!(raw.column(by_language).await, Vec::<String>::new());
}

/// DBS-11: the tenant leads every index on a table that has one, so that no look-up walks through another's rows.
async fn dbs_11_the_tenant_leads_every_index(on: On) {
    let bench = Bench::on(on).await;
    let mut raw = bench.raw().await;
    let mut looked_at = 0;
    for table in raw.tables().await {
        // A tenant is found by its name before anything is known of it.
        if table == "tenants" || !raw.columns(&table).await.contains(&"tenant_id".to_owned()) {
            continue;
        }
        let sql = match raw {
            Raw::Sqlite(_) => format!(
                "SELECT i.name || ' ' || x.name FROM pragma_index_list('{table}') AS i, pragma_index_info(i.name) AS x
                 WHERE x.seqno = 0"
            ),
            Raw::Postgres(_) => format!(
                "SELECT c.relname || ' ' || a.attname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
                 JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                 WHERE i.indrelid = 'public.{table}'::regclass"
            ),
        };
        let indexes = raw.column(&sql).await;
        assert!(!indexes.is_empty(), "{table}");
        for index in &indexes {
            assert!(index.ends_with(" tenant_id"), "{table}: {index}");
        }
        looked_at += indexes.len();
    }
    assert!(looked_at > 40, "{looked_at}");
}
on_each!(dbs_11_the_tenant_leads_every_index);
