//! The keys that log in to each account, by their fingerprints: the host works them out, and no key leaves it.
//!
//! Looks into the two files in each home that sshd reads unless it is told otherwise (sshd(8), AUTHORIZED_KEYS FILE FORMAT).

use std::collections::BTreeMap;

use model::{Observation, Reason};

use super::{lossy, unexpected};
use crate::shown::bounded;

/// Only regular files of a sensible size are read: they belong to whoever has the account.
pub const SCRIPT: &str = r#"command -v ssh-keygen >/dev/null 2>&1 || { echo 'ssh-keygen: not found' >&2; exit 127; }
command -v awk >/dev/null 2>&1 || { echo 'awk: not found' >&2; exit 127; }
[ -r /etc/passwd ] || { echo '/etc/passwd: permission denied' >&2; exit 126; }
while IFS=: read -r n p u g c h s || [ -n "$n" ]; do
case $n in ''|'#'*|+*|-*) continue;; esac
for f in "$h/.ssh/authorized_keys" "$h/.ssh/authorized_keys2"; do
[ -f "$f" ] || continue
if [ "$(wc -c <"$f")" -gt 1048576 ]; then printf '!%s\n' "$n"; continue; fi
printf '=%s\n' "$n"
ssh-keygen -lf "$f" 2>/dev/null </dev/null | awk '$2~/^[A-Z0-9]+:/{t=$NF;gsub(/[()]/,"",t);print t " " $2}'
done
done </etc/passwd
echo .
"#;

/// What stands in the place of a file that is too long.
const NOT_READ: &str = "a file of more than 1048576 bytes was not read";

/// Account to its keys, each a type and a fingerprint, in order.
pub type Keys = BTreeMap<String, Vec<String>>;

/// Parses the answer.
///
/// # Errors
/// When the answer is torn or does not have the shape that its script gives.
pub fn parse(observation: &Observation) -> Result<Keys, Reason> {
    let mut keys = Keys::new();
    let mut account = None;
    for line in super::body_lines(&observation.stdout, "authorized keys")? {
        let line = lossy(line);
        let (name, key) = match (line.strip_prefix('='), line.strip_prefix('!'), &account) {
            (Some(name), ..) => {
                account = Some(name.to_owned());
                keys.entry(name.to_owned()).or_default();
                continue;
            }
            (None, Some(name), _) => (name.to_owned(), NOT_READ.to_owned()),
            (None, None, Some(account)) if is_key(&line) => (account.clone(), line),
            _ => {
                let text = format!("a line of the authorized keys probe is no key: {}", bounded(&line));
                return Err(unexpected(text));
            }
        };
        let all = keys.entry(name).or_default();
        if !all.contains(&key) {
            all.push(key);
            all.sort();
        }
    }
    keys.retain(|_account, all| !all.is_empty());
    Ok(keys)
}

/// `ED25519 SHA256:` and base64 digits.
fn is_key(line: &str) -> bool {
    let is_base64 =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=:".contains(&byte));
    line.split_once(" SHA256:").is_some_and(|(kind, digest)| !kind.contains(' ') && is_base64(digest))
}
