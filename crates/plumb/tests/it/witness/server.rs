//! `plumb witness serve`: every status of the protocol, durable before it answers, alone in its folder, and
//! unmoved by what is thrown at it (LED-33).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Barrier};
use std::thread;

use super::log::MadeUp;
use super::{Reply, Served, serve_words};
use crate::support::{World, assert_code, assert_refused, mode, world};

/// Request bodies behind the status that a published witness answers; `SOURCE.md` beside it names the source.
const SCRIPT: &str = include_str!("../../../../ledger/testdata/witness/litewitness.txt");
const SIGSUM: &str = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562+5202289b+\
    Af/cLU2Y5BJNP+r3iMDC+av9eWCD0fBJVDfzAux5zxAP";
const SUMDB: &str =
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8 go.sum database tree";

const PLAIN: &str = "text/plain; charset=utf-8";

fn log() -> MadeUp {
    MadeUp::new("log.example/1")
}

fn started(world: &World, log: &MadeUp) -> Served {
    Served::start(world, "w", &[&log.vkey()])
}

fn conflict(size: u64) -> Reply {
    Reply { status: 409, content_type: "text/x.tlog.size".to_owned(), body: format!("{size}\n") }
}

#[test]
fn led_33_the_witness_answers_every_status_of_the_protocol() {
    let world = world();
    let log = log();
    let served = started(&world, &log);
    let status = |body: &[u8]| served.submit(body).status;

    assert_eq!(served.exchange("GET", &log.monitored(), b"").status, 404);
    assert_eq!(status(&MadeUp::new("log.example/2").request(0, 3)), 404);
    assert_eq!(status(b""), 400);
    assert_eq!(status(b"old 0\n\nlog.example/1\n"), 400);
    assert_eq!(status(&[b'x'; 60_000]), 400);
    let mut forged = log.request(0, 3);
    let at = forged.len() - 20;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    assert_eq!(status(&forged), 403);
    let old_larger = String::from_utf8(log.request(0, 3)).unwrap().replacen("old 0\n", "old 4\n", 1);
    assert_eq!(status(old_larger.as_bytes()), 400);
    assert_eq!(served.submit(&log.request(2, 3)), conflict(0));

    let done = served.submit(&log.request(0, 3));
    assert_eq!((done.status, done.content_type.as_str()), (200, PLAIN));
    assert!(log.is_cosigned(3, served.vkey(), &done.body), "{done:?}");
    assert_eq!(served.submit(&log.request(0, 5)), conflict(3));
    assert_eq!(status(&log.forked(1).request(3, 5)), 422);
    assert_eq!(status(&log.forked(1).request(3, 3)), 422);
    let unproven = String::from_utf8(log.request(0, 5)).unwrap().replacen("old 0\n", "old 3\n", 1);
    assert_eq!(status(unproven.as_bytes()), 422);
    assert_eq!(status(&log.request(3, 5)), 200);

    let monitored = served.exchange("GET", &log.monitored(), b"");
    let lines: Vec<&str> = monitored.body.lines().collect();
    assert_eq!((monitored.status, lines[1], lines.len()), (200, "5", 6), "{monitored:?}");
    assert!(log.is_cosigned(5, served.vkey(), &format!("{}\n", lines[5])));

    let said = served.end("TERM");
    assert_eq!((said.code, said.signal), (Some(0), None));
    // What the log signed and must not have signed is said, and nothing else.
    assert_eq!(said.stderr.lines().count(), 3, "{said:#?}");
    assert!(
        said.stderr.lines().all(|line| line.starts_with("checkpoint_inconsistent: log.example/1 signed"))
    );
}

#[test]
fn what_is_not_the_protocol_is_refused_and_the_witness_lives_on() {
    let world = world();
    let log = log();
    let served = started(&world, &log);
    assert_eq!(served.exchange("GET", "/add-checkpoint", b"").status, 405);
    assert_eq!(served.exchange("POST", &log.monitored(), b"").status, 405);
    assert_eq!(served.exchange("GET", "/", b"").status, 404);
    assert_eq!(served.exchange("GET", "/../../etc/passwd/checkpoint", b"").status, 404);
    assert_eq!(served.exchange("GET", "/..%2fwitness.key/checkpoint", b"").status, 404);
    assert_eq!(served.submit(&vec![b'x'; 200_000]).status, 413);
    let starts = |bytes: &[u8], start: &str| String::from_utf8_lossy(bytes).starts_with(start);
    assert!(starts(&served.raw(b"\x16\x03\x01\x02\x00\x01\r\n\r\n"), "HTTP/1.1 400"));
    let huge = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1_000_000));
    assert!(!starts(&served.raw(huge.as_bytes()), "HTTP/1.1 2"));
    // A body shorter than announced: the client leaves.
    let cut =
        b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: 10\r\nconnection: close\r\n\r\nold 0";
    let stream = std::net::TcpStream::connect(served.address()).unwrap();
    std::io::Write::write_all(&mut &stream, cut).unwrap();
    drop(stream);
    assert_eq!(served.submit(&log.request(0, 3)).status, 200);
    assert_eq!(served.end("INT").code, Some(0));
}

#[test]
fn led_33_a_published_witness_script_gets_the_published_answers_over_the_wire() {
    let world = world();
    let served = Served::start(&world, "w", &[SIGSUM, SUMDB]);
    let steps = SCRIPT.split("=== ").skip(1).map(|step| step.split_once('\n').unwrap());
    let answered: Vec<_> =
        steps.map(|(published, body)| (published, served.submit(body.as_bytes()).status)).collect();
    // The second has stray bits in the base64 of its signature, which is no base64 here; for the third, of an
    // unknown log, the text of the protocol says 404 now.
    let expected = [
        ("200", 200),
        ("403", 400),
        ("403", 404),
        ("422", 422),
        ("422", 422),
        ("200", 200),
        ("409", 409),
        ("200", 200),
        ("409", 409),
        ("200", 200),
    ];
    assert_eq!(answered, expected);
}

#[test]
fn led_33_fifty_concurrent_submissions_never_roll_back() {
    let world = world();
    let log = Arc::new(log());
    let served = started(&world, &log);
    let start = Arc::new(Barrier::new(50));
    let workers: Vec<_> = (1..=50_u64)
        .map(|size| {
            let (log, served, start) = (Arc::clone(&log), served.peer.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                let mut old = 0;
                // Each answer of 409 tells a larger size, so that 50 turns are enough.
                for _turn in 0..=50 {
                    let reply = served.submit(&log.request(old, size));
                    match reply.status {
                        200 => {
                            assert!(log.is_cosigned(size, served.vkey(), &reply.body));
                            return Some((old, size));
                        }
                        409 => old = reply.body.trim_end().parse().unwrap(),
                        other => panic!("status {other}"),
                    }
                    if old > size {
                        return None;
                    }
                }
                panic!("size {size} was never decided");
            })
        })
        .collect();
    let cosigned: Vec<(u64, u64)> = workers.into_iter().filter_map(|worker| worker.join().unwrap()).collect();
    // Each size was left once, for a larger one: the steps are one path from nothing to the largest.
    let path: BTreeMap<u64, u64> = cosigned.iter().copied().collect();
    assert_eq!(path.len(), cosigned.len(), "two left the same size: {cosigned:?}");
    let mut at = 0;
    let mut seen = BTreeSet::new();
    while let Some(next) = path.get(&at) {
        assert!(*next > at && seen.insert(*next), "{cosigned:?}");
        at = *next;
    }
    assert_eq!((at, seen.len()), (50, cosigned.len()), "{cosigned:?}");
    assert_eq!(served.submit(&log.request(0, 50)), conflict(50));
}

#[test]
fn led_33_what_was_cosigned_is_there_after_a_kill() {
    let world = world();
    let log = log();
    for size in 1..=5 {
        let served = started(&world, &log);
        assert_eq!(served.submit(&log.request(size - 1, size)).status, 200);
        assert_eq!(served.end("KILL").signal, Some(9));
    }
    let served = started(&world, &log);
    assert_eq!(served.submit(&log.request(0, 6)), conflict(5));
    assert_eq!(served.submit(&log.forked(2).request(5, 6)).status, 422);
}

#[test]
fn led_33_one_process_holds_the_folder_and_a_second_one_is_told_which() {
    let world = world();
    let log = log();
    let served = started(&world, &log);
    let mut words = serve_words(&world.path("w"));
    words.extend(["--log".to_owned(), log.vkey()]);
    let second = world.run(&words).unwrap();
    assert_refused(&second, 64, &format!("is held by process {}", served.running.pid()));
    assert_eq!(served.end("TERM").code, Some(0));
    let again = started(&world, &log);
    assert_eq!(again.submit(&log.request(0, 1)).status, 200);
}

#[test]
fn led_42_the_files_of_a_witness_are_its_own_and_its_key_stays_the_same() {
    let world = world();
    let log = log();
    let served = started(&world, &log);
    assert_eq!(served.submit(&log.request(0, 1)).status, 200);
    let vkey = served.vkey().to_owned();
    let said = served.end("TERM");
    let folder = world.path("w");
    assert_eq!((mode(&folder), mode(&folder.join("checkpoints"))), (0o700, 0o700));
    let stored = fs::read_dir(folder.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path());
    for file in stored.chain([folder.join("witness.key"), folder.join("witness.lock")]) {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
    let key = fs::read_to_string(folder.join("witness.key")).unwrap();
    let secret = key.trim_end().rsplit(' ').next().unwrap();
    assert!(secret.len() == 64 && !said.stdout.contains(secret) && !said.stderr.contains(secret));
    assert_eq!(started(&world, &log).vkey(), vkey);
}

#[test]
fn a_witness_whose_folder_is_damaged_does_not_start() {
    let world = world();
    let log = log();
    let served = started(&world, &log);
    assert_eq!(served.submit(&log.request(0, 4)).status, 200);
    served.end("TERM");
    let folder = world.path("w");
    let mut words = serve_words(&folder);
    words.extend(["--log".to_owned(), log.vkey()]);
    let refused = |why: &str| assert_refused(&world.run(&words).unwrap(), 78, why);

    let (key, checkpoints) = (folder.join("witness.key"), folder.join("checkpoints"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    refused("can be read by others");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    let file = fs::read_dir(&checkpoints).unwrap().next().unwrap().unwrap().path();
    let sound = fs::read(&file).unwrap();
    // An older head by hand, a cut-off file, one without our cosignature, nothing at all.
    let text = String::from_utf8(sound.clone()).unwrap();
    let uncosigned = log.checkpoint(2).to_text();
    for bad in
        [text.replacen("\n4\n", "\n3\n", 1), text[..text.len() - 9].to_owned(), uncosigned, String::new()]
    {
        fs::write(&file, bad).unwrap();
        refused("is not a checkpoint of log.example/1 cosigned here");
    }
    fs::write(&file, &sound).unwrap();

    let gone = world.path("gone");
    fs::rename(&checkpoints, &gone).unwrap();
    refused("is missing");
    fs::rename(&gone, &checkpoints).unwrap();

    let whole = fs::read(&key).unwrap();
    fs::write(&key, "plumbline-witness-key/2 w 00\n").unwrap();
    refused("is not a key file of this version");
    fs::write(&key, whole).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    refused("can be written by others");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(started(&world, &log).submit(&log.request(0, 5)), conflict(4));
    assert_eq!(mode(&folder), 0o700);
}

#[test]
fn what_a_witness_cannot_be_started_with_is_refused() {
    let world = world();
    let run = |more: &[&str]| {
        let mut words = serve_words(&world.path("w"));
        words.extend(more.iter().map(|word| (*word).to_owned()));
        world.run(&words).unwrap()
    };
    let vkey = log().vkey();
    assert_code(&run(&[]), 64);
    assert_refused(&run(&["--log", "nonsense"]), 64, "--log: not a verifier key");
    assert_refused(&run(&["--log", &format!("{vkey} ")]), 64, "origin behind the key is empty");
    assert_refused(&run(&["--log", &vkey, "--name", "a b"]), 64, "cannot name a witness");
    assert!(!world.path("w").join("witness.key").exists());
    let mut words = serve_words(&world.path("w"));
    words.extend(["--log", &vkey, "--name", "witness.example/w1"].map(str::to_owned));
    let named = Served::start_with(&world, &words);
    assert!(named.vkey().starts_with("witness.example/w1+"));
    let mut words = serve_words(&world.path("other"));
    words[3] = named.address().to_owned();
    words.extend(["--log".to_owned(), vkey.clone()]);
    assert_refused(&world.run(&words).unwrap(), 69, "could not listen on");
    named.end("TERM");
    assert_refused(&run(&["--log", &vkey, "--name", "other"]), 78, "is named witness.example/w1");
}

#[test]
fn a_full_disk_gives_no_cosignature() {
    let world = world();
    let log = log();
    let served = started(&world, &log);
    assert_eq!(served.submit(&log.request(0, 1)).status, 200);
    // A folder in the place of the file that is written first stands for whatever keeps it from being written.
    let name = log.monitored().split('/').nth(1).unwrap().to_owned();
    let part = world.path("w").join("checkpoints").join(format!("{name}.part"));
    fs::create_dir(&part).unwrap();
    assert_eq!(served.submit(&log.request(1, 2)).status, 500);
    fs::remove_dir(&part).unwrap();
    assert_eq!(served.submit(&log.request(2, 3)), conflict(1));
    assert_eq!(served.submit(&log.request(1, 3)).status, 200);
    assert!(served.end("TERM").stderr.contains("could not store a checkpoint, nothing was cosigned"));
}

#[test]
fn a_witness_ends_while_a_client_holds_a_connection_open() {
    let world = world();
    let log = log();
    let served = started(&world, &log);
    let idle = std::net::TcpStream::connect(served.address()).unwrap();
    let half = std::net::TcpStream::connect(served.address()).unwrap();
    std::io::Write::write_all(&mut &half, b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\n").unwrap();
    assert_eq!(served.submit(&log.request(0, 1)).status, 200);
    let said = served.end("TERM");
    assert_eq!((said.code, said.signal), (Some(0), None), "{said:#?}");
    drop((idle, half));
}

#[test]
fn led_33_a_cosignature_verifies_with_the_tools_of_any_unix_machine() {
    let world = world();
    let log = log();
    let served = started(&world, &log);
    let answer = served.submit(&log.request(0, 3)).body;
    let (name, signature) = answer.trim_start_matches("\u{2014} ").trim_end().split_once(' ').unwrap();
    let [of_name, id, key]: [&str; 3] = served.vkey().splitn(3, '+').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(of_name, name);
    // C2SP tlog-cosignature and signed-note, RFC 8032, RFC 8410, step by step.
    let script = r#"set -eu; cd "$1"; printf %s "$2" | base64 -d >key; printf %s "$3" | base64 -d >sig
        hex() { od -An -v -tx1 | tr -d ' \n'; }
        [ "$(head -c 1 key | hex)" = 04 ]; [ "$(wc -c <sig)" = 76 ]
        id=$( { printf '%s\n' "$4"; cat key; } | sha256sum | head -c 8)
        [ "$(head -c 4 sig | hex)" = "$id" ]; echo "$id"
        time=$(printf '%d' "0x$(tail -c +5 sig | head -c 8 | hex)")
        { printf 'cosignature/v1\ntime %s\n' "$time"; cat text; } >message
        { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; tail -c +2 key; } >key.der
        tail -c +13 sig >sig.raw
        openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in message -sigfile sig.raw >&2"#;
    let place = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
    fs::write(place.path().join("text"), log.checkpoint(3).text).unwrap();
    let there = place.path().to_str().unwrap();
    let said = crate::support::tool("sh", &["-c", script, "sh", there, key, signature, name]);
    assert_eq!(said.trim(), id);
}
