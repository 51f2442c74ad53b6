//! Decisions, and nothing else: what changed, what a host scores, what a control is worth, what two
//! postures differ in, how a scan ends. Pure: no I/O, no clock, no randomness.

pub mod changes;
pub mod diff;
pub mod graph;
pub mod observed;
pub mod outcome;
pub mod score;

pub use changes::{Change, CurrentResult, PriorState, changes};
pub use diff::{DiffKind, PostureRow, RuleDiff, diff};
pub use outcome::{FailOn, HostOutcome, Verdict, verdict};
pub use score::{Counts, CriticalFailure, SCORE_DEFINITION, Score, control_status};
