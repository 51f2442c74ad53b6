//! The generated scripts with a real `sh`: the parsers understand this machine's own answers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here fails the test")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{hello, load, masker, plan_all, rule, run, shipped};
use model::{ReasonCode, RuleResult, Status};

/// Shells of this machine that can run the scripts; `sh` is always there.
fn shells() -> Vec<&'static str> {
    ["sh", "dash", "bash"].into_iter().filter(|shell| Path::new("/bin").join(shell).exists()).collect()
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
fn kernel_parameters_are_read_whole_in_every_shell() {
    // Numbers of several digits, one number of several words, a text, and one that this kernel does not have.
    let keys = ["kernel.pid_max", "fs.file-max", "net.ipv4.ip_local_port_range", "kernel.ostype"];
    let value = |key: &str| {
        let text = fs::read_to_string(format!("/proc/sys/{}", key.replace('.', "/"))).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(value("kernel.pid_max").len() > 1 && value("fs.file-max").len() > 1);
    let check =
        |key: &str, wanted: &str| format!("{{sysctl: {{key: {key}, equal: {wanted:?}, layers: running}}}}");
    let mut checks: Vec<(String, String)> =
        keys.iter().enumerate().map(|(nth, key)| (format!("whole_{nth}"), check(key, &value(key)))).collect();
    // As a shell that reads byte by byte would have it.
    checks.push(("cut".to_owned(), check("kernel.pid_max", &value("kernel.pid_max")[..1])));
    checks.push(("gone".to_owned(), check("kernel.plumb_no_such", "1")));
    let checks: Vec<(&str, String)> = checks.iter().map(|(id, check)| (id.as_str(), check.clone())).collect();
    let corpus = corpus(&checks);
    for shell in shells() {
        let found: Vec<(String, Status)> = results(&corpus, shell, "")
            .into_iter()
            .map(|result| (result.rule_id.to_string(), result.status))
            .collect();
        for (id, status) in found {
            let wanted = if id.starts_with("whole_") { Status::Pass } else { Status::Fail };
            assert_eq!(status, wanted, "{shell}: {id}");
        }
    }
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
    fs::write(dir.join("a.conf"), "key = 1\r\n").unwrap();
    fs::write(dir.join("bom"), "\u{feff}key = 1\n").unwrap();
    fs::write(dir.join("bom.ini"), "\u{feff}[Part]\nkey = 1\n").unwrap();
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
        ("bom_is_a_part_of_the_key", setting("bom", "1")),
        (
            "bom_is_skipped_by_systemd",
            format!(
                "{{setting: {{file: {}, format: ini, section: Part, key: key, equal: \"1\"}}}}",
                at("bom.ini")
            ),
        ),
        ("crlf", setting("a.conf", "1")),
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
            "bom_is_a_part_of_the_key fail\nbom_is_skipped_by_systemd pass\ncrlf pass\nempty_file fail\nfile_gone pass\nglob_all pass\nglob_none not_applicable\n\
             glob_odd_name error\nmode_bad fail\nmode_good pass\nno_final_line_feed pass\nnot_there fail\n\
             text_odd_name error\ntoo_long error",
            "{shell}"
        );
    }
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn scripts_are_plain_and_start_few_processes() {
    let mut plan = plan_all(&shipped());
    assert!(plan.commands.len() <= 12, "{} commands", plan.commands.len());
    plan.ask_what_it_is(rules::TIMEOUT_MS);
    assert!(plan.commands.len() <= 16, "{} commands", plan.commands.len());
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
        ("needs_find_too", "{home: {assert: owned}}".to_owned()),
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

#[test]
fn systemctl_is_asked_for_the_units_of_the_rules_and_one_that_is_always_there() {
    let dir = std::env::temp_dir().join(format!("plumb-rules-units-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let systemctl = dir.join("systemctl");
    let text = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\n\
        for name do printf '%s enabled enabled\\n' \"$name\"; done\n";
    fs::write(&systemctl, text).unwrap();
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    let plan = plan_all(&corpus(&[
        ("instance", "{unit: {name: getty@tty1.service, enabled: true}}".to_owned()),
        ("mount", "{mount: {point: /var/my-data, layers: persistent}}".to_owned()),
    ]));
    let command = plan.commands.iter().find(|command| command.key == "unit_files").unwrap();
    let script = format!("PATH={}:$PATH\n{}", dir.display(), command.script);
    let answer = run("/bin/sh", &model::Command { script, ..command.clone() });
    // systemd.unit(5): a dash inside a path becomes \x2d in the name of its unit; systemctl takes patterns.
    let asked = "basic.target enabled enabled\ngetty@.service enabled enabled\n\
        getty@tty1.service enabled enabled\nvar-my?x2ddata.mount enabled enabled\n.\n";
    assert_eq!(String::from_utf8_lossy(&answer.stdout), asked);
    fs::remove_dir_all(&dir).unwrap();
}

/// Runs the plan of one check with paths of the host replaced by paths of a folder.
fn with_paths(check: &str, paths: &[(&str, &Path)]) -> (RuleResult, String) {
    let plan = plan_all(&corpus(&[("the_rule", check.to_owned())]));
    let mut said = String::new();
    let answers: Vec<_> = plan
        .commands
        .iter()
        .map(|command| {
            let script = paths.iter().fold(command.script.clone(), |script, (from, to)| {
                script.replace(from, &to.display().to_string())
            });
            let mut answer = run("sh", &model::Command { script, ..command.clone() });
            said.push_str(&String::from_utf8_lossy(&answer.stdout));
            for (from, to) in paths {
                let text = String::from_utf8_lossy(&answer.stdout).replace(&to.display().to_string(), from);
                answer = common::answer(&answer.key, 0, text.as_bytes(), &answer.stderr);
            }
            answer
        })
        .collect();
    let result = rules::evaluate(&plan, &hello(0), &answers, &masker(&[])).remove(0);
    (result, said)
}

#[test]
fn password_hashes_never_leave_the_host() {
    let dir = std::env::temp_dir().join(format!("plumb-rules-hash-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let (passwd, shadow) = (dir.join("passwd"), dir.join("shadow"));
    // 5,000 accounts, one with a hash in passwd and one with an odd text in shadow.
    let users: String = (1..=5_000).map(|n| format!("u{n}:x:{n}:1::/home/u{n}:/bin/sh\n")).collect();
    fs::write(&passwd, format!("root:$6$s$SECRETHASH:0:0:root:/root:/bin/sh\ntoor::0:0::/:/bin/sh\n{users}"))
        .unwrap();
    let hashes: String = (1..=5_000).map(|n| format!("u{n}:!$y$j9T$SECRETHASH{n}:1:0:9:7:::\n")).collect();
    fs::write(
        &shadow,
        format!(
            "root:$6$s$SECRETHASH:19000:0:99999:7:::\nodd:SECRETHASH:1::::::\ntoor::1:0:9:7:::\n{hashes}"
        ),
    )
    .unwrap();
    let paths = [("/etc/passwd", passwd.as_path()), ("/etc/shadow", shadow.as_path())];
    let (result, said) = with_paths("{accounts: {assert: no_empty_passwords}}", &paths);
    assert_eq!((result.status, result.value), (Status::Fail, serde_json::json!(["toor"])));
    assert!(!said.contains("SECRETHASH"), "a hash left the host");
    let (result, said) =
        with_paths("{password_aging: {field: max_days, at_most: 365, exempt: [odd]}}", &paths);
    assert_eq!((result.status, result.value), (Status::Fail, serde_json::json!(["root=99999"])));
    assert!(!said.contains("SECRETHASH"), "a hash left the host");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn sshd_with_match_blocks_is_asked_for_one_connection() {
    let dir = std::env::temp_dir().join(format!("plumb-rules-sshd-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let sshd = dir.join("sshd");
    let text = "#!/bin/sh\ncase \"$*\" in\n'-T -C user=root,host=localhost,addr=127.0.0.1') echo 'permitrootlogin no';;\n\
        *) echo \"'Match User' in configuration but 'user' not in connection test specification.\" >&2; exit 255;;\nesac\n";
    fs::write(&sshd, text).unwrap();
    fs::set_permissions(&sshd, fs::Permissions::from_mode(0o755)).unwrap();
    let check = "{sshd: {setting: permitrootlogin, equal: no}}";
    let (result, _) = with_paths(check, &[("/usr/sbin/sshd", &sshd)]);
    assert_eq!(result.status, Status::Pass, "{:?}", result.reason);
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_walk_finds_files_with_any_name_and_lets_none_forge_another() {
    let dir = std::env::temp_dir().join(format!("plumb-rules-walk-{}", std::process::id()));
    fs::create_dir_all(dir.join("open")).unwrap();
    fs::create_dir_all(dir.join("sticky")).unwrap();
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (name, bits) in [("plain", 0o644), ("su", 0o4755), ("x\nsetuid:4755:root:root:forged", 0o666)] {
        fs::write(dir.join(name), "").unwrap();
        mode(name, bits);
    }
    mode("open", 0o777);
    mode("sticky", 0o1777);
    let checks = ["world_writable_file", "world_writable_directory", "setuid", "setgid", "unowned"]
        .map(|sort| (sort, format!("{{walk: {{find: {sort}}}}}")));
    let plan = plan_all(&corpus(&checks));
    let [command] = &plan.commands[..] else { panic!("one walk serves all rules") };
    assert_eq!((command.lane, command.timeout_ms), (model::Lane::Slow, 300_000));
    let script = command
        .script
        .replace("set -- /\n", &format!("set -- {}\n", dir.display()))
        .replace("/proc/self/mounts", "/nonexistent");
    let answer = run("sh", &model::Command { script, ..command.clone() });
    let at = dir.display();
    let told: Vec<String> = rules::evaluate(&plan, &hello(0), &[answer], &masker(&[]))
        .iter()
        .map(|r| format!("{} {} {}", r.rule_id, r.status, r.value))
        .collect();
    assert_eq!(
        told,
        [
            "setgid pass []".to_owned(),
            format!("setuid fail [\"{at}/su\"]"),
            "unowned pass []".to_owned(),
            format!("world_writable_directory fail [\"{at}/open\"]"),
            format!("world_writable_file fail [\"{at}/x\\nsetuid:4755:root:root:forged\"]"),
        ]
    );
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn dot_files_of_homes_have_any_name_and_none_forges_another() {
    let dir = std::env::temp_dir().join(format!("plumb-rules-homes-{}", std::process::id()));
    let (passwd, ana) = (dir.join("passwd"), dir.join("ana maria"));
    for home in ["ana maria", "bob", "nologin", "system"] {
        fs::create_dir_all(dir.join(home)).unwrap();
        fs::set_permissions(dir.join(home), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let write = |path: &Path, mode: u32| {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    // The forged record says that bob has a .rhosts; invalid UTF-8 hides no file.
    let forged = format!(".x\nf:600:0:{}", dir.join("bob").display()).replace('/', "_");
    let bytes: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b".\xff\xfe");
    for (name, mode) in [(forged.as_str(), 0o666), ("open", 0o666), (".profile", 0o644), (".netrc", 0o600)] {
        write(&ana.join(name), mode);
    }
    write(&ana.join(bytes), 0o620);
    fs::create_dir(ana.join(".d")).unwrap();
    write(&ana.join(".d").join(".rhosts"), 0o666);
    write(&dir.join("nologin").join(".rhosts"), 0o666);
    symlink("/dev/null", ana.join(".bash_history")).unwrap();
    symlink(ana.join("open"), ana.join(".link")).unwrap();
    symlink(dir.join("bob"), dir.join("linked")).unwrap();
    symlink("nowhere", dir.join("bob").join(".forward")).unwrap();
    let (at, uid) = (dir.display(), uid());
    let users = format!(
        "ana:x:{uid}:0::{at}/ana maria:/bin/sh\nbob:x:9999:0::{at}/linked:/bin/bash\n\
         eve:x:9998:0::{at}/none/none:\nodd:x:9997:0::-delete:/bin/sh\nnil:x:9996:0:::/bin/sh\n\
         no:x:9995:0::{at}/nologin:/usr/sbin/nologin\ntop:x:{uid}:0::/proc/self/:/bin/sh\n"
    );
    fs::write(&passwd, users).unwrap();
    let told = |assertion: &str| {
        let (result, _) =
            with_paths(&format!("{{home: {{assert: {assertion}}}}}"), &[("/etc/passwd", &passwd)]);
        format!("{} {}", result.status, result.value.to_string().replace(&at.to_string(), ""))
    };
    assert_eq!(told("owned"), "fail [\"/linked\"]");
    assert_eq!(told("mode, mode_at_most: \"0750\""), "fail [\"/proc/self/\",\"/ana maria\",\"/linked\"]");
    let found = told("dot_files");
    assert!(found.starts_with("fail [") && found.contains("/ana maria/.\u{fffd}"), "{found}");
    assert_eq!(found.matches("/ana maria/").count(), 2, "{found}");
    assert_eq!(told("no_trust_files"), "fail [\"/linked/.forward\"]");
    assert_eq!(told("netrc"), "pass []");
    assert_eq!(told("history"), "pass []");
    fs::remove_dir_all(&dir).unwrap();
}

/// FCT-29: every shell of this machine tells the same of what waits for connections here.
#[test]
fn fct_29_a_listener_of_this_machine_is_told_with_its_program() {
    if uid() != 0 {
        // Nobody else sees who holds a socket; a story against a real host asks as root.
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut plan = plan_all(&corpus(&[("any", "{file: {path: /etc/none, missing: pass}}".to_owned())]));
    plan.ask_what_it_is(rules::TIMEOUT_MS);
    let port = format!("tcp/{}", listener.local_addr().unwrap().port());
    for shell in shells() {
        let answers: Vec<_> = plan.commands.iter().map(|command| run(shell, command)).collect();
        let told = rules::characteristics(&plan, &hello(0), &answers, &masker(&[]));
        let programs = told["listener"][&port]["127.0.0.1"].as_array().unwrap();
        assert_eq!(programs.len(), 1, "{shell}: {programs:?}");
        assert!(told["file"]["/etc/passwd"]["sha256"].is_string(), "{shell}");
    }
}
