//! Tests of signed notes: the published example, and everything near it that must be refused.

use proptest::prelude::*;

use super::{NOTE_BYTES_MAX, Note, NoteError, Signer, VerifierKey};

/// The example of C2SP signed-note, "Verifier keys".
const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
/// The example at the head of the same page: blank lines in the text, letters beyond ASCII.
const POEM: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\
    ed \u{e8} subito sera.\n\n\u{2014} quasimodo.example/salvatore \
    NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

fn key() -> VerifierKey {
    VKEY.parse().unwrap()
}

fn signer(name: &str, seed: u8) -> Signer {
    Signer::from_seed(name, &[seed; 32]).unwrap()
}

#[test]
fn led_17_the_published_note_verifies_with_the_published_key() {
    let note = Note::parse(NOTE.as_bytes()).unwrap();
    assert_eq!(note.text, "This is an example message.\n");
    assert_eq!(note.verify(&[key()]), Ok(vec![&key()]));
    assert_eq!(note.to_text(), NOTE);
    assert_eq!(key().to_string(), VKEY);
    assert_eq!((key().name(), key().id().to_string().as_str()), ("example.com/foo", "530d903a"));
}

#[test]
fn the_text_of_a_note_ends_at_the_last_blank_line() {
    let note = Note::parse(POEM.as_bytes()).unwrap();
    assert!(note.text.ends_with("sole:\n\ned \u{e8} subito sera.\n"));
    assert_eq!(note.signatures[0].key_id.to_string(), "367ba04b");
    assert_eq!(note.to_text(), POEM);
    assert_eq!(note.verify(&[key()]), Err(NoteError::UnknownKey));
}

#[test]
fn led_70_every_changed_byte_of_a_note_is_refused() {
    for at in 0..NOTE.len() {
        for bit in 0..8 {
            let mut bytes = NOTE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let verdict = Note::parse(&bytes).and_then(|note| note.verify(&[key()]).map(|keys| keys.len()));
            assert!(verdict.is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn malformed_notes_are_refused_with_the_place() {
    let cases: &[(&[u8], usize)] = &[
        (b"", 0),
        (b"text\n", 5),
        (b"text\n\n", 6),
        (b"text\n\nx", 7),
        (b"text\n\nnot a signature\n", 6),
        (b"te\rxt\n\n", 2),
        (b"te\xffxt\n\n", 2),
        (b"text\n\n\xe2\x80\x94 name AAAAAA==\n", 6),
        (b"text\n\n\xe2\x80\x94 na+me AAAAAAA=\n", 6),
        (b"text\n\n\xe2\x80\x94  AAAAAAA=\n", 6),
        (b"text\n\n\xe2\x80\x94 name AAAAAAA\n", 6),
        (b"text\n\n- name AAAAAAA=\n", 6),
    ];
    for (bytes, place) in cases {
        match Note::parse(bytes) {
            Err(NoteError::Malformed { offset, .. }) => {
                assert_eq!(offset, *place, "{:?}", String::from_utf8_lossy(bytes));
            }
            other => panic!("{:?}: {other:?}", String::from_utf8_lossy(bytes)),
        }
    }
}

#[test]
fn notes_beyond_the_limits_are_refused() {
    let line = "\u{2014} name AAAAAAA=\n";
    let with = |count| format!("text\n\n{}", line.repeat(count));
    assert_eq!(Note::parse(with(100).as_bytes()).unwrap().signatures.len(), 100);
    assert!(matches!(Note::parse(with(101).as_bytes()), Err(NoteError::Malformed { .. })));
    assert_eq!(Note::parse(&vec![b'\n'; NOTE_BYTES_MAX + 1]), Err(NoteError::TooLong));
}

#[test]
fn what_a_signer_signs_its_own_key_verifies_and_no_other() {
    let (ours, other) = (signer("log.example/1", 7), signer("log.example/1", 8));
    let note = ours.sign_note("a\nb\n").unwrap();
    let again = Note::parse(note.to_text().as_bytes()).unwrap();
    assert_eq!(again.verify(&[other.verifier().clone(), ours.verifier().clone()]), Ok(vec![ours.verifier()]));
    assert_eq!(again.verify(&[other.verifier().clone()]), Err(NoteError::UnknownKey));
    assert!(ours.sign("no line feed").is_err());
    assert!(ours.sign("a\rb\n").is_err());
}

#[test]
fn a_bad_signature_of_a_known_key_spoils_the_note_even_next_to_a_good_one() {
    let (ours, witness) = (signer("log", 1), signer("witness", 2));
    let mut note = ours.sign_note("text\n").unwrap();
    let mut cosignature = witness.sign("text\n").unwrap();
    cosignature.bytes[5] ^= 1;
    note.signatures.push(cosignature);
    let known = [ours.verifier().clone(), witness.verifier().clone()];
    let offset = 6 + note.signatures[0].to_line().len();
    assert_eq!(note.verify(&known), Err(NoteError::BadSignature { name: "witness".to_owned(), offset }));
    // Nobody asked for the witness: its line is passed over.
    assert_eq!(note.verify(&known[..1]), Ok(vec![&known[0]]));
}

#[test]
fn texts_that_are_no_keys_are_refused() {
    let wrong = [
        "",
        "name",
        "name+530d903a",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U",
        "a b+530d903a+AA==",
        "+530d903a+AA==",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
    ];
    for text in wrong {
        assert!(text.parse::<VerifierKey>().is_err(), "{text:?}");
    }
    assert!(Signer::from_seed("a+b", &[0; 32]).is_err());
}

#[test]
fn led_21_a_signer_does_not_show_its_key() {
    let shown = format!("{:?}", signer("log", 0xab));
    assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    assert!(shown.contains("log+"));
}

proptest! {
    #[test]
    fn led_28_any_bytes_are_a_note_that_is_written_back_or_located(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        (at, to) in (any::<proptest::sample::Index>(), any::<u8>()),
    ) {
        let mut changed = signer("log", 3).sign_note("one\ntwo\n").unwrap().to_text().into_bytes();
        let at = at.index(changed.len());
        changed[at] = to;
        for bytes in [bytes, changed] {
            match Note::parse(&bytes) {
                Ok(note) => prop_assert_eq!(note.to_text().into_bytes(), bytes),
                Err(NoteError::Malformed { offset, .. }) => prop_assert!(offset <= bytes.len()),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn a_note_that_is_read_is_written_back_the_same(text in "[a-z\n]{0,20}", name in "[a-z./]{1,9}") {
        let note = signer(&name, 3).sign_note(&format!("{text}\n")).unwrap().to_text();
        prop_assert_eq!(Note::parse(note.as_bytes()).unwrap().to_text(), note);
    }
}
