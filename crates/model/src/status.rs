//! The closed sets of names that results, scans and hosts are described with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name outside one of the closed sets. Unknown input is an error, never a default.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} {name:?}; known: {known}")]
pub struct UnknownName {
    pub kind: &'static str,
    pub name: String,
    pub known: &'static str,
}

macro_rules! closed_names {
    ($(#[$doc:meta])* $name:ident, $kind:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every member, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the written name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(UnknownName {
                        kind: $kind,
                        name: other.chars().take(80).collect(),
                        known: concat!($($text, " "),+).trim_ascii_end(),
                    }),
                }
            }
        }
    };
}
pub(crate) use closed_names;

closed_names!(
    /// Outcome of one rule on one host at one time. Only `Pass` and `Fail` speak of compliance.
    Status, "status", {
        Pass = "pass",
        Fail = "fail",
        Skipped = "skipped",
        Error = "error",
        NotApplicable = "not_applicable",
    }
);
closed_names!(
    /// How much a failure of a rule matters, most first.
    Severity, "severity", {
        Critical = "critical",
        High = "high",
        Medium = "medium",
        Low = "low",
    }
);
closed_names!(
    /// Why a change row exists; when several apply, the first in this order (TLW-02).
    ChangeKind, "change kind", {
        FirstSeen = "first_seen",
        StateChanged = "state_changed",
        SeverityChanged = "severity_changed",
        ValueChanged = "value_changed",
    }
);
closed_names!(
    /// Compliance band of a host (SCH-09).
    ComplianceState, "compliance state", {
        Unknown = "unknown",
        Critical = "critical",
        NonCompliant = "non_compliant",
        Partial = "partial",
        MostlyCompliant = "mostly_compliant",
        Compliant = "compliant",
    }
);
closed_names!(
    /// Life of a scan run. The last three are terminal.
    RunStatus, "scan status", {
        Queued = "queued",
        Running = "running",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
    }
);
closed_names!(
    /// What caused a scan.
    ScanTrigger, "scan trigger", {
        Scheduled = "scheduled",
        OnDemand = "on_demand",
    }
);
