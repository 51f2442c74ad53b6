//! How Kensa puts a rule right, as words for people, and as a typed fix of ours where there is one.

use serde_json::{Value, json};

use crate::checks::{literal, unit_name};
use crate::params::Params;
use crate::tree::{At, Node, Problem, Value as Tree};

/// Longest text of a fix. Characters; the rule loader allows 2,000.
const TEXT_CHARS_MAX: usize = 1_900;

/// Translates the remediations of a rule, each with the words for when it is the one.
pub(crate) fn translate(
    remediations: &[(String, &Node)],
    not_honored: &mut Vec<(At, String)>,
) -> Option<Value> {
    let mut words = Vec::new();
    let mut mechanisms: Vec<Option<Value>> = Vec::new();
    let mut reboot = false;
    for (when, node) in remediations {
        match one(node, not_honored) {
            Ok(step) => {
                let alone = remediations.len() == 1;
                words.push(if alone { step.words } else { format!("{when}: {}", step.words) });
                mechanisms.push(step.mechanism);
                reboot |= step.reboot;
            }
            Err(problem) => not_honored.push((problem.at, problem.message)),
        }
    }
    if words.is_empty() {
        return None;
    }
    let text: String = words.join("; ").chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
    // How much such a change disturbs is not said there, so the most is assumed.
    let mut fix = json!({"text": text, "disruption": "high", "reboot": reboot});
    if let [Some(mechanism)] = mechanisms.as_slice() {
        fix["mechanism"] = mechanism.clone();
    }
    Some(fix)
}

struct Step {
    words: String,
    mechanism: Option<Value>,
    reboot: bool,
}

/// Keys beside the parameters of a mechanism, which are words of the fix.
const AFTERWARDS: [&str; 3] = ["reload", "restart", "notify"];

fn one(node: &Node, not_honored: &mut Vec<(At, String)>) -> Result<Step, Problem> {
    if let Some(steps) = node.find("steps") {
        let steps = steps.items("steps")?;
        let mut words = Vec::new();
        let mut reboot = false;
        for step in steps {
            let step = one(step, not_honored)?;
            words.push(step.words);
            reboot |= step.reboot;
        }
        let message = "remediation.steps is kept as words: a typed fix is one step";
        not_honored.push((node.at, message.to_owned()));
        return Ok(Step { words: words.join(", then "), mechanism: None, reboot });
    }
    let mut params = Params::new(node, "mechanism", "the remediation")?;
    let name = params.name.clone();
    let mechanism = typed(&mut params)?;
    for (key, value) in params.unread() {
        if mechanism.is_some() && !AFTERWARDS.contains(&key) {
            not_honored.push((value.at, format!("remediation.{key} is kept as words only")));
        }
    }
    if mechanism.is_none() && name != "manual" {
        let message = format!("remediation {name} is kept as words: there is no typed fix for it");
        not_honored.push((params.at, message));
    }
    Ok(Step { words: said(&name, node), mechanism, reboot: name.starts_with("grub_") })
}

fn typed(params: &mut Params<'_>) -> Result<Option<Value>, Problem> {
    let name = params.name.clone();
    Ok(Some(match name.as_str() {
        "sysctl_set" => {
            json!({"sysctl": {"key": literal(&params.filled("key")?), "value": literal(&params.required("value")?)}})
        }
        "package_present" | "apt_present" | "package_absent" | "apt_absent" => {
            let installed = name.ends_with("_present");
            json!({"package": {"name": literal(&params.filled("name")?), "installed": installed}})
        }
        "service_enabled" | "service_disabled" => {
            let enabled = name == "service_enabled";
            let now = params.flag(if enabled { "start" } else { "stop" })?.unwrap_or(true);
            let mut unit = json!({"name": unit_name(&params.filled("name")?), "enabled": enabled});
            if now {
                unit["active"] = json!(enabled);
            }
            json!({"unit": unit})
        }
        "kernel_module_disable" => json!({"module_disabled": {"name": literal(&params.filled("name")?)}}),
        "mount_option_set" => {
            let (point, options) = (params.filled("mount_point")?, params.texts("options")?);
            let options: Vec<String> = options.iter().map(|option| literal(option)).collect();
            json!({"mount_options": {"point": literal(&point), "options": options}})
        }
        "file_permissions" if params.node("path").is_some() => file_permissions(params)?,
        "config_set" => return config_set(params),
        _other => return Ok(None),
    }))
}

fn file_permissions(params: &mut Params<'_>) -> Result<Value, Problem> {
    let mut fix = json!({"path": literal(&params.filled("path")?)});
    for key in ["mode", "owner", "group"] {
        if let Some(value) = params.present(key)?.filter(|text| !text.is_empty()) {
            fix[key] = json!(literal(&value));
        }
    }
    Ok(json!({"file_permissions": fix}))
}

fn config_set(params: &mut Params<'_>) -> Result<Option<Value>, Problem> {
    let (path, key, value) = (params.filled("path")?, params.filled("key")?, params.required("value")?);
    let separator = params.present("separator")?.unwrap_or_else(|| "=".to_owned());
    if path == "/etc/ssh/sshd_config" {
        return Ok(Some(json!({"sshd_setting": {"setting": literal(&key), "value": literal(&value)}})));
    }
    let format = match separator.as_str() {
        text if text.trim() == "=" => "equals",
        text if text.trim().is_empty() => "space",
        _other => return Ok(None),
    };
    Ok(Some(json!({"setting": {
        "file": literal(&path), "key": literal(&key), "value": literal(&value), "format": format,
    }})))
}

/// Says a mechanism in words: its name, then what it is given.
fn said(name: &str, node: &Node) -> String {
    if name == "manual" {
        let note =
            node.find("note").and_then(|note| note.text("note").ok()).filter(|note| !note.trim().is_empty());
        return note.map_or_else(
            || "by hand; the description says what is wanted".to_owned(),
            |note| one_line(&note),
        );
    }
    let Tree::Map(entries) = &node.value else {
        return name.to_owned();
    };
    let given: Vec<String> = entries
        .iter()
        .filter(|(key, _)| key != "mechanism")
        .map(|(key, value)| format!("{key} {}", words(value)))
        .collect();
    if given.is_empty() { name.to_owned() } else { format!("{name}: {}", given.join(", ")) }
}

fn words(node: &Node) -> String {
    match &node.value {
        Tree::List(items) => items.iter().map(words).collect::<Vec<_>>().join(" "),
        Tree::Map(entries) => entries
            .iter()
            .map(|(key, value)| format!("{key} {}", words(value)))
            .collect::<Vec<_>>()
            .join(", "),
        Tree::Null => "nothing".to_owned(),
        Tree::Bool(flag) => flag.to_string(),
        Tree::Number(text) | Tree::Text(text) => one_line(text),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
