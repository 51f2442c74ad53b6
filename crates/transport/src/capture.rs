//! Recorded answers of a host, and their replay through the same decoder as a live one.
//!
//! The written form is docs/formats/capture.md. Reads and writes no file.

use std::collections::BTreeMap;
use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Command, Ending, Hello, Output, WireStats};
use serde::{Deserialize, Serialize};

use crate::converse::{Conversation, in_order, observation};
use crate::driver;
use crate::error::{ConverseError, TransportError};
use crate::frame::{Budget, Channel, Decoder, FrameError, Nonce, render_answer};
use crate::limits::Limits;
use crate::target::PrivilegeUsed;

/// Exit code that a replay gives to a probe that ran out of time, as `timeout` does.
const EXIT_TIMED_OUT: i32 = 124;

/// Everything one host answered, by the key of the probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// Always [`Capture::FORMAT`].
    pub format: String,
    /// Where the answers come from, for people: a recorded system, or made by hand after what.
    pub source: String,
    pub hello: Hello,
    pub probes: BTreeMap<String, Recorded>,
}

/// One recorded answer. Either `exit` is set or `timed_out` is true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Exit status, 0 to 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    pub stdout: Output,
    #[serde(default = "empty", skip_serializing_if = "is_empty")]
    pub stderr: Output,
}

/// A capture that cannot be made, read or replayed.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("it is not a capture document")]
    Parse(#[source] serde_json::Error),
    #[error("its format is {0:?}, not \"{FORMAT}\"", FORMAT = Capture::FORMAT)]
    Format(String),
    #[error("the answer to {key} needs either an exit status from 0 to 255 or `timed_out`")]
    Ending { key: String },
    #[error("the {stream} of {key} is not base64")]
    Base64 { key: String, stream: &'static str },
    #[error("the answer to {key} was cut, so it cannot be recorded")]
    Cut { key: String },
}

impl Capture {
    /// Name and version of this shape.
    pub const FORMAT: &'static str = "plumbline.capture/1";

    /// Reads a capture document.
    ///
    /// # Errors
    /// [`CaptureError`] when it is not one, or has another version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, CaptureError> {
        let capture: Self = serde_json::from_slice(bytes).map_err(CaptureError::Parse)?;
        if capture.format != Self::FORMAT {
            return Err(CaptureError::Format(capture.format.chars().take(80).collect()));
        }
        for (key, recorded) in &capture.probes {
            recorded.exit_code(key)?;
            decode(key, "stdout", &recorded.stdout)?;
            decode(key, "stderr", &recorded.stderr)?;
        }
        Ok(capture)
    }

    /// Writes the capture as a JSON document for people and tools.
    ///
    /// # Errors
    /// [`CaptureError::Parse`] when it cannot be written, which no capture is known to cause.
    pub fn to_json(&self) -> Result<String, CaptureError> {
        serde_json::to_string_pretty(self).map_err(CaptureError::Parse)
    }

    /// Records a conversation; commands that were not answered are left out.
    ///
    /// # Errors
    /// [`CaptureError::Cut`] when some output was dropped: a replay could not show all of it.
    pub fn record(conversation: &Conversation, source: &str) -> Result<Self, CaptureError> {
        let mut probes = BTreeMap::new();
        for one in &conversation.observations {
            if one.is_cut() {
                return Err(CaptureError::Cut { key: one.key.clone() });
            }
            let (exit, timed_out) = match one.ending {
                Ending::Exited(exit) => (Some(exit), false),
                Ending::TimedOut => (None, true),
                Ending::NoAnswer => continue,
            };
            let (stdout, stderr) = (encode(&one.stdout), encode(&one.stderr));
            probes.insert(one.key.clone(), Recorded { exit, timed_out, stdout, stderr });
        }
        let hello = conversation.hello.clone();
        Ok(Self { format: Self::FORMAT.to_owned(), source: source.to_owned(), hello, probes })
    }
}

impl Recorded {
    fn exit_code(&self, key: &str) -> Result<i32, CaptureError> {
        match (self.exit, self.timed_out) {
            (Some(exit), false) if (0..=255).contains(&exit) => Ok(exit),
            (None, true) => Ok(EXIT_TIMED_OUT),
            (Some(_), true | false) | (None, false) => Err(CaptureError::Ending { key: key.to_owned() }),
        }
    }
}

/// Answers the plan for the recorded host from the capture; a key that it does not hold has no answer.
pub(crate) fn replay<P, E>(
    capture: &Capture,
    limits: &Limits,
    nonce: &Nonce,
    plan: P,
) -> Result<Conversation, ConverseError<E>>
where
    P: FnOnce(&Hello) -> Result<Vec<Command>, E>,
    E: Error + 'static,
{
    let commands = plan(&capture.hello).map_err(ConverseError::Plan)?;
    let mut decoder = Decoder::new(nonce, limits);
    let mut asked: Vec<&Command> = Vec::new();
    let mut bytes_received = 0;
    for command in &commands {
        driver::check(command)?;
        let Some(recorded) = capture.probes.get(&command.key) else { continue };
        let [stdout, stderr] =
            render(nonce, asked.len(), command, recorded).map_err(TransportError::Capture)?;
        asked.push(command);
        decoder.expect(Budget {
            timeout_ms: command.timeout_ms,
            keep_bytes_max: command.keep_bytes_max,
            read_bytes_max: command.read_bytes_max,
        });
        bytes_received += (stdout.len() + stderr.len()) as u64;
        for (channel, bytes) in [(Channel::Stdout, stdout), (Channel::Stderr, stderr)] {
            decoder.push(channel, &bytes, 0).map_err(|err| failure(err, command))?;
        }
    }
    let observations = asked
        .iter()
        .enumerate()
        .filter_map(|(frame, command)| Some(observation(command, decoder.take_answer(frame)?)))
        .collect();
    Ok(Conversation {
        hello: capture.hello.clone(),
        observations: in_order(&commands, observations),
        wire: WireStats { bytes_received, ..WireStats::default() },
        host_key: None,
        peer: None,
        auth: None,
        privilege: PrivilegeUsed::Login,
    })
}

/// The bytes of both streams for one recorded answer.
fn render(
    nonce: &Nonce,
    frame: usize,
    command: &Command,
    recorded: &Recorded,
) -> Result<[Vec<u8>; 2], CaptureError> {
    let exit = recorded.exit_code(&command.key)?;
    // Rounded up to the clock's step, so that it is never less than the limit.
    let ran_ms = if recorded.timed_out { u64::from(command.timeout_ms).next_multiple_of(10) } else { 0 };
    let stdout = decode(&command.key, "stdout", &recorded.stdout)?;
    let stderr = decode(&command.key, "stderr", &recorded.stderr)?;
    Ok([stdout, stderr].map(|bytes| render_answer(nonce, frame, exit, ran_ms, &bytes)))
}

fn failure(err: FrameError, command: &Command) -> TransportError {
    if let FrameError::Oversize { limit, .. } | FrameError::Kept { limit, .. } = &err {
        return TransportError::Oversize { probe: command.key.clone(), limit: *limit };
    }
    TransportError::Frame(err)
}

fn encode(bytes: &[u8]) -> Output {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => {
            Output::Text(text.to_owned())
        }
        Ok(_) | Err(_) => Output::Base64(STANDARD.encode(bytes)),
    }
}

fn decode(key: &str, stream: &'static str, output: &Output) -> Result<Vec<u8>, CaptureError> {
    match output {
        Output::Text(text) => Ok(text.as_bytes().to_vec()),
        Output::Base64(text) => {
            STANDARD.decode(text).map_err(|_err| CaptureError::Base64 { key: key.to_owned(), stream })
        }
    }
}

fn empty() -> Output {
    Output::Text(String::new())
}

fn is_empty(output: &Output) -> bool {
    *output == empty()
}

#[cfg(test)]
mod tests;
