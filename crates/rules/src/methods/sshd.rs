//! `sshd`: one effective setting of the SSH server, as `sshd -T` gives it, and what `Match` blocks set instead.

use model::Source;

use crate::compare::{Case, Comparator, Seen, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::Text;
use crate::methods::Missing;
use crate::methods::judge::{compared, in_answer};
use crate::outcome::{Outcome, Verdict};

comparing! {
    /// One effective setting of the SSH server (sshd -T), which no Match block may set to a value that is not
    /// accepted; values compare without regard to case.
    SshdSource {
        /// Keyword, in lower case.
        setting: Text,
        /// Splits the value into a list; white space when not set.
        #[serde(default)]
        separator: Option<Text>,
        /// What it means when sshd does not name the setting; else that is an error.
        #[serde(default)]
        missing: Option<Missing>,
    }
}

/// See [`SshdSource`].
#[derive(Debug, Clone)]
pub(crate) struct Sshd {
    pub(crate) setting: String,
    pub(crate) comparator: Comparator,
    pub(crate) separator: Option<String>,
    pub(crate) missing: Option<Missing>,
}

impl SshdSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Sshd> {
        let setting = scope.word(&self.setting, "an sshd keyword", "");
        if setting.as_ref().is_some_and(|word| word.bytes().any(|b| b.is_ascii_uppercase())) {
            scope.error(self.setting.at, "sshd -T gives keywords in lower case");
        }
        let comparator = self.comparator().compile(scope, at, Case::Fold);
        let separator = self.separator.as_ref().and_then(|text| scope.text(text));
        Some(Sshd { setting: setting?, comparator: comparator?, separator, missing: self.missing })
    }
}

impl Sshd {
    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let settings = match facts.sshd() {
            Ok(settings) => settings,
            Err(reason) => return Outcome::error(reason),
        };
        let mut values = settings.effective.get(&self.setting).cloned().unwrap_or_default();
        let mut finding =
            in_answer(&self.setting, probes::sshd::COMMAND, facts.sshd_text()).of_setting(&self.setting);
        let mut lines: String = values.iter().map(|value| format!("{} {value}\n", self.setting)).collect();
        let mut is_spoiled = false;
        let blocks = settings.in_blocks.get(&self.setting).map_or(&[][..], Vec::as_slice);
        // Whether a setting is there at all is asked of all connections, not of those that a block is for.
        if !self.comparator.judges_presence() {
            for block in blocks.iter().filter(|block| !self.satisfies(&block.value)) {
                lines.push_str(&format!(
                    "{} {} (in a Match block, line {} of {})\n",
                    self.setting, block.value, block.line, block.file
                ));
                let source = Source { file: block.file.clone(), line: Some(block.line) };
                finding.source.get_or_insert(source);
                is_spoiled = true;
                values.push(block.value.clone());
            }
        }
        finding.excerpt = Some(lines.into_bytes());
        if values.is_empty() && !self.comparator.judges_presence() {
            finding.expected = self.comparator.describe();
            "not set".clone_into(&mut finding.actual);
            return match self.missing {
                Some(missing) => Outcome::missing(missing, serde_json::Value::Null, finding),
                None => {
                    let text = format!("this sshd does not name the setting {}", self.setting);
                    let verdict = Verdict::Error(probes::unexpected(text));
                    Outcome { verdict, value: serde_json::Value::Null, findings: vec![finding] }
                }
            };
        }
        // sshd compares keywords and most arguments without regard to case.
        let lower: Vec<String> = values.iter().map(|value| value.to_ascii_lowercase()).collect();
        let seen = Seen { values: &lower, separator: self.separator.as_deref(), case: Case::Fold };
        let mut outcome = compared(&self.comparator, &seen, finding);
        // A list as a whole may hold what a block alone lacks.
        if is_spoiled && outcome.verdict == Verdict::Pass {
            outcome.verdict = Verdict::Fail;
            outcome.findings.iter_mut().for_each(|finding| finding.holds = Some(false));
        }
        outcome
    }

    /// Tells whether what a `Match` block sets is as it should be; what cannot be compared is not.
    fn satisfies(&self, value: &str) -> bool {
        let lower = [value.to_ascii_lowercase()];
        let seen = Seen { values: &lower, separator: self.separator.as_deref(), case: Case::Fold };
        self.comparator.judge(&seen) == Ok(true)
    }
}
