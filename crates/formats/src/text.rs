//! Makes text from elsewhere safe to show: what a scanned host, a rule file or a server says may try to steer
//! the terminal or to look like something else. Does not translate, wrap or judge.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Returns `text` with everything that steers a terminal or hides from the eye written as an escape.
///
/// Tab, line feed and carriage return become `\t`, `\n` and `\r`; the others `\u{1b}`. Ordinary Unicode stays.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_clean(&mut out, c));
    out
}

/// Returns what [`clean`] does of the first `chars_max` characters, and an ellipsis when there are more.
#[must_use]
pub fn clean_cut(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars();
    let mut out = String::new();
    chars.by_ref().take(chars_max).for_each(|c| push_clean(&mut out, c));
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// Returns the first `bytes_max` bytes of a text, cut at a character, and whether there are more.
pub(crate) fn cut_bytes(text: &str, bytes_max: usize) -> (String, bool) {
    let end = text.floor_char_boundary(bytes_max);
    (text[..end].to_owned(), end < text.len())
}

/// Returns the first `bytes_max` bytes behind base64 as text, and whether there are more: what is no UTF-8 stands as
/// `\xff`, and what is no base64 is shown as it is.
pub(crate) fn of_base64(encoded: &str, bytes_max: usize) -> (String, bool) {
    let Ok(bytes) = STANDARD.decode(encoded) else { return cut_bytes(encoded, bytes_max) };
    let kept = &bytes[..bytes.len().min(bytes_max)];
    let mut shown = String::with_capacity(kept.len());
    for chunk in kept.utf8_chunks() {
        shown.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    (shown, kept.len() < bytes.len())
}

/// Returns [`clean`] of each line, lines kept apart.
pub(crate) fn clean_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(clean).collect();
    lines.join("\n")
}

/// Returns what orders `5.1.2` before `5.1.10`.
#[must_use]
pub fn natural(control: &str) -> Vec<(u64, String)> {
    control.split(['.', '-']).map(|part| (part.parse().unwrap_or(u64::MAX), part.to_owned())).collect()
}

/// Appends one character, as an escape when it is not plainly visible.
pub fn push_clean(out: &mut String, c: char) {
    if steers(c) { out.extend(c.escape_default()) } else { out.push(c) }
}

/// Renders JSON that is exact for a reader and safe on a terminal: characters that [`clean`] would escape are
/// written as `\uXXXX` (RFC 8259, section 7).
pub(crate) fn json(value: &impl Serialize, layout: Layout) -> io::Result<String> {
    let rendered = match layout {
        Layout::Pretty => serde_json::to_string_pretty(value)?,
        Layout::Line => serde_json::to_string(value)?,
    };
    let mut out = String::with_capacity(rendered.len());
    for c in rendered.chars() {
        // Below DEL the renderer has escaped what stands inside strings; what is left is the layout itself.
        if c >= '\u{7f}' && steers(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// White space of rendered JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Pretty,
    /// No line feed inside.
    Line,
}

/// Tells whether a character steers a terminal, reorders or splits text, or is not visible at all.
fn steers(c: char) -> bool {
    // C0, DEL and C1 (general category Cc).
    c.is_control()
        || matches!(
            c,
            // Soft hyphen, Arabic letter mark, Hangul fillers, Mongolian vowel separator.
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            // Zero-width characters and direction marks.
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separators, embeddings and overrides.
            | '\u{2028}'..='\u{202e}'
            // Word joiner, invisible operators, isolates, deprecated format characters.
            | '\u{2060}'..='\u{206f}'
            // Byte order mark, interlinear annotation, noncharacters.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            // Tag characters.
            | '\u{e0000}'..='\u{e007f}'
        )
}
