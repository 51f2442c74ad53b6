//! Exceptions from the rules, each with its reason, all in one file.
//!
//! A line reads `rule path subject: reason`; a path of `*` is any. An exception that no longer
//! allows anything is a finding itself, so the list cannot rot.

use super::{Finding, Rule, Source};

/// Where the exceptions stand.
pub(crate) const PATH: &str = "xtask/tidy-allow.txt";

struct Exception<'a> {
    line: usize,
    rule: &'a str,
    path: &'a str,
    subject: &'a str,
    has_reason: bool,
}

/// Takes out the findings that are allowed and adds one for each exception that is not needed.
pub(crate) fn apply(file: Option<&Source>, findings: Vec<Finding>) -> Vec<Finding> {
    let Some(file) = file else { return findings };
    let exceptions: Vec<Exception<'_>> = read(&file.text);
    let mut used = vec![false; exceptions.len()];
    let mut left: Vec<Finding> = Vec::new();
    for finding in findings {
        match exceptions.iter().position(|exception| exception.covers(&finding)) {
            Some(which) => used[which] = true,
            None => left.push(finding),
        }
    }
    for (exception, used) in exceptions.iter().zip(used) {
        if !used || !exception.has_reason {
            let subject = format!("{} {} {}", exception.rule, exception.path, exception.subject);
            left.push(file.finding(exception.line, Rule::Allow, subject));
        }
    }
    left
}

fn read(text: &str) -> Vec<Exception<'_>> {
    let lines =
        text.lines().enumerate().filter(|(_at, line)| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            let (what, reason) = line.split_once(": ").unwrap_or((line, ""));
            let mut words = what.splitn(3, ' ');
            let mut next = || words.next().unwrap_or("");
            Exception {
                line: at + 1,
                rule: next(),
                path: next(),
                subject: next(),
                has_reason: !reason.trim().is_empty(),
            }
        })
        .collect()
}

impl Exception<'_> {
    fn covers(&self, finding: &Finding) -> bool {
        self.has_reason
            && self.rule == finding.rule.name()
            && (self.path == "*" || self.path == finding.path)
            && self.subject == finding.subject
    }
}
