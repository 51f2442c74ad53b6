//! `cases`: one of several checks, chosen by what the host is.

use model::{Reason, ReasonCode};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::facts::Facts;
use crate::located::Located;
use crate::methods::{Check, CheckSource};
use crate::outcome::{Finding, Outcome, Verdict};

/// A check for hosts of one kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseSource {
    /// When this passes, the check is judged; without it always, so that only the last case may be.
    #[serde(default)]
    when: Option<CheckSource>,
    check: CheckSource,
}

/// See [`CaseSource`].
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) when: Option<Check>,
    pub(crate) check: Check,
}

impl CaseSource {
    pub(crate) fn has_free_shell(&self) -> bool {
        self.check.has_free_shell() || self.when.as_ref().is_some_and(CheckSource::has_free_shell)
    }
}

pub(crate) fn compile(cases: &Located<Vec<CaseSource>>, scope: &mut Scope<'_>) -> Option<Vec<Case>> {
    let Some((_last, before)) = cases.value.split_last() else {
        scope.error(cases.at, "at least one case is needed");
        return None;
    };
    if before.iter().any(|case| case.when.is_none()) {
        scope.error(cases.at, "only the last case may do without when: those behind it are never judged");
    }
    let one = |case: &CaseSource, scope: &mut Scope<'_>| {
        let when = match &case.when {
            Some(when) => Some(when.compile(scope)?),
            None => None,
        };
        Some(Case { when, check: case.check.compile(scope)? })
    };
    let compiled: Vec<Case> = cases.value.iter().filter_map(|case| one(case, scope)).collect();
    (compiled.len() == cases.value.len()).then_some(compiled)
}

/// Judges the first case whose `when` passes. When it cannot be told whether one does, that is the outcome.
pub(crate) fn evaluate<'a>(cases: &[Case], facts: &Facts<'a>) -> Outcome<'a> {
    let mut looked_at: Vec<Finding<'a>> = Vec::new();
    for case in cases {
        let Some(when) = &case.when else {
            return with(case.check.evaluate(facts), looked_at);
        };
        let gate = when.evaluate(facts);
        match gate.verdict {
            Verdict::Pass => {
                looked_at.extend(gate.findings);
                return with(case.check.evaluate(facts), looked_at);
            }
            Verdict::Error(_) => return gate,
            Verdict::Fail | Verdict::NotApplicable(_) => looked_at.extend(gate.findings),
        }
    }
    let found = looked_at.first().map_or_else(String::new, |finding| {
        format!(": {} is {}, and the first case is for {}", finding.subject, finding.actual, finding.expected)
    });
    let reason =
        Reason::new(ReasonCode::PreconditionUnmet, format!("none of the cases is for this host{found}"));
    let outcome = Outcome {
        verdict: Verdict::NotApplicable(reason),
        value: serde_json::Value::Null,
        findings: Vec::new(),
    };
    with(outcome, looked_at)
}

/// Adds what chose the case. It is evidence and decides nothing, so it neither holds nor fails.
fn with<'a>(mut outcome: Outcome<'a>, looked_at: Vec<Finding<'a>>) -> Outcome<'a> {
    outcome.findings.extend(looked_at.into_iter().map(|finding| Finding { holds: None, ..finding }));
    outcome
}
