//! A test ends in something that can fail: an assertion of its own or of a function beside it.

use std::collections::BTreeSet;

use super::rust_text::{Function, words};
use super::{Finding, Rule, RustSource};

/// What can fail a test. Helpers of other files are known by how their name begins.
const ASSERTIONS: &[&str] =
    &["assert", "check", "expect!", "expect_file!", "unwrap_err(", "expect_err(", "panic!(", "fuzz::run("];

pub(crate) fn check(source: &RustSource<'_>) -> Vec<Finding> {
    let code = &source.text.code;
    let functions = source.text.functions();
    let (tests, helpers): (Vec<Function>, Vec<Function>) =
        functions.into_iter().partition(|function| function.is_test(code));
    if tests.is_empty() {
        return Vec::new();
    }
    let asserting = asserting(code, &helpers);
    let empty = tests.iter().filter(|test| {
        // One that says what must not panic, or must, fails by just that.
        let about_panics = code[test.before.clone()].contains("should_panic") || test.name.contains("panic");
        !about_panics && !can_fail(&code[test.body.clone()], &asserting)
    });
    empty
        .map(|test| source.file.finding(source.text.line(test.start), Rule::AssertionFree, test.name.clone()))
        .collect()
}

/// Returns the helpers that assert, themselves or through another.
fn asserting<'a>(code: &str, helpers: &'a [Function]) -> BTreeSet<&'a str> {
    let mut known = BTreeSet::new();
    // Each pass adds at least one helper or is the last.
    for _pass in 0..=helpers.len() {
        let before = known.len();
        for helper in helpers {
            if can_fail(&code[helper.body.clone()], &known) {
                known.insert(helper.name.as_str());
            }
        }
        if known.len() == before {
            break;
        }
    }
    known
}

fn can_fail(body: &str, asserting: &BTreeSet<&str>) -> bool {
    let begins_word = |at: usize| !body[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    ASSERTIONS
        .iter()
        .any(|word| body.match_indices(word).any(|(at, word)| begins_word(at) || word == "assert"))
        || asserting.iter().any(|name| words(body, name).next().is_some())
}
