//! A small mutation fuzzer: the same seed gives the same inputs on every machine and toolchain.
//!
//! Drives functions over bytes that must not panic. Sees no coverage, so it depends on a corpus
//! that reaches the corners; a coverage-guided fuzzer may use the same targets and corpora.

use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};

/// Longest input that is tried. Bytes.
pub const INPUT_LIMIT: usize = 1 << 20;

/// Most mutations laid over each other in one input.
const STACK_LIMIT: u64 = 8;

/// Longest run of bytes that one mutation inserts or deletes.
const RUN_LIMIT: u64 = 64;

/// Bytes of a failing input that are shown.
const SHOWN_LIMIT: usize = 512;

/// Numbers at which lengths and counts tend to be handled wrongly.
const MAGIC: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// The generator splitmix64: 64 bits of state, every seed is good.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> SplitMix64 {
        SplitMix64(seed)
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`; 0 when `end` is 0. The slight bias does not matter here.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next_u64().checked_rem(end).unwrap_or(0)
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap_or(0)
    }
}

/// Calls `target` with every corpus input as it is and then with `rounds` mutated ones.
///
/// Each round depends on the seed and its number only: to repeat a failure alone, call
/// [`input`] with both.
///
/// # Panics
///
/// When the target does, after the seed, the round and the input were printed: a property that
/// fails is a panic of the target.
pub fn run(seed: u64, corpus: &[&[u8]], rounds: u64, mut target: impl FnMut(&[u8])) {
    for (number, bytes) in corpus.iter().enumerate() {
        call(&mut target, bytes, &format!("corpus input {number}"));
    }
    for round in 0..rounds {
        call(&mut target, &input(seed, corpus, round), &format!("seed {seed}, round {round}"));
    }
}

/// Returns the input of one round: a corpus input under one to eight mutations.
pub fn input(seed: u64, corpus: &[&[u8]], round: u64) -> Vec<u8> {
    let mut random = SplitMix64::new(seed ^ SplitMix64::new(round).next_u64());
    let mut bytes = pick(&mut random, corpus).to_vec();
    for _mutation in 0..=random.below(STACK_LIMIT) {
        mutate(&mut random, corpus, &mut bytes);
        bytes.truncate(INPUT_LIMIT);
    }
    bytes
}

fn call(target: &mut impl FnMut(&[u8]), bytes: &[u8], what: &str) {
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| target(bytes))) {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_LIMIT)]);
        let line = format!("fuzz: the target failed on {what}, {} bytes: {shown:?}\n", bytes.len());
        // A test's own stream; that it is closed must not hide the failure itself.
        drop(std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()));
        panic::resume_unwind(panic);
    }
}

fn pick<'a>(random: &mut SplitMix64, corpus: &[&'a [u8]]) -> &'a [u8] {
    corpus.get(random.index(corpus.len())).copied().unwrap_or(b"")
}

/// The kinds of mutation, each as likely as the others.
#[derive(Clone, Copy)]
enum Mutation {
    FlipBit,
    SetByte,
    Insert,
    Delete,
    Repeat,
    Splice,
    MagicBinary,
    MagicText,
    Truncate,
}

const MUTATIONS: [Mutation; 9] = [
    Mutation::FlipBit,
    Mutation::SetByte,
    Mutation::Insert,
    Mutation::Delete,
    Mutation::Repeat,
    Mutation::Splice,
    Mutation::MagicBinary,
    Mutation::MagicText,
    Mutation::Truncate,
];

fn mutate(random: &mut SplitMix64, corpus: &[&[u8]], bytes: &mut Vec<u8>) {
    let at = random.index(bytes.len() + 1);
    let run = random.index(usize::try_from(RUN_LIMIT).unwrap_or(1)) + 1;
    let end = (at + run).min(bytes.len());
    match MUTATIONS[random.index(MUTATIONS.len())] {
        Mutation::FlipBit => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        Mutation::SetByte => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = any_byte(random);
            }
        }
        Mutation::Insert => {
            let new: Vec<u8> = (0..run).map(|_position| any_byte(random)).collect();
            bytes.splice(at..at, new);
        }
        Mutation::Delete => drop(bytes.drain(at..end)),
        Mutation::Repeat => {
            let copy = bytes[at..end].repeat(random.index(4) + 1);
            bytes.splice(at..at, copy);
        }
        Mutation::Splice => {
            let other = pick(random, corpus);
            let from = random.index(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        Mutation::MagicBinary => overwrite(bytes, at, &magic_binary(random)),
        Mutation::MagicText => {
            let text = MAGIC[random.index(MAGIC.len())].to_string();
            bytes.splice(number_from(bytes, at), text.into_bytes());
        }
        Mutation::Truncate => bytes.truncate(at),
    }
}

/// The first decimal number at or behind `at`; nothing, at `at`, when there is none.
fn number_from(bytes: &[u8], at: usize) -> Range<usize> {
    let Some(skipped) = bytes[at..].iter().position(u8::is_ascii_digit) else { return at..at };
    let start = at + skipped;
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    start..start + digits
}

/// A byte that is text, structure or anything.
fn any_byte(random: &mut SplitMix64) -> u8 {
    const TELLING: &[u8] = b"\0\n\r\t \"'\\{}[]:,;=#%$&<>/|-+.0129aAzZ\x1b\x7f\x80\xc0\xff";
    if random.below(2) == 0 {
        TELLING[random.index(TELLING.len())]
    } else {
        random.next_u64().to_le_bytes()[0]
    }
}

/// A magic number in one, two, four or eight bytes of either order.
fn magic_binary(random: &mut SplitMix64) -> Vec<u8> {
    let number = MAGIC[random.index(MAGIC.len())];
    let width = 1 << random.below(4);
    let mut encoded = number.to_le_bytes()[..width].to_vec();
    if random.below(2) == 0 {
        encoded.reverse();
    }
    encoded
}

fn overwrite(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = (at + new.len()).min(bytes.len());
    bytes.splice(at..end, new.iter().copied());
}
