//! `mount`: a mount point and its options, running (/proc/self/mounts) and persistent (fstab(5), or an
//! enabled mount unit).

use model::Reason;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::{Located, Text};
use crate::methods::Layers;
use crate::methods::judge::{Place, in_files};
use crate::outcome::{self, Outcome};
use crate::plan::Needs;
use crate::source::value::ListSource;
use probes::format::keyvalue::Format;
use probes::format::keyvalue::{self, Style};
use probes::format::mounts;
use probes::shown::bounded;
use probes::text::TextFile;

/// A mount point and its options, running and persistent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MountSource {
    point: Text,
    /// Whether something is mounted there. Default true.
    #[serde(default)]
    mounted: Option<Located<bool>>,
    /// Options that must all be there.
    #[serde(default)]
    options: Option<Located<ListSource>>,
    #[serde(default)]
    layers: Layers,
}

/// See [`MountSource`].
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) point: String,
    pub(crate) mounted: bool,
    pub(crate) options: Vec<String>,
    pub(crate) layers: Layers,
}

impl MountSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Mount> {
        let point = scope.path(&self.point)?;
        if point.contains(['*', '?']) {
            scope.error(self.point.at, "a mount point has no wildcards");
        }
        let options = scope.optional_list(self.options.as_ref()).unwrap_or_default();
        let mounted = self.mounted.as_ref().is_none_or(|mounted| mounted.value);
        if !mounted && self.options.is_some() {
            scope.error(at, "options need mounted: true");
        }
        Some(Mount { point, mounted, options, layers: self.layers })
    }
}

/// What is mounted now, as the reading process sees it.
pub(crate) const RUNNING: &str = "/proc/self/mounts";
const FSTAB: &str = "/etc/fstab";
/// Where unit files stand, lowest precedence first (systemd.unit(5)).
const UNIT_DIRECTORIES: [&str; 5] = [
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/local/lib/systemd/system",
    "/run/systemd/system",
    "/etc/systemd/system",
];
/// Unit file states for which a mount unit takes part in the next boot.
const UNIT_COUNTS: [&str; 4] = ["enabled", "enabled-runtime", "static", "generated"];

impl Mount {
    fn unit_files(&self) -> Vec<String> {
        let name = mounts::unit_name(&self.point);
        UNIT_DIRECTORIES.iter().map(|directory| format!("{directory}/{name}")).collect()
    }

    fn unit_drop_ins(&self) -> Vec<String> {
        self.unit_files().iter().map(|path| format!("{path}.d/*.conf")).collect()
    }

    pub(crate) fn needs(&self, needs: &mut Needs) {
        if self.layers.running() {
            needs.texts([RUNNING]);
        }
        if self.layers.persistent() {
            needs.texts([FSTAB]);
            needs.texts(self.unit_files().iter().map(String::as_str));
            needs.texts(self.unit_drop_ins().iter().map(String::as_str));
            needs.unit_files.insert(mounts::unit_name(&self.point));
        }
    }

    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let running = self.layers.running().then(|| match facts.needed(RUNNING) {
            Ok(file) => self.judge("running", file, mounts::find(file, &self.point)),
            Err(reason) => Outcome::error(reason),
        });
        let persistent = self.layers.persistent().then(|| self.persistent(facts));
        outcome::layers(running, persistent)
    }

    fn persistent<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        self.try_persistent(facts).unwrap_or_else(Outcome::error)
    }

    fn try_persistent<'a>(&self, facts: &Facts<'a>) -> Result<Outcome<'a>, Reason> {
        let text = facts.text()?;
        let empty = TextFile { path: FSTAB.to_owned(), ..TextFile::default() };
        let fstab = text.read(FSTAB)?.unwrap_or(&empty);
        let entry = mounts::find(fstab, &self.point);
        if entry.is_some() {
            return Ok(self.judge("persistent", fstab, entry));
        }
        let units = text.drop_ins(&self.unit_files())?;
        let Some(unit) = units.last() else {
            return Ok(self.judge("persistent", fstab, None));
        };
        let name = unit.path.rsplit('/').next().unwrap_or(&unit.path);
        let state = facts.unit_files()?.file_state(name).map_or("not there", |(state, _)| state);
        if !UNIT_COUNTS.contains(&state) {
            return Ok(self.judge("persistent", unit, None));
        }
        let mut files = vec![*unit];
        files.extend(text.drop_ins(&self.unit_drop_ins())?);
        let style = Style { format: Format::Ini, section: Some("Mount"), comment: '#' };
        let options = files.iter().flat_map(|file| keyvalue::assignments(file, style, "Options")).last();
        let entry = mounts::Entry {
            point: self.point.clone(),
            fs: String::new(),
            options: options.as_ref().map_or_else(Vec::new, |found| mounts::split_options(&found.value)),
            line: options.as_ref().map_or(1, |found| found.line),
            text: options.as_ref().map_or_else(String::new, |found| found.text.clone()),
        };
        let file = options.as_ref().and_then(|found| files.iter().find(|file| file.path == found.file));
        Ok(self.judge("persistent", file.unwrap_or(unit), Some(entry)))
    }

    fn judge<'a>(&self, layer: &str, file: &TextFile, entry: Option<mounts::Entry>) -> Outcome<'a> {
        let place =
            entry.as_ref().map(|entry| Place { file: &file.path, line: entry.line, text: &entry.text });
        let subject = format!("{layer} mount {}", self.point);
        let mut finding = in_files(&subject, &[file], &[], place.as_slice());
        finding.expected = match (self.mounted, self.options.is_empty()) {
            (false, _) => "no mount".to_owned(),
            (true, true) => "a mount".to_owned(),
            (true, false) => format!("a mount with {}", self.options.join(",")),
        };
        let Some(entry) = entry else {
            "no mount".clone_into(&mut finding.actual);
            finding.holds = Some(!self.mounted);
            return Outcome::decided(!self.mounted, "no mount".into(), vec![finding]);
        };
        finding.actual = bounded(&format!("a mount with {}", entry.options.join(",")));
        let has = |wanted: &String| {
            entry.options.contains(wanted)
                || (!wanted.contains('=')
                    && entry.options.iter().any(|option| option.split('=').next() == Some(wanted)))
        };
        let pass = self.mounted && self.options.iter().all(has);
        finding.holds = Some(pass);
        // Sizes and the like are not what the rule compares: only the asked options are part of the value.
        let there: Vec<&String> = self.options.iter().filter(|wanted| has(wanted)).collect();
        Outcome::decided(pass, serde_json::json!({"mounted": true, "options": there}), vec![finding])
    }
}
