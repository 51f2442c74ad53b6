//! Whether the home directory of each account is there, asked by the shell itself.

use std::collections::BTreeMap;

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};

pub const SCRIPT: &str = r#"[ -r /etc/passwd ] || { echo '!'; echo .; exit 0; }
while IFS=: read -r n p u g c h s || [ -n "$n" ]; do
case $n in ''|'#'*|+*|-*) continue;; esac
if [ -d "$h" ]; then printf '=%s\n' "$n"; else printf -- '-%s\n' "$n"; fi
done </etc/passwd
echo .
"#;

/// Account name to whether its home directory is there.
pub type Homes = BTreeMap<String, bool>;

/// Parses the answer.
///
/// # Errors
/// When the answer is torn or does not have the shape that its script gives.
pub fn parse(observation: &Observation) -> Result<Homes, Reason> {
    let mut homes = Homes::new();
    for line in super::body_lines(&observation.stdout, "home directory")? {
        let line = lossy(line);
        if line == "!" {
            return Err(Reason::new(ReasonCode::PermissionDenied, "/etc/passwd: permission denied"));
        }
        let (name, there) = match (line.strip_prefix('='), line.strip_prefix('-')) {
            (Some(name), _) => (name, true),
            (None, Some(name)) => (name, false),
            (None, None) => {
                return Err(unexpected("the home directory probe printed a line with an unknown mark"));
            }
        };
        homes.insert(name.to_owned(), there);
    }
    Ok(homes)
}
