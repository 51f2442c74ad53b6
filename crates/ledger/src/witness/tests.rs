//! Tests of the witness protocol: a published script, every status, and both ends together.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::{
    AddCheckpoint, Answer, AnswerError, CONTENT_TYPE_SIZE, KnownLog, Latest, PROOF_LINES_MAX,
    REQUEST_BYTES_MAX, Refusal, RequestError,
};
use crate::Hash;
use crate::checkpoint::TreeHead;
use crate::cosignature::Cosigner;
use crate::note::{Note, NoteSignature, Signer};
use crate::tree::{Frontier, consistency_proof, empty_root, leaf_hash, subtree_root};

/// Request bodies behind the status that a published witness answers; see `testdata/SOURCE.md`.
const SCRIPT: &str = include_str!("../../testdata/witness/litewitness.txt");
const SIGSUM: &str = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562+5202289b+\
    Af/cLU2Y5BJNP+r3iMDC+av9eWCD0fBJVDfzAux5zxAP";
const SUMDB: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

fn log() -> Signer {
    Signer::from_seed("log.example/1", &[1; 32]).unwrap()
}

fn known() -> Vec<KnownLog> {
    vec![KnownLog { origin: "log.example/1".to_owned(), keys: vec![log().verifier().clone()] }]
}

fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(*leaf).unwrap());
    frontier.root()
}

fn proof(old: u64, size: u64) -> Vec<Hash> {
    let leaves = leaves(size);
    let node = |height: u32, index: u64| {
        let at = |index: u64| usize::try_from(index).unwrap();
        Ok::<_, std::convert::Infallible>(root_of(&leaves[at(index << height)..at((index + 1) << height)]))
    };
    consistency_proof(old, size, node).unwrap().unwrap()
}

fn request(old: u64, size: u64) -> AddCheckpoint {
    let head = TreeHead { origin: "log.example/1".to_owned(), size, root: root_of(&leaves(size)) };
    let note = head.sign(&log()).unwrap();
    AddCheckpoint {
        old_size: old,
        proof: if old > size { Vec::new() } else { proof(old, size) },
        checkpoint: note,
        head,
    }
}

fn latest(size: u64) -> Latest {
    Latest { size, root: root_of(&leaves(size)) }
}

/// Answers as a witness does: the status, and what it then knows.
fn status(body: &[u8], logs: &[KnownLog], latest: Latest) -> (u16, Latest) {
    let decided = AddCheckpoint::parse(body).map_err(Refusal::from).and_then(|request| {
        request.authenticate(logs)?;
        request.judge(latest)
    });
    match decided {
        Ok(next) => (200, next),
        Err(refusal) => (refusal.status(), latest),
    }
}

#[test]
fn led_33_a_published_witness_script_gets_the_published_answers() {
    let logs = [
        KnownLog {
            origin: SIGSUM.split('+').next().unwrap().to_owned(),
            keys: vec![SIGSUM.parse().unwrap()],
        },
        KnownLog { origin: "go.sum database tree".to_owned(), keys: vec![SUMDB.parse().unwrap()] },
    ];
    let mut sumdb = Latest::none();
    let mut sigsum = Latest::none();
    let mut seen = Vec::new();
    for step in SCRIPT.split("=== ").skip(1) {
        let (published, body) = step.split_once('\n').unwrap();
        let latest = if body.contains("go.sum") { &mut sumdb } else { &mut sigsum };
        let (status, next) = status(body.as_bytes(), &logs, *latest);
        *latest = next;
        seen.push((published.parse::<u16>().unwrap(), status));
    }
    // Two differ. The second line has a signature with stray bits in its base64, which is no base64 here.
    // For the third, an unknown log, the protocol's text says 404 now.
    let expected = [
        (200, 200),
        (403, 400),
        (403, 404),
        (422, 422),
        (422, 422),
        (200, 200),
        (409, 409),
        (200, 200),
        (409, 409),
        (200, 200),
    ];
    assert_eq!(seen, expected);
    assert_eq!((sigsum.size, sumdb.size), (5, 35_225_469));
}

#[test]
fn led_33_each_refusal_has_the_status_of_the_protocol() {
    let none = Latest::none();
    assert_eq!(status(b"garbage", &known(), none).0, 400);
    assert_eq!(status(request(3, 5).to_body().as_bytes(), &[], none).0, 404);

    let other = Signer::from_seed("log.example/1", &[2; 32]).unwrap();
    let mut foreign = request(0, 5);
    foreign.checkpoint = foreign.head.sign(&other).unwrap();
    assert_eq!(status(foreign.to_body().as_bytes(), &known(), none).0, 403);
    let mut forged = request(0, 5);
    forged.checkpoint.signatures[0].bytes[3] ^= 1;
    assert_eq!(status(forged.to_body().as_bytes(), &known(), none).0, 403);
    // A bad line next to a good one makes the note malformed, which is 403 as well.
    forged.checkpoint.signatures.push(log().sign(&forged.checkpoint.text).unwrap());
    assert_eq!(status(forged.to_body().as_bytes(), &known(), none).0, 403);

    assert_eq!(status(request(6, 5).to_body().as_bytes(), &known(), latest(6)).0, 400);
    assert_eq!(status(request(0, 5).to_body().as_bytes(), &known(), latest(3)).0, 409);
    assert_eq!(status(request(4, 5).to_body().as_bytes(), &known(), latest(3)).0, 409);
    assert_eq!(status(request(3, 5).to_body().as_bytes(), &known(), latest(3)), (200, latest(5)));
    assert_eq!(status(request(5, 5).to_body().as_bytes(), &known(), latest(5)), (200, latest(5)));
    assert_eq!(status(request(0, 0).to_body().as_bytes(), &known(), none), (200, none));
}

#[test]
fn led_33_what_is_not_proven_is_422() {
    let mut shorter = request(3, 5);
    shorter.proof.pop();
    let mut altered = request(3, 5);
    altered.proof[0][0] ^= 1;
    let mut needless = request(0, 5);
    needless.proof.push([0; 32]);
    let mut same = request(5, 5);
    same.proof.push([0; 32]);
    for (request, size) in [(&shorter, 3), (&altered, 3), (&needless, 0), (&same, 5)] {
        assert_eq!(request.judge(latest(size)), Err(Refusal::Inconsistent), "{request:?}");
    }
    // Another tree of the same size: the log forked.
    let forked = Latest { size: 5, root: [7; 32] };
    assert_eq!(request(5, 5).judge(forked), Err(Refusal::Inconsistent));
    assert_eq!(request(3, 5).judge(Latest { size: 3, root: [7; 32] }), Err(Refusal::Inconsistent));
    // An empty tree with another root than that of nothing.
    let mut empty = request(0, 0);
    empty.head.root = [7; 32];
    assert_eq!(empty.judge(Latest::none()), Err(Refusal::Inconsistent));
    assert_eq!(Latest::none().root, empty_root());
}

#[test]
fn led_33_a_conflict_names_the_known_size_in_its_own_content_type() {
    let refusal = request(0, 5).judge(latest(3)).unwrap_err();
    assert_eq!(
        (refusal.status(), refusal.content_type(), refusal.body().as_str()),
        (409, "text/x.tlog.size", "3\n")
    );
    let answer = Answer::parse(409, Some(CONTENT_TYPE_SIZE), b"3\n");
    assert_eq!(answer, Ok(Answer::Conflict { size: 3 }));
    assert_eq!(Refusal::Signature.content_type(), "text/plain; charset=utf-8");
}

#[test]
fn requests_that_are_none_are_refused_with_the_line() {
    let root = STANDARD.encode([1; 32]);
    let cases = [
        (String::new(), 1),
        ("old 1".to_owned(), 1),
        ("Old 1\n".to_owned(), 1),
        ("old  1\n".to_owned(), 1),
        ("old 01\n".to_owned(), 1),
        ("old +1\n".to_owned(), 1),
        ("old 1 \n".to_owned(), 1),
        ("old 18446744073709551616\n".to_owned(), 1),
        ("old 1\n".to_owned(), 2),
        (format!("old 1\n{root} \n"), 2),
        (format!("old 1\n{root}\nAAAA\n"), 3),
        (format!("old 1\n{root}\r\n"), 2),
        (format!("old 1\n{}\n", root.trim_end_matches('=')), 2),
        (format!("old 1\n{}", format!("{root}\n").repeat(64)), 65),
    ];
    for (body, place) in cases {
        match AddCheckpoint::parse(body.as_bytes()) {
            Err(RequestError::Line { line, .. }) => assert_eq!(line, place, "{body:?}"),
            other => panic!("{body:?}: {other:?}"),
        }
    }
    let unsigned = AddCheckpoint::parse(b"old 0\n\nlog.example/1\n1\nx\n");
    assert!(matches!(unsigned, Err(RequestError::Checkpoint(_))), "{unsigned:?}");
    assert_eq!(AddCheckpoint::parse(&vec![b'\n'; REQUEST_BYTES_MAX + 1]), Err(RequestError::TooLong));
}

#[test]
fn led_32_a_request_has_at_most_63_proof_lines() {
    let note = request(0, 5).checkpoint;
    assert!(AddCheckpoint::new(1, vec![[1; 32]; PROOF_LINES_MAX], note.clone()).is_ok());
    assert!(AddCheckpoint::new(1, vec![[1; 32]; PROOF_LINES_MAX + 1], note.clone()).is_err());
    assert_eq!(AddCheckpoint::new(6, Vec::new(), note), Err(RequestError::OldSizeLarger));
}

#[test]
fn a_foreign_checkpoint_may_have_extension_lines_and_white_space_in_its_origin() {
    let text = format!("go.sum database tree\n7\n{}\nextension one\ntwo\n", STANDARD.encode([1; 32]));
    let signer = Signer::from_seed("sum.example", &[4; 32]).unwrap();
    let note = signer.sign_note(&text).unwrap();
    let request = AddCheckpoint::new(0, Vec::new(), note).unwrap();
    let log = KnownLog { origin: "go.sum database tree".to_owned(), keys: vec![signer.verifier().clone()] };
    let again = AddCheckpoint::parse(request.to_body().as_bytes()).unwrap();
    assert_eq!(again, request);
    assert_eq!(again.authenticate([&log]), Ok(&log));
    assert_eq!(again.judge(Latest::none()), Ok(Latest { size: 7, root: [1; 32] }));
    for bad in ["\n", "one\n\ntwo\n", "one"] {
        let text = format!("o\n7\n{}\n{bad}", STANDARD.encode([1; 32]));
        assert!(TreeHead::parse_foreign(&text).is_err(), "{bad:?}");
    }
}

#[test]
fn led_32_a_client_reads_what_a_witness_answers_and_nothing_else() {
    let witness = Cosigner::from_seed("witness.example", &[9; 32]).unwrap();
    let line = witness.cosign(&request(0, 5).checkpoint.text, 12).unwrap();
    let two = line.to_line().repeat(2);
    assert_eq!(
        Answer::parse(200, None, two.as_bytes()),
        Ok(Answer::Cosigned(vec![line.clone(), line.clone()]))
    );
    assert_eq!(Answer::parse(422, None, b"whatever"), Ok(Answer::Refused { status: 422 }));
    assert_eq!(Answer::parse(200, None, b""), Err(AnswerError::Line { line: 1 }));
    let cut = line.to_line();
    assert_eq!(
        Answer::parse(200, None, &cut.as_bytes()[..cut.len() - 1]),
        Err(AnswerError::Line { line: 1 })
    );
    let garbage = format!("{cut}<html>\n");
    assert_eq!(Answer::parse(200, None, garbage.as_bytes()), Err(AnswerError::Line { line: 2 }));
    assert_eq!(Answer::parse(200, None, cut.repeat(17).as_bytes()), Err(AnswerError::TooLong));
    assert_eq!(Answer::parse(200, None, &vec![b'x'; 70_000]), Err(AnswerError::TooLong));
    for (content_type, body) in [
        (None, &b"3\n"[..]),
        (Some("text/plain"), b"3\n"),
        (Some(CONTENT_TYPE_SIZE), b"3"),
        (Some(CONTENT_TYPE_SIZE), b"03\n"),
        (Some(CONTENT_TYPE_SIZE), b"three\n"),
        (Some(CONTENT_TYPE_SIZE), b"3\n\n"),
    ] {
        assert_eq!(Answer::parse(409, content_type, body), Err(AnswerError::Size), "{body:?}");
    }
}

#[test]
fn a_proof_of_the_whole_tree_is_what_the_tree_gives() {
    let all = leaves(7);
    let node = |height: u32, index: u64| {
        let at = |index: u64| usize::try_from(index).unwrap();
        Ok::<_, std::convert::Infallible>(root_of(&all[at(index << height)..at((index + 1) << height)]))
    };
    assert_eq!(subtree_root(0, 7, &mut { node }).unwrap(), root_of(&all));
}

proptest! {
    #[test]
    fn led_28_any_bytes_are_a_request_that_is_written_back_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        (at, to) in (any::<proptest::sample::Index>(), any::<u8>()),
    ) {
        let mut changed = request(3, 9).to_body().into_bytes();
        let at = at.index(changed.len());
        changed[at] = to;
        if let Ok(read) = AddCheckpoint::parse(&changed) {
            prop_assert_eq!(read.to_body().into_bytes(), changed);
        }
        prop_assert!(AddCheckpoint::parse(&bytes).is_err());
        let answered = Answer::parse(200, None, &bytes);
        let is_of_status_200 = matches!(answered, Ok(Answer::Cosigned(_)) | Err(_));
        prop_assert!(is_of_status_200, "{:?}", answered);
        if let Ok(Answer::Conflict { size }) = Answer::parse(409, Some(CONTENT_TYPE_SIZE), &bytes) {
            let said = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(said.trim_end_matches('\n'), size.to_string());
        }
    }

    #[test]
    fn led_33_a_witness_accepts_every_true_extension_and_only_from_the_size_it_knows(
        known_size in 0_u64..40, old in 0_u64..40, more in 0_u64..40,
    ) {
        let request = request(old, old + more);
        let again = AddCheckpoint::parse(request.to_body().as_bytes()).unwrap();
        prop_assert_eq!(&again, &request);
        let decided = again.judge(latest(known_size));
        if known_size == old {
            prop_assert_eq!(decided, Ok(latest(old + more)));
        } else {
            prop_assert_eq!(decided, Err(Refusal::Conflict { size: known_size }));
        }
    }
}

/// Kept so that the types of both ends stay usable from outside.
#[test]
fn the_two_ends_understand_each_other() {
    let witness = Cosigner::from_seed("witness.example", &[9; 32]).unwrap();
    let request = request(3, 9);
    let read = AddCheckpoint::parse(request.to_body().as_bytes()).unwrap();
    read.authenticate(&known()).unwrap();
    assert_eq!(read.judge(latest(3)), Ok(latest(9)));
    let body = witness.cosign(&read.checkpoint.text, 1_000).unwrap().to_line();
    let Ok(Answer::Cosigned(lines)) = Answer::parse(200, None, body.as_bytes()) else {
        panic!("not cosigned")
    };
    let mut note: Note = request.checkpoint;
    note.signatures.extend(lines);
    assert_eq!(witness.public().times_on(&note), Ok(vec![1_000]));
    let _named: &NoteSignature = &note.signatures[1];
}
