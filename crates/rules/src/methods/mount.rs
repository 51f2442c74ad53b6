//! `mount`: a mount point and its options, running (/proc/self/mounts) and persistent (fstab(5), or an
//! enabled mount unit).

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::located::{Located, Text};
use crate::methods::Layers;
use crate::source::value::ListSource;

/// A mount point and its options, running and persistent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MountSource {
    point: Text,
    /// Whether something is mounted there. Default true.
    #[serde(default)]
    mounted: Option<Located<bool>>,
    /// Options that must all be there.
    #[serde(default)]
    options: Option<Located<ListSource>>,
    #[serde(default)]
    layers: Layers,
}

/// See [`MountSource`].
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) point: String,
    pub(crate) mounted: bool,
    pub(crate) options: Vec<String>,
    pub(crate) layers: Layers,
}

impl MountSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Mount> {
        let point = scope.path(&self.point)?;
        if point.contains(['*', '?']) {
            scope.error(self.point.at, "a mount point has no wildcards");
        }
        let options = scope.optional_list(self.options.as_ref()).unwrap_or_else(Vec::new);
        let mounted = self.mounted.as_ref().is_none_or(|mounted| mounted.value);
        if !mounted && self.options.is_some() {
            scope.error(at, "options need mounted: true");
        }
        Some(Mount { point, mounted, options, layers: self.layers })
    }
}
