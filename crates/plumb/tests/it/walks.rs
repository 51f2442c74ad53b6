//! Walks of the file system: what they cover, and that one which did not see everything gives no verdict.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use testkit::host::{Sudo, TestHost};

use crate::support::{World, host, measured, one_host, world};

/// A rule that does not walk.
const OTHER: &str = "banner_motd";

/// Scans with the rules that walk and with one that does not; returns the results by rule.
fn walked(world: &World, host: &TestHost, user: &str) -> BTreeMap<String, Value> {
    let listed = world.plumb(&["rules", "list", "--tag", "walk"]).stdout;
    let rules = listed.lines().skip(1).filter_map(|line| line.split('\t').next());
    let mut words = vec!["--format", "json"];
    words.extend(rules.chain([OTHER]).flat_map(|rule| ["--rule", rule]));
    let document = one_host(&world.scan_as(user, host, &words));
    let results = measured(&document)["results"].as_array().unwrap();
    results.iter().map(|result| (result["rule_id"].as_str().unwrap().to_owned(), result.clone())).collect()
}

/// Asserts that no rule that walks has a verdict, all for this reason, and that the other rule has one.
#[track_caller]
fn assert_no_verdict(what: &str, results: &BTreeMap<String, Value>, code: &str) {
    let (other, walks): (Vec<_>, Vec<_>) = results.iter().partition(|(rule, _)| *rule == OTHER);
    assert_eq!(walks.len(), 6, "{what}: {results:#?}");
    let said: BTreeSet<_> = walks
        .iter()
        .map(|(_, result)| (result["status"].as_str(), result["reason"]["code"].as_str()))
        .collect();
    assert_eq!(said, BTreeSet::from([(Some("error"), Some(code))]), "{what}: {results:#?}");
    assert!(["pass", "fail"].contains(&other[0].1["status"].as_str().unwrap()), "{what}: {other:#?}");
}

#[test]
fn a_walk_covers_every_local_file_system_and_enters_no_other() {
    let (world, host) = (world(), host());
    let raise = |path: &str| format!("cp /bin/true {path}; chmod 4755 {path}\n");
    // A file system in memory stands for all that are not of a type of local disks, such as those of a network.
    host.must(&format!("mkdir /srv/away; mount -t tmpfs tmpfs /srv/away\n{}", raise("/srv/away/raise")))
        .unwrap();
    let results = walked(&world, &host, "root");
    assert_eq!(results["walk_setuid"]["status"], "pass", "{results:#?}");

    // A second disk, and on it a name that tries to be the record of another file.
    host.must(&format!(
        "mkdir '/srv/a disk' /srv/one; mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work\n\
         mount -t overlay -o lowerdir=/srv/one,upperdir=/mnt/upper,workdir=/mnt/work overlay '/srv/a disk'\n{}",
        raise("'/srv/a disk/raise'") + &raise("\"/srv/a disk/$(printf '\\nsetgid:2755:root:root:x')\"")
    ))
    .unwrap();
    let results = walked(&world, &host, "root");
    assert_eq!(results["walk_setuid"]["status"], "fail", "{results:#?}");
    let found = results["walk_setuid"]["actual"].to_string();
    assert!(found.contains("/srv/a disk/raise") && !found.contains("/srv/away"), "{found}");
    assert_eq!(results["walk_setgid"]["status"], "pass", "{results:#?}");
}

#[test]
fn a_walk_that_was_cut_short_gives_no_verdict() {
    let (world, host) = (world(), host());
    // Five minutes become one second: the host has no clock, so that the exit status of `timeout` says what
    // happened (docs/formats/conversation.md).
    host.fake_proc("/proc/uptime", "-").unwrap();
    host.must(
        "cat >/usr/sbin/timeout <<'END'\n#!/bin/sh\nif [ \"$3\" = 300.000 ]; then shift 3; set -- -k 2 1 \"$@\"; fi\n\
         exec /usr/bin/timeout \"$@\"\nEND\nchmod 755 /usr/sbin/timeout",
    )
    .unwrap();
    let find = |instead: &str| {
        let program = format!("#!/bin/sh\ncase $* in *maxdepth*) exit 0;; esac\n{instead}\n");
        host.must(&format!("cat >/usr/sbin/find <<'END'\n{program}END\nchmod 755 /usr/sbin/find")).unwrap();
        walked(&world, &host, "root")
    };
    let assert_whole = |results: &BTreeMap<String, Value>| {
        assert!(
            results.iter().all(|(rule, result)| rule == OTHER || result["status"] == "pass"),
            "{results:#?}"
        );
    };
    assert_whole(&find("exec /usr/bin/find \"$@\""));
    // Root may not look at a file system that a user mounted for himself, which is no part of the walk.
    host.must("mkdir '/srv/of a user'; mount -t tmpfs tmpfs '/srv/of a user'").unwrap();
    let closed = "/usr/bin/find \"$@\"; echo \"find: '/srv/of a user': Permission denied\" >&2; exit 1";
    assert_whole(&find(closed));

    // All that it found was well until then, and it had even said so.
    let cases = [
        ("out of time", "/usr/bin/find \"$@\"; exec sleep 600", "budget"),
        ("out of time, with its end mark", "printf '.0\\0'; exec sleep 600", "budget"),
        ("killed", "kill -KILL $$", "tool_failed"),
        ("a read error", "echo \"find: '/srv/x': Input/output error\" >&2; exit 1", "tool_failed"),
    ];
    for (what, instead, code) in cases {
        assert_no_verdict(what, &find(instead), code);
    }

    host.must("rm /usr/sbin/find; mkdir -m 0700 /srv/closed").unwrap();
    host.add_user("reader", "unused", "/bin/sh", Sudo::None).unwrap();
    host.authorize("reader").unwrap();
    assert_no_verdict("a closed folder", &walked(&world, &host, "reader"), "permission_denied");
}
