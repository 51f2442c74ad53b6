//! Our verdicts beside those of an independent scanner, OpenSCAP with the content of ComplianceAsCode, on one host
//! in three states. Where both can judge a rule they agree, or a committed ruling says who is right and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use testkit::host::TestHost;
use testkit::wait;

use crate::content::{Side, cases, prepare};
use crate::support::{World, host, json, one_host, statuses, world};

/// What both scanners are told that the host is: the newest system that the packaged content knows.
const RELEASE: &str = "PRETTY_NAME=\"Ubuntu 22.04\"\nNAME=Ubuntu\nVERSION_ID=\"22.04\"\nVERSION=\"22.04 LTS (Jammy)\"\n\
                       VERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=jammy\n";
const CONTENT: &str = "/usr/share/xml/scap/ssg/content/ssg-ubuntu2204-ds.xml";
/// Where the other scanner stands on the host.
const THERE: &str = "/opt/oscap";

/// Why rules of ours may have another verdict than theirs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ruling {
    rules: Vec<String>,
    /// Our verdict; theirs is the other one.
    ours: String,
    reason: String,
}

fn rulings() -> Vec<Ruling> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crosscheck.yaml");
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Copies the other scanner with its libraries and content onto the host.
fn install(host: &TestHost) {
    let root = PathBuf::from(format!("/proc/{}/root{THERE}", host.pid()));
    fs::create_dir_all(root.join("lib")).unwrap();
    let linked = Command::new("ldd").arg("/usr/bin/oscap").output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    for library in linked.split_whitespace().filter(|word| word.starts_with('/')) {
        let name = Path::new(library).file_name().unwrap();
        fs::copy(library, root.join("lib").join(name)).unwrap();
    }
    fs::copy("/usr/bin/oscap", root.join("oscap")).unwrap();
    fs::copy(CONTENT, root.join("content.xml")).unwrap();
    let copied = Command::new("cp").args(["-r", "/usr/share/openscap"]).arg(&root).status().unwrap();
    assert!(copied.success());
}

/// Longest that the other scanner may take on a busy machine; half a minute when it has the machine to itself.
const THEIR_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Returns the other scanner's result of each of these of its rules that its content has.
///
/// It is left to itself: some of its rules walk the whole file system each.
fn theirs(host: &TestHost, asked: &BTreeSet<&String>) -> BTreeMap<String, String> {
    let known = fs::read_to_string(CONTENT).unwrap();
    let asked = asked.iter().map(|rule| format!("xccdf_org.ssgproject.content_rule_{rule}"));
    let asked: Vec<String> = asked
        .filter(|id| known.contains(&format!(" id=\"{id}\" severity=")))
        .map(|id| format!("--rule {id}"))
        .collect();
    assert!(asked.len() > 100, "{asked:?}");
    let script = format!(
        "cd {THERE}; rm -f ended results.xml; export OSCAP_SCHEMA_PATH={THERE}/openscap/schemas \
         OSCAP_CPE_PATH={THERE}/openscap/cpe\n\
         (lib/ld-linux-x86-64.so.2 --library-path lib ./oscap xccdf eval --profile '(all)' {} --results results.xml \
         content.xml; echo $? >ended.part; mv ended.part ended) >said 2>&1 </dev/null &",
        asked.join(" ")
    );
    host.must(&script).unwrap();
    let root = PathBuf::from(format!("/proc/{}/root{THERE}", host.pid()));
    assert!(wait::until(THEIR_LIMIT, || root.join("ended").exists()), "the other scanner does not end");
    // 2 says that a rule fails (oscap(8)).
    let ended = fs::read_to_string(root.join("ended")).unwrap();
    let said = fs::read_to_string(root.join("said")).unwrap();
    assert!(["0", "2"].contains(&ended.trim()), "{ended}: {said}");
    let path = format!("/proc/{}/root{THERE}/results.xml", host.pid());
    let text = fs::read_to_string(path).unwrap();
    let mut results = BTreeMap::new();
    for part in text.split("<rule-result ").skip(1) {
        let id = part.split("content_rule_").nth(1).unwrap().split('"').next().unwrap();
        let result = part.split("<result>").nth(1).unwrap().split('<').next().unwrap();
        results.insert(id.to_owned(), result.to_owned());
    }
    assert!(results.len() > 100, "{results:?}");
    results
}

/// Returns which of their rules judge the same as each of ours.
fn bridge(world: &World) -> BTreeMap<String, Vec<String>> {
    let args = ["rules", "coverage", "--framework", "complianceascode", "--format", "json"];
    let coverage = json(&world.plumb(&args))["coverage"].clone();
    let mut bridge: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for control in coverage["controls"].as_array().unwrap() {
        for rule in control["rules"].as_array().unwrap() {
            let theirs = control["control"].as_str().unwrap().to_owned();
            bridge.entry(rule.as_str().unwrap().to_owned()).or_default().push(theirs);
        }
    }
    bridge
}

/// Returns the verdict of all their rules together, when each of them gave one.
fn together(theirs: &BTreeMap<String, String>, rules: &[String]) -> Option<&'static str> {
    let mut found = BTreeSet::new();
    for rule in rules {
        found.insert(theirs.get(rule)?.as_str());
    }
    let judged = found.iter().all(|result| ["pass", "fail"].contains(result));
    judged.then_some(if found.contains("fail") { "fail" } else { "pass" })
}

/// Judges one state by both, and notes what differs. Returns how many verdicts there were to compare.
fn compare(
    (world, host): (&World, &TestHost),
    bridge: &BTreeMap<String, Vec<String>>,
    differing: &mut BTreeSet<(String, String)>,
) -> (usize, usize) {
    let ours = statuses(&one_host(&world.scan(host, &["--format", "json"])));
    let theirs = theirs(host, &bridge.values().flatten().collect());
    let (mut judged, mut equal) = (0, 0);
    for (rule, status) in ours.iter().filter(|(_, status)| ["pass", "fail"].contains(&status.as_str())) {
        let Some(verdict) = bridge.get(rule).and_then(|rules| together(&theirs, rules)) else { continue };
        judged += 1;
        if verdict == status {
            equal += 1;
        } else {
            differing.insert((rule.clone(), status.clone()));
        }
    }
    (judged, equal)
}

#[test]
fn verdicts_agree_with_those_of_an_independent_scanner_or_a_ruling_says_why_not() {
    let (world, host) = (world(), host());
    host.must(&format!(
        "rm /etc/os-release; cat >/etc/os-release <<'END'\n{RELEASE}END\n\
         printf 'DISTRIB_ID=Ubuntu\\nDISTRIB_CODENAME=jammy\\n' >/etc/lsb-release"
    ))
    .unwrap();
    install(&host);
    let (bridge, cases) = (bridge(&world), cases());
    let mut differing = BTreeSet::new();
    let (mut judged, mut equal) = (0, 0);
    for side in [None, Some(Side::Good), Some(Side::Bad)] {
        if let Some(side) = side {
            prepare(&host, &cases.iter().filter(|case| case.is_on_debian(side)).collect::<Vec<_>>(), side);
        }
        let (more, same) = compare((&world, &host), &bridge, &mut differing);
        judged += more;
        equal += same;
    }
    // Read with `--no-capture`.
    println!("{equal} of {judged} verdicts are the same; {} kinds of difference", differing.len());
    assert!(judged > 400, "{judged}");
    let rulings = rulings();
    assert!(rulings.iter().all(|ruling| ruling.reason.len() > 20), "a ruling gives its reason");
    let ruled: BTreeSet<(String, String)> = rulings
        .iter()
        .flat_map(|ruling| ruling.rules.iter().map(|rule| (rule.clone(), ruling.ours.clone())))
        .collect();
    let without: Vec<_> = differing.difference(&ruled).collect();
    assert!(without.is_empty(), "no ruling says why ours differ: {without:?}");
    let idle: Vec<_> = ruled.difference(&differing).collect();
    assert!(idle.is_empty(), "rulings about what does not differ: {idle:?}");
}
