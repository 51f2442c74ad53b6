//! passwd(5) and group(5).

use model::Reason;

use crate::text::TextFile;
use crate::unexpected;

/// Shells that end at once.
pub const NO_SHELLS: [&str; 6] =
    ["/usr/sbin/nologin", "/sbin/nologin", "/usr/bin/nologin", "/bin/false", "/usr/bin/false", "/dev/null"];

/// An account of passwd(5), without its password field's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    /// True when the password field is empty, so that no password is asked.
    pub empty_password: bool,
    /// True when the password stands in shadow(5), or none can match.
    pub shadowed: bool,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
    pub shell: String,
    /// From 1.
    pub line: u32,
}

/// A group of group(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub gid: u32,
    /// Accounts that are in it beside those whose first group it is.
    pub members: Vec<String>,
    pub line: u32,
}

/// Parses /etc/passwd. Comments, blank lines and entries of the network services switch (`+`, `-`) are
/// left out, as the C library does; any other line without seven fields is refused.
///
/// # Errors
/// When a line is refused; its number is named.
pub fn users(file: &TextFile) -> Result<Vec<User>, Reason> {
    entries(file, |fields, line| {
        let [name, password, uid, gid, _, home, shell] = fields else {
            return None;
        };
        Some(User {
            name: (*name).to_owned(),
            empty_password: password.is_empty(),
            shadowed: matches!(password.chars().next(), Some('x' | '*' | '!')),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            home: (*home).to_owned(),
            shell: (*shell).to_owned(),
            line,
        })
    })
}

/// Parses /etc/group, like [`users`].
///
/// # Errors
/// As [`users`].
pub fn groups(file: &TextFile) -> Result<Vec<Group>, Reason> {
    entries(file, |fields, line| {
        let [name, _, gid, members] = fields else {
            return None;
        };
        let members = members.split(',').map(str::trim).filter(|member| !member.is_empty());
        let members = members.map(str::to_owned).collect();
        Some(Group { name: (*name).to_owned(), gid: gid.parse().ok()?, members, line })
    })
}

fn entries<T>(file: &TextFile, read: impl Fn(&[&str], u32) -> Option<T>) -> Result<Vec<T>, Reason> {
    let mut found = Vec::new();
    for (text, line) in file.lines.iter().zip(1_u32..) {
        if text.trim().is_empty() || text.starts_with(['#', '+', '-']) {
            continue;
        }
        let fields: Vec<&str> = text.split(':').collect();
        let entry = read(&fields, line)
            .ok_or_else(|| unexpected(format!("line {line} of {} is no entry of that file", file.path)))?;
        found.push(entry);
    }
    if found.is_empty() {
        return Err(unexpected(format!("{} holds no entry", file.path)));
    }
    Ok(found)
}
