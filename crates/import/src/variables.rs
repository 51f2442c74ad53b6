//! Variables: `{{ name }}` in texts, put in after the file was read, so that no value can change its structure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::FileKind;
use crate::report::{ItemKind, Place, Report};
use crate::tree::{At, Node, Problem, Value};

/// Stands between the members of a variable that is a list.
pub(crate) const LIST_SEPARATOR: char = ',';

/// Why a value that was given for these rules is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenError {
    /// No file sets the variable and no rule uses it.
    Unknown {
        name: String,
        /// The variable that is spelt nearly like it.
        near: Option<String>,
    },
    /// The variable is given more than once.
    Repeated { name: String },
}

impl fmt::Display for GivenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, .. } => {
                write!(f, "no rule uses the variable {name} and no file sets it")
            }
            Self::Repeated { name } => write!(f, "the variable {name} is given twice"),
        }
    }
}

impl std::error::Error for GivenError {}

/// Values by name.
#[derive(Debug, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Reads the files of variables: defaults first, then conf.d in the order of names, each over what was before.
    ///
    /// Whatever a file may have meant to set and did not is not known behind it: a rule is not judged with the value that
    /// somebody meant to replace. Of a broken file that is every variable which was set before.
    pub(crate) fn gather(files: &[(FileKind, &str, Node)], broken: &[&str], report: &mut Report) -> Self {
        let mut variables = Self::default();
        let read = files.iter().filter(|(kind, ..)| *kind != FileKind::Rule);
        let mut ordered: Vec<_> = read.map(|(kind, path, node)| (*kind, *path, Some(node))).collect();
        ordered.extend(broken.iter().map(|path| (FileKind::Variables, *path, None)));
        ordered.sort_by_key(|(_, path, _)| (path.contains("conf.d/"), *path));
        for (kind, path, node) in ordered {
            let Some(node) = node else {
                variables.0.clear();
                continue;
            };
            if kind == FileKind::Scoped {
                let message =
                    "variables of one host or group are not honoured: all hosts of a scan share the rules";
                report.note(ItemKind::NotHonored, "", Place::start(path), message.to_owned());
            } else {
                variables.file(path, node, report);
            }
        }
        variables
    }

    fn file(&mut self, path: &str, node: &Node, report: &mut Report) {
        let mut note = |at: At, message: String| {
            report.note(ItemKind::NotHonored, "", Place { path, line: at.line, column: at.column }, message);
        };
        // A file of comments, or a key with nothing below it, means to set nothing.
        if matches!(node.value, Value::Null) {
            return;
        }
        let entries = match node.entries("the file of variables") {
            Ok(entries) => entries,
            Err(problem) => {
                self.0.clear();
                return note(problem.at, problem.message);
            }
        };
        for (key, value) in entries {
            if key != "variables" {
                note(value.at, format!("the key {key} is not honoured: only variables are read here"));
                continue;
            }
            if matches!(value.value, Value::Null) {
                continue;
            }
            let entries = match value.entries("variables") {
                Ok(entries) => entries,
                Err(problem) => {
                    self.0.clear();
                    note(problem.at, problem.message);
                    continue;
                }
            };
            for (name, value) in entries {
                match rendered(name, value) {
                    Ok(text) => {
                        self.0.insert(name.clone(), text);
                    }
                    Err(problem) => {
                        self.0.remove(name);
                        note(problem.at, problem.message);
                    }
                }
            }
        }
    }

    /// Lays values over those of the files: what was given for one run wins.
    ///
    /// Errors: [`GivenError`], for a name that these files do not know would change nothing.
    pub(crate) fn lay_over(
        &mut self,
        given: &[(String, String)],
        files: &[(FileKind, &str, Node)],
    ) -> Result<(), GivenError> {
        let rules = files.iter().filter(|(kind, ..)| *kind == FileKind::Rule);
        // Where nothing is set, every name that is used is a missing one.
        let used = rules.flat_map(|(_, _, node)| Self::default().substitute(&mut node.clone()));
        let mut known: BTreeSet<String> = used.map(|(_at, name)| name).collect();
        known.extend(self.0.keys().cloned());
        let mut seen = BTreeSet::new();
        for (name, value) in given {
            if !known.contains(name) {
                let near = rules::nearest(name, known.iter().map(String::as_str));
                return Err(GivenError::Unknown { name: name.clone(), near });
            }
            if !seen.insert(name) {
                return Err(GivenError::Repeated { name: name.clone() });
            }
            self.0.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    /// Puts values in, in every text of the tree; returns the names that nobody set, with their places.
    pub(crate) fn substitute(&self, node: &mut Node) -> Vec<(At, String)> {
        let mut unknown = Vec::new();
        self.walk(node, &mut unknown);
        unknown
    }

    fn walk(&self, node: &mut Node, unknown: &mut Vec<(At, String)>) {
        match &mut node.value {
            Value::Text(text) if text.contains("{{") => {
                let (rendered, missing) = self.render(text);
                *text = rendered;
                unknown.extend(missing.into_iter().map(|name| (node.at, name)));
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.walk(item, unknown)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| self.walk(value, unknown)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }

    /// Values are put in once: what stands in braces inside a value stays as it is.
    fn render(&self, text: &str) -> (String, Vec<String>) {
        let mut out = String::with_capacity(text.len());
        let mut missing = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            let inside = &rest[start + 2..];
            let template = inside.find("}}").map(|end| (inside[..end].trim(), &inside[end + 2..]));
            match template.filter(|(name, _)| is_name(name)) {
                Some((name, behind)) => {
                    out.push_str(&rest[..start]);
                    match self.0.get(name) {
                        Some(value) => out.push_str(value),
                        None => missing.push(name.to_owned()),
                    }
                    rest = behind;
                }
                // Braces that hold no name are part of the text: awk and others use them.
                None => {
                    out.push_str(&rest[..start + 1]);
                    rest = &rest[start + 1..];
                }
            }
        }
        out.push_str(rest);
        (out, missing)
    }
}

/// Tells whether a text is the name of a variable: a letter, then letters, digits and `_`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn rendered(name: &str, node: &Node) -> Result<String, Problem> {
    let refused = |at: At, why: &str| Problem::new(at, format!("variable {name} is not set: {why}"));
    if !is_name(name) {
        return Err(refused(node.at, "its name is not a letter with letters, digits and _ behind it"));
    }
    match &node.value {
        Value::Null => Err(refused(node.at, "it has no value")),
        Value::Bool(_) | Value::Number(_) | Value::Text(_) => node.text(name),
        Value::Map(_) => Err(refused(node.at, "a map is no value")),
        Value::List(items) => {
            let members: Result<Vec<String>, Problem> = items
                .iter()
                .map(|item| {
                    let member = item.text("a member")?;
                    let odd = |c: char| c == LIST_SEPARATOR || c.is_whitespace();
                    if member.is_empty() || member.contains(odd) {
                        return Err(refused(
                            item.at,
                            "a member of a list is empty or holds a comma or white space",
                        ));
                    }
                    Ok(member)
                })
                .collect();
            Ok(members?.join(&LIST_SEPARATOR.to_string()))
        }
    }
}

#[cfg(test)]
mod tests;
