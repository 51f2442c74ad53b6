//! Whom a target names in the inventory, and for how long a login that was given counts.

use serde_json::Value;
use testkit::host::{Sudo, TestHost};

use crate::ssh::{failure, new_key};
use crate::support::{World, assert_code, assert_refused, at, exported, host, json, key, world, yes};

fn scan(world: &World, words: &[&str]) -> String {
    let content = yes(world);
    let fixed = ["scan", "--content", &content, "--format", "json"];
    failure(&world.plumb(&[&fixed[..], words].concat()))
}

fn saved(world: &World, name: &str) -> Value {
    json(&world.plumb(&["host", "show", name, "--format", "json"]))["host"].clone()
}

fn n_saved(world: &World) -> usize {
    json(&world.plumb(&["host", "list", "--format", "json"]))["hosts"].as_array().unwrap().len()
}

/// Saves a host as root's with its key.
fn add(world: &World, host: &TestHost, name: &str) {
    let done = world.plumb(&["host", "add", &at("root", host), "--name", name, "-i", &key(host)]);
    assert_code(&done, 0);
}

#[test]
fn a_saved_host_is_scanned_by_its_name_its_id_and_its_address() {
    let (world, host) = (world(), host());
    host.add_user("ann", "not used here", "/bin/bash", Sudo::None).unwrap();
    host.authorize("ann").unwrap();
    add(&world, &host, "web");
    let id = saved(&world, "web")["host_id"].as_str().unwrap().to_owned();
    let port = host.port();
    let of_root = [
        "web".to_owned(),
        id.clone(),
        "127.0.0.1".to_owned(),
        format!("web:{port}"),
        format!("{id}:{port}"),
        format!("127.0.0.1:{port}"),
    ];
    for target in &of_root {
        assert_eq!(scan(&world, &[target]), "none", "{target}");
    }
    let accepted =
        |user: &str| host.sshd_log().unwrap().matches(&format!("Accepted publickey for {user} ")).count();
    assert_eq!((accepted("root"), accepted("ann")), (of_root.len(), 0));
    for target in &of_root {
        assert_eq!(scan(&world, &[&format!("ann@{target}")]), "none", "ann@{target}");
    }
    assert_eq!((accepted("root"), accepted("ann")), (of_root.len(), of_root.len()));
    assert_eq!(n_saved(&world), 1);
}

/// An id is no name of the network: nobody is asked where it is, and nothing is sent there.
#[test]
fn an_id_that_no_saved_host_has_is_refused() {
    let world = world().env("PLUMB_SSH_PASSWORD", "hush-hush");
    assert_code(&world.plumb(&["host", "add", "192.0.2.1", "--name", "gone"]), 0);
    let removed = saved(&world, "gone")["host_id"].as_str().unwrap().to_owned();
    assert_code(&world.plumb(&["host", "remove", "gone"]), 0);
    let nobodys = "01890a5d-ac96-774b-bcce-b302099a8057";
    for target in [nobodys, &removed, &removed.to_uppercase(), &format!("root@{nobodys}:22")] {
        assert_refused(&world.plumb(&["scan", "--quiet", target]), 64, "there is no host with the id");
    }
    assert_refused(&world.plumb(&["host", "add", nobodys]), 64, "there is no host with the id");
    assert_eq!(n_saved(&world), 0);
}

#[test]
fn an_address_of_several_saved_hosts_is_no_target_until_a_port_is_named() {
    let (world, host) = (world(), host());
    add(&world, &host, "web");
    assert_code(&world.plumb(&["host", "add", "127.0.0.1:9", "--name", "discard"]), 0);
    let done = world.plumb(&["scan", "--quiet", "root@127.0.0.1"]);
    assert_refused(&done, 64, "is the address of 2 hosts");
    assert!(done.stderr.contains("discard, web"), "{}", done.stderr);
    assert_eq!(scan(&world, &[&format!("127.0.0.1:{}", host.port())]), "none");
    // A host that is added is a place: one with a port of its own is another one.
    assert_code(&world.plumb(&["host", "add", "192.0.2.9:2222"]), 0);
    assert_code(&world.plumb(&["host", "add", "192.0.2.9"]), 0);
    assert_eq!(n_saved(&world), 4);
}

/// What a name may be is no question of how an address is written.
#[test]
fn a_saved_name_that_no_address_could_be_is_scanned() {
    for name in ["a/b", "web:blue", "two words", "ops@web"] {
        let (world, host) = (world(), host());
        add(&world, &host, name);
        assert_eq!(scan(&world, &[name]), "none", "{name}");
        if !name.contains('@') {
            assert_eq!(scan(&world, &[&format!("root@{name}")]), "none", "root@{name}");
        }
        assert_eq!(n_saved(&world), 1, "{name}");
    }
}

#[test]
fn a_login_given_for_one_scan_of_a_saved_host_is_not_kept() {
    let (world, host) = (world(), host());
    host.add_user("ann", "not used here", "/bin/bash", Sudo::NoPassword).unwrap();
    host.authorize("ann").unwrap();
    add(&world, &host, "web");
    let before = saved(&world, "web");
    let other = new_key(&world, "other", "");
    let failed = scan(&world, &["web", "-l", "ann", "--sudo", "-i", &other]);
    assert_eq!(failed, "auth_failed");
    assert_eq!(saved(&world, "web"), before, "a login that fails changes nothing");
    assert_eq!(scan(&world, &["web", "-l", "ann", "--sudo"]), "none");
    assert!(host.sshd_log().unwrap().contains("Accepted publickey for ann"));
    assert_eq!(scan(&world, &["ann@web", "--sudo"]), "none");
    let after = saved(&world, "web");
    for setting in ["username", "identity_file", "sudo", "name", "address", "port", "profile_id"] {
        assert_eq!(after[setting], before[setting], "{setting}");
    }
    // What the host said of itself is kept.
    assert_eq!((&before["os_id"], &after["os_id"]), (&Value::from(""), &Value::from("debian")));
    assert_eq!(scan(&world, &["web"]), "none");
    assert!(host.sshd_log().unwrap().contains("Accepted publickey for root"));
    // Which account it was is in the record.
    let text = exported(&world).replace('\\', "");
    assert!(text.contains(r#""user":"ann""#) && text.contains(r#""user":"root""#));
}

#[test]
fn a_host_is_saved_with_the_login_of_its_first_scan() {
    let (world, host) = (world(), host());
    host.add_user("ann", "not used here", "/bin/bash", Sudo::NoPassword).unwrap();
    host.authorize("ann").unwrap();
    let target = format!("127.0.0.1:{}", host.port());
    assert_eq!(scan(&world, &[&target, "-l", "ann", "-i", &key(&host), "--sudo"]), "none");
    let record = saved(&world, &target);
    assert_eq!((&record["username"], &record["sudo"]), (&Value::from("ann"), &Value::from(true)));
    assert_eq!(record["identity_file"], key(&host));
    assert_eq!(scan(&world, &[&target]), "none");
    let text = exported(&world).replace('\\', "");
    let audit = text.lines().find(|line| line.contains("host.saved")).unwrap();
    assert!(audit.contains(r#""sudo":true,"user":"ann""#), "{audit}");
}

/// A login given to a list is for those of its hosts that have one.
#[test]
fn a_login_of_a_list_is_for_the_hosts_that_have_one() {
    let (world, host) = (world(), host());
    let (content, key) = (yes(&world), key(&host));
    let other = format!("127.0.0.1:{}", host.port());
    let words = ["scan", "localhost", &other, "-l", "root", "-i", &key, "--content", &content];
    assert_code(&world.plumb(&words), 0);
    assert_eq!(
        (&saved(&world, "localhost")["username"], &saved(&world, "localhost")["identity_file"]),
        (&"".into(), &"".into())
    );
    assert_eq!(saved(&world, &other)["username"], "root");
}

/// Passed over in silence, a login would look as if that account had been measured.
#[test]
fn this_machine_is_scanned_without_a_login() {
    let world = world();
    let refused = |words: &[&str]| {
        let done = world.plumb(&[words, &["--quiet"]].concat());
        assert_refused(&done, 64, "is this machine, which is scanned without a login");
    };
    refused(&["scan", "localhost", "-l", "bob"]);
    refused(&["scan", "localhost", "-i", "nothere"]);
    refused(&["scan", "localhost", "-l", "bob", "-i", "nothere"]);
    refused(&["host", "add", "localhost", "-i", "nothere"]);
    assert_eq!(n_saved(&world), 0);
    assert_code(&world.plumb(&["host", "add", "localhost", "--name", "me"]), 0);
    for words in [["me", "-l", "bob"], ["me", "-i", "nothere"], ["localhost", "-l", "bob"]] {
        refused(&[&["scan"][..], &words[..]].concat());
    }
    refused(&["scan", "bob@me"]);
    for target in ["me", "localhost"] {
        assert_eq!(scan(&world, &[target]), "none");
    }
    assert_eq!(n_saved(&world), 1);
}
