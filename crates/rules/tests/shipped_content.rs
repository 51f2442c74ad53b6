//! The shipped content: everything loads, every rule's tests hold, and every rule has been seen to pass
//! and to fail.

use std::path::Path;

use rules::Corpus;

fn files_under(root: &Path, dir: &Path, files: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_under(root, &path, files);
        } else if path.extension().is_some_and(|ext| ext == "yaml") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn shipped() -> Corpus {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content");
    let mut files = Vec::new();
    files_under(&root, &root, &mut files);
    match Corpus::load(&files) {
        Ok(corpus) => corpus,
        Err(errors) => {
            let text: String = errors.iter().map(|err| format!("content/{err}\n")).collect();
            panic!("{} complaints\n{text}", errors.len());
        }
    }
}

#[test]
fn shipped_content_loads_and_holds_no_free_shell() {
    let corpus = shipped();
    let free: Vec<_> = corpus.rules().filter(|rule| rule.free_shell).map(|rule| &rule.id).collect();
    assert!(free.is_empty(), "free shell in shipped rules: {free:?}");
}

#[test]
fn every_test_of_every_shipped_rule_holds() {
    let broken: String = rules::run_rule_tests(&shipped())
        .iter()
        .filter(|test| !test.passed())
        .map(|test| {
            let got = test.got.map_or("no result", |status| status.as_str());
            format!(
                "{} ({}): expected {}, got {got}: {}\n",
                test.rule_id, test.name, test.expected, test.detail
            )
        })
        .collect();
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn every_shipped_rule_is_tested_to_pass_and_to_fail() {
    let corpus = shipped();
    let tests = rules::run_rule_tests(&corpus);
    let lacking: Vec<_> = corpus
        .rules()
        .filter(|rule| {
            let has = |status| tests.iter().any(|test| test.rule_id == rule.id && test.expected == status);
            !has(model::Status::Pass) || !has(model::Status::Fail)
        })
        .map(|rule| rule.id.as_str())
        .collect();
    assert!(lacking.is_empty(), "rules without a pass or a fail test: {lacking:?}");
}
