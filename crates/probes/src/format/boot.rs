//! What the boot loader is configured to pass to the kernel: GRUB menu entries and boot loader
//! specification entries.

use crate::text::TextFile;

/// GRUB's own configuration.
pub const GRUB: [&str; 2] = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];
/// Boot loader specification entries, with the variables that they name.
pub const ENTRIES: &str = "/boot/loader/entries/*.conf";
pub const GRUB_ENV: &str = "/boot/grub2/grubenv";

/// The kernel parameters of one boot entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub parameters: String,
    pub file: String,
    /// From 1.
    pub line: u32,
    /// The line as it stands.
    pub text: String,
}

/// Returns the `linux` lines of a GRUB configuration.
pub fn grub(file: &TextFile) -> Vec<Entry> {
    let mut found = Vec::new();
    for (text, line) in file.lines.iter().zip(1_u32..) {
        let mut words = text.split_whitespace();
        if !matches!(words.next(), Some("linux" | "linux16" | "linuxefi")) {
            continue;
        }
        let parameters = words.skip(1).collect::<Vec<_>>().join(" ");
        found.push(Entry { parameters, file: file.path.clone(), line, text: text.clone() });
    }
    found
}

/// Returns the options of a boot loader specification entry, `$kernelopts` filled in from GRUB's variables.
pub fn specification(file: &TextFile, env: Option<&TextFile>) -> Option<Entry> {
    let mut first = None;
    let mut parameters = Vec::new();
    for (text, line) in file.lines.iter().zip(1_u32..) {
        let mut words = text.split_whitespace();
        if words.next() != Some("options") {
            continue;
        }
        first.get_or_insert((line, text.clone()));
        for word in words {
            match word {
                "$kernelopts" => parameters.push(kernel_options(env)?),
                word => parameters.push(word.to_owned()),
            }
        }
    }
    let (line, text) = first?;
    Some(Entry { parameters: parameters.join(" "), file: file.path.clone(), line, text })
}

fn kernel_options(env: Option<&TextFile>) -> Option<String> {
    env?.lines.iter().find_map(|line| line.strip_prefix("kernelopts=").map(str::to_owned))
}

/// Returns the values of a parameter in the order of a command line; quotes may hold blanks.
pub fn values(parameters: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in words(parameters) {
        let (key, value) = word.split_once('=').unwrap_or((&word, ""));
        // The kernel takes dash and underscore for the same in parameter names.
        if key.replace('-', "_") == name.replace('-', "_") {
            found.push(value.to_owned());
        }
    }
    found
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
