//! The house rules that a command can see, as findings with file and line.
//!
//! Each rule is a function over text, with a test that shows it finds a bad sample. Does not
//! repeat what the compiler and clippy check, and does not fix anything.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

mod allow;
mod driver;
mod edges;
mod places;
mod requirements;
mod rust_text;
mod shape;
mod sql;
mod test_quality;
mod traits;

use rust_text::RustText;

/// Where a rule is broken and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) rule: Rule,
    /// What the rule is broken by, in a form that `tidy-allow.txt` can name.
    pub(crate) subject: String,
}

/// The rules, by the name that `tidy-allow.txt` uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    Allow,
    AssembledSql,
    AssertionFree,
    BannedCrate,
    BannedFeature,
    Driver,
    DriverOut,
    DriverShown,
    Edge,
    InlineTests,
    LongFile,
    LongFunction,
    LonelyTrait,
    MachinePath,
    ModuleDoc,
    Panic,
    RegistryHost,
    RequirementStatus,
    Sql,
    StaticPool,
    UnknownRequirement,
    Unsafe,
}

impl Rule {
    /// Returns the rule's name, what it says is wrong, and what to do about it.
    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Rule::Allow => ("allow", "an exception that allows nothing", "remove the line"),
            Rule::AssembledSql => (
                "assembled-sql",
                "a statement put together where nobody looks for it",
                "bind values; where a name differs, add the file to the list once it is reviewed",
            ),
            Rule::AssertionFree => {
                ("assertion-free", "a test that cannot fail", "assert what the test's name says")
            }
            Rule::BannedCrate => {
                ("banned-crate", "a banned crate", "find what pulls it in with `cargo tree -i`")
            }
            Rule::BannedFeature => (
                "banned-feature",
                "a banned feature",
                "find what turns it on with `cargo tree -e features -i`",
            ),
            Rule::Driver => {
                ("driver", "the database's driver outside its place", "use `db::query` and `dialect`")
            }
            Rule::DriverOut => {
                ("driver-out", "a way out of the store for a connection", "keep it `pub(crate)`")
            }
            Rule::DriverShown => {
                ("driver-shown", "the driver's options shown, password and all", "show the `Server`'s place")
            }
            Rule::Edge => {
                ("edge", "a dependency against the crate table", "see ARCHITECTURE.md; move the code")
            }
            Rule::InlineTests => {
                ("inline-tests", "tests inside a source file", "move them to `<module>/tests.rs`")
            }
            Rule::LongFile => ("long-file", "a file over 700 lines", "split it by operation"),
            Rule::LongFunction => {
                ("long-function", "a function over 70 lines", "move loops and arithmetic to helpers")
            }
            Rule::LonelyTrait => {
                ("lonely-trait", "a trait without two implementations", "use the concrete type")
            }
            Rule::MachinePath => {
                ("machine-path", "a path of one machine", "derive the path or take it as an argument")
            }
            Rule::ModuleDoc => {
                ("module-doc", "a file without module doc", "begin with `//!`: what for, what not")
            }
            Rule::Panic => ("panic", "a way to panic outside tests", "return an error or parse to a type"),
            Rule::RegistryHost => {
                ("registry-host", "the name of a registry's host", "leave it to the tool's settings")
            }
            Rule::RequirementStatus => (
                "requirement-status",
                "a status that says nothing to rely on",
                "see docs/requirements/README.md",
            ),
            Rule::Sql => ("sql", "SQL outside crates/store", "move the statement to `store`"),
            Rule::StaticPool => {
                ("static-pool", "a database shared by the whole process", "hand it over by value")
            }
            Rule::UnknownRequirement => {
                ("unknown-requirement", "a requirement that is not there", "correct the id")
            }
            Rule::Unsafe => (
                "unsafe",
                "`unsafe` outside the reviewed list",
                "use something safe, or have the list reviewed",
            ),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.texts().0
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, wrong, remedy) = self.rule.texts();
        write!(f, "{}:{}: {name}: {wrong} ({}): {remedy}", self.path, self.line, self.subject)
    }
}

/// Why the rules could not be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyError {
    #[error("could not run {program}")]
    Run {
        program: &'static str,
        #[source]
        err: io::Error,
    },
    #[error("{program} failed: {said}")]
    Failed { program: &'static str, said: String },
    #[error("could not read {path}")]
    Read {
        path: PathBuf,
        #[source]
        err: io::Error,
    },
    #[error("cargo metadata is not the JSON this expects: {what}")]
    Metadata { what: String },
}

/// A file of the repository: its path from the root, with `/`, and its text.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Says whether it is only built for tests, benchmarks or fuzzing.
    pub(crate) fn is_test(&self) -> bool {
        let mut folders = self.path.split('/');
        let file = folders.next_back();
        file == Some("tests.rs") || folders.any(|folder| ["tests", "benches", "fuzz"].contains(&folder))
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn finding(&self, line: usize, rule: Rule, subject: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, rule, subject: subject.into() }
    }
}

/// A Rust file with its text told apart.
pub(crate) struct RustSource<'a> {
    pub(crate) file: &'a Source,
    pub(crate) text: RustText,
}

/// Checks the repository at `root` and returns what breaks a rule, by path and line.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>, TidyError> {
    let sources = read_sources(root)?;
    let mut findings = check_sources(&sources);
    findings.extend(edges::check(&edges::metadata(root)?)?);
    let allowed = sources.iter().find(|source| source.path == allow::PATH);
    let mut findings = allow::apply(allowed, findings);
    findings.sort();
    Ok(findings)
}

/// Checks everything that can be seen in the files alone.
fn check_sources(sources: &[Source]) -> Vec<Finding> {
    let rust: Vec<RustSource<'_>> = sources
        .iter()
        .filter(|source| source.is_rust())
        .map(|file| RustSource { file, text: RustText::of(&file.text) })
        .collect();
    let mut findings = Vec::new();
    for source in sources {
        findings.extend(places::check(source));
        findings.extend(edges::check_lock(source));
    }
    for source in &rust {
        findings.extend(shape::check(source));
        findings.extend(driver::check(source));
        findings.extend(sql::check(source));
        findings.extend(test_quality::check(source));
    }
    findings.extend(traits::check(&rust));
    findings.extend(requirements::check(sources, &rust));
    findings
}

/// Reads all files that are tracked or could be: not those that git ignores, nor binary ones.
fn read_sources(root: &Path) -> Result<Vec<Source>, TidyError> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let listed = git.output().map_err(|err| TidyError::Run { program: "git", err })?;
    if !listed.status.success() {
        let said = String::from_utf8_lossy(&listed.stderr).into_owned();
        return Err(TidyError::Failed { program: "git ls-files", said });
    }
    let mut sources = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        let bytes = match fs::read(root.join(path)) {
            // Deleted but still in the index.
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            Err(err) => return Err(TidyError::Read { path: root.join(path), err }),
            Ok(bytes) => bytes,
        };
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests;
