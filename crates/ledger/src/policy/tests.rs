//! Tests of policies: the shapes of the published page, every refusal with its line, and quorums.

use proptest::prelude::*;

use super::parse::PolicyProblem;
use super::{LAG_SECONDS_DEFAULT, Policy, Timing, Window};
use crate::checkpoint::{CheckpointError, TreeHead};
use crate::cosignature::Cosigner;
use crate::entry::instant_seconds;
use crate::note::{Note, NoteError, Signer};
use crate::tree::empty_root;
use crate::verify::{EvidenceState, FindingCode, Place, Report, judge_witnesses};

const SIGSUM_NOTE: &str = include_str!("../../testdata/witness/sigsum-12851.note");
const SIGSUM_LOG: &str = "log sigsum.org/v1/tree/44ad38f8226ff9bd27629a41e55df727308d0a1cd8a2c31d3170048ac1dd22a1+682b49db+\
    AQ7H4WhDEZsSA3enOROsasvC0D2CQy4sNrhBsJqVhB8l\n";
const GLASKLAR: &str = "witness.glasklar.is+90ad80e6+BLIQbbkGXsl/JeCcGIOSFnUabibY7YtB5IWlY9PRSYU2";
const MULLVAD: &str = "witness.mullvad.net+0e35d04d+BBXW0BQVQyR7dLqzwQdjctnIlPYZw3bWSymqMSzAD2Gt";
const SEEN: u64 = 1_754_020_861;

fn log() -> Signer {
    Signer::from_seed("log.example/1", &[1; 32]).unwrap()
}

fn cosigner(number: u8) -> Cosigner {
    Cosigner::from_seed(&format!("witness.example/{number}"), &[100 + number; 32]).unwrap()
}

/// Returns a checkpoint cosigned at time 1000 by these witnesses.
fn checkpoint(witnesses: &[u8]) -> String {
    let head = TreeHead { origin: "log.example/1".to_owned(), size: 0, root: empty_root() };
    let mut note = head.sign(&log()).unwrap();
    for number in witnesses {
        let line = cosigner(*number).cosign(&note.text, 1_000).unwrap();
        note.signatures.push(line);
    }
    note.to_text()
}

/// Writes a policy: `{log}` and `{w1}`.. stand for lines that define them, as X1...
fn written(text: &str) -> String {
    let mut text = text.replace("{log}", &format!("log {}", log().verifier()));
    for number in 1..=6 {
        let line = format!("witness X{number} {}", cosigner(number).public());
        text = text.replace(&format!("{{w{number}}}"), &line);
    }
    text
}

fn policy(text: &str) -> Policy {
    Policy::parse(written(text).as_bytes()).unwrap()
}

fn satisfied(text: &str, witnesses: &[u8]) -> bool {
    policy(text).check(checkpoint(witnesses).as_bytes(), None).unwrap().1.satisfied
}

#[test]
fn led_34_a_checkpoint_of_a_public_log_satisfies_its_public_witnesses() {
    let text = |needed| {
        format!(
            "# two witnesses and one that never was\n{SIGSUM_LOG}witness witness.glasklar.is {GLASKLAR}\n\
             witness witness.mullvad.net {MULLVAD}\nwitness dummy {}\n\
             group group {needed} witness.glasklar.is witness.mullvad.net dummy\nquorum group\n",
            cosigner(1).public()
        )
    };
    for needed in 1..=3 {
        let policy = Policy::parse(text(needed).as_bytes()).unwrap();
        let (signed, verdict) = policy.check(SIGSUM_NOTE.as_bytes(), Some(due(SEEN))).unwrap();
        assert_eq!(signed.head.size, 12_851);
        assert_eq!(verdict.satisfied, needed < 3, "{needed}");
        let who: Vec<_> = verdict.cosigned.iter().map(|one| (one.witness.name.as_str(), one.time)).collect();
        assert_eq!(who, [("witness.glasklar.is", SEEN), ("witness.mullvad.net", SEEN)]);
    }
}

#[test]
fn led_34_two_of_three_needs_two_different_witnesses() {
    let text = "{log}\n{w1}\n{w2}\n{w3}\ngroup X-witnesses 2 X1 X2 X3\nquorum X-witnesses\n";
    for (witnesses, enough) in [
        (&[][..], false),
        (&[1], false),
        (&[1, 1], false),
        (&[1, 4], false),
        (&[1, 2], true),
        (&[3, 2], true),
        (&[1, 2, 3], true),
    ] {
        assert_eq!(satisfied(text, witnesses), enough, "{witnesses:?}");
    }
}

#[test]
fn led_34_nested_groups_follow_the_published_example() {
    let text = "{log}\n\n{w1}\n{w2}\n{w3}\ngroup X-witnesses 2 X1 X2 X3\n\n{w4}\n{w5}\n{w6}\n\
        group Y-witnesses any X4 X5 X6\n\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";
    for (witnesses, enough) in [
        (&[1, 2][..], false),
        (&[4, 5, 6], false),
        (&[1, 4, 5], false),
        (&[1, 3, 6], true),
        (&[1, 2, 3, 4, 5, 6], true),
    ] {
        assert_eq!(satisfied(text, witnesses), enough, "{witnesses:?}");
    }
}

#[test]
fn led_34_none_needs_nobody_and_a_single_witness_is_a_quorum() {
    assert!(satisfied("{log}\nquorum none\n", &[]));
    assert!(policy("quorum none\n").needs_no_witness());
    assert!(satisfied("{log}\n{w2}\nquorum X2\n", &[2]));
    assert!(!satisfied("{log}\n{w2}\nquorum X2\n", &[1]));
    assert!(!policy("{w2}\nquorum X2\n").needs_no_witness());
}

#[test]
fn a_checkpoint_of_a_log_that_the_policy_does_not_name_is_refused() {
    let refused = policy("quorum none\n").check(checkpoint(&[]).as_bytes(), None);
    assert_eq!(refused.unwrap_err(), CheckpointError::Note(NoteError::UnknownKey));
}

#[test]
fn a_bad_cosignature_of_a_known_witness_is_an_error_and_one_of_an_unknown_is_not() {
    let mut note = Note::parse(checkpoint(&[1, 2]).as_bytes()).unwrap();
    note.signatures[2].bytes[20] ^= 1;
    let bytes = note.to_text();
    let known = policy("{log}\n{w1}\n{w2}\nquorum X1\n").check(bytes.as_bytes(), None);
    assert!(matches!(known, Err(CheckpointError::Note(NoteError::BadSignature { .. }))), "{known:?}");
    assert!(policy("{log}\n{w1}\nquorum X1\n").check(bytes.as_bytes(), None).unwrap().1.satisfied);
}

#[test]
fn led_35_a_cosignature_counts_from_five_minutes_before_the_newest_entry_to_a_day_behind_it() {
    let text = "{log}\n{w1}\nquorum X1\n";
    for (newest, timing) in
        [(1_000, Timing::InTime), (1_300, Timing::InTime), (1_301, Timing::TooEarly), (0, Timing::InTime)]
    {
        let (_head, verdict) = policy(text).check(checkpoint(&[1]).as_bytes(), Some(due(newest))).unwrap();
        assert_eq!(verdict.cosigned[0].timing, timing, "{newest}");
        assert_eq!(verdict.satisfied, timing == Timing::InTime, "{newest}");
    }
    let window = Window { newest_entry: 900, lag: 99 };
    let (_head, verdict) = policy(text).check(checkpoint(&[1]).as_bytes(), Some(window)).unwrap();
    assert_eq!((verdict.cosigned[0].timing, verdict.satisfied), (Timing::TooLate, false));
    assert_eq!(due(1_000).judge(1_000 + 86_400), Timing::InTime);
    assert_eq!(due(1_000).judge(1_001 + 86_400), Timing::TooLate);
}

#[test]
fn logs_and_witnesses_carry_their_urls_and_white_space_is_free() {
    let text = "\t{log}\t https://log.example/ \n  # a comment: \u{fc}\n \t\n{w1} http://127.0.0.1:1/w\nquorum\tX1 \n";
    let policy = policy(text);
    assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/"));
    assert_eq!(policy.logs()[0].key, *log().verifier());
    assert_eq!(policy.witnesses()[0].url.as_deref(), Some("http://127.0.0.1:1/w"));
    assert_eq!(policy.witnesses()[0].name, "X1");
}

#[test]
fn names_are_bytes_and_need_not_be_utf_8() {
    let mut text = b"witness \xff\xfe ".to_vec();
    text.extend(format!("{}\nquorum ", cosigner(1).public()).bytes());
    let with = |name: &[u8]| Policy::parse(&[&text, name, b"\n"].concat());
    assert!(with(b"\xff\xfe").is_ok());
    assert!(matches!(with(b"\xff\xff").unwrap_err().problem, PolicyProblem::Undefined(_)));
}

#[test]
fn led_34_every_mistake_in_a_policy_file_is_refused_with_its_line() {
    let cases: &[(&str, usize, &str)] = &[
        ("", 1, "no line says what the quorum is"),
        ("{log}\n{w1}\n", 2, "no line says what the quorum is"),
        ("quorum none", 1, "cut off"),
        ("quorum none\r\n", 1, "control character"),
        ("# \u{7f}\nquorum none\n", 1, "control character"),
        ("\nqorum none\n", 2, "\"qorum\" is not one of"),
        ("Quorum none\n", 1, "\"Quorum\" is not one of"),
        ("quorum\n", 1, "quorum NAME|none"),
        ("{w1}\nquorum X1 X1\n", 2, "quorum NAME|none"),
        ("quorum none\nquorum none\n", 2, "already, in line 1"),
        ("{w1}\nquorum X2\n{w2}\n", 2, "\"X2\" is not defined"),
        ("log\nquorum none\n", 1, "log VKEY"),
        ("log key\nquorum none\n", 1, "name+id+key"),
        ("{log} url more\n", 1, "log VKEY"),
        ("{log}\n\n{log}\n", 3, "given in line 1"),
        ("witness X1\n", 1, "witness NAME VKEY"),
        ("{w1} url more\n", 1, "witness NAME VKEY"),
        ("{w1}\n{w1}\n", 2, "given in line 1"),
        ("{log}\n{w1}\nwitness none {k2}\n", 3, "none is predefined"),
        ("{w1}\nwitness X1 {k2}\n", 2, "\"X1\" is already taken"),
        ("{w1}\ngroup X1 any X1\n", 2, "\"X1\" is already taken"),
        ("{w1}\ngroup g\n", 2, "group NAME"),
        ("{w1}\ngroup g any\n", 2, "group NAME"),
        ("{w1}\ngroup g 1\n", 2, "group NAME"),
        ("{w1}\ngroup g 0 X1\n", 2, "from 1 to 1"),
        ("{w1}\ngroup g 2 X1\n", 2, "from 1 to 1"),
        ("{w1}\ngroup g 01 X1\n", 2, "from 1 to 1"),
        ("{w1}\ngroup g -1 X1\n", 2, "from 1 to 1"),
        ("{w1}\ngroup g ALL X1\n", 2, "\"ALL\" is not all, any"),
        ("{w1}\ngroup g any X2\n", 2, "\"X2\" is not defined"),
        ("{w1}\ngroup g any none\n", 2, "none is predefined"),
        ("{w1}\ngroup none any X1\n", 2, "none is predefined"),
        ("{w1}\ngroup g any g\n", 2, "\"g\" is not defined"),
        ("{w1}\ngroup g 1 X1 X1\n", 2, "\"X1\" is a member of a group already"),
        ("{w1}\n{w2}\ngroup g all X1\ngroup h any X1 X2\n", 4, "\"X1\" is a member of a group already"),
        ("{w1}\ngroup g all X1\ngroup g all X1\n", 3, "\"X1\" is a member of a group already"),
        ("log {k2}\n", 1, "type 01"),
        ("witness X {l}\n", 1, "type 04"),
    ];
    for (text, line, words) in cases {
        let text = written(text)
            .replace("{k2}", &cosigner(2).public().to_string())
            .replace("{l}", &log().verifier().to_string());
        let error = Policy::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.line, *line, "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn limits_of_a_policy_hold_and_are_above_those_that_must_be_supported() {
    let many = |count: u32| {
        let mut text = String::new();
        for number in 0..count {
            let mut seed = [3; 32];
            seed[..4].copy_from_slice(&number.to_be_bytes());
            let log = Signer::from_seed(&format!("log/{number}"), &seed).unwrap();
            let witness = Cosigner::from_seed(&format!("w/{number}"), &seed).unwrap();
            text += &format!("log {}\nwitness w{number} {}\n", log.verifier(), witness.public());
            text += &format!("group g{number} any w{number}\n");
        }
        Policy::parse(format!("{text}quorum g0\n").as_bytes())
    };
    assert_eq!(many(32).unwrap().witnesses().len(), 32);
    assert_eq!(many(64).unwrap().logs().len(), 64);
    assert_eq!(many(65).unwrap_err().problem, PolicyProblem::TooMany("logs"));
    let long = format!("# {}\nquorum none\n", "x".repeat(5_000));
    assert_eq!(Policy::parse(long.as_bytes()).unwrap_err().problem, PolicyProblem::TooLong);
    let long = format!("{}quorum none\n", "\n".repeat(65_536));
    assert_eq!(Policy::parse(long.as_bytes()).unwrap_err().problem, PolicyProblem::TooLong);
}

/// The window of a newest entry where no start declared another lag.
fn due(newest_entry: u64) -> Window {
    Window { newest_entry, lag: LAG_SECONDS_DEFAULT }
}

/// Judges a checkpoint of [`checkpoint`], whose cosignatures are of 1970-01-01T00:16:40Z, as a verifier does.
fn judged(text: &str, checkpoint: &str, newest_at: Option<&str>) -> (EvidenceState, Vec<FindingCode>) {
    let mut report = Report::new();
    judge_witnesses(
        &mut report,
        &policy(text),
        checkpoint.as_bytes(),
        newest_at.and_then(instant_seconds).map(due),
        &Place::file("checkpoint", 0),
    );
    report.settle();
    assert_eq!(report.ok, report.findings.is_empty());
    (report.witness, report.findings.iter().map(|finding| finding.code).collect())
}

#[test]
fn led_34_below_quorum_is_witness_quorum() {
    let text = "{log}\n{w1}\n{w2}\ngroup g all X1 X2\nquorum g\n";
    assert_eq!(judged(text, &checkpoint(&[1, 2]), None), (EvidenceState::Verified, vec![]));
    let below = (EvidenceState::Failed, vec![FindingCode::WitnessQuorum]);
    assert_eq!(judged(text, &checkpoint(&[2]), None), below);
    assert_eq!(judged(text, &checkpoint(&[]), None), below);
    assert_eq!(judged("{log}\nquorum none\n", &checkpoint(&[1]), None), (EvidenceState::None, vec![]));
    assert_eq!(
        judged("{log}\n{w1}\nquorum none\n", &checkpoint(&[1]), None),
        (EvidenceState::Verified, vec![])
    );
}

#[test]
fn led_35_a_log_that_is_stamped_again_is_stamp_window() {
    let text = "{log}\n{w1}\nquorum X1\n";
    let at = |newest| judged(text, &checkpoint(&[1]), Some(newest));
    assert_eq!(at("1970-01-01T00:16:40.000000Z"), (EvidenceState::Verified, vec![]));
    assert_eq!(at("1970-01-01T00:21:40.999999Z"), (EvidenceState::Verified, vec![]));
    let out = (EvidenceState::Failed, vec![FindingCode::StampWindow, FindingCode::WitnessQuorum]);
    assert_eq!(at("1970-01-01T00:21:41.000000Z"), out);
    let mut note = Note::parse(checkpoint(&[]).as_bytes()).unwrap();
    note.signatures.push(cosigner(1).cosign(&note.text, 1_000 + 86_401).unwrap());
    assert_eq!(judged(text, &note.to_text(), Some("1970-01-01T00:16:40.000000Z")), out);
}

#[test]
fn a_bad_cosignature_is_found_at_its_line() {
    let text = checkpoint(&[1]);
    let mut note = Note::parse(text.as_bytes()).unwrap();
    note.signatures[1].bytes[30] ^= 1;
    let failed = (EvidenceState::Failed, vec![FindingCode::CheckpointSignature]);
    assert_eq!(judged("{log}\n{w1}\nquorum none\n", &note.to_text(), None), failed);
}

proptest! {
    #[test]
    fn led_28_any_bytes_are_a_policy_or_a_line_of_them_is_named(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        (at, to) in (any::<proptest::sample::Index>(), any::<u8>()),
    ) {
        let mut changed = written("{log}\n{w1}\n{w2}\ngroup g 1 X1 X2\nquorum g\n").into_bytes();
        let at = at.index(changed.len());
        changed[at] = to;
        for bytes in [bytes, changed] {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            let line = Policy::parse(&bytes).map_or_else(|err| err.line, |_policy| 1);
            prop_assert!((1..=lines).contains(&line), "line {} of {}", line, lines);
        }
    }

    #[test]
    fn led_34_a_threshold_of_k_is_met_by_k_witnesses(mask in 0_u8..64, needed in 1_usize..7) {
        let text = format!("{{log}}\n{{w1}}\n{{w2}}\n{{w3}}\n{{w4}}\n{{w5}}\n{{w6}}\n\
            group g {needed} X1 X2 X3 X4 X5 X6\nquorum g\n");
        let signed: Vec<u8> = (1..=6).filter(|number| mask >> (number - 1) & 1 == 1).collect();
        prop_assert_eq!(satisfied(&text, &signed), signed.len() >= needed);
    }
}
