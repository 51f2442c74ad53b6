//! The formats for programs: they parse, they hold what they promise, and hostile texts change nothing.

use serde_json::{Value, json};

use super::sample::{HOSTILE, hostile, options, report, web_1, web_2, written};
use crate::Format;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_json_document_holds_every_host_and_result() {
    let document = parsed(&written(&report(vec![web_1(), web_2()]), &options(Format::Json)));
    assert_eq!(document["schema"], "plumbline.scan_report/1");
    assert_eq!(document["tool_version"], "0.1.0");
    assert_eq!(document["content_signed"], true);
    assert_eq!(document["framework"], Value::Null);
    let host = &document["hosts"][0];
    assert_eq!(host["target"], "ann@web-1");
    assert_eq!(
        host["counts"],
        json!({"selected": 6, "assessed": 3, "pass": 1, "fail": 2, "error": 1, "skipped": 1, "not_applicable": 1})
    );
    let measured = &host["outcome"]["measured"];
    assert_eq!(measured["score"], "33.3");
    assert_eq!(measured["state"], "non_compliant");
    assert_eq!(measured["results"].as_array().unwrap().len(), 6);
    assert_eq!(measured["results"][3]["reason"], json!({"code": "permission_denied", "text": "/etc/shadow"}));
    assert_eq!(document["hosts"][1]["outcome"]["not_measured"]["reason"], "auth_failed");
    assert_eq!(document["hosts"][1]["counts"], Value::Null);
}

#[test]
fn rpt_10_json_is_exact_whatever_the_text() {
    let document = parsed(&written(&hostile(), &options(Format::Json)));
    let host = &document["hosts"][0];
    assert_eq!(host["host"], HOSTILE);
    assert_eq!(host["outcome"]["measured"]["results"][0]["actual"], HOSTILE);
    assert_eq!(host["outcome"]["measured"]["results"][0]["rule_id"], "=rule\u{202e}\"<0");
    let astral = crate::text::json(&"\u{e0041}a", crate::text::Layout::Line).unwrap();
    assert_eq!(astral, "\"\\udb40\\udc41a\"");
}

#[test]
fn json_lines_are_one_object_a_result_and_one_a_host() {
    let text = written(&report(vec![web_1(), web_2()]), &options(Format::Jsonl));
    let lines: Vec<Value> = text.lines().map(parsed).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["result", "result", "result", "result", "result", "result", "host", "host"]);
    assert!(lines.iter().all(|line| line["schema"] == "plumbline.scan_line/1"));
    assert_eq!(lines[2]["rule_id"], "sshd_root");
    assert_eq!(lines[2]["host"], "web-1");
    assert_eq!(lines[2]["status"], "fail");
    assert_eq!(lines[2]["change"], "state_changed");
    assert_eq!(lines[6]["counts"]["assessed"], 3);
    assert_eq!(lines[7]["measured"], false);
    assert_eq!(lines[7]["failure"]["reason"], "auth_failed");
    let hostile = written(&hostile(), &options(Format::Jsonl));
    assert_eq!(hostile.lines().map(parsed).next_back().unwrap()["failure"]["message"], HOSTILE);
}

/// Reads CSV as RFC 4180, section 2, has it.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    assert!(!quoted && row.is_empty() && cell.is_empty(), "the last record is complete");
    rows
}

#[test]
fn csv_is_a_record_a_result_and_lists_hosts_that_were_not_measured() {
    let rows = csv(&written(&report(vec![web_1(), web_2()]), &options(Format::Csv)));
    assert_eq!(rows.len(), 1 + 6 + 1);
    assert_eq!(rows[0].join(","), {
        "kind,host,host_id,scan_id,rule_id,title,severity,status,reason_code,reason,expected,actual,decided_by,fix,\
         controls,change,evidence_sha256,imported,content_signed"
    });
    assert_eq!(rows[3][..2], ["result", "web-1"]);
    assert_eq!(rows[3][4..8], ["sshd_root", "Title of sshd_root", "high", "fail"]);
    assert_eq!(
        rows[3][10..16],
        [
            "no",
            "yes",
            "/etc/ssh/sshd_config:32",
            "Fix sshd_root.",
            "cis 1.1.0: 5.1.20; nist r5: AC-6",
            "state_changed"
        ]
    );
    assert_eq!(rows[7][..2], ["not_measured", "web-2"]);
    assert_eq!(rows[7][8..10], ["auth_failed", "could not log in as ann"]);
}

#[test]
fn rpt_10_csv_cells_that_look_like_formulas_are_neutralized() {
    let mut report = report(vec![web_1()]);
    let crate::report::Outcome::Measured(measured) = &mut report.hosts[0].outcome else { panic!("measured") };
    let starts = ["=1+1", "+1", "-1", "@sum", "\tx", "\r=1", "a=1", "\"=1\""];
    measured.results.truncate(1);
    let template = measured.results.remove(0);
    for start in starts {
        let mut result = template.clone();
        result.actual = start.to_owned();
        measured.results.push(result);
    }
    let rows = csv(&written(&report, &options(Format::Csv)));
    let actual: Vec<&str> = rows[1..].iter().map(|row| row[11].as_str()).collect();
    assert_eq!(actual, ["'=1+1", "'+1", "'-1", "'@sum", "'\\tx", "'\\r=1", "a=1", "\"=1\""]);
}

#[test]
fn csv_survives_hostile_texts() {
    let rows = csv(&written(&hostile(), &options(Format::Csv)));
    assert_eq!(rows.len(), 1 + 5 + 1);
    assert!(rows.iter().all(|row| row.len() == 19));
    let dangerous = |cell: &String| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    assert!(!rows.iter().flatten().any(dangerous));
}

#[test]
fn sarif_has_the_required_members_and_maps_levels() {
    let document = parsed(&written(&report(vec![web_1(), web_2()]), &options(Format::Sarif)));
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "plumb");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["shadow_perms", "sshd_banner", "sshd_root"]);
    let results = run["results"].as_array().unwrap();
    let shown: Vec<[&Value; 4]> =
        results.iter().map(|r| [&r["ruleId"], &r["ruleIndex"], &r["kind"], &r["level"]]).collect();
    assert_eq!(
        json!(shown),
        json!([
            ["sshd_banner", 1, "fail", "note"],
            ["sshd_root", 2, "fail", "error"],
            ["shadow_perms", 0, "open", "none"],
        ])
    );
    assert_eq!(results[1]["message"]["text"], "Title of sshd_root: expected no, found yes");
    assert_eq!(
        results[1]["partialFingerprints"],
        json!({"hostRule/v1": "0190b2e5-0000-7000-8000-000000000001/sshd_root"})
    );
    assert_eq!(
        results[1]["locations"][0],
        json!({
            "logicalLocations": [{"name": "web-1", "kind": "resource"}],
            "physicalLocation": {
                "artifactLocation": {"uri": "file://web-1/etc/ssh/sshd_config"},
                "region": {"startLine": 32},
            },
        })
    );
}

#[test]
fn sarif_tells_of_hosts_that_were_not_measured() {
    let document = parsed(&written(&report(vec![web_1(), web_2()]), &options(Format::Sarif)));
    let invocations = &document["runs"][0]["invocations"];
    assert_eq!(invocations[0]["executionSuccessful"], true);
    assert_eq!(invocations[0]["startTimeUtc"], "2026-03-01T10:02:11.500000Z");
    assert_eq!(invocations[1]["executionSuccessful"], false);
    let notification = &invocations[1]["toolExecutionNotifications"][0];
    assert_eq!(notification["level"], "error");
    assert_eq!(notification["descriptor"]["id"], "auth_failed");
    assert_eq!(notification["message"]["text"], "web-2: not measured: could not log in as ann");
}

#[test]
fn sarif_stays_valid_on_hostile_texts() {
    let document = parsed(&written(&hostile(), &options(Format::Sarif)));
    let result = &document["runs"][0]["results"][0];
    assert_eq!(result["properties"]["actual"], HOSTILE);
    // A text that is no path gives no file.
    assert_eq!(result["locations"][0]["physicalLocation"], Value::Null);
}

/// Demands that tags are balanced and that text and attribute values hold no bare markup.
fn assert_well_formed(text: &str) {
    let body = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
    let mut open: Vec<&str> = Vec::new();
    for piece in body.split('<').skip(1) {
        let (tag, after) = piece.split_once('>').unwrap();
        assert!(!after.contains(['>', '"']), "bare markup in {piece:?}");
        assert_eq!(tag.matches('"').count() % 2, 0, "odd quotes in {tag:?}");
        assert!(
            tag.split('&')
                .skip(1)
                .all(|rest| ["amp;", "apos;", "lt;", "gt;", "quot;"].iter().any(|e| rest.starts_with(e)))
        );
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap());
        }
    }
    assert!(open.is_empty());
}

#[test]
fn junit_has_a_suite_a_host_and_a_case_a_rule() {
    let text = written(&report(vec![web_1(), web_2()]), &options(Format::Junit));
    assert_well_formed(&text);
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="plumb 0.1.0" tests="7" failures="2" errors="2" skipped="2">
  <testsuite name="web-1" hostname="web-1" tests="6" failures="2" errors="1" skipped="2" time="1.250" timestamp="2026-03-01T10:02:11">
    <properties>
      <property name="scan_id" value="0190b2e5-0000-7000-8000-0000000000aa"/>
      <property name="score" value="33.3"/>
      <property name="state" value="non_compliant"/>
      <property name="assessed" value="3/6"/>
      <property name="content_signed" value="true"/>
    </properties>
    <testcase classname="web-1" name="aide"/>
    <testcase classname="web-1" name="sshd_banner">
      <failure type="low" message="Title of sshd_banner: expected no, found yes">Title of sshd_banner
severity: low
expected: no
found: yes
decided by: /etc/ssh/sshd_config:32
controls: cis 1.1.0: 5.1.20
controls: nist r5: AC-6
fix: Fix sshd_banner.</failure>
    </testcase>
"#;
    assert!(text.starts_with(expected), "{text}");
    let end = r#"    <testcase classname="web-1" name="shadow_perms">
      <error type="permission_denied" message="/etc/shadow"/>
    </testcase>
    <testcase classname="web-1" name="gdm">
      <skipped message="subject_absent: no gdm"/>
    </testcase>
    <testcase classname="web-1" name="walk">
      <skipped message="deselected: turned off"/>
    </testcase>
  </testsuite>
  <testsuite name="web-2" hostname="web-2" tests="1" failures="0" errors="1" skipped="0">
    <testcase classname="web-2" name="measure the host">
      <error type="auth_failed" message="could not log in as ann">hint: name a key with --identity</error>
    </testcase>
  </testsuite>
</testsuites>
"#;
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn junit_stays_well_formed_on_hostile_texts() {
    let text = written(&hostile(), &options(Format::Junit));
    assert_well_formed(&text);
    assert!(!text.contains("]]>"));
    assert!(text.contains("found: =1+1\\u{1b}[2J"), "{text}");
}
