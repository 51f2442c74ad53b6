//! fstab(5) and /proc/self/mounts, which share their form.

use crate::text::TextFile;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub point: String,
    pub fs: String,
    /// Sorted, without repeats.
    pub options: Vec<String>,
    /// From 1.
    pub line: u32,
    /// The line as it stands.
    pub text: String,
}

/// Returns the entry of a mount point that counts: the last one covers the others.
pub fn find(file: &TextFile, point: &str) -> Option<Entry> {
    entries(file).filter(|entry| entry.point == point).last()
}

/// Returns the mounts in order.
pub fn entries(file: &TextFile) -> impl Iterator<Item = Entry> {
    file.lines.iter().zip(1_u32..).filter_map(|(text, line)| {
        let mut words = text.split_whitespace();
        let device = words.next()?;
        if device.starts_with('#') {
            return None;
        }
        let mut point = unescape(words.next()?);
        while point.len() > 1 && point.ends_with('/') {
            point.pop();
        }
        let fs = words.next()?.to_owned();
        let options = split_options(words.next().unwrap_or("defaults"));
        Some(Entry { point, fs, options, line, text: text.clone() })
    })
}

/// Splits an option list: sorted, without repeats.
pub fn split_options(text: &str) -> Vec<String> {
    let mut options: Vec<String> =
        text.split(',').map(str::trim).filter(|option| !option.is_empty()).map(str::to_owned).collect();
    options.sort();
    options.dedup();
    options
}

/// Replaces the octal escapes of blank, tab, line feed, backslash and hash.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let octal =
            rest.get(at + 1..at + 4).filter(|digits| digits.bytes().all(|b| (b'0'..=b'7').contains(&b)));
        let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(u8::is_ascii);
        match byte {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Returns the path pattern part of a mount unit's name: `var-tmp.mount` of `/var/tmp`.
///
/// Source: systemd.unit(5), escaping of paths. The backslash of an escape is written `?`, which the shell
/// expands to it.
pub fn unit_name(point: &str) -> String {
    let inner = point.trim_matches('/');
    if inner.is_empty() {
        return "-.mount".to_owned();
    }
    let mut name = String::new();
    for (at, c) in inner.char_indices() {
        match c {
            '/' => name.push('-'),
            c if c.is_ascii_alphanumeric() || c == '_' || c == ':' || (c == '.' && at > 0) => name.push(c),
            c => name.push_str(&format!("?x{:02x}", u32::from(c))),
        }
    }
    name.push_str(".mount");
    name
}
