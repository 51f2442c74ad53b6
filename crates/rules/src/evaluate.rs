//! Judging a host's answers: one result per selected rule, whatever the answers are.

use model::{Hello, Observation, Reason, ReasonCode, RuleResult, Status};
use serde_json::Value;

use crate::evidence;
use crate::facts::Facts;
use crate::mask::{MASK, Masker};
use crate::outcome::{Outcome, Verdict};
use crate::plan::Plan;
use crate::rule::CompiledRule;
use probes::shown::{floor, shown};

/// Judges the answers of one host: one result per rule of the plan, in the order of ids.
///
/// Total: missing, torn or hostile answers give results with status `error` and a reason.
#[must_use]
pub fn evaluate(
    plan: &Plan,
    hello: &Hello,
    observations: &[Observation],
    masker: &Masker,
) -> Vec<RuleResult> {
    let facts = Facts::new(plan, hello.uid, observations);
    plan.rules.iter().map(|rule| result(rule, &facts, masker)).collect()
}

fn result(rule: &CompiledRule, facts: &Facts<'_>, masker: &Masker) -> RuleResult {
    let outcome = judge(rule, facts);
    let mut evidence = evidence::build(&outcome.verdict, &outcome.findings, masker);
    evidence.imported = rule.imported.map(|format| format.as_str().to_owned());
    let (status, reason) = match &outcome.verdict {
        Verdict::Pass => (Status::Pass, None),
        Verdict::Fail => (Status::Fail, None),
        Verdict::NotApplicable(reason) => (Status::NotApplicable, Some(reason)),
        Verdict::Error(reason) => (Status::Error, Some(reason)),
    };
    let reason = reason.map(|reason| Reason::new(reason.code, shown(&masker.mask_text(&reason.text).0)));
    let value = match status {
        Status::Pass | Status::Fail | Status::Skipped => {
            masked(outcome.value, &evidence::secrets(&outcome.findings, masker), masker)
        }
        Status::Error | Status::NotApplicable => Value::Null,
    };
    RuleResult { rule_id: rule.id.clone(), status, severity: rule.severity, value, reason, evidence }
}

fn judge<'a>(rule: &CompiledRule, facts: &Facts<'a>) -> Outcome<'a> {
    if let Some(when) = &rule.when {
        let precondition = when.evaluate(facts);
        match precondition.verdict {
            Verdict::Pass => {}
            Verdict::Error(_) => return precondition,
            Verdict::Fail | Verdict::NotApplicable(_) => {
                let found = precondition.findings.first().map_or_else(String::new, |finding| {
                    format!(
                        ": {} is {}, and the rule is for {}",
                        finding.subject, finding.actual, finding.expected
                    )
                });
                let reason =
                    Reason::new(ReasonCode::PreconditionUnmet, format!("the precondition is not met{found}"));
                return Outcome { verdict: Verdict::NotApplicable(reason), ..precondition };
            }
        }
    }
    rule.check.evaluate(facts)
}

/// Longest text in a value. Bytes.
const VALUE_TEXT_BYTES_MAX: usize = 4_096;

/// Masks and bounds every text of a value; what is one of the `secrets` that were found goes whole.
fn masked(value: Value, secrets: &[&str], masker: &Masker) -> Value {
    match value {
        Value::String(text) if secrets.contains(&text.as_str()) => Value::String(MASK.to_owned()),
        Value::Number(number) if secrets.contains(&number.to_string().as_str()) => {
            Value::String(MASK.to_owned())
        }
        Value::String(text) => Value::String(bounded(&text, masker)),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| masked(item, secrets, masker)).collect())
        }
        Value::Object(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| (bounded(&key, masker), masked(value, secrets, masker)))
                .collect(),
        ),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

fn bounded(text: &str, masker: &Masker) -> String {
    let mut text = masker.mask_text(text).0;
    if text.len() > VALUE_TEXT_BYTES_MAX {
        text.truncate(floor(&text, VALUE_TEXT_BYTES_MAX));
        text.push_str("...");
    }
    text
}
