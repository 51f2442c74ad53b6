//! `--quiet`: results and errors only. Notes go; what says that something is wrong, or that an answer is less than it
//! seems, stays (facts::searched has the other half: a walk that was cut).

use crate::support::{World, assert_code, world, yes};

/// Runs the words twice, with notes and without; all but the notes is the same.
#[track_caller]
fn noted(world: &World, words: &[&str]) -> String {
    let (loud, quiet) = (world.plumb(words), world.plumb(&[&["-q"], words].concat()));
    assert_eq!((quiet.stderr.as_str(), quiet.code), ("", loud.code), "{words:?}");
    assert_eq!(quiet.stdout, loud.stdout, "{words:?}");
    loud.stderr
}

#[test]
fn a_quiet_command_tells_its_answer_and_no_notes() {
    let world = world();
    let put = ["fact", "put", "fleet:web", "owner", "1", "-t", "desired", "--valid-from", "2026-03-01"];
    let first = world.plumb(&[&put[..], &["--quiet"]].concat());
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""), "a database is made without a word");
    let content = yes(&world);
    assert_code(&world.plumb(&["--content", &content, "scan", "localhost"]), 0);
    let at = "2026-04-01";
    let table: &[(&[&str], &str)] = &[
        (&put, "unchanged: "),
        (&["fact", "as-of", "fleet:web", "--at", at, "--recorded-at", "2"], "tree size 2"),
        (&["fact", "diff", "fleet:web", "--from", "0", "--to", "2"], "tree size 0 to 2"),
        (&["graph", "path", "fleet:web", "network:x"], "no way from "),
        (&["host", "show", "localhost"], "localhost"),
        (&["ledger", "checkpoint"], ""),
        (&["rules", "lint", &content], "every file loads"),
    ];
    for (words, note) in table {
        assert!(noted(&world, words).contains(note), "{words:?}");
    }
    // What went wrong is told.
    let done = world.plumb(&["-q", "fact", "get", "host:nowhere"]);
    assert_code(&done, 64);
    assert!(done.stderr.starts_with("plumb: there is no host"), "{done:?}");
}
