use clap::{Command, CommandFactory as _};

use super::Cli;

/// Names every command and argument below this one of which `--help` says nothing.
fn unexplained(command: &Command, path: &str, found: &mut Vec<String>) {
    for argument in command.get_arguments() {
        let is_told = argument.get_help().is_some_and(|text| !text.to_string().trim().is_empty());
        if !is_told && !matches!(argument.get_id().as_str(), "help" | "version") {
            found.push(format!("{path} {}", argument.get_id()));
        }
    }
    for below in command.get_subcommands() {
        let path = format!("{path} {}", below.get_name());
        if below.get_about().is_none() {
            found.push(path.clone());
        }
        unexplained(below, &path, found);
    }
}

#[test]
fn every_command_and_every_argument_is_explained() {
    let mut found = Vec::new();
    unexplained(&Cli::command(), "plumb", &mut found);
    assert_eq!(found, Vec::<String>::new());
}
