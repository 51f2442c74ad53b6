//! Names that stand in statements (DBS-01): each that is taken is the name that the catalog then holds.

use store::privileges::Identifier;
use testkit::fuzz::SplitMix64;

use crate::bench::{Bench, On};
use crate::raw::Raw;

/// Names that are tried.
const NAMES: usize = 300;
/// What a name may begin with, and what may follow.
const FIRST: &[u8] = b"abcdefghijklmnopqrstuvwxyz_";
const NEXT: &[u8] = b"abcdefghijklmnopqrstuvwxyz_0123456789";
/// Words of the language, and names at the ends of what is taken.
const WORDS: [&str; 9] = ["user", "select", "table", "order", "group", "all", "end", "_", "null"];

fn pick(random: &mut SplitMix64, from: &[u8]) -> char {
    char::from(from[usize::try_from(random.next_u64() % from.len() as u64).unwrap()])
}

/// Returns words of the language, the longest name, and as many others as were asked for.
fn names() -> Vec<String> {
    let mut random = SplitMix64::new(1);
    let mut names: Vec<String> = WORDS.map(str::to_owned).into();
    names.push("z".repeat(63));
    while names.len() < NAMES {
        let length = random.next_u64() % 63;
        let mut name = pick(&mut random, FIRST).to_string();
        name.extend((0..length).map(|_| pick(&mut random, NEXT)));
        names.push(name);
    }
    names
}

/// DBS-01: a table or a role that is made under a name that is taken has exactly this name, no other and no longer one.
async fn dbs_01_every_name_that_is_taken_is_the_one_in_the_catalog(on: On) {
    let bench = Bench::empty(on).await;
    let mut raw = bench.raw().await;
    for name in names() {
        let quoted = Identifier::parse(&name).unwrap();
        raw.run("BEGIN").await.unwrap();
        raw.run(&format!("CREATE TEMPORARY TABLE {quoted} (one INTEGER)")).await.unwrap();
        let tables = raw.each(
            "SELECT name FROM sqlite_temp_schema WHERE type = 'table'",
            "SELECT CAST(relname AS TEXT) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'
               AND pg_table_is_visible(oid)",
        );
        assert_eq!(raw.column(&tables).await, [name.as_str()]);
        if let Raw::Postgres(_) = raw {
            raw.run(&format!("CREATE ROLE {quoted}")).await.unwrap();
            let ours = "SELECT CAST(rolname AS TEXT) FROM pg_authid
                 WHERE CAST(xmin AS TEXT) = CAST(pg_current_xact_id() AS TEXT)";
            assert_eq!(raw.column(ours).await, [name.as_str()]);
        }
        raw.run("ROLLBACK").await.unwrap();
    }
}
on_each!(dbs_01_every_name_that_is_taken_is_the_one_in_the_catalog);
