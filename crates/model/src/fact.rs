//! Facts and edges: what is so, should be so or was approved, by whom it was said, and since when we know it.
//!
//! Both live the same life, so one type carries a version of either. Whether one may be written is the store's
//! business; whether it should be is decided above.

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::status::closed_names;
use crate::{FactId, HostId, ScanId, Timestamp, UnknownName};

/// Longest subject. Bytes.
pub const SUBJECT_BYTES_MAX: usize = 512;
/// Longest predicate, relation and actor. Bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Longest reason. Characters.
pub const REASON_CHARS_MAX: usize = 1_000;
/// Longest value in canonical form. Bytes.
pub const VALUE_BYTES_MAX: usize = 262_144;
/// Name and version of the record of a fact's version.
pub const SCHEMA_FACT: &str = "plumbline.fact/1";
/// Name and version of the record of an edge's version.
pub const SCHEMA_EDGE: &str = "plumbline.edge/1";
/// Predicates that begin with this speak of rule results, which stand in the change log (FCT-29).
pub const RULE_PREFIX: &str = "rule/";

closed_names!(
    /// In which sense a fact is claimed.
    FactType, "fact type", {
        Observed = "observed",
        Desired = "desired",
        KnownGood = "known_good",
        Drift = "drift",
    }
);
closed_names!(
    /// What a fact or an edge speaks of.
    SubjectKind, "subject kind", {
        Host = "host",
        Group = "group",
        Fleet = "fleet",
        Rule = "rule",
        Package = "package",
        Service = "service",
        Account = "account",
        Network = "network",
    }
);
closed_names!(
    /// Who may read a version.
    Classification, "classification", {
        Normal = "normal",
        Restricted = "restricted",
    }
);

/// A text that is not what a fact or an edge is made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    #[error("{0:?} is not a subject: write KIND:ID, such as host:web-1")]
    Subject(String),
    #[error(transparent)]
    Kind(#[from] UnknownName),
    #[error("a subject has at most 512 bytes, this one has {0}")]
    SubjectLength(usize),
    #[error("{text:?} is not a {what}: it has 1 to 256 bytes and is not blank")]
    Name { what: &'static str, text: String },
    #[error("a reason has 1 to 1,000 characters and is not blank")]
    Reason,
    #[error("a reason of `scan` and a scan's id is that of the scan itself: say it in other words")]
    ReasonOfScan,
    #[error("predicates that begin with rule/ are read from the change log and cannot be written")]
    RulePredicate,
}

/// What a fact or an edge speaks of: `<kind>:<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(String);

impl Subject {
    /// Parses a subject.
    ///
    /// # Errors
    /// When the kind is unknown, the id is blank, or it is too long.
    pub fn parse(text: &str) -> Result<Self, FactError> {
        let refused = || FactError::Subject(text.chars().take(80).collect());
        let (kind, id) = text.split_once(':').ok_or_else(refused)?;
        kind.parse::<SubjectKind>()?;
        if id.trim().is_empty() {
            return Err(refused());
        }
        if text.len() > SUBJECT_BYTES_MAX {
            return Err(FactError::SubjectLength(text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Names a host.
    #[must_use]
    pub fn host(id: HostId) -> Self {
        Self(format!("{}:{id}", SubjectKind::Host))
    }

    /// Names something on a host: `<kind>:<host>/<name>`.
    ///
    /// # Errors
    /// When the name is too long.
    pub fn on_host(kind: SubjectKind, host: HostId, name: &str) -> Result<Self, FactError> {
        Self::parse(&format!("{kind}:{host}/{name}"))
    }

    /// Returns the subject as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id of the host that it names; nothing for other kinds, and for an id that is none.
    #[must_use]
    pub fn host_id(&self) -> Option<HostId> {
        self.host_part()?.parse().ok()
    }

    /// Returns what stands behind `host:`.
    #[must_use]
    pub fn host_part(&self) -> Option<&str> {
        self.0.strip_prefix(SubjectKind::Host.as_str())?.strip_prefix(':')
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Subject {
    type Err = FactError;

    fn from_str(text: &str) -> Result<Self, FactError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Subject {
    type Error = FactError;

    fn try_from(text: String) -> Result<Self, FactError> {
        Self::parse(&text)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0
    }
}

/// Checks a predicate, a relation or an actor.
///
/// # Errors
/// When it is blank or too long.
pub fn check_name(what: &'static str, text: &str) -> Result<(), FactError> {
    if text.trim().is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(FactError::Name { what, text: text.chars().take(80).collect() });
    }
    Ok(())
}

/// Checks a reason that somebody gives.
///
/// # Errors
/// When it is blank or too long, or is the one by which a scan is known: the next scan would end what has it.
pub fn check_reason(text: &str) -> Result<(), FactError> {
    if text.trim().is_empty() || text.chars().count() > REASON_CHARS_MAX {
        return Err(FactError::Reason);
    }
    if names_scan(text) {
        return Err(FactError::ReasonOfScan);
    }
    Ok(())
}

/// Tells whether a reason is `scan` and a scan's id.
fn names_scan(reason: &str) -> bool {
    reason.strip_prefix("scan ").is_some_and(|scan| scan.parse::<ScanId>().is_ok())
}

/// The two tables of what is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimKind {
    Fact,
    Edge,
}

/// Names a fact or an edge: at most one version of a key is active.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKey {
    Fact { subject: Subject, predicate: String, fact_type: FactType },
    Edge { subject: Subject, relation: String, target: Subject },
}

impl ClaimKey {
    /// Tells whether it names a fact or an edge.
    #[must_use]
    pub const fn kind(&self) -> ClaimKind {
        match self {
            Self::Fact { .. } => ClaimKind::Fact,
            Self::Edge { .. } => ClaimKind::Edge,
        }
    }

    /// Returns the subject.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        match self {
            Self::Fact { subject, .. } | Self::Edge { subject, .. } => subject,
        }
    }

    /// Returns the predicate of a fact, the relation of an edge.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Fact { predicate, .. } => predicate,
            Self::Edge { relation, .. } => relation,
        }
    }

    /// Returns the type of a fact, the target of an edge.
    #[must_use]
    pub fn last(&self) -> &str {
        match self {
            Self::Fact { fact_type, .. } => fact_type.as_str(),
            Self::Edge { target, .. } => target.as_str(),
        }
    }

    /// Checks that the key can be written.
    ///
    /// # Errors
    /// When its name is blank or too long, or speaks of a rule's results.
    pub fn check(&self) -> Result<(), FactError> {
        match self {
            Self::Fact { predicate, .. } if predicate.starts_with(RULE_PREFIX) => {
                Err(FactError::RulePredicate)
            }
            Self::Fact { predicate, .. } => check_name("predicate", predicate),
            Self::Edge { relation, .. } => check_name("relation", relation),
        }
    }
}

impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.subject(), self.name(), self.last())
    }
}

/// One version of a fact or an edge: a row of `facts` or `edges`, and the record that its entries commit to.
///
/// Shape: `plumbline.fact/1` and `plumbline.edge/1` (docs/formats/fact.md). Intervals are half-open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub id: FactId,
    /// Position among all versions of its table and tenant, from 0 without gaps.
    pub seq: u64,
    pub key: ClaimKey,
    /// Canonical JSON (RFC 8785), the bytes that were hashed.
    pub value: String,
    /// From when on it is so, and until when.
    pub t_valid: Timestamp,
    pub t_invalid: Option<Timestamp>,
    /// When we learned it, and when we learned that it is over.
    pub t_recorded: Timestamp,
    pub t_superseded: Option<Timestamp>,
    /// `seq` of the version that took its place; absent when it was retired.
    pub superseded_by: Option<u64>,
    pub actor: String,
    pub reason: Option<String>,
    pub superseded_actor: Option<String>,
    pub superseded_reason: Option<String>,
    pub classification: Classification,
}

impl Version {
    /// Returns the version as it was when it was put: the record of its `fact.put` or `edge.put`.
    #[must_use]
    pub fn opened(&self) -> Self {
        Self {
            t_invalid: None,
            t_superseded: None,
            superseded_by: None,
            superseded_actor: None,
            superseded_reason: None,
            ..self.clone()
        }
    }

    /// Tells whether a scan put it, by its reason: `scan` and the scan's id.
    #[must_use]
    pub fn is_of_scan(&self) -> bool {
        self.reason.as_deref().is_some_and(names_scan)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (id, name, last) = match self.key.kind() {
            ClaimKind::Fact => ("fact_id", "predicate", "fact_type"),
            ClaimKind::Edge => ("edge_id", "relation", "target"),
        };
        let mut row = serializer.serialize_struct("Version", 16)?;
        row.serialize_field(id, &self.id)?;
        row.serialize_field("seq", &self.seq)?;
        row.serialize_field("subject", self.key.subject())?;
        row.serialize_field(name, self.key.name())?;
        row.serialize_field(last, self.key.last())?;
        row.serialize_field("value", &self.value)?;
        row.serialize_field("t_valid", &self.t_valid)?;
        row.serialize_field("t_invalid", &self.t_invalid)?;
        row.serialize_field("t_recorded", &self.t_recorded)?;
        row.serialize_field("t_superseded", &self.t_superseded)?;
        row.serialize_field("superseded_by", &self.superseded_by)?;
        row.serialize_field("actor", &self.actor)?;
        row.serialize_field("reason", &self.reason)?;
        row.serialize_field("superseded_actor", &self.superseded_actor)?;
        row.serialize_field("superseded_reason", &self.superseded_reason)?;
        row.serialize_field("classification", &self.classification)?;
        row.end()
    }
}
