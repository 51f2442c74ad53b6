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
    let platform = Platform {
        id: "debian".to_owned(),
        id_like: Vec::new(),
        version: "12".to_owned(),
        name: "Debian GNU/Linux 12".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1.0-1".to_owned(),
    };
    let hello = Hello { uid: 0, hostname: "web-1".to_owned(), platform, tools: Vec::new() };
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
