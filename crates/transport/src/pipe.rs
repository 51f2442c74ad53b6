//! The byte streams of one driving shell, wherever it runs: an SSH channel or a local child.
//! Knows nothing of frames.

use russh::ChannelMsg;
use russh::client::Msg;
use russh::{ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::frame::Channel;

/// Size of one read from a local child. Bytes.
const READ_BYTES: usize = 32 << 10;
/// The extended data type of standard error (RFC 4254, section 5.2).
const SSH_EXTENDED_DATA_STDERR: u32 = 1;

/// What a driving shell did next.
#[derive(Debug)]
pub(crate) enum Event {
    Bytes(Channel, Vec<u8>),
    /// No more will come. `orderly` when the other side said so itself; false when the link is gone.
    Closed {
        orderly: bool,
    },
}

/// Where programs are written to.
pub(crate) enum Input {
    Ssh(ChannelWriteHalf<Msg>),
    Local(ChildStdin),
}

/// Where answers come from.
pub(crate) enum Output {
    Ssh { channel: ChannelReadHalf, orderly: bool },
    Local { stdout: Option<ChildStdout>, stderr: Option<ChildStderr> },
}

/// One driving shell.
pub(crate) struct Pipe {
    pub(crate) input: Input,
    pub(crate) output: Output,
}

impl Input {
    /// Writes all of `bytes`. A shell that is gone is no error here: its output says so.
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) {
        match self {
            Self::Ssh(channel) => {
                let _gone = channel.data_bytes(bytes).await.is_err();
            }
            Self::Local(stdin) => {
                let _gone = stdin.write_all(&bytes).await.is_err();
            }
        }
    }
}

impl Output {
    /// Waits for the next event. May be dropped and called again without losing anything.
    pub(crate) async fn next(&mut self) -> Event {
        match self {
            Self::Ssh { channel, orderly } => next_of_channel(channel, orderly).await,
            Self::Local { stdout, stderr } => next_of_child(stdout, stderr).await,
        }
    }
}

async fn next_of_channel(channel: &mut ChannelReadHalf, orderly: &mut bool) -> Event {
    loop {
        let Some(message) = channel.wait().await else {
            return Event::Closed { orderly: *orderly };
        };
        if let ChannelMsg::Data { data } = message {
            return Event::Bytes(Channel::Stdout, data.to_vec());
        }
        if let ChannelMsg::ExtendedData { data, ext: SSH_EXTENDED_DATA_STDERR } = message {
            return Event::Bytes(Channel::Stderr, data.to_vec());
        }
        if matches!(message, ChannelMsg::Failure) {
            // The shell could not be started.
            return Event::Closed { orderly: true };
        }
        // Output may still follow until the channel is closed. Eof, window adjustments and success say
        // nothing to us.
        *orderly |= matches!(
            message,
            ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. } | ChannelMsg::Close
        );
    }
}

async fn next_of_child(stdout: &mut Option<ChildStdout>, stderr: &mut Option<ChildStderr>) -> Event {
    let mut out = vec![0; READ_BYTES];
    let mut err = vec![0; READ_BYTES];
    loop {
        let (channel, read) = match (stdout.as_mut(), stderr.as_mut()) {
            (Some(o), Some(e)) => tokio::select! {
                read = o.read(&mut out) => (Channel::Stdout, read),
                read = e.read(&mut err) => (Channel::Stderr, read),
            },
            (Some(o), None) => (Channel::Stdout, o.read(&mut out).await),
            (None, Some(e)) => (Channel::Stderr, e.read(&mut err).await),
            (None, None) => return Event::Closed { orderly: true },
        };
        let len = read.unwrap_or(0);
        let mut bytes = match channel {
            Channel::Stdout => std::mem::take(&mut out),
            Channel::Stderr => std::mem::take(&mut err),
        };
        if len > 0 {
            bytes.truncate(len);
            return Event::Bytes(channel, bytes);
        }
        match channel {
            Channel::Stdout => *stdout = None,
            Channel::Stderr => *stderr = None,
        }
    }
}
