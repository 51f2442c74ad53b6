//! What the log says of itself: keys that were rotated, segments that were sealed, evidence that is to be
//! expected. Collected while the entries are read, for whoever checks signatures, archives and anchors.

use serde_json::Value;

use super::{Continuation, Finding, FindingCode, Verifier};
use crate::checkpoint::SignedHead;
use crate::entry::EntryKind;
use crate::note::VerifierKey;
use crate::policy::{LAG_SECONDS_DEFAULT, LAG_SECONDS_MAX, LAG_SECONDS_MIN};
use crate::{Hash, hex};

/// Roots are remembered at multiples of this many entries, where segments end.
pub const ROOT_STEP: u64 = crate::tile::TILE_WIDTH;
/// Most rotations, and most segments, that are remembered.
pub(super) const EVENTS_MAX: usize = 100_000;

/// From the entry at `index` on, checkpoints are signed by `new` (LED-22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    pub index: u64,
    pub old: VerifierKey,
    pub new: VerifierKey,
    /// The old key is not to be trusted for more than `index + 1` entries.
    pub old_revoked: bool,
}

/// A range that was exported and closed (LED-37).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    pub index: u64,
    pub from: u64,
    pub to: u64,
    pub root: Hash,
    /// SHA-256 of the bundle's `manifest.json`.
    pub bundle_sha256: Hash,
}

/// Which evidence the newest start of the product promised (LED-30).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub index: u64,
    /// The first of the starts in a row that promised an anchor, the newest among them; nothing where that one
    /// promised none.
    pub anchor_since: Option<u64>,
    pub policy_sha256: Option<Hash>,
}

/// What the log says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogEvents {
    pub rotations: Vec<Rotation>,
    pub seals: Vec<Seal>,
    /// Segments whose bodies retention removed, `from..to` each (LED-40).
    pub pruned: Vec<(u64, u64)>,
    pub expected: Option<Expected>,
    /// Since which entry cosignatures may be how late, where it changed. Seconds (LED-35).
    pub lags: Vec<(u64, u64)>,
    /// The log that this one goes on with (LED-39).
    pub continues: Option<Continuation>,
}

impl LogEvents {
    /// Returns the keys to trust once the log has a checkpoint: the trusted ones, and each that one of them handed
    /// over to in the entries that the checkpoint covers. That one must have signed it, and no earlier entry may
    /// have revoked it: whoever has a key that was revoked can write rotations and sign them, too.
    #[must_use]
    pub fn handed_over(&self, trusted: &[VerifierKey], signed: &SignedHead) -> Vec<VerifierKey> {
        let hands_over = |rotation: &&Rotation| {
            rotation.index < signed.head.size
                && trusted.contains(&rotation.old)
                && signed.key_ids.contains(&rotation.old.id())
                && self.revoked(&rotation.old, rotation.index + 1).is_none()
        };
        let mut keys = trusted.to_vec();
        for rotation in self.rotations.iter().filter(hands_over) {
            if !keys.contains(&rotation.new) {
                keys.push(rotation.new.clone());
            }
        }
        keys
    }

    /// Returns how late a cosignature of the checkpoint of this size may be: what the newest of the entries that it
    /// covers declared, so that no later one can widen it. Seconds (LED-35).
    #[must_use]
    pub fn lag_before(&self, size: u64) -> u64 {
        let declared = self.lags.iter().rev().find(|(index, _lag)| *index < size);
        declared.map_or(LAG_SECONDS_DEFAULT, |(_index, lag)| *lag)
    }

    /// Tells whether retention removed the body of this entry.
    #[must_use]
    pub fn is_pruned(&self, index: u64) -> bool {
        self.pruned.iter().any(|(from, to)| (*from..*to).contains(&index))
    }

    /// Returns the rotation that revoked a key before a checkpoint of this size.
    #[must_use]
    pub fn revoked(&self, key: &VerifierKey, size: u64) -> Option<&Rotation> {
        self.rotations
            .iter()
            .find(|rotation| rotation.old_revoked && rotation.old == *key && size > rotation.index + 1)
    }
}

/// What one entry says of the log itself. The index that it carries is not its own yet: only the log tells that.
#[derive(Debug)]
pub(super) enum Event {
    Rotated(Box<Rotation>),
    /// With the end and the root of the segment before it, as it names them.
    Sealed(Seal, Option<(u64, Hash)>),
    Pruned(u64, u64),
    /// With how late cosignatures may be from here on. Seconds.
    Started(Expected, Result<u64, String>),
    Began(Result<Option<Box<Continuation>>, String>),
}

impl Event {
    /// Reads what a body says of the log itself; nothing for kinds that say nothing.
    pub(super) fn read(kind: EntryKind, body: &Value) -> Result<Option<Self>, String> {
        let detail = member(body, &["row", "detail"]).unwrap_or(&Value::Null);
        let number = |name: &str| detail.get(name).and_then(Value::as_u64);
        let event = match kind {
            EntryKind::KeyRotated => {
                let rotation = rotation(detail).ok_or("a rotation must name two public keys")?;
                Self::Rotated(Box::new(rotation))
            }
            EntryKind::SegmentSealed => {
                let seal = seal(detail).ok_or("a seal must name range, root and bundle")?;
                let root = detail.get("previous_root").and_then(Value::as_str).and_then(hex::decode);
                Self::Sealed(seal, number("previous_to").zip(root))
            }
            EntryKind::SegmentPruned => {
                let range = number("from").zip(number("to")).ok_or("a pruning must name its segment")?;
                Self::Pruned(range.0, range.1)
            }
            EntryKind::LogStarted => {
                let expected = expected(detail).ok_or("a start must say which evidence to expect")?;
                Self::Started(expected, declared_lag(detail))
            }
            EntryKind::LogGenesis => Self::Began(Continuation::read(body).map(|read| read.map(Box::new))),
            EntryKind::FindingChanged
            | EntryKind::ScanManifest
            | EntryKind::HostChanged
            | EntryKind::HostKeyChanged
            | EntryKind::FactPut
            | EntryKind::FactRetired
            | EntryKind::EdgePut
            | EntryKind::EdgeRetired
            | EntryKind::ChangeStep
            | EntryKind::MemoryOp
            | EntryKind::AuditRecord
            | EntryKind::LogConfig
            | EntryKind::BodyErased
            | EntryKind::HoldChanged
            | EntryKind::Seam => return Ok(None),
        };
        Ok(Some(event))
    }
}

/// Follows members of nested objects.
pub(super) fn member<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

impl Verifier {
    /// Returns what the entries so far say of the log itself.
    #[must_use]
    pub fn events(&self) -> &LogEvents {
        &self.events
    }

    /// Remembers the root where a segment may end.
    pub(super) fn remember_root(&mut self) {
        if let Some(frontier) = &self.frontier
            && frontier.size().is_multiple_of(ROOT_STEP)
        {
            self.roots.push(frontier.root());
        }
    }

    /// Takes what the entry at `index` says of the log itself.
    pub(super) fn take_event(&mut self, index: u64, event: Event) -> Result<(), String> {
        let full = || format!("the log has more than {EVENTS_MAX} events of this kind");
        match event {
            Event::Rotated(_) if self.events.rotations.len() == EVENTS_MAX => Err(full()),
            Event::Rotated(rotation) => {
                self.events.rotations.push(Rotation { index, ..*rotation });
                Ok(())
            }
            Event::Sealed(..) if self.events.seals.len() == EVENTS_MAX => Err(full()),
            Event::Sealed(seal, follows) => {
                let seal = Seal { index, ..seal };
                self.check_seal(&seal, follows);
                self.events.seals.push(seal);
                Ok(())
            }
            Event::Pruned(from, to) => {
                if self.events.seals.iter().any(|seal| (seal.from, seal.to) == (from, to)) {
                    self.events.pruned.push((from, to));
                } else if self.frontier.is_some() {
                    let detail = format!("{from}..{to} was pruned and never sealed");
                    self.report.add(Finding::new(FindingCode::SegmentLink, detail).index(index));
                }
                Ok(())
            }
            Event::Started(expected, lag) => {
                let before = self.events.expected.and_then(|before| before.anchor_since);
                let anchor_since = expected.anchor_since.map(|_own| before.unwrap_or(index));
                self.events.expected = Some(Expected { index, anchor_since, ..expected });
                let lag = lag?;
                if lag != self.events.lag_before(index) {
                    if self.events.lags.len() == EVENTS_MAX {
                        return Err(full());
                    }
                    self.events.lags.push((index, lag));
                }
                Ok(())
            }
            Event::Began(continues) if index == 0 => {
                self.events.continues = continues?.map(|continues| *continues);
                Ok(())
            }
            Event::Began(_) => Err("only the first entry of a log says that it begins".to_owned()),
        }
    }

    /// Segments follow each other without gaps, and each names the root that its end has.
    fn check_seal(&mut self, seal: &Seal, named: Option<(u64, Hash)>) {
        let previous = self.events.seals.last().map(|seal| (seal.to, seal.root));
        // A bundle of a later range begins behind the seals that its first one follows.
        let followed = if previous.is_none() && self.frontier.is_none() { named } else { previous };
        let problem = if followed != named || seal.from != followed.map_or(0, |(to, _root)| to) {
            Some(format!("the segment from {} does not follow the one before", seal.from))
        } else if seal.to <= seal.from || seal.to > seal.index {
            Some(format!("the segment {}..{} is not a closed range", seal.from, seal.to))
        } else {
            let position = (seal.to / ROOT_STEP).checked_sub(1).and_then(|nth| usize::try_from(nth).ok());
            let root =
                position.filter(|_nth| seal.to.is_multiple_of(ROOT_STEP)).map(|nth| self.roots.get(nth));
            // A bundle that does not begin at the first entry has no roots to compare with.
            match root {
                _ if self.frontier.is_none() => None,
                Some(Some(root)) if *root == seal.root => None,
                Some(_) | None => {
                    Some(format!("the first {} entries do not have the root it names", seal.to))
                }
            }
        };
        if let Some(problem) = problem {
            self.report.add(Finding::new(FindingCode::SegmentLink, problem).index(seal.index));
        }
    }
}

fn rotation(detail: &Value) -> Option<Rotation> {
    let key = |name: &str| detail.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
    Some(Rotation {
        index: 0,
        old: key("old_vkey")?,
        new: key("new_vkey")?,
        old_revoked: detail.get("old_revoked").and_then(Value::as_bool)?,
    })
}

fn seal(detail: &Value) -> Option<Seal> {
    let number = |name: &str| detail.get(name).and_then(Value::as_u64);
    let digest = |name: &str| detail.get(name).and_then(Value::as_str).and_then(hex::decode);
    Some(Seal {
        index: 0,
        from: number("from")?,
        to: number("to")?,
        root: digest("root")?,
        bundle_sha256: digest("bundle_sha256")?,
    })
}

/// Reads how late cosignatures may be from a start on; older starts do not say it.
fn declared_lag(detail: &Value) -> Result<u64, String> {
    let Some(said) = detail.get("stamp_max_lag_seconds") else { return Ok(LAG_SECONDS_DEFAULT) };
    let lag = said.as_u64().filter(|lag| (LAG_SECONDS_MIN..=LAG_SECONDS_MAX).contains(lag));
    lag.ok_or_else(|| {
        format!("stamp_max_lag_seconds is not a number from {LAG_SECONDS_MIN} to {LAG_SECONDS_MAX}")
    })
}

fn expected(detail: &Value) -> Option<Expected> {
    let policy = detail.get("policy_sha256")?;
    let policy_sha256 = policy.as_str().and_then(hex::decode);
    if policy_sha256.is_none() && !policy.is_null() {
        return None;
    }
    let anchor = detail.get("expects_anchor").and_then(Value::as_bool)?;
    Some(Expected { index: 0, anchor_since: anchor.then_some(0), policy_sha256 })
}
