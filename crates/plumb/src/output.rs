//! Tables for people and programs, and the results of scans on standard output or in files. Decides nothing: what it
//! writes is what the use case hands over.

mod table;

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
