//! Choosing what is run: by rule, tag, severity and profile, and the lens of a framework.

use crate::support::{
    World, assert_code, assert_refused, at, host, key, measured, one_host, statuses, world,
};

#[test]
fn a_name_that_does_not_exist_is_refused_with_the_nearest_one_before_any_host_is_contacted() {
    let (world, host) = (world(), host());
    // (option, wrong name, words that must be shown)
    let table = [
        ("--rule", "sshd_permit_root_logn", "sshd_permit_root_login"),
        ("--tag", "basline", "baseline"),
        ("--profile", "baselin", "baseline"),
        ("--framework", "ciss", "cis"),
        ("--severity", "hgh", "high"),
        ("--fail-on", "hgh", "high"),
        ("--fail-on", "nevr", ", never"),
    ];
    for (option, wrong, near) in table {
        let done = world.scan(&host, &["--quiet", option, wrong]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(64), ""), "{option}: {done:#?}");
        assert!(done.stderr.contains(wrong) && done.stderr.contains(near), "{option}: {}", done.stderr);
    }
    assert_refused(&world.scan(&host, &["--quiet", "--rule", "a\x1b[2J"]), 64, "rule");
    assert_eq!(crate::support::logins(&host.sshd_log().unwrap()), 0);
}

fn count(world: &World, host: &testkit::host::TestHost, words: &[&str]) -> (usize, bool) {
    let mut all = vec!["--format", "json", "--fail-on", "never"];
    all.extend(words);
    let document = one_host(&world.scan(host, &all));
    let measured = measured(&document);
    (measured["results"].as_array().unwrap().len(), measured["scan"]["is_full"].as_bool().unwrap())
}

#[test]
fn each_option_narrows_the_scan_and_a_narrowed_scan_is_not_a_full_one() {
    let (world, host) = (world(), host());
    let only = |words: &[&str]| {
        let (n, full) = count(&world, &host, words);
        assert!(!full, "{words:?} is no full scan");
        n
    };
    assert_eq!(only(&["--rule", "sshd_permit_root_login"]), 1);
    assert_eq!(only(&["--rule", "sshd_permit_root_login", "--rule", "sshd_permit_empty_passwords"]), 2);
    let (ssh, high) = (only(&["--tag", "ssh"]), only(&["--severity", "high"]));
    let both = only(&["--tag", "ssh", "--severity", "high"]);
    assert!(both >= 1 && both < ssh && both < high, "{both} of {ssh} and of {high}");
    let baseline = only(&["--profile", "baseline"]);
    assert!(baseline > both, "{baseline}");
    assert_eq!(only(&["--tag", "ssh", "--rule", "sshd_permit_root_login"]), 1);
}

#[test]
fn a_lens_shows_only_mapped_rules_and_measures_all_the_same() {
    let (world, host) = (world(), host());
    let done = world.scan(&host, &["--format", "json", "--framework", "cis", "--tag", "ssh"]);
    assert_code(&done, 2);
    let seen = one_host(&done);
    let shown = statuses(&seen).len() as u64;
    let run = world.last_scan(&at("root", &host));
    let recorded: u64 = ["pass_count", "fail_count", "skipped_count", "error_count", "not_applicable_count"]
        .iter()
        .map(|field| run[field].as_u64().unwrap())
        .sum();
    assert!(shown >= 1 && shown <= recorded, "{shown} of {recorded}");
    for result in measured(&seen)["results"].as_array().unwrap() {
        assert!(result["controls"].to_string().contains("\"cis\""), "{result:#}");
    }
}

#[test]
fn a_host_keeps_its_own_profile_and_runs_it_as_its_full_scan() {
    let (world, host) = (world(), host());
    let (target, key) = (at("root", &host), key(&host));
    let added =
        world.plumb(&["host", "add", &target, "--name", "web-1", "-i", &key, "--profile", "baseline"]);
    assert_code(&added, 0);
    let done = world.plumb(&["scan", "web-1", "--format", "json"]);
    assert_code(&done, 2);
    let scan = &measured(&one_host(&done))["scan"].clone();
    assert_eq!((scan["is_full"].as_bool(), scan["profile_id"].as_str()), (Some(true), Some("baseline")));
    let wrong = world.plumb(&["host", "add", "root@192.0.2.1", "--profile", "baselin"]);
    assert_refused(&wrong, 64, "baselin");
}
