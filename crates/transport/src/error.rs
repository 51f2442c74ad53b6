//! What can go wrong between us and a host, each with the failure reason that a scan records.
//! Does not decide what is retried.

use std::fmt::{self, Write as _};
use std::io;
use std::time::Duration;

use model::FailureReason;
use rustix::io::Errno;

use crate::frame::FrameError;
use crate::key::KeyError;

/// Longest excerpt of foreign bytes in an error. Bytes of the host, before escaping.
const EXCERPT_BYTES_MAX: usize = 200;

/// A caller's refusal of a host key. Each text says what was found, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostKeyRefusal {
    #[error("the host key is not known: {0}")]
    Unknown(String),
    #[error("the host key is not the one we know: {0}")]
    Mismatch(String),
    #[error("the host key was revoked: {0}")]
    Revoked(String),
    /// The decision could not be made, so it is no (SSH-07).
    #[error("the host key could not be looked up: {0}")]
    Undecided(String),
}

/// Why sudo gave no shell of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SudoRefusal {
    /// It asks for a password, and there is none to give.
    PasswordNeeded,
    PasswordWrong,
    /// It wants a terminal, which is `requiretty` of sudoers(5).
    TerminalNeeded,
    /// Nothing came before the limit: it waits for something else, or the host does.
    NoAnswer,
    /// It ended, whatever it said.
    Refused,
}

impl SudoRefusal {
    /// Tells the cause from sudo's last words, in the C locale: those of sudo 1.8 and 1.9, and of sudo-rs for a password that
    /// is needed.
    pub(crate) fn of(said: &Said) -> Self {
        let has = |words: &str| said.bytes.windows(words.len()).any(|window| window == words.as_bytes());
        if has("must have a tty") {
            Self::TerminalNeeded
        } else if has("a password is required") || has("authentication is required") {
            Self::PasswordNeeded
        } else if has("incorrect password attempt") {
            Self::PasswordWrong
        } else {
            Self::Refused
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordNeeded => "sudo asks for a password",
            Self::PasswordWrong => "sudo did not accept the password",
            Self::TerminalNeeded => "sudo wants a terminal",
            Self::NoAnswer => "sudo did not answer in time",
            Self::Refused => "sudo ended without an answer",
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::PasswordNeeded => {
                "give the password by --ask-sudo-password or PLUMB_SUDO_PASSWORD, or allow the account to run sh by sudo \
                 without one"
            }
            Self::PasswordWrong => {
                "check the password that --ask-sudo-password or PLUMB_SUDO_PASSWORD gave; without either it is that of the \
                 login"
            }
            Self::TerminalNeeded => {
                "lift requiretty for the account, as by `Defaults:NAME !requiretty` in sudoers, or log in as root"
            }
            Self::NoAnswer => {
                "run `sudo -k; sudo id` as the account and see what it waits for, such as a second factor or a slow directory"
            }
            Self::Refused => "allow the account to run sh by sudo, or log in as root",
        }
    }
}

/// Tells whether this machine, not the host, allowed no more open files: this process or all of them together (open(2)).
pub(crate) fn is_out_of_files(err: &io::Error) -> bool {
    matches!(Errno::from_io_error(err), Some(Errno::MFILE | Errno::NFILE))
}

/// Why there is no conversation. Nothing of a failed conversation is handed out (EXE-15).
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error("could not resolve the name {name}")]
    Resolve {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("could not connect to {endpoint}{}", problem.map_or_else(String::new, |problem| format!(": {problem}")))]
    Connect {
        endpoint: String,
        /// In our words, where the system's alone mislead.
        problem: Option<&'static str>,
        #[source]
        source: io::Error,
    },
    #[error("{endpoint} did not finish the SSH handshake: {problem}")]
    Handshake { endpoint: String, problem: String },
    #[error("{what} did not happen within {} s", limit.as_secs_f32())]
    Timeout { what: &'static str, limit: Duration },
    #[error("{0}")]
    HostKey(HostKeyRefusal),
    #[error("could not use the private key")]
    Key(#[from] KeyError),
    /// `told` says what was tried, which keys could not be opened, and what the host still accepts once it has said so.
    #[error("could not log in as {user}: {told}")]
    Auth { user: String, told: String, has_unopened: bool },
    #[error("the connection was lost {during}")]
    Lost { during: String },
    #[error("no usable shell: {problem}")]
    NoShell { problem: &'static str, first_bytes: Said },
    /// `said` is what sudo said about it, where it said anything.
    #[error("could not become root: {}", said.or(cause.as_str()))]
    Privilege { cause: SudoRefusal, said: Said },
    #[error("the host answered against the protocol")]
    Frame(#[from] FrameError),
    #[error("the host's hello could not be understood: {problem}")]
    Hello { problem: String },
    #[error("could not tell what the host runs: {0}")]
    Platform(#[from] model::PlatformError),
    /// The answer to `probe` is larger than anything we read.
    #[error("the answer to {probe} is larger than {limit} bytes")]
    Oversize { probe: String, limit: usize },
    #[error("the host stopped answering during {probe}")]
    Stalled { probe: String },
    #[error("could not start the local shell")]
    Spawn(#[source] io::Error),
    #[error("could not send command {key}: {problem}")]
    Command { key: String, problem: &'static str },
    #[error("could not replay the capture")]
    Capture(#[from] crate::capture::CaptureError),
}

impl TransportError {
    /// Returns the failure reason that a scan records.
    #[must_use]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } | Self::Handshake { .. } => {
                FailureReason::ConnectFailed
            }
            Self::Timeout { .. } | Self::Stalled { .. } => FailureReason::Timeout,
            Self::HostKey(HostKeyRefusal::Unknown(_)) => FailureReason::HostKeyUnknown,
            Self::HostKey(HostKeyRefusal::Mismatch(_)) => FailureReason::HostKeyMismatch,
            Self::HostKey(HostKeyRefusal::Revoked(_)) => FailureReason::HostKeyRevoked,
            Self::HostKey(HostKeyRefusal::Undecided(_)) => FailureReason::StoreError,
            Self::Key(_) => FailureReason::InvalidKey,
            Self::Auth { .. } => FailureReason::AuthFailed,
            Self::Lost { .. } => FailureReason::ConnectionLost,
            Self::Privilege { .. } => FailureReason::PrivilegeFailed,
            Self::Platform(_) => FailureReason::UnsupportedPlatform,
            Self::Oversize { .. } => FailureReason::EvidenceOversize,
            Self::NoShell { .. }
            | Self::Frame(_)
            | Self::Hello { .. }
            | Self::Spawn(_)
            | Self::Command { .. }
            | Self::Capture(_) => FailureReason::EngineError,
        }
    }

    /// Returns what the user can look at next: one line, safe to print on a terminal.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Resolve { source, .. } | Self::Connect { source, .. } | Self::Spawn(source)
                if is_out_of_files(source) =>
            {
                Some("lower -j (--concurrency), or raise `ulimit -n`: the limit is this machine's".to_owned())
            }
            Self::NoShell { first_bytes, .. } if !first_bytes.is_blank() => {
                Some(format!("the host sent: {first_bytes}"))
            }
            Self::NoShell { .. } => {
                Some("check that the account has a login shell and no forced command".to_owned())
            }
            Self::Auth { .. } => Some("check the user name, the key and the password".to_owned()),
            Self::HostKey(HostKeyRefusal::Mismatch(_)) => {
                Some("find out why the key changed before you approve it".to_owned())
            }
            Self::Privilege { cause, .. } => Some(cause.hint().to_owned()),
            Self::Key(KeyError::Encrypted) => Some("give the key's passphrase".to_owned()),
            Self::Frame(FrameError::Banner { .. }) => {
                Some("check what the account's login scripts print".to_owned())
            }
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Handshake { .. }
            | Self::Timeout { .. }
            | Self::HostKey(_)
            | Self::Key(_)
            | Self::Lost { .. }
            | Self::Frame(_)
            | Self::Hello { .. }
            | Self::Platform(_)
            | Self::Oversize { .. }
            | Self::Stalled { .. }
            | Self::Spawn(_)
            | Self::Command { .. }
            | Self::Capture(_) => None,
        }
    }

    /// Replaces what a host said in the error by what `mask` makes of it. Only whole bytes can be searched for secrets: the text
    /// of the error shows them cut and escaped.
    pub fn mask(&mut self, mask: &dyn Fn(&[u8]) -> Vec<u8>) {
        let said = match self {
            Self::NoShell { first_bytes: said, .. }
            | Self::Privilege { said, .. }
            | Self::Frame(FrameError::Malformed { line: said, .. }) => said,
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Handshake { .. }
            | Self::Timeout { .. }
            | Self::HostKey(_)
            | Self::Key(_)
            | Self::Auth { .. }
            | Self::Lost { .. }
            | Self::Frame(_)
            | Self::Hello { .. }
            | Self::Platform(_)
            | Self::Oversize { .. }
            | Self::Stalled { .. }
            | Self::Spawn(_)
            | Self::Command { .. }
            | Self::Capture(_) => return,
        };
        said.bytes = mask(&said.bytes);
    }

    /// Returns the key of the probe that the failure is about.
    #[must_use]
    pub fn probe(&self) -> Option<&str> {
        if let Self::Oversize { probe, .. } | Self::Stalled { probe } = self {
            return Some(probe);
        }
        if let Self::Command { key, .. } = self {
            return Some(key);
        }
        None
    }
}

/// Why a conversation gave nothing: it failed, or the caller's plan did.
#[derive(Debug, thiserror::Error)]
pub enum ConverseError<E: std::error::Error + 'static> {
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The plan for this host was refused; the session was ended in order.
    #[error(transparent)]
    Plan(E),
}

/// Bytes of a host in an error, whole. Shown they are one printable line, cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    bytes: Vec<u8>,
    shown: Shown,
}

/// Which part of what was said is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Start,
    End,
}

impl Said {
    pub(crate) fn nothing() -> Self {
        Self::start(&[])
    }

    pub(crate) fn start(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), shown: Shown::Start }
    }

    pub(crate) fn end(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), shown: Shown::End }
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.trim_ascii().is_empty()
    }

    /// Returns what is shown, or `otherwise` where nothing was said.
    fn or(&self, otherwise: &str) -> String {
        if self.is_blank() { otherwise.to_owned() } else { self.to_string() }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self.shown {
            Shown::Start => excerpt(&self.bytes),
            Shown::End => excerpt_of_end(&self.bytes),
        })
    }
}

/// Writes foreign bytes as one printable ASCII line: the start of it, everything else escaped (EXE-13).
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let bytes = bytes.trim_ascii();
    let mut text = String::new();
    for byte in bytes.iter().take(EXCERPT_BYTES_MAX) {
        match byte {
            b'\n' => text.push_str(" | "),
            b'\r' => {}
            b' '..=b'~' => text.push(char::from(*byte)),
            other => {
                // Writing to a String cannot fail.
                let _ok = write!(text, "\\x{other:02x}");
            }
        }
    }
    if bytes.len() > EXCERPT_BYTES_MAX {
        text.push_str("...");
    }
    text
}

/// Writes foreign bytes as [`excerpt`] does, but the end of them: as many last lines as fit, or the start of the last one.
/// Blank lines are left out.
pub(crate) fn excerpt_of_end(bytes: &[u8]) -> String {
    let lines: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect();
    let mut size = 0;
    let fits = |line: &&&[u8]| {
        size += line.len() + 1;
        size <= EXCERPT_BYTES_MAX
    };
    let n = lines.iter().rev().take_while(fits).count().max(1);
    excerpt(&lines[lines.len().saturating_sub(n)..].join(&b'\n'))
}

#[cfg(test)]
mod tests;
