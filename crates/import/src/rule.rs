//! One rule of Kensa as a rule of ours.

use serde_json::{Value, json};

use crate::checks::{self, Notes};
use crate::references::{self, Reference};
use crate::tree::{At, Node, Problem, Value as Tree};
use crate::{emit, fix, gates};

/// A rule in our words.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) id: String,
    /// Where its implementations stand.
    pub(crate) at: At,
    pub(crate) methods: Vec<String>,
    pub(crate) has_shell: bool,
    pub(crate) not_honored: Vec<(At, String)>,
    pub(crate) references: Vec<Reference>,
    entries: Vec<(&'static str, Value)>,
}

impl Translated {
    /// Writes the rule file; `path` is where the rule came from.
    pub(crate) fn text(&self, path: &str) -> String {
        emit::document(&format!("Imported from {path}"), &self.entries)
    }
}

/// Returns the name by which a rule is spoken of, whatever is wrong with it: its id, or else its file's stem.
pub(crate) fn name_of(node: &Node, path: &str) -> String {
    let stem = path.rsplit('/').next().unwrap_or(path);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let id = node.find("id").and_then(|id| id.text("id").ok());
    id.filter(|id| is_id(id)).unwrap_or_else(|| stem.to_owned())
}

fn is_id(id: &str) -> bool {
    (3..=80).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

/// Keys that are read.
const READ: [&str; 10] = [
    "id",
    "title",
    "description",
    "rationale",
    "severity",
    "category",
    "tags",
    "references",
    "platforms",
    "implementations",
];
/// Keys that are known and say nothing to us.
const NOT_HONORED: [&str; 4] = ["transactional", "depends_on", "conflicts_with", "supersedes"];

/// Longest title, and longest description or rationale. Characters; the rule loader says the same.
const TITLE_CHARS_MAX: usize = 100;
const PROSE_CHARS_MAX: usize = 2_000;

/// Translates a rule.
pub(crate) fn translate(node: &Node) -> Result<Translated, Problem> {
    let entries = node.entries("the rule")?;
    let mut notes = Notes::default();
    for (key, value) in entries.iter().filter(|(key, _)| !READ.contains(&key.as_str())) {
        let known = NOT_HONORED.contains(&key.as_str());
        let message =
            if known { format!("{key} is not honoured") } else { format!("the key {key} is not known") };
        notes.not_honored.push((value.at, message));
    }
    let id = needed(node, "id")?.text("id")?;
    if !is_id(&id) {
        let message = format!("{id:?} is not a rule id: 3 to 80 of a-z, 0-9, - and _");
        return Err(Problem::new(needed(node, "id")?.at, message));
    }
    let implementations = needed(node, "implementations")?;
    let (check, fix) = decided(implementations, &mut notes)?;
    let mut written = vec![
        ("id", json!(id)),
        ("title", json!(prose(node, "title", TITLE_CHARS_MAX, &mut notes)?)),
        ("imported", json!("kensa")),
        ("description", json!(prose(node, "description", PROSE_CHARS_MAX, &mut notes)?)),
        ("rationale", json!(prose(node, "rationale", PROSE_CHARS_MAX, &mut notes)?)),
        ("severity", json!(severity(node)?)),
        ("tags", json!(tags(node, &mut notes))),
        ("platforms", platforms(node, &mut notes)?),
        ("check", check),
    ];
    written.extend(fix.map(|fix| ("fix", fix)));
    let references = node
        .find("references")
        .map(|references| references::read(references, &mut notes.not_honored))
        .unwrap_or_default();
    let Notes { methods, has_shell, not_honored } = notes;
    Ok(Translated {
        id,
        at: implementations.at,
        methods,
        has_shell,
        not_honored,
        references,
        entries: written,
    })
}

fn needed<'n>(node: &'n Node, key: &str) -> Result<&'n Node, Problem> {
    node.find(key).ok_or_else(|| Problem::new(node.at, format!("the rule has no {key}")))
}

fn prose(node: &Node, key: &str, chars_max: usize, notes: &mut Notes) -> Result<String, Problem> {
    let found = needed(node, key)?;
    let words: Vec<String> = found
        .text(key)?
        .split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control()).collect())
        .collect();
    let text = words.join(" ");
    if text.trim().is_empty() {
        return Err(Problem::new(found.at, format!("{key} is empty")));
    }
    if text.chars().count() <= chars_max {
        return Ok(text);
    }
    notes.not_honored.push((found.at, format!("{key} is cut to {chars_max} characters")));
    Ok(text.chars().take(chars_max).collect())
}

fn severity(node: &Node) -> Result<String, Problem> {
    let found = needed(node, "severity")?;
    let severity = found.text("severity")?;
    if ["critical", "high", "medium", "low"].contains(&severity.as_str()) {
        return Ok(severity);
    }
    Err(Problem::new(found.at, format!("{severity:?} is no severity: critical, high, medium, low")))
}

/// Category and tags, all as tags.
fn tags(node: &Node, notes: &mut Notes) -> Vec<String> {
    let mut nodes: Vec<&Node> = node.find("category").into_iter().collect();
    if let Some(list) = node.find("tags") {
        match list.items("tags") {
            Ok(items) => nodes.extend(items),
            Err(problem) => notes.not_honored.push((problem.at, problem.message)),
        }
    }
    let mut tags = Vec::new();
    for node in nodes {
        let tag = node.text("a tag").unwrap_or_default().to_ascii_lowercase();
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        if tag.is_empty() || !tag.bytes().all(good) {
            notes.not_honored.push((node.at, format!("{tag:?} is no tag: a-z, 0-9, - _ and .")));
        } else if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// Families that are one to Kensa unless `derivatives` is false; we count rebuilds as the RHEL that they rebuild.
const RHEL_FAMILY: [&str; 8] = ["rhel", "redhat", "centos", "rocky", "almalinux", "alma", "ol", "oracle"];

fn platforms(node: &Node, notes: &mut Notes) -> Result<Value, Problem> {
    let everywhere = json!([{"id": "*"}]);
    let Some(list) = node.find("platforms") else {
        return Ok(everywhere);
    };
    let items = list.items("platforms")?;
    if items.is_empty() {
        return Ok(everywhere);
    }
    items.iter().map(|item| platform(item, notes)).collect::<Result<Vec<_>, _>>().map(Value::from)
}

fn platform(node: &Node, notes: &mut Notes) -> Result<Value, Problem> {
    let family = node.find("family").ok_or_else(|| Problem::new(node.at, "a platform has no family"))?;
    let family = family.text("family")?.to_ascii_lowercase();
    let derivatives =
        node.find("derivatives").map(|flag| flag.flag("derivatives")).transpose()?.unwrap_or(true);
    let id = if RHEL_FAMILY.contains(&family.as_str()) && (derivatives || family == "redhat") {
        "rhel".to_owned()
    } else {
        family
    };
    if id == "rhel" && !derivatives {
        let message = "platforms.derivatives is not honoured: rebuilds count as the RHEL that they rebuild";
        notes.not_honored.push((node.at, message.to_owned()));
    }
    let mut pattern = json!({"id": id});
    for (key, value) in node.entries("a platform")? {
        match key.as_str() {
            "family" | "derivatives" => {}
            "min_version" => pattern["min"] = json!(value.text(key)?),
            "max_version" => pattern["max"] = json!(value.text(key)?),
            other => notes.not_honored.push((value.at, format!("platforms.{other} is not honoured"))),
        }
    }
    Ok(pattern)
}

/// One way to check and put right, and for which hosts it is.
struct Implementation<'n> {
    gate: Option<Value>,
    /// The gate in words.
    when: String,
    check: Value,
    remediation: Option<&'n Node>,
}

/// Returns the check over all implementations, and the fix.
fn decided(node: &Node, notes: &mut Notes) -> Result<(Value, Option<Value>), Problem> {
    let (mut gated, mut otherwise): (Vec<Implementation<'_>>, Option<Implementation<'_>>) =
        (Vec::new(), None);
    let items = node.items("implementations")?;
    for item in items {
        let is_default = item.find("default").map(|flag| flag.flag("default")).transpose()?.unwrap_or(false);
        let implementation = implementation(item, is_default, notes)?;
        if is_default || implementation.gate.is_none() {
            if otherwise.is_some() {
                return Err(Problem::new(item.at, "two implementations are for every host"));
            }
            otherwise = Some(implementation);
        } else if otherwise.as_ref().is_some_and(|_| !has_default(items)) {
            return Err(Problem::new(item.at, "an implementation stands behind one that is for every host"));
        } else {
            gated.push(implementation);
        }
    }
    if gated.is_empty() && otherwise.is_none() {
        return Err(Problem::new(node.at, "there is no implementation"));
    }
    let all: Vec<Implementation<'_>> = gated.into_iter().chain(otherwise).collect();
    let remediations: Vec<(String, &Node)> =
        all.iter().filter_map(|one| Some((one.when.clone(), one.remediation?))).collect();
    let fix = fix::translate(&remediations, &mut notes.not_honored);
    let check = match all.as_slice() {
        [Implementation { gate: None, check, .. }] => check.clone(),
        several => json!({"cases": several.iter().map(case).collect::<Vec<Value>>()}),
    };
    Ok((check, fix))
}

fn has_default(items: &[Node]) -> bool {
    items.iter().any(|item| item.find("default").is_some())
}

fn case(implementation: &Implementation<'_>) -> Value {
    match &implementation.gate {
        Some(gate) => json!({"when": gate, "check": implementation.check}),
        None => json!({"check": implementation.check}),
    }
}

fn implementation<'n>(
    node: &'n Node,
    is_default: bool,
    notes: &mut Notes,
) -> Result<Implementation<'n>, Problem> {
    let entries = node.entries("an implementation")?;
    for (key, value) in entries {
        if !["when", "default", "check", "remediation"].contains(&key.as_str()) {
            notes.not_honored.push((value.at, format!("implementations.{key} is not known")));
        }
    }
    let when = node.find("when").filter(|when| !matches!(when.value, Tree::Null));
    if let Some(when) = when.filter(|_| is_default) {
        notes.not_honored.push((when.at, "when is not honoured beside default".to_owned()));
    }
    let gate = match when.filter(|_| !is_default) {
        Some(when) => Some((gates::translate(when)?, said(when))),
        None => None,
    };
    let check = node.find("check").ok_or_else(|| Problem::new(node.at, "an implementation has no check"))?;
    let (gate, when) = match gate {
        Some((gate, words)) => (Some(gate), format!("with {words}")),
        None => (None, "otherwise".to_owned()),
    };
    let remediation = node.find("remediation").filter(|node| !matches!(node.value, Tree::Null));
    Ok(Implementation { gate, when, check: checks::translate(check, notes)?, remediation })
}

/// Says a gate in words.
fn said(node: &Node) -> String {
    match &node.value {
        Tree::Text(name) => name.clone(),
        Tree::Map(entries) => entries
            .iter()
            .map(|(key, inner)| format!("{key} of {}", said(inner)))
            .collect::<Vec<_>>()
            .join(" "),
        Tree::List(items) => items.iter().map(said).collect::<Vec<_>>().join(", "),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => String::new(),
    }
}
