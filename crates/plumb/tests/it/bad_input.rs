//! What is broken, hostile or missing: each costs one clear line and its own exit status, and nothing else.

mod answers;
mod data;

use std::fs;

use crate::support::{World, assert_code, assert_refused, at, host, rule, shell_rule, world, yes};

#[test]
fn a_fault_in_a_rule_file_is_told_with_its_place_before_any_host_is_contacted() {
    let (world, host) = (world(), host());
    let wrong = rule("typo", "medium", "{command: {run: 'true', equall: \"yes\"}}");
    let content = world.content(&[shell_rule("fine", "echo yes"), wrong]);
    let done = world.scan(&host, &["--content", &content]);
    // The eighth line of the file; the key stands behind `check: {command: {run: 'true', `.
    assert_refused(&done, 78, "content/rules/test/typo.yaml:8:32");
    assert!(done.stderr.contains("equall"), "{}", done.stderr);
    assert_eq!(crate::support::logins(&host.sshd_log().unwrap()), 0);
}

#[test]
fn content_that_is_no_content_is_refused_in_one_line() {
    let world = world();
    let empty = world.path("empty");
    fs::create_dir(&empty).unwrap();
    let shaped = |name: &str, bytes: &[u8]| {
        let folder = world.path(name);
        fs::create_dir_all(folder.join("rules")).unwrap();
        fs::write(folder.join("rules/a.yaml"), bytes).unwrap();
        folder
    };
    let table = [
        (world.path("missing"), "missing"),
        (empty, "holds no rules"),
        (shaped("binary", b"\xff\xfe\x00"), "a.yaml"),
        (shaped("twice", b"id: a\nid: a\n"), "a.yaml:2:1"),
        (shaped("deep", &[b'['; 100_000]), "a.yaml"),
        (shaped("large", &vec![b' '; 300_000]), "a.yaml"),
    ];
    for (folder, words) in table {
        let done = world.plumb(&["scan", "localhost", "--content", folder.to_str().unwrap()]);
        assert_refused(&done, 78, words);
    }
    assert!(!world.data().exists(), "nothing was made for a command that could not begin");
}

/// Usage errors are 64 and never 2 (LIF-08).
#[test]
fn a_command_line_that_makes_no_sense_is_a_usage_error() {
    let world = world();
    let table: &[&[&str]] = &[
        &["scan"],
        &["scna"],
        &["scan", "localhost", "--no-such-option"],
        &["scan", "localhost", "--concurrency", "0"],
        &["scan", "localhost", "--concurrency", "257"],
        &["scan", "localhost", "--format", "xml"],
        &["scan", "localhost", "--ask-sudo-password"],
        &["posture", "--at", "yesterday"],
        &["evidence", "abc"],
    ];
    for words in table {
        let done = world.plumb(words);
        assert_code(&done, 64);
        assert_eq!(done.stdout, "", "{words:?}");
        assert!(!done.stderr.is_empty(), "{words:?}");
    }
    assert!(!world.data().exists());
}

/// A place that no ledger can have is a usage error that names the argument and the range, and no fault of ours; the
/// last one that it can have is an ordinary question (LIF-08).
#[test]
fn a_place_beyond_every_ledger_is_a_usage_error() {
    let world = world();
    let commands: &[(&[&str], &str)] = &[
        (&["history", "localhost", "--before"], "--before <INDEX>"),
        (&["fact", "history", "fleet:web", "n", "--before"], "--before <SEQ>"),
        (&["fact", "history", "host:localhost", "rule/yes_rule", "--before"], "--before <SEQ>"),
        (&["fact", "as-of", "fleet:web", "--recorded-at"], "--recorded-at <POINT>"),
        (&["fact", "diff", "fleet:web", "--from"], "--from <POINT>"),
        (&["fact", "diff", "fleet:web", "--from", "1", "--to"], "--to <POINT>"),
        (&["edge", "list", "fleet:web", "--recorded-at"], "--recorded-at <POINT>"),
        (&["ledger", "prove", "--index"], "--index <N>"),
        (&["ledger", "prove", "--consistency"], "--consistency <OLD>"),
        (&["ledger", "prove", "--index", "1", "--size"], "--size <N>"),
        (&["ledger", "erase", "--reason", "r", "--approved-by", "ada"], "<INDEX>"),
    ];
    let content = yes(&world);
    let run = |words: &[&str], number: &str| {
        world.plumb(&[&["--content", content.as_str()], words, &[number]].concat())
    };
    for (words, argument) in commands {
        for beyond in ["9223372036854775808", "18446744073709551615", "18446744073709551616"] {
            let done = run(words, beyond);
            assert_code(&done, 64);
            let named =
                done.stderr.contains(argument) && done.stderr.contains("from 0 to 9223372036854775807");
            assert!(named, "{words:?}: {}", done.stderr);
        }
    }
    assert!(!world.data().exists());
    assert_code(&world.plumb(&["--content", &content, "scan", "localhost"]), 0);
    for (words, _argument) in commands {
        let done = run(words, "9223372036854775807");
        assert!([Some(0), Some(64)].contains(&done.code), "{words:?}: {done:?}");
    }
}

#[test]
fn a_database_address_that_cannot_be_used_is_refused_without_its_password() {
    let table = [
        ("postgres://ann:hush-hush@/plumb", "names no host"),
        ("postgresql://ann:hush-hush@db.example.org:99999/plumb", "invalid port number"),
        ("mysql://ann:hush-hush@db.example.org/plumb", "mysql"),
        ("hush-hush", "unknown scheme"),
        ("sqlite:", "names no file"),
        ("sqlite::memory:", "names a database in memory"),
    ];
    for (url, words) in table {
        let world = world().env("PLUMB_DATABASE_URL", url);
        let done = world.plumb(&["scan", "localhost"]);
        assert_refused(&done, 78, words);
        if url.contains("://") {
            assert!(!done.stderr.contains("hush-hush"), "{}", done.stderr);
        }
    }
}

#[test]
fn an_account_without_a_shell_is_told_apart_from_a_wrong_password() {
    let (world, host) = (world(), host());
    let content = yes(&world);
    for (user, shell) in [("none", "/usr/sbin/nologin"), ("gone", "/no/such/shell"), ("mute", "/bin/true")] {
        host.add_user(user, "not used here", "/bin/bash", testkit::host::Sudo::None).unwrap();
        host.authorize(user).unwrap();
        host.must(&format!("usermod -s {shell} {user} 2>/dev/null")).unwrap();
        let done = world.scan_as(user, &host, &["--content", &content]);
        assert_code(&done, 3);
        // OpenSSH itself refuses an account whose shell is not there.
        let reason = if user == "gone" { "auth_failed" } else { "engine_error: no usable shell" };
        assert!(done.stdout.contains(&format!("NOT MEASURED  {reason}")), "{user}: {}", done.stdout);
        assert!(done.stdout.contains("\nhint: "), "{}", done.stdout);
    }
}

#[test]
fn a_login_script_that_never_stops_talking_ends_the_scan_of_that_host_only() {
    let (world, host) = (world(), host());
    host.add_user("loud", "not used here", "/bin/bash", testkit::host::Sudo::None).unwrap();
    host.authorize("loud").unwrap();
    host.must("echo 'yes welcome' >/home/loud/.bashrc").unwrap();
    let content = yes(&world);
    let done = world.scan_as("loud", &host, &["--content", &content]);
    assert_code(&done, 3);
    assert!(done.stdout.contains("NOT MEASURED  engine_error"), "{}", done.stdout);
    assert!(done.stdout.contains("\nhint: check what the account's login scripts print"), "{}", done.stdout);
    assert!(done.stdout.len() < 2_000);
    assert_code(&world.scan(&host, &["--content", &content]), 0);
}

/// TLW-34: a host that prints what it should not have.
#[test]
fn secrets_that_a_host_prints_are_in_no_output_no_export_and_no_byte_of_the_database() {
    const PASSWORD: &str = "violet-anchor-93";
    const TOKEN: &str = "swordfish-8842";
    const KEY_LINE: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ";
    let host = host();
    host.add_user("ann", PASSWORD, "/bin/bash", testkit::host::Sudo::None).unwrap();
    let block = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY_LINE}\n-----END OPENSSH PRIVATE KEY-----");
    // The rules' own texts name no secret, so wherever one is found, the host's answer brought it there.
    host.must(&format!(
        "printf '%s\\n' '{block}' >/etc/leaked_key; echo 'it is {PASSWORD} here' >/etc/leaked"
    ))
    .unwrap();
    host.must(&format!("echo 'password={TOKEN}' >/etc/leaked_token; chmod 644 /etc/leaked*")).unwrap();
    let world = world().env("PLUMB_SSH_PASSWORD", PASSWORD);
    let content = world.content(&[
        shell_rule("password", "cat /etc/leaked"),
        shell_rule("on_stderr", "cat /etc/leaked >&2; exit 127"),
        shell_rule("key", "cat /etc/leaked_key"),
        shell_rule("token", "cat /etc/leaked_token"),
    ]);
    let mut said = String::new();
    for format in ["human", "json", "jsonl", "csv", "sarif", "junit"] {
        let words = ["scan", &at("ann", &host), "--content", &content, "-v", "--format", format];
        let done = world.plumb(&words);
        assert_code(&done, 2);
        said += &(done.stdout + &done.stderr);
    }
    for command in ["why", "history", "posture"] {
        let name = at("ann", &host);
        let words: Vec<&str> = match command {
            "why" => vec!["why", "key", "--host", &name, "--format", "json"],
            other => vec![other, &name, "--format", "json"],
        };
        said += &world.plumb(&words).stdout;
    }
    let exported = assert_nowhere(&world, &said, &[PASSWORD, TOKEN, KEY_LINE]);
    assert!(exported.contains("on_stderr"), "the export holds what was measured");
    assert!(said.contains("masked") || exported.contains("masked"), "masking is noted");
}

/// Asserts that secrets are in no output, no export and no byte of the database; returns the export.
#[track_caller]
fn assert_nowhere(world: &World, said: &str, secrets: &[&str]) -> String {
    let exported = crate::support::exported(world);
    let mut stored = String::new();
    for entry in fs::read_dir(world.data()).unwrap() {
        stored += &String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap());
    }
    for (place, text) in [("output", said), ("export", &exported), ("database", &stored)] {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in the {place}");
        }
    }
    exported
}

/// TLW-34: a platform is kept with its host and stands at the top of every report.
#[test]
fn a_platform_that_is_named_like_the_password_is_kept_and_shown_without_it() {
    const PASSWORD: &str = "violet-anchor-93";
    let host = host();
    host.add_user("ann", PASSWORD, "/bin/bash", testkit::host::Sudo::None).unwrap();
    let lines =
        format!("PRETTY_NAME=\"Debian {PASSWORD} GNU\"\nVERSION_ID=\"{PASSWORD}\"\nID_LIKE={PASSWORD}");
    host.must(&format!(
        "printf '%s\\n' 'ID=debian' '{lines}' >/etc/os-release.new; mv /etc/os-release.new /etc/os-release"
    ))
    .unwrap();
    let world = world().env("PLUMB_SSH_PASSWORD", PASSWORD);
    let content = yes(&world);
    let mut said = String::new();
    for format in ["human", "json", "jsonl", "csv", "sarif", "junit", "html", "xccdf", "arf", "oscal"] {
        let done = world.plumb(&["scan", &at("ann", &host), "--content", &content, "-v", "--format", format]);
        assert_code(&done, 0);
        said += &(done.stdout + &done.stderr);
    }
    let name = at("ann", &host);
    for words in
        [["host", "show", &name], ["posture", &name, "--format=json"], ["host", "list", "--format=json"]]
    {
        said += &world.plumb(&words).stdout;
    }
    assert!(said.contains("Debian <masked> GNU"), "{said}");
    // The rule that was there for no other platform is gone, and why is said.
    let other =
        world.content(&[("yes_rule", shell_rule("yes_rule", "echo yes").1.replace("debian", "alpine"))]);
    let done = world.plumb(&["scan", &name, "--content", &other]);
    assert!(done.stdout.contains("no rule applies to Debian <masked> GNU"), "{}", done.stdout);
    assert_nowhere(&world, &(said + &done.stdout + &done.stderr), &[PASSWORD]);
}

/// TLW-34: what came instead of a shell is shown in part and escaped, and the password is not in that either.
#[test]
fn a_login_script_that_prints_the_password_and_ends_is_quoted_without_it() {
    const PASSWORD: &str = "violet-\u{e4}nchor-93";
    let host = host();
    host.add_user("ann", PASSWORD, "/bin/bash", testkit::host::Sudo::None).unwrap();
    let world = world().env("PLUMB_SSH_PASSWORD", PASSWORD);
    let content = yes(&world);
    let mut said = String::new();
    // Whole, and where what is shown is cut, which is at 200 bytes.
    for before in [0, 190] {
        let script = format!("echo '{} {PASSWORD}'; exit 0\n", "x".repeat(before));
        host.must(&format!("cat >/home/ann/.bashrc <<'END'\n{script}END")).unwrap();
        let done = world.plumb(&["scan", &at("ann", &host), "--content", &content, "--format", "json"]);
        assert_code(&done, 3);
        assert!(done.stdout.contains("the host sent: "), "{}", done.stdout);
        said += &(done.stdout + &done.stderr);
    }
    assert!(said.contains("<masked>"), "{said}");
    assert_nowhere(&world, &said, &[PASSWORD, "violet-", "nchor-93"]);
}
