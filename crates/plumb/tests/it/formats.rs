//! Results in the formats of others, read by programs that others wrote: each accepts what the built binary writes,
//! and refuses it with one thing changed, so that accepting means something. Where a checker is not installed, the
//! test fails and says so.

mod checkers;
mod record;

use std::fs;
use std::path::{Path, PathBuf};

use checkers::{Checker, accepts, refuses};

use serde_json::{Map, Value, json};
use testkit::process::Output;

use crate::ours::{closed, folder, rule};
use crate::support::{World, assert_code, assert_refused, at_port, host, json as document, key, world};

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
    let done = world.run(&with_files(&world, &[&data[0], &data[1], "posture"])).unwrap();
    assert_code(&done, 0);
    for (format, checker, changes) in FORMATS {
        let file = world.path(format);
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
    let said = format!("did not satisfy the conditions of {} rules!", document(&posture)["fail_count"]);
    for format in ["xccdf", "arf"] {
        let page = accepts(checkers::oscap_report, &report(&world, &data, format, &["demo-web"]));
        assert!(page.contains(&said), "{format}: not {said:?}");
        assert!(page.contains("Root cannot log in over SSH"), "{format}");
        assert!(page.contains("expected no, found yes"), "{format}: what was found is not told");
    }
}

/// Adds to a command that its results go to a file of each format, too.
fn with_files(world: &World, words: &[&str]) -> Vec<String> {
    let files = FORMATS.iter().flat_map(|(format, _checker, _changes)| {
        ["--report".to_owned(), format!("{format}={}", world.path(format).display())]
    });
    words.iter().map(|word| (*word).to_owned()).chain(files).collect()
}

/// What a format can say of a host: some tell less of it.
fn sayable(format: &str, host: &Map<String, Value>) -> Value {
    let count = |status: &str| host.get(status).and_then(Value::as_u64).unwrap_or(0);
    let mut said = match format {
        "junit" => json!({
            "pass": count("pass"), "fail": count("fail"), "error": count("error"),
            "skipped or not applicable": count("skipped") + count("not_applicable"),
        }),
        "sarif" => json!({ "fail": count("fail"), "error": count("error") }),
        _whole => Value::Object(host.clone()),
    };
    said.as_object_mut().unwrap().retain(|_status, count| *count != json!(0));
    said
}

/// Asserts that every format states the same numbers of every host as `expected`.
#[track_caller]
fn agree(expected: &Map<String, Value>, document: impl Fn(&str) -> PathBuf) {
    for (format, _checker, _changes) in FORMATS {
        let said = checkers::counts(format, &document(format));
        let mut wanted: Map<String, Value> = Map::new();
        for (host, counts) in expected {
            let counts = counts.as_object().unwrap();
            // SARIF says of a host without results that it was not measured, elsewhere than in its results.
            let counts =
                if counts.contains_key("not measured") { json!(counts) } else { sayable(format, counts) };
            if *format != "sarif" || (counts.get("not measured").is_none() && counts != json!({})) {
                wanted.insert(host.clone(), counts);
            }
        }
        assert_eq!(said, Value::Object(wanted), "{format}");
    }
}

/// Returns how many results of each status a posture has.
fn counted(posture: &Value) -> Value {
    let mut counts: Map<String, Value> = Map::new();
    for rule in posture["rules"].as_array().unwrap() {
        let count = counts.entry(rule["status"].as_str().unwrap()).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap() + 1);
    }
    Value::Object(counts)
}

#[test]
fn numbers_agree_in_all_formats_now_and_as_of_a_past_day_and_without_evidence_rpt_05() {
    let world = world();
    let data = recorded(&world);
    let prune = [
        "ledger",
        "prune",
        "--retention-evidence-days",
        "90",
        "--reason",
        "policy 4",
        "--approved-by",
        "ada",
    ];
    for (number, at) in ["2026-03-02", "2026-03-09", "2026-03-02"].into_iter().enumerate() {
        if number == 2 {
            assert_code(&world.plumb(&[&[data[0].as_str(), &data[1]], &prune[..]].concat()), 0);
        }
        let words = [&data[0], &data[1], "posture", "--at", at, "--format", "json"];
        let postures = document(&world.plumb(&words));
        let of = |posture: &Value| (posture["host"].as_str().unwrap().to_owned(), counted(posture));
        let expected: Map<String, Value> = postures["postures"].as_array().unwrap().iter().map(of).collect();
        assert_eq!(expected.len(), 2);
        assert_code(
            &world.run(&with_files(&world, &[&data[0], &data[1], "posture", "--at", at])).unwrap(),
            0,
        );
        agree(&expected, |format| world.path(format));
        let page = fs::read_to_string(world.path("html")).unwrap();
        assert_eq!(page.contains("the evidence was erased"), number == 2, "{at}");
    }
    let empty = crate::support::world();
    assert_code(&empty.plumb(&["ledger", "init"]), 0);
    assert_refused(&empty.plumb(&["posture", "--format", "html"]), 64, "no host was in the inventory");
}

/// Text that ends, begins or runs something in one format or another.
const MARKUP: &str = "=1+1 <script>alert(1)</script> ]]> --> {{7*7}} &amp; '\"";

/// A host may be named like this.
const NAME: &str = "=<script>]]>&amp;'\"";

/// Scans a host whose rules and answers are hostile, and one that does not answer, into a file of each format.
fn hostile(world: &World) -> Output {
    let test_host = host();
    // NUL, an escape code, the end of a CDATA section, a script and bytes that are no UTF-8; POSIX printf takes octal.
    let print = "printf 'a\\\\000\\\\033[2J]]><script>alert(1)</script>&\\\\377\\\\376'";
    let markup = MARKUP.replace('"', "\\\"");
    let (id, text) = rule("odd", "high", &format!("{{command: {{run: \"{print}\", equal: \"yes\"}}}}"));
    let text = text.replace("title: Title of odd", &format!("title: \"{markup}\""));
    let text = text.replace("rationale: Rationale of odd.", &format!("rationale: \"{markup}\""));
    let missing = rule("unseen", "low", "{command: {run: no-such-tool-here, equal: \"yes\"}}");
    let content = folder(world, "ours", &[(id, text), missing, closed("passwd", "low")]);
    fs::create_dir(format!("{content}/mappings")).unwrap();
    let mapping =
        format!("framework: cis\nedition: \"<b>1\"\ntitle: T\nsource: S\nrules: {{odd: [\"{markup}\"]}}\n");
    fs::write(format!("{content}/mappings/cis-<b>1.yaml"), mapping).unwrap();
    let named = at_port("root", test_host.port());
    assert_code(&world.plumb(&["host", "add", &named, "--name", NAME, "-i", &key(&test_host)]), 0);
    assert_code(&world.plumb(&["host", "add", "root@127.0.0.1:1", "--name", "silent"]), 0);
    world.run(&with_files(world, &["--content", &content, "scan", NAME, "silent"])).unwrap()
}

#[test]
fn hostile_texts_stay_texts_in_every_format_and_a_host_that_is_not_measured_is_in_each_exe_13_rpt_07_rpt_10()
{
    let world = world();
    let done = hostile(&world);
    assert_code(&done, 2);
    assert!(
        done.stdout.contains("NOT MEASURED"),
        "what goes to files goes to standard output as well: {done:#?}"
    );
    for (format, checker, _changes) in FORMATS {
        let file = world.path(format);
        let said = accepts(*checker, &file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.replace("\r\n", "\n").contains(|c: char| c.is_control() && c != '\n'), "{format}");
        assert!(text.contains("connect_failed"), "{format} does not say why a host was not measured");
        // CSV and JSON are no markup; the title stands in them as it is.
        let is_markup = !matches!(*format, "csv" | "sarif" | "oscal");
        assert_eq!(text.contains("<script>"), !is_markup, "{format}");
        if *format == "html" {
            assert!(said.contains("a\\u{0}\\u{1b}[2J]]><script>alert(1)</script>&\\xff\\xfe"), "{said}");
            assert!(
                said.contains(MARKUP) && said.contains(NAME) && said.contains("Unsigned content."),
                "{said}"
            );
        }
    }
    let expected = json!({
        NAME: {"fail": 2, "error": 1},
        "silent": {"not measured": 1},
    });
    agree(expected.as_object().unwrap(), |format| world.path(format));
}
