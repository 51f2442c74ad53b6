//! Kind, mode and owners of many paths, by one `stat` call. Links are followed.

use std::collections::{BTreeMap, BTreeSet};

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};
use crate::format::glob;
use crate::shown::bounded;

/// Writes the script for the paths and globs that rules ask about.
///
/// Paths come from rules only and hold no character that means something to `sh` but wildcards. Plain
/// paths come before what wildcards find, so that an odd file name cannot speak for them. The `~` lines
/// name wildcards whose directory cannot be read, the lines after `--` are what `stat` complained about.
pub fn script(paths: &BTreeSet<String>) -> String {
    let (globs, plain): (Vec<&String>, Vec<&String>) = paths.iter().partition(|path| glob::is_glob(path));
    let mut script = String::from(
        "command -v stat >/dev/null 2>&1 || { echo 'stat: not found' >&2; exit 127; }\nset --\n",
    );
    if !globs.is_empty() {
        script.push_str("n='\n'\nfor f in");
        for path in &globs {
            script.push(' ');
            script.push_str(path);
        }
        script.push_str(
            "; do\ncase $f in\n*\"$n\"*) printf '?%s\\n' \"${f%%\"$n\"*}\";;\n*) set -- \"$@\" \"$f\";;\nesac\ndone\n",
        );
        for path in &globs {
            let dir = glob::fixed_directory(path);
            script.push_str(&format!(
                "if [ -d {dir} ] && {{ [ ! -r {dir} ] || [ ! -x {dir} ]; }}; then echo '~{path}'; fi\n"
            ));
        }
    }
    script.push_str("exec 3>&1\ne=$(stat -L -c '%a:%u:%g:%U:%G:%F:%n'");
    for path in &plain {
        script.push(' ');
        script.push_str(path);
    }
    script.push_str(" \"$@\" 2>&1 >&3)\nprintf -- '--\\n%s\\n.\\n' \"$e\"\n");
    script
}

/// What one path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub owner: String,
    pub group: String,
    /// In the words of `stat`: `regular file`, `directory`, `socket`.
    pub kind: String,
    /// The line as it came.
    pub line: String,
}

/// What is known of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    Is(Entry),
    Absent(String),
    Unknown(Reason),
}

/// Everything that one `stat` call told.
#[derive(Debug, Default)]
pub struct Metadata {
    known: BTreeMap<String, Known>,
    /// Beginnings of file names that hold a line feed.
    odd: Vec<String>,
}

impl Metadata {
    /// Returns what is known of each path that `pattern` names; at least one item.
    pub fn find(&self, pattern: &str, uid: u32) -> Vec<(String, Known)> {
        if !glob::is_glob(pattern) {
            let known =
                self.known.get(pattern).cloned().unwrap_or_else(|| {
                    Known::Unknown(unexpected(format!("stat said nothing about {pattern}")))
                });
            return vec![(pattern.to_owned(), known)];
        }
        if let Some(odd) = self.odd.iter().find(|odd| glob::may_begin(pattern, odd)) {
            let text = format!("a file name that begins with {} holds a line feed", bounded(odd));
            return vec![(pattern.to_owned(), Known::Unknown(unexpected(text)))];
        }
        if uid != 0 && glob::has_inner_wildcard(pattern) {
            let text = format!("only root can look into every directory of {pattern}");
            let reason = Reason::new(ReasonCode::PermissionDenied, text);
            return vec![(pattern.to_owned(), Known::Unknown(reason))];
        }
        let mut found: Vec<(String, Known)> = self
            .known
            .iter()
            .filter(|(path, _)| *path != pattern && glob::matches(pattern, path))
            .map(|(path, known)| (path.clone(), known.clone()))
            .collect();
        if found.is_empty() || self.known.get(pattern).is_some_and(|known| matches!(known, Known::Unknown(_)))
        {
            let own =
                self.known.get(pattern).cloned().unwrap_or_else(|| {
                    Known::Unknown(unexpected(format!("stat said nothing about {pattern}")))
                });
            found.push((pattern.to_owned(), own));
        }
        found
    }
}

/// Parses the answer.
///
/// # Errors
/// When the answer is torn or does not have the shape that its script gives.
pub fn parse(observation: &Observation) -> Result<Metadata, Reason> {
    let torn = || unexpected("the answer of the stat probe is torn: its end mark is missing");
    let body = observation.stdout.strip_suffix(b".\n").ok_or_else(torn)?;
    let text = lossy(body);
    let mut metadata = Metadata::default();
    let mut complaints = false;
    let mut ended = false;
    for line in text.lines() {
        if line == "--" {
            ended = true;
            complaints = true;
        } else if complaints {
            complaint(line, &mut metadata)?;
        } else if let Some(odd) = line.strip_prefix('?') {
            metadata.odd.push(odd.to_owned());
        } else if let Some(pattern) = line.strip_prefix('~') {
            let reason =
                Reason::new(ReasonCode::PermissionDenied, format!("{pattern}: the directory cannot be read"));
            metadata.known.insert(pattern.to_owned(), Known::Unknown(reason));
        } else {
            let (path, entry) = entry(line).ok_or_else(|| {
                unexpected(format!("stat printed a line that is no file: {}", bounded(line)))
            })?;
            metadata.known.entry(path).or_insert(Known::Is(entry));
        }
    }
    if !ended {
        return Err(torn());
    }
    Ok(metadata)
}

fn entry(line: &str) -> Option<(String, Entry)> {
    let mut parts = line.splitn(7, ':');
    let mode = u32::from_str_radix(parts.next()?, 8).ok()?;
    let uid = parts.next()?.parse().ok()?;
    let gid = parts.next()?.parse().ok()?;
    let owner = parts.next()?.to_owned();
    let group = parts.next()?.to_owned();
    let kind = parts.next()?.to_owned();
    let path = parts.next()?.to_owned();
    Some((path, Entry { mode, uid, gid, owner, group, kind, line: line.to_owned() }))
}

/// Reads a complaint like `stat: cannot statx '/x': No such file or directory`.
fn complaint(line: &str, metadata: &mut Metadata) -> Result<(), Reason> {
    if line.trim().is_empty() {
        return Ok(());
    }
    let strange = || unexpected(format!("stat complained in words that are not known: {}", bounded(line)));
    let (what, why) = line.rsplit_once(": ").ok_or_else(strange)?;
    let start = what.find('/').ok_or_else(strange)?;
    let path = what[start..].trim_end_matches(['\'', '"', '`']).to_owned();
    let known = match why {
        "No such file or directory" | "Not a directory" => Known::Absent(line.to_owned()),
        "Permission denied" => Known::Unknown(Reason::new(
            ReasonCode::PermissionDenied,
            format!("{}: permission denied", bounded(&path)),
        )),
        other => Known::Unknown(Reason::new(
            ReasonCode::ToolFailed,
            format!("{}: {}", bounded(&path), bounded(other)),
        )),
    };
    metadata.known.entry(path).or_insert(known);
    Ok(())
}
