//! Results in the formats of others, read by programs that others wrote: each accepts what the built binary writes,
//! and refuses it with one thing changed, so that accepting means something. Where a checker is not installed, the
//! test fails and says so.

mod checkers;

use std::fs;
use std::path::{Path, PathBuf};

use checkers::{Checker, accepts, refuses};

use crate::support::{World, assert_code, json, world};

/// What is found in a document, and what stands there afterwards.
type Change = (&'static str, &'static str);

/// A format, who checks it, and changes of which each has to be refused.
const FORMATS: &[(&str, Checker, &[Change])] = &[
    ("sarif", checkers::sarif, &[("\"kind\": \"fail\"", "\"kind\": \"failed\""), ("\"runs\"", "\"walks\"")]),
    ("junit", checkers::junit, &[("<failure ", "<success "), ("</testsuites>", "")]),
    ("csv", checkers::csv, &[("\r\n", "\r\n=1+1,"), ("\r\nresult", "\r\n\"result")]),
    (
        "xccdf",
        checkers::xccdf,
        &[
            ("<result>fail<", "<result>failed<"),
            ("idref=\"xccdf_local.plumbline_rule_", "idref=\"xccdf_local.plumbline_rule_no_"),
            ("</score>", " percent</score>"),
        ],
    ),
    (
        "arf",
        checkers::arf,
        &[
            ("<result>fail<", "<result>failed<"),
            ("<core:ref>asset-0<", "<core:ref>asset-9<"),
            ("ai:synthetic-id", "ai:synthetic"),
        ],
    ),
    (
        "oscal",
        checkers::oscal,
        &[
            ("\"oscal-version\": \"1", "\"oscal-version\": \"9"),
            ("\"state\": \"not-satisfied\"", "\"state\": \"unsatisfied\""),
            ("\"observation-uuid\": \"", "\"observation-uuid\": \"0"),
            ("\"collected\"", "\"gathered\""),
        ],
    ),
    (
        "html",
        checkers::html,
        &[
            ("<h1>", "<h1><script>1</script>"),
            ("<main>", "<main></p>"),
            ("<a href=\"#", "<a href=\"https://example.org/#"),
            ("<body>", "<body onload=\"f()\">"),
        ],
    ),
];

/// Makes a record of two hosts on two days; returns the data folder's arguments.
fn recorded(world: &World) -> [String; 2] {
    let folder = world.path("demo").to_str().unwrap().to_owned();
    assert_code(&world.plumb(&["demo", "--folder", &folder]), 0);
    ["--data-dir".to_owned(), folder]
}

/// Writes the results on record in a format.
fn report(world: &World, data: &[String; 2], format: &str, more: &[&str]) -> PathBuf {
    let file = world.path(&format!("report.{format}"));
    let mut words = vec![data[0].as_str(), &data[1], "posture", "--format", format];
    words.extend(["--output", file.to_str().unwrap()]);
    words.extend(more);
    assert_code(&world.plumb(&words), 0);
    file
}

/// Writes the document with the first `from` replaced.
fn changed(file: &Path, (from, to): Change) -> PathBuf {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}", file.display());
    let changed = file.with_extension("changed");
    fs::write(&changed, text.replacen(from, to, 1)).unwrap();
    changed
}

#[test]
fn others_read_what_is_on_record_in_their_formats_and_refuse_it_changed_rpt_05() {
    let world = world();
    let data = recorded(&world);
    for (format, checker, changes) in FORMATS {
        let file = report(&world, &data, format, &[]);
        accepts(*checker, &file);
        for change in *changes {
            refuses(*checker, &changed(&file, *change));
        }
    }
}

#[test]
fn oscap_makes_its_page_of_our_xccdf_and_arf_results() {
    let world = world();
    let data = recorded(&world);
    let posture = world.plumb(&[&data[0], &data[1], "posture", "demo-web", "--format", "json"]);
    let said = format!("did not satisfy the conditions of {} rules!", json(&posture)["fail_count"]);
    for format in ["xccdf", "arf"] {
        let page = accepts(checkers::oscap_report, &report(&world, &data, format, &["demo-web"]));
        assert!(page.contains(&said), "{format}: not {said:?}");
        assert!(page.contains("Root cannot log in over SSH"), "{format}");
        assert!(page.contains("expected no, found yes"), "{format}: what was found is not told");
    }
}
