//! Every limit of a conversation in one place. Does not enforce them: each is named where it holds.

use std::time::Duration;

/// Limits of one conversation with one host, on time, bytes and tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest name resolution, connect, key exchange and host-key decision, together. Default 10 s (SSH-02).
    pub connect: Duration,
    /// Longest authentication, all methods together. Default 20 s.
    pub login: Duration,
    /// Longest wait for each answer before the first probe: the shell, the prompt of sudo, the hello.
    /// Default 10 s.
    pub hello: Duration,
    /// Longest whole conversation, connecting included. Default 600 s (EXE-08).
    pub conversation: Duration,
    /// How much longer than its own time limit a probe's answer may take before the host is given up.
    /// Default 15 s.
    pub grace: Duration,
    /// Longest orderly ending of a session; then it is cut. Default 2 s.
    pub close: Duration,
    /// Most authentication attempts on a connection, all methods together. Default 6, which is also
    /// what OpenSSH's `MaxAuthTries` allows by default.
    pub auth_attempts_max: usize,
    /// Most bytes on each stream before the first frame: banners and noise of login scripts.
    /// Default 64 KiB.
    pub banner_bytes_max: usize,
    /// Most bytes of one probe's standard error that are kept. Default 64 KiB.
    pub stderr_keep_bytes_max: usize,
    /// Most bytes of one probe's standard error that are read; one more fails the scan
    /// (`evidence_oversize`). Default 10 MiB.
    pub stderr_read_bytes_max: usize,
    /// Most bytes kept for all probes together; one more fails the scan (`evidence_oversize`).
    /// Default 64 MiB.
    pub kept_bytes_max: usize,
    /// Most bytes on each stream between two frames, from processes that a probe left behind.
    /// Default 1 MiB.
    pub stray_bytes_max: usize,
    /// Most commands in a plan. Default 10,000.
    pub commands_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            login: Duration::from_secs(20),
            hello: Duration::from_secs(10),
            conversation: Duration::from_secs(600),
            grace: Duration::from_secs(15),
            close: Duration::from_secs(2),
            auth_attempts_max: 6,
            banner_bytes_max: 64 << 10,
            stderr_keep_bytes_max: 64 << 10,
            stderr_read_bytes_max: 10 << 20,
            kept_bytes_max: 64 << 20,
            stray_bytes_max: 1 << 20,
            commands_max: 10_000,
        }
    }
}
