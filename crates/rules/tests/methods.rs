//! Every method: what passes, what fails, and what says nothing, through the real plan and parsers.

use rules::{Corpus, run_rule_tests};

/// Runs the tests of one check, written as in a rule file, and lists those that do not hold.
fn check(check: &str, tests: &[(&str, &str)]) {
    let tests: String = tests
        .iter()
        .enumerate()
        .map(|(n, (given, expect))| format!("  - {{name: t{n}, given: {given}, expect: {expect}}}\n"))
        .collect();
    let text = format!(
        "id: the_rule\ntitle: T\ndescription: D.\nrationale: R.\nseverity: low\nplatforms: [{{id: debian}}]\ncheck: {check}\ntests:\n{tests}"
    );
    let loaded = Corpus::load(&[("rules/the_rule.yaml".to_owned(), text)]);
    let said: String = match &loaded {
        Ok(corpus) => run_rule_tests(corpus)
            .iter()
            .filter(|test| !test.passed())
            .map(|test| format!("{}: {:?}, {}\n", test.name, test.got, test.detail))
            .collect(),
        Err(errors) => errors.iter().map(|err| format!("{err}\n")).collect(),
    };
    assert_eq!(said, "", "{check}");
}

/// What sshd takes under two names it prints under one.
#[test]
fn sshd_names_for_the_same() {
    check(
        "{sshd: {setting: kbdinteractiveauthentication, equal: no}}",
        &[(
            "{sshd: {stdout: \"kbdinteractiveauthentication no\\n@9 /e\\tChallengeResponseAuthentication yes\\n.\\n\"}}",
            "fail",
        )],
    );
    check(
        "{sshd: {setting: permitrootlogin, one_of: [no, without-password]}}",
        &[
            (
                "{sshd: {stdout: \"permitrootlogin no\\n@9 /e\\tPermitRootLogin prohibit-password\\n.\\n\"}}",
                "pass",
            ),
            ("{sshd: {stdout: \"permitrootlogin no\\n@9 /e\\tPermitRootLogin yes\\n.\\n\"}}", "fail"),
        ],
    );
}

#[test]
fn sshd_settings() {
    check(
        "{sshd: {setting: permitrootlogin, equal: no}}",
        &[
            ("{sshd: {stdout: \"port 22\\nPermitRootLogin NO\\n\"}}", "pass"),
            ("{sshd: {stdout: \"permitrootlogin yes\\n\"}}", "fail"),
            ("{sshd: {stdout: \"port 22\\n\"}}", "error"),
            (
                "{sshd: {stdout: \"permitrootlogin no\\n@9 /e\\tPermitRootLogin no # so it is\\n.\\n\"}}",
                "pass",
            ),
            (
                "{sshd: {stdout: \"permitrootlogin no\\n@9 /e\\tPermitRootLogin = \\\"false\\\"\\n.\\n\"}}",
                "pass",
            ),
            ("{sshd: {stdout: \"permitrootlogin no\\n@9 /e\\tPermitRootLogin=yes\\n.\\n\"}}", "fail"),
            ("{sshd: {stdout: \"permitrootlogin no\\n@9 /e\\tX11Forwarding yes\\n.\\n\"}}", "pass"),
            ("{sshd: {stdout: \"permitrootlogin no\\n@9 /e\\n.\\n\"}}", "error"),
            ("{sshd: {stdout: \"\"}}", "error"),
            ("{sshd: {stdout: \"permitrootlogin no\\n\", timed_out: true}}", "error"),
            ("{sshd: {exit: 1, stderr: \"sshd: no hostkeys available -- exiting.\"}}", "error"),
            ("{}", "error"),
        ],
    );
    check(
        "{sshd: {setting: ciphers, excludes: [3des-cbc], separator: \",\"}}",
        &[
            ("{sshd: {stdout: \"ciphers aes256-ctr,chacha\\n\"}}", "pass"),
            ("{sshd: {stdout: \"ciphers aes256-ctr,3des-cbc\\n\"}}", "fail"),
        ],
    );
    check(
        "{sshd: {setting: clientaliveinterval, at_most: 300}}",
        &[
            ("{sshd: {stdout: \"clientaliveinterval 300\\n@9 /e\\tClientAliveInterval 5m\\n.\\n\"}}", "pass"),
            (
                "{sshd: {stdout: \"clientaliveinterval 300\\n@9 /e\\tClientAliveInterval 1h30m\\n.\\n\"}}",
                "fail",
            ),
            (
                "{sshd: {stdout: \"clientaliveinterval 300\\n@9 /e\\tClientAliveInterval soon\\n.\\n\"}}",
                "error",
            ),
        ],
    );
    check(
        "{sshd: {setting: authenticationmethods, includes: [publickey], separator: \",\"}}",
        &[
            ("{sshd: {stdout: \"authenticationmethods publickey,password\\n\"}}", "pass"),
            (
                "{sshd: {stdout: \"authenticationmethods publickey\\n@9 /e\\tAuthenticationMethods password\\n.\\n\"}}",
                "fail",
            ),
        ],
    );
    check(
        "{sshd: {setting: allowusers, present: true}}",
        &[("{sshd: {stdout: \"port 22\\n\"}}", "fail"), ("{sshd: {stdout: \"allowusers a\\n\"}}", "pass")],
    );
}

#[test]
fn file_modes_and_owners() {
    check(
        "{file: {path: /etc/shadow, kind: file, mode_at_most: \"0640\", owner: [root], group: [root, shadow], missing: fail}}",
        &[
            ("{stat: {/etc/shadow: 0640 root shadow file}}", "pass"),
            ("{stat: {/etc/shadow: 0400 root root regular empty file}}", "pass"),
            // A mode is a set of bits: 0604 is smaller than 0640 and opens it to all.
            ("{stat: {/etc/shadow: 0604 root shadow file}}", "fail"),
            ("{stat: {/etc/shadow: 4640 root shadow file}}", "fail"),
            ("{stat: {/etc/shadow: 0640 daemon shadow file}}", "fail"),
            ("{stat: {/etc/shadow: 0640 root shadow directory}}", "fail"),
            ("{stat: {/etc/shadow: absent}}", "fail"),
            ("{stat: {/etc/shadow: denied}}", "error"),
            ("{stat: {exit: 127, stderr: \"stat: not found\"}}", "error"),
        ],
    );
    check(
        "{file: {path: \"/etc/ssh/*.key\", mode_at_most: \"0600\", missing: not_applicable}}",
        &[
            ("{stat: {/etc/ssh/a.key: 0600 root root file, /etc/ssh/b.key: 0600 root root file}}", "pass"),
            ("{stat: {/etc/ssh/a.key: 0600 root root file, /etc/ssh/b.key: 0644 root root file}}", "fail"),
            ("{stat: {/etc/ssh/x.pub: 0644 root root file}}", "not_applicable"),
        ],
    );
}

#[test]
fn packages_and_units() {
    check(
        "{package: {names: [a, b], installed: false}}",
        &[
            ("{packages: {c: \"1\"}}", "pass"),
            ("{packages: {b: \"1\"}}", "fail"),
            ("{packages: {stdout: \"dpkg\\n.\\n\"}}", "error"),
            ("{packages: {stdout: \"rpm\\nc 1 installed\\n.\\n\"}}", "pass"),
            ("{packages: {stdout: \"dpkg\\na 1 config-files\\nc 1 installed\\n.\\n\"}}", "pass"),
            ("{packages: {stdout: \"dpkg\\nc 1 installed\\n\"}}", "error"),
            ("{packages: {stdout: \"rpm\\n\", stderr: \"error: db\", exit: 1}}", "error"),
        ],
    );
    check(
        "{unit: {name: getty@tty1.service, enabled: true, active: true}}",
        &[
            ("{unit_files: {getty@.service: enabled}, units: {getty@tty1.service: active}}", "pass"),
            ("{unit_files: {getty@.service: disabled}, units: {getty@tty1.service: active}}", "fail"),
            ("{unit_files: {getty@.service: enabled}, units: {}}", "fail"),
            (
                "{unit_files: {getty@.service: enabled}, units: {exit: 1, stderr: Failed to connect to bus}}",
                "error",
            ),
            ("{unit_files: {getty@.service: masked}}", "fail"),
        ],
    );
    check(
        "{unit: {name: x.service, enabled: false, masked: true}}",
        &[("{unit_files: {x.service: masked}}", "pass"), ("{unit_files: {x.service: disabled}}", "fail")],
    );
}

#[test]
fn kernel_parameters_in_both_layers() {
    check(
        "{sysctl: {key: kernel.x, equal: \"1 2\"}}",
        &[
            (
                "{sysctl: {kernel.x: \"1\\t2\"}, files: {/etc/sysctl.d/a.conf: \"kernel.x = 1  2\\n\"}}",
                "pass",
            ),
            ("{sysctl: {kernel.x: \"1 2\"}, files: {/etc/sysctl.d/a.conf: \"kernel.x = 0\\n\"}}", "fail"),
            ("{sysctl: {kernel.x: \"0\"}, files: {/etc/sysctl.d/a.conf: \"kernel.x = 1 2\\n\"}}", "fail"),
            // The file of the same name in /etc masks the one in /usr/lib.
            (
                "{sysctl: {kernel.x: \"1 2\"}, files: {/usr/lib/sysctl.d/a.conf: \"kernel.x = 1 2\\n\", /etc/sysctl.d/a.conf: \"\"}}",
                "fail",
            ),
            // Names decide the order, not directories.
            (
                "{sysctl: {kernel.x: \"1 2\"}, files: {/usr/lib/sysctl.d/z.conf: \"kernel.x = 1 2\\n\", /etc/sysctl.d/a.conf: \"kernel.x = 0\\n\"}}",
                "pass",
            ),
            ("{sysctl: {kernel.x: \"1 2\"}, unreadable: [/etc/sysctl.d/a.conf]}", "error"),
            ("{sysctl: {kernel.x: absent}, files: {/etc/sysctl.conf: \"kernel.x = 1 2\\n\"}}", "fail"),
            ("{sysctl: {kernel.x: \"1 2\"}}", "error"),
        ],
    );
    check(
        "{kernel_cmdline: {parameter: audit, equal: 1}}",
        &[
            ("{cmdline: \"ro audit=1\", files: {/boot/grub/grub.cfg: \"linux /v ro audit=1\\n\"}}", "pass"),
            (
                "{cmdline: \"ro audit=1 audit=0\", files: {/boot/grub/grub.cfg: \"linux /v ro audit=1\\n\"}}",
                "fail",
            ),
            (
                "{cmdline: \"ro audit=1\", files: {/boot/grub/grub.cfg: \"linux /v audit=1\\nlinux /old\\n\"}}",
                "fail",
            ),
            ("{cmdline: \"ro audit=1\"}", "error"),
            ("{cmdline: \"ro\"}", "fail"),
        ],
    );
}

#[test]
fn modules_and_mounts() {
    check(
        "{module: {name: usb-storage, available: false}}",
        &[
            (
                "{modules: [], modules_available: [usb-storage], files: {/etc/modprobe.d/a.conf: \"install usb_storage /bin/false\\n\"}}",
                "pass",
            ),
            (
                "{modules: [usb_storage], modules_available: [usb-storage], files: {/etc/modprobe.d/a.conf: \"install usb-storage /bin/true\\n\"}}",
                "fail",
            ),
            (
                "{modules: [], modules_available: [usb-storage], files: {/etc/modprobe.d/a.conf: \"blacklist usb-storage\\n\"}}",
                "fail",
            ),
            (
                "{modules: [], modules_available: [usb-storage builtin], files: {/etc/modprobe.d/a.conf: \"install usb-storage /bin/false\\n\"}}",
                "fail",
            ),
            ("{modules: [], modules_available: []}", "pass"),
            ("{modules: []}", "error"),
            ("{modules: [], modules_available: {stdout: \"-\\n.\\n\"}}", "error"),
        ],
    );
    check(
        "{mount: {point: /tmp, options: [nodev, nosuid]}}",
        &[
            (
                "{mounts: [\"tmpfs /tmp tmpfs rw,nosuid,nodev\"], files: {/etc/fstab: \"tmpfs /tmp tmpfs nodev,nosuid 0 0\\n\"}}",
                "pass",
            ),
            (
                "{mounts: [\"tmpfs /tmp tmpfs rw,nosuid\"], files: {/etc/fstab: \"tmpfs /tmp tmpfs nodev,nosuid 0 0\\n\"}}",
                "fail",
            ),
            (
                "{mounts: [\"tmpfs /tmp tmpfs rw,nosuid,nodev\"], files: {/etc/fstab: \"tmpfs /tmp tmpfs nodev 0 0\\n\"}}",
                "fail",
            ),
            (
                "{mounts: [\"tmpfs /tmp tmpfs rw,nosuid,nodev\", \"x /tmp ext4 rw\"], files: {/etc/fstab: \"tmpfs /tmp tmpfs nodev,nosuid 0 0\\n\"}}",
                "fail",
            ),
            (
                "{mounts: [\"tmpfs /tmp tmpfs rw,nosuid,nodev\"], unit_files: {tmp.mount: enabled}, files: {/usr/lib/systemd/system/tmp.mount: \"[Mount]\\nOptions=mode=1777,nosuid,nodev\\n\"}}",
                "pass",
            ),
            (
                "{mounts: [\"tmpfs /tmp tmpfs rw,nosuid,nodev\"], unit_files: {tmp.mount: disabled}, files: {/usr/lib/systemd/system/tmp.mount: \"[Mount]\\nOptions=mode=1777,nosuid,nodev\\n\"}}",
                "fail",
            ),
            (
                "{mounts: [\"tmpfs /tmp tmpfs rw,nosuid,nodev\"], files: {/usr/lib/systemd/system/tmp.mount: \"[Mount]\\nOptions=nosuid,nodev\\n\"}}",
                "error",
            ),
            ("{mounts: [\"/dev/x / ext4 rw\"]}", "fail"),
            ("{}", "error"),
        ],
    );
}

#[test]
fn settings_and_lines() {
    check(
        "{setting: {file: /etc/security/pwquality.conf, drop_ins: [\"/etc/security/pwquality.conf.d/*.conf\"], main: last, format: equals, key: minlen, at_least: 14}}",
        &[
            (
                "{files: {/etc/security/pwquality.conf: \"# minlen = 8\\n\", /etc/security/pwquality.conf.d/a.conf: \"minlen=14\\r\\n\"}}",
                "pass",
            ),
            (
                "{files: {/etc/security/pwquality.conf: \"minlen = 8\\n\", /etc/security/pwquality.conf.d/a.conf: \"minlen = 14\\n\"}}",
                "fail",
            ),
            (
                "{files: {/etc/security/pwquality.conf.d/a.conf: \"minlen = 14\\n\", /etc/security/pwquality.conf.d/b.conf: \"minlen = 8\\n\"}}",
                "fail",
            ),
            ("{files: {}}", "fail"),
            ("{files: {/etc/security/pwquality.conf: \"minlen = many\\n\"}}", "error"),
            ("{unreadable: [/etc/security/pwquality.conf]}", "error"),
        ],
    );
    check(
        "{setting: {file: /etc/systemd/journald.conf, format: ini, section: Journal, key: Storage, equal: persistent, missing: auto}}",
        &[
            (
                "{files: {/etc/systemd/journald.conf: \"[Other]\\nStorage=volatile\\n[Journal]\\nStorage=persistent\\n\"}}",
                "pass",
            ),
            ("{files: {/etc/systemd/journald.conf: \"[Other]\\nStorage=persistent\\n\"}}", "fail"),
        ],
    );
    check(
        "{lines: {files: [/etc/sudoers, \"/etc/sudoers.d/*\"], none_match: NOPASSWD, missing: not_applicable}}",
        &[
            ("{files: {/etc/sudoers: \"# NOPASSWD\\nroot ALL\\n\"}}", "pass"),
            (
                "{files: {/etc/sudoers: \"root ALL\\n\", /etc/sudoers.d/x: \"u ALL = NOPASSWD: ALL\\n\"}}",
                "fail",
            ),
            ("{files: {}}", "not_applicable"),
            ("{files: {/etc/sudoers: \"x\\n\"}, unreadable: [/etc/sudoers.d/y]}", "error"),
        ],
    );
}

#[test]
fn homes_and_what_stands_in_them() {
    let passwd =
        "files: {/etc/passwd: \"root:x:0:0::/root:/bin/sh\\nbob:x:1000:100::/home/bob/:/bin/sh\\n\"}";
    let with = |lines: &str| format!("{{{passwd}, home_files: [{lines}]}}");
    let homes = |more: &str| with(&format!("home /root 0700 0, home /home/bob/ 0750 1000{more}"));
    check(
        "{home: {assert: owned}}",
        &[
            (&homes(""), "pass"),
            (&with("home /root 0700 0, home /home/bob/ 0750 0"), "fail"),
            (&with("home /root 0700 0, absent /home/bob/"), "pass"),
            (&with("home /root 0700 0, denied /home/bob/"), "error"),
            (&with("home /root 0700 0"), "error"),
            // A home that was gone when its turn came was not seen.
            (&format!("{{{passwd}, home_files: {{stdout: \"=/root\\0=/home/bob/\\0.0\\0\"}}}}"), "error"),
            (&format!("{{{passwd}, home_files: {{stdout: \"-/root\\0-/home/bob/\\0.0\\0\"}}}}"), "pass"),
            (&format!("{{{passwd}, home_files: {{stdout: \"-/root\\0-/home/bob/\\0\"}}}}"), "error"),
            (&format!("{{{passwd}, home_files: {{stdout: \"-/root\\0-/home/bob/\\0.1\\0\"}}}}"), "error"),
            (&format!("{{{passwd}, home_files: {{stdout: \"-/root\\0-/home/bob/\\0+\\0.0\\0\"}}}}"), "error"),
        ],
    );
    check(
        "{home: {assert: mode, mode_at_most: \"0750\"}}",
        &[
            (&homes(""), "pass"),
            (&with("home /root 0700 0, home /home/bob/ 0755 1000"), "fail"),
            (&with("home /root 0700 0, home /home/bob/ 02750 1000"), "fail"),
        ],
    );
    check(
        "{home: {assert: mode, mode_at_most: \"0750\", exempt: [bob]}}",
        &[
            (&with("home /root 0700 0, home /home/bob/ 0755 1000"), "pass"),
            (&with("home /root 0755 0, home /home/bob/ 0755 1000"), "fail"),
        ],
    );
    check(
        "{home: {assert: dot_files}}",
        &[
            (&homes(", file /home/bob//.x 0644 1000"), "pass"),
            (&homes(", file /home/bob//.x 0664 1000"), "fail"),
            (&homes(", file /home/eve/.x 0664 1000"), "error"),
        ],
    );
    check(
        "{home: {assert: no_trust_files}}",
        &[
            (&homes(", file /home/bob//.rhost 0600 1000"), "pass"),
            (&homes(", file /home/bob//.shosts 0600 1000"), "fail"),
        ],
    );
    check(
        "{home: {assert: netrc}}",
        &[
            (&homes(", file /home/bob//.netrc 0400 1000"), "pass"),
            (&homes(", file /home/bob//.netrc 0700 1000"), "fail"),
            (&homes(", file /root/.netrc 0600 1000"), "fail"),
        ],
    );
    check(
        "{home: {assert: history}}",
        &[
            (&homes(", file /home/bob//.bash_history 0600 0"), "pass"),
            (&homes(", file /home/bob//.bash_history 0604 1000"), "fail"),
            (&homes(", link /home/bob//.bash_history 1000 /dev/null"), "pass"),
            (&homes(", link /home/bob//.bash_history 1000 ../../dev/nul"), "fail"),
        ],
    );
}

#[test]
fn accounts_and_their_passwords() {
    let passwd = "/etc/passwd: \"root:x:0:0:root:/root:/bin/bash\\ndaemon:x:1:1::/:SHELL\\nbob:x:1000:1000::/home/bob:/bin/sh\\n\"";
    let with = |shell: &str| format!("{{files: {{{}}}}}", passwd.replace("SHELL", shell));
    check(
        "{accounts: {assert: system_accounts_have_no_shell}}",
        &[
            (&with("/usr/sbin/nologin"), "pass"),
            (&with("/bin/sh"), "fail"),
            (&with(""), "fail"),
            ("{files: {}}", "error"),
        ],
    );
    let both = |rest: &str| format!("{{files: {{{}}}, {rest}}}", passwd.replace("SHELL", "/bin/false"));
    check(
        "{accounts: {assert: no_empty_passwords}}",
        &[
            (&both("shadow: [root locked 1 0 9 7 - -, bob hash:6 1 0 9 7 - -]"), "pass"),
            (&both("shadow: [root locked 1 0 9 7 - -, bob empty 1 0 9 7 - -]"), "fail"),
            (&both("shadow: {stdout: \"!\\n.\\n\"}"), "error"),
        ],
    );
    check(
        "{accounts: {assert: system_accounts_are_locked}}",
        &[
            (&both("shadow: [daemon no_password 1 0 9 7 - -]"), "pass"),
            (&both("shadow: [daemon hash:y 1 0 9 7 - -]"), "fail"),
        ],
    );
    check(
        "{accounts: {assert: homes_exist}}",
        &[
            (&both("homes: {root: present, daemon: absent, bob: present}"), "pass"),
            (&both("homes: {root: present, daemon: absent, bob: absent}"), "fail"),
            (&both("homes: {root: present}"), "error"),
        ],
    );
    check(
        "{password_aging: {field: max_days, at_most: 365}}",
        &[
            ("{shadow: [root locked 1 0 99999 7 - -, bob hash:6 1 0 365 7 - -]}", "pass"),
            ("{shadow: [bob hash:6 1 0 366 7 - -]}", "fail"),
            ("{shadow: [bob hash:6 1 0 - 7 - -]}", "fail"),
            ("{shadow: []}", "error"),
        ],
    );
}

#[test]
fn walks_and_combinations() {
    check(
        "{walk: {find: setuid, allow: [/usr/bin/su, \"/usr/lib/**\"]}}",
        &[
            ("{walk: [setuid 4755 root root /usr/bin/su, setuid 4755 root root /usr/lib/a/b]}", "pass"),
            ("{walk: [setuid 4755 root root /tmp/a b]}", "fail"),
            ("{walk: [setgid 2755 root root /tmp/a]}", "pass"),
            ("{walk: {stdout: \"\", timed_out: true}}", "error"),
            ("{walk: {stdout: \".1\\0\", stderr: \"find: '/x': Permission denied\"}}", "error"),
            ("{walk: {stdout: \".1\\0\", stderr: \"find: '/x': No such file or directory\"}}", "pass"),
            ("{walk: {stdout: \".1\\0\"}}", "error"),
            // What belongs to another user's FUSE is no part of the walk; what it was told to walk is.
            ("{walk: {stdout: \"-/x\\0.1\\0\", stderr: \"find: '/x': Permission denied\"}}", "pass"),
            ("{walk: {stdout: \"-/x\\0.1\\0\", stderr: \"find: '/x/y': Permission denied\"}}", "error"),
            ("{walk: {stdout: \"-/x\\0+/x\\0.1\\0\", stderr: \"find: '/x': Permission denied\"}}", "error"),
        ],
    );
    check(
        "{any: [{package: {name: a, installed: true}}, {not: {sshd: {setting: port, equal: 22}}}]}",
        &[
            ("{packages: {a: \"1\"}}", "pass"),
            ("{packages: {}, sshd: {stdout: \"port 23\\n\"}}", "pass"),
            ("{packages: {}, sshd: {stdout: \"port 22\\n\"}}", "fail"),
            ("{packages: {}}", "error"),
        ],
    );
}

#[test]
fn a_login_without_root_sees_no_absence_where_it_cannot_look() {
    let run = |check: &str, given: &str, expect: &str| {
        let text = format!(
            "id: the_rule\ntitle: T\ndescription: D.\nrationale: R.\nseverity: low\nplatforms: [{{id: debian}}]\ncheck: {check}\ntests:\n  - {{name: t, uid: 1000, given: {given}, expect: {expect}}}\n"
        );
        let corpus = Corpus::load(&[("rules/the_rule.yaml".to_owned(), text)]).unwrap();
        let told = run_rule_tests(&corpus);
        assert!(told[0].passed(), "{check}: {:?}", told[0]);
    };
    run("{lines: {files: [\"/home/*/.netrc\"], none_match: x, missing: pass}}", "{files: {}}", "error");
    run("{file: {path: \"/home/*/.rhosts\", missing: pass}}", "{stat: {}}", "error");
    run("{lines: {files: [\"/etc/x.d/*\"], none_match: x, missing: pass}}", "{files: {}}", "pass");
    run("{sshd: {setting: port, equal: 22}}", "{sshd: {exit: 1, stderr: no hostkeys}}", "error");
}

#[test]
fn an_exact_mode_takes_neither_more_nor_fewer_bits() {
    check(
        "{file: {path: /tmp, mode: \"1777\", missing: fail}}",
        &[
            ("{stat: {/tmp: 1777 root root directory}}", "pass"),
            ("{stat: {/tmp: 0777 root root directory}}", "fail"),
            ("{stat: {/tmp: 1770 root root directory}}", "fail"),
        ],
    );
}

#[test]
fn the_first_case_whose_condition_holds_is_judged() {
    let files = "path: /etc/b, missing: not_applicable";
    let cases = format!(
        "{{cases: [{{when: {{file: {{path: /etc/a, missing: fail}}}}, check: {{file: {{{files}, mode: \"0600\"}}}}}}, \
         {{when: {{package: {{name: c, installed: true}}}}, check: {{file: {{{files}, mode: \"0640\"}}}}}}]}}"
    );
    let stat = |a: &str, b: &str| format!("stat: {{/etc/a: {a}, /etc/b: {b}}}");
    let there = "0644 root root file";
    let given = [
        (format!("{{{}, packages: {{c: \"1\"}}}}", stat(there, "0600 root root file")), "pass"),
        (format!("{{{}, packages: {{c: \"1\"}}}}", stat(there, "0640 root root file")), "fail"),
        (format!("{{{}, packages: {{c: \"1\"}}}}", stat("absent", "0640 root root file")), "pass"),
        (format!("{{{}, packages: {{c: \"1\"}}}}", stat("absent", "0600 root root file")), "fail"),
        // The check of the case that is chosen does not apply: that is no verdict, whatever chose it.
        (format!("{{{}, packages: {{c: \"1\"}}}}", stat(there, "absent")), "not_applicable"),
        (format!("{{{}, packages: {{d: \"1\"}}}}", stat("absent", "0600 root root file")), "not_applicable"),
        // Whether the first case is the one cannot be seen, so the second is not taken for it.
        (format!("{{{}, packages: {{c: \"1\"}}}}", stat("denied", "0640 root root file")), "error"),
    ];
    check(&cases, &given.iter().map(|(given, expect)| (given.as_str(), *expect)).collect::<Vec<_>>());
}
