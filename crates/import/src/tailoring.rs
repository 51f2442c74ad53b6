//! An XCCDF 1.2 tailoring as a profile of ours: what it selects, deselects and sets.
//!
//! Rules may be named as ours (`xccdf_..._rule_ID`) or as those of another project that a mapping names. Everything
//! that has no counterpart is an error: a tailoring that is followed by half is another tailoring.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// Namespace of XCCDF 1.2 (NIST SP 800-126r3).
const XCCDF: &str = "http://checklists.nist.gov/xccdf/1.2";
/// Most elements of a tailoring.
const ELEMENTS_MAX: usize = 20_000;

/// What names mean here: rules by the name that the tailoring gives them, and profiles.
#[derive(Debug, Default)]
pub struct Names {
    /// Ids of our rules, and names of others', each to our rules.
    pub rules: BTreeMap<String, BTreeSet<String>>,
    pub profiles: BTreeSet<String>,
}

/// Values of ComplianceAsCode to those of our rules that mean the same.
const VALUES: [(&str, &[(&str, &str)]); 8] = [
    (
        "var_accounts_maximum_age_login_defs",
        &[("login_defs_pass_max_days", "max_days"), ("password_max_days", "max_days")],
    ),
    ("var_accounts_passwords_pam_faillock_deny", &[("faillock_deny", "max_tries")]),
    (
        "var_account_disable_post_pw_expiration",
        &[("useradd_inactive", "max_days"), ("password_inactive_days", "max_days")],
    ),
    ("var_password_pam_minlen", &[("pwquality_minlen", "min_length")]),
    ("sshd_max_auth_tries_value", &[("sshd_max_auth_tries", "max_tries")]),
    ("sshd_idle_timeout_value", &[("sshd_client_alive", "max_interval")]),
    ("var_sshd_max_sessions", &[("sshd_max_sessions", "max_sessions")]),
    ("var_sshd_set_login_grace_time", &[("sshd_login_grace_time", "max_seconds")]),
];

/// Profiles of ComplianceAsCode to ours.
const PROFILES: [(&str, &str); 5] = [
    ("cis_level1_server", "cis-l1-server"),
    ("cis_server_l1", "cis-l1-server"),
    ("cis_level2_server", "cis-l2-server"),
    ("cis", "cis-l2-server"),
    ("stig", "stig"),
];

/// Tells whether a text is XML and not YAML.
#[must_use]
pub fn is_xml(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('<')
}

/// A tailoring that is being read.
#[derive(Debug, Default)]
struct Tailoring {
    title: String,
    description: String,
    extends: Option<String>,
    selected: BTreeSet<String>,
    deselected: BTreeSet<String>,
    values: BTreeMap<String, BTreeMap<String, String>>,
}

/// Writes the only profile of an XCCDF 1.2 tailoring as a profile file of ours with this id.
///
/// # Errors
/// One line: what is not understood, and on which line it stands.
pub fn profile_of(text: &str, id: &str, names: &Names) -> Result<String, String> {
    let mut reader = NsReader::from_str(text);
    // An element without content is one with no text in it.
    reader.config_mut().expand_empty_elements = true;
    let mut tailoring = Tailoring::default();
    let (mut inside, mut profiles, mut open) = (None::<(String, String)>, 0_usize, 0_usize);
    for _ in 0..ELEMENTS_MAX {
        let at = |reader: &NsReader<&[u8]>, what: String| {
            let end = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX).min(text.len());
            let line = text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("line {line}: {what}")
        };
        let (namespace, event) =
            reader.read_resolved_event().map_err(|err| format!("is no XML that can be read: {err}"))?;
        let is_ours = matches!(namespace, ResolveResult::Bound(found) if found.as_ref() == XCCDF);
        match event {
            Event::Start(start) | Event::Empty(start) if !is_ours => {
                let name = start.name().as_ref().to_owned();
                return Err(at(&reader, format!("<{name}> is no element of XCCDF 1.2")));
            }
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                profiles += usize::from(name == "Profile");
                inside = tailoring.element(&name, &start, names).map_err(|what| at(&reader, what))?;
                open += 1;
            }
            Event::Text(found) => {
                if let Some((_, value)) = &mut inside {
                    value.push_str(&found.xml_content(XmlVersion::Explicit1_0));
                }
            }
            Event::End(_) => {
                open = open.saturating_sub(1);
                if let Some((kind, value)) = inside.take() {
                    tailoring.text(&kind, value.trim()).map_err(|what| at(&reader, what))?;
                }
            }
            Event::Eof if open > 0 => return Err(at(&reader, "the file ends within an element".to_owned())),
            Event::Eof => {
                return match profiles {
                    1 => Ok(tailoring.profile(id)),
                    0 => Err("holds no Profile".to_owned()),
                    _ => Err("holds several profiles; one is needed".to_owned()),
                };
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::GeneralRef(entity) => {
                let name = entity.as_ref().to_owned();
                let known = quick_xml::escape::resolve_xml_entity(&name)
                    .ok_or_else(|| at(&reader, format!("&{name}; is not read")))?;
                if let Some((_, value)) = &mut inside {
                    value.push_str(known);
                }
            }
            Event::Empty(_) | Event::CData(_) | Event::DocType(_) => {
                return Err(at(&reader, "CDATA and document types are not read".to_owned()));
            }
        }
    }
    Err(format!("more than {ELEMENTS_MAX} parts"))
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = start.try_get_attribute(name).map_err(|err| err.to_string())?;
    found
        .map(|found| found.normalized_value(XmlVersion::Explicit1_0).map(std::borrow::Cow::into_owned))
        .transpose()
        .map_err(|err| err.to_string())
}

/// Returns what follows the kind of an XCCDF id: `xccdf_NAMESPACE_rule_NAME`.
fn name_of<'i>(id: &'i str, kind: &str) -> Result<&'i str, String> {
    let mark = format!("_{kind}_");
    let name = id.strip_prefix("xccdf_").and_then(|rest| rest.split_once(&mark)).map(|(_, name)| name);
    name.ok_or_else(|| format!("{id:?} is no id of a {kind}"))
}

impl Tailoring {
    /// Takes an element; returns what its text is for, when that matters.
    fn element(
        &mut self,
        name: &str,
        start: &BytesStart<'_>,
        names: &Names,
    ) -> Result<Option<(String, String)>, String> {
        let needed = |attribute_name: &str| {
            attribute(start, attribute_name)?.ok_or_else(|| format!("<{name}> has no {attribute_name}"))
        };
        match name {
            "Tailoring" | "benchmark" | "version" | "status" | "metadata" => Ok(None),
            "Profile" => {
                if let Some(base) = attribute(start, "extends")? {
                    self.extends = Some(base_profile(name_of(&base, "profile")?, names)?);
                }
                Ok(None)
            }
            "title" | "description" => Ok(Some((name.to_owned(), String::new()))),
            "select" => {
                self.select(&needed("idref")?, &needed("selected")?, names)?;
                Ok(None)
            }
            "set-value" => Ok(Some((needed("idref")?, String::new()))),
            other => Err(format!("<{other}> of a tailoring is not followed here")),
        }
    }

    fn select(&mut self, idref: &str, selected: &str, names: &Names) -> Result<(), String> {
        let name = name_of(idref, "rule")?;
        let rules = names.rules.get(name).ok_or_else(|| format!("no rule is known as {name:?}"))?;
        let (into, from) = match selected {
            "true" | "1" => (&mut self.selected, &mut self.deselected),
            "false" | "0" => (&mut self.deselected, &mut self.selected),
            other => return Err(format!("selected is true or false, not {other:?}")),
        };
        for rule in rules {
            from.remove(rule);
            into.insert(rule.clone());
        }
        Ok(())
    }

    fn text(&mut self, kind: &str, value: &str) -> Result<(), String> {
        match kind {
            "title" => value.clone_into(&mut self.title),
            "description" => value.clone_into(&mut self.description),
            idref => {
                let name = name_of(idref, "value")?;
                let ours = name.split_once('.').map(|own| vec![own]);
                let known = VALUES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| ours.to_vec());
                let places = ours.or(known).ok_or_else(|| format!("no value is known as {name:?}"))?;
                for (rule, parameter) in places {
                    let of_rule = self.values.entry(rule.to_owned()).or_default();
                    of_rule.insert(parameter.to_owned(), value.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Writes the profile; texts are JSON strings, which YAML reads as they are.
    fn profile(&self, id: &str) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let list =
            |items: &BTreeSet<String>| items.iter().map(|item| text(item)).collect::<Vec<_>>().join(", ");
        let or = |own: &str, other: &str| text(if own.is_empty() { other } else { own });
        let mut out = format!(
            "id: {}\ntitle: {}\ndescription: {}\n",
            text(id),
            or(&self.title, "Tailored profile"),
            or(&self.description, "Read from an XCCDF tailoring.")
        );
        if let Some(extends) = &self.extends {
            out.push_str(&format!("extends: {}\n", text(extends)));
        }
        out.push_str(&format!("include: {{rules: [{}]}}\n", list(&self.selected)));
        out.push_str(&format!("exclude: {{rules: [{}]}}\n", list(&self.deselected)));
        let mut values = Vec::new();
        for (rule, of_rule) in &self.values {
            let pairs: Vec<String> =
                of_rule.iter().map(|(name, value)| format!("{}: {}", text(name), plain(value))).collect();
            values.push(format!("{}: {{{}}}", text(rule), pairs.join(", ")));
        }
        if !values.is_empty() {
            out.push_str(&format!("values: {{{}}}\n", values.join(", ")));
        }
        out
    }
}

/// Writes a whole number as one, so that an integer parameter takes it.
fn plain(value: &str) -> String {
    value
        .parse::<i64>()
        .map_or_else(|_err| serde_json::Value::from(value).to_string(), |number| number.to_string())
}

fn base_profile(name: &str, names: &Names) -> Result<String, String> {
    let known = PROFILES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    let ours = [Some(name), known].into_iter().flatten().find(|id| names.profiles.contains(*id));
    ours.map(str::to_owned).ok_or_else(|| format!("no profile is known as {name:?}"))
}

#[cfg(test)]
mod tests;
