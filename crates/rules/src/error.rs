//! What is wrong with a content file, and where. Rendering for a terminal is the caller's business.

/// One thing that is wrong in one content file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct LoadError {
    /// Path as it was handed to the loader.
    pub path: String,
    /// Line from 1; 1 when the whole file is meant.
    pub line: u64,
    /// Column from 1, in characters.
    pub column: u64,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
}

/// A place in a content file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl At {
    /// The start of the file, for what has no better place.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl LoadError {
    pub(crate) fn new(path: &str, at: At, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: at.line.max(1),
            column: at.column.max(1),
            message: message.into(),
        }
    }
}

/// Why rules could not be selected for a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    #[error("there is no {kind} {name:?}{}", hint(near))]
    Unknown {
        /// `rule`, `profile` or `tag`.
        kind: &'static str,
        name: String,
        /// The nearest known name, when one is near.
        near: Option<String>,
    },
    #[error("rule {rule} cannot be used with the values of profile {profile}: {problem}")]
    Values { rule: String, profile: String, problem: String },
}

fn hint(near: &Option<String>) -> String {
    near.as_ref().map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}
