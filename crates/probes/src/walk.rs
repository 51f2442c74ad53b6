//! One pass over the local file systems for all rules that look for files anywhere.

use std::collections::{BTreeMap, BTreeSet};

use model::{Observation, Reason, ReasonCode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{lossy, unexpected};
use crate::shown::{bounded, first_line};

/// As a person would type it.
pub const COMMAND: &str = "find / -xdev";

/// Longest a walk may run. Milliseconds.
pub const TIMEOUT_MS: u32 = 300_000;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    WorldWritableFile,
    /// Without the sticky bit.
    WorldWritableDirectory,
    Unowned,
    Ungrouped,
    Setuid,
    Setgid,
}

impl Sort {
    /// Every sort.
    pub const ALL: [Self; 6] = [
        Self::WorldWritableFile,
        Self::WorldWritableDirectory,
        Self::Unowned,
        Self::Ungrouped,
        Self::Setuid,
        Self::Setgid,
    ];

    /// Returns the name that rules and answers use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorldWritableFile => "world_writable_file",
            Self::WorldWritableDirectory => "world_writable_directory",
            Self::Unowned => "unowned",
            Self::Ungrouped => "ungrouped",
            Self::Setuid => "setuid",
            Self::Setgid => "setgid",
        }
    }

    /// Returns the test of `find`.
    pub const fn predicate(self) -> &'static str {
        match self {
            Self::WorldWritableFile => "-type f -perm -0002",
            Self::WorldWritableDirectory => "-type d -perm -0002 ! -perm -1000",
            Self::Unowned => "-nouser",
            Self::Ungrouped => "-nogroup",
            Self::Setuid => "-type f -perm -4000",
            Self::Setgid => "-type f -perm -2000",
        }
    }
}

/// What the script puts before the test of a sort, to spare `find` a look-up in the user database for each
/// file: nearly all belong to user and group 0, which are known when they have been found once.
const fn shortcut(sort: Sort) -> &'static str {
    match sort {
        Sort::Unowned => "$u ",
        Sort::Ungrouped => "$g ",
        Sort::WorldWritableFile | Sort::WorldWritableDirectory | Sort::Setuid | Sort::Setgid => "",
    }
}

/// Writes the script for the sorts that rules look for.
///
/// The roots are `/`, whatever its type, and every mount of a local file system. Each other mount is named behind a
/// `-`, each root but `/` behind a `+`. Records end in NUL, so a file name cannot forge one.
pub fn script(sorts: &BTreeSet<Sort>) -> String {
    let mut script = String::from(
        r#"command -v find >/dev/null 2>&1 || { echo 'find: not found' >&2; exit 127; }
find / -maxdepth 0 -printf '' 2>/dev/null || { echo 'this find has no -printf' >&2; exit 127; }
set -- /
if [ -r /proc/self/mounts ]; then
while read -r d m t o; do
case $m in /) continue;; *\\*) m=$(printf '%b' "$m");; esac
case $t in
ext2|ext3|ext4|xfs|btrfs|overlay|f2fs|jfs|zfs)
set -- "$@" "$m"
printf '+%s\0' "$m";;
*) printf -- '-%s\0' "$m";;
esac
done </proc/self/mounts
fi
u= g=
if getent passwd 0 >/dev/null 2>&1; then u='! -uid 0'; fi
if getent group 0 >/dev/null 2>&1; then g='! -gid 0'; fi
p=
if command -v nice >/dev/null 2>&1; then p='nice -n 19'; fi
if command -v ionice >/dev/null 2>&1; then p="$p ionice -c 3"; fi
$p find "$@" -xdev"#,
    );
    for sort in sorts {
        script.push_str(&format!(
            " \\( {}{} -printf '{}:%m:%u:%g:%p\\0' -o -true \\)",
            shortcut(*sort),
            sort.predicate(),
            sort.name()
        ));
    }
    script.push_str("\nprintf '.%s\\000' \"$?\"\n");
    script
}

/// A file that a walk found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub path: String,
    pub mode: String,
    pub owner: String,
    pub group: String,
}

/// What a walk found, by sort; sorted and without repeats.
#[derive(Debug, Default)]
pub struct Hits(BTreeMap<Sort, BTreeSet<Hit>>);

impl Hits {
    /// Returns what was found of one sort, in the order of paths.
    pub fn of(&self, sort: Sort) -> impl Iterator<Item = &Hit> {
        self.0.get(&sort).into_iter().flatten()
    }
}

/// Parses the answer. A walk that could not go everywhere gives no verdict.
///
/// # Errors
/// When the answer is torn or misshapen, or the walk did not go everywhere.
pub fn parse(observation: &Observation) -> Result<Hits, Reason> {
    let mut records: Vec<&[u8]> = observation.stdout.split(|byte| *byte == 0).collect();
    let torn = || unexpected("the answer of the walk is torn: its end mark is missing");
    // Behind the last NUL stands nothing, before it the mark.
    let (Some([]), Some(mark)) = (records.pop(), records.pop()) else {
        return Err(torn());
    };
    let status = mark.strip_prefix(b".").ok_or_else(torn)?;
    let (mut hits, mut roots, mut elsewhere) = (Hits::default(), BTreeSet::new(), BTreeSet::new());
    for record in records {
        let record = lossy(record);
        if let Some(mount) = record.strip_prefix('+') {
            roots.insert(mount.to_owned());
            continue;
        }
        if let Some(mount) = record.strip_prefix('-') {
            elsewhere.insert(mount.to_owned());
            continue;
        }
        let (sort, hit) = hit(&record).ok_or_else(|| {
            unexpected(format!("the walk printed a record that is no file: {}", bounded(&record)))
        })?;
        hits.0.entry(sort).or_default().insert(hit);
    }
    if status != b"0" {
        let elsewhere: BTreeSet<&str> = elsewhere.difference(&roots).map(String::as_str).collect();
        incomplete("walk", &observation.stderr, &elsewhere)?;
    }
    Ok(hits)
}

/// Judges what `find` said on standard error. A file that went away while it ran does not matter, nor does a mount that
/// is left out anyway and cannot be looked at: root may not look at a mount of FUSE that is another user's own
/// (mount.fuse(8), allow_root). Anything else does.
pub(super) fn incomplete(what: &str, stderr: &[u8], elsewhere: &BTreeSet<&str>) -> Result<(), Reason> {
    let text = lossy(stderr);
    let is_left_out = |line: &str| {
        let quoted = line.strip_prefix("find: '").and_then(|rest| rest.rsplit_once("': "));
        quoted.is_some_and(|(path, _message)| elsewhere.contains(path))
    };
    let trouble = text.lines().find(|line| {
        !line.trim().is_empty() && !line.ends_with(": No such file or directory") && !is_left_out(line)
    });
    match trouble {
        Some(line) if line.ends_with(": Permission denied") => Err(Reason::new(
            ReasonCode::PermissionDenied,
            format!("the {what} could not go everywhere: {}", bounded(line)),
        )),
        Some(line) => Err(Reason::new(
            ReasonCode::ToolFailed,
            format!("the {what} failed: {}", first_line(line.as_bytes())),
        )),
        None if text.trim().is_empty() => {
            Err(Reason::new(ReasonCode::ToolFailed, format!("the {what} failed without a word")))
        }
        None => Ok(()),
    }
}

fn hit(record: &str) -> Option<(Sort, Hit)> {
    let mut parts = record.splitn(5, ':');
    let name = parts.next()?;
    let sort = Sort::ALL.into_iter().find(|sort| sort.name() == name)?;
    let mode = parts.next()?.to_owned();
    let owner = parts.next()?.to_owned();
    let group = parts.next()?.to_owned();
    let path = parts.next()?.to_owned();
    Some((sort, Hit { path, mode, owner, group }))
}
