//! The evidence document of one rule result (EXE-13): what was asked, what came back, what was expected.

use serde::{Deserialize, Serialize};

use crate::{Digest, Reason};

/// Largest stored evidence document. Bytes (TLW-11).
pub const EVIDENCE_BYTES_MAX: usize = 262_144;
/// Longest output excerpt of one command. Bytes (EXE-12).
pub const OUTPUT_EXCERPT_BYTES_MAX: usize = 65_536;

/// Evidence behind one rule result. Canonical JSON of this document is what is hashed and stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Always [`Evidence::SCHEMA`].
    pub schema: String,
    /// One sentence for people: why the result is what it is.
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Reason>,
    /// The format of others that the rule was imported from; none for rules in our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// One item per check that was looked at: what did not hold first, else in the order of the rule.
    pub checks: Vec<EvidenceCheck>,
    /// True when something that looked like a secret was masked before hashing (TLW-34).
    pub masked: bool,
}

impl Evidence {
    /// Name and version of this shape.
    pub const SCHEMA: &'static str = "plumbline.evidence/1";
}

/// One check: a probe, the part of its answer that decided, and the comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceCheck {
    /// The command as a person would type it, or the typed probe's description.
    pub command: String,
    /// The lines of the answer that decided, at most [`OUTPUT_EXCERPT_BYTES_MAX`] bytes.
    pub output: Output,
    /// SHA-256 of the whole answer on standard output.
    pub output_sha256: Digest,
    /// Length of the whole answer. Bytes.
    pub output_len: u64,
    /// True when `output` is shorter than what decided.
    pub cut: bool,
    /// Exit status of the command; none when it was ended by a limit.
    pub exit_status: Option<i32>,
    /// What the rule expects, in words: `no`, `at most 0644, owner root`.
    pub expected: String,
    /// What was found, in words: `yes`, `0666, owner root`.
    pub actual: String,
    /// Where on the host the deciding text stands, when it stands in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// A place in a file on the scanned host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub file: String,
    /// Line number from 1; none when the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Bytes from a host, kept exactly: as text when they are clean UTF-8, else in base64.
///
/// Clean means valid UTF-8 without control characters other than line feed and tab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    Text(String),
    /// Standard alphabet with padding (RFC 4648, section 4).
    Base64(String),
}
