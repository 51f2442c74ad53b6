//! Commands that a scan sends and what comes back for each, as exchanged between `rules` and `transport`.

use serde::{Deserialize, Serialize};

use crate::{Digest, Platform};

/// Which lane of the conversation a command runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// The main channel.
    Fast,
    /// A second channel on the same connection, for file-system walks.
    Slow,
}

/// One read-only command of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Stable name of the probe, unique in a scan: `packages`, `files`, `command:<rule id>`. A recorded
    /// capture answers by this key.
    pub key: String,
    /// POSIX `sh` text. It runs as `sh -c` with no standard input; it may hold any byte but NUL.
    pub script: String,
    /// Longest it may run. Milliseconds.
    pub timeout_ms: u32,
    pub lane: Lane,
    /// Most bytes of standard output that are kept; the rest is counted, hashed and dropped.
    pub keep_bytes_max: usize,
    /// Most bytes of standard output that are read; one more fails the scan (`evidence_oversize`).
    pub read_bytes_max: usize,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It exited; a non-zero status is a result to judge, not a failure. 0 to 255.
    Exited(i32),
    /// It ran longer than it may and was ended.
    TimedOut,
    /// The conversation ended before it answered.
    NoAnswer,
}

/// What one command answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The [`Command::key`] that this answers.
    pub key: String,
    pub ending: Ending,
    /// The first bytes of standard output, at most the command's `keep_bytes_max`.
    pub stdout: Vec<u8>,
    /// Length of the whole standard output. Bytes.
    pub stdout_len: u64,
    /// SHA-256 of the whole standard output.
    pub stdout_sha256: Digest,
    /// The first bytes of standard error, at most 64 KiB.
    pub stderr: Vec<u8>,
    /// When its first and last byte were seen, since the conversation began. Milliseconds.
    pub started_ms: u64,
    pub ended_ms: u64,
}

impl Observation {
    /// Tells whether some of the standard output was dropped.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.stdout_len != self.stdout.len() as u64
    }
}

/// What a host says before the first probe: who we are there and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Effective user id of the shell that runs the probes.
    pub uid: u32,
    pub hostname: String,
    pub platform: Platform,
    /// Programs found on the fixed PATH, of those that probes ask about; sorted.
    pub tools: Vec<String>,
}

/// What a scan cost on the wire, counted above the transport's encryption.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireStats {
    /// Channels opened on the connection.
    pub channels: u32,
    /// Times we waited for the host's answer before we could go on, after login.
    pub round_trips: u32,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}
