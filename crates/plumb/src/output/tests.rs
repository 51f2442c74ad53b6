//! Tests of the report writers on hand-built reports.

mod human;
mod machine;
mod sample;

use super::text::clean_cut;
use super::{Format, Table, clean};
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
fn a_table_for_a_terminal_is_aligned() {
    let mut table = Table::new(["HOST", "STATE"]);
    table.row(["web-1", "compliant"]).row(["a", "\x1b[31m"]).row(["東京", "x"]);
    let expected = "HOST   STATE\nweb-1  compliant\na      \\u{1b}[31m\n東京   x\n";
    assert_eq!(table.render(true), expected);
}

#[test]
fn a_table_for_a_program_is_separated_by_tabs_and_escaped() {
    let mut table = Table::new(["HOST", "STATE"]);
    table.row(["a\tb", "x\ny\\z"]).row(["only"]);
    assert_eq!(table.render(false), "HOST\tSTATE\na\\tb\tx\\ny\\\\z\nonly\t\n");
}

#[test]
fn no_format_lets_a_hostile_text_steer_the_terminal() {
    for format in [Format::Human, Format::Json, Format::Jsonl, Format::Sarif, Format::Junit, Format::Csv] {
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
