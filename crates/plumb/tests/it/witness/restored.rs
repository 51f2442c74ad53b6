//! A database that was set back behind what its witnesses have: what is kept of their proof, who says so, and how a new
//! log goes on (LED-19, LED-39).

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};
use testkit::wait;

use super::Served;
use super::client::{begun, copied, cosigner, grown, reply, written};
use crate::support::{self, World, assert_code, assert_refused, at_port, json as read, world};

const SEEN: &str = "witnessed.checkpoint";

fn status(world: &World) -> Value {
    read(&world.plumb(&["ledger", "status", "--format", "json"]))
}

fn size(world: &World) -> u64 {
    status(world)["size"].as_u64().unwrap()
}

fn add(world: &World, port: u16) {
    assert_code(&world.plumb(&["host", "add", &at_port("root", port)]), 0);
}

fn exported(world: &World, name: &str, policy: &[&str]) -> String {
    let folder = world.path(name).to_str().unwrap().to_owned();
    assert_code(&world.plumb(&[&["ledger", "export", "-o", &folder], policy].concat()), 0);
    folder
}

fn verified(world: &World, words: &[&str]) -> (Option<i32>, Value) {
    let done = world.plumb(&[words, &["--format", "json"]].concat());
    (done.code, read(&done))
}

/// LED-19, LED-39, LED-63: between a restore and the alarm a head of a fork was signed, and cosigned by a witness that had
/// been away. It counts for nothing of the old log: what the other witness cosigned before does, and an honest bundle
/// closes the gap.
#[test]
fn led_39_a_head_that_was_signed_after_a_restore_does_not_vouch_for_what_it_covers() {
    let world = world();
    let log = begun(&world);
    let (stays, leaves) = (Served::start(&world, "a", &[&log]), Served::start(&world, "b", &[&log]));
    let lines = [stays.as_line("a"), leaves.as_line("b")].concat();
    let policy = written(&world, &format!("log {log}\n{lines}group g any a b\nquorum g\n"));
    assert_code(&grown(&world, &policy, 1), 0);
    let old = support::world();
    copied(&world, &old);
    let kept = size(&old);
    let addresses = [&stays, &leaves].map(|served| served.address().to_owned());
    leaves.end("TERM");
    (2..6).for_each(|port| assert_code(&grown(&world, &policy, port), 0));
    let honest = exported(&world, "honest", &["--ledger-policy", &policy]);
    let lost = size(&world);
    // The fork is signed while no witness answers, and is shorter than what was lost.
    stays.end("TERM");
    assert_code(&grown(&old, &policy, 6), 0);
    let forked = status(&old)["checkpoint"]["size"].as_u64().unwrap();
    assert!(kept < forked && forked < lost, "{kept} {forked} {lost}");
    let back = ["a", "b"].into_iter().zip(&addresses);
    let _back: Vec<Served> = back.map(|(name, at)| Served::start_at(&world, name, &log, at)).collect();
    let done = old.plumb(&["--ledger-policy", &policy, "ledger", "checkpoint"]);
    let alarm =
        format!("rollback_detected: witness a has seen {lost} entries of this log, which has {forked}");
    assert!(done.stderr.lines().any(|line| line == alarm), "{done:#?}");
    assert_eq!(done.stderr.lines().count(), 1, "the other one cosigned it: {done:#?}");
    let seen = old.data().join(SEEN);

    let (code, report) = verified(&old, &["ledger", "verify", "--ledger-policy", &policy]);
    assert_eq!((code, &report["witness"]), (Some(2), &"failed".into()), "{report:#}");
    let finding = |report: &Value| {
        let all = report["findings"].as_array().unwrap();
        let of_seen = all.iter().find(|finding| finding["file"] == seen.to_str().unwrap());
        of_seen.map(|finding| finding["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(finding(&report).as_deref(), Some("truncated"), "{report:#}");
    let (code, report) = verified(&old, &["ledger", "verify"]);
    assert_eq!((code, finding(&report).as_deref()), (Some(2), Some("truncated")), "{report:#}");
    let said = old.plumb(&["ledger", "status"]);
    let line = said.stdout.lines().find(|line| line.starts_with("disputed "));
    assert!(line.is_some_and(|line| line.contains(&format!("over {lost} entries"))), "{said:#?}");
    assert_refused(&grown(&old, &policy, 7), 70, "rollback_detected");

    let words = ["ledger", "continue", seen.to_str().unwrap(), "--vkey", &log, "--reason", "the disk died"];
    assert_code(&old.plumb(&words), 0);
    let (code, report) = verified(&old, &["ledger", "verify"]);
    assert_eq!(code, Some(0), "{report:#}");
    let told = &report["continues"][0];
    assert_eq!(told["present"], kept);
    assert_eq!(told["missing"], json!({"from": kept, "to": lost}));
    assert_eq!(told["unsigned"]["from"], kept);
    assert_eq!(status(&old)["disputed"], Value::Null);

    let key = status(&old)["vkey"].as_str().unwrap().to_owned();
    let new = exported(&old, "new", &[]);
    let keys = ["--vkey", &key, "--vkey", &log];
    let stranger = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/verify.py");
    support::tool("/usr/bin/python3", &[stranger.to_str().unwrap(), &new, &key, &log]);
    let (code, report) = verified(&old, &[&["verify", new.as_str()], &keys[..]].concat());
    assert_eq!((code, &report["continues"][0]["present"]), (Some(0), &kept.into()), "{report:#}");
    let (code, report) =
        verified(&old, &[&["verify", new.as_str(), "--earlier", &honest], &keys[..]].concat());
    assert_eq!((code, &report["continues"][0]["present"]), (Some(0), &lost.into()), "{report:#}");
    assert_eq!(report["continues"][0]["missing"], Value::Null);
}

/// LED-73: another head of a size that the log has is no truncation.
#[test]
fn led_73_a_verification_names_the_other_history_that_a_witness_showed() {
    let world = world();
    let log = begun(&world);
    let served = Served::start(&world, "w", &[&log]);
    let policy = written(&world, &format!("log {log}\n{}quorum w\n", served.as_line("w")));
    let fork = support::world();
    copied(&world, &fork);
    assert_code(&grown(&world, &policy, 1), 0);
    (2..5).for_each(|port| add(&fork, port));
    let done = fork.plumb(&["--ledger-policy", &policy, "ledger", "checkpoint"]);
    assert_refused(&done, 70, "rollback_detected");
    let (code, report) = verified(&fork, &["ledger", "verify"]);
    let codes: Vec<&Value> = report["findings"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!((code, &report["witness"]), (Some(2), &"failed".into()), "{report:#}");
    assert!(codes.contains(&&"checkpoint_inconsistent".into()), "{report:#}");
}

/// LED-19: whoever can write the folder could put anything there; it is said, and stops nothing.
#[test]
fn led_19_a_proof_that_the_log_did_not_sign_is_a_warning_and_no_finding() {
    let (world, other) = (world(), support::world());
    begun(&world);
    begun(&other);
    let strange = status(&other)["checkpoint"]["note"].as_str().unwrap().to_owned();
    for (text, port) in [("nonsense", 1), (strange.as_str(), 2)] {
        fs::write(world.data().join(SEEN), text).unwrap();
        for words in [&["ledger", "verify"], &["ledger", "status"]] {
            let done = world.plumb(words);
            assert_code(&done, 0);
            assert!(done.stderr.starts_with("warning: ") && done.stderr.contains(SEEN), "{done:#?}");
        }
        add(&world, port);
    }
}

/// Returns `vkey url` of a made-up witness that has seen more of every log, and shows `note` when `until` says so.
fn shows(number: u8, note: String, until: impl Fn() -> bool + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        loop {
            let (mut stream, _from) = listener.accept().unwrap();
            let (mut head, mut length) = (String::new(), 0);
            let mut reader = BufReader::new(&stream);
            while !head.ends_with("\r\n\r\n") {
                let from = head.len();
                assert!(reader.read_line(&mut head).unwrap() > 0, "{head:?}");
                let line = head[from..].to_ascii_lowercase();
                length =
                    line.strip_prefix("content-length: ").map_or(length, |it| it.trim().parse().unwrap());
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let answer = if head.starts_with("GET ") {
                assert!(wait::until(wait::SHORT, &until), "the other head was not kept");
                reply(200, "text/plain", &note)
            } else {
                reply(409, "text/x.tlog.size", "900\n")
            };
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    format!("{} {url}", cosigner(number).public())
}

/// Has two witnesses show heads to a log that has neither, the second one when the first is kept; returns what is kept.
fn kept_of(log: &str, from: &World, (first, second): (&str, &str)) -> String {
    let victim = support::world();
    copied(from, &victim);
    let seen = victim.data().join(SEEN);
    let is_kept = {
        let (seen, first) = (seen.clone(), first.to_owned());
        move || fs::read_to_string(&seen).is_ok_and(|kept| kept == first)
    };
    let lines = [shows(1, first.to_owned(), || true), shows(2, second.to_owned(), is_kept)];
    let policy = format!("log {log}\nwitness a {}\nwitness b {}\nquorum none\n", lines[0], lines[1]);
    let policy = written(&victim, &policy);
    assert_code(&victim.plumb(&["--ledger-policy", &policy, "ledger", "checkpoint"]), 70);
    let left = fs::read_dir(victim.data()).unwrap().map(|entry| entry.unwrap().path());
    let parts = left.filter(|path| Path::new(path).extension().is_some_and(|end| end == "part"));
    assert_eq!(parts.count(), 0);
    fs::read_to_string(seen).unwrap()
}

/// LED-19: whichever witness answers last, the largest head is kept, and of one size the first.
#[test]
fn led_19_of_the_heads_that_several_witnesses_show_the_largest_is_kept() {
    let world = world();
    let log = begun(&world);
    let backup = support::world();
    copied(&world, &backup);
    let note = |world: &World| status(world)["checkpoint"]["note"].as_str().unwrap().to_owned();
    add(&world, 1);
    let small = note(&world);
    add(&world, 2);
    let large = note(&world);
    let fork = support::world();
    copied(&backup, &fork);
    (3..5).for_each(|port| add(&fork, port));
    let forked = note(&fork);
    assert_eq!(forked.lines().nth(1), large.lines().nth(1));
    assert_ne!(forked, large);
    assert_eq!(kept_of(&log, &backup, (&large, &small)), large);
    assert_eq!(kept_of(&log, &backup, (&small, &large)), large);
    assert_eq!(kept_of(&log, &backup, (&large, &forked)), large);
}
