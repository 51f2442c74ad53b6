//! Shipped content against real hosts: one host on which everything is well, one on which everything is
//! broken, and every rule has to tell them apart. Also `plumb rules`, which needs no host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use testkit::host::TestHost;

use crate::ours::folder;
use crate::support::{World, assert_code, assert_refused, host, json, one_host, statuses, world};

/// A rule with what makes it pass and what makes it fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    good: String,
    bad: String,
    #[serde(default)]
    fake_proc: Option<Fakes>,
}

/// Files of the shared kernel that a host shows instead of its own, by path.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fakes {
    good: BTreeMap<String, String>,
    bad: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Good,
    Bad,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/content");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path| -> Vec<Case> {
        let text = fs::read_to_string(path).unwrap();
        serde_saphyr::from_str(&text).unwrap_or_else(|err| panic!("{err}"))
    };
    paths.iter().flat_map(read).collect()
}

/// Runs every script of one side, then shows the kernel files of that side.
fn prepare(host: &TestHost, cases: &[Case], side: Side) {
    for case in cases {
        let script = if side == Side::Good { &case.good } else { &case.bad };
        if let Err(err) = host.must(script) {
            panic!("{}: {err:?}", case.rule);
        }
    }
    let mut shown = BTreeMap::new();
    for fakes in cases.iter().filter_map(|case| case.fake_proc.as_ref()) {
        shown.extend(if side == Side::Good { &fakes.good } else { &fakes.bad });
    }
    for (path, content) in shown {
        host.fake_proc(path, content).unwrap();
    }
}

/// Asserts that every rule has `expected`, or lists those that do not and what they saw.
fn assert_every_rule(world: &World, host: &TestHost, (code, expected): (i32, &str)) {
    let done = world.scan(host, &["--format", "json"]);
    assert_code(&done, code);
    let document = one_host(&done);
    assert_eq!(statuses(&document).len(), cases().len());
    let results = document["outcome"]["measured"]["results"].as_array().unwrap();
    let differing: Vec<String> = results
        .iter()
        .filter(|result| result["status"] != expected)
        .map(|result| {
            let part = |name: &str| result[name].to_string();
            format!("{} {} {} found {}", part("rule_id"), part("status"), part("reason"), part("actual"))
        })
        .collect();
    assert!(differing.is_empty(), "not {expected}:\n{}", differing.join("\n"));
}

fn shipped_rules(world: &World) -> Value {
    let listed = world.plumb(&["rules", "list", "--format", "json"]);
    assert_code(&listed, 0);
    json(&listed)
}

#[test]
fn every_shipped_rule_passes_where_all_is_well() {
    let (world, host) = (world(), host());
    prepare(&host, &cases(), Side::Good);
    assert_every_rule(&world, &host, (0, "pass"));
}

#[test]
fn every_shipped_rule_fails_where_all_is_broken() {
    let (world, host) = (world(), host());
    prepare(&host, &cases(), Side::Bad);
    assert_every_rule(&world, &host, (2, "fail"));
}

#[test]
fn every_shipped_rule_has_one_case_of_breaking_and_fixing() {
    let listed = shipped_rules(&world());
    let shipped: BTreeSet<String> = listed["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["rule_id"].as_str().unwrap().into())
        .collect();
    let cases: Vec<String> = cases().into_iter().map(|case| case.rule).collect();
    assert_eq!(cases.iter().cloned().collect::<BTreeSet<_>>(), shipped);
    assert_eq!(cases.len(), shipped.len());
}

#[test]
fn rules_list_names_what_ships_and_narrows_by_tag() {
    let world = world();
    let listed = shipped_rules(&world);
    assert_eq!(listed["schema"], "plumbline.rules/1");
    assert_eq!(listed["profiles"], serde_json::json!(["baseline", "server", "strict"]));
    assert!(listed["rules"].as_array().unwrap().iter().all(|rule| rule["tests"].as_u64().unwrap() >= 2));
    let cron = world.plumb(&["rules", "list", "--tag", "cron"]);
    assert_code(&cron, 0);
    let rows: Vec<&str> = cron.stdout.lines().collect();
    assert_eq!(rows[0].split('\t').next(), Some("rule"));
    assert!(rows[1..].iter().any(|row| row.starts_with("unit_cron\tmedium\tdebian 12\t")), "{rows:?}");
    assert!(rows[1..].iter().all(|row| row.contains("cron")), "{rows:?}");
    let none = world.plumb(&["rules", "list", "--tag", "no_such_tag", "--format", "json"]);
    assert_code(&none, 0);
    assert_eq!(json(&none)["rules"], serde_json::json!([]));
}

#[test]
fn rules_show_prints_the_file_of_the_rule_byte_for_byte() {
    let world = world();
    let shown = world.plumb(&["rules", "show", "file_sudoers"]);
    assert_code(&shown, 0);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/rules/sudo/file_sudoers.yaml");
    assert_eq!(shown.stdout, fs::read_to_string(file).unwrap());
    assert_refused(&world.plumb(&["rules", "show", "no_such_rule"]), 64, "no_such_rule");
}

#[test]
fn rules_explain_says_what_why_how_and_which_controls() {
    let explained = world().plumb(&["rules", "explain", "file_sudoers"]);
    assert_code(&explained, 0);
    for part in [
        "file_sudoers (high)\n",
        "Only root and its group read the rules of sudo\n",
        "\nWhy: Who can write these rules is root",
        "\nFix: Run `chown root:root` and `chmod 0440`",
        "\nControl: nist-800-53 rev5: ",
        "\nApplies to: debian 12\n",
    ] {
        assert!(explained.stdout.contains(part), "{part:?} is not in:\n{}", explained.stdout);
    }
}

#[test]
fn rules_test_runs_the_tests_of_all_rules_or_of_one() {
    let world = world();
    let all = world.plumb(&["rules", "test"]);
    assert_code(&all, 0);
    let listed = shipped_rules(&world);
    let carried: u64 =
        listed["rules"].as_array().unwrap().iter().map(|rule| rule["tests"].as_u64().unwrap()).sum();
    assert_eq!(all.stdout, format!("{carried} passed, 0 failed\n"));
    // The file carries four tests.
    let one = world.plumb(&["rules", "test", "file_sudoers"]);
    assert_eq!((one.code, one.stdout.as_str()), (Some(0), "4 passed, 0 failed\n"));
    assert_refused(&world.plumb(&["rules", "test", "no_such_rule"]), 64, "no_such_rule");
}

#[test]
fn a_rule_test_that_fails_is_named_and_the_answer_is_no() {
    let world = world();
    let right = world.plumb(&["rules", "show", "file_sudoers"]).stdout;
    let wrong = right.replace("expect: not_applicable", "expect: pass");
    assert_ne!(wrong, right);
    let content = folder(&world, "wrong", &[("file_sudoers".into(), wrong)]);
    let done = world.plumb(&["--content", &content, "rules", "test"]);
    assert_code(&done, 2);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(
        lines[0].starts_with("FAIL file_sudoers / a machine without sudo has nothing to judge: "),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["3 passed, 1 failed"]);
}

#[test]
fn rules_lint_passes_what_ships_and_names_the_line_of_a_fault() {
    let world = world();
    assert_code(&world.plumb(&["rules", "lint"]), 0);
    let right = world.plumb(&["rules", "show", "file_sudoers"]).stdout;
    let content = folder(
        &world,
        "wrong",
        &[("file_sudoers".into(), right.replace("severity: high", "severityy: high"))],
    );
    let line = 1 + right.lines().position(|line| line == "severity: high").unwrap();
    let done = world.plumb(&["rules", "lint", &content]);
    assert_code(&done, 2);
    assert!(done.stdout.contains(&format!("rules/ours/file_sudoers.yaml:{line}:")), "{}", done.stdout);
    assert!(done.stdout.contains("severityy"), "{}", done.stdout);
    // The same fault stops every command that would use the rule, before anything is done (LIF-08).
    let scan = world.plumb(&["--content", &content, "scan", "localhost"]);
    assert_refused(&scan, 78, "severityy");
}

#[test]
fn rules_schema_is_a_json_schema_of_a_rule_file() {
    let schema = json(&world().plumb(&["rules", "schema"]));
    assert!(schema["$schema"].as_str().unwrap().starts_with("https://json-schema.org/"), "{schema:#}");
    for member in ["id", "title", "severity", "check"] {
        assert!(schema["properties"][member].is_object(), "{member}");
    }
}
