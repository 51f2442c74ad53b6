//! Ways to log in: keys, encrypted keys, an agent and passwords.

use std::process::{Child, Command, Stdio};

use testkit::host::{HostOptions, Sudo, TestHost};
use testkit::wait;

use crate::ssh::{failure, new_key};
use crate::support::{World, assert_code, at, host, host_with, key, tool, world, yes};

fn scan(world: &World, words: &[&str]) -> String {
    let content = yes(world);
    let mut all = vec!["scan", "--content", content.as_str(), "--format", "json"];
    all.extend(words);
    failure(&world.plumb(&all))
}

fn accepts(host: &TestHost, key: &str) {
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    host.must(&format!("printf '%s' '{public}' >>/root/.ssh/authorized_keys")).unwrap();
}

/// SSH-10.
#[test]
fn a_password_from_the_environment_logs_in_by_either_method() {
    let methods = [
        ("password", ["PasswordAuthentication yes", "KbdInteractiveAuthentication no"]),
        ("keyboard-interactive/pam", ["PasswordAuthentication no", "KbdInteractiveAuthentication yes"]),
    ];
    for (method, lines) in methods {
        let sshd = lines.map(str::to_owned).to_vec();
        let host = host_with(&HostOptions { sshd, ..HostOptions::default() });
        host.add_user("ann", "correct horse", "/bin/bash", Sudo::None).unwrap();
        let world = world().env("PLUMB_SSH_PASSWORD", "correct horse");
        assert_eq!(scan(&world, &[&at("ann", &host)]), "none", "{method}");
        let log = host.sshd_log().unwrap();
        assert!(log.contains(&format!("Accepted {method} for ann")), "{log}");
        assert!(!log.contains("Failed"), "the password is sent once: {log}");
    }
}

#[test]
fn a_key_in_its_usual_place_needs_no_naming() {
    let (world, host) = (world(), host());
    std::fs::create_dir(world.home().join(".ssh")).unwrap();
    std::fs::copy(host.root_key(), world.home().join(".ssh/id_ed25519")).unwrap();
    assert_eq!(scan(&world, &[&at("root", &host)]), "none");
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_and_says_in_one_line_when_there_is_none() {
    let (world, host) = (world(), host());
    let key = new_key(&world, "locked", "open sesame");
    accepts(&host, &key);
    let content = yes(&world);
    let target = at("root", &host);
    let words = ["scan", &target, "-i", &key, "--content", &content, "--quiet"];
    let done = world.plumb(&words);
    assert_code(&done, 3);
    let lines: Vec<&str> = done.stdout.lines().filter(|line| line.contains("NOT MEASURED")).collect();
    assert!(lines.len() == 1 && lines[0].contains("invalid_key") && lines[0].contains(&key), "{lines:?}");
    assert!(done.stdout.contains("\nhint: set PLUMB_SSH_KEY_PASSPHRASE"), "{}", done.stdout);
    assert_eq!(done.stderr, "");

    let wrong = world.env("PLUMB_SSH_KEY_PASSPHRASE", "shut sesame");
    assert_eq!(scan(&wrong, &[&target, "-i", &key]), "invalid_key");
    assert!(!host.sshd_log().unwrap().contains("authenticating user"));
    let right = wrong.env("PLUMB_SSH_KEY_PASSPHRASE", "open sesame");
    assert_eq!(scan(&right, &[&target, "-i", &key]), "none");
}

/// An ssh-agent that ends with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn an_agent_logs_in_with_a_key_that_is_nowhere_on_disk() {
    let (world, host) = (world(), host());
    let socket = world.path("agent.sock");
    let path = socket.to_str().unwrap();
    let mut agent = Command::new("ssh-agent");
    agent.args(["-D", "-a", path]).stdout(Stdio::null());
    let _agent = Agent(agent.spawn().unwrap());
    assert!(wait::until(wait::SHORT, || socket.exists()));
    // A key that the host does not know comes first, as agents often hold several.
    let other = new_key(&world, "other", "");
    for key in [other, key(&host)] {
        let mut add = Command::new("ssh-add");
        add.args(["-q", &key]).env("SSH_AUTH_SOCK", path);
        assert!(add.status().unwrap().success());
    }
    assert_eq!(scan(&world, &[&at("root", &host)]), "auth_failed", "nothing to log in with");
    let world = world.env("SSH_AUTH_SOCK", path);
    assert_eq!(scan(&world, &[&at("root", &host)]), "none");
}

#[test]
fn a_key_file_that_is_not_there_names_its_path() {
    let (world, host) = (world(), host());
    let content = yes(&world);
    let done = world.plumb(&["scan", &at("root", &host), "-i", "/no/such/key", "--content", &content]);
    assert_code(&done, 3);
    assert!(done.stdout.contains("invalid_key") && done.stdout.contains("/no/such/key"), "{}", done.stdout);
    // A public key given in place of the private one.
    let public = format!("{}.pub", key(&host));
    let done = world.plumb(&["scan", &at("root", &host), "-i", &public, "--content", &content]);
    assert!(done.stdout.contains("hint: name the private key, not the .pub file"), "{}", done.stdout);
    assert!(tool("ssh-keygen", &["-l", "-f", &public]).contains("ED25519"));
}
