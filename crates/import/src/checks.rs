//! The check methods of Kensa, each said in ours. What our typed checks can say is said by them; the rest becomes the
//! free shell check, which is marked. A parameter that is not known refuses the rule.

mod files;
mod host;

use serde_json::{Value, json};

pub(crate) use files::any_line;
pub(crate) use host::{apparmor_is_on, selinux_enforces, unit_name};

use crate::params::Params;
use crate::tree::{At, Node, Problem};
use crate::variables::LIST_SEPARATOR;

/// What was noticed while one rule was translated.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Check methods in the order in which they were met.
    pub(crate) methods: Vec<String>,
    pub(crate) has_shell: bool,
    pub(crate) not_honored: Vec<(At, String)>,
}

/// Translates one check, or several that must all hold.
pub(crate) fn translate(node: &Node, notes: &mut Notes) -> Result<Value, Problem> {
    let entries = node.entries("check")?;
    if let Some(checks) = node.find("checks") {
        if let Some((key, other)) = entries.iter().find(|(key, _)| key != "checks") {
            return Err(Problem::new(other.at, format!("{key} and checks cannot stand side by side")));
        }
        let checks = checks.items("checks")?;
        if checks.is_empty() {
            return Err(Problem::new(node.at, "checks is empty, so that nothing would be asked"));
        }
        let all: Result<Vec<Value>, Problem> = checks.iter().map(|check| translate(check, notes)).collect();
        return Ok(json!({"all": all?}));
    }
    let mut params = Params::new(node, "method", "the check")?;
    if !notes.methods.contains(&params.name) {
        notes.methods.push(params.name.clone());
    }
    let check = method(&mut params, notes)?;
    params.finish()?;
    Ok(check)
}

fn method(params: &mut Params<'_>, notes: &mut Notes) -> Result<Value, Problem> {
    match params.name.clone().as_str() {
        "config_value" => files::config_value(params, notes),
        "file_exists" => files::exists(params, true),
        "file_absent" => files::exists(params, false),
        "file_permissions" | "file_permission" => files::permissions(params),
        "file_content_match" => files::content_match(params),
        "file_content" => files::content(params),
        "sysctl_value" => host::sysctl(params),
        "package_installed" | "dpkg_installed" => host::package(params, true),
        "package_absent" | "dpkg_absent" => host::package(params, false),
        "package_state" => host::package_state(params),
        "apparmor_state" => host::apparmor(params),
        "selinux_state" => host::selinux(params),
        "service_enabled" => host::service(params, Some(true), None),
        "service_active" => host::service(params, None, Some(true)),
        "service_state" => host::service_state(params),
        "sshd_effective_config" => host::sshd(params),
        "mount_option" => host::mount(params),
        "kernel_module_state" => host::module(params),
        "grub_parameter" => host::grub(params),
        "audit_rule_exists" => audit(params),
        "systemd_target" => systemd_target(params, notes),
        "command" => command(params, notes),
        "set_compare" => set_compare(params, notes),
        other => Err(Problem::new(params.at, format!("there is no check method {other:?}"))),
    }
}

fn audit(params: &mut Params<'_>) -> Result<Value, Problem> {
    let text = params.filled("rule")?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rules: Vec<String> = lines.map(literal).collect();
    if rules.is_empty() {
        return Err(Problem::new(params.at, "rule of audit_rule_exists holds no rule"));
    }
    let records = |rule: &String| rule.split_whitespace().any(|word| ["-a", "-A", "-w"].contains(&word));
    if let Some(nothing) = rules.iter().find(|rule| !records(rule)) {
        return Err(Problem::new(
            params.at,
            format!("the audit rule {nothing:?} does not say what is recorded"),
        ));
    }
    Ok(json!({"audit": {"rules": rules, "layers": "running"}}))
}

fn systemd_target(params: &mut Params<'_>, notes: &mut Notes) -> Result<Value, Problem> {
    let (expected, unwanted) = (params.present("expected")?, params.present("not_expected")?);
    let (comparator, name) = match (expected, unwanted) {
        (Some(name), None) => ("matches", name),
        (None, Some(name)) => ("not_matches", name),
        (None, None) | (Some(_), Some(_)) => {
            let message = "exactly one of expected and not_expected is needed in systemd_target";
            return Err(Problem::new(params.at, message));
        }
    };
    notes.has_shell = true;
    Ok(json!({"command": {"run": "systemctl get-default", comparator: whole(&name)}}))
}

fn command(params: &mut Params<'_>, notes: &mut Notes) -> Result<Value, Problem> {
    let (cmd, run) = (params.present("cmd")?, params.present("run")?);
    let run = match (cmd.filter(|text| !text.is_empty()), run.filter(|text| !text.is_empty())) {
        (Some(text), None) | (None, Some(text)) => text,
        (None, None) | (Some(_), Some(_)) => {
            return Err(Problem::new(params.at, "exactly one of cmd and run is needed in command"));
        }
    };
    let exit = exit_status(params, "expected_exit")?.unwrap_or(0);
    let mut check = json!({"run": run, "exit": [exit]});
    let (output, stdout) = (params.present("expected_output")?, params.present("expected_stdout")?);
    // An empty text is an assertion of its own: there must be no output.
    if let Some(expected) = output.or(stdout) {
        let pattern = if expected.trim().is_empty() {
            r"\A\s*\z".to_owned()
        } else {
            format!("(?:{})", regex::escape(&expected))
        };
        check["matches"] = json!(pattern);
    }
    notes.has_shell = true;
    let not_assessable = exit_status(params, "not_assessable_exit")?;
    Ok(match not_assessable {
        None => json!({"command": check}),
        Some(status) => {
            let answers = json!({"not": {"command": {"run": run, "exit": [status]}}});
            json!({"cases": [{"when": answers, "check": {"command": check}}]})
        }
    })
}

fn exit_status(params: &mut Params<'_>, key: &str) -> Result<Option<u8>, Problem> {
    let Some(text) = params.present(key)? else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_err| Problem::new(params.at, format!("{key} is 0 to 255, not {text:?}")))
}

/// Every line that a command prints must be one of the declared members; with aliases, one name of each line.
fn set_compare(params: &mut Params<'_>, notes: &mut Notes) -> Result<Value, Problem> {
    let run = params.filled("observed_command")?;
    let declared = params.required("authorized")?;
    let members: Vec<String> =
        declared.split(LIST_SEPARATOR).map(str::trim).filter(|m| !m.is_empty()).map(regex::escape).collect();
    if members.is_empty() {
        let message = "no member is declared in authorized, so there is nothing to compare with";
        return Err(Problem::new(params.at, message));
    }
    let member = format!(r"[ \t]*(?:{})[ \t]*", members.join("|"));
    let line = match params.present("alias_separator")?.filter(|separator| !separator.is_empty()) {
        None => member,
        Some(separator) => {
            let separator = regex::escape(&separator);
            format!("(?:[^\\n]*{separator})?{member}(?:{separator}[^\\n]*)?")
        }
    };
    notes.has_shell = true;
    // What could not be observed is no empty set.
    let run = format!("(\n{run}\n) || exit 126");
    Ok(json!({"command": {"run": run, "matches": format!(r"\A(?:(?:{line}|[ \t]*)(?:\n|\z))*\z")}}))
}

/// Matches a text as a whole, letters of either case.
pub(crate) fn whole(text: &str) -> String {
    format!(r"(?i)^(?:{})\s*$", regex::escape(text))
}

/// Writes a text so that a `$` at its front is no name of a value.
pub(crate) fn literal(text: &str) -> String {
    if text.starts_with('$') { format!("${text}") } else { text.to_owned() }
}

/// Whether letters of either case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letters {
    Exact,
    EitherCase,
}

/// Says a comparison of Kensa in ours, as the name of the comparator and what it takes.
pub(crate) fn comparison(
    params: &mut Params<'_>,
    expected: &str,
    letters: Letters,
) -> Result<(&'static str, Value), Problem> {
    let operator = params.present("comparator")?.filter(|text| !text.is_empty());
    let folds = letters == Letters::EitherCase && expected.bytes().any(|b| b.is_ascii_alphabetic());
    let number = || -> Result<i64, Problem> {
        let message = format!("{expected:?} is not a whole number, and {} compares numbers", params.name);
        expected.trim().parse().map_err(|_err| Problem::new(params.at, message))
    };
    let beyond = || Problem::new(params.at, "the number is too large");
    Ok(match operator.as_deref().unwrap_or("==") {
        "==" if folds => ("matches", json!(whole(expected))),
        "==" => ("equal", json!(literal(expected))),
        "!=" if folds => ("not_matches", json!(whole(expected))),
        "!=" => ("not_equal", json!(literal(expected))),
        "<=" => ("at_most", json!(number()?.to_string())),
        ">=" => ("at_least", json!(number()?.to_string())),
        "<" => ("at_most", json!(number()?.checked_sub(1).ok_or_else(beyond)?.to_string())),
        ">" => ("at_least", json!(number()?.checked_add(1).ok_or_else(beyond)?.to_string())),
        other => {
            let message = format!("there is no comparator {other:?}: ==, !=, <, <=, >, >=");
            return Err(Problem::new(params.at, message));
        }
    })
}
