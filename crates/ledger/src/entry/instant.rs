//! The written form of instants: checked, not interpreted, so that their order is the order of their bytes.

/// Tells whether a text is an instant: `YYYY-MM-DDThh:mm:ss.ffffffZ`, years 0001 to 9999, a day that exists.
#[must_use]
pub fn is_instant(text: &str) -> bool {
    const PATTERN: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";
    let fits = text.len() == PATTERN.len()
        && text.bytes().zip(PATTERN).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        });
    if !fits {
        return false;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u32>().unwrap_or(u32::MAX);
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    };
    year >= 1
        && (1..=days).contains(&day)
        && number(11, 13) < 24
        && number(14, 16) < 60
        && number(17, 19) < 60
}

/// Returns the whole seconds from 1970 UTC to an instant; nothing when it is none, or before 1970.
///
/// Leap seconds do not count, as in POSIX time.
#[must_use]
pub fn instant_seconds(text: &str) -> Option<u64> {
    if !is_instant(text) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    // Years that begin in March end with the leap day, so that months have fixed offsets.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // Days from 0000-03-01 to 1970-01-01.
    let since = days.checked_sub(719_468)?;
    Some(since * 86_400 + seconds)
}
