//! `module`: a kernel module cannot be used: not loaded, not built in, and not loadable.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::located::{Located, Text};

/// A kernel module is not available: not loaded, and disabled by `install NAME /bin/false` or not there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModuleSource {
    /// `-` and `_` are the same.
    name: Text,
    /// Only `false` can be asked for.
    available: Located<bool>,
}

/// See [`ModuleSource`].
#[derive(Debug, Clone)]
pub(crate) struct Module {
    /// With `_` for `-`.
    pub(crate) name: String,
}

impl ModuleSource {
    pub(crate) fn compile(&self, _at: At, scope: &mut Scope<'_>) -> Option<Module> {
        let name = scope.word(&self.name, "a module name", "_-")?;
        if self.available.value {
            scope.error(self.available.at, "available can only be false");
        }
        Some(Module { name: name.replace('-', "_") })
    }
}
