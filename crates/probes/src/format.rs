//! File formats of the hosts we scan, each with its own rules of precedence, quoting and comments.
//!
//! Pure text in, values with their line out. Nothing here decides anything.

pub mod audit;
pub mod boot;
pub mod glob;
pub mod keyvalue;
pub mod modprobe;
pub mod mounts;
pub mod passwd;
pub mod sysctl_d;

#[cfg(test)]
mod tests;
