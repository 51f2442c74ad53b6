//! The repository follows its own house rules.

use std::process::Command;

#[test]
fn the_repository_follows_the_house_rules() {
    let done = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("tidy").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let why = String::from_utf8_lossy(&done.stderr);
    assert_eq!((said.as_ref(), done.status.code()), ("", Some(0)), "{why}");
}

#[test]
fn an_unknown_command_is_refused_with_the_list_of_commands() {
    let done = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("tidyy").output().unwrap();
    assert_eq!(done.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&done.stderr).contains("cargo xtask <command>"));
}
