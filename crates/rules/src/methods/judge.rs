//! What several methods share: findings about text files, and the step from a comparison to an outcome.

use model::Source;
use serde_json::Value;

use crate::compare::{Comparator, Seen};
use crate::outcome::{Answer, Finding, Outcome, Verdict};
use probes::shown::{bounded, listed};
use probes::text::TextFile;
use probes::unexpected;

/// A place in a file with the text that stands there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) file: &'p str,
    /// From 1.
    pub(crate) line: u32,
    pub(crate) text: &'p str,
}

/// Makes a finding about text files: the answer is what `cat` prints of them, `places` decided.
pub(crate) fn in_files<'a>(
    subject: &str,
    files: &[&TextFile],
    names: &[String],
    places: &[Place<'_>],
) -> Finding<'a> {
    let read: Vec<&str> = if files.is_empty() {
        names.iter().map(String::as_str).collect()
    } else {
        files.iter().map(|file| file.path.as_str()).collect()
    };
    let mut bytes = Vec::new();
    for file in files {
        bytes.extend_from_slice(&file.bytes);
    }
    let mut excerpt = String::new();
    for place in places {
        excerpt.push_str(place.text);
        excerpt.push('\n');
    }
    Finding {
        subject: subject.to_owned(),
        setting: None,
        command: format!("cat {}", read.join(" ")),
        answer: Answer::Part(bytes),
        excerpt: Some(excerpt.into_bytes()),
        exit: Some(i32::from(files.is_empty())),
        expected: String::new(),
        actual: String::new(),
        source: places.first().map(|place| Source { file: place.file.to_owned(), line: Some(place.line) }),
        holds: None,
    }
}

/// Makes a finding about a part of a probe's answer.
pub(crate) fn in_answer<'a>(subject: &str, command: impl Into<String>, bytes: Vec<u8>) -> Finding<'a> {
    Finding {
        subject: subject.to_owned(),
        setting: None,
        command: command.into(),
        answer: Answer::Part(bytes),
        excerpt: None,
        exit: Some(0),
        expected: String::new(),
        actual: String::new(),
        source: None,
        holds: None,
    }
}

/// Holds what was seen against the comparator; presence is already settled.
pub(crate) fn compared<'a>(
    comparator: &Comparator,
    seen: &Seen<'_>,
    mut finding: Finding<'a>,
) -> Outcome<'a> {
    finding.expected = comparator.describe();
    finding.actual = if seen.values.is_empty() {
        "not set".to_owned()
    } else if let [value] = seen.values {
        if value.is_empty() { "an empty value".to_owned() } else { bounded(value) }
    } else {
        listed(seen.values)
    };
    let value = value_of(comparator, seen);
    match comparator.judge(seen) {
        Ok(pass) => {
            finding.holds = Some(pass);
            Outcome::decided(pass, value, vec![finding])
        }
        Err(problem) => {
            let reason = unexpected(format!("{}: {}", finding.subject, bounded(&problem)));
            Outcome { verdict: Verdict::Error(reason), value: Value::Null, findings: vec![finding] }
        }
    }
}

/// Returns the normalised value: a sorted list where lists are compared, else the text as it is.
fn value_of(comparator: &Comparator, seen: &Seen<'_>) -> Value {
    if seen.values.is_empty() {
        return Value::Null;
    }
    if comparator.judges_list() {
        let mut items = seen.items();
        items.sort();
        items.dedup();
        return Value::from(items);
    }
    match seen.values {
        [value] => Value::from(value.as_str()),
        values => Value::from(values.to_vec()),
    }
}

/// Most items that a value names.
const VALUE_ITEMS_MAX: usize = 200;

/// Decides that a list of offenders is empty: the value is the sorted list.
pub(crate) fn none_of<'a>(
    mut offenders: Vec<String>,
    expected: &str,
    mut finding: Finding<'a>,
) -> Outcome<'a> {
    offenders.sort();
    offenders.dedup();
    finding.expected = expected.to_owned();
    finding.actual = if offenders.is_empty() { "none".to_owned() } else { listed(&offenders) };
    let pass = offenders.is_empty();
    finding.holds = Some(pass);
    if offenders.len() > VALUE_ITEMS_MAX {
        let more = offenders.len() - VALUE_ITEMS_MAX;
        offenders.truncate(VALUE_ITEMS_MAX);
        offenders.push(format!("and {more} more"));
    }
    Outcome::decided(pass, Value::from(offenders), vec![finding])
}
