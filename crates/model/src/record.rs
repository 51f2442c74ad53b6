//! The records that are stored as rows and committed to by the ledger: one struct a table.
//!
//! The body of a ledger entry is `{schema, nonce, row}` with one of these as `row`, so that the stored
//! columns, rendered again, must equal what was committed (LED-09). Columns that only count or move with
//! every scan are not part of a record.

use serde::{Deserialize, Serialize};

use crate::{
    AuditId, ChangeKind, Digest, FailureReason, HostId, LogId, ReasonCode, RuleId, RunStatus, ScanId,
    ScanTrigger, Severity, Status, Timestamp, TransactionId,
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

/// A row of `audit_events`. Entry kind `audit.record`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    pub audit_id: AuditId,
    pub actor: String,
    /// What was done, in the past tense where it is an event: `scan.started`, `ssh.host_key.trusted`.
    pub action: String,
    pub phase: AuditPhase,
    /// `allowed`, `denied` or `error`.
    pub decision: String,
    /// What it was done to: `host:<id>`, `scan:<id>`.
    pub subject: String,
    /// Canonical JSON object; its shape belongs to the action.
    pub detail: String,
    pub correlation_id: String,
    pub recorded_at: Timestamp,
}

/// A row of `log_heads`, without the head that moves. Entry kind `log.genesis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRecord {
    pub log_id: LogId,
    pub origin: String,
    pub vkey: String,
    pub created_at: Timestamp,
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

/// Schema names of the entry bodies, one per ledgered table.
pub mod schema {
    pub const HOST: &str = "plumbline.host/1";
    pub const HOST_KEY: &str = "plumbline.host_key/1";
    pub const SCAN: &str = "plumbline.scan/1";
    pub const CHANGE: &str = "plumbline.change/1";
    pub const AUDIT: &str = "plumbline.audit/1";
    pub const LOG: &str = "plumbline.log/1";
}
