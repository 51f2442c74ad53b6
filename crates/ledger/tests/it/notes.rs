//! Another implementation of signed notes, `signed_note`, signs, reads, accepts and refuses as we do (LED-24).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::note::Note;
use ledger::{Signer, VerifierKey};
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use testkit::fuzz::SplitMix64;

use crate::log::ORIGIN;

/// Random notes, and as many changed ones.
const ROUNDS: u64 = 1_000;
const SEED: u64 = 17;

fn seed_of(random: &mut SplitMix64) -> [u8; 32] {
    std::array::from_fn(|_byte| u8::try_from(random.below(256)).unwrap())
}

/// Returns the private key as that implementation reads it.
fn their_signer(signer: &Signer, seed: &[u8; 32]) -> StandardSigner {
    let verifier = signer.verifier();
    let key = STANDARD.encode([&[1], &seed[..]].concat());
    StandardSigner::new(&format!("PRIVATE+KEY+{}+{}+{key}", verifier.name(), verifier.id())).unwrap()
}

fn theirs(note: &[u8], vkey: &str) -> bool {
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(vkey).unwrap())]);
    signed_note::Note::from_bytes(note).is_ok_and(|note| note.verify(&known).is_ok())
}

fn ours(note: &[u8], vkey: &str) -> bool {
    let known: [VerifierKey; 1] = [vkey.parse().unwrap()];
    Note::parse(note).is_ok_and(|note| note.verify(&known).is_ok())
}

#[test]
fn another_implementation_judges_1_000_notes_and_1_000_changed_ones_alike_led_24() {
    let mut random = SplitMix64::new(SEED);
    for round in 0..ROUNDS {
        let seed = seed_of(&mut random);
        let signer = Signer::from_seed(ORIGIN, &seed).unwrap();
        let vkey = signer.verifier().to_string();
        let text =
            format!("{ORIGIN}\n{round}\nany text, also \u{2028}, \u{2014} and an empty line\n\nlike that\n");
        let note = signer.sign_note(&text).unwrap().to_text();
        let mut same = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        same.add_sigs(&[&their_signer(&signer, &seed)]).unwrap();
        assert_eq!(same.to_bytes(), note.as_bytes());
        assert!(ours(note.as_bytes(), &vkey) && theirs(note.as_bytes(), &vkey), "{note}");
        let mut changed = note.into_bytes();
        let at = usize::try_from(random.below(changed.len() as u64)).unwrap();
        match random.below(3) {
            0 => changed[at] ^= 1 << random.below(8),
            1 => drop(changed.remove(at)),
            _ => changed.insert(at, u8::try_from(random.below(256)).unwrap()),
        }
        let said = (ours(&changed, &vkey), theirs(&changed, &vkey));
        assert_eq!(said, (false, false), "{:?}", String::from_utf8_lossy(&changed));
    }
    println!("notes: {ROUNDS} signed alike and accepted by both, {ROUNDS} changed ones refused by both");
}

#[test]
fn another_implementation_reads_and_refuses_the_same_public_keys_led_17() {
    let mut random = SplitMix64::new(SEED);
    for _round in 0..ROUNDS {
        let vkey = Signer::from_seed(ORIGIN, &seed_of(&mut random)).unwrap().verifier().to_string();
        assert!(StandardVerifier::new(&vkey).is_ok(), "{vkey}");
        let mut changed = vkey.into_bytes();
        let at = usize::try_from(random.below(changed.len() as u64)).unwrap();
        match random.below(3) {
            0 => changed[at] ^= 1 << random.below(7),
            1 => drop(changed.remove(at)),
            _ => changed.insert(at, b"+/= aZ09"[usize::try_from(random.below(8)).unwrap()]),
        }
        let changed = String::from_utf8(changed).unwrap();
        assert!(changed.parse::<VerifierKey>().is_err(), "{changed}");
        // They read the id in either case; a key has one written form here.
        let upper = changed.to_lowercase() != changed;
        assert!(upper || StandardVerifier::new(&changed).is_err(), "{changed}");
    }
}
