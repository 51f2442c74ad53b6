//! Effective settings of the SSH server, from `sshd -T`.

use std::collections::BTreeMap;

use model::{Observation, Reason, ReasonCode};

use super::unexpected;
use crate::shown::first_line;

/// As a person would type it.
pub(crate) const COMMAND: &str = "sshd -T";

/// Settings with `Match` blocks are asked for a root login from this machine when the plain question
/// is refused.
pub(crate) const SCRIPT: &str = r#"s=
for p in /usr/sbin/sshd /usr/local/sbin/sshd; do
  if [ -f "$p" ]; then s=$p; break; fi
done
[ -n "$s" ] || s=$(command -v sshd) || { echo "sshd: not found" >&2; exit 127; }
if o=$("$s" -T); then
  :
else
  o=$("$s" -T -C user=root,host=localhost,addr=127.0.0.1) || exit $?
fi
printf '%s\n.\n' "$o"
"#;

/// Effective settings: lower-case keyword to its values, in order.
#[derive(Debug, Default)]
pub(crate) struct Settings(pub(crate) BTreeMap<String, Vec<String>>);

/// Parses the answer.
pub(crate) fn parse(observation: &Observation, exit: i32, uid: u32) -> Result<Settings, Reason> {
    if exit != 0 {
        let said = first_line(&observation.stderr);
        let text = format!("sshd -T left with {exit}: {said}");
        let code = if uid == 0 { ReasonCode::ToolFailed } else { ReasonCode::PermissionDenied };
        return Err(Reason::new(code, text));
    }
    parse_text(&observation.stdout)
}

/// Parses the lines `keyword value...`; the end mark is optional in recorded answers.
pub(crate) fn parse_text(stdout: &[u8]) -> Result<Settings, Reason> {
    let body = stdout.strip_suffix(b"\n.\n").unwrap_or(stdout);
    let text = String::from_utf8_lossy(body);
    let mut settings = Settings::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        if !keyword.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(unexpected(format!(
                "sshd -T printed a line that is no setting: {}",
                first_line(line.as_bytes())
            )));
        }
        settings.0.entry(keyword.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
    }
    if settings.0.is_empty() {
        return Err(unexpected("sshd -T printed no setting"));
    }
    Ok(settings)
}
