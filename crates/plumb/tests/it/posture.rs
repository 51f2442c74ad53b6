//! Reading the record: what was so at any two instants, what differs between them, and why a rule stands as
//! it does. Expected answers come from what was scanned and when, never from what is asked.

use std::collections::{BTreeMap, BTreeSet};

use model::Timestamp;
use serde_json::{Value, json};
use testkit::host::TestHost;

use crate::ours::{at_least_14, closed, folder, rule};
use crate::support::{On, World, assert_code, assert_refused, at, host, json, measured, world, world_on};

/// Status, severity and value of each rule.
type Rules = BTreeMap<String, (Value, Value, Value)>;

/// What a scan found and when that was so and recorded.
struct Scanned {
    measured_at: i64,
    recorded_at: i64,
    rules: Rules,
}

fn rules(results: &Value) -> Rules {
    let row = |result: &Value| {
        let part = |name: &str| result[name].clone();
        (
            result["rule_id"].as_str().unwrap().to_owned(),
            (part("status"), part("severity"), part("value_digest")),
        )
    };
    results.as_array().unwrap().iter().map(row).collect()
}

fn micros(text: &Value) -> i64 {
    text.as_str().unwrap().parse::<Timestamp>().unwrap().as_micros()
}

fn instant(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string()
}

fn scan(world: &World, host: &TestHost, content: &str) -> Scanned {
    let document = world.scan_json(host, &["--content", content]);
    let found = measured(&document);
    Scanned {
        measured_at: micros(&found["scan"]["measured_at"]),
        recorded_at: micros(&found["scan"]["recorded_at"]),
        rules: rules(&found["results"]),
    }
}

/// Returns the answer to a posture question, byte for byte.
fn ask(world: &World, (name, content): (&str, &str), (valid, recorded): (i64, i64)) -> String {
    let (valid, recorded) = (instant(valid), instant(recorded));
    let words =
        ["--content", content, "posture", name, "--at", &valid, "--recorded-at", &recorded, "-f", "json"];
    let done = world.plumb(&words);
    assert_code(&done, 0);
    done.stdout
}

/// Asserts that an answer is that of the newest scan that was so and was recorded by then (POS-10, POS-12).
fn assert_is_model(answer: &str, scans: &[Scanned], (valid, recorded): (i64, i64)) {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let seen: Vec<&Scanned> =
        scans.iter().filter(|scan| scan.measured_at <= valid && scan.recorded_at <= recorded).collect();
    let Some(newest) = seen.iter().max_by_key(|scan| scan.measured_at) else {
        let nothing = (&json!(false), &Value::Null, &Value::Null, &json!([]), &json!("unknown"));
        let said = ["measured", "last_checked_at", "score", "rules", "state"].map(|name| &answer[name]);
        assert_eq!((said[0], said[1], said[2], said[3], said[4]), nothing);
        return;
    };
    assert_eq!(rules(&answer["rules"]), newest.rules);
    assert_eq!(micros(&answer["last_checked_at"]), newest.measured_at);
    assert_eq!(answer["age_seconds"], (valid - newest.measured_at) / 1_000_000);
    for rule in answer["rules"].as_array().unwrap() {
        assert_eq!(rule["check_count"], seen.len(), "{rule:#}");
        assert_eq!(micros(&rule["last_checked_at"]), newest.measured_at);
    }
}

/// Changes what the host has in its `round`: one rule's verdict each time, another one's value every third time.
fn change(host: &TestHost, round: usize) {
    let mode = if round.is_multiple_of(2) { "0600" } else { "0644" };
    let length = 14 + round / 3;
    let script = format!(
        "[ -e /etc/plumb_same ] || install -m 0600 /dev/null /etc/plumb_same
         install -m {mode} /dev/null /etc/plumb_flips; echo 'length = {length}' >/etc/plumb_length"
    );
    host.must(&script).unwrap();
}

fn an_answer_for_two_instants_is_what_was_known_then_and_stays_so_pos_10_pos_12_pos_13_tlw_29(on: On) {
    let (world, host) = (world_on(on), host());
    let name = at("root", &host);
    let ours = [closed("same", "low"), closed("flips", "high"), at_least_14("length", "medium")];
    let content = folder(&world, "ours", &ours);
    let mut scans = Vec::new();
    for round in 0..5 {
        change(&host, round);
        scans.push(scan(&world, &host, &content));
    }
    let mut questions: Vec<(i64, i64)> = Vec::new();
    for scan in &scans {
        for step in [-1, 0, 1] {
            questions.push((scan.measured_at + step, scans[4].recorded_at));
            questions.push((scans[4].measured_at, scan.recorded_at + step));
        }
        questions.push((scan.measured_at, scan.recorded_at));
    }
    let answers: Vec<String> =
        questions.iter().map(|question| ask(&world, (&name, &content), *question)).collect();
    for (question, answer) in questions.iter().zip(&answers) {
        assert_is_model(answer, &scans, *question);
    }
    for round in 5..30 {
        change(&host, round);
        scan(&world, &host, &content);
    }
    assert_code(&world.plumb(&["host", "remove", &name]), 0);
    for (question, answer) in questions.iter().zip(&answers) {
        assert_eq!(ask(&world, (&name, &content), *question), *answer);
    }
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
on_each!(an_answer_for_two_instants_is_what_was_known_then_and_stays_so_pos_10_pos_12_pos_13_tlw_29);

#[test]
fn a_host_that_was_never_scanned_is_never_checked_pos_12() {
    let world = world();
    assert_code(&world.plumb(&["host", "add", "192.0.2.10", "--name", "silent"]), 0);
    let done = world.plumb(&["posture", "--format", "json"]);
    assert_code(&done, 0);
    let posture = &json(&done)["postures"][0];
    assert_eq!((&posture["host"], &posture["state"]), (&json!("silent"), &json!("unknown")));
    assert_eq!((&posture["last_checked_at"], &posture["score"]), (&Value::Null, &Value::Null));
    assert!(world.plumb(&["posture"]).stdout.contains("\tnever_checked"));
    assert_refused(&world.plumb(&["posture", "nowhere"]), 64, "there is no host \"nowhere\"");
}

/// Applies a difference to one answer's rules (POS-14).
fn applied(mut rules: Rules, diff: &Value) -> Rules {
    for change in diff["rules"].as_array().unwrap() {
        let id = change["rule_id"].as_str().unwrap().to_owned();
        let after = &change["after"];
        if after.is_null() {
            rules.remove(&id);
        } else {
            let part = |name: &str| after[name].clone();
            rules.insert(id, (part("status"), part("severity"), part("value_digest")));
        }
    }
    rules
}

/// What `why`, `history` and `diff` say of a rule that is gone, of one that never was, and of before the first scan.
fn retired_rules_and_times_before_the_first_scan_are_told(world: &World, name: &str, from: &str) {
    let why = |rule: &str| {
        let said = |more: &[&str]| world.plumb(&[&["why", rule, "--host", name], more].concat());
        (json(&said(&["--format", "json"]))["in_posture"].clone(), said(&[]).stdout.contains("  left out  "))
    };
    assert_eq!([why("retired"), why("same")], [(json!(false), true), (json!(true), false)]);
    let changes = |rule: &str| world.plumb(&["history", name, rule]);
    assert_eq!(changes("retired").stdout.lines().count(), 2);
    assert_refused(&changes("retird"), 64, "there is no rule retird");
    // Before the first scan nothing is claimed, which is said.
    let both = ["diff", name, "--from", "2020-01-01", "--to", from];
    let done = world.plumb(&both);
    assert!(done.stderr.contains("had no full scan by 2020-01-01T00:00:00"), "{}", done.stderr);
    assert_eq!(done.stderr.matches("had no full scan").count(), 1);
    let measured = json(&world.plumb(&[&both[..], &["--format", "json"]].concat()))["measured"].clone();
    assert_eq!(measured, json!({"from": false, "to": true}));
}

fn a_difference_names_each_kind_and_leads_from_one_answer_to_the_other_pos_06_pos_14(on: On) {
    let (world, host) = (world_on(on), host());
    let name = at("root", &host);
    let mut ours = vec![
        closed("fails", "low"),
        closed("passes", "low"),
        closed("retired", "low"),
        closed("same", "low"),
        closed("severer", "low"),
        at_least_14("value", "low"),
    ];
    let before_content = folder(&world, "before", &ours);
    host.must(
        "for file in fails retired same severer; do install -m 0600 /dev/null /etc/plumb_$file; done
         install -m 0644 /dev/null /etc/plumb_passes; echo 'length = 14' >/etc/plumb_value",
    )
    .unwrap();
    let first = scan(&world, &host, &before_content);
    ours.retain(|(id, _)| id != "retired" && id != "severer");
    ours.extend([closed("severer", "critical"), closed("added", "low")]);
    let after_content = folder(&world, "after", &ours);
    host.must(
        "chmod 0644 /etc/plumb_fails; chmod 0600 /etc/plumb_passes; echo 'length = 15' >/etc/plumb_value",
    )
    .unwrap();
    let second = scan(&world, &host, &after_content);

    let (from, to) = (instant(first.measured_at), instant(second.measured_at));
    let done = world.plumb(&["diff", &name, "--from", &from, "--to", &to, "--format", "json"]);
    assert_code(&done, 0);
    let diff = json(&done);
    let found: Vec<(&str, &str)> = diff["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["rule_id"].as_str().unwrap(), rule["kind"].as_str().unwrap()))
        .collect();
    let expected = [
        ("added", "added"),
        ("fails", "became_failing"),
        ("passes", "became_passing"),
        ("retired", "retired"),
        ("severer", "severity_changed"),
        ("value", "value_changed"),
    ];
    assert_eq!(found, expected);
    assert_eq!(applied(first.rules, &diff), second.rules);
    // A rule that left has no row; each other difference is explained by one.
    let explained: BTreeSet<&str> = diff["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["change"]["rule_id"].as_str().unwrap())
        .collect();
    assert_eq!(explained, BTreeSet::from(["added", "fails", "passes", "severer", "value"]));

    // The retired rule counts no more, its history stays.
    let posture = json(&world.plumb(&["posture", &name, "--format", "json"]));
    assert!(!rules(&posture["rules"]).contains_key("retired"));
    retired_rules_and_times_before_the_first_scan_are_told(&world, &name, &from);
    assert_eq!(posture["rules"].as_array().unwrap().len(), 6);
    let history = world.plumb(&["history", &name, "retired", "--format", "json"]);
    assert_eq!(json(&history)["changes"].as_array().unwrap().len(), 1);
}
on_each!(a_difference_names_each_kind_and_leads_from_one_answer_to_the_other_pos_06_pos_14);

fn a_history_pages_through_every_kind_of_change_of_a_rule_pos_15(on: On) {
    let (world, host) = (world_on(on), host());
    let name = at("root", &host);
    let low = folder(&world, "low", &[at_least_14("length", "low"), closed("other", "low")]);
    let high = folder(&world, "high", &[at_least_14("length", "high"), closed("other", "low")]);
    for (length, content) in [(14, &low), (16, &low), (16, &high), (8, &high)] {
        host.must(&format!("echo 'length = {length}' >/etc/plumb_length")).unwrap();
        scan(&world, &host, content);
    }
    let mut seen: Vec<Value> = Vec::new();
    let mut before: Option<String> = None;
    // One row a page; one page more than there are rows finds the end.
    for _page in 0..5 {
        let mut words = vec!["history", &name, "length", "--limit", "1", "--format", "json"];
        words.extend(before.iter().flat_map(|before| ["--before", before.as_str()]));
        let page = json(&world.plumb(&words));
        seen.extend(page["changes"].as_array().unwrap().clone());
        before = page["next_before"].as_u64().map(|index| index.to_string());
        if before.is_none() {
            break;
        }
    }
    let kinds: Vec<&str> = seen.iter().map(|row| row["change"]["change_kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["state_changed", "severity_changed", "value_changed", "first_seen"]);
    for row in &seen {
        assert_eq!(row["requested_by"], "local:root");
        assert!(row["log_index"].is_u64());
        for digest in ["value_digest", "evidence_sha256", "rule_digest", "engine_digest", "policy_digest"] {
            assert_eq!(row["change"][digest].as_str().unwrap().len(), 64, "{digest}");
        }
        let evidence = world.plumb(&["evidence", row["change"]["evidence_sha256"].as_str().unwrap()]);
        assert_code(&evidence, 0);
    }
    let all = world.plumb(&["history", &name]);
    assert_eq!(all.stdout.lines().count(), 1 + 4 + 1, "{}", all.stdout);
}
on_each!(a_history_pages_through_every_kind_of_change_of_a_rule_pos_15);

fn a_partial_scan_updates_its_rules_and_leaves_the_corpus_alone_sch_23_pos_04(on: On) {
    let (world, host) = (world_on(on), host());
    let name = at("root", &host);
    let ours = ["one", "two", "three"].map(|id| closed(id, "low"));
    let content = folder(&world, "ours", &ours);
    host.must("for file in one two three; do install -m 0600 /dev/null /etc/plumb_$file; done").unwrap();
    scan(&world, &host, &content);
    let posture = || json(&world.plumb(&["posture", &name, "--format", "json"]));
    assert_eq!(posture()["score"], "100.0");
    host.must("chmod 0644 /etc/plumb_two").unwrap();
    let partial = world.scan_json(&host, &["--content", &content, "--rule", "two"]);
    assert_eq!(measured(&partial)["results"].as_array().unwrap().len(), 1);
    assert_eq!(measured(&partial)["scan"]["is_full"], false);
    // Two of three pass: 66.66..., cut and not rounded.
    let after = posture();
    assert_eq!((&after["score"], &measured(&partial)["score"]), (&json!("66.6"), &json!("66.6")));
    let counts: BTreeMap<&str, u64> = after["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["rule_id"].as_str().unwrap(), rule["check_count"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, BTreeMap::from([("one", 1), ("three", 1), ("two", 2)]));
    assert_eq!(after["fail_count"], 1);
}
on_each!(a_partial_scan_updates_its_rules_and_leaves_the_corpus_alone_sch_23_pos_04);

#[test]
fn why_tells_on_one_screen_what_was_expected_and_found_where_and_how_to_fix_it() {
    let (world, host) = (world(), host());
    let name = at("root", &host);
    let content = folder(&world, "ours", &[at_least_14("length", "high")]);
    let mapping = "framework: cis\nedition: test-1\ntitle: T\nsource: S\nrules: {length: [\"5.4.1\"]}\n";
    std::fs::create_dir(format!("{content}/mappings")).unwrap();
    std::fs::write(format!("{content}/mappings/cis-test-1.yaml"), mapping).unwrap();
    host.must("printf '# rules of the house\\nlength = 15\\n' >/etc/plumb_length").unwrap();
    scan(&world, &host, &content);
    host.must("printf '# rules of the house\\n\\nlength = 8\\n' >/etc/plumb_length").unwrap();
    let second = scan(&world, &host, &content);
    let since = instant(second.measured_at);
    let done = world.plumb(&["--content", &content, "why", "length", "--host", &name]);
    assert_code(&done, 0);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(lines.len() <= 24, "{}", done.stdout);
    assert_eq!(lines[..2], [format!("length on {name}").as_str(), "Title of length"]);
    let since_line = format!("since      {since}");
    let change = format!("changed    state_changed pass -> fail at {since} by local:root, ledger entry ");
    for wanted in [
        "status     fail (high)",
        "found      8",
        "in         /etc/plumb_length:3",
        &since_line,
        &change,
        "control    cis test-1: 5.4.1",
        "fix        Fix of length.",
        "why        Rationale of length.",
        "evidence   ",
    ] {
        assert!(
            lines.iter().any(|line| line.trim_start().starts_with(wanted)),
            "{wanted:?} is not in:\n{}",
            done.stdout
        );
    }
    let expected = lines.iter().find(|line| line.trim_start().starts_with("expected ")).unwrap();
    assert!(expected.contains("14"), "{expected}");
    let said =
        json(&world.plumb(&["--content", &content, "why", "length", "--host", &name, "--format", "json"]));
    assert_eq!(said["evidence"]["checks"][0]["source"], json!({"file": "/etc/plumb_length", "line": 3}));
    assert_refused(&world.plumb(&["why", "no_such_rule", "--host", &name]), 64, "no_such_rule");
    assert_refused(&world.plumb(&["why", "file_crontab", "--host", &name]), 64, "file_crontab");
}

/// Reads CSV (RFC 4180) into rows of cells.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(!quoted && cell.is_empty() && row.is_empty(), "{text}");
    rows
}

#[test]
fn no_cell_of_a_csv_is_a_formula_and_json_is_exact_rpt_10() {
    let (world, host) = (world(), host());
    let hostile = ["=HYPERLINK(\"http://x\",\"y\")", "+1+1", "-2", "@SUM(A1)", "a,b\";c"];
    let ours: Vec<(String, String)> = (0..hostile.len())
        .map(|number| {
            let check = format!(
                "{{setting: {{file: /etc/plumb_hostile, format: equals, key: key{number}, repeat: last, missing: fail, equal: never}}}}"
            );
            let (id, text) = rule(&format!("hostile_{number}"), "low", &check);
            let title = text.replace(&format!("title: Title of {id}"), "title: \"=1+1\"");
            (id, title)
        })
        .collect();
    let content = folder(&world, "ours", &ours);
    let lines: Vec<String> =
        hostile.iter().enumerate().map(|(n, value)| format!("key{n} = {value}")).collect();
    host.must(&format!("cat >/etc/plumb_hostile <<'END'\n{}\nEND\n", lines.join("\n"))).unwrap();
    let document = world.scan_json(&host, &["--content", &content]);
    let results = measured(&document)["results"].as_array().unwrap().clone();
    for (result, value) in results.iter().zip(hostile) {
        assert!(result["actual"].as_str().unwrap().contains(value), "{result:#}");
        assert_eq!(result["title"], "=1+1");
    }
    let done = world.scan(&host, &["--content", &content, "--format", "csv"]);
    assert_code(&done, 2);
    let rows = csv(&done.stdout);
    assert_eq!(rows.len(), 1 + hostile.len());
    for cell in rows.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
    }
    assert!(rows[1].iter().any(|cell| cell.contains(hostile[0])), "{:?}", rows[1]);
}
