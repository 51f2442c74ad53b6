//! Rules written by hand in the shape of Kensa, and what becomes of them.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its part; these are tests"
)]

use import::{Import, ItemKind};
use rules::{Corpus, run_rule_tests};

/// A rule file; `rest` holds its implementations and whatever else it says.
pub(crate) fn rule(id: &str, rest: &str) -> (String, String) {
    let text = format!(
        "id: {id}\ntitle: Title of {id}\ndescription: D.\nrationale: R.\nseverity: low\ncategory: own\ntags: []\n{rest}"
    );
    (format!("rules/own/{id}.yml"), text)
}

/// A rule with one check for every host, given in flow form.
pub(crate) fn checked(id: &str, check: &str) -> (String, String) {
    rule(id, &format!("implementations:\n  - default: true\n    check: {check}\n"))
}

pub(crate) fn load(files: &[(String, String)]) -> Import {
    let files: Vec<(String, Vec<u8>)> =
        files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
    import::load(&files, &[]).unwrap()
}

/// Returns the items of one kind as `rule file:line:column message`.
pub(crate) fn items(import: &Import, kind: ItemKind) -> Vec<String> {
    let line = |item: &import::Item| {
        let line = format!("{} {}:{}:{} {}", item.rule, item.file, item.line, item.column, item.message);
        line.trim_start().to_owned()
    };
    import.report.of(kind).map(line).collect()
}

/// Returns the rule file that became of the only rule.
#[track_caller]
pub(crate) fn only(files: &[(String, String)]) -> String {
    let import = load(files);
    match import.files.as_slice() {
        [(_path, text)] => text.clone(),
        others => panic!("{others:#?} {:#?}", import.report),
    }
}

/// Imports the files, one of them a rule, and lists what the tests of that rule, written as in our rule files, do not bear out.
#[track_caller]
pub(crate) fn assert_rule(files: &[(String, String)], tests: &[(&str, &str)]) {
    let tests: String = tests
        .iter()
        .enumerate()
        .map(|(n, (given, expect))| format!("  - {{name: t{n}, given: {given}, expect: {expect}}}\n"))
        .collect();
    let text = format!("{}tests:\n{tests}", only(files));
    let id = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().trim_matches('"').to_owned();
    let corpus = Corpus::load(&[(format!("rules/own/{id}.yaml"), text.clone())]);
    let corpus = corpus.unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
    let said: String = run_rule_tests(&corpus)
        .iter()
        .filter(|test| !test.passed())
        .map(|test| format!("{}: {:?}, {}\n", test.name, test.got, test.detail))
        .collect();
    assert_eq!(said, "", "{text}");
}

/// Judges one check for every host.
#[track_caller]
pub(crate) fn assert_check(check: &str, tests: &[(&str, &str)]) {
    assert_rule(&[checked("the-rule", check)], tests);
}

/// Returns why the only rule is not loaded.
#[track_caller]
pub(crate) fn refusal(files: &[(String, String)]) -> String {
    let import = load(files);
    let refused: Vec<&str> = import.report.refused().map(|item| item.message.as_str()).collect();
    match refused.as_slice() {
        [message] => (*message).to_owned(),
        others => panic!("{others:#?} {:#?}", import.files),
    }
}
