//! The import report: what became a rule, what did not, and which keys of what did are not honoured.

use serde::Serialize;

/// What was imported and what was not.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Files that were looked at.
    pub files: usize,
    /// Rule files among them, those that cannot be read too.
    pub rules: usize,
    /// In the order of files, lines and columns.
    pub items: Vec<Item>,
}

/// One thing to know about an import.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Item {
    pub file: String,
    /// From 1.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
    pub kind: ItemKind,
    /// Id of the rule; empty where none is meant.
    pub rule: String,
    /// A sentence without a full stop.
    pub message: String,
}

/// What an item says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// The file cannot be read.
    Broken,
    /// The rule is not loaded, and why.
    Skipped,
    /// The rule is loaded; the message says whether its checks are typed.
    Loaded,
    /// A key, value or meaning that is not taken over; what it belongs to is loaded.
    NotHonored,
    /// The file is no part of the content.
    Ignored,
}

impl ItemKind {
    /// Returns the kind's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Skipped => "skipped",
            Self::Loaded => "loaded",
            Self::NotHonored => "not_honored",
            Self::Ignored => "ignored",
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) path: &'p str,
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl<'p> Place<'p> {
    /// The start of a file, for what has no better place.
    pub(crate) const fn start(path: &'p str) -> Self {
        Self { path, line: 1, column: 1 }
    }
}

impl Item {
    pub(crate) fn new(kind: ItemKind, rule: &str, place: Place<'_>, message: String) -> Self {
        Self {
            file: place.path.to_owned(),
            line: place.line.max(1),
            column: place.column.max(1),
            kind,
            rule: rule.to_owned(),
            message,
        }
    }
}

impl Report {
    /// Returns the items of one kind.
    pub fn of(&self, kind: ItemKind) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.kind == kind)
    }

    /// Returns what did not load: broken files and skipped rules.
    pub fn refused(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| matches!(item.kind, ItemKind::Broken | ItemKind::Skipped))
    }

    pub(crate) fn note(&mut self, kind: ItemKind, rule: &str, place: Place<'_>, message: String) {
        self.items.push(Item::new(kind, rule, place, message));
    }

    pub(crate) fn loaded(&mut self, rule: &str, place: Place<'_>, methods: &[String], has_shell: bool) {
        let how = if has_shell { "shell" } else { "typed" };
        self.note(ItemKind::Loaded, rule, place, format!("{how}: {}", methods.join(", ")));
    }
}
