//! Rust source as text that rules can search: comments and literals told apart from code, and
//! where each function begins and ends.
//!
//! A lexer, not a parser: it does not expand macros and knows no types. What needs those is the
//! compiler's and clippy's business.

use std::ops::Range;

/// A source file with its parts told apart. All texts have the length and lines of the file.
pub(crate) struct RustText {
    /// The code; comments and the insides of literals are blank.
    pub(crate) code: String,
    /// The comments; all else is blank.
    pub(crate) comments: String,
    /// The insides of string literals with the offset they begin at.
    pub(crate) strings: Vec<(usize, String)>,
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Offset of its `fn`.
    pub(crate) start: usize,
    /// Its body with both braces.
    pub(crate) body: Range<usize>,
    /// What stands between the end of the item before and `fn`: attributes and modifiers.
    pub(crate) before: Range<usize>,
}

/// What the lexer is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

impl RustText {
    pub(crate) fn of(text: &str) -> RustText {
        let mut parts = vec![Part::Code; text.len()];
        let mut strings = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            if let Some(length) = comment(rest) {
                parts[at..at + length].fill(Part::Comment);
                at += length;
            } else if let Some(inside) = string(text, at) {
                strings.push((inside.start, text[inside.clone()].to_owned()));
                parts[inside.clone()].fill(Part::Literal);
                // Past the closing quote, or the end of a file that is cut short.
                at = (inside.end + 1).min(text.len());
            } else if let Some(length) = character(rest) {
                parts[at + 1..at + length - 1].fill(Part::Literal);
                at += length;
            } else {
                at += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
        let only = |wanted: Part| {
            let keep = |(part, byte): (&Part, u8)| if *part == wanted || byte == b'\n' { byte } else { b' ' };
            let bytes: Vec<u8> = parts.iter().zip(text.bytes()).map(keep).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        RustText { code: only(Part::Code), comments: only(Part::Comment), strings }
    }

    /// Returns the line of an offset, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        line_of(&self.code, offset)
    }

    /// Returns every function that has a body, nested ones too, in the order of their `fn`.
    pub(crate) fn functions(&self) -> Vec<Function> {
        words(&self.code, "fn").filter_map(|start| self.function(start)).collect()
    }

    fn function(&self, start: usize) -> Option<Function> {
        let after = &self.code[start + 2..];
        let name: String =
            after.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            return None; // a function pointer type
        }
        let open = start + body_start(&self.code[start..])?;
        let body = open..open + block_length(&self.code[open..]);
        let item = self.code[..start].rfind(['}', ';', '{']).map_or(0, |end| end + 1);
        Some(Function { name, start, body, before: item..start })
    }
}

impl Function {
    /// Says whether an attribute makes it a test, or `on_each!` one for each database.
    pub(crate) fn is_test(&self, code: &str) -> bool {
        let before: String = code[self.before.clone()].split_whitespace().collect();
        let told = |end: char| code.contains(&format!("on_each!({}{end}", self.name));
        ["#[test]", "::test]", "::test("].iter().any(|attribute| before.contains(attribute))
            || told(')')
            || told(',')
    }
}

/// Returns the line of an offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Returns the offsets of `word` where it is a whole word.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _word)| at).filter(move |at| {
        !code[..*at].ends_with(part_of_word) && !code[at + word.len()..].starts_with(part_of_word)
    })
}

/// Finds the `{` of a body; none when a `;` outside all brackets comes first.
fn body_start(code: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _other => {}
        }
    }
    None
}

/// Returns the length of the block that begins here with `{`, both braces included.
fn block_length(code: &str) -> usize {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _other => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Returns the length of the comment that begins here, without its line end.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let pair = rest.as_bytes().get(at..at + 2);
        match pair {
            Some(b"/*") => depth += 1,
            Some(b"*/") => depth -= 1,
            _other => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return Some(at);
        }
    }
    Some(rest.len())
}

/// Returns the inside of the string literal that begins at `at`, raw or not.
fn string(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if bytes[at] == b'"' {
        let mut end = at + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        return Some(at + 1..border(text, end));
    }
    let starts_word = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let raw = ["r", "br", "cr"]
        .iter()
        .find(|prefix| text[at..].starts_with(**prefix))
        .filter(|_prefix| starts_word)?;
    let hashes = text[at + raw.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let open = at + raw.len() + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None; // a raw identifier or a word that begins with the letter
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let end = text[open + 1..].find(&close).map_or(text.len(), |length| open + 1 + length);
    Some(open + 1..end)
}

/// Returns the length of the character literal that begins here; none for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    if let Some(escaped) = inside.strip_prefix('\\') {
        // The escaped character itself may be a quote.
        let skipped = escaped.chars().next()?.len_utf8();
        return Some(2 + skipped + escaped[skipped..].find('\'')? + 1);
    }
    let first = inside.chars().next()?;
    inside[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8() + 2)
}

fn border(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
