//! The shipped content: everything loads, every rule's tests hold, and every rule has been seen to pass
//! and to fail.

mod common;

use common::{shipped, shipped_files};

#[test]
fn shipped_content_loads_and_holds_no_free_shell() {
    let corpus = shipped();
    let free: Vec<_> = corpus.rules().filter(|rule| rule.free_shell).map(|rule| &rule.id).collect();
    assert!(free.is_empty(), "free shell in shipped rules: {free:?}");
}

#[test]
fn rules_without_their_tests_are_the_same_rules() {
    let (whole, files) = (shipped(), common::shipped_files());
    let bare = rules::Corpus::load_without_tests(&files).unwrap();
    assert_eq!(whole.rules().len(), bare.rules().len());
    for (rule, bare) in whole.rules().zip(bare.rules()) {
        assert_eq!((&rule.id, rule.raw(), &rule.values), (&bare.id, bare.raw(), &bare.values));
        assert!(rule.tests > 1 && bare.tests == 0, "{}", rule.id);
    }
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

/// Files that are read at the same time are held against each other, too.
#[test]
fn a_rule_that_stands_in_two_files_far_apart_is_named_with_both() {
    let mut files = shipped_files();
    let (first, text) = files.iter().find(|(path, _)| path.starts_with("rules/accounts/")).unwrap().clone();
    let last = format!("rules/zzz/{}", first.rsplit('/').next().unwrap());
    files.push((last.clone(), text));
    let errors = rules::Corpus::load(&files).unwrap_err();
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.path == last && error.message.contains(&first), "{error}");
}
