//! Hosts whose configuration does not mean what it seems to say, and the verdict that its own manual gives.
//!
//! Each case breaks or mends one thing of a plain host and names the shipped rule that must see through it.
//! Cases of one table do not disturb each other: they share a host and a scan.

use std::collections::BTreeMap;

use testkit::host::TestHost;

use crate::support::{World, host, statuses, world};

/// A rule, its right verdict and why, and what is done to the host before.
struct Trap {
    rule: &'static str,
    verdict: &'static str,
    /// What the manual says, with its name.
    why: &'static str,
    prepare: &'static str,
}

const fn trap(rule: &'static str, verdict: &'static str, why: &'static str, prepare: &'static str) -> Trap {
    Trap { rule, verdict, why, prepare }
}

/// Prepares a host for all cases, scans it once with their rules, and asserts every verdict.
#[track_caller]
fn assert_verdicts(world: &World, host: &TestHost, traps: &[Trap]) {
    for trap in traps {
        if let Err(err) = host.must(trap.prepare) {
            panic!("{}: {err:?}", trap.rule);
        }
    }
    let words: Vec<&str> = traps.iter().flat_map(|trap| ["--rule", trap.rule]).collect();
    let found = statuses(&world.scan_json(host, &words));
    let wanted: BTreeMap<&str, &Trap> = traps.iter().map(|trap| (trap.rule, trap)).collect();
    assert_eq!(wanted.len(), traps.len(), "a rule has one verdict on a host");
    let wrong: Vec<String> = wanted
        .iter()
        .filter(|(rule, trap)| found[**rule] != trap.verdict)
        .map(|(rule, trap)| format!("{rule} is {}, not {}: {}", found[*rule], trap.verdict, trap.why))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const SSHD: [Trap; 12] = [
    trap(
        "sshd_max_auth_tries",
        "fail",
        "sshd_config(5): the first value counts, and Debian includes the drop-ins first",
        "echo 'MaxAuthTries 3' >>/etc/ssh/sshd_config\n\
         echo 'MaxAuthTries 9' >/etc/ssh/sshd_config.d/10-traps.conf",
    ),
    trap(
        "sshd_x11_forwarding",
        "pass",
        "sshd_config(5): the first of two drop-ins counts; the main file of Debian says yes behind them",
        "echo 'X11Forwarding no' >>/etc/ssh/sshd_config.d/10-traps.conf\n\
         echo 'X11Forwarding yes' >/etc/ssh/sshd_config.d/20-traps.conf",
    ),
    trap(
        "sshd_permit_user_environment",
        "fail",
        "sshd_config(5): what stands before Include comes before what is included",
        "sed -i '1i PermitUserEnvironment yes' /etc/ssh/sshd_config\n\
         echo 'PermitUserEnvironment no' >>/etc/ssh/sshd_config.d/10-traps.conf",
    ),
    trap(
        "sshd_ignore_rhosts",
        "pass",
        "sshd_config(5): the first of two lines in one file counts",
        "printf 'IgnoreRhosts yes\\nIgnoreRhosts no\\n' >>/etc/ssh/sshd_config.d/10-traps.conf",
    ),
    trap(
        "sshd_log_level",
        "pass",
        "sshd takes a carriage return at the end of a line for white space",
        "printf 'LogLevel VERBOSE\\r\\n' >>/etc/ssh/sshd_config.d/10-traps.conf",
    ),
    trap(
        "sshd_max_startups",
        "pass",
        "a drop-in that is a link is read like any other",
        "echo 'MaxStartups 10:30:60' >/srv/link.conf\n\
         ln -s /srv/link.conf /etc/ssh/sshd_config.d/30-traps.conf",
    ),
    trap(
        "sshd_permit_tunnel",
        "fail",
        "sshd_config(5): the block sets it for these users, and ends with its file",
        "printf 'Match Group traps\\n  PermitTunnel=yes # for some\\n' >>/etc/ssh/sshd_config.d/40-traps.conf",
    ),
    trap(
        "sshd_permit_empty_passwords",
        "fail",
        "sshd_config(5): for these addresses the block overrides the global part",
        "printf 'PermitEmptyPasswords no\\nmatch address 10.0.0.0/8\\n\\tpermitemptypasswords yes\\n' \
         >>/etc/ssh/sshd_config",
    ),
    trap(
        "sshd_hostbased_authentication",
        "fail",
        "sshd_config(5): what a block includes, by a name relative to /etc/ssh, belongs to it",
        "mkdir /etc/ssh/traps.d; echo HostbasedAuthentication yes >/etc/ssh/traps.d/one\n\
         printf 'Match User traps\\nInclude \"traps.d/*\"\\r\\n' >>/etc/ssh/sshd_config.d/40-traps.conf",
    ),
    trap(
        "sshd_gateway_ports",
        "pass",
        "a block may say what the global part says",
        "echo 'GatewayPorts no' >>/etc/ssh/sshd_config",
    ),
    trap(
        "sshd_client_alive",
        "pass",
        "sshd_config(5), TIME FORMATS: a time in a block is no other number",
        "printf 'ClientAliveInterval 1m\\nClientAliveCountMax 3\\n' >>/etc/ssh/sshd_config.d/10-traps.conf\n\
         echo 'ClientAliveInterval 1m' >>/etc/ssh/sshd_config",
    ),
    trap(
        "sshd_permit_root_login",
        "fail",
        "sshd_config(5): a block that is for everybody is for root, too",
        "echo 'PermitRootLogin no' >>/etc/ssh/sshd_config.d/10-traps.conf\n\
         printf 'Match all\\nPermitRootLogin yes\\n' >>/etc/ssh/sshd_config",
    ),
];

#[test]
fn the_ssh_server_is_judged_by_what_its_files_mean() {
    assert_verdicts(&world(), &host(), &SSHD);
}

const FILES: [Trap; 14] = [
    trap(
        "login_defs_pass_max_days",
        "pass",
        "useradd takes the last line of login.defs, and a carriage return for white space",
        "printf 'PASS_MAX_DAYS 90\\r\\n' >>/etc/login.defs",
    ),
    trap(
        "login_defs_pass_min_days",
        "fail",
        "useradd takes the last line of login.defs",
        "printf 'PASS_MIN_DAYS 1\\nPASS_MIN_DAYS 0\\n' >>/etc/login.defs",
    ),
    trap(
        "login_defs_pass_warn_age",
        "fail",
        "to useradd a byte order mark is a part of the key, which it then does not know",
        "grep -v ^PASS_WARN_AGE /etc/login.defs >/srv/login.defs\n\
         { printf '\\357\\273\\277PASS_WARN_AGE 7\\n'; cat /srv/login.defs; } >/etc/login.defs",
    ),
    trap(
        "journald_storage",
        "pass",
        "systemd skips a byte order mark before a section",
        "printf '\\357\\273\\277[Journal]\\r\\nStorage=persistent\\r\\n' >/etc/systemd/journald.conf",
    ),
    trap(
        "journald_compress",
        "fail",
        "journald.conf(5): the last drop-in counts; another section is another program's",
        "mkdir -p /etc/systemd/journald.conf.d\n\
         printf '[Journal]\\nCompress=yes\\n' >/etc/systemd/journald.conf.d/10-traps.conf\n\
         printf '[Journal]\\nCompress=no\\n[Other]\\nCompress=yes\\n' >/etc/systemd/journald.conf.d/20-traps.conf",
    ),
    trap(
        "faillock_deny",
        "fail",
        "faillock.conf(5): each line is one setting, and the last one stays",
        "printf 'deny = 3\\r\\ndeny = 99\\r\\n' >/etc/security/faillock.conf",
    ),
    trap(
        "pwquality_minlen",
        "fail",
        "pwquality.conf(5): the main file is read last",
        "mkdir -p /etc/security/pwquality.conf.d\n\
         echo 'minlen = 20' >/etc/security/pwquality.conf.d/traps.conf\n\
         echo 'minlen = 8' >/etc/security/pwquality.conf",
    ),
    trap("file_etc_shadow", "pass", "a mode with fewer bits is stricter", "chmod 0400 /etc/shadow"),
    trap(
        "file_etc_gshadow",
        "fail",
        "0604 is a smaller number than 0640 and lets everyone read",
        "chmod 0604 /etc/gshadow",
    ),
    trap(
        "file_crontab",
        "fail",
        "symlink(7): what the link leads to is what cron reads",
        "mv /etc/crontab /srv/crontab; chmod 0666 /srv/crontab; ln -s /srv/crontab /etc/crontab",
    ),
    trap(
        "package_sudo",
        "pass",
        "dpkg(1): hold says what to do with a package, not whether it is there",
        "echo sudo hold | dpkg --set-selections",
    ),
    trap(
        "package_telnetd",
        "fail",
        "dpkg(1): a package that is to go is installed until it went",
        "printf 'Package: telnetd\\nStatus: deinstall ok installed\\nMaintainer: x <x@example.org>\\n\
         Architecture: all\\nVersion: 1\\nDescription: x\\n\\n' >>/var/lib/dpkg/status",
    ),
    trap(
        "package_talk",
        "pass",
        "dpkg(1): config-files says that nothing but its configuration is left",
        "printf 'Package: talk\\nStatus: hold ok config-files\\nMaintainer: x <x@example.org>\\n\
         Architecture: all\\nVersion: 1\\nConfig-Version: 1\\nDescription: x\\n\\n' >>/var/lib/dpkg/status",
    ),
    trap(
        "package_telnet",
        "fail",
        "dpkg(1): hold on a package that is there",
        "printf 'Package: telnet\\nStatus: hold ok installed\\nMaintainer: x <x@example.org>\\n\
         Architecture: all\\nVersion: 1\\nDescription: x\\n\\n' >>/var/lib/dpkg/status",
    ),
];

#[test]
fn files_and_packages_are_judged_by_what_they_mean_to_their_programs() {
    assert_verdicts(&world(), &host(), &FILES);
}

const KERNEL: [Trap; 13] = [
    trap(
        "sysctl_kptr_restrict",
        "fail",
        "sysctl(8): what is set by hand is gone after the next start",
        "rm -f /etc/sysctl.d/*-traps-none.conf",
    ),
    trap(
        "sysctl_dmesg_restrict",
        "fail",
        "sysctl.d(5): a file says what the next start sets, not what is set now",
        "echo 'kernel.dmesg_restrict = 1' >/etc/sysctl.d/10-traps.conf",
    ),
    trap(
        "sysctl_suid_dumpable",
        "pass",
        "sysctl.d(5): the last file counts, and a link to /dev/null stands for the file of the vendor",
        "echo 'fs.suid_dumpable = 1' >>/etc/sysctl.d/10-traps.conf\n\
         echo 'fs.suid_dumpable = 0' >/etc/sysctl.d/20-traps.conf\n\
         mkdir -p /usr/lib/sysctl.d; echo 'fs.suid_dumpable = 2' >/usr/lib/sysctl.d/30-traps.conf\n\
         ln -s /dev/null /etc/sysctl.d/30-traps.conf",
    ),
    trap(
        "sysctl_randomize_va_space",
        "fail",
        "sysctl(8): --system applies /etc/sysctl.conf behind all others",
        "echo 'kernel.randomize_va_space = 2' >>/etc/sysctl.d/20-traps.conf\n\
         echo 'kernel.randomize_va_space = 0' >>/etc/sysctl.conf",
    ),
    trap(
        "sysctl_sysrq",
        "fail",
        "to sysctl(8) a byte order mark is a part of the key, and there is no such parameter",
        "printf '\\357\\273\\277kernel.sysrq = 0\\n' >/etc/sysctl.d/40-traps.conf",
    ),
    trap(
        "sysctl_ptrace_scope",
        "pass",
        "sysctl.d(5): a slash separates like a dot; a carriage return is white space at the end",
        "printf -- '-kernel/yama/ptrace_scope=1\\r\\n' >>/etc/sysctl.d/20-traps.conf",
    ),
    trap(
        "module_usb_storage",
        "pass",
        "modprobe(8): there is no difference between _ and - in module names",
        "d=/lib/modules/$(uname -r); mkdir -p $d; : >>$d/modules.builtin\n\
         printf 'kernel/usb-storage.ko:\\nkernel/cramfs.ko.xz:\\nkernel/udf.ko:\\n' >>$d/modules.dep\n\
         echo 'install usb_storage /bin/false' >/etc/modprobe.d/traps.conf",
    ),
    trap(
        "module_cramfs",
        "fail",
        "modprobe.d(5): blacklist turns off the module's aliases, not its name",
        "echo 'blacklist cramfs' >>/etc/modprobe.d/traps.conf",
    ),
    trap(
        "module_udf",
        "pass",
        "modprobe.d(5): a backslash at the end of a line joins it with the next",
        "printf 'install udf \\\\\\n  /bin/true\\n' >>/etc/modprobe.d/traps.conf",
    ),
    trap(
        "unit_avahi",
        "pass",
        "systemctl(1): a masked unit cannot be started, whoever wants it",
        "printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n' \
         >/lib/systemd/system/avahi-daemon.service\n\
         mkdir -p /etc/systemd/system/multi-user.target.wants\n\
         ln -s /lib/systemd/system/avahi-daemon.service /etc/systemd/system/multi-user.target.wants/\n\
         ln -s /dev/null /etc/systemd/system/avahi-daemon.service",
    ),
    trap(
        "unit_cron",
        "fail",
        "systemctl(1): a masked unit cannot be started, enabled or not",
        "ln -sf /dev/null /etc/systemd/system/cron.service",
    ),
    trap(
        "unit_journald",
        "pass",
        "systemctl(1): is-enabled takes static for enabled",
        "grep -q '^.Install' /lib/systemd/system/systemd-journald.service && exit 1 || :",
    ),
    trap(
        "unit_nginx",
        "fail",
        "systemctl(1): is-enabled takes enabled-runtime for enabled",
        "printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n' \
         >/lib/systemd/system/nginx.service\n\
         mkdir -p /run/systemd/system/multi-user.target.wants\n\
         ln -s /lib/systemd/system/nginx.service /run/systemd/system/multi-user.target.wants/",
    ),
];

#[test]
fn the_kernel_and_units_are_judged_now_and_after_the_next_start() {
    let (world, host) = (world(), host());
    // What runs: all as it should be, but for one that a file alone sets right.
    for (parameter, value) in [
        ("kernel/kptr_restrict", "2"),
        ("kernel/dmesg_restrict", "0"),
        ("fs/suid_dumpable", "0"),
        ("kernel/randomize_va_space", "2"),
        ("kernel/sysrq", "0"),
        ("kernel/yama/ptrace_scope", "1"),
    ] {
        host.fake_proc(&format!("/proc/sys/{parameter}"), value).unwrap();
    }
    assert_verdicts(&world, &host, &KERNEL);
}

/// One account has no line in shadow; five thousand follow, and behind them a second root.
const ACCOUNTS: [Trap; 10] = [
    trap(
        "account_no_empty_passwords",
        "pass",
        "passwd(5): with an x and no line in shadow no password matches",
        "echo 'ghost:x:482:100::/:/usr/sbin/nologin' >>/etc/passwd",
    ),
    trap("account_system_locked", "pass", "shadow(5): such an account has nothing to log in by", ""),
    trap("account_without_shell_locked", "pass", "shadow(5): such an account has nothing to log in by", ""),
    trap(
        "account_unique_user_names",
        "pass",
        "5,000 names, each once",
        "awk 'BEGIN{for(i=0;i<5000;i++)print \"user\" i \":x:\" 20000+i \":\" 20000+i \":One of many:/:/bin/sh\"}' >>/etc/passwd\n\
         awk 'BEGIN{for(i=0;i<5000;i++)print \"user\" i \":!:19000:1:90:7:30::\"}' >>/etc/shadow\n\
         awk 'BEGIN{for(i=0;i<5000;i++)print \"user\" i \":x:\" 20000+i \":\"}' >>/etc/group",
    ),
    trap("account_groups_exist", "pass", "each of 5,000 has a group", ""),
    trap("account_homes_exist", "pass", "each of 5,000 has a home", ""),
    trap(
        "account_only_root_uid_0",
        "fail",
        "one behind 5,000 others is root",
        "echo 'toor:x:0:20000::/:/bin/sh' >>/etc/passwd",
    ),
    trap("account_unique_uids", "fail", "two have the number 0", ""),
    trap(
        "password_max_days",
        "fail",
        "one of 5,000 keeps a password for ever",
        "echo 'keeper:$6$a$b:19000:1:99999:7:30::' >>/etc/shadow; echo 'keeper:x:30000:20000::/:/bin/sh' >>/etc/passwd",
    ),
    trap(
        "sshd_strict_modes",
        "error",
        "to sshd a byte order mark is a part of the keyword: it refuses its configuration, and so has no setting",
        "printf '\\357\\273\\277StrictModes yes\\n' >/etc/ssh/sshd_config.d/10-traps.conf",
    ),
];

#[test]
fn five_thousand_accounts_and_some_without_a_line_in_shadow_are_judged_one_by_one() {
    assert_verdicts(&world(), &host(), &ACCOUNTS);
}
