//! Rule tests: worked examples that run through the real planning, parsing and evaluation.
//!
//! Short forms of answers are turned into the bytes that the real probes would give (see `testing::answers`).

mod answers;

use model::{Digest, Hello, Platform, RuleId, Status};

use crate::corpus::Corpus;
use crate::evaluate::evaluate;
use crate::mask::{Masker, MaskerError};
use crate::plan::{Needs, TIMEOUT_MS, plan};
use crate::rule::Rule;
use crate::select::Selected;
use crate::source::file::{StatusName, TestSource};

pub(crate) use answers::check_given;

/// How one test of one rule ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    pub rule_id: RuleId,
    pub name: String,
    pub expected: Status,
    /// None when the test could not run.
    pub got: Option<Status>,
    /// Why the rule said so, or why the test could not run.
    pub detail: String,
}

impl TestOutcome {
    /// Tells whether the rule said what the test expects.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.got == Some(self.expected)
    }
}

/// Runs every test of every rule, in the order of rule ids and files.
#[must_use]
pub fn run_rule_tests(corpus: &Corpus) -> Vec<TestOutcome> {
    // Digests of evidence are not what a rule test looks at.
    let masker = Masker::new(&[], |_| Digest([0; 32]));
    let tests = corpus.rules().flat_map(|rule| rule.source.tests.iter().map(move |test| (rule, &test.value)));
    tests.map(|(rule, test)| run(rule, test, &masker)).collect()
}

fn run(rule: &Rule, test: &TestSource, masker: &Result<Masker, MaskerError>) -> TestOutcome {
    let expected = match test.expect {
        StatusName::Pass => Status::Pass,
        StatusName::Fail => Status::Fail,
        StatusName::Error => Status::Error,
        StatusName::NotApplicable => Status::NotApplicable,
    };
    let (got, detail) = match answer(rule, test, masker) {
        Ok((status, detail)) => (Some(status), detail),
        Err(problem) => (None, problem),
    };
    TestOutcome { rule_id: rule.id.clone(), name: test.name.clone(), expected, got, detail }
}

fn answer(
    rule: &Rule,
    test: &TestSource,
    masker: &Result<Masker, MaskerError>,
) -> Result<(Status, String), String> {
    let overrides = test.values.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
    let compiled = rule
        .compile(&rule.values_with(&overrides))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let selected = Selected { rules: vec![compiled] };
    let needs = Needs::of(&selected.rules, TIMEOUT_MS);
    let plan = plan(selected, TIMEOUT_MS);
    let observations = answers::observations(&plan, &needs, &test.given)?;
    let masker = masker.as_ref().map_err(ToString::to_string)?;
    let results = evaluate(&plan, &hello(test.uid), &observations, masker);
    let result = results.into_iter().next().ok_or("the rule gave no result")?;
    Ok((result.status, result.evidence.detail))
}

fn hello(uid: u32) -> Hello {
    let platform = Platform {
        id: "test".to_owned(),
        id_like: Vec::new(),
        version: "1".to_owned(),
        name: "test".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "test".to_owned(),
    };
    Hello { uid, hostname: "test".to_owned(), platform, tools: Vec::new() }
}

#[cfg(test)]
mod tests;
