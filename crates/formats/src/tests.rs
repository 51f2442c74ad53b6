//! Tests of the writers on hand-built results.

mod human;
mod machine;
mod others;
mod sample;

use crate::Format;
use crate::text::{clean, clean_cut};
use sample::{hostile, options, written};

#[test]
fn control_characters_and_invisible_characters_are_escaped() {
    assert_eq!(clean("a\x1b[2Jb\u{9b}c\x7f"), "a\\u{1b}[2Jb\\u{9b}c\\u{7f}");
    assert_eq!(clean("x\r\n\ty\0"), "x\\r\\n\\ty\\u{0}");
    assert_eq!(clean("\u{202e}\u{2066}\u{200b}\u{200d}\u{2028}\u{feff}"), {
        "\\u{202e}\\u{2066}\\u{200b}\\u{200d}\\u{2028}\\u{feff}"
    });
}

#[test]
fn ordinary_unicode_stays_as_it_is() {
    let text = "Zürich 東京 שלום مرحبا e\u{301} 🦀 C:\\x";
    assert_eq!(clean(text), text);
}

#[test]
fn a_long_text_is_cut_with_an_ellipsis() {
    assert_eq!(clean_cut("äöü", 3), "äöü");
    assert_eq!(clean_cut("äöüx", 3), "äöü…");
    assert_eq!(clean_cut("\x1bab", 2), "\\u{1b}a…");
}

#[test]
fn no_format_lets_a_hostile_text_steer_the_terminal() {
    for format in Format::ALL.iter().copied() {
        let mut options = options(format);
        options.verbose = true;
        let text = written(&hostile(), &options);
        assert!(text.contains("ü漢"), "{format:?} keeps ordinary text");
        // CSV records end in CR LF; nothing else but LF may come through.
        let text = if format == Format::Csv { text.replace("\r\n", "\n") } else { text };
        let bad: Vec<char> = text
            .chars()
            .filter(|c| (c.is_control() && *c != '\n') || "\u{202e}\u{200b}\u{2028}".contains(*c))
            .collect();
        assert!(bad.is_empty(), "{format:?}: {bad:?}");
    }
}

#[test]
fn every_format_is_in_the_list_under_a_name_of_its_own() {
    // A format that is added has to be added here, too: the list cannot be had from the type.
    let known = |format: &Format| match format {
        Format::Human | Format::Json | Format::Jsonl | Format::Sarif | Format::Junit => true,
        Format::Csv | Format::Xccdf | Format::Arf | Format::Oscal | Format::Html => true,
    };
    assert!(Format::ALL.iter().all(known) && Format::ALL.len() == 10);
    let names: std::collections::BTreeSet<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
    assert_eq!(names.len(), 10);
}
