//! Rules in the format of others, from their directory to marked results of a real host.

use std::fs;
use std::path::Path;

use testkit::host::TestHost;

use crate::cli::{reader, run_page};
use crate::support::{
    World, assert_code, assert_refused, at, exported, host, json, measured, one_host, statuses, world,
};

/// A rule in the shape of Kensa; `rest` begins with its implementations.
fn rule(id: &str, rest: &str) -> (String, String) {
    let text = format!(
        "id: {id}\ntitle: Title of {id}\ndescription: Description of {id}.\nrationale: Rationale of {id}.\n\
         severity: medium\ncategory: own\ntags: [tested]\nplatforms:\n  - family: debian\n    min_version: 12\n{rest}"
    );
    (format!("rules/own/{id}.yml"), text)
}

/// A rule with one check for every host.
fn checked(id: &str, check: &str) -> (String, String) {
    rule(id, &format!("implementations:\n  - default: true\n    check: {check}\n"))
}

fn directory(world: &World, files: &[(String, String)]) -> String {
    let folder = world.path("vendor");
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

fn named(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

/// One rule of each kind: passes, fails, chosen by a capability, for no host like this, runs shell text; and what
/// is not taken over: an unknown variable, an unknown parameter, an unknown capability, a broken file.
pub(crate) fn vendor(world: &World) -> String {
    let files = [
        checked(
            "owned-mode",
            "{method: file_permission, path: /etc/plumb_owned, mode: \"0640\", owner: root}",
        ),
        checked(
            "value-low-enough",
            "{method: config_value, path: /etc/plumb_limits, key: deny, expected: \"{{ deny_max }}\", comparator: \"<=\"}",
        ),
        rule(
            "by-capability",
            "depends_on: [owned-mode]\nimplementations:\n  - when: pam_faillock\n    check: {method: file_absent, path: /etc/plumb_forbidden}\n    \
             remediation: {mechanism: file_absent, path: /etc/plumb_forbidden}\n  - default: true\n    check: {method: file_exists, path: /etc/plumb_never}\n",
        ),
        rule(
            "for-no-such-host",
            "implementations:\n  - when: crypto_policies\n    check: {method: file_exists, path: /etc/plumb_never}\n",
        ),
        checked(
            "runs-shell",
            "{method: command, run: \"cat /etc/plumb_owned\", expected_stdout: secret-word}",
        ),
        checked("unset-variable", "{method: file_exists, path: \"/etc/{{ nobody_set_me }}\"}"),
        checked("odd-parameter", "{method: file_exists, path: /etc/passwd, follow: true}"),
        rule(
            "odd-capability",
            "implementations:\n  - when: moon_phase\n    check: {method: file_exists, path: /etc/passwd}\n",
        ),
        named("rules/own/broken.yml", "id: broken\ntitle: [unclosed\nimplementations:\n"),
        named("rules/own/too-long.yml", &"#".repeat(262_145)),
        named("defaults.yml", "variables:\n  deny_max: 9\n"),
        named("conf.d/50-site.yml", "variables:\n  deny_max: 5\n"),
    ];
    directory(world, &files)
}

#[test]
fn an_imported_directory_is_scanned_and_every_result_is_marked_exe_21() {
    let (world, host) = (world(), host());
    host.must("echo secret-word > /etc/plumb_owned; chmod 640 /etc/plumb_owned; echo 'deny = 5' > /etc/plumb_limits; \
               mkdir -p /etc/security; : > /etc/security/faillock.conf").unwrap();
    let content = vendor(&world);
    let done = world.scan(&host, &["--content", &content, "--format", "json"]);
    assert_code(&done, 0);
    assert_eq!(json(&done)["content_signed"], false);
    let document = one_host(&done);
    let expected = [
        ("by-capability", "pass"),
        ("for-no-such-host", "not_applicable"),
        ("owned-mode", "pass"),
        ("runs-shell", "pass"),
        ("value-low-enough", "pass"),
    ];
    let expected = expected.map(|(rule, status)| (rule.to_owned(), status.to_owned()));
    assert_eq!(statuses(&document), expected.into());
    let results = measured(&document)["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["imported"] == "kensa"), "{results:#?}");
    for (rule, why) in [
        ("unset-variable", "there is no variable nobody_set_me"),
        ("odd-parameter", "follow, which is not known"),
        ("odd-capability", "unknown capability \"moon_phase\""),
        ("broken", "rules/own/broken.yml:"),
    ] {
        let said = done.stderr.lines().find(|line| line.contains("not imported") && line.contains(rule));
        assert!(said.is_some_and(|line| line.contains(why)), "{rule}: {}", done.stderr);
    }

    // A rule that is not there fails for nobody: that is said to who wants no notes, too.
    let quiet = world.scan(&host, &["--content", &content, "--quiet"]);
    assert_code(&quiet, 0);
    assert!(quiet.stderr.contains("not imported: broken"), "{}", quiet.stderr);

    // Every one of them can fail.
    host.must(
        "chmod 600 /etc/plumb_owned; echo other > /etc/plumb_owned; echo 'deny = 6' > /etc/plumb_limits; \
               : > /etc/plumb_forbidden",
    )
    .unwrap();
    let human = world.scan(&host, &["--content", &content]);
    assert_code(&human, 2);
    for rule in ["by-capability", "owned-mode", "runs-shell", "value-low-enough"] {
        let line = human.stdout.lines().find(|line| line.contains("FAIL") && line.contains(rule));
        assert!(line.is_some_and(|line| line.contains(&format!("{rule} (imported)"))), "{}", human.stdout);
    }
    // Without the file that shows the capability the other implementation is the one, and fails.
    host.must("rm /etc/security/faillock.conf /etc/plumb_forbidden").unwrap();
    let document = world.scan_json(&host, &["--content", &content, "--rule", "by-capability"]);
    assert_eq!(statuses(&document)["by-capability"], "fail");
    assert_eq!(
        measured(&document)["results"][0]["decided_by"],
        "stat -L -c '%a:%u:%g:%U:%G:%F:%n' /etc/plumb_never"
    );
    assert_marked(&world, &host, &content);
}

/// Asserts that each of the five results is marked, in every format and on record.
fn assert_marked(world: &World, host: &TestHost, content: &str) {
    let csv = world.scan(host, &["--content", content, "--format", "csv"]);
    let rows: Vec<&str> = csv.stdout.lines().collect();
    assert!(
        rows[0].ends_with(",imported,content_signed")
            && rows[1..].iter().all(|row| row.ends_with(",kensa,false")),
        "{rows:#?}"
    );
    let lines = world.scan(host, &["--content", content, "--format", "jsonl"]);
    assert_eq!(lines.stdout.matches("\"imported\":\"kensa\"").count(), 5, "{}", lines.stdout);
    let sarif = json(&world.scan(host, &["--content", content, "--format", "sarif"]));
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert!(results.len() == 4 && results.iter().all(|result| result["properties"]["imported"] == "kensa"));
    let junit = world.scan(host, &["--content", content, "--format", "junit"]);
    assert_eq!(junit.stdout.matches("<testcase ").count(), junit.stdout.matches(" (imported)\"").count());
    let xccdf = world.scan(host, &["--content", content, "--format", "xccdf"]);
    assert_eq!(xccdf.stdout.matches(">imported: kensa</message>").count(), 5, "{xccdf:#?}");
    let page = world.scan(host, &["--content", content, "--format", "html"]);
    assert!(page.stdout.matches(" (imported)</code>").count() >= 5, "{page:#?}");
    let oscal = world.scan(host, &["--content", content, "--format", "oscal"]);
    let marked = oscal.stdout.split("\"imported\"").skip(1).filter(|behind| behind.contains("kensa")).count();
    assert_eq!(marked, 5, "{oscal:#?}");
    // The record says it too, whatever rules are in use when it is read.
    let why = world.plumb(&["why", "owned-mode", "--host", &at("root", host)]);
    assert!(why.stdout.lines().any(|line| line.split_whitespace().eq(["imported", "kensa"])), "{why:#?}");
    let recorded = world.plumb(&["posture", &at("root", host), "--format", "csv"]);
    let rows: Vec<&str> = recorded.stdout.lines().skip(1).collect();
    assert!(rows.len() == 5 && rows.iter().all(|row| row.ends_with(",kensa,false")), "{recorded:#?}");
    let recorded = world.plumb(&["posture", &at("root", host)]);
    assert_eq!(recorded.stdout.matches("\tkensa").count(), 5, "{recorded:#?}");
    assert!(exported(world).contains("\"imported\":\"kensa\""));
}

/// EXE-20
#[test]
fn a_variable_given_for_a_scan_wins_over_the_directory_and_is_on_record() {
    let (world, host) = (world(), host());
    host.must("echo 'deny = 6' > /etc/plumb_limits").unwrap();
    let content = vendor(&world);
    let scan = |more: &[&str]| {
        let args =
            [&["--content", &content, "--rule", "value-low-enough", "--format", "json"], more].concat();
        world.scan(&host, &args)
    };
    // 9 in defaults.yml, 5 over it in conf.d.
    let plain = one_host(&scan(&[]));
    assert_eq!(statuses(&plain)["value-low-enough"], "fail");
    let done = scan(&["--var", "deny_max=6"]);
    assert_code(&done, 0);
    let given = one_host(&done);
    assert_eq!(statuses(&given)["value-low-enough"], "pass");
    let stored = world.by_hand("SELECT CAST(body AS TEXT) FROM corpora;");
    let of = |digest: &str| stored.iter().filter(|body| body.contains(digest)).count();
    assert_eq!((stored.len(), of("\"variables\":{\"deny_max\":\"6\"}")), (2, 1), "{stored:#?}");
    // What the directory does not set can be given; the rule is then loaded.
    let done =
        world.scan(&host, &["--content", &content, "--var", "nobody_set_me=passwd", "--format", "json"]);
    assert_eq!(statuses(&one_host(&done))["unset-variable"], "pass");
    assert!(!done.stderr.contains("nobody_set_me"), "{}", done.stderr);
    // Each answer keeps the rules of its time.
    let digest = |more: &[&str]| {
        let args = [&["rules", "list", "--content", &content, "--format", "json"], more].concat();
        json(&world.plumb(&args))["corpus_digest"].as_str().unwrap().to_owned()
    };
    // A scan is recorded with the digest of what its rules said.
    assert!(exported(&world).contains(&digest(&["--var", "deny_max=6"])));
    let digests = [digest(&[]), digest(&["--var", "deny_max=5"]), digest(&["--var", "deny_max=6"])];
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2], "{digests:?}");
    assert_eq!(digest(&["--var", "nobody_set_me=a", "--var", "deny_max=6"]), {
        digest(&["--var", "deny_max=6", "--var", "nobody_set_me=a"])
    });
}

#[test]
fn a_variable_that_the_rules_do_not_have_is_wrong_use() {
    let world = world();
    let content = vendor(&world);
    let list = |more: &[&str]| world.plumb(&[&["rules", "list", "--content", &content], more].concat());
    for (word, near) in [("deny_mx=6", "deny_max"), ("nobody_sets_me=6", "nobody_set_me")] {
        let done = list(&["--var", word]);
        assert_refused(&done, 64, "no rule uses the variable");
        assert!(done.stderr.ends_with(&format!("\nhint: did you mean {near}?\n")), "{done:#?}");
    }
    assert_refused(&list(&["--var", "unlike=6"]), 64, "no rule uses the variable unlike");
    assert_refused(&list(&["--var", "deny_max=6", "--var", "deny_max=6"]), 64, "deny_max is given twice");
    let long = format!("deny_max={}", "6".repeat(4_097));
    let malformed = [
        ("deny_max", "it is not NAME=VALUE"),
        ("deny-max=6", "a letter with letters, digits and _"),
        (&long, "longer than 4096 bytes"),
    ];
    for (word, why) in malformed {
        let done = list(&["--var", word]);
        assert!(done.code == Some(64) && done.stderr.contains(why), "{done:#?}");
    }
    // Rules of ours have values, and a tailoring for them.
    assert_refused(&world.plumb(&["rules", "list", "--var", "deny_max=6"]), 64, "no variable deny_max");
    let own = world.content(&[crate::support::shell_rule("own_rule", "echo yes")]);
    assert_refused(&world.plumb(&["rules", "lint", &own, "--var", "a=6"]), 64, "no variable a");
    assert_refused(&world.plumb(&["scan", "localhost", "--var", "a=6"]), 64, "no variable a");
    assert!(!world.database().exists());

    let report = world.plumb(&["rules", "import-report", &content, "--var", "nobody_set_me=a=b"]);
    assert!(report.stderr.contains("imported 6 of 10 rules; skipped 2, "), "{}", report.stderr);
    let lint = world.plumb(&["rules", "lint", &content, "--var", "nobody_set_me=passwd"]);
    assert_eq!(lint.stdout.lines().count(), 4, "{}", lint.stdout);
}

#[test]
fn the_import_report_names_what_is_taken_over_and_what_is_not() {
    let world = world();
    let content = vendor(&world);
    let done = world.plumb(&["rules", "import-report", &content]);
    assert_code(&done, 2);
    let rows: Vec<Vec<&str>> = done.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["kind", "rule", "place", "what"]);
    let row = |kind: &str, rule: &str| {
        let found = rows.iter().find(|row| row[0] == kind && row[1] == rule);
        found.unwrap_or_else(|| panic!("{kind} {rule}: {}", done.stdout)).clone()
    };
    assert_eq!(row("loaded", "owned-mode")[3], "typed: file_permission");
    assert_eq!(row("loaded", "runs-shell")[3], "shell: command");
    assert!(row("broken", "")[2].starts_with("rules/own/broken.yml:"));
    // The value stands in line 13, behind `    check: {method: file_exists, path: `.
    assert_eq!(
        row("skipped", "unset-variable")[2..],
        [
            "rules/own/unset-variable.yml:13:40",
            "there is no variable nobody_set_me: set it in conf.d/*.yml or by --var"
        ]
    );
    assert_eq!(row("not_honored", "by-capability")[3], "depends_on is not honoured");
    assert!(
        done.stderr.contains("imported 5 of 10 rules; skipped 3, broken files 2, keys not honoured 2"),
        "{}",
        done.stderr
    );

    let report = json(&world.plumb(&["rules", "import-report", &content, "--format", "json"]));
    assert_eq!(report["schema"], "plumbline.import_report/1");
    assert_eq!(report["report"]["items"].as_array().unwrap().len(), rows.len() - 1);
    let lint = world.plumb(&["rules", "lint", &content]);
    assert_code(&lint, 2);
    assert_eq!(lint.stdout.lines().count(), 5, "{}", lint.stdout);

    let listed = world.plumb(&["rules", "list", "--content", &content]);
    assert_code(&listed, 0);
    let marks: Vec<Vec<&str>> =
        listed.stdout.lines().skip(1).map(|line| line.split('\t').skip(5).collect()).collect();
    let (typed, shell) = (vec!["typed, imported", "none"], vec!["shell, imported", "none"]);
    assert_eq!(marks, [typed.clone(), typed.clone(), typed.clone(), shell, typed]);
    let own = world.content(&[crate::support::shell_rule("own_rule", "echo yes")]);
    assert_refused(&world.plumb(&["rules", "import-report", &own]), 64, "no rules in the format of others");
}

#[test]
fn shell_text_of_others_gives_no_verdict_where_it_saw_nothing() {
    let (world, host) = (world(), host());
    let set = |id: &str, run: &str| {
        checked(id, &format!("{{method: set_compare, observed_command: \"{run}\", authorized: \"ann,bob\"}}"))
    };
    let files = [
        set("only-ann", "echo ann; if false; then exit 3; fi"),
        set("and-eve", "echo ann; echo eve"),
        set("unseen", "exit 3"),
        checked(
            "cannot-tell",
            "{method: command, run: \"echo nobody said; exit 7\", not_assessable_exit: 7}",
        ),
        checked("is-missing", "{method: command, run: plumb-no-such-tool, expected_exit: 1}"),
    ];
    let content = directory(&world, &files);
    let found = statuses(&world.scan_json(&host, &["--content", &content]));
    let expected = [
        ("and-eve", "fail"),
        ("cannot-tell", "not_applicable"),
        ("is-missing", "error"),
        ("only-ann", "pass"),
        ("unseen", "error"),
    ];
    assert_eq!(found, expected.map(|(rule, status)| (rule.to_owned(), status.to_owned())).into());
}

/// Returns the YAML blocks of a page behind a heading.
fn blocks(page: &str, heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = fs::read_to_string(path).unwrap();
    let behind = text.split_once(heading).unwrap().1;
    behind.split("```yaml\n").skip(1).map(|block| block.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn every_command_of_the_guide_to_rules_runs() {
    let world = world();
    let _host = reader(&world);
    let blocks = blocks("docs/guide/rules.md", "## Rules in the format of others");
    let vendor = world.home().join("vendor");
    fs::create_dir_all(vendor.join("rules/access")).unwrap();
    fs::write(vendor.join("rules/access/root-login.yml"), &blocks[0]).unwrap();
    fs::write(vendor.join("defaults.yml"), &blocks[1]).unwrap();
    assert!(run_page(&world, "docs/guide/rules.md") >= 9);
    let vendor = vendor.to_str().unwrap().to_owned();
    let report = world.plumb(&["rules", "import-report", &vendor]);
    assert!(report.stdout.contains("depends_on is not honoured"), "{}", report.stdout);
    let web = world.plumb(&["why", "root-login", "--host", "web-1"]);
    assert!(web.stdout.contains("permitrootlogin"), "{web:#?}");
}
