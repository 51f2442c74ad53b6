//! Retention: the bodies of old sealed segments leave the database; their bundles have them (LED-38, LED-40). So does
//! old evidence (TLW-33). Entries, tiles and checkpoints stay, and so do the rows.

mod evidence;

use std::collections::BTreeSet;
use std::path::Path;

use ledger::EntryKind;
use ledger::bundle::{Folder, Options};
use model::Timestamp;
use model::record::{AuditPhase, LogEvent, SegmentPruned, SegmentSealed};
use serde_json::{Value, json};
use store::log::PAGE_MAX;

use crate::bundle::{read_file, verify_folder};
use crate::context::{App, nonces};
use crate::erase::EVERYTHING;
use crate::error::{Error, Kind};
use crate::seal::bundle_digest;

const DAY_US: i64 = 86_400_000_000;

/// A segment whose bodies were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub from: u64,
    pub to: u64,
}

/// What retention removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    pub segments: Vec<Segment>,
    pub evidence: evidence::Removed,
}

impl App {
    /// Removes what is older than the declared retention: the bodies of every sealed segment whose bundle is in the
    /// archive and verifies, and evidence that is not current any more.
    ///
    /// # Errors
    /// When all is kept for ever, nobody else approved it, there is no archive to prune bodies by, a hold protects a
    /// segment, or its bundle is not what was sealed. Segments before that one are pruned then.
    pub async fn prune(&self, archive: Option<&Path>, approval: (&str, &str)) -> Result<Pruned, Error> {
        self.check_approval(approval)?;
        if self.retention.bodies_days == 0 && self.retention.evidence_days == 0 {
            return Err(Error::new(Kind::Denied, "bodies are kept for ever, and so is evidence")
                .hint("declare another retention by --retention-bodies-days or --retention-evidence-days"));
        }
        if self.retention.bodies_days > 0 && archive.is_none() {
            let message = "no archive is named, which has the bodies that are to be pruned";
            return Err(Error::new(Kind::Usage, message).hint("name its folder by --archive"));
        }
        self.note_start().await?;
        let mut pruned = Pruned::default();
        if let Some(archive) = archive.filter(|_archive| self.retention.bodies_days > 0) {
            pruned.segments = self.prune_bodies(archive, approval).await?;
        }
        if self.retention.evidence_days > 0 {
            pruned.evidence = self.prune_evidence(approval).await?;
        }
        Ok(pruned)
    }

    /// Returns the end of a retention: what is older than this may go.
    pub(crate) fn oldest_kept(&self, days: u32) -> Timestamp {
        Timestamp::from_micros(self.now().as_micros() - i64::from(days) * DAY_US)
    }

    async fn prune_bodies(
        &self,
        archive: &Path,
        (reason, approved_by): (&str, &str),
    ) -> Result<Vec<Segment>, Error> {
        let days = self.retention.bodies_days;
        let oldest_kept = self.oldest_kept(days);
        let done = self.db.pruned(&self.tenant).await?;
        let mut pruned = Vec::new();
        for stored in self.db.list_events(&self.tenant, Some(EntryKind::SegmentSealed)).await? {
            let LogEvent::SegmentSealed(seal) = stored.record.event else { continue };
            if done.contains(&(seal.from, seal.to)) {
                continue;
            }
            if self.entry_time(seal.to - 1).await? >= oldest_kept {
                break;
            }
            self.check_bundle(archive, &seal).await?;
            let kept = self.kept_of(&seal).await?;
            let event = SegmentPruned {
                from: seal.from,
                to: seal.to,
                bodies_days: days,
                reason: reason.to_owned(),
                approved_by: approved_by.to_owned(),
            };
            let subject = format!("segment:{}-{}", seal.from, seal.to);
            let detail = json!({"reason": reason, "approved_by": approved_by});
            let audit = self.audit("ledger.pruned", AuditPhase::Event, subject, &detail)?;
            self.db.prune((&self.tenant, &audit), (&event, &kept), self.now(), &mut nonces()).await?;
            pruned.push(Segment { from: seal.from, to: seal.to });
        }
        Ok(pruned)
    }

    async fn check_bundle(&self, archive: &Path, seal: &SegmentSealed) -> Result<(), Error> {
        let folder = archive.join(format!("{}-{}", seal.from, seal.to));
        let refused = |problem: &str| {
            Error::new(
                Kind::Denied,
                format!("the bundle {} {problem}; nothing of it is pruned", folder.display()),
            )
            .hint("restore it: it is the only other place that has these bodies")
        };
        match bundle_digest(&folder)? {
            Some(digest) if digest == seal.bundle_sha256 => {}
            Some(_) => return Err(refused("is not the one that was sealed")),
            None => return Err(refused("is not there")),
        }
        let keys = self.keys_of_all().await?;
        let report = verify_folder(&folder, &Options::new(&keys), &[])?;
        if report.ok { Ok(()) } else { Err(refused("does not verify")) }
    }

    /// Returns the entries of a segment whose bodies every verification needs. A hold on any of the segment's
    /// hosts, or on everything, refuses the whole segment.
    async fn kept_of(&self, seal: &SegmentSealed) -> Result<Vec<u64>, Error> {
        let holds = self.holds().await?;
        let held: BTreeSet<&str> = holds.values().map(|hold| hold.subject.as_str()).collect();
        let mut kept = Vec::new();
        let mut next = seal.from;
        while next < seal.to {
            let page = self.db.list_entries(&self.tenant, (next, PAGE_MAX)).await?;
            let Some(last) = page.last() else { break };
            next = last.index + 1;
            for stored in page.iter().filter(|stored| stored.index < seal.to) {
                let entry = ledger::Entry::parse(&stored.entry)
                    .map_err(|err| Error::internal(format!("entry {} does not read: {err}", stored.index)))?;
                if is_needed(entry.kind) {
                    kept.push(stored.index);
                }
                let subjects = self.subjects_of(&row_of(&stored.body)?).await?;
                if held.contains(EVERYTHING) || subjects.iter().any(|subject| held.contains(subject.as_str()))
                {
                    let message = format!("a hold protects segment {}..{}", seal.from, seal.to);
                    return Err(
                        Error::new(Kind::Denied, message).hint("`plumb ledger hold list` shows the holds")
                    );
                }
            }
        }
        Ok(kept)
    }

    pub(crate) async fn entry_time(&self, index: u64) -> Result<Timestamp, Error> {
        let at = self.find_entry_time(index).await?;
        at.ok_or_else(|| Error::internal(format!("the log has no entry {index}")))
    }
}

/// Tells whether verification reads the bodies of this kind of entry.
pub(crate) const fn is_needed(kind: EntryKind) -> bool {
    matches!(
        kind,
        EntryKind::LogGenesis
            | EntryKind::LogStarted
            | EntryKind::LogConfig
            | EntryKind::KeyRotated
            | EntryKind::SegmentSealed
            | EntryKind::SegmentPruned
            | EntryKind::BodyErased
            | EntryKind::HoldChanged
    )
}

/// Returns the record in a body; null where the body was erased.
pub(crate) fn row_of(body: &[u8]) -> Result<Value, Error> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let mut body = ledger::canonical::parse(body)
        .map_err(|err| Error::internal(format!("a stored body does not read: {err}")))?;
    Ok(body.get_mut("row").map(Value::take).unwrap_or_default())
}

/// Reads a body that retention removed from the bundle of its segment; nothing where there is none.
pub(crate) fn archived(
    archive: &Path,
    (from, to): (u64, u64),
    sha256: &ledger::Hash,
) -> Result<Option<Vec<u8>>, Error> {
    let path = archive.join(format!("{from}-{to}")).join(Folder::Bodies.path(sha256));
    read_file(&path, Folder::Bodies.bytes_max())
        .map_err(|err| Error::new(Kind::Unavailable, format!("could not read {}: {err}", path.display())))
}
