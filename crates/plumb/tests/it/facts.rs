//! Facts and edges, as a user drives them: put, compared, asked for along both times, retired, verified.

mod restricted;
mod scanned;
mod searched;

use serde_json::{Value, json};
use testkit::process::Output;

use crate::cli::run_page;
use crate::support::{On, World, assert_code, json as parsed, world_on};

/// Runs a command with JSON output.
fn asked(world: &World, words: &[&str]) -> Value {
    let mut words = words.to_vec();
    words.extend(["--format", "json"]);
    let done = world.plumb(&words);
    assert_code(&done, 0);
    parsed(&done)
}

fn refused(done: &Output, word: &str) {
    assert_code(done, 64);
    let line = done.stderr.lines().find(|line| line.starts_with("plumb: ")).unwrap_or_default();
    assert!(line.contains(word), "{done:?}");
    assert_eq!(done.stdout, "");
}

fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn facts(answer: &Value) -> &Vec<Value> {
    answer["facts"].as_array().unwrap()
}

#[test]
fn nobody_gives_the_reason_by_which_a_scan_is_known() {
    let world = crate::support::world();
    let key = ["fleet:web", "owner", "--type", "desired"];
    asked(&world, &["fact", "put", "fleet:web", "owner", "1", "--type", "desired"]);
    // A scan may end what a scan has put.
    let of_scan = ["--reason", "scan 0190c1f2-7a3b-7c4d-8e5f-0123456789ab"];
    let put = ["fact", "put", "fleet:web", "owner", "2", "--type", "desired"];
    refused(&world.plumb(&[&put[..], &of_scan].concat()), "say it in other words");
    refused(&world.plumb(&[&["fact", "retire"], &key[..], &of_scan].concat()), "say it in other words");
    let plain = ["--reason", "scan of yesterday"];
    assert_code(&world.plumb(&[&put[..], &plain].concat()), 0);
}

/// FCT-01, FCT-03, FCT-04, FCT-19: a value is put, put again, replaced and retired; every stored field comes back.
fn fct_01_fct_04_fct_19_a_value_is_put_replaced_and_retired(on: On) {
    let world = world_on(on);
    let owner = ["fleet:web", "owner", "--type", "desired", "--restricted"];
    let put = |value: &str, more: &[&str]| {
        let mut words = vec!["fact", "put", "fleet:web", "owner", value, "--type", "desired", "--restricted"];
        words.extend(more);
        asked(&world, &words)
    };
    let first = put(r#"{"a":1,"b":[true]}"#, &["--reason", "spring", "--valid-from", "2026-03-01"]);
    let again = put(r#" { "b" : [true], "a" : 1.0 }"#, &[]);
    assert_eq!((&again["unchanged"], &again["fact_id"]), (&json!(true), &first["fact_id"]));
    assert_eq!(again["token"], first["token"]);
    assert!(again["last_seen_at"].is_string(), "{again}");
    let second = put("\"b\"", &[]);
    let words: Vec<&str> = ["fact", "retire"].into_iter().chain(owner).chain(["--reason", "gone"]).collect();
    let retired = asked(&world, &words);
    assert_eq!(retired["superseded_reason"], "gone");

    let words: Vec<&str> = ["fact", "history"].into_iter().chain(owner).collect();
    let history = asked(&world, &words);
    let [newest, oldest] = facts(&history).as_slice() else { panic!("{history:#}") };
    let wanted = [
        "actor",
        "classification",
        "fact_id",
        "fact_type",
        "last_seen_at",
        "log_index",
        "predicate",
        "reason",
        "seq",
        "subject",
        "superseded_actor",
        "superseded_by",
        "superseded_index",
        "superseded_reason",
        "t_invalid",
        "t_recorded",
        "t_superseded",
        "t_valid",
        "token",
        "value",
    ];
    assert_eq!(members(oldest), wanted);
    for member in
        ["fact_id", "seq", "value", "t_valid", "t_recorded", "actor", "reason", "classification", "token"]
    {
        assert_eq!(oldest[member], first[member], "{member}");
        assert_eq!(newest[member], second[member], "{member}");
    }
    assert_eq!(oldest["t_valid"], "2026-03-01T00:00:00.000000Z");
    assert_eq!(
        (&oldest["seq"], &oldest["superseded_by"], &newest["superseded_by"]),
        (&json!(0), &json!(1), &Value::Null)
    );
    assert_eq!(
        (&oldest["t_superseded"], &oldest["superseded_reason"]),
        (&second["t_recorded"], &json!("replaced"))
    );
    assert_eq!((&newest["t_superseded"], &newest["superseded_index"]), (&retired["t_superseded"], &json!(3)));
    assert_eq!((&oldest["value"], &oldest["reason"]), (&json!({"a": 1, "b": [true]}), &json!("spring")));
    assert_eq!(
        (&oldest["classification"], &oldest["superseded_actor"]),
        (&json!("restricted"), &oldest["actor"])
    );
    assert_eq!(asked(&world, &["fact", "get", "fleet:web"])["facts"], json!([]));
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
on_each!(fct_01_fct_04_fct_19_a_value_is_put_replaced_and_retired);

/// FCT-11: a put that expects another version is refused, names the one in force, and writes nothing.
fn fct_11_a_put_that_expects_another_version_is_refused(on: On) {
    let world = world_on(on);
    let words = ["fact", "put", "fleet:web", "owner", "1", "--type", "desired", "--expect"];
    let with = |expect: &str, value: &str| {
        let mut words = words.to_vec();
        words[4] = value;
        words.push(expect);
        world.plumb(&words)
    };
    assert_code(&with("absent", "1"), 0);
    let token = |world: &World| {
        let answer = asked(world, &["fact", "get", "fleet:web", "owner"]);
        facts(&answer)[0]["token"].as_str().unwrap().to_owned()
    };
    let first = token(&world);
    refused(&with("absent", "2"), &first);
    assert_code(&with(&first, "2"), 0);
    let second = token(&world);
    refused(&with(&first, "3"), &second);
    let retire =
        ["fact", "retire", "fleet:web", "owner", "--type", "desired", "--reason", "x", "--expect", &first];
    refused(&world.plumb(&retire), &second);
    refused(&with("nonsense", "3"), "");
    assert_eq!(token(&world), second);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
on_each!(fct_11_a_put_that_expects_another_version_is_refused);

/// FCT-06: what cannot be recorded is refused in one line and leaves nothing.
fn fct_06_what_cannot_be_recorded_is_refused_in_one_line(on: On) {
    let world = world_on(on);
    assert_code(&world.plumb(&["fact", "put", "fleet:web", "owner", "1", "--type", "desired"]), 0);
    let size = parsed(&world.plumb(&["ledger", "status", "--format", "json"]))["size"].clone();
    let bad: [(&[&str], &str); 9] = [
        (&["web", "owner", "1"], "is not a subject"),
        (&["hosts:web", "owner", "1"], "unknown subject kind"),
        (&["host:nowhere", "owner", "1"], "no host"),
        (&["fleet:web", " ", "1"], "predicate"),
        (&["fleet:web", "rule/x", "1"], "change log"),
        (&["fleet:web", "owner", "null"], "null"),
        (&["fleet:web", "owner", "1e999"], "not finite"),
        (&["fleet:web", "owner", "{\"a\":1,\"a\":2}"], "twice"),
        (&["fleet:web", "owner", "1", "--valid-from", "2999-01-01"], "5 minutes"),
    ];
    for (words, said) in bad {
        let mut all = vec!["fact", "put"];
        all.extend(words);
        all.extend(["--type", "observed"]);
        refused(&world.plumb(&all), said);
    }
    let long = format!("\"{}\"", "x".repeat(262_143));
    let from_stdin = ["fact", "put", "fleet:web", "owner", "-", "--type", "observed"];
    refused(&world.run_with_input(&from_stdin, long.as_bytes()).unwrap(), "262144 bytes");
    refused(
        &world.plumb(&["fact", "retire", "fleet:web", "no", "--type", "desired", "--reason", "x"]),
        "active",
    );
    refused(
        &world.plumb(&["fact", "retire", "fleet:web", "owner", "--type", "desired", "--reason", " "]),
        "reason",
    );
    assert_eq!(parsed(&world.plumb(&["ledger", "status", "--format", "json"]))["size"], size);
    let fits = format!("\"{}\"", "x".repeat(262_142));
    assert_code(&world.run_with_input(&from_stdin, fits.as_bytes()).unwrap(), 0);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
on_each!(fct_06_what_cannot_be_recorded_is_refused_in_one_line);

/// FCT-15, FCT-19: a value may be any JSON, a negative number too; what looks like no number is an option still.
#[test]
fn fct_19_a_negative_number_is_a_value() {
    let world = crate::support::world();
    let fact = ["fact", "put", "fleet:web", "n"];
    let edge = ["edge", "put", "fleet:web", "reaches", "network:x"];
    for (text, value) in [("-5", json!(-5)), ("-0.25", json!(-0.25)), ("-1e3", json!(-1000))] {
        let put = asked(&world, &[&fact[..], &[text, "-t", "desired"]].concat());
        assert_eq!(put["value"], value);
        assert_eq!(asked(&world, &[&edge[..], &[text]].concat())["value"], value);
    }
    let words = [&fact[..], &["-t", "desired", "--format", "json", "--", "-1e-2"]].concat();
    assert_eq!(parsed(&world.plumb(&words))["value"], json!(-0.01));
    for words in [[&fact[..], &["--tpye", "desired"]].concat(), [&edge[..], &["-x"]].concat()] {
        let done = world.plumb(&words);
        assert_code(&done, 64);
        assert!(done.stderr.contains("unexpected argument"), "{done:?}");
    }
}

/// FCT-12, FCT-13: an answer names its tree size, and at that size it stays as it is, to the byte.
fn fct_12_fct_13_an_answer_at_a_tree_size_never_changes(on: On) {
    let world = world_on(on);
    let put = |predicate: &str, value: &str, valid_from: &str| {
        let words =
            ["fact", "put", "fleet:web", predicate, value, "--type", "desired", "--valid-from", valid_from];
        assert_code(&world.plumb(&words), 0);
    };
    put("owner", "\"a\"", "2026-01-01");
    put("owner", "\"b\"", "2026-03-01");
    let at = |instant: &str| asked(&world, &["fact", "as-of", "fleet:web", "--at", instant]);
    let before = at("2026-02-01");
    assert_eq!(facts(&before)[0]["value"], "a");
    assert_eq!(facts(&at("2026-03-01"))[0]["value"], "b");
    assert_eq!(facts(&at("2025-12-31")), &Vec::<Value>::new());
    let size = before["tree_size"].to_string();
    let words = ["fact", "as-of", "fleet:web", "--at", "2026-02-01", "--recorded-at", &size];
    let answer = asked(&world, &words);
    put("other", "1", "2026-01-01");
    put("owner", "\"c\"", "2026-01-15");
    assert_eq!(facts(&at("2026-02-01"))[1]["value"], "c");
    assert_eq!(asked(&world, &words), answer);
    assert_eq!(answer["facts"], before["facts"]);
    let recorded = answer["recorded_at"].as_str().unwrap();
    let by_time =
        asked(&world, &["fact", "as-of", "fleet:web", "--at", "2026-02-01", "--recorded-at", recorded]);
    assert_eq!(by_time, answer);
    refused(&world.plumb(&["fact", "as-of", "fleet:web", "--recorded-at", "1000"]), "entries");

    assert_code(
        &world.plumb(&["fact", "retire", "fleet:web", "other", "--type", "desired", "--reason", "x"]),
        0,
    );
    let diff = |from: &str, to: &str| {
        let answer = asked(&world, &["fact", "diff", "fleet:web", "--from", from, "--to", to]);
        let one = |found: &Value| {
            let value = |side: &str| found[side]["value"].to_string();
            format!("{} {} {}", found["what"].as_str().unwrap(), value("before"), value("after"))
        };
        answer["differences"].as_array().unwrap().iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(diff(&size, "5"), ["added null 1", "changed \"b\" \"c\""]);
    assert_eq!(diff("5", "6"), ["closed 1 null"]);
    assert_eq!(diff("6", "6"), Vec::<String>::new());
    refused(&world.plumb(&["fact", "diff", "fleet:web", "--from", "6", "--to", "5"]), "before 6");
    // What was in force at a size says so there for ever, though it has ended since.
    let words = ["fact", "as-of", "fleet:web", "other", "--type", "desired", "--recorded-at", "5"];
    assert_eq!(facts(&asked(&world, &words))[0]["t_superseded"], Value::Null);
}
on_each!(fct_12_fct_13_an_answer_at_a_tree_size_never_changes);

/// FCT-16, FCT-19: an edge lives as a fact does; putting an equal one adds nothing.
fn fct_16_fct_19_an_edge_lives_as_a_fact_does(on: On) {
    let world = world_on(on);
    let put = ["edge", "put", "fleet:web", "reaches", "network:10.0.0.0/8"];
    let first = asked(&world, &put);
    let again = asked(&world, &put);
    assert_eq!((&first["unchanged"], &again["unchanged"]), (&json!(false), &json!(true)));
    assert_eq!((&first["value"], &first["edge_id"]), (&json!({}), &again["edge_id"]));
    let mut words = put.to_vec();
    words.extend(["{\"port\":443}", "--reason", "narrowed"]);
    assert_eq!(asked(&world, &words)["seq"], 1);
    let list = asked(&world, &["edge", "list", "fleet:web"]);
    assert_eq!(list["edges"].as_array().unwrap().len(), 1, "{list:#}");
    assert_eq!(list["edges"][0]["target"], "network:10.0.0.0/8");
    let retire = ["edge", "retire", "fleet:web", "reaches", "network:10.0.0.0/8", "--reason", "closed"];
    asked(&world, &retire);
    refused(&world.plumb(&retire), "active");
    assert_eq!(asked(&world, &["edge", "list", "fleet:web"])["edges"], json!([]));
    let then = asked(&world, &["edge", "list", "fleet:web", "--recorded-at", "3"]);
    assert_eq!(then["edges"][0]["value"], json!({"port": 443}), "{then:#}");
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
on_each!(fct_16_fct_19_an_edge_lives_as_a_fact_does);

fn every_command_of_the_guide_to_facts_runs_fct_19(on: On) {
    assert!(run_page(&world_on(on), "docs/guide/facts.md") >= 12);
}
on_each!(every_command_of_the_guide_to_facts_runs_fct_19);

/// FCT-17, FCT-19: edges are followed nearest first, to a depth, and a cycle ends.
fn fct_17_fct_19_the_graph_is_walked_and_searched(on: On) {
    let world = world_on(on);
    let edges =
        [("group:a", "group:b"), ("group:b", "group:c"), ("group:c", "group:a"), ("group:d", "group:c")];
    for (subject, target) in edges {
        assert_code(&world.plumb(&["edge", "put", subject, "feeds", target]), 0);
    }
    let told = |words: &[&str], name: &str| {
        let answer = asked(&world, &[&["graph"], words].concat());
        let one = |hop: &Value| {
            let text = |name: &str| hop[name].as_str().unwrap().to_owned();
            format!("{} {} {}", hop["depth"], text("subject"), text("target"))
        };
        answer[name].as_array().unwrap().iter().map(one).collect::<Vec<_>>()
    };
    let whole = ["1 group:a group:b", "2 group:b group:c", "3 group:c group:a"];
    assert_eq!(told(&["traverse", "group:a"], "edges"), whole);
    assert_eq!(told(&["traverse", "group:a", "--depth", "1"], "edges"), whole[..1]);
    assert_eq!(told(&["traverse", "group:a", "--relation", "none"], "edges"), Vec::<String>::new());
    let back = ["1 group:b group:c", "1 group:d group:c", "2 group:a group:b"];
    assert_eq!(told(&["traverse", "group:c", "--direction", "in", "--depth", "2"], "edges"), back);
    assert_eq!(told(&["path", "group:a", "group:c"], "path"), whole[..2]);
    let both = told(&["path", "group:a", "group:d", "--direction", "both"], "path");
    assert_eq!(both, ["1 group:c group:a", "2 group:d group:c"]);
    assert_code(&world.plumb(&["graph", "path", "group:a", "group:d"]), 2);
    assert_code(&world.plumb(&["graph", "traverse", "group:a", "--depth", "17"]), 64);
    let before = told(&["traverse", "group:a", "--recorded-at", "2"], "edges");
    assert_eq!(before, whole[..1]);
}
on_each!(fct_17_fct_19_the_graph_is_walked_and_searched);

/// FCT-19: the history of a predicate needs its type only where it was claimed in several senses.
#[test]
fn fct_19_a_history_needs_no_type_where_there_is_one() {
    let world = crate::support::world();
    let put = |value: &str, kind: &str| {
        asked(&world, &["fact", "put", "fleet:web", "owner", value, "--type", kind]);
    };
    let history = ["fact", "history", "fleet:web", "owner"];
    put("1", "desired");
    put("2", "desired");
    assert_eq!(facts(&asked(&world, &history)).len(), 2);
    assert_eq!(facts(&asked(&world, &["fact", "history", "fleet:web", "color"])).len(), 0);
    put("3", "observed");
    let done = world.plumb(&history);
    refused(&done, "observed, desired");
    assert!(done.stderr.contains("--type"), "{done:?}");
    assert_eq!(facts(&asked(&world, &["fact", "history", "fleet:web", "owner", "-t", "observed"])).len(), 1);
}

/// LED-41: the body of a fact's entry is not destroyed while its row still shows the value.
fn led_41_an_entry_of_a_fact_is_not_erased_by_half(on: On) {
    let world = world_on(on);
    assert_code(&world.plumb(&["fact", "put", "fleet:web", "owner", "1", "--type", "desired"]), 0);
    refused(&world.plumb(&["ledger", "erase", "1", "--reason", "x", "--approved-by", "ada"]), "fact");
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
on_each!(led_41_an_entry_of_a_fact_is_not_erased_by_half);
