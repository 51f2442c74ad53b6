//! Formats of results on the command line, and files that results go to.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use formats::Format;

/// A file that results are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportFile {
    pub(crate) format: Format,
    pub(crate) path: PathBuf,
}

/// How a posture is written: as a table or a document of its own, or as the results of a scan are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PostureFormat {
    Text,
    Json,
    Results(Format),
}

/// Reads a format of results.
pub(super) fn scan_format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.iter().copied().map(possible)).try_map(|name| format(&name))
}

/// Reads a format of a posture.
pub(super) fn posture_format() -> impl TypedValueParser<Value = PostureFormat> {
    let own = [
        PossibleValue::new("text").help("A table"),
        PossibleValue::new("json").help("One JSON document: results with since when they are so"),
    ];
    // These two have forms of their own here.
    let others = Format::ALL.iter().copied().filter(|format| !matches!(format, Format::Human | Format::Json));
    PossibleValuesParser::new(own.into_iter().chain(others.map(possible))).try_map(|name| {
        match name.as_str() {
            "text" => Ok(PostureFormat::Text),
            "json" => Ok(PostureFormat::Json),
            other => format(other).map(PostureFormat::Results),
        }
    })
}

fn possible(format: Format) -> PossibleValue {
    PossibleValue::new(format.as_str()).help(format.about())
}

/// Reads `FORMAT=FILE`.
pub(super) fn report_file(text: &str) -> Result<ReportFile, String> {
    let (name, path) = text.split_once('=').ok_or("it is not FORMAT=FILE, as in html=web.html")?;
    if path.is_empty() {
        return Err("the file has no name".to_owned());
    }
    Ok(ReportFile { format: format(name)?, path: PathBuf::from(path) })
}

fn format(name: &str) -> Result<Format, String> {
    Format::ALL.iter().find(|format| format.as_str() == name).copied().ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
        format!("there is no format {name:?}; there are: {}", known.join(", "))
    })
}
