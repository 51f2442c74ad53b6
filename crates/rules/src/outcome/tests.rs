use model::{Reason, ReasonCode};
use serde_json::Value;

use super::{Outcome, Verdict, all, any, not};

fn of(letter: char) -> Outcome<'static> {
    let verdict = match letter {
        'P' => Verdict::Pass,
        'F' => Verdict::Fail,
        'N' => Verdict::NotApplicable(Reason::new(ReasonCode::SubjectAbsent, "n")),
        _ => Verdict::Error(Reason::new(ReasonCode::NoAnswer, "e")),
    };
    Outcome { verdict, value: Value::Null, findings: Vec::new() }
}

const fn letter(outcome: &Outcome<'_>) -> char {
    match outcome.verdict {
        Verdict::Pass => 'P',
        Verdict::Fail => 'F',
        Verdict::NotApplicable(_) => 'N',
        Verdict::Error(_) => 'E',
    }
}

/// Row and column are the two checks, in the order P F E N.
fn table(combine: fn(Vec<Outcome<'static>>) -> Outcome<'static>) -> String {
    let row = |left: char| -> String {
        "PFEN".chars().map(|right| letter(&combine(vec![of(left), of(right)]))).collect()
    };
    "PFEN".chars().map(row).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_failure_decides_all_and_then_an_error_does() {
    assert_eq!(table(all), "PFEP FFFF EFEE PFEN");
}

#[test]
fn a_pass_decides_any_and_then_an_error_does() {
    assert_eq!(table(any), "PPPP PFEF PEEE PFEN");
}

#[test]
fn not_turns_verdicts_only() {
    let turned: String = "PFEN".chars().map(|c| letter(&not(of(c)))).collect();
    assert_eq!(turned, "FPEN");
}
