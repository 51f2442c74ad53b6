//! Reaching a host and asking it everything in one conversation: over SSH, on this machine, or from a
//! recorded capture.
//!
//! One POSIX `sh` is fed a program on its standard input and answers with framed, nonce-marked records
//! (docs/formats/conversation.md). Every wait and every buffer has a limit, so a hostile or broken host
//! can stall, lie or shout, and cannot confuse one probe's answer with another's, exhaust memory or hold
//! a worker.
//!
//! It does not know rules or results, stores nothing, reads no configuration, never retries, and has no
//! call that transfers a file or changes a host (EXE-16).

pub mod capture;
mod converse;
mod driver;
mod error;
pub mod frame;
mod key;
mod limits;
mod local;
mod pipe;
mod ssh;
mod target;

pub use capture::{Capture, CaptureError, Recorded};
pub use converse::{Conversation, Progress, Request, converse};
pub use driver::{PATH, TOOLS, quote};
pub use error::{ConverseError, HostKeyRefusal, Said, SudoRefusal, TransportError};
pub use key::{KeyError, PrivateKey, load_private_key, public_fingerprint};
pub use limits::Limits;
pub use ssh::agent_keys;
pub use target::{
    AuthMethod, Credentials, HostKey, HostKeyCheck, Privilege, PrivilegeUsed, SshTarget, Target,
};
