//! A loaded rule: what lists, explanations and selection need to know of it.

use std::collections::BTreeMap;

use model::{Platform, RuleId, Severity};

use crate::compile::Scope;
use crate::error::{At, LoadError};
use crate::fix::{self, Fix};
use crate::located::{Located, Text};
use crate::methods::Check;
use crate::source::file::{
    PlatformSource, Proof, RuleFile, RuleFormat, SeverityName, ValueKind, ValueSource,
};
use crate::source::value::Tunable;
use crate::version;

/// A rule of the corpus.
#[derive(Debug, Clone)]
pub struct Rule {
    pub id: RuleId,
    pub title: String,
    pub description: String,
    pub rationale: String,
    pub severity: Severity,
    /// The format that the rule was translated from; every result of such a rule is marked with it.
    pub imported: Option<RuleFormat>,
    pub tags: Vec<String>,
    pub platforms: Vec<PlatformPattern>,
    /// Tunables by name.
    pub values: BTreeMap<String, ValueSpec>,
    pub fix: Option<Fix>,
    /// Path as it was handed to the loader.
    pub path: String,
    /// True when the rule runs shell text of its own.
    pub free_shell: bool,
    /// On what its file says it has been seen to pass and to fail; none when it says nothing.
    pub proof: Option<Proof>,
    /// How many tests the rule carries.
    pub tests: usize,
    pub(crate) raw: String,
    pub(crate) source: RuleFile,
}

/// Platforms that a rule or an edition of a framework is for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PlatformPattern {
    pub id: String,
    pub like: bool,
    pub min: Option<String>,
    pub max: Option<String>,
}

/// A tunable of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueSpec {
    pub kind: ValueKind,
    pub title: String,
    pub default: Tunable,
    pub min: Option<i64>,
    pub max: Option<i64>,
}

/// A rule's checks with one set of values.
#[derive(Debug, Clone)]
pub(crate) struct CompiledRule {
    pub(crate) id: RuleId,
    pub(crate) severity: Severity,
    pub(crate) imported: Option<RuleFormat>,
    pub(crate) when: Option<Check>,
    pub(crate) check: Check,
}

impl Rule {
    /// Returns the file's text, for its digest.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Returns how the rule is put right, in one line; none when it has no fix.
    #[must_use]
    pub fn fix_line(&self) -> Option<String> {
        self.fix.as_ref().map(Fix::line)
    }

    /// Tells whether the rule applies to a platform (EXE-02).
    #[must_use]
    pub fn applies_to(&self, platform: &Platform) -> bool {
        PlatformPattern::any_matches(&self.platforms, platform)
    }

    /// Returns the values in force: defaults with `overrides` on top.
    pub(crate) fn values_with(&self, overrides: &BTreeMap<String, Tunable>) -> BTreeMap<String, Tunable> {
        let mut values: BTreeMap<String, Tunable> =
            self.values.iter().map(|(name, spec)| (name.clone(), spec.default.clone())).collect();
        values.extend(overrides.iter().map(|(name, value)| (name.clone(), value.clone())));
        values
    }

    /// Compiles the checks with the values in force.
    pub(crate) fn compile(&self, values: &BTreeMap<String, Tunable>) -> Result<CompiledRule, Vec<LoadError>> {
        let mut scope = Scope::new(&self.path, values);
        let when = self.source.when.as_ref().map(|when| when.compile(&mut scope));
        let check = self.source.check.compile(&mut scope);
        let (Some(check), true) = (check, scope.errors.is_empty()) else {
            return Err(scope.errors);
        };
        let when = match when {
            Some(None) => return Err(scope.errors),
            Some(Some(when)) => Some(when),
            None => None,
        };
        Ok(CompiledRule {
            id: self.id.clone(),
            severity: self.severity,
            imported: self.imported,
            when,
            check,
        })
    }
}

impl PlatformPattern {
    /// Tells whether a platform, or the one that it rebuilds, matches any of the patterns.
    #[must_use]
    pub fn any_matches(patterns: &[Self], platform: &Platform) -> bool {
        let (id, version) = version::rebuilt(platform);
        patterns.iter().any(|pattern| pattern.matches(id, version, platform))
    }

    fn matches(&self, id: &str, version: &str, platform: &Platform) -> bool {
        if self.id == "*" {
            return true;
        }
        let named =
            self.id == id || self.id == platform.id || (self.like && platform.id_like.contains(&self.id));
        // A range speaks of the releases of `id` itself; a look-alike counts its own releases.
        let of_itself = self.id == id || self.id == platform.id;
        let version = if self.id == platform.id { platform.version.as_str() } else { version };
        named
            && (!of_itself
                || (self.min.as_ref().is_none_or(|min| version::at_least(version, min))
                    && self.max.as_ref().is_none_or(|max| version::at_most(version, max))))
    }
}

impl ValueSpec {
    /// Tells what is wrong with a value for this tunable; none when nothing is.
    pub(crate) fn problem(&self, value: &Tunable) -> Option<String> {
        match (self.kind, value) {
            (ValueKind::List, Tunable::List(items)) => {
                items.is_empty().then(|| "the list is empty".to_owned())
            }
            (ValueKind::List, Tunable::Text(text)) => Some(format!("{text:?} is not a list")),
            (ValueKind::Integer | ValueKind::String, Tunable::List(_)) => {
                Some("a list is not expected here".to_owned())
            }
            (ValueKind::String, Tunable::Text(_)) => None,
            (ValueKind::Integer, Tunable::Text(text)) => {
                let Ok(number) = text.parse::<i64>() else {
                    return Some(format!("{text:?} is not a whole number"));
                };
                let (min, max) = (self.min.unwrap_or(i64::MIN), self.max.unwrap_or(i64::MAX));
                (!(min..=max).contains(&number)).then(|| format!("{number} is not {min} to {max}"))
            }
        }
    }
}

/// Checks a parsed rule file and makes the rule; all complaints at once.
pub(crate) fn build(path: &str, raw: &str, source: RuleFile) -> Result<Rule, Vec<LoadError>> {
    let mut errors = Vec::new();
    check_texts(path, &source, &mut errors);
    let values = build_values(path, &source.values, &mut errors);
    let defaults: BTreeMap<String, Tunable> =
        values.iter().map(|(name, spec)| (name.clone(), spec.default.clone())).collect();
    let mut scope = Scope::new(path, &defaults);
    if let Some(when) = &source.when {
        when.compile(&mut scope);
    }
    source.check.compile(&mut scope);
    let fix = source.fix.as_ref().and_then(|fix| fix::build(fix, &mut scope));
    for (name, value) in &source.values {
        if !scope.uses(name) {
            scope.error(value.at, format!("value {name} is not used"));
        }
    }
    errors.append(&mut scope.errors);
    check_tests(path, &source, &values, &mut errors);
    let platforms = source.platforms.iter().map(|p| build_platform(path, p, &mut errors)).collect();
    let id = match RuleId::parse(&source.id.value) {
        Ok(id) if errors.is_empty() => id,
        Ok(_) | Err(_) => return Err(errors),
    };
    Ok(Rule {
        id,
        title: source.title.value.clone(),
        description: one_line(&source.description.value),
        rationale: one_line(&source.rationale.value),
        severity: source.severity.severity(),
        imported: source.imported,
        tags: source.tags.iter().map(|tag| tag.value.clone()).collect(),
        platforms,
        values,
        fix,
        path: path.to_owned(),
        free_shell: source.check.has_free_shell()
            || source.when.as_ref().is_some_and(crate::methods::CheckSource::has_free_shell),
        proof: source.proof,
        tests: source.tests.len(),
        raw: raw.to_owned(),
        source,
    })
}

impl SeverityName {
    pub(crate) const fn severity(self) -> Severity {
        match self {
            Self::Critical => Severity::Critical,
            Self::High => Severity::High,
            Self::Medium => Severity::Medium,
            Self::Low => Severity::Low,
        }
    }
}

/// Longest title. Characters.
const TITLE_CHARS_MAX: usize = 100;
/// Longest description, rationale or fix text. Characters.
pub(crate) const PROSE_CHARS_MAX: usize = 2_000;

fn check_texts(path: &str, source: &RuleFile, errors: &mut Vec<LoadError>) {
    let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml")).unwrap_or("");
    let mut error = |at: At, message: String| errors.push(LoadError::new(path, at, message));
    let id = &source.id.value;
    // Ids of other formats are kept as they are, and those of Kensa hold dashes.
    let plain = if source.imported.is_some() { id.replace('-', "_") } else { id.clone() };
    if !(3..=80).contains(&id.len()) || !is_name(&plain) {
        error(source.id.at, format!("{id:?} is not a rule id: 3 to 80 of a-z, 0-9 and _"));
    }
    if id != stem {
        error(source.id.at, format!("id {id:?} is not the file's name {stem:?}"));
    }
    for (text, name, max) in [
        (&source.title, "title", TITLE_CHARS_MAX),
        (&source.description, "description", PROSE_CHARS_MAX),
        (&source.rationale, "rationale", PROSE_CHARS_MAX),
    ] {
        if let Some(problem) = prose_problem(text, max) {
            error(text.at, format!("{name} {problem}"));
        }
    }
    if source.platforms.is_empty() {
        error(At::START, "at least one platform is needed".to_owned());
    }
    for tag in &source.tags {
        if tag.value.is_empty()
            || !tag.value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
        {
            error(tag.at, format!("{:?} is not a tag: a-z, 0-9, - _ and .", tag.value));
        }
    }
}

pub(crate) fn prose_problem(text: &Text, max: usize) -> Option<String> {
    let chars = text.value.chars().count();
    if text.value.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    if text.value.chars().any(|c| c.is_control() && c != '\n') {
        return Some("holds control characters".to_owned());
    }
    (chars > max).then(|| format!("has {chars} characters; at most {max} are allowed"))
}

/// Tells whether a text is a plain name: a-z, 0-9 and _.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Puts a text on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn build_values(
    path: &str,
    sources: &BTreeMap<String, Located<ValueSource>>,
    errors: &mut Vec<LoadError>,
) -> BTreeMap<String, ValueSpec> {
    let mut values = BTreeMap::new();
    for (name, Located { value: source, at }) in sources {
        if !is_name(name) {
            errors.push(LoadError::new(path, *at, format!("{name:?} is not a value name: a-z, 0-9 and _")));
        }
        if source.kind != ValueKind::Integer && (source.min.is_some() || source.max.is_some()) {
            errors.push(LoadError::new(path, *at, "min and max need type integer"));
        }
        let spec = ValueSpec {
            kind: source.kind,
            title: source.title.clone(),
            default: source.default.value.clone(),
            min: source.min,
            max: source.max,
        };
        if let Some(problem) = spec.problem(&spec.default) {
            errors.push(LoadError::new(path, source.default.at, format!("default of {name}: {problem}")));
        }
        values.insert(name.clone(), spec);
    }
    values
}

pub(crate) fn build_platform(
    path: &str,
    source: &Located<PlatformSource>,
    errors: &mut Vec<LoadError>,
) -> PlatformPattern {
    let PlatformSource { id, like, min, max } = &source.value;
    for bound in [min, max].into_iter().flatten() {
        if version::parts(&bound.value).is_none() {
            errors.push(LoadError::new(path, bound.at, format!("{:?} is not a version", bound.value)));
        }
    }
    let text = |bound: &Option<Text>| bound.as_ref().map(|bound| bound.value.clone());
    PlatformPattern { id: id.value.to_ascii_lowercase(), like: *like, min: text(min), max: text(max) }
}

fn check_tests(
    path: &str,
    source: &RuleFile,
    values: &BTreeMap<String, ValueSpec>,
    errors: &mut Vec<LoadError>,
) {
    for test in &source.tests {
        check_overrides(path, &test.value.values, values, errors);
        if let Err(problem) = crate::testing::check_given(&test.value.given) {
            errors.push(LoadError::new(path, test.at, format!("test {:?}: {problem}", test.value.name)));
        }
    }
}

/// Checks values that someone sets against their declarations.
pub(crate) fn check_overrides(
    path: &str,
    overrides: &BTreeMap<String, Located<Tunable>>,
    specs: &BTreeMap<String, ValueSpec>,
    errors: &mut Vec<LoadError>,
) {
    for (name, value) in overrides {
        let problem = match specs.get(name) {
            None => Some(format!("there is no value {name}")),
            Some(spec) => spec.problem(&value.value).map(|problem| format!("value {name}: {problem}")),
        };
        if let Some(problem) = problem {
            errors.push(LoadError::new(path, value.at, problem));
        }
    }
}
