//! Tables for people and programs, and the results of scans on standard output or in files. Decides nothing: what it
//! writes is what the use case hands over.

mod table;

use std::path::{Path, PathBuf};

use app::{Error, Kind};
use formats::Options;
use formats::report::ScanReport;

use crate::cli::ReportFile;
use crate::console;

pub(crate) use formats::text::clean;
pub(crate) use table::Table;

/// Renders results.
///
/// # Errors
/// When they cannot be written in this format, which is a bug.
pub(crate) fn render(report: &ScanReport, options: &Options<'_>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    formats::write(&mut bytes, report, options)
        .map_err(|err| Error::new(Kind::Internal, format!("could not write the results: {err}")))?;
    Ok(bytes)
}

/// Refuses to write two things to one file, of which one would be lost.
///
/// # Errors
/// When a path is named twice.
pub(crate) fn refuse_same(output: Option<&Path>, files: &[ReportFile]) -> Result<(), Error> {
    let named = output.into_iter().chain(files.iter().map(|file| &*file.path));
    let mut paths: Vec<PathBuf> = named.map(meant).collect();
    paths.sort_unstable();
    match paths.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::new(Kind::Usage, format!("two results are to go to {}", pair[0].display()))
            .hint("give each a file of its own")),
    }
}

/// Returns the file that a path names, however it is spelt: through its folder where it is not there yet.
fn meant(path: &Path) -> PathBuf {
    let through_folder = || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(through_folder).unwrap_or_else(|| path.to_owned())
}

/// Writes a word as a shell takes it (POSIX.1-2017, Shell Command Language, 2.2.2), in quotes where it needs them.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Writes results to each of these files, in its format.
///
/// # Errors
/// When a file cannot be written; those before it stay.
pub(crate) fn write_files(report: &ScanReport, files: &[ReportFile]) -> Result<(), Error> {
    for file in files {
        let options =
            Options { format: file.format, color: false, verbose: true, version: env!("CARGO_PKG_VERSION") };
        console::write_file(&file.path, &render(report, &options)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
