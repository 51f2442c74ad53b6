//! Rules of other formats as rules of ours: today the YAML shape of Kensa.
//!
//! Pure: file texts come in, rule and mapping files in our own format come out, with a report that names
//! everything that could not be taken over. The translated rules are loaded, planned and judged like all others;
//! they carry the mark `imported`. Holds no rules of its own and does not decide what a rule is worth.
//!
//! What is mapped how: docs/formats/import.md.

mod checks;
mod emit;
mod fix;
mod gates;
mod params;
mod references;
mod report;
mod rule;
pub mod tailoring;
mod tree;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

pub use report::{Item, ItemKind, Report};
pub use variables::{GivenError, is_name as is_variable_name};

use references::References;
use report::Place;
use tree::Node;
use variables::Variables;

/// Longest file. Bytes; the rule loader says the same.
const FILE_BYTES_MAX: usize = 262_144;

/// What an import gives.
#[derive(Debug, Clone)]
pub struct Import {
    /// Rule and mapping files in our format: (path, text), as [`rules::Corpus::load`] takes them.
    pub files: Vec<(String, String)>,
    pub report: Report,
}

/// Tells whether the files of a directory are rules in the shape of Kensa: one has `implementations` at its top.
#[must_use]
pub fn is_kensa(files: &[(String, Vec<u8>)]) -> bool {
    files.iter().any(|(_path, bytes)| has_implementations(bytes))
}

/// Imports the files of one directory.
///
/// Shape: (path relative to the directory, bytes) pairs; names and values of variables, which win over those of the
/// files. A file that cannot be read keeps none of the others from loading; it is in the report. Every rule in the
/// result loads by itself in [`rules::Corpus`].
///
/// # Errors
/// [`GivenError`] when a given variable is not one of these files, or is given twice.
pub fn load(files: &[(String, Vec<u8>)], given: &[(String, String)]) -> Result<Import, GivenError> {
    let mut report = Report::default();
    let (mut parsed, mut broken) = (Vec::new(), Vec::new());
    for (path, bytes) in files {
        report.files += 1;
        let Some(kind) = kind_of(path, bytes) else {
            report.note(
                ItemKind::Ignored,
                "",
                Place::start(path),
                "neither a rule nor a file of variables".to_owned(),
            );
            continue;
        };
        report.rules += usize::from(kind == FileKind::Rule);
        match read(path, bytes) {
            Ok(node) => parsed.push((kind, path.as_str(), node)),
            Err(problem) => {
                report.items.push(problem);
                broken.extend((kind == FileKind::Variables).then_some(path.as_str()));
            }
        }
    }
    let mut variables = Variables::gather(&parsed, &broken, &mut report);
    variables.lay_over(given, &parsed)?;
    let mut loader = Loader { report, variables, files: BTreeMap::new(), references: References::default() };
    for (kind, path, node) in parsed {
        if kind == FileKind::Rule {
            loader.rule(path, node);
        }
    }
    let Loader { mut report, files, references, .. } = loader;
    let mut files: Vec<(String, String)> = files.into_values().map(|(_from, file)| file).collect();
    files.extend(references.files());
    report.items.sort();
    Ok(Import { files, report })
}

/// What a file of a directory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Rule,
    /// Variables for all hosts.
    Variables,
    /// Variables for one host or group.
    Scoped,
}

fn kind_of(path: &str, bytes: &[u8]) -> Option<FileKind> {
    let below = path.strip_prefix("config/").unwrap_or(path);
    if below == "defaults.yml" || below == "defaults.yaml" || below.starts_with("conf.d/") {
        return Some(FileKind::Variables);
    }
    if below.starts_with("hosts/") || below.starts_with("groups/") {
        return Some(FileKind::Scoped);
    }
    (path.starts_with("rules/") || has_implementations(bytes)).then_some(FileKind::Rule)
}

fn has_implementations(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"implementations:"))
}

fn read(path: &str, bytes: &[u8]) -> Result<Node, Item> {
    let broken = |place: Place<'_>, message: String| Item::new(ItemKind::Broken, "", place, message);
    if bytes.len() > FILE_BYTES_MAX {
        let message = format!("the file is longer than {FILE_BYTES_MAX} bytes");
        return Err(broken(Place::start(path), message));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_err| broken(Place::start(path), "the file is not UTF-8".to_owned()))?;
    rules::parse_yaml(path, text).map_err(|err| {
        let line = usize::try_from(err.line).ok().and_then(|line| text.lines().nth(line.saturating_sub(1)));
        // Without quotes the braces of a template are a map that is the key of a map.
        let hint =
            if line.is_some_and(|line| line.contains("{{")) { "; a template needs quotes" } else { "" };
        let message = format!("{}{hint}", err.message);
        broken(Place { path, line: err.line, column: err.column }, message)
    })
}

struct Loader {
    report: Report,
    variables: Variables,
    /// Rule id to where it came from, and its file in our format.
    files: BTreeMap<String, (String, (String, String))>,
    references: References,
}

impl Loader {
    fn rule(&mut self, path: &str, mut node: Node) {
        let name = rule::name_of(&node, path);
        let place = |at: tree::At| Place { path, line: at.line, column: at.column };
        let unknown = self.variables.substitute(&mut node);
        if let Some((at, _)) = unknown.first() {
            let names: BTreeSet<&str> = unknown.iter().map(|(_, name)| name.as_str()).collect();
            let names: Vec<&str> = names.into_iter().collect();
            let message =
                format!("there is no variable {}: set it in conf.d/*.yml or by --var", names.join(", "));
            return self.report.note(ItemKind::Skipped, &name, place(*at), message);
        }
        let translated = match rule::translate(&node) {
            Ok(translated) => translated,
            Err(problem) => {
                return self.report.note(ItemKind::Skipped, &name, place(problem.at), problem.message);
            }
        };
        if let Some((other, _)) = self.files.get(&translated.id) {
            let message = format!("the rule stands in {other} too");
            return self.report.note(ItemKind::Skipped, &name, place(node.at), message);
        }
        let file = (format!("rules/imported/{}.yaml", translated.id), translated.text(path));
        if let Err(errors) = rules::Corpus::load(std::slice::from_ref(&file)) {
            let said = errors.first().map_or_else(String::new, |error| error.message.clone());
            let message = format!("it cannot be asked in our terms: {said}");
            return self.report.note(ItemKind::Skipped, &name, place(translated.at), message);
        }
        self.report.loaded(&translated.id, place(node.at), &translated.methods, translated.has_shell);
        for (at, message) in translated.not_honored {
            self.report.note(ItemKind::NotHonored, &translated.id, place(at), message);
        }
        for reference in &translated.references {
            self.references.add(&translated.id, reference);
        }
        self.files.insert(translated.id, (path.to_owned(), file));
    }
}
