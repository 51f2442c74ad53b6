//! End to end: the built `plumb` against real hosts with a real `sshd`, as a user drives it.
//!
//! One binary, so that one link serves all. Needs root, and fails without, for a test that was skipped
//! has shown nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests that cannot go on ends its test")]

/// Makes a test of a story for each database: `story::sqlite` and `story::postgres`.
macro_rules! on_each {
    ($story:ident) => {
        on_each!($story, #[test]);
    };
    ($story:ident, #[$test:meta]) => {
        mod $story {
            use crate::support::On;

            #[$test]
            fn sqlite() {
                super::$story(On::Sqlite);
            }

            #[$test]
            fn postgres() {
                super::$story(On::Postgres);
            }
        }
    };
}

mod bad_input;
mod checking;
mod cli;
mod content;
mod continued;
mod copying;
mod crash;
mod crosscheck;
mod database;
mod demo;
mod facts;
mod faults;
mod formats;
mod homes;
mod inventory;
mod keeper;
mod lens;
mod live;
mod many;
mod matrix;
mod ours;
mod posture;
mod profiles;
mod proof;
mod prove;
mod quiet;
mod record;
mod repair;
mod retention;
mod scan;
mod server;
mod server_edges;
mod server_faults;
mod shapes;
mod ssh;
mod statements;
mod strangers;
mod support;
mod tampering;
mod traps;
mod walks;
mod witness;
