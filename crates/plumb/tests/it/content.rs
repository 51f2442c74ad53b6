//! Shipped content against real hosts: one host on which everything is well, one on which everything is
//! broken, and every rule has to tell them apart. Also `plumb rules`, which needs no host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use testkit::host::TestHost;

use crate::ours::folder;
use crate::support::{World, assert_code, assert_refused, host, json, one_host, world};

/// A rule with what makes it pass and what makes it fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) rule: String,
    #[serde(default)]
    round: Round,
    good: String,
    bad: String,
    #[serde(default)]
    fake_proc: Option<Fakes>,
}

/// Files of the shared kernel that a host shows instead of its own, by path.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fakes {
    good: BTreeMap<String, String>,
    bad: BTreeMap<String, String>,
}

/// When a case is shown.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Round {
    /// With all others on a Debian host.
    #[default]
    First,
    /// After them: what it breaks is the precondition of others.
    Later,
    /// On a host that says it is of this family.
    Rhel,
    Ubuntu,
}

impl Case {
    /// Tells whether a host of Debian or alike shows it together with the others.
    pub(crate) fn is_on_debian(&self, side: Side) -> bool {
        self.round == Round::First || (self.round == Round::Later && side == Side::Good)
    }
}

impl Round {
    /// Returns the os-release that the host of this round shows; Debian's own when none.
    fn os_release(self) -> Option<&'static str> {
        match self {
            Self::First | Self::Later => None,
            Self::Rhel => Some(
                "ID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"RHEL 9.4, a stand-in\"\n",
            ),
            Self::Ubuntu => Some(
                "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\nPRETTY_NAME=\"Ubuntu 24.04, a stand-in\"\n",
            ),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Good,
    Bad,
}

pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/content");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path| -> Vec<Case> {
        let text = fs::read_to_string(path).unwrap();
        serde_saphyr::from_str(&text).unwrap_or_else(|err| panic!("{err}"))
    };
    paths.iter().flat_map(read).collect()
}

/// Runs every script of one side, then shows the kernel files of that side.
pub(crate) fn prepare(host: &TestHost, cases: &[&Case], side: Side) {
    for case in cases {
        let script = if side == Side::Good { &case.good } else { &case.bad };
        if let Err(err) = host.must(script) {
            panic!("{}: {err:?}", case.rule);
        }
    }
    let mut shown = BTreeMap::new();
    for fakes in cases.iter().filter_map(|case| case.fake_proc.as_ref()) {
        shown.extend(if side == Side::Good { &fakes.good } else { &fakes.bad });
    }
    for (path, content) in shown {
        host.fake_proc(path, content).unwrap();
    }
}

/// Scans with every rule that applies, and asserts that those of `cases` have `expected`, or lists those that
/// do not and what they saw. Returns how many rules there were.
fn assert_rules(world: &World, host: &TestHost, cases: &[&Case], side: Side) -> usize {
    let expected = if side == Side::Good { "pass" } else { "fail" };
    let done = world.scan(host, &["--format", "json"]);
    let document = one_host(&done);
    let results = document["outcome"]["measured"]["results"].as_array().unwrap();
    let mut differing = Vec::new();
    for case in cases {
        let found = results.iter().find(|result| result["rule_id"] == case.rule.as_str());
        match found {
            None => differing.push(format!("{} is not among the results", case.rule)),
            Some(result) if result["status"] == expected => {}
            Some(result) => {
                let part = |name: &str| result[name].to_string();
                let text = format!("{} {} {}", case.rule, part("status"), part("reason"));
                differing.push(format!("{text} found {}", part("actual")));
            }
        }
    }
    assert!(differing.is_empty(), "not {expected}:\n{}", differing.join("\n"));
    if side == Side::Good && cases.len() == results.len() {
        assert_code(&done, 0);
    }
    results.len()
}

/// Shows every case of one side in its round, all on one host.
fn show_every_rule(side: Side) {
    let (world, host) = (world(), host());
    let all = cases();
    let of = |round: Round| all.iter().filter(|case| case.round == round).collect::<Vec<_>>();
    let debian: Vec<&Case> = of(Round::First).into_iter().chain(of(Round::Later)).collect();
    let together = if side == Side::Good { debian.clone() } else { of(Round::First) };
    prepare(&host, &together, side);
    assert_eq!(assert_rules(&world, &host, &together, side), debian.len());
    if side == Side::Bad {
        prepare(&host, &of(Round::Later), side);
        assert_rules(&world, &host, &of(Round::Later), side);
    }
    for round in [Round::Rhel, Round::Ubuntu] {
        let release = round.os_release().unwrap();
        host.must(&format!("rm /etc/os-release; cat >/etc/os-release <<'END'\n{release}END")).unwrap();
        prepare(&host, &of(round), side);
        assert_rules(&world, &host, &of(round), side);
    }
}

fn shipped_rules(world: &World) -> Value {
    let listed = world.plumb(&["rules", "list", "--format", "json"]);
    assert_code(&listed, 0);
    json(&listed)
}

#[test]
fn every_shipped_rule_passes_where_all_is_well() {
    show_every_rule(Side::Good);
}

#[test]
fn every_shipped_rule_fails_where_all_is_broken() {
    show_every_rule(Side::Bad);
}

#[test]
fn every_shipped_rule_has_one_case_of_breaking_and_fixing() {
    let listed = shipped_rules(&world());
    let shipped: BTreeSet<String> = listed["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["rule_id"].as_str().unwrap().into())
        .collect();
    let cases = cases();
    assert_eq!(cases.iter().map(|case| case.rule.clone()).collect::<BTreeSet<_>>().len(), cases.len());
    // What a rule says of its proof is where it is shown.
    let shown = |rule: &str| match cases.iter().find(|case| case.rule == rule).map(|case| case.round) {
        Some(Round::First | Round::Later) => "host",
        Some(Round::Rhel | Round::Ubuntu) => "stand_in",
        None => "capture",
    };
    for rule in listed["rules"].as_array().unwrap() {
        let id = rule["rule_id"].as_str().unwrap();
        assert_eq!(rule["proof"], shown(id), "{id}");
    }
    let captured: Vec<&String> =
        shipped.iter().filter(|id| !cases.iter().any(|case| case.rule == **id)).collect();
    assert_eq!(captured, ["sysctl_fips_mode"], "no kernel here can show it");
}

#[test]
fn rules_list_names_what_ships_and_narrows_by_tag() {
    let world = world();
    let listed = shipped_rules(&world);
    assert_eq!(listed["schema"], "plumbline.rules/1");
    assert_eq!(
        listed["profiles"],
        serde_json::json!(["baseline", "cis-l1-server", "cis-l2-server", "server", "stig", "strict"])
    );
    assert!(listed["rules"].as_array().unwrap().iter().all(|rule| rule["tests"].as_u64().unwrap() >= 2));
    let cron = world.plumb(&["rules", "list", "--tag", "cron"]);
    assert_code(&cron, 0);
    let rows: Vec<&str> = cron.stdout.lines().collect();
    assert_eq!(rows[0].split('\t').next(), Some("rule"));
    assert!(
        rows[1..]
            .iter()
            .any(|row| row.starts_with("unit_cron\tmedium\tdebian 12-13 ubuntu 22.04-24.04 rhel 8-10\t")),
        "{rows:?}"
    );
    assert!(rows[1..].iter().all(|row| row.contains("cron")), "{rows:?}");
    let misspelt = world.plumb(&["rules", "list", "--tag", "basline", "--format", "json"]);
    assert_refused(&misspelt, 64, "no rule has the tag \"basline\"");
    assert!(misspelt.stderr.ends_with("\nhint: did you mean baseline?\n"), "{misspelt:?}");
}

#[test]
fn rules_show_prints_the_file_of_the_rule_byte_for_byte() {
    let world = world();
    let shown = world.plumb(&["rules", "show", "file_sudoers"]);
    assert_code(&shown, 0);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/rules/sudo/file_sudoers.yaml");
    assert_eq!(shown.stdout, fs::read_to_string(file).unwrap());
    assert_refused(&world.plumb(&["rules", "show", "no_such_rule"]), 64, "no_such_rule");
}

#[test]
fn rules_explain_says_what_why_how_and_which_controls() {
    let world = world();
    let explained = world.plumb(&["rules", "explain", "file_sudoers"]);
    assert_code(&explained, 0);
    for part in [
        "file_sudoers (high)\n",
        "Only root and its group read the rules of sudo\n",
        "\nWhy: Who can write these rules is root",
        "\nFix: Run `chown root:root` and `chmod 0440`",
        "\nControl: nist-800-53 rev5: ",
        "\nApplies to: debian 12-13, ubuntu 22.04-24.04, rhel 8-10\n",
        "\nProfiles: baseline, ",
        "\nTags: files, sudo, baseline\n",
        "\nCheck: typed, proven by: host\n",
    ] {
        assert!(explained.stdout.contains(part), "{part:?} is not in:\n{}", explained.stdout);
    }
    // Its file gives the bounds.
    let tunable = world.plumb(&["rules", "explain", "sshd_max_auth_tries"]);
    let value = "\nValue: max_tries = 4, 1 to 10 (Tries before the connection is closed)\n";
    assert!(tunable.stdout.contains(value), "{}", tunable.stdout);
    let strict = world.plumb(&["rules", "explain", "audit_locked"]);
    assert!(strict.stdout.contains("\nProfiles: cis-l2-server, stig, strict\n"), "{}", strict.stdout);
}

#[test]
fn rules_test_runs_the_tests_of_all_rules_or_of_one() {
    let world = world();
    let all = world.plumb(&["rules", "test"]);
    assert_code(&all, 0);
    let listed = shipped_rules(&world);
    let carried: u64 =
        listed["rules"].as_array().unwrap().iter().map(|rule| rule["tests"].as_u64().unwrap()).sum();
    assert_eq!(all.stdout, format!("{carried} passed, 0 failed\n"));
    // The file carries four tests.
    let one = world.plumb(&["rules", "test", "file_sudoers"]);
    assert_eq!((one.code, one.stdout.as_str()), (Some(0), "4 passed, 0 failed\n"));
    assert_refused(&world.plumb(&["rules", "test", "no_such_rule"]), 64, "no_such_rule");
}

#[test]
fn a_rule_test_that_fails_is_named_and_the_answer_is_no() {
    let world = world();
    let right = world.plumb(&["rules", "show", "file_sudoers"]).stdout;
    let wrong = right.replace("expect: not_applicable", "expect: pass");
    assert_ne!(wrong, right);
    let content = folder(&world, "wrong", &[("file_sudoers".into(), wrong)]);
    let done = world.plumb(&["--content", &content, "rules", "test"]);
    assert_code(&done, 2);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(
        lines[0].starts_with("FAIL file_sudoers / a machine without sudo has nothing to judge: "),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["3 passed, 1 failed"]);
}

#[test]
fn rules_lint_passes_what_ships_and_names_the_line_of_a_fault() {
    let world = world();
    assert_code(&world.plumb(&["rules", "lint"]), 0);
    let right = world.plumb(&["rules", "show", "file_sudoers"]).stdout;
    let content = folder(
        &world,
        "wrong",
        &[("file_sudoers".into(), right.replace("severity: high", "severityy: high"))],
    );
    let line = 1 + right.lines().position(|line| line == "severity: high").unwrap();
    let done = world.plumb(&["rules", "lint", &content]);
    assert_code(&done, 2);
    assert!(done.stdout.contains(&format!("rules/ours/file_sudoers.yaml:{line}:")), "{}", done.stdout);
    assert!(done.stdout.contains("severityy"), "{}", done.stdout);
    // Nobody has seen an operator's own rule pass or fail unless its file says so.
    let own = |text: String, name: &str| {
        let content = folder(&world, name, &[("file_sudoers".into(), text)]);
        let listed = json(&world.plumb(&["--content", &content, "rules", "list", "--format", "json"]));
        listed["rules"][0]["proof"].as_str().unwrap().to_owned()
    };
    assert_eq!(own(right.clone(), "unsaid"), "none");
    assert_eq!(own(right.replace("\ntests:", "\nproof: stand_in\ntests:"), "said"), "stand_in");
    // The same fault stops every command that would use the rule, before anything is done (LIF-08).
    let scan = world.plumb(&["--content", &content, "scan", "localhost"]);
    assert_refused(&scan, 78, "severityy");
}

#[test]
fn rules_schema_is_a_json_schema_of_a_rule_file() {
    let schema = json(&world().plumb(&["rules", "schema"]));
    assert!(schema["$schema"].as_str().unwrap().starts_with("https://json-schema.org/"), "{schema:#}");
    for member in ["id", "title", "severity", "check"] {
        assert!(schema["properties"][member].is_object(), "{member}");
    }
}
