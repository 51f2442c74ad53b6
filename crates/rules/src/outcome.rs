//! What one check says: a verdict, the value it compared, and what it saw; and how several checks combine.

use model::{Observation, Reason, ReasonCode, Source};
use serde_json::Value;

/// What a check decides. Only `Pass` and `Fail` speak of compliance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail,
    NotApplicable(Reason),
    Error(Reason),
}

/// The bytes that a finding speaks about.
#[derive(Debug, Clone)]
pub(crate) enum Answer<'a> {
    /// Everything the command printed.
    Whole(&'a Observation),
    /// The part of a shared probe's answer that this command would have printed.
    Part(Vec<u8>),
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub(crate) struct Finding<'a> {
    /// What was looked at, in a word or two: `permitrootlogin`.
    pub(crate) subject: String,
    /// Name of the setting whose value was looked at; none for what is no setting. A name may be that of a secret.
    pub(crate) setting: Option<String>,
    /// As a person would type it.
    pub(crate) command: String,
    pub(crate) answer: Answer<'a>,
    /// The part of the answer that decided; the whole answer when none.
    pub(crate) excerpt: Option<Vec<u8>>,
    pub(crate) exit: Option<i32>,
    pub(crate) expected: String,
    pub(crate) actual: String,
    pub(crate) source: Option<Source>,
    /// Whether what was found is what was expected; none when that could not be told.
    pub(crate) holds: Option<bool>,
}

impl Finding<'_> {
    /// Says of which setting the value was looked at.
    pub(crate) fn of_setting(self, name: &str) -> Self {
        Self { setting: Some(name.to_owned()), ..self }
    }
}

/// What one check says.
#[derive(Debug, Clone)]
pub(crate) struct Outcome<'a> {
    pub(crate) verdict: Verdict,
    pub(crate) value: Value,
    pub(crate) findings: Vec<Finding<'a>>,
}

impl<'a> Outcome<'a> {
    /// A check that could not decide.
    pub(crate) const fn error(reason: Reason) -> Self {
        Self { verdict: Verdict::Error(reason), value: Value::Null, findings: Vec::new() }
    }

    /// A check that decided by what its findings say.
    pub(crate) fn decided(pass: bool, value: Value, findings: Vec<Finding<'a>>) -> Self {
        Self { verdict: if pass { Verdict::Pass } else { Verdict::Fail }, value, findings }
    }

    /// A check whose subject is not there, with what that means.
    pub(crate) fn missing(meaning: crate::methods::Missing, value: Value, mut finding: Finding<'a>) -> Self {
        use crate::methods::Missing;
        let verdict = match meaning {
            Missing::Pass => Verdict::Pass,
            Missing::Fail => Verdict::Fail,
            Missing::NotApplicable => Verdict::NotApplicable(Reason::new(
                ReasonCode::SubjectAbsent,
                format!("{}: {}", finding.subject, finding.actual),
            )),
        };
        finding.holds = match meaning {
            Missing::Pass => Some(true),
            Missing::Fail => Some(false),
            Missing::NotApplicable => None,
        };
        Self { verdict, value, findings: vec![finding] }
    }
}

/// `all`: a failure decides; then an error; then a pass; checks that do not apply are left out.
pub(crate) fn all(outcomes: Vec<Outcome<'_>>) -> Outcome<'_> {
    combine(outcomes, &Verdict::Fail, &Verdict::Pass)
}

/// `any`: a pass decides; then an error; then a failure; checks that do not apply are left out.
pub(crate) fn any(outcomes: Vec<Outcome<'_>>) -> Outcome<'_> {
    combine(outcomes, &Verdict::Pass, &Verdict::Fail)
}

fn combine<'a>(outcomes: Vec<Outcome<'a>>, decisive: &Verdict, otherwise: &Verdict) -> Outcome<'a> {
    let has = |wanted: &Verdict| outcomes.iter().any(|outcome| outcome.verdict == *wanted);
    let first = |is: fn(&Verdict) -> bool| outcomes.iter().map(|o| &o.verdict).find(|v| is(v)).cloned();
    let verdict = if has(decisive) {
        decisive.clone()
    } else if let Some(error) = first(|verdict| matches!(verdict, Verdict::Error(_))) {
        error
    } else if has(otherwise) {
        otherwise.clone()
    } else {
        first(|verdict| matches!(verdict, Verdict::NotApplicable(_))).unwrap_or_else(|| otherwise.clone())
    };
    let mut values = Vec::new();
    let mut findings = Vec::new();
    for outcome in outcomes {
        values.push(outcome.value);
        findings.extend(outcome.findings);
    }
    Outcome { verdict, value: Value::Array(values), findings }
}

/// `not`: pass and fail change places; errors and checks that do not apply stay.
pub(crate) fn not(mut outcome: Outcome<'_>) -> Outcome<'_> {
    outcome.verdict = match outcome.verdict {
        Verdict::Pass => Verdict::Fail,
        Verdict::Fail => Verdict::Pass,
        other @ (Verdict::NotApplicable(_) | Verdict::Error(_)) => other,
    };
    for finding in &mut outcome.findings {
        finding.expected = format!("not: {}", finding.expected);
        finding.holds = finding.holds.map(|holds| !holds);
    }
    outcome
}

/// Two layers of one setting, running and persistent: both must hold; each keeps its name in the value.
pub(crate) fn layers<'a>(running: Option<Outcome<'a>>, persistent: Option<Outcome<'a>>) -> Outcome<'a> {
    let mut value = serde_json::Map::new();
    let mut outcomes = Vec::new();
    for (name, outcome) in [("running", running), ("persistent", persistent)] {
        if let Some(outcome) = outcome {
            value.insert(name.to_owned(), outcome.value.clone());
            outcomes.push(outcome);
        }
    }
    let mut outcome = all(outcomes);
    outcome.value = Value::Object(value);
    outcome
}

#[cfg(test)]
mod tests;
