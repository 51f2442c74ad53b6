use serde_json::json;

use super::{Finding, Source, allow, check_sources, edges};

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into() }
}

/// Checks that the files give exactly these findings, written `path:line rule subject`.
#[track_caller]
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let sources: Vec<Source> = files.iter().map(|(path, text)| source(path, text)).collect();
    assert_eq!(short(check_sources(&sources)), expected);
}

fn short(mut findings: Vec<Finding>) -> Vec<String> {
    findings.sort();
    findings.iter().map(|f| format!("{}:{} {} {}", f.path, f.line, f.rule.name(), f.subject)).collect()
}

const FILE: &str = "crates/model/src/a.rs";

#[test]
fn a_file_without_module_doc_is_found_outside_tests() {
    check(&[(FILE, "\n//! Doc.\nfn f() {}\n")], &[]);
    check(&[(FILE, "fn f() {}\n")], &["crates/model/src/a.rs:1 module-doc crates/model/src/a.rs"]);
    check(&[("crates/model/src/a/tests.rs", "fn f() {}\n"), ("crates/model/tests/b.rs", "")], &[]);
}

#[test]
fn a_file_over_700_lines_is_found_in_tests_too() {
    let lines = |n: usize| "//! x\n".repeat(n);
    check(&[(FILE, &lines(700))], &[]);
    check(&[(FILE, &lines(701))], &["crates/model/src/a.rs:1 long-file 701 lines"]);
    check(&[("crates/a/tests/b.rs", &lines(701))], &["crates/a/tests/b.rs:1 long-file 701 lines"]);
}

#[test]
fn a_function_over_70_lines_is_found_outside_tests() {
    let function = |lines: usize| format!("//! D.\n\nfn long() {{\n{}}}\n", "    a;\n".repeat(lines - 2));
    check(&[(FILE, &function(70))], &[]);
    check(&[(FILE, &function(71))], &["crates/model/src/a.rs:3 long-function long"]);
    check(&[("crates/model/tests/b.rs", &function(71))], &[]);
}

#[test]
fn ways_to_panic_are_found_outside_tests_and_comments() {
    let text = "//! D.\nfn f() {\n    a.unwrap();\n    b.expect(\"why\");\n    panic!(\"x\");\n    todo!();\n    dbg!(c);\n\
                    // d.unwrap()\n    let e = \".unwrap()\";\n    parser.expect(b'{')?;\n    debug_panic!();\n}\n";
    check(
        &[(FILE, text)],
        &[
            "crates/model/src/a.rs:3 panic .unwrap()",
            "crates/model/src/a.rs:4 panic .expect",
            "crates/model/src/a.rs:5 panic panic!",
            "crates/model/src/a.rs:6 panic todo!",
            "crates/model/src/a.rs:7 panic dbg!",
        ],
    );
    check(&[("crates/a/tests/b.rs", text)], &["crates/a/tests/b.rs:7 panic dbg!"]);
}

#[test]
fn a_panic_that_the_function_excepts_with_its_lint_and_a_reason_is_allowed() {
    let text = "//! D.\n#[expect(clippy::expect_used, reason = \"no entropy, no ids\")]\nfn f() {\n    a.expect(\"x\");\n    b.unwrap();\n}\n";
    check(&[(FILE, text)], &["crates/model/src/a.rs:5 panic .unwrap()"]);
}

#[test]
fn tests_inside_a_source_file_are_found_and_a_module_of_its_own_is_not() {
    let inline = "//! D.\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
    check(&[(FILE, inline)], &["crates/model/src/a.rs:2 inline-tests tests"]);
    check(&[(FILE, "//! D.\n#[cfg(test)]\nmod tests;\nfn f() {}\n")], &[]);
}

#[test]
fn sql_is_found_outside_store_and_tests() {
    let text = "//! D.\nfn f() {\n    q(\"SELECT id FROM hosts\");\n    q(\"\\n  insert into hosts (id)\\n  values ($1)\");\n\
                    say(\"update the host, select one from the list\");\n    say(\"Select a host\");\n    // DELETE FROM x\n}\n";
    check(
        &[("crates/app/src/a.rs", text)],
        &["crates/app/src/a.rs:3 sql SELECT id FROM", "crates/app/src/a.rs:4 sql \\n insert into"],
    );
    check(&[("crates/store/src/a.rs", text), ("crates/plumb/tests/it/a.rs", text)], &[]);
}

#[test]
fn the_driver_is_found_outside_its_files() {
    let text = "//! D.\nuse sqlx::Row;\nfn f(err: sqlx::Error) {}\n// sqlx here\n";
    check(&[("crates/store/src/hosts.rs", text)], &["crates/store/src/hosts.rs:2 driver sqlx"]);
    let raw = "//! D.\nuse libsqlite3_sys as c;\n";
    check(&[("crates/store/src/hosts.rs", raw)], &["crates/store/src/hosts.rs:2 driver libsqlite3_sys"]);
    check(&[("crates/store/src/db/query.rs", text), ("crates/store/tests/a.rs", text)], &[]);
}

#[test]
fn unsafe_code_is_found_outside_the_reviewed_list_sup_07() {
    let text = "//! D, unsafe or not.\nfn f(p: *const u8) -> u8 {\n    unsafe { *p }\n}\n";
    for path in ["crates/store/src/hosts.rs", "crates/store/tests/a.rs", "crates/app/src/db/authorizer.rs"] {
        check(&[(path, text)], &[&format!("{path}:3 unsafe unsafe")]);
    }
    check(&[("crates/store/src/db/authorizer.rs", text)], &[]);
}

#[test]
fn a_story_that_is_told_on_each_database_is_a_test() {
    let text = "async fn good(on: On) { assert!(on); }\non_each!(good);\n\
                async fn bad(on: On) { on; }\non_each!(bad, 4);\n";
    check(&[("crates/a/tests/b.rs", text)], &["crates/a/tests/b.rs:3 assertion-free bad"]);
}

#[test]
fn a_test_without_an_assertion_is_found() {
    let text = "fn helper(x: u8) { inner(x) }\nfn inner(x: u8) { assert_eq!(x, 1) }\nfn idle() {}\n\
                #[test]\nfn good() { assert!(a()); }\n#[test]\nfn good_by_helper() { helper(1); }\n\
                #[test]\nfn bad() { idle(); // assert\n}\n#[test]\n#[should_panic]\nfn good_by_panic() { idle(); }\n#[test]\nfn no_bytes_make_it_panic() { idle(); }\n\
                #[tokio::test]\nasync fn bad_too() { f(\"assert\").await.unwrap(); }\n";
    check(
        &[("crates/a/tests/b.rs", text)],
        &["crates/a/tests/b.rs:9 assertion-free bad", "crates/a/tests/b.rs:17 assertion-free bad_too"],
    );
}

#[test]
fn a_trait_needs_two_implementations_that_ship() {
    let one = "//! D.\npub trait Clock<T>: Send {\n    fn now(&self);\n}\nimpl<T: Into<u8>> Clock<T> for A {}\nimpl fmt::Display for A {}\n";
    let tests_only = "impl Clock<u8> for Fake {}\n";
    let second = "//! D.\nimpl crate::a::Clock<u8>\nfor B {}\n";
    let lonely = "crates/model/src/a.rs:2 lonely-trait Clock";
    check(&[(FILE, one)], &[lonely]);
    check(&[(FILE, one), ("crates/model/tests/c.rs", tests_only)], &[lonely]);
    check(&[(FILE, one), ("crates/model/src/b.rs", second)], &[]);
}

#[test]
fn paths_of_one_machine_and_registry_hosts_are_found_in_any_file() {
    let work = concat!("/wo", "rk");
    let home = concat!("/root/", ".cargo");
    let host = concat!("crates", ".io");
    let text = format!(
        "cd {work}/main\n$run{work},workers{work}er\ndir={home}/bin\nhttps://static.{host}/x\nmy{host}\n"
    );
    check(
        &[("docs/a.md", &text)],
        &[
            &format!("docs/a.md:1 machine-path {work}"),
            &format!("docs/a.md:3 machine-path {home}"),
            &format!("docs/a.md:4 registry-host {host}"),
        ],
    );
    check(&[("crates/a/testdata/x.txt", &text), ("Cargo.lock", &text)], &[]);
}

#[test]
fn a_banned_crate_is_found_in_the_lock_file() {
    let lock = "[[package]]\nname = \"rings\"\n\n[[package]]\nname = \"ring\"\nversion = \"1\"\n";
    check(&[("Cargo.lock", lock)], &["Cargo.lock:5 banned-crate ring"]);
}

const SHEET: &str = "docs/requirements/scanning.md";

#[test]
fn an_id_that_no_table_has_is_found_where_it_is_cited() {
    let sheet = "| id | true | how | status |\n|---|---|---|---|\n| LED-13 | x | y | not yet |\n";
    // Not written out, or this file would cite it.
    let unknown = concat!("LED-", "999");
    let text =
        "//! Begins with ä.\n\n/// LED-13, LED-X and SHA-256.\n#[test]\nfn a() { assert!(b, \"LED-X\"); }\n"
            .replace("LED-X", unknown);
    check(
        &[(SHEET, sheet), ("crates/ledger/tests/a.rs", &text)],
        &[
            &format!("crates/ledger/tests/a.rs:3 unknown-requirement {unknown}"),
            &format!("crates/ledger/tests/a.rs:5 unknown-requirement {unknown}"),
        ],
    );
    check(&[("crates/ledger/tests/a.rs", &text)], &[]);
}

#[test]
fn a_row_marked_done_names_tests_that_exist() {
    let sheet = "| LED-13 | x | y | done: `a_true_sentence`, ledger::it::another |\n| LED-14 | x | y | done: missing |\n\
                 | LED-15 | x | y | done |\n| LED-16 | x | y | partly: no proof |\n| LED-17 | x | y | done: helper |\n";
    let tests = "#[test]\nfn a_true_sentence() { assert!(a) }\n#[test]\nfn another() { assert!(a) }\nfn helper() {}\n";
    check(
        &[(SHEET, sheet), ("crates/ledger/tests/a.rs", tests)],
        &[
            "docs/requirements/scanning.md:2 requirement-status LED-14: no test `missing`",
            "docs/requirements/scanning.md:3 requirement-status LED-15",
            "docs/requirements/scanning.md:5 requirement-status LED-17: no test `helper`",
        ],
    );
}

#[test]
fn an_exception_with_a_reason_allows_one_finding_and_an_idle_one_is_found() {
    let bad = check_sources(&[source(FILE, "//! D.\nfn f() { a.unwrap(); b.expect(\"x\"); }\n")]);
    let list = "# comment\npanic crates/model/src/a.rs .unwrap(): a lock is never poisoned here\n\
                panic * .expect\nsql * SELECT: gone\n";
    assert_eq!(
        short(allow::apply(Some(&source(allow::PATH, list)), bad)),
        [
            "crates/model/src/a.rs:2 panic .expect",
            "xtask/tidy-allow.txt:3 allow panic * .expect",
            "xtask/tidy-allow.txt:4 allow sql * SELECT",
        ]
    );
}

/// The answer of `cargo metadata` for one member with these dependencies, as (name, kind).
fn metadata(member: &str, dependencies: &[(&str, Option<&str>)]) -> serde_json::Value {
    let dependencies: Vec<_> =
        dependencies.iter().map(|(name, kind)| json!({"name": name, "kind": kind})).collect();
    let manifest = format!("/r/crates/{member}/Cargo.toml");
    json!({
        "workspace_root": "/r", "workspace_members": ["m"],
        "packages": [
            {"id": "m", "name": member, "manifest_path": manifest, "dependencies": dependencies},
            {"id": "other", "name": "serde", "manifest_path": "/x", "dependencies": [{"name": "tokio", "kind": null}]},
        ],
        "resolve": {"nodes": []},
    })
}

#[track_caller]
fn check_edges(member: &str, dependencies: &[(&str, Option<&str>)], expected: &[&str]) {
    let found = edges::check(&metadata(member, dependencies)).unwrap();
    assert_eq!(found.into_iter().map(|finding| finding.subject).collect::<Vec<_>>(), expected);
}

#[test]
fn an_edge_that_is_not_in_the_crate_table_is_found() {
    check_edges("rules", &[("model", None), ("serde", None), ("testkit", Some("dev"))], &[]);
    check_edges("rules", &[("decide", None), ("testkit", None)], &["rules -> decide", "rules -> testkit"]);
    check_edges("rules", &[("store", Some("dev"))], &["rules -> store"]);
    check_edges("gadget", &[], &["gadget is not in the table"]);
}

#[test]
fn a_crate_with_effects_is_found_where_decisions_are_made() {
    check_edges("decide", &[("tokio", None), ("sqlx", None)], &["decide -> tokio", "decide -> sqlx"]);
    check_edges("store", &[("tokio", None), ("sqlx", None)], &[]);
    check_edges("decide", &[("tokio", Some("dev"))], &[]);
}

#[test]
fn a_banned_feature_is_found_in_what_is_built() {
    let mut answer = metadata("model", &[]);
    let id = "registry+https://registry.test/index#serde_json@1.0.1";
    answer["resolve"]["nodes"] = json!([
        {"id": id, "features": ["std", "preserve_order"]},
        {"id": "registry+https://registry.test/index#other@1.0.1", "features": ["preserve_order"]},
    ]);
    assert_eq!(
        short(edges::check(&answer).unwrap()),
        [format!("Cargo.toml:1 banned-feature preserve_order of {id}")]
    );
}

#[test]
fn metadata_without_what_is_looked_for_is_an_error_and_not_a_pass() {
    let mut answer = metadata("model", &[]);
    answer["resolve"] = json!({});
    assert!(edges::check(&answer).unwrap_err().to_string().contains("nodes"));
    assert!(edges::check(&json!({})).is_err());
}

const STORE: &str = "crates/store/src/a.rs";

#[test]
fn dbs_03_a_way_out_of_the_store_for_a_connection_is_found() {
    let text = "//! D.\npub struct Db(SqlitePool);\npub(crate) struct Tx {\n    pub(crate) one: PgPool,\n}\n\
                    impl Db {\n    pub fn place(&self) -> String {\n    }\n    pub(crate) fn pool(&self) -> &PgPool {\n    }\n\
                    pub fn bind(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {\n    }\n}\n";
    check(&[("crates/store/src/db/a.rs", text)], &[]);
    let out = "//! D.\npub struct Db {\n    pub one: PgPool,\n}\nimpl Db {\n    pub async fn pool(&self) -> &SqlitePool {\n    }\n\
                    pub fn begin(&self) -> Result<Tx, Error> {\n    }\n}\n";
    let place = "crates/store/src/db/a.rs";
    let found = [(3, "PgPool"), (6, "SqlitePool"), (8, "Tx")]
        .map(|(line, what)| format!("{place}:{line} driver-out {what}"));
    check(&[(place, out)], &found.each_ref().map(String::as_str));
}

#[test]
fn dbs_12_a_static_database_is_found() {
    let text = "//! D.\nstatic ONE: OnceLock<Db> = OnceLock::new();\nthread_local! {\n    static TWO: RefCell<Option<PgPool>> = x;\n}\n\
                    static WORDS: &[&str] = &[];\nfn f(a: &'static Db) {}\n";
    for path in [STORE, "crates/app/src/a.rs", "crates/plumb/src/a.rs"] {
        check(
            &[(path, text)],
            &[&format!("{path}:2 static-pool Db"), &format!("{path}:4 static-pool PgPool")],
        );
    }
}

#[test]
fn dbs_25_showing_the_options_of_the_driver_is_found() {
    let text = "//! D.\n#[derive(Debug, Clone)]\nstruct Server {\n    options: PgConnectOptions,\n}\n\
                    #[derive(Debug)]\nenum Mode {\n    One,\n}\nfn f(options: &PgConnectOptions) {\n    say(\"{options:?}\");\n}\n";
    let path = "crates/store/src/db/postgres.rs";
    check(
        &[(path, text)],
        &[&format!("{path}:2 driver-shown Debug"), &format!("{path}:11 driver-shown Debug")],
    );
    check(&[(path, &text.replace("(Debug, Clone)", "(Clone)").replace(":?", ""))], &[]);
}

#[test]
fn dbs_01_a_statement_that_is_put_together_is_found_outside_the_reviewed_files() {
    let text = "//! D.\nfn f() {\n    query(Sql::Assembled(format!(\"{a}\")));\n}\n";
    check(&[(STORE, text)], &["crates/store/src/a.rs:3 assembled-sql Assembled"]);
    check(&[("crates/store/src/db/a.rs", text), ("crates/store/src/scans.rs", text)], &[]);
}
