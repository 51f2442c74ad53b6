//! The crash loop's own words, and that it does not pass where nothing works.

use std::path::Path;

use super::{CrashError, Options, run};

#[test]
fn options_are_read_in_any_order_and_nothing_else_is() {
    let options = Options::read(&["--seed", "7", "--binary", "/b", "--rounds", "3"]).unwrap();
    assert_eq!((options.rounds, options.seed, options.binary.as_deref()), (3, 7, Some(Path::new("/b"))));
    let options = Options::read(&["--postgres", "--seed", "7"]).unwrap();
    assert_eq!((options.rounds, options.seed, options.on_server), (40, 7, true));
    for wrong in [
        &["--rounds"][..],
        &["--rounds", "many"],
        &["--round", "3"],
        &["3"],
        &["--seed", "-1"],
        &["--seed", "1", "--postgres"],
    ] {
        assert!(Options::read(wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn a_binary_that_records_nothing_fails_in_the_first_round() {
    let options = Options::read(&["--rounds", "2", "--seed", "1"]).unwrap();
    let err = run(Path::new("/bin/true"), &options).unwrap_err();
    let CrashError::Failed { round, seed, data, .. } = err else { panic!("{err:?}") };
    assert_eq!((round, seed), (0, 1));
    std::fs::remove_dir_all(data.parent().unwrap()).unwrap();
}
