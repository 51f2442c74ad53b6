//! What the ledger reads: canonical JSON, notes, checkpoints, keys, entries, tiles and bundles.

use std::collections::BTreeMap;
use std::convert::Infallible;

use ledger::bundle::{Extent, Options, verify_bundle};
use ledger::canonical::{is_canonical, parse, parse_canonical, to_bytes};
use ledger::checkpoint::{self, TreeHead};
use ledger::note::Note;
use ledger::tile::{TileId, bundle_path, decode_bundle, encode_bundle, parse_bundle_path};
use ledger::{Entry, VerifierKey};

/// A small log as one text: see [`files`].
const BUNDLE: &[u8] = include_bytes!("../corpus/bundle/small");
/// The key that signed it.
const BUNDLE_VKEY: &str = include_str!("bundle.vkey");
/// Most files of a mutated bundle.
const FILES_MAX: usize = 256;

/// What parses renders, the rendering is canonical, and only it is.
pub(crate) fn canonical_json(bytes: &[u8]) {
    let Ok(value) = parse(bytes) else {
        assert!(!is_canonical(bytes), "canonical and not JSON");
        return;
    };
    let rendered = to_bytes(&value);
    assert!(rendered.is_ok(), "it was read and cannot be written: {rendered:?}");
    let rendered = rendered.unwrap_or_default();
    let again = parse_canonical(&rendered);
    assert!(again.is_ok(), "its own rendering is not canonical: {again:?}");
    assert_eq!(is_canonical(bytes), rendered == bytes, "one value has two canonical forms");
}

/// A note has one written form.
pub(crate) fn note(bytes: &[u8]) {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_text().as_bytes(), bytes, "a note has two written forms");
        // A key that signed none of these mutations: the answer must be no, whatever the bytes are.
        if let Ok(key) = BUNDLE_VKEY.trim().parse::<VerifierKey>()
            && !contains(BUNDLE, note.text.as_bytes())
        {
            assert!(note.verify(&[key]).is_err(), "an unsigned text verifies");
        }
    }
}

/// A tree head reads back as it was written; opening a signed one never panics.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let keys: Vec<VerifierKey> = BUNDLE_VKEY.trim().parse().into_iter().collect();
    if let Ok(signed) = checkpoint::open(bytes, &keys) {
        assert!(contains(BUNDLE, signed.head.to_text().as_bytes()), "a head that nobody signed was opened");
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(head) = TreeHead::parse(text)
    {
        assert_eq!(TreeHead::parse(&head.to_text()).ok(), Some(head));
    }
}

/// A public key reads back as it was written.
pub(crate) fn vkey(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(key) = text.parse::<VerifierKey>()
    {
        assert_eq!(key.to_string().parse::<VerifierKey>().ok(), Some(key));
    }
}

/// An entry that is read writes the same bytes.
pub(crate) fn entry(bytes: &[u8]) {
    if let Ok(entry) = Entry::parse(bytes) {
        assert_eq!(entry.to_bytes().ok().as_deref(), Some(bytes), "an entry has two written forms");
    }
}

/// Entries that are read encode to the same bytes.
pub(crate) fn entry_bundle(bytes: &[u8]) {
    let entries: Result<Vec<&[u8]>, _> =
        decode_bundle(bytes).map(|item| item.map(|(_at, entry)| entry)).collect();
    if let Ok(entries) = entries {
        assert_eq!(encode_bundle(entries).ok().as_deref(), Some(bytes), "a bundle has two written forms");
    }
}

/// The path of a tile or entry bundle has one spelling.
pub(crate) fn tile_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(id) = TileId::parse(text) {
        assert_eq!(id.path(), text);
    }
    if let Some((index, width)) = parse_bundle_path(text) {
        assert_eq!(bundle_path(index, width), text);
    }
}

/// Whoever changes anything in a bundle is found out; the untouched one verifies.
pub(crate) fn bundle(bytes: &[u8]) {
    let keys: Vec<VerifierKey> = BUNDLE_VKEY.trim().parse().into_iter().collect();
    let (given, original) = (files(bytes), files(BUNDLE));
    let paths = given.keys().map(|path| Ok::<_, Infallible>(path.clone()));
    let read = |path: &str, max: usize| {
        let file = given.get(path).map(|file| file[..file.len().min(max.saturating_add(1))].to_vec());
        Ok::<_, Infallible>(file)
    };
    let Ok(report) = verify_bundle(paths, read, &Options { extent: Extent::Whole, ..Options::new(&keys) });
    assert_eq!(report.ok, given == original, "{:?}", report.findings);
}

/// Reads files from one text: each is a line `== path length`, then its bytes and a line feed. Where that does not
/// hold, the rest is one file.
fn files(mut bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    while !bytes.is_empty() && files.len() < FILES_MAX {
        let Some((path, len, rest)) = header(bytes) else {
            files.insert("rest".to_owned(), bytes.to_vec());
            break;
        };
        let (file, rest) = rest.split_at(len.min(rest.len()));
        files.insert(path, file.to_vec());
        bytes = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    files
}

fn header(bytes: &[u8]) -> Option<(String, usize, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?.strip_prefix("== ")?;
    let (path, len) = line.rsplit_once(' ')?;
    Some((path.to_owned(), len.parse().ok()?, &bytes[end + 1..]))
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && whole.windows(part.len()).any(|window| window == part)
}
