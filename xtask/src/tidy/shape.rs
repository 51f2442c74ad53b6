//! The shape of a Rust file: its length, that of its functions, its module doc, where its tests
//! stand, and that nothing in it panics.

use super::rust_text::words;
use super::{Finding, Rule, RustSource};

/// Most lines of one file.
const FILE_LIMIT: usize = 700;

/// Most lines of one function, from its `fn` to its closing brace.
const FUNCTION_LIMIT: usize = 70;

/// What panics when it is reached, and the lint whose exception, with a reason, at the function
/// allows it. `expect` counts with a literal only: parsers have methods of that name, and clippy
/// tells them apart by type.
const PANICS: &[(&str, &str)] = &[
    (".unwrap()", "clippy::unwrap_used"),
    (".expect(\"", "clippy::expect_used"),
    ("panic!(", "clippy::panic"),
    ("todo!(", "clippy::todo"),
    ("unimplemented!(", "clippy::unimplemented"),
];

/// The reviewed list (SUP-07): files that may leave what the compiler proves, each with the reason beside each use.
const UNSAFE: &[&str] = &["crates/store/src/db/authorizer.rs"];

pub(crate) fn check(source: &RustSource<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.file.text.lines().count();
    if lines > FILE_LIMIT {
        findings.push(source.file.finding(1, Rule::LongFile, format!("{lines} lines")));
    }
    findings.extend(calls(source, &[("dbg!(", "clippy::dbg_macro")]));
    if !UNSAFE.contains(&&*source.file.path) {
        let uses = words(&source.text.code, "unsafe");
        findings.extend(uses.map(|at| source.file.finding(source.text.line(at), Rule::Unsafe, "unsafe")));
    }
    if source.file.is_test() {
        return findings;
    }
    let first = source.file.text.lines().find(|line| !line.trim().is_empty());
    if !first.is_some_and(|line| line.starts_with("//!")) {
        findings.push(source.file.finding(1, Rule::ModuleDoc, source.file.path.clone()));
    }
    findings.extend(long_functions(source));
    findings.extend(inline_tests(source));
    findings.extend(calls(source, PANICS));
    findings
}

fn long_functions(source: &RustSource<'_>) -> Vec<Finding> {
    let long = source.text.functions().into_iter().filter_map(|function| {
        let line = source.text.line(function.start);
        let lines = source.text.line(function.body.end) - line + 1;
        (lines > FUNCTION_LIMIT).then(|| source.file.finding(line, Rule::LongFunction, function.name))
    });
    long.collect()
}

/// Finds modules that are only built for tests and have their text here.
fn inline_tests(source: &RustSource<'_>) -> Vec<Finding> {
    let code = &source.text.code;
    let attributes = code.match_indices("#[cfg(test)]");
    let inline = attributes.filter_map(|(at, attribute)| {
        let item = code[at + attribute.len()..].trim_start();
        let head = &item[..item.find(['{', ';'])?];
        let name = head[words(head, "mod").next()? + "mod".len()..].trim();
        let here = item[head.len()..].starts_with('{');
        here.then(|| source.file.finding(source.text.line(at), Rule::InlineTests, name))
    });
    inline.collect()
}

fn calls(source: &RustSource<'_>, banned: &[(&str, &str)]) -> Vec<Finding> {
    let code = &source.text.code;
    let functions = source.text.functions();
    let mut findings = Vec::new();
    for (call, lint) in banned {
        for (at, _call) in code.match_indices(call) {
            // `debug_panic!(` is another macro than `panic!(`.
            let longer =
                !call.starts_with('.') && code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let excepted = functions
                .iter()
                .any(|function| function.body.contains(&at) && code[function.before.clone()].contains(lint));
            if !longer && !excepted {
                let subject = call.trim_end_matches(['(', '"']);
                findings.push(source.file.finding(source.text.line(at), Rule::Panic, subject));
            }
        }
    }
    findings
}
