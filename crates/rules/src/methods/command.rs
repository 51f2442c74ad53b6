//! `command`: a free shell check, for imported content; marked in every list and never in shipped content.

use model::{Observation, Reason, ReasonCode};

use crate::compare::{Case, Comparator, Seen, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::{Located, Text};
use crate::methods::judge::compared;
use crate::outcome::{Answer, Finding, Outcome, Verdict};
use probes::shown::first_line;

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

impl Command {
    /// Returns the longest it may run: its own limit, or else the scan's. Milliseconds.
    pub(crate) fn limit_ms(&self, scan_ms: u32) -> u32 {
        self.timeout_ms.unwrap_or(scan_ms)
    }

    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let key =
            facts.plan.shell.iter().find(|((run, limit), _)| {
                *run == self.run && self.timeout_ms.is_none_or(|own| own == *limit)
            });
        let Some((_, key)) = key else {
            return Outcome::error(Reason::new(ReasonCode::NoAnswer, "the command was not sent"));
        };
        let (observation, exit) = match facts.answer(key) {
            Ok(answer) => answer,
            Err(reason) => {
                let shown = facts.cut(key).map(|(observation, exit)| self.finding(observation, exit));
                return Outcome { findings: shown.into_iter().collect(), ..Outcome::error(reason) };
            }
        };
        let mut finding = self.finding(observation, exit);
        if !self.exit.contains(&exit) {
            let code = match exit {
                127 => ReasonCode::ToolMissing,
                126 => ReasonCode::PermissionDenied,
                _ => {
                    finding.holds = Some(false);
                    return Outcome::decided(false, serde_json::json!({"exit": exit}), vec![finding]);
                }
            };
            let reason = Reason::new(
                code,
                format!("the command left with {exit}: {}", first_line(&observation.stderr)),
            );
            return Outcome {
                verdict: Verdict::Error(reason),
                value: serde_json::Value::Null,
                findings: vec![finding],
            };
        }
        let Some(comparator) = &self.comparator else {
            finding.holds = Some(true);
            return Outcome::decided(true, serde_json::json!({"exit": exit}), vec![finding]);
        };
        // Exactly one line feed at the end is not part of the answer (EXE-14).
        let stdout = observation.stdout.strip_suffix(b"\n").unwrap_or(&observation.stdout);
        let text = String::from_utf8_lossy(stdout).into_owned();
        let values = if text.is_empty() && comparator.judges_presence() { Vec::new() } else { vec![text] };
        compared(comparator, &Seen { values: &values, separator: None, case: Case::Exact }, finding)
    }

    fn finding<'a>(&self, observation: &'a Observation, exit: i32) -> Finding<'a> {
        Finding {
            subject: "the command".to_owned(),
            setting: None,
            command: self.run.clone(),
            answer: Answer::Whole(observation),
            excerpt: None,
            exit: Some(exit),
            expected: format!("exit status {}", codes(&self.exit)),
            actual: format!("exit status {exit}"),
            source: None,
            holds: None,
        }
    }
}

fn codes(codes: &[i32]) -> String {
    codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
