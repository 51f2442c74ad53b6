//! Profiles, tailoring files and how far rules cover a framework, through the binary.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{World, assert_code, assert_refused, host, json, one_host, statuses, world};

/// Returns the cells of each line behind the first.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|line| line.split('\t').collect()).collect()
}

fn rules_of(world: &World, profile: &str, platform: &str) -> BTreeMap<String, String> {
    let shown = world.plumb(&["profile", "show", profile, "--platform", platform]);
    assert_code(&shown, 0);
    rows(&shown.stdout).iter().map(|row| (row[0].to_owned(), row[2].to_owned())).collect()
}

#[test]
fn a_level_of_a_benchmark_is_that_of_the_edition_for_the_platform() {
    let world = world();
    let level_1 = rules_of(&world, "cis-l1-server", "debian-12");
    let level_2 = rules_of(&world, "cis-l2-server", "debian-12");
    // Sections 5.1.20 and 6.2.3.20 of the benchmark for Debian 12, of level 1 and 2.
    assert!(level_1.contains_key("sshd_permit_root_login"));
    assert!(!level_1.contains_key("audit_locked") && level_2.contains_key("audit_locked"));
    assert!(level_1.keys().all(|rule| level_2.contains_key(rule)));
    // Debian has AppArmor, RHEL has SELinux, and there is no STIG for Debian.
    let rhel = rules_of(&world, "cis-l1-server", "rhel-9");
    assert!(level_1.contains_key("package_apparmor") && !rhel.contains_key("package_apparmor"));
    assert!(rhel.contains_key("selinux_policy") && !level_1.contains_key("selinux_policy"));
    assert!(rules_of(&world, "stig", "debian-12").is_empty());
    assert!(rules_of(&world, "stig", "rhel-9").contains_key("sysctl_fips_mode"));
    assert_eq!(rules_of(&world, "stig", "rhel-9")["faillock_deny"], "max_tries=3");
}

#[test]
fn profiles_are_listed_and_compared_and_what_is_not_there_is_named() {
    let world = world();
    let listed = json(&world.plumb(&["profile", "list", "--platform", "debian-12", "--format", "json"]));
    let count = |id: &str| {
        let all = listed["profiles"].as_array().unwrap();
        all.iter().find(|profile| profile["profile_id"] == id).unwrap()["rules"].as_u64().unwrap()
    };
    assert_eq!(count("baseline"), rules_of(&world, "baseline", "debian-12").len() as u64);
    assert!(count("baseline") < count("server") && count("server") < count("strict"));
    let none = world.plumb(&["profile", "list", "--platform", "fedora-40"]);
    assert!(none.stderr.contains("no profile has rules for fedora-40"), "{none:?}");
    let none = world.plumb(&["profile", "show", "stig", "--platform", "debian-12"]);
    assert_code(&none, 0);
    assert!(none.stderr.contains("stig has no rules for debian-12"), "{none:?}");
    let diff = world.plumb(&["profile", "diff", "server", "strict", "--platform", "debian-12"]);
    assert_code(&diff, 0);
    let of =
        |rule: &str| rows(&diff.stdout).into_iter().find(|row| row[0] == rule).map(|row| row[1..].join("|"));
    assert_eq!(of("sshd_max_auth_tries").unwrap(), "values|max_tries=4|max_tries=3");
    assert_eq!(of("audit_locked").unwrap(), "only in strict||");
    assert!(diff.stdout.starts_with("rule\tdifference\tserver\tstrict\n"), "{}", diff.stdout);
    assert_eq!(of("sshd_permit_root_login"), None);
    let same = world.plumb(&["profile", "diff", "server", "server"]);
    assert_eq!(rows(&same.stdout).len(), 0, "{}", same.stdout);
    assert!(same.stderr.contains("server and server are the same rules with the same values"), "{same:?}");
    assert_refused(&world.plumb(&["profile", "show", "servr"]), 64, "did you mean");
    let odd = world.plumb(&["profile", "show", "server", "--platform", "debian"]);
    assert_code(&odd, 64);
    assert!(odd.stderr.contains("is not a platform like debian-12"), "{}", odd.stderr);
}

#[test]
fn coverage_names_every_control_of_an_edition_with_and_without_rules() {
    let world = world();
    let args =
        ["rules", "coverage", "--framework", "cis", "--edition", "debian-12-1.1.0", "--format", "json"];
    let coverage = json(&world.plumb(&args))["coverage"].clone();
    let controls = coverage["controls"].as_array().unwrap();
    let of = |id: &str| controls.iter().find(|control| control["control"] == id).unwrap().clone();
    assert_eq!(of("5.1.20")["rules"], serde_json::json!(["sshd_permit_root_login"]));
    // Section 1.2.1.1 is a matter of judgement: no rule of ours speaks to it.
    assert_eq!(
        (of("1.2.1.1")["rules"].clone(), of("1.2.1.1")["level"].clone()),
        (serde_json::json!([]), "l1-server".into())
    );
    let covered = controls.iter().filter(|control| !control["rules"].as_array().unwrap().is_empty()).count();
    assert_eq!(coverage["covered"].as_u64().unwrap(), covered as u64);
    let one = world.plumb(&[
        "rules",
        "coverage",
        "--framework",
        "stig",
        "--edition",
        "rhel-9-v2r9",
        "--level",
        "cat-1",
    ]);
    assert_code(&one, 0);
    assert!(rows(&one.stdout).iter().all(|row| row[1] == "cat-1"), "{}", one.stdout);
    assert!(one.stderr.contains(&format!("of {} controls", rows(&one.stdout).len())), "{}", one.stderr);
    let refused = |args: &[&str], word: &str| {
        assert_refused(&world.plumb(&[&["rules", "coverage", "--framework"], args].concat()), 64, word);
    };
    refused(&["cis"], "several editions");
    refused(&["cis", "--edition", "debian-11"], "debian-11");
    refused(&["sox"], "sox");
    refused(&["stig", "--edition", "rhel-9-v2r9", "--level", "cat-4"], "cat-4");
}

#[test]
fn a_tailoring_file_is_a_profile_of_its_own_and_the_one_that_runs() {
    let (world, host) = (world(), host());
    let file = world.path("site.yaml");
    let tailoring = "id: site\ntitle: Our site\ndescription: The baseline with our limits.\nextends: baseline\n\
                     include: {rules: [sshd_max_auth_tries]}\nexclude: {rules: [sudo_use_pty]}\n\
                     values: {sshd_max_auth_tries: {max_tries: 2}}\n";
    std::fs::write(&file, tailoring).unwrap();
    let file = file.to_str().unwrap();
    let diff = world.plumb(&["--tailoring", file, "profile", "diff", "baseline", "site"]);
    let told: Vec<String> = rows(&diff.stdout).iter().map(|row| row.join("|")).collect();
    assert_eq!(told, ["sshd_max_auth_tries|only in site||", "sudo_use_pty|only in baseline||"]);
    let shown = world.plumb(&["--tailoring", file, "profile", "show", "site"]);
    assert!(shown.stdout.contains("sshd_max_auth_tries\tmedium\tmax_tries=2\t"), "{}", shown.stdout);

    let done = world.scan(&host, &["--tailoring", file, "--format", "json"]);
    let document = one_host(&done);
    let ran = statuses(&document);
    assert!(ran.contains_key("sshd_max_auth_tries") && !ran.contains_key("sudo_use_pty"), "{ran:?}");
    let expected: &Value = document["outcome"]["measured"]["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|result| result["rule_id"] == "sshd_max_auth_tries")
        .map(|result| &result["expected"])
        .unwrap();
    assert!(expected.to_string().contains('2'), "{expected}");

    std::fs::write(file, tailoring.replace("max_tries: 2", "max_tries: 200")).unwrap();
    assert_refused(&world.plumb(&["--tailoring", file, "profile", "list"]), 78, "site.yaml:7:");
    std::fs::write(file, tailoring.replace("id: site", "id: other")).unwrap();
    assert_refused(&world.plumb(&["--tailoring", file, "profile", "list"]), 78, "is not the file's name");
    let gone = world.path("gone.yaml");
    assert_refused(
        &world.plumb(&["--tailoring", gone.to_str().unwrap(), "profile", "list"]),
        78,
        "gone.yaml",
    );
}

#[test]
fn an_xccdf_tailoring_of_another_project_is_followed_whole_or_not_at_all() {
    let world = world();
    let file = world.path("site.xml");
    let tailoring = |inside: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<Tailoring xmlns=\"http://checklists.nist.gov/xccdf/1.2\" \
             id=\"xccdf_site_tailoring_one\">\n<version time=\"2026-01-01T00:00:00\">1</version>\n\
             <Profile id=\"xccdf_site_profile_one\" \
             extends=\"xccdf_org.ssgproject.content_profile_cis_level1_server\">\n<title>Our site</title>\n\
             {inside}</Profile>\n</Tailoring>\n"
        )
    };
    let theirs = "xccdf_org.ssgproject.content_";
    let inside = format!(
        "<select idref=\"{theirs}rule_sshd_disable_root_login\" selected=\"false\"/>\n\
         <select idref=\"{theirs}rule_audit_rules_immutable\" selected=\"true\"/>\n\
         <set-value idref=\"{theirs}value_var_password_pam_minlen\">20</set-value>\n"
    );
    std::fs::write(&file, tailoring(&inside)).unwrap();
    let file = file.to_str().unwrap();
    let diff = world.plumb(&[
        "--tailoring",
        file,
        "profile",
        "diff",
        "cis-l1-server",
        "site",
        "--platform",
        "debian-12",
    ]);
    assert_code(&diff, 0);
    let told: Vec<String> = rows(&diff.stdout).iter().map(|row| row.join("|")).collect();
    assert_eq!(
        told,
        [
            "audit_locked|only in site||",
            "pwquality_minlen|values|min_length=14|min_length=20",
            "sshd_permit_root_login|only in cis-l1-server||",
        ]
    );
    std::fs::write(file, tailoring("<select idref=\"xccdf_x_rule_no_such\" selected=\"true\"/>\n")).unwrap();
    assert_refused(&world.plumb(&["--tailoring", file, "profile", "list"]), 78, "site.xml: line 6: no rule");
}
