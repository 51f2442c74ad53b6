use super::{install_commands, needed};

#[test]
fn every_line_of_the_list_is_one_package_and_they_are_sorted() {
    let list = needed();
    assert!(list.len() > 5);
    assert!(list.is_sorted());
    assert!(
        list.iter().all(|(name, _path)| name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)))
    );
}

#[test]
fn packages_are_installed_without_questions_after_the_lists_are_read() {
    assert_eq!(
        install_commands(&["a", "b"]).iter().map(|words| words.join(" ")).collect::<Vec<_>>(),
        ["apt-get update", "apt-get install --yes --no-install-recommends a b"]
    );
}

#[test]
fn what_is_there_from_elsewhere_needs_no_package() {
    assert!(needed().contains(&("npm", Some("/usr/bin/npm"))));
    assert!(needed().contains(&("git", None)));
}
