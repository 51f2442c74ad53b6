//! Becoming root by sudo, never at the price of the password, and measuring without it, never at the price of truth.

use testkit::host::{Sudo, TestHost};

use crate::database::number;
use crate::ssh::failure;
use crate::support::{World, assert_code, at, host, one_host, shell_rule, statuses, world};

/// A password that no other text on a host contains.
const PASSWORD: &str = "zebra-quilt-47";

/// A host whose user `ann` may use sudo, and which keeps a log of that.
fn sudo_host(sudo: Sudo) -> TestHost {
    let host = host();
    host.add_user("ann", PASSWORD, "/bin/bash", sudo).unwrap();
    host.authorize("ann").unwrap();
    host.must("echo 'Defaults logfile=/var/log/sudo.log' >/etc/sudoers.d/log").unwrap();
    host
}

fn scan(world: &World, host: &TestHost, more: &[&str]) -> String {
    let content = world.content(&[shell_rule("is_root", "[ $(id -u) = 0 ] && echo yes")]);
    let mut words = vec!["--content", content.as_str(), "--format", "json"];
    words.extend(more);
    failure(&world.scan_as("ann", host, &words))
}

fn sudo_log(host: &TestHost) -> String {
    host.must("cat /var/log/sudo.log 2>/dev/null || :").unwrap()
}

/// SSH-13.
#[test]
fn sudo_without_a_password_becomes_root_once() {
    let (world, host) = (world(), sudo_host(Sudo::NoPassword));
    assert_eq!(scan(&world, &host, &["--sudo"]), "none");
    assert!(!sudo_log(&host).contains("incorrect"), "{}", sudo_log(&host));
}

#[test]
fn a_host_where_sudo_is_refused_is_not_measured_and_the_next_step_is_named() {
    for sudo in [Sudo::None, Sudo::Password] {
        let (world, host) = (world(), sudo_host(sudo));
        assert_eq!(scan(&world, &host, &["--sudo"]), "privilege_failed", "{sudo:?}");
        let content = world.content(&[shell_rule("is_root", "echo yes")]);
        let done = world.scan_as("ann", &host, &["--sudo", "--content", &content]);
        assert!(done.stdout.contains("\nhint: "), "{}", done.stdout);
    }
}

/// Why sudo refused comes behind a lecture that is longer than what is shown of it.
#[test]
fn the_reason_of_a_refused_sudo_is_not_hidden_by_its_lecture() {
    let host = sudo_host(Sudo::None);
    host.must("echo 'Defaults lecture=always' >/etc/sudoers.d/lecture").unwrap();
    let world = world().env("PLUMB_SUDO_PASSWORD", PASSWORD);
    let content = world.content(&[shell_rule("is_root", "echo yes")]);
    let done = world.scan_as("ann", &host, &["--sudo", "--content", &content, "--format", "json"]);
    assert_eq!(failure(&done), "privilege_failed");
    let told = &one_host(&done)["outcome"]["not_measured"];
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("ann is not in the sudoers file"), "{message}");
    assert!(!message.contains("lecture") && !message.contains("..."), "{message}");
    assert!(!message.contains(PASSWORD), "{message}");
}

/// SSH-14: a rule looks at everything that a user of the host can see while the scan runs as root.
#[test]
fn the_sudo_password_is_never_in_an_argument_an_environment_or_a_file_of_the_host() {
    let host = sudo_host(Sudo::Password);
    let world = world().env("PLUMB_SUDO_PASSWORD", PASSWORD);
    let look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ >/run/seen; echo yes";
    let content =
        world.content(&[shell_rule("is_root", "[ $(id -u) = 0 ] && echo yes"), shell_rule("look", look)]);
    let done = world.scan_as("ann", &host, &["--sudo", "--content", &content]);
    assert_code(&done, 0);
    let seen = host.must("tr '\\0' '\\n' </run/seen").unwrap();
    assert!(seen.contains("sudo") && seen.contains("PATH="), "the look saw the scan itself: {seen}");
    assert!(!seen.contains(PASSWORD), "{seen}");
    let files = host.sh(&format!("grep -rlF {PASSWORD} /etc /home /root /run /tmp /var /dev/shm")).unwrap();
    assert_eq!(files.stdout, "");
    assert!(!(done.stdout + &done.stderr).contains(PASSWORD));
}

/// SSH-15.
#[test]
fn a_wrong_sudo_password_is_sent_once_a_scan() {
    let host = sudo_host(Sudo::Password);
    let world = world().env("PLUMB_SUDO_PASSWORD", "wrong");
    for n in 1..=2 {
        assert_eq!(scan(&world, &host, &["--sudo"]), "privilege_failed");
        let log = sudo_log(&host);
        assert_eq!(log.matches("1 incorrect password attempt").count(), n, "{log}");
        assert!(!log.contains("incorrect password attempts"), "{log}");
    }
    let right = world.env("PLUMB_SUDO_PASSWORD", PASSWORD);
    assert_eq!(scan(&right, &host, &["--sudo"]), "none");
    assert_eq!(uses(&right), [("scan.completed", 1), ("scan.failed", 2)]);
}

/// Returns how many audit events of each kind say that the sudo password was used.
fn uses(world: &World) -> [(&'static str, i64); 2] {
    ["scan.completed", "scan.failed"].map(|action| {
        let query = format!(
            "SELECT count(*) FROM audit_events WHERE action = '{action}'
               AND CAST(detail AS TEXT) LIKE '%\"privilege\":\"sudo_password\"%';"
        );
        (action, number(&world.database(), &query))
    })
}

/// SSH-15: what was sent was used, whatever became of the scan behind it.
#[test]
fn a_scan_that_ends_behind_sudo_leaves_a_record_that_the_password_was_used() {
    let host = sudo_host(Sudo::Password);
    let world = world().env("PLUMB_SUDO_PASSWORD", PASSWORD);
    // Ends the connection from below, as a host that goes down does.
    let content = world.content(&[shell_rule("is_root", "pkill -KILL -x -u ann sshd; echo yes")]);
    let words = ["--sudo", "--content", content.as_str(), "--format", "json"];
    assert_eq!(failure(&world.scan_as("ann", &host, &words)), "connection_lost");
    assert_eq!(uses(&world), [("scan.completed", 0), ("scan.failed", 1)]);
    // Refused before sudo asked for anything: none was sent.
    let host = sudo_host(Sudo::None);
    let none = crate::support::world();
    assert_eq!(scan(&none, &host, &["--sudo"]), "privilege_failed");
    assert_eq!(uses(&none), [("scan.completed", 0), ("scan.failed", 0)]);
}

/// SSH-14: the password of a login is no password for sudo, unless it is what let us in.
#[test]
fn a_login_password_goes_to_sudo_only_where_the_login_was_by_it() {
    let host = sudo_host(Sudo::Password);
    for given in [PASSWORD, "another-one"] {
        let world = world().env("PLUMB_SSH_PASSWORD", given);
        // The key is tried first and accepted: the host never saw the password.
        assert_eq!(scan(&world, &host, &["--sudo"]), "privilege_failed", "{given}");
        assert_eq!(uses(&world), [("scan.completed", 0), ("scan.failed", 0)], "{given}");
    }
    let log = sudo_log(&host);
    assert!(!log.contains("incorrect"), "{log}");
    let world = world().env("PLUMB_SSH_PASSWORD", PASSWORD);
    let content = world.content(&[shell_rule("is_root", "[ $(id -u) = 0 ] && echo yes")]);
    let by_password = ["scan", &at("ann", &host), "--sudo", "--content", &content, "--format", "json"];
    assert_eq!(failure(&world.plumb(&by_password)), "none");
    assert_eq!(uses(&world), [("scan.completed", 1), ("scan.failed", 0)]);
    // One that is meant for sudo goes before it.
    let world = world.env("PLUMB_SUDO_PASSWORD", "another-one");
    assert_eq!(failure(&world.plumb(&by_password)), "privilege_failed");
}

/// Each way to be refused by sudo has a next step of its own.
#[test]
fn a_refusal_of_sudo_says_what_to_do_about_its_cause() {
    let hanging = "sed -i '1i auth required pam_exec.so /bin/sleep 60' /etc/pam.d/sudo";
    let requiretty = "echo 'Defaults requiretty' >/etc/sudoers.d/tty";
    let table = [
        (Sudo::Password, "", None, "--ask-sudo-password or PLUMB_SUDO_PASSWORD, or allow"),
        (Sudo::Password, "", Some("wrong"), "check the password that"),
        (
            Sudo::Password,
            "echo 'Defaults passwd_tries=1' >/etc/sudoers.d/tries",
            Some("wrong"),
            "check the password that",
        ),
        (Sudo::NoPassword, requiretty, None, "lift requiretty"),
        (Sudo::Password, requiretty, Some(PASSWORD), "lift requiretty"),
        (Sudo::None, "", Some(PASSWORD), "allow the account to run sh"),
        (Sudo::Password, hanging, Some(PASSWORD), "see what it waits for"),
    ];
    for (sudo, script, password, words) in table {
        let host = sudo_host(sudo);
        // Words of another language would be no help in telling them apart.
        host.must("printf 'LANG=de_DE.UTF-8\\nLANGUAGE=de\\n' >/etc/environment").unwrap();
        host.must(&format!(": ;{script}")).unwrap();
        let world = password.iter().fold(world(), |world, value| world.env("PLUMB_SUDO_PASSWORD", value));
        let content = world.content(&[shell_rule("is_root", "echo yes")]);
        let done = world.scan_as("ann", &host, &["--sudo", "--content", &content, "--format", "json"]);
        assert_eq!(failure(&done), "privilege_failed", "{words}");
        let told = &one_host(&done)["outcome"]["not_measured"];
        assert!(told["hint"].as_str().unwrap().contains(words), "{words}: {told:#}");
    }
}

/// Everything that ships, as root and as a user who may not read all of it.
#[test]
fn without_root_a_rule_says_what_root_would_say_or_that_it_may_not_look() {
    let host = sudo_host(Sudo::None);
    // Faults that only root sees.
    host.must("mkdir -m 0700 /root/hidden; touch /root/hidden/file; chmod 0666 /root/hidden/file").unwrap();
    host.must("usermod -p '' ann; passwd -d root").unwrap();
    let (world, other) = (world(), crate::support::world());
    let root = statuses(&other.scan_json(&host, &[]));
    let done = world.scan_as("ann", &host, &["--format", "json"]);
    assert!(matches!(done.code, Some(2 | 3)), "{done:#?}");
    let plain = one_host(&done);
    let mut denied = 0;
    let mut wrong = Vec::new();
    for (rule, status) in statuses(&plain) {
        if status == "error" && root[&rule] != "error" {
            denied += 1;
        } else if status != root[&rule] {
            wrong.push(format!("{rule}: {status}, root says {}", root[&rule]));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(denied > 0, "nothing here needs root");
    assert!(plain.to_string().contains("permission_denied"));
}
