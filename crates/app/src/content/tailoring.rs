//! A profile from a file of its own, laid over the rules: a site's choice and limits without a copy of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use import::tailoring::{self, Names};
use rules::Corpus;

use super::files::FILE_BYTES_MAX;
use crate::error::{Error, Kind};

/// The mapping that holds the names which tailorings of the ComplianceAsCode project use.
const THEIR_NAMES: &str = "complianceascode";

/// Returns where the profile of a tailoring file stands among the files of a rule package.
pub(super) fn path(id: &str) -> String {
    format!("profiles/{id}.yaml")
}

/// Reads a tailoring file: the id of its profile, which is the file's stem, and the profile as a content file.
/// `names` says what an XCCDF tailoring may name; nobody asks it for a file of ours.
pub(super) fn read(
    file: &Path,
    names: impl FnOnce() -> Result<Names, Error>,
) -> Result<(String, (String, String)), Error> {
    let wrong = |what: String| Error::new(Kind::Config, format!("{}: {what}", file.display()));
    let mut text = String::new();
    // One byte more than is allowed tells that a file is too long.
    fs::File::open(file)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|err| wrong(format!("could not be read: {err}")))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("longer than {FILE_BYTES_MAX} bytes")));
    }
    let id = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let profile = if tailoring::is_xml(&text) {
        tailoring::profile_of(&text, &id, &names()?)
            .map_err(|what| wrong(what).hint("docs/formats/import.md says what of XCCDF is followed"))?
    } else {
        text
    };
    Ok((id.clone(), (path(&id), profile)))
}

/// Returns the names by which an XCCDF tailoring may call the rules and profiles of a corpus.
pub(super) fn names(corpus: &Corpus) -> Names {
    let mut names = Names::default();
    names.profiles.extend(corpus.profiles().map(|profile| profile.id.clone()));
    // Names of others first: an id of ours means that rule alone.
    for mapping in corpus.mappings().iter().filter(|mapping| mapping.framework == THEIR_NAMES) {
        for (rule, theirs) in &mapping.rules {
            for name in theirs {
                names.rules.entry(name.clone()).or_default().insert(rule.to_string());
            }
        }
    }
    let ours = corpus.rules().map(|rule| rule.id.to_string());
    names.rules.extend(ours.map(|id| (id.clone(), BTreeSet::from([id]))));
    names
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
