//! Scans of real hosts: what is shown, what is recorded, what it costs, and what the exit status says.

mod ending;
mod given;
mod hosts;
pub(crate) mod imported;
mod output;
mod selection;

use serde_json::Value;
use testkit::host::LOGIN_RECORDS;

use crate::support::{
    World, assert_code, at, host, json, logins, measured, mode, one_host, rule, shell_rule, statuses, world,
};

/// Most channels of one scan: the conversation, and the slow lane of walks beside it.
const CHANNELS_MAX: u64 = 2;
/// Most round trips of one scan, login included.
const ROUND_TRIPS_MAX: u64 = 8;
/// Most bytes on the wire for a scan of everything that ships, both ways.
const WIRE_BYTES_MAX: u64 = 300 << 10;

#[track_caller]
fn number(document: &Value, field: &str) -> u64 {
    document[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {document:#}"))
}

#[test]
fn a_first_scan_costs_few_round_trips_and_its_headline_says_how_much_was_assessed() {
    let (world, host) = (world(), host());
    let done = world.scan(&host, &[]);
    assert_code(&done, 2);
    let run = world.last_scan(&at("root", &host));
    assert_eq!((run["status"].as_str(), run["is_full"].as_bool()), (Some("completed"), Some(true)));
    assert!(number(&run, "channel_count") <= CHANNELS_MAX, "{run:#}");
    assert!(number(&run, "round_trip_count") <= ROUND_TRIPS_MAX, "{run:#}");
    assert!(number(&run, "sent_bytes") + number(&run, "received_bytes") <= WIRE_BYTES_MAX, "{run:#}");
    let assessed = number(&run, "pass_count") + number(&run, "fail_count");
    let rest = ["skipped_count", "error_count", "not_applicable_count"].map(|field| number(&run, field));
    let selected = assessed + rest.iter().sum::<u64>();
    let headline = done.stdout.lines().last().unwrap();
    assert!(headline.contains(&format!("   {assessed}/{selected} assessed  ")), "{headline}");
    assert!(selected > 100, "everything that ships for this platform was selected: {headline}");
    // The database and the key are made by the first scan, for nobody else to read.
    assert!(done.stderr.contains("with a new ledger and signing key"), "{}", done.stderr);
    for name in ["plumb.db", "ledger.key"] {
        assert_eq!(mode(&world.data().join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(world.data()), 0o700);
}

/// TLW-03, TLW-04, EXE-16, EXE-24, EXE-25: everything that ships, scanned twice.
#[test]
fn a_second_scan_of_an_unchanged_host_records_no_change_and_changes_nothing_on_the_host() {
    let (world, host) = (world(), host());
    let before = host.snapshot().unwrap().without(LOGIN_RECORDS);
    let first = world.scan_json(&host, &[]);
    let second = world.scan_json(&host, &[]);
    let after = host.snapshot().unwrap().without(LOGIN_RECORDS);
    assert_eq!(after.changes_since(&before), "");

    let runs = world.scans(&at("root", &host));
    assert_eq!(runs.len(), 2);
    let n = measured(&first)["results"].as_array().unwrap().len() as u64;
    assert_eq!((number(&runs[1], "change_count"), number(&runs[0], "change_count")), (n, 0));
    assert_eq!(runs[0]["manifest_sha256"], runs[1]["manifest_sha256"]);
    assert_eq!(statuses(&first), statuses(&second));
    let changed: Vec<&Value> =
        measured(&second)["results"].as_array().unwrap().iter().filter(|r| !r["change"].is_null()).collect();
    assert_eq!(changed, Vec::<&Value>::new());

    // Frameworks are lenses over what was measured (EXE-24): looking through two costs no login.
    let before = logins(&host.sshd_log().unwrap());
    let name = at("root", &host);
    for framework in ["cis", "nist-800-53"] {
        let seen = world.plumb(&["posture", &name, "--framework", framework, "--format", "json"]);
        assert_code(&seen, 0);
        assert!(json(&seen).to_string().contains("sshd_permit_root_login"), "{}", seen.stdout);
    }
    let after = logins(&host.sshd_log().unwrap());
    assert_eq!((before, after), (2, 2));
}

#[test]
fn one_changed_file_on_the_host_is_one_recorded_change() {
    let (world, host) = (world(), host());
    let content = world.content(&[shell_rule("first", "echo yes"), shell_rule("second", "cat /etc/answer")]);
    host.must("echo yes >/etc/answer").unwrap();
    let scan = || one_host(&world.scan(&host, &["--content", &content, "--format", "json"]));
    scan();
    host.must("echo no >/etc/answer").unwrap();
    let second = scan();
    assert_eq!(number(&measured(&second)["scan"], "change_count"), 1);
    let result = &measured(&second)["results"][1];
    let said = ["rule_id", "status", "change"].map(|field| result[field].as_str().unwrap());
    assert_eq!(said, ["second", "fail", "state_changed"]);
}

/// Content with one rule for each way a rule can end.
fn endings(world: &World) -> String {
    let applies_to_nothing = rule("absent", "high", "{command: {run: 'true', exit: [0]}}").1
        + "when:\n  package: {name: no-such-package, installed: true}\n";
    world.content(&[
        shell_rule("good", "echo yes"),
        rule("bad_low", "low", "{command: {run: echo no, equal: \"yes\"}}"),
        rule("bad_high", "high", "{command: {run: echo no, equal: \"yes\"}}"),
        shell_rule("broken", "no-such-tool"),
        ("absent".to_owned(), applies_to_nothing),
    ])
}

#[test]
fn the_exit_status_follows_the_worst_result_and_the_line_that_was_drawn() {
    let (world, host) = (world(), host());
    let content = endings(&world);
    // By docs/exit-status.md: 2 a rule fails, 3 something is without a verdict, 0 all assessed and none fails.
    let table: &[(&[&str], &str, i32)] = &[
        (&["good"], "low", 0),
        (&["good", "absent"], "low", 0),
        (&["good", "bad_low"], "low", 2),
        (&["good", "bad_low"], "high", 0),
        (&["good", "bad_high"], "high", 2),
        (&["good", "bad_high"], "critical", 0),
        (&["good", "bad_high"], "never", 0),
        (&["good", "broken"], "low", 3),
        (&["bad_low", "broken"], "low", 2),
        (&["bad_low", "broken"], "high", 3),
        (&["bad_high", "broken"], "never", 3),
        (&["absent"], "low", 3),
    ];
    for (rules, fail_on, code) in table {
        let mut words = vec!["--content", content.as_str(), "--fail-on", fail_on];
        rules.iter().for_each(|rule| words.extend(["--rule", rule]));
        let done = world.scan(&host, &words);
        assert_eq!(done.code, Some(*code), "{rules:?} --fail-on {fail_on}\n{}{}", done.stdout, done.stderr);
    }
}

#[test]
fn every_status_is_shown_for_what_it_is_and_with_its_reason() {
    let (world, host) = (world(), host());
    let content = endings(&world);
    let done = world.scan(&host, &["--content", &content, "--format", "json"]);
    assert_code(&done, 2);
    let host = one_host(&done);
    let found: Vec<String> =
        statuses(&host).into_iter().map(|(rule, status)| format!("{rule} {status}")).collect();
    assert_eq!(
        found,
        ["absent not_applicable", "bad_high fail", "bad_low fail", "broken error", "good pass"]
    );
    let results = measured(&host)["results"].as_array().unwrap();
    let reason = |id: &str| {
        results.iter().find(|result| result["rule_id"] == id).map(|r| r["reason"]["code"].clone()).unwrap()
    };
    assert_eq!(reason("broken"), "tool_missing");
    assert_eq!(reason("good"), Value::Null);
    assert!(reason("absent").is_string());
    assert_eq!(json(&done)["content_signed"], false, "rules from a folder are marked (EXE-21)");
}
