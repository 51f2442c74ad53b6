//! Who may do what by sudo, in the words of sudo's own parser: aliases expanded, included files read (cvtsudoers(1)).

use std::collections::BTreeMap;

use model::{Observation, Reason, ReasonCode};
use serde_json::{Value, json};

use super::unexpected;
use crate::shown::first_line;

/// Without sudo there are no rights by it.
pub const SCRIPT: &str = r#"command -v cvtsudoers >/dev/null 2>&1 || {
if [ -e /etc/sudoers ] || command -v sudo >/dev/null 2>&1; then echo 'cvtsudoers: not found' >&2; exit 127; fi
echo '{}'; exit 0; }
cvtsudoers -e -s defaults,aliases -f json /etc/sudoers </dev/null
"#;

/// Whom a line is for, as sudoers(5) writes it (`%sudo` is a group), to what the line allows.
pub type Rights = BTreeMap<String, Vec<Value>>;

/// Parses the answer.
///
/// # Errors
/// When `cvtsudoers` failed or refuses this user, or the answer is not what it prints.
pub fn parse(observation: &Observation, exit: i32, uid: u32) -> Result<Rights, Reason> {
    if exit != 0 {
        let code = if uid == 0 { ReasonCode::ToolFailed } else { ReasonCode::PermissionDenied };
        let said = first_line(&observation.stderr);
        return Err(Reason::new(code, format!("cvtsudoers left with {exit}: {said}")));
    }
    let all: Value = serde_json::from_slice(&observation.stdout)
        .map_err(|err| unexpected(format!("the answer of cvtsudoers is no JSON: {err}")))?;
    let mut rights = Rights::new();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for spec in list(&all["User_Specs"]) {
        let allowed = json!({"hosts": spec["Host_List"], "allowed": spec["Cmnd_Specs"]});
        for user in list(&spec["User_List"]) {
            rights.entry(named(&user)?).or_default().push(allowed.clone());
        }
    }
    Ok(rights)
}

/// Writes whom a line is for as sudoers(5) does.
fn named(user: &Value) -> Result<String, Reason> {
    let is_not = if user["negated"] == json!(true) { "!" } else { "" };
    let kinds = [
        ("username", ""),
        ("userid", "#"),
        ("usergroup", "%"),
        ("usergid", "%#"),
        ("netgroup", "+"),
        ("nonunixgroup", "%:"),
        ("nonunixgid", "%:#"),
    ];
    let found = kinds.iter().find_map(|(kind, mark)| {
        let name = match &user[*kind] {
            Value::String(name) => name.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        Some(format!("{is_not}{mark}{name}"))
    });
    found.ok_or_else(|| unexpected("a line of sudoers is for somebody of an unknown kind"))
}
