//! What the benchmark programs share: figures and promises, timing a program, a scanned test host.
//!
//! Each program under `src/bin` stands for one promise and prints ratios against a floor or a peer that
//! it measured in the same run; README.md says what each compares. Nothing here is run by the tests.

pub mod audit;
pub mod bare;
pub mod book;
pub mod bulk;
pub mod command;
pub mod error;
pub mod figures;
pub mod hostcost;
pub mod report;
pub mod scene;
pub mod server;

pub use error::BenchError;
