//! The runner of the built binary, shown on programs every machine has.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::path::Path;
use std::time::Duration;

use testkit::plumb::{Plumb, PlumbError};
use testkit::process::ProcessError;
use testkit::wait;

fn shell() -> (tempfile::TempDir, Plumb) {
    let folder = tempfile::tempdir().unwrap();
    let plumb = Plumb::new(Path::new("/bin/sh"), &folder.path().join("data")).unwrap();
    (folder, plumb)
}

#[test]
fn a_run_returns_code_and_both_streams() {
    let (_folder, plumb) = shell();
    let done = plumb.run_with_input(&["-c", "cat; echo err >&2; exit 7"], b"in").unwrap();
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(7), "in", "err\n"));
    assert!(!done.success());
}

#[test]
fn the_environment_holds_what_is_named_and_nothing_of_the_person_who_runs_the_tests() {
    let (folder, plumb) = shell();
    let plumb = plumb.env("PLUMB_SSH_PASSWORD", "x");
    let done = plumb.run(&["-c", "env | cut -d= -f1 | sort | tr '\\n' ' '; echo; echo $HOME"]).unwrap();
    let home = folder.path().join("data.home");
    assert_eq!(
        done.stdout,
        format!("HOME LC_ALL PATH PLUMB_DATA_DIR PLUMB_SSH_PASSWORD PWD \n{}\n", home.display())
    );
    assert!(!plumb.data().exists(), "making the data directory is the program's own business");
    assert_eq!(std::fs::read_dir(plumb.home()).unwrap().count(), 0);
}

#[test]
fn a_run_past_its_limit_is_killed_with_its_children_and_is_an_error() {
    let (_folder, plumb) = shell();
    let plumb = plumb.limit(Duration::from_millis(200));
    let why = plumb.run(&["-c", "echo said; sleep 1000 & wait"]).unwrap_err();
    let PlumbError::Run { err: ProcessError::TimedOut { said, .. } } = why else { panic!("{why}") };
    assert_eq!(said, "said\n");
}

#[test]
fn output_beyond_the_limit_is_dropped_and_the_program_still_ends() {
    let (_folder, plumb) = shell();
    let done = plumb.run(&["-c", "head -c 20000000 /dev/zero; echo end >&2"]).unwrap();
    assert_eq!((done.stdout.len(), done.stderr.as_str()), (16 << 20, "end\n"));
}

#[test]
fn a_started_program_can_be_stopped_continued_and_killed() {
    let (_folder, plumb) = shell();
    let mut running = plumb.start(&["-c", "sleep 1000 & wait"]).unwrap();
    let state = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(" T ");
    running.signal("STOP").unwrap();
    assert!(wait::until(wait::SHORT, || state(running.pid())));
    running.signal("CONT").unwrap();
    assert!(wait::until(wait::SHORT, || !state(running.pid())));
    assert!(running.is_running());
    running.signal("KILL").unwrap();
    let done = running.finish(wait::SHORT).unwrap();
    assert_eq!((done.code, done.signal), (None, Some(9)));
}

#[test]
fn a_program_that_is_not_there_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let plumb = Plumb::new(Path::new("/no/such/binary"), &folder.path().join("data")).unwrap();
    let why = plumb.run(&["--version"]).unwrap_err();
    let PlumbError::Run { err } = why else { panic!("{why}") };
    assert_eq!(err.to_string(), "could not start /no/such/binary");
}

#[test]
fn in_a_terminal_the_program_sees_one_of_the_width_asked_for() {
    let (_folder, plumb) = shell();
    let done =
        plumb.run_in_terminal(&["-c", "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size; exit 3"], 100).unwrap();
    assert_eq!((done.stdout.as_str(), done.code), ("24 100\r\n", Some(3)), "{}", done.stderr);
}
