//! Waiting ends with the condition or with the limit.

use std::time::Duration;

use testkit::wait;

#[test]
fn a_condition_that_comes_true_ends_the_wait() {
    let mut looks = 0;
    let came = wait::until(wait::LONG, || {
        looks += 1;
        looks == 3
    });
    assert!(came);
    assert_eq!(looks, 3);
}

#[test]
fn a_condition_that_never_holds_runs_into_the_limit() {
    assert!(!wait::until(Duration::from_millis(20), || false));
}

#[test]
fn the_condition_is_looked_at_even_when_there_is_no_time() {
    assert!(wait::until(Duration::ZERO, || true));
}
