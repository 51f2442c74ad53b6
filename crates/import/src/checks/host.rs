//! Checks of what runs and is set up on the host: kernel, packages, services, mounts, the SSH server.

use serde_json::{Value, json};

use super::files::any_line;
use super::{Letters, comparison, literal};
use crate::params::Params;
use crate::tree::Problem;

pub(super) fn sysctl(params: &mut Params<'_>) -> Result<Value, Problem> {
    let (key, expected) = (params.filled("key")?, params.filled("expected")?);
    let (comparator, value) = comparison(params, &expected, Letters::Exact)?;
    Ok(json!({"sysctl": {"key": literal(&key), "layers": "running", "missing": "fail", comparator: value}}))
}

pub(super) fn sshd(params: &mut Params<'_>) -> Result<Value, Problem> {
    let (key, expected) = (params.filled("key")?, params.filled("expected")?);
    sshd_setting(params, &key, &expected)
}

pub(super) fn sshd_setting(params: &mut Params<'_>, key: &str, expected: &str) -> Result<Value, Problem> {
    let setting = key.to_ascii_lowercase();
    if expected.is_empty() {
        return Ok(json!({"sshd": {"setting": setting, "present": true}}));
    }
    // Letters of either case are the same to this check of ours anyway.
    let (comparator, value) = comparison(params, expected, Letters::Exact)?;
    Ok(json!({"sshd": {"setting": setting, "missing": "fail", comparator: value}}))
}

pub(super) fn package(params: &mut Params<'_>, installed: bool) -> Result<Value, Problem> {
    Ok(json!({"package": {"name": literal(&params.filled("name")?), "installed": installed}}))
}

pub(super) fn package_state(params: &mut Params<'_>) -> Result<Value, Problem> {
    let installed = match params.present("state")?.as_deref() {
        None | Some("present") => true,
        Some("absent") => false,
        Some(other) => return Err(unknown_state(params, other, "present, absent")),
    };
    package(params, installed)
}

fn unknown_state(params: &Params<'_>, state: &str, known: &str) -> Problem {
    Problem::new(params.at, format!("{} knows no state {state:?}: {known}", params.name))
}

/// Says that AppArmor is on, as its module tells.
pub(crate) fn apparmor_is_on() -> Value {
    any_line(&["/sys/module/apparmor/parameters/enabled".to_owned()], "^Y")
}

pub(super) fn apparmor(params: &mut Params<'_>) -> Result<Value, Problem> {
    match params.present("state")?.as_deref() {
        Some("loaded") => Ok(apparmor_is_on()),
        None | Some("" | "enforcing") => {
            let profiles = "/sys/kernel/security/apparmor/profiles".to_owned();
            Ok(json!({"all": [apparmor_is_on(), any_line(&[profiles], r"\(enforce\)$")]}))
        }
        Some(other) => Err(unknown_state(params, other, "enforcing, loaded")),
    }
}

/// The kernel's own word on SELinux: `1` enforces, `0` does not, and without SELinux there is no file.
const SELINUX: &str = "/sys/fs/selinux/enforce";

/// Says that SELinux enforces.
pub(crate) fn selinux_enforces() -> Value {
    any_line(&[SELINUX.to_owned()], "^1")
}

pub(super) fn selinux(params: &mut Params<'_>) -> Result<Value, Problem> {
    match params.filled("state")?.to_ascii_lowercase().as_str() {
        "enforcing" => Ok(selinux_enforces()),
        "permissive" => Ok(any_line(&[SELINUX.to_owned()], "^0")),
        "disabled" => Ok(json!({"not": {"file": {"path": SELINUX, "missing": "fail"}}})),
        other => Err(unknown_state(params, other, "Enforcing, Permissive, Disabled")),
    }
}

/// Suffixes of units (systemd.unit(5)).
const UNIT_SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".timer",
    ".target",
    ".mount",
    ".path",
    ".slice",
    ".scope",
    ".device",
    ".automount",
    ".swap",
];

/// Gives a unit its suffix, as systemctl does.
pub(crate) fn unit_name(name: &str) -> String {
    if UNIT_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        return literal(name);
    }
    literal(&format!("{name}.service"))
}

pub(super) fn service(
    params: &mut Params<'_>,
    enabled: Option<bool>,
    active: Option<bool>,
) -> Result<Value, Problem> {
    let mut unit = json!({"name": unit_name(&params.filled("name")?)});
    for (key, wanted) in [("enabled", enabled), ("active", active)] {
        if let Some(wanted) = wanted {
            unit[key] = json!(wanted);
        }
    }
    Ok(json!({"unit": unit}))
}

pub(super) fn service_state(params: &mut Params<'_>) -> Result<Value, Problem> {
    let (enabled, active) = (params.flag("enabled")?, params.flag("active")?);
    if enabled.is_none() && active.is_none() {
        let message = "service_state asks for neither enabled nor active, so that nothing would be asked";
        return Err(Problem::new(params.at, message));
    }
    service(params, enabled, active)
}

pub(super) fn mount(params: &mut Params<'_>) -> Result<Value, Problem> {
    let (point, options) = (params.filled("mount_point")?, params.texts("options")?);
    let options: Vec<String> = options.iter().map(|option| literal(option)).collect();
    Ok(json!({"mount": {"point": literal(&point), "options": options, "layers": "running"}}))
}

pub(super) fn module(params: &mut Params<'_>) -> Result<Value, Problem> {
    let name = params.filled("name")?;
    match params.present("state")?.as_deref() {
        None | Some("" | "disabled") => Ok(json!({"module": {"name": literal(&name), "available": false}})),
        Some("blacklisted") => {
            // Dashes and underscores are the same in names of modules.
            let name: Vec<String> = name.split(['-', '_']).map(regex::escape).collect();
            let name = name.join("[-_]");
            let loaded = json!({"lines": {
                "files": ["/proc/modules"], "none_match": format!(r"^{name}\s"), "missing": "pass",
            }});
            let listed = format!(r"^\s*blacklist\s+{name}\s*$");
            Ok(json!({"all": [loaded, any_line(&["/etc/modprobe.d/*.conf".to_owned()], &listed)]}))
        }
        Some(other) => Err(unknown_state(params, other, "disabled, blacklisted")),
    }
}

pub(super) fn grub(params: &mut Params<'_>) -> Result<Value, Problem> {
    let (key, expected) = (params.filled("key")?, params.filled("expected")?);
    let parameter = literal(&key);
    // A flag without a value says the same as one with 1.
    Ok(if expected == "1" {
        json!({"kernel_cmdline": {"parameter": parameter, "one_of": ["1", ""]}})
    } else {
        json!({"kernel_cmdline": {"parameter": parameter, "equal": literal(&expected)}})
    })
}
