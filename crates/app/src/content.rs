//! The rules in use: the shipped corpus, embedded in the binary, or a directory of the operator's own, also one in
//! the format of others, which is imported.

use std::collections::BTreeMap;
use std::path::Path;

use formats::report::{ControlRef, HostScan, ResultView, RuleText};
pub use import::{Item as ImportItem, ItemKind as ImportItemKind, Report as ImportReport, is_variable_name};
use model::{Digest, Platform, RuleId, Severity};
use rules::{Corpus, Rule};
use serde::Serialize;
use serde_json::{Value, json};
use store::apply::Blob;

use crate::error::{Error, Kind};
use files::Given;

mod coverage;
mod files;
mod profiles;
mod tailoring;

pub use coverage::{ControlCoverage, Coverage};
pub use profiles::{Difference, ProfileShown, ProfileSummary, RuleOfProfile};

/// How files become rules.
type Load = fn(&[(String, String)]) -> Result<Corpus, Vec<rules::LoadError>>;

/// A loaded rule package with its digests.
#[derive(Debug)]
pub struct Content {
    corpus: Corpus,
    /// What the corpus said, kept with every scan so that past answers keep their mapping (POS-07).
    pub(crate) document: Blob,
    /// True for the corpus that came with the binary.
    pub(crate) shipped: bool,
    /// The profile of a tailoring file that was laid over the corpus.
    tailored: Option<String>,
    import: Option<ImportReport>,
}

/// Which rules are in use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source<'s> {
    /// Rules of this directory instead of the shipped ones.
    pub dir: Option<&'s Path>,
    /// Values for variables of imported rules, by name.
    pub variables: &'s [(String, String)],
    /// A profile to lay over the rules.
    pub tailoring: Option<&'s Path>,
}

impl Content {
    /// Loads the shipped rules, or those of a directory, and with them the profile of a tailoring file.
    ///
    /// # Errors
    /// When a file cannot be read or a rule does not load; the message names file, line and column. When a variable
    /// is given that the rules do not have.
    pub fn open(source: Source<'_>) -> Result<Self, Error> {
        Self::open_by(source, Corpus::load)
    }

    /// Loads rules to be run and not to be looked at: the tests of shipped rules, which hold, are left unread.
    pub(crate) fn open_to_run(source: Source<'_>) -> Result<Self, Error> {
        Self::open_by(source, if source.dir.is_none() { Corpus::load_without_tests } else { Corpus::load })
    }

    fn open_by(source: Source<'_>, load: Load) -> Result<Self, Error> {
        let Source { dir, variables, tailoring } = source;
        let Given { mut files, import } = Given::read(dir, variables)?;
        let tailored = match tailoring {
            Some(file) => {
                let base = || load(&files).map_err(|errors| refused(&errors, dir));
                let (id, profile) = tailoring::read(file, || Ok(tailoring::names(&base()?)))?;
                files.push(profile);
                Some(id)
            }
            None => None,
        };
        let corpus = load(&files).map_err(|errors| match (tailoring, &tailored) {
            (Some(file), Some(id)) if errors.iter().all(|err| err.path == tailoring::path(id)) => {
                tailoring::refused(file, &errors)
            }
            (Some(_) | None, _) => refused(&errors, dir),
        })?;
        if import.is_some() && corpus.rules().len() == 0 {
            return Err(Error::new(Kind::Config, "none of the rules could be imported")
                .hint("`plumb rules import-report DIR` says why, by file, line and column"));
        }
        let document = document(&corpus, variables)?;
        Ok(Self { corpus, document, shipped: dir.is_none(), tailored, import })
    }

    /// Returns the profile of the tailoring file, which is then the one to run.
    #[must_use]
    pub fn tailored(&self) -> Option<&str> {
        self.tailored.as_deref()
    }

    /// Holds no rules, for commands that ask about the ledger alone: reading all rules takes longer than a proof.
    pub(crate) fn none() -> Result<Self, Error> {
        let corpus = Corpus::load(&[]).map_err(|errors| refused(&errors, None))?;
        let document = document(&corpus, &[])?;
        Ok(Self { corpus, document, shipped: false, tailored: None, import: None })
    }

    /// Returns what was imported, when the rules are in the format of others.
    #[must_use]
    pub const fn import(&self) -> Option<&ImportReport> {
        self.import.as_ref()
    }

    /// Returns the rules.
    #[must_use]
    pub const fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// Returns the digest of everything the corpus says.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.document.sha256
    }

    /// Returns the title of a rule; its id when the rule is not in this corpus any more.
    #[must_use]
    pub fn title<'c>(&'c self, id: &'c RuleId) -> &'c str {
        self.corpus.find(id.as_str()).map_or(id.as_str(), |rule| rule.title.as_str())
    }
}

/// Returns the digest of one rule's file.
pub(crate) fn rule_digest(rule: &Rule) -> Digest {
    Digest(ledger::sha256(rule.raw().as_bytes()))
}

/// Lists every complaint of the loader about a directory, for `plumb rules lint`.
///
/// # Errors
/// When the directory cannot be read, or a variable is given that its rules do not have.
pub fn lint(dir: Option<&Path>, variables: &[(String, String)]) -> Result<Vec<rules::LoadError>, Error> {
    let Given { files, import } = Given::read(dir, variables)?;
    let refused = import.iter().flat_map(ImportReport::refused);
    let mut errors: Vec<rules::LoadError> = refused
        .map(|item| rules::LoadError {
            path: item.file.clone(),
            line: item.line,
            column: item.column,
            message: item.message.clone(),
        })
        .collect();
    errors.extend(Corpus::load(&files).err().unwrap_or_default());
    Ok(errors)
}

/// Imports a directory of rules in the format of others and tells what became of them.
///
/// # Errors
/// When the directory cannot be read, its rules are in our own format, or a variable is given that they do not have.
pub fn import_report(dir: &Path, variables: &[(String, String)]) -> Result<ImportReport, Error> {
    Given::read(Some(dir), variables)?.import.ok_or_else(|| {
        let message = format!("{} holds no rules in the format of others", dir.display());
        Error::new(Kind::Usage, message).hint("`plumb rules lint` checks rules in our own format")
    })
}

fn refused(errors: &[rules::LoadError], dir: Option<&Path>) -> Error {
    let first = errors.first().map_or_else(|| "it does not load".to_owned(), ToString::to_string);
    let more = match errors.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let at = dir.map_or_else(String::new, |dir| format!("{}/", dir.display()));
    Error::new(Kind::Config, format!("{at}{first}{more}"))
        .hint("`plumb rules lint` lists every problem; unknown keys are refused on purpose")
}

/// Renders what a corpus says: rules by digest, every mapping in full, and the variables that were given for it.
fn document(corpus: &Corpus, variables: &[(String, String)]) -> Result<Blob, Error> {
    let rules: Vec<Value> = corpus
        .rules()
        .map(|rule| {
            let sha256 = rule_digest(rule);
            let mut entry =
                json!({"id": rule.id, "sha256": sha256, "title": rule.title, "severity": rule.severity});
            if let Some(format) = rule.imported {
                entry["imported"] = json!(format.as_str());
            }
            entry
        })
        .collect();
    let profiles: Vec<Value> = corpus
        .profiles()
        .map(|profile| json!({"id": profile.id, "sha256": Digest(ledger::sha256(profile.raw.as_bytes()))}))
        .collect();
    let mappings: Vec<Value> = corpus
        .mappings()
        .iter()
        .map(|mapping| {
            json!({
                "framework": mapping.framework,
                "edition": mapping.edition,
                "title": mapping.title,
                "platforms": mapping.platforms,
                "rules": mapping.rules,
            })
        })
        .collect();
    let mut document =
        json!({"schema": "plumbline.corpus/1", "rules": rules, "profiles": profiles, "mappings": mappings});
    if !variables.is_empty() {
        let variables: BTreeMap<&str, &str> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        document["variables"] = json!(variables);
    }
    blob(&document)
}

/// Renders a document canonically, with its digest.
pub(crate) fn blob(document: &impl serde::Serialize) -> Result<Blob, Error> {
    let bytes = ledger::canonical::to_bytes(document)
        .map_err(|err| Error::internal(format!("could not write a document: {err}")))?;
    Ok(Blob { sha256: Digest(ledger::sha256(&bytes)), bytes })
}

/// One rule in a list.
#[derive(Debug, Clone, Serialize)]
pub struct RuleSummary {
    pub rule_id: RuleId,
    pub title: String,
    pub severity: Severity,
    pub tags: Vec<String>,
    /// `debian 12`, `debian 11-12`, in words.
    pub platforms: Vec<String>,
    /// True when the rule runs shell text of its own.
    pub free_shell: bool,
    /// On what it has been seen to pass and to fail: `host`, `stand_in` (a host that says it is of this platform)
    /// or `capture` (answers in its own tests); `none` where nobody says so. Shipped rules that say nothing were seen
    /// on a host, which a test holds.
    pub proof: &'static str,
    /// The format of others that the rule was imported from.
    pub imported: Option<String>,
    /// Tests that the rule carries.
    pub tests: usize,
    pub sha256: Digest,
}

/// Everything about one rule.
#[derive(Debug, Clone, Serialize)]
pub struct RuleExplained {
    pub summary: RuleSummary,
    pub description: String,
    pub rationale: String,
    pub fix: Option<String>,
    /// Tunable values with their defaults and bounds, in words.
    pub values: Vec<String>,
    /// Ids of the profiles that choose it, on whichever platform.
    pub profiles: Vec<String>,
    pub controls: Vec<ControlRef>,
}

/// How one test of one rule ended.
#[derive(Debug, Clone)]
pub struct RuleTest {
    pub rule_id: RuleId,
    pub name: String,
    /// What was expected and what came; none when it passed.
    pub problem: Option<String>,
}

/// Returns the JSON Schema of a rule file.
#[must_use]
pub fn schema() -> Value {
    rules::schema()
}

impl Content {
    /// Lists rules by id, those with a tag when one is given.
    ///
    /// # Errors
    /// When no rule has the tag: an empty list would say that nothing is asked where a word is misspelt.
    pub fn summaries(&self, tag: Option<&str>) -> Result<Vec<RuleSummary>, Error> {
        let tags = self.corpus.tags();
        if let Some(tag) = tag.filter(|tag| !tags.contains(tag)) {
            let error =
                Error::new(Kind::Usage, format!("no rule has the tag {:?}", crate::targets::shown(tag)));
            return Err(match rules::nearest(tag, tags.into_iter()) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("`plumb rules list` shows the tags"),
            });
        }
        let wanted = |rule: &&Rule| tag.is_none_or(|tag| rule.tags.iter().any(|known| known == tag));
        Ok(self.corpus.rules().filter(wanted).map(|rule| self.summary(rule)).collect())
    }

    /// Lists the ids of profiles.
    #[must_use]
    pub fn profiles(&self) -> Vec<String> {
        self.corpus.profiles().map(|profile| profile.id.clone()).collect()
    }

    /// Lists frameworks with the editions that rules are mapped to.
    #[must_use]
    pub fn frameworks(&self) -> Vec<String> {
        let editions = self.corpus.mappings().iter();
        editions.map(|mapping| format!("{} {}", mapping.framework, mapping.edition)).collect()
    }

    /// Returns the text of a rule's file.
    ///
    /// # Errors
    /// When there is no such rule.
    pub fn raw(&self, id: &str) -> Result<&str, Error> {
        self.load(id).map(Rule::raw)
    }

    /// Explains a rule.
    ///
    /// # Errors
    /// When there is no such rule.
    pub fn explain(&self, id: &str) -> Result<RuleExplained, Error> {
        let rule = self.load(id)?;
        let value = |(name, spec): (&String, &rules::ValueSpec)| {
            let bounds = match (spec.min, spec.max) {
                (Some(min), Some(max)) => format!(", {min} to {max}"),
                (Some(min), None) => format!(", at least {min}"),
                (None, Some(max)) => format!(", at most {max}"),
                (None, None) => String::new(),
            };
            format!("{name} = {}{bounds} ({})", spec.default, spec.title)
        };
        Ok(RuleExplained {
            summary: self.summary(rule),
            description: rule.description.clone(),
            rationale: rule.rationale.clone(),
            fix: rule.fix_line(),
            values: rule.values.iter().map(value).collect(),
            profiles: self.profiles_with(&rule.id)?,
            controls: self.controls(&rule.id, None),
        })
    }

    /// Returns every control that a rule is mapped to today, in the editions for a platform when one is given.
    #[must_use]
    pub fn controls(&self, rule: &RuleId, platform: Option<&Platform>) -> Vec<ControlRef> {
        self.corpus
            .mappings()
            .iter()
            .filter(|mapping| platform.is_none_or(|platform| mapping.applies_to(platform)))
            .filter_map(|mapping| {
                Some(ControlRef {
                    framework: mapping.framework.clone(),
                    edition: mapping.edition.clone(),
                    controls: mapping.rules.get(rule)?.clone(),
                })
            })
            .collect()
    }

    /// Returns what the rules behind results say of themselves; a rule that is not in use any more says nothing.
    #[must_use]
    pub(crate) fn texts(&self, hosts: &[HostScan]) -> BTreeMap<RuleId, RuleText> {
        let results = hosts.iter().flat_map(HostScan::results);
        let text = |result: &ResultView| {
            let rule = self.corpus.find(result.rule_id.as_str())?;
            let (description, rationale) = (rule.description.clone(), rule.rationale.clone());
            Some((result.rule_id.clone(), RuleText { description, rationale }))
        };
        results.filter_map(text).collect()
    }

    /// Runs the tests that rules carry, of the named rules or of all.
    ///
    /// # Errors
    /// When a named rule does not exist.
    pub fn run_tests(&self, only: &[String]) -> Result<Vec<RuleTest>, Error> {
        for id in only {
            self.load(id)?;
        }
        let wanted = |rule: &RuleId| only.is_empty() || only.iter().any(|id| id == rule.as_str());
        Ok(rules::run_rule_tests(&self.corpus)
            .into_iter()
            .filter(|outcome| wanted(&outcome.rule_id))
            .map(|outcome| {
                let got = outcome.got.map_or("nothing", model::Status::as_str);
                let problem = format!("expected {}, got {got}: {}", outcome.expected, outcome.detail);
                RuleTest {
                    problem: (!outcome.passed()).then_some(problem),
                    rule_id: outcome.rule_id,
                    name: outcome.name,
                }
            })
            .collect())
    }

    fn load(&self, id: &str) -> Result<&Rule, Error> {
        self.corpus.find(id).ok_or_else(|| {
            let error =
                Error::new(Kind::NotFound, format!("there is no rule {:?}", crate::targets::shown(id)));
            match self.corpus.nearest_rule(id) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("`plumb rules list` shows the rules"),
            }
        })
    }
}

impl Content {
    fn summary(&self, rule: &Rule) -> RuleSummary {
        let own = self.shipped.then_some(rules::Proof::Host);
        RuleSummary { proof: rule.proof.or(own).map_or("none", rules::Proof::as_str), ..described(rule) }
    }
}

/// Says of a rule what its file says, but for its proof.
fn described(rule: &Rule) -> RuleSummary {
    let platform = |pattern: &rules::PlatformPattern| {
        let like = if pattern.like { " and alike" } else { "" };
        match (&pattern.min, &pattern.max) {
            (Some(min), Some(max)) if min == max => format!("{} {min}{like}", pattern.id),
            (Some(min), Some(max)) => format!("{} {min}-{max}{like}", pattern.id),
            (Some(min), None) => format!("{} {min} and later{like}", pattern.id),
            (None, Some(max)) => format!("{} up to {max}{like}", pattern.id),
            (None, None) => format!("{}{like}", pattern.id),
        }
    };
    RuleSummary {
        rule_id: rule.id.clone(),
        title: rule.title.clone(),
        severity: rule.severity,
        tags: rule.tags.clone(),
        platforms: rule.platforms.iter().map(platform).collect(),
        free_shell: rule.free_shell,
        proof: "none",
        imported: rule.imported.map(|format| format.as_str().to_owned()),
        tests: rule.tests,
        sha256: rule_digest(rule),
    }
}
