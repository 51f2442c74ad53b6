//! `unit`: whether a systemd unit is enabled, active or masked.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::located::Text;

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
