//! Words from a host made fit for people: control characters escaped, length bounded.

/// Longest piece of a host's words in a sentence of ours. Bytes.
pub(crate) const SHOWN_BYTES_MAX: usize = 1_024;

/// Returns `text` with control and direction-changing characters escaped, at most
/// [`SHOWN_BYTES_MAX`] bytes and a mark when it was longer.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || turns {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        if out.len() > SHOWN_BYTES_MAX - "...".len() - 10 {
            out.push_str("...");
            break;
        }
    }
    out
}

/// Returns the first line of a host's error text, fit for people.
pub(crate) fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..4_096).unwrap_or(bytes));
    shown(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(""))
}

/// Joins a list for people, with a bound.
pub(crate) fn listed(items: &[String]) -> String {
    const ITEMS_SHOWN_MAX: usize = 10;
    let mut text = items.iter().take(ITEMS_SHOWN_MAX).map(|item| shown(item)).collect::<Vec<_>>().join(", ");
    if items.len() > ITEMS_SHOWN_MAX {
        text.push_str(&format!(" and {} more", items.len() - ITEMS_SHOWN_MAX));
    }
    text
}
