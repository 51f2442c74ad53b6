//! `kernel_cmdline`: a kernel boot parameter, running (/proc/cmdline) and persistent (what the boot loader
//! is configured to pass).

use crate::compare::{Case, Comparator, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::located::Text;
use crate::methods::Layers;

comparing! {
    /// A kernel boot parameter, running and persistent.
    KernelCmdlineSource {
        /// Name before `=`; a parameter without `=` has an empty value.
        parameter: Text,
        #[serde(default)]
        layers: Layers,
    }
}

/// See [`KernelCmdlineSource`].
#[derive(Debug, Clone)]
pub(crate) struct KernelCmdline {
    pub(crate) parameter: String,
    pub(crate) comparator: Comparator,
    pub(crate) layers: Layers,
}

impl KernelCmdlineSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<KernelCmdline> {
        let parameter = scope.word(&self.parameter, "a kernel parameter name", "._-");
        let comparator = self.comparator().compile(scope, at, Case::Exact);
        Some(KernelCmdline { parameter: parameter?, comparator: comparator?, layers: self.layers })
    }
}
