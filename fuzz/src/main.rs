//! `cargo run -p fuzz -- TARGET ROUNDS SEED`: a longer run of one target, or of `all`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use fuzz::{TARGETS, Target};

/// Exit status for arguments that make no sense.
const USAGE: u8 = 64;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let parsed = match words.as_slice() {
        [name, rounds, seed] => rounds.parse().ok().zip(seed.parse().ok()).map(|numbers| (*name, numbers)),
        _ => None,
    };
    let targets: Vec<&Target> = match parsed {
        Some(("all", _)) => TARGETS.iter().collect(),
        Some((name, _)) => Target::find(name).into_iter().collect(),
        None => Vec::new(),
    };
    let (Some((_name, (rounds, seed))), false) = (parsed, targets.is_empty()) else {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        writeln!(
            io::stderr(),
            "usage: cargo run -p fuzz -- TARGET ROUNDS SEED\ntargets: all {}",
            names.join(" ")
        )?;
        return Ok(ExitCode::from(USAGE));
    };
    for target in targets {
        writeln!(io::stdout(), "{}: {rounds} rounds, seed {seed}", target.name)?;
        target.fuzz(seed, rounds)?;
    }
    Ok(ExitCode::SUCCESS)
}
