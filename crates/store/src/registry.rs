//! The one list of what the database holds: who vouches for each column, which entries speak of a table,
//! and what the database itself refuses there (LED-11, TLW-18).
//!
//! A table or column that is missing here, or stands here and not in the database, fails a test. It reads and
//! checks nothing itself: `rebuild` renders rows, `plumb ledger verify` compares them.

use ledger::EntryKind;

/// A table of the database.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    /// The kinds of entries that commit to rows of this table; none where rows are not recorded.
    pub entries: &'static [EntryKind],
    pub guard: Guard,
    pub columns: &'static [(&'static str, Vouch)],
}

/// What the database itself refuses, by triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// A row never changes and never goes.
    AppendOnly,
    /// As [`Guard::AppendOnly`] for rows that this SQL condition holds for; no row goes, and keys stay.
    AppendOnlyWhere(&'static str),
    /// A row is put at the end, closed once, and never goes.
    ClosedOnce,
    /// A row moves forward only, is never replaced and never goes.
    OnlyGrows,
    /// A row may change and never goes.
    NoDelete,
    /// Nothing: it can be rebuilt, or belongs to nobody's history.
    Open,
}

/// Who vouches for the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouch {
    /// The newest entry of the row: by its index, by the row's key, or by the record in its body (LED-09).
    Entry,
    /// The SHA-256 that the bytes are stored under, which a recorded row names.
    Digest,
    /// The log itself: entries lead to tiles, tiles to the root that a checkpoint signs.
    Log,
    /// The recorded rows: `plumb state verify` rebuilds it from them.
    Rebuilt,
    /// Opening the database: with another value the product refuses to work.
    Opening,
    /// Nobody; the text says why nothing that is recorded or proven depends on it.
    Nobody(&'static str),
}

use Vouch::{Digest, Entry, Log, Nobody, Opening, Rebuilt};

const LEASE: &str = "a lease says who works on a host now and belongs to nobody's history";
const HEARTBEAT: &str = "when a value was last seen again moves with every put and every scan";
const FIRST_SEEN: &str = "when bytes came first is for retention to know; no answer shows it";

/// The columns that say how a version ended, in a table of [`Guard::ClosedOnce`]: empty until it is closed. Such a table
/// also has `seq`, `log_index` of the entry that put the version, and the one that closed it in the last of these.
pub const CLOSING: [&str; 6] = [
    "t_invalid",
    "t_superseded",
    "superseded_by",
    "superseded_actor",
    "superseded_reason",
    "superseded_index",
];

/// Every table, by name.
pub const TABLES: &[Table] = &[
    Table {
        name: "audit_events",
        entries: &[EntryKind::AuditRecord],
        guard: Guard::AppendOnly,
        columns: &[
            ("tenant_id", Entry),
            ("audit_id", Entry),
            ("recorded_at_us", Entry),
            ("actor", Entry),
            ("action", Entry),
            ("phase", Entry),
            ("decision", Entry),
            ("subject", Entry),
            ("detail", Entry),
            ("correlation_id", Entry),
            ("log_index", Entry),
        ],
    },
    Table { name: "corpora", entries: &[], guard: Guard::AppendOnly, columns: &blob("first_seen_at_us") },
    Table {
        name: "edges",
        entries: &[EntryKind::EdgePut, EntryKind::EdgeRetired],
        guard: Guard::ClosedOnce,
        columns: &[
            ("tenant_id", Entry),
            ("edge_id", Entry),
            ("seq", Entry),
            ("subject", Entry),
            ("relation", Entry),
            ("target", Entry),
            ("value", Entry),
            ("t_valid", Entry),
            ("t_invalid", Entry),
            ("t_recorded", Entry),
            ("t_superseded", Entry),
            ("superseded_by", Entry),
            ("actor", Entry),
            ("reason", Entry),
            ("superseded_actor", Entry),
            ("superseded_reason", Entry),
            ("classification", Entry),
            ("log_index", Entry),
            ("superseded_index", Entry),
        ],
    },
    Table { name: "evidence", entries: &[], guard: Guard::AppendOnly, columns: &blob("first_seen_at") },
    Table {
        name: "fact_heartbeats",
        entries: &[],
        guard: Guard::Open,
        columns: &[
            ("tenant_id", Nobody(HEARTBEAT)),
            ("subject", Nobody(HEARTBEAT)),
            ("claim", Nobody(HEARTBEAT)),
            ("last_seen_at_us", Nobody(HEARTBEAT)),
        ],
    },
    Table {
        name: "facts",
        entries: &[EntryKind::FactPut, EntryKind::FactRetired],
        guard: Guard::ClosedOnce,
        columns: &[
            ("tenant_id", Entry),
            ("fact_id", Entry),
            ("seq", Entry),
            ("subject", Entry),
            ("predicate", Entry),
            ("fact_type", Entry),
            ("value", Entry),
            ("t_valid", Entry),
            ("t_invalid", Entry),
            ("t_recorded", Entry),
            ("t_superseded", Entry),
            ("superseded_by", Entry),
            ("actor", Entry),
            ("reason", Entry),
            ("superseded_actor", Entry),
            ("superseded_reason", Entry),
            ("classification", Entry),
            ("log_index", Entry),
            ("superseded_index", Entry),
        ],
    },
    Table {
        name: "host_keys",
        entries: &[EntryKind::HostKeyChanged],
        guard: Guard::NoDelete,
        columns: &[
            ("tenant_id", Entry),
            ("address", Entry),
            ("port", Entry),
            ("fingerprint", Entry),
            ("key_type", Entry),
            ("wire_key", Entry),
            ("source", Entry),
            ("status", Entry),
            ("reason", Entry),
            ("first_seen_at_us", Entry),
            ("last_seen_at_us", Nobody("a heartbeat that moves with every login")),
            ("changed_at_us", Entry),
            ("log_index", Entry),
        ],
    },
    Table {
        name: "host_locks",
        entries: &[],
        guard: Guard::Open,
        columns: &[
            ("tenant_id", Nobody(LEASE)),
            ("host_id", Nobody(LEASE)),
            ("holder", Nobody(LEASE)),
            ("purpose", Nobody(LEASE)),
            ("fencing_token", Nobody(LEASE)),
            ("acquired_at", Nobody(LEASE)),
            ("lease_expires_at", Nobody(LEASE)),
        ],
    },
    Table {
        name: "host_posture",
        entries: &[],
        guard: Guard::Open,
        columns: &[
            ("tenant_id", Rebuilt),
            ("host_id", Rebuilt),
            ("compliance_state", Rebuilt),
            ("pass_count", Rebuilt),
            ("fail_count", Rebuilt),
            ("skipped_count", Rebuilt),
            ("error_count", Rebuilt),
            ("not_applicable_count", Rebuilt),
            ("current_rule_set", Rebuilt),
            ("last_scan_id", Rebuilt),
            ("last_checked_at_us", Rebuilt),
        ],
    },
    Table {
        name: "host_rule_sets",
        entries: &[],
        guard: Guard::Open,
        columns: &[
            ("tenant_id", Rebuilt),
            ("host_id", Rebuilt),
            ("sha256", Rebuilt),
            ("scan_count", Rebuilt),
            ("last_checked_at_us", Rebuilt),
            ("last_scan_id", Rebuilt),
        ],
    },
    Table {
        name: "host_rule_state",
        entries: &[],
        guard: Guard::Open,
        columns: &[
            ("tenant_id", Rebuilt),
            ("host_id", Rebuilt),
            ("rule_id", Rebuilt),
            ("current_status", Rebuilt),
            ("severity", Rebuilt),
            ("value_digest", Rebuilt),
            ("evidence_sha256", Rebuilt),
            ("skip_reason", Rebuilt),
            ("first_seen_at", Rebuilt),
            ("last_changed_at", Rebuilt),
            ("last_value_changed_at", Rebuilt),
        ],
    },
    Table {
        name: "hosts",
        entries: &[EntryKind::HostChanged],
        guard: Guard::NoDelete,
        columns: &[
            ("tenant_id", Entry),
            ("host_id", Entry),
            ("name", Entry),
            ("transport", Entry),
            ("address", Entry),
            ("port", Entry),
            ("username", Entry),
            ("identity_file", Entry),
            ("sudo", Entry),
            ("profile_id", Entry),
            ("os_id", Entry),
            ("os_version", Entry),
            ("os_name", Entry),
            ("arch", Entry),
            ("added_at_us", Entry),
            ("removed_at_us", Entry),
            ("changed_at_us", Entry),
            ("log_index", Entry),
        ],
    },
    Table {
        name: "log_checkpoints",
        entries: &[],
        guard: Guard::AppendOnly,
        columns: &[
            ("tenant_id", Log),
            ("log_id", Log),
            ("size", Log),
            ("root", Log),
            ("note", Log),
            (
                "created_at_us",
                Nobody(
                    "our own clock at the signing, which a warning of late witnesses counts from; shown is the newest entry's",
                ),
            ),
        ],
    },
    Table {
        name: "log_cosignatures",
        entries: &[],
        guard: Guard::AppendOnly,
        columns: &[
            ("tenant_id", Log),
            ("log_id", Log),
            ("size", Log),
            ("key_name", Log),
            ("key_id", Log),
            ("line", Log),
            (
                "received_at_us",
                Nobody("our own clock at the answer; the time that counts is signed by the witness"),
            ),
        ],
    },
    Table {
        name: "log_entries",
        entries: &[],
        guard: Guard::AppendOnly,
        columns: &[("tenant_id", Log), ("log_id", Log), ("log_index", Log), ("entry", Log), ("body", Log)],
    },
    Table {
        name: "log_erasures",
        entries: &[],
        guard: Guard::AppendOnly,
        columns: &[
            ("tenant_id", Rebuilt),
            ("blob", Rebuilt),
            ("sha256", Rebuilt),
            ("log_id", Rebuilt),
            ("erased_index", Rebuilt),
            ("retention_days", Rebuilt),
            ("log_index", Rebuilt),
        ],
    },
    Table {
        name: "log_events",
        entries: &[
            EntryKind::KeyRotated,
            EntryKind::SegmentSealed,
            EntryKind::SegmentPruned,
            EntryKind::BodyErased,
            EntryKind::HoldChanged,
            EntryKind::LogStarted,
            EntryKind::LogConfig,
        ],
        guard: Guard::AppendOnly,
        columns: &[
            ("tenant_id", Entry),
            ("event_id", Entry),
            ("log_id", Entry),
            ("kind", Entry),
            ("detail", Entry),
            ("recorded_at_us", Entry),
            ("log_index", Entry),
        ],
    },
    Table {
        name: "log_heads",
        entries: &[EntryKind::LogGenesis],
        guard: Guard::OnlyGrows,
        columns: &[
            ("tenant_id", Opening),
            ("log_id", Opening),
            ("origin", Opening),
            ("vkey", Opening),
            ("size", Log),
            ("last_at_us", Log),
            ("first_position", Rebuilt),
        ],
    },
    Table {
        name: "log_prunings",
        entries: &[],
        guard: Guard::AppendOnly,
        columns: &[
            ("tenant_id", Rebuilt),
            ("log_id", Rebuilt),
            ("from_index", Rebuilt),
            ("to_index", Rebuilt),
            ("log_index", Rebuilt),
        ],
    },
    Table {
        name: "log_tiles",
        entries: &[],
        guard: Guard::OnlyGrows,
        columns: &[
            ("tenant_id", Log),
            ("log_id", Log),
            ("level", Log),
            ("tile_index", Log),
            ("width", Log),
            ("hashes", Log),
        ],
    },
    Table { name: "manifests", entries: &[], guard: Guard::AppendOnly, columns: &blob("first_seen_at_us") },
    Table {
        name: "quarantine",
        entries: &[EntryKind::Seam],
        guard: Guard::AppendOnly,
        columns: &[
            ("tenant_id", Entry),
            ("quarantine_id", Entry),
            ("table_name", Entry),
            ("cells", Entry),
            ("recorded_at_us", Entry),
            ("log_index", Entry),
        ],
    },
    Table {
        name: "rule_sets",
        entries: &[],
        guard: Guard::AppendOnly,
        columns: &[("tenant_id", Digest), ("sha256", Digest), ("rule_id", Digest)],
    },
    Table {
        name: "scan_runs",
        entries: &[EntryKind::ScanManifest],
        guard: Guard::AppendOnlyWhere("status IN ('completed', 'failed', 'cancelled')"),
        columns: &[
            ("tenant_id", Entry),
            ("id", Entry),
            ("host_id", Entry),
            ("trigger", Entry),
            ("requested_by", Entry),
            ("is_full", Entry),
            ("selection", Entry),
            ("profile_id", Entry),
            ("status", Entry),
            ("fencing_token", Nobody("guards the writing of the run; once that has ended nobody reads it")),
            ("failure_reason", Entry),
            ("failure_text", Entry),
            ("pass_count", Entry),
            ("fail_count", Entry),
            ("skipped_count", Entry),
            ("error_count", Entry),
            ("not_applicable_count", Entry),
            ("change_count", Entry),
            ("policy_version", Entry),
            ("corpus_digest", Entry),
            ("engine_digest", Entry),
            ("policy_digest", Entry),
            ("manifest_sha256", Entry),
            ("rule_set_sha256", Entry),
            ("content_signed", Entry),
            ("channel_count", Entry),
            ("round_trip_count", Entry),
            ("sent_bytes", Entry),
            ("received_bytes", Entry),
            ("queued_at", Entry),
            ("started_at", Entry),
            ("measured_at", Entry),
            ("finished_at", Entry),
            ("recorded_at", Entry),
            ("log_index", Entry),
        ],
    },
    Table {
        name: "schema_migrations",
        entries: &[],
        guard: Guard::Open,
        columns: &[
            ("version", Opening),
            ("name", Nobody("for people; the digest says which migration it was")),
            ("sha256", Opening),
        ],
    },
    Table {
        name: "tenants",
        entries: &[],
        guard: Guard::NoDelete,
        columns: &[
            ("tenant_id", Opening),
            ("slug", Opening),
            ("created_at_us", Nobody("the first entry of the tenant's log says it")),
        ],
    },
    Table {
        name: "transactions",
        entries: &[EntryKind::FindingChanged],
        guard: Guard::AppendOnly,
        columns: &[
            ("tenant_id", Entry),
            ("id", Entry),
            ("host_id", Entry),
            ("rule_id", Entry),
            ("scan_id", Entry),
            ("remediation_id", Entry),
            ("origin", Entry),
            ("prior_status", Entry),
            ("status", Entry),
            ("prior_severity", Entry),
            ("severity", Entry),
            ("change_kind", Entry),
            ("prior_value_digest", Entry),
            ("value_digest", Entry),
            ("evidence_sha256", Entry),
            ("skip_reason", Entry),
            ("rule_digest", Entry),
            ("engine_digest", Entry),
            ("policy_digest", Entry),
            ("policy_version", Entry),
            ("correlation_id", Entry),
            ("occurred_at", Entry),
            ("recorded_at", Entry),
            ("log_index", Entry),
        ],
    },
];

/// Columns of a store of bytes by digest.
const fn blob(first_seen: &'static str) -> [(&'static str, Vouch); 5] {
    [
        ("tenant_id", Digest),
        ("sha256", Digest),
        ("body", Digest),
        ("byte_size", Digest),
        (first_seen, Nobody(FIRST_SEEN)),
    ]
}

/// Tells whether entries of this kind speak of rows of this table.
#[must_use]
pub fn takes(kind: EntryKind, table: &str) -> bool {
    TABLES.iter().any(|entry| entry.name == table && entry.entries.contains(&kind))
}
