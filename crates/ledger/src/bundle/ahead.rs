//! Reading the entry bundles of a range ahead, with bodies and blobs, on several threads. What they find is taken in
//! the order of the log, so their number changes no report.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::files::{Files, Got};
use super::{ENTRY_BUNDLE_BYTES_MAX, Folder};
use crate::tile::{BundleError, bundle_path, decode_bundle};
use crate::verify::{LoneBody, LoneEntry};
use crate::{Hash, sha256};

/// Most entries, and most bytes of bodies after which another entry is not begun, that a thread hands over at once.
const PART_ENTRIES_MAX: usize = 64;
const PART_BYTES_MAX: usize = 262_144;
/// Most parts of a thread that wait to be taken: as many as an entry bundle has.
const PARTS_MAX: usize = 4;

/// One entry of a bundle, read, with its body and the digests of the blobs that the body names.
pub(super) struct Item {
    /// Where in the entry bundle it begins.
    pub(super) offset: usize,
    pub(super) entry: LoneEntry,
    /// Nothing when the bytes are no entry.
    pub(super) body: Option<LoneBody>,
    /// For each reference of the body, in order.
    pub(super) blobs: Vec<Option<Hash>>,
}

/// Some entries of an entry bundle, in order.
#[derive(Default)]
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    /// How the entry bundle ended behind them; nothing when more follow.
    pub(super) end: Option<End>,
}

/// How an entry bundle ended.
pub(super) enum End {
    Missing,
    TooLong,
    /// What follows is no entry.
    Broken(BundleError),
    /// An entry follows, at this offset, that has no place in it.
    Surplus(usize),
    /// After so many bytes.
    Whole(usize),
}

/// An entry bundle: its number, and how many entries belong in it.
pub(super) type Wanted = (u64, u16);

/// What the reading of one thread leads to.
pub(super) type Parts<E> = Receiver<Result<Part, E>>;

/// Reads these entry bundles on `threads` threads and calls `take` with what comes of each thread: the first bundle is
/// that of the first one, the second that of the second one, and so on in turn.
pub(super) fn read_ahead<E, R, T>(
    files: &Files<R>,
    threads: NonZero<usize>,
    wanted: &(impl Iterator<Item = Wanted> + Clone + Send),
    take: impl FnOnce(&[Parts<E>]) -> T,
) -> T
where
    E: Send,
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E> + Sync,
{
    thread::scope(|scope| {
        let start = |nth: usize| {
            let (sender, parts) = sync_channel(PARTS_MAX);
            let wanted = wanted.clone().skip(nth).step_by(threads.get());
            scope.spawn(move || read_each(files, wanted, &sender));
            parts
        };
        let parts: Vec<_> = (0..threads.get()).map(start).collect();
        // Whoever still reads ends as soon as nobody takes it.
        take(&parts)
    })
}

fn read_each<E, R>(
    files: &Files<R>,
    wanted: impl Iterator<Item = Wanted>,
    sender: &SyncSender<Result<Part, E>>,
) where
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
{
    for wanted in wanted {
        let mut is_taken = true;
        let done = read_bundle(files, wanted, |part| {
            is_taken = sender.send(Ok(part)).is_ok();
            is_taken
        });
        if let Err(err) = done {
            // Nobody waits for it any more, or whoever does ends by it.
            let _ended = sender.send(Err(err));
            return;
        }
        if !is_taken {
            return;
        }
    }
}

/// Reads one entry bundle; ends early when a part is not taken.
fn read_bundle<E, R>(
    files: &Files<R>,
    (index, width): Wanted,
    mut give: impl FnMut(Part) -> bool,
) -> Result<(), E>
where
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
{
    let ended = |end| Part { items: Vec::new(), end: Some(end) };
    let bytes = match files.get(&bundle_path(index, width), ENTRY_BUNDLE_BYTES_MAX)? {
        Got::Missing => {
            give(ended(End::Missing));
            return Ok(());
        }
        Got::TooLong => {
            give(ended(End::TooLong));
            return Ok(());
        }
        Got::Bytes(bytes) => bytes,
    };
    let (mut part, mut held) = (Part::default(), 0);
    for (position, entry) in (0_u16..).zip(decode_bundle(&bytes)) {
        let (offset, entry) = match entry {
            Ok((offset, _entry)) if position >= width => {
                part.end = Some(End::Surplus(offset));
                break;
            }
            Ok(found) => found,
            Err(err) => {
                part.end = Some(End::Broken(err));
                break;
            }
        };
        let (item, bytes) = read_item(files, offset, entry)?;
        part.items.push(item);
        held += bytes;
        if part.items.len() == PART_ENTRIES_MAX || held >= PART_BYTES_MAX {
            held = 0;
            if !give(std::mem::take(&mut part)) {
                return Ok(());
            }
        }
    }
    part.end.get_or_insert(End::Whole(bytes.len()));
    give(part);
    Ok(())
}

/// Reads an entry's body and blobs; returns with it how long the body is.
fn read_item<E, R>(files: &Files<R>, offset: usize, bytes: &[u8]) -> Result<(Item, usize), E>
where
    R: Fn(&str, usize) -> Result<Option<Vec<u8>>, E>,
{
    // Of a file that is too long nothing is looked at: it cannot be what was named.
    let read = |folder: Folder, digest: &Hash| {
        Ok(match files.get(&folder.path(digest), folder.bytes_max())? {
            Got::Missing => None,
            Got::TooLong => Some(Vec::new()),
            Got::Bytes(bytes) => Some(bytes),
        })
    };
    let mut item = Item { offset, entry: LoneEntry::read(bytes), body: None, blobs: Vec::new() };
    let Some(entry) = item.entry.entry() else { return Ok((item, 0)) };
    let bytes = read(Folder::Bodies, &entry.body_sha256)?;
    let body = LoneBody::read(entry, bytes.as_deref());
    for reference in body.references() {
        let blob = read(reference.blob.folder(), &reference.sha256)?;
        item.blobs.push(blob.map(|bytes| sha256(&bytes)));
    }
    item.body = Some(body);
    Ok((item, bytes.map_or(0, |bytes| bytes.len())))
}
