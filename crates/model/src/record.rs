//! The records that are stored as rows and committed to by the ledger: one struct a table.
//!
//! The body of a ledger entry is `{schema, nonce, row}` with one of these as `row`, so that the stored
//! columns, rendered again, must equal what was committed (LED-09). Columns that only count or move with
//! every scan are not part of a record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AuditId, ChangeKind, Digest, EventId, FailureReason, HostId, LogId, QuarantineId, ReasonCode, RuleId,
    RunStatus, ScanId, ScanTrigger, Severity, Status, Timestamp, TransactionId,
};

/// How a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    Ssh,
    Local,
    /// A recorded capture; nothing is contacted.
    Replay,
}

impl Reach {
    /// Returns the written name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Local => "local",
            Self::Replay => "replay",
        }
    }
}

/// A row of `hosts`. Entry kind `host.changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRecord {
    pub host_id: HostId,
    pub name: String,
    pub transport: Reach,
    /// Canonical address; `localhost` for the machine itself, the capture's name for a replay.
    pub address: String,
    /// 0 where there is no port.
    pub port: u16,
    /// Login name; empty for the invoking user.
    pub username: String,
    /// Path of the private key on the scanner, never its content; empty when none was named.
    pub identity_file: String,
    pub sudo: bool,
    /// Assigned profile; empty for all applicable rules.
    pub profile_id: String,
    pub os_id: String,
    pub os_version: String,
    pub os_name: String,
    pub arch: String,
    pub added_at: Timestamp,
    pub removed_at: Option<Timestamp>,
    pub changed_at: Timestamp,
}

/// Where a known host key came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    FirstUse,
    Imported,
    Approved,
}

impl KeySource {
    /// Returns the written name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstUse => "first_use",
            Self::Imported => "imported",
            Self::Approved => "approved",
        }
    }
}

/// A row of `host_keys`. Entry kind `host_key.changed`. `last_seen_at` is a heartbeat and not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostKeyRecord {
    pub address: String,
    pub port: u16,
    /// `SHA256:` and unpadded base64, as OpenSSH prints it.
    pub fingerprint: String,
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, ...
    pub key_type: String,
    /// The public key in SSH wire format (RFC 4253, section 6.6), base64.
    pub wire_key: String,
    pub source: KeySource,
    pub revoked: bool,
    pub reason: String,
    pub first_seen_at: Timestamp,
    pub changed_at: Timestamp,
}

/// A finished row of `scan_runs`. Entry kind `scan.manifest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanRecord {
    pub scan_id: ScanId,
    pub host_id: HostId,
    pub trigger: ScanTrigger,
    pub requested_by: String,
    /// Full: the host's assigned profile; partial: a selection that leaves the current corpus alone.
    pub is_full: bool,
    /// What was selected, in words; empty for everything that applies.
    pub selection: String,
    pub profile_id: String,
    pub status: RunStatus,
    pub failure_reason: Option<FailureReason>,
    pub failure_text: Option<String>,
    pub pass_count: u32,
    pub fail_count: u32,
    pub skipped_count: u32,
    pub error_count: u32,
    pub not_applicable_count: u32,
    pub change_count: u32,
    pub policy_version: String,
    pub corpus_digest: Digest,
    pub engine_digest: Digest,
    pub policy_digest: Digest,
    pub manifest_sha256: Option<Digest>,
    pub rule_set_sha256: Option<Digest>,
    /// False when rules came from a directory instead of the shipped corpus.
    pub content_signed: bool,
    pub channel_count: u32,
    pub round_trip_count: u32,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub measured_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub recorded_at: Option<Timestamp>,
}

/// A row of `transactions`, the change log. Entry kind `finding.changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRecord {
    pub transaction_id: TransactionId,
    pub host_id: HostId,
    pub rule_id: RuleId,
    pub scan_id: ScanId,
    pub prior_status: Option<Status>,
    pub status: Status,
    pub prior_severity: Option<Severity>,
    pub severity: Severity,
    pub change_kind: ChangeKind,
    pub prior_value_digest: Option<Digest>,
    pub value_digest: Digest,
    pub evidence_sha256: Digest,
    pub skip_reason: Option<ReasonCode>,
    pub rule_digest: Digest,
    pub engine_digest: Digest,
    pub policy_digest: Digest,
    pub policy_version: String,
    pub correlation_id: String,
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
}

/// What an audit record says of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditPhase {
    Intent,
    Outcome,
    Refusal,
    Event,
}

impl AuditPhase {
    /// Returns the written name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Refusal => "refusal",
            Self::Event => "event",
        }
    }

    /// Returns whether the action was let through, as far as this phase says.
    #[must_use]
    pub const fn decision(self) -> &'static str {
        match self {
            Self::Intent | Self::Outcome | Self::Event => "allowed",
            Self::Refusal => "denied",
        }
    }
}

/// A row of `audit_events`. Entry kind `audit.record`. The fields stand as the canonical form has them, which spares a sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// What was done, in the past tense where it is an event: `scan.started`, `ssh.host_key.trusted`.
    pub action: String,
    pub actor: String,
    pub audit_id: AuditId,
    pub correlation_id: String,
    /// `allowed`, `denied` or `error`.
    pub decision: String,
    /// Canonical JSON object; its shape belongs to the action.
    pub detail: String,
    pub phase: AuditPhase,
    pub recorded_at: Timestamp,
    /// What it was done to: `host:<id>`, `scan:<id>`.
    pub subject: String,
}

/// A row of `log_heads`, without the head that moves. Entry kind `log.genesis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRecord {
    pub log_id: LogId,
    pub origin: String,
    pub vkey: String,
    pub created_at: Timestamp,
    /// The log that this one goes on with; absent where it is the first of its history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<ContinuedLog>,
}

/// A log that ended, named by the first entry of the one that goes on with it (LED-39).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContinuedLog {
    pub origin: String,
    /// The key that signed `checkpoint`.
    pub vkey: String,
    /// Its last known size: that of `checkpoint`. Entries.
    pub size: u64,
    /// Root over that many entries.
    pub root: Digest,
    /// The signed checkpoint that says so, as text.
    pub checkpoint: String,
    /// How many of those entries the database still had, under a head that the old log signed. Entries.
    pub kept: u64,
    /// How many entries of the old log the database held: those kept, and any behind them that it had recorded
    /// without a head of that log. Entries.
    pub held: u64,
    /// Root over the entries held.
    pub held_root: Digest,
    pub reason: String,
}

/// A row of `log_events`: something that happened to the log itself. The entry's kind is `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEventRecord {
    pub event_id: EventId,
    pub recorded_at: Timestamp,
    #[serde(flatten)]
    pub event: LogEvent,
}

/// What happened to a log. Written as its kind and a `detail` object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail")]
pub enum LogEvent {
    /// From here on checkpoints are signed by another key (LED-22).
    #[serde(rename = "key.rotated")]
    KeyRotated(KeyRotated),
    /// A closed range left the machine as a bundle (LED-37).
    #[serde(rename = "segment.sealed")]
    SegmentSealed(SegmentSealed),
    /// The bodies of a sealed segment were removed; its bundle has them (LED-40).
    #[serde(rename = "segment.pruned")]
    SegmentPruned(SegmentPruned),
    /// Bytes were destroyed on purpose (LED-41).
    #[serde(rename = "body.erased")]
    BodyErased(BodyErased),
    /// Nothing that a subject owns may be erased, or may be again (LED-40).
    #[serde(rename = "hold.changed")]
    HoldChanged(HoldChanged),
    /// What this program is and which evidence to expect of it (LED-30).
    #[serde(rename = "log.started")]
    Started(Started),
    /// How long records are kept from here on (LED-38).
    #[serde(rename = "log.config")]
    Configured(Configured),
}

impl LogEvent {
    /// Returns the written kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::KeyRotated(_) => "key.rotated",
            Self::SegmentSealed(_) => "segment.sealed",
            Self::SegmentPruned(_) => "segment.pruned",
            Self::BodyErased(_) => "body.erased",
            Self::HoldChanged(_) => "hold.changed",
            Self::Started(_) => "log.started",
            Self::Configured(_) => "log.config",
        }
    }
}

/// See [`LogEvent::KeyRotated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    pub old_vkey: String,
    pub new_vkey: String,
    /// The old key is not to be trusted for checkpoints that cover more entries than the one with this event.
    pub old_revoked: bool,
    pub reason: String,
}

/// See [`LogEvent::SegmentSealed`]. Ranges follow each other without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentSealed {
    /// First entry of the segment.
    pub from: u64,
    /// The entry behind its last one.
    pub to: u64,
    /// Root of the tree over the first `to` entries.
    pub root: Digest,
    /// SHA-256 of the bundle's `manifest.json`, from which every other file of it follows.
    pub bundle_sha256: Digest,
    /// `to` and root of the segment before; absent for the first.
    pub previous_to: Option<u64>,
    pub previous_root: Option<Digest>,
}

/// See [`LogEvent::SegmentPruned`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentPruned {
    pub from: u64,
    pub to: u64,
    /// The retention that was declared for bodies. Days.
    pub bodies_days: u32,
    pub reason: String,
    pub approved_by: String,
}

/// Which bytes an erasure destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasedBlob {
    Body,
    Evidence,
    Manifest,
}

impl ErasedBlob {
    /// Returns the written name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Evidence => "evidence",
            Self::Manifest => "manifest",
        }
    }
}

/// See [`LogEvent::BodyErased`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyErased {
    /// The entry that named the bytes.
    pub erased_index: u64,
    pub blob: ErasedBlob,
    pub erased_sha256: Digest,
    /// How many bytes they were; not said by older erasures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_size: Option<u64>,
    /// Which retention removed them; absent where somebody asked for it. Days (TLW-33).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    pub reason: String,
    pub approved_by: String,
}

/// See [`LogEvent::HoldChanged`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldChanged {
    /// Name of the hold.
    pub hold: String,
    /// True while it is in force.
    pub active: bool,
    /// What it protects: `host:<id>`, or `*` for everything.
    pub subject: String,
    pub reason: String,
}

/// See [`LogEvent::Started`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    pub version: String,
    /// SHA-256 of the program's file.
    pub binary_sha256: Digest,
    /// Newest migration of the database.
    pub schema_version: u32,
    /// Checkpoints are appended to a file on another trust domain.
    pub expects_anchor: bool,
    /// SHA-256 of the witness policy; absent without one.
    pub policy_sha256: Option<Digest>,
    /// How long bodies are kept here at least. Days; 0 for ever (LED-38).
    pub retention_bodies_days: u32,
    /// How long evidence that is not current any more is. Days; 0 for ever; not said by older starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_evidence_days: Option<u32>,
    /// How long records of access are. Days; 0 for ever; not said by older starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_access_log_days: Option<u32>,
    /// How far behind the newest entry that it covers a cosignature may be (LED-35). Seconds; not said by older
    /// starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp_max_lag_seconds: Option<u64>,
}

/// See [`LogEvent::Configured`]. Entries are kept for ever, whatever is said here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configured {
    /// As in [`Started`], and so the others.
    pub retention_bodies_days: u32,
    pub retention_evidence_days: u32,
    pub retention_access_log_days: u32,
}

/// One result in a scan manifest: enough to prove a verdict that did not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestItem {
    pub rule_id: RuleId,
    pub status: Status,
    pub severity: Severity,
    pub value_digest: Digest,
    pub rule_digest: Digest,
}

/// All results of one scan, in rule order; stored once by content (`manifests`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`Manifest::SCHEMA`].
    pub schema: String,
    pub results: Vec<ManifestItem>,
}

impl Manifest {
    /// Name and version of this shape.
    pub const SCHEMA: &'static str = "plumbline.manifest/1";
}

/// A row of `quarantine`: one that stood in another table under another row's number, and that the ledger does not
/// confirm (FCT-23). Entry kind `seam`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineRecord {
    pub quarantine_id: QuarantineId,
    /// The table that it stood in.
    pub table: String,
    /// What each of its columns held, numbers in decimal digits; nothing where it was empty.
    pub cells: BTreeMap<String, Option<String>>,
    pub recorded_at: Timestamp,
}

/// Schema names of the entry bodies, one per ledgered table.
pub mod schema {
    pub const HOST: &str = "plumbline.host/1";
    pub const HOST_KEY: &str = "plumbline.host_key/1";
    pub const SCAN: &str = "plumbline.scan/1";
    pub const CHANGE: &str = "plumbline.change/1";
    pub const AUDIT: &str = "plumbline.audit/1";
    pub const LOG: &str = "plumbline.log/1";
    pub const LOG_EVENT: &str = "plumbline.log_event/1";
    pub const QUARANTINE: &str = "plumbline.quarantine/1";
}
