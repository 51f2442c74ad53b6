//! Instants: microseconds since 1970-01-01T00:00:00Z, written with six decimals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An instant. Microseconds since the Unix epoch, UTC.
///
/// Written `YYYY-MM-DDThh:mm:ss.ffffffZ`, always six decimals, so that equal instants have equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// A text that is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an instant: write 2026-03-01T10:00:00Z, 2026-03-01 10:00 or 2026-03-01 (UTC)")]
pub struct TimestampError(String);

impl Timestamp {
    /// The first instant that can be written with a four-digit year.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// The last instant that can be written with a four-digit year.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// Wraps microseconds since the epoch; values outside years 1 to 9999 are moved to the nearer end.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Returns microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the time from `earlier` to this instant. Microseconds; negative when it lies before.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Returns the instant `micros` later.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant:.6}"),
            // Unreachable by construction (years 1 to 9999 lie inside jiff's range), and never silent.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let refused = |_err: jiff::Error| TimestampError(text.chars().take(80).collect());
        let instant = if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            instant
        } else {
            let civil: jiff::civil::DateTime = text.parse().map_err(refused)?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(refused)?.timestamp()
        };
        Ok(Self::from_micros(instant.as_microsecond()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(instant: Timestamp) -> Self {
        instant.to_string()
    }
}
