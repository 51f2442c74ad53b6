//! Running kernel parameters, read from /proc/sys by one `grep` for all of them.
//!
//! Not by the shell's own `read`: where it takes one byte at a time, as that of dash does, the kernel gives the first
//! character of a number and then says that this was all (proc_dointvec() answers nothing at an offset above 0).

use std::collections::{BTreeMap, BTreeSet};

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};

/// Writes the script for parameters in their path form. Each that is there is marked as not read before its value follows,
/// a line of it at a time.
pub fn script(paths: &BTreeSet<String>) -> String {
    let mut script = String::from(
        r#"[ -d /proc/sys/kernel ] || { echo '/proc/sys: not found' >&2; exit 127; }
command -v grep >/dev/null 2>&1 || { echo 'grep: not found' >&2; exit 127; }
set --
for k in"#,
    );
    for path in paths {
        script.push(' ');
        script.push_str(path);
    }
    script.push_str(
        r#"; do
f=/proc/sys/$k
if [ -e "$f" ]; then
set -- "$@" "$f"
printf '!%s\n' "$k"
else printf -- '-%s\n' "$k"
fi
done
[ $# -eq 0 ] || grep '' "$@" /dev/null 2>/dev/null | while IFS= read -r l; do
l=${l#/proc/sys/}
printf '=%s %s\n' "${l%%:*}" "${l#*:}"
done
echo .
"#,
    );
    script
}

/// A running parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    /// White space between words is one blank.
    Value(String),
    Absent,
}

/// Running parameters by path form.
#[derive(Debug, Default)]
pub struct Parameters(BTreeMap<String, Result<Running, Reason>>);

impl Parameters {
    /// Returns a parameter.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn get(&self, path: &str) -> Result<Running, Reason> {
        self.0.get(path).cloned().unwrap_or_else(|| {
            Err(unexpected(format!("the kernel parameter probe said nothing about {path}")))
        })
    }
}

/// Parses the answer.
///
/// # Errors
/// When the answer is torn or does not have the shape that its script gives.
pub fn parse(observation: &Observation) -> Result<Parameters, Reason> {
    let mut parameters = Parameters::default();
    for line in super::body_lines(&observation.stdout, "kernel parameter")? {
        let line = lossy(line);
        let (path, state) = if let Some(rest) = line.strip_prefix('=') {
            let (path, value) = rest.split_once(' ').unwrap_or((rest, ""));
            let value = match parameters.0.get(path) {
                Some(Ok(Running::Value(before))) => normal(&format!("{before} {value}")),
                Some(Ok(Running::Absent) | Err(_)) | None => normal(value),
            };
            (path, Ok(Running::Value(value)))
        } else if let Some(path) = line.strip_prefix('-') {
            (path, Ok(Running::Absent))
        } else if let Some(path) = line.strip_prefix('!') {
            (
                path,
                Err(Reason::new(ReasonCode::PermissionDenied, format!("/proc/sys/{path} could not be read"))),
            )
        } else {
            return Err(unexpected("the kernel parameter probe printed a line with an unknown mark"));
        };
        parameters.0.insert(path.to_owned(), state);
    }
    Ok(parameters)
}

/// Makes white space between words one blank.
pub(crate) fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}
