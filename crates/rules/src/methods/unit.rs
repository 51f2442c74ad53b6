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
use probes::shown::bounded;
use probes::{key, units};

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

/// One statement about a unit's state.
struct Statement<'s> {
    command: &'s str,
    /// The states that make it true.
    states: &'s [&'s str],
    wanted: bool,
    /// What it says, and its opposite.
    words: [&'s str; 2],
}

impl Unit {
    pub(crate) fn needs(&self, needs: &mut Needs) {
        if self.enabled.is_some() || self.masked.is_some() {
            needs.unit_files.insert(self.name.clone());
        }
        if self.active.is_some() {
            needs.ask(key::UNITS);
        }
    }

    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let of_file =
            |wanted, states, words| Statement { command: units::FILES_COMMAND, states, wanted, words };
        let statements = [
            self.enabled.map(|wanted| of_file(wanted, &ENABLED, ["enabled", "not enabled"])),
            self.masked.map(|wanted| of_file(wanted, &MASKED, ["masked", "not masked"])),
            self.active.map(|wanted| Statement {
                command: units::UNITS_COMMAND,
                states: &ACTIVE,
                wanted,
                words: ["active", "not active"],
            }),
        ];
        let mut outcomes = Vec::new();
        let mut value = serde_json::Map::new();
        for statement in statements.iter().flatten() {
            let of_unit = statement.command == units::UNITS_COMMAND;
            let table = if of_unit { facts.units() } else { facts.unit_files() };
            let outcome = match table {
                Ok(table) => {
                    let found = if of_unit { table.state(&self.name) } else { table.file_state(&self.name) };
                    self.judge(statement, found)
                }
                Err(reason) => Outcome::error(reason),
            };
            value.insert(if of_unit { "active" } else { "unit_file" }.to_owned(), outcome.value.clone());
            outcomes.push(outcome);
        }
        let mut outcome = outcome::all(outcomes);
        outcome.value = serde_json::Value::Object(value);
        outcome
    }

    fn judge<'a>(&self, statement: &Statement<'_>, found: Option<(&str, &str)>) -> Outcome<'a> {
        let line = found.map_or_else(String::new, |(_, line)| format!("{line}\n"));
        let command = format!("{} {}", statement.command, self.name);
        let mut finding = in_answer(&self.name, command, line.into_bytes());
        let state = found.map_or("not there", |(state, _)| state);
        let [yes, no] = statement.words;
        if statement.wanted { yes } else { no }.clone_into(&mut finding.expected);
        finding.actual = bounded(state);
        let pass = statement.states.contains(&state) == statement.wanted;
        finding.holds = Some(pass);
        Outcome::decided(pass, bounded(state).into(), vec![finding])
    }
}
