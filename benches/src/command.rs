//! Running a program to its end with its wall time, to the microsecond and within a limit.
//!
//! Does not judge how it ended: [`Done::must`] does, for the caller that names the exit codes it accepts.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::BenchError;

/// Longest one measured program may run.
pub const RUN_LIMIT: Duration = Duration::from_secs(600);

/// How a program ended.
#[derive(Debug)]
pub struct Done {
    /// From just before it was started until it was waited for.
    pub taken: Duration,
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Done {
    /// Returns it when its exit code is one of `accepted`.
    ///
    /// # Errors
    /// [`BenchError::Said`] with the end of what it said.
    pub fn must(self, what: &str, accepted: &[i32]) -> Result<Done, BenchError> {
        if self.code.is_some_and(|code| accepted.contains(&code)) {
            return Ok(self);
        }
        let said = format!(
            "ended with {:?}: {}{}",
            self.code,
            tail(&String::from_utf8_lossy(&self.stdout)),
            tail(&String::from_utf8_lossy(&self.stderr))
        );
        Err(BenchError::Said { what: what.to_owned(), said })
    }
}

/// Runs `command` with `stdin`, and `meanwhile` with the id of its process as soon as it is started.
///
/// # Errors
/// [`BenchError::Io`] when it cannot be started or waited for. An exit code is no error.
pub fn run_beside(
    mut command: Command,
    stdin: Vec<u8>,
    meanwhile: impl FnOnce(u32) + Send,
) -> Result<Done, BenchError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().map_err(BenchError::io("start a program"))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends without reading closes the pipe: that is its own business.
        thread::spawn(move || pipe.write_all(&stdin));
    }
    let id = child.id();
    let watchdog = Watchdog::over(id);
    let (output, taken) = thread::scope(|scope| {
        // Beside reading, or a program that says more than a pipe holds would wait for us.
        scope.spawn(|| meanwhile(id));
        let output = child.wait_with_output().map_err(BenchError::io("wait for a program"));
        (output, began.elapsed())
    });
    drop(watchdog);
    let output = output?;
    Ok(Done { taken, code: output.status.code(), stdout: output.stdout, stderr: output.stderr })
}

/// Runs `command` with `stdin`.
///
/// # Errors
/// As [`run_beside`].
pub fn run(command: Command, stdin: &[u8]) -> Result<Done, BenchError> {
    run_beside(command, stdin.to_vec(), |_id| {})
}

/// Kills a process that runs past the limit, unless it is dropped before.
struct Watchdog {
    _ended: mpsc::Sender<()>,
}

impl Watchdog {
    fn over(id: u32) -> Watchdog {
        let (ended, waits) = mpsc::channel::<()>();
        thread::spawn(move || {
            if waits.recv_timeout(RUN_LIMIT) == Err(RecvTimeoutError::Timeout) {
                drop(Command::new("kill").args(["-s", "KILL", &id.to_string()]).status());
            }
        });
        Watchdog { _ended: ended }
    }
}

/// Returns the binary under measurement, which is built beside this program.
///
/// # Errors
/// [`BenchError::Said`] with the command that builds it.
pub fn plumb() -> Result<PathBuf, BenchError> {
    let here = std::env::current_exe().map_err(BenchError::io("find this program"))?;
    let binary = here.with_file_name("plumb");
    if binary.is_file() {
        return Ok(binary);
    }
    let said = "is not built; run `cargo build --release --locked -p plumb -p benches`".to_owned();
    Err(BenchError::Said { what: binary.display().to_string(), said })
}

/// Makes a folder on the disk the program was built on: what is measured there has to be durable.
///
/// # Errors
/// [`BenchError::Io`].
pub fn folder() -> Result<tempfile::TempDir, BenchError> {
    let here = std::env::current_exe().map_err(BenchError::io("find this program"))?;
    let parent = here.parent().map(ToOwned::to_owned).unwrap_or_default();
    tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(parent)
        .map_err(BenchError::io("make a folder beside this program"))
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(6)..].join(" / ")
}
