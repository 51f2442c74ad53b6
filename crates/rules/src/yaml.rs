//! The one YAML reader of content files: strict, bounded, with line and column in every refusal.
//!
//! Refused: repeated keys, anchors, aliases, merge keys, unknown tags, several documents.

use serde::de::DeserializeOwned;

use crate::error::{At, LoadError};

/// Largest content file. Bytes.
pub(crate) const FILE_BYTES_MAX: usize = 262_144;
/// Deepest nesting of a content file. Levels.
const DEPTH_MAX: usize = 32;
/// Most nodes in one content file.
const NODES_MAX: usize = 50_000;

/// Reads one content file into `T`; `path` only names it in the complaint.
///
/// # Errors
/// When it is too large, no YAML, uses a refused feature, or does not have the shape of `T`.
pub fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, LoadError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(LoadError::new(
            path,
            At::START,
            format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len()),
        ));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_nodes: NODES_MAX,
        },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|err| {
        let at = err.location().map_or(At::START, |place| At { line: place.line(), column: place.column() });
        LoadError::new(path, at, without_place(&err.to_string(), at))
    })
}

/// Drops the reader's own place text, which stands in front already, and its advice on its own options.
fn without_place(message: &str, at: At) -> String {
    let long = format!(" at line {}, column {}", at.line, at.column);
    let short = format!("line {} column {}: ", at.line, at.column);
    let plain = message.replace(&long, "").replace(&short, "");
    if plain.contains("budget breached: Anchors") || plain.contains("budget breached: Aliases") {
        return "anchors and aliases are not used in content files".to_owned();
    }
    if plain.contains("expected end of mapping after enum variant value") {
        return "only one method may stand here; combine several with all or any".to_owned();
    }
    plain.split(", set DuplicateKeyPolicy").next().unwrap_or(&plain).trim().to_owned()
}
