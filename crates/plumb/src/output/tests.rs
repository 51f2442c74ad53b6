//! Tests of tables.

use super::Table;

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
