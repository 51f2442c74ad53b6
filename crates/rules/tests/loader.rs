//! What the loader accepts, and what it says about each thing it refuses (file, line, column).

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

use expect_test::{Expect, expect};
use rules::Corpus;

const GOOD: &str = "\
id: max_tries
title: Few tries
description: Reads the setting.
rationale: Guessing takes tries.
severity: high
tags: [ssh]
platforms:
  - {id: debian, min: \"12\"}
values:
  max_tries: {type: integer, title: Tries, default: 4, min: 1, max: 10}
check:
  sshd: {setting: maxauthtries, at_most: $max_tries}
fix:
  text: Set it.
  mechanism: {sshd_setting: {setting: MaxAuthTries, value: $max_tries}}
  disruption: low
tests:
  - {name: few, given: {sshd: {stdout: \"maxauthtries 4\\n\"}}, expect: pass}
";

fn load(files: &[(&str, &str)]) -> Result<Corpus, String> {
    let files: Vec<(String, String)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Corpus::load(&files).map_err(|errors| errors.iter().map(|err| format!("{err}\n")).collect::<String>())
}

/// Loads the good rule with one text replaced and compares the complaints.
fn check(old: &str, new: &str, want: &Expect) {
    assert!(GOOD.contains(old), "the sample holds {old:?}");
    let text = GOOD.replacen(old, new, 1);
    let said = load(&[("rules/ssh/max_tries.yaml", &text)]).err().unwrap_or_else(|| "accepted\n".to_owned());
    want.assert_eq(&said);
}

#[test]
fn a_good_rule_loads() {
    let corpus = load(&[("rules/ssh/max_tries.yaml", GOOD)]).unwrap();
    let rule = corpus.find("max_tries").unwrap();
    assert_eq!(rule.title, "Few tries");
    assert_eq!(rule.raw(), GOOD);
    assert!(!rule.free_shell);
    assert_eq!(rule.fix_line().as_deref(), Some("Set it."));
}

#[test]
fn every_complaint_names_file_line_and_column() {
    check(
        "severity: high",
        "severity: urgent",
        &expect![[r#"
        rules/ssh/max_tries.yaml:5:11: unknown variant `urgent`, expected one of critical, high, medium, low
    "#]],
    );
    check(
        "tags: [ssh]",
        "tags: [ssh]\ncolour: red",
        &expect![[r#"
        rules/ssh/max_tries.yaml:7:1: unknown field `colour`, expected one of id, title, description, rationale, severity, tags, platforms, values, when, check, fix, tests
    "#]],
    );
    check(
        "sshd: {",
        "sshdd: {",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:3: unknown variant `sshdd`, expected one of all, any, not, sshd, file, package, unit, sysctl, module, mount, kernel_cmdline, accounts, password_aging, setting, lines, walk, command
    "#]],
    );
    check(
        "at_most: $max_tries",
        "at_most: $max_trees",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:42: there is no value $max_trees; did you mean $max_tries?
    "#]],
    );
    check(
        "at_most: $max_tries",
        "at_most: $max_tries, equal: 4",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:9: exactly one comparator is needed, found 2: equal, not_equal, at_least, at_most, one_of, none_of, matches, not_matches, includes, excludes, subset_of, present, absent
    "#]],
    );
}

#[test]
fn what_a_value_cannot_be_is_named() {
    check(
        "at_most: $max_tries",
        "matches: \"(\"",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:42: "(" is not a regular expression: error: unclosed group
    "#]],
    );
    check(
        "at_most: $max_tries",
        "at_most: $max_tries, color: 1",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:54: unknown field `color`, expected one of setting, separator, missing, equal, not_equal, at_least, at_most, one_of, none_of, matches, not_matches, includes, excludes, subset_of, present, absent
    "#]],
    );
    check(
        "default: 4",
        "default: 40",
        &expect![[r#"
        rules/ssh/max_tries.yaml:10:53: default of max_tries: 40 is not 1 to 10
    "#]],
    );
}

#[test]
fn yaml_that_could_mean_two_things_is_refused() {
    check(
        "id: max_tries",
        "id: max_trie",
        &expect![[r#"
        rules/ssh/max_tries.yaml:1:5: id "max_trie" is not the file's name "max_tries"
    "#]],
    );
    check(
        "tags: [ssh]",
        "tags: [ssh]\ntags: [ssh]",
        &expect![[r#"
            rules/ssh/max_tries.yaml:7:1: duplicate mapping key: tags
        "#]],
    );
    check(
        "tags: [ssh]",
        "tags: &a [ssh]",
        &expect![[r#"
            rules/ssh/max_tries.yaml:6:10: anchors and aliases are not used in content files
        "#]],
    );
    check(
        "tags: [ssh]",
        "tags: *a",
        &expect![[r#"
        rules/ssh/max_tries.yaml:6:7: alias references unknown anchor
    "#]],
    );
}

#[test]
fn what_a_check_cannot_say_is_named() {
    check(
        "tags: [ssh]",
        "tags: [ssh",
        &expect![[r#"
        rules/ssh/max_tries.yaml:7:10: illegal placement of ':' indicator
    "#]],
    );
    check(
        "  sshd: {setting",
        "  lines: {files: [/etc/x], any_matches: x, missing: pass}\n  sshd: {setting",
        &expect![[r#"
            rules/ssh/max_tries.yaml:13:3: only one method may stand here; combine several with all or any
        "#]],
    );
    check(
        "sshd: {setting: maxauthtries, at_most: $max_tries}",
        "all: []",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:8: at least one check is needed
    "#]],
    );
    check(
        "sshd: {setting: maxauthtries, at_most: $max_tries}",
        "file: {path: etc/passwd, missing: fail}",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:16: "etc/passwd" cannot be used as a path: it must start with /
    "#]],
    );
    check(
        "sshd: {setting: maxauthtries, at_most: $max_tries}",
        "lines: {files: [\"/etc/shad*\"], any_matches: x, missing: fail}",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:18: /etc/shad* would read password hashes: use accounts or password_aging
    "#]],
    );
    check(
        "sshd: {setting: maxauthtries, at_most: $max_tries}",
        "file: {path: /etc/passwd, mode_at_most: \"0999\", missing: fail}",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:43: "0999" is not a mode: write three or four octal digits in quotes
    "#]],
    );
}
