//! Every check method, judged by our own evaluation: what passes, what fails, and what says nothing.

mod common;

use common::{assert_check, checked, refusal};

#[test]
fn a_value_of_a_configuration_file() {
    assert_check(
        "{method: config_value, path: /etc/a.conf, key: deny, expected: \"No\"}",
        &[
            ("{files: {/etc/a.conf: \"deny = no\\n\"}}", "pass"),
            ("{files: {/etc/a.conf: \"deny = yes\\n\"}}", "fail"),
            ("{files: {/etc/a.conf: \"# deny = no\\n\"}}", "fail"),
            ("{files: {}}", "fail"),
            // The first line counts where no drop-in is read.
            ("{files: {/etc/a.conf: \"deny = no\\ndeny = yes\\n\"}}", "pass"),
            ("{files: {}, unreadable: [/etc/a.conf]}", "error"),
        ],
    );
    assert_check(
        "{method: config_value, path: /etc/login.defs, key: PASS_MAX_DAYS, expected: 365, comparator: \"<=\", delimiter: \" \"}",
        &[
            ("{files: {/etc/login.defs: \"PASS_MAX_DAYS\\t365\\n\"}}", "pass"),
            ("{files: {/etc/login.defs: \"PASS_MAX_DAYS 366\\n\"}}", "fail"),
            ("{files: {/etc/login.defs: \"PASS_MAX_DAYS never\\n\"}}", "error"),
        ],
    );
    for (comparator, pass, fail) in
        [("<", "4", "5"), (">", "6", "5"), (">=", "5", "4"), ("!=", "4", "5"), ("==", "5", "4")]
    {
        assert_check(
            &format!(
                "{{method: config_value, path: /etc/a, key: n, expected: \"5\", comparator: \"{comparator}\"}}"
            ),
            &[
                (&format!("{{files: {{/etc/a: \"n = {pass}\\n\"}}}}"), "pass"),
                (&format!("{{files: {{/etc/a: \"n = {fail}\\n\"}}}}"), "fail"),
            ],
        );
    }
}

#[test]
fn drop_ins_empty_values_and_odd_keys_of_a_configuration_file() {
    assert_check(
        "{method: config_value, path: /etc/a.conf, key: n, expected: \"5\", dropin_dir: /etc/a.conf.d}",
        &[
            ("{files: {/etc/a.conf: \"n = 4\\n\", /etc/a.conf.d/b.conf: \"n = 5\\n\"}}", "pass"),
            ("{files: {/etc/a.conf: \"n = 5\\n\", /etc/a.conf.d/b.conf: \"n = 4\\n\"}}", "fail"),
        ],
    );
    // The program that owns this file reads it behind its drop-ins.
    assert_check(
        "{method: config_value, path: /etc/security/pwquality.conf, key: minlen, expected: \"14\", dropin_dir: /etc/security/pwquality.conf.d}",
        &[(
            "{files: {/etc/security/pwquality.conf: \"minlen = 14\\n\", /etc/security/pwquality.conf.d/b.conf: \"minlen = 8\\n\"}}",
            "pass",
        )],
    );
    assert_check(
        "{method: config_value, path: /etc/faillock.conf, key: audit, expected: \"\"}",
        &[
            ("{files: {/etc/faillock.conf: \" audit\\n\"}}", "pass"),
            ("{files: {/etc/faillock.conf: \"audit = 1\\n\"}}", "fail"),
        ],
    );
    assert_check(
        "{method: config_value, path: /etc/limits.conf, key: \"* hard core\", expected: \"0\", delimiter: \" \"}",
        &[
            ("{files: {/etc/limits.conf: \"*  hard\\tcore 0\\n\"}}", "pass"),
            ("{files: {/etc/limits.conf: \"a hard core 0\\n\"}}", "fail"),
        ],
    );
    assert_check(
        "{method: config_value, path: /etc/rsyslog.conf, key: $FileCreateMode, expected: \"0640\", delimiter: \" \"}",
        &[
            ("{files: {/etc/rsyslog.conf: \"$FileCreateMode 0640\\n\"}}", "pass"),
            ("{files: {/etc/rsyslog.conf: \"FileCreateMode 0640\\n\"}}", "fail"),
        ],
    );
    assert_check(
        "{method: config_value, path: /etc/x.d, key: a, expected: b, scan_pattern: \"*.conf\"}",
        &[
            ("{files: {/etc/x.d/1.conf: \"a: B\\n\"}}", "pass"),
            ("{files: {/etc/x.d/1.txt: \"a = b\\n\"}}", "fail"),
        ],
    );
    assert_check(
        "{method: config_value, path: /etc/ssh/sshd_config.d, key: PermitRootLogin, expected: \"no\", scan_pattern: \"*.conf\"}",
        &[
            ("{sshd: {stdout: \"permitrootlogin no\\n\"}}", "pass"),
            ("{sshd: {stdout: \"permitrootlogin yes\\n\"}}", "fail"),
        ],
    );
}

#[test]
fn files_their_modes_and_their_text() {
    assert_check(
        "{method: file_exists, path: /etc/a}",
        &[
            ("{stat: {/etc/a: 0644 root root file}}", "pass"),
            ("{stat: {/etc/a: absent}}", "fail"),
            ("{stat: {/etc/a: denied}}", "error"),
        ],
    );
    assert_check(
        "{method: file_absent, path: /etc/a}",
        &[
            ("{stat: {/etc/a: 0644 root root file}}", "fail"),
            ("{stat: {/etc/a: absent}}", "pass"),
            ("{stat: {/etc/a: denied}}", "error"),
        ],
    );
    for method in ["file_permission", "file_permissions"] {
        assert_check(
            &format!("{{method: {method}, path: /etc/a, mode: 0640, owner: root, group: adm}}"),
            &[
                ("{stat: {/etc/a: 0640 root adm file}}", "pass"),
                ("{stat: {/etc/a: 0600 root adm file}}", "fail"),
                ("{stat: {/etc/a: 0640 root root file}}", "fail"),
                ("{stat: {/etc/a: absent}}", "fail"),
            ],
        );
    }
    assert_check(
        "{method: file_content_match, path: /etc/a, pattern: \"^a\\\\s+(b|c)$\"}",
        &[
            ("{files: {/etc/a: \"x\\na  c\\n\"}}", "pass"),
            ("{files: {/etc/a: \"a d\\n\"}}", "fail"),
            ("{files: {}}", "fail"),
        ],
    );
    assert_check(
        "{method: file_content, path: /etc/a, expected_content: \"one.\\ntwo\\n\"}",
        &[
            ("{files: {/etc/a: \"is two\\nhas one.\\n\"}}", "pass"),
            ("{files: {/etc/a: \"one. alone\\n\"}}", "fail"),
            ("{files: {/etc/a: \"ones\\ntwo\\n\"}}", "fail"),
        ],
    );
}

#[test]
fn packages_services_kernel_and_mounts() {
    for (check, there) in [
        ("{method: package_installed, name: a}", true),
        ("{method: dpkg_installed, name: a}", true),
        ("{method: package_state, name: a}", true),
        ("{method: package_state, name: a, state: present}", true),
        ("{method: package_absent, name: a}", false),
        ("{method: dpkg_absent, name: a}", false),
        ("{method: package_state, name: a, state: absent}", false),
    ] {
        let (with, without) = if there { ("pass", "fail") } else { ("fail", "pass") };
        assert_check(
            check,
            &[("{packages: {a: \"1\"}}", with), ("{packages: {b: \"1\"}}", without), ("{}", "error")],
        );
    }
    assert_check(
        "{method: service_state, name: cron, enabled: true, active: false}",
        &[
            ("{unit_files: {cron.service: enabled}, units: {cron.service: inactive}}", "pass"),
            ("{unit_files: {cron.service: enabled}, units: {cron.service: active}}", "fail"),
            ("{unit_files: {cron.service: disabled}, units: {cron.service: inactive}}", "fail"),
        ],
    );
    assert_check(
        "{method: service_enabled, name: rpcbind.socket}",
        &[
            ("{unit_files: {rpcbind.socket: enabled}}", "pass"),
            ("{unit_files: {rpcbind.socket: masked}}", "fail"),
        ],
    );
    assert_check(
        "{method: service_active, name: cron}",
        &[("{units: {cron.service: active}}", "pass"), ("{units: {cron.service: failed}}", "fail")],
    );
    assert_check(
        "{method: sysctl_value, key: kernel.x, expected: 1, comparator: \">=\"}",
        &[
            ("{sysctl: {kernel.x: \"2\"}}", "pass"),
            ("{sysctl: {kernel.x: \"0\"}}", "fail"),
            ("{sysctl: {kernel.x: absent}}", "fail"),
        ],
    );
    assert_check(
        "{method: mount_option, mount_point: /tmp, options: [nodev, noexec]}",
        &[
            ("{mounts: [\"tmpfs /tmp tmpfs rw,noexec,nodev\"]}", "pass"),
            ("{mounts: [\"tmpfs /tmp tmpfs rw,nodev\"]}", "fail"),
            ("{mounts: [\"tmpfs /run tmpfs rw,nodev,noexec\"]}", "fail"),
        ],
    );
}

#[test]
fn modules_boot_parameters_access_control_and_the_ssh_server() {
    let config = "/etc/modprobe.d/a.conf";
    assert_check(
        "{method: kernel_module_state, name: usb-storage, state: disabled}",
        &[
            (
                &format!(
                    "{{files: {{{config}: \"install usb_storage /bin/false\\n\"}}, modules: [], cmdline: \"\", modules_available: [usb_storage]}}"
                ),
                "pass",
            ),
            ("{files: {}, modules: [usb_storage], cmdline: \"\", modules_available: [usb_storage]}", "fail"),
        ],
    );
    assert_check(
        "{method: kernel_module_state, name: usb-storage, state: blacklisted}",
        &[
            (&format!("{{files: {{{config}: \"blacklist usb_storage\\n\"}}, modules: [vfat]}}"), "pass"),
            (
                &format!("{{files: {{{config}: \"blacklist usb_storage\\n\"}}, modules: [usb_storage]}}"),
                "fail",
            ),
            ("{files: {}, modules: []}", "fail"),
        ],
    );
    let grub = "files: {/boot/grub/grub.cfg: \"menuentry 'a' {\\nlinux /vmlinuz ro audit=1\\n}\\n\"}";
    assert_check(
        "{method: grub_parameter, key: audit, expected: \"1\"}",
        &[
            (&format!("{{cmdline: \"ro audit=1\", {grub}}}"), "pass"),
            (&format!("{{cmdline: \"ro audit\", {grub}}}"), "pass"),
            (&format!("{{cmdline: \"ro audit=0\", {grub}}}"), "fail"),
        ],
    );
    let enforce = |text: &str| format!("{{files: {{/sys/fs/selinux/enforce: \"{text}\"}}}}");
    for (state, pass, fail) in [("Enforcing", "1", "0"), ("permissive", "0", "1")] {
        let check = format!("{{method: selinux_state, state: {state}}}");
        assert_check(&check, &[(&enforce(pass), "pass"), (&enforce(fail), "fail"), ("{files: {}}", "fail")]);
    }
    assert_check(
        "{method: selinux_state, state: Disabled}",
        &[
            ("{stat: {/sys/fs/selinux/enforce: absent}}", "pass"),
            ("{stat: {/sys/fs/selinux/enforce: 0644 root root file}}", "fail"),
        ],
    );
    let apparmor = |profiles: &str| {
        format!(
            "{{files: {{/sys/module/apparmor/parameters/enabled: \"Y\\n\", /sys/kernel/security/apparmor/profiles: \"{profiles}\"}}}}"
        )
    };
    assert_check(
        "{method: apparmor_state}",
        &[
            (&apparmor("man (enforce)\\n"), "pass"),
            (&apparmor("man (complain)\\n"), "fail"),
            ("{files: {}}", "fail"),
        ],
    );
    assert_check(
        "{method: apparmor_state, state: loaded}",
        &[(&apparmor(""), "pass"), ("{files: {}}", "fail")],
    );
    assert_check(
        "{method: sshd_effective_config, key: PermitRootLogin, expected: prohibit-password}",
        &[
            ("{sshd: {stdout: \"permitrootlogin Prohibit-Password\\n\"}}", "pass"),
            ("{sshd: {stdout: \"permitrootlogin yes\\n\"}}", "fail"),
            ("{sshd: {stdout: \"port 22\\n\"}}", "fail"),
        ],
    );
}

#[test]
fn audit_rules_by_what_they_record() {
    assert_check(
        "{method: audit_rule_exists, rule: \"-w /etc/passwd -p wa -k identity\\n# both\\n-a always,exit -F arch=b64 -S chmod,fchmod -F auid!=unset -k perm\"}",
        &[
            (
                "{audit: [\"-a always,exit -F arch=b64 -S fchmod,chmod -F auid!=-1 -F key=other\", \"-w /etc/passwd -p wa -k identity\"]}",
                "pass",
            ),
            ("{audit: [\"-w /etc/passwd -p wa -k identity\"]}", "fail"),
            (
                "{audit: [\"-a always,exit -F arch=b64 -S chmod -F auid!=-1 -F key=perm\", \"-w /etc/passwd -p wa -k identity\"]}",
                "fail",
            ),
            ("{}", "error"),
        ],
    );
}

#[test]
fn shell_text_its_exit_status_and_its_output() {
    assert_check(
        "{method: command, run: \"true\", expected_exit: 1}",
        &[
            ("{command: {exit: 1}}", "pass"),
            ("{command: {exit: 0}}", "fail"),
            ("{command: {exit: 127, stderr: \"sh: x: not found\"}}", "error"),
            ("{command: {timed_out: true}}", "error"),
        ],
    );
    // An empty text is an assertion of its own; no text is none.
    assert_check(
        "{method: command, cmd: find, expected_output: \"\"}",
        &[("{command: {stdout: \"\\n\"}}", "pass"), ("{command: {stdout: \"/etc/x\\n\"}}", "fail")],
    );
    assert_check("{method: command, cmd: find}", &[("{command: {stdout: \"/etc/x\\n\"}}", "pass")]);
    assert_check(
        "{method: command, run: x, expected_stdout: \"a.b\"}",
        &[("{command: {stdout: \"1\\n-a.b-\\n\"}}", "pass"), ("{command: {stdout: \"a+b\\n\"}}", "fail")],
    );
    assert_check(
        "{method: command, run: x, not_assessable_exit: 3}",
        &[
            ("{command: {exit: 3, stdout: \"nobody said\\n\"}}", "not_applicable"),
            ("{command: {exit: 1}}", "fail"),
            ("{command: {exit: 0}}", "pass"),
        ],
    );
    assert_check(
        "{method: systemd_target, not_expected: graphical.target}",
        &[
            ("{command: {stdout: \"multi-user.target\\n\"}}", "pass"),
            ("{command: {stdout: \"Graphical.target\\n\"}}", "fail"),
            ("{command: {exit: 127}}", "error"),
        ],
    );
    assert_check(
        "{method: systemd_target, expected: multi-user.target}",
        &[
            ("{command: {stdout: \"multi-user.target\\n\"}}", "pass"),
            ("{command: {stdout: \"multi-userXtarget\\n\"}}", "fail"),
        ],
    );
}

#[test]
fn a_set_that_may_hold_nothing_but_what_was_declared() {
    assert_check(
        "{method: set_compare, observed_command: ls, authorized: \"ann, bob\"}",
        &[
            ("{command: {stdout: \"bob\\n\"}}", "pass"),
            ("{command: {stdout: \"bob\\n\\n  ann \\n\"}}", "pass"),
            ("{command: {stdout: \"\"}}", "pass"),
            ("{command: {stdout: \"bob\\neve\\n\"}}", "fail"),
            ("{command: {stdout: \"ann bob\\n\"}}", "fail"),
            ("{command: {stdout: \"annbob\\n\"}}", "fail"),
            // A set that could not be observed is no empty set.
            ("{command: {exit: 126, stderr: \"no\"}}", "error"),
        ],
    );
    assert_check(
        "{method: set_compare, observed_command: ls, authorized: \"ann,1001\", alias_separator: \":\"}",
        &[
            ("{command: {stdout: \"ann:1000\\nbob:1001\\n\"}}", "pass"),
            ("{command: {stdout: \"eve:1002\\n\"}}", "fail"),
            ("{command: {stdout: \"anna:1002\\n\"}}", "fail"),
            ("{command: {stdout: \"ann\\n\"}}", "pass"),
        ],
    );
}

#[test]
fn several_checks_must_all_hold() {
    assert_check(
        "{checks: [{method: package_installed, name: a}, {method: package_absent, name: b}]}",
        &[
            ("{packages: {a: \"1\"}}", "pass"),
            ("{packages: {a: \"1\", b: \"1\"}}", "fail"),
            ("{packages: {c: \"1\"}}", "fail"),
        ],
    );
}

/// Checks that are not taken over, and why.
const REFUSED: &[(&str, &str)] = &[
    ("{method: file_exits, path: /a}", "there is no check method \"file_exits\""),
    ("{method: file_exists, path: /a, deep: true}", "file_exists has the parameter deep, which is not known"),
    ("{method: file_exists}", "file_exists has no path"),
    ("{method: file_exists, path: \"\"}", "path of file_exists is empty"),
    ("{method: file_exists, path: [/a]}", "path of file_exists is a list, and a text is needed"),
    (
        "{method: file_exists, path: etc}",
        "it cannot be asked in our terms: \"etc\" cannot be used as a path: it must start with /",
    ),
    ("{path: /a}", "the check has no method"),
    ("{checks: []}", "checks is empty, so that nothing would be asked"),
    (
        "{checks: [{method: package_installed, name: a}], method: command}",
        "method and checks cannot stand side by side",
    ),
    (
        "{method: file_permission, path: /a, mode: \"\"}",
        "at least one of mode, owner and group is needed in file_permission",
    ),
    (
        "{method: file_permission, path: /a, mode: u=rw}",
        "it cannot be asked in our terms: \"u=rw\" is not a mode: write three or four octal digits in quotes",
    ),
    (
        "{method: file_content_match, path: /etc/shadow, pattern: x}",
        "it cannot be asked in our terms: /etc/shadow would read password hashes: use accounts or password_aging",
    ),
    (
        "{method: sysctl_value, key: a.b, expected: on, comparator: \"<\"}",
        "\"on\" is not a whole number, and sysctl_value compares numbers",
    ),
    (
        "{method: sysctl_value, key: a.b, expected: 1, comparator: \"=~\"}",
        "there is no comparator \"=~\": ==, !=, <, <=, >, >=",
    ),
    (
        "{method: package_state, name: a, state: installed}",
        "package_state knows no state \"installed\": present, absent",
    ),
    (
        "{method: service_state, name: a}",
        "service_state asks for neither enabled nor active, so that nothing would be asked",
    ),
    (
        "{method: service_state, name: a, enabled: \"yes\"}",
        "enabled of service_state is a text, and true or false is needed",
    ),
    (
        "{method: mount_option, mount_point: /tmp, options: nodev}",
        "options of mount_option is a text, and a list is needed",
    ),
    ("{method: systemd_target}", "exactly one of expected and not_expected is needed in systemd_target"),
    ("{method: command, run: a, cmd: b}", "exactly one of cmd and run is needed in command"),
    ("{method: command, run: a, expected_exit: 256}", "expected_exit is 0 to 255, not \"256\""),
    (
        "{method: set_compare, observed_command: ls, authorized: \"\"}",
        "no member is declared in authorized, so there is nothing to compare with",
    ),
    ("{method: audit_rule_exists, rule: \"# none\"}", "rule of audit_rule_exists holds no rule"),
    (
        "{method: audit_rule_exists, rule: \"-k identity\"}",
        "the audit rule \"-k identity\" does not say what is recorded",
    ),
];

#[test]
fn a_check_that_cannot_be_asked_as_it_is_meant_refuses_the_rule() {
    for (check, why) in REFUSED {
        assert_eq!(refusal(&[checked("the-rule", check)]), *why, "{check}");
    }
    let regex = refusal(&[checked("the-rule", "{method: file_content_match, path: /a, pattern: \"(\"}")]);
    assert!(regex.contains("is not a regular expression"), "{regex}");
}
