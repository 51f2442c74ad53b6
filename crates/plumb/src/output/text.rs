//! Makes text from elsewhere safe to show: what a scanned host, a rule file or a server says may try to steer
//! the terminal or to look like something else. Does not translate, wrap or judge.

use std::io;

use serde::Serialize;

/// Returns `text` with everything that steers a terminal or hides from the eye written as an escape.
///
/// Tab, line feed and carriage return become `\t`, `\n` and `\r`; the others `\u{1b}`. Ordinary Unicode stays.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_clean(&mut out, c));
    out
}

/// Returns what [`clean`] does of the first `chars_max` characters, and an ellipsis when there are more.
pub(crate) fn clean_cut(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars();
    let mut out = String::new();
    chars.by_ref().take(chars_max).for_each(|c| push_clean(&mut out, c));
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// Appends one character, as an escape when it is not plainly visible.
pub(super) fn push_clean(out: &mut String, c: char) {
    if steers(c) { out.extend(c.escape_default()) } else { out.push(c) }
}

/// Renders JSON that is exact for a reader and safe on a terminal: characters that [`clean`] would escape are
/// written as `\uXXXX` (RFC 8259, section 7).
pub(super) fn json(value: &impl Serialize, layout: Layout) -> io::Result<String> {
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
pub(super) enum Layout {
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
