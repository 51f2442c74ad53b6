//! The command line itself: help, exit statuses, errors, JSON for lists, closed pipes, the inventory, and that
//! every command of the README and of the guide runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::host::{Sudo, TestHost};
use testkit::process::{self, Output};
use testkit::wait;

use crate::database::tamper;
use crate::ours::{closed, folder};
use crate::support::{World, assert_code, assert_refused, at, at_port, host, json, key, world};

/// Returns the names below a heading of a help text.
fn names(help: &str, heading: &str) -> Vec<String> {
    let below = help.lines().skip_while(|line| *line != heading).skip(1);
    let lines = below.take_while(|line| line.starts_with("  "));
    lines
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Asks for help of a command and of all below it; returns the commands that have none below.
pub(crate) fn walk(world: &World, command: &[String]) -> Vec<String> {
    let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
    words.push("--help");
    let done = world.plumb(&words);
    assert_code(&done, 0);
    assert_eq!(done.stderr, "");
    let usage = format!("Usage: plumb {}", command.join(" "));
    assert!(done.stdout.contains(usage.trim_end()), "{usage:?}:\n{}", done.stdout);
    assert!(!done.stdout.starts_with("Usage"), "plumb {} says not what it is for", command.join(" "));
    let below = names(&done.stdout, "Commands:");
    if below.is_empty() {
        return vec![command.join(" ")];
    }
    below.iter().flat_map(|name| walk(world, &[command, std::slice::from_ref(name)].concat())).collect()
}

#[test]
fn every_command_has_help() {
    let world = world();
    let found: BTreeSet<String> = walk(&world, &[]).into_iter().collect();
    let expected = "scan|why|posture|history|diff|evidence|host add|host list|host show|host remove|known-hosts list|\
                    known-hosts import|known-hosts approve|known-hosts revoke|rules list|rules show|rules explain|rules lint|\
                    rules test|rules schema|ledger status|ledger verify|ledger export|state verify|verify|demo";
    let missing: Vec<&str> = expected.split('|').filter(|command| !found.contains(*command)).collect();
    assert!(missing.is_empty(), "{missing:?} of {found:?}");
    assert!(!world.data().exists(), "asking for help makes nothing");
}

#[test]
fn help_keeps_the_options_of_a_command_apart_from_those_of_all() {
    let help = world().plumb(&["rules", "coverage", "--help"]).stdout;
    let (own, all) = help.split_once("\nOptions of every command:\n").unwrap();
    for option in ["--framework", "--edition", "--level", "--format"] {
        assert!(own.contains(option) && !all.contains(option), "{option}:\n{help}");
    }
    for option in ["--data-dir", "--content", "--tailoring", "--quiet"] {
        assert!(all.contains(option) && !own.contains(option), "{option}:\n{help}");
    }
}

#[test]
fn the_version_is_the_one_of_the_package() {
    for word in ["--version", "-V"] {
        let done = world().plumb(&[word]);
        assert_code(&done, 0);
        assert_eq!(done.stdout, format!("plumb {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn wrong_use_is_64_with_nothing_on_standard_output_lif_08() {
    let world = world();
    for words in [
        &["--no-such-flag"][..],
        &["no-such-command"],
        &["scan"],
        &["scan", "localhost", "--format", "xml"],
        &["scan", "localhost", "--concurrency", "0"],
        &["scan", "localhost", "--severity", "urgent"],
        &["posture", "--at", "yesterday"],
        &["history", "localhost", "--limit", "501"],
        &["evidence", "abc"],
        &["verify", "."],
        &["known-hosts", "approve", "web-1"],
        &[],
    ] {
        let done = world.plumb(words);
        assert_code(&done, 64);
        assert_eq!(done.stdout, "", "{words:?}");
        assert!(!done.stderr.is_empty(), "{words:?}");
    }
    assert!(!world.data().exists());
}

/// A command, its exit status, and why.
type Case<'a> = (Vec<&'a str>, i32);

fn assert_codes(world: &World, cases: &[Case<'_>]) {
    for (words, code) in cases {
        let done = world.plumb(words);
        assert_eq!(done.code, Some(*code), "{words:?}: {done:?}");
    }
}

#[test]
fn each_status_means_one_thing_in_every_family_of_commands_lif_08() {
    let (world, host) = (world(), host());
    let missing = "0".repeat(64);
    // Before anything was recorded.
    assert_codes(
        &world,
        &[(vec!["posture"], 69), (vec!["ledger", "verify"], 69), (vec!["evidence", &missing], 69)],
    );
    host.must("install -m 0600 /dev/null /etc/plumb_good").unwrap();
    let content = folder(&world, "ours", &[closed("good", "low"), closed("bad", "low")]);
    let broken = folder(&world, "broken", &[("bad".into(), "id: bad\n".into())]);
    let (target, key, name) = (at("root", &host), key(&host), at("root", &host));
    let nobody = at_port("root", testkit::net::free_port().unwrap());
    let scan = |rule| vec!["--content", &content, "scan", &target, "-i", &key, "--rule", rule];
    assert_codes(
        &world,
        &[
            (scan("good"), 0),
            (scan("bad"), 2),
            ([scan("bad"), vec!["--fail-on", "high"]].concat(), 0),
            (scan("no_such_rule"), 64),
            (vec!["--content", &content, "scan", &nobody, "-i", &key], 3),
            (vec!["--content", &broken, "scan", &target, "-i", &key], 78),
            (vec!["--content", &broken, "rules", "lint"], 2),
            (vec!["--content", "/no/such/folder", "rules", "list"], 78),
            (vec!["posture", &name], 0),
            (vec!["posture", "nowhere"], 64),
            (vec!["why", "no_such_rule", "--host", &name], 64),
            (vec!["history", "nowhere"], 64),
            (vec!["evidence", &missing], 64),
            (vec!["host", "list"], 0),
            (vec!["host", "show", "nowhere"], 64),
            (vec!["known-hosts", "revoke", "SHA256:none", "--reason", "test"], 64),
            (vec!["rules", "explain", "no_such_rule"], 64),
            (vec!["ledger", "verify"], 0),
            (vec!["state", "verify"], 0),
            (vec!["verify", "/no/such/bundle", "--vkey", "x+1+y"], 64),
        ],
    );
    // A tile that is gone is nothing a user did: the writer stops and says so, the verifier answers.
    tamper(&world.database(), "DELETE FROM log_tiles;");
    assert_codes(&world, &[(vec!["host", "add", "192.0.2.1"], 70), (vec!["ledger", "verify"], 2)]);
    fs::write(world.data().join("plumb.db"), "not a database, and long enough to be looked at".repeat(100))
        .unwrap();
    assert_codes(&world, &[(vec!["posture"], 69)]);
}

#[test]
fn an_error_is_one_line_and_a_hint_err_12() {
    let world = world();
    let database = world.database().display().to_string();
    let said = |words: &[&str]| world.plumb(words).stderr;
    assert_eq!(
        said(&["posture"]),
        format!(
            "plumb: there is no database at {database}\n\nhint: run `plumb scan` first, or name the data directory by --data-dir\n"
        )
    );
    assert_eq!(
        said(&["rules", "show", "no_such_rule"]),
        "plumb: there is no rule \"no_such_rule\"\n\nhint: `plumb rules list` shows the rules\n"
    );
    assert_eq!(
        said(&["verify", "/no/such/bundle", "--vkey", "x"]).lines().last(),
        Some("hint: copy it from `plumb ledger status` on the machine that signs, quotes included")
    );
    assert_code(&world.plumb(&["host", "add", "192.0.2.10", "--name", "web-1"]), 0);
    assert_eq!(
        said(&["posture", "web-2"]),
        "plumb: there is no host \"web-2\"\n\nhint: `plumb host list` shows the saved hosts\n"
    );
    // A terminal is not steered by what a message quotes.
    let done = world.plumb(&["posture", "web\u{1b}[31m\n2"]);
    assert!(!done.stderr.contains('\u{1b}'), "{:?}", done.stderr);
    assert_refused(&done, 64, "there is no host");
}

#[test]
fn every_list_is_json_on_request_and_rows_without() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("aaa", "low")]);
    world.scan(&host, &["--content", &content]);
    let name = at("root", &host);
    let lists: &[&[&str]] = &[
        &["rules", "list"],
        &["host", "list"],
        &["host", "show", &name],
        &["known-hosts", "list"],
        &["posture"],
        &["posture", &name],
        &["history", &name],
        &["diff", &name, "--from", "2020-01-01"],
        &["why", "aaa", "--host", &name],
        &["ledger", "status"],
        &["ledger", "verify"],
        &["state", "verify"],
    ];
    for words in lists {
        let done = world.plumb(&[*words, &["--format", "json"]].concat());
        assert_code(&done, 0);
        let document = json(&done);
        assert!(document.is_object() || document.is_array(), "{words:?}");
        let text = world.plumb(words);
        assert_code(&text, 0);
        assert!(serde_json::from_str::<Value>(&text.stdout).is_err(), "{words:?}");
        assert!(!text.stdout.contains('\u{1b}'), "{words:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = world();
    for line in [
        "rules list | head -n 1",
        "rules list --format json | head -c 10",
        "--help | head -n 1",
        "rules schema | true",
    ] {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("set -o pipefail; \"$0\" {line}"), env!("CARGO_BIN_EXE_plumb")]);
        command.current_dir(world.home());
        let done = process::run(command, b"", wait::LONG).unwrap();
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn hosts_are_added_shown_and_removed_and_their_history_stays() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("aaa", "low")]);
    let (target, key) = (at("root", &host), key(&host));
    let add = ["host", "add", &target, "--name", "web-1", "-i", &key];
    assert_code(&world.plumb(&add), 0);
    assert_refused(&world.plumb(&add), 64, "is saved already as web-1");
    assert_refused(&world.plumb(&["host", "add", "192.0.2.1", "--profile", "no_such"]), 64, "no_such");
    // A saved host needs no more than its name.
    assert_code(&world.plumb(&["--content", &content, "scan", "web-1"]), 2);
    let listed = json(&world.plumb(&["host", "list", "--format", "json"]))["hosts"].clone();
    let saved = &listed[0]["host"];
    assert_eq!(
        (&saved["name"], &saved["address"], &saved["username"]),
        (&"web-1".into(), &"127.0.0.1".into(), &"root".into())
    );
    assert_eq!((&saved["port"], &saved["identity_file"]), (&host.port().into(), &key.as_str().into()));
    assert_eq!(listed[0]["posture"]["fail_count"], 1);
    let keys = json(&world.plumb(&["known-hosts", "list", "--format", "json"]))["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 1);
    let known = &keys[0]["key"];
    assert_eq!((&known["source"], &known["port"]), (&"first_use".into(), &host.port().into()));
    let line = host.host_key_line();
    assert_eq!(known["wire_key"], line.split_whitespace().nth(2).unwrap());
    let shown = world.plumb(&["host", "show", "web-1"]);
    assert_code(&shown, 0);
    assert_eq!(shown.stdout.lines().count(), 2, "{}", shown.stdout);

    assert_code(&world.plumb(&["host", "remove", "web-1"]), 0);
    assert_eq!(json(&world.plumb(&["host", "list", "--format", "json"]))["hosts"], serde_json::json!([]));
    assert_eq!(json(&world.plumb(&["posture", "--format", "json"]))["postures"], serde_json::json!([]));
    assert_refused(&world.plumb(&["host", "remove", "web-1"]), 64, "was removed before");
    let history = json(&world.plumb(&["history", "web-1", "--format", "json"]));
    assert_eq!(history["changes"].as_array().unwrap().len(), 1);
    // The name is free for another host.
    assert_code(&world.plumb(&["host", "add", "192.0.2.7", "--name", "web-1"]), 0);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}

/// Returns the commands in the `sh` blocks of a page, without their comments.
fn commands(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = fs::read_to_string(path).unwrap();
    let (mut found, mut in_block) = (Vec::new(), false);
    for line in text.lines() {
        match line {
            "```sh" => in_block = true,
            "```" => in_block = false,
            line if in_block => found.push(line.split(" # ").next().unwrap().trim().to_owned()),
            _ => {}
        }
    }
    found
}

/// A home like that of the page's reader: a host `web-1` where `admin` has a key and all of sudo. It stands in
/// for the reader's own machine too, as `here`, because this one may be large and of any kind.
pub(crate) fn reader(world: &World) -> TestHost {
    let host = host();
    host.add_user("admin", "pw-12345", "/bin/bash", Sudo::NoPassword).unwrap();
    host.authorize("admin").unwrap();
    let ssh = world.home().join(".ssh");
    fs::create_dir(&ssh).unwrap();
    let (port, key) = (host.port(), key(&host));
    let place = |name: &str, address: &str| {
        format!("Host {name}\n  HostName {address}\n  Port {port}\n  IdentityFile {key}\n")
    };
    // Two addresses, for a host is known by its address and port.
    fs::write(ssh.join("config"), place("web-1", "127.0.0.1") + &place("here", "localhost")).unwrap();
    host
}

/// Runs a command as it stands on a page, but for what only the reader has.
fn run_as_written(world: &World, line: &str, vkey: &str) -> Output {
    let line = line.replace("cargo run --locked -- ", "plumb ").replace(" --ask-sudo-password", "");
    let line = line.replace("localhost", "here");
    let line = line.replace("--vkey KEY", &format!("--vkey '{vkey}'"));
    let mut command = world.command::<&str>(&[]);
    let place = Path::new(env!("CARGO_BIN_EXE_plumb")).parent().unwrap().display().to_string();
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env_clear().current_dir(world.home());
    for (name, value) in command.env("PATH", format!("{place}:/usr/sbin:/usr/bin:/sbin:/bin")).get_envs() {
        shell.env(name, value.unwrap());
    }
    process::run(shell, b"", 2 * wait::LONG).unwrap()
}

/// Runs every command of a page that is ours to run; returns how many those were.
pub(crate) fn run_page(world: &World, page: &str) -> usize {
    let mut n_run = 0;
    for line in commands(page) {
        // The tests themselves, and one page's invitation to break a bundle, are run elsewhere.
        let Some(verb) = line.strip_prefix("plumb ").or_else(|| line.strip_prefix("cargo run --locked -- "))
        else {
            assert!(line == "cargo xtask test" || line.starts_with("printf x >>"), "{page}: {line}");
            continue;
        };
        let status = world.plumb(&["ledger", "status", "--format", "json"]);
        let vkey =
            if status.success() { json(&status)["vkey"].as_str().unwrap().to_owned() } else { String::new() };
        let done = run_as_written(world, &line, &vkey);
        // What a scan of whatever machine this is finds is not the page's promise.
        let fine =
            if verb.starts_with("scan ") { matches!(done.code, Some(0 | 2 | 3)) } else { done.success() };
        assert!(fine, "{page}: {line}: {done:?}");
        n_run += 1;
    }
    n_run
}

#[test]
fn the_machine_itself_is_scanned_without_ssh() {
    let world = world();
    let content = folder(&world, "ours", &[closed("no_such_file_anywhere", "low")]);
    let done = world.plumb(&["--content", &content, "scan", "localhost", "--format", "json"]);
    // 3 where this machine is none that the rule is for.
    assert!(matches!(done.code, Some(2 | 3)), "{done:?}");
    assert_eq!(json(&done)["hosts"][0]["host"], "localhost");
}

#[test]
fn every_command_of_the_readme_and_the_guide_runs() {
    let world = world();
    let _host = reader(&world);
    assert!(run_page(&world, "README.md") >= 6);
    assert!(run_page(&world, "docs/guide/first-scan.md") >= 12);
    assert_eq!(run_page(&world, "docs/guide/reports.md"), 5);
    fs::remove_dir_all(world.home().join("proof")).unwrap();
    assert!(run_page(&world, "docs/guide/verify.md") >= 4);
    assert!(run_page(&world, "docs/guide/keeping.md") >= 12);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
    let web = json(&world.plumb(&["host", "show", "admin@web-1", "--format", "json"]));
    assert_eq!(web["scans"][0]["status"], "completed", "{web:#}");
}
