//! Where results and progress go: each format, the output file, silence, and a terminal.

use serde_json::Value;

use crate::support::{World, assert_code, at, host, json, key, mode, rule, shell_rule, world};

fn two_rules(world: &World) -> String {
    world.content(&[
        shell_rule("good", "echo yes"),
        rule("bad", "high", "{command: {run: echo no, equal: \"yes\"}}"),
    ])
}

#[test]
fn every_format_is_what_it_says() {
    let (world, host) = (world(), host());
    let content = two_rules(&world);
    let scan = |format: &str| {
        let done = world.scan(&host, &["--content", &content, "--format", format]);
        assert_code(&done, 2);
        done
    };
    let document = json(&scan("json"));
    assert_eq!(document["schema"], "plumbline.scan_report/1");
    assert_eq!(document["hosts"][0]["counts"]["selected"], 2);

    let lines = scan("jsonl").stdout;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["result", "result", "host"]);

    let sarif = json(&scan("sarif"));
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "bad");

    let junit = scan("junit").stdout;
    assert!(junit.starts_with("<?xml ") && junit.trim_end().ends_with("</testsuites>"), "{junit}");
    assert_eq!((junit.matches("<testcase ").count(), junit.matches("<failure").count()), (2, 1));

    let csv = scan("csv").stdout;
    assert_eq!(csv.matches("\r\n").count(), 3, "a header and a record a result: {csv}");

    let human = scan("human").stdout;
    assert!(human.contains("\n  FAIL   high      bad  Title of bad\n"), "{human}");
    assert!(human.contains("\n         expected  yes\n         found     no"), "{human}");
    assert!(!human.contains("good"), "what passes is listed only when asked for: {human}");
}

#[test]
fn results_go_to_a_file_whole_and_for_nobody_else_to_read() {
    let (world, host) = (world(), host());
    let content = two_rules(&world);
    let file = world.path("report.json");
    std::fs::write(&file, "what was there before").unwrap();
    let path = file.to_str().unwrap();
    let done = world.scan(&host, &["--content", &content, "--format", "json", "--output", path]);
    assert_code(&done, 2);
    assert_eq!(done.stdout, "");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(written["hosts"][0]["counts"]["selected"], 2);
    assert_eq!(mode(&file), 0o600);
    let beside: Vec<_> = std::fs::read_dir(file.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("report"))
        .collect();
    assert_eq!(beside, ["report.json"], "no part is left beside it");
}

#[test]
fn an_output_file_that_cannot_be_written_is_told_in_one_line_and_the_scan_is_recorded() {
    let (world, host) = (world(), host());
    let content = two_rules(&world);
    assert_code(&world.scan(&host, &["--content", &content]), 2);
    let done = world.scan(&host, &["--content", &content, "--quiet", "--output", "/proc/no/such/folder"]);
    crate::support::assert_refused(&done, 69, "/proc/no/such/folder");
    assert_eq!(world.last_scan(&at("root", &host))["status"], "completed");
}

/// SSH-06: that a key was trusted unseen is a warning, and no note.
#[test]
fn quiet_says_nothing_on_standard_error_but_that_a_key_was_trusted_at_first_use() {
    let (world, host) = (world(), host());
    let content = two_rules(&world);
    for trusted in [1, 0] {
        let done = world.scan(&host, &["--content", &content, "--quiet"]);
        assert_code(&done, 2);
        assert_eq!(done.stderr.matches("at first use\n").count(), trusted, "{}", done.stderr);
        assert_eq!(done.stderr.lines().count(), trusted, "{}", done.stderr);
        assert!(done.stdout.contains("bad"));
    }
}

#[test]
fn without_a_terminal_progress_is_plain_lines_on_standard_error() {
    let (world, host) = (world(), host());
    let content = two_rules(&world);
    let done = world.scan(&host, &["--content", &content]);
    let name = at("root", &host);
    let lines: Vec<&str> = done.stderr.lines().filter(|line| line.starts_with(&name)).collect();
    assert_eq!(lines, [format!("{name}: scanning"), format!("{name}: done")]);
    assert!(!(done.stdout + &done.stderr).contains('\x1b'));
}

#[test]
fn on_a_terminal_a_bar_shows_progress_and_goes_before_the_results() {
    let (world, host) = (world(), host());
    let content = two_rules(&world);
    let (target, key) = (at("root", &host), key(&host));
    let words = ["scan", &target, "-i", &key, "--content", &content];
    let done = world.run_in_terminal(&words, 100).unwrap();
    assert_code(&done, 2);
    let results = done.stdout.find("\x1b[1;31mFAIL").expect("results are in color on a terminal");
    let (progress, results) = done.stdout.split_at(results);
    assert!(progress.contains("connecting") && progress.contains("\x1b["), "{progress:?}");
    assert!(!results.contains("measuring") && !results.contains("connecting"), "{results:?}");

    let plain = world.env("NO_COLOR", "1").run_in_terminal(&words, 100).unwrap();
    assert!(plain.stdout.contains("\n  FAIL   high"), "{:?}", plain.stdout);
}

#[test]
fn on_a_terminal_every_host_of_many_is_shown_while_it_is_scanned() {
    let (world, host) = (world(), host());
    let content = two_rules(&world);
    let (target, key) = (at("root", &host), key(&host));
    // Nobody listens on port 1 of these addresses.
    let absent: Vec<String> = (1..30).map(|n| format!("root@127.0.9.{n}:1")).collect();
    let mut words: Vec<&str> = absent.iter().map(String::as_str).collect();
    words.insert(0, "scan");
    words.extend([target.as_str(), "-i", &key, "--content", &content, "-j", "1"]);
    let done = world.run_in_terminal(&words, 100).unwrap();
    assert_code(&done, 2);
    let (progress, results) = done.stdout.split_at(done.stdout.find("\x1b[1;31mFAIL").unwrap());
    assert!(progress.contains("29/30  hosts done"), "{progress:?}");
    assert!(progress.contains(&target), "{progress:?}");
    assert!(!results.contains("hosts done"), "{results:?}");
}
