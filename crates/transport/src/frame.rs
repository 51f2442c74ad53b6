//! The framed answers of a host: a decoder that is pure over bytes, and the writer that a replay uses.
//!
//! Around every probe's output the driving shell writes a line with the nonce to both streams; what
//! stands between two lines is that probe's output, to the byte (docs/formats/conversation.md). The
//! decoder holds at most what it was told to keep. It does no I/O and reads no clock.

mod line;
mod stream;

use std::fmt;

use model::{Digest, Ending};

pub use line::render_answer;
use stream::{Item, Stream};

use crate::error::Said;
use crate::limits::Limits;

/// 128 random bits that mark a conversation's own lines; 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Makes a nonce of 16 random bytes.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(random.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce")
    }
}

/// One of the two streams that a host answers on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Stdout,
    Stderr,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        })
    }
}

/// What one frame may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Longest it may run. Milliseconds.
    pub timeout_ms: u32,
    /// Most bytes of standard output that are kept.
    pub keep_bytes_max: usize,
    /// Most bytes of standard output that are read.
    pub read_bytes_max: usize,
}

/// Bytes that are not a conversation. `frame` counts from 0, the hello.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("more than {limit} bytes came on {channel} before the first frame")]
    Banner { channel: Channel, limit: usize },
    #[error("more than {limit} bytes came on {channel} between two frames")]
    Stray { channel: Channel, limit: usize },
    #[error("a frame line on {channel} is malformed: {line}")]
    Malformed { channel: Channel, line: Said },
    #[error("a frame line on {channel} is out of order: {line}")]
    OutOfOrder { channel: Channel, line: String },
    #[error("the two streams disagree about frame {frame}")]
    Disagree { frame: usize },
    /// A frame's output is larger than it may be.
    #[error("frame {frame} has more than {limit} bytes on {channel}")]
    Oversize { frame: usize, channel: Channel, limit: usize },
    #[error("all answers together are larger than {limit} bytes")]
    Kept { frame: usize, limit: usize },
}

/// One decoded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub ending: Ending,
    pub stdout: Vec<u8>,
    pub stdout_len: u64,
    pub stdout_sha256: Digest,
    pub stderr: Vec<u8>,
    pub started_ms: u64,
    pub ended_ms: u64,
}

/// Decodes the two streams of one conversation, piece by piece as they arrive.
#[derive(Debug)]
pub struct Decoder {
    budgets: Vec<Budget>,
    limits: Limits,
    stdout: Stream,
    stderr: Stream,
    kept_bytes: usize,
}

impl Decoder {
    /// Makes a decoder that expects no frame yet.
    #[must_use]
    pub fn new(nonce: &Nonce, limits: &Limits) -> Self {
        Self {
            budgets: Vec::new(),
            limits: limits.clone(),
            stdout: Stream::new(nonce, Channel::Stdout),
            stderr: Stream::new(nonce, Channel::Stderr),
            kept_bytes: 0,
        }
    }

    /// Expects one more frame, after all those expected before.
    pub fn expect(&mut self, budget: Budget) {
        self.budgets.push(budget);
    }

    /// Takes the next bytes of one stream, seen `at_ms` milliseconds after the conversation began.
    ///
    /// # Errors
    /// [`FrameError`]; the decoder must not be used further.
    pub fn push(&mut self, channel: Channel, bytes: &[u8], at_ms: u64) -> Result<(), FrameError> {
        let stream = match channel {
            Channel::Stdout => &mut self.stdout,
            Channel::Stderr => &mut self.stderr,
        };
        let mut rest = bytes;
        while let Some(item) = stream.next(&mut rest)? {
            match item {
                Item::Data(data) => {
                    let kept = stream.take(data, &self.budgets, &self.limits)?;
                    self.kept_bytes += kept;
                    if self.kept_bytes > self.limits.kept_bytes_max {
                        let limit = self.limits.kept_bytes_max;
                        return Err(FrameError::Kept { frame: stream.frame(), limit });
                    }
                }
                Item::Line(line) => stream.turn(&line, self.budgets.len(), at_ms)?,
            }
        }
        self.compare()
    }

    /// Returns how many frames both streams have ended.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.stdout.parts.len().min(self.stderr.parts.len())
    }

    /// Tells whether both streams have said goodbye after all expected frames.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stdout.is_over() && self.stderr.is_over()
    }

    /// Returns the first bytes of a stream, before its first frame.
    #[must_use]
    pub fn banner(&self, channel: Channel) -> &[u8] {
        match channel {
            Channel::Stdout => &self.stdout.banner,
            Channel::Stderr => &self.stderr.banner,
        }
    }

    /// Returns the word of the notice that came before the first frame, if one did.
    pub(crate) fn notice(&self) -> Option<&str> {
        self.stdout.notice.as_deref()
    }

    /// Moves the answer of frame `frame` out, once both streams have ended it.
    #[must_use]
    pub fn take_answer(&mut self, frame: usize) -> Option<Answer> {
        let timeout_ms = u64::from(self.budgets.get(frame)?.timeout_ms);
        let (out, err) = (self.stdout.parts.get_mut(frame)?, self.stderr.parts.get_mut(frame)?);
        Some(Answer {
            ending: out.ending(timeout_ms),
            stdout: std::mem::take(&mut out.kept),
            stdout_len: out.len,
            stdout_sha256: out.digest(),
            stderr: std::mem::take(&mut err.kept),
            started_ms: out.started_ms,
            ended_ms: out.ended_ms,
        })
    }

    /// Checks that the streams agree on what both have ended (only the newest pair can be unchecked).
    fn compare(&mut self) -> Result<(), FrameError> {
        let both = self.answered();
        while self.stdout.compared < both {
            let frame = self.stdout.compared;
            let pair = (self.stdout.parts.get(frame), self.stderr.parts.get(frame));
            if let (Some(out), Some(err)) = pair
                && !out.agrees_with(err)
            {
                return Err(FrameError::Disagree { frame });
            }
            self.stdout.compared += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
