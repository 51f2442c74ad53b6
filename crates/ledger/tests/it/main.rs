//! The ledger from outside: proofs as files, and the agreement with programs that others wrote.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests that cannot go on ends its test")]
#![allow(clippy::print_stdout, reason = "tests say how many cases they tried")]

mod bundles;
mod cases;
mod go;
mod golden;
mod log;
mod notes;
mod proof;
mod python;
mod renders;
mod tamper;
mod trees;
