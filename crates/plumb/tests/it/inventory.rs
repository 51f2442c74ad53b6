//! Whom a name means: saved hosts, their addresses, and hosts that were removed.

use serde_json::Value;

use crate::database::tamper;
use crate::support::{On, World, assert_code, assert_refused, json, world, world_on, yes};

fn shown(world: &World, name: &str) -> Value {
    json(&world.plumb(&["host", "show", name, "--format", "json"]))["host"].clone()
}

fn add(world: &World, address: &str, name: &str) {
    assert_code(&world.plumb(&["host", "add", address, "--name", name]), 0);
}

/// One host's address is another one's name: the name counts, whichever is first in the alphabet.
#[test]
fn nobodys_address_is_taken_for_anothers_name() {
    let world = world();
    add(&world, "web-1", "aaa");
    add(&world, "192.0.2.5", "web-1");
    assert_eq!(shown(&world, "web-1")["address"], "192.0.2.5");
    assert_eq!(shown(&world, "aaa")["address"], "web-1");
    assert_eq!(shown(&world, "192.0.2.5")["name"], "web-1");
    assert_code(&world.plumb(&["host", "remove", "web-1"]), 0);
    // The one that has the name still is not there any more, the one with the address is.
    assert_eq!(shown(&world, "web-1")["name"], "aaa");
}

/// Several ports of one address are several hosts: a bare address names none of them.
#[test]
fn an_address_of_several_hosts_is_refused() {
    let world = world();
    add(&world, "192.0.2.7:2201", "ct-1");
    add(&world, "192.0.2.7:2202", "ct-2");
    for words in [["host", "remove", "192.0.2.7"], ["host", "show", "192.0.2.7"]] {
        let done = world.plumb(&words);
        assert_refused(&done, 64, "is the address of 2 hosts");
        assert!(done.stderr.contains("ct-1, ct-2"), "{}", done.stderr);
    }
    assert!(shown(&world, "ct-1")["removed_at"].is_null());
    assert_code(&world.plumb(&["host", "remove", "ct-2"]), 0);
    assert_eq!(shown(&world, "192.0.2.7")["name"], "ct-1");
}

/// POS-13: what a host was stays what it was, also after it was removed and another one got its name.
#[test]
fn pos_13_a_name_used_again_hides_nothing_of_the_past() {
    let world = world();
    let folder = world.path("demo").to_str().unwrap().to_owned();
    assert_code(&world.plumb(&["demo", "--folder", &folder]), 0);
    let run = |words: &[&str]| {
        let mut all = vec!["--data-dir", &folder];
        all.extend(words);
        world.plumb(&all)
    };
    let then = "2026-03-09T00:00:00Z";
    let asked = ["posture", "demo-web", "--at", then, "--recorded-at", then, "--format", "json"];
    let before = run(&asked);
    assert_code(&before, 0);
    assert_eq!(json(&before)["measured"], true);
    assert_code(&run(&["host", "remove", "demo-web"]), 0);
    assert_eq!(run(&asked).stdout, before.stdout);
    assert_code(&run(&["host", "add", "192.0.2.1", "--name", "demo-web"]), 0);
    assert_eq!(run(&asked).stdout, before.stdout);
    // Now the name is the new host's, and the removed one is listed with its id.
    assert_eq!(json(&run(&["posture", "demo-web", "--format", "json"]))["measured"], false);
    let removed = json(&run(&["host", "list", "--removed", "--format", "json"]))["hosts"].clone();
    assert_eq!(removed.as_array().unwrap().len(), 1);
    let id = removed[0]["host"]["host_id"].as_str().unwrap();
    let history = run(&["history", id]);
    assert_code(&history, 0);
    assert!(history.stdout.lines().count() > 1, "{}", history.stdout);
    let table = run(&["host", "list", "--removed"]).stdout;
    assert!(table.contains(id) && table.contains("demo-web"), "{table}");
    assert!(!run(&["host", "list"]).stdout.contains(id));
}

fn names(world: &World) -> Vec<String> {
    let hosts = json(&world.plumb(&["host", "list", "--format", "json"]))["hosts"].clone();
    let hosts = hosts.as_array().unwrap();
    hosts.iter().map(|host| host["host"]["name"].as_str().unwrap().to_owned()).collect()
}

fn a_host_has_a_name_that_can_be_shown_found_and_told_from_an_id(on: On) {
    let world = world_on(on);
    add(&world, "192.0.2.5", "web-1");
    let id = shown(&world, "web-1")["host_id"].as_str().unwrap().to_owned();
    let long = "x".repeat(256);
    let table = [
        ("", "blank"),
        (" ", "blank"),
        ("a\nb", "control character"),
        ("a\tb", "control character"),
        (" web-2", "white space"),
        ("web-2 ", "white space"),
        (&long, "255 characters"),
        (&id, "looks like the id"),
    ];
    for (name, words) in table {
        let done = world.plumb(&["host", "add", "192.0.2.6", "--name", name]);
        assert_refused(&done, 64, "is no name for a host");
        assert!(done.stderr.contains(words), "{name:?}: {}", done.stderr);
    }
    // What a scan saves is named as it was typed, and neither contacted nor saved otherwise.
    let (content, user) = (yes(&world), "u".repeat(250));
    let done = world.plumb(&["scan", &format!("{user}@192.0.2.6"), "--content", &content]);
    assert_refused(&done, 64, "is no name for a host");
    assert_eq!(names(&world), ["web-1"]);
    let fits = "x".repeat(255);
    add(&world, "192.0.2.7", &fits);
    add(&world, "192.0.2.8", "W\u{e9}b server 1");

    // What was saved before there was a rule is listed, found and removed.
    let old = format!("UPDATE hosts SET name = ' ' WHERE host_id = '{id}';");
    match on {
        On::Sqlite => drop(tamper(&world.database(), &old)),
        On::Postgres => drop(world.by_hand(&old)),
    }
    assert!(names(&world).contains(&" ".to_owned()));
    assert_code(&world.plumb(&["posture", &id]), 0);
    assert_code(&world.plumb(&["host", "remove", &id]), 0);
    assert_eq!(names(&world).len(), 2);
}

on_each!(a_host_has_a_name_that_can_be_shown_found_and_told_from_an_id);

/// A profile is asked for when a host is added; one that went with its rules keeps no host in the inventory.
#[test]
fn a_host_whose_profile_is_gone_can_be_removed() {
    let world = world();
    let content = yes(&world);
    std::fs::create_dir(world.path("content/profiles")).unwrap();
    std::fs::write(
        world.path("content/profiles/mine.yaml"),
        "id: mine\ntitle: Mine\ndescription: D.\ninclude:\n  tags: [tested]\n",
    )
    .unwrap();
    let add = ["host", "add", "192.0.2.5", "--name", "web-1", "--profile", "mine"];
    assert_code(&world.plumb(&[&["--content", &content], &add[..]].concat()), 0);
    let other = ["host", "add", "192.0.2.6", "--profile", "mine"];
    assert_refused(&world.plumb(&other), 64, "there is no profile \"mine\"");
    assert_code(&world.plumb(&["host", "remove", "web-1"]), 0);
    assert_eq!(names(&world), Vec::<String>::new());
    let removed = json(&world.plumb(&["host", "list", "--removed", "--format", "json"]))["hosts"].clone();
    assert_eq!(removed[0]["host"]["profile_id"], "mine");
}
