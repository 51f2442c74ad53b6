//! `package`: whether packages are installed, by the host's own package database.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::located::{Located, Text};
use crate::source::value::ListSource;

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
