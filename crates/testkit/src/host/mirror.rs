//! Finds the Debian mirror in the machine's own package sources, so that no registry's host is
//! named in the code and a machine behind a mirror of its own needs no setting.
//!
//! Reads both formats of sources.list(5). Does not check that the mirror answers.

use std::fs;
use std::path::{Path, PathBuf};

use super::HostError;

/// Names the mirror, when set; wins over the package sources.
pub const MIRROR_VARIABLE: &str = "PLUMB_TEST_HOSTS_MIRROR";

const SOURCES: &str = "/etc/apt/sources.list";
const SOURCES_FOLDER: &str = "/etc/apt/sources.list.d";

/// One address with the suites it is used for.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    uri: String,
    suites: Vec<String>,
}

/// Returns the address that `debootstrap` takes packages of `suite` from.
pub(super) fn of_this_machine(suite: &str) -> Result<String, HostError> {
    if let Some(set) = std::env::var_os(MIRROR_VARIABLE).filter(|set| !set.is_empty()) {
        return set
            .into_string()
            .map_err(|bad| HostError::MirrorName { text: bad.to_string_lossy().into_owned() });
    }
    let mut sources = Vec::new();
    for path in source_files() {
        let text = fs::read_to_string(&path).map_err(|err| HostError::Sources { path: path.clone(), err })?;
        let deb822 = path.extension().is_some_and(|end| end == "sources");
        sources.extend(if deb822 { stanzas(&text) } else { one_line(&text) });
    }
    choose(&sources, suite).ok_or(HostError::NoMirror { suite: suite.to_owned() })
}

fn source_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(SOURCES_FOLDER)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "sources" || end == "list"))
        .collect();
    files.sort();
    let main = Path::new(SOURCES);
    if main.exists() {
        files.insert(0, main.to_owned());
    }
    files
}

/// The address used for the suite itself; else, on a machine of another release, a Debian archive.
fn choose(sources: &[Source], suite: &str) -> Option<String> {
    let web = |source: &&Source| {
        ["http://", "https://", "file:"].iter().any(|scheme| source.uri.starts_with(scheme))
    };
    let mut usable = sources.iter().filter(web);
    usable
        .clone()
        .find(|source| source.suites.iter().any(|named| named == suite))
        .or_else(|| usable.find(|source| source.uri.trim_end_matches('/').ends_with("/debian")))
        .map(|source| source.uri.clone())
}

/// Reads the one-line format: `deb [options] uri suite [component...]`.
fn one_line(text: &str) -> Vec<Source> {
    text.lines()
        .filter_map(|line| {
            let line = line.split('#').next()?.trim().strip_prefix("deb ")?.trim();
            let line = match line.strip_prefix('[') {
                Some(rest) => rest.split_once(']')?.1,
                None => line,
            };
            let mut words = line.split_whitespace();
            Some(Source { uri: words.next()?.to_owned(), suites: vec![words.next()?.to_owned()] })
        })
        .collect()
}

/// Reads the deb822 format: stanzas of `Field: value`, parted by empty lines.
fn stanzas(text: &str) -> Vec<Source> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines
        .split(|line| line.trim().is_empty())
        .filter(|stanza| field(stanza, "types").iter().any(|kind| kind == "deb"))
        .filter(|stanza| !field(stanza, "enabled").iter().any(|word| word == "no"))
        .flat_map(|stanza| {
            let suites = field(stanza, "suites");
            field(stanza, "uris").into_iter().map(move |uri| Source { uri, suites: suites.clone() })
        })
        .collect()
}

/// Returns the words of a field; lines that begin with white space continue the one before.
fn field(stanza: &[&str], name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut inside = false;
    for line in stanza {
        let value = if line.starts_with([' ', '\t']) {
            line
        } else {
            let Some((field, value)) = line.split_once(':') else { continue };
            inside = field.eq_ignore_ascii_case(name);
            value
        };
        if inside {
            words.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests;
