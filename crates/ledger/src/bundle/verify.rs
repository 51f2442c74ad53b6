//! Verifies a bundle: checkpoint, keys, tiles, entries, bodies, blobs, and that nothing else is in it.

use std::num::NonZero;

use super::files::{Files, Survey};
use super::handover::Handovers;
use super::log::LogCheck;
use super::manifest::{Extent, FileLine, Manifest, Range};
use super::named::{NAMED_MAX, Named};
use super::tiles::check_tiles;
use super::{CHECKPOINT, MANIFEST, SMALL_FILE_BYTES_MAX, VKEYS};
use crate::canonical::first_difference;
use crate::checkpoint::{self, CheckpointError, TreeHead};
use crate::entry::instant_seconds;
use crate::hex;
use crate::note::{Note, NoteError, VerifierKey};
use crate::policy::{Policy, Window};
use crate::tile::{TileId, read_root};
use crate::verify::{
    Continuation, Erased, EvidenceState, Finding, FindingCode, LogEvents, Place, Report, Verifier,
    judge_witnesses,
};

/// What a bundle is verified against.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The keys to trust. One of them must have signed the checkpoint.
    pub keys: &'a [VerifierKey],
    /// Heads known from elsewhere, each of which the log must extend; their signatures are the caller's business.
    pub against: &'a [TreeHead],
    /// How many witnesses must have cosigned the checkpoint; without it, cosignatures are passed over.
    pub policy: Option<&'a Policy>,
    /// Which entries it must hold.
    pub extent: Extent,
    /// How many threads read entries and bodies ahead. The report does not depend on it.
    pub threads: NonZero<usize>,
}

impl<'a> Options<'a> {
    /// Verifies what the manifest names against these keys and nothing else, on one thread.
    #[must_use]
    pub const fn new(keys: &'a [VerifierKey]) -> Self {
        Self { keys, against: &[], policy: None, extent: Extent::Named, threads: NonZero::<usize>::MIN }
    }
}

/// What came of verifying a bundle, for whoever goes on with another one of the same records.
#[derive(Debug)]
pub struct Verified {
    pub report: Report,
    /// The log that this one goes on with, where the bundle has the entry that says so.
    pub continues: Option<Continuation>,
    /// What its entries erased.
    pub erased: Erased,
}

/// Verifies a bundle and reports what is wrong with it, down to the entry or the byte.
///
/// Of a log that it goes on with, the report says that none of it is here: see [`verify_one_of`].
///
/// `paths` lists every file of the bundle, with `/` between the parts. `read(path, max)` returns a file, or
/// nothing when it is not there; of a file longer than `max` it may return just the first `max + 1` bytes,
/// which bounds memory. Both fail only when the input cannot be read to the end.
///
/// # Errors
/// Those of `paths` and `read`. Whatever the bytes are is a finding, not an error.
pub fn verify_bundle<E: Send>(
    paths: impl IntoIterator<Item = Result<String, E>>,
    read: impl Fn(&str, usize) -> Result<Option<Vec<u8>>, E> + Sync,
    options: &Options<'_>,
) -> Result<Report, E> {
    let mut verified = verify_one_of(paths, read, options, &Erased::new())?;
    verified.report.continues = verified.continues.iter().map(|named| named.account(0, false)).collect();
    Ok(verified.report)
}

/// As [`verify_bundle`], for one of several bundles of logs that go on with each other: `erased` is what entries
/// of the others erased, and what there is of the others is for the caller to report.
///
/// # Errors
/// As [`verify_bundle`].
pub fn verify_one_of<E: Send>(
    paths: impl IntoIterator<Item = Result<String, E>>,
    read: impl Fn(&str, usize) -> Result<Option<Vec<u8>>, E> + Sync,
    options: &Options<'_>,
    erased: &Erased,
) -> Result<Verified, E> {
    let files = Files::new(read);
    let mut early = Verifier::new(None, 0);
    let head = read_head(&files, options.keys, &mut early)?;
    let vkeys = read_vkeys(&files, options.keys, &mut early)?;
    let raw = files.demand(MANIFEST, SMALL_FILE_BYTES_MAX, FindingCode::Malformed, &mut early)?;
    let manifest = raw.as_deref().and_then(|bytes| read_manifest(bytes, &mut early));
    // Without a checkpoint, what the manifest claims still tells where to look.
    let claim = head.as_ref().and_then(|read| read.head.clone());
    let claim = claim.or_else(|| manifest.as_ref().and_then(claimed_head));
    let handovers = Handovers::read(&files, manifest.as_ref())?;
    let mut named = Named::default();
    let Some(claim) = claim else {
        files.survey(paths, (0, Range::whole(0)), &mut named, &mut early)?;
        let report = Report { root: None, ..early.finish() };
        return Ok(Verified { report, continues: None, erased: Erased::new() });
    };
    let range = manifest.as_ref().map(|manifest| manifest.range).filter(|range| range.fits(claim.size));
    let range = range.unwrap_or(Range::whole(claim.size));
    let mut verifier = Verifier::new(Some(claim.log_id()), range.from);
    *verifier.report_mut() = std::mem::take(early.report_mut());

    let tiles = check_tiles(&files, &claim, &mut verifier)?;
    compare_heads(&files, &claim, tiles.authentic, options.against, &mut verifier)?;
    LogCheck { files: &files, verifier: &mut verifier, head: &claim, range, tiles, named: &mut named }
        .run(options.threads)?;
    let events = verifier.events().clone();
    let keys = handovers.follow(&files, (&claim, options.keys), &events, &mut verifier)?;
    if let Some(read) = &head {
        read.judge(&keys, &events, &mut verifier);
        if let Some(policy) = options.policy {
            let window = window(&verifier, &claim, range);
            let place = Place::file(CHECKPOINT, 0);
            judge_witnesses(verifier.report_mut(), policy, &read.bytes, window, &place);
            if window.is_none() && range != Range::whole(claim.size) {
                doubt_stamps(verifier.report_mut(), &place);
            }
        }
    }

    let survey = files.survey(paths, (claim.size, range), &mut named, &mut verifier)?;
    let Survey { counts, unnamed, handovers: older } = survey;
    if let Some(manifest) = &manifest {
        compare_extent(options.extent, range, claim.size, &mut verifier);
        Handovers::refuse_unlisted(&files, (manifest, &older), (&claim, &keys), &mut verifier)?;
    }
    if let Some(raw) = raw {
        let lines = head.into_iter().map(|read| read.line).chain(vkeys).chain(handovers.lines);
        let mut lines: Vec<FileLine> = lines.collect();
        lines.sort_by(|one, other| one.path.cmp(&other.path));
        let derived = Manifest::new(&claim, range, counts, lines);
        compare_manifest(&raw, manifest.as_ref(), &derived, &mut verifier);
    }
    let own = verifier.erased().clone();
    verifier.also_erased(erased);
    let mut report = verifier.finish();
    refuse_unnamed(&mut report, counts.bodies, &unnamed, &named);
    report.tree_size = claim.size;
    report.root = Some(hex::encode(&claim.root));
    report.origin = Some(claim.origin);
    Ok(Verified { report, continues: events.continues, erased: own })
}

/// Returns when the checkpoint must have been cosigned. A range that ends before it does not tell when its newest
/// entry was written, nor does one without a start tell what an earlier one declared.
fn window(verifier: &Verifier, head: &TreeHead, range: Range) -> Option<Window> {
    let events = verifier.events();
    let is_told = range.to == head.size && (range.from == 0 || events.expected.is_some());
    let newest_entry = instant_seconds(verifier.last_at()).filter(|_seconds| is_told)?;
    Some(Window { newest_entry, lag: events.lag_before(head.size) })
}

/// Takes back what cosignatures show when the range does not tell whether they are in time: otherwise a log that was
/// stamped again would pass by whoever leaves its newest entries out.
fn doubt_stamps(report: &mut Report, place: &Place) {
    if report.witness == EvidenceState::Verified {
        report.witness = EvidenceState::Failed;
        let detail = "this part of the log does not show by when the checkpoint was to be cosigned";
        report.add(Finding::new(FindingCode::StampWindow, detail).at(place));
    }
}

/// Finds bodies and blobs that no entry named. Behind a bad entry its own are left over, too; that is said already.
fn refuse_unnamed(report: &mut Report, bodies: u64, unnamed: &[String], named: &Named) {
    if report.first_bad_index.is_some() {
        return;
    }
    if bodies > report.bodies_checked {
        let detail = format!("{} files in bodies belong to no entry", bodies - report.bodies_checked);
        report.add(Finding::new(FindingCode::RowExtra, detail).at(&Place::file("bodies", 0)));
    }
    if named.is_full {
        let detail = format!("the entries name more than {NAMED_MAX} blobs, and others may lie among them");
        report.add(Finding::new(FindingCode::RowExtra, detail).at(&Place::file("evidence", 0)));
    } else {
        for path in unnamed {
            let detail = "the file belongs to no entry";
            report.add(Finding::new(FindingCode::RowExtra, detail).at(&Place::file(path, 0)));
        }
    }
    report.settle();
}

/// Demands that the bundle is of the range that it is to be of.
fn compare_extent(extent: Extent, range: Range, size: u64, verifier: &mut Verifier) {
    let wanted = match extent {
        Extent::Named => return,
        Extent::Whole => Range::whole(size),
        Extent::Part(wanted) => wanted,
    };
    if range == wanted {
        return;
    }
    let missing =
        if wanted.from < range.from { Some(wanted.from) } else { (range.to < wanted.to).then_some(range.to) };
    let detail = format!(
        "it is of the entries {}..{}, not of {}..{}; the checkpoint covers {size}",
        range.from, range.to, wanted.from, wanted.to
    );
    let finding = Finding { index: missing, ..Finding::new(FindingCode::Truncated, detail) };
    verifier.add(finding.at(&Place::file(MANIFEST, 0)));
}

/// The checkpoint of a bundle, read. A head that is not trusted is still used to locate damage.
struct ReadHead {
    head: Option<TreeHead>,
    line: FileLine,
    bytes: Vec<u8>,
}

impl ReadHead {
    /// Judges the signatures, once all keys are known that the trusted ones handed over to before.
    fn judge(&self, keys: &[VerifierKey], events: &LogEvents, verifier: &mut Verifier) {
        let opened = checkpoint::open(&self.bytes, keys).and_then(|signed| {
            // It may be the checkpoint that hands over: then the next key speaks for it, too.
            let keys = events.handed_over(keys, &signed);
            Ok((checkpoint::open(&self.bytes, &keys)?, keys))
        });
        let (signed, keys) = match opened {
            Ok(opened) => opened,
            Err(err) => {
                let (code, offset) = checkpoint_code(&err);
                verifier.add(Finding::new(code, err.to_string()).at(&Place::file(CHECKPOINT, offset)));
                return;
            }
        };
        verifier.report_mut().checkpoints += 1;
        verifier.report_mut().key_ids = signed.key_ids.iter().map(ToString::to_string).collect();
        let signers = keys.iter().filter(|key| signed.key_ids.contains(&key.id()));
        let revoked: Vec<_> = signers.map(|key| events.revoked(key, signed.head.size)).collect();
        if let Some(Some(rotation)) = revoked.iter().find(|_one| revoked.iter().all(Option::is_some)) {
            let detail = "the key that signed it was revoked by this entry";
            let finding = Finding::new(FindingCode::KeyRevoked, detail).index(rotation.index);
            verifier.add(finding.at(&Place::file(CHECKPOINT, 0)));
        }
    }
}

/// Reads the checkpoint. What is wrong with its signatures by keys that are trusted is said at once.
fn read_head<E, R>(
    files: &Files<R>,
    keys: &[VerifierKey],
    verifier: &mut Verifier,
) -> Result<Option<ReadHead>, E>
where
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
{
    let missing = FindingCode::CheckpointMissing;
    let Some(bytes) = files.demand(CHECKPOINT, SMALL_FILE_BYTES_MAX, missing, verifier)? else {
        return Ok(None);
    };
    let line = FileLine::of(CHECKPOINT, &bytes);
    let head = Note::parse(&bytes).ok().and_then(|note| TreeHead::parse(&note.text).ok());
    if head.is_none()
        && let Err(err) = checkpoint::open(&bytes, keys)
    {
        let (code, offset) = checkpoint_code(&err);
        verifier.add(Finding::new(code, err.to_string()).at(&Place::file(CHECKPOINT, offset)));
    }
    Ok(Some(ReadHead { head, line, bytes }))
}

/// Returns the finding code of a checkpoint's error and where it is.
pub(crate) fn checkpoint_code(err: &CheckpointError) -> (FindingCode, u64) {
    match err {
        CheckpointError::Note(NoteError::Malformed { offset, .. })
        | CheckpointError::Malformed { offset, .. } => (FindingCode::Malformed, *offset as u64),
        CheckpointError::Note(NoteError::BadSignature { offset, .. }) => {
            (FindingCode::CheckpointSignature, *offset as u64)
        }
        CheckpointError::Note(NoteError::TooLong) => (FindingCode::Malformed, 0),
        CheckpointError::Note(NoteError::UnknownKey) | CheckpointError::OtherName { .. } => {
            (FindingCode::KeyUnknown, 0)
        }
    }
}

/// Reads the bundle's copy of the public keys: each must be one, behind those before it, and a trusted one must be among them.
fn read_vkeys<E, R>(
    files: &Files<R>,
    trusted: &[VerifierKey],
    verifier: &mut Verifier,
) -> Result<Option<FileLine>, E>
where
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
{
    let Some(bytes) = files.demand(VKEYS, SMALL_FILE_BYTES_MAX, FindingCode::Malformed, verifier)? else {
        return Ok(None);
    };
    let mut offset = 0;
    let mut known = false;
    let mut before: &[u8] = &[];
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let key = line
            .strip_suffix(b"\n")
            .and_then(|line| std::str::from_utf8(line).ok())
            .and_then(|line| line.parse::<VerifierKey>().ok());
        match key {
            Some(key) => known |= trusted.contains(&key),
            None => {
                let finding = Finding::new(FindingCode::Malformed, "this line is not a public key");
                verifier.add(finding.at(&Place::file(VKEYS, offset)));
            }
        }
        if line <= before {
            let finding = Finding::new(FindingCode::Malformed, "this line does not follow in order");
            verifier.add(finding.at(&Place::file(VKEYS, offset)));
        }
        before = line;
        offset += line.len() as u64;
    }
    if !known {
        let finding = Finding::new(FindingCode::KeyUnknown, "no key here is one of those to trust");
        verifier.add(finding.at(&Place::file(VKEYS, 0)));
    }
    Ok(Some(FileLine::of(VKEYS, &bytes)))
}

fn read_manifest(bytes: &[u8], verifier: &mut Verifier) -> Option<Manifest> {
    Manifest::parse(bytes)
        .map_err(|(offset, detail)| {
            let place = Place::file(MANIFEST, offset as u64);
            verifier.add(Finding::new(FindingCode::Malformed, detail).at(&place));
        })
        .ok()
}

/// Returns the head that the manifest speaks of; it is never trusted.
fn claimed_head(manifest: &Manifest) -> Option<TreeHead> {
    let root = hex::decode(&manifest.root)?;
    let head = TreeHead { origin: manifest.origin.clone(), size: manifest.size, root };
    TreeHead::parse(&head.to_text()).ok()
}

/// Checks that the log extends each head that is known from elsewhere.
fn compare_heads<E, R>(
    files: &Files<R>,
    head: &TreeHead,
    authentic: bool,
    against: &[TreeHead],
    verifier: &mut Verifier,
) -> Result<(), E>
where
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
{
    for other in against {
        verifier.report_mut().checkpoints += 1;
        let (code, detail) = if other.origin != head.origin {
            (FindingCode::CheckpointInconsistent, format!("a known head is of another log, {}", other.origin))
        } else if other.size > head.size {
            (
                FindingCode::Truncated,
                format!("a known head claims {} entries, {} are here", other.size, head.size),
            )
        } else {
            let read = |id: TileId| Ok(files.get(&id.path(), id.bytes_len())?.bytes().unwrap_or_default());
            match read_root(head.size, other.size, read) {
                Ok(root) if authentic && root == other.root => continue,
                Err(crate::tile::TileError::Read { source, .. }) => return Err(source),
                Ok(_) | Err(_) => (
                    FindingCode::CheckpointInconsistent,
                    format!("the log does not extend the known head of size {}", other.size),
                ),
            }
        };
        verifier.add(Finding::new(code, detail).at(&Place::file(CHECKPOINT, 0)));
    }
    Ok(())
}

/// Demands that `manifest.json` is what follows from the other files.
fn compare_manifest(raw: &[u8], manifest: Option<&Manifest>, derived: &Manifest, verifier: &mut Verifier) {
    let claimed = manifest.map(|manifest| manifest.files.as_slice()).unwrap_or_default();
    let mut is_said = false;
    for line in claimed.iter().filter(|line| !derived.files.iter().any(|other| other.path == line.path)) {
        let finding =
            Finding::new(FindingCode::EvidenceExpected, "manifest.json lists a file that is not there");
        verifier.add(finding.at(&Place::file(&line.path.chars().take(200).collect::<String>(), 0)));
        is_said = true;
    }
    let differs = |manifest: &Manifest| match manifest.to_bytes() {
        Ok(bytes) => first_difference(raw, &bytes),
        Err(err) => Some(err.offset),
    };
    let Some(offset) = differs(derived) else { return };
    let mut blamed = derived.clone();
    blamed.files = claimed.to_vec();
    if differs(&blamed).is_some() {
        let finding = Finding::new(FindingCode::Malformed, "it is not what follows from the other files");
        verifier.add(finding.at(&Place::file(MANIFEST, offset as u64)));
        return;
    }
    // Only digests differ: the file or its line was altered, and nothing can tell which.
    for line in derived.files.iter().filter(|line| !claimed.contains(line)) {
        let finding = Finding::new(FindingCode::Malformed, "it does not have the digest in manifest.json");
        verifier.add(finding.at(&Place::file(&line.path, 0)));
        is_said = true;
    }
    if !is_said {
        let detail = "its files stand in another order, or one of them twice";
        verifier.add(Finding::new(FindingCode::Malformed, detail).at(&Place::file(MANIFEST, offset as u64)));
    }
}
