//! The text of the driving shell program: its opening, one line per probe, its end. Pure; sends nothing.
//!
//! Plain POSIX `sh` (dash, bash, busybox ash). The program writes no file on the host, keeps the nonce in
//! an unexported variable, and never evaluates a probe's script itself.

mod hello;

use model::Command;

use crate::error::TransportError;
use crate::frame::Nonce;
pub(crate) use hello::{Dialect, Greeting, read_hello};

/// The PATH of every probe: the system's own folders first, so that nothing local shadows them.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// Programs whose presence the hello reports, sorted.
pub const TOOLS: &[&str] = &[
    "apt-get",
    "auditctl",
    "augenrules",
    "awk",
    "busybox",
    "cat",
    "chage",
    "cut",
    "dnf",
    "dpkg-query",
    "find",
    "findmnt",
    "firewall-cmd",
    "getent",
    "grep",
    "ionice",
    "ip",
    "iptables",
    "journalctl",
    "lsmod",
    "modinfo",
    "modprobe",
    "mount",
    "nft",
    "nice",
    "passwd",
    "ps",
    "readlink",
    "renice",
    "rpm",
    "sed",
    "sestatus",
    "setsid",
    "sha256sum",
    "sort",
    "ss",
    "sshd",
    "stat",
    "sudo",
    "sysctl",
    "systemctl",
    "timeout",
    "tr",
    "ufw",
    "uname",
    "xargs",
    "zypper",
];

/// The exec request: works from any login shell, POSIX or not.
pub(crate) const EXEC: &str = "exec sh -s";

/// What the shell behind sudo says before it reads its program. It holds no secret: nothing but a login
/// script can have spoken before it.
pub(crate) const READY: &str = "plumbline-sudo-ready";

/// What sudo is told to prompt with.
pub(crate) const PROMPT: &str = "plumbline-sudo-password:";

/// Longest script that is passed as an argument. Bytes; Linux allows 128 KiB for one argument.
const ARGUMENT_BYTES_MAX: usize = 100 << 10;

/// Whether and how the opening becomes root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elevation {
    /// It does not.
    None,
    /// By `sudo -n` only.
    SudoNoPassword,
    /// By `sudo -n` where that works, else by `sudo -S`.
    SudoPassword,
}

/// Quotes a text as one word of POSIX `sh` (SSH-16). Any character but NUL survives.
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Writes the opening: it makes the shell known and answers with the hello, as frame 0.
pub(crate) fn opening(nonce: &Nonce, elevation: Elevation) -> String {
    let nonce_line = format!("unset plumb_n; plumb_n={}\n", nonce.as_str());
    let body = format!("{}{}{}", surroundings(), FUNCTIONS, greeting());
    match elevation {
        Elevation::None => format!("{nonce_line}{body}"),
        Elevation::SudoNoPassword | Elevation::SudoPassword => {
            // One compound command: the shell has read all of it before it runs any of it, and nothing
            // stands behind the exec that sudo could take for a password. Why sudo refuses is read from
            // its words, so they are asked for in one language.
            format!(
                "{nonce_line}if [ \"$(id -u)\" = 0 ]; then\n{body}else\n\
                 LC_ALL=C; PATH={PATH}; export LC_ALL PATH\n{}fi\n",
                become_root(elevation)
            )
        }
    }
}

/// Tries `sudo -n` first and says what it found before it lets sudo take over.
fn become_root(elevation: Elevation) -> String {
    let shell = format!("sh -c 'echo {READY}; exec sh -s'");
    let notice = |word: &str| format!("printf '\\n%s P {word}\\n' \"$plumb_n\"");
    let fallback = match elevation {
        // Runs into sudo's own refusal, so that its words reach us.
        Elevation::None | Elevation::SudoNoPassword => {
            format!("{}\nexec sudo -n {shell}\n", notice("denied"))
        }
        // `-k` with a command passes the cached timestamp by and leaves it alone (SSH-15).
        Elevation::SudoPassword => {
            format!("{}\nexec sudo -k -S -p {PROMPT} {shell}\n", notice("password"))
        }
    };
    format!(
        "if sudo -n sh -c : </dev/null >/dev/null 2>&1; then\n{}\nexec sudo -n {shell}\nelse\n{fallback}fi\n",
        notice("nopassword")
    )
}

/// Everything that could make two logins answer differently (EXE-19), and what keeps a scan unnoticed.
fn surroundings() -> String {
    format!(
        "set +a +e +f +u +v +x +C\n\
         unset -f printf read command kill wait 2>/dev/null\n\
         unset ENV BASH_ENV CDPATH LANG LANGUAGE GREP_OPTIONS TMOUT POSIXLY_CORRECT\n\
         unset plumb_t plumb_r plumb_k plumb_v plumb_x plumb_o plumb_d plumb_l plumb_i\n\
         LC_ALL=C; PATH={PATH}; export LC_ALL PATH\n\
         umask 077; cd /\n\
         if command -v renice >/dev/null; then renice -n 10 -p $$ >/dev/null 2>&1; fi\n"
    )
}

/// `plumb_c` reads the host's clock, `plumb_m` writes a frame line to both streams, `plumb_q` ends the
/// running probe and the shell, `plumb_a` waits for the probe and clears away what it left behind.
/// `plumb_p` runs one probe under `timeout`, `plumb_b` one whose script is too long for an argument;
/// `plumb_w` and `plumb_z` do the same under the watchdog of `plumb_g`, where the host has none that makes
/// a process group: busybox's does not, and leaves a daemon of its own behind.
/// A probe that ran out of time gets TERM, and KILL 2 seconds later. The driver itself ends processes by
/// KILL: TERM can be lost on a child that has not yet become its program.
const FUNCTIONS: &str = r#"
plumb_c() { { read -r plumb_t plumb_r </proc/uptime; } 2>/dev/null || plumb_t=-; }
plumb_m() { printf '\n%s %s\n' "$plumb_n" "$1"; printf '\n%s %s\n' "$plumb_n" "$1" >&2; }
plumb_y() { kill -KILL "-$1"; kill -KILL "$1"; } 2>/dev/null
plumb_q() {
  trap '' TERM HUP
  if [ -n "$plumb_k" ]; then plumb_y "$plumb_k"; fi
  if [ -n "$plumb_v" ]; then plumb_y "$plumb_v"; fi
  exit 143
}
plumb_a() {
  { wait "$plumb_k"; plumb_x=$?; kill -KILL "-$plumb_k"; } 2>/dev/null
  plumb_k=
}
plumb_s() { plumb_c; plumb_m "S $1 $plumb_t"; }
plumb_e() { plumb_c; plumb_m "E $1 $plumb_x $plumb_t"; }
plumb_p() {
  plumb_s "$1"
  timeout -k 2 "$2" sh -c "$3" </dev/null & plumb_k=$!
  plumb_a; plumb_e "$1"
}
plumb_b() {
  plumb_s "$1"
  printf '%s\n' "$3" | timeout -k 2 "$2" sh -c 'plumb_i=$(cat); exec </dev/null; eval "$plumb_i"' & plumb_k=$!
  plumb_a; plumb_e "$1"
}
plumb_g() {
  $plumb_o sh -c 'sleep "$1"; kill -TERM "$2"; sleep 2; kill -KILL "$2"' sh "$1" "$plumb_d$plumb_k" \
    </dev/null >/dev/null 2>&1 & plumb_v=$!
  plumb_a
  { plumb_y "$plumb_v"; wait "$plumb_v"; } 2>/dev/null
  plumb_v=
}
plumb_w() {
  plumb_s "$1"
  $plumb_o sh -c "$3" </dev/null & plumb_k=$!
  plumb_g "$2"; plumb_e "$1"
}
plumb_z() {
  plumb_s "$1"
  printf '%s\n' "$3" | $plumb_o sh -c 'plumb_i=$(cat); exec </dev/null; eval "$plumb_i"' & plumb_k=$!
  plumb_g "$2"; plumb_e "$1"
}
trap plumb_q TERM HUP
plumb_o= plumb_d=
if command -v setsid >/dev/null; then plumb_o=setsid plumb_d=-; fi
"#;

/// Writes the hello: version, user, machine, kind of `timeout`, tools, and os-release to the letter.
fn greeting() -> String {
    format!(
        r#"plumb_s 0
if timeout --version && timeout -k 1 1.5 true; then plumb_l=yes; else plumb_l=no; fi >/dev/null 2>&1
printf 'plumbline-hello 1\nuid %s\nuname %s\ntimeout %s\ntools' "$(id -u)" "$(uname -nrm)" "$plumb_l"
for plumb_i in {tools}; do
  if command -v "$plumb_i" >/dev/null; then printf ' %s' "$plumb_i"; fi
done
printf '\nos-release\n'
for plumb_i in /etc/os-release /usr/lib/os-release; do
  if [ -r "$plumb_i" ]; then
    while IFS= read -r plumb_r || [ -n "$plumb_r" ]; do printf '%s\n' "$plumb_r"; done <"$plumb_i"
    break
  fi
done
plumb_x=0; plumb_e 0
"#,
        tools = TOOLS.join(" ")
    )
}

/// Writes the lines that run `commands` as frames from `first` on.
pub(crate) fn probes<'a>(
    commands: impl Iterator<Item = &'a Command>,
    first: usize,
    dialect: Dialect,
) -> String {
    let mut program = String::new();
    for (frame, command) in (first..).zip(commands) {
        let long = command.script.len() > ARGUMENT_BYTES_MAX;
        let (function, seconds) = match (dialect, long) {
            (Dialect::Timeout, false) => ("plumb_p", fractional(command.timeout_ms)),
            (Dialect::Timeout, true) => ("plumb_b", fractional(command.timeout_ms)),
            (Dialect::Watchdog, false) => ("plumb_w", whole(command.timeout_ms)),
            (Dialect::Watchdog, true) => ("plumb_z", whole(command.timeout_ms)),
        };
        program.push_str(&format!("{function} {frame} {seconds} {}\n", quote(&command.script)));
    }
    program
}

/// Writes the end of a conversation of `count` frames.
pub(crate) fn goodbye(count: usize) -> String {
    format!("plumb_m 'B {count}'\nexit 0\n")
}

/// Checks what cannot be sent at all.
pub(crate) fn check(command: &Command) -> Result<(), TransportError> {
    let problem = if command.script.contains('\0') {
        "the script holds a NUL"
    } else if command.timeout_ms == 0 {
        "it has no time to run"
    } else {
        return Ok(());
    };
    Err(TransportError::Command { key: command.key.clone(), problem })
}

fn fractional(ms: u32) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn whole(ms: u32) -> String {
    ms.div_ceil(1000).to_string()
}

#[cfg(test)]
mod tests;
