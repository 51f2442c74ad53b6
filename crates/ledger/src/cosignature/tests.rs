//! Tests of cosignatures: those of public witnesses, and everything near them that must be refused.

use proptest::prelude::*;

use super::{Cosigner, CosignerKey, TIME_MAX};
use crate::note::{Note, NoteError, NoteSignature, VerifierKey};

/// A public log's head with the cosignatures of two public witnesses; see `testdata/SOURCE.md`.
const NOTE: &str = include_str!("../../testdata/witness/sigsum-12851.note");
const LOG: &str = "sigsum.org/v1/tree/44ad38f8226ff9bd27629a41e55df727308d0a1cd8a2c31d3170048ac1dd22a1+682b49db+\
    AQ7H4WhDEZsSA3enOROsasvC0D2CQy4sNrhBsJqVhB8l";
const GLASKLAR: &str = "witness.glasklar.is+90ad80e6+BLIQbbkGXsl/JeCcGIOSFnUabibY7YtB5IWlY9PRSYU2";
const MULLVAD: &str = "witness.mullvad.net+0e35d04d+BBXW0BQVQyR7dLqzwQdjctnIlPYZw3bWSymqMSzAD2Gt";
/// 2025-08-01T04:01:01Z.
const SEEN: u64 = 1_754_020_861;

fn note() -> Note {
    Note::parse(NOTE.as_bytes()).unwrap()
}

fn key(vkey: &str) -> CosignerKey {
    vkey.parse().unwrap()
}

fn cosigner() -> Cosigner {
    Cosigner::from_seed("witness.example/w1", &[5; 32]).unwrap()
}

#[test]
fn led_32_cosignatures_of_public_witnesses_verify_with_their_times() {
    let log: VerifierKey = LOG.parse().unwrap();
    assert_eq!(note().verify(std::slice::from_ref(&log)), Ok(vec![&log]));
    assert_eq!(key(GLASKLAR).times_on(&note()), Ok(vec![SEEN]));
    assert_eq!(key(MULLVAD).times_on(&note()), Ok(vec![SEEN]));
    assert_eq!(key(GLASKLAR).to_string(), GLASKLAR);
    assert_eq!(
        (key(MULLVAD).name(), key(MULLVAD).id().to_string().as_str()),
        ("witness.mullvad.net", "0e35d04d")
    );
}

#[test]
fn led_72_every_changed_byte_of_a_cosigned_checkpoint_is_refused() {
    let line = NOTE.find("\u{2014} witness.glasklar.is").unwrap();
    let end = line + NOTE[line..].find('\n').unwrap() + 1;
    let text = note().text.len();
    for at in (0..text).chain(line..end) {
        for bit in 0..8 {
            let mut bytes = NOTE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let times = Note::parse(&bytes).and_then(|note| key(GLASKLAR).times_on(&note));
            assert!(times.is_err() || times == Ok(Vec::new()), "byte {at} bit {bit}: {times:?}");
        }
    }
}

#[test]
fn a_log_key_is_no_witness_key_and_the_other_way_round() {
    assert!(LOG.parse::<CosignerKey>().unwrap_err().problem.contains("type 04"));
    assert!(GLASKLAR.parse::<VerifierKey>().unwrap_err().problem.contains("type 01"));
    // Type 06 is ML-DSA-44, which is not supported: refused by name, never taken as Ed25519.
    let other = "witness.example+00000000+BrIQbbkGXsl/JeCcGIOSFnUabibY7YtB5IWlY9PRSYU2";
    assert!(other.parse::<CosignerKey>().unwrap_err().problem.contains("type 04"));
}

#[test]
fn the_message_is_the_one_of_the_published_page() {
    // The header, the time and the text of the note, as C2SP tlog-cosignature shows them.
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let message = super::message(1_679_315_147, text);
    assert_eq!(message, format!("cosignature/v1\ntime 1679315147\n{text}"));
}

#[test]
fn what_a_cosigner_signs_its_own_key_verifies_and_no_other() {
    let text = "log.example/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let ours = cosigner();
    let line = ours.cosign(text, 77).unwrap();
    assert_eq!(line.bytes.len(), 72);
    assert_eq!(ours.public().verify(text, &line), Some(77));
    let again = NoteSignature::parse(line.to_line().trim_end_matches('\n')).unwrap();
    assert_eq!(again, line);
    assert_eq!(key(GLASKLAR).verify(text, &line), None);
    assert_eq!(ours.public().verify("log.example/2\n0\nx\n", &line), None);
    let mut later = line.clone();
    later.bytes[7] += 1;
    assert_eq!(ours.public().verify(text, &later), None);
    let mut short = line;
    short.bytes.truncate(71);
    assert_eq!(ours.public().verify(text, &short), None);
}

#[test]
fn a_time_that_no_cosignature_may_carry_is_refused() {
    let text = "o\n0\nx\n";
    assert!(cosigner().cosign(text, 0).is_err());
    assert!(cosigner().cosign(text, TIME_MAX + 1).is_err());
    let line = cosigner().cosign(text, TIME_MAX).unwrap();
    assert_eq!(cosigner().public().verify(text, &line), Some(TIME_MAX));
    assert!(cosigner().cosign("no line feed", 1).is_err());
}

#[test]
fn a_bad_line_of_a_known_witness_spoils_the_note_and_lines_of_others_are_passed_over() {
    let mut bad = note();
    bad.signatures[2].bytes[40] ^= 1;
    let offset =
        bad.text.len() + 1 + bad.signatures[..2].iter().map(|line| line.to_line().len()).sum::<usize>();
    let error = NoteError::BadSignature { name: "witness.mullvad.net".to_owned(), offset };
    assert_eq!(key(MULLVAD).times_on(&bad), Err(error));
    assert_eq!(key(GLASKLAR).times_on(&bad), Ok(vec![SEEN]));
    assert_eq!(cosigner().public().times_on(&bad), Ok(Vec::new()));
}

#[test]
fn a_cosigner_does_not_show_its_key() {
    let shown = format!("{:?}", Cosigner::from_seed("w", &[0xab; 32]).unwrap());
    assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    assert!(shown.contains("w+"));
}

proptest! {
    #[test]
    fn led_28_no_bytes_make_the_cosignature_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let public = cosigner();
        let public = public.public();
        let line = NoteSignature { name: public.name().to_owned(), key_id: public.id(), bytes };
        prop_assert_eq!(public.verify("o\n0\nx\n", &line), None);
    }
}
