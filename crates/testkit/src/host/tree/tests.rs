use std::ffi::OsString;
use std::path::PathBuf;

use super::{recipe_hash, tail};
use crate::cache;

fn found(variables: &[(&str, &str)]) -> Option<PathBuf> {
    cache::folder(|name| {
        variables.iter().find(|(named, _value)| *named == name).map(|(_name, value)| OsString::from(value))
    })
}

#[test]
fn the_cache_lies_in_the_users_cache_folder_unless_named() {
    let home = ("HOME", "/home/a");
    assert_eq!(found(&[home]), Some("/home/a/.cache/plumbline-testhosts".into()));
    assert_eq!(found(&[home, ("XDG_CACHE_HOME", "/c")]), Some("/c/plumbline-testhosts".into()));
    assert_eq!(found(&[home, ("XDG_CACHE_HOME", "")]), Some("/home/a/.cache/plumbline-testhosts".into()));
    assert_eq!(found(&[home, ("PLUMB_TEST_HOSTS_DIR", "/t")]), Some("/t".into()));
    assert_eq!(found(&[]), None);
}

#[test]
fn the_recipe_is_named_by_release_and_16_digits() {
    let name = recipe_hash();
    let digits = name.strip_prefix("bookworm-").unwrap();
    assert!(digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{name}");
}

#[test]
fn the_end_of_long_words_is_kept_on_a_character_border() {
    let long = "ä".repeat(1_500);
    assert_eq!(tail(&format!("{long}x\n")), format!("{}x", "ä".repeat(999)));
    assert_eq!(tail("short\n"), "short");
}
