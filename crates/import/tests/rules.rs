//! Whole rules and directories: gates, variables, platforms, references, fixes, and what is told of the rest.

mod common;

use common::{assert_rule, checked, items, load, only, refusal, rule};
use expect_test::{Expect, expect};
use import::ItemKind;
use rules::Corpus;

const GATED: &str = "implementations:
  - when: pam_faillock
    check: {method: package_installed, name: a}
  - when: {all: [apt_unattended_upgrades, {not: pam_pwquality}]}
    check: {method: package_installed, name: b}
";
const WITH_DEFAULT: &str = "  - default: true
    check: {method: package_installed, name: c}
";

#[test]
fn the_first_implementation_whose_gate_holds_is_judged() {
    let file = |name: &str, there: bool| {
        let state = if there { "0644 root root file" } else { "absent" };
        format!("/etc/security/{name}.conf: {state}")
    };
    let given = |faillock: bool, pwquality: bool, packages: &str| {
        let stat = [file("faillock", faillock), file("pwquality", pwquality)].join(", ");
        format!("{{stat: {{{stat}}}, packages: {{{packages}}}}}")
    };
    let upgrades = "unattended-upgrades: \"1\"";
    let table = [
        (given(true, false, "a: \"1\""), "pass", "pass"),
        (given(true, false, "b: \"1\", c: \"1\""), "fail", "fail"),
        (given(false, false, &format!("{upgrades}, b: \"1\"")), "pass", "pass"),
        (given(false, false, &format!("{upgrades}, c: \"1\"")), "fail", "fail"),
        (given(false, true, &format!("{upgrades}, b: \"1\"")), "not_applicable", "fail"),
        (given(false, false, "c: \"1\""), "not_applicable", "pass"),
    ];
    let tests = |with_default: bool| -> Vec<(&str, &str)> {
        table
            .iter()
            .map(|(given, without, with)| (given.as_str(), if with_default { *with } else { *without }))
            .collect()
    };
    assert_rule(&[rule("the-rule", GATED)], &tests(false));
    assert_rule(&[rule("the-rule", &format!("{GATED}{WITH_DEFAULT}"))], &tests(true));
    // Where a gate cannot be seen, no implementation is taken for the right one.
    assert_rule(
        &[rule("the-rule", &format!("{GATED}{WITH_DEFAULT}"))],
        &[("{stat: {/etc/security/faillock.conf: denied}, packages: {c: \"1\"}}", "error")],
    );
}

/// Every capability that is known, in one rule each, and that its name is all there is to it.
#[test]
fn every_known_capability_is_a_typed_check() {
    let known = [
        "aide",
        "apparmor",
        "apt",
        "apt_unattended_upgrades",
        "at",
        "auditd",
        "authselect",
        "chronyd",
        "coredump_systemd",
        "cron",
        "crypto_policies",
        "dconf",
        "directory_joined",
        "dnf_automatic",
        "dpkg",
        "fapolicyd",
        "fips_mode",
        "firewalld",
        "firewalld_nftables",
        "gdm",
        "grub_bls",
        "journald",
        "nftables",
        "nftables_active",
        "pam_faillock",
        "pam_pwquality",
        "pam_tally2",
        "rsyslog",
        "rsyslog_active",
        "selinux",
        "sshd_config_d",
        "sssd",
        "sssd_configured",
        "subscription_manager",
        "systemd_resolved",
        "ubuntu_advantage",
        "ufw",
        "usbguard",
    ];
    let files: Vec<(String, String)> = known
        .iter()
        .map(|name| {
            let check = "check: {method: package_installed, name: a}";
            rule(
                &format!("gate-{}", name.replace('_', "-")),
                &format!("implementations:\n  - when: {name}\n    {check}\n"),
            )
        })
        .collect();
    let import = load(&files);
    assert_eq!(items(&import, ItemKind::Skipped), Vec::<String>::new());
    let corpus = Corpus::load(&import.files).unwrap();
    assert_eq!(corpus.rules().len(), known.len());
    assert!(corpus.rules().all(|rule| !rule.free_shell));
    for (when, why) in [
        ("moon_phase", "unknown capability \"moon_phase\""),
        ("{any: [apt, moon_phase]}", "unknown capability \"moon_phase\""),
        ("{not: moon_phase}", "unknown capability \"moon_phase\""),
        ("{all: []}", "all of when is empty"),
        ("{all: [apt], any: [dpkg]}", "when is a capability, or one of all, any and not"),
        ("[apt]", "when is a list, and a capability is needed"),
    ] {
        let rest = format!(
            "implementations:\n  - when: {when}\n    check: {{method: package_installed, name: a}}\n"
        );
        assert_eq!(refusal(&[rule("the-rule", &rest)]), why, "{when}");
    }
}

#[test]
fn gates_hold_and_do_not_hold() {
    let gate = |name: &str, tests: &[(&str, &str)]| {
        let check = "check: {method: package_installed, name: a}";
        let with: Vec<(String, &str)> = tests
            .iter()
            .map(|(given, expect)| (format!("{{{given}, packages: {{a: \"1\"}}}}"), *expect))
            .collect();
        let with: Vec<(&str, &str)> = with.iter().map(|(given, expect)| (given.as_str(), *expect)).collect();
        assert_rule(
            &[rule("the-rule", &format!("implementations:\n  - when: {name}\n    {check}\n"))],
            &with,
        );
    };
    let (yes, no) = ("pass", "not_applicable");
    let folder = "stat: {/etc/ssh/sshd_config.d: 0755 root root directory}";
    gate(
        "sshd_config_d",
        &[
            (
                &format!(
                    "{folder}, files: {{/etc/ssh/sshd_config: \"include /etc/ssh/sshd_config.d/*.conf\\n\"}}"
                ),
                yes,
            ),
            (
                &format!(
                    "{folder}, files: {{/etc/ssh/sshd_config: \"#Include /etc/ssh/sshd_config.d/*.conf\\n\"}}"
                ),
                no,
            ),
            (
                "stat: {/etc/ssh/sshd_config.d: absent}, files: {/etc/ssh/sshd_config: \"Include /etc/ssh/sshd_config.d/*.conf\\n\"}",
                no,
            ),
        ],
    );
    gate(
        "fips_mode",
        &[("sysctl: {crypto.fips_enabled: \"1\"}", yes), ("sysctl: {crypto.fips_enabled: absent}", no)],
    );
    gate("auditd", &[("units: {auditd.service: active}", yes), ("units: {auditd.service: inactive}", no)]);
    gate("selinux", &[("files: {/sys/fs/selinux/enforce: \"1\"}", yes), ("files: {}", no)]);
    let joined = |nsswitch: &str, sssd: &str, unit: &str| {
        format!(
            "files: {{/etc/nsswitch.conf: \"passwd: {nsswitch}\\n\", /etc/sssd/sssd.conf: \"{sssd}\\n\"}}, units: {{{unit}: active}}"
        )
    };
    gate(
        "directory_joined",
        &[
            (&joined("files ldap", "", "x.service"), yes),
            (&joined("files sss", "[domain/a]", "x.service"), yes),
            (&joined("files sss", "[pam]", "sssd.service"), yes),
            (&joined("files sss", "[pam]", "x.service"), no),
            (&joined("files", "[domain/a]", "sssd.service"), no),
            (&joined("files", "", "nslcd.service"), yes),
        ],
    );
}

#[test]
fn a_given_variable_wins_and_one_that_no_file_knows_is_refused() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned().into_bytes());
    let rule = checked(
        "uses-two",
        "{method: config_value, path: \"/etc/{{ set }}\", key: a, expected: \"{{ unset }}\"}",
    );
    let files = [file(&rule.0, &rule.1), file("conf.d/10.yml", "variables: {set: a, spare: b}\n")];
    let given = |list: &[(&str, &str)]| {
        let list: Vec<(String, String)> =
            list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        import::load(&files, &list)
    };
    let import = given(&[("set", "x"), ("unset", "y"), ("spare", "")]).unwrap();
    let texts: String = import.files.iter().map(|(_, text)| text.as_str()).collect();
    assert!(texts.contains("file: \"/etc/x\"") && texts.contains("^(?:y)"), "{texts}");
    let refused = |list: &[(&str, &str)]| given(list).unwrap_err();
    let near = |name: &str, near: &str| import::GivenError::Unknown {
        name: name.to_owned(),
        near: Some(near.to_owned()),
    };
    assert_eq!(refused(&[("unsett", "x")]), near("unsett", "unset"));
    assert_eq!(refused(&[("spares", "x")]), near("spares", "spare"));
    let twice = import::GivenError::Repeated { name: "set".to_owned() };
    assert_eq!(refused(&[("set", "x"), ("unset", "x"), ("set", "x")]), twice);
    assert_eq!(given(&[("set", "x")]).unwrap().report.of(ItemKind::Skipped).count(), 1);
}

#[test]
fn variables_come_from_defaults_and_conf_d_and_an_unknown_one_skips_its_rule_by_name() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let files = [
        checked(
            "uses-them",
            "{method: config_value, path: \"/etc/{{ name }}.conf\", key: k, expected: \"{{n}}\"}",
        ),
        checked("uses-a-list", "{method: set_compare, observed_command: ls, authorized: \"{{ members }}\"}"),
        checked("knows-not", "{method: file_exists, path: \"/etc/{{ nobody }}{{ none }}\"}"),
        file("defaults.yml", "variables: {name: a, n: 1, members: [x, y], empty: , 9: z}\nframeworks: {}\n"),
        file("conf.d/20.yml", "variables: {n: 3}\n"),
        file("conf.d/10.yml", "variables: {n: 2, name: b}\n"),
        file("hosts/web.yml", "variables: {n: 4}\n"),
        file("groups/web.yml", "variables: {n: 5}\n"),
    ];
    let import = load(&files);
    let texts: String = import.files.iter().map(|(_, text)| text.as_str()).collect();
    assert!(texts.contains("file: \"/etc/b.conf\"") && texts.contains("equal: \"3\""), "{texts}");
    assert!(texts.contains("x|y"), "{texts}");
    check(
        &items(&import, ItemKind::Skipped),
        &expect![[r#"
            knows-not rules/own/knows-not.yml:10:40 there is no variable nobody, none: set it in conf.d/*.yml or by --var
        "#]],
    );
    check(
        &items(&import, ItemKind::NotHonored),
        &expect![[r#"
             defaults.yml:1:50 variable empty is not set: it has no value
             defaults.yml:1:57 variable 9 is not set: its name is not a letter with letters, digits and _ behind it
             defaults.yml:2:13 the key frameworks is not honoured: only variables are read here
             groups/web.yml:1:1 variables of one host or group are not honoured: all hosts of a scan share the rules
             hosts/web.yml:1:1 variables of one host or group are not honoured: all hosts of a scan share the rules
        "#]],
    );
}

/// Who meant to replace a value and made a mistake must not be told that all is well by the value that was to be replaced.
#[test]
fn a_rule_is_not_judged_with_a_value_that_a_broken_layer_meant_to_replace() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let rule = || checked("limit", "{method: file_exists, path: \"/etc/{{ max }}\"}");
    let of = |layers: &[(&str, &str)]| {
        let mut files = vec![rule(), file("defaults.yml", "variables: {max: loose, other: 1}\n")];
        files.extend(layers.iter().map(|(path, text)| file(path, text)));
        let import = load(&files);
        (
            items(&import, ItemKind::Skipped).len(),
            import.files.iter().any(|(_, text)| text.contains("/etc/loose")),
        )
    };
    assert_eq!(of(&[]), (0, true));
    for broken in
        ["variables:\n  max: \"10\n", "variables:\n  max: {a: 10}\n", "variables: [max]\n", "[max]\n"]
    {
        assert_eq!(of(&[("conf.d/10-site.yml", broken)]), (1, false), "{broken}");
        let mended = ("conf.d/20-site.yml", "variables: {max: tight}\n");
        assert_eq!(of(&[("conf.d/10-site.yml", broken), mended]), (0, false), "{broken}");
    }
    for harmless in ["variables: {other: {a: 1}}\n", "variables:\n#  max: 10\n", "# nothing yet\n", ""] {
        assert_eq!(of(&[("conf.d/10-site.yml", harmless)]), (0, true), "{harmless}");
    }
}

fn check(lines: &[String], want: &Expect) {
    want.assert_eq(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
}

#[test]
fn platforms_are_matched_as_they_are_meant() {
    let with = |platforms: &str| {
        let rest = format!(
            "platforms: {platforms}\nimplementations: [{{default: true, check: {{method: package_installed, name: a}}}}]\n"
        );
        let import = load(&[rule("the-rule", &rest)]);
        Corpus::load(&import.files).unwrap()
    };
    let applies = |corpus: &Corpus, id: &str, version: &str| {
        let platform = model::Platform {
            id: id.to_owned(),
            id_like: vec!["fedora".to_owned()],
            version: version.to_owned(),
            name: String::new(),
            arch: String::new(),
            kernel: String::new(),
        };
        corpus.rules().next().unwrap().applies_to(&platform)
    };
    let rhel = with("[{family: rhel, min_version: 8, max_version: 9}]");
    let table =
        [("rhel", "8.9", true), ("rocky", "9.4", true), ("rhel", "10.0", false), ("ubuntu", "9", false)];
    table
        .iter()
        .for_each(|(id, version, want)| assert_eq!(applies(&rhel, id, version), *want, "{id} {version}"));
    let ubuntu = with("[{family: ubuntu, min_version: 22}]");
    assert!(applies(&ubuntu, "ubuntu", "22.04") && !applies(&ubuntu, "ubuntu", "20.04"));
    for anywhere in ["[]", "[{family: rhel}, {family: debian}]"] {
        assert!(applies(&with(anywhere), "debian", "12"), "{anywhere}");
    }
    assert!(!applies(&with("[{family: rocky, derivatives: false}]"), "rhel", "9"));
    assert!(applies(&with("[{family: rocky}]"), "almalinux", "9"));
}

#[test]
fn references_become_mappings_with_their_edition() {
    let rest = "references:
  cis:
    rhel9: {section: \"5.2.7\", level: L1}
    rhel8: [{section: \"5.2.8\"}, {section: \"5.2.9\"}]
  stig:
    rhel9: {vuln_id: V-257947, severity: CAT II, cci: [CCI-000770, CCI-000771]}
  nist_800_53: [AC-6(2), IA-2]
  hipaa:
implementations: [{default: true, check: {method: package_installed, name: a}}]
";
    let import = load(&[rule("the-rule", rest)]);
    let corpus = Corpus::load(&import.files).unwrap();
    let said: Vec<String> = corpus
        .mappings()
        .iter()
        .map(|mapping| {
            let controls: Vec<&str> = mapping.rules.values().flatten().map(String::as_str).collect();
            format!("{} {}: {}", mapping.framework, mapping.edition, controls.join(" "))
        })
        .collect();
    check(
        &said,
        &expect![[r#"
            cis rhel8: 5.2.8 5.2.9
            cis rhel9: 5.2.7
            nist-800-53 imported: AC-6(2) IA-2
            stig rhel9: V-257947 CCI-000770 CCI-000771
        "#]],
    );
    check(
        &items(&import, ItemKind::NotHonored),
        &expect![[r#"
            the-rule rules/own/the-rule.yml:10:38 references.cis.level is not honoured
            the-rule rules/own/the-rule.yml:13:42 references.stig.severity is not honoured
            the-rule rules/own/the-rule.yml:15:8 references.hipaa names no control
        "#]],
    );
}

#[test]
fn a_remediation_is_typed_where_ours_is_and_words_where_it_is_not() {
    let fix = |remediation: &str| {
        let rest = format!(
            "implementations:\n  - default: true\n    check: {{method: package_installed, name: a}}\n    remediation: {remediation}\n"
        );
        let import = load(&[rule("the-rule", &rest)]);
        let corpus = Corpus::load(&import.files).unwrap();
        let fix = corpus.rules().next().unwrap().fix.clone().unwrap();
        let noted = items(&import, ItemKind::NotHonored).len();
        format!("{} | {:?} | {noted}", fix.line(), fix.mechanism)
    };
    let said = [
        fix("{mechanism: sysctl_set, key: a.b, value: 1}"),
        fix("{mechanism: apt_absent, name: a}"),
        fix("{mechanism: service_disabled, name: cron, stop: false}"),
        fix("{mechanism: kernel_module_disable, name: dccp}"),
        fix("{mechanism: mount_option_set, mount_point: /tmp, options: [nodev, nosuid]}"),
        fix("{mechanism: file_permissions, path: /etc/a, mode: \"0600\", owner: root}"),
        fix("{mechanism: config_set, path: /etc/a, key: k, value: v, separator: \" \", reload: a}"),
        fix("{mechanism: config_set, path: /etc/ssh/sshd_config, key: UsePAM, value: \"yes\"}"),
        fix("{mechanism: grub_parameter_set, key: audit, value: 1}"),
        fix("{mechanism: manual, note: \"Ask\\n them.\"}"),
        fix("{mechanism: manual}"),
        fix("{steps: [{mechanism: apt_present, name: a}, {mechanism: command_exec, run: x}]}"),
    ];
    check(
        &said,
        &expect![[r#"
        sysctl_set: key a.b, value 1 | Some(Sysctl { key: "a.b", value: "1" }) | 0
        apt_absent: name a | Some(Package { name: "a", installed: false }) | 0
        service_disabled: name cron, stop false | Some(Unit { name: "cron.service", enabled: Some(false), active: None }) | 0
        kernel_module_disable: name dccp | Some(ModuleDisabled { name: "dccp" }) | 0
        mount_option_set: mount_point /tmp, options nodev nosuid | Some(MountOptions { point: "/tmp", options: ["nodev", "nosuid"] }) | 0
        file_permissions: path /etc/a, mode 0600, owner root | Some(FilePermissions { path: "/etc/a", mode: Some("0600"), owner: Some("root"), group: None }) | 0
        config_set: path /etc/a, key k, value v, separator , reload a | Some(Setting { file: "/etc/a", key: "k", value: "v", format: Space }) | 0
        config_set: path /etc/ssh/sshd_config, key UsePAM, value yes | Some(SshdSetting { setting: "UsePAM", value: "yes" }) | 0
        grub_parameter_set: key audit, value 1 (takes effect after a restart) | None | 1
        Ask them. | None | 0
        by hand; the description says what is wanted | None | 0
        apt_present: name a, then command_exec: run x | None | 2
    "#]],
    );
}

#[test]
fn what_is_not_honoured_is_named_and_nothing_is_dropped_in_silence() {
    let rest = "transactional: false
depends_on: [other]
colour: red
platforms: [{family: rhel, derivatives: false, edition: server}]
implementations:
  - when: apt
    default: true
    note: x
    check: {method: config_value, path: /etc/ssh/sshd_config, key: UsePAM, expected: \"yes\"}
    remediation: {mechanism: sysctl_set, key: a, value: b, persist_file: /etc/x}
";
    let (path, text) = rule("the-rule", rest);
    let text = text.replace("tags: []", "tags: [fine, \"not fine\"]");
    check(
        &items(&load(&[(path, text)]), ItemKind::NotHonored),
        &expect![[r#"
        the-rule rules/own/the-rule.yml:7:14 "not fine" is no tag: a-z, 0-9, - _ and .
        the-rule rules/own/the-rule.yml:8:16 transactional is not honoured
        the-rule rules/own/the-rule.yml:9:13 depends_on is not honoured
        the-rule rules/own/the-rule.yml:10:9 the key colour is not known
        the-rule rules/own/the-rule.yml:11:13 platforms.derivatives is not honoured: rebuilds count as the RHEL that they rebuild
        the-rule rules/own/the-rule.yml:11:57 platforms.edition is not honoured
        the-rule rules/own/the-rule.yml:13:11 when is not honoured beside default
        the-rule rules/own/the-rule.yml:15:11 implementations.note is not known
        the-rule rules/own/the-rule.yml:16:21 /etc/ssh/sshd_config is not read: sshd itself is asked for the setting that is in force
        the-rule rules/own/the-rule.yml:17:74 remediation.persist_file is kept as words only
    "#]],
    );
}

#[test]
fn a_broken_file_keeps_no_other_from_loading() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let good = checked("good", "{method: package_installed, name: a}");
    let files = [
        good.clone(),
        file("rules/own/twice.yml", &good.1),
        file("rules/own/torn.yml", "id: torn\ntags: [a\n"),
        file("rules/own/repeated.yml", "id: a\nid: b\n"),
        file("rules/own/anchored.yml", "id: &a b\nimplementations: *a\n"),
        file("rules/own/list.yml", "- a\n"),
        file("rules/own/bare.yml", "id: bare-rule\n"),
        file("rules/own/unquoted.yml", &checked("unquoted", "{method: file_exists, path: {{ x }}}").1),
        file("inventory.yml", "hosts: []\n"),
    ];
    let mut bytes: Vec<(String, Vec<u8>)> =
        files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
    bytes.push(("rules/own/latin.yml".to_owned(), b"id: caf\xe9\n".to_vec()));
    let import = import::load(&bytes, &[]).unwrap();
    // Nine files of rules, and a broken one of variables is none more.
    assert_eq!((import.report.files, import.report.rules), (10, 9));
    bytes.push(("defaults.yml".to_owned(), b"a: [\n".to_vec()));
    let with_variables = import::load(&bytes, &[]).unwrap().report;
    assert_eq!((with_variables.files, with_variables.rules), (11, 9));
    assert_eq!(items(&import, ItemKind::Loaded), ["good rules/own/good.yml:1:1 typed: package_installed"]);
    check(
        &items(&import, ItemKind::Broken),
        &expect![[r#"
             rules/own/anchored.yml:1:8 anchors and aliases are not used in content files
             rules/own/latin.yml:1:1 the file is not UTF-8
             rules/own/repeated.yml:2:1 duplicate mapping key: id
             rules/own/torn.yml:2:7 unclosed bracket '['
             rules/own/unquoted.yml:10:41 expected string scalar; a template needs quotes
        "#]],
    );
    check(
        &items(&import, ItemKind::Skipped),
        &expect![[r#"
        bare-rule rules/own/bare.yml:1:1 the rule has no implementations
        list rules/own/list.yml:1:1 the rule is a list, and keys with values are needed
        good rules/own/twice.yml:1:1 the rule stands in rules/own/good.yml too
    "#]],
    );
    check(
        &items(&import, ItemKind::Ignored),
        &expect![[r#"
             inventory.yml:1:1 neither a rule nor a file of variables
        "#]],
    );
}

#[test]
fn the_rule_says_where_it_came_from_and_that_it_was_imported() {
    let text = only(&[checked("the-rule", "{method: file_exists, path: /etc/a}")]);
    expect![[r##"
        # Imported from rules/own/the-rule.yml
        id: "the-rule"
        title: "Title of the-rule"
        imported: "kensa"
        description: "D."
        rationale: "R."
        severity: "low"
        tags: ["own"]
        platforms:
          -
            id: "*"
        check:
          file:
            missing: "fail"
            path: "/etc/a"
    "##]]
    .assert_eq(&text);
    let corpus =
        Corpus::load(&load(&[checked("the-rule", "{method: file_exists, path: /etc/a}")]).files).unwrap();
    assert_eq!(corpus.rules().next().unwrap().imported, Some(rules::RuleFormat::Kensa));
}

#[test]
fn a_rule_that_lacks_what_every_rule_needs_is_skipped() {
    let (path, text) = checked("the-rule", "{method: file_exists, path: /etc/a}");
    for (from, to, why) in [
        ("title: Title of the-rule\n", "", "the rule has no title"),
        ("description: D.", "description: ", "description is empty"),
        ("severity: low", "severity: urgent", "\"urgent\" is no severity: critical, high, medium, low"),
        ("id: the-rule", "id: The Rule", "\"The Rule\" is not a rule id: 3 to 80 of a-z, 0-9, - and _"),
        ("- default: true", "- default: maybe", "default is a text, and true or false is needed"),
        ("implementations:\n", "implementations: []\nunused:\n", "there is no implementation"),
        ("    check:", "    chek:", "an implementation has no check"),
    ] {
        assert!(text.contains(from), "{from}");
        assert_eq!(refusal(&[(path.clone(), text.replace(from, to))]), why);
    }
    let two = rule(
        "the-rule",
        "implementations:\n  - default: true\n    check: {method: package_installed, name: a}\n  - check: {method: package_installed, name: b}\n",
    );
    assert_eq!(refusal(&[two]), "two implementations are for every host");
}
