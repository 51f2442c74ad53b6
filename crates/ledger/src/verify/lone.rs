//! What can be told of an entry and of its body without the entries before them: hashes, form, members. It needs no
//! verifier, so that several can be read side by side; [`super::Verifier`] then takes them in order.

use serde_json::Value;

use super::body::{BODY_BYTES_MAX, Blob, REFERENCES_MAX, Reference};
use super::events::{Event, member};
use super::{Finding, FindingCode};
use crate::canonical::{self, NotCanonical};
use crate::entry::{Entry, EntryError, EntryKind};
use crate::tree::leaf_hash;
use crate::{Hash, hex, sha256};

/// The bytes of one entry, read.
#[derive(Debug)]
pub struct LoneEntry {
    pub(super) leaf: Hash,
    pub(super) entry: Result<Entry, EntryError>,
}

impl LoneEntry {
    /// Reads the bytes of an entry, whatever they are.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        Self { leaf: leaf_hash(bytes), entry: Entry::parse(bytes) }
    }

    /// Returns the entry, when the bytes are one.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref().ok()
    }
}

/// The body of one entry, read. Holds no more than its references and what it says of the log itself: the value that
/// the bytes spell can be many times as large.
#[derive(Debug)]
pub struct LoneBody(pub(super) Found);

/// What was found where the body of an entry belongs.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    /// It is not a body of its entry: what to report, without the place.
    Unsound(Box<Finding>),
    Sound(Box<Members>),
}

/// What every verifier understands of a body.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) event: Option<Event>,
    pub(super) erasure: Option<Erasure>,
    pub(super) audit: Option<Audit>,
    pub(super) references: Vec<Reference>,
    /// What is wrong with the members behind those that are held.
    pub(super) problem: Option<String>,
}

/// What an erasure names, and whether retention is its reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Erasure {
    pub(super) sha256: Hash,
    pub(super) is_retention: bool,
}

/// An audited change by its correlation id: begun, or ended.
#[derive(Debug)]
pub(super) enum Audit {
    Intent(String),
    Outcome(String),
}

impl LoneBody {
    /// Reads the body of an entry; nothing as body means that it is not there.
    #[must_use]
    pub fn read(entry: &Entry, body: Option<&[u8]>) -> Self {
        let Some(body) = body.filter(|body| !body.is_empty() || entry.body_len == 0) else {
            return Self(Found::Nothing);
        };
        Self(match read_value(entry, body) {
            Ok(value) => Found::Sound(Box::new(Members::read(entry.kind, &value))),
            Err(finding) => Found::Unsound(finding),
        })
    }

    /// Returns the blobs that the body names, in its order.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        match &self.0 {
            Found::Sound(members) => &members.references,
            Found::Nothing | Found::Unsound(_) => &[],
        }
    }
}

fn read_value(entry: &Entry, body: &[u8]) -> Result<Value, Box<Finding>> {
    if body.len() as u64 != entry.body_len || sha256(body) != entry.body_sha256 {
        let detail = format!("the body has {} bytes and not the digest of its entry", body.len());
        return Err(Finding::new(FindingCode::BodyAltered, detail).into());
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(Finding::new(FindingCode::Malformed, "the body is longer than 1,048,576 bytes").into());
    }
    canonical::parse_canonical(body).map_err(|err| {
        let (code, offset) = match &err {
            NotCanonical::Differs { offset } => (FindingCode::NotCanonical, *offset),
            NotCanonical::Invalid(invalid) => (FindingCode::Malformed, invalid.offset),
        };
        Box::new(Finding { offset: Some(offset as u64), ..Finding::new(code, format!("body: {err}")) })
    })
}

impl Members {
    fn read(kind: EntryKind, body: &Value) -> Self {
        let mut members = Self::default();
        members.problem = members.fill(kind, body).err();
        members
    }

    fn fill(&mut self, kind: EntryKind, body: &Value) -> Result<(), String> {
        if !body.is_object() {
            return Err("the body is not an object".to_owned());
        }
        self.event = Event::read(kind, body)?;
        if kind == EntryKind::BodyErased {
            let erased = member(body, &["row", "detail", "erased_sha256"]);
            let erased = erased.and_then(Value::as_str).and_then(hex::decode);
            let sha256 = erased.ok_or("an erasure must name what it erased as erased_sha256")?;
            let is_retention = member(body, &["row", "detail", "retention_days"]).is_some();
            self.erasure = Some(Erasure { sha256, is_retention });
        }
        if kind == EntryKind::AuditRecord {
            let text = |name| member(body, &["row", name]).and_then(Value::as_str);
            self.audit = match (text("phase"), text("correlation_id")) {
                (Some("intent"), Some(id)) => Some(Audit::Intent(id.to_owned())),
                (Some("outcome"), Some(id)) => Some(Audit::Outcome(id.to_owned())),
                (Some(_) | None, _) => None,
            };
        }
        find_references(body, &mut self.references)
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
