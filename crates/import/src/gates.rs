//! What a capability of Kensa means, as a typed check of ours. A name that is not here is not guessed.

use serde_json::{Value, json};

use crate::checks::{any_line, apparmor_is_on, literal, selinux_enforces, unit_name};
use crate::tree::{Node, Problem, Value as Tree};

/// Translates a `when`: a name, or `all`, `any` or `not` of such.
pub(crate) fn translate(node: &Node) -> Result<Value, Problem> {
    match &node.value {
        Tree::Text(name) => {
            capability(name).ok_or_else(|| Problem::new(node.at, format!("unknown capability {name:?}")))
        }
        Tree::Map(entries) => match entries.as_slice() {
            [(key, inner)] if key == "all" || key == "any" => {
                let items = inner.items(key)?;
                if items.is_empty() {
                    return Err(Problem::new(inner.at, format!("{key} of when is empty")));
                }
                let gates: Result<Vec<Value>, Problem> = items.iter().map(translate).collect();
                Ok(json!({key.as_str(): gates?}))
            }
            [(key, inner)] if key == "not" => Ok(json!({"not": translate(inner)?})),
            _other => Err(Problem::new(node.at, "when is a capability, or one of all, any and not")),
        },
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::List(_) => {
            Err(Problem::new(node.at, format!("when is {}, and a capability is needed", node.kind())))
        }
    }
}

fn capability(name: &str) -> Option<Value> {
    Some(match name {
        "aide" | "authselect" | "at" | "dconf" | "dpkg" => tool(name),
        "apt" => tool("apt-get"),
        "crypto_policies" => tool("update-crypto-policies"),
        "nftables" => tool("nft"),
        "subscription_manager" => tool("subscription-manager"),
        "ubuntu_advantage" => any([tool("ua"), tool("pro")]),
        "journald" => active("systemd-journald"),
        "auditd" => active("auditd"),
        "nftables_active" => active("nftables"),
        "rsyslog_active" => active("rsyslog"),
        "systemd_resolved" => active("systemd-resolved"),
        "chronyd" | "fapolicyd" | "firewalld" | "rsyslog" | "sssd" | "ufw" | "usbguard" => unit_file(name),
        "dnf_automatic" => unit_file("dnf-automatic.timer"),
        "coredump_systemd" => unit_file("systemd-coredump.socket"),
        "cron" => any([unit_file("cron"), unit_file("crond")]),
        "firewalld_nftables" => all([active("firewalld"), tool("nft")]),
        "gdm" => any([tool("gdm"), tool("gdm3"), unit_file("gdm"), unit_file("gdm3")]),
        "grub_bls" => {
            json!({"file": {"path": "/boot/loader/entries", "kind": "directory", "missing": "fail"}})
        }
        "pam_faillock" => file("/etc/security/faillock.conf"),
        "pam_pwquality" => file("/etc/security/pwquality.conf"),
        "pam_tally2" => any([
            tool("pam_tally2"),
            file("/lib/security/pam_tally2.so"),
            file("/lib/*/security/pam_tally2.so"),
            file("/lib64/security/pam_tally2.so"),
            file("/usr/lib/*/security/pam_tally2.so"),
            file("/usr/lib64/security/pam_tally2.so"),
        ]),
        "fips_mode" => {
            json!({"sysctl": {"key": "crypto.fips_enabled", "layers": "running", "missing": "fail", "equal": "1"}})
        }
        "selinux" => selinux_enforces(),
        "apparmor" => apparmor_is_on(),
        "apt_unattended_upgrades" => json!({"package": {"name": "unattended-upgrades", "installed": true}}),
        "sshd_config_d" => all([
            json!({"file": {"path": "/etc/ssh/sshd_config.d", "kind": "directory", "missing": "fail"}}),
            line("/etc/ssh/sshd_config", r#"(?i)^\s*Include\s+(?:\S+\s+)*"?/etc/ssh/sshd_config\.d"#),
        ]),
        "sssd_configured" => {
            any([line("/etc/sssd/sssd.conf", "."), file("/etc/sssd/conf.d/*.conf"), active("sssd")])
        }
        "directory_joined" => any([
            line("/etc/nsswitch.conf", r"^\s*passwd:.*\b(?:ldap|winbind)\b"),
            all([line("/etc/nsswitch.conf", r"^\s*passwd:.*\bsss\b"), any([sssd_domain(), active("sssd")])]),
            active("nslcd"),
        ]),
        _unknown => return None,
    })
}

fn all<const N: usize>(gates: [Value; N]) -> Value {
    json!({"all": Vec::from(gates)})
}

fn any<const N: usize>(gates: [Value; N]) -> Value {
    json!({"any": Vec::from(gates)})
}

fn file(path: &str) -> Value {
    json!({"file": {"path": path, "missing": "fail"}})
}

fn line(path: &str, pattern: &str) -> Value {
    any_line(&[path.to_owned()], pattern)
}

fn sssd_domain() -> Value {
    any_line(&["/etc/sssd/sssd.conf".to_owned(), "/etc/sssd/conf.d/*.conf".to_owned()], r"^\s*\[domain/")
}

/// A program that a root shell finds.
fn tool(name: &str) -> Value {
    let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];
    any(folders.map(|folder| file(&format!("{folder}/{name}"))))
}

/// A unit that is set up, whether it runs or not.
fn unit_file(name: &str) -> Value {
    let folders = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
    any(folders.map(|folder| file(&format!("{folder}/{}", unit_name(name)))))
}

fn active(name: &str) -> Value {
    json!({"unit": {"name": literal(&unit_name(name)), "active": true}})
}
