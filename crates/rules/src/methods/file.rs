//! `file`: kind, mode and owners of a file, links followed. Does not read content.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::facts::Facts;
use crate::located::{Located, Text};
use crate::methods::Missing;
use crate::methods::judge::in_answer;
use crate::outcome::{self, Outcome};
use crate::source::value::ListSource;
use probes::format::glob;
use probes::shown::bounded;
use probes::stat::Known;
use probes::unexpected;

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
    /// Octal: these bits and no others.
    #[serde(default)]
    mode: Option<Text>,
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
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<Vec<String>>,
    pub(crate) group: Option<Vec<String>>,
    pub(crate) missing: Missing,
}

impl FileSource {
    pub(crate) fn compile(&self, scope: &mut Scope<'_>) -> Option<File> {
        let path = scope.path(&self.path);
        let mut octal = |text: &Option<Text>| match text {
            Some(text) => parse_mode(text, scope).map(Some),
            None => Some(None),
        };
        let (mode_at_most, mode) = (octal(&self.mode_at_most)?, octal(&self.mode)?);
        Some(File {
            kind: self.kind,
            mode_at_most,
            mode,
            owner: scope.optional_list(self.owner.as_ref()),
            group: scope.optional_list(self.group.as_ref()),
            missing: self.missing,
            path: path?,
        })
    }
}

/// Reads three or four octal digits.
pub(crate) fn parse_mode(text: &Text, scope: &mut Scope<'_>) -> Option<u32> {
    let octal = scope.text(text)?;
    let mode = u32::from_str_radix(&octal, 8).ok().filter(|mode| {
        *mode <= 0o7777 && (3..=4).contains(&octal.len()) && octal.bytes().all(|b| b.is_ascii_digit())
    });
    if mode.is_none() {
        scope.error(text.at, format!("{octal:?} is not a mode: write three or four octal digits in quotes"));
    }
    mode
}

impl File {
    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let metadata = match facts.stat() {
            Ok(metadata) => metadata,
            Err(reason) => return Outcome::error(reason),
        };
        let found = metadata.find(&self.path, facts.uid);
        if !glob::is_glob(&self.path) {
            let mut outcomes = found.into_iter().map(|(path, known)| self.judge(&path, known));
            return outcomes.next_back().unwrap_or_else(|| Outcome::error(unexpected("stat said nothing")));
        }
        let mut outcomes = Vec::new();
        let mut values = serde_json::Map::new();
        for (path, known) in found {
            let outcome = self.judge(&path, known);
            values.insert(bounded(&path), outcome.value.clone());
            outcomes.push(outcome);
        }
        let mut outcome = outcome::all(outcomes);
        // Good files come and go without a change of the result: only the others are part of the value.
        values.retain(|path, _| {
            !outcome.findings.iter().any(|f| f.holds == Some(true) && bounded(&f.subject) == *path)
        });
        outcome.value = serde_json::Value::Object(values);
        outcome
    }

    fn judge<'a>(&self, path: &str, known: Known) -> Outcome<'a> {
        let command = format!("stat -L -c '%a:%u:%g:%U:%G:%F:%n' {}", bounded(path));
        let entry = match known {
            Known::Is(entry) => entry,
            Known::Absent(line) => {
                let mut finding = in_answer(path, command, Vec::new());
                finding.excerpt = Some(Vec::new());
                finding.exit = Some(1);
                finding.expected = self.expected();
                finding.actual = format!("not there ({})", bounded(&line));
                return Outcome::missing(self.missing, serde_json::Value::Null, finding);
            }
            Known::Unknown(reason) => return Outcome::error(reason),
        };
        let mut finding = in_answer(path, command, format!("{}\n", entry.line).into_bytes());
        finding.expected = self.expected();
        finding.actual = bounded(&format!(
            "{} {:04o}, owner {}, group {}",
            entry.kind, entry.mode, entry.owner, entry.group
        ));
        finding.source = Some(model::Source { file: path.to_owned(), line: None });
        let pass = self.kind_fits(&entry.kind)
            && self.mode_at_most.is_none_or(|most| entry.mode & !most == 0)
            && self.mode.is_none_or(|wanted| entry.mode == wanted)
            && self.owner.as_ref().is_none_or(|names| named(names, &entry.owner, entry.uid))
            && self.group.as_ref().is_none_or(|names| named(names, &entry.group, entry.gid));
        finding.holds = Some(pass);
        let value = serde_json::json!({
            "mode": format!("{:04o}", entry.mode),
            "owner": bounded(&entry.owner),
            "group": bounded(&entry.group),
            "kind": kind_word(&entry.kind),
        });
        Outcome::decided(pass, value, vec![finding])
    }

    fn kind_fits(&self, kind: &str) -> bool {
        match self.kind {
            Kind::Any => true,
            Kind::File => matches!(kind, "regular file" | "regular empty file"),
            Kind::Directory => kind == "directory",
            Kind::Socket => kind == "socket",
        }
    }

    fn expected(&self) -> String {
        let mut parts = Vec::new();
        match self.kind {
            Kind::Any => {}
            Kind::File => parts.push("a file".to_owned()),
            Kind::Directory => parts.push("a directory".to_owned()),
            Kind::Socket => parts.push("a socket".to_owned()),
        }
        if let Some(most) = self.mode_at_most {
            parts.push(format!("mode at most {most:04o}"));
        }
        if let Some(wanted) = self.mode {
            parts.push(format!("mode {wanted:04o}"));
        }
        if let Some(owner) = &self.owner {
            parts.push(format!("owner {}", owner.join(" or ")));
        }
        if let Some(group) = &self.group {
            parts.push(format!("group {}", group.join(" or ")));
        }
        if parts.is_empty() {
            parts.push("it exists".to_owned());
        }
        parts.join(", ")
    }
}

/// Tells whether an owner is one of the accepted; `root` also by its number, which is what counts.
fn named(accepted: &[String], name: &str, id: u32) -> bool {
    accepted.iter().any(|wanted| wanted == name || wanted.parse() == Ok(id) || (wanted == "root" && id == 0))
}

/// An empty file is still a file: whether it has content is no part of the value.
fn kind_word(kind: &str) -> &str {
    if kind == "regular empty file" { "regular file" } else { kind }
}
