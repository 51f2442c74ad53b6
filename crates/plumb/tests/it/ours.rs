//! Small rule folders of the tests' own, about files that a test host lets us change at will: scans of them
//! take little, and every verdict is known by hand. Shipped rules are the business of `content`.

use std::fs;

use crate::support::World;

/// A rule file's text: `check` is the YAML of the method, in flow style.
pub(crate) fn rule(id: &str, severity: &str, check: &str) -> (String, String) {
    let text = format!(
        "id: {id}\ntitle: Title of {id}\ndescription: Description of {id}.\nrationale: Rationale of {id}.\n\
         severity: {severity}\ntags: [ours, {severity}]\nplatforms:\n  - {{id: debian, min: \"12\", max: \"12\"}}\n\
         check: {check}\nfix:\n  text: Fix of {id}.\n  disruption: low\n  reboot: false\n"
    );
    (id.to_owned(), text)
}

/// A rule that passes while nobody but its owner may touch `/etc/plumb_<id>`, and fails while it is missing.
pub(crate) fn closed(id: &str, severity: &str) -> (String, String) {
    rule(id, severity, &format!("{{file: {{path: /etc/plumb_{id}, mode_at_most: \"0600\", missing: fail}}}}"))
}

/// A rule that passes while `length` in `/etc/plumb_<id>` is 14 or more.
pub(crate) fn at_least_14(id: &str, severity: &str) -> (String, String) {
    let file = format!("file: /etc/plumb_{id}, format: equals, key: length, repeat: last");
    rule(id, severity, &format!("{{setting: {{{file}, missing: fail, at_least: 14}}}}"))
}

/// Writes a rule folder called `name` and returns its path, for `--content`.
pub(crate) fn folder(world: &World, name: &str, rules: &[(String, String)]) -> String {
    let folder = world.path(name);
    fs::create_dir_all(folder.join("rules/ours")).unwrap();
    for (id, text) in rules {
        fs::write(folder.join(format!("rules/ours/{id}.yaml")), text).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}
