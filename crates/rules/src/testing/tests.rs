//! A mutation run over the shipped rules: their own tests notice when a part of a check always passes or always
//! fails, and when a probe gives no answer no rule says what it cannot know.

use std::path::Path;

use super::*;
use crate::methods::Check;
use crate::plan::Plan;

fn shipped() -> Corpus {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content");
    let mut files = Vec::new();
    read(&root, &root, &mut files);
    Corpus::load(&files).unwrap()
}

fn read(root: &Path, dir: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Puts `with` in the place of the part with this number; parts are the checks that look at something.
fn replace(check: &mut Check, number: &mut usize, with: &Check) {
    if let Check::All(parts) | Check::Any(parts) = check {
        parts.iter_mut().for_each(|part| replace(part, number, with));
    } else if let Check::Not(part) = check {
        replace(part, number, with);
    } else {
        if *number == 0 {
            *check = with.clone();
        }
        *number = number.wrapping_sub(1);
    }
}

fn parts(check: &Check) -> usize {
    if let Check::All(inner) | Check::Any(inner) = check {
        inner.iter().map(parts).sum()
    } else if let Check::Not(inner) = check {
        parts(inner)
    } else {
        1
    }
}

/// Judges a test's answers by the rule as it is, but for `change`, which may also drop an answer.
fn judged(rule: &Rule, test: &TestSource, number: Option<(usize, &Check)>, dropped: Option<&str>) -> Status {
    let overrides = test.values.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
    let mut compiled = rule.compile(&rule.values_with(&overrides)).unwrap();
    let needs = Needs::of(std::slice::from_ref(&compiled), TIMEOUT_MS);
    let whole = plan(Selected { rules: vec![compiled.clone()] }, TIMEOUT_MS);
    if let Some((mut number, with)) = number {
        replace(&mut compiled.check, &mut number, with);
    }
    let plan = Plan { rules: vec![compiled], ..whole };
    let mut answers = answers::observations(&plan, &needs, &test.given).unwrap();
    answers.retain(|answer| dropped.is_none_or(|key| answer.key != key && key != "*"));
    let masker = Masker::new(&[], |_| Digest([0; 32])).unwrap();
    evaluate(&plan, &hello(test.uid), &answers, &masker)[0].status
}

fn probes(rule: &Rule) -> Vec<String> {
    let compiled = rule.compile(&rule.values_with(&std::collections::BTreeMap::new())).unwrap();
    let plan = plan(Selected { rules: vec![compiled] }, TIMEOUT_MS);
    plan.commands.iter().map(|command| command.key.clone()).collect()
}

#[test]
fn the_tests_of_a_rule_notice_when_a_part_of_its_check_always_passes_or_always_fails() {
    // Of no parts `all` passes and `any` fails.
    let mutants = [("passes", Check::All(Vec::new())), ("fails", Check::Any(Vec::new()))];
    let (mut made, mut alive) = (0, Vec::new());
    for rule in shipped().rules() {
        let tests: Vec<&TestSource> = rule.source.tests.iter().map(|test| &test.value).collect();
        let compiled = rule.compile(&rule.values_with(&std::collections::BTreeMap::new())).unwrap();
        for number in 0..parts(&compiled.check) {
            for (word, with) in &mutants {
                made += 1;
                let noticed = tests.iter().any(|test| {
                    judged(rule, test, None, None) != judged(rule, test, Some((number, with)), None)
                });
                if !noticed {
                    alive.push(format!("{} part {number} always {word}", rule.id));
                }
            }
        }
    }
    println!("{made} mutants, {} alive", alive.len());
    assert!(alive.is_empty(), "{}", alive.join("\n"));
}

#[test]
fn without_an_answer_a_rule_is_an_error_and_never_a_pass_that_it_was_not() {
    let mut dropped = 0;
    for rule in shipped().rules() {
        for test in rule.source.tests.iter().map(|test| &test.value) {
            let before = judged(rule, test, None, None);
            assert_eq!(judged(rule, test, None, Some("*")), Status::Error, "{} {}", rule.id, test.name);
            for probe in probes(rule) {
                dropped += 1;
                let after = judged(rule, test, None, Some(&probe));
                let told = format!("{} {} without {probe}: {before} became {after}", rule.id, test.name);
                assert!(after == before || after == Status::Error, "{told}");
            }
        }
    }
    println!("{dropped} answers dropped");
}
