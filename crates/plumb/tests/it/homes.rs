//! Home directories on real hosts: thousands of them, with hostile names in them, and that those which could not
//! be seen give no verdict.

use std::collections::BTreeMap;

use serde_json::Value;
use testkit::host::{Sudo, TestHost};

use crate::support::{World, host, measured, one_host, world};

/// The rules that look into homes.
const RULES: [&str; 6] =
    ["home_dot_files", "home_history", "home_mode", "home_netrc", "home_no_trust_files", "home_owner"];

/// Scans with the rules on homes; returns the results by rule.
fn looked(world: &World, host: &TestHost, user: &str) -> BTreeMap<String, Value> {
    let mut words = vec!["--format", "json"];
    words.extend(RULES.iter().flat_map(|rule| ["--rule", rule]));
    let document = one_host(&world.scan_as(user, host, &words));
    let results = measured(&document)["results"].as_array().unwrap();
    assert_eq!(results.len(), RULES.len());
    results.iter().map(|result| (result["rule_id"].as_str().unwrap().to_owned(), result.clone())).collect()
}

/// Rules in order, each with its status.
fn statuses(results: &BTreeMap<String, Value>) -> Vec<(&str, &str)> {
    results.iter().map(|(rule, result)| (rule.as_str(), result["status"].as_str().unwrap())).collect()
}

/// Asserts that no rule has a verdict, all for this reason.
#[track_caller]
fn assert_no_verdict(what: &str, results: &BTreeMap<String, Value>, code: &str) {
    for (rule, result) in results {
        assert_eq!(
            (&result["status"], &result["reason"]["code"]),
            (&"error".into(), &code.into()),
            "{what}: {rule}"
        );
    }
}

#[test]
fn one_file_in_one_of_five_thousand_homes_is_found_and_none_is_forged() {
    let (world, host) = (world(), host());
    host.must(
        "chmod 700 /root; mkdir /srv/homes; cd /srv/homes\n\
         awk 'BEGIN{for(i=0;i<5000;i++)print \"user\" i \":x:\" 20000+i \":100:One of many:/srv/homes/user\" i \":/bin/sh\"}' >>/etc/passwd\n\
         awk 'BEGIN{for(i=0;i<5000;i++)print \"user\" i}' | xargs mkdir -m 0750\n\
         awk 'BEGIN{for(i=0;i<5000;i++)print \"chown\", 20000+i, \"user\" i}' | sh",
    )
    .unwrap();
    let all = |status| RULES.map(|rule| (rule, status)).to_vec();
    assert_eq!(statuses(&looked(&world, &host, "root")), all("pass"));

    // A name that tries to be the record of a file of another, one that is no text, and one that is an option.
    host.must(
        "cd /srv/homes/user4999; touch \"$(printf '.x\\nf:777:0:/srv/homes/user1/.\\n.rhosts')\" ./-delete .netrc\n\
         chown 24999 .netrc; chmod 0600 .netrc; ln -s /dev/null .bash_history; mkdir -m 0777 .cache; touch .cache/.rhosts\n\
         ln -s /etc/passwd .profile; echo 'odd:x:30000:100::-delete:/bin/sh' >>/etc/passwd",
    )
    .unwrap();
    assert_eq!(statuses(&looked(&world, &host, "root")), all("pass"));

    host.must(
        "cd /srv/homes/user4999; touch \"$(printf '.\\377\\n')\"; chmod 0646 \"$(printf '.\\377\\n')\"; ln -s none .forward\n\
         chmod 0640 .netrc; rm .bash_history; touch .bash_history; chmod 0604 .bash_history\n\
         chmod 0751 ../user4998; chown 0 ../user4997",
    )
    .unwrap();
    let results = looked(&world, &host, "root");
    assert_eq!(statuses(&results), all("fail"));
    for (rule, path) in [
        ("home_dot_files", "/srv/homes/user4999/."),
        ("home_history", "/srv/homes/user4999/.bash_history"),
        ("home_mode", "/srv/homes/user4998"),
        ("home_netrc", "/srv/homes/user4999/.netrc"),
        ("home_no_trust_files", "/srv/homes/user4999/.forward"),
        ("home_owner", "/srv/homes/user4997"),
    ] {
        let found = results[rule]["actual"].to_string();
        assert!(found.contains(path) && found.matches("/srv/homes").count() == 1, "{rule}: {found}");
    }
}

#[test]
fn a_home_that_could_not_be_seen_gives_no_verdict() {
    let (world, host) = (world(), host());
    host.add_user("reader", "unused", "/bin/sh", Sudo::None).unwrap();
    host.authorize("reader").unwrap();
    host.must("chmod 0755 /root; mkdir -m 0700 /srv/closed; mkdir -m 0755 /srv/open").unwrap();
    let home = |path: &str| {
        host.must(&format!(
            "sed -i '/^plumbhome:/d' /etc/passwd; echo 'plumbhome:x:4825:100::{path}:/bin/sh' >>/etc/passwd"
        ))
        .unwrap();
    };
    // Where everybody can look, what is not there is known not to be there.
    home("/srv/open/none/none");
    let results = looked(&world, &host, "reader");
    assert_eq!(results["home_no_trust_files"]["status"], "pass", "{results:#?}");
    home("/srv/closed");
    assert_no_verdict("a closed home", &looked(&world, &host, "reader"), "permission_denied");
    home("/srv/closed/none/none");
    assert_no_verdict("a home in a closed directory", &looked(&world, &host, "reader"), "permission_denied");
    assert_eq!(looked(&world, &host, "root")["home_no_trust_files"]["status"], "pass");

    let find = |instead: &str| {
        let program = format!("#!/bin/sh\ncase $* in '/ '*) exit 0;; esac\n{instead}\n");
        host.must(&format!("cat >/usr/sbin/find <<'END'\n{program}END\nchmod 755 /usr/sbin/find")).unwrap();
        looked(&world, &host, "root")
    };
    let whole = find("exec /usr/bin/find \"$@\"");
    assert_eq!(whole["home_no_trust_files"]["status"], "pass", "{whole:#?}");
    for (what, instead, code) in [
        ("killed", "/usr/bin/find \"$@\"; kill -KILL $$", "tool_failed"),
        (
            "a read error",
            "/usr/bin/find \"$@\"; echo \"find: '/root/.': Input/output error\" >&2; exit 1",
            "tool_failed",
        ),
        ("refused", "echo \"find: '/root/.': Permission denied\" >&2; exit 1", "permission_denied"),
        ("nothing said", "exit 0", "unexpected_output"),
    ] {
        assert_no_verdict(what, &find(instead), code);
    }
}
