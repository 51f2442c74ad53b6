//! Words from a host made fit for people: control characters escaped, length bounded.
//!
//! Secrets are masked in the words as they came, so escaping ([`shown`]) happens last, at the rim; on the
//! way there words are only bounded ([`bounded`]).

/// Longest piece of a host's words in a sentence of ours. Bytes.
pub(crate) const SHOWN_BYTES_MAX: usize = 1_024;
/// Longest piece of a host's words on its way to the rim. Bytes; far more than is shown, so that nothing
/// is cut inside a secret that is then not recognized.
const WORDS_BYTES_MAX: usize = 65_536;

/// Returns `text` with control and direction-changing characters escaped, at most [`SHOWN_BYTES_MAX`]
/// bytes and a mark when it was longer.
pub fn shown(text: &str) -> String {
    escaped(text, SHOWN_BYTES_MAX, &[])
}

/// Returns a command with control characters but line feed and tab escaped, at most `limit` bytes.
pub fn shown_command(text: &str, limit: usize) -> String {
    escaped(text, limit, &['\n', '\t'])
}

fn escaped(text: &str, limit: usize, allowed: &[char]) -> String {
    /// Room for the longest escape and the mark.
    const ROOM: usize = 16;
    let mut out = String::new();
    for c in text.chars() {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if (c.is_control() || turns) && !allowed.contains(&c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        if out.len() > limit.saturating_sub(ROOM) {
            out.push_str("...");
            break;
        }
    }
    out
}

/// Returns a host's words, bounded and otherwise as they came.
pub fn bounded(text: &str) -> String {
    text.get(..floor(text, WORDS_BYTES_MAX)).unwrap_or(text).to_owned()
}

/// Returns the greatest character boundary at or before `at`.
pub fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the first line of a host's error text, bounded.
pub fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..4_096).unwrap_or(bytes));
    bounded(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(""))
}

/// Joins a list for people, with a bound.
pub fn listed(items: &[String]) -> String {
    const ITEMS_SHOWN_MAX: usize = 10;
    let mut text =
        items.iter().take(ITEMS_SHOWN_MAX).map(|item| bounded(item)).collect::<Vec<_>>().join(", ");
    if items.len() > ITEMS_SHOWN_MAX {
        text.push_str(&format!(" and {} more", items.len() - ITEMS_SHOWN_MAX));
    }
    text
}
