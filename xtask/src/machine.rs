//! What the tests need of the machine: Debian packages, listed in `packages.txt`.
//!
//! Installs only as root and only with apt; everyone else is told the line to run.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

const PACKAGES: &str = include_str!("../packages.txt");

/// What dpkg says of a package that is there.
const INSTALLED: &str = "installed";

/// A package and, for some, the path of what it is wanted for.
pub(crate) type Needed = (&'static str, Option<&'static str>);

/// Returns the packages the tests need.
pub(crate) fn needed() -> Vec<Needed> {
    let lines = PACKAGES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').map_or((line, None), |(name, path)| (name, Some(path)))).collect()
}

/// Returns those that are missing; all of them on a machine without dpkg.
pub(crate) fn missing() -> Vec<&'static str> {
    let is_missing = |(package, path): &Needed| {
        !path.is_some_and(|path| Path::new(path).exists()) && !is_installed(package)
    };
    needed().into_iter().filter(is_missing).map(|(package, _path)| package).collect()
}

/// Returns the commands that install `packages`, in order.
pub(crate) fn install_commands(packages: &[&str]) -> Vec<Vec<String>> {
    let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut install = words(&["apt-get", "install", "--yes", "--no-install-recommends"]);
    install.extend(packages.iter().map(|package| (*package).to_owned()));
    vec![words(&["apt-get", "update"]), install]
}

/// Says whether this is root.
pub(crate) fn is_root() -> Result<bool, io::Error> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]).stderr(Stdio::null());
    query.output().is_ok_and(|said| said.stdout == INSTALLED.as_bytes())
}

#[cfg(test)]
mod tests;
