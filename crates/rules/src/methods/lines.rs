//! `lines`: lines of text files against regular expressions, comments left out.

use model::Reason;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compare::{Case, compile_regex};
use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::{Located, Text};
use crate::methods::Missing;
use crate::methods::judge::{Place, in_files};
use crate::outcome::{self, Outcome};
use crate::source::value::ListSource;
use probes::shown::{bounded, listed};
use probes::text::TextFile;

/// Lines of text files against regular expressions; comment lines and blank lines are left out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinesSource {
    /// Paths or globs.
    files: Located<ListSource>,
    /// At least one line of any file must match.
    #[serde(default)]
    any_matches: Option<Text>,
    /// No line of any file may match.
    #[serde(default)]
    none_match: Option<Text>,
    /// What it means when none of the files is there.
    missing: Missing,
    /// First character of a comment. Default `#`.
    #[serde(default)]
    comment: Option<Text>,
}

/// See [`LinesSource`].
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) files: Vec<String>,
    pub(crate) any_matches: Option<Regex>,
    pub(crate) none_match: Option<Regex>,
    pub(crate) missing: Missing,
    pub(crate) comment: char,
}

impl LinesSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Lines> {
        let files = scope.paths(&self.files);
        for path in files.iter().flatten() {
            scope.refuse_secret_path(path, self.files.at);
        }
        if self.any_matches.is_none() && self.none_match.is_none() {
            scope.error(at, "at least one of any_matches and none_match is needed");
        }
        let any_matches = match &self.any_matches {
            Some(text) => Some(compile_regex(scope, text, Case::Exact)?),
            None => None,
        };
        let none_match = match &self.none_match {
            Some(text) => Some(compile_regex(scope, text, Case::Exact)?),
            None => None,
        };
        let comment = self.comment.as_ref().and_then(|text| scope.comment(text)).unwrap_or('#');
        Some(Lines { files: files?, any_matches, none_match, missing: self.missing, comment })
    }
}

/// Most matching lines that are kept as places.
const PLACES_MAX: usize = 100;

impl Lines {
    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        self.try_evaluate(facts).unwrap_or_else(Outcome::error)
    }

    fn try_evaluate<'a>(&self, facts: &Facts<'a>) -> Result<Outcome<'a>, Reason> {
        let text = facts.text()?;
        let mut files: Vec<&TextFile> = Vec::new();
        for pattern in &self.files {
            for file in text.find(pattern)? {
                if !files.iter().any(|other| other.path == file.path) {
                    files.push(file);
                }
            }
        }
        let wanted = [(self.any_matches.as_ref(), true), (self.none_match.as_ref(), false)];
        if files.is_empty() {
            let mut finding = in_files(&listed(&self.files), &[], &self.files, &[]);
            let words: Vec<String> =
                wanted.iter().filter_map(|(regex, any)| regex.map(|regex| expected(regex, *any))).collect();
            finding.expected = words.join(", ");
            "none of the files is there".clone_into(&mut finding.actual);
            return Ok(Outcome::missing(self.missing, serde_json::Value::Null, finding));
        }
        let mut outcomes = Vec::new();
        for (regex, any) in wanted {
            if let Some(regex) = regex {
                outcomes.push(self.judge(&files, regex, any));
            }
        }
        let mut outcome = outcome::all(outcomes);
        if let serde_json::Value::Array(values) = &mut outcome.value
            && values.len() == 1
        {
            outcome.value = values.pop().unwrap_or_default();
        }
        Ok(outcome)
    }

    fn judge<'a>(&self, files: &[&TextFile], regex: &Regex, any: bool) -> Outcome<'a> {
        let mut places = Vec::new();
        for file in files {
            for (text, line) in file.lines.iter().zip(1_u32..) {
                let trimmed = text.trim_start();
                if !trimmed.is_empty() && !trimmed.starts_with(self.comment) && regex.is_match(text) {
                    places.push(Place { file: &file.path, line, text });
                }
            }
        }
        let pass = places.is_empty() != any;
        let count = places.len();
        places.truncate(PLACES_MAX);
        let mut matched: Vec<String> =
            places.iter().map(|place| format!("{}: {}", place.file, place.text.trim())).collect();
        let names: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
        let mut finding = in_files(&listed(&names), files, &[], &places);
        finding.expected = expected(regex, any);
        finding.actual = match places.first() {
            Some(first) => bounded(&format!("{count} matching: {}", first.text.trim())),
            None => "no line matches".to_owned(),
        };
        finding.holds = Some(pass);
        matched.sort();
        matched.dedup();
        Outcome::decided(pass, serde_json::Value::from(matched), vec![finding])
    }
}

fn expected(regex: &Regex, any: bool) -> String {
    if any { format!("a line matches {regex}") } else { format!("no line matches {regex}") }
}
