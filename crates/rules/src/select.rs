//! Choosing rules for a platform: by profile, rule, tag and severity. Frameworks are no part of it (EXE-24).

use std::collections::{BTreeMap, BTreeSet};

use model::{Platform, RuleId, Severity};

use crate::corpus::{Corpus, Mapping, Profile};
use crate::error::SelectError;
use crate::rule::{CompiledRule, Rule};
use crate::source::value::Tunable;

/// Values of one rule by name.
pub type Values = BTreeMap<String, Tunable>;

/// Most ancestors of a profile.
const LINEAGE_MAX: usize = 32;

/// Which rules are wanted; empty lists do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// None: every rule.
    pub profile: Option<String>,
    pub rules: Vec<String>,
    pub tags: Vec<String>,
    pub severities: Vec<Severity>,
}

/// Rules that apply to one platform, with the values in force.
#[derive(Debug, Clone)]
pub struct Selected {
    pub(crate) rules: Vec<CompiledRule>,
}

impl Selected {
    /// Returns the ids in order.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &RuleId> {
        self.rules.iter().map(|rule| &rule.id)
    }

    /// Tells whether no rule applies.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Corpus {
    /// Chooses the rules that match `selection` and apply to `platform` (EXE-02), in the order of ids.
    ///
    /// # Errors
    /// When a profile, rule or tag is not known, or a profile's values do not fit together.
    pub fn select(&self, selection: &Selection, platform: &Platform) -> Result<Selected, SelectError> {
        self.check_names(selection)?;
        let lineage = match &selection.profile {
            Some(id) => self.lineage(id)?,
            None => Vec::new(),
        };
        let members = (!lineage.is_empty()).then(|| self.members(&lineage, Some(platform)));
        let mut rules = Vec::new();
        for rule in self.rules() {
            let wanted = members.as_ref().is_none_or(|members| members.contains(&rule.id))
                && (selection.rules.is_empty() || selection.rules.iter().any(|id| id == rule.id.as_str()))
                && (selection.tags.is_empty() || rule.tags.iter().any(|tag| selection.tags.contains(tag)))
                && (selection.severities.is_empty() || selection.severities.contains(&rule.severity));
            if wanted && rule.applies_to(platform) {
                rules.push(compile(rule, &lineage)?);
            }
        }
        Ok(Selected { rules })
    }

    /// Returns the rules of a profile with the values in force, for a platform, or for any.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn members_of(
        &self,
        profile: &str,
        platform: Option<&Platform>,
    ) -> Result<Vec<(&Rule, Values)>, SelectError> {
        let lineage = self.lineage(profile)?;
        let members = self.members(&lineage, platform);
        let of_platform = |rule: &&Rule| platform.is_none_or(|platform| rule.applies_to(platform));
        let rules = self.rules().filter(|rule| members.contains(&rule.id)).filter(of_platform);
        Ok(rules.map(|rule| (rule, rule.values_with(&overrides(rule, &lineage)))).collect())
    }

    fn check_names(&self, selection: &Selection) -> Result<(), SelectError> {
        let tags = self.tags();
        if let Some(tag) = selection.tags.iter().find(|tag| !tags.contains(tag.as_str())) {
            let near = crate::near::nearest(tag, tags.iter().copied());
            return Err(SelectError::Unknown { kind: "tag", name: tag.clone(), near });
        }
        match selection.rules.iter().find(|id| self.find(id).is_none()) {
            Some(id) => {
                Err(SelectError::Unknown { kind: "rule", name: id.clone(), near: self.nearest_rule(id) })
            }
            None => Ok(()),
        }
    }

    /// Returns a profile and its ancestors, the oldest first.
    fn lineage(&self, id: &str) -> Result<Vec<&Profile>, SelectError> {
        let mut lineage = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next.filter(|_| lineage.len() < LINEAGE_MAX) {
            let profile = self.profile(id).ok_or_else(|| SelectError::Unknown {
                kind: "profile",
                name: id.to_owned(),
                near: crate::near::nearest(id, self.profiles().map(|profile| profile.id.as_str())),
            })?;
            lineage.insert(0, profile);
            next = profile.extends.as_deref();
        }
        Ok(lineage)
    }

    /// Returns the rules of a lineage: each profile adds what it includes, then takes away what it excludes.
    fn members(&self, lineage: &[&Profile], platform: Option<&Platform>) -> BTreeSet<RuleId> {
        let mut members = BTreeSet::new();
        let for_it = |mapping: &&Mapping| platform.is_none_or(|platform| mapping.applies_to(platform));
        let editions: Vec<&Mapping> = self.mappings().iter().filter(for_it).collect();
        let at_level = |rule: &Rule, (framework, level): &(String, String)| {
            editions.iter().any(|edition| edition.framework == *framework && edition.has_at(&rule.id, level))
        };
        for profile in lineage {
            for rule in self.rules() {
                let included = profile.include_rules.contains(&rule.id)
                    || profile.include_severities.contains(&rule.severity)
                    || profile.include_levels.iter().any(|level| at_level(rule, level))
                    || rule.tags.iter().any(|tag| profile.include_tags.contains(tag));
                let excluded = profile.exclude_rules.contains(&rule.id)
                    || rule.tags.iter().any(|tag| profile.exclude_tags.contains(tag));
                if included {
                    members.insert(rule.id.clone());
                }
                if excluded {
                    members.remove(&rule.id);
                }
            }
        }
        members
    }
}

/// Returns the values that a lineage gives a rule; the youngest counts.
fn overrides(rule: &Rule, lineage: &[&Profile]) -> Values {
    let mut overrides = BTreeMap::new();
    for profile in lineage {
        if let Some(values) = profile.values.get(&rule.id) {
            overrides.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    overrides
}

fn compile(rule: &Rule, lineage: &[&Profile]) -> Result<CompiledRule, SelectError> {
    rule.compile(&rule.values_with(&overrides(rule, lineage))).map_err(|errors| SelectError::Values {
        rule: rule.id.to_string(),
        profile: lineage.last().map_or_else(String::new, |profile| profile.id.clone()),
        problem: errors.first().map_or_else(String::new, |err| err.message.clone()),
    })
}
