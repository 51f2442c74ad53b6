//! The scope in which one rule's check is compiled: its values, and the complaints that were found.
//!
//! Complaints are collected, so that an author sees all of them at once.

use std::collections::BTreeMap;

use crate::error::{At, LoadError};
use crate::located::{Located, Text};
use crate::source::value::{ListSource, Tunable};

/// Names in force while one rule is compiled, and what was found wrong.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    path: &'a str,
    values: &'a BTreeMap<String, Tunable>,
    pub(crate) errors: Vec<LoadError>,
    used: Vec<String>,
}

impl<'a> Scope<'a> {
    pub(crate) const fn new(path: &'a str, values: &'a BTreeMap<String, Tunable>) -> Self {
        Self { path, values, errors: Vec::new(), used: Vec::new() }
    }

    /// Notes a complaint.
    pub(crate) fn error(&mut self, at: At, message: impl Into<String>) {
        self.errors.push(LoadError::new(self.path, at, message));
    }

    /// Tells whether a tunable was used anywhere in what was compiled.
    pub(crate) fn uses(&self, name: &str) -> bool {
        self.used.iter().any(|used| used == name)
    }

    fn lookup(&mut self, name: &str, at: At) -> Option<&'a Tunable> {
        let found = self.values.get(name);
        if found.is_none() {
            let near = crate::near::nearest(name, self.values.keys().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean ${near}?"));
            self.error(at, format!("there is no value ${name}{hint}"));
        } else if !self.uses(name) {
            self.used.push(name.to_owned());
        }
        found
    }

    /// Resolves a text: `$name` is a value, `$$x` the literal `$x`.
    pub(crate) fn text(&mut self, text: &Text) -> Option<String> {
        let Some(rest) = text.value.strip_prefix('$') else {
            return Some(text.value.clone());
        };
        if rest.starts_with('$') {
            return Some(rest.to_owned());
        }
        match self.lookup(rest, text.at)? {
            Tunable::Text(value) => Some(value.clone()),
            Tunable::List(_) => {
                self.error(text.at, format!("value ${rest} is a list and a text is needed"));
                None
            }
        }
    }

    /// Resolves a regular expression: only a whole `$name` of a known value is a name, since `$` alone
    /// is an anchor.
    pub(crate) fn pattern(&mut self, text: &Text) -> Option<String> {
        let is_name = |rest: &str| {
            !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        match text.value.strip_prefix('$') {
            Some(rest) if is_name(rest) || rest.starts_with('$') => self.text(text),
            Some(_) | None => Some(text.value.clone()),
        }
    }

    /// Resolves a text and reads it as a whole number.
    pub(crate) fn integer(&mut self, text: &Text) -> Option<i64> {
        let value = self.text(text)?;
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.error(text.at, format!("{value:?} is not a whole number"));
        }
        parsed
    }

    /// Resolves a list; items that name a list value are spliced in.
    pub(crate) fn list(&mut self, list: &Located<ListSource>) -> Option<Vec<String>> {
        let items = match &list.value {
            ListSource::Name(name) => {
                let name = name.trim_start_matches('$');
                match self.lookup(name, list.at)? {
                    Tunable::List(items) => items.clone(),
                    Tunable::Text(_) => {
                        self.error(list.at, format!("value ${name} is a text and a list is needed"));
                        return None;
                    }
                }
            }
            ListSource::Items(items) => items.iter().filter_map(|item| self.text(item)).collect(),
        };
        if items.is_empty() {
            self.error(list.at, "the list is empty");
            return None;
        }
        Some(items)
    }

    /// Resolves an optional list.
    pub(crate) fn optional_list(&mut self, list: Option<&Located<ListSource>>) -> Option<Vec<String>> {
        list.and_then(|list| self.list(list))
    }

    /// Resolves an absolute path that may stand unquoted in a shell script.
    ///
    /// Shape: starts with `/`, at most 4,096 bytes of letters, digits and `_ . / @ % + = : , * ? -`; no
    /// `..` part. `*` and `?` are wildcards.
    pub(crate) fn path(&mut self, text: &Text) -> Option<String> {
        let path = self.text(text)?;
        if let Some(problem) = path_problem(&path) {
            self.error(text.at, format!("{path:?} cannot be used as a path: {problem}"));
            return None;
        }
        Some(path)
    }

    /// Resolves a list of paths.
    pub(crate) fn paths(&mut self, list: &Located<ListSource>) -> Option<Vec<String>> {
        let paths = self.list(list)?;
        for path in &paths {
            if let Some(problem) = path_problem(path) {
                self.error(list.at, format!("{path:?} cannot be used as a path: {problem}"));
            }
        }
        Some(paths)
    }

    /// Resolves a name of letters, digits and `extra` that may stand unquoted in a shell script.
    pub(crate) fn word(&mut self, text: &Text, what: &str, extra: &str) -> Option<String> {
        let word = self.text(text)?;
        let good = !word.is_empty()
            && word.len() <= 256
            && !word.starts_with('-')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c));
        if !good {
            self.error(text.at, format!("{word:?} is not {what}"));
        }
        good.then_some(word)
    }
}

/// Longest path. Bytes (PATH_MAX of Linux).
const PATH_BYTES_MAX: usize = 4_096;

fn path_problem(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("it must start with /");
    }
    if path.len() > PATH_BYTES_MAX {
        return Some("it is longer than 4,096 bytes");
    }
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./@%+=:,*?-".contains(&b)) {
        return Some("only letters, digits and _ . / @ % + = : , - and the wildcards * ? are allowed");
    }
    if path.split('/').any(|part| part == "..") || path.contains("//") {
        return Some("it must not hold .. or //");
    }
    if path.len() > 1 && path.ends_with('/') {
        return Some("it must not end in /");
    }
    None
}

/// Files whose text is never read: they hold password hashes.
const SECRET_PATHS: [&str; 5] =
    ["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/security/opasswd"];

impl Scope<'_> {
    /// Refuses a path or glob that would read password hashes.
    pub(crate) fn refuse_secret_path(&mut self, path: &str, at: At) {
        if SECRET_PATHS.iter().any(|secret| probes::format::glob::matches(path, secret)) {
            self.error(at, format!("{path} would read password hashes: use accounts or password_aging"));
        }
    }

    /// Reads a comment mark: one character.
    pub(crate) fn comment(&mut self, text: &Text) -> Option<char> {
        let mark = self.text(text)?;
        let mut chars = mark.chars();
        match (chars.next(), chars.next()) {
            (Some(mark), None) => Some(mark),
            (None | Some(_), _) => {
                self.error(text.at, format!("{mark:?} is not one character"));
                None
            }
        }
    }
}
