//! What scripts read: every command that writes JSON writes one document that names its shape and its version.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cli::walk;
use crate::demo::demo;
use crate::scan::imported::vendor;
use crate::support::{assert_code, json, world};

/// Every command with `--format json` but `scan`, which has formats of its own: what it is asked here, and the shape of its
/// answer. BUNDLE stands for an export of the ledger, VKEY for the key that signed it, RULES for rules of others.
const ASKED: &str = "\
why sshd_permit_root_login --host demo-web|why/1
posture demo-web|posture/1
posture|postures/1
history demo-web|history/1
diff demo-web --from 2026-03-02 --to 2026-03-09|diff/1
host list|hosts/1
host show demo-web|host_view/1
known-hosts list|host_keys/1
rules list|rules/1
rules coverage --framework cis --edition debian-12-1.1.0|coverage/1
rules import-report RULES|import_report/1
profile list|profiles/1
profile show cis-l1-server|profile/1
profile diff cis-l1-server cis-l2-server|profile-diff/1
ledger status|ledger_status/1
ledger verify|verification/1
ledger events|ledger_events/1
ledger hold list|holds/1
state verify|state_check/1
verify BUNDLE --vkey VKEY|verification/1
fact put host:demo-web owner 1 --type desired|fact_view/1
fact get host:demo-web owner --type desired|facts/1
fact history host:demo-web owner --type desired|facts/1
fact as-of host:demo-web --type desired|facts/1
fact diff host:demo-web --from 2026-03-02|fact_diff/1
fact retire host:demo-web owner --type desired --reason moved|fact_view/1
edge put host:demo-web member_of group:web|edge_view/1
edge list host:demo-web|edges/1
graph traverse host:demo-web|graph/1
graph path host:demo-web group:web|graph/1
edge retire host:demo-web member_of group:web --reason moved|edge_view/1
db check|db_check/1
store repair|store_repair/1
";

#[test]
fn every_document_for_scripts_names_its_shape() {
    let world = world();
    let (_said, commands) = demo(&world);
    let (data, bundle) = (&commands[0][..2], world.path("bundle").to_str().unwrap().to_owned());
    let plumb = |words: &[&str]| {
        let words: Vec<&str> = data.iter().map(String::as_str).chain(words.iter().copied()).collect();
        world.plumb(&words)
    };
    let status = json(&plumb(&["ledger", "status", "--format", "json"]));
    assert_code(&plumb(&["ledger", "export", "--output", &bundle]), 0);
    let rules = vendor(&world);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/answers.md");
    let page = fs::read_to_string(page).unwrap();
    let mut shown = BTreeSet::new();
    for (asked, shape) in ASKED.lines().map(|line| line.split_once('|').unwrap()) {
        let word = |word| match word {
            "BUNDLE" => bundle.as_str(),
            "VKEY" => status["vkey"].as_str().unwrap(),
            "RULES" => rules.as_str(),
            word => word,
        };
        let words: Vec<&str> = asked.split(' ').map(word).chain(["--format", "json"]).collect();
        let done = plumb(&words);
        assert!(matches!(done.code, Some(0 | 2)), "{asked}: {done:#?}");
        assert_eq!(json(&done)["schema"], format!("plumbline.{shape}"), "{asked}");
        assert!(done.stdout.starts_with("{\n"), "{asked}: a document of its own");
        assert!(page.contains(&format!("`plumbline.{shape}`")), "{shape} is not on the page");
        shown.insert(asked.to_owned());
    }
    let has_json = |command: &&String| {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = world.plumb(&words).stdout;
        help.contains("--format <FORMAT>") && *command != "scan"
    };
    let all = walk(&world, &[]);
    for command in all.iter().filter(has_json) {
        assert!(shown.iter().any(|asked| asked.starts_with(command.as_str())), "{command} is not asked");
    }
}
