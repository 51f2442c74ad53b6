//! The text of all configuration files that rules read, by one `awk`. Password fields stay on the host.

use std::collections::{BTreeMap, BTreeSet};

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};
use crate::format::glob;
use crate::shown::bounded;

/// Most text that is taken of one file. Bytes, with two a line for its frame.
const FILE_TEXT_BYTES_MAX: usize = 1_048_576;
/// Most text that is taken of all files. Bytes; below what the transport keeps.
const TOTAL_TEXT_BYTES_MAX: usize = 3_670_016;

/// Writes the script for the paths and globs that rules read.
///
/// First the shell says what each path is: `@` to be read, `!` not permitted, `#` not a regular file
/// (never opened: it may block), `-` not there, `?` a name with a line feed. Then `awk` gives `:` path and
/// `=` lines, `%` path where text was left out, and `.` at the end. Every line of a file has its mark, so
/// no text can pass for a frame.
pub fn script(paths: &BTreeSet<String>) -> String {
    let mut script = String::from(
        "command -v awk >/dev/null 2>&1 || { echo 'awk: not found' >&2; exit 127; }\nn='\n'\nset --\nfor f in",
    );
    for path in paths {
        script.push(' ');
        script.push_str(path);
    }
    script.push_str(
        r#"; do
case $f in
*"$n"*) printf '?%s\n' "${f%%"$n"*}"; continue;;
esac
if [ -f "$f" ]; then
  if [ -r "$f" ]; then printf '@%s\n' "$f"; set -- "$@" "$f"; else printf '!%s\n' "$f"; fi
elif [ -e "$f" ]; then printf '#%s\n' "$f"
else
  p=$f
  while [ -n "$p" ] && [ ! -e "$p" ]; do p=${p%/*}; done
  p=${p:-/}
  r=-
  if [ -d "$p" ]; then
    [ -x "$p" ] || r='!'
    case $f in *[*?]*) [ -r "$p" ] || r='!';; esac
  fi
  printf '%s%s\n' "$r" "$f"
fi
done
[ $# -gt 0 ] || { echo .; exit 0; }
"#,
    );
    script.push_str(&format!(
        r#"awk 'FNR==1{{n=0;k=s[FILENAME]++;if(!k)print ":" FILENAME;p=FILENAME=="/etc/passwd"||FILENAME=="/etc/group"}}
k{{next}}
{{l=length($0)+2;n+=l;if(n>{FILE_TEXT_BYTES_MAX}||t+l>{TOTAL_TEXT_BYTES_MAX}){{if(!c[FILENAME]++)print "%" FILENAME;next}}t+=l
if(p){{i=index($0,":");if(i){{r=substr($0,i+1);j=index(r,":");if(j>2)$0=substr($0,1,i) "<hidden>" substr(r,j)}}}}
print "=" $0}}
END{{print "."}}' "$@"
"#
    ));
    script
}

/// The text of one file.
#[derive(Debug, Clone, Default)]
pub struct TextFile {
    pub path: String,
    /// Lines without their ends, also without a carriage return. A byte order mark is text, as it is for nearly all
    /// programs: who skips it says so.
    pub lines: Vec<String>,
    /// The lines as they came, each with a line feed.
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Text(TextFile),
    /// There, and not a regular file.
    Special,
    Absent,
    Denied,
    /// Not all of it was taken.
    Cut,
}

/// The text of all files that rules read.
#[derive(Debug, Default)]
pub struct TextFiles {
    states: BTreeMap<String, State>,
    odd: Vec<String>,
    uid: u32,
}

impl TextFiles {
    /// Returns a file; none when it is not there or no regular file.
    ///
    /// # Errors
    /// When it could not be read, or not as a whole.
    pub fn read(&self, path: &str) -> Result<Option<&TextFile>, Reason> {
        match self.states.get(path) {
            Some(State::Text(file)) => Ok(Some(file)),
            Some(State::Absent | State::Special) => Ok(None),
            Some(State::Denied) => Err(Reason::new(
                ReasonCode::PermissionDenied,
                format!("{}: permission denied", bounded(path)),
            )),
            Some(State::Cut) => Err(Reason::new(
                ReasonCode::OutputCut,
                format!("{} is too long to be read whole", bounded(path)),
            )),
            None => Err(unexpected(format!("the text probe said nothing about {path}"))),
        }
    }

    /// Returns the paths that a path or glob names, in the order of their bytes, also those that are no
    /// regular files.
    ///
    /// # Errors
    /// When a glob names nothing for sure: a name with a line feed, folders that only root sees, a probe that said nothing.
    pub fn names(&self, pattern: &str) -> Result<Vec<&str>, Reason> {
        if !glob::is_glob(pattern) {
            return Ok(self
                .states
                .get_key_value(pattern)
                .map(|(path, _)| path.as_str())
                .into_iter()
                .collect());
        }
        if let Some(odd) = self.odd.iter().find(|odd| glob::may_begin(pattern, odd)) {
            return Err(unexpected(format!(
                "a file name that begins with {} holds a line feed",
                bounded(odd)
            )));
        }
        if self.uid != 0 && glob::has_inner_wildcard(pattern) {
            let text = format!("only root can look into every directory of {pattern}");
            return Err(Reason::new(ReasonCode::PermissionDenied, text));
        }
        let found: Vec<&str> = self
            .states
            .keys()
            .filter(|path| *path != pattern && glob::matches(pattern, path))
            .map(String::as_str)
            .collect();
        if found.is_empty() {
            self.read(pattern)?;
        }
        Ok(found)
    }

    /// Returns the files that a path or glob names, in the order of their paths.
    ///
    /// # Errors
    /// As [`TextFiles::names`] and [`TextFiles::read`].
    pub fn find(&self, pattern: &str) -> Result<Vec<&TextFile>, Reason> {
        if !glob::is_glob(pattern) {
            return Ok(self.read(pattern)?.into_iter().collect());
        }
        let mut files = Vec::new();
        for path in self.names(pattern)? {
            files.extend(self.read(path)?);
        }
        Ok(files)
    }

    /// Returns the files of several drop-in directories as systemd.unit(5) and sysctl.d(5) order them:
    /// of files with the same name the one of the last pattern counts (also when it is no regular file,
    /// which masks), read in the order of their names.
    ///
    /// # Errors
    /// As [`TextFiles::find`].
    pub fn drop_ins(&self, patterns: &[String]) -> Result<Vec<&TextFile>, Reason> {
        let mut by_name: BTreeMap<&str, &str> = BTreeMap::new();
        for pattern in patterns {
            for path in self.names(pattern)? {
                if glob::is_glob(pattern) || !matches!(self.states.get(path), Some(State::Absent)) {
                    by_name.insert(path.rsplit('/').next().unwrap_or(path), path);
                }
            }
        }
        let mut files = Vec::new();
        for path in by_name.into_values() {
            files.extend(self.read(path)?);
        }
        Ok(files)
    }
}

/// Parses the answer.
///
/// # Errors
/// When the answer is torn or does not have the shape that its script gives.
pub fn parse(observation: &Observation, uid: u32) -> Result<TextFiles, Reason> {
    let mut files = TextFiles { uid, ..TextFiles::default() };
    let mut current: Option<TextFile> = None;
    for line in super::body_lines(&observation.stdout, "text")? {
        let Some((mark, rest)) = line.split_first() else {
            return Err(unexpected("the text probe printed a line without a mark"));
        };
        let state = match mark {
            b'=' => {
                let Some(file) = &mut current else {
                    return Err(unexpected("the text probe printed text outside of a file"));
                };
                push_line(file, rest);
                continue;
            }
            b'@' => State::Text(TextFile { path: lossy(rest), ..TextFile::default() }),
            b':' => {
                files.keep(current.take());
                current = Some(TextFile { path: lossy(rest), ..TextFile::default() });
                continue;
            }
            b'!' => State::Denied,
            b'#' => State::Special,
            b'-' => State::Absent,
            b'%' => {
                files.keep(current.take());
                State::Cut
            }
            b'?' => {
                files.odd.push(lossy(rest));
                continue;
            }
            _ => return Err(unexpected("the text probe printed a line with an unknown mark")),
        };
        files.states.insert(lossy(rest), state);
    }
    files.keep(current);
    Ok(files)
}

impl TextFiles {
    fn keep(&mut self, file: Option<TextFile>) {
        let Some(file) = file else {
            return;
        };
        let state = self.states.entry(file.path.clone()).or_insert(State::Absent);
        if !matches!(state, State::Cut) {
            *state = State::Text(file);
        }
    }
}

fn push_line(file: &mut TextFile, line: &[u8]) {
    file.bytes.extend_from_slice(line);
    file.bytes.push(b'\n');
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    file.lines.push(lossy(line));
}
