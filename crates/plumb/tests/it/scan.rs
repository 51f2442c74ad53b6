//! Scans of real hosts: what is shown, what is recorded, what it costs, and what the exit status says.

use crate::support::{assert_code, at, host, measured, one_host, world};

#[test]
fn a_first_scan_measures_a_host_and_a_second_one_changes_nothing() {
    let (world, host) = (world(), host());
    let first = world.scan(&host, &["--format", "json"]);
    assert_code(&first, 2);
    let first = one_host(&first);
    let name = at("root", &host);
    let run = world.last_scan(&name);
    eprintln!("{run:#} {}", first["counts"]);
    assert!(measured(&first)["results"].as_array().unwrap().len() > 100);
}
