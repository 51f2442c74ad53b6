//! Test hosts are real: the OpenSSH client logs in, and nothing is left when they go.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use testkit::host::{HostOptions, LOGIN_RECORDS, Sudo, TestHost, Tree};
use testkit::process::{Output, run};
use testkit::wait;

static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::debian12().expect("the tree is there or can be built"));

fn start(options: &HostOptions) -> TestHost {
    TestHost::start(&TREE, options).expect("a host starts")
}

fn ssh(host: &TestHost, user: &str, command: &str) -> Output {
    let mut ssh = host.ssh(user);
    ssh.args(["-T", "-o", "BatchMode=yes", command]);
    run(ssh, b"", wait::LONG).expect("ssh runs")
}

/// Logs in with a password only, which the client takes from a program.
fn ssh_with_password(host: &TestHost, user: &str, password: &str, command: &str) -> Output {
    let ask = host.folder().join("ask");
    fs::write(&ask, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
    fs::set_permissions(&ask, fs::Permissions::from_mode(0o700)).unwrap();
    let mut ssh = host.ssh(user);
    ssh.args(["-T", "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", command])
        .env("SSH_ASKPASS", ask)
        .env("SSH_ASKPASS_REQUIRE", "force");
    run(ssh, b"", wait::LONG).expect("ssh runs")
}

#[test]
fn the_root_key_logs_in_and_the_host_is_debian_12_with_its_own_name() {
    let host = start(&HostOptions { hostname: Some("web-1".into()), ..HostOptions::default() });
    let done = ssh(&host, "root", ". /etc/os-release; echo $(hostname) $ID $VERSION_ID $(id -u)");
    assert_eq!((done.stdout.as_str(), done.code), ("web-1 debian 12 0\n", Some(0)), "{}", done.stderr);
    assert!(host.sshd_log().unwrap().contains("Accepted publickey for root"));
}

#[test]
fn a_host_sees_its_own_processes_only_and_its_first_reaps_the_ended() {
    let host = start(&HostOptions::default());
    host.must("(sleep 0 & exec true)").unwrap();
    let without_zombies = wait::until(wait::SHORT, || !host.must("ps -e -o stat").unwrap().contains('Z'));
    assert!(without_zombies);
    assert_eq!(host.must("ps -o args= -p 1").unwrap().split_whitespace().last(), Some("init"));
    assert!(host.must("pgrep -c sshd").unwrap().trim() == "1");
}

#[test]
fn a_user_logs_in_with_a_password_and_a_wrong_one_is_refused() {
    let host = start(&HostOptions::default());
    host.add_user("alice", "s3cret word", "/bin/bash", Sudo::None).unwrap();
    assert_eq!(ssh_with_password(&host, "alice", "s3cret word", "id -un").stdout, "alice\n");
    let refused = ssh_with_password(&host, "alice", "wrong", "id -un");
    assert_eq!(refused.code, Some(255));
    assert!(host.sshd_log().unwrap().contains("Failed password for alice"));
}

#[test]
fn sudo_follows_the_rule_of_the_user() {
    let host = start(&HostOptions::default());
    for (name, rule) in [("none", Sudo::None), ("free", Sudo::NoPassword), ("asks", Sudo::Password)] {
        host.add_user(name, "pw-12345", "/bin/sh", rule).unwrap();
        host.authorize(name).unwrap();
    }
    assert_eq!(ssh(&host, "free", "sudo -n id -u").stdout, "0\n");
    assert_eq!(ssh(&host, "asks", "sudo -n id -u").code, Some(1));
    assert_eq!(ssh(&host, "asks", "echo pw-12345 | sudo -S -p '' id -u").stdout, "0\n");
    assert_eq!(ssh(&host, "none", "echo pw-12345 | sudo -S -p '' id -u").stdout, "");
}

#[test]
fn odd_login_shells_are_there() {
    let host = start(&HostOptions::default());
    for (name, shell, command, expected) in [
        ("f", "/usr/bin/fish", "echo (math 1 + 1)", "2\n"),
        ("c", "/bin/csh", "echo $shell", "/bin/csh\n"),
        ("z", "/bin/zsh", "echo $ZSH_NAME", "zsh\n"),
    ] {
        host.add_user(name, "pw-12345", shell, Sudo::None).unwrap();
        host.authorize(name).unwrap();
        assert_eq!(ssh(&host, name, command).stdout, expected, "{shell}");
    }
}

#[test]
fn lines_for_sshd_and_a_banner_are_in_force() {
    let options = HostOptions {
        sshd: vec!["MaxSessions 1".into(), "MaxAuthTries 2".into(), "ForceCommand echo forced".into()],
        banner: Some("authorized use only\n".into()),
        ..HostOptions::default()
    };
    let host = start(&options);
    let done = ssh(&host, "root", "echo mine");
    assert_eq!(done.stdout, "forced\n");
    assert!(done.stderr.contains("authorized use only"), "{}", done.stderr);
    let settings = host.must("sshd -T | grep -E '^(maxsessions|maxauthtries) ' | sort").unwrap();
    assert_eq!(settings, "maxauthtries 2\nmaxsessions 1\n");
}

#[test]
fn a_bad_line_for_sshd_is_an_error_with_its_words() {
    let options = HostOptions { sshd: vec!["NoSuchKeyword yes".into()], ..HostOptions::default() };
    for own_network in [false, true] {
        let options = HostOptions { own_network, ..options.clone() };
        let why = TestHost::start(&TREE, &options).map(drop).unwrap_err().to_string();
        assert!(why.contains("Bad configuration option: NoSuchKeyword"), "{why}");
    }
}

#[test]
fn sshd_stops_and_starts_on_the_same_port_and_a_new_host_key_is_another_key() {
    let mut host = start(&HostOptions::default());
    let (port, line) = (host.port(), host.host_key_line());
    host.stop_sshd().unwrap();
    assert_eq!(ssh(&host, "root", "true").code, Some(255));
    host.restart_sshd().unwrap();
    assert_eq!((host.port(), ssh(&host, "root", "true").code), (port, Some(0)));
    let old = fs::read(host.known_hosts()).unwrap();
    host.regenerate_host_key().unwrap();
    assert_ne!(host.host_key_line(), line);
    assert_eq!(ssh(&host, "root", "true").code, Some(0));
    fs::write(host.known_hosts(), old).unwrap();
    let refused = ssh(&host, "root", "true");
    assert!(refused.stderr.contains("REMOTE HOST IDENTIFICATION HAS CHANGED"), "{}", refused.stderr);
}

#[test]
fn open_sessions_can_be_ended_while_the_listener_stays() {
    let host = start(&HostOptions::default());
    let mut client = host.ssh("root");
    client.args(["-T", "sleep 1000"]);
    let mut running = testkit::process::Running::start(client, b"").unwrap();
    assert!(wait::until(wait::LONG, || host.must("pgrep -xc sleep").unwrap_or_default().trim() == "2"));
    host.kill_sessions().unwrap();
    assert!(wait::until(wait::LONG, || !running.is_running()));
    assert_eq!(ssh(&host, "root", "true").code, Some(0));
}

#[test]
fn a_fake_kernel_value_shows_inside_over_ssh_and_not_on_the_machine() {
    let host = start(&HostOptions::default());
    let machine = fs::read_to_string("/proc/sys/kernel/randomize_va_space").unwrap();
    assert_ne!(machine.trim(), "7");
    host.fake_proc("/proc/sys/kernel/randomize_va_space", "7").unwrap();
    host.fake_proc("/proc/cmdline", "quiet audit=1").unwrap();
    assert_eq!(
        ssh(&host, "root", "sysctl -n kernel.randomize_va_space; cat /proc/cmdline").stdout,
        "7\nquiet audit=1\n"
    );
    host.fake_proc("/proc/swaps", "").unwrap();
    assert_eq!(host.must("cat /proc/swaps; ls -A /mnt").unwrap(), "");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/randomize_va_space").unwrap(), machine);
}

#[test]
fn a_kernel_setting_that_this_kernel_lacks_can_be_added_beside_the_others() {
    let host = start(&HostOptions::default());
    let others = host.must("cat /proc/sys/kernel/ostype /proc/sys/kernel/randomize_va_space").unwrap();
    host.fake_proc("/proc/sys/kernel/plumb/level", "2").unwrap();
    host.fake_proc("/proc/sys/kernel/plumb_two", "3").unwrap();
    assert_eq!(host.must("sysctl -n kernel.plumb.level kernel.plumb_two").unwrap(), "2\n3\n");
    assert_eq!(host.must("cat /proc/sys/kernel/ostype /proc/sys/kernel/randomize_va_space").unwrap(), others);
    assert!(!Path::new("/proc/sys/kernel/plumb_two").exists());
    let why = host.fake_proc("/proc/plumb", "1").unwrap_err().to_string();
    assert!(why.contains("none can be added"), "{why}");
}

#[test]
fn a_host_cannot_change_the_settings_of_the_machine() {
    let host = start(&HostOptions::default());
    assert!(!host.sh("sysctl -w kernel.randomize_va_space=2").unwrap().success());
    assert!(!host.sh("sysctl -w net.ipv4.ip_forward=0").unwrap().success());
}

#[test]
fn a_host_with_its_own_network_has_its_own_settings_and_is_reached_on_loopback() {
    let mut host = start(&HostOptions { own_network: true, ..HostOptions::default() });
    let machine = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let other = if machine.trim() == "1" { "0" } else { "1" };
    host.must(&format!("sysctl -w net.ipv4.ip_forward={other}")).unwrap();
    let read = "sysctl -n net.ipv4.ip_forward";
    assert_eq!(ssh(&host, "root", read).stdout.trim(), other);
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(), machine);
    let port = host.port();
    host.stop_sshd().unwrap();
    assert_eq!(ssh(&host, "root", read).code, Some(255));
    host.restart_sshd().unwrap();
    assert_eq!((host.port(), ssh(&host, "root", read).stdout.trim()), (port, other));
    assert!(host.sshd_log().unwrap().contains("Accepted publickey for root"));
}

#[test]
fn a_snapshot_names_what_was_written_and_nothing_after_reading() {
    let host = start(&HostOptions::default());
    let before = host.snapshot().unwrap();
    host.must("cat /etc/passwd /etc/shadow; find / -xdev -name nothing").unwrap();
    assert_eq!(host.snapshot().unwrap().changes_since(&before), "");
    host.must("echo x >>/etc/motd; chmod 0600 /etc/crontab; rm /etc/issue; touch /run/new /dev/shm/new")
        .unwrap();
    assert_eq!(
        host.snapshot().unwrap().changes_since(&before),
        "+ /dev/shm/new\n+ /etc/crontab\n+ /etc/issue\n+ /etc/motd\n+ /run/new\n"
    );
}

#[test]
fn logging_in_leaves_login_records_only() {
    let host = start(&HostOptions::default());
    let before = host.snapshot().unwrap().without(LOGIN_RECORDS);
    assert_eq!(ssh(&host, "root", "true").code, Some(0));
    assert_eq!(host.snapshot().unwrap().without(LOGIN_RECORDS).changes_since(&before), "");
}

#[test]
fn two_hosts_over_one_tree_do_not_see_each_other() {
    let (one, two) = (start(&HostOptions::default()), start(&HostOptions::default()));
    one.must("touch /etc/only-here").unwrap();
    assert_eq!(two.sh("test -e /etc/only-here").unwrap().code, Some(1));
    assert!(!TREE.root().join("etc/only-here").exists());
    assert_ne!(one.host_key_line(), two.host_key_line());
}

#[test]
fn what_is_prepared_stands_before_sshd_starts() {
    let options = HostOptions {
        prepare: Some("echo 'MaxAuthTries 3' >>/etc/ssh/sshd_config".into()),
        ..HostOptions::default()
    };
    assert_eq!(start(&options).must("sshd -T | grep maxauthtries").unwrap(), "maxauthtries 3\n");
    let failing = HostOptions { prepare: Some("false".into()), ..HostOptions::default() };
    assert!(TestHost::start(&TREE, &failing).is_err());
}

/// Everything of a host that the machine could still show: its folder in a command line or a mount.
fn traces(folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ps -e -o pid=,stat=,args= | grep -F -- \"$0\" | grep -v grep; grep -lF -- \"$0\" /proc/[0-9]*/mounts; :"]);
    command.arg(name).env("LC_ALL", "C");
    let said = run(command, b"", wait::SHORT).unwrap().stdout;
    said.lines().filter(|line| !line.contains("ps -e -o")).collect::<Vec<_>>().join("\n")
}

#[test]
fn dropping_a_host_leaves_no_process_no_mount_and_no_file() {
    let host = start(&HostOptions::default());
    host.must("setsid sleep 1000 </dev/null >/dev/null 2>&1 &").unwrap();
    let (folder, pid) = (host.folder().to_owned(), host.pid());
    assert_ne!(traces(&folder), "", "the search finds a host that runs");
    drop(host);
    assert_eq!(traces(&folder), "");
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!folder.exists());
}

#[test]
fn a_test_process_that_is_killed_leaves_no_process_and_no_mount() {
    // This test binary again, as the process that dies.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_host_for_the_test_that_kills_its_holder", "--ignored", "--nocapture"]);
    let told = tempfile::NamedTempFile::new().unwrap();
    child.env("TELL", told.path());
    let holder = testkit::process::Running::start(child, b"").unwrap();
    assert!(wait::until(wait::LONG, || fs::read_to_string(told.path()).unwrap().ends_with('\n')));
    let folder = fs::read_to_string(told.path()).unwrap().trim_end().to_owned();
    assert_ne!(traces(Path::new(&folder)), "");
    holder.signal("KILL").unwrap();
    let gone = wait::until(wait::SHORT, || traces(Path::new(&folder)).is_empty());
    assert!(gone, "left: {}", traces(Path::new(&folder)));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
#[ignore = "run by another test, in a process that is killed"]
fn a_host_for_the_test_that_kills_its_holder() {
    let host = start(&HostOptions::default());
    fs::write(std::env::var_os("TELL").unwrap(), format!("{}\n", host.folder().display())).unwrap();
    assert!(!wait::until(wait::LONG, || false), "nobody killed this process");
}

#[test]
fn fifty_hosts_run_at_once_and_every_one_answers() {
    let hosts: Vec<TestHost> = (0..50)
        .map(|number| {
            start(&HostOptions { hostname: Some(format!("host-{number}")), ..HostOptions::default() })
        })
        .collect();
    let names: Vec<String> = hosts.iter().map(|host| host.must("hostname").unwrap()).collect();
    assert_eq!(names, (0..50).map(|number| format!("host-{number}\n")).collect::<Vec<_>>());
    assert_eq!(ssh(&hosts[49], "root", "hostname").stdout, "host-49\n");
}
