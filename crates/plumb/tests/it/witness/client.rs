//! The log side of witnessing: checkpoints are cosigned, a witness that fails costs a warning, and one that saw
//! another history is an alarm (LED-32).

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use ledger::cosignature::{Cosigner, CosignerKey};
use ledger::note::Note;
use testkit::process::Output;

use super::Served;
use crate::support::{self, World, assert_code, assert_refused, shell_rule, world};

/// Begins a log and returns its vkey.
pub(super) fn begun(world: &World) -> String {
    let done = world.plumb(&["ledger", "init"]);
    assert_code(&done, 0);
    done.stdout.lines().find_map(|line| line.strip_prefix("vkey\t")).unwrap().to_owned()
}

/// Writes a policy file and returns its path.
pub(super) fn written(world: &World, text: &str) -> String {
    let path = world.path("policy");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Adds two entries to the log, about a host at this port, under a policy.
pub(super) fn grown(world: &World, policy: &str, port: u16) -> Output {
    world.plumb(&["--ledger-policy", policy, "host", "add", &support::at_port("root", port)])
}

fn checkpoint(world: &World, policy: &str) -> Output {
    world.plumb(&["--ledger-policy", policy, "ledger", "checkpoint"])
}

/// Copies the data directory of one world into another's.
pub(super) fn copied(from: &World, to: &World) {
    support::tool("cp", &["-a", from.data().to_str().unwrap(), to.data().to_str().unwrap()]);
}

/// Returns how many cosignatures of these keys a printed checkpoint has.
fn cosigned(done: &Output, vkeys: &[&str]) -> usize {
    let note = Note::parse(done.stdout.as_bytes()).unwrap();
    let key = |vkey: &&str| vkey.parse::<CosignerKey>().unwrap();
    vkeys.iter().filter(|vkey| key(vkey).times_on(&note).unwrap().len() == 1).count()
}

#[test]
fn led_32_checkpoints_are_cosigned_and_a_dead_witness_costs_one_warning_line() {
    let world = world();
    let log = begun(&world);
    let names = ["w1", "w2", "w3"];
    let mut served: Vec<Served> = names.iter().map(|name| Served::start(&world, name, &[&log])).collect();
    let vkeys: Vec<String> = served.iter().map(|served| served.vkey().to_owned()).collect();
    let vkeys: Vec<&str> = vkeys.iter().map(String::as_str).collect();
    let lines: String = served.iter().zip(names).map(|(served, name)| served.as_line(name)).collect();
    let policy = written(&world, &format!("log {log}\n{lines}group g 2 w1 w2 w3\nquorum g\n"));

    let done = checkpoint(&world, &policy);
    assert_code(&done, 0);
    assert_eq!((cosigned(&done, &vkeys), done.stderr.as_str()), (3, ""));
    // One of them goes; the others go on, the log does, and the status stays.
    let gone = served.remove(1);
    let address = gone.address().to_owned();
    gone.end("TERM");
    let done = grown(&world, &policy, 1);
    assert_code(&done, 0);
    let warnings: Vec<&str> = done.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 1, "{done:#?}");
    assert!(warnings[0].starts_with("warning: witness w2 did not cosign 8 entries: could not connect"));
    let done = checkpoint(&world, &policy);
    assert_eq!((done.code, cosigned(&done, &vkeys)), (Some(0), 2), "{done:#?}");
    // It comes back and catches up; the others, which are gone now, are not asked again.
    let again = Served::start_at(&world, "w2", &log, &address);
    served.into_iter().for_each(|served| drop(served.end("TERM")));
    assert_eq!(again.vkey(), vkeys[1]);
    let done = checkpoint(&world, &policy);
    assert_code(&done, 0);
    assert_eq!((cosigned(&done, &vkeys), done.stderr.as_str()), (3, ""));
}

#[test]
fn led_32_a_conflict_is_caught_up_with_from_the_size_that_the_witness_names() {
    let world = world();
    let log = begun(&world);
    let served = Served::start(&world, "w", &[&log]);
    let policy = written(&world, &format!("log {log}\n{}quorum w\n", served.as_line("w")));
    // Signed while the witness is away, so that both copies have the same head and no cosignature.
    let address = served.address().to_owned();
    served.end("TERM");
    assert_code(&checkpoint(&world, &policy), 0);
    let copy = support::world();
    copied(&world, &copy);
    let served = Served::start_at(&world, "w", &log, &address);
    let done = checkpoint(&world, &policy);
    assert_eq!((done.code, cosigned(&done, &[served.vkey()]), done.stderr.as_str()), (Some(0), 1, ""));
    // The copy does not know that the witness has seen this head, and asks from nothing.
    let done = checkpoint(&copy, &policy);
    assert_eq!((done.code, cosigned(&done, &[served.vkey()]), done.stderr.as_str()), (Some(0), 1, ""));
    // Nor does a grown copy know of the size in between.
    assert_code(&grown(&world, &policy, 1), 0);
    let grown_copy = support::world();
    copied(&world, &grown_copy);
    support::tool(
        "sqlite3",
        &[
            grown_copy.database().to_str().unwrap(),
            ".dbconfig enable_trigger off",
            "DELETE FROM log_cosignatures;",
        ],
    );
    let done = grown(&grown_copy, &policy, 2);
    assert_eq!((done.code, done.stderr.matches("warning").count()), (Some(0), 0), "{done:#?}");
}

#[test]
fn led_73_a_forked_log_is_caught_by_its_witness() {
    let world = world();
    let log = begun(&world);
    let served = Served::start(&world, "w", &[&log]);
    let policy = written(&world, &format!("log {log}\n{}quorum w\n", served.as_line("w")));
    let fork = support::world();
    copied(&world, &fork);
    assert_code(&grown(&world, &policy, 1), 0);
    // The same size and another history, signed while the witness is away.
    let address = served.address().to_owned();
    served.end("TERM");
    assert_code(&grown(&fork, &policy, 2), 0);
    let served = Served::start_at(&world, "w", &log, &address);
    let done = checkpoint(&fork, &policy);
    assert_code(&done, 2);
    let alarm =
        "checkpoint_inconsistent: witness w has seen another history of this log than the 8 entries here";
    assert!(done.stderr.lines().any(|line| line == alarm), "{done:#?}");
    // From here on the fork signs nothing, with the policy or without, and the honest copy goes on.
    let stopped = "rollback_detected: a witness has a checkpoint over 8 entries that this log never had; nothing is signed";
    assert_refused(&grown(&fork, &policy, 3), 70, stopped);
    assert_refused(&fork.plumb(&["host", "add", &support::at_port("root", 4)]), 70, stopped);
    assert_code(&grown(&world, &policy, 2), 0);
    assert!(served.end("TERM").stderr.contains("checkpoint_inconsistent: plumbline.local/"));
}

#[test]
fn led_19_a_restored_old_copy_is_behind_what_its_witness_saw() {
    let world = world();
    let log = begun(&world);
    let served = Served::start(&world, "w", &[&log]);
    let policy = written(&world, &format!("log {log}\n{}quorum w\n", served.as_line("w")));
    let old = support::world();
    copied(&world, &old);
    assert_code(&grown(&world, &policy, 1), 0);
    // Nothing is signed until the newest database is back, not even once; then all goes on, with the same data folder.
    let signed = |world: &World| {
        support::json(&world.plumb(&["ledger", "status", "--format", "json"]))["checkpoint"].clone()
    };
    let before = signed(&old);
    for refused in [checkpoint(&old, &policy), grown(&old, &policy, 2)] {
        let why = "rollback_detected: a witness has a checkpoint over 8 entries that this log never had";
        assert_refused(&refused, 70, why);
        assert!(refused.stderr.contains("restore the newest backup"), "{refused:#?}");
    }
    assert_eq!(signed(&old), before);
    fs::copy(world.database(), old.database()).unwrap();
    assert_code(&grown(&old, &policy, 3), 0);
    assert!(old.data().join("witnessed.checkpoint").exists());
}

#[test]
fn a_witness_that_accuses_without_proof_does_not_stop_a_log() {
    let world = world();
    let log = begun(&world);
    // It names a size, and shows a checkpoint that this log never signed.
    let url = scripted(1, |_request| reply(409, "text/x.tlog.size", "900\n"));
    let policy =
        written(&world, &format!("log {log}\nwitness w {} {url}\nquorum none\n", cosigner(1).public()));
    assert_code(&checkpoint(&world, &policy), 2);
    assert!(!world.data().join("witnessed.checkpoint").exists());
    let done = world.plumb(&["host", "add", "127.0.0.1"]);
    assert_code(&done, 0);
}

#[test]
fn led_32_commands_at_the_same_time_are_no_alarm() {
    let world = world();
    let log = begun(&world);
    let served = Served::start(&world, "w", &[&log]);
    let policy = written(&world, &format!("log {log}\n{}quorum w\n", served.as_line("w")));
    assert_code(&checkpoint(&world, &policy), 0);
    let said: Vec<Output> = thread::scope(|scope| {
        let workers: Vec<_> = (1..=6)
            .map(|port| {
                scope.spawn({
                    let (world, policy) = (&world, &policy);
                    move || grown(world, policy, port)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    for done in &said {
        assert_code(done, 0);
        assert!(done.stderr.lines().all(|line| line.starts_with("saved ")), "{done:#?}");
    }
    let done = checkpoint(&world, &policy);
    assert_eq!((done.code, cosigned(&done, &[served.vkey()])), (Some(0), 1), "{done:#?}");
}

/// Serves one made-up answer to each of `count` submissions; returns the URL. `answer` gets the request's text. Who looks
/// what it cosigned is told that it has nothing.
pub(super) fn scripted(count: usize, answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut turn = 0;
        while turn < count {
            let (mut stream, _from) = listener.accept().unwrap();
            let mut said = Vec::new();
            let mut chunk = [0; 4_096];
            // A request ends with the last signature line of its checkpoint.
            while !String::from_utf8_lossy(&said).rsplit("\r\n\r\n").next().unwrap().contains("\n\n\u{2014} ")
                || !said.ends_with(b"\n")
            {
                let read = stream.read(&mut chunk).unwrap();
                said.extend(&chunk[..read]);
                if said.starts_with(b"GET ") && said.ends_with(b"\r\n\r\n") {
                    break;
                }
            }
            let said = String::from_utf8(said).unwrap();
            if said.starts_with("GET ") {
                drop(stream.write_all(reply(404, "text/plain", "none\n").as_bytes()));
                continue;
            }
            turn += 1;
            let reply = answer(said.split_once("\r\n\r\n").unwrap().1);
            drop(stream.write_all(reply.as_bytes()));
        }
    });
    url
}

/// Returns an HTTP answer.
pub(super) fn reply(status: u16, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Made Up\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

pub(super) fn cosigner(number: u8) -> Cosigner {
    Cosigner::from_seed(&format!("made.up/{number}"), &[number; 32]).unwrap()
}

/// Returns the answer of witness `number` that cosigned at a time.
pub(super) fn cosigned_at(number: u8, request: &str, time: u64) -> String {
    let checkpoint = Note::parse(request.split_once("\n\n").unwrap().1.as_bytes()).unwrap();
    reply(200, "text/plain", &cosigner(number).cosign(&checkpoint.text, time).unwrap().to_line())
}

/// Each bad witness: its URL, and what is said about it.
fn bad_witnesses() -> Vec<(String, &'static str)> {
    const SIZE: &str = "text/x.tlog.size";
    let fixed = |status, content_type: &'static str, body: &'static str| {
        scripted(1, move |_request| reply(status, content_type, body))
    };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    vec![
        (fixed(400, "text/plain", "no\n"), "status 400"),
        (fixed(403, "text/plain", "no\n"), "status 403"),
        (fixed(404, "text/plain", "no\n"), "status 404"),
        (fixed(500, "text/plain", "no\n"), "status 500"),
        (fixed(301, "text/plain", "elsewhere\n"), "status 301"),
        (fixed(200, "text/plain", "<html>\n"), "line 1 of the answer is not a signature line"),
        (fixed(200, "text/plain", ""), "line 1 of the answer is not a signature line"),
        (fixed(409, "text/plain", "3\n"), "is not a size of type text/x.tlog.size"),
        (fixed(409, SIZE, "three\n"), "is not a size of type text/x.tlog.size"),
        (scripted(3, move |_request| reply(409, SIZE, "1\n")), "it names another size with each answer"),
        (scripted(1, |_request| "SSH-2.0-nothing\r\n".to_owned()), "the exchange broke off"),
        (scripted(1, |_request| String::new()), "the exchange broke off"),
        (scripted(1, |_request| reply(200, "text/plain", &"x".repeat(70_000))), "the answer is too long"),
        // Signed by another key than its own.
        (
            scripted(1, |request| cosigned_at(99, request, 1_800_000_000)),
            "without a valid cosignature by its key",
        ),
        (format!("http://{closed}"), "could not connect"),
        (format!("https://{closed}"), "could not connect"),
        ("ftp://witness.example".to_owned(), "is not a URL of the form"),
        ("http://user@127.0.0.1:1".to_owned(), "is not a URL of the form"),
    ]
}

#[test]
fn led_32_whatever_a_witness_answers_the_log_goes_on_and_says_why() {
    let world = world();
    let log = begun(&world);
    let mut text = format!("log {log}\n");
    let bad = bad_witnesses();
    for ((url, _why), number) in bad.iter().zip(1_u8..) {
        text += &format!("witness w{number:02} {} {url}\n", cosigner(number).public());
    }
    let done = checkpoint(&world, &written(&world, &format!("{text}quorum none\n")));
    assert_code(&done, 0);
    assert_eq!(Note::parse(done.stdout.as_bytes()).unwrap().signatures.len(), 1, "{done:#?}");
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(lines.len(), bad.len(), "{done:#?}");
    for ((line, (_url, why)), number) in lines.iter().zip(&bad).zip(1..) {
        let start = format!("warning: witness w{number:02} did not cosign 6 entries: ");
        assert!(line.starts_with(&start) && line.contains(why), "{why:?}: {line:?}");
    }
}

#[test]
fn led_32_a_witness_that_hangs_is_left_after_a_while() {
    let world = world();
    let log = begun(&world);
    // It accepts by the system's queue and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let policy =
        written(&world, &format!("log {log}\nwitness w {} {url}\nquorum none\n", cosigner(1).public()));
    let done = checkpoint(&world, &policy);
    assert_code(&done, 0);
    assert_eq!(done.stderr, "warning: witness w did not cosign 6 entries: no answer within 5 seconds\n");
}

#[test]
fn led_35_a_cosignature_far_from_the_newest_entry_does_not_count_and_is_not_kept() {
    let world = world();
    let log = begun(&world);
    // 2001-09-09, long before any entry of this log; and 2100-01-01.
    for time in [1_000_000_000, 4_102_444_800] {
        let url = scripted(1, move |request| cosigned_at(1, request, time));
        let policy =
            written(&world, &format!("log {log}\nwitness w {} {url}\nquorum w\n", cosigner(1).public()));
        let done = checkpoint(&world, &policy);
        assert_code(&done, 0);
        assert!(done.stderr.contains("the cosignature of witness w does not count"), "{done:#?}");
        assert_eq!(Note::parse(done.stdout.as_bytes()).unwrap().signatures.len(), 1);
    }
}

#[test]
fn a_policy_that_is_of_no_use_refuses_before_anything_is_done() {
    let world = world();
    let log = begun(&world);
    let other = super::log::MadeUp::new("log.example/1").vkey();
    let size = |world: &World| {
        support::json(&world.plumb(&["ledger", "status", "--format", "json"]))["size"].clone()
    };
    let before = size(&world);
    let refused = |text: &str, why: &str| {
        assert_refused(&grown(&world, &written(&world, text), 1), 78, why);
    };
    refused(&format!("log {log}\n"), "line 1: no line says what the quorum is");
    refused(&format!("log {log}\nquorum w\n"), "line 2: \"w\" is not defined");
    refused(&format!("log {other}\nquorum none\n"), "the policy does not name the log plumbline.local/");
    assert_refused(&grown(&world, "/nowhere/policy", 1), 69, "could not read the policy");
    assert_eq!(size(&world), before);
    let world = world.env("PLUMB_LEDGER_POLICY", "/nowhere/policy");
    assert_refused(&world.plumb(&["ledger", "checkpoint"]), 69, "could not read the policy");
}

#[test]
fn led_32_a_scan_is_cosigned_at_its_end_and_keeps_its_status_without_a_witness() {
    let world = world();
    let log = begun(&world);
    let host = support::host();
    let content = world.content(&[shell_rule("yes_rule", "echo yes"), shell_rule("no_rule", "echo no")]);
    let served = Served::start(&world, "w", &[&log]);
    let policy = written(&world, &format!("log {log}\n{}quorum w\n", served.as_line("w")));
    let scan = |rule: &str| {
        world.scan(&host, &["--content", &content, "--rule", rule, "--ledger-policy", &policy, "--quiet"])
    };
    assert_code(&scan("yes_rule"), 0);
    let monitored = checkpoint(&world, &policy);
    assert_eq!(cosigned(&monitored, &[served.vkey()]), 1, "{monitored:#?}");
    served.end("KILL");
    for (rule, code) in [("yes_rule", 0), ("no_rule", 2)] {
        let done = scan(rule);
        assert_code(&done, code);
        assert!(done.stderr.contains("warning: witness w did not cosign"), "{done:#?}");
    }
}
