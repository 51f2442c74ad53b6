//! What every database under the store must do, told by subject. One binary, so that it is built once.
//!
//! A story that says [`on_each!`] is told on SQLite and on PostgreSQL; what belongs to one of them alone says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by panicking")]
#![allow(clippy::wildcard_enum_match_arm, reason = "any other answer than the one expected ends the test")]

/// Makes a test of a story for each database: `story::sqlite` and `story::postgres`. A number of threads may follow.
macro_rules! on_each {
    ($story:ident) => {
        on_each!($story, #[tokio::test]);
    };
    ($story:ident, $threads:literal) => {
        on_each!($story, #[tokio::test(flavor = "multi_thread", worker_threads = $threads)]);
    };
    ($story:ident, #[$test:meta]) => {
        mod $story {
            use crate::bench::On;

            #[$test]
            async fn sqlite() {
                super::$story(On::Sqlite).await;
            }

            #[$test]
            async fn postgres() {
                super::$story(On::Postgres).await;
            }
        }
    };
}

mod applying;
mod atomic;
mod attack;
mod audits;
mod authorizer;
mod bench;
mod bytes;
mod capabilities;
mod catalog;
mod claims;
mod claims_as_of;
mod closing;
mod copying;
mod cosignatures;
mod counting;
mod entries;
mod faults;
mod forms;
mod graph;
mod guards;
mod handles;
mod hosts;
mod isolation;
mod keys;
mod leases;
mod limits;
mod moment;
mod naive;
mod names;
mod observed;
mod opening;
mod parity;
mod posture;
mod raw;
mod refusal;
mod registry;
mod repairing;
mod replays;
mod schema;
mod statements;
mod story;
mod tamper;
mod tenants;
mod times;
mod trips;
mod upgrading;
mod writers;
