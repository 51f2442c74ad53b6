//! `sysctl`: a kernel parameter, running (/proc/sys) and persistent (sysctl.d(5)).

use crate::compare::{Case, Comparator, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::located::Text;
use crate::methods::{Layers, Missing};

comparing! {
    /// A kernel parameter, running and persistent.
    SysctlSource {
        /// With dots, like `kernel.kptr_restrict`.
        key: Text,
        #[serde(default)]
        layers: Layers,
        /// What it means when the running kernel has no such parameter. Default fail.
        #[serde(default)]
        missing: Option<Missing>,
    }
}

/// See [`SysctlSource`].
#[derive(Debug, Clone)]
pub(crate) struct Sysctl {
    /// In /proc/sys form, with slashes.
    pub(crate) path: String,
    /// As written.
    pub(crate) key: String,
    pub(crate) comparator: Comparator,
    pub(crate) layers: Layers,
    pub(crate) missing: Missing,
}

impl SysctlSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Sysctl> {
        let key = scope.word(&self.key, "a kernel parameter", "._-/");
        let comparator = self.comparator().compile(scope, at, Case::Exact);
        let key = key?;
        let path = crate::format::sysctl_d::key_path(&key);
        if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            scope.error(self.key.at, format!("{key:?} is not a kernel parameter"));
        }
        Some(Sysctl {
            path,
            key,
            comparator: comparator?,
            layers: self.layers,
            missing: self.missing.unwrap_or(Missing::Fail),
        })
    }
}
