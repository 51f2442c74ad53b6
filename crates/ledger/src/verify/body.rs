//! Bodies: digest, length, canonical form, and the few members that every verifier can understand.
//!
//! Generic members, whatever the body records: `evidence_sha256` and `manifest_sha256` name blobs at any
//! depth; in `body.erased`, `row.detail.erased_sha256` names a body or blob that is gone, for good unless
//! `row.detail.retention_days` stands there, too; in `audit.record`, an outcome closes the intent that has its `row.correlation_id`.

use super::lone::{Audit, Found, LoneBody, Members};
use super::{ABSENT_MAX, Absent, Finding, FindingCode, Gone, OPEN_INTENTS_MAX, Place, Verifier};
use crate::bundle::Folder;
use crate::entry::Entry;
use crate::{Hash, hex};

/// Largest body that is read. Bytes.
pub const BODY_BYTES_MAX: usize = 1_048_576;
/// Most blobs that one body may name.
pub const REFERENCES_MAX: usize = 10_000;

/// A kind of blob that bodies name by digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blob {
    /// The evidence of a rule result, named `evidence_sha256`.
    Evidence,
    /// The manifest of a scan, named `manifest_sha256`.
    Manifest,
}

impl Blob {
    /// Returns the bundle folder that holds blobs of this kind.
    #[must_use]
    pub const fn folder(self) -> Folder {
        match self {
            Self::Evidence => Folder::Evidence,
            Self::Manifest => Folder::Manifests,
        }
    }
}

/// A blob that a body names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub blob: Blob,
    pub sha256: Hash,
}

impl Verifier {
    /// Takes the body of the entry at `index`; `place` is where it was read, or looked for.
    ///
    /// Each blob that the body names ([`LoneBody::references`]) is to be handed to [`Verifier::blob`].
    pub fn body(&mut self, index: u64, entry: &Entry, body: LoneBody, place: &Place) {
        let located = |finding: Finding| finding.index(index).row(&entry.table, &entry.row).at(place);
        match body.0 {
            Found::Nothing => {
                let in_files = place.file.is_some();
                self.absent(Absent { folder: Folder::Bodies, digest: entry.body_sha256, index, in_files });
            }
            Found::Unsound(finding) => {
                self.report.bodies_checked += 1;
                let offset = finding.offset;
                let finding = located(*finding);
                self.add(Finding { offset: offset.or(finding.offset), ..finding });
            }
            Found::Sound(members) => {
                self.report.bodies_checked += 1;
                if let Err(detail) = self.take(index, *members) {
                    self.add(located(Finding::new(FindingCode::Malformed, detail)));
                }
            }
        }
    }

    /// Takes the digest of a blob that a body named; nothing means that the blob is not there.
    pub fn blob(&mut self, index: u64, reference: Reference, found: Option<Hash>, place: &Place) {
        let folder = reference.blob.folder();
        match found {
            None => {
                let in_files = place.file.is_some();
                self.absent(Absent { folder, digest: reference.sha256, index, in_files });
            }
            Some(found) if found != reference.sha256 => {
                let digest = hex::encode(&reference.sha256);
                let detail = format!("what is in {} does not have the digest {digest}", folder.name());
                self.add(Finding::new(FindingCode::BodyAltered, detail).index(index).at(place));
            }
            Some(_) => {}
        }
    }

    fn absent(&mut self, absent: Absent) {
        if self.absent.len() < ABSENT_MAX {
            self.absent.push(absent);
        } else {
            self.add(absent.finding());
        }
    }

    /// Takes what a body says, up to where something is wrong with it.
    fn take(&mut self, index: u64, members: Members) -> Result<(), String> {
        if let Some(event) = members.event {
            self.take_event(index, event)?;
        }
        if let Some(erasure) = members.erasure {
            if erasure.is_retention {
                self.erased.entry(erasure.sha256).or_insert(Gone::Expired);
            } else {
                self.erased.insert(erasure.sha256, Gone::Erased);
            }
        }
        match members.audit {
            Some(Audit::Intent(id)) if self.intents.len() < OPEN_INTENTS_MAX => {
                self.intents.insert(id);
            }
            // An outcome of a change inside the database has no intent of its own.
            Some(Audit::Outcome(id)) => {
                self.intents.remove(&id);
            }
            Some(Audit::Intent(_)) | None => {}
        }
        if let Some(problem) = members.problem {
            return Err(problem);
        }
        for named in &members.references {
            // What retention removed came back with this entry, and is expected from here on.
            if self.erased.get(&named.sha256) == Some(&Gone::Expired) {
                self.erased.remove(&named.sha256);
            }
        }
        Ok(())
    }
}
