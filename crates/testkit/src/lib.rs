//! What the tests of every crate share: real hosts with a real `sshd`, a PostgreSQL server, links that delay or break,
//! a runner for the built binary, checkers of
//! documents that others wrote, waiting on a condition, and a small mutation fuzzer.
//!
//! Not a normal dependency of anything: only `[dev-dependencies]`, `xtask` and `benches` may name it. It
//! knows nothing of rules, scans or ledgers, so that a test's truth is never made by the code
//! under test. Nothing here skips: what cannot be provided is an error that says what is missing.

pub mod cache;
pub mod fuzz;
pub mod host;
pub mod net;
pub mod outside;
pub mod plumb;
pub mod postgres;
pub mod process;
pub mod wait;
