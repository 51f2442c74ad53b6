//! What a host runs, read from its os-release file.

use serde::{Deserialize, Serialize};

/// The platform of a host: the os-release(5) fields that rules select on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// `ID`, lower case: `debian`.
    pub id: String,
    /// `ID_LIKE`, in order; empty when absent.
    pub id_like: Vec<String>,
    /// `VERSION_ID`: `12`, `24.04`; empty for rolling releases.
    pub version: String,
    /// `PRETTY_NAME`, for people.
    pub name: String,
    /// Machine hardware name (`uname -m`).
    pub arch: String,
    /// Kernel release (`uname -r`).
    pub kernel: String,
}

/// An os-release text that does not name a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    #[error("os-release has no ID")]
    NoId,
    #[error("os-release field {0} is longer than 256 bytes or holds control characters")]
    Field(&'static str),
}

impl Platform {
    /// Parses the text of an os-release file (os-release(5): shell-compatible assignments).
    ///
    /// # Errors
    /// When `ID` is missing, or a field is over-long or holds control characters.
    pub fn from_os_release(text: &str, arch: &str, kernel: &str) -> Result<Self, PlatformError> {
        let field = |name: &'static str| -> Result<String, PlatformError> {
            let value = text
                .lines()
                .filter_map(|line| line.trim().split_once('='))
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| unquote(value))
                .next_back()
                .unwrap_or_else(String::new);
            checked(name, value)
        };
        let id = field("ID")?.to_ascii_lowercase();
        if id.is_empty() {
            return Err(PlatformError::NoId);
        }
        Ok(Self {
            id_like: field("ID_LIKE")?.split_whitespace().map(str::to_ascii_lowercase).collect(),
            version: field("VERSION_ID")?,
            name: field("PRETTY_NAME")?,
            arch: checked("arch", arch.to_owned())?,
            kernel: checked("kernel", kernel.to_owned())?,
            id,
        })
    }
}

fn checked(name: &'static str, value: String) -> Result<String, PlatformError> {
    if value.len() > 256 || value.chars().any(char::is_control) {
        return Err(PlatformError::Field(name));
    }
    Ok(value)
}

/// Removes shell quotes and backslash escapes as far as os-release allows them.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            other => out.push(other),
        }
    }
    out
}
