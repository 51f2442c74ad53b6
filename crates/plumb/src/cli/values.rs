//! Values of settings, read strictly; numbers are digits and nothing else, within their limits (LED-35, LED-38).

use app::Retention;
use app::content::is_variable_name;
use ledger::policy::{LAG_SECONDS_MAX, LAG_SECONDS_MIN};

/// Longest value of a variable. Bytes.
const VALUE_BYTES_MAX: usize = 4_096;
/// The last place that a ledger can have: databases count in 64 bits with a sign.
const POSITION_MAX: u64 = i64::MAX.cast_unsigned();
/// Longest retention. Days.
const DAYS_MAX: u32 = 36_500;

/// Reads a retention. Days; 0 for ever.
pub(super) fn days(text: &str) -> Result<u32, String> {
    let days = plain(text).and_then(|days| u32::try_from(days).ok()).filter(|days| *days <= DAYS_MAX);
    days.ok_or_else(|| format!("it is not a whole number of days from 0 to {DAYS_MAX}"))
}

/// Reads the retention of evidence. Days; 0 for ever.
pub(super) fn evidence_days(text: &str) -> Result<u32, String> {
    let least = Retention::EVIDENCE_DAYS_MIN;
    let days = days(text)?;
    if days > 0 && days < least {
        return Err(format!("evidence is kept for at least {least} days, or for ever: 0"));
    }
    Ok(days)
}

/// Reads how late a cosignature may be. Seconds.
pub(super) fn lag_seconds(text: &str) -> Result<u64, String> {
    let lag = plain(text).filter(|lag| (LAG_SECONDS_MIN..=LAG_SECONDS_MAX).contains(lag));
    lag.ok_or_else(|| {
        format!("it is not a whole number of seconds from {LAG_SECONDS_MIN} to {LAG_SECONDS_MAX}")
    })
}

/// Reads a place in the ledger, or a number of its entries.
pub(super) fn position(text: &str) -> Result<u64, String> {
    let position = text.parse().ok().filter(|position| *position <= POSITION_MAX);
    position.ok_or_else(|| format!("it is not a whole number from 0 to {POSITION_MAX}"))
}

/// Reads `NAME=VALUE`; a value may be empty and may hold `=`.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is not NAME=VALUE")?;
    if !is_variable_name(name) {
        return Err("a name is a letter with letters, digits and _ behind it".to_owned());
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("the value is longer than {VALUE_BYTES_MAX} bytes"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a number without sign, leading zeros and unit.
fn plain(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_number| is_plain)
}
