//! Tests of checkpoints: the published example, and the texts around it that must be refused.

use base64::Engine as _;

use super::{CheckpointError, TreeHead, open};
use crate::note::{Note, NoteError, Signer};
use crate::tree::empty_root;

/// The example of C2SP tlog-checkpoint.
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    \u{2014} example.com/behind-the-sofa \
    Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

fn head(size: u64) -> TreeHead {
    TreeHead { origin: "log.example/42".to_owned(), size, root: empty_root() }
}

fn signer(name: &str) -> Signer {
    Signer::from_seed(name, &[9; 32]).unwrap()
}

#[test]
fn led_17_the_published_checkpoint_is_read() {
    let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
    let head = TreeHead::parse(&note.text).unwrap();
    assert_eq!((head.origin.as_str(), head.size), ("example.com/behind-the-sofa", 20_852_163));
    let root = base64::engine::general_purpose::STANDARD.encode(head.root);
    assert_eq!(root, "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=");
    assert_eq!(head.to_text(), note.text);
    assert_eq!(open(EXAMPLE.as_bytes(), &[]), Err(CheckpointError::Note(NoteError::UnknownKey)));
}

#[test]
fn led_17_our_checkpoint_is_three_lines_and_one_signature_by_a_key_named_like_the_origin() {
    let signer = signer("log.example/42");
    let note = head(0).sign(&signer).unwrap().to_text();
    let expected =
        "log.example/42\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} log.example/42 ";
    assert!(note.starts_with(expected), "{note}");
    let signed = open(note.as_bytes(), &[signer.verifier().clone()]).unwrap();
    assert_eq!((signed.head, signed.key_ids), (head(0), vec![signer.verifier().id()]));
    assert_eq!(head(0).log_id(), "42");
}

#[test]
fn a_key_of_another_name_neither_signs_nor_opens_a_checkpoint() {
    let other = signer("log.example/43");
    assert!(matches!(head(1).sign(&other), Err(CheckpointError::OtherName { .. })));
    let note = other.sign_note(&head(1).to_text()).unwrap().to_text();
    let opened = open(note.as_bytes(), &[other.verifier().clone()]);
    assert!(matches!(opened, Err(CheckpointError::OtherName { .. })));
}

#[test]
fn texts_that_are_no_checkpoints_of_ours_are_refused_with_the_place() {
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let cases = [
        (String::new(), 0),
        ("o\n".to_owned(), 2),
        ("o\n1\n".to_owned(), 4),
        (format!("\n1\n{root}\n"), 0),
        (format!("a b\n1\n{root}\n"), 0),
        (format!("a+b\n1\n{root}\n"), 0),
        (format!("o\n01\n{root}\n"), 2),
        (format!("o\n+1\n{root}\n"), 2),
        (format!("o\n-1\n{root}\n"), 2),
        (format!("o\n18446744073709551615\n{root}\n"), 2),
        ("o\n1\nAAAA\n".to_owned(), 4),
        (format!("o\n1\n{}\n", root.trim_end_matches('=')), 4),
        (format!("o\n1\n{root}\nextension\n"), 49),
        (format!("o\n1\n{root}"), 48),
    ];
    for (text, place) in cases {
        match TreeHead::parse(&text) {
            Err(CheckpointError::Malformed { offset, .. }) => assert_eq!(offset, place, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}
