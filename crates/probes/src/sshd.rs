//! Effective settings of the SSH server, from `sshd -T`.

use std::collections::BTreeMap;

use model::{Observation, Reason, ReasonCode};

use super::unexpected;
use crate::shown::first_line;

/// As a person would type it.
pub const COMMAND: &str = "sshd -T";

/// Settings with `Match` blocks are asked for a root login from this machine when the plain question
/// is refused.
///
/// What the blocks set instead follows, for no question about one connection shows what holds for another: each
/// line as `@`, its number, its file, a tab, and its text. Source: sshd_config(5), Include and Match: a block ends
/// at the next one or at the end of its file, and a file that is included in a block belongs to it. Files include
/// others down to 16 levels, as sshd lets them.
pub const SCRIPT: &str = r#"s=
for p in /usr/sbin/sshd /usr/local/sbin/sshd; do
  if [ -f "$p" ]; then s=$p; break; fi
done
[ -n "$s" ] || s=$(command -v sshd) || { echo "sshd: not found" >&2; exit 127; }
if o=$("$s" -T); then
  :
else
  o=$("$s" -T -C user=root,host=localhost,addr=127.0.0.1) || exit $?
fi
printf '%s\n' "$o"
r=$(printf '\r')
blocks() {
  b=$2 n=0
  while read -r k v || [ -n "$k" ]; do
    n=$((n + 1))
    case $k in *=*) v="${k#*=} $v" k=${k%%=*};; esac
    case $k in
    ''|'#'*) ;;
    [Mm][Aa][Tt][Cc][Hh]) b=1;;
    [Ii][Nn][Cc][Ll][Uu][Dd][Ee])
      [ "$3" -lt 16 ] || continue
      for q in $v; do
        q=${q%"$r"} q=${q#\"}; q=${q%\"}
        case $q in /*) ;; *) q=/etc/ssh/$q;; esac
        for p in $q; do
          if [ -f "$p" ] && [ -r "$p" ]; then (blocks "$p" "$b" $(($3 + 1))); fi
        done
      done;;
    *) if [ -n "$b" ]; then printf '@%s %s\t%s %s\n' "$n" "$1" "$k" "$v"; fi;;
    esac
  done <"$1"
}
if [ -r /etc/ssh/sshd_config ]; then blocks /etc/ssh/sshd_config '' 0; fi
echo .
"#;

/// Effective settings.
#[derive(Debug, Default)]
pub struct Settings {
    /// Lower-case keyword to its values, in order.
    pub effective: BTreeMap<String, Vec<String>>,
    /// What `Match` blocks set instead, by keyword in lower case.
    pub in_blocks: BTreeMap<String, Vec<InBlock>>,
}

/// A setting in a `Match` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InBlock {
    /// As `sshd -T` would print it, where that is known.
    pub value: String,
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// Parses the answer.
///
/// # Errors
/// When `sshd -T` failed or refuses this user, or the answer is not what it prints.
pub fn parse(observation: &Observation, exit: i32, uid: u32) -> Result<Settings, Reason> {
    if exit != 0 {
        let said = first_line(&observation.stderr);
        let text = format!("sshd -T left with {exit}: {said}");
        let code = if uid == 0 { ReasonCode::ToolFailed } else { ReasonCode::PermissionDenied };
        return Err(Reason::new(code, text));
    }
    parse_text(&observation.stdout)
}

/// Parses the lines `keyword value...` and those of blocks; the end mark is optional in recorded answers.
pub(crate) fn parse_text(stdout: &[u8]) -> Result<Settings, Reason> {
    let body = stdout.strip_suffix(b"\n.\n").unwrap_or(stdout);
    let text = String::from_utf8_lossy(body);
    let odd = |line: &str| {
        unexpected(format!("sshd -T printed a line that is no setting: {}", first_line(line.as_bytes())))
    };
    let mut settings = Settings::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(line) = line.strip_prefix('@') {
            let (keyword, setting) = in_block(line).ok_or_else(|| odd(line))?;
            settings.in_blocks.entry(keyword).or_default().push(setting);
            continue;
        }
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        if !keyword.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(odd(line));
        }
        settings.effective.entry(keyword.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
    }
    if settings.effective.is_empty() {
        return Err(unexpected("sshd -T printed no setting"));
    }
    Ok(settings)
}

/// Names that sshd takes besides, with the one that `sshd -T` prints (sshd_config(5), KbdInteractiveAuthentication; the
/// keyword table of servconf.c).
const ALIASES: [(&str, &str); 4] = [
    ("challengeresponseauthentication", "kbdinteractiveauthentication"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"),
    ("hostbasedacceptedkeytypes", "hostbasedacceptedalgorithms"),
];

/// Reads `LINE FILE<tab>KEYWORD VALUE`.
fn in_block(line: &str) -> Option<(String, InBlock)> {
    let (place, text) = line.split_once('\t')?;
    let (line, file) = place.split_once(' ')?;
    let text = text.trim();
    let end = text.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(text.len());
    let (keyword, rest) = text.split_at(end);
    let mut keyword = keyword.to_ascii_lowercase();
    if let Some((_alias, printed)) = ALIASES.iter().find(|(alias, _printed)| *alias == keyword) {
        (*printed).clone_into(&mut keyword);
    }
    let rest = rest.trim_start();
    let words = words(rest.strip_prefix('=').unwrap_or(rest));
    let value = match (keyword.as_str(), &words[..]) {
        ("clientaliveinterval", [word]) => seconds(word).unwrap_or_else(|| word.clone()),
        // Two words for one value, of which sshd prints the older.
        ("permitrootlogin", [word]) if word.eq_ignore_ascii_case("prohibit-password") => {
            "without-password".to_owned()
        }
        (_, [word]) if word.eq_ignore_ascii_case("true") => "yes".to_owned(),
        (_, [word]) if word.eq_ignore_ascii_case("false") => "no".to_owned(),
        _ => words.join(" "),
    };
    Some((keyword, InBlock { value, file: file.to_owned(), line: line.parse().ok()? }))
}

/// Splits arguments: double quotes hold spaces, and an unquoted word that begins with `#` begins a comment.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    words
}

/// Returns a time as seconds; sshd_config(5), TIME FORMATS: `90`, `5m`, `1h30m`.
fn seconds(text: &str) -> Option<String> {
    let (mut total, mut number) = (0_u64, String::new());
    for c in text.chars() {
        let factor = match c.to_ascii_lowercase() {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        number.clear();
    }
    if !number.is_empty() {
        total = total.checked_add(number.parse().ok()?)?;
    }
    Some(total.to_string())
}
