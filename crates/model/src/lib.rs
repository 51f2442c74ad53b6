//! The vocabulary of Plumbline: ids, instants, statuses, results, evidence, probes and their answers.
//!
//! Everything here is plain data with its parsing and its written form. It decides nothing, does no I/O
//! and reads no clock; the crates above share these types so that a status is never a string.

pub mod address;
pub mod digest;
pub mod evidence;
pub mod fact;
pub mod ids;
pub mod name;
pub mod platform;
pub mod probe;
pub mod reason;
pub mod record;
pub mod result;
pub mod status;
pub mod time;

pub use address::{Address, AddressError, Endpoint};
pub use digest::{Digest, DigestError};
pub use evidence::{EVIDENCE_BYTES_MAX, Evidence, EvidenceCheck, OUTPUT_EXCERPT_BYTES_MAX, Output, Source};
pub use fact::{ClaimKey, ClaimKind, Classification, FactError, FactType, Subject, SubjectKind, Version};
pub use ids::{
    AuditId, EventId, FactId, HostId, IdError, LogId, QuarantineId, RuleId, ScanId, TenantId, TransactionId,
};
pub use name::{HostNameError, check_host_name};
pub use platform::{Platform, PlatformError};
pub use probe::{Command, Ending, Hello, Lane, Observation, WireStats};
pub use reason::{ApplyFailure, FailureReason, Reason, ReasonCode};
pub use result::RuleResult;
pub use status::{ChangeKind, ComplianceState, RunStatus, ScanTrigger, Severity, Status, UnknownName};
pub use time::{Timestamp, TimestampError};
