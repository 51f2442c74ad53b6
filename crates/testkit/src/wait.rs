//! Waiting until a condition holds, with a limit.
//!
//! The one place in the tests that may sleep. It does not measure: a test that asserts how long
//! something took fails on a busy machine.

use std::thread;
use std::time::{Duration, Instant};

/// Enough for anything on this machine that needs no network and no build.
pub const SHORT: Duration = Duration::from_secs(10);

/// Enough for a host to start, a server to come up or a whole scan, on two busy cores.
pub const LONG: Duration = Duration::from_secs(60);

/// Pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(5);

/// Returns true as soon as `condition` does, false when `limit` has passed without that.
///
/// The condition is looked at once more after the limit, so that a machine that was paused in
/// between does not fail a test whose condition holds.
#[must_use = "a wait that ran out is a failure the test has to state"]
pub fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        if condition() {
            return true;
        }
        thread::sleep(POLL);
    }
    condition()
}
