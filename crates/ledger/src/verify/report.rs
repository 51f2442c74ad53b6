//! The verification report (LED-29): a closed set of finding codes, where each finding is, and counts.

use serde::{Deserialize, Serialize};

use super::Continued;

/// Name and version of this verifier, as it stands in reports.
pub const VERIFIER: &str = concat!("plumbline-ledger/", env!("CARGO_PKG_VERSION"));
/// Most findings that a report lists; the rest is counted.
pub const FINDINGS_MAX: usize = 1_000;

/// What is wrong, as a closed set of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    Malformed,
    NotCanonical,
    UnsupportedEntry,
    LeafMismatch,
    IndexGap,
    EntryReordered,
    Truncated,
    TileMismatch,
    RootMismatch,
    CheckpointMissing,
    CheckpointSignature,
    CheckpointInconsistent,
    UncoveredTail,
    TimeRegression,
    BodyMissing,
    BodyAltered,
    RowAltered,
    RowMissing,
    RowExtra,
    ReplayMismatch,
    AnchorMissing,
    AnchorMismatch,
    WitnessQuorum,
    StampWindow,
    SegmentMissing,
    SegmentLink,
    KeyUnknown,
    KeyRevoked,
    EvidenceExpected,
    SchemaTampered,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub code: FindingCode,
    /// Index of the entry.
    pub index: Option<u64>,
    pub table: Option<String>,
    pub row: Option<String>,
    pub file: Option<String>,
    /// Offset into the file. Bytes.
    pub offset: Option<u64>,
    /// One sentence for people. It may quote at most a few names from the input.
    pub detail: String,
}

impl Finding {
    /// Makes a finding without a place.
    #[must_use]
    pub fn new(code: FindingCode, detail: impl Into<String>) -> Self {
        Self { code, index: None, table: None, row: None, file: None, offset: None, detail: detail.into() }
    }

    /// Names the entry.
    #[must_use]
    pub fn index(self, index: u64) -> Self {
        Self { index: Some(index), ..self }
    }

    /// Names the state row.
    #[must_use]
    pub fn row(self, table: &str, row: &str) -> Self {
        Self { table: Some(table.to_owned()), row: Some(row.to_owned()), ..self }
    }

    /// Names the file and the offset.
    #[must_use]
    pub fn at(self, place: &Place) -> Self {
        Self { file: place.file.clone(), offset: place.offset, ..self }
    }
}

/// Where bytes were read. A live database has no files: there it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    pub file: Option<String>,
    /// Offset of the first byte in the file.
    pub offset: Option<u64>,
}

impl Place {
    /// Makes the place of a byte of a file.
    #[must_use]
    pub fn file(path: &str, offset: u64) -> Self {
        Self { file: Some(path.to_owned()), offset: Some(offset) }
    }

    /// Returns the place some bytes further on.
    #[must_use]
    pub fn plus(&self, bytes: u64) -> Self {
        Self { file: self.file.clone(), offset: self.offset.map(|offset| offset.saturating_add(bytes)) }
    }
}

/// What verification knows from anchors or from witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceState {
    /// There is none; nothing is claimed from it.
    None,
    Verified,
    Failed,
}

/// How far the witnessed head of a live log is behind (LED-32).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessLag {
    /// Entries under the newest checkpoint that has its quorum; 0 when none has.
    pub size: u64,
    /// When the oldest checkpoint behind that was signed; nothing when there is none.
    pub since: Option<String>,
    /// How long ago that was. Seconds.
    pub seconds: u64,
    /// True when that is too long.
    pub alarm: bool,
}

/// The outcome of a verification (LED-29).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// True only when there is no finding at all.
    pub ok: bool,
    pub origin: Option<String>,
    pub tree_size: u64,
    /// Root of the tree. 64 hexadecimal digits.
    pub root: Option<String>,
    /// Ids of the keys whose signatures verified. 8 hexadecimal digits each.
    pub key_ids: Vec<String>,
    /// Number of checkpoints that were compared.
    pub checkpoints: u64,
    pub entries: u64,
    pub rows_checked: u64,
    pub bodies_checked: u64,
    /// Bodies and blobs that are gone and that a `body.erased` entry accounts for.
    pub erased: u64,
    /// Evidence that retention removed, by a `body.erased` entry that names the retention (TLW-33).
    pub expired: u64,
    /// Bodies that retention removed from here, by a `segment.pruned` entry; the sealed bundle has them.
    pub pruned: u64,
    /// Entries beyond the newest checkpoint.
    pub uncovered_tail: u64,
    /// Audit intents without an outcome.
    pub orphan_intents: u64,
    /// The logs that this one goes on with, the newest first.
    pub continues: Vec<Continued>,
    pub anchor: EvidenceState,
    /// Places in the anchor where what could not be read was moved away (LED-07). It is no finding.
    pub anchor_seams: u64,
    pub witness: EvidenceState,
    /// Where a policy needs witnesses and the log is a live one. It is no finding.
    pub witness_lag: Option<WitnessLag>,
    pub first_bad_index: Option<u64>,
    pub findings: Vec<Finding>,
    /// Findings beyond [`FINDINGS_MAX`].
    pub findings_dropped: u64,
    /// The program that verified: [`VERIFIER`].
    pub verifier: String,
}

impl Report {
    /// Makes an empty report, which says not ok until it is settled.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ok: false,
            origin: None,
            tree_size: 0,
            root: None,
            key_ids: Vec::new(),
            checkpoints: 0,
            entries: 0,
            rows_checked: 0,
            bodies_checked: 0,
            erased: 0,
            expired: 0,
            pruned: 0,
            uncovered_tail: 0,
            orphan_intents: 0,
            continues: Vec::new(),
            anchor: EvidenceState::None,
            anchor_seams: 0,
            witness: EvidenceState::None,
            witness_lag: None,
            first_bad_index: None,
            findings: Vec::new(),
            findings_dropped: 0,
            verifier: VERIFIER.to_owned(),
        }
    }

    /// Adds a finding. The same code for the same file and entry is listed once.
    pub fn add(&mut self, finding: Finding) {
        if let Some(index) = finding.index {
            self.first_bad_index = Some(self.first_bad_index.map_or(index, |first| first.min(index)));
        }
        if self.findings.len() == FINDINGS_MAX {
            self.findings_dropped += 1;
            return;
        }
        let same = |old: &Finding| {
            old.code == finding.code
                && old.file.is_some()
                && old.file == finding.file
                && (old.index == finding.index || finding.index.is_none())
                && (old.offset == finding.offset || finding.offset.is_none())
        };
        if !self.findings.iter().any(same) {
            self.findings.push(finding);
        }
    }

    /// Draws the verdict: ok when nothing was found. Call it after the last finding.
    pub fn settle(&mut self) {
        self.ok = self.findings.is_empty() && self.findings_dropped == 0;
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}
