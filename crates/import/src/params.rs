//! The parameters of one method or mechanism, each read once, so that what nobody read can be named.

use std::collections::BTreeSet;

use crate::tree::{At, Node, Problem};

/// Keys with values under one name.
#[derive(Debug)]
pub(crate) struct Params<'n> {
    /// `config_value`, for messages.
    pub(crate) name: String,
    pub(crate) at: At,
    entries: &'n [(String, Node)],
    read: BTreeSet<String>,
}

impl<'n> Params<'n> {
    /// Takes the entries of a map; `name_key` is the one that holds the name.
    pub(crate) fn new(node: &'n Node, name_key: &str, what: &str) -> Result<Self, Problem> {
        let entries = node.entries(what)?;
        let named =
            node.find(name_key).ok_or_else(|| Problem::new(node.at, format!("{what} has no {name_key}")))?;
        let name = named.text(name_key)?;
        let read = BTreeSet::from([name_key.to_owned()]);
        Ok(Self { name, at: named.at, entries, read })
    }

    /// Finds a parameter, whatever it holds.
    pub(crate) fn node(&mut self, key: &str) -> Option<&'n Node> {
        let found = self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node);
        if found.is_some() {
            self.read.insert(key.to_owned());
        }
        found
    }

    /// Returns the text of a parameter that is there, empty or not.
    pub(crate) fn present(&mut self, key: &str) -> Result<Option<String>, Problem> {
        let what = format!("{key} of {}", self.name);
        self.node(key).map(|node| node.text(&what)).transpose()
    }

    /// Returns the text of a parameter that must be there, empty or not.
    pub(crate) fn required(&mut self, key: &str) -> Result<String, Problem> {
        let missing = format!("{} has no {key}", self.name);
        self.present(key)?.ok_or_else(|| Problem::new(self.at, missing))
    }

    /// Returns the text of a parameter that must be there and say something.
    pub(crate) fn filled(&mut self, key: &str) -> Result<String, Problem> {
        let text = self.required(key)?;
        if text.is_empty() {
            return Err(Problem::new(self.at, format!("{key} of {} is empty", self.name)));
        }
        Ok(text)
    }

    /// Returns true or false, where it is there.
    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, Problem> {
        let what = format!("{key} of {}", self.name);
        self.node(key).map(|node| node.flag(&what)).transpose()
    }

    /// Returns a list of texts that must be there and hold something.
    pub(crate) fn texts(&mut self, key: &str) -> Result<Vec<String>, Problem> {
        let what = format!("{key} of {}", self.name);
        let Some(node) = self.node(key) else {
            return Err(Problem::new(self.at, format!("{} has no {key}", self.name)));
        };
        let items = node.items(&what)?;
        if items.is_empty() {
            return Err(Problem::new(node.at, format!("{what} is empty")));
        }
        items.iter().map(|item| item.text(&what)).collect()
    }

    /// Returns what nobody read, with its place.
    pub(crate) fn unread(&self) -> impl Iterator<Item = (&'n str, &'n Node)> {
        self.entries
            .iter()
            .filter(|(key, _)| !self.read.contains(key))
            .map(|(key, node)| (key.as_str(), node))
    }

    /// Refuses what nobody read: a parameter that is passed over could change what is asked.
    pub(crate) fn finish(&self) -> Result<(), Problem> {
        match self.unread().next() {
            None => Ok(()),
            Some((key, node)) => Err(Problem::new(
                node.at,
                format!("{} has the parameter {key}, which is not known", self.name),
            )),
        }
    }
}
