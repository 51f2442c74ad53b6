//! Which rules apply to which platform (EXE-02), and what selections may name.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use common::{load, platform};
use rules::{SelectError, Selection};

fn rule(id: &str, platforms: &str, extra: &str) -> (String, String) {
    let text = format!(
        "id: {id}\ntitle: T\ndescription: D.\nrationale: R.\nseverity: low\nplatforms: {platforms}\n{extra}\ncheck: {{package: {{name: x, installed: false}}}}\n"
    );
    (format!("rules/t/{id}.yaml"), text)
}

fn corpus() -> rules::Corpus {
    let files = [
        rule("on_rhel_8", "[{id: rhel, min: \"8\", max: \"8\"}]", "tags: [old]"),
        rule("on_rhel_9", "[{id: rhel, min: \"9\", max: \"9\"}]", ""),
        rule("on_rhel_10", "[{id: rhel, min: \"10\", max: \"10\"}]", ""),
        rule("on_debian_12", "[{id: debian, min: \"12\", max: \"12\"}]", ""),
        rule("on_debian_like", "[{id: debian, like: true, min: \"12\"}]", ""),
        rule("on_ubuntu_24", "[{id: ubuntu, min: \"24.04\", max: \"24.04\"}]", ""),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    load(&files)
}

fn check(id: &str, like: &[&str], version: &str, want: &str) {
    let selected = corpus().select(&Selection::default(), &platform(id, like, version)).unwrap();
    let ids: Vec<_> = selected.ids().map(|id| id.as_str()).collect();
    assert_eq!(ids.join(" "), want, "{id} {version}");
}

#[test]
fn a_release_gets_its_own_rules_only_and_a_rebuild_those_of_what_it_rebuilds_exe_02() {
    check("rhel", &["fedora"], "9.4", "on_rhel_9");
    check("rhel", &["fedora"], "10.0", "on_rhel_10");
    check("rocky", &["rhel", "centos", "fedora"], "9.3", "on_rhel_9");
    check("almalinux", &["rhel", "centos", "fedora"], "8.10", "on_rhel_8");
    check("ol", &["fedora"], "9.2", "on_rhel_9");
    check("centos", &["rhel", "fedora"], "10", "on_rhel_10");
    check("debian", &[], "12", "on_debian_12 on_debian_like");
    check("debian", &[], "11", "");
    check("debian", &[], "", "");
    check("ubuntu", &["debian"], "24.04", "on_debian_like on_ubuntu_24");
    check("ubuntu", &["debian"], "22.04", "on_debian_like");
    check("fedora", &[], "40", "");
}

#[test]
fn unknown_names_are_errors_with_a_hint() {
    let corpus = corpus();
    let refused = |selection: Selection| {
        corpus.select(&selection, &platform("debian", &[], "12")).unwrap_err().to_string()
    };
    assert_eq!(
        refused(Selection { rules: vec!["on_rhel9".to_owned()], ..Selection::default() }),
        "there is no rule \"on_rhel9\"; did you mean \"on_rhel_9\"?"
    );
    assert_eq!(
        refused(Selection { tags: vec!["odl".to_owned()], ..Selection::default() }),
        "there is no tag \"odl\""
    );
    let unknown = corpus
        .select(
            &Selection { profile: Some("zzz".to_owned()), ..Selection::default() },
            &platform("debian", &[], "12"),
        )
        .unwrap_err();
    assert!(matches!(unknown, SelectError::Unknown { kind: "profile", near: None, .. }));
}

#[test]
fn a_profile_adds_takes_away_and_sets_values_along_its_ancestors() {
    let tries = "\
id: max_tries\ntitle: T\ndescription: D.\nrationale: R.\nseverity: low\ntags: [ssh]
platforms: [{id: debian}]
values: {n: {type: integer, title: N, default: 4, min: 1, max: 10}}
check: {sshd: {setting: maxauthtries, at_most: $n}}
";
    let other = rule("other_rule", "[{id: debian}]", "tags: [ssh, slow]");
    let files = [
        ("rules/t/max_tries.yaml", tries),
        (other.0.as_str(), other.1.as_str()),
        (
            "profiles/base.yaml",
            "id: base\ntitle: T\ndescription: D.\ninclude: {tags: [ssh]}\nvalues: {max_tries: {n: 6}}\n",
        ),
        (
            "profiles/child.yaml",
            "id: child\ntitle: T\ndescription: D.\nextends: base\nexclude: {tags: [slow]}\n",
        ),
    ];
    let corpus = load(&files);
    let result = |profile: &str| {
        let selection = Selection { profile: Some(profile.to_owned()), ..Selection::default() };
        let selected = corpus.select(&selection, &platform("debian", &[], "12")).unwrap();
        let plan = rules::plan(selected, rules::TIMEOUT_MS);
        let answers = [common::answer("sshd", 0, b"maxauthtries 6\n.\n", b"")];
        let results = rules::evaluate(&plan, &common::hello(0), &answers, &common::masker(&[]));
        results.iter().map(|r| format!("{} {}", r.rule_id, r.status)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(result("base"), "max_tries pass, other_rule error");
    assert_eq!(result("child"), "max_tries pass");
}
