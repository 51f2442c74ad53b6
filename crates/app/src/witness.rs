//! Witnesses (docs/formats/witness.md): a server that cosigns checkpoints of other logs, and the client that has
//! ours cosigned.
//!
//! With TLS or without. What may be cosigned is decided in `ledger::witness`.

mod configured;
mod folder;
mod http;
mod lag;
mod seen;
mod serve;
mod submit;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use configured::ConfiguredPolicy;
pub use configured::read_policy;
pub use lag::ALARM_SECONDS;
pub use seen::Seen;
pub(crate) use seen::seen_note;
pub use serve::{Options, Server};
pub use submit::{Outcome, Submitted};
