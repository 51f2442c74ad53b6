//! modprobe.d(5): what `modprobe` does instead of loading a module.

use crate::text::TextFile;

/// Drop-in directories, lowest precedence first.
pub const DROP_INS: [&str; 5] = [
    "/lib/modprobe.d/*.conf",
    "/usr/lib/modprobe.d/*.conf",
    "/usr/local/lib/modprobe.d/*.conf",
    "/run/modprobe.d/*.conf",
    "/etc/modprobe.d/*.conf",
];

/// An `install` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    pub command: String,
    pub file: String,
    /// From 1.
    pub line: u32,
    /// The line as it stands.
    pub text: String,
}

impl Install {
    /// Tells whether the command does nothing, so that the module cannot be loaded by name.
    pub fn disables(&self) -> bool {
        matches!(
            self.command.as_str(),
            "/bin/false" | "/bin/true" | "/usr/bin/false" | "/usr/bin/true" | "/sbin/false" | "/sbin/true"
        )
    }
}

/// Returns the `install` line of a module that counts: modprobe takes the first.
///
/// `name` has `_` for `-`. A line that ends in a backslash goes on in the next.
pub fn install(files: &[&TextFile], name: &str) -> Option<Install> {
    for file in files {
        let mut joined = String::new();
        let mut start = None;
        for (text, line) in file.lines.iter().zip(1_u32..) {
            let first = *start.get_or_insert(line);
            if let Some(begin) = text.strip_suffix('\\') {
                joined.push_str(begin);
                continue;
            }
            joined.push_str(text);
            start = None;
            let whole = std::mem::take(&mut joined);
            let mut words = whole.split_whitespace();
            if words.next() == Some("install")
                && words.next().is_some_and(|word| word.replace('-', "_") == name)
            {
                let command = words.collect::<Vec<_>>().join(" ");
                return Some(Install { command, file: file.path.clone(), line: first, text: whole });
            }
        }
    }
    None
}
