//! Which controls of a framework's edition rules speak to.

use model::RuleId;
use rules::Mapping;
use serde::Serialize;

use super::Content;
use crate::error::{Error, Kind};

/// An edition with its controls.
#[derive(Debug, Clone, Serialize)]
pub struct Coverage {
    pub framework: String,
    pub edition: String,
    pub title: String,
    pub source: String,
    /// How many of the controls a rule speaks to.
    pub covered: usize,
    pub controls: Vec<ControlCoverage>,
}

/// One control, with the rules that speak to it; it may ask for more than they measure.
#[derive(Debug, Clone, Serialize)]
pub struct ControlCoverage {
    pub control: String,
    /// Empty where the edition has no levels.
    pub level: String,
    pub rules: Vec<RuleId>,
}

impl Content {
    /// Lists the controls of an edition, in its order, with the rules that speak to each.
    ///
    /// # Errors
    /// When there is no such framework, edition or level, or several editions and none was named.
    pub fn coverage(
        &self,
        framework: &str,
        edition: Option<&str>,
        level: Option<&str>,
    ) -> Result<Coverage, Error> {
        let mapping = self.edition(framework, edition)?;
        if let Some(level) = level.filter(|level| !mapping.levels.contains_key(*level)) {
            let known: Vec<&str> = mapping.levels.keys().map(String::as_str).collect();
            let message = format!("{framework} {} has no level {level:?}", mapping.edition);
            let hint = format!("its levels are: {}", known.join(", "));
            return Err(Error::new(Kind::Usage, message).hint(hint));
        }
        let of = |control: &String| -> Vec<RuleId> {
            let speaks = |(_, controls): &(&RuleId, &Vec<String>)| controls.contains(control);
            mapping.rules.iter().filter(speaks).map(|(rule, _)| rule.clone()).collect()
        };
        let mut controls: Vec<ControlCoverage> = Vec::new();
        for (name, of_level) in mapping.levels.iter().filter(|(name, _)| level.is_none_or(|l| l == *name)) {
            controls.extend(of_level.iter().map(|control| ControlCoverage {
                control: control.clone(),
                level: name.clone(),
                rules: of(control),
            }));
        }
        if mapping.levels.is_empty() {
            let mut known: Vec<&String> = mapping.rules.values().flatten().collect();
            known.sort();
            known.dedup();
            controls.extend(known.into_iter().map(|control| ControlCoverage {
                control: control.clone(),
                level: String::new(),
                rules: of(control),
            }));
        }
        Ok(Coverage {
            framework: mapping.framework.clone(),
            edition: mapping.edition.clone(),
            title: mapping.title.clone(),
            source: mapping.source.clone(),
            covered: controls.iter().filter(|control| !control.rules.is_empty()).count(),
            controls,
        })
    }

    fn edition(&self, framework: &str, edition: Option<&str>) -> Result<&Mapping, Error> {
        let of_framework: Vec<&Mapping> =
            self.corpus.mappings().iter().filter(|mapping| mapping.framework == framework).collect();
        if of_framework.is_empty() {
            let mut known: Vec<&str> = self.corpus.mappings().iter().map(|m| m.framework.as_str()).collect();
            known.dedup();
            return Err(Error::new(Kind::Usage, format!("no rule is mapped to the framework {framework:?}"))
                .hint(format!("there are: {}", known.join(", "))));
        }
        let editions: Vec<&str> = of_framework.iter().map(|mapping| mapping.edition.as_str()).collect();
        let hint = format!("its editions are: {}", editions.join(", "));
        match (edition, of_framework.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => {
                let message = format!("{framework} has several editions; name one by --edition");
                Err(Error::new(Kind::Usage, message).hint(hint))
            }
            (Some(edition), all) => {
                all.iter().find(|mapping| mapping.edition == edition).copied().ok_or_else(|| {
                    Error::new(Kind::Usage, format!("{framework} has no edition {edition:?}")).hint(hint)
                })
            }
        }
    }
}
