//! The lines between outputs: their grammar, read strictly, and how a replay writes them.

use crate::frame::Nonce;

/// Longest text of a frame line after the nonce. Bytes.
pub(super) const LINE_BYTES_MAX: usize = 64;

/// One frame line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// `S frame clock`: its output follows.
    Start { frame: usize, clock_ms: Option<u64> },
    /// `E frame exit clock`: its output is over.
    End { frame: usize, exit: i32, clock_ms: Option<u64> },
    /// `B count`: no more frames.
    Bye { count: usize },
    /// `P word`: said before the first frame, about privilege.
    Notice { word: String },
}

/// Reads a line without its nonce and line feed; `None` when it is not one.
pub(super) fn parse(text: &[u8]) -> Option<Line> {
    let text = std::str::from_utf8(text).ok()?;
    let fields: Vec<&str> = text.split(' ').collect();
    match fields.as_slice() {
        ["S", frame, clock] => Some(Line::Start { frame: number(frame)?, clock_ms: self::clock(clock)? }),
        ["E", frame, exit, clock] => {
            let exit = i32::try_from(number(exit)?).ok().filter(|exit| *exit <= 255)?;
            Some(Line::End { frame: number(frame)?, exit, clock_ms: self::clock(clock)? })
        }
        ["B", count] => Some(Line::Bye { count: number(count)? }),
        ["P", word] if word.bytes().all(|b| b.is_ascii_lowercase()) => {
            Some(Line::Notice { word: (*word).to_owned() })
        }
        _ => None,
    }
}

fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Reads the host's seconds since boot, two decimals, or `-` where it cannot tell. Milliseconds.
#[expect(clippy::option_option, reason = "outer: is it a clock; inner: does the host have one")]
fn clock(text: &str) -> Option<Option<u64>> {
    if text == "-" {
        return Some(None);
    }
    let (seconds, hundredths) = text.split_once('.')?;
    if hundredths.len() != 2 {
        return None;
    }
    let (seconds, hundredths) = (number(seconds)?, number(hundredths)?);
    Some(Some(seconds as u64 * 1000 + hundredths as u64 * 10))
}

/// Writes the bytes of one stream for one answered frame, as the driving shell would.
///
/// `ran_ms` is how long the frame ran on the host's clock, in steps of 10 ms.
#[must_use]
pub fn render_answer(nonce: &Nonce, frame: usize, exit: i32, ran_ms: u64, output: &[u8]) -> Vec<u8> {
    let nonce = nonce.as_str();
    let mut bytes = format!("\n{nonce} S {frame} 0.00\n").into_bytes();
    bytes.extend_from_slice(output);
    let (seconds, hundredths) = (ran_ms / 1000, ran_ms % 1000 / 10);
    bytes.extend(format!("\n{nonce} E {frame} {exit} {seconds}.{hundredths:02}\n").into_bytes());
    bytes
}
