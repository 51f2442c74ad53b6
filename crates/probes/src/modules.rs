//! Which of the asked kernel modules the running kernel could load or has built in.

use std::collections::{BTreeMap, BTreeSet};

use model::{Observation, Reason, ReasonCode};

use super::{lossy, unexpected};

/// As a person would type it.
pub const COMMAND: &str = "cat /lib/modules/$(uname -r)/modules.dep /lib/modules/$(uname -r)/modules.builtin";

/// Writes the script for module names with `_` for `-`.
pub fn script(names: &BTreeSet<String>) -> String {
    let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    format!(
        r#"command -v awk >/dev/null 2>&1 || {{ echo 'awk: not found' >&2; exit 127; }}
d=/lib/modules/$(uname -r)
if [ ! -r "$d/modules.dep" ] || [ ! -r "$d/modules.builtin" ]; then echo '-'; echo .; exit 0; fi
awk -F: -v w='{names}' 'BEGIN{{c=split(w,a," ");for(i=1;i<=c;i++)q[a[i]]=1}}
{{m=$1;sub(/.*\//,"",m);sub(/\.ko.*/,"",m);gsub(/-/,"_",m);if(m in q)print (FILENAME~/builtin$/?"builtin ":"loadable ") m}}
END{{print "."}}' "$d/modules.dep" "$d/modules.builtin"
"#
    )
}

/// How a module can come into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Loadable,
    Builtin,
}

/// Module name to how it can come into the kernel; names that are not here cannot.
pub type Available = BTreeMap<String, Origin>;

/// Parses the answer.
///
/// # Errors
/// When the answer is torn or does not have the shape that its script gives.
pub fn parse(observation: &Observation) -> Result<Available, Reason> {
    let mut available = Available::new();
    for line in super::body_lines(&observation.stdout, "module")? {
        let line = lossy(line);
        if line == "-" {
            let text = "the running kernel's list of modules is not there, so absence cannot be shown";
            return Err(Reason::new(ReasonCode::ToolMissing, text));
        }
        let (name, origin) = match line.split_once(' ') {
            Some(("builtin", name)) => (name, Origin::Builtin),
            Some(("loadable", name)) => (name, Origin::Loadable),
            Some(_) | None => return Err(unexpected("the module probe printed a line that is no module")),
        };
        let known = available.entry(name.to_owned()).or_insert(origin);
        *known = origin.max(*known);
    }
    Ok(available)
}
