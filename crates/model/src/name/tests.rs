//! Names that a host may have, and those that it may not.

use super::check_host_name;

#[test]
fn a_name_is_what_people_write() {
    let longest = "x".repeat(255);
    for name in ["web-1", "root@[::1]:2201", "Web server 1", "wéb", "\u{4f8b}", "localhost", &longest] {
        assert_eq!(check_host_name(name), Ok(()), "{name:?}");
    }
    // 255 characters of any length.
    assert_eq!(check_host_name(&"\u{4f8b}".repeat(255)), Ok(()));
}

#[test]
fn what_cannot_be_shown_found_or_told_from_an_id_is_no_name() {
    let long = "x".repeat(256);
    let table = [
        ("", "blank"),
        (" ", "blank"),
        ("\u{a0}", "blank"),
        ("a\nb", "control"),
        ("a\tb", "control"),
        ("a\u{1b}[2Jb", "control"),
        ("a\u{9b}b", "control"),
        (" web", "white space"),
        ("web ", "white space"),
        (&long, "255"),
        ("018f6b1e-0000-7000-8000-000000000001", "id"),
        ("018F6B1E-0000-7000-8000-000000000001", "id"),
        ("018f6b1e000070008000000000000001", "id"),
    ];
    for (name, problem) in table {
        let refused = check_host_name(name).unwrap_err();
        assert!(refused.problem.contains(problem), "{name:?}: {refused}");
        assert!(refused.to_string().len() < 200 && !refused.to_string().contains(['\n', '\u{1b}', '\t']));
    }
}
