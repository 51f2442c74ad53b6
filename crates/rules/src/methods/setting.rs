//! `setting`: a key of a configuration file with its drop-ins, by the format's own rules.

use model::Reason;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compare::{Case, Comparator, Seen, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::{Located, Text};
use crate::methods::Missing;
use crate::methods::judge::{Place, compared, in_files};
use crate::outcome::Outcome;
use crate::source::value::ListSource;
use probes::format::keyvalue::{self, Assignment, Format, Style};
use probes::text::TextFile;

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

impl Setting {
    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        self.try_evaluate(facts).unwrap_or_else(Outcome::error)
    }

    fn try_evaluate<'a>(&self, facts: &Facts<'a>) -> Result<Outcome<'a>, Reason> {
        let files = self.files(facts)?;
        let style = Style {
            format: self.format,
            section: self.section.as_deref(),
            comment: self.comment.unwrap_or('#'),
        };
        let mut found: Vec<Assignment> =
            files.iter().flat_map(|file| keyvalue::assignments(file, style, &self.key)).collect();
        let decided = match self.repeat {
            Repeat::First => found.drain(..).next(),
            Repeat::Last => found.pop(),
        };
        let names: Vec<String> = [&self.file].into_iter().chain(&self.drop_ins).cloned().collect();
        let Some(decided) = decided else {
            return Ok(self.missing_key(&files, &names));
        };
        let place = Place { file: &decided.file, line: decided.line, text: &decided.text };
        let read: Vec<&TextFile> = files.iter().copied().filter(|file| file.path == decided.file).collect();
        let finding = in_files(&self.key, &read, &names, &[place]).of_setting(&self.key);
        let seen = self.seen(std::slice::from_ref(&decided.value));
        Ok(compared(&self.comparator, &seen, finding))
    }

    /// Returns the files in the order in which the program reads them.
    fn files<'f>(&self, facts: &'f Facts<'_>) -> Result<Vec<&'f TextFile>, Reason> {
        let text = facts.text()?;
        let main = text.read(&self.file)?;
        let drop_ins = text.drop_ins(&self.drop_ins)?;
        Ok(match self.main {
            MainFile::First => main.into_iter().chain(drop_ins).collect(),
            MainFile::Last => drop_ins.into_iter().chain(main).collect(),
        })
    }

    fn seen<'s>(&'s self, values: &'s [String]) -> Seen<'s> {
        Seen { values, separator: self.separator.as_deref(), case: Case::Exact }
    }

    fn missing_key<'a>(&self, files: &[&TextFile], names: &[String]) -> Outcome<'a> {
        let mut finding = in_files(&self.key, files, names, &[]).of_setting(&self.key);
        if self.comparator.judges_presence() {
            return compared(&self.comparator, &self.seen(&[]), finding);
        }
        let missing = match &self.missing {
            MissingKey::Default(default) => {
                let mut outcome =
                    compared(&self.comparator, &self.seen(std::slice::from_ref(default)), finding);
                for finding in &mut outcome.findings {
                    finding.actual.push_str(" (built in: not set in any file)");
                }
                return outcome;
            }
            MissingKey::Pass => Missing::Pass,
            MissingKey::Fail => Missing::Fail,
            MissingKey::NotApplicable => Missing::NotApplicable,
        };
        finding.expected = self.comparator.describe();
        "not set in any file".clone_into(&mut finding.actual);
        Outcome::missing(missing, serde_json::Value::Null, finding)
    }
}
