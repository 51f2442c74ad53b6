//! What a host is asked and how its answers read: the typed probes, one module a probe, each with the script that asks and
//! the parser of its answer, and the formats of the files that they bring.
//!
//! Every script is plain POSIX `sh`, writes nothing, starts as few processes as it can, leaves with 127
//! when its tool is not there, and ends its answer with a mark, so that a torn answer is seen. Every
//! parser is total over arbitrary bytes. Nothing here judges.
//!
//! Pure: no I/O, no clock, no randomness.

pub mod audit;
pub mod authorized_keys;
pub mod digests;
pub mod format;
pub mod home_files;
pub mod homes;
pub mod listeners;
pub mod modules;
pub mod packages;
pub mod shadow;
pub mod shown;
pub mod sshd;
pub mod stat;
pub mod sudoers;
pub mod sysctl;
pub mod text;
pub mod units;
pub mod walk;

use model::{Reason, ReasonCode};

/// Keys of the typed probes; a recorded capture answers by them.
pub mod key {
    pub const SSHD: &str = "sshd";
    pub const STAT: &str = "stat";
    pub const TEXT: &str = "text_files";
    pub const SHADOW: &str = "shadow";
    pub const PACKAGES: &str = "packages";
    pub const UNIT_FILES: &str = "unit_files";
    pub const UNITS: &str = "units";
    pub const SYSCTL: &str = "sysctl";
    pub const MODULES: &str = "modules_available";
    pub const HOMES: &str = "homes";
    pub const HOME_FILES: &str = "home_files";
    pub const AUDIT: &str = "audit";
    pub const WALK: &str = "walk";
    pub const LISTENERS: &str = "listeners";
    pub const AUTHORIZED_KEYS: &str = "authorized_keys";
    pub const SUDOERS: &str = "sudoers";
    pub const DIGESTS: &str = "digests";
}

/// Says that an answer does not have the shape that its script gives.
pub fn unexpected(what: impl Into<String>) -> Reason {
    Reason::new(ReasonCode::UnexpectedOutput, what)
}

/// Splits an answer whose last line is the mark `.`; the answer must hold the mark.
pub(crate) fn body_lines<'a>(stdout: &'a [u8], what: &str) -> Result<Vec<&'a [u8]>, Reason> {
    let torn = || unexpected(format!("the answer of the {what} probe is torn: its end mark is missing"));
    let body = stdout.strip_suffix(b".\n").ok_or_else(torn)?;
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let body = body.strip_suffix(b"\n").ok_or_else(torn)?;
    Ok(body.split(|byte| *byte == b'\n').collect())
}

/// Reads bytes as text; invalid UTF-8 becomes replacement characters.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
