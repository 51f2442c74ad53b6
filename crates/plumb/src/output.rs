//! Writes scan reports and tables for people and for programs. Decides nothing and measures nothing: what it
//! writes is what the use case hands over, made safe for the place it goes to.

mod csv;
mod document;
mod human;
mod junit;
mod sarif;
mod summary;
mod table;
mod text;

use std::io::{self, Write};

use app::scan::report::ScanReport;

pub(crate) use table::Table;
pub(crate) use text::clean;

/// The shape of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for people: failing rules with what was expected and found, and a headline per host.
    Human,
    /// One JSON document with everything.
    Json,
    /// One JSON object a line, one line a result and one a host.
    Jsonl,
    /// SARIF 2.1.0, for code scanning views.
    Sarif,
    /// JUnit XML, for test report views.
    Junit,
    /// CSV (RFC 4180), one record a result.
    Csv,
}

/// How a scan report is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanOptions<'a> {
    pub(crate) format: Format,
    /// ANSI colors in the human format.
    pub(crate) color: bool,
    /// Lists in the human format also what does not fail, and how to fix what does.
    pub(crate) verbose: bool,
    /// Version of the program.
    pub(crate) version: &'a str,
}

/// Writes a scan report.
///
/// # Errors
/// When `out` does not take it.
pub(crate) fn write_scan(
    out: &mut dyn Write,
    report: &ScanReport,
    options: &ScanOptions<'_>,
) -> io::Result<()> {
    match options.format {
        Format::Human => human::write(out, report, options),
        Format::Json => document::write_json(out, report, options.version),
        Format::Jsonl => document::write_jsonl(out, report, options.version),
        Format::Sarif => sarif::write(out, report, options.version),
        Format::Junit => junit::write(out, report, options.version),
        Format::Csv => csv::write(out, report),
    }
}

#[cfg(test)]
mod tests;
