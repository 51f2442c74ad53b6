//! `walk`: files of one dangerous sort anywhere on the host's own file systems. Runs in the slow lane.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::facts::Facts;
use crate::located::Located;
use crate::methods::judge::{in_answer, none_of};
use crate::outcome::Outcome;
use crate::source::value::ListSource;
use probes::format::glob;
use probes::shown::bounded;
use probes::walk::Sort;

/// No file of one sort stands on the local file systems.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WalkSource {
    find: Sort,
    /// Paths that are accepted; `*` stops at `/`, `**` does not.
    #[serde(default)]
    allow: Option<Located<ListSource>>,
}

/// See [`WalkSource`].
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    pub(crate) sort: Sort,
    pub(crate) allow: Vec<String>,
}

impl WalkSource {
    pub(crate) fn compile(&self, scope: &mut Scope<'_>) -> Option<Walk> {
        let allow = match &self.allow {
            Some(list) => scope.paths(list)?,
            None => Vec::new(),
        };
        Some(Walk { sort: self.find, allow })
    }
}

impl Walk {
    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let hits = match facts.walk() {
            Ok(hits) => hits,
            Err(reason) => return Outcome::error(reason),
        };
        let (mut offenders, mut lines) = (Vec::new(), String::new());
        for hit in hits.of(self.sort) {
            if self.allow.iter().any(|pattern| glob::matches(pattern, &hit.path)) {
                continue;
            }
            offenders.push(bounded(&hit.path));
            lines.push_str(&format!("{} {} {} {}\n", hit.mode, hit.owner, hit.group, hit.path));
        }
        let command = format!("{} {} -printf '%m %u %g %p\\n'", probes::walk::COMMAND, self.sort.predicate());
        let finding = in_answer(self.sort.name(), command, lines.into_bytes());
        none_of(offenders, "none", finding)
    }
}
