//! Different hosts: several at once, other platforms, servers with few sessions, odd login shells and languages.

use std::collections::BTreeSet;
use std::process::Command;

use testkit::host::{HostOptions, Sudo, TestHost};
use testkit::net;

use crate::support::{
    World, assert_code, at, at_port, host, host_with, json, key, measured, not_measured, one_host,
    shell_rule, statuses, world,
};

fn named(hostname: &str) -> TestHost {
    host_with(&HostOptions { hostname: Some(hostname.to_owned()), ..HostOptions::default() })
}

/// EXE-17 in small: each host's evidence is its own.
#[test]
fn hosts_are_scanned_side_by_side_and_one_that_is_away_hides_no_other() {
    let world = world();
    let hosts: Vec<TestHost> = (0..5).map(|i| named(&format!("web-{i}"))).collect();
    for other in &hosts[1..] {
        // One key for all, as an administrator has.
        let public = std::fs::read_to_string(hosts[0].root_key().with_extension("pub")).unwrap();
        other.must(&format!("printf '%s' '{public}' >>/root/.ssh/authorized_keys")).unwrap();
    }
    let closed = net::closed_port().unwrap();
    let content = world.content(&[shell_rule("who", "cat /proc/sys/kernel/hostname")]);
    let mut words: Vec<String> = vec!["scan".to_owned()];
    words.extend(hosts[..2].iter().map(|host| at("root", host)));
    words.push(at_port("root", closed.port()));
    words.extend(hosts[2..].iter().map(|host| at("root", host)));
    let rest = ["-i", &key(&hosts[0]), "--content", &content, "--format", "json", "-j", "3"];
    words.extend(rest.map(str::to_owned));
    let done = world.run(&words).unwrap();
    assert_code(&done, 2);
    let document = json(&done);
    let answers: Vec<String> = document["hosts"].as_array().unwrap().iter().map(answer).collect();
    assert_eq!(answers, ["web-0", "web-1", "connect_failed", "web-2", "web-3", "web-4"]);
}

/// Returns what a host said, or why it was not measured.
fn answer(host: &serde_json::Value) -> String {
    match host["outcome"].get("measured") {
        Some(measured) => measured["results"][0]["actual"].as_str().unwrap().trim_matches('"').to_owned(),
        None => not_measured(host).to_owned(),
    }
}

#[test]
fn a_target_named_twice_is_refused_before_any_host_is_contacted() {
    let (world, host) = (world(), host());
    let target = at("root", &host);
    let done = world.plumb(&["scan", &target, &target, "--quiet"]);
    crate::support::assert_refused(&done, 64, "named before");
    assert_eq!(world.plumb(&["host", "list"]).stdout.lines().count(), 1, "nothing but a header");
}

fn pose(host: &TestHost, id: &str, id_like: &str, version: &str) {
    host.must(&format!(
        "rm -f /etc/os-release\nprintf 'ID=%s\\nID_LIKE=\"%s\"\\nVERSION_ID=\"%s\"\\nPRETTY_NAME=\"%s %s\"\\n' \
         {id} '{id_like}' '{version}' {id} '{version}' >/etc/os-release"
    ))
    .unwrap();
}

/// EXE-02: which rules run follows from what the host is.
#[test]
fn a_host_gets_the_rules_of_its_platform_and_no_others() {
    let (world, host) = (world(), host());
    let on = |id: &str, platform: &str| {
        let text = shell_rule(id, "echo yes").1;
        (id.to_owned(), text.replace("platforms: [{id: debian}]", &format!("platforms: [{platform}]")))
    };
    let content = world.content(&[
        on("for_debian_12", "{id: debian, min: \"12\", max: \"12\"}"),
        on("for_rhel_9", "{id: rhel, min: \"9\", max: \"9\"}"),
        on("for_rhel_10", "{id: rhel, min: \"10\", max: \"10\"}"),
        on("for_ubuntu", "{id: ubuntu, min: \"24.04\", max: \"24.04\"}"),
    ]);
    let table = [
        ("debian", "", "12", "for_debian_12"),
        ("rhel", "fedora", "9.4", "for_rhel_9"),
        ("rocky", "rhel centos fedora", "9.4", "for_rhel_9"),
        ("almalinux", "rhel centos fedora", "10.0", "for_rhel_10"),
        ("ubuntu", "debian", "24.04", "for_ubuntu"),
    ];
    for (id, like, version, expected) in table {
        pose(&host, id, like, version);
        let seen = one_host(&world.scan(&host, &["--content", &content, "--format", "json"]));
        let rules: Vec<String> = statuses(&seen).into_keys().collect();
        assert_eq!(rules, [expected], "{id} {version}");
        assert_eq!(measured(&seen)["platform"]["id"], id);
    }
}

/// EXE-03: no number is made of nothing.
#[test]
fn a_host_that_no_rule_is_for_fails_by_name_and_is_shown_neither_as_0_nor_as_100_percent() {
    let (world, host) = (world(), host());
    pose(&host, "plan9", "", "4");
    let done = world.scan(&host, &[]);
    assert_code(&done, 3);
    assert!(done.stdout.contains("NOT MEASURED  no_applicable_rules"), "{}", done.stdout);
    assert!(!done.stdout.contains('%'), "{}", done.stdout);
    let name = at("root", &host);
    assert_eq!(world.last_scan(&name)["status"], "failed");
    let posture = world.plumb(&["posture", &name]);
    assert!(!posture.stdout.contains('%'), "{}", posture.stdout);
    let listed = json(&world.plumb(&["host", "list", "--format", "json"]))["hosts"].clone();
    let state = &listed[0]["posture"]["state"];
    assert!(state.is_null() || state == "unknown", "{listed:#}");
}

/// EXE-18: a server that allows one session slows a scan and does not fail it.
#[test]
fn a_server_with_one_session_gives_the_same_answers_as_one_with_ten() {
    let found: Vec<String> = ["MaxSessions 10", "MaxSessions 1"]
        .into_iter()
        .map(|line| {
            let host = host_with(&HostOptions { sshd: vec![line.to_owned()], ..HostOptions::default() });
            let seen = world().scan_json(&host, &[]);
            // The one rule that is about this very setting is left out.
            let mut found = statuses(&seen);
            found.retain(|rule, _| !rule.contains("max_sessions"));
            assert!(found.len() > 100);
            format!("{found:#?}")
        })
        .collect();
    assert_eq!(found[0], found[1]);
}

/// EXE-19: one host, everything that ships, six ways to come in.
#[test]
fn login_shell_language_and_banner_change_no_value() {
    let host = host_with(&HostOptions {
        banner: Some("Authorized use only. All activity is recorded.\n".repeat(200)),
        ..HostOptions::default()
    });
    let shells = ["/bin/bash", "/bin/dash", "/usr/bin/zsh", "/usr/bin/fish", "/bin/csh"];
    let users: Vec<String> = (0..shells.len()).map(|i| format!("user{i}")).collect();
    for (user, shell) in users.iter().zip(shells) {
        host.add_user(user, "not used here", shell, Sudo::NoPassword).unwrap();
        host.authorize(user).unwrap();
    }
    let world = world();
    let mut manifests = BTreeSet::new();
    let mut scan = |user: &str| {
        let done = world.scan_as(user, &host, &["--sudo", "--format", "json"]);
        assert_code(&done, 2);
        let manifest = measured(&one_host(&done))["scan"]["manifest_sha256"].clone();
        manifests.insert(manifest.as_str().unwrap().to_owned());
    };
    users.iter().for_each(|user| scan(user));
    // PAM gives every login this language, and the login shell of the first user talks.
    host.must("echo LC_ALL=de_DE.UTF-8 >/etc/environment").unwrap();
    host.must("sed -i '1i echo Willkommen; echo auch hier >&2' /home/user0/.bashrc").unwrap();
    let mut ssh: Command = host.ssh("user0");
    let said = ssh.arg("ls /nirgends").output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("Willkommen") && said.contains("Datei oder Verzeichnis nicht gefunden"), "{said}");
    scan("user0");
    assert_eq!(manifests.len(), 1, "{manifests:?}");
    assert_eq!(host_count(&world), 1, "one place is one host, whoever logs in");
}

fn host_count(world: &World) -> usize {
    json(&world.plumb(&["host", "list", "--format", "json"]))["hosts"].as_array().unwrap().len()
}
