//! What is given to a scan is used or refused, never passed over.

use std::fs;
use std::path::Path;

use crate::ours::{at_least_14, closed, folder, rule};
use crate::support::{assert_code, assert_refused, host, json, world};

/// A rule whose file has another ending would pass for one that does not fail.
#[test]
fn a_rule_file_of_another_ending_is_refused_and_not_passed_over() {
    let world = world();
    let content = folder(&world, "ours", &[closed("good", "low"), closed("bad", "critical")]);
    let good = Path::new(&content).join("rules/ours/bad.yaml");
    for ending in ["yml", "YAML"] {
        fs::rename(&good, good.with_extension(ending)).unwrap();
        let words = [&["rules", "lint", content.as_str()][..], &["scan", "localhost", "--content", &content]];
        for words in words {
            assert_refused(&world.plumb(words), 78, &format!("bad.{ending}"));
        }
        fs::rename(good.with_extension(ending), &good).unwrap();
    }
    assert_code(&world.plumb(&["rules", "lint", &content]), 0);
}

/// Two results for one file: one of them would be lost.
#[test]
fn two_results_for_one_file_are_refused_before_a_host_is_asked() {
    let world = world();
    let file = world.path("results").to_str().unwrap().to_owned();
    let [html, csv] = ["html", "csv"].map(|format| format!("{format}={file}"));
    // The same file in other words.
    let (folder, name) = file.rsplit_once('/').unwrap();
    let other = format!("csv={folder}/./../{}/{name}", folder.rsplit_once('/').unwrap().1);
    for words in [
        &["scan", "localhost", "-o", &file, "--report", &other][..],
        &["scan", "localhost", "--report", &html, "--report", &csv],
        &["scan", "localhost", "-o", &file, "--report", &csv],
        &["posture", "-o", &file, "--report", &csv],
    ] {
        assert_code(&world.plumb(&["ledger", "init"]), 0);
        assert_refused(&world.plumb(words), 64, "two results are to go to");
        assert!(!Path::new(&file).exists());
    }
}

/// A tailoring is read wherever it is named.
#[test]
fn a_tailoring_is_linted_and_stands_alone() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("one", "low")]);
    let tailoring = world.path("mine.yaml").to_str().unwrap().to_owned();
    let lint = || world.plumb(&["rules", "lint", &content, "--tailoring", &tailoring]);
    assert_code(&lint(), 78);
    let text = |rule: &str| format!("id: mine\ntitle: T\ndescription: D\ninclude: {{rules: [{rule}]}}\n");
    fs::write(&tailoring, text("none_such")).unwrap();
    assert_refused(&lint(), 78, "none_such");
    fs::write(&tailoring, text("one")).unwrap();
    assert_code(&lint(), 0);
    let both = ["--content", &content, "--tailoring", &tailoring, "--profile", "mine"];
    assert_refused(&world.scan(&host, &both), 64, "each name a profile");
}

/// EXE-21: one rule of a directory under the name of a shipped one is enough to mark what is read of the record later.
#[test]
fn exe_21_a_result_of_an_unsigned_rule_marks_the_answers_it_is_in() {
    let (world, host) = (world(), host());
    host.must("install -m 600 /dev/null /etc/plumb_one").unwrap();
    let name = crate::support::at("root", &host);
    let posture = || json(&world.plumb(&["posture", &name, "--format", "json"]));
    assert!([Some(0), Some(2)].contains(&world.scan(&host, &["--profile", "baseline"]).code));
    assert!([Some(0), Some(2)].contains(&world.scan(&host, &[]).code));
    assert_eq!(posture()["content_signed"], true);
    let (_id, text) = closed("one", "high");
    let shipped = "file_crontab";
    let fake =
        folder(&world, "fake", &[(shipped.to_owned(), text.replace("id: one", &format!("id: {shipped}")))]);
    assert_code(&world.scan(&host, &["--content", &fake, "--rule", shipped]), 0);
    assert_eq!(posture()["content_signed"], false);
    let read = world.plumb(&["posture", &name]);
    assert!(read.stderr.contains("unsigned content"), "{read:?}");
    assert!(world.plumb(&["posture"]).stderr.contains("unsigned content"));
    let why = world.plumb(&["why", shipped, "--host", &name]);
    assert!(why.stdout.contains("came from a directory"), "{why:?}");
    let why = json(&world.plumb(&["why", "file_cron_allow", "--host", &name, "--format", "json"]));
    assert_eq!(why["content_signed"], true);
    let lines = world.plumb(&["posture", &name, "--format", "jsonl"]).stdout;
    assert!(lines.contains("\"content_signed\":false"), "{lines}");
}

/// Through a framework every answer counts the same: what is in it. Checked is what was checked, in it or not.
#[test]
fn a_posture_through_a_framework_says_the_same_in_every_format() {
    let (world, host) = (world(), host());
    host.must("install -m 600 /dev/null /etc/plumb_one").unwrap();
    let content = folder(&world, "ours", &[closed("one", "low"), closed("two", "critical")]);
    let mappings = Path::new(&content).join("mappings");
    fs::create_dir_all(&mappings).unwrap();
    for (framework, platforms) in [("house", ""), ("other", "platforms:\n  - {id: rhel}\n")] {
        let text = format!(
            "framework: {framework}\nedition: \"1\"\ntitle: T\nsource: this test\n{platforms}rules:\n  one: [A-1]\n"
        );
        fs::write(mappings.join(format!("{framework}-1.yaml")), text).unwrap();
    }
    assert_code(&world.scan(&host, &["--content", &content]), 2);
    let name = crate::support::at("root", &host);
    let ask = |framework: &str, format: &str| {
        let words = ["--content", &content, "posture", &name, "--framework", framework, "--format", format];
        world.plumb(&words)
    };
    let document = json(&ask("house", "json"));
    assert_eq!((&document["score"], &document["state"]), (&"100.0".into(), &"compliant".into()));
    let lines = ask("house", "jsonl").stdout;
    let of_host = lines.lines().find(|line| line.contains("\"score\"")).unwrap();
    assert!(of_host.contains("\"100.0\"") && of_host.contains("compliant"), "{of_host}");
    let nothing = json(&ask("other", "json"));
    assert_eq!(nothing["score"], serde_json::Value::Null);
    assert_eq!(nothing["last_checked_at"], document["last_checked_at"]);
}

/// POS-12: a host of which only some rules were run was checked, and is not measured.
#[test]
fn pos_12_a_host_with_a_partial_scan_was_checked() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("one", "low"), closed("two", "high")]);
    assert_code(&world.scan(&host, &["--content", &content, "--rule", "one"]), 2);
    let name = crate::support::at("root", &host);
    let posture = json(&world.plumb(&["posture", &name, "--format", "json"]));
    assert_eq!((&posture["measured"], &posture["state"]), (&false.into(), &"unknown".into()));
    assert_eq!(posture["last_checked_at"], world.last_scan(&name)["measured_at"]);
}

/// An empty selection is told from a platform that no rule is for.
#[test]
fn a_selection_that_leaves_no_rule_says_so() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("one", "low"), at_least_14("two", "high")]);
    let none = world.scan(&host, &["--content", &content, "--rule", "one", "--severity", "high"]);
    assert_code(&none, 3);
    assert!(none.stdout.contains("no rule is left that was asked for"), "{none:?}");
}

/// TLW-34: the value of a setting that is named like a secret is not shown beside its masked line.
#[test]
fn tlw_34_the_value_of_a_setting_that_is_a_secret_is_shown_nowhere() {
    let (world, host) = (world(), host());
    host.must("printf 'password=Tr0ub4dor-real\\nlength=9\\n' >/etc/plumb_pw").unwrap();
    let check = |key: &str, expected: &str| {
        format!("{{setting: {{file: /etc/plumb_pw, format: equals, key: {key}, missing: fail, {expected}}}}}")
    };
    let rules = [
        rule("the_password", "high", &check("password", "not_equal: changeme")),
        rule("the_length", "low", &check("length", "at_least: 8")),
    ];
    let content = folder(&world, "ours", &rules);
    let done = world.scan(&host, &["--content", &content, "--format", "json"]);
    assert_code(&done, 0);
    assert!(!done.stdout.contains("Tr0ub4dor") && done.stdout.contains("<masked>"), "{}", done.stdout);
    let name = crate::support::at("root", &host);
    let why = world.plumb(&["--content", &content, "why", "the_password", "--host", &name]);
    assert!(why.success() && !why.stdout.contains("Tr0ub4dor"), "{why:?}");
    let open = world.plumb(&["--content", &content, "why", "the_length", "--host", &name]);
    assert!(open.stdout.contains('9'), "{open:?}");
}

/// To open a pipe would wait for ever for whoever writes to it.
#[test]
fn a_pipe_among_rules_is_refused() {
    let world = world();
    let content = folder(&world, "ours", &[closed("one", "low")]);
    crate::support::tool("mkfifo", &[&format!("{content}/rules/ours/two.yaml")]);
    assert_refused(&world.plumb(&["rules", "lint", &content]), 78, "two.yaml: it is no regular file");
}
