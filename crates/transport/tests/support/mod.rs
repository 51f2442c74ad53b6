//! What the conversation tests share: asking this machine, and building commands.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod sshd;

use model::{Command, Lane};
use transport::{Conversation, ConverseError, Limits, Privilege, Request, Target, TransportError};

/// A plan that is never refused.
pub(crate) type Outcome = Result<Conversation, ConverseError<std::convert::Infallible>>;

pub(crate) fn command(key: &str, script: &str) -> Command {
    Command {
        key: key.to_owned(),
        script: script.to_owned(),
        timeout_ms: 20_000,
        lane: Lane::Fast,
        keep_bytes_max: 1 << 20,
        read_bytes_max: 10 << 20,
    }
}

pub(crate) async fn ask_target(target: Target, commands: Vec<Command>) -> Outcome {
    ask_within(target, Limits::default(), commands).await
}

pub(crate) async fn ask_within(target: Target, limits: Limits, commands: Vec<Command>) -> Outcome {
    let request = Request { target, limits, nonce_seed: *b"sixteen bytes ok" };
    transport::converse(request, |_hello| Ok(commands), &|_progress| {}).await
}

pub(crate) async fn ask(commands: Vec<Command>) -> Result<Conversation, TransportError> {
    let target = Target::Local { privilege: Privilege::None };
    ask_target(target, commands).await.map_err(transport_error)
}

pub(crate) fn transport_error(err: ConverseError<std::convert::Infallible>) -> TransportError {
    match err {
        ConverseError::Transport(err) => err,
        ConverseError::Plan(never) => match never {},
    }
}
