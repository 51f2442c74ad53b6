//! What the audit system of the running kernel is told to record, by auditctl.

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};
use crate::format::audit::{self, Line, Rule};
use crate::shown::{bounded, first_line};

/// As a person would type it.
pub const COMMAND: &str = "auditctl -l";
/// As a person would type it.
pub const STATUS_COMMAND: &str = "auditctl -s";

pub const SCRIPT: &str = r#"command -v auditctl >/dev/null 2>&1 || { echo 'auditctl: not found' >&2; exit 127; }
r=$(auditctl -l) || exit 1
s=$(auditctl -s) || exit 1
printf '%s\n--\n%s\n.\n' "$r" "$s"
"#;

/// What is in force.
#[derive(Debug)]
pub struct Loaded {
    pub rules: Vec<Rule>,
    /// As they came, one line each.
    pub lines: Vec<String>,
    /// 0 off, 1 on, 2 on and locked until the next start.
    pub enabled: u8,
}

/// Parses the answer of a login with this user id.
///
/// # Errors
/// When `auditctl` failed or refuses this user, or the answer is torn or not what it prints.
pub fn parse(observation: &Observation, exit: i32, uid: u32) -> Result<Loaded, Reason> {
    if exit != 0 {
        let code = if uid == 0 { ReasonCode::ToolFailed } else { ReasonCode::PermissionDenied };
        return Err(Reason::new(code, format!("auditctl: {}", first_line(&observation.stderr))));
    }
    let mut lines = super::body_lines(&observation.stdout, "audit")?.into_iter().map(lossy);
    let (mut rules, mut shown) = (Vec::new(), Vec::new());
    for line in lines.by_ref().take_while(|line| line != "--") {
        if line == "No rules" {
            continue;
        }
        let parsed = audit::parse(&line)
            .map_err(|what| unexpected(format!("auditctl listed {}: {what}", bounded(&line))))?;
        if let Line::Rule(rule) = parsed {
            rules.push(*rule);
            shown.push(line);
        }
    }
    let enabled = lines
        .find_map(|line| line.strip_prefix("enabled ").map(str::to_owned))
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| unexpected("auditctl did not say whether auditing is enabled"))?;
    Ok(Loaded { rules, lines: shown, enabled })
}
