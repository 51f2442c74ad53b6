//! What a host's characteristics change in its recorded facts: only what differs, and only in what was told whole.

use std::collections::BTreeMap;

/// A recorded fact that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Canonical JSON.
    pub value: String,
    /// Names its version.
    pub seq: u64,
}

/// What was told of a host: family to predicate to canonical JSON. A family is told whole or not at all.
pub type Told = BTreeMap<String, BTreeMap<String, String>>;

/// One fact to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub predicate: String,
    /// The new value; none where the fact is over.
    pub value: Option<String>,
    /// The version that ends with it.
    pub replaces: Option<u64>,
}

/// Returns the family of a predicate: what stands before the first slash.
#[must_use]
pub fn family(predicate: &str) -> &str {
    predicate.split_once('/').map_or(predicate, |(family, _item)| family)
}

/// Compares what was told with what is in force, in order of predicates.
#[must_use]
pub fn changes(known: &BTreeMap<String, Known>, told: &Told) -> Vec<Change> {
    let mut changes = Vec::new();
    for (predicate, value) in told.values().flatten() {
        let before = known.get(predicate);
        if before.is_none_or(|before| before.value != *value) {
            let replaces = before.map(|before| before.seq);
            changes.push(Change { predicate: predicate.clone(), value: Some(value.clone()), replaces });
        }
    }
    for (predicate, before) in known {
        let Some(family) = told.get(family(predicate)) else { continue };
        if !family.contains_key(predicate) {
            changes.push(Change { predicate: predicate.clone(), value: None, replaces: Some(before.seq) });
        }
    }
    changes.sort_by(|left, right| left.predicate.cmp(&right.predicate));
    changes
}

#[cfg(test)]
mod tests;
