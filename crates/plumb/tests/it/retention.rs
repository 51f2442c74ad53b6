//! How long records are kept: what may be declared, what then goes, what stays, and what verifiers say of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::process::Output;

use crate::database::{sql, tamper};
use crate::ours::{closed, folder};
use crate::support::{World, assert_code, assert_refused, json, tool, world};

/// The settings, and whether each takes the days from 1 to 89.
const SETTINGS: [(&str, &str, bool); 3] = [
    ("--retention-bodies-days", "PLUMB_RETENTION_BODIES_DAYS", true),
    ("--retention-evidence-days", "PLUMB_RETENTION_EVIDENCE_DAYS", false),
    ("--retention-access-log-days", "PLUMB_RETENTION_ACCESS_LOG_DAYS", true),
];

/// The record of the demo: two hosts, scanned on two dates in March 2026.
struct Kept {
    world: World,
    data: String,
}

impl Kept {
    fn new() -> Kept {
        let world = world();
        assert_code(&world.plumb(&["demo"]), 0);
        let data = world.data().join("demo").to_str().unwrap().to_owned();
        Kept { world, data }
    }

    fn plumb(&self, words: &[&str]) -> Output {
        self.world.plumb(&[&["--data-dir", &self.data], words].concat())
    }

    fn database(&self) -> PathBuf {
        Path::new(&self.data).join("plumb.db")
    }

    fn set(&self, query: &str) -> BTreeSet<String> {
        sql(&self.database(), query).into_iter().collect()
    }

    /// Prunes evidence; returns what is printed for each.
    fn prune(&self, days: &str) -> Output {
        let words = ["ledger", "prune", "--retention-evidence-days", days, "--reason", "policy 4"];
        self.plumb(&[&words[..], &["--approved-by", "ada"]].concat())
    }

    fn verify(&self) -> Value {
        json(&self.plumb(&["ledger", "verify", "--format", "json"]))
    }

    fn events(&self, kind: &str) -> Vec<Value> {
        let events = json(&self.plumb(&["ledger", "events", "--format", "json"]))["events"].clone();
        let events = events.as_array().unwrap().iter().map(|event| &event["event"]);
        events.filter(|event| event["kind"] == kind).cloned().collect()
    }
}

fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn digests(done: &Output) -> BTreeSet<String> {
    done.stdout.lines().map(|line| line.strip_prefix("evidence\t").unwrap().to_owned()).collect()
}

#[test]
fn led_38_a_retention_that_is_no_plain_number_of_days_refuses_to_start() {
    for (flag, variable, takes_few) in SETTINGS {
        let few = if takes_few { &[][..] } else { &["1", "89"] };
        for bad in ["", "-1", "+1", "1.5", "30d", "ten", "007", "36501", "99999999999"].iter().chain(few) {
            let world = world().env(variable, bad);
            let done = world.plumb(&["ledger", "init"]);
            assert_code(&done, 64);
            assert!(done.stderr.lines().next().unwrap().contains(flag), "{variable}={bad:?}: {done:#?}");
            assert!(!world.data().exists(), "{variable}={bad:?} began a log");
        }
    }
}

#[test]
fn led_38_retention_is_on_record_from_the_start_and_with_every_change() {
    let world = world();
    let configs = || {
        let events = json(&world.plumb(&["ledger", "events", "--format", "json"]))["events"].clone();
        let events = events.as_array().unwrap().iter().map(|event| &event["event"]);
        let configs = events.filter(|event| event["kind"] == "log.config").map(|event| {
            let days = |class: &str| event["detail"][format!("retention_{class}_days")].as_u64().unwrap();
            [days("bodies"), days("evidence"), days("access_log")]
        });
        configs.collect::<Vec<_>>()
    };
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    assert_eq!(configs(), [[0, 0, 365]]);
    let checkpoint =
        |words: &[&str]| assert_code(&world.plumb(&[words, &["ledger", "checkpoint"]].concat()), 0);
    let first = ["--retention-bodies-days", "30", "--retention-evidence-days", "90"];
    checkpoint(&first);
    checkpoint(&first);
    checkpoint(&["--retention-access-log-days", "0"]);
    // Another promise alone is another start, and no other retention.
    let anchor = world.path("anchor.log");
    checkpoint(&["--retention-access-log-days", "0", "--ledger-anchor", anchor.to_str().unwrap()]);
    assert_eq!(configs(), [[0, 0, 365], [30, 90, 365], [0, 0, 0]]);
    assert_eq!(
        json(&world.plumb(&["ledger", "verify", "--format", "json"]))["findings"][0]["code"],
        "evidence_expected"
    );
}

#[test]
fn tlw_33_only_evidence_that_is_old_and_not_held_goes_and_verifiers_say_that_retention_removed_it() {
    let kept = Kept::new();
    let current = kept.set("SELECT evidence_sha256 FROM host_rule_state;");
    let named = kept.set("SELECT evidence_sha256 FROM transactions;");
    let of_db = kept.set(
        "SELECT t.evidence_sha256 FROM transactions AS t JOIN hosts AS h ON h.host_id = t.host_id \
         WHERE h.name = 'demo-db';",
    );
    let old: BTreeSet<String> = named.difference(&current).cloned().collect();
    let (held, free): (BTreeSet<String>, BTreeSet<String>) =
        old.iter().cloned().partition(|sha256| of_db.contains(sha256));
    assert!(!held.is_empty() && !free.is_empty());
    assert_refused(&kept.prune("0"), 64, "and so is evidence");
    let own =
        ["ledger", "prune", "--retention-evidence-days", "90", "--reason", "r", "--approved-by", "root"];
    assert_code(&kept.plumb(&own), 64);
    let none = kept.prune("36500");
    assert!(
        none.success() && none.stdout.is_empty() && none.stderr.contains("nothing was removed"),
        "{none:#?}"
    );
    assert_code(&kept.plumb(&["ledger", "hold", "add", "case", "--host", "demo-db", "--reason", "court"]), 0);
    let done = kept.prune("90");
    assert_eq!((done.code, digests(&done)), (Some(0), free), "{done:#?}");
    assert!(
        done.stderr.contains(&format!("{} evidence documents are held and stay", held.len())),
        "{done:#?}"
    );
    assert_code(&kept.plumb(&["ledger", "hold", "release", "case", "--reason", "settled"]), 0);
    assert_eq!(digests(&kept.prune("90")), held);
    assert!(kept.prune("90").stderr.contains("nothing was removed"));
    let empty = kept.set("SELECT sha256 FROM evidence WHERE length(body) = 0;");
    assert_eq!(empty, old);
    assert_tombstones(&kept, &old);
    assert_accounted(&kept, old.len());
}

/// Asserts that each has its tombstone: digest, size, when, and by which setting.
fn assert_tombstones(kept: &Kept, old: &BTreeSet<String>) {
    let sizes = kept.set("SELECT sha256 || ' ' || byte_size FROM evidence WHERE length(body) = 0;");
    let tombstones = kept.events("body.erased");
    let said = tombstones.iter().map(|event| {
        let detail = &event["detail"];
        assert_eq!(
            (&detail["blob"], &detail["retention_days"]),
            (&"evidence".into(), &90.into()),
            "{event:#}"
        );
        assert_eq!((&detail["reason"], &detail["approved_by"]), (&"policy 4".into(), &"ada".into()));
        format!("{} {}", detail["erased_sha256"].as_str().unwrap(), detail["erased_size"])
    });
    assert_eq!(said.collect::<BTreeSet<_>>(), sizes);
    assert_eq!(tombstones.len(), old.len());
    let audits = kept.set("SELECT detail FROM audit_events WHERE action = 'ledger.evidence_pruned';");
    assert!(audits.iter().all(|detail| detail.contains("\"retention_days\":90")), "{audits:?}");
    assert_eq!(audits.len(), 2);
    let gone = kept.plumb(&["evidence", old.first().unwrap()]);
    assert_refused(&gone, 64, "was erased on purpose or by retention");
}

/// Asserts that both verifiers account for all that is gone, and for nothing else.
fn assert_accounted(kept: &Kept, removed: usize) {
    let report = kept.verify();
    assert_eq!((codes(&report), &report["expired"], &report["erased"]), (vec![], &removed.into(), &0.into()));
    let text = kept.plumb(&["ledger", "verify"]).stdout;
    assert!(text.contains(&format!("{removed} evidence removed by retention")), "{text}");
    let bundle = kept.world.path("bundle").to_str().unwrap().to_owned();
    assert_code(&kept.plumb(&["ledger", "export", "-o", &bundle]), 0);
    let status = json(&kept.plumb(&["ledger", "status", "--format", "json"]));
    let vkey = status["vkey"].as_str().unwrap();
    let report = json(&kept.plumb(&["verify", &bundle, "--vkey", vkey, "--format", "json"]));
    assert_eq!(codes(&report), [""; 0]);
    assert!(report["expired"].as_u64().unwrap() >= removed as u64, "{report:#}");
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/verify.py");
    assert_eq!(tool("python3", &[other.to_str().unwrap(), &bundle, vkey]).trim(), "ok");
    assert_code(&kept.plumb(&["state", "verify"]), 0);
    // What no retention removed is missed, and a removal that only the database knows is none.
    tamper(
        &kept.database(),
        "UPDATE evidence SET body = x'' WHERE sha256 = \
        (SELECT min(sha256) FROM evidence WHERE length(body) > 0);",
    );
    let report = kept.verify();
    assert!(codes(&report).contains(&"body_missing"), "{report:#}");
}

#[test]
fn tlw_33_a_segment_is_sealed_only_with_the_removals_that_account_for_it() {
    let kept = Kept::new();
    assert_code(&kept.prune("90"), 0);
    let archive = kept.world.path("archive").to_str().unwrap().to_owned();
    let seal = |before: &str| kept.plumb(&["ledger", "seal", "--before", before, "--output", &archive]);
    let done = seal("2026-03-05");
    assert!(done.success() && done.stderr.contains("nothing was done"), "{done:#?}");
    // Enough entries behind the removals that they are in the segment, too.
    let rules: Vec<_> = (0..260).map(|n| closed(&format!("missing_{n}"), "low")).collect();
    let content = folder(&kept.world, "ours", &rules);
    assert_code(&kept.plumb(&["scan", "localhost", "--content", &content]), 2);
    let done = seal("2100-01-01");
    assert!(done.success() && !done.stdout.is_empty(), "{done:#?}");
    assert_eq!(codes(&kept.verify()), [""; 0]);
}
