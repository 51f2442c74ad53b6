//! Bodies: digest, length, canonical form, and the few members that every verifier can understand.
//!
//! Generic members, whatever the body records: `evidence_sha256` and `manifest_sha256` name blobs at any
//! depth; in `body.erased`, `row.detail.erased_sha256` names a body or blob that is gone, for good unless
//! `row.detail.retention_days` stands there, too; in `audit.record`, an outcome closes the intent that has its `row.correlation_id`.

use serde_json::Value;

use super::events::member;
use super::{ABSENT_MAX, Absent, Finding, FindingCode, Gone, OPEN_INTENTS_MAX, Place, Verifier};
use crate::bundle::Folder;
use crate::canonical::{self, NotCanonical};
use crate::entry::{Entry, EntryKind};
use crate::{Hash, hex, sha256};

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
    /// Checks the body of the entry at `index`; nothing as body means that it is not there.
    ///
    /// Returns the blobs that the body names, each to be handed to [`Verifier::blob`].
    pub fn body(&mut self, index: u64, entry: &Entry, body: Option<&[u8]>, place: &Place) -> Vec<Reference> {
        let finding = |code, detail: String| {
            Finding::new(code, detail).index(index).row(&entry.table, &entry.row).at(place)
        };
        let Some(body) = body.filter(|body| !body.is_empty() || entry.body_len == 0) else {
            let in_files = place.file.is_some();
            self.absent(Absent { folder: Folder::Bodies, digest: entry.body_sha256, index, in_files });
            return Vec::new();
        };
        self.report.bodies_checked += 1;
        if body.len() as u64 != entry.body_len || sha256(body) != entry.body_sha256 {
            let detail = format!("the body has {} bytes and not the digest of its entry", body.len());
            self.add(finding(FindingCode::BodyAltered, detail));
            return Vec::new();
        }
        if body.len() > BODY_BYTES_MAX {
            self.add(finding(FindingCode::Malformed, "the body is longer than 1,048,576 bytes".to_owned()));
            return Vec::new();
        }
        let value = match canonical::parse_canonical(body) {
            Ok(value) => value,
            Err(err) => {
                let (code, offset) = match &err {
                    NotCanonical::Differs { offset } => (FindingCode::NotCanonical, *offset),
                    NotCanonical::Invalid(invalid) => (FindingCode::Malformed, invalid.offset),
                };
                let detail = format!("body: {err}");
                self.add(Finding { offset: Some(offset as u64), ..finding(code, detail) });
                return Vec::new();
            }
        };
        let mut references = Vec::new();
        if let Err(detail) = self.read_members(index, entry.kind, &value, &mut references) {
            self.add(finding(FindingCode::Malformed, detail));
        }
        references
    }

    /// Checks a blob that a body named; nothing as bytes means that it is not there.
    pub fn blob(&mut self, index: u64, reference: Reference, bytes: Option<&[u8]>, place: &Place) {
        let folder = reference.blob.folder();
        match bytes {
            None => {
                let in_files = place.file.is_some();
                self.absent(Absent { folder, digest: reference.sha256, index, in_files });
            }
            Some(bytes) if sha256(bytes) != reference.sha256 => {
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

    /// Reads the generic members of a body.
    fn read_members(
        &mut self,
        index: u64,
        kind: EntryKind,
        body: &Value,
        references: &mut Vec<Reference>,
    ) -> Result<(), String> {
        if !body.is_object() {
            return Err("the body is not an object".to_owned());
        }
        self.read_event(index, kind, body)?;
        if kind == EntryKind::BodyErased {
            let erased = member(body, &["row", "detail", "erased_sha256"]);
            let erased = erased.and_then(Value::as_str).and_then(hex::decode);
            let erased = erased.ok_or("an erasure must name what it erased as erased_sha256")?;
            if member(body, &["row", "detail", "retention_days"]).is_none() {
                self.erased.insert(erased, Gone::Erased);
            } else {
                self.erased.entry(erased).or_insert(Gone::Expired);
            }
        }
        if kind == EntryKind::AuditRecord {
            let text = |name| member(body, &["row", name]).and_then(Value::as_str);
            match (text("phase"), text("correlation_id")) {
                (Some("intent"), Some(id)) if self.intents.len() < OPEN_INTENTS_MAX => {
                    self.intents.insert(id.to_owned());
                }
                // An outcome of a change inside the database has no intent of its own.
                (Some("outcome"), Some(id)) => {
                    self.intents.remove(id);
                }
                (Some(_) | None, _) => {}
            }
        }
        find_references(body, references)?;
        for named in references.iter() {
            // What retention removed came back with this entry, and is expected from here on.
            if self.erased.get(&named.sha256) == Some(&Gone::Expired) {
                self.erased.remove(&named.sha256);
            }
        }
        Ok(())
    }
}

/// Collects the blobs that a body names, at any depth. The reader has bounded the depth.
fn find_references(value: &Value, references: &mut Vec<Reference>) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| find_references(item, references)),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            let blob = match name.as_str() {
                "evidence_sha256" => Blob::Evidence,
                "manifest_sha256" => Blob::Manifest,
                _ => return find_references(member, references),
            };
            if member.is_null() {
                return Ok(());
            }
            let sha256 =
                member.as_str().and_then(hex::decode).ok_or_else(|| format!("{name} is not a digest"))?;
            if references.len() == REFERENCES_MAX {
                return Err("the body names more than 10,000 blobs".to_owned());
            }
            references.push(Reference { blob, sha256 });
            Ok(())
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}
