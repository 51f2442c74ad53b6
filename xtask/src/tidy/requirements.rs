//! Requirements and tests name each other truly: an id cited by a test stands in a table, and a
//! row marked `done` names tests that exist.

use std::collections::BTreeSet;

use super::rust_text::line_of;
use super::{Finding, Rule, RustSource, Source};

const FOLDER: &str = "docs/requirements/";

/// How a status that is not `done` may begin.
const OTHER_STATUSES: &[&str] = &["partly: ", "not yet", "dropped: "];

const DONE: &str = "done: ";

/// A row of a requirement table.
struct Row<'a> {
    file: &'a Source,
    line: usize,
    id: &'a str,
    status: &'a str,
}

pub(crate) fn check(sources: &[Source], rust: &[RustSource<'_>]) -> Vec<Finding> {
    let sheets =
        sources.iter().filter(|source| source.path.starts_with(FOLDER) && source.path.ends_with(".md"));
    let rows: Vec<Row<'_>> = sheets.flat_map(rows).collect();
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.id).collect();
    let tests = test_names(rust);
    let mut findings: Vec<Finding> = rust.iter().flat_map(|source| unknown_ids(source, &ids)).collect();
    findings.extend(rows.iter().filter_map(|row| status_finding(row, &tests)));
    findings
}

fn rows(file: &Source) -> Vec<Row<'_>> {
    let lines = file.text.lines().enumerate();
    let rows = lines.filter_map(|(at, line)| {
        let inside = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        let id = inside.split('|').next()?.trim();
        let status = inside.rsplit('|').next()?.trim();
        is_id(id).then_some(Row { file, line: at + 1, id, status })
    });
    rows.collect()
}

/// Says whether a word reads like `LED-13`.
fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(prefix, number)| {
        prefix.len() == 3
            && prefix.bytes().all(|byte| byte.is_ascii_uppercase())
            && (2..=3).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Finds ids in comments and strings whose prefix is one of the tables' but which no table has.
fn unknown_ids(source: &RustSource<'_>, ids: &BTreeSet<&str>) -> Vec<Finding> {
    let prefixes: BTreeSet<&str> =
        ids.iter().filter_map(|id| id.split_once('-')).map(|(prefix, _number)| prefix).collect();
    let parts_word = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let mut findings = Vec::new();
    let strings = source.text.strings.iter().map(|(at, text)| (source.text.line(*at), text.as_str()));
    for (first_line, text) in strings.chain([(1, source.text.comments.as_str())]) {
        let mut offset = 0;
        for word in text.split(parts_word) {
            let known_prefix =
                word.split_once('-').is_some_and(|(prefix, _number)| prefixes.contains(prefix));
            if is_id(word) && known_prefix && !ids.contains(word) {
                let line = first_line + line_of(text, offset) - 1;
                findings.push(source.file.finding(line, Rule::UnknownRequirement, word));
            }
            // The character between words may take more than one byte.
            offset += word.len() + text[offset + word.len()..].chars().next().map_or(0, char::len_utf8);
        }
    }
    findings
}

fn test_names(rust: &[RustSource<'_>]) -> BTreeSet<String> {
    let tests = rust.iter().flat_map(|source| {
        let functions = source.text.functions().into_iter();
        functions.filter(|function| function.is_test(&source.text.code)).map(|function| function.name)
    });
    tests.collect()
}

fn status_finding(row: &Row<'_>, tests: &BTreeSet<String>) -> Option<Finding> {
    let Some(named) = row.status.strip_prefix(DONE) else {
        let known = OTHER_STATUSES.iter().any(|begin| row.status.starts_with(begin));
        return (!known).then(|| row.file.finding(row.line, Rule::RequirementStatus, row.id));
    };
    let name_of =
        |item: &str| item.trim().trim_matches('`').rsplit("::").next().unwrap_or_default().to_owned();
    let missing = named.split([',', ';']).map(name_of).find(|name| !tests.contains(name))?;
    Some(row.file.finding(row.line, Rule::RequirementStatus, format!("{}: no test `{missing}`", row.id)))
}
