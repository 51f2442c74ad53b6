//! File formats of the hosts we scan, each with its own rules of precedence, quoting and comments.
//!
//! Pure text in, values with their line out. Nothing here decides anything.

pub(crate) mod audit;
pub(crate) mod boot;
pub(crate) mod glob;
pub(crate) mod keyvalue;
pub(crate) mod modprobe;
pub(crate) mod mounts;
pub(crate) mod passwd;
pub(crate) mod sysctl_d;

#[cfg(test)]
mod tests;
