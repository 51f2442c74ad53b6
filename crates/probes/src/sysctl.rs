//! Running kernel parameters, read from /proc/sys by the shell itself: no process is started.

use std::collections::{BTreeMap, BTreeSet};

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};

/// Writes the script for parameters in their path form.
pub fn script(paths: &BTreeSet<String>) -> String {
    let mut script = String::from(
        r#"[ -d /proc/sys/kernel ] || { echo '/proc/sys: not found' >&2; exit 127; }
for k in"#,
    );
    for path in paths {
        script.push(' ');
        script.push_str(path);
    }
    script.push_str(
        r#"; do
f=/proc/sys/$k
v=
if [ ! -e "$f" ]; then printf -- '-%s\n' "$k"
elif { IFS= read -r v <"$f"; } 2>/dev/null || [ -n "$v" ]; then printf '=%s %s\n' "$k" "$v"
else printf '!%s\n' "$k"
fi
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
            (path, Ok(Running::Value(normal(value))))
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
