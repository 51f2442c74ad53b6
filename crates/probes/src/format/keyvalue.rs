//! Assignments of keys in configuration files: `key = value`, `key value`, and sections in brackets.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::text::TextFile;

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

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub struct Style<'a> {
    pub format: Format,
    pub section: Option<&'a str>,
    /// First character of a comment.
    pub comment: char,
}

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub file: String,
    /// From 1.
    pub line: u32,
    pub value: String,
    /// The line as it stands.
    pub text: String,
}

/// Returns every assignment of `key`, in the order of lines.
pub fn assignments(file: &TextFile, style: Style<'_>, key: &str) -> Vec<Assignment> {
    let mut found = Vec::new();
    let mut section: Option<String> = None;
    for (text, line) in file.lines.iter().zip(1_u32..) {
        let mut trimmed = text.trim();
        // systemd skips a byte order mark; to the readers of the other formats it is a part of the key.
        if style.format == Format::Ini && line == 1 {
            trimmed = trimmed.trim_start_matches('\u{feff}');
        }
        let comment =
            trimmed.starts_with(style.comment) || (style.format == Format::Ini && trimmed.starts_with(';'));
        if trimmed.is_empty() || comment {
            continue;
        }
        if style.format == Format::Ini
            && let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            section = Some(name.0.trim().to_owned());
            continue;
        }
        if style.section.is_some() && section.as_deref() != style.section {
            continue;
        }
        let (name, value) = split(trimmed, style.format);
        if name == key {
            found.push(Assignment {
                file: file.path.clone(),
                line,
                value: bare(value, style.comment),
                text: text.clone(),
            });
        }
    }
    found
}

fn split(line: &str, format: Format) -> (&str, &str) {
    let parts = match format {
        Format::Equals | Format::Ini => line.split_once('='),
        Format::Space => line.split_once(char::is_whitespace),
    };
    match parts {
        Some((name, value)) => (name.trim(), value.trim()),
        // A key alone is a switch; a comment may follow it.
        None => (line.split_whitespace().next().unwrap_or(line), ""),
    }
}

/// Drops quotes round the whole value, or else a comment behind white space.
fn bare(value: &str, comment: char) -> String {
    for quote in ['"', '\''] {
        if let Some((inner, rest)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote))
            && (rest.trim().is_empty() || rest.trim_start().starts_with(comment))
        {
            return inner.to_owned();
        }
    }
    let mut before_blank = false;
    for (at, c) in value.char_indices() {
        if c == comment && (before_blank || at == 0) {
            return value[..at].trim_end().to_owned();
        }
        before_blank = c.is_whitespace();
    }
    value.to_owned()
}
