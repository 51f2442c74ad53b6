//! Reads the content files of one place: those in the binary, or those of a directory, in our format or in that of
//! others.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use import::{GivenError, Report};

use crate::error::{Error, Kind};

/// Longest content file. Bytes; the loader says the same.
pub(super) const FILE_BYTES_MAX: u64 = 262_144;
/// Deepest folder of a content directory.
const DEPTH_MAX: usize = 8;

#[derive(rust_embed::RustEmbed)]
#[folder = "../../content"]
struct Shipped;

/// The content files of one place, in our format.
pub(super) struct Given {
    pub(super) files: Vec<(String, String)>,
    /// What was imported, when the files were in the format of others.
    pub(super) import: Option<Report>,
}

impl Given {
    pub(super) fn read(dir: Option<&Path>, variables: &[(String, String)]) -> Result<Self, Error> {
        let Some(dir) = dir else {
            without_variables(variables)?;
            return Ok(Self { files: shipped_files()?, import: None });
        };
        let mut files = read_files(dir)?;
        if import::is_kensa(&files) {
            files.retain(|(path, _bytes)| path.ends_with(".yaml") || path.ends_with(".yml"));
            let import::Import { files, report } = import::load(&files, variables).map_err(refused)?;
            return Ok(Self { files, import: Some(report) });
        }
        without_variables(variables)?;
        // A rule that is passed over would pass for one that does not fail.
        if let Some((path, _bytes)) = files.iter().find(|(path, _bytes)| !path.ends_with(".yaml")) {
            return Err(unreadable(&dir.join(path), &"the name of a rule, profile or mapping ends in .yaml"));
        }
        let files: Result<Vec<(String, String)>, Error> = files
            .into_iter()
            .map(|(path, bytes)| match String::from_utf8(bytes) {
                Ok(text) if text.len() as u64 <= FILE_BYTES_MAX => Ok((path, text)),
                Ok(_) => {
                    Err(unreadable(&dir.join(path), &format!("it is longer than {FILE_BYTES_MAX} bytes")))
                }
                Err(_err) => Err(unreadable(&dir.join(path), &"it is not UTF-8")),
            })
            .collect();
        let files = files?;
        if files.is_empty() {
            return Err(no_rules(dir));
        }
        Ok(Self { files, import: None })
    }
}

/// Refuses values for variables where the rules have none: nobody would notice that they change nothing.
fn without_variables(variables: &[(String, String)]) -> Result<(), Error> {
    let Some((name, _value)) = variables.first() else { return Ok(()) };
    Err(Error::new(Kind::Usage, format!("these rules have no variable {name}"))
        .hint("--var is for imported rules; a tailoring sets the values of ours"))
}

fn refused(err: GivenError) -> Error {
    let error = Error::new(Kind::Usage, err.to_string());
    match err {
        GivenError::Unknown { near: Some(near), .. } => error.hint(format!("did you mean {near}?")),
        GivenError::Unknown { near: None, .. } | GivenError::Repeated { .. } => error,
    }
}

fn shipped_files() -> Result<Vec<(String, String)>, Error> {
    let mut files = Vec::new();
    for path in Shipped::iter() {
        let file = Shipped::get(&path).ok_or_else(|| Error::internal(format!("{path} is not embedded")))?;
        let text = String::from_utf8(file.data.into_owned())
            .map_err(|_err| Error::internal(format!("{path} is not UTF-8")))?;
        files.push((path.into_owned(), text));
    }
    files.sort();
    Ok(files)
}

fn read_files(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    walk(dir, dir, DEPTH_MAX, &mut files)?;
    if files.is_empty() {
        return Err(no_rules(dir));
    }
    files.sort();
    Ok(files)
}

fn no_rules(dir: &Path) -> Error {
    let message = format!("{} holds no rules", dir.display());
    Error::new(Kind::Config, message).hint("rules stand in rules/<topic>/<id>.yaml below it")
}

fn unreadable(path: &Path, err: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Config, format!("could not read {}: {err}", path.display()))
}

fn walk(root: &Path, dir: &Path, depth: usize, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    if depth == 0 {
        return Err(unreadable(dir, &"folders are nested too deep"));
    }
    for entry in fs::read_dir(dir).map_err(|err| unreadable(dir, &err))? {
        let entry = entry.map_err(|err| unreadable(dir, &err))?;
        let path = entry.path();
        let meta = fs::metadata(&path).map_err(|err| unreadable(&path, &err))?;
        if meta.is_dir() {
            walk(root, &path, depth - 1, files)?;
            continue;
        }
        // Ours end in `yaml`; those of others also in `yml`. Any other spelling is a mistake that is to be seen.
        let is_yaml = |extension: &std::ffi::OsStr| {
            ["yaml", "yml"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        };
        if !path.extension().is_some_and(is_yaml) {
            continue;
        }
        if !meta.is_file() {
            // To open a pipe would wait for whoever writes to it.
            return Err(unreadable(&path, &"it is no regular file"));
        }
        if files.len() >= rules::FILES_MAX {
            return Err(unreadable(&path, &"a limit on rule files is reached"));
        }
        // One byte more than is allowed tells that a file is too long.
        let mut bytes = Vec::new();
        fs::File::open(&path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|err| unreadable(&path, &err))?;
        let name = path.strip_prefix(root).map_err(|err| unreadable(&path, &err))?;
        files.push((name.to_string_lossy().into_owned(), bytes));
    }
    Ok(())
}
