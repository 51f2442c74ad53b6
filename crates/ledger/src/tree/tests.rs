//! Tests of the tree.
use std::cell::Cell;
thread_local! { static HASHES: Cell<u64> = const { Cell::new(0) }; }
/// Counts a computed hash, for the tests of LED-15.
pub(crate) fn count_hash() {
    HASHES.with(|count| count.set(count.get() + 1));
}
