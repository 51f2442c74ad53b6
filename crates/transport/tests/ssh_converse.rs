//! Conversations with a real OpenSSH server: shells, sudo, lanes, hostile output, cut links.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Mutex;

use model::{Command, Ending, FailureReason, Lane};
use secrecy::SecretString;
use support::sshd::{PASSWORD, Sshd, ssh, with_keys};
use support::{ask_target, command, transport_error};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use transport::{
    Conversation, ConverseError, Limits, Privilege, PrivilegeUsed, Progress, Request, SshTarget,
    TransportError, converse,
};

async fn ask(target: SshTarget, commands: Vec<Command>) -> Result<Conversation, TransportError> {
    ask_target(ssh(target), commands).await.map_err(transport_error)
}

fn slow(key: &str, script: &str) -> Command {
    Command { lane: Lane::Slow, ..command(key, script) }
}

fn sudo(password: Option<&str>) -> Privilege {
    Privilege::Sudo { password: password.map(|text| SecretString::from(text.to_owned())) }
}

#[tokio::test]
async fn every_login_shell_gives_the_same_answers() {
    let sshd = Sshd::start("Banner /etc/passwd\nSetEnv LC_ALL=de_DE.UTF-8 LANGUAGE=de");
    let key = sshd.good_key();
    for user in ["plain", "zed", "fishy", "cee", "dashy"] {
        let commands = vec![
            command("where", "pwd; umask; echo $LC_ALL $PATH"),
            command("odd", r"printf '\000\033\377no newline'; printf 'err' >&2; exit 7"),
            command("german", "stat /nonexistent; ls /nonexistent"),
        ];
        let got = ask(sshd.target(user, with_keys(vec![key.clone()])), commands).await.unwrap();
        let [first, odd, german] = &got.observations[..] else { panic!("{user}") };
        let expected = format!("/\n0077\nC {}\n", transport::PATH);
        assert_eq!(first.stdout, expected.as_bytes(), "{user}");
        assert_eq!(odd.stdout, b"\0\x1b\xffno newline", "{user}");
        assert_eq!(odd.stderr, b"err", "{user}");
        assert_eq!(odd.ending, Ending::Exited(7), "{user}");
        let said = String::from_utf8(german.stderr.clone()).unwrap();
        assert_eq!(said.matches("No such file or directory").count(), 2, "{user}: {said}");
    }
}

#[tokio::test]
async fn an_account_without_a_shell_is_no_usable_shell_with_its_first_words() {
    let sshd = Sshd::start("");
    let key = sshd.good_key();
    for (user, words) in [
        ("nobash", "This account is currently not available."),
        ("forced", "This account is for backups only"),
    ] {
        let target = sshd.target(user, with_keys(vec![key.clone()]));
        let err = ask(target, vec![command("one", "echo 1")]).await.unwrap_err();
        assert_eq!(err.reason(), FailureReason::EngineError);
        assert!(err.to_string().starts_with("no usable shell"), "{err}");
        assert!(err.hint().unwrap().contains(words), "{:?}", err.hint());
    }
}

#[tokio::test]
async fn a_scan_costs_few_round_trips_however_many_commands_there_are() {
    let sshd = Sshd::start("");
    let target = sshd.target("plain", with_keys(vec![sshd.good_key()]));
    let mut commands: Vec<Command> =
        (0..150).map(|n| command(&format!("probe{n}"), &format!("echo {n}"))).collect();
    commands.push(slow("walk", "echo walked"));
    let got = ask(target, commands).await.unwrap();
    assert_eq!(got.observations.len(), 151);
    assert_eq!(got.observations[149].stdout, b"149\n");
    assert_eq!(got.observations[150].stdout, b"walked\n");
    assert_eq!(got.wire.channels, 2);
    assert!(got.wire.round_trips <= 8, "{:?}", got.wire);
}

#[tokio::test]
async fn a_server_that_allows_one_session_gets_the_walks_last() {
    let sshd = Sshd::start("MaxSessions 1");
    let target = sshd.target("plain", with_keys(vec![sshd.good_key()]));
    let commands = vec![slow("walk", "echo walked"), command("one", "echo 1"), slow("more", "exit 4")];
    let got = ask(target, commands).await.unwrap();
    let seen: Vec<_> = got.observations.iter().map(|o| (o.key.as_str(), o.stdout.as_slice())).collect();
    assert_eq!(seen, [("walk", b"walked\n".as_slice()), ("one", b"1\n"), ("more", b"")]);
    assert_eq!(got.observations[2].ending, Ending::Exited(4));
    assert_eq!(got.wire.channels, 1);
}

#[tokio::test]
async fn sudo_without_a_password_makes_both_lanes_root() {
    let sshd = Sshd::start("");
    let mut target = sshd.target("boss", with_keys(vec![sshd.good_key()]));
    // A password that is not needed is not used either.
    target.privilege = sudo(Some("never sent"));
    let got = ask(target, vec![command("who", "id -u"), slow("walk", "id -u")]).await.unwrap();
    assert_eq!(got.hello.uid, 0);
    assert_eq!(got.privilege, PrivilegeUsed::SudoNoPassword);
    assert_eq!(got.observations[0].stdout, b"0\n");
    assert_eq!(got.observations[1].stdout, b"0\n");
    assert!(got.wire.round_trips <= 8, "{:?}", got.wire);
}

#[tokio::test]
async fn a_root_login_needs_no_sudo() {
    let sshd = Sshd::start("PermitRootLogin yes");
    let mut target = sshd.target("root", with_keys(vec![sshd.good_key()]));
    target.privilege = sudo(None);
    let got = ask(target, vec![command("who", "id -u")]).await.unwrap();
    assert_eq!((got.hello.uid, got.privilege), (0, PrivilegeUsed::Login));
}

#[tokio::test]
async fn sudo_with_a_password_sends_it_on_standard_input_only() {
    let sshd = Sshd::start("");
    let mut target = sshd.target("payer", with_keys(vec![sshd.good_key()]));
    target.privilege = sudo(Some(PASSWORD));
    let look = "id -u; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'";
    let got = ask(target, vec![command("look", look), slow("walk", "id -u")]).await.unwrap();
    assert_eq!(got.privilege, PrivilegeUsed::SudoPassword);
    assert_eq!(got.observations[1].stdout, b"0\n");
    assert!(got.wire.round_trips <= 8, "{:?}", got.wire);
    assert_eq!(got.wire.channels, 1, "the password is sent once");
    let seen = String::from_utf8_lossy(&got.observations[0].stdout).into_owned();
    assert!(seen.starts_with("0\n") && seen.contains("plumbline-sudo-password:"), "{seen}");
    assert!(!seen.contains(PASSWORD));
    let log = std::fs::read_to_string(sshd.folder().join("sudo.log")).unwrap();
    assert!(!log.contains(PASSWORD), "{log}");
}

#[tokio::test]
async fn a_wrong_sudo_password_is_sent_once() {
    let sshd = Sshd::start("");
    let key = sshd.good_key();
    let mut target = sshd.target("payer", with_keys(vec![key.clone()]));
    target.privilege = sudo(Some("open barley"));
    let err = ask(target, vec![command("who", "id -u")]).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::PrivilegeFailed);
    assert!(!err.to_string().contains("barley"));
    // sudo writes its line when it has seen the end of its input; wait for it where the file is.
    let mut target = sshd.target("boss", with_keys(vec![key]));
    target.privilege = sudo(None);
    let file = sshd.folder().join("sudo.log");
    let wait = format!(
        "n=0; until grep -q 'incorrect password' {0}; do n=$((n+1)); [ $n -lt 100 ] || break; sleep 0.1; done; cat {0}",
        file.display()
    );
    let got = ask(target, vec![command("log", &wait)]).await.unwrap();
    let log = String::from_utf8(got.observations[0].stdout.clone()).unwrap();
    assert!(log.contains("1 incorrect password attempt"), "{log}");
}

#[tokio::test]
async fn an_account_that_may_not_become_root_is_privilege_failed() {
    let sshd = Sshd::start("");
    let key = sshd.good_key();
    for (user, password) in [("payer", None), ("plain", None), ("plain", Some(PASSWORD))] {
        let mut target = sshd.target(user, with_keys(vec![key.clone()]));
        target.privilege = sudo(password);
        let err = ask(target, vec![command("who", "id -u")]).await.unwrap_err();
        assert_eq!(err.reason(), FailureReason::PrivilegeFailed, "{user}: {err}");
    }
}

#[tokio::test]
async fn output_without_end_fails_the_scan_and_names_the_probe() {
    let sshd = Sshd::start("");
    let key = sshd.good_key();
    for script in ["yes", "yes >&2"] {
        let target = sshd.target("plain", with_keys(vec![key.clone()]));
        let commands = vec![command("fine", "echo 1"), command("shout", script)];
        let err = ask(target, commands).await.unwrap_err();
        assert_eq!(err.reason(), FailureReason::EvidenceOversize, "{err}");
        assert_eq!(err.probe(), Some("shout"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_plan_ends_the_session_in_order() {
    let mut sshd = Sshd::start("");
    let target = ssh(sshd.target("plain", with_keys(vec![sshd.good_key()])));
    let request = Request { target, limits: Limits::default(), nonce_seed: [3; 16] };
    let refuse = |hello: &model::Hello| -> Result<Vec<Command>, std::num::ParseIntError> {
        assert_eq!(hello.uid, 2001);
        "no".parse::<u8>().map(|_| Vec::new())
    };
    let got = converse(request, refuse, &|_| {}).await;
    assert!(matches!(got, Err(ConverseError::Plan(_))));
    // A server that writes at this moment finds nobody there before it reads the farewell.
    sshd.wait_for_one_of(&[
        "Disconnected from user plain",
        "ssh_packet_write_poll: Connection from user plain",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_conversation_ends_its_connection() {
    let mut sshd = Sshd::start("");
    let target = ssh(sshd.target("plain", with_keys(vec![sshd.good_key()])));
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let request = Request { target, limits: Limits::default(), nonce_seed: [3; 16] };
    let tell = move |progress: Progress| drop(said.send(progress));
    let plan = |_: &model::Hello| {
        Ok::<_, std::convert::Infallible>(vec![command("one", "echo 1"), command("long", "sleep 20")])
    };
    tokio::select! {
        got = converse(request, plan, &tell) => panic!("it ended by itself: {got:?}"),
        () = async {
            while let Some(progress) = heard.recv().await {
                if let Progress::Answered { .. } = progress {
                    return;
                }
            }
        } => {}
    }
    sshd.wait_for("Connection closed by");
}

/// Passes bytes between one client and the server until told to cut both.
async fn proxy(listener: TcpListener, port: u16, cut: tokio::sync::oneshot::Receiver<()>) {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = cut => {}
    }
}

#[tokio::test]
async fn a_link_that_is_cut_midway_is_connection_lost_and_gives_nothing() {
    let sshd = Sshd::start("");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut target = sshd.target("plain", with_keys(vec![sshd.good_key()]));
    target.endpoint.port = listener.local_addr().unwrap().port();
    let (cut, told) = tokio::sync::oneshot::channel();
    let cut = Mutex::new(Some(cut));
    let at_half = |progress: Progress| {
        if let Progress::Answered { done, .. } = progress
            && done >= 2
            && let Some(cut) = cut.lock().unwrap().take()
        {
            cut.send(()).unwrap();
        }
    };
    let commands = vec![command("one", "echo 1"), command("two", "echo 2"), command("long", "sleep 15")];
    let request = Request { target: ssh(target), limits: Limits::default(), nonce_seed: [3; 16] };
    let plan = |_: &model::Hello| Ok::<_, std::convert::Infallible>(commands);
    let (got, ()) = tokio::join!(converse(request, plan, &at_half), proxy(listener, sshd.port, told));
    let err = transport_error(got.unwrap_err());
    assert_eq!(err.reason(), FailureReason::ConnectionLost, "{err}");
    assert!(err.to_string().contains("long"), "{err}");
}

#[tokio::test]
async fn bytes_that_are_not_ssh_are_connect_failed_and_printable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let liar = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-x\r\n\x00\x00\xff\xff\x1b[2J garbage").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut sink = Vec::new();
        let _read = stream.read_to_end(&mut sink).await.is_ok();
    };
    let target = support::sshd::target(port, "plain", with_keys(Vec::new()));
    let (got, ()) = tokio::join!(ask(target, Vec::new()), liar);
    let err = got.unwrap_err();
    assert_eq!(err.reason(), FailureReason::ConnectFailed);
    assert!(err.to_string().chars().all(|c| !c.is_control()), "{err:?}");
}
