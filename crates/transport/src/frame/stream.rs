//! One of the two streams: finds the marked lines in it and keeps what belongs between them.

use std::fmt;

use model::{Digest, Ending};
use sha2::{Digest as _, Sha256};

use super::line::{self, LINE_BYTES_MAX, Line};
use super::{Budget, Channel, FrameError, Nonce};
use crate::error::Said;
use crate::limits::Limits;

/// Exit codes of a command that `timeout` or the watchdog ended: 124, and 128 plus TERM or KILL.
const EXITS_WHEN_ENDED: [i32; 3] = [124, 143, 137];

/// The next thing in a stream.
pub(super) enum Item<'a> {
    Data(Data<'a>),
    Line(Line),
}

/// Output bytes: of the input, or the start of the mark that turned out to be none (by length).
#[derive(Clone, Copy)]
pub(super) enum Data<'a> {
    Input(&'a [u8]),
    Mark(usize),
}

/// Where in the conversation a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Banner,
    Between,
    Inside,
    Over,
}

/// What one stream says about one frame.
#[derive(Default)]
pub(super) struct Part {
    pub(super) kept: Vec<u8>,
    pub(super) len: u64,
    hash: Sha256,
    exit: i32,
    clocks_ms: (Option<u64>, Option<u64>),
    pub(super) started_ms: u64,
    pub(super) ended_ms: u64,
}

pub(super) struct Stream {
    channel: Channel,
    /// Line feed, nonce, space: what every marked line begins with. A line feed stands only at its
    /// start, so a failed match can begin anew only at the byte that failed it.
    mark: Vec<u8>,
    /// How many bytes of `mark` the stream ends with.
    matched: usize,
    /// The text of a marked line so far; `None` outside one.
    line: Option<Vec<u8>>,
    place: Place,
    stray_bytes: usize,
    pub(super) banner: Vec<u8>,
    pub(super) notice: Option<String>,
    current: Part,
    /// Ended frames, in order.
    pub(super) parts: Vec<Part>,
    /// How many ended frames were compared with the other stream.
    pub(super) compared: usize,
}

impl Stream {
    pub(super) fn new(nonce: &Nonce, channel: Channel) -> Self {
        Self {
            channel,
            mark: format!("\n{} ", nonce.as_str()).into_bytes(),
            matched: 0,
            line: None,
            place: Place::Banner,
            stray_bytes: 0,
            banner: Vec::new(),
            notice: None,
            current: Part::default(),
            parts: Vec::new(),
            compared: 0,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// The frame that is open or comes next.
    pub(super) fn frame(&self) -> usize {
        self.parts.len()
    }

    /// Cuts the next item off `rest`; `None` when `rest` is used up.
    pub(super) fn next<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Item<'a>>, FrameError> {
        while !rest.is_empty() {
            if let Some(line) = self.line.as_mut() {
                let end = rest.iter().position(|byte| *byte == b'\n');
                let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
                line.extend_from_slice(&text[..text.len().min(LINE_BYTES_MAX + 1)]);
                let too_long = line.len() > LINE_BYTES_MAX;
                if end.is_none() && !too_long {
                    *rest = after;
                    continue;
                }
                let line = self.line.take().unwrap_or_default();
                let parsed = if too_long { None } else { line::parse(&line) };
                *rest = after.get(1..).unwrap_or_default();
                return match parsed {
                    Some(line) => Ok(Some(Item::Line(line))),
                    None => Err(FrameError::Malformed { channel: self.channel, line: Said::start(&line) }),
                };
            }
            if let Some(data) = self.match_mark(rest) {
                return Ok(Some(Item::Data(data)));
            }
        }
        Ok(None)
    }

    /// Goes on looking for the mark; returns bytes that are certainly not part of one.
    fn match_mark<'a>(&mut self, rest: &mut &'a [u8]) -> Option<Data<'a>> {
        if self.matched == 0 {
            let start = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let (data, after) = rest.split_at(start);
            self.matched = usize::from(!after.is_empty());
            *rest = after.get(1..).unwrap_or_default();
            return (!data.is_empty()).then_some(Data::Input(data));
        }
        let wanted = &self.mark[self.matched..];
        let same = wanted.iter().zip(rest.iter()).take_while(|(a, b)| a == b).count();
        *rest = &rest[same..];
        self.matched += same;
        if self.matched == self.mark.len() {
            self.matched = 0;
            self.line = Some(Vec::new());
            return None;
        }
        if rest.is_empty() {
            return None;
        }
        Some(Data::Mark(std::mem::take(&mut self.matched)))
    }

    /// Takes output where the stream is; returns how many bytes more are kept.
    pub(super) fn take(
        &mut self,
        data: Data<'_>,
        budgets: &[Budget],
        limits: &Limits,
    ) -> Result<usize, FrameError> {
        let bytes = match data {
            Data::Input(bytes) => bytes,
            Data::Mark(len) => &self.mark[..len],
        };
        match self.place {
            Place::Banner => {
                if self.banner.len() + bytes.len() > limits.banner_bytes_max {
                    let limit = limits.banner_bytes_max;
                    return Err(FrameError::Banner { channel: self.channel, limit });
                }
                self.banner.extend_from_slice(bytes);
                Ok(0)
            }
            Place::Between | Place::Over => {
                self.stray_bytes = self.stray_bytes.saturating_add(bytes.len());
                if self.stray_bytes > limits.stray_bytes_max {
                    let limit = limits.stray_bytes_max;
                    return Err(FrameError::Stray { channel: self.channel, limit });
                }
                Ok(0)
            }
            Place::Inside => {
                let frame = self.parts.len();
                let (keep, read) = match (self.channel, budgets.get(frame)) {
                    (Channel::Stdout, Some(budget)) => (budget.keep_bytes_max, budget.read_bytes_max),
                    (Channel::Stderr, Some(_)) => {
                        (limits.stderr_keep_bytes_max, limits.stderr_read_bytes_max)
                    }
                    (Channel::Stdout | Channel::Stderr, None) => (0, 0),
                };
                let kept = self.current.add(bytes, keep, self.channel);
                if self.current.len > read as u64 {
                    let channel = self.channel;
                    return Err(FrameError::Oversize { frame, channel, limit: read });
                }
                Ok(kept)
            }
        }
    }

    /// Moves on by one line; `expected` is how many frames there may be.
    pub(super) fn turn(&mut self, line: &Line, expected: usize, at_ms: u64) -> Result<(), FrameError> {
        let next = self.parts.len();
        match (line, self.place) {
            (Line::Start { frame, clock_ms }, Place::Banner | Place::Between)
                if *frame == next && next < expected =>
            {
                self.place = Place::Inside;
                self.stray_bytes = 0;
                self.current = Part { started_ms: at_ms, ..Part::default() };
                self.current.clocks_ms.0 = *clock_ms;
                Ok(())
            }
            (Line::End { frame, exit, clock_ms }, Place::Inside) if *frame == next => {
                self.place = Place::Between;
                self.current.exit = *exit;
                self.current.clocks_ms.1 = *clock_ms;
                self.current.ended_ms = at_ms;
                self.parts.push(std::mem::take(&mut self.current));
                Ok(())
            }
            (Line::Bye { count }, Place::Between) if *count == next && next == expected => {
                self.place = Place::Over;
                Ok(())
            }
            (Line::Notice { word }, Place::Banner) if self.notice.is_none() => {
                self.notice = Some(word.clone());
                // What came before is a banner; what comes now answers the notice.
                self.banner.clear();
                Ok(())
            }
            (
                Line::Start { .. } | Line::End { .. } | Line::Bye { .. } | Line::Notice { .. },
                Place::Banner | Place::Between | Place::Inside | Place::Over,
            ) => Err(FrameError::OutOfOrder { channel: self.channel, line: format!("{line:?}") }),
        }
    }
}

impl Part {
    /// Counts, hashes and, within `keep`, keeps bytes; returns how many were kept.
    fn add(&mut self, bytes: &[u8], keep: usize, channel: Channel) -> usize {
        self.len += bytes.len() as u64;
        if channel == Channel::Stdout {
            self.hash.update(bytes);
        }
        let room = keep.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        room
    }

    pub(super) fn digest(&self) -> Digest {
        Digest(self.hash.clone().finalize().into())
    }

    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.exit == other.exit && self.clocks_ms == other.clocks_ms
    }

    /// The host's own clock tells whether a command ran out of time, so that a slow network cannot. Where
    /// the host has no clock, the exit codes that `timeout` gives must do.
    pub(super) fn ending(&self, timeout_ms: u64) -> Ending {
        let ended = match self.clocks_ms {
            (Some(start), Some(end)) => end.saturating_sub(start) >= timeout_ms,
            (Some(_) | None, None) | (None, Some(_)) => EXITS_WHEN_ENDED.contains(&self.exit),
        };
        if ended { Ending::TimedOut } else { Ending::Exited(self.exit) }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({} at {:?}, frame {})", self.channel, self.place, self.parts.len())
    }
}
