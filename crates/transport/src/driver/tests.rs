//! The driving program, run by real shells, with and without `timeout` and `setsid` on the PATH.

use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::process::{Command as Process, Stdio};

use model::{Ending, Lane};
use proptest::prelude::*;

use super::*;
use crate::frame::{Answer, Budget, Channel, Decoder};
use crate::limits::Limits;

const SHELLS: [&[&str]; 2] = [&["dash", "-s"], &["bash", "--posix", "-s"]];

fn nonce() -> Nonce {
    Nonce::new(*b"0123456789abcdef")
}

fn command(script: &str, timeout_ms: u32) -> Command {
    Command {
        key: script.chars().take(30).collect(),
        script: script.to_owned(),
        timeout_ms,
        lane: Lane::Fast,
        keep_bytes_max: 1 << 20,
        read_bytes_max: 10 << 20,
    }
}

/// Runs a whole program in `shell` with `environment`, and decodes what it says.
fn run(shell: &[&str], path: &str, program: &str, frames: &[u32]) -> Vec<Answer> {
    let mut child = Process::new(shell[0])
        .args(&shell[1..])
        // A hostile environment: it exports the driver's own variable and asks for German.
        .envs([("plumb_n", "x"), ("LC_ALL", "de_DE.UTF-8"), ("LANGUAGE", "de"), ("plumb_k", "1")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout, mut stderr) =
        (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let text = program.replace(PATH, path).into_bytes();
    let writer = std::thread::spawn(move || stdin.write_all(&text).map(|()| stdin));
    let errors = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_len| bytes)
    });
    let mut out = Vec::new();
    stdout.read_to_end(&mut out).unwrap();
    let err = errors.join().unwrap().unwrap();
    drop(writer.join().unwrap());
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", String::from_utf8_lossy(&err));
    let mut decoder = Decoder::new(&nonce(), &Limits::default());
    for timeout_ms in frames {
        let (keep_bytes_max, read_bytes_max) = (1 << 20, 10 << 20);
        decoder.expect(Budget { timeout_ms: *timeout_ms, keep_bytes_max, read_bytes_max });
    }
    decoder.push(Channel::Stdout, &out, 0).unwrap();
    decoder.push(Channel::Stderr, &err, 0).unwrap();
    assert!(decoder.is_done());
    (0..frames.len()).map(|frame| decoder.take_answer(frame).unwrap()).collect()
}

/// Asks for the hello first, then runs the commands in the dialect that it tells.
fn converse(shell: &[&str], path: &str, commands: &[Command]) -> (Greeting, Vec<Answer>) {
    let open = opening(&nonce(), Elevation::None);
    let hello = run(shell, path, &format!("{open}{}", goodbye(1)), &[u32::MAX]);
    let greeting = read_hello(&hello[0].stdout).unwrap();
    let count = commands.len() + 1;
    let program = format!("{open}{}{}", probes(commands.iter(), 1, greeting.dialect), goodbye(count));
    let frames: Vec<u32> = std::iter::once(u32::MAX).chain(commands.iter().map(|c| c.timeout_ms)).collect();
    (greeting, run(shell, path, &program, &frames).split_off(1))
}

/// A folder with links to every program of the fixed PATH but those named.
fn path_without(missing: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for place in PATH.split(':') {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !missing.iter().any(|missing| name == *missing) {
                // The first place on the PATH wins.
                let _known = symlink(entry.path(), folder.path().join(&name)).is_err();
            }
        }
    }
    folder
}

/// Every way to bound a probe in time, in every shell.
fn everywhere(check: impl Fn(&str, &[&str], &str)) {
    let (no_timeout, bare) = (path_without(&["timeout"]), path_without(&["timeout", "setsid"]));
    for shell in SHELLS {
        check("timeout", shell, PATH);
        check("setsid", shell, no_timeout.path().to_str().unwrap());
        check("bare", shell, bare.path().to_str().unwrap());
    }
}

/// Script, milliseconds, ending, standard output, standard error (`None`: the shell's own words).
type Case<'a> = (&'a str, u32, Ending, &'a [u8], Option<&'a [u8]>);

#[test]
fn whatever_a_probe_does_stays_inside_it() {
    let long = format!("read x; echo \"<$x>\"; # {}\necho done; exit 5", "'x' ".repeat(50_000));
    let ok = Ending::Exited(0);
    let cases: &[Case<'_>] = &[
        ("echo hello", 9_000, ok, b"hello\n", Some(b"")),
        ("printf 'no newline'; printf 'none either' >&2", 9_000, ok, b"no newline", Some(b"none either")),
        (r"printf '\000\033[31m\377\n\n'", 9_000, ok, b"\0\x1b[31m\xff\n\n", Some(b"")),
        ("exit 3", 9_000, Ending::Exited(3), b"", Some(b"")),
        ("echo e >&2; exit 124", 9_000, Ending::Exited(124), b"", Some(b"e\n")),
        (
            "cd /tmp; umask 0; set -e; plumb_n=1; unset PATH; trap 'echo bye' EXIT",
            9_000,
            ok,
            b"bye\n",
            Some(b""),
        ),
        ("pwd; umask; echo $LC_ALL $LANGUAGE", 9_000, ok, b"/\n0077\nC\n", Some(b"")),
        ("echo \"unterminated", 9_000, Ending::Exited(2), b"", None),
        ("}", 9_000, Ending::Exited(2), b"", None),
        ("cat; read x; echo \"<$x>\"", 9_000, ok, b"<>\n", Some(b"")),
        ("kill -9 $$", 9_000, Ending::Exited(137), b"", Some(b"")),
        ("echo early; sleep 300", 300, Ending::TimedOut, b"early\n", Some(b"")),
        ("trap '' TERM; while :; do sleep 1; done", 300, Ending::TimedOut, b"", None),
        ("sleep 301 & echo left", 9_000, ok, b"left\n", Some(b"")),
        (&long, 9_000, Ending::Exited(5), b"<>\ndone\n", Some(b"")),
        ("echo last", 9_000, ok, b"last\n", Some(b"")),
    ];
    everywhere(|how, shell, path| {
        // With neither timeout nor setsid there is no process group, and only the probe's own shell ends.
        let adapt = |script: &str| match how {
            "bare" => script.replace("sleep 301 &", ":;").replace("sleep 300", "exec sleep 300"),
            _ => script.to_owned(),
        };
        let commands: Vec<Command> =
            cases.iter().map(|(script, ms, ..)| command(&adapt(script), *ms)).collect();
        let (_, answers) = converse(shell, path, &commands);
        for ((script, _, ending, stdout, stderr), answer) in cases.iter().zip(answers) {
            let at = format!("{shell:?} {how}: {}", &script[..script.len().min(60)]);
            assert_eq!(answer.ending, *ending, "{at}");
            assert_eq!(answer.stdout, *stdout, "{at}");
            if let Some(stderr) = stderr {
                let said = String::from_utf8_lossy(&answer.stderr);
                assert_eq!(answer.stderr, *stderr, "{at}: {said}");
            }
        }
    });
}

#[test]
fn nothing_that_a_probe_can_see_holds_the_nonce() {
    let look = "env; set; cat /proc/$$/environ /proc/$PPID/environ /proc/$PPID/cmdline /proc/[0-9]*/cmdline";
    everywhere(|_, shell, path| {
        let (_, answers) = converse(shell, path, &[command(look, 9_000)]);
        let text = String::from_utf8_lossy(&answers[0].stdout).into_owned();
        assert!(text.contains("PATH="), "{text}");
        assert!(!text.contains(nonce().as_str()));
    });
}

#[test]
fn a_process_that_a_probe_left_behind_is_gone_before_its_frame_ends() {
    // The sleeper inherits the probe's standard output: while it lives, reading to the end would hang.
    for shell in SHELLS {
        let commands = [command("sleep 302 & echo $!", 9_000), command("echo on", 9_000)];
        let (_, answers) = converse(shell, PATH, &commands);
        let pid = String::from_utf8(answers[0].stdout.clone()).unwrap();
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
        assert!(!cmdline.starts_with(b"sleep\x00302"), "still there");
    }
}

#[test]
fn the_hello_tells_user_tools_and_platform() {
    let (greeting, _) = converse(SHELLS[0], PATH, &[]);
    assert_eq!(greeting.dialect, Dialect::Timeout);
    assert!(greeting.hello.tools.contains(&"timeout".to_owned()));
    assert!(!greeting.hello.platform.id.is_empty() && !greeting.hello.platform.kernel.is_empty());
    let missing = path_without(&["timeout", "stat"]);
    let (greeting, _) = converse(SHELLS[0], missing.path().to_str().unwrap(), &[]);
    assert_eq!(greeting.dialect, Dialect::Watchdog);
    assert!(!greeting.hello.tools.contains(&"stat".to_owned()));
}

#[test]
fn the_tools_are_sorted_and_named_once() {
    assert!(TOOLS.is_sorted_by(|a, b| a < b));
}

#[test]
fn a_hello_with_anything_unexpected_is_refused() {
    let good =
        "plumbline-hello 1\nuid 0\nuname h 6.1 x86_64\ntimeout no\ntools awk cat\nos-release\nID=debian\n";
    assert_eq!(read_hello(good.as_bytes()).unwrap().dialect, Dialect::Watchdog);
    for (from, to) in [
        ("hello 1", "hello 2"),
        ("uid 0", "uid root"),
        ("uid 0", "uid -1"),
        ("uid 0\n", ""),
        ("h 6.1", "h\x1b 6.1"),
        ("h 6.1 x86_64", "h x86_64"),
        ("timeout no", "timeout maybe"),
        ("awk", "rm"),
        ("ID=debian", ""),
        ("os-release\n", ""),
    ] {
        let text = good.replace(from, to);
        assert!(read_hello(text.as_bytes()).is_err(), "{from:?} -> {to:?}");
    }
    assert!(read_hello(b"plumbline-hello 1\nuid \xff").is_err());
}

#[test]
fn an_opening_that_becomes_root_has_nothing_behind_its_exec() {
    for elevation in [Elevation::SudoNoPassword, Elevation::SudoPassword] {
        let text = opening(&nonce(), elevation);
        let mut lines = text.lines().rev();
        assert_eq!(lines.next(), Some("fi"));
        // The shell reads a compound command as a whole before it runs any of it.
        assert!(text.lines().nth(1).unwrap().starts_with("if "));
    }
    assert!(!opening(&nonce(), Elevation::SudoNoPassword).contains("-S"));
}

#[test]
fn a_script_with_a_nul_or_without_time_cannot_be_sent() {
    assert!(check(&command("echo \0", 1)).is_err());
    assert!(check(&command("echo", 0)).is_err());
    assert!(check(&command("echo", 1)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// SSH-16: any character but NUL survives quoting.
    #[test]
    fn any_text_survives_quoting_by_a_real_shell(text in "[^\\x00]{0,200}", noise in "['\"\\\\$`!\n ]{0,40}") {
        let text = format!("{text}{noise}x");
        for shell in ["dash", "bash"] {
            let output = Process::new(shell).arg("-c").arg(format!("printf %s {}", quote(&text))).output().unwrap();
            prop_assert_eq!(&output.stdout, text.as_bytes());
        }
    }
}
