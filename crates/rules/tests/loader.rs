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
            rules/ssh/max_tries.yaml:7:1: unknown field `colour`, expected one of id, title, description, rationale, severity, imported, tags, platforms, values, when, check, fix, proof, tests
        "#]],
    );
    check(
        "sshd: {",
        "sshdd: {",
        &expect![[r#"
        rules/ssh/max_tries.yaml:12:3: unknown variant `sshdd`, expected one of all, any, not, cases, sshd, file, package, unit, sysctl, module, mount, kernel_cmdline, accounts, home, password_aging, audit, setting, lines, walk, command
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
fn the_mode_of_homes_stands_where_a_mode_is_judged() {
    let instead = |of: &str, message: &str| {
        let check = format!("home: {of}");
        let file = format!(
            "id: a_rule\ntitle: T\ndescription: D.\nrationale: R.\nseverity: low\nplatforms: [{{id: debian}}]\ncheck:\n  {check}\n"
        );
        let errors = Corpus::load(&[("rules/a_rule.yaml".to_owned(), file)]).unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
    };
    instead("{assert: mode}", "rules/a_rule.yaml:8:9: mode needs mode_at_most");
    instead(
        "{assert: owned, mode_at_most: \"0750\"}",
        "rules/a_rule.yaml:8:39: mode_at_most is for the assertion mode only",
    );
    instead(
        "{assert: mode, mode_at_most: \"750x\"}",
        "rules/a_rule.yaml:8:38: \"750x\" is not a mode: write three or four octal digits in quotes",
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

/// Loads the good rule with one more file and compares the complaints.
fn check_with(path: &str, text: &str, want: &Expect) {
    let said = load(&[("rules/ssh/max_tries.yaml", GOOD), (path, text)]).err();
    want.assert_eq(&said.unwrap_or_else(|| "accepted\n".to_owned()));
}

#[test]
fn profiles_may_only_name_what_is_there() {
    check_with(
        "profiles/p.yaml",
        "id: p\ntitle: T\ndescription: D.\ninclude: {rules: [max_trees], tags: [shh]}\n",
        &expect![[r#"
            profiles/p.yaml:4:19: there is no rule "max_trees"; did you mean "max_tries"?
            profiles/p.yaml:4:38: no rule has the tag "shh"
        "#]],
    );
    check_with(
        "profiles/p.yaml",
        "id: p\ntitle: T\ndescription: D.\nvalues: {max_tries: {max_tries: 11, other: 1}}\n",
        &expect![[r#"
            profiles/p.yaml:4:33: value max_tries: 11 is not 1 to 10
            profiles/p.yaml:4:44: there is no value other
        "#]],
    );
    check_with(
        "profiles/p.yaml",
        "id: p\ntitle: T\ndescription: D.\nextends: p\n",
        &expect![[r#"
        profiles/p.yaml:4:10: profile "p" extends itself
    "#]],
    );
    check_with(
        "profiles/p.yaml",
        "id: q\ntitle: T\ndescription: D.\nextends: r\n",
        &expect![[r#"
        profiles/p.yaml:1:5: id "q" is not the file's name "p"
        profiles/p.yaml:4:10: there is no profile "r"
    "#]],
    );
}

#[test]
fn mappings_name_rules_and_files_stand_in_their_places() {
    check_with(
        "mappings/cis-1.yaml",
        "framework: cis\nedition: \"1\"\ntitle: T\nsource: S\nrules:\n  max_trees: [1.1]\n",
        &expect![[r#"
            mappings/cis-1.yaml:6:14: there is no rule "max_trees"; did you mean "max_tries"?
        "#]],
    );
    check_with(
        "mappings/cis-2.yaml",
        "framework: cis\nedition: \"1\"\ntitle: T\nsource: S\nrules:\n  max_tries: []\n",
        &expect![[r#"
            mappings/cis-2.yaml:1:12: the file of this framework and edition is named cis-1.yaml
            mappings/cis-2.yaml:6:14: at least one control id is needed
        "#]],
    );
    check_with(
        "rules/other/max_tries.yaml",
        GOOD,
        &expect![[r#"
        rules/other/max_tries.yaml:1:1: rule max_tries stands in rules/ssh/max_tries.yaml too
    "#]],
    );
    check_with(
        "rules/x.yml",
        "",
        &expect![[r#"
        rules/x.yml:1:1: a content file is named NAME.yaml
    "#]],
    );
    check_with(
        "other/x.yaml",
        "",
        &expect![[r#"
        other/x.yaml:1:1: a content file stands under rules/, profiles/ or mappings/
    "#]],
    );
    check_with(
        "rules/x.yaml",
        &"#".repeat(262_145),
        &expect![[r#"
        rules/x.yaml:1:1: the file has 262145 bytes; at most 262144 are read
    "#]],
    );
}

#[test]
fn an_edition_of_a_framework_stands_in_one_file() {
    let text = "framework: cis\nedition: \"1\"\ntitle: T\nsource: S\nrules:\n  max_tries: [1.1]\n";
    let files = [
        ("rules/ssh/max_tries.yaml", GOOD),
        ("mappings/cis-1.yaml", text),
        ("mappings/sub/cis-1.yaml", text),
    ];
    let error = load(&files).unwrap_err();
    assert_eq!(error.trim(), "mappings/sub/cis-1.yaml:1:1: cis 1 stands in mappings/cis-1.yaml too");
}

#[test]
fn a_mapping_keeps_every_control_of_a_rule_pos_09() {
    let text =
        "framework: cis\nedition: \"1\"\ntitle: T\nsource: S\nrules:\n  max_tries: [5.2.1, 5.2.10, A-1]\n";
    let corpus = load(&[("rules/ssh/max_tries.yaml", GOOD), ("mappings/cis-1.yaml", text)]).unwrap();
    let controls: Vec<_> = corpus.mappings()[0].rules.values().flatten().map(String::as_str).collect();
    assert_eq!(controls, ["5.2.1", "5.2.10", "A-1"]);
}

#[test]
fn the_schema_knows_every_method_and_refuses_other_keys() {
    let schema = rules::schema();
    let text = schema.to_string();
    for method in
        ["sshd", "file", "package", "unit", "sysctl", "module", "mount", "kernel_cmdline", "accounts"]
    {
        assert!(text.contains(&format!("\"{method}\"")), "{method}");
    }
    assert_eq!(schema["additionalProperties"], serde_json::Value::Bool(false));
    assert_eq!(schema["title"], "Plumbline rule");
}

#[test]
fn levels_are_those_that_a_mapping_names_and_hold_every_control_of_its_rules() {
    let mapping = |levels: &str| {
        format!("framework: cis\nedition: \"1\"\ntitle: T\nsource: S\n{levels}rules:\n  max_tries: [5.2.1]\n")
    };
    let profile = |level: &str| {
        format!(
            "id: p\ntitle: T\ndescription: D.\ninclude:\n  levels: [{{framework: cis, level: {level}}}]\n"
        )
    };
    let problems = |levels: &str, level: &str| -> String {
        let (mapping, profile) = (mapping(levels), profile(level));
        let files = [
            ("rules/ssh/max_tries.yaml", GOOD),
            ("mappings/cis-1.yaml", mapping.as_str()),
            ("profiles/p.yaml", profile.as_str()),
        ];
        load(&files).err().unwrap_or_default()
    };
    let levels = "levels: {one: [5.2.1], two: [6.1]}\n";
    assert_eq!(problems(levels, "one"), "");
    assert_eq!(
        problems(levels, "three"),
        "profiles/p.yaml:5:12: no edition of cis has the level \"three\"\n"
    );
    assert_eq!(
        problems("levels: {one: [6.1]}\n", "one"),
        "mappings/cis-1.yaml:7:15: the control \"5.2.1\" stands in no level\n"
    );
    let framework = profile("one").replace("cis", "stig");
    let files = [("rules/ssh/max_tries.yaml", GOOD), ("profiles/p.yaml", framework.as_str())];
    assert_eq!(load(&files).unwrap_err(), "profiles/p.yaml:5:12: there is no mapping of \"stig\"\n");
}
