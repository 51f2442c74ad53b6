//! Our verdicts beside those of an independent scanner, OpenSCAP with the content of ComplianceAsCode, on a host as
//! built, all well and all broken, the last two also said in a form that both read. Where both can judge a rule they
//! agree, or a committed ruling says who is right and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
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
/// Share of the verdicts that both can judge that is the same before any ruling, where both read what is said.
/// Thousandths.
const LEAST_AGREEMENT: usize = 995;
const PROFILE: &str = "xccdf_plumbline_profile_limits";

/// What is committed about the two scanners; the file says what each part is for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Committed {
    /// By the end of the name of their parameter.
    limits: BTreeMap<String, String>,
    plainly: Vec<Plainly>,
    cannot_judge: Vec<CannotJudge>,
    lacking: Vec<Lacking>,
    rulings: Vec<Ruling>,
}

/// Scripts that say what the cases say in a form that both read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plainly {
    reason: String,
    good: Option<String>,
    bad: Option<String>,
    /// After either of them.
    both: Option<String>,
}

/// Rules of theirs that have no verdict on this system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CannotJudge {
    rules: Vec<String>,
    /// What stands in their content and is not on this system.
    looks_for: String,
    reason: String,
}

/// Rules of theirs that this content does not have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lacking {
    rules: Vec<String>,
    reason: String,
}

/// Why rules of ours may have another verdict than theirs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ruling {
    rules: Vec<String>,
    /// Our verdict; theirs is the other one.
    ours: String,
    reason: String,
    /// Whether they differ also where all is said in a form that both read.
    #[serde(default)]
    even_plainly: bool,
}

impl Committed {
    fn read() -> Committed {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crosscheck.yaml");
        let committed: Committed = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let reasons = committed.rulings.iter().map(|ruling| &ruling.reason);
        let reasons = reasons.chain(committed.cannot_judge.iter().map(|entry| &entry.reason));
        let reasons = reasons.chain(committed.lacking.iter().map(|entry| &entry.reason));
        let mut reasons = reasons.chain(committed.plainly.iter().map(|form| &form.reason));
        assert!(reasons.all(|reason| reason.len() > 20), "each entry gives its reason");
        committed
    }

    /// Returns the rules of theirs that have no verdict here.
    fn without_verdict(&self) -> BTreeSet<&String> {
        self.cannot_judge.iter().flat_map(|entry| &entry.rules).collect()
    }

    /// Returns what may differ: rule, our verdict, and whether that is in a plain state.
    fn ruled(&self) -> BTreeSet<Difference> {
        let of = |ruling: &Ruling| {
            let forms = if ruling.even_plainly { [false, true].as_slice() } else { [false].as_slice() };
            let each = |rule: &String| {
                let of_form = |&plain| Difference { rule: rule.clone(), ours: ruling.ours.clone(), plain };
                forms.iter().map(of_form).collect::<Vec<_>>()
            };
            ruling.rules.iter().flat_map(each).collect::<Vec<_>>()
        };
        self.rulings.iter().flat_map(of).collect()
    }

    /// Returns a profile of all these rules under our limits (XCCDF 1.2, 6.7).
    fn tailoring(&self, known: &str, asked: &[String]) -> String {
        let mut text = format!(
            "<Tailoring xmlns='http://checklists.nist.gov/xccdf/1.2' id='xccdf_plumbline_tailoring_limits'>\n\
             <version time='2026-01-01T00:00:00'>1</version>\n<Profile id='{PROFILE}'>\n<title>Our limits</title>"
        );
        // It passes over every second one of elements that stand next to each other without white space.
        for rule in asked {
            text += &format!("\n<select idref='{rule}' selected='true'/>");
        }
        for (name, limit) in &self.limits {
            let id = format!("xccdf_org.ssgproject.content_value_{name}");
            assert!(known.contains(&format!(" id=\"{id}\"")), "{name} is no parameter of theirs");
            text += &format!("\n<set-value idref='{id}'>{limit}</set-value>");
        }
        text + "\n</Profile>\n</Tailoring>\n"
    }
}

/// A kind of difference: rulings are about these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    rule: String,
    ours: String,
    plain: bool,
}

/// What is shown to both scanners.
#[derive(Debug, Clone, Copy)]
struct State {
    name: &'static str,
    side: Option<Side>,
    plain: bool,
}

const AS_THE_CASES_SAY: [State; 3] = [
    State { name: "as built", side: None, plain: false },
    State { name: "good", side: Some(Side::Good), plain: false },
    State { name: "bad", side: Some(Side::Bad), plain: false },
];
const PLAINLY: [State; 2] = [
    State { name: "good, plainly", side: Some(Side::Good), plain: true },
    State { name: "bad, plainly", side: Some(Side::Bad), plain: true },
];

/// Two verdicts on one rule of ours in one state.
struct Verdicts {
    ours: Difference,
    equal: bool,
    /// Rules of theirs behind it that have no verdict here.
    without: Vec<String>,
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
fn theirs(host: &TestHost, asked: &BTreeSet<&String>, committed: &Committed) -> BTreeMap<String, String> {
    let known = fs::read_to_string(CONTENT).unwrap();
    for entry in &committed.cannot_judge {
        assert!(known.contains(&entry.looks_for), "{} is not in their content", entry.looks_for);
    }
    for rule in committed.lacking.iter().flat_map(|entry| &entry.rules) {
        assert!(!known.contains(&format!("content_rule_{rule}\"")), "{rule} is in their content");
    }
    let asked = asked.iter().map(|rule| format!("xccdf_org.ssgproject.content_rule_{rule}"));
    let asked: Vec<String> = asked.filter(|id| known.contains(&format!(" id=\"{id}\" severity="))).collect();
    assert!(asked.len() > 100, "{asked:?}");
    let root = PathBuf::from(format!("/proc/{}/root{THERE}", host.pid()));
    fs::write(root.join("limits.xml"), committed.tailoring(&known, &asked)).unwrap();
    let script = format!(
        "cd {THERE}; rm -f ended results.xml; export OSCAP_SCHEMA_PATH={THERE}/openscap/schemas \
         OSCAP_CPE_PATH={THERE}/openscap/cpe\n\
         (lib/ld-linux-x86-64.so.2 --library-path lib ./oscap xccdf eval --tailoring-file limits.xml \
         --profile {PROFILE} --results results.xml content.xml; echo $? >ended.part; mv ended.part ended) \
         >said 2>&1 </dev/null &"
    );
    host.must(&script).unwrap();
    assert!(wait::until(THEIR_LIMIT, || root.join("ended").exists()), "the other scanner does not end");
    // 2 says that a rule fails (oscap(8)).
    let ended = fs::read_to_string(root.join("ended")).unwrap();
    let said = fs::read_to_string(root.join("said")).unwrap();
    assert!(["0", "2"].contains(&ended.trim()), "{ended}: {said}");
    let text = fs::read_to_string(root.join("results.xml")).unwrap();
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
fn bridge(world: &World, committed: &Committed) -> BTreeMap<String, Vec<String>> {
    let args = ["rules", "coverage", "--framework", "complianceascode", "--format", "json"];
    let coverage = json(&world.plumb(&args))["coverage"].clone();
    let mut bridge: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for control in coverage["controls"].as_array().unwrap() {
        for rule in control["rules"].as_array().unwrap() {
            let theirs = control["control"].as_str().unwrap().to_owned();
            bridge.entry(rule.as_str().unwrap().to_owned()).or_default().push(theirs);
        }
    }
    for rule in committed.lacking.iter().flat_map(|entry| &entry.rules) {
        let named = bridge.values_mut().find(|rules| rules.contains(rule));
        named.unwrap_or_else(|| panic!("{rule} is not in the bridge")).retain(|other| other != rule);
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

/// Judges one state by both.
fn compare(
    (world, host): (&World, &TestHost),
    bridge: &BTreeMap<String, Vec<String>>,
    committed: &Committed,
    state: State,
) -> Vec<Verdicts> {
    let ours = statuses(&one_host(&world.scan(host, &["--format", "json"])));
    let theirs = theirs(host, &bridge.values().flatten().collect(), committed);
    let unable = committed.without_verdict();
    let mut found = Vec::new();
    for (rule, status) in ours.into_iter().filter(|(_, status)| ["pass", "fail"].contains(&status.as_str())) {
        let Some(bridged) = bridge.get(&rule) else { continue };
        let Some(verdict) = together(&theirs, bridged) else { continue };
        found.push(Verdicts {
            equal: verdict == status,
            without: bridged.iter().filter(|rule| unable.contains(rule)).cloned().collect(),
            ours: Difference { rule, ours: status, plain: state.plain },
        });
    }
    found
}

/// Shows a host of its own these states one after the other.
fn judge(states: &[State], committed: &Committed) -> Vec<(State, Vec<Verdicts>)> {
    let (world, host) = (world(), host());
    host.must(&format!(
        "rm /etc/os-release; cat >/etc/os-release <<'END'\n{RELEASE}END\n\
         printf 'DISTRIB_ID=Ubuntu\\nDISTRIB_CODENAME=jammy\\n' >/etc/lsb-release"
    ))
    .unwrap();
    install(&host);
    let (bridge, cases) = (bridge(&world, committed), cases());
    let mut judged = Vec::new();
    for &state in states {
        if let Some(side) = state.side {
            prepare(&host, &cases.iter().filter(|case| case.is_on_debian(side)).collect::<Vec<_>>(), side);
            let forms = committed.plainly.iter().filter(|_| state.plain);
            for form in forms {
                let first = if side == Side::Good { &form.good } else { &form.bad };
                for script in first.iter().chain(&form.both) {
                    host.must(script).unwrap_or_else(|err| panic!("{}: {err:?}", form.reason));
                }
            }
        }
        judged.push((state, compare((&world, &host), &bridge, committed, state)));
    }
    judged
}

/// Returns how many verdicts are the same and how many there are, of those that both can judge.
fn count(verdicts: &[&Verdicts]) -> (usize, usize) {
    let both = || verdicts.iter().filter(|verdicts| verdicts.without.is_empty());
    (both().filter(|verdicts| verdicts.equal).count(), both().count())
}

/// Says how many of these verdicts are the same.
fn share<'a>(name: &str, verdicts: impl Iterator<Item = &'a Verdicts>) -> String {
    let verdicts: Vec<&Verdicts> = verdicts.collect();
    let part =
        |(equal, of): (usize, usize)| format!("{equal} of {of} ({:.1} %)", 100.0 * equal as f64 / of as f64);
    let all = (verdicts.iter().filter(|verdicts| verdicts.equal).count(), verdicts.len());
    format!("{name}: {} are the same; of those that both can judge {}", part(all), part(count(&verdicts)))
}

#[test]
fn verdicts_agree_with_those_of_an_independent_scanner_or_a_ruling_says_why_not() {
    let committed = Committed::read();
    let judged = thread::scope(|scope| {
        let hosts = [AS_THE_CASES_SAY.as_slice(), PLAINLY.as_slice()]
            .map(|states| scope.spawn(|| judge(states, &committed)));
        hosts.into_iter().flat_map(|host| host.join().unwrap()).collect::<Vec<_>>()
    });
    // Read with `--no-capture`.
    for (state, verdicts) in &judged {
        println!("{}", share(state.name, verdicts.iter()));
    }
    let all: Vec<&Verdicts> = judged.iter().flat_map(|(_, verdicts)| verdicts).collect();
    println!("{}", share("all", all.iter().copied()));
    let plain: Vec<&Verdicts> = all.iter().filter(|verdicts| verdicts.ours.plain).copied().collect();
    println!("{}", share("both plain states", plain.iter().copied()));
    assert!(all.len() > 800, "{}", all.len());
    let (equal, both) = count(&plain);
    assert!(equal * 1_000 >= both * LEAST_AGREEMENT, "{equal} of {both}");
    let different = || all.iter().filter(|verdicts| !verdicts.equal);
    let differing: BTreeSet<Difference> = different()
        .filter(|verdicts| verdicts.without.is_empty())
        .map(|verdicts| verdicts.ours.clone())
        .collect();
    println!("{} kinds of difference", differing.len());
    let ruled = committed.ruled();
    let unruled: Vec<_> = differing.difference(&ruled).collect();
    assert!(unruled.is_empty(), "no ruling says why ours differ: {unruled:#?}");
    let idle: Vec<_> = ruled.difference(&differing).collect();
    assert!(idle.is_empty(), "rulings about what does not differ: {idle:#?}");
    let silent: BTreeSet<&String> = different().flat_map(|verdicts| &verdicts.without).collect();
    let idle: Vec<_> = committed.without_verdict().difference(&silent).copied().cloned().collect();
    assert!(idle.is_empty(), "rules of theirs that are left out for nothing: {idle:?}");
}
