//! Identifiers, a newtype each, so that a host id is never taken for a scan id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {problem}")]
pub struct IdError {
    pub kind: &'static str,
    pub text: String,
    pub problem: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        ///
        /// Written as a plain lower-case UUID (version 7 where we make it).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that was made or read elsewhere.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_err| IdError {
                    kind: $kind,
                    text: text.chars().take(80).collect(),
                    problem: "it must be a UUID",
                })
            }
        }
    };
}

uuid_id!(
    /// Names a tenant: the owner of hosts, results and one ledger log.
    TenantId,
    "tenant id"
);
uuid_id!(
    /// Names a host of one tenant.
    HostId,
    "host id"
);
uuid_id!(
    /// Names a scan run; the same id names its job.
    ScanId,
    "scan id"
);
uuid_id!(
    /// Names a row of the change log.
    TransactionId,
    "change id"
);
uuid_id!(
    /// Names an audit record.
    AuditId,
    "audit id"
);
uuid_id!(
    /// Names something that happened to a log.
    EventId,
    "event id"
);
uuid_id!(
    /// Names a version of a fact or of an edge.
    FactId,
    "fact id"
);
uuid_id!(
    /// Names a row that was moved out of its table.
    QuarantineId,
    "quarantine id"
);
uuid_id!(
    /// Names a ledger log; never reused.
    LogId,
    "log id"
);

/// Names a rule. Ids of imported content are kept to the letter.
///
/// Shape: 1 to 256 bytes, no white space and no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleId(String);

impl RuleId {
    /// Longest rule id. Bytes.
    pub const BYTES_MAX: usize = 256;

    /// Parses a rule id.
    ///
    /// # Errors
    /// When it is empty, too long, or holds white space or control characters.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let problem = if text.is_empty() {
            "it is empty"
        } else if text.len() > Self::BYTES_MAX {
            "it is longer than 256 bytes"
        } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            "it holds white space or control characters"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(IdError { kind: "rule id", text: text.chars().take(80).collect(), problem })
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RuleId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RuleId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<RuleId> for String {
    fn from(id: RuleId) -> Self {
        id.0
    }
}
