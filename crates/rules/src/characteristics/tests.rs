use std::collections::BTreeMap;

use model::{Digest, Ending, Hello, Observation, Platform};
use serde_json::json;

use super::{Family, characteristics};
use crate::mask::Masker;
use crate::plan::Plan;

fn answer(key: &str, stdout: &str) -> Observation {
    Observation {
        key: key.to_owned(),
        ending: Ending::Exited(0),
        stdout: stdout.as_bytes().to_vec(),
        stdout_len: stdout.len() as u64,
        stdout_sha256: Digest([0; 32]),
        stderr: Vec::new(),
        started_ms: 0,
        ended_ms: 0,
    }
}

fn told(answers: &[Observation]) -> BTreeMap<&'static str, Family> {
    told_by(0, answers)
}

/// What the answers of a login say.
fn told_by(uid: u32, answers: &[Observation]) -> BTreeMap<&'static str, Family> {
    let platform = Platform {
        id: "debian".to_owned(),
        id_like: Vec::new(),
        version: "12".to_owned(),
        name: "Debian GNU/Linux 12".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1.0-1".to_owned(),
    };
    let hello = Hello { uid, hostname: "web-1".to_owned(), platform, tools: Vec::new() };
    let plan = Plan { commands: Vec::new(), rules: Vec::new(), shell: BTreeMap::new() };
    let masker = Masker::new(&[b"hunter2hunter2".to_vec()], |_bytes| Digest([0; 32])).unwrap();
    characteristics(&plan, &hello, answers, &masker)
}

#[test]
fn a_host_that_answers_nothing_is_told_by_its_greeting_alone() {
    let told = told(&[]);
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), ["kernel", "os"]);
    assert_eq!(json!(told["kernel"]), json!({"release": "6.1.0-1"}));
    assert_eq!(told["os"]["hostname"], "web-1");
}

#[test]
fn packages_units_and_settings_are_told_item_by_item() {
    let packages =
        "dpkg\nlibc6 2.36-9 installed\nlibc6 2.36-8 installed\ngone 1 config-files\nvim 9 installed\n.\n";
    let units = "ssh.service loaded active running Secure Shell\nidle.service loaded inactive dead x\n\
                 bad.service loaded failed failed x\nx.timer loaded active waiting x\n.\n";
    let sshd = "port 22\nport 2222\npermitrootlogin no\n.\n";
    let told = told(&[answer("packages", packages), answer("units", units), answer("sshd", sshd)]);
    let package = json!({"libc6": ["2.36-8", "2.36-9"], "vim": ["9"]});
    assert_eq!(json!(told["package"]), package);
    let service = json!({"bad.service": "failed", "ssh.service": "active"});
    assert_eq!(json!(told["service"]), service);
    let sshd = json!({"permitrootlogin": ["no"], "port": ["22", "2222"]});
    assert_eq!(json!(told["sshd"]), sshd);
}

#[test]
fn a_family_whose_answer_is_torn_or_failed_is_left_out() {
    let torn = answer("packages", "dpkg\nlibc6 2.36-9 installed\n");
    let failed = Observation { ending: Ending::Exited(1), ..answer("sshd", "port 22\n.\n") };
    let cut = Observation { stdout_len: 1_000, ..answer("units", "a.service loaded active x x\n.\n") };
    assert_eq!(told(&[torn, failed, cut]).len(), 2);
}

#[test]
fn what_looks_like_a_secret_is_masked() {
    let told =
        told(&[answer("sshd", "banner password=abc123\nforcecommand x hunter2hunter2 y\nport 22\n.\n")]);
    let sshd = json!(told["sshd"]).to_string();
    assert!(!sshd.contains("abc123") && !sshd.contains("hunter2"), "{sshd}");
    assert!(sshd.contains("<masked>") && sshd.contains("22"), "{sshd}");
}

#[test]
fn listeners_are_told_by_port_address_and_program_without_what_only_asks_fct_29() {
    let answers = "32768\ntcp 0100007F:0016 sshd\ntcp 00000000:0050 nginx: x\ntcp 00000000:0050 nginx: x\n\
                   tcp 00000000:0050 backup\ntcp 00000000000000000000000000000000:0050 nginx: x\n\
                   tcp 0000000000000000FFFF00000100007F:1F90 java\ntcp 0100007F:C109 late\n\
                   udp 0100007F:C109 asks\nudp 3500007F:0035 dnsd\n.\n";
    let told = told(&[answer("listeners", answers)]);
    let wanted = json!({
        "tcp/22": {"127.0.0.1": ["sshd"]},
        "tcp/80": {"0.0.0.0": ["backup", "nginx: x"], "::": ["nginx: x"]},
        "tcp/8080": {"::ffff:127.0.0.1": ["java"]},
        "tcp/49417": {"127.0.0.1": ["late"]},
        "udp/53": {"127.0.0.53": ["dnsd"]},
    });
    assert_eq!(json!(told["listener"]), wanted);
}

#[test]
fn keys_rights_and_digests_are_told_by_whom_they_are_for_fct_29() {
    let keys = "=root\nRSA SHA256:b+b/b\nED25519 SHA256:aaa\nED25519 SHA256:aaa\n=none\n=eve\nECDSA SHA256:ccc\n!big\n.\n";
    let sudo = r#"{"User_Specs": [
        {"User_List": [{"username": "eve"}, {"usergroup": "sudo"}, {"username": "bob", "negated": true}],
         "Host_List": [{"hostname": "ALL"}], "Cmnd_Specs": [{"Commands": [{"command": "/bin/id"}]}]},
        {"User_List": [{"username": "eve"}], "Host_List": [{"hostname": "web"}], "Cmnd_Specs": []}]}"#;
    let digest = "5e49ea838dc30f3eeacf6ca7815f6e3adcf77f467a970d978676790fd90377e1";
    let files = format!("{digest}  /etc/cron.d/a b\n.\n");
    let told = told(&[answer("authorized_keys", keys), answer("sudoers", sudo), answer("digests", &files)]);
    let keys = json!({
        "root": ["ED25519 SHA256:aaa", "RSA SHA256:b+b/b"],
        "eve": ["ECDSA SHA256:ccc"],
        "big": ["a file of more than 1048576 bytes was not read"],
    });
    assert_eq!(json!(told["authorized_key"]), keys);
    let all = json!({"hosts": [{"hostname": "ALL"}], "allowed": [{"Commands": [{"command": "/bin/id"}]}]});
    let rights = json!({
        "eve": [all, {"hosts": [{"hostname": "web"}], "allowed": []}],
        "%sudo": [all],
        "!bob": [all],
    });
    assert_eq!(json!(told["sudo"]), rights);
    assert_eq!(json!(told["file"]), json!({"/etc/cron.d/a b": {"sha256": digest}}));
}

#[test]
fn what_only_root_sees_whole_is_not_told_by_another_login_fct_29() {
    let refused = Observation { ending: Ending::Exited(1), ..answer("sudoers", "") };
    let answers = [
        answer("listeners", "32768\n.\n"),
        answer("authorized_keys", ".\n"),
        answer("digests", ".\n"),
        refused,
    ];
    assert_eq!(
        told(&answers).keys().copied().collect::<Vec<_>>(),
        ["authorized_key", "file", "kernel", "listener", "os"]
    );
    assert_eq!(told_by(1_000, &answers).keys().copied().collect::<Vec<_>>(), ["kernel", "os"]);
}

#[test]
fn an_odd_answer_ends_no_fact_fct_29() {
    for (key, stdout) in [
        ("listeners", "32768\ntcp 0100007F sshd\n.\n"),
        ("listeners", "32768\nraw 0100007F:0016 sshd\n.\n"),
        ("listeners", "32768\ntcp 0100007F00:0016 sshd\n.\n"),
        ("listeners", "tcp 0100007F:0016 sshd\n.\n"),
        ("listeners", "32768\n"),
        ("authorized_keys", "ED25519 SHA256:aaa\n.\n"),
        ("authorized_keys", "=root\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\n.\n"),
        ("sudoers", "{"),
        ("sudoers", r#"{"User_Specs": [{"User_List": [{"martian": "x"}]}]}"#),
        ("digests", "5e49  /etc/passwd\n.\n"),
    ] {
        assert_eq!(told(&[answer(key, stdout)]).len(), 2, "{key}: {stdout}");
    }
}
