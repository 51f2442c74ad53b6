//! How a rule's wanted state is reached: words for people and a typed mechanism for programs. Runs nothing.

use crate::compile::Scope;
use crate::rule::{PROSE_CHARS_MAX, one_line, prose_problem};
use crate::source::file::{Disruption, FixSource, MechanismSource};

/// How the wanted state is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// In words, on one line.
    pub text: String,
    /// Typed, with the default values filled in.
    pub mechanism: Option<Mechanism>,
    pub disruption: Disruption,
    pub reboot: bool,
}

/// A typed fix with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism {
    SshdSetting { setting: String, value: String },
    Sysctl { key: String, value: String },
    FilePermissions { path: String, mode: Option<String>, owner: Option<String>, group: Option<String> },
    Package { name: String, installed: bool },
    Unit { name: String, enabled: Option<bool>, active: Option<bool> },
    ModuleDisabled { name: String },
    Setting { file: String, key: String, value: String, format: probes::format::keyvalue::Format },
    MountOptions { point: String, options: Vec<String> },
}

impl Fix {
    /// Returns the fix in one line, with what it disturbs.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.text.clone();
        if self.reboot {
            line.push_str(" (takes effect after a restart)");
        }
        line
    }
}

/// Checks a written fix and fills in the values.
pub(crate) fn build(source: &FixSource, scope: &mut Scope<'_>) -> Option<Fix> {
    if let Some(problem) = prose_problem(&source.text, PROSE_CHARS_MAX) {
        scope.error(source.text.at, format!("fix text {problem}"));
    }
    let mechanism = match &source.mechanism {
        Some(mechanism) => Some(build_mechanism(mechanism, scope)?),
        None => None,
    };
    Some(Fix {
        text: one_line(&source.text.value),
        mechanism,
        disruption: source.disruption,
        reboot: source.reboot,
    })
}

fn build_mechanism(source: &MechanismSource, scope: &mut Scope<'_>) -> Option<Mechanism> {
    Some(match source {
        MechanismSource::SshdSetting { setting, value } => {
            Mechanism::SshdSetting { setting: scope.text(setting)?, value: scope.text(value)? }
        }
        MechanismSource::Sysctl { key, value } => {
            Mechanism::Sysctl { key: scope.text(key)?, value: scope.text(value)? }
        }
        MechanismSource::FilePermissions { path, mode, owner, group } => Mechanism::FilePermissions {
            path: scope.path(path)?,
            mode: mode.as_ref().and_then(|text| scope.text(text)),
            owner: owner.as_ref().and_then(|text| scope.text(text)),
            group: group.as_ref().and_then(|text| scope.text(text)),
        },
        MechanismSource::Package { name, installed } => {
            Mechanism::Package { name: scope.text(name)?, installed: *installed }
        }
        MechanismSource::Unit { name, enabled, active } => {
            Mechanism::Unit { name: scope.text(name)?, enabled: *enabled, active: *active }
        }
        MechanismSource::ModuleDisabled { name } => Mechanism::ModuleDisabled { name: scope.text(name)? },
        MechanismSource::Setting { file, key, value, format } => Mechanism::Setting {
            file: scope.path(file)?,
            key: scope.text(key)?,
            value: scope.text(value)?,
            format: *format,
        },
        MechanismSource::MountOptions { point, options } => Mechanism::MountOptions {
            point: scope.path(point)?,
            options: options.iter().filter_map(|option| scope.text(option)).collect(),
        },
    })
}
