//! Answers that are endless, late, binary or cut off: the one rule or the one scan they concern is told apart.

use std::fs;
use std::time::Duration;

use testkit::net::DelayProxy;
use testkit::wait;

use crate::support::{
    assert_code, at, at_port, host, json, key, measured, not_measured, one_host, recorded, rule, shell_rule,
    statuses, world,
};

/// Most resident memory of a scan of a host that shouts. KiB; what is read of one answer is 10 MiB at most.
const RESIDENT_KIB_MAX: u64 = 120 << 10;

/// EXE-09.
#[test]
fn a_rule_that_hangs_is_an_error_and_all_others_have_verdicts() {
    let (world, host) = (world(), host());
    let content = world.content(&[
        shell_rule("a_before", "echo yes"),
        rule("b_hangs", "medium", "{command: {run: sleep 1000, equal: \"yes\", timeout_s: 1}}"),
        shell_rule("c_after", "echo yes"),
    ]);
    let done = world.scan(&host, &["--content", &content, "--format", "json"]);
    assert_code(&done, 3);
    let host = one_host(&done);
    let found: Vec<String> =
        statuses(&host).into_iter().map(|(rule, status)| format!("{rule} {status}")).collect();
    assert_eq!(found, ["a_before pass", "b_hangs error", "c_after pass"]);
    assert_eq!(measured(&host)["results"][1]["reason"]["code"], "command_timeout");
}

/// EXE-11.
#[test]
fn a_rule_that_prints_without_end_ends_the_scan_by_name_within_bounded_memory() {
    let (world, host) = (world(), host());
    let content = world.content(&[shell_rule("a_before", "echo yes"), shell_rule("shouts", "exec yes no")]);
    let (target, key) = (at("root", &host), key(&host));
    let mut running =
        world.start(&["scan", &target, "-i", &key, "--content", &content, "--format", "json"]).unwrap();
    let status = format!("/proc/{}/status", running.pid());
    let mut peak = 0;
    let ended = wait::until(wait::LONG, || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let resident = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(resident.unwrap_or(0));
        !running.is_running()
    });
    assert!(ended);
    let done = running.finish(wait::SHORT).unwrap();
    assert_code(&done, 3);
    let seen = one_host(&done);
    assert_eq!(not_measured(&seen), "evidence_oversize");
    assert!(peak > 0 && peak < RESIDENT_KIB_MAX, "{peak} KiB");
    assert_eq!(world.last_scan(&target)["failure_reason"], "evidence_oversize");
    let quiet = world.scan(&host, &["--content", &content, "--rule", "a_before"]);
    assert_code(&quiet, 0);
}

/// EXE-13.
#[test]
fn bytes_that_are_no_text_are_kept_exactly_and_steer_nothing() {
    let (world, host) = (world(), host());
    // NUL, clear screen, invalid UTF-8 and an end of line; POSIX printf takes octal.
    let content = world.content(&[shell_rule("odd", "printf 'a\\\\000b\\\\033[2J\\\\377\\\\n'")]);
    for format in ["human", "json", "jsonl", "csv", "sarif", "junit", "xccdf", "arf", "oscal", "html"] {
        let done = world.scan(&host, &["--content", &content, "--format", format]);
        assert_code(&done, 2);
        let text = done.stdout.replace("\r\n", "\n");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{format}: {text:?}");
    }
    let (target, key) = (at("root", &host), key(&host));
    let words = ["scan", &target, "-i", &key, "--content", &content, "-v"];
    let terminal = world.run_in_terminal(&words, 100).unwrap();
    assert!(!terminal.stdout.contains("\x1b[2Ja") && !terminal.stdout.contains("b\x1b[2J"));

    let seen = world.scan_json(&host, &["--content", &content]);
    let digest = measured(&seen)["results"][0]["evidence_sha256"].as_str().unwrap();
    let evidence = json(&world.plumb(&["evidence", digest]));
    let check = &evidence["checks"][0];
    // base64 of the nine bytes 61 00 62 1b 5b 32 4a ff 0a, by hand from RFC 4648, section 4.
    assert!(check.to_string().contains("YQBiG1sySv8K"), "{check:#}");
    assert!(check.to_string().contains("base64"), "{check:#}");
    assert_eq!(check["output_len"], 9);
}

/// EXE-12. Of more than 4 MiB not enough is kept to judge, and that is said.
#[test]
fn a_long_answer_is_cut_in_the_evidence_which_says_so_and_keeps_its_length() {
    let (world, host) = (world(), host());
    let print = |n: u32| format!("head -c {n} /dev/zero | tr '\\\\0' x");
    let content =
        world.content(&[shell_rule("a_long", &print(3_000_000)), shell_rule("b_longer", &print(5_000_000))]);
    let seen = world.scan_json(&host, &["--content", &content]);
    let results = measured(&seen)["results"].as_array().unwrap();
    let evidence = |i: usize| {
        let done = world.plumb(&["evidence", results[i]["evidence_sha256"].as_str().unwrap()]);
        assert_code(&done, 0);
        assert!(done.stdout.len() <= 262_144, "{}", done.stdout.len());
        json(&done)
    };
    assert_eq!(results[0]["status"], "fail");
    assert_eq!(evidence(0)["checks"][0]["output_len"], 3_000_000);
    assert_eq!(results[1]["status"], "error");
    assert_eq!(results[1]["reason"]["code"], "output_cut");
    let cut = evidence(1);
    assert!(cut["error"]["text"].as_str().unwrap().contains("5000000 bytes"));
    let check = &cut["checks"][0];
    assert_eq!((&check["output_len"], &check["cut"]), (&5_000_000.into(), &true.into()));
    // By sha256sum(1), over 5,000,000 times x.
    assert_eq!(check["output_sha256"], "03a7bd518f3e4ecac11f2e77f7437928ba5d80ac0b2b26a523d90e7628bfd59b");
    assert_eq!(check["output"]["text"], "x".repeat(65_536));
    assert_eq!(check["command"], "head -c 5000000 /dev/zero | tr '\\0' x");
}

/// EXE-14.
#[test]
fn a_missing_tool_is_an_error_and_another_exit_status_is_a_verdict() {
    let (world, host) = (world(), host());
    let content = world.content(&[
        shell_rule("missing_tool", "plumb-no-such-tool"),
        shell_rule("not_executable", "/etc/passwd"),
        shell_rule("says_no", "exit 1"),
        shell_rule("kills_itself", "kill -9 $$"),
        shell_rule("two_lines", "printf 'yes\\\\n\\\\n'"),
        shell_rule("syntax", "if then ("),
    ]);
    let seen = one_host(&world.scan(&host, &["--content", &content, "--format", "json"]));
    let found = statuses(&seen);
    let table = [
        ("missing_tool", "error"),
        ("not_executable", "error"),
        ("says_no", "fail"),
        // Exactly one line feed is taken off the end.
        ("two_lines", "fail"),
    ];
    for (rule, status) in table {
        assert_eq!(found[rule], status, "{rule}");
    }
    assert_ne!(found["kills_itself"], "pass");
    assert_ne!(found["syntax"], "pass");
}

/// EXE-15: the link breaks at many places, and each time nothing of the scan is applied.
#[test]
fn a_link_that_breaks_anywhere_leaves_the_state_as_it_was() {
    let (world, host) = (world(), host());
    let link = DelayProxy::start(host.port(), Duration::ZERO).unwrap();
    // Different texts, for the same one is sent once for all rules; long answers, so that logging in weighs little.
    let rule = |i: u32| shell_rule(&format!("rule_{i}"), &format!("cat /etc/passwd /etc/answer; echo {i}"));
    let rules: Vec<_> = (0..40).map(rule).collect();
    let content = world.content(&rules);
    host.must("echo one >/etc/answer").unwrap();
    let (target, key) = (at_port("root", link.port()), key(&host));
    let words = ["scan", &target, "-i", &key, "--content", &content, "--format", "json"];
    assert_code(&world.plumb(&words), 2);
    let whole = link.bytes_from_target();
    let before = recorded(&world);
    host.must("echo two >/etc/answer").unwrap();
    let places = [500, whole / 10, whole * 3 / 10, whole / 2, whole * 7 / 10, whole * 8 / 10];
    for (i, place) in places.into_iter().enumerate() {
        link.cut_after(place);
        let done = world.plumb(&words);
        assert_code(&done, 3);
        let reason = not_measured(&one_host(&done)).to_owned();
        // During the first bytes there is no connection yet that could be lost.
        assert!(reason == "connection_lost" || (i == 0 && reason == "connect_failed"), "{i}: {reason}");
        assert_eq!(recorded(&world), before);
        link.restore();
    }
    let after = one_host(&world.plumb(&words));
    assert_eq!(measured(&after)["scan"]["change_count"], 40);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
    assert_code(&world.plumb(&["state", "verify"]), 0);
}
