//! What a scan changes in the recorded facts and edges of its host: only what differs, and only in what was told whole.

use std::collections::BTreeMap;

/// A recorded fact or edge that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Canonical JSON.
    pub value: String,
    /// Names its version.
    pub seq: u64,
    /// With which family it ends; none where somebody else than a scan put it, whose word stands.
    pub family: Option<String>,
}

/// What was told of a host: family to key to canonical JSON. A family is told whole or not at all, and no key by two.
pub type Told<K> = BTreeMap<String, BTreeMap<K, String>>;

/// One fact or edge to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<K> {
    pub key: K,
    /// The new value; none where it is over.
    pub value: Option<String>,
    /// The version that ends with it.
    pub replaces: Option<u64>,
}

/// Returns the family of a predicate: what stands before the first slash.
#[must_use]
pub fn family(predicate: &str) -> &str {
    predicate.split_once('/').map_or(predicate, |(family, _item)| family)
}

/// Compares what was told with what is in force, in order of keys.
#[must_use]
pub fn changes<K: Ord + Clone>(known: &BTreeMap<K, Known>, told: &Told<K>) -> Vec<Change<K>> {
    let mut changes = BTreeMap::new();
    for (key, value) in told.values().flatten() {
        let before = known.get(key);
        if before.is_none_or(|before| before.family.is_some() && before.value != *value) {
            changes.insert(key, (Some(value.clone()), before.map(|before| before.seq)));
        }
    }
    let is_told = |key: &K| told.values().any(|family| family.contains_key(key));
    for (key, before) in known {
        let ends = before.family.as_ref().is_some_and(|family| told.contains_key(family));
        if ends && !is_told(key) {
            changes.insert(key, (None, Some(before.seq)));
        }
    }
    let one = |(key, (value, replaces)): (&K, (Option<String>, Option<u64>))| Change {
        key: key.clone(),
        value,
        replaces,
    };
    changes.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests;
