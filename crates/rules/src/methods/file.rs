//! `file`: kind, mode and owners of a file, links followed. Does not read content.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::located::{Located, Text};
use crate::methods::Missing;
use crate::source::value::ListSource;

/// Kind, mode and owners of every file that `path` names, links followed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSource {
    /// Absolute; `*` and `?` are wildcards, every match is judged.
    path: Text,
    #[serde(default)]
    kind: Kind,
    /// Octal, like "0644": no bit beyond these may be set.
    #[serde(default)]
    mode_at_most: Option<Text>,
    /// Accepted owners, by name or number.
    #[serde(default)]
    owner: Option<Located<ListSource>>,
    /// Accepted groups, by name or number.
    #[serde(default)]
    group: Option<Located<ListSource>>,
    /// What it means when nothing is there.
    missing: Missing,
}

/// What kind of file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    File,
    Directory,
    Socket,
    #[default]
    Any,
}

/// See [`FileSource`].
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) mode_at_most: Option<u32>,
    pub(crate) owner: Option<Vec<String>>,
    pub(crate) group: Option<Vec<String>>,
    pub(crate) missing: Missing,
}

impl FileSource {
    pub(crate) fn compile(&self, scope: &mut Scope<'_>) -> Option<File> {
        let path = scope.path(&self.path);
        let mode_at_most = match &self.mode_at_most {
            Some(text) => Some(parse_mode(text, scope)?),
            None => None,
        };
        Some(File {
            kind: self.kind,
            mode_at_most,
            owner: scope.optional_list(self.owner.as_ref()),
            group: scope.optional_list(self.group.as_ref()),
            missing: self.missing,
            path: path?,
        })
    }
}

fn parse_mode(text: &Text, scope: &mut Scope<'_>) -> Option<u32> {
    let octal = scope.text(text)?;
    let mode = u32::from_str_radix(&octal, 8).ok().filter(|mode| {
        *mode <= 0o7777 && (3..=4).contains(&octal.len()) && octal.bytes().all(|b| b.is_ascii_digit())
    });
    if mode.is_none() {
        scope.error(text.at, format!("{octal:?} is not a mode: write three or four octal digits in quotes"));
    }
    mode
}
