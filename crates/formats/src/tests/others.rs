//! The formats of others, against mappings by hand: programs of others say in the tests of the binary that the documents
//! are valid, and here it is said that they mean the right thing.

use model::{ReasonCode, Severity, Status};
use serde_json::{Value, json};

use super::sample::{host, hostile, measured, options, report, rule, web_1, web_2, with_reason, written};
use crate::Format;
use crate::report::{Outcome, ScanReport};

fn xccdf(report: &ScanReport) -> String {
    written(report, &options(Format::Xccdf))
}

/// Texts between `before` and `after`, in order.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Vec<&'t str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

#[test]
fn xccdf_has_a_rule_once_and_a_result_of_it_for_each_host() {
    let text = xccdf(&report(vec![web_1(), web_1(), web_2()]));
    // Six rules of the sample in the order of their ids, and the one that stands for measuring.
    assert_eq!(
        between(&text, "<Rule id=\"xccdf_local.plumbline_rule_", "\""),
        ["aide", "gdm", "shadow_perms", "sshd_banner", "sshd_root", "walk", "host_is_measured"]
    );
    let of_one = ["pass", "fail", "fail", "error", "notapplicable", "notchecked"];
    assert_eq!(between(&text, "<result>", "<"), [&of_one[..], &of_one, &["error"]].concat());
    assert!(text.contains("<message severity=\"info\">Title of sshd_root: expected no, found yes (/etc/ssh/sshd_config:32)</message>"));
    assert!(text.contains("<message severity=\"error\">permission_denied: /etc/shadow</message>"));
    assert!(text.contains("<message severity=\"error\">auth_failed: could not log in as ann</message>"));
    // One passes of three that were assessed and one in error: 1 of 4, and 33.3 percent.
    assert_eq!(
        between(&text, "<score system=\"", "<"),
        [
            "urn:xccdf:scoring:flat-unweighted\" maximum=\"4\">1",
            "urn:plumbline:scoring:score-v1\" maximum=\"100\">33.3",
            "urn:xccdf:scoring:flat-unweighted\" maximum=\"4\">1",
            "urn:plumbline:scoring:score-v1\" maximum=\"100\">33.3",
            "urn:xccdf:scoring:flat-unweighted\" maximum=\"0\">0",
        ]
    );
    assert!(text.contains("<rationale>Why sshd_root matters.</rationale>"));
    assert!(text.contains("<fixtext>Fix sshd_root.</fixtext>"));
    assert!(text.contains("<platform idref=\"cpe:2.3:o:debian:debian_linux:12:*:*:*:*:*:*:*\"/>"));
}

#[test]
fn xccdf_knows_nothing_above_high_and_names_profiles_by_the_rules_of_their_hosts() {
    let mut first = measured(vec![
        rule("a", Severity::Critical, Status::Pass),
        rule("b", Severity::Medium, Status::Pass),
    ]);
    first.scan.profile_id = "server".to_owned();
    let second =
        measured(vec![rule("b", Severity::Low, Status::Pass), rule("c", Severity::Low, Status::Pass)]);
    let of = |name: &str, measured| host(name, Outcome::Measured(Box::new(measured)));
    let text = xccdf(&report(vec![of("one", first), of("two", second)]));
    // Of b the worse of its two severities stands with the rule.
    assert_eq!(between(&text, "selected=\"true\" severity=\"", "\""), ["high", "medium", "low"]);
    assert_eq!(between(&text, "<Profile id=\"", "\""), ["xccdf_local.plumbline_profile_server"]);
    assert_eq!(
        between(&text, "<select idref=\"xccdf_local.plumbline_rule_", "/>"),
        ["a\" selected=\"true\"", "b\" selected=\"true\"", "c\" selected=\"false\""]
    );
}

#[test]
fn ids_in_xml_are_names_and_two_texts_never_become_one() {
    assert_eq!(crate::xml::name_part("sshd_root-2"), "sshd_root-2");
    assert_eq!(crate::xml::name_part("a.b"), "a.2e.b");
    assert_eq!(crate::xml::name_part("=\u{fc}"), ".3d..c3..bc.");
}

fn oscal(report: &ScanReport) -> Value {
    serde_json::from_str(&written(report, &options(Format::Oscal))).unwrap()
}

/// Target, state and reason of each finding of the first host.
fn findings(document: &Value) -> Value {
    let findings = document["assessment-results"]["results"][0]["findings"].as_array().unwrap();
    let of = |finding: &Value| {
        let target = &finding["target"];
        json!([target["target-id"], target["status"]["state"], target["status"]["reason"]])
    };
    findings.iter().map(of).collect()
}

#[test]
fn a_control_of_oscal_is_satisfied_only_when_no_rule_of_it_fails_or_is_in_error() {
    let with = |number: &str, id: &str, status: Status| {
        let mut result = rule(id, Severity::Low, status);
        result.controls.truncate(1);
        result.controls[0].framework = "nist-800-53".to_owned();
        result.controls[0].controls = vec![number.to_owned()];
        let reason = |result| with_reason(result, ReasonCode::ToolFailed, "why");
        if matches!(status, Status::Pass | Status::Fail) { result } else { reason(result) }
    };
    let results = vec![
        with("AC-1", "passes", Status::Pass),
        with("AC-1", "does_not_apply", Status::NotApplicable),
        with("AC-2", "passes_too", Status::Pass),
        with("AC-2", "fails", Status::Fail),
        with("AC-6(1)", "passes_as_well", Status::Pass),
        with("AC-6(1)", "in_error", Status::Error),
        with("AC-7", "skipped", Status::Skipped),
    ];
    let document = oscal(&report(vec![host("h", Outcome::Measured(Box::new(measured(results))))]));
    assert_eq!(
        findings(&document),
        json!([
            ["ac-1_obj", "satisfied", "pass"],
            ["ac-2_obj", "not-satisfied", "fail"],
            ["ac-6.1_obj", "not-satisfied", "other"],
        ])
    );
    let result = &document["assessment-results"]["results"][0];
    assert_eq!(result["observations"].as_array().unwrap().len(), 7);
    assert_eq!(
        result["description"],
        "4 of 7 rules assessed: 3 pass, 1 fail; 1 in error, 1 skipped, 1 not applicable."
    );
}

#[test]
fn ids_of_oscal_are_the_same_for_the_same_results_and_others_for_others() {
    let of = |report: &ScanReport| oscal(report)["assessment-results"]["uuid"].clone();
    let one = of(&report(vec![web_1()]));
    assert_eq!(of(&report(vec![web_1()])), one);
    assert_ne!(of(&report(vec![web_1(), web_2()])), one);
    assert_ne!(of(&ScanReport { framework: Some("cis".to_owned()), ..report(vec![web_1()]) }), one);
    // Version 5, RFC 9562, section 5.5.
    assert_eq!(one.as_str().unwrap().as_bytes()[14], b'5');
}

#[test]
fn the_page_tells_a_person_what_fails_why_how_to_fix_it_and_what_is_not_known() {
    let text = written(&report(vec![web_1(), web_2()]), &options(Format::Html));
    for wanted in [
        "<strong>33.3 %</strong>",
        "<strong>3 of 6</strong> rules assessed",
        "Failing: <strong>1 high, 1 low</strong>.",
        "aria-label=\"2 fail, 1 error, 1 pass, 1 skipped, 1 not applicable\"",
        "Failing rules (2)",
        "<dd>Why sshd_root matters.</dd>",
        "<dd class=\"fix\">Fix sshd_root.</dd>",
        "<code>permission_denied</code> /etc/shadow",
        "They are not passes.",
        "<code>subject_absent</code></td><td>no gdm</td>",
        "<code>deselected</code></td><td>turned off</td>",
        "<strong>auth_failed</strong>: could not log in as ann",
        "What to do: name a key with --identity",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in the page");
    }
    // The worse one first, wherever it stands among the results.
    assert!(text.find("Title of sshd_root").unwrap() < text.find("Title of sshd_banner").unwrap());
    assert!(!text.contains("Unsigned content"));
}

#[test]
fn the_page_through_a_framework_says_what_the_rules_of_each_control_come_to() {
    let with = |number: &str, id: &str, status: Status| {
        let mut result = rule(id, Severity::Low, status);
        result.controls[0].controls = vec![number.to_owned()];
        result
    };
    let results = vec![
        with("5.1.10", "a", Status::Pass),
        with("5.1.2", "b", Status::Pass),
        with("5.1.2", "c", Status::Fail),
        with("5.1.9", "d", Status::Error),
    ];
    let hosts = vec![host("h", Outcome::Measured(Box::new(measured(results))))];
    let of_cis = ScanReport { framework: Some("cis".to_owned()), ..report(hosts) };
    let text = written(&of_cis, &options(Format::Html));
    assert!(text.contains("Controls of cis (3)"), "{text}");
    // The host's 33.3 percent are not those of the lens, of which two of three pass.
    assert!(text.contains("shown are part of its rules, of which 66.6 % pass."), "{text}");
    let table = text.split("Controls of cis").nth(1).unwrap().split("</table>").next().unwrap();
    assert_eq!(between(table, "<th scope=\"row\">", "<"), ["5.1.2", "5.1.9", "5.1.10"]);
    assert_eq!(
        between(table, "<span class=\"badge ", "<"),
        ["bad\">fail", "middling\">error", "good\">pass"]
    );
    assert!(table.contains("href=\"#host-0-c\"") && !table.contains("href=\"#host-0-b\""));
    // The controls of other frameworks of the sample are not there.
    assert!(!table.contains("AC-6"));
}

#[test]
fn sarif_tells_what_a_rule_is_for_and_how_it_ranks() {
    let document: Value =
        serde_json::from_str(&written(&report(vec![web_1()]), &options(Format::Sarif))).unwrap();
    let root = &document["runs"][0]["tool"]["driver"]["rules"][2];
    assert_eq!(root["id"], "sshd_root");
    assert_eq!(root["fullDescription"]["text"], "What sshd_root is. Why sshd_root matters.");
    assert_eq!(root["properties"]["security-severity"], "8.0");
    assert_eq!(root["properties"]["tags"], json!(["security", "cis 1.1.0: 5.1.20", "nist r5: AC-6"]));
}

#[test]
fn no_hostile_text_becomes_markup() {
    for format in [Format::Html, Format::Xccdf, Format::Arf, Format::Junit] {
        let text = written(&hostile(), &options(format));
        assert!(!text.contains("<b>") && !text.contains("]]>"), "{format:?}");
        assert!(text.contains("]]&gt;&lt;b&gt;&amp;"), "{format:?}");
    }
    let page = written(&hostile(), &options(Format::Html));
    assert!(page.contains("Unsigned content.") && page.contains("rules that are mapped to cis"));
}
