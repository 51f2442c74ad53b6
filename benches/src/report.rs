//! What a benchmark prints: figures, then which promises hold. It ends with status 1 when one does not.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::error::BenchError;
use crate::figures::{Figure, Samples};

/// Where the load of the machine stands (proc(5)).
const LOAD: &str = "/proc/loadavg";

/// Prints as it goes and remembers what became of the promises.
#[derive(Debug)]
pub struct Report {
    kept: usize,
    missed: usize,
    unmeasured: usize,
}

impl Report {
    /// Begins a report with its name and the load of the machine.
    #[must_use]
    pub fn begin(name: &str) -> Report {
        say(format_args!("# {name} (load before {})", load()));
        Report { kept: 0, missed: 0, unmeasured: 0 }
    }

    /// Prints figures that promise nothing by themselves.
    pub fn figures(&self, what: &str, unit: &str, samples: &Samples) {
        say(format_args!("  {what:<58} {samples} {unit}"));
    }

    /// Prints one more line.
    pub fn note(&self, text: impl Display) {
        say(format_args!("  {text}"));
    }

    /// Holds the median against an upper limit.
    pub fn at_most(&mut self, what: &str, (samples, limit): (&Samples, f64), unit: &str) {
        let kept = samples.median() <= limit;
        self.judge(kept, what, format_args!("{samples} {unit}; at most {}", Figure(limit)));
    }

    /// Holds the median against a lower limit.
    pub fn at_least(&mut self, what: &str, (samples, limit): (&Samples, f64), unit: &str) {
        let kept = samples.median() >= limit;
        self.judge(kept, what, format_args!("{samples} {unit}; at least {}", Figure(limit)));
    }

    /// Holds a single value against an upper limit.
    pub fn value_at_most(&mut self, what: &str, (value, limit): (f64, f64), unit: &str) {
        self.judge(value <= limit, what, format_args!("{} {unit}; at most {}", Figure(value), Figure(limit)));
    }

    /// Notes whether something that is no number is as promised.
    pub fn judge(&mut self, kept: bool, what: &str, found: impl Display) {
        let word = if kept { "holds " } else { "MISSED" };
        *(if kept { &mut self.kept } else { &mut self.missed }) += 1;
        say(format_args!("{word}  {what:<58} {found}"));
    }

    /// Notes a promise that could not be measured here, and why.
    pub fn unmeasured(&mut self, what: &str, why: impl Display) {
        self.unmeasured += 1;
        say(format_args!("UNKNOWN {what:<57} {why}"));
    }

    /// Ends the report; a missed promise makes the program end with status 1.
    #[must_use]
    pub fn end(self) -> ExitCode {
        let Report { kept, missed, unmeasured } = self;
        let load = load();
        say(format_args!("{kept} hold, {missed} missed, {unmeasured} not measured (load after {load})"));
        if missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Runs a benchmark and says why when it could not be run.
pub fn run(benchmark: impl FnOnce() -> Result<ExitCode, BenchError>) -> ExitCode {
    match benchmark() {
        Ok(code) => code,
        Err(err) => {
            let mut text = err.to_string();
            let mut cause = std::error::Error::source(&err);
            while let Some(err) = cause {
                text = format!("{text}: {err}");
                cause = err.source();
            }
            say(format_args!("could not be run: {text}"));
            ExitCode::from(70)
        }
    }
}

fn load() -> String {
    let text = std::fs::read_to_string(LOAD).unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// A reader that went away is no reason to stop.
fn say(line: std::fmt::Arguments<'_>) {
    drop(writeln!(io::stdout(), "{line}"));
}
