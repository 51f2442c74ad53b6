//! Tests of tables.

use super::{Table, quoted};

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
fn a_word_is_quoted_as_a_shell_takes_it() {
    for (word, written) in [
        ("/srv/out-1.d/a_b", "/srv/out-1.d/a_b"),
        ("exp ort", "'exp ort'"),
        ("it's", r"'it'\''s'"),
        ("$HOME", "'$HOME'"),
        ("", "''"),
    ] {
        assert_eq!(quoted(word), written);
    }
}
