//! The built-in story: every command that `plumb demo` prints at its end runs as printed and shows what the
//! two recorded hosts went through. Needs no host.

use std::collections::BTreeMap;

use testkit::process::Output;

use super::support::{World, assert_code, assert_refused, json, world};

/// Runs the demo; returns what it said and the commands that it prints for looking around.
pub(crate) fn demo(world: &World) -> (Output, Vec<Vec<String>>) {
    let folder = world.path("demo").to_str().unwrap().to_owned();
    let done = world.plumb(&["demo", "--folder", &folder]);
    assert_code(&done, 0);
    let commands = done.stdout.lines().filter_map(|line| line.trim().strip_prefix("plumb "));
    let commands =
        commands.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect::<Vec<Vec<_>>>();
    (done, commands)
}

/// Runs the printed command with this word in it, and `more` words.
fn run(world: &World, commands: &[Vec<String>], word: &str, more: &[&str]) -> Output {
    let command = commands.iter().find(|command| command.iter().any(|part| part == word)).unwrap();
    let words: Vec<&str> = command.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let done = world.plumb(&words);
    assert_code(&done, 0);
    done
}

/// Cells of each tab-separated line behind the first.
fn rows(done: &Output) -> Vec<Vec<&str>> {
    done.stdout.lines().skip(1).map(|line| line.split('\t').collect()).collect()
}

#[test]
fn the_demo_measures_both_hosts_on_both_days_and_its_commands_show_them() {
    let world = world();
    let (done, commands) = demo(&world);
    assert_eq!(done.stdout.matches("2 hosts  2 measured").count(), 2, "{}", done.stdout);
    for day in ["== 2026-03-01T10:00:00.000000Z\n", "== 2026-03-08T10:00:00.000000Z\n"] {
        assert!(done.stdout.contains(day), "{day:?} is missing");
    }
    let verbs: Vec<&str> = commands.iter().map(|command| command[2].as_str()).collect();
    assert_eq!(verbs, ["posture", "posture", "diff", "history", "ledger"]);

    let both = run(&world, &commands[..1], "posture", &[]);
    let hosts: Vec<&str> = rows(&both).iter().map(|row| row[0]).collect();
    assert_eq!(hosts, ["demo-db", "demo-web"]);

    // The root login was let in by a drop-in of the second day; whoever asks for the first day does not see it.
    let now = json(&run(&world, &commands[..1], "posture", &["demo-web", "--format", "json"]));
    let then = json(&run(&world, &commands, "--at", &["--format", "json"]));
    let status = |posture: &serde_json::Value, id: &str| {
        let rules = posture["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["rule_id"] == id).unwrap()["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(&then, "sshd_permit_root_login"), "pass");
    assert_eq!(status(&now, "sshd_permit_root_login"), "fail");
    assert_eq!(status(&then, "sysctl_send_redirects"), "fail");
    assert_eq!(status(&now, "sysctl_send_redirects"), "pass");

    // No setting of the demo is a secret: what was found of a file named passwd is no password.
    let shown = run(&world, &commands[..1], "posture", &["demo-web", "--format", "csv"]);
    assert!(shown.stdout.contains("file_etc_passwd") && !shown.stdout.contains("<masked>"));

    let diff = run(&world, &commands, "diff", &[]);
    let differences: BTreeMap<&str, &str> = rows(&diff).iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(
        differences,
        BTreeMap::from([
            ("journald_storage", "became_passing"),
            ("login_defs_pass_max_days", "value_changed"),
            ("sshd_max_auth_tries", "value_changed"),
            ("sshd_permit_root_login", "became_failing"),
            ("sysctl_log_martians", "became_passing"),
            ("sysctl_secure_redirects", "became_passing"),
            ("sysctl_send_redirects", "became_passing"),
            ("walk_world_writable_files", "became_passing"),
        ])
    );

    let history = run(&world, &commands, "history", &[]);
    let newest: Vec<(&str, &str)> = rows(&history).iter().take(8).map(|row| (row[0], row[1])).collect();
    assert!(newest.iter().all(|(at, _)| at.starts_with("2026-03-08T10:00:00")), "{newest:?}");
    assert!(newest.iter().any(|(_, rule)| *rule == "sshd_permit_root_login"), "{newest:?}");

    let verified = run(&world, &commands, "ledger", &[]);
    assert!(verified.stdout.starts_with("verified "), "{}", verified.stdout);
}

#[test]
fn a_folder_that_holds_a_demo_is_not_overwritten() {
    let world = world();
    let (_done, commands) = demo(&world);
    let folder = &commands[0][1];
    assert_refused(&world.plumb(&["demo", "--folder", folder]), 64, "holds a demo already");
}
