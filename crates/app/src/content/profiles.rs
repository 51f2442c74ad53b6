//! What profiles choose, and what differs between two of them.

use std::collections::BTreeMap;

use model::{Platform, RuleId, Severity};
use serde::Serialize;

use super::Content;
use crate::error::{Error, Kind};

/// One profile in a list.
#[derive(Debug, Clone, Serialize)]
pub struct ProfileSummary {
    pub profile_id: String,
    pub title: String,
    pub extends: Option<String>,
    /// How many rules it chooses.
    pub rules: usize,
}

/// A profile with its rules.
#[derive(Debug, Clone, Serialize)]
pub struct ProfileShown {
    pub profile_id: String,
    pub title: String,
    pub description: String,
    pub extends: Option<String>,
    pub rules: Vec<RuleOfProfile>,
}

/// A rule with the values that a profile gives it.
#[derive(Debug, Clone, Serialize)]
pub struct RuleOfProfile {
    pub rule_id: RuleId,
    pub title: String,
    pub severity: Severity,
    /// Name to value in words; defaults included.
    pub values: BTreeMap<String, String>,
}

/// What two profiles say of a rule, when it is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    OnlyFrom,
    OnlyTo,
    /// Both have it, with other values.
    Values {
        from: BTreeMap<String, String>,
        to: BTreeMap<String, String>,
    },
}

impl Content {
    /// Lists the profiles with the number of rules for a platform, or for any.
    ///
    /// # Errors
    /// When a profile does not fit together, which loading rules out.
    pub fn profile_summaries(&self, platform: Option<&Platform>) -> Result<Vec<ProfileSummary>, Error> {
        let mut summaries = Vec::new();
        for profile in self.corpus.profiles() {
            summaries.push(ProfileSummary {
                profile_id: profile.id.clone(),
                title: profile.title.clone(),
                extends: profile.extends.clone(),
                rules: self.rules_of(&profile.id, platform)?.len(),
            });
        }
        Ok(summaries)
    }

    /// Shows the rules of a profile for a platform, or for any.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn show_profile(&self, id: &str, platform: Option<&Platform>) -> Result<ProfileShown, Error> {
        let rules = self.rules_of(id, platform)?;
        let profile = self.corpus.profile(id).ok_or_else(|| Error::internal("a profile is gone"))?;
        Ok(ProfileShown {
            profile_id: profile.id.clone(),
            title: profile.title.clone(),
            description: profile.description.clone(),
            extends: profile.extends.clone(),
            rules: rules.into_values().collect(),
        })
    }

    /// Tells what differs between two profiles, by rule.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn diff_profiles(
        &self,
        (from, to): (&str, &str),
        platform: Option<&Platform>,
    ) -> Result<BTreeMap<RuleId, Difference>, Error> {
        let (from, to) = (self.rules_of(from, platform)?, self.rules_of(to, platform)?);
        let mut differences = BTreeMap::new();
        for (id, rule) in &from {
            match to.get(id) {
                None => drop(differences.insert(id.clone(), Difference::OnlyFrom)),
                Some(other) if other.values != rule.values => {
                    let (from, to) = (rule.values.clone(), other.values.clone());
                    differences.insert(id.clone(), Difference::Values { from, to });
                }
                Some(_) => {}
            }
        }
        let new = to.keys().filter(|id| !from.contains_key(*id));
        differences.extend(new.map(|id| (id.clone(), Difference::OnlyTo)));
        Ok(differences)
    }

    /// Names the profiles that choose a rule.
    pub(super) fn profiles_with(&self, rule: &RuleId) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        for profile in self.corpus.profiles() {
            if self.rules_of(&profile.id, None)?.contains_key(rule) {
                found.push(profile.id.clone());
            }
        }
        Ok(found)
    }

    fn rules_of(
        &self,
        id: &str,
        platform: Option<&Platform>,
    ) -> Result<BTreeMap<RuleId, RuleOfProfile>, Error> {
        let members = self.corpus.members_of(id, platform).map_err(|err| {
            Error::new(Kind::Usage, err.to_string()).hint("`plumb profile list` shows the profiles")
        })?;
        let shown = |(rule, values): (&rules::Rule, rules::Values)| {
            let values = values.into_iter().map(|(name, value)| (name, value.to_string())).collect();
            let (title, severity) = (rule.title.clone(), rule.severity);
            (rule.id.clone(), RuleOfProfile { rule_id: rule.id.clone(), title, severity, values })
        };
        Ok(members.into_iter().map(shown).collect())
    }
}
