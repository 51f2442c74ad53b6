//! What stands in the home directories of accounts with a shell: the directories themselves, and the dot
//! files that rules judge. Links in a home are named and never followed.
//!
//! Homes on the network are asked like others; one that does not answer runs into the time limit of the
//! probe, which is an error. The answer is bounded by what is kept of a probe's output.

use std::collections::{BTreeMap, BTreeSet};

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected, walk};
use crate::format::passwd::NO_SHELLS;
use crate::shown::bounded;

/// As a person would type it.
pub const COMMAND: &str = "find HOME/. -maxdepth 1 -name '.*' -ls, for HOME of every account of a person";

/// Most accounts with a shell whose homes are looked into.
const ACCOUNTS_MAX: u32 = 20_000;

/// Names that rules ask about whatever the mode.
pub const TRUST_FILES: [&str; 3] = [".rhosts", ".shosts", ".forward"];
pub const NETRC: &str = ".netrc";
pub const HISTORY: &str = ".bash_history";

/// Writes the script.
///
/// Behind a record for each home, three for each file: kind, mode, number of the owner and directory; name;
/// where a link leads. Records end in NUL, so a file name cannot forge one. Of a home that seems not to be
/// there, the nearest directory above that is decides whether this login can know.
pub fn script() -> String {
    let names: String =
        TRUST_FILES.iter().chain(&[NETRC, HISTORY]).map(|name| format!(" -o -name {name}")).collect();
    format!(
        r#"command -v find >/dev/null 2>&1 || {{ echo 'find: not found' >&2; exit 127; }}
command -v xargs >/dev/null 2>&1 || {{ echo 'xargs: not found' >&2; exit 127; }}
find / -maxdepth 0 -printf '' 2>/dev/null || {{ echo 'this find has no -printf' >&2; exit 127; }}
[ -r /etc/passwd ] || {{ echo '/etc/passwd: permission denied' >&2; exit 126; }}
LC_ALL=C
export LC_ALL
each() {{
a=0
while IFS=: read -r n p u g c h s || [ -n "$n" ]; do
case $n in ''|'#'*|+*|-*) continue;; esac
case $s in {no_shells}) continue;; esac
a=$((a+1))
if [ "$a" -gt {ACCOUNTS_MAX} ]; then "$1" more; return; fi
case $h in
/*) if [ ! -d "$h" ]; then
k=$h
while [ -n "$k" ] && [ ! -d "$k" ]; do k=${{k%/*}}; done
if [ -x "${{k:-/}}" ]; then "$1" - "$h"; else "$1" ! "$h"; fi
elif [ -r "$h" ] && [ -x "$h" ]; then "$1" = "$h"
else "$1" ! "$h"; fi;;
*) "$1" - "$h";;
esac
done </etc/passwd
}}
tell() {{ case $1 in more) printf '+\000';; *) printf '%s%s\000' "$1" "$2";; esac; }}
open() {{ case $1 in =) printf '%s/.\000' "$2";; esac; }}
each tell
each open | xargs -0 -r sh -c 'find "$@" -maxdepth 1 \( -name . -o -type f -name ".*" -perm /022{names} \) -printf "%y:%m:%U:%H\\0%f\\0%l\\0"' sh
printf '.%s\000' "$?"
"#,
        no_shells = NO_SHELLS.join("|")
    )
}

/// A home directory, or a file in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: String,
    /// In the letters of `find`: `f`, `d`, `l`.
    pub kind: char,
    pub mode: u32,
    pub uid: u32,
    /// Where a link leads; else empty.
    pub target: String,
}

/// What is known of a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    Absent,
    Denied,
    /// With `.` for the directory itself.
    There(BTreeSet<Entry>),
}

/// Home directory, as passwd writes it, to what is known of it.
pub type HomeFiles = BTreeMap<String, Home>;

/// Parses the answer. A look that did not see everything gives no verdict.
///
/// # Errors
/// When the answer is torn or misshapen, or the look was not complete.
pub fn parse(observation: &Observation) -> Result<HomeFiles, Reason> {
    let mut records: Vec<&[u8]> = observation.stdout.split(|byte| *byte == 0).collect();
    let torn = || unexpected("the answer of the home files probe is torn: its end mark is missing");
    // Behind the last NUL stands nothing, before it the mark.
    let (Some([]), Some(mark)) = (records.pop(), records.pop()) else {
        return Err(torn());
    };
    if mark.strip_prefix(b".").ok_or_else(torn)? != b"0" {
        walk::incomplete("look into home directories", &observation.stderr, &BTreeSet::new())?;
    }
    let mut homes = HomeFiles::new();
    let mut records = records.into_iter().map(lossy);
    while let Some(record) = records.next() {
        if record == "+" {
            let text = format!("more than {ACCOUNTS_MAX} accounts have a shell");
            return Err(Reason::new(ReasonCode::Budget, text));
        }
        let known = [("=", Home::There(BTreeSet::new())), ("-", Home::Absent), ("!", Home::Denied)];
        let home = known.into_iter().find_map(|(sign, known)| Some((record.strip_prefix(sign)?, known)));
        if let Some((home, known)) = home {
            homes.entry(home.to_owned()).or_insert(known);
            continue;
        }
        let (name, target) = (records.next(), records.next());
        let odd = || unexpected(format!("the home files probe printed no file: {}", bounded(&record)));
        let (home, entry) = entry(&record, name, target).ok_or_else(odd)?;
        match homes.get_mut(home) {
            Some(Home::There(entries)) => {
                entries.insert(entry);
            }
            Some(Home::Absent | Home::Denied) | None => return Err(odd()),
        }
    }
    Ok(homes)
}

fn entry(record: &str, name: Option<String>, target: Option<String>) -> Option<(&str, Entry)> {
    let mut parts = record.splitn(4, ':');
    let mut kind = parts.next()?.chars();
    let (Some(kind), None) = (kind.next(), kind.next()) else {
        return None;
    };
    let mode = u32::from_str_radix(parts.next()?, 8).ok()?;
    let uid = parts.next()?.parse().ok()?;
    let home = parts.next()?.strip_suffix("/.")?;
    Some((home, Entry { name: name?, kind, mode, uid, target: target? }))
}
