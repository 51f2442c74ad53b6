//! Captures read, replayed and recorded.

use std::convert::Infallible;

use model::Lane;

use super::*;
use crate::frame::Nonce;

const DOCUMENT: &str = r#"{
  "format": "plumbline.capture/1",
  "source": "made by hand",
  "hello": {
    "uid": 0, "hostname": "db-1",
    "platform": {"id": "rhel", "id_like": ["fedora"], "version": "9.4", "name": "RHEL 9", "arch": "x86_64", "kernel": "5.14"},
    "tools": ["awk", "rpm"]
  },
  "probes": {
    "sshd": {"exit": 0, "stdout": {"text": "permitrootlogin no\n"}},
    "odd": {"exit": 7, "stdout": {"base64": "AP8K"}, "stderr": {"text": "what?\n"}},
    "slow": {"timed_out": true, "stdout": {"text": "half"}}
  }
}"#;

fn command(key: &str) -> Command {
    Command {
        key: key.to_owned(),
        script: "true".to_owned(),
        timeout_ms: 1_234,
        lane: Lane::Fast,
        keep_bytes_max: 1_000,
        read_bytes_max: 1_000,
    }
}

fn play(capture: &Capture, commands: Vec<Command>) -> Result<Conversation, ConverseError<Infallible>> {
    replay(capture, &Limits::default(), &Nonce::new([1; 16]), |_| Ok(commands))
}

#[test]
fn a_replay_answers_by_key_and_leaves_the_rest_unanswered() {
    let capture = Capture::from_json(DOCUMENT.as_bytes()).unwrap();
    let commands = ["slow", "missing", "odd", "sshd"].map(command).to_vec();
    let got = play(&capture, commands).unwrap();
    assert_eq!(got.hello.platform.version, "9.4");
    let seen: Vec<_> =
        got.observations.iter().map(|o| (o.key.as_str(), o.ending, o.stdout.as_slice())).collect();
    assert_eq!(
        seen,
        [
            ("slow", Ending::TimedOut, b"half".as_slice()),
            ("missing", Ending::NoAnswer, b""),
            ("odd", Ending::Exited(7), b"\0\xff\n"),
            ("sshd", Ending::Exited(0), b"permitrootlogin no\n"),
        ]
    );
    assert_eq!(got.observations[2].stderr, b"what?\n");
}

#[test]
fn what_was_recorded_replays_to_the_same_answers() {
    let capture = Capture::from_json(DOCUMENT.as_bytes()).unwrap();
    let commands = ["sshd", "odd", "slow"].map(command).to_vec();
    let first = play(&capture, commands.clone()).unwrap();
    let recorded = Capture::record(&first, "made by hand").unwrap();
    assert_eq!(recorded, capture);
    let again = Capture::from_json(recorded.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(play(&again, commands).unwrap().observations, first.observations);
}

#[test]
fn a_cut_answer_cannot_be_recorded() {
    let capture = Capture::from_json(DOCUMENT.as_bytes()).unwrap();
    let short = Command { keep_bytes_max: 3, ..command("sshd") };
    let got = play(&capture, vec![short]).unwrap();
    assert!(matches!(Capture::record(&got, "x"), Err(CaptureError::Cut { key }) if key == "sshd"));
}

#[test]
fn an_answer_larger_than_may_be_read_fails_a_replay_too() {
    let capture = Capture::from_json(DOCUMENT.as_bytes()).unwrap();
    let small = Command { read_bytes_max: 3, ..command("sshd") };
    let Err(ConverseError::Transport(err)) = play(&capture, vec![small]) else { panic!("it passed") };
    assert_eq!(err.reason(), model::FailureReason::EvidenceOversize);
    assert_eq!(err.probe(), Some("sshd"));
}

#[test]
fn documents_with_anything_unexpected_are_refused() {
    for (from, to) in [
        ("capture/1", "capture/2"),
        ("\"source\"", "\"sauce\""),
        ("\"exit\": 7,", ""),
        ("\"exit\": 7", "\"exit\": 256"),
        ("\"exit\": 7", "\"exit\": 7, \"timed_out\": true"),
        ("AP8K", "AP8"),
        ("\"text\": \"half\"", "\"words\": \"half\""),
        ("\"uid\": 0", "\"uid\": -1"),
    ] {
        assert!(DOCUMENT.contains(from), "{from}");
        assert!(Capture::from_json(DOCUMENT.replace(from, to).as_bytes()).is_err(), "{from:?} -> {to:?}");
    }
}
