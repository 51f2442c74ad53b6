//! Running a program with a hard limit on its time and on what is kept of its output.
//!
//! Used for the tools that build and enter test hosts and for the binary under test. Does not
//! interpret what a program says.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait;

/// Most bytes kept of each output stream. What follows is read and dropped.
pub const OUTPUT_LIMIT: usize = 16 << 20;

/// How long the streams of an ended program are read on, should a process it left behind hold them open.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// Why a program gave no output.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program is missing or may not be run.
    #[error("could not start {program}")]
    Start {
        /// Name or path of the program.
        program: String,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// Its end could not be waited for.
    #[error("could not wait for {program}")]
    Wait {
        /// Name or path of the program.
        program: String,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// It ran past its limit and was killed with its process group.
    #[error("{program} ran longer than {limit:?} and was killed; it said: {said}")]
    TimedOut {
        /// Name or path of the program.
        program: String,
        /// The limit.
        limit: Duration,
        /// Standard output and error so far.
        said: String,
    },
}

/// What a program left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Standard output, invalid UTF-8 replaced, at most [`OUTPUT_LIMIT`] bytes.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Output {
    /// Says whether the program exited with code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// A running program whose output is being collected.
pub struct Running {
    program: String,
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    /// Standard output that was waited for already.
    early: Vec<u8>,
    /// Open as long as somebody types.
    stdin: Option<ChildStdin>,
}

impl Running {
    /// Starts `command` in its own process group and feeds it `stdin`.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`].
    pub fn start(command: Command, stdin: &[u8]) -> Result<Running, ProcessError> {
        let mut running = Running::start_to_type(command)?;
        if let Some(mut pipe) = running.stdin.take() {
            let bytes = stdin.to_vec();
            // A program that ends without reading closes the pipe: that is its own business.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        Ok(running)
    }

    /// Starts `command` in its own process group with a standard input that stays open for [`Running::type_in`].
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`].
    pub fn start_to_type(mut command: Command) -> Result<Running, ProcessError> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(err) => return Err(ProcessError::Start { program, err }),
        };
        let stdin = child.stdin.take();
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        Ok(Running { program, child, stdout, stderr, early: Vec::new(), stdin })
    }

    /// Writes to the standard input of a program that was started for that; says whether it could be written.
    pub fn type_in(&mut self, bytes: &[u8]) -> bool {
        self.stdin.as_mut().is_some_and(|pipe| pipe.write_all(bytes).is_ok())
    }

    /// Waits until `words` stand in standard output, and returns all of it so far; nothing when the stream ends or
    /// `limit` passes before.
    pub fn said(&mut self, words: &str, limit: Duration) -> Option<String> {
        let end = Instant::now() + limit;
        loop {
            let said = String::from_utf8_lossy(&self.early).into_owned();
            if said.contains(words) {
                return Some(said);
            }
            let chunk = self.stdout.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
            self.early.extend(chunk);
        }
    }

    /// Returns the process id, which is also the id of its process group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, named as `kill` names it (`INT`, `KILL`, `STOP`), to the whole group.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`] when `kill` cannot be run. That the group is gone is no error.
    pub fn signal(&self, name: &str) -> Result<(), ProcessError> {
        signal_group(self.pid(), name)
    }

    /// Waits for the first line of standard output, which tells that a server is ready, and returns it
    /// without its line feed; nothing when the stream ends or `limit` passes before.
    pub fn first_line(&mut self, limit: Duration) -> Option<String> {
        let end = Instant::now() + limit;
        loop {
            if let Some(at) = self.early.iter().position(|byte| *byte == b'\n') {
                return Some(String::from_utf8_lossy(&self.early[..at]).into_owned());
            }
            let chunk = self.stdout.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
            self.early.extend(chunk);
        }
    }

    /// Says whether the program is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end and returns the output.
    ///
    /// # Errors
    ///
    /// [`ProcessError::TimedOut`] after `limit`, when the whole process group is killed.
    pub fn finish(mut self, limit: Duration) -> Result<Output, ProcessError> {
        let mut ended: Option<io::Result<ExitStatus>> = None;
        let in_time = wait::until(limit, || match self.child.try_wait() {
            Ok(None) => false,
            Ok(Some(status)) => {
                ended = Some(Ok(status));
                true
            }
            Err(err) => {
                ended = Some(Err(err));
                true
            }
        });
        if !in_time {
            signal_group(self.child.id(), "KILL")?;
            self.child.wait().map_err(|err| ProcessError::Wait { program: self.program.clone(), err })?;
        }
        let stdout = String::from_utf8_lossy(&self.early).into_owned() + &text(&self.stdout);
        let stderr = text(&self.stderr);
        match ended {
            Some(Ok(status)) => Ok(Output { code: status.code(), signal: status.signal(), stdout, stderr }),
            Some(Err(err)) => Err(ProcessError::Wait { program: self.program.clone(), err }),
            None => {
                Err(ProcessError::TimedOut { program: self.program.clone(), limit, said: stdout + &stderr })
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() && signal_group(self.child.id(), "KILL").is_ok() {
            // Nothing can be reported from here, and a killed child always ends.
            drop(self.child.wait());
        }
    }
}

/// Runs `command` to its end.
///
/// # Errors
///
/// As [`Running::start`] and [`Running::finish`]. An exit code other than 0 is no error.
pub fn run(command: Command, stdin: &[u8], limit: Duration) -> Result<Output, ProcessError> {
    Running::start(command, stdin)?.finish(limit)
}

fn signal_group(pid: u32, name: &str) -> Result<(), ProcessError> {
    let mut kill = Command::new("kill");
    kill.args(["-s", name, "--", &format!("-{pid}")]).stderr(Stdio::null());
    match kill.status() {
        Ok(_gone_or_signalled) => Ok(()),
        Err(err) => Err(ProcessError::Start { program: "kill".into(), err }),
    }
}

/// Reads a stream to its end on a thread, so that a program that shouts is never blocked.
fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(mut stream) = stream else { return };
        let mut kept = 0;
        let mut chunk = vec![0; CHUNK];
        while let Ok(n) = stream.read(&mut chunk) {
            let keep = n.min(OUTPUT_LIMIT - kept);
            if n == 0 || sender.send(chunk[..keep].to_vec()).is_err() {
                return;
            }
            kept += keep;
        }
    });
    receiver
}

/// Returns what was collected; the program itself has ended, so that little can still come.
fn text(stream: &Receiver<Vec<u8>>) -> String {
    let mut bytes = Vec::new();
    let end = Instant::now() + DRAIN_LIMIT;
    while let Ok(chunk) = stream.recv_timeout(end.saturating_duration_since(Instant::now())) {
        bytes.extend(chunk);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
