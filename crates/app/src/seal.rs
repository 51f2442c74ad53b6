//! Sealing: a closed range of the log leaves as a bundle that verifies, and the log says so (LED-37).

use std::path::{Path, PathBuf};
use std::{fs, io};

use ledger::bundle::{Folder, MANIFEST, Options, Range, SMALL_FILE_BYTES_MAX};
use ledger::verify::{ROOT_STEP, Verifier};
use ledger::{EntryKind, Finding, FindingCode, Report};
use model::record::{LogEvent, SegmentSealed};
use model::{Classification, Digest, Timestamp};
use serde_json::json;

use crate::bundle::{read_file, verify_folder};
use crate::checkpoint;
use crate::context::App;
use crate::error::{Error, Kind};

/// A range that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub folder: PathBuf,
    pub from: u64,
    pub to: u64,
    pub bundle_sha256: Digest,
}

impl App {
    /// Seals what was recorded before an instant and is not sealed yet, down to a whole number of 256 entries.
    ///
    /// Nothing when that is not even one such step.
    ///
    /// # Errors
    /// When the bundle cannot be written or does not verify: then nothing is recorded. As [`App::export`].
    pub async fn seal(
        &self,
        before: Timestamp,
        (archive, up_to): (&Path, Classification),
    ) -> Result<Option<Sealed>, Error> {
        self.refuse_restricted(up_to).await?;
        let previous = self.newest_seal().await?;
        let from = previous.as_ref().map_or(0, |seal| seal.to);
        let end = self.first_entry_at(before).await?;
        let to = self.before_open_erasures(from, end - end % ROOT_STEP).await?;
        if to <= from {
            return Ok(None);
        }
        let folder = archive.join(format!("{from}-{to}"));
        if folder.exists() {
            let message = format!("{} is there, and entries {from}..{to} are not sealed", folder.display());
            return Err(Error::new(Kind::Conflict, message)
                .hint("if a seal was stopped here, remove that folder; if the archive is another ledger's, name another"));
        }
        let part = archive.join(format!("{from}-{to}.part"));
        if part.exists() {
            // Of a seal that was stopped.
            fs::remove_dir_all(&part).map_err(|err| unusable(&part, &err))?;
        }
        let exported = self.export_range(&part, Some(Range { from, to }), up_to).await?;
        let root = exported.root_at_end.ok_or_else(|| Error::internal("the range has no root"))?;
        let keys = self.keys_of_all().await?;
        let report = verify_folder(&part, &Options::new(&keys), &[])?;
        if let Some(first) = report.findings.first() {
            fs::remove_dir_all(&part).map_err(|err| unusable(&part, &err))?;
            let message =
                format!("the bundle of {from}..{to} does not verify; nothing is sealed: {}", first.detail);
            return Err(Error::new(Kind::Internal, message).hint("run `plumb ledger verify`"));
        }
        fs::rename(&part, &folder)
            .and_then(|()| fs::File::open(archive)?.sync_all())
            .map_err(|err| unusable(&folder, &err))?;
        let bundle_sha256 = bundle_digest(&folder)?
            .ok_or_else(|| Error::internal(format!("{} has no {MANIFEST}", folder.display())))?;
        let sealed = SegmentSealed {
            from,
            to,
            root: Digest(root),
            bundle_sha256,
            previous_to: previous.as_ref().map(|seal| seal.to),
            previous_root: previous.as_ref().map(|seal| seal.root),
        };
        self.record(&[LogEvent::SegmentSealed(sealed)], "ledger.sealed", &json!({"from": from, "to": to}))
            .await?;
        checkpoint::cut(self).await?;
        Ok(Some(Sealed { folder, from, to, bundle_sha256 }))
    }

    /// Returns the end of the longest range that explains itself: one whose erased bodies and evidence were erased by
    /// entries that are in it, too. The rest waits until those are old enough.
    async fn before_open_erasures(&self, from: u64, end: u64) -> Result<u64, Error> {
        let erasures = self.db.list_events(&self.tenant, Some(EntryKind::BodyErased)).await?;
        let first_position = self.first_position().await?;
        let mut to = end;
        // Each turn but the last leaves at least one step of entries out.
        while to > from {
            let before = to;
            for stored in erasures.iter().rev() {
                let LogEvent::BodyErased(erased) = &stored.record.event else { continue };
                if stored.index >= to && (from..to).contains(&erased.erased_index) {
                    to = erased.erased_index - erased.erased_index % ROOT_STEP;
                }
            }
            // Several entries may name the same evidence, and an erasure names one of them.
            let named = self.db.first_naming_gone((&self.tenant, first_position), (from, to)).await?;
            to = named.map_or(to, |index| index - index % ROOT_STEP);
            if to == before {
                break;
            }
        }
        Ok(to)
    }

    async fn newest_seal(&self) -> Result<Option<SegmentSealed>, Error> {
        let newest = self.db.newest_event(&self.tenant, EntryKind::SegmentSealed).await?;
        Ok(newest.and_then(|stored| match stored.record.event {
            LogEvent::SegmentSealed(sealed) => Some(sealed),
            LogEvent::KeyRotated(_)
            | LogEvent::SegmentPruned(_)
            | LogEvent::BodyErased(_)
            | LogEvent::HoldChanged(_)
            | LogEvent::Started(_)
            | LogEvent::Configured(_) => None,
        }))
    }

    /// Returns the index of the first entry that was recorded at an instant or later. Entry times never
    /// decrease, so halving finds it.
    async fn first_entry_at(&self, instant: Timestamp) -> Result<u64, Error> {
        let (mut low, mut high) = (0, self.db.log_size(&self.tenant).await?);
        while low < high {
            let middle = low + (high - low) / 2;
            let stored = self.db.list_entries(&self.tenant, (middle, 1)).await?.pop();
            let entry = stored.filter(|stored| stored.index == middle);
            let entry = entry.and_then(|stored| ledger::Entry::parse(&stored.entry).ok());
            let at = entry.and_then(|entry| entry.at.parse::<Timestamp>().ok());
            let at = at.ok_or_else(|| Error::internal(format!("entry {middle} of the log does not read")))?;
            if at < instant {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Checks that the archive has the bundle of every sealed segment in its place, and that each of them verifies.
    ///
    /// # Errors
    /// When one cannot be read to its end; whatever is in it is a finding.
    pub(crate) async fn check_archive(&self, archive: &Path, verifier: &mut Verifier) -> Result<(), Error> {
        let keys = self.keys_of_all().await?;
        for seal in verifier.events().seals.clone() {
            let name = format!("{}-{}", seal.from, seal.to);
            let folder = archive.join(&name);
            let (code, detail) = match bundle_digest(&folder)? {
                Some(digest) if digest == Digest(seal.bundle_sha256) => {
                    let report = verify_folder(&folder, &Options::new(&keys), &[])?;
                    add_findings(report, (&name, &folder), verifier);
                    continue;
                }
                Some(_) => {
                    (FindingCode::SegmentLink, format!("the bundle {name} is not the one that was sealed"))
                }
                None => (FindingCode::SegmentMissing, format!("the bundle {name} is not in the archive")),
            };
            verifier.add(Finding::new(code, detail).index(seal.index));
        }
        Ok(())
    }
}

fn unusable(path: &Path, err: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("could not use {}: {err}", path.display()))
}

/// Returns the digest of a bundle's manifest, from which every other file of it follows; nothing without one.
pub(crate) fn bundle_digest(folder: &Path) -> Result<Option<Digest>, Error> {
    let bytes = read_file(&folder.join(MANIFEST), SMALL_FILE_BYTES_MAX).map_err(|err| {
        Error::new(Kind::Unavailable, format!("could not read the bundle {}: {err}", folder.display()))
    })?;
    Ok(bytes.map(|bytes| Digest(ledger::sha256(&bytes))))
}

/// Adds what verifying the bundle of a segment found. Bytes that an entry behind the segment erased may have been removed
/// from the bundle, too.
fn add_findings(report: Report, (name, folder): (&str, &Path), verifier: &mut Verifier) {
    let is_missing = |finding: &Finding| finding.code == FindingCode::BodyMissing;
    let is_erased = |finding: &Finding| {
        let path = finding.file.as_deref().filter(|_path| is_missing(finding));
        let digest = path.and_then(Folder::parse);
        digest.is_some_and(|(_folder, digest)| verifier.erased().contains_key(&digest))
    };
    // The manifest is the sealed one: it counts more files than are there, which is said of each of them.
    let counts_more = report.findings.iter().any(is_missing);
    let is_count = |finding: &Finding| {
        counts_more && finding.code == FindingCode::Malformed && finding.file.as_deref() == Some(MANIFEST)
    };
    let mut findings = report.findings;
    findings.retain(|finding| !is_erased(finding) && !is_count(finding));
    for finding in findings {
        let file = finding.file.as_ref().map(|file| folder.join(file).display().to_string());
        let detail = format!("in the segment {name}: {}", finding.detail);
        verifier.add(Finding { file, detail, ..finding });
    }
    verifier.report_mut().findings_dropped += report.findings_dropped;
}
