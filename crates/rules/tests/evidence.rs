//! Evidence: bounded, exact, masked (EXE-12, EXE-13, EXE-14, TLW-34).

mod common;

use common::{answer, hello, load, masker, rule};
use model::{EVIDENCE_BYTES_MAX, Observation, Output, ReasonCode, RuleResult, Source, Status};

fn evaluate(checks: &[(&str, &str)], answers: &[Observation], secrets: &[&str]) -> Vec<RuleResult> {
    let files: Vec<(String, String)> = checks.iter().map(|(id, check)| rule(id, check)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let plan = common::plan_all(&load(&files));
    rules::evaluate(&plan, &hello(0), answers, &masker(secrets))
}

fn one(check: &str, answers: &[Observation]) -> RuleResult {
    evaluate(&[("the_rule", check)], answers, &[]).remove(0)
}

#[test]
fn evidence_names_the_command_the_deciding_line_and_its_place_exe_13() {
    let text = b"@/etc/login.defs\n:/etc/login.defs\n=# comment\n=PASS_MAX_DAYS 99999\n=UMASK 022\n.\n";
    let result = one(
        "{setting: {file: /etc/login.defs, format: space, key: PASS_MAX_DAYS, at_most: 365}}",
        &[answer("text_files", 0, text, b"")],
    );
    assert_eq!(result.status, Status::Fail);
    assert_eq!(result.value, serde_json::json!("99999"));
    let check = &result.evidence.checks[0];
    assert_eq!(check.command, "cat /etc/login.defs");
    assert_eq!(check.output, Output::Text("PASS_MAX_DAYS 99999\n".to_owned()));
    assert_eq!(check.output_len, "# comment\nPASS_MAX_DAYS 99999\nUMASK 022\n".len() as u64);
    assert_eq!((check.expected.as_str(), check.actual.as_str()), ("at most 365", "99999"));
    assert_eq!(check.source, Some(Source { file: "/etc/login.defs".to_owned(), line: Some(2) }));
    assert_eq!(result.evidence.detail, "PASS_MAX_DAYS: found 99999, expected at most 365");
}

#[test]
fn what_did_not_hold_stands_first_exe_13() {
    let checks = "{all: [{command: {run: one, equal: yes}}, {command: {run: two, equal: yes}}, {command: {run: three, equal: yes}}]}";
    let answers = [
        answer("command:the_rule", 0, b"yes\n", b""),
        answer("command:the_rule:2", 0, b"no\n", b""),
        answer("command:the_rule:3", 0, b"yes\n", b""),
    ];
    let result = one(checks, &answers);
    assert_eq!(result.status, Status::Fail);
    let commands: Vec<&str> = result.evidence.checks.iter().map(|check| check.command.as_str()).collect();
    assert_eq!(commands, ["two", "one", "three"]);
}

#[test]
fn odd_bytes_are_kept_exactly_in_base64_and_words_are_escaped_exe_13() {
    let result =
        one("{command: {run: x, equal: clean}}", &[answer("command:the_rule", 0, b"a\0\x1b[2J\xff\n", b"")]);
    assert_eq!(result.status, Status::Fail);
    let check = &result.evidence.checks[0];
    // RFC 4648 by hand: 61 00 1b | 5b 32 4a | ff 0a.
    assert_eq!(check.output, Output::Base64("YQAbWzJK/wo=".to_owned()));
    let words = format!("{} {} {}", check.actual, check.expected, result.evidence.detail);
    assert!(!words.chars().any(char::is_control), "{words:?}");
}

#[test]
fn evidence_fits_however_long_the_output_is_exe_12() {
    let long = "\"\\\t".repeat(120_000);
    let checks: Vec<String> = (0..10).map(|n| format!("{{command: {{run: echo {n}, equal: y}}}}")).collect();
    let keys =
        ["command:the_rule".to_owned()].into_iter().chain((2..=10).map(|n| format!("command:the_rule:{n}")));
    let answers: Vec<_> = keys.map(|key| answer(&key, 0, long.as_bytes(), b"")).collect();
    let result = one(&format!("{{all: [{}]}}", checks.join(", ")), &answers);
    let size = serde_json::to_vec(&result.evidence).unwrap().len();
    assert!(size <= EVIDENCE_BYTES_MAX, "{size}");
    assert_eq!(result.evidence.checks.len(), 10);
    assert!(result.evidence.checks.iter().all(|check| check.cut && check.output_len == 360_000));
}

#[test]
fn secrets_are_masked_before_anything_leaves_tlw_34() {
    let said = b"hunter22\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n\
        db_password = s3cret\nAuthorization: Bearer abc.def\napi_token=\"x y z\"\n\
        web.password: s4cret\n{\"client_secret\": \"s5cret\"}\nfile/token=s6cret\n\
        {\"app/password\": \"s7cret\"}\nvault/db-token: s8cret\n/run/x/token:s9cret\n./.secret: sAcret\n$6$salt$abcdefghijkl\n";
    let result = evaluate(
        &[("the_rule", "{command: {run: x, equal: hunter22}}")],
        &[answer("command:the_rule", 0, said, b"")],
        &["hunter22"],
    )
    .remove(0);
    let whole = serde_json::to_string(&result).unwrap();
    for secret in [
        "hunter22",
        "AAAA",
        "s3cret",
        "s4cret",
        "s5cret",
        "s6cret",
        "s7cret",
        "s8cret",
        "s9cret",
        "sAcret",
        "abc.def",
        "x y z",
        "abcdefghijkl",
    ] {
        assert!(!whole.contains(secret), "{secret} in {whole}");
    }
    assert!(result.evidence.masked);
    // Neither what a setting about passwords says, nor what is said of a file whose name ends so.
    for plain in ["passwordauthentication no", "/etc/pam.d/common-password: not there", "/etc/passwd: 0644"] {
        let check = format!("{{command: {{run: x, equal: {plain:?}}}}}");
        let clean = one(&check, &[answer("command:the_rule", 0, format!("{plain}\n").as_bytes(), b"")]);
        assert_eq!((clean.status, clean.evidence.masked), (Status::Pass, false), "{plain}");
    }
}

#[test]
fn what_is_found_of_accounts_and_files_is_shown_whatever_their_names_end_in_tlw_34() {
    let shadow = b"root:locked:19000:0:99999:7:-:-\neve:empty:19000:0:99999:7:-:-\n.\n";
    let passwd = b"@/etc/passwd\n:/etc/passwd\n=root:x:0:0::/root:/bin/sh\n=eve:x:9:9::/:/bin/sh\n.\n";
    let accounts = one(
        "{accounts: {assert: no_empty_passwords}}",
        &[answer("shadow", 0, shadow, b""), answer("text_files", 0, passwd, b"")],
    );
    let check = &accounts.evidence.checks[0];
    assert_eq!(
        (accounts.status, check.actual.as_str(), accounts.evidence.masked),
        (Status::Fail, "eve", false)
    );
    assert!(accounts.evidence.detail.contains("found eve, expected none"), "{}", accounts.evidence.detail);
    let stat = b"666:0:0:root:root:regular file:/etc/passwd\n--\n\n.\n";
    let file = one(
        "{file: {path: /etc/passwd, mode_at_most: \"0644\", missing: fail}}",
        &[answer("stat", 0, stat, b"")],
    );
    let check = &file.evidence.checks[0];
    assert_eq!((file.status, file.evidence.masked), (Status::Fail, false));
    assert!(check.actual.contains("0666"), "{}", check.actual);
}

/// The value of a setting that is named like a secret is one, however its file is written and wherever it is set.
#[test]
fn the_value_of_a_setting_that_is_a_secret_is_nowhere_in_its_result_tlw_34() {
    let lines = "password=Tr0ub4dor\nbind password=Tr0ub4dor\ndb/password=Tr0ub4dor\n";
    let setting = |format: &str, key: &str| {
        format!("{{setting: {{file: /etc/x, format: {format}, key: {key}, missing: fail, equal: changeme}}}}")
    };
    let text = |path: &str, lines: &str| {
        let lines: String = lines.lines().map(|line| format!("={line}\n")).collect();
        format!("@{path}\n:{path}\n{lines}.\n")
    };
    for (check, answered) in [
        (setting("equals", "password"), text("/etc/x", lines)),
        (setting("equals", "bind password"), text("/etc/x", lines)),
        (setting("equals", "db/password"), text("/etc/x", lines)),
        (setting("space", "password"), text("/etc/x", "password Tr0ub4dor\n")),
        (
            "{kernel_cmdline: {parameter: inst.vncpassword, equal: x, layers: running}}".to_owned(),
            text("/proc/cmdline", "quiet inst.vncpassword=Tr0ub4dor\n"),
        ),
    ] {
        let result = one(&check, &[answer("text_files", 0, answered.as_bytes(), b"")]);
        assert_eq!((result.status, result.evidence.masked), (Status::Fail, true), "{check}: {result:?}");
        assert_eq!(result.evidence.checks[0].actual, "<masked>", "{check}");
        assert!(!serde_json::to_string(&result).unwrap().contains("Tr0ub"), "{check}: {result:?}");
    }
}

#[test]
fn exit_statuses_are_judged_and_one_line_feed_is_dropped_exe_14() {
    let run = |check: &str, exit: i32, stdout: &str| {
        let result = one(check, &[answer("command:the_rule", exit, stdout.as_bytes(), b"x: not found")]);
        (result.status, result.reason.map(|reason| reason.code))
    };
    assert_eq!(run("{command: {run: x, equal: a}}", 0, "a\n"), (Status::Pass, None));
    assert_eq!(run("{command: {run: x, equal: a}}", 0, "a\n\n"), (Status::Fail, None));
    assert_eq!(run("{command: {run: x, equal: a}}", 1, "a\n"), (Status::Fail, None));
    assert_eq!(run("{command: {run: x, exit: [1]}}", 1, ""), (Status::Pass, None));
    assert_eq!(run("{command: {run: x, equal: a}}", 127, ""), (Status::Error, Some(ReasonCode::ToolMissing)));
    assert_eq!(
        run("{command: {run: x, absent: true}}", 127, ""),
        (Status::Error, Some(ReasonCode::ToolMissing))
    );
}

#[test]
fn the_value_does_not_change_with_order_or_noise_exe_25() {
    let value = |lines: &str| {
        let text = format!("@/etc/group\n@/etc/passwd\n:/etc/group\n=root:x:0:\n:/etc/passwd\n{lines}.\n");
        one("{accounts: {assert: only_root_has_uid_0}}", &[answer("text_files", 0, text.as_bytes(), b"")])
            .value
    };
    let a = value("=root:x:0:0::/root:/bin/sh\n=b:x:0:0::/:/bin/sh\n=a:x:0:0::/:/bin/sh\n");
    let b = value("=a:x:0:0::/:/bin/sh\n=root:x:0:0::/root:/bin/sh\n=b:x:0:0::/:/bin/sh\n");
    assert_eq!(a, serde_json::json!(["a", "b"]));
    assert_eq!(a, b);
}
