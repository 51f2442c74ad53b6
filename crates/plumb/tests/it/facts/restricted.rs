//! What is marked as restricted, as it is seen without and with the option that asks for it.

use super::{asked, facts, refused};
use crate::support::{On, World, assert_code, json as parsed, tool, world_on};

/// What every read door says, but for what moves with each entry.
fn told_at_every_door(world: &World, from: &str, more: &[&str]) -> Vec<String> {
    let doors: [&[&str]; 12] = [
        &["fact", "get", "fleet:web"],
        &["fact", "get", "fleet:web", "plan", "--format", "json"],
        &["fact", "history", "fleet:web", "plan"],
        &["fact", "history", "fleet:web", "plan", "--type", "desired", "--limit", "1", "--format", "json"],
        &["fact", "as-of", "fleet:web", "--at", "2030-01-01", "--recorded-at", "2030-01-01"],
        &[
            "fact",
            "as-of",
            "fleet:web",
            "plan",
            "--type",
            "desired",
            "--format",
            "json",
            "--at",
            "2030-01-01",
        ],
        &["fact", "diff", "fleet:web", "--from", from],
        &["edge", "list", "fleet:web"],
        &["edge", "list", "fleet:web", "hides", "--at", "2030-01-01"],
        &["graph", "traverse", "fleet:web"],
        &["graph", "traverse", "network:secret", "--direction", "in"],
        &["graph", "traverse", "network:secret", "--direction", "both", "--format", "json"],
    ];
    let moves = |line: &str| ["valid_at", "recorded_at", "tree_size"].iter().any(|name| line.contains(name));
    let told = |words: &&[&str]| {
        let done = world.plumb(&[words, more].concat());
        assert_code(&done, 0);
        let lines: Vec<&str> = done.stdout.lines().filter(|line| !moves(line)).collect();
        format!("{words:?}\n{}", lines.join("\n"))
    };
    doors.iter().map(told).collect()
}

/// A fleet with ordinary values, one of which ended; then one in its place, and an edge, that are restricted. Returns what
/// the doors say before and after, and the token of what is hidden.
fn with_something_restricted(world: &World) -> (Vec<String>, Vec<String>, String) {
    let run = |words: &[&str]| assert_code(&world.plumb(words), 0);
    run(&["fact", "put", "fleet:web", "plain", "1", "--type", "desired"]);
    run(&["edge", "put", "fleet:web", "reaches", "network:open"]);
    run(&["fact", "put", "fleet:web", "plan", "\"old\"", "--type", "desired"]);
    run(&["fact", "retire", "fleet:web", "plan", "--type", "desired", "--reason", "over"]);
    let from = parsed(&world.plumb(&["ledger", "status", "--format", "json"]))["size"].to_string();
    let before = told_at_every_door(world, &from, &[]);
    assert_eq!(before, told_at_every_door(world, &from, &["--restricted"]), "nothing is restricted yet");
    let plan = ["fact", "put", "fleet:web", "plan", "\"hidden\"", "--type", "desired", "--restricted"];
    let put = asked(world, &[&plan[..], &["--reason", "covert"]].concat());
    run(&["edge", "put", "fleet:web", "hides", "network:secret", "--restricted"]);
    for shown in told_at_every_door(world, &from, &["--restricted"]) {
        let (words, shown) = shown.split_once('\n').unwrap();
        assert!(shown.contains("hidden") || shown.contains("secret"), "{words}: {shown}");
    }
    let after = told_at_every_door(world, &from, &[]);
    (before, after, put["token"].as_str().unwrap().to_owned())
}

/// FCT-28: what is restricted is absent from every door for who does not ask for it, and nothing says that it was there;
/// with the option it is there.
fn fct_28_what_is_restricted_is_absent_from_every_door(on: On) {
    let world = world_on(on);
    let (before, after, _token) = with_something_restricted(&world);
    assert_eq!(after, before, "as if it were not there");
    let path = ["graph", "path", "fleet:web", "network:secret"];
    assert_code(&world.plumb(&path), 2);
    assert_code(&world.plumb(&[&path[..], &["--restricted"]].concat()), 0);
    let folder = |name: &str| world.path(name).to_str().unwrap().to_owned();
    let export = |name: &str, more: &[&str]| {
        world.plumb(&[&["ledger", "export", "--output", &folder(name)], more].concat())
    };
    refused(&export("withheld", &[]), "restricted");
    assert!(!world.path("withheld").exists());
    let (file, vkey) = (folder("proof"), asked(&world, &["ledger", "status"])["vkey"].clone());
    let hidden = asked(&world, &["fact", "get", "fleet:web", "plan", "--restricted"]);
    let row = format!("facts/{}", facts(&hidden)[0]["fact_id"].as_str().unwrap());
    for (more, is_shown) in [(&["--restricted"][..], true), (&[], false)] {
        let words = ["ledger", "prove", "--row", &row, "--output", &file];
        assert_code(&world.plumb(&[&words[..], more].concat()), 0);
        assert_code(&world.plumb(&["verify", &file, "--vkey", vkey.as_str().unwrap()]), 0);
        let shown = tool("sh", &["-c", "sed -n 's/^extra //p' \"$1\" | base64 -d", "sh", &file]);
        assert!(shown.contains("fact.put"), "{shown}");
        assert_eq!(shown.contains("hidden"), is_shown, "{shown}");
    }
    refused(&world.plumb(&["ledger", "seal", "--output", &folder("sealed")]), "restricted");
    assert_code(&export("whole", &["--restricted"]), 0);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
    assert_code(&world.plumb(&["state", "verify"]), 0);
}
on_each!(fct_28_what_is_restricted_is_absent_from_every_door);

/// FCT-28, FCT-11: whoever writes in the place of what is restricted learns that something is there, and no more; what
/// follows it is restricted.
fn fct_28_a_write_tells_nothing_of_what_is_restricted(on: On) {
    let world = world_on(on);
    let (_before, _after, token) = with_something_restricted(&world);
    let put = |value: &str, more: &[&str]| {
        let words = ["fact", "put", "fleet:web", "plan", value, "--type", "desired"];
        let done = world.plumb(&[&words, more].concat());
        assert_code(&done, 64);
        assert!(!done.stderr.contains("hidden") && !done.stderr.contains(&token), "{done:?}");
        done.stderr.lines().filter(|line| line.starts_with("plumb: ")).collect::<String>()
    };
    let said = put("\"hidden\"", &[]);
    assert!(said.contains("in force, but restricted"), "{said}");
    assert_eq!((put("1", &[]), put("1", &["--expect", "absent"])), (said.clone(), said));
    let (right, wrong) = (put("1", &["--expect", &token]), put("1", &["--expect", &"0".repeat(64)]));
    assert!(right.contains("none is active"), "{right}");
    assert_eq!(right, wrong);
    let retire = |predicate: &str, more: &[&str]| {
        let words = ["fact", "retire", "fleet:web", predicate, "--type", "desired", "--reason", "x"];
        world.plumb(&[&words, more].concat())
    };
    let missing = retire("none", &[]);
    assert_eq!(retire("plan", &[]).stderr.replace(" plan ", " none "), missing.stderr);
    let plain = ["fact", "put", "fleet:web", "plain", "1", "--type", "desired", "--restricted"];
    refused(&world.plumb(&plain), "retire it first");

    let second =
        ["fact", "put", "fleet:web", "plan", "2", "--type", "desired", "--restricted", "--expect", &token];
    assert_eq!(asked(&world, &second)["classification"], "restricted");
    assert_code(&retire("plan", &["--restricted"]), 0);
    assert_code(&world.plumb(&["fact", "put", "fleet:web", "plan", "3", "--type", "desired"]), 0);
    let history = |more: &[&str]| {
        let words = ["fact", "history", "fleet:web", "plan"];
        facts(&asked(&world, &[&words, more].concat())).len()
    };
    assert_eq!((history(&[]), history(&["--restricted"])), (2, 4));
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
on_each!(fct_28_a_write_tells_nothing_of_what_is_restricted);
