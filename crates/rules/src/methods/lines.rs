//! `lines`: lines of text files against regular expressions, comments left out.

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compare::{Case, compile_regex};
use crate::compile::Scope;
use crate::error::At;
use crate::located::{Located, Text};
use crate::methods::Missing;
use crate::source::value::ListSource;

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
