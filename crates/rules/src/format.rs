//! File formats of the hosts we scan, each with its own rules of precedence, quoting and comments.
//!
//! Pure text in, values with their line out. Nothing here knows about rules or probes.

pub(crate) mod glob;
pub(crate) mod sysctl_d;
