//! The whole rule package: loading with every complaint, and looking things up.

use std::collections::{BTreeMap, BTreeSet};
use std::{panic, thread};

use model::{Platform, RuleId};

use crate::error::{At, LoadError};
use crate::located::Located;
use crate::rule::{self, PlatformPattern, Rule, check_overrides};
use crate::source::file::{LevelSource, MappingFile, ProfileFile, RuleFile};
use crate::source::value::Tunable;
use crate::yaml;

/// Most files in a rule package.
pub const FILES_MAX: usize = 20_000;

/// Most threads that read one rule package.
const READERS_MAX: usize = 4;
/// Less is not worth another thread. Bytes.
const PART_BYTES_MIN: usize = 131_072;

/// A loaded rule package.
#[derive(Debug, Clone)]
pub struct Corpus {
    rules: BTreeMap<RuleId, Rule>,
    profiles: BTreeMap<String, Profile>,
    mappings: Vec<Mapping>,
}

/// A named choice of rules with values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub id: String,
    pub title: String,
    pub description: String,
    pub extends: Option<String>,
    /// Values that differ from their defaults, its own only: rule id to name to value.
    pub values: BTreeMap<RuleId, BTreeMap<String, Tunable>>,
    pub path: String,
    /// The file's text, for its digest.
    pub raw: String,
    pub(crate) include_rules: Vec<RuleId>,
    pub(crate) include_tags: Vec<String>,
    pub(crate) include_severities: Vec<model::Severity>,
    /// Framework and level.
    pub(crate) include_levels: Vec<(String, String)>,
    pub(crate) exclude_rules: Vec<RuleId>,
    pub(crate) exclude_tags: Vec<String>,
}

/// Which controls of one edition of a framework each rule speaks to (POS-09: all are kept).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub framework: String,
    pub edition: String,
    pub title: String,
    pub source: String,
    /// What the edition is for; empty for every platform.
    pub platforms: Vec<PlatformPattern>,
    /// Level to every control of the edition there, in the edition's order; empty where no list is known.
    pub levels: BTreeMap<String, Vec<String>>,
    pub rules: BTreeMap<RuleId, Vec<String>>,
    pub path: String,
    /// The file's text, for its digest.
    pub raw: String,
}

impl Mapping {
    /// Tells whether the edition is for a platform.
    #[must_use]
    pub fn applies_to(&self, platform: &Platform) -> bool {
        self.platforms.is_empty() || PlatformPattern::any_matches(&self.platforms, platform)
    }

    /// Tells whether a rule speaks to a control of a level.
    #[must_use]
    pub fn has_at(&self, rule: &RuleId, level: &str) -> bool {
        let (Some(controls), Some(of_level)) = (self.rules.get(rule), self.levels.get(level)) else {
            return false;
        };
        controls.iter().any(|control| of_level.contains(control))
    }
}

impl Corpus {
    /// Loads a rule package from the texts of its files.
    ///
    /// Shape: (path, text) pairs; paths start with `rules/`, `profiles/` or `mappings/` and end in `.yaml`.
    ///
    /// # Errors
    /// Everything that is wrong in any file, in the order of paths and lines.
    pub fn load(files: &[(String, String)]) -> Result<Self, Vec<LoadError>> {
        Self::load_with(files, false)
    }

    /// Loads a rule package whose tests nobody asks for: they are passed over, unread, which spares most of the work.
    /// Rules are otherwise the same, and say that they carry no test.
    ///
    /// # Errors
    /// As [`Self::load`], but for what is wrong in a test.
    pub fn load_without_tests(files: &[(String, String)]) -> Result<Self, Vec<LoadError>> {
        Self::load_with(files, true)
    }

    fn load_with(files: &[(String, String)], passes_tests: bool) -> Result<Self, Vec<LoadError>> {
        if files.len() > FILES_MAX {
            let message = format!("{} files; at most {FILES_MAX} are loaded", files.len());
            return Err(vec![LoadError::new(".", At::START, message)]);
        }
        let Loader { rules, profiles, mappings, mut errors, passes_tests: _ } = read(files, passes_tests);
        let corpus = Self::link(rules, &profiles, &mappings, &mut errors);
        if errors.is_empty() {
            return Ok(corpus);
        }
        errors.sort();
        errors.dedup();
        Err(errors)
    }

    /// Returns all rules in the order of their ids.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.rules.values()
    }

    /// Finds a rule.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Rule> {
        self.rules.get(&RuleId::parse(id).ok()?)
    }

    /// Returns the id of a rule that is spelt nearly like `id`.
    #[must_use]
    pub fn nearest_rule(&self, id: &str) -> Option<String> {
        crate::near::nearest(id, self.rules.keys().map(RuleId::as_str))
    }

    /// Returns all profiles in the order of their ids.
    pub fn profiles(&self) -> impl ExactSizeIterator<Item = &Profile> {
        self.profiles.values()
    }

    /// Finds a profile.
    #[must_use]
    pub fn profile(&self, id: &str) -> Option<&Profile> {
        self.profiles.get(id)
    }

    /// Returns all mappings, by framework and edition.
    #[must_use]
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Returns every tag that a rule has.
    #[must_use]
    pub fn tags(&self) -> BTreeSet<&str> {
        self.rules.values().flat_map(|rule| rule.tags.iter().map(String::as_str)).collect()
    }

    fn link(
        rules: BTreeMap<RuleId, Rule>,
        profile_files: &[Parsed<ProfileFile>],
        mapping_files: &[Parsed<MappingFile>],
        errors: &mut Vec<LoadError>,
    ) -> Self {
        let mut corpus = Self { rules, profiles: BTreeMap::new(), mappings: Vec::new() };
        for parsed in mapping_files {
            let mapping = corpus.build_mapping(parsed, errors);
            let is_same = |other: &&Mapping| {
                (&other.framework, &other.edition) == (&mapping.framework, &mapping.edition)
            };
            if let Some(other) = corpus.mappings.iter().find(is_same) {
                let message = format!("{} {} stands in {} too", other.framework, other.edition, other.path);
                errors.push(LoadError::new(&parsed.path, At::START, message));
            }
            corpus.mappings.push(mapping);
        }
        corpus.mappings.sort_by(|a, b| (&a.framework, &a.edition).cmp(&(&b.framework, &b.edition)));
        for parsed in profile_files {
            let profile = corpus.build_profile(parsed, errors);
            if let Some(other) = corpus.profiles.insert(profile.id.clone(), profile) {
                let message = format!("profile {} stands in {} too", other.id, other.path);
                errors.push(LoadError::new(&parsed.path, At::START, message));
            }
        }
        for parsed in profile_files {
            corpus.check_lineage(parsed, errors);
        }
        corpus
    }

    fn known_rule(&self, path: &str, id: &str, at: At, errors: &mut Vec<LoadError>) -> Option<RuleId> {
        if let Some(rule) = self.find(id) {
            return Some(rule.id.clone());
        }
        let hint = self.nearest_rule(id).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
        errors.push(LoadError::new(path, at, format!("there is no rule {id:?}{hint}")));
        None
    }

    fn build_profile(&self, parsed: &Parsed<ProfileFile>, errors: &mut Vec<LoadError>) -> Profile {
        let Parsed { path, raw, source } = parsed;
        let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml")).unwrap_or("");
        if source.id.value != stem {
            let message = format!("id {:?} is not the file's name {stem:?}", source.id.value);
            errors.push(LoadError::new(path, source.id.at, message));
        }
        let tags = self.tags();
        for tag in source.include.tags.iter().chain(&source.exclude.tags) {
            if !tags.contains(tag.value.as_str()) {
                errors.push(LoadError::new(path, tag.at, format!("no rule has the tag {:?}", tag.value)));
            }
        }
        self.check_levels(path, &source.include.levels, errors);
        let mut known = |list: &[crate::located::Text]| -> Vec<RuleId> {
            list.iter().filter_map(|id| self.known_rule(path, &id.value, id.at, errors)).collect()
        };
        let (include_rules, exclude_rules) = (known(&source.include.rules), known(&source.exclude.rules));
        let values = self.profile_values(parsed, errors);
        let texts = |list: &[crate::located::Text]| list.iter().map(|text| text.value.clone()).collect();
        Profile {
            id: source.id.value.clone(),
            title: source.title.value.clone(),
            description: source.description.value.clone(),
            extends: source.extends.as_ref().map(|text| text.value.clone()),
            values,
            path: path.clone(),
            raw: raw.clone(),
            include_rules,
            include_tags: texts(&source.include.tags),
            include_severities: source.include.severities.iter().map(|name| name.severity()).collect(),
            include_levels: source
                .include
                .levels
                .iter()
                .map(|one| (one.value.framework.value.clone(), one.value.level.value.clone()))
                .collect(),
            exclude_rules,
            exclude_tags: texts(&source.exclude.tags),
        }
    }

    fn check_levels(&self, path: &str, levels: &[Located<LevelSource>], errors: &mut Vec<LoadError>) {
        for Located { value: LevelSource { framework, level }, at } in levels {
            let mut of_framework =
                self.mappings.iter().filter(|mapping| mapping.framework == framework.value).peekable();
            if of_framework.peek().is_none() {
                errors.push(LoadError::new(
                    path,
                    *at,
                    format!("there is no mapping of {:?}", framework.value),
                ));
            } else if !of_framework.any(|mapping| mapping.levels.contains_key(&level.value)) {
                let message = format!("no edition of {} has the level {:?}", framework.value, level.value);
                errors.push(LoadError::new(path, *at, message));
            }
        }
    }

    fn profile_values(
        &self,
        parsed: &Parsed<ProfileFile>,
        errors: &mut Vec<LoadError>,
    ) -> BTreeMap<RuleId, BTreeMap<String, Tunable>> {
        let mut values = BTreeMap::new();
        for (id, Located { value: overrides, at }) in &parsed.source.values {
            let Some(rule) =
                self.known_rule(&parsed.path, id, *at, errors).and_then(|id| self.rules.get(&id))
            else {
                continue;
            };
            let before = errors.len();
            check_overrides(&parsed.path, overrides, &rule.values, errors);
            let own: BTreeMap<String, Tunable> =
                overrides.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
            if errors.len() == before
                && let Err(problems) = rule.compile(&rule.values_with(&own))
            {
                let text =
                    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ");
                errors.push(LoadError::new(
                    &parsed.path,
                    *at,
                    format!("rule {id} with these values: {text}"),
                ));
            }
            values.insert(rule.id.clone(), own);
        }
        values
    }

    /// Complains about an unknown ancestor and about a profile that extends itself.
    fn check_lineage(&self, parsed: &Parsed<ProfileFile>, errors: &mut Vec<LoadError>) {
        let Some(extends) = &parsed.source.extends else {
            return;
        };
        let mut seen = BTreeSet::from([parsed.source.id.value.as_str()]);
        let mut next = Some(extends.value.as_str());
        while let Some(id) = next {
            let Some(profile) = self.profiles.get(id) else {
                let message = format!("there is no profile {id:?}");
                return errors.push(LoadError::new(&parsed.path, extends.at, message));
            };
            if !seen.insert(id) {
                let message = format!("profile {:?} extends itself", parsed.source.id.value);
                return errors.push(LoadError::new(&parsed.path, extends.at, message));
            }
            next = profile.extends.as_deref();
        }
    }

    fn build_mapping(&self, parsed: &Parsed<MappingFile>, errors: &mut Vec<LoadError>) -> Mapping {
        let Parsed { path, raw, source } = parsed;
        let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml")).unwrap_or("");
        let wanted = format!("{}-{}", source.framework.value, source.edition.value);
        if stem != wanted {
            let message = format!("the file of this framework and edition is named {wanted}.yaml");
            errors.push(LoadError::new(path, source.framework.at, message));
        }
        let platforms = source.platforms.iter().map(|one| rule::build_platform(path, one, errors)).collect();
        let texts = |list: &[crate::located::Text]| list.iter().map(|text| text.value.clone()).collect();
        let levels: BTreeMap<String, Vec<String>> =
            source.levels.iter().map(|(level, controls)| (level.clone(), texts(&controls.value))).collect();
        let known: BTreeSet<&String> = levels.values().flatten().collect();
        let mut rules = BTreeMap::new();
        for (id, controls) in &source.rules {
            let Some(id) = self.known_rule(path, id, controls.at, errors) else {
                continue;
            };
            if controls.value.is_empty() {
                errors.push(LoadError::new(path, controls.at, "at least one control id is needed"));
            }
            for control in controls.value.iter().filter(|_| !known.is_empty()) {
                if !known.contains(&control.value) {
                    let message = format!("the control {:?} stands in no level", control.value);
                    errors.push(LoadError::new(path, control.at, message));
                }
            }
            rules.insert(id, texts(&controls.value));
        }
        Mapping {
            framework: source.framework.value.clone(),
            edition: source.edition.value.clone(),
            title: source.title.value.clone(),
            source: source.source.value.clone(),
            platforms,
            levels,
            rules,
            path: path.clone(),
            raw: raw.clone(),
        }
    }
}

#[derive(Debug)]
struct Parsed<T> {
    path: String,
    raw: String,
    source: T,
}

#[derive(Debug, Default)]
struct Loader {
    rules: BTreeMap<RuleId, Rule>,
    profiles: Vec<Parsed<ProfileFile>>,
    mappings: Vec<Parsed<MappingFile>>,
    errors: Vec<LoadError>,
    /// Tests of rules are left unread.
    passes_tests: bool,
}

impl Loader {
    fn file(&mut self, path: &str, text: &str) {
        if !path.ends_with(".yaml") {
            return self.complain(path, "a content file is named NAME.yaml");
        }
        if path.starts_with("rules/") {
            return self.rule(path, text);
        }
        if path.starts_with("profiles/") {
            return match parsed(path, text) {
                Ok(profile) => self.profiles.push(profile),
                Err(err) => self.errors.push(err),
            };
        }
        if path.starts_with("mappings/") {
            return match parsed(path, text) {
                Ok(mapping) => self.mappings.push(mapping),
                Err(err) => self.errors.push(err),
            };
        }
        self.complain(path, "a content file stands under rules/, profiles/ or mappings/");
    }

    fn complain(&mut self, path: &str, message: &str) {
        self.errors.push(LoadError::new(path, At::START, message));
    }

    fn rule(&mut self, path: &str, text: &str) {
        let read = if self.passes_tests { without_tests(text) } else { text };
        let source: RuleFile = match yaml::parse(path, read) {
            Ok(source) => source,
            Err(err) => return self.errors.push(err),
        };
        match rule::build(path, text, source) {
            Ok(rule) => self.add(rule),
            Err(mut errors) => self.errors.append(&mut errors),
        }
    }

    fn add(&mut self, rule: Rule) {
        if let Some(other) = self.rules.get(&rule.id) {
            let message = format!("rule {} stands in {} too", rule.id, other.path);
            return self.complain(&rule.path, &message);
        }
        self.rules.insert(rule.id.clone(), rule);
    }

    /// Takes over what was read of the files behind.
    fn append(&mut self, mut behind: Self) {
        for rule in behind.rules.into_values() {
            self.add(rule);
        }
        self.profiles.append(&mut behind.profiles);
        self.mappings.append(&mut behind.mappings);
        self.errors.append(&mut behind.errors);
    }
}

/// Reads all files, parts of them at the same time; the outcome is that of reading one after the other.
fn read(files: &[(String, String)], passes_tests: bool) -> Loader {
    let part = |files: &[(String, String)]| {
        let mut loader = Loader { passes_tests, ..Loader::default() };
        for (path, text) in files {
            loader.file(path, text);
        }
        loader
    };
    let parts = parts(files);
    thread::scope(|scope| {
        let readers: Vec<_> = parts[1..].iter().map(|files| scope.spawn(|| part(files))).collect();
        let mut loader = part(parts[0]);
        for reader in readers {
            match reader.join() {
                Ok(behind) => loader.append(behind),
                Err(payload) => panic::resume_unwind(payload),
            }
        }
        loader
    })
}

/// Cuts the files into one part or more of about as many bytes, for a thread each.
fn parts(files: &[(String, String)]) -> Vec<&[(String, String)]> {
    let bytes: usize = files.iter().map(|(_path, text)| text.len()).sum();
    let share = (bytes / READERS_MAX).max(PART_BYTES_MIN);
    let (mut parts, mut begin, mut held) = (Vec::new(), 0, 0);
    for (at, (_path, text)) in files.iter().enumerate() {
        held += text.len();
        if held >= share && parts.len() + 1 < READERS_MAX {
            parts.push(&files[begin..=at]);
            (begin, held) = (at + 1, 0);
        }
    }
    parts.push(&files[begin..]);
    parts
}

/// Returns the text of a rule file up to its tests, where these stand last; else the whole text.
fn without_tests(text: &str) -> &str {
    const KEY: &str = "\ntests:\n";
    let Some(start) = text.find(KEY) else { return text };
    let tests = &text[start + KEY.len()..];
    let last = tests.lines().all(|line| line.is_empty() || line.starts_with([' ', '#']));
    if last { &text[..=start] } else { text }
}

fn parsed<T: serde::de::DeserializeOwned>(path: &str, text: &str) -> Result<Parsed<T>, LoadError> {
    let source = yaml::parse(path, text)?;
    Ok(Parsed { path: path.to_owned(), raw: text.to_owned(), source })
}
