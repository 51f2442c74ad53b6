//! References of rules as mapping files of ours: one a framework and edition.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::emit;
use crate::tree::{At, Node, Problem, Value as Tree};

/// Edition of frameworks that a rule names without one.
const NO_EDITION: &str = "imported";

/// Controls of one framework that a rule speaks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) framework: String,
    pub(crate) edition: String,
    pub(crate) controls: Vec<String>,
}

/// Rule id to controls, by framework and edition.
#[derive(Debug, Default)]
pub(crate) struct References(BTreeMap<(String, String), BTreeMap<String, Vec<String>>>);

impl References {
    pub(crate) fn add(&mut self, rule: &str, reference: &Reference) {
        let rules = self.0.entry((reference.framework.clone(), reference.edition.clone())).or_default();
        let controls = rules.entry(rule.to_owned()).or_default();
        for control in &reference.controls {
            if !controls.contains(control) {
                controls.push(control.clone());
            }
        }
    }

    /// Writes the mapping files.
    pub(crate) fn files(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter().map(|((framework, edition), rules)| {
            let path = format!("mappings/{framework}-{edition}.yaml");
            let entries = [
                ("framework", Value::from(framework.as_str())),
                ("edition", Value::from(edition.as_str())),
                ("title", Value::from(format!("{framework} {edition}, as imported rules name it"))),
                ("source", Value::from("the references of imported rules")),
                ("rules", json!(rules)),
            ];
            (path, emit::document("Imported", &entries))
        })
    }
}

/// Reads the references of a rule; what is not taken over goes to `not_honored`.
pub(crate) fn read(node: &Node, not_honored: &mut Vec<(At, String)>) -> Vec<Reference> {
    let entries = match node.entries("references") {
        Ok(entries) => entries,
        Err(problem) => {
            not_honored.push((problem.at, problem.message));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (key, node) in entries {
        if let Err(problem) = framework(key, node, &mut found, not_honored) {
            not_honored.push((problem.at, problem.message));
        }
    }
    found
}

fn framework(
    key: &str,
    node: &Node,
    found: &mut Vec<Reference>,
    not_honored: &mut Vec<(At, String)>,
) -> Result<(), Problem> {
    let framework = name(key, node)?;
    match &node.value {
        Tree::Map(editions) => {
            for (edition, node) in editions {
                let controls = controls_of(&format!("references.{key}"), node, not_honored)?;
                let edition = name(edition, node)?;
                found.push(Reference { framework: framework.clone(), edition, controls });
            }
            Ok(())
        }
        Tree::List(_) | Tree::Text(_) | Tree::Number(_) | Tree::Null | Tree::Bool(_) => {
            let controls = texts(node, &format!("references.{key}"))?;
            found.push(Reference { framework, edition: NO_EDITION.to_owned(), controls });
            Ok(())
        }
    }
}

/// Keys of an edition that hold ids of controls.
const CONTROL_KEYS: [&str; 5] = ["section", "vuln_id", "stig_id", "cci", "srg"];

fn controls_of(what: &str, node: &Node, not_honored: &mut Vec<(At, String)>) -> Result<Vec<String>, Problem> {
    if let Tree::List(items) = &node.value
        && items.iter().any(|item| matches!(item.value, Tree::Map(_)))
    {
        let controls = items.iter().map(|item| controls_of(what, item, not_honored));
        return Ok(controls.collect::<Result<Vec<_>, _>>()?.concat());
    }
    let Tree::Map(entries) = &node.value else {
        return texts(node, what);
    };
    let mut controls = Vec::new();
    for (key, node) in entries {
        if CONTROL_KEYS.contains(&key.as_str()) {
            controls.extend(texts(node, &format!("{what}.{key}"))?);
        } else {
            not_honored.push((node.at, format!("{what}.{key} is not honoured")));
        }
    }
    if controls.is_empty() {
        return Err(Problem::new(node.at, format!("{what} names no control")));
    }
    Ok(controls)
}

fn texts(node: &Node, what: &str) -> Result<Vec<String>, Problem> {
    let all = match &node.value {
        Tree::List(items) => items.iter().map(|item| item.text(what)).collect::<Result<Vec<_>, _>>()?,
        Tree::Map(_) | Tree::Text(_) | Tree::Number(_) | Tree::Null | Tree::Bool(_) => vec![node.text(what)?],
    };
    let good: Vec<String> = all.into_iter().filter(|text| !text.trim().is_empty()).collect();
    if good.is_empty() {
        return Err(Problem::new(node.at, format!("{what} names no control")));
    }
    Ok(good)
}

/// Brings the name of a framework or edition to our spelling.
fn name(text: &str, node: &Node) -> Result<String, Problem> {
    let name = text.to_ascii_lowercase().replace('_', "-");
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    if name.is_empty() || name.len() > 60 || !name.bytes().all(good) {
        return Err(Problem::new(
            node.at,
            format!("references names {text:?}, which is no name of a framework"),
        ));
    }
    Ok(name)
}
