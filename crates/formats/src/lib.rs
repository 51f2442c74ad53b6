//! Writes what was found on hosts in the formats that people and other programs read: one set of results, a writer
//! for each format. Measures nothing, reads no clock and opens no file: it writes to what the caller hands over.

mod arf;
mod csv;
mod document;
mod html;
mod human;
mod junit;
mod oscal;
pub mod report;
mod sarif;
mod summary;
pub mod text;
mod xccdf;
mod xml;

use std::io::{self, Write};

use report::ScanReport;

/// The shape that results are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Human,
    Json,
    Jsonl,
    Sarif,
    Junit,
    Csv,
    Xccdf,
    Arf,
    Oscal,
    Html,
}

impl Format {
    /// Every format, in the order of the help.
    pub const ALL: &'static [Self] = &[
        Self::Human,
        Self::Json,
        Self::Jsonl,
        Self::Sarif,
        Self::Junit,
        Self::Csv,
        Self::Xccdf,
        Self::Arf,
        Self::Oscal,
        Self::Html,
    ];

    /// Returns its name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
            Self::Csv => "csv",
            Self::Xccdf => "xccdf",
            Self::Arf => "arf",
            Self::Oscal => "oscal",
            Self::Html => "html",
        }
    }

    /// Returns what it is, in one line.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Human => {
                "Text for people: failing rules with what was expected and found, and a headline per host"
            }
            Self::Json => "One JSON document with everything",
            Self::Jsonl => "One JSON object a line, one line a result and one a host",
            Self::Sarif => "SARIF 2.1.0, for code scanning views",
            Self::Junit => "JUnit XML, for test report views",
            Self::Csv => "CSV (RFC 4180), one record a result",
            Self::Xccdf => "XCCDF 1.2: a Benchmark with the rules and a TestResult for each host",
            Self::Arf => "ARF 1.1: a collection of hosts and their XCCDF results",
            Self::Oscal => "OSCAL 1.1.3 assessment results in JSON",
            Self::Html => "One page for a browser and for paper, with nothing loaded from elsewhere",
        }
    }
}

/// How results are written.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    pub format: Format,
    /// ANSI colors in the human format.
    pub color: bool,
    /// Lists in the human format also what does not fail, and how to fix what does.
    pub verbose: bool,
    /// Version of the program.
    pub version: &'a str,
}

/// Writes results.
///
/// # Errors
/// When `out` does not take it.
pub fn write(out: &mut dyn Write, report: &ScanReport, options: &Options<'_>) -> io::Result<()> {
    match options.format {
        Format::Human => human::write(out, report, options),
        Format::Json => document::write_json(out, report, options.version),
        Format::Jsonl => document::write_jsonl(out, report, options.version),
        Format::Sarif => sarif::write(out, report, options.version),
        Format::Junit => junit::write(out, report, options.version),
        Format::Csv => csv::write(out, report),
        Format::Xccdf => xccdf::write(out, report, options.version),
        Format::Arf => arf::write(out, report, options.version),
        Format::Oscal => oscal::write(out, report, options.version),
        Format::Html => html::write(out, report, options.version),
    }
}

#[cfg(test)]
mod tests;
