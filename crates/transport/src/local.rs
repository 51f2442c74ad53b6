//! The driving shell on this machine, as a child process in its own process group.
//!
//! Ending it, also by dropping it, tells the shell to end the running probe and itself.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::error::TransportError;
use crate::pipe::{Input, Output, Pipe};

/// The shell that a host's own `sh -s` is: found by its fixed place, not by our PATH.
const SHELL: &str = "/bin/sh";

/// A running local shell; its probes and itself end with it.
pub(crate) struct LocalShell {
    child: Child,
}

impl LocalShell {
    /// Starts a shell and returns it with its streams.
    pub(crate) fn start() -> Result<(Self, Pipe), TransportError> {
        #[expect(clippy::disallowed_methods, reason = "transport is the crate that starts processes")]
        let mut command = Command::new(SHELL);
        command
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().map_err(TransportError::Spawn)?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let shell = Self { child };
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            let missing = std::io::Error::other("a stream of the shell is missing");
            return Err(TransportError::Spawn(missing));
        };
        let output = Output::Local { stdout: Some(stdout), stderr: Some(stderr) };
        Ok((shell, Pipe { input: Input::Local(stdin), output }))
    }

    /// Waits until the shell has exited, at most for `limit`; a shell that stays is ended by dropping it.
    pub(crate) async fn finish(mut self, limit: std::time::Duration) {
        let _exited = tokio::time::timeout(limit, self.child.wait()).await.is_ok();
    }
}

impl Drop for LocalShell {
    fn drop(&mut self) {
        // None once the child was waited for, so an id that was reused is never signalled.
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // To the shell alone: it ends the probe's process group by itself. Behind sudo, which runs as
            // another user, the closed standard input ends the shell after the current probe.
            let _gone = kill_process(id, Signal::TERM).is_err();
        }
    }
}
