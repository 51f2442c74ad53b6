//! `command`: a free shell check, for imported content; marked in every list and never in shipped content.

use crate::compare::{Case, Comparator, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::located::{Located, Text};

comparing! {
    /// A free shell check: standard output compared, exit status judged.
    CommandSource {
        /// POSIX sh text; it must not change anything.
        run: Text,
        /// Exit statuses that count as an answer. Default 0.
        #[serde(default)]
        exit: Option<Located<Vec<i32>>>,
        /// Longest it may run. Seconds, 1 to 300. Default 30.
        #[serde(default)]
        timeout_s: Option<Located<u32>>,
    }
}

/// See [`CommandSource`].
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) run: String,
    pub(crate) comparator: Option<Comparator>,
    pub(crate) exit: Vec<i32>,
    pub(crate) timeout_ms: Option<u32>,
}

/// Longest shell text of one check. Bytes.
const RUN_BYTES_MAX: usize = 65_536;

impl CommandSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Command> {
        let run = self.run.value.clone();
        if run.trim().is_empty() || run.len() > RUN_BYTES_MAX || run.contains('\0') {
            scope.error(self.run.at, "run is 1 to 65,536 bytes of shell text without NUL");
        }
        let comparator = self.comparator().compile_optional(scope, at, Case::Exact);
        if comparator.is_none() && self.exit.is_none() {
            scope.error(at, "a comparator or exit is needed");
        }
        if let Some(seconds) = self.timeout_s.as_ref().filter(|s| !(1..=300).contains(&s.value)) {
            scope.error(seconds.at, "timeout_s is 1 to 300");
        }
        let exit = self.exit.as_ref().map_or_else(|| vec![0], |exit| exit.value.clone());
        if let Some(codes) = &self.exit
            && (codes.value.is_empty() || codes.value.iter().any(|code| !(0..=255).contains(code)))
        {
            scope.error(codes.at, "exit is a list of 0 to 255");
        }
        let timeout_ms = self.timeout_s.as_ref().map(|s| s.value.saturating_mul(1_000));
        Some(Command { run, comparator, exit, timeout_ms })
    }
}
