//! Runs the built binary as a user would: as a process, from outside, in an environment of its own.
//!
//! Nothing of the person who runs the tests leaks in: the environment holds only what is named
//! here, and `HOME` is an empty folder, so no key, `known_hosts` or configuration of theirs counts.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::host::quoted;
use crate::process::{self, Output, ProcessError, Running};

/// Longest one run may take unless [`Plumb::limit`] says otherwise.
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// What programs the binary may find.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why the binary could not be run.
#[derive(Debug, thiserror::Error)]
pub enum PlumbError {
    /// The data directory or the home folder cannot be made.
    #[error("could not make {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// It did not start or did not end in time.
    #[error("could not run the binary under test")]
    Run {
        /// The cause.
        #[source]
        err: ProcessError,
    },
}

/// The binary under test with its data directory and a home folder.
#[derive(Clone, Debug)]
pub struct Plumb {
    binary: PathBuf,
    data: PathBuf,
    home: PathBuf,
    environment: Vec<(OsString, OsString)>,
    limit: Duration,
}

impl Plumb {
    /// Prepares runs of `binary` over the data directory `data`, which need not exist.
    ///
    /// The home folder, where all runs start, is `data` with `.home` added, so that both go with the
    /// folder they lie in.
    ///
    /// # Errors
    ///
    /// [`PlumbError::Folder`].
    pub fn new(binary: &Path, data: &Path) -> Result<Plumb, PlumbError> {
        let mut home = data.as_os_str().to_owned();
        home.push(".home");
        let home = PathBuf::from(home);
        fs::create_dir_all(&home).map_err(|err| PlumbError::Folder { path: home.clone(), err })?;
        Ok(Plumb {
            binary: binary.to_owned(),
            data: data.to_owned(),
            home,
            environment: Vec::new(),
            limit: RUN_LIMIT,
        })
    }

    /// Returns the data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the home folder of the runs, for a `.ssh` the test wants there.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Adds a variable to the environment of all runs.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Plumb {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets how long one run may take before it is killed and the run is an error.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Plumb {
        self.limit = limit;
        self
    }

    /// Runs the binary with `arguments` and an empty standard input.
    ///
    /// # Errors
    ///
    /// [`PlumbError::Run`] when it does not start or end in time. An exit code is no error.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Output, PlumbError> {
        self.run_with_input(arguments, b"")
    }

    /// Runs the binary with `arguments` and `stdin`.
    ///
    /// # Errors
    ///
    /// As [`Plumb::run`].
    pub fn run_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        stdin: &[u8],
    ) -> Result<Output, PlumbError> {
        process::run(self.command(arguments), stdin, self.limit).map_err(|err| PlumbError::Run { err })
    }

    /// Starts the binary, to be signalled, killed or waited for. It is killed when dropped.
    ///
    /// # Errors
    ///
    /// As [`Plumb::run`].
    pub fn start<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Running, PlumbError> {
        Running::start(self.command(arguments), b"").map_err(|err| PlumbError::Run { err })
    }

    /// Runs the binary with a terminal of 24 lines and `columns` columns as its input and both outputs.
    ///
    /// Everything the terminal was sent is in `stdout`, with its control sequences and CR LF line ends.
    ///
    /// # Errors
    ///
    /// As [`Plumb::run`].
    pub fn run_in_terminal<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        columns: u16,
    ) -> Result<Output, PlumbError> {
        self.type_in_terminal(arguments, columns, b"")
    }

    /// As [`Plumb::run_in_terminal`], with somebody who types `typed`.
    ///
    /// # Errors
    ///
    /// As [`Plumb::run`].
    pub fn type_in_terminal<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        columns: u16,
        typed: &[u8],
    ) -> Result<Output, PlumbError> {
        let words: Vec<String> = std::iter::once(self.binary.to_string_lossy().into_owned())
            .chain(arguments.iter().map(|word| word.as_ref().to_string_lossy().into_owned()))
            .map(|word| quoted(&word))
            .collect();
        let line = format!("stty rows 24 cols {columns}; exec {}", words.join(" "));
        process::run(self.script(&line), typed, self.limit).map_err(|err| PlumbError::Run { err })
    }

    /// Runs a line of shell on a terminal, where `$plumb` is the binary, for a test that answers what it reads there.
    ///
    /// # Errors
    ///
    /// As [`Plumb::run`].
    pub fn at_terminal(&self, line: &str) -> Result<Running, PlumbError> {
        let mut script = self.script(line);
        script.env("plumb", &self.binary);
        Running::start_to_type(script).map_err(|err| PlumbError::Run { err })
    }

    fn script(&self, line: &str) -> Command {
        let mut script = Command::new("script");
        script.args(["--quiet", "--flush", "--return", "--command", line, "/dev/null"]);
        self.isolate(&mut script);
        script.env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        script
    }

    /// Returns the command of one run, for what the other calls do not cover.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments);
        self.isolate(&mut command);
        command
    }

    fn isolate(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &self.home)
            .env("LC_ALL", "C.UTF-8")
            .env("PLUMB_DATA_DIR", &self.data)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.home);
    }
}
