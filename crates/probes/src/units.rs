//! Unit files with their enablement, and loaded units with their state, by systemctl.

use std::collections::{BTreeMap, BTreeSet};

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};
use crate::shown::{bounded, first_line};

/// As a person would type it.
pub const FILES_COMMAND: &str = "systemctl list-unit-files --full";
/// As a person would type it.
pub const UNITS_COMMAND: &str = "systemctl list-units --all --full";

/// A unit that every systemd brings (systemd.special(7)), so that a list without it is no list.
const ALWAYS: &str = "basic.target";

/// Writes the script for units by name; an instance is asked for with its template, which has its state.
///
/// Enablement stands on disk, so it can be told without a running manager. Naming the units spares systemctl
/// the state of all others, which is most of what a scan without walks would cost the host.
pub fn files_script(names: &BTreeSet<String>) -> String {
    let mut asked = BTreeSet::from([ALWAYS.to_owned()]);
    for name in names {
        asked.insert(name.clone());
        asked.extend(template(name));
    }
    // Names hold no quote: `compile` refuses it, and in the patterns of mounts everything odd is escaped.
    let asked: Vec<String> = asked.iter().map(|name| format!("'{name}'")).collect();
    format!(
        r#"command -v systemctl >/dev/null 2>&1 || {{ echo 'systemctl: not found' >&2; exit 127; }}
set -- {}
o=$(systemctl list-unit-files --no-legend --no-pager --full -- "$@" 2>/dev/null) ||
o=$(systemctl --root=/ list-unit-files --no-legend --no-pager --full -- "$@") || exit 1
printf '%s\n.\n' "$o"
"#,
        asked.join(" ")
    )
}

/// Returns the template that an instance is made of.
fn template(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let (_, suffix) = rest.rsplit_once('.')?;
    Some(format!("{prefix}@.{suffix}"))
}

pub const UNITS_SCRIPT: &str = r#"command -v systemctl >/dev/null 2>&1 || { echo 'systemctl: not found' >&2; exit 127; }
o=$(systemctl list-units --all --no-legend --no-pager --plain --full) || exit 1
printf '%s\n.\n' "$o"
"#;

/// Unit name to its line, split into words.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<String, (String, String)>);

impl Table {
    /// Returns the state of a unit and the line that says it.
    pub fn state(&self, name: &str) -> Option<(&str, &str)> {
        self.0.get(name).map(|(state, line)| (state.as_str(), line.as_str()))
    }

    /// Returns every unit with its state.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, (state, _line))| (name.as_str(), state.as_str()))
    }

    /// Returns the state of a unit file; an instance has the state of its template.
    pub fn file_state(&self, name: &str) -> Option<(&str, &str)> {
        self.state(name).or_else(|| self.state(&template(name)?))
    }
}

/// Parses the list of unit files: `NAME STATE [PRESET]`.
///
/// # Errors
/// When `systemctl` failed, or the answer is torn or not what it prints.
pub fn parse_files(observation: &Observation, exit: i32) -> Result<Table, Reason> {
    parse(observation, exit, 1)
}

/// Parses the list of units: `NAME LOAD ACTIVE SUB DESCRIPTION`.
///
/// # Errors
/// As [`parse_files`].
pub fn parse_units(observation: &Observation, exit: i32) -> Result<Table, Reason> {
    parse(observation, exit, 2)
}

fn parse(observation: &Observation, exit: i32, state_column: usize) -> Result<Table, Reason> {
    if exit != 0 {
        let text = format!("systemctl gave no list: {}", first_line(&observation.stderr));
        return Err(Reason::new(ReasonCode::ToolFailed, text));
    }
    let mut table = Table::default();
    for line in super::body_lines(&observation.stdout, "unit")? {
        let line = lossy(line);
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(name), Some(state)) = (words.first(), words.get(state_column)) else {
            return Err(unexpected(format!("systemctl printed a line that is no unit: {}", bounded(line))));
        };
        table.0.entry((*name).to_owned()).or_insert(((*state).to_owned(), line.to_owned()));
    }
    if table.0.is_empty() {
        return Err(unexpected("systemctl listed no unit"));
    }
    Ok(table)
}
