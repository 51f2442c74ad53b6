//! Ways to log in: keys, encrypted keys, an agent and passwords.

use std::process::{Child, Command, Stdio};

use testkit::host::{HostOptions, Sudo, TestHost};
use testkit::wait;

use crate::ssh::{failure, new_key, saw_authentication};
use crate::support::{
    World, assert_code, assert_refused, at, host, host_with, key, one_host, tool, world, yes,
};

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

/// What a scan says of a host that it did not get into: reason, message and hint.
fn told(world: &World, words: &[&str]) -> [String; 3] {
    let content = yes(world);
    let mut all = vec!["scan", "--content", content.as_str(), "--format", "json"];
    all.extend(words);
    let host = one_host(&world.plumb(&all));
    let outcome = &host["outcome"]["not_measured"];
    ["reason", "message", "hint"].map(|field| outcome[field].as_str().unwrap_or("").to_owned())
}

/// An encrypted key in its usual place, which the host accepts; returns its path.
fn usual_key(world: &World, host: &TestHost) -> String {
    let ssh = world.home().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    let made = new_key(world, "locked", "open sesame");
    accepts(host, &made);
    let path = ssh.join("id_ed25519");
    std::fs::copy(made, &path).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Nothing was tried, so nothing is said of what the host accepts; the key and the way to open it are named.
#[test]
fn an_encrypted_key_in_its_usual_place_is_named_with_the_way_to_open_it() {
    let (world, host) = (world(), host());
    let path = usual_key(&world, &host);
    let target = at("root", &host);
    let [reason, message, hint] = told(&world, &[&target]);
    assert_eq!(reason, "invalid_key");
    assert_eq!(
        message,
        format!("could not use the private key {path}: it is encrypted and no passphrase was given")
    );
    assert!(hint.contains("PLUMB_SSH_KEY_PASSPHRASE"), "{hint}");
    let wrong = world.env("PLUMB_SSH_KEY_PASSPHRASE", "shut sesame");
    let [reason, message, hint] = told(&wrong, &[&target]);
    assert_eq!(reason, "invalid_key");
    assert!(message.contains(&path) && message.contains("the passphrase does not open it"), "{message}");
    assert!(hint.contains("PLUMB_SSH_KEY_PASSPHRASE") && !hint.contains("shut"), "{hint}");
    assert!(!saw_authentication(&host.sshd_log().unwrap()));
    let right = wrong.env("PLUMB_SSH_KEY_PASSPHRASE", "open sesame");
    assert_eq!(scan(&right, &[&target]), "none");
}

/// Where there is more to try, that is tried without a question; a login that fails names the key all the same.
#[test]
fn a_key_that_could_not_be_opened_is_told_beside_what_was_tried() {
    let (world, host) = (world(), host());
    host.add_user("ann", "right", "/bin/bash", Sudo::None).unwrap();
    let path = usual_key(&world, &host);
    let target = at("ann", &host);
    let wrong = world.env("PLUMB_SSH_PASSWORD", "wrong");
    let [reason, message, hint] = told(&wrong, &[&target]);
    assert_eq!(reason, "auth_failed");
    let expected = format!("tried password; could not use the private key {path}: it is encrypted");
    assert!(message.contains(&expected) && message.contains("the host accepts publickey"), "{message}");
    assert!(hint.contains("PLUMB_SSH_KEY_PASSPHRASE"), "{hint}");
    let right = wrong.env("PLUMB_SSH_PASSWORD", "right");
    assert_eq!(scan(&right, &[&target]), "none");
}

#[test]
fn a_login_with_nothing_says_nothing_of_what_the_host_accepts() {
    let (world, host) = (world(), host());
    let [reason, message, _] = told(&world, &[&at("root", &host)]);
    assert_eq!(reason, "auth_failed");
    assert_eq!(message, "could not log in as root: nothing was tried");
}

/// The passphrase is asked for once, however many hosts the key opens.
#[test]
fn a_person_is_asked_for_the_passphrase_of_an_encrypted_key() {
    let (world, host) = (world(), host());
    let path = usual_key(&world, &host);
    let other = format!("root@localhost:{}", host.port());
    let content = yes(&world);
    let target = at("root", &host);
    let mut words = vec!["scan", "--content", &content, &target, &other];
    for named in [false, true] {
        if named {
            words.extend(["-i", &path]);
        }
        let done = world.type_in_terminal(&words, 200, b"open sesame\n").unwrap();
        assert_code(&done, 0);
        assert_eq!(done.stdout.matches("Passphrase of ").count(), 1, "{}", done.stdout);
        // Before the question a terminal shows what is typed.
        let (_, after) = done.stdout.split_once("Passphrase of ").unwrap();
        assert!(!after.contains("sesame"), "{after}");
    }
    let refused = world.type_in_terminal(&words, 200, b"shut sesame\n").unwrap();
    assert_code(&refused, 3);
    assert!(refused.stdout.contains("the passphrase does not open it"), "{}", refused.stdout);
}

/// A question that is interrupted, by the key or by a signal, ends the scan in order. Another program on that terminal
/// finds it as it was: stty(1) says `echo`, and `-echo` where nothing that is typed is shown.
#[test]
fn a_question_that_is_interrupted_leaves_the_terminal_as_it_was() {
    let (world, host) = (world().env("NO_COLOR", "1"), host());
    let key = new_key(&world, "locked", "open sesame");
    let (content, target) = (yes(&world), at("root", &host));
    let table = [
        ("key", "-i", key.as_str(), "Passphrase of "),
        ("ask", "--ask-password", "--quiet", "SSH password: "),
    ];
    for (_, option, value, question) in table {
        for how in ["typed", "INT", "TERM", "HUP"] {
            let line = format!(
                "trap : INT; stty -a >before; \
                 sh -c 'echo pid=$$.; exec \"$plumb\" scan {target} --content {content} {option} {value}'; \
                 echo code=$?.; stty -a >after; cmp before after && echo same; grep -cw -e -echo after"
            );
            let mut scan = world.at_terminal(&line).unwrap();
            let said = scan.said(question, wait::LONG).unwrap_or_else(|| panic!("{option}: no question"));
            if how == "typed" {
                // The key that interrupts: Ctrl-C.
                assert!(scan.type_in(b"\x03"));
            } else {
                let (_, pid) = said.split_once("pid=").unwrap();
                tool("kill", &["-s", how, pid.split_once('.').unwrap().0]);
            }
            let said = scan.said("same\r\n0\r\n", wait::LONG);
            let done = scan.finish(wait::LONG).unwrap();
            assert!(said.is_some(), "{option} {how}: {}", done.stdout);
            assert!(done.stdout.contains("code=3."), "{option} {how}: {}", done.stdout);
            assert!(done.stdout.contains("NOT MEASURED  cancelled"), "{option} {how}: {}", done.stdout);
        }
    }
    assert!(!saw_authentication(&host.sshd_log().unwrap()));
}

/// A secret that would not be used is told by its name, before any host is contacted.
#[test]
fn a_secret_that_cannot_be_used_is_refused_by_its_name() {
    let long = "s3cret-".repeat(600);
    for name in ["PLUMB_SSH_PASSWORD", "PLUMB_SSH_KEY_PASSPHRASE", "PLUMB_SUDO_PASSWORD"] {
        let world = world().env(name, &long);
        let done = world.plumb(&["scan", "localhost"]);
        assert_refused(&done, 78, name);
        assert!(!done.stderr.contains("s3cret"), "{}", done.stderr);
        let other = crate::support::world().env(name, &"x".repeat(4_096));
        let content = yes(&other);
        assert_code(&other.plumb(&["scan", "localhost", "--content", &content]), 0);
        // What needs no secret does not look at it.
        assert_code(&world.plumb(&["host", "add", "192.0.2.5"]), 0);
    }
}

/// An ssh-agent that ends with the test.
struct Agent(Child);

/// Starts an agent at this socket, which holds these keys.
fn agent(path: &str, keys: &[(String, &str)]) -> Agent {
    let mut agent = Command::new("ssh-agent");
    agent.args(["-D", "-a", path]).stdout(Stdio::null());
    let agent = Agent(agent.spawn().unwrap());
    assert!(wait::until(wait::SHORT, || std::path::Path::new(path).exists()));
    for (key, passphrase) in keys {
        // Somebody opened the key when it was given to the agent.
        let opened = format!("{key}.opened");
        std::fs::copy(key, &opened).unwrap();
        tool("ssh-keygen", &["-q", "-p", "-P", passphrase, "-N", "", "-f", &opened]);
        let mut add = Command::new("ssh-add");
        add.args(["-q", &opened]).env("SSH_AUTH_SOCK", path);
        assert!(add.status().unwrap().success());
    }
    agent
}

/// A named key that is encrypted is used by way of the agent that holds it, before the agent's others: more keys than
/// a host lets anybody try do not stand in its way.
#[test]
fn an_encrypted_key_that_the_agent_holds_needs_no_passphrase() {
    let (world, host) =
        (world(), host_with(&HostOptions { sshd: vec!["MaxAuthTries 2".into()], ..HostOptions::default() }));
    let path = usual_key(&world, &host);
    let mut keys: Vec<(String, &str)> =
        ["a", "b", "c", "d"].iter().map(|name| (new_key(&world, name, ""), "")).collect();
    keys.push((path.clone(), "open sesame"));
    let socket = world.path("agent.sock").to_str().unwrap().to_owned();
    let _agent = agent(&socket, &keys);
    let target = at("root", &host);
    assert_eq!(scan(&world, &[&target, "-i", &path]), "invalid_key");
    let world = world.env("SSH_AUTH_SOCK", &socket);
    assert_eq!(scan(&world, &[&target, "-i", &path]), "none");
    assert_eq!(host.sshd_log().unwrap().matches("Failed publickey").count(), 0);
    // In its usual place it needs no word, and is none of those that could not be opened.
    let [_, message, _] = told(&world, &[&at("nobody", &host)]);
    assert!(message.contains("agent key") && !message.contains("could not use"), "{message}");
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn an_agent_logs_in_with_a_key_that_is_nowhere_on_disk() {
    let (world, host) = (world(), host());
    let path = world.path("agent.sock").to_str().unwrap().to_owned();
    // A key that the host does not know comes first, as agents often hold several.
    let other = new_key(&world, "other", "");
    let _agent = agent(&path, &[(other, ""), (key(&host), "")]);
    assert_eq!(scan(&world, &[&at("root", &host)]), "auth_failed", "nothing to log in with");
    let world = world.env("SSH_AUTH_SOCK", &path);
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
