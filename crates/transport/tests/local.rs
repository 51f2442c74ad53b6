//! Conversations with the real `sh` of this machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use model::{Command, Ending, FailureReason, Lane};
use support::sshd::run;
use support::{ask, ask_within, command, transport_error};
use transport::{Limits, Privilege, PrivilegeUsed, Progress, Request, Target, TransportError};

fn local() -> Target {
    Target::Local { privilege: Privilege::None }
}

/// Waits until no process has this command line, with a limit.
fn wait_until_gone(command_line: &str) {
    let script = format!(
        "n=0; while grep -qsFxz -- '{command_line}' /proc/[0-9]*/cmdline; do\n\
         n=$((n+1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done"
    );
    run("sh", &["-c", &script]);
}

#[tokio::test]
async fn a_local_host_says_what_it_is_and_answers_each_command() {
    let commands = vec![
        command("one", "echo 1"),
        Command { lane: Lane::Slow, ..command("walk", "echo walked") },
        command("two", "echo two >&2; exit 3"),
    ];
    let got = ask(commands).await.unwrap();
    assert!(got.hello.tools.contains(&"stat".to_owned()));
    assert!(!got.hello.platform.id.is_empty());
    let keys: Vec<&str> = got.observations.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(keys, ["one", "walk", "two"], "in the order of the plan");
    assert_eq!(got.observations[0].stdout, b"1\n");
    assert_eq!(got.observations[1].stdout, b"walked\n");
    assert_eq!(got.observations[2].stderr, b"two\n");
    assert_eq!(got.observations[2].ending, Ending::Exited(3));
    assert_eq!((got.wire.channels, got.host_key, got.auth), (2, None, None));
}

#[tokio::test]
async fn root_asked_for_as_root_needs_no_sudo() {
    let target = Target::Local { privilege: Privilege::Sudo { password: None } };
    let got = support::ask_target(target, vec![command("who", "id -u")]).await.unwrap();
    assert_eq!((got.hello.uid, got.privilege), (0, PrivilegeUsed::Login));
    assert_eq!(got.observations[0].stdout, b"0\n");
}

#[tokio::test]
async fn a_plan_without_commands_is_a_conversation() {
    assert_eq!(ask(Vec::new()).await.unwrap().observations, []);
}

#[tokio::test]
async fn a_probe_that_hangs_is_timed_out_and_the_others_answer() {
    let hangs = Command { timeout_ms: 200, ..command("hangs", "echo begun; sleep 304") };
    let got = ask(vec![command("one", "echo 1"), hangs, command("two", "echo 2")]).await.unwrap();
    assert_eq!(got.observations[1].ending, Ending::TimedOut);
    assert_eq!(got.observations[1].stdout, b"begun\n");
    assert_eq!(got.observations[2].stdout, b"2\n");
    wait_until_gone("sleep 304");
}

#[tokio::test]
async fn output_without_end_is_oversize_and_memory_stays_bounded() {
    let resident_kib = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = resident_kib();
    let err = ask(vec![command("shout", "cat /dev/zero")]).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::EvidenceOversize);
    assert_eq!(err.probe(), Some("shout"));
    assert!(resident_kib() - before < 50 << 10, "EXE-11: less than 50 MiB");
}

#[tokio::test]
async fn large_output_is_kept_in_part_and_counted_in_full() {
    let cut = Command { keep_bytes_max: 10, ..command("big", "head -c 5000000 /dev/zero") };
    let got = ask(vec![cut]).await.unwrap();
    assert_eq!(got.observations[0].stdout, [0; 10]);
    assert_eq!(got.observations[0].stdout_len, 5_000_000);
    // `head -c 5000000 /dev/zero | sha256sum` on a Debian 12 machine.
    let sum = run("sh", &["-c", "head -c 5000000 /dev/zero | sha256sum"]);
    assert!(sum.starts_with(got.observations[0].stdout_sha256.to_string().as_bytes()));
}

#[tokio::test]
async fn a_script_longer_than_an_argument_may_be_runs_all_the_same() {
    let script = format!(": '{}'\nread x; echo \"<$x>\"; exit 5", "x'\\''y ".repeat(40_000));
    let got = ask(vec![command("long", &script), command("next", "echo on")]).await.unwrap();
    assert_eq!(got.observations[0].stdout, b"<>\n");
    assert_eq!(got.observations[0].ending, Ending::Exited(5));
    assert_eq!(got.observations[1].stdout, b"on\n");
}

#[tokio::test]
async fn a_probe_that_stops_its_own_watchdog_fails_the_scan_and_leaves_nothing() {
    let limits = Limits { grace: Duration::from_millis(300), ..Limits::default() };
    let stuck = Command { timeout_ms: 200, ..command("stuck", "kill -STOP $PPID; sleep 305") };
    let err = transport_error(ask_within(local(), limits, vec![stuck]).await.unwrap_err());
    assert_eq!(err.reason(), FailureReason::Timeout);
    assert_eq!(err.probe(), Some("stuck"));
    wait_until_gone("sleep 305");
}

#[tokio::test]
async fn a_driving_shell_that_dies_is_connection_lost() {
    let murder = "kill -9 $(awk '{print $4}' /proc/$PPID/stat)";
    let err = ask(vec![command("one", "echo 1"), command("murder", murder)]).await.unwrap_err();
    assert_eq!(err.reason(), FailureReason::ConnectionLost);
    assert!(err.to_string().contains("murder"), "{err}");
}

#[tokio::test]
async fn the_whole_conversation_has_a_deadline() {
    let limits = Limits { conversation: Duration::from_secs(1), ..Limits::default() };
    let commands =
        (0..3).map(|n| Command { timeout_ms: 900, ..command(&format!("p{n}"), "sleep 0.8") }).collect();
    let err = transport_error(ask_within(local(), limits, commands).await.unwrap_err());
    assert!(matches!(err, TransportError::Timeout { what: "the whole conversation", .. }), "{err}");
}

#[tokio::test]
async fn plans_that_cannot_be_answered_unambiguously_are_refused() {
    let limits = Limits { commands_max: 2, ..Limits::default() };
    let one = || command("one", "echo 1");
    for (commands, key) in [
        (vec![one(), one()], "one"),
        (vec![command("nul", "echo \0")], "nul"),
        (vec![Command { timeout_ms: 0, ..command("never", "true") }], "never"),
        (vec![Command { timeout_ms: 700_000, ..command("ever", "true") }], "ever"),
        (vec![one(), command("b", "b"), command("c", "c")], "c"),
    ] {
        let err = transport_error(ask_within(local(), limits.clone(), commands).await.unwrap_err());
        assert_eq!((err.reason(), err.probe()), (FailureReason::EngineError, Some(key)));
    }
}

#[tokio::test]
async fn progress_tells_the_hello_and_every_answer() {
    let seen = Mutex::new(Vec::new());
    let request = Request { target: local(), limits: Limits::default(), nonce_seed: [9; 16] };
    let plan = |_: &model::Hello| {
        Ok::<_, std::convert::Infallible>(vec![command("one", "echo 1"), command("two", "echo 2")])
    };
    transport::converse(request, plan, &|progress| seen.lock().unwrap().push(progress)).await.unwrap();
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.first(), Some(&Progress::Hello));
    assert_eq!(seen.last(), Some(&Progress::Answered { done: 2, total: 2 }));
}

#[tokio::test]
async fn dropping_a_conversation_ends_the_shell_and_the_probe() {
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let request = Request { target: local(), limits: Limits::default(), nonce_seed: [9; 16] };
    let tell = move |progress: Progress| drop(said.send(progress));
    let plan = |_: &model::Hello| {
        let commands = vec![command("one", "echo 1"), command("long", "trap '' TERM; sleep 306")];
        Ok::<_, std::convert::Infallible>(commands)
    };
    tokio::select! {
        got = transport::converse(request, plan, &tell) => panic!("it ended by itself: {got:?}"),
        () = async {
            while let Some(progress) = heard.recv().await {
                if let Progress::Answered { .. } = progress {
                    return;
                }
            }
        } => {}
    }
    wait_until_gone("sleep 306");
}
