//! Installed packages, by dpkg or rpm.

use std::collections::BTreeMap;

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};
use crate::shown::{bounded, first_line};

pub const SCRIPT: &str = r#"if [ -s /var/lib/dpkg/status ] && command -v dpkg-query >/dev/null 2>&1; then
  echo dpkg
  dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' || exit $?
elif command -v rpm >/dev/null 2>&1; then
  echo rpm
  rpm -qa --qf '%{NAME} %{EVR} installed\n' || exit $?
else
  echo 'neither dpkg-query nor rpm was found' >&2
  exit 127
fi
echo .
"#;

/// Which package database answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    Dpkg,
    Rpm,
}

/// Installed packages: name to its lines as they came.
#[derive(Debug)]
pub struct Packages {
    pub manager: Manager,
    pub installed: BTreeMap<String, Vec<String>>,
}

/// Parses the answer.
///
/// # Errors
/// When the package database could not be asked, or the answer is torn or not what it prints.
pub fn parse(observation: &Observation, exit: i32) -> Result<Packages, Reason> {
    if exit != 0 {
        let text = format!("the package database could not be asked: {}", first_line(&observation.stderr));
        return Err(Reason::new(ReasonCode::ToolFailed, text));
    }
    let lines = super::body_lines(&observation.stdout, "package")?;
    let (first, lines) =
        lines.split_first().ok_or_else(|| unexpected("the package database gave no answer"))?;
    let manager = match *first {
        b"dpkg" => Manager::Dpkg,
        b"rpm" => Manager::Rpm,
        _ => return Err(unexpected("the package probe did not say which database it asked")),
    };
    let mut installed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let line = lossy(line);
        let mut words = line.split(' ');
        let (Some(name), Some(_version), Some(state), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(unexpected(format!(
                "the package database printed a line that is no package: {}",
                bounded(&line)
            )));
        };
        // Every other state leaves files of the package in place.
        if state != "config-files" && state != "not-installed" {
            installed.entry(name.to_owned()).or_default().push(line);
        }
    }
    if installed.is_empty() {
        return Err(unexpected("the package database names no installed package"));
    }
    Ok(Packages { manager, installed })
}
