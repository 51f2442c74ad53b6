//! Databases that an older version of the schema filled: upgrading keeps every row and every hash, and adds all that a new
//! database has (FCT-22).

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use model::Status::{Fail, Pass};
use store::{Db, Login, SCHEMA_VERSION};

use crate::bench::{Bench, EVERYDAY, Home, OWNER, On, at, cluster, folder, grants, server};
use crate::claims::{KINDS, key, put};
use crate::raw::{Dump, Raw};
use crate::story::findings;

/// The first version that has facts and edges.
const FACTS_SINCE: u32 = 4;

/// Returns the texts of the migrations up to a version.
fn migrations(on: On, version: u32) -> Vec<(PathBuf, String)> {
    let name = match on {
        On::Sqlite => "sqlite",
        On::Postgres => "postgres",
    };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.truncate(version as usize);
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Makes a database of an older version, as the migrations of that time made it, for the tenant of a bench.
async fn older(bench: &Bench, (on, version): (On, u32)) -> (Bench, Raw) {
    let home = match on {
        On::Sqlite => Home::Folder(folder()),
        On::Postgres => {
            let database = cluster().database().unwrap();
            cluster()
                .sql(database.name(), &format!("ALTER DATABASE {} OWNER TO {OWNER}", database.name()))
                .unwrap();
            Home::Server(database)
        }
    };
    if let Home::Folder(folder) = &home {
        fs::write(folder.path().join("plumb.db"), "").unwrap();
    }
    let older = bench.at_home(home);
    let mut raw = older.raw().await;
    let begin = match raw {
        // The text stays in the file as it is given.
        Raw::Sqlite(_) => "PRAGMA application_id = 1347177794; PRAGMA journal_mode = WAL;\n\
            CREATE TABLE schema_migrations (\n  version INTEGER NOT NULL PRIMARY KEY,\n  name TEXT NOT NULL,\n  \
            sha256 TEXT NOT NULL\n) STRICT, WITHOUT ROWID"
            .to_owned(),
        Raw::Postgres(_) => format!(
            "SET ROLE {OWNER}; CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY,
               name TEXT COLLATE \"C\" NOT NULL, sha256 TEXT COLLATE \"C\" NOT NULL)"
        ),
    };
    raw.run(&begin).await.unwrap();
    for (i, (path, text)) in migrations(on, version).iter().enumerate() {
        raw.run(text).await.unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().split_once('_').unwrap().1;
        let sha256 = ledger::hex::encode(&ledger::sha256(text.as_bytes()));
        let note = format!("INSERT INTO schema_migrations VALUES ({}, '{name}', '{sha256}')", i + 1);
        raw.run(&note).await.unwrap();
    }
    (older, raw)
}

/// Puts the rows of a dump into the older database, past its guards: its own program did it one by one.
async fn fill(raw: &mut Raw, rows: &Dump) {
    let (before, after) = match raw {
        Raw::Sqlite(_) => {
            let sql = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid";
            let triggers = raw.column(sql).await;
            raw.run("PRAGMA foreign_keys = OFF").await.unwrap();
            raw.drop_guards().await;
            (Vec::new(), triggers)
        }
        Raw::Postgres(_) => {
            raw.run("RESET ROLE").await.unwrap();
            let each = |what: &str| {
                format!(
                    "SELECT format('ALTER TABLE %I {what}', tablename) FROM pg_tables WHERE schemaname = 'public'"
                )
            };
            let off = raw.column(&each("DISABLE TRIGGER ALL")).await;
            let mut on = raw.column(&each("ENABLE TRIGGER ALL")).await;
            on.push("SELECT guard_always()".to_owned());
            (off, on)
        }
    };
    for sql in before {
        raw.run(&sql).await.unwrap();
    }
    for table in raw.tables().await {
        let known = raw.columns(&table).await;
        for row in rows.get(&table).into_iter().flatten().filter(|_row| table != "schema_migrations") {
            let cells: Vec<(String, String)> =
                known.iter().map(|name| (name.clone(), cell(row, name))).collect();
            let names: Vec<String> = cells.iter().map(|(name, _value)| format!("\"{name}\"")).collect();
            let values: Vec<&str> = cells.iter().map(|(_name, value)| value.as_str()).collect();
            let put = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
            raw.run(&put).await.unwrap();
        }
    }
    for sql in after {
        raw.run(&sql).await.unwrap();
    }
}

/// Returns a column's value in SQL notation, from a row of a dump.
fn cell(row: &str, column: &str) -> String {
    let begin = if row.starts_with(&format!("{column}=")) {
        column.len() + 1
    } else {
        let mark = format!(" {column}=");
        row.find(&mark).unwrap_or_else(|| panic!("no {column} in {row}")) + mark.len()
    };
    let value = &row[begin..];
    let mut quotes = 0;
    let end = value.char_indices().find(|(_at, c)| {
        quotes += usize::from(*c == '\'');
        *c == ' ' && quotes % 2 == 0
    });
    value[..end.map_or(value.len(), |(at, _space)| at)].to_owned()
}

/// Everything that the database itself says of its tables, indexes, views, triggers, functions, policies and rights, but for
/// the table that a migration makes first.
pub(crate) async fn catalog(raw: &mut Raw) -> BTreeSet<String> {
    let sql = match raw {
        Raw::Sqlite(_) => "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1",
        Raw::Postgres(_) => {
            "SELECT 'column ' || table_name || ' ' || column_name || ' ' || data_type || is_nullable || coalesce(column_default, '')
               FROM information_schema.columns WHERE table_schema = 'public'
             UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
             UNION ALL SELECT 'constraint ' || CAST(conrelid::regclass AS TEXT) || pg_get_constraintdef(oid)
               FROM pg_constraint WHERE connamespace = 'public'::regnamespace
             UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) || CAST(tgenabled AS TEXT) FROM pg_trigger WHERE NOT tgisinternal
             UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
             UNION ALL SELECT 'policy ' || tablename || policyname || coalesce(qual, '') FROM pg_policies
             UNION ALL SELECT 'security ' || relname || CAST(relrowsecurity AS TEXT) || CAST(relforcerowsecurity AS TEXT)
               FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
             UNION ALL SELECT 'right ' || table_name || ' ' || grantee || ' ' || privilege_type
               FROM information_schema.table_privileges WHERE table_schema = 'public'
             ORDER BY 1"
        }
    };
    raw.column(sql).await.into_iter().filter(|line| !line.contains(" schema_migrations")).collect()
}

/// FCT-22: every older version that is filled comes out as a new database with the same rows; the second time nothing is done.
async fn fct_22_an_older_database_is_upgraded_with_every_row_and_hash(on: On) {
    let fresh = catalog(&mut Bench::on(on).await.raw().await).await;
    for version in 1..SCHEMA_VERSION {
        let bench = Bench::on(on).await;
        let host = bench.host("web-1").await;
        bench.scan(host, &findings(&[("r1", Pass, "it's = a 'v'"), ("r2", Fail, "v2")]), at(100)).await;
        bench.scan(host, &findings(&[("r1", Fail, "v3"), ("r2", Fail, "v2")]), at(200)).await;
        bench.trust("web-1", "key-a", at(300)).await.unwrap();
        for kind in KINDS.iter().filter(|_kind| version >= FACTS_SINCE) {
            for value in ["1", "2", "{\"a\":\" b=c \"}"] {
                bench.fresh(&put(&key(*kind, "owner"), value), at(400)).await;
            }
            bench.retire(&key(*kind, "owner"), at(500)).await.unwrap();
        }
        let before = bench.dump().await;
        let (old, mut raw) = older(&bench, (on, version)).await;
        fill(&mut raw, &before).await;
        drop(raw);
        let upgraded = match &*old.home {
            Home::Folder(_) => Db::open(&old.path()).await.unwrap(),
            Home::Server(database) => {
                let owner = server(database.name(), OWNER);
                let from = Db::migrate(&owner, &grants()).await.unwrap();
                assert_eq!(from, Some(i64::from(version)));
                Db::connect(&server(database.name(), EVERYDAY), Login::Everyday).await.unwrap()
            }
        };
        let upgraded = old.through(upgraded);
        let mut raw = upgraded.raw().await;
        assert_eq!(raw.dump().await, before, "from version {version}");
        let now = catalog(&mut raw).await;
        let differing: Vec<&String> = now.symmetric_difference(&fresh).collect();
        assert_eq!(differing, Vec::<&String>::new(), "from version {version}");
        assert_eq!(upgraded.ledger_problems().await, Vec::<String>::new());
        // Again, and nothing is done.
        match &*upgraded.home {
            Home::Folder(_) => drop(Db::open(&upgraded.path()).await.unwrap()),
            Home::Server(database) => {
                let again = Db::migrate(&server(database.name(), OWNER), &[]).await.unwrap();
                assert_eq!(again, Some(i64::from(SCHEMA_VERSION)));
            }
        }
        assert_eq!((raw.dump().await, catalog(&mut raw).await), (before, now));
    }
}
on_each!(fct_22_an_older_database_is_upgraded_with_every_row_and_hash);
