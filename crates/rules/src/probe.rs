//! The typed probes: one module a probe, each with the script that asks and the parser of its answer.
//!
//! Every script is plain POSIX `sh`, writes nothing, starts as few processes as it can, leaves with 127
//! when its tool is not there, and ends its answer with a mark, so that a torn answer is seen. Every
//! parser is total over arbitrary bytes.

pub(crate) mod audit;
pub(crate) mod authorized_keys;
pub(crate) mod digests;
pub(crate) mod home_files;
pub(crate) mod homes;
pub(crate) mod listeners;
pub(crate) mod modules;
pub(crate) mod packages;
pub(crate) mod shadow;
pub(crate) mod sshd;
pub(crate) mod stat;
pub(crate) mod sudoers;
pub(crate) mod sysctl;
pub(crate) mod text;
pub(crate) mod units;
pub(crate) mod walk;

use model::{Reason, ReasonCode};

/// Keys of the typed probes; a recorded capture answers by them.
pub(crate) mod key {
    pub(crate) const SSHD: &str = "sshd";
    pub(crate) const STAT: &str = "stat";
    pub(crate) const TEXT: &str = "text_files";
    pub(crate) const SHADOW: &str = "shadow";
    pub(crate) const PACKAGES: &str = "packages";
    pub(crate) const UNIT_FILES: &str = "unit_files";
    pub(crate) const UNITS: &str = "units";
    pub(crate) const SYSCTL: &str = "sysctl";
    pub(crate) const MODULES: &str = "modules_available";
    pub(crate) const HOMES: &str = "homes";
    pub(crate) const HOME_FILES: &str = "home_files";
    pub(crate) const AUDIT: &str = "audit";
    pub(crate) const WALK: &str = "walk";
    pub(crate) const LISTENERS: &str = "listeners";
    pub(crate) const AUTHORIZED_KEYS: &str = "authorized_keys";
    pub(crate) const SUDOERS: &str = "sudoers";
    pub(crate) const DIGESTS: &str = "digests";
}

/// Says that an answer does not have the shape that its script gives.
pub(crate) fn unexpected(what: impl Into<String>) -> Reason {
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
