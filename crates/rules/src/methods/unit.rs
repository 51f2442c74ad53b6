//! `unit`: whether a systemd unit is enabled, active or masked.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::Text;
use crate::methods::judge::in_answer;
use crate::outcome::{self, Outcome};
use crate::plan::Needs;
use crate::probe::units;
use crate::shown::shown;

/// Whether a systemd unit is enabled (systemctl is-enabled), active or masked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitSource {
    /// With its suffix: `cron.service`.
    name: Text,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    active: Option<bool>,
    #[serde(default)]
    masked: Option<bool>,
}

/// See [`UnitSource`].
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) name: String,
    pub(crate) enabled: Option<bool>,
    pub(crate) active: Option<bool>,
    pub(crate) masked: Option<bool>,
}

impl UnitSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Unit> {
        let name = scope.word(&self.name, "a unit name", "@._:-\\")?;
        if !name.contains('.') {
            scope.error(self.name.at, format!("{name:?} needs its suffix, like {name}.service"));
        }
        if self.enabled.is_none() && self.active.is_none() && self.masked.is_none() {
            scope.error(at, "at least one of enabled, active and masked is needed");
        }
        Some(Unit { name, enabled: self.enabled, active: self.active, masked: self.masked })
    }
}

/// States for which `systemctl is-enabled` leaves with 0 (systemctl(1), table of is-enabled).
const ENABLED: [&str; 7] =
    ["enabled", "enabled-runtime", "static", "alias", "indirect", "generated", "transient"];
/// States of a unit that nothing can start.
const MASKED: [&str; 2] = ["masked", "masked-runtime"];
/// Active states of a unit that runs or is about to.
const ACTIVE: [&str; 3] = ["active", "reloading", "activating"];

impl Unit {
    pub(crate) const fn needs(&self, needs: &mut Needs) {
        needs.unit_files |= self.enabled.is_some() || self.masked.is_some();
        needs.units |= self.active.is_some();
    }

    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let mut outcomes = Vec::new();
        let mut value = serde_json::Map::new();
        for (wanted, states, yes, no) in [
            (self.enabled, &ENABLED[..], "enabled", "not enabled"),
            (self.masked, &MASKED[..], "masked", "not masked"),
        ] {
            let Some(wanted) = wanted else {
                continue;
            };
            let outcome = match facts.unit_files() {
                Ok(table) => {
                    let found = table.file_state(&self.name);
                    self.judge(units::FILES_COMMAND, found, states, if wanted { yes } else { no }, wanted)
                }
                Err(reason) => Outcome::error(reason),
            };
            value.insert("unit_file".to_owned(), outcome.value.clone());
            outcomes.push(outcome);
        }
        if let Some(wanted) = self.active {
            let outcome = match facts.units() {
                Ok(table) => {
                    let found = table.state(&self.name);
                    let word = if wanted { "active" } else { "not active" };
                    self.judge(units::UNITS_COMMAND, found, &ACTIVE, word, wanted)
                }
                Err(reason) => Outcome::error(reason),
            };
            value.insert("active".to_owned(), outcome.value.clone());
            outcomes.push(outcome);
        }
        let mut outcome = outcome::all(outcomes);
        outcome.value = serde_json::Value::Object(value);
        outcome
    }

    fn judge<'a>(
        &self,
        command: &str,
        found: Option<(&str, &str)>,
        states: &[&str],
        expected: &str,
        wanted: bool,
    ) -> Outcome<'a> {
        let line = found.map_or_else(String::new, |(_, line)| format!("{line}\n"));
        let mut finding = in_answer(&self.name, format!("{command} {}", self.name), line.into_bytes());
        let state = found.map_or("not there", |(state, _)| state);
        expected.clone_into(&mut finding.expected);
        finding.actual = shown(state);
        let pass = states.contains(&state) == wanted;
        finding.holds = Some(pass);
        Outcome::decided(pass, shown(state).into(), vec![finding])
    }
}
