//! Checks entries and bodies in order, for a bundle and for a live database alike, and collects findings.
//!
//! It is total: any bytes give located findings, never a panic. It reads nothing itself: the caller feeds it
//! and adds what only the caller can see (rows, anchors, witnesses).

mod body;
mod continued;
mod events;
mod lone;
mod report;
#[cfg(test)]
mod tests;
mod witnesses;

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::Folder;
use crate::checkpoint::TreeHead;
use crate::entry::{Entry, EntryError};
use crate::tree::Frontier;
use crate::{Hash, hex};

pub use body::{BODY_BYTES_MAX, Blob, REFERENCES_MAX, Reference};
pub use continued::{Continuation, Continued};
pub use events::{Expected, LogEvents, ROOT_STEP, Rotation, Seal};
pub use lone::{LoneBody, LoneEntry};
pub use report::{EvidenceState, FINDINGS_MAX, Finding, FindingCode, Place, Report, VERIFIER, WitnessLag};
pub use witnesses::judge_witnesses;

/// Most absent bodies and blobs that are remembered until the end, where an erasure may explain them.
pub const ABSENT_MAX: usize = 1_048_576;
/// Most audit intents without an outcome that are tracked at one time.
pub const OPEN_INTENTS_MAX: usize = 65_536;

/// Checks a log entry by entry.
///
/// For each entry, in order: [`Verifier::push`], then [`Verifier::body`], then [`Verifier::blob`] for each
/// reference of the body. [`Verifier::finish`] ends it.
#[derive(Debug)]
pub struct Verifier {
    log: Option<String>,
    /// The index that belongs to the next entry by its position.
    position: u64,
    /// The index that the next entry must carry; differs from `position` after a gap.
    expected: u64,
    /// Absent when the log is not read from its first entry: then there is no root to compute.
    frontier: Option<Frontier>,
    last_at: String,
    heads: BTreeMap<u64, Vec<Claim>>,
    newest_head: u64,
    absent: Vec<Absent>,
    /// True when bodies that retention removed are looked for where they are kept.
    wants_pruned: bool,
    erased: Erased,
    /// Correlation ids of intents that no outcome closed.
    intents: BTreeSet<String>,
    events: LogEvents,
    /// Roots at multiples of [`ROOT_STEP`] entries.
    roots: Vec<Hash>,
    report: Report,
}

/// A root that the log must have at some size.
#[derive(Debug)]
struct Claim {
    root: Hash,
    place: Place,
    anchored: bool,
}

/// A body or blob that was not there. Kept small: there can be a million of them.
#[derive(Debug, Clone, Copy)]
struct Absent {
    folder: Folder,
    digest: Hash,
    /// The entry that names it.
    index: u64,
    /// True when it was looked for in a file.
    in_files: bool,
}

impl Absent {
    fn finding(&self) -> Finding {
        let name = self.folder.name();
        let detail = format!("{} is not in {name} and no entry erased it", hex::encode(&self.digest));
        let finding = Finding::new(FindingCode::BodyMissing, detail).index(self.index);
        if !self.in_files {
            return finding;
        }
        finding.at(&Place::file(&self.folder.path(&self.digest), 0))
    }
}

/// Why bytes are not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// They were destroyed for good.
    Erased,
    /// Retention removed them; a later entry that names them means that they came back (TLW-33).
    Expired,
}

/// What entries of `body.erased` account for, by digest.
pub type Erased = BTreeMap<Hash, Gone>;

/// What [`Verifier::push`] found out about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The index that belongs to the entry by its position.
    pub index: u64,
    pub leaf: Hash,
    /// The entry, when its bytes are one.
    pub entry: Option<Entry>,
    /// True when it carries the index that belongs to its position.
    pub in_place: bool,
}

impl Verifier {
    /// Starts at entry number `first` of the log with this id; without an id, the first entry's is taken.
    #[must_use]
    pub fn new(log: Option<&str>, first: u64) -> Self {
        Self {
            log: log.map(str::to_owned),
            position: first,
            expected: first,
            frontier: (first == 0).then(Frontier::new),
            last_at: String::new(),
            heads: BTreeMap::new(),
            newest_head: 0,
            absent: Vec::new(),
            wants_pruned: false,
            erased: Erased::new(),
            intents: BTreeSet::new(),
            events: LogEvents::default(),
            roots: Vec::new(),
            report: Report::new(),
        }
    }

    /// Returns the tree over the entries so far; nothing when the log is not read from its first entry.
    #[must_use]
    pub fn frontier(&self) -> Option<&Frontier> {
        self.frontier.as_ref()
    }

    /// Returns the index that belongs to the next entry.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the time of the newest entry so far; empty before the first.
    #[must_use]
    pub fn last_at(&self) -> &str {
        &self.last_at
    }

    /// Returns the report so far, for what only the caller can check and count.
    pub fn report_mut(&mut self) -> &mut Report {
        &mut self.report
    }

    /// Demands the bodies that retention removed, too: the caller looks for them in the archive.
    pub fn demand_pruned(&mut self) {
        self.wants_pruned = true;
    }

    /// Takes over what the entries of another log of the same records erased.
    pub fn also_erased(&mut self, erased: &Erased) {
        for (digest, gone) in erased {
            self.erased.entry(*digest).or_insert(*gone);
        }
    }

    /// Returns what the entries so far erased.
    #[must_use]
    pub fn erased(&self) -> &Erased {
        &self.erased
    }

    /// Tells whether the entries so far account for the absence of the bytes with this digest, as 64 hexadecimal
    /// digits.
    #[must_use]
    pub fn is_erased(&self, sha256: &str) -> bool {
        hex::decode(sha256).is_some_and(|digest| self.erased.contains_key(&digest))
    }

    /// Adds a finding of the caller.
    pub fn add(&mut self, finding: Finding) {
        self.report.add(finding);
    }

    /// Demands that the log has this head. Call it before entry number `head.size` is pushed.
    ///
    /// A head that was passed already, or one over a log that is not read from its first entry, cannot be
    /// checked and is reported as `checkpoint_inconsistent`: it is never taken as good.
    pub fn expect_head(&mut self, head: &TreeHead, place: &Place) {
        self.newest_head = self.newest_head.max(head.size);
        self.expect(head, place, false);
    }

    /// As [`Verifier::expect_head`], for a head from an anchor: what differs is `anchor_mismatch` (LED-31).
    pub fn expect_anchored(&mut self, head: &TreeHead, place: &Place) {
        self.expect(head, place, true);
    }

    fn expect(&mut self, head: &TreeHead, place: &Place, anchored: bool) {
        self.report.checkpoints += 1;
        let size = self.frontier.as_ref().map(Frontier::size);
        if size.is_none_or(|size| head.size < size) {
            let detail = format!("the head of size {} was given too late to be checked", head.size);
            self.add(Finding::new(FindingCode::CheckpointInconsistent, detail).at(place));
            return;
        }
        let claim = Claim { root: head.root, place: place.clone(), anchored };
        self.heads.entry(head.size).or_default().push(claim);
        self.check_heads();
    }

    /// Compares the heads of the current size with the root.
    fn check_heads(&mut self) {
        let Some(frontier) = &self.frontier else { return };
        let Some(heads) = self.heads.remove(&frontier.size()) else { return };
        let root = frontier.root();
        for claim in heads.into_iter().filter(|claim| claim.root != root) {
            let detail = format!("the first {} entries do not have the root it claims", frontier.size());
            let code = if claim.anchored { FindingCode::AnchorMismatch } else { FindingCode::RootMismatch };
            self.report.add(Finding::new(code, detail).at(&claim.place));
        }
    }

    /// Takes the next entry; `place` is where its bytes were read.
    pub fn push(&mut self, LoneEntry { leaf, entry }: LoneEntry, place: &Place) -> Pushed {
        let index = self.position;
        self.position += 1;
        self.report.entries += 1;
        if let Some(Err(err)) = self.frontier.as_mut().map(|frontier| frontier.push(leaf)) {
            self.add(Finding::new(FindingCode::Malformed, err.to_string()).index(index));
        }
        self.remember_root();
        let mut pushed = Pushed { index, leaf, entry: None, in_place: false };
        match entry {
            Ok(entry) => {
                pushed.in_place = self.check_order(&entry, index, place);
                pushed.entry = Some(entry);
            }
            Err(err) => {
                self.expected += 1;
                let (code, inner) = entry_code(&err);
                self.add(Finding::new(code, err.to_string()).index(index).at(&place.plus(inner)));
            }
        }
        self.check_heads();
        pushed
    }

    /// Checks what an entry says about its place: log, index, time. Returns whether the index is right.
    fn check_order(&mut self, entry: &Entry, index: u64, place: &Place) -> bool {
        let finding =
            |code, detail| Finding::new(code, detail).index(index).row(&entry.table, &entry.row).at(place);
        let in_place = entry.index == self.expected;
        if !in_place {
            let later = entry.index > self.expected;
            let code = if later { FindingCode::IndexGap } else { FindingCode::EntryReordered };
            let detail = format!("found index {} where {} belongs", entry.index, self.expected);
            self.report.add(finding(code, detail));
        }
        self.expected = entry.index.saturating_add(1);
        if self.log.get_or_insert_with(|| entry.log.clone()) != &entry.log {
            let detail = format!("the entry belongs to the log {:?}", entry.log);
            self.report.add(finding(FindingCode::Malformed, detail));
        }
        if entry.at < self.last_at {
            let detail = format!("its time {} is before {}", entry.at, self.last_at);
            self.report.add(finding(FindingCode::TimeRegression, detail));
        }
        self.last_at.clone_from(&entry.at);
        in_place
    }

    /// Goes on at entry number `index`, because the entries before it could not be read.
    ///
    /// The caller reports that. There is no root any more: heads that were expected are not compared.
    pub fn skip_to(&mut self, index: u64) {
        self.position = index;
        self.expected = index;
        self.frontier = None;
    }

    /// Ends the verification and returns the report.
    ///
    /// Absent bodies that no erasure explains become `body_missing`; heads beyond the end become `truncated`.
    #[must_use]
    pub fn finish(mut self) -> Report {
        for absent in std::mem::take(&mut self.absent) {
            if let Some(gone) = self.erased.get(&absent.digest) {
                match gone {
                    Gone::Erased => self.report.erased += 1,
                    Gone::Expired => self.report.expired += 1,
                }
            } else if absent.folder == Folder::Bodies && self.events.is_pruned(absent.index) {
                if self.wants_pruned {
                    let digest = hex::encode(&absent.digest);
                    let detail = format!("retention removed {digest}, and the archive does not have it");
                    let finding = Finding::new(FindingCode::BodyMissing, detail);
                    self.report.add(finding.index(absent.index));
                } else {
                    self.report.pruned += 1;
                }
            } else {
                self.report.add(absent.finding());
            }
        }
        for (size, heads) in std::mem::take(&mut self.heads) {
            for claim in heads {
                let detail = format!("the checkpoint claims {size} entries, {} were found", self.position);
                let code = if claim.anchored { FindingCode::AnchorMismatch } else { FindingCode::Truncated };
                self.report.add(Finding::new(code, detail).index(self.position).at(&claim.place));
            }
        }
        if self.report.findings.iter().any(|finding| finding.code == FindingCode::AnchorMismatch) {
            self.report.anchor = EvidenceState::Failed;
        }
        self.report.orphan_intents = self.intents.len() as u64;
        if self.newest_head > 0 {
            self.report.uncovered_tail = self.position.saturating_sub(self.newest_head);
        }
        if let Some(frontier) = &self.frontier {
            self.report.tree_size = frontier.size();
            self.report.root = Some(hex::encode(&frontier.root()));
        }
        self.report.settle();
        self.report
    }
}

/// Returns the finding code of an entry's error, and where in the entry it is.
fn entry_code(err: &EntryError) -> (FindingCode, u64) {
    match err {
        EntryError::Malformed { offset, .. } => (FindingCode::Malformed, *offset as u64),
        EntryError::NotCanonical { offset } => (FindingCode::NotCanonical, *offset as u64),
        EntryError::Unsupported { .. } => (FindingCode::UnsupportedEntry, 0),
        EntryError::TooLong { .. } | EntryError::Member { .. } | EntryError::ExtraMember => {
            (FindingCode::Malformed, 0)
        }
    }
}
