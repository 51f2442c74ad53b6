//! `package`: whether packages are installed, by the host's own package database.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::{Located, Text};
use crate::methods::judge::in_answer;
use crate::outcome::{self, Outcome};
use crate::source::value::ListSource;
use probes::packages::{Manager, Packages};

/// Whether packages are installed (dpkg or rpm).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackageSource {
    #[serde(default)]
    name: Option<Text>,
    /// Several names: all of them.
    #[serde(default)]
    names: Option<Located<ListSource>>,
    installed: bool,
}

/// See [`PackageSource`].
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) names: Vec<String>,
    pub(crate) installed: bool,
}

impl PackageSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Package> {
        let names = match (&self.name, &self.names) {
            (Some(name), None) => vec![scope.word(name, "a package name", "+-._")?],
            (None, Some(names)) => scope.list(names)?,
            (None, None) | (Some(_), Some(_)) => {
                scope.error(at, "exactly one of name and names is needed");
                return None;
            }
        };
        Some(Package { names, installed: self.installed })
    }
}

impl Package {
    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let packages = match facts.packages() {
            Ok(packages) => packages,
            Err(reason) => return Outcome::error(reason),
        };
        let mut outcomes: Vec<Outcome<'a>> =
            self.names.iter().map(|name| self.judge(name, packages)).collect();
        match (outcomes.len(), outcomes.pop()) {
            (1, Some(only)) => only,
            (_, last) => outcome::all(outcomes.into_iter().chain(last).collect()),
        }
    }

    fn judge<'a>(&self, name: &str, packages: &Packages) -> Outcome<'a> {
        let command = match packages.manager {
            Manager::Dpkg => {
                format!("dpkg-query -W -f '${{Package}} ${{Version}} ${{db:Status-Status}}\\n' {name}")
            }
            Manager::Rpm => format!("rpm -q --qf '%{{NAME}} %{{EVR}} installed\\n' {name}"),
        };
        let lines = packages.installed.get(name);
        let text: String = lines.into_iter().flatten().map(|line| format!("{line}\n")).collect();
        let mut finding = in_answer(name, command, text.into_bytes());
        finding.exit = Some(i32::from(lines.is_none()));
        let word = |installed: bool| if installed { "installed" } else { "not installed" };
        finding.expected = word(self.installed).to_owned();
        finding.actual = word(lines.is_some()).to_owned();
        let pass = lines.is_some() == self.installed;
        finding.holds = Some(pass);
        // The version changes with every update and is not what the rule compares.
        Outcome::decided(pass, word(lines.is_some()).into(), vec![finding])
    }
}
