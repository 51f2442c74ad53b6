//! Logging in to a real OpenSSH server: every method, every refusal, and the host key before all of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use model::{Address, FailureReason};
use support::sshd::{PASSWORD, Sshd, load, run, ssh, target, with_keys, with_password};
use support::{ask_target, ask_within, command, transport_error};
use transport::{
    AuthMethod, Conversation, Credentials, HostKeyCheck, HostKeyRefusal, Limits, SshTarget, TransportError,
};

async fn ask(target: SshTarget) -> Result<Conversation, TransportError> {
    ask_target(ssh(target), vec![command("id", "id -un")]).await.map_err(transport_error)
}

#[tokio::test]
async fn keys_of_every_accepted_kind_log_in() {
    let sshd = Sshd::start("");
    for (name, arguments, passphrase) in [
        ("ed25519", &["-t", "ed25519", "-N", ""][..], None),
        ("ecdsa", &["-t", "ecdsa", "-b", "384", "-N", ""], None),
        ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""], None),
        ("sealed", &["-t", "ed25519", "-N", "correct horse"], Some("correct horse")),
    ] {
        let key = load(&sshd.key(name, arguments), passphrase);
        let got = ask(sshd.target("plain", with_keys(vec![key]))).await.unwrap();
        assert_eq!(got.observations[0].stdout, b"plain\n", "{name}");
        assert_eq!(got.auth, Some(AuthMethod::PublicKey));
        assert_eq!(got.peer.unwrap().port(), sshd.port);
        assert!(got.host_key.unwrap().fingerprint.starts_with("SHA256:"));
    }
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_auth_failed_and_names_what_was_tried() {
    let sshd = Sshd::start("PasswordAuthentication no\nKbdInteractiveAuthentication no");
    let stranger = sshd.folder().join("stranger");
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", stranger.to_str().unwrap()]);
    let key = load(&stranger, None);
    let fingerprint = key.fingerprint();
    let err = ask(sshd.target("plain", with_keys(vec![key]))).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::AuthFailed);
    assert!(err.to_string().contains(&fingerprint), "{err}");
    assert!(err.to_string().ends_with("the host accepts publickey"), "{err}");
}

#[tokio::test]
async fn a_password_logs_in_and_a_wrong_one_is_sent_once() {
    let mut sshd = Sshd::start("KbdInteractiveAuthentication no");
    let got = ask(sshd.target("plain", with_password(PASSWORD))).await.unwrap();
    assert_eq!(got.auth, Some(AuthMethod::Password));
    let err = ask(sshd.target("plain", with_password("open barley"))).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::AuthFailed);
    assert!(!err.to_string().contains("barley"));
    sshd.wait_for("Failed password");
    assert_eq!(sshd.count("Failed password"), 1);
}

#[tokio::test]
async fn a_server_that_asks_by_keyboard_interactive_gets_the_password() {
    let mut sshd = Sshd::start("UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes");
    let got = ask(sshd.target("plain", with_password(PASSWORD))).await.unwrap();
    assert_eq!(got.auth, Some(AuthMethod::KeyboardInteractive));
    let err = ask(sshd.target("plain", with_password("open barley"))).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::AuthFailed);
    sshd.wait_for("Failed keyboard-interactive");
    assert_eq!(sshd.count("Failed keyboard-interactive"), 1, "a refused password is not sent again");
}

#[tokio::test]
async fn a_server_that_wants_a_key_and_a_password_gets_both() {
    let sshd = Sshd::start("AuthenticationMethods publickey,password");
    let credentials = Credentials { keys: vec![sshd.good_key()], ..with_password(PASSWORD) };
    let got = ask(sshd.target("plain", credentials)).await.unwrap();
    assert_eq!(got.auth, Some(AuthMethod::Password));
}

#[tokio::test]
async fn a_key_in_an_agent_logs_in() {
    let sshd = Sshd::start("");
    let path = sshd.key("agent", &["-t", "ed25519", "-N", ""]);
    let socket = sshd.folder().join("agent.sock");
    let mut agent = std::process::Command::new("ssh-agent")
        .args(["-D", "-a", socket.to_str().unwrap()])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let script = format!(
        "n=0; until [ -S {socket} ]; do n=$((n+1)); [ $n -lt 400 ] || exit 1; sleep 0.05; done\n\
         SSH_AUTH_SOCK={socket} ssh-add -q {}",
        path.display(),
        socket = socket.display(),
    );
    run("sh", &["-c", &script]);
    let credentials = Credentials { agent: Some(socket.clone()), ..Credentials::default() };
    let got = ask(sshd.target("plain", credentials)).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(got.unwrap().auth, Some(AuthMethod::Agent));
    let credentials = Credentials { agent: Some(socket), ..Credentials::default() };
    let err = ask(sshd.target("plain", credentials)).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::AuthFailed);
    assert!(err.to_string().contains("agent (which did not answer)"), "{err}");
}

#[tokio::test]
async fn attempts_on_one_connection_are_limited() {
    let mut sshd = Sshd::start("MaxAuthTries 20\nPasswordAuthentication yes");
    let keys = (0..9)
        .map(|n| {
            let path = sshd.folder().join(format!("stranger{n}"));
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", path.to_str().unwrap()]);
            load(&path, None)
        })
        .collect();
    let credentials = Credentials { keys, ..with_password(PASSWORD) };
    let got = ask(sshd.target("plain", credentials)).await.unwrap();
    assert_eq!(got.auth, Some(AuthMethod::Password), "one attempt stays for the password");
    sshd.wait_for("Accepted password");
    assert_eq!(sshd.count("Failed publickey"), 5, "{}", sshd.seen());
}

#[tokio::test]
async fn a_refused_host_key_ends_before_any_authentication() {
    type Refuse = fn(String) -> HostKeyRefusal;
    for (refuse, reason) in [
        (HostKeyRefusal::Unknown as Refuse, FailureReason::HostKeyUnknown),
        (HostKeyRefusal::Mismatch as Refuse, FailureReason::HostKeyMismatch),
        (HostKeyRefusal::Revoked as Refuse, FailureReason::HostKeyRevoked),
    ] {
        let mut sshd = Sshd::start("LogLevel DEBUG1");
        let mut target = sshd.target("plain", with_password(PASSWORD));
        target.host_key = HostKeyCheck::new(move |key| async move { Err(refuse(key.fingerprint)) });
        let err = ask(target).await.unwrap_err();
        assert_eq!(err.reason(), reason);
        let public = std::fs::read_to_string(sshd.folder().join("host.pub")).unwrap();
        let listed = run("ssh-keygen", &["-l", "-f", sshd.folder().join("host.pub").to_str().unwrap()]);
        let fingerprint = String::from_utf8(listed).unwrap().split(' ').nth(1).unwrap().to_owned();
        assert!(err.to_string().contains(&fingerprint), "{err} {public}");
        sshd.wait_for("[preauth]");
        sshd.wait_for("closed by");
        assert_eq!(sshd.count("userauth-request"), 0, "{}", sshd.seen());
    }
}

#[tokio::test]
async fn a_known_key_type_is_asked_for_first() {
    let sshd = Sshd::start("");
    let path = sshd.folder().join("host_rsa");
    run("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", path.to_str().unwrap()]);
    let both = Sshd::start(&format!("HostKey {}", path.display()));
    for (known, got) in [(vec![], "ssh-ed25519"), (vec!["ssh-rsa".to_owned()], "ssh-rsa")] {
        let mut target = both.target("plain", with_password(PASSWORD));
        target.known_key_types = known;
        assert_eq!(ask(target).await.unwrap().host_key.unwrap().algorithm, got);
    }
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_connect_failed() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let err = ask(target(port, "plain", with_password(PASSWORD))).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::ConnectFailed);
    assert!(err.to_string().contains("nothing listens"), "{err}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_connect_failed() {
    let mut target = target(22, "plain", with_password(PASSWORD));
    // Reserved for this by RFC 6761, section 6.4.
    target.endpoint.address = Address::Name("host.invalid".to_owned());
    let err = ask(target).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::ConnectFailed);
    assert!(err.to_string().contains("resolve"), "{err}");
}

#[tokio::test]
async fn a_host_that_accepts_and_says_nothing_is_a_timeout_and_is_let_go() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limits = Limits { connect: Duration::from_millis(300), ..Limits::default() };
    for greeting in ["", "SSH-2.0-Silent\r\n"] {
        let hole = async {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting.as_bytes()).await.unwrap();
            // Ends when the other side lets go, which it must do by itself.
            let mut sink = [0; 1024];
            while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
        };
        let target = ssh(target(port, "plain", with_password(PASSWORD)));
        let (asked, ()) = tokio::join!(ask_within(target, limits.clone(), Vec::new()), hole);
        let err = transport_error(asked.unwrap_err());
        assert_eq!(err.reason(), FailureReason::Timeout, "{greeting:?}");
    }
}

#[tokio::test]
async fn a_server_with_old_algorithms_only_is_refused_with_their_names() {
    let sshd = Sshd::start("MACs hmac-sha1\nCiphers aes128-cbc");
    let err = ask(sshd.target("plain", with_password(PASSWORD))).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::ConnectFailed);
    assert!(err.to_string().contains("aes128-cbc"), "{err}");
}
