//! What every database under the store must do, told by subject. One binary, so that it is built once.
//!
//! A second database joins as another constructor of [`bench::Bench`]; the stories do not change.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by panicking")]
#![allow(clippy::wildcard_enum_match_arm, reason = "any other answer than the one expected ends the test")]

mod applying;
mod atomic;
mod audits;
mod bench;
mod bytes;
mod claims;
mod claims_as_of;
mod closing;
mod cosignatures;
mod counting;
mod entries;
mod graph;
mod hosts;
mod keys;
mod leases;
mod limits;
mod moment;
mod naive;
mod opening;
mod posture;
mod raw;
mod refusal;
mod registry;
mod replays;
mod schema;
mod story;
mod tamper;
mod times;
