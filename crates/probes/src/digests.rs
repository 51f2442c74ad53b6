//! The SHA-256 of files that say who may do what on a host and how it starts: a change that no rule asks about is seen, too.

use std::collections::BTreeMap;

use model::{Observation, Reason};

use super::{lossy, unexpected};
use crate::shown::bounded;

/// The watched files, those of them that are there. Nothing that changes by itself, and nothing that holds password hashes.
pub(crate) const WATCHED: [&str; 24] = [
    "/etc/audit/auditd.conf",
    "/etc/audit/rules.d/*",
    "/etc/cron.d/*",
    "/etc/crontab",
    "/etc/default/grub",
    "/etc/fstab",
    "/etc/group",
    "/etc/hosts",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    "/etc/ld.so.preload",
    "/etc/login.defs",
    "/etc/modprobe.d/*",
    "/etc/nsswitch.conf",
    "/etc/pam.d/*",
    "/etc/passwd",
    "/etc/profile",
    "/etc/security/*.conf",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d/*",
    "/etc/sudoers",
    "/etc/sudoers.d/*",
    "/etc/sysctl.conf",
    "/etc/sysctl.d/*",
];

/// Writes the script. The watched files hold no character that means something to `sh` but wildcards.
pub fn script() -> String {
    format!(
        "command -v sha256sum >/dev/null 2>&1 || {{ echo 'sha256sum: not found' >&2; exit 127; }}\nset --\n\
         for f in {}; do [ -f \"$f\" ] && set -- \"$@\" \"$f\"; done\n\
         [ $# = 0 ] || sha256sum \"$@\" || exit 126\necho .\n",
        WATCHED.join(" ")
    )
}

/// Parses the answer: file to digest.
///
/// # Errors
/// When the answer is torn or does not have the shape that its script gives.
pub fn parse(observation: &Observation) -> Result<BTreeMap<String, String>, Reason> {
    let mut digests = BTreeMap::new();
    for line in super::body_lines(&observation.stdout, "digest")? {
        let line = lossy(line);
        let one = line.split_once("  ").filter(|(digest, path)| {
            digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) && path.starts_with('/')
        });
        let (digest, path) = one.ok_or_else(|| {
            unexpected(format!("a line of the digest probe is no digest: {}", bounded(&line)))
        })?;
        digests.insert(path.to_owned(), digest.to_owned());
    }
    Ok(digests)
}
