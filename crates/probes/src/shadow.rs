//! What kind of password each account has, and its aging fields. The hash itself never leaves the host.

use std::collections::BTreeMap;

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};
use crate::shown::bounded;

/// As a person would type it.
pub const COMMAND: &str = "getent shadow";

pub const SCRIPT: &str = r#"f=/etc/shadow
command -v awk >/dev/null 2>&1 || { echo 'awk: not found' >&2; exit 127; }
if [ ! -e "$f" ]; then echo '-'; echo .; exit 0; fi
if [ ! -r "$f" ]; then echo '!'; echo .; exit 0; fi
awk -F: 'function d(x){return x==""?"-":x}
/^[^:]*$/{next}
{h=$2;k="other"
if(h=="")k="empty"
else if(substr(h,1,1)=="!")k="locked"
else if(substr(h,1,1)=="*")k="no_password"
else if(substr(h,1,1)=="$"){i=index(substr(h,2),"$");a=substr(h,2,i-1);if(i>1&&i<12&&a~/^[A-Za-z0-9-]+$/)k="hash_" a}
else if(substr(h,1,1)=="_"&&length(h)==20)k="hash_bsdi"
else if(length(h)==13)k="hash_des"
print $1 ":" k ":" d($3) ":" d($4) ":" d($5) ":" d($6) ":" d($7) ":" d($8)}
END{print "."}' "$f"
"#;

/// What kind of password an account has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// No password is asked.
    Empty,
    /// A password with `!` before it.
    Locked,
    /// `*`: no password can match.
    Never,
    /// A hash of this algorithm (crypt(5)).
    Hash(String),
    /// A text that no known algorithm makes.
    Other,
}

/// One line of shadow(5) without its hash. Days; none for an empty field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub password: Password,
    pub min_days: Option<i64>,
    pub max_days: Option<i64>,
    pub warn_days: Option<i64>,
    pub inactive_days: Option<i64>,
    /// The line as it came.
    pub line: String,
}

/// All accounts by name.
pub type Accounts = BTreeMap<String, Account>;

/// Parses the answer.
///
/// # Errors
/// When the answer is torn or does not have the shape that its script gives.
pub fn parse(observation: &Observation) -> Result<Accounts, Reason> {
    let mut accounts = Accounts::new();
    for line in super::body_lines(&observation.stdout, "shadow")? {
        let line = lossy(line);
        match line.as_str() {
            "!" => return Err(Reason::new(ReasonCode::PermissionDenied, "/etc/shadow: permission denied")),
            "-" => return Err(Reason::new(ReasonCode::ToolFailed, "there is no /etc/shadow")),
            _ => {}
        }
        let (name, account) = account(&line).ok_or_else(|| {
            unexpected(format!("a line of the shadow probe is no account: {}", bounded(&line)))
        })?;
        // The C library takes the first line of a name.
        accounts.entry(name).or_insert(account);
    }
    if accounts.is_empty() {
        return Err(unexpected("/etc/shadow holds no account"));
    }
    Ok(accounts)
}

fn account(line: &str) -> Option<(String, Account)> {
    let mut parts = line.split(':');
    let name = parts.next()?.to_owned();
    let password = match parts.next()? {
        "empty" => Password::Empty,
        "locked" => Password::Locked,
        "no_password" => Password::Never,
        "other" => Password::Other,
        kind => Password::Hash(kind.strip_prefix("hash_")?.to_owned()),
    };
    let mut days = || -> Option<Option<i64>> {
        match parts.next()? {
            "-" => Some(None),
            text => text.trim().parse().ok().map(Some),
        }
    };
    let _changed = days()?;
    let (min_days, max_days, warn_days, inactive_days) = (days()?, days()?, days()?, days()?);
    Some((name, Account { password, min_days, max_days, warn_days, inactive_days, line: line.to_owned() }))
}
