//! sysctl.d(5): which value a kernel parameter gets at boot.

/// Returns a parameter's path under /proc/sys: dots become slashes, unless a slash comes first.
///
/// Source: sysctl.d(5), "either `/` or `.` may be used as separators; if the first separator is a slash,
/// remaining slashes and dots are left intact; if it is a dot, dots are replaced with slashes".
pub fn key_path(key: &str) -> String {
    match key.find(['.', '/']) {
        Some(at) if key.as_bytes()[at] == b'.' => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        Some(_) | None => key.to_owned(),
    }
}

use crate::format::glob;
use crate::text::TextFile;

/// Drop-in directories, lowest precedence first (sysctl.d(5)).
pub const DROP_INS: [&str; 5] = [
    "/lib/sysctl.d/*.conf",
    "/usr/lib/sysctl.d/*.conf",
    "/usr/local/lib/sysctl.d/*.conf",
    "/run/sysctl.d/*.conf",
    "/etc/sysctl.d/*.conf",
];
/// Applied after all drop-ins, as `sysctl --system` does.
pub const MAIN: &str = "/etc/sysctl.conf";

/// Where a parameter is set for the next boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persistent {
    pub value: String,
    pub file: String,
    /// From 1.
    pub line: u32,
    /// The line as it stands.
    pub text: String,
}

/// Returns the assignment of `path` (slash form) that counts; `files` in the order in which they apply.
///
/// The last assignment that names the parameter wins over any that matches it by wildcard; a line
/// `-key` without value takes the parameter out of all wildcards.
pub fn persistent(files: &[&TextFile], path: &str) -> Option<Persistent> {
    let mut exact = None;
    let mut by_wildcard = None;
    let mut left_out = false;
    for file in files {
        for (text, line) in file.lines.iter().zip(1_u32..) {
            let trimmed = text.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let Some((key, value)) = trimmed.split_once('=') else {
                left_out |= trimmed.strip_prefix('-').is_some_and(|key| key_path(key.trim()) == path);
                continue;
            };
            // A leading dash says that a failure to set the parameter does not matter.
            let key = key_path(key.trim().trim_start_matches('-').trim());
            let set = || {
                let value = crate::sysctl::normal(value);
                Some(Persistent { value, file: file.path.clone(), line, text: text.clone() })
            };
            if key == path {
                exact = set();
            } else if glob::is_glob(&key) && glob::matches(&key, path) {
                by_wildcard = set();
            }
        }
    }
    exact.or_else(|| by_wildcard.filter(|_| !left_out))
}
