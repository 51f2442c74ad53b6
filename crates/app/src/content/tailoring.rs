//! A profile from a file of its own, laid over the rules: a site's choice and limits without a copy of them.

use std::fs;
use std::path::Path;

use super::files::FILE_BYTES_MAX;
use crate::error::{Error, Kind};

/// Returns where the profile of a tailoring file stands among the files of a rule package.
pub(super) fn path(id: &str) -> String {
    format!("profiles/{id}.yaml")
}

/// Reads a tailoring file: the id of its profile, which is the file's stem, and the profile as a content file.
pub(super) fn read(file: &Path) -> Result<(String, (String, String)), Error> {
    let wrong = |what: String| Error::new(Kind::Config, format!("{}: {what}", file.display()));
    let meta = fs::metadata(file).map_err(|err| wrong(format!("could not be read: {err}")))?;
    if meta.len() > FILE_BYTES_MAX {
        return Err(wrong(format!("longer than {FILE_BYTES_MAX} bytes")));
    }
    let text = fs::read_to_string(file).map_err(|err| wrong(format!("could not be read: {err}")))?;
    let id = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((id.clone(), (path(&id), text)))
}

/// Says what is wrong with a tailoring file, under its own name.
pub(super) fn refused(file: &Path, errors: &[rules::LoadError]) -> Error {
    let first = errors
        .first()
        .map_or_else(String::new, |err| format!("{}:{}: {}", err.line, err.column, err.message));
    let more = if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
    Error::new(Kind::Config, format!("{}:{first}{more}", file.display()))
        .hint("docs/formats/rule.md shows the shape of a profile")
}
