//! `setting`: a key of a configuration file with its drop-ins, by the format's own rules.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compare::{Case, Comparator, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::located::{Located, Text};
use crate::source::value::ListSource;

comparing! {
    /// A key of a configuration file with its drop-ins.
    SettingSource {
        file: Text,
        /// Directories of drop-ins as globs, lowest precedence first: of files with the same name the last
        /// glob's counts, and files are read in the order of their names.
        #[serde(default)]
        drop_ins: Option<Located<ListSource>>,
        /// When `file` is read: `first` (drop-ins override it, the default) or `last` (it overrides them).
        #[serde(default)]
        main: MainFile,
        format: Format,
        /// Section of an `ini` file.
        #[serde(default)]
        section: Option<Text>,
        key: Text,
        /// Which of several assignments counts.
        #[serde(default)]
        repeat: Repeat,
        /// `pass`, `fail` (default), `not_applicable`, or the program's built-in value, which is then compared.
        #[serde(default)]
        missing: Option<Text>,
        /// Splits the value into a list; white space when not set.
        #[serde(default)]
        separator: Option<Text>,
        /// First character of a comment. Default `#`; in `ini` also `;`.
        #[serde(default)]
        comment: Option<Text>,
    }
}

/// How keys and values stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `key = value`
    Equals,
    /// `key value`
    Space,
    /// `[section]` with `key = value`
    Ini,
}

/// Which of several assignments counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Repeat {
    First,
    #[default]
    Last,
}

/// When the main file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MainFile {
    #[default]
    First,
    Last,
}

/// What an absent key means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MissingKey {
    Pass,
    Fail,
    NotApplicable,
    /// The program's built-in value.
    Default(String),
}

/// See [`SettingSource`].
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) file: String,
    pub(crate) drop_ins: Vec<String>,
    pub(crate) main: MainFile,
    pub(crate) format: Format,
    pub(crate) section: Option<String>,
    pub(crate) key: String,
    pub(crate) repeat: Repeat,
    pub(crate) missing: MissingKey,
    pub(crate) separator: Option<String>,
    pub(crate) comment: Option<char>,
    pub(crate) comparator: Comparator,
}

/// Files whose drop-ins are read before the main file by the program that owns them.
const MAIN_IS_LAST: [&str; 1] = ["/etc/security/pwquality.conf"];

impl SettingSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Setting> {
        let file = scope.path(&self.file);
        let drop_ins = match &self.drop_ins {
            Some(list) => scope.paths(list)?,
            None => Vec::new(),
        };
        for path in drop_ins.iter().chain(&file) {
            scope.refuse_secret_path(path, self.file.at);
        }
        let comparator = self.comparator().compile(scope, at, Case::Exact);
        let key = scope.text(&self.key)?;
        if key.is_empty() || key.chars().any(|c| c.is_control() || c == '=') {
            scope.error(self.key.at, format!("{key:?} is not a key"));
        }
        if (self.format == Format::Ini) != self.section.is_some() {
            scope.error(at, "section is needed with format ini, and only there");
        }
        let file = file?;
        if !drop_ins.is_empty() && MAIN_IS_LAST.contains(&file.as_str()) && self.main == MainFile::First {
            scope.error(at, format!("{file} is read after its drop-ins: write main: last"));
        }
        let missing = match &self.missing {
            None => MissingKey::Fail,
            Some(text) => match scope.text(text)?.as_str() {
                "pass" => MissingKey::Pass,
                "fail" => MissingKey::Fail,
                "not_applicable" => MissingKey::NotApplicable,
                default => MissingKey::Default(default.to_owned()),
            },
        };
        Some(Setting {
            file,
            drop_ins,
            main: self.main,
            format: self.format,
            section: self.section.as_ref().and_then(|text| scope.text(text)),
            key,
            repeat: self.repeat,
            missing,
            separator: self.separator.as_ref().and_then(|text| scope.text(text)),
            comment: self.comment.as_ref().and_then(|text| scope.comment(text)),
            comparator: comparator?,
        })
    }
}
