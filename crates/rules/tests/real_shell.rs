//! The generated scripts with a real `sh`: the parsers understand this machine's own answers.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{hello, load, masker, plan_all, rule, run, shipped};
use model::{ReasonCode, RuleResult, Status};

/// Shells of this machine that can run the scripts; `sh` is always there.
fn shells() -> Vec<&'static str> {
    ["sh", "bash"].into_iter().filter(|shell| Path::new("/bin").join(shell).exists()).collect()
}

fn results(corpus: &rules::Corpus, shell: &str, skip: &str) -> Vec<RuleResult> {
    let plan = plan_all(corpus);
    let answers: Vec<_> = plan
        .commands
        .iter()
        .filter(|command| command.key != skip)
        .map(|command| run(shell, command))
        .collect();
    rules::evaluate(&plan, &hello(uid()), &answers, &masker(&[]))
}

fn uid() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

/// A small corpus of `(rule id, check)`.
fn corpus(checks: &[(&str, String)]) -> rules::Corpus {
    let files: Vec<(String, String)> = checks.iter().map(|(id, check)| rule(id, check)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    load(&files)
}

#[test]
fn every_shipped_rule_understands_what_this_machine_says() {
    let corpus = shipped();
    // The walk takes as long as this machine has files; another test walks.
    for shell in shells() {
        let results = results(&corpus, shell, "walk");
        assert_eq!(results.len(), plan_all(&corpus).rule_ids().len());
        let puzzled: String = results
            .iter()
            .filter_map(|result| Some((result, result.reason.as_ref()?)))
            .filter(|(_, reason)| reason.code == ReasonCode::UnexpectedOutput)
            .map(|(result, reason)| format!("{shell}: {}: {}\n", result.rule_id, reason.text))
            .collect();
        assert!(puzzled.is_empty(), "\n{puzzled}");
        let decided = results.iter().filter(|r| matches!(r.status, Status::Pass | Status::Fail)).count();
        assert!(decided > results.len() / 2, "{decided} of {} have a verdict", results.len());
    }
}

#[test]
fn files_are_read_whole_whatever_they_hold() {
    let dir = std::env::temp_dir().join(format!("plumb-rules-{}", std::process::id()));
    fs::create_dir_all(dir.join("sub")).unwrap();
    let at = |name: &str| dir.join(name).display().to_string();
    fs::write(dir.join("a.conf"), "\u{feff}key = 1\r\n").unwrap();
    fs::write(dir.join("b.conf"), b"x\0y\xff\nkey = 2").unwrap();
    fs::write(dir.join("empty.conf"), "").unwrap();
    fs::write(dir.join("long"), "key = 1\n".repeat(200_000)).unwrap();
    fs::write(dir.join("sub").join("odd\n644:0:0:root:root:regular file:name"), "").unwrap();
    fs::create_dir_all(dir.join("directory.conf")).unwrap();
    symlink("/dev/null", dir.join("null.conf")).unwrap();
    fs::set_permissions(dir.join("a.conf"), fs::Permissions::from_mode(0o640)).unwrap();
    let setting = |file: &str, want: &str| {
        format!("{{setting: {{file: {}, format: equals, key: key, equal: \"{want}\"}}}}", at(file))
    };
    let checks = [
        ("bom_and_crlf", setting("a.conf", "1")),
        ("no_final_line_feed", setting("b.conf", "2")),
        ("empty_file", setting("empty.conf", "1")),
        ("too_long", setting("long", "1")),
        ("not_there", setting("none/none", "1")),
        (
            "glob_all",
            format!("{{lines: {{files: [\"{}\"], any_matches: \"^key\", missing: fail}}}}", at("*.conf")),
        ),
        ("mode_good", format!("{{file: {{path: {}, mode_at_most: \"0640\", missing: fail}}}}", at("a.conf"))),
        ("mode_bad", format!("{{file: {{path: {}, mode_at_most: \"0600\", missing: fail}}}}", at("a.conf"))),
        ("file_gone", format!("{{file: {{path: {}, missing: pass}}}}", at("gone"))),
        ("glob_none", format!("{{file: {{path: \"{}\", missing: not_applicable}}}}", at("*.none"))),
        ("glob_odd_name", format!("{{file: {{path: \"{}\", missing: pass}}}}", at("sub/*"))),
        (
            "text_odd_name",
            format!("{{lines: {{files: [\"{}\"], none_match: x, missing: pass}}}}", at("sub/*")),
        ),
    ];
    let corpus = corpus(&checks);
    for shell in shells() {
        let told: Vec<String> =
            results(&corpus, shell, "").iter().map(|r| format!("{} {}", r.rule_id, r.status)).collect();
        assert_eq!(
            told.join("\n"),
            "bom_and_crlf pass\nempty_file fail\nfile_gone pass\nglob_all pass\nglob_none not_applicable\n\
             glob_odd_name error\nmode_bad fail\nmode_good pass\nno_final_line_feed pass\nnot_there fail\n\
             text_odd_name error\ntoo_long error",
            "{shell}"
        );
    }
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn scripts_are_plain_and_start_few_processes() {
    let plan = plan_all(&shipped());
    assert!(plan.commands.len() <= 11, "{} commands", plan.commands.len());
    for command in &plan.commands {
        assert!(!command.script.contains('\0'));
        assert!(!command.script.contains("<<"), "{}: no here-documents", command.key);
        // 128 KiB is the longest argument that Linux takes.
        assert!(command.script.len() < 131_072, "{}", command.key);
    }
}

#[test]
fn a_missing_tool_is_told_and_decides_nothing() {
    let checks = [
        ("needs_awk", "{lines: {files: [/etc/none], none_match: x, missing: pass}}".to_owned()),
        ("needs_dpkg", "{package: {name: x, installed: false}}".to_owned()),
        ("needs_stat", "{file: {path: /etc/none, missing: pass}}".to_owned()),
        ("needs_systemctl", "{unit: {name: x.service, enabled: false}}".to_owned()),
        ("needs_find", "{walk: {find: setuid}}".to_owned()),
    ];
    let plan = plan_all(&corpus(&checks));
    let answers: Vec<_> = plan
        .commands
        .iter()
        .map(|command| {
            let script = format!("PATH=/nonexistent\n{}", command.script);
            run("/bin/sh", &model::Command { script, ..command.clone() })
        })
        .collect();
    for result in rules::evaluate(&plan, &hello(0), &answers, &masker(&[])) {
        let code = result.reason.map(|reason| reason.code);
        assert_eq!(
            (result.status, code),
            (Status::Error, Some(ReasonCode::ToolMissing)),
            "{}",
            result.rule_id
        );
    }
}
